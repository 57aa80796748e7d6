"""Which endpoint answers which path: one table, of fixed paths and of patterns with a model's name in them.

A model's name may hold slashes and colons, percent-encoded or not, so a pattern takes as much for it as it can.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

from anyrouter.sandbox import listing
from anyrouter.sandbox.anthropic.envelope import DIALECT as ANTHROPIC
from anyrouter.sandbox.anthropic.messages import answer_count, answer_messages
from anyrouter.sandbox.bedrock.converse import answer_bedrock_count, answer_converse, answer_converse_stream
from anyrouter.sandbox.bedrock.envelope import DIALECT as BEDROCK
from anyrouter.sandbox.bedrock.listing import answer_async_invokes
from anyrouter.sandbox.dialect import Dialect
from anyrouter.sandbox.fields import Fields
from anyrouter.sandbox.gemini.embeddings import answer_batch, answer_embedding
from anyrouter.sandbox.gemini.envelope import ARRAY_DIALECT as GEMINI_ARRAY
from anyrouter.sandbox.gemini.envelope import DIALECT as GEMINI
from anyrouter.sandbox.gemini.generate import answer_gemini_count, answer_generate, answer_stream
from anyrouter.sandbox.gemini.models import answer_model, answer_models
from anyrouter.sandbox.openai.chat import answer_chat
from anyrouter.sandbox.openai.completions import answer_completion
from anyrouter.sandbox.openai.embeddings import answer_embeddings
from anyrouter.sandbox.openai.envelope import DIALECT as OPENAI
from anyrouter.sandbox.reply import ApiError, Reply, Stamp
from anyrouter.sandbox.request import Request
from anyrouter.sandbox.responses.envelope import DIALECT as RESPONSES
from anyrouter.sandbox.responses.response import answer_responses

MODEL = "{model}"


class Call(NamedTuple):
    """A request as an endpoint sees it: its members, the model that its path names ("" when none does), and the whole of it."""

    fields: Fields
    stamp: Stamp
    model: str
    request: Request


class Route(NamedTuple):
    """One endpoint. `path` may hold `{model}`; `context_param` is the member that an OpenAI context error blames."""

    method: str
    path: str
    dialect_of: Callable[[Request], Dialect]
    answer: Callable[[Call], Reply]
    context_param: str = ""


class Match(NamedTuple):
    """A route, and the model that the path named, decoded."""

    route: Route
    model: str = ""


def _always(dialect: Dialect) -> Callable[[Request], Dialect]:
    return lambda _request: dialect


def _of_body(answer: Callable[[Fields, Stamp], Reply]) -> Callable[[Call], Reply]:
    """An endpoint whose request says everything in its body."""
    return lambda call: answer(call.fields, call.stamp)


def _of_path(answer: Callable[[Fields, Stamp, str], Reply]) -> Callable[[Call], Reply]:
    """An endpoint whose path names the model."""
    return lambda call: answer(call.fields, call.stamp, call.model)


def _by_headers(request: Request) -> Dialect:
    """Whose client this is, where the path does not say: three providers have a list of models at the same one."""
    if "x-goog-api-key" in request.headers:
        return GEMINI
    if request.headers.get("authorization", "").startswith("AWS4-"):
        return BEDROCK
    return ANTHROPIC if "anthropic-version" in request.headers or "x-api-key" in request.headers else OPENAI


def _by_framing(request: Request) -> Dialect:
    """Gemini's streams are an array, errors included, unless server-sent events are asked for."""
    return GEMINI if request.query.get("alt") == "sse" else GEMINI_ARRAY


def _list(call: Call) -> Reply:
    dialect = _by_headers(call.request)
    if dialect is GEMINI:
        return answer_models(call.request.query, call.stamp)
    if dialect is not ANTHROPIC:
        return dialect.whole(listing.openai_list(), call.stamp)
    try:
        return dialect.whole(listing.anthropic_list(call.request.query), call.stamp)
    except ValueError as error:
        raise ApiError(400, str(error)) from None


def _show(call: Call) -> Reply:
    dialect = _by_headers(call.request)
    if dialect is GEMINI:
        return answer_model(call.model, call.stamp)
    describe: Callable[[str], Any] = listing.anthropic_model if dialect is ANTHROPIC else listing.openai_model
    return dialect.whole(describe(call.model), call.stamp)


def _stream(call: Call) -> Reply:
    return answer_stream(call.fields, call.stamp, call.model, is_array=_by_framing(call.request) is GEMINI_ARRAY)


_OPENAI, _RESPONSES, _ANTHROPIC, _GEMINI, _BEDROCK = map(_always, (OPENAI, RESPONSES, ANTHROPIC, GEMINI, BEDROCK))


def _of_gemini(version: str) -> tuple[Route, ...]:
    """Gemini's endpoints in one version of its API. Its SDKs differ in which one they ask for."""
    model = f"/{version}/models/{MODEL}"
    return (
        Route("POST", f"{model}:generateContent", _GEMINI, _of_path(answer_generate)),
        Route("POST", f"{model}:streamGenerateContent", _by_framing, _stream),
        Route("POST", f"{model}:countTokens", _GEMINI, _of_path(answer_gemini_count)),
        Route("POST", f"{model}:embedContent", _GEMINI, _of_path(answer_embedding)),
        Route("POST", f"{model}:batchEmbedContents", _GEMINI, _of_path(answer_batch)),
    )


ROUTES = (
    Route("POST", "/v1/chat/completions", _OPENAI, _of_body(answer_chat), "messages"),
    Route("POST", "/v1/completions", _OPENAI, _of_body(answer_completion), "prompt"),
    Route("POST", "/v1/embeddings", _OPENAI, _of_body(answer_embeddings), "input"),
    Route("POST", "/v1/responses", _RESPONSES, _of_body(answer_responses), "input"),
    Route("POST", "/v1/messages", _ANTHROPIC, _of_body(answer_messages)),
    Route("POST", "/v1/messages/count_tokens", _ANTHROPIC, _of_body(answer_count)),
    *_of_gemini("v1beta"),
    *_of_gemini("v1"),
    Route("GET", "/v1beta/models", _GEMINI, lambda call: answer_models(call.request.query, call.stamp)),
    Route("GET", f"/v1beta/models/{MODEL}", _GEMINI, lambda call: answer_model(call.model, call.stamp)),
    Route("GET", "/v1/models", _by_headers, _list),
    Route("GET", f"/v1/models/{MODEL}", _by_headers, _show),
    Route("POST", f"/model/{MODEL}/converse", _BEDROCK, _of_path(answer_converse)),
    Route("POST", f"/model/{MODEL}/converse-stream", _BEDROCK, _of_path(answer_converse_stream)),
    Route("POST", f"/model/{MODEL}/count-tokens", _BEDROCK, _of_path(answer_bedrock_count)),
    Route("GET", "/async-invoke", _BEDROCK, lambda call: answer_async_invokes(call.stamp)),
)
_OF_PREFIX = {"/v1beta/": GEMINI, "/model/": BEDROCK}


def _compile(path: str) -> re.Pattern[str]:
    before, _, after = path.partition(MODEL)
    return re.compile(f"{re.escape(before)}(.+){re.escape(after).replace(':', '(?::|%3[Aa])')}")


_FIXED = {route.path: Match(route) for route in ROUTES if MODEL not in route.path}
_PATTERNS = [(_compile(route.path), route) for route in ROUTES if MODEL in route.path]


def find_route(path: str) -> Match | None:
    """The endpoint of a path that is still percent-encoded; None for a path that is none's."""
    fixed = _FIXED.get(path)
    if fixed is not None:
        return fixed
    for pattern, route in _PATTERNS:
        found = pattern.fullmatch(path)
        if found is not None:
            return Match(route, unquote(found[1]))
    return None


def dialect_of(request: Request) -> Dialect:
    """The dialect to answer in: by the path where it tells, else by the headers."""
    match = find_route(request.path)
    if match is not None:
        return match.route.dialect_of(request)
    for prefix, dialect in _OF_PREFIX.items():
        if request.path.startswith(prefix):
            return dialect
    return _by_headers(request)
