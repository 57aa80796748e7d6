"""The sandbox without its sockets: one HTTP request in, one `Reply` out. Whatever comes in, what goes out is what a provider would say."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from anyrouter.sandbox import listing
from anyrouter.sandbox.answer import WindowExceeded
from anyrouter.sandbox.anthropic.envelope import DIALECT as ANTHROPIC
from anyrouter.sandbox.anthropic.messages import answer_count, answer_messages
from anyrouter.sandbox.dialect import Dialect
from anyrouter.sandbox.fields import FieldFault, Fields
from anyrouter.sandbox.openai.chat import answer_chat
from anyrouter.sandbox.openai.completions import answer_completion
from anyrouter.sandbox.openai.embeddings import answer_embeddings
from anyrouter.sandbox.openai.envelope import DIALECT as OPENAI
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.scenario import Scenario, scenario_of
from anyrouter.sandbox.staging import stage

MODELS_PATH = "/v1/models"
RETRY_AFTER_S = 1
MAX_SHOWN_PATH = 256
MAX_ELEMENTS = 500_000  # of a body: its commas and opening brackets, those in its texts included

_BEARER = re.compile(r"bearer\s+\S", re.ASCII | re.IGNORECASE)


class _Inference(NamedTuple):
    """An endpoint that takes a JSON object. `prompt_param` is the member that a context error blames."""

    answer: Callable[[Fields, Stamp], Reply]
    dialect: Dialect
    prompt_param: str


_INFERENCE = {
    "/v1/chat/completions": _Inference(answer_chat, OPENAI, "messages"),
    "/v1/completions": _Inference(answer_completion, OPENAI, "prompt"),
    "/v1/embeddings": _Inference(answer_embeddings, OPENAI, "input"),
    "/v1/messages": _Inference(answer_messages, ANTHROPIC, "messages"),
    "/v1/messages/count_tokens": _Inference(answer_count, ANTHROPIC, "messages"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One HTTP request. Names of headers are in lower case; `target` is the path and what follows it."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, without a query, still percent-encoded."""
        return self.target.split("?", 1)[0]


def dialect_of(request: Request) -> Dialect:
    """The dialect to answer in: by the path where it tells, else by the headers."""
    endpoint = _INFERENCE.get(request.path)
    if endpoint is not None:
        return endpoint.dialect
    return ANTHROPIC if "anthropic-version" in request.headers or "x-api-key" in request.headers else OPENAI


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
    endpoint = _INFERENCE.get(request.path)
    is_listing = request.path == MODELS_PATH or request.path.startswith(f"{MODELS_PATH}/")
    if endpoint is None and not is_listing:
        raise dialect.not_found(request.method, request.path[:MAX_SHOWN_PATH])
    allowed = ("POST",) if endpoint else ("GET", "HEAD")
    if request.method not in allowed:
        raise dialect.wrong_method(request.method, request.path[:MAX_SHOWN_PATH], ", ".join(allowed))
    if not _has_key(request):
        raise dialect.no_key()
    return _infer(endpoint, request, stamp) if endpoint else _list(request, stamp, dialect)


def _infer(endpoint: _Inference, request: Request, stamp: Stamp) -> Reply:
    if endpoint.dialect is ANTHROPIC and "anthropic-version" not in request.headers:
        raise ApiError(400, "anthropic-version: header is required")
    fields = Fields(_read_object(request, endpoint.dialect))
    try:
        reply = endpoint.answer(fields, stamp)
    except WindowExceeded as excess:
        raise endpoint.dialect.of_window(excess, endpoint.prompt_param) from None
    model = fields.members["model"]
    scenario = scenario_of(model)
    if scenario is Scenario.RATE_LIMITED:
        raise endpoint.dialect.rate_limited(model, RETRY_AFTER_S)
    if scenario is Scenario.SERVER_ERROR:
        raise endpoint.dialect.server_error()
    return stage(reply, scenario)


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


def _list(request: Request, stamp: Stamp, dialect: Dialect) -> Reply:
    is_anthropic = dialect is ANTHROPIC
    name = unquote(request.path.removeprefix(MODELS_PATH).removeprefix("/"))
    if name:
        return dialect.whole((listing.anthropic_model if is_anthropic else listing.openai_model)(name), stamp)
    if not is_anthropic:
        return dialect.whole(listing.openai_list(), stamp)
    try:
        return dialect.whole(listing.anthropic_list(request.target.partition("?")[2]), stamp)
    except ValueError as error:
        raise ApiError(400, str(error)) from None


def _has_key(request: Request) -> bool:
    """Any key is accepted, in either of the two headers; none is not."""
    return bool(request.headers.get("x-api-key", "").strip() or _BEARER.match(request.headers.get("authorization", "")))
