"""The target of a request's first line: whose path it is, and what of Gemini's own requests stands there instead of in the body.

Nothing of a query is a credential, and nothing of it is needed but whether a stream is wanted as events.
"""

import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from anyrouter.policy.endpoints import GEMINI_METHODS, GEMINI_VERSIONS, INFERENCE_PATHS
from anyrouter.wire.request import MAX_MODEL_LENGTH

_GEMINI_PATH = re.compile(rb"/(?:%b)/models/(.+):(%b)" % ("|".join(GEMINI_VERSIONS).encode(), "|".join(GEMINI_METHODS).encode()), re.DOTALL)
_STREAMED = "streamGenerateContent"


class Target(NamedTuple):
    """An inference path. `model` is what a path names that has it, `is_array` says that a stream is wanted as one array in JSON."""

    endpoint: str
    model: str | None = None
    is_array: bool = False


def read_target(target: bytes) -> Target | None:
    """What a POST to the target asks for; None for a path that is not of inference.

    A model's name in a path may hold slashes and colons, percent-encoded or not. One that cannot be a model's is None's too: not
    UTF-8, not printable, too long.
    """
    path = plain_path(target)
    endpoint = INFERENCE_PATHS.get(path)
    if endpoint is not None:
        return Target(endpoint)
    found = _GEMINI_PATH.fullmatch(path)
    if found is None:
        return None
    try:
        model = found[1].decode()
    except UnicodeDecodeError:
        return None
    if len(model) > MAX_MODEL_LENGTH or not model.isprintable():
        return None
    endpoint = found[2].decode()
    return Target(endpoint, model, endpoint == _STREAMED and not _wants_events(target))


def plain_path(target: bytes) -> bytes:
    """The path of a request target: without scheme and authority, query and one trailing slash, percent-decoded."""
    path = target.partition(b"?")[0].partition(b"#")[0]
    if not path.startswith(b"/"):
        path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
    if b"%" in path:
        path = unquote_to_bytes(path)
    return path[:-1] if path.endswith(b"/") else path


def _wants_events(target: bytes) -> bool:
    """Whether the query has `alt=sse`, as Google's clients ask for server-sent events; the last `alt` counts."""
    kind = b""
    for member in target.partition(b"#")[0].partition(b"?")[2].split(b"&"):
        name, _, value = member.partition(b"=")
        if unquote_to_bytes(name) in (b"alt", b"$alt"):
            kind = unquote_to_bytes(value)
    return kind == b"sse"
