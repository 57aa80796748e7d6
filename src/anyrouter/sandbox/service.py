"""The sandbox without its sockets: one HTTP request in, one `Reply` out. Whatever comes in, what goes out is what a provider would say."""

from typing import Any

import msgspec

from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.dialect import Dialect
from anyrouter.sandbox.fields import FieldFault, Fields
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.request import Request
from anyrouter.sandbox.routes import Call, Match, dialect_of, find_route
from anyrouter.sandbox.scenario import Scenario, scenario_of
from anyrouter.sandbox.staging import stage

RETRY_AFTER_S = 1
MAX_SHOWN_PATH = 256
MAX_ELEMENTS = 500_000  # of a body: its commas and opening brackets, those in its texts included


def answer(request: Request, stamp: Stamp) -> Reply:
    """The reply to a request. Raises nothing, whatever the request holds."""
    dialect = dialect_of(request)
    try:
        return _answer(request, stamp, dialect)
    except ApiError as refusal:
        error = refusal
    except FieldFault as fault:
        error = dialect.of_fault(fault)
    except RecursionError:
        error = ApiError(400, "The request body is nested too deeply.")
    return dialect.render_error(error, stamp)


def _answer(request: Request, stamp: Stamp, dialect: Dialect) -> Reply:
    match = find_route(request.path)
    if match is None:
        raise dialect.not_found(request.method, request.path[:MAX_SHOWN_PATH])
    allowed = ("GET", "HEAD") if match.route.method == "GET" else (match.route.method,)
    if request.method not in allowed:
        raise dialect.wrong_method(request.method, request.path[:MAX_SHOWN_PATH], ", ".join(allowed))
    dialect.check_head(request)
    if match.route.method == "GET":
        return match.route.answer(Call(Fields({}), stamp, match.model, request))
    return _infer(match, request, stamp, dialect)


def _infer(match: Match, request: Request, stamp: Stamp, dialect: Dialect) -> Reply:
    fields = Fields(_read_object(request, dialect))
    try:
        reply = match.route.answer(Call(fields, stamp, match.model, request))
    except WindowExceeded as excess:
        raise dialect.of_window(excess, match.route.context_param) from None
    model = match.model or fields.members["model"]
    scenario = scenario_of(model)
    if scenario is Scenario.RATE_LIMITED:
        raise dialect.rate_limited(model, RETRY_AFTER_S)
    if scenario is Scenario.SERVER_ERROR:
        raise dialect.server_error()
    if scenario is Scenario.STREAM_ERROR and dialect.failure_event is not None and not reply.is_stream:
        raise dialect.overloaded()
    return stage(reply, scenario, dialect, stamp)


def _read_object(request: Request, dialect: Dialect) -> dict[str, Any]:
    body = request.body
    if len(body) > MAX_ELEMENTS and sum(map(body.count, (b",", b"[", b"{"))) > MAX_ELEMENTS:
        raise dialect.too_large()  # a small text can say a great many objects, each many times its size in memory
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError) as error:  # ValueError: bytes that are not UTF-8, integers of too many digits
        raise dialect.not_json(str(error)) from None
    if not isinstance(value, dict):
        raise dialect.not_json("Input should be an object")
    return value
