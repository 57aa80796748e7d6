"""The OpenAI dialect: requests for chat completions, legacy completions and embeddings (replies: openai_reply, streams: openai_stream).

Source: the OpenAI API reference as published in 2026.
"""

import re

import msgspec

from anyrouter.wire.members import Members
from anyrouter.wire.request import OWN_MEMBERS, InferenceRequest, estimate_input, need, read_flag, read_members, read_model, refused

NAME = "openai"
_ENCODE = msgspec.json.encode
_PROMPT_MEMBERS = {
    "chat/completions": ("messages", "tools", "functions", "response_format"),
    "completions": ("prompt", "suffix"),
    "embeddings": ("input",),
}
_NEEDED_MEMBER = {"chat/completions": "messages", "completions": None, "embeddings": "input"}
_REASONING_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
_ASK_USAGE = b'{"include_usage":true}'
_ASKED_USAGE = re.compile(rb'\{\s*"include_usage"\s*:\s*true\s*\}')
_NOTHING: frozenset[str] = frozenset()
_NULL = len("null")
_NO_EDITS: dict[str, bytes] = {}
_JUDGED = OWN_MEMBERS | {"stream", "stream_options", "reasoning"}  # a request without any of them is the usual one


def read_request(endpoint: str, body: bytes) -> InferenceRequest:
    """Judge a request's body; nothing of it is changed yet. ClientError says what is wrong with it."""
    members = read_members(body)
    model = read_model(members)
    if _JUDGED.isdisjoint(members.values):
        needed = _NEEDED_MEMBER[endpoint]
        if needed is not None and members.size(needed) <= _NULL:
            need(members, needed, endpoint)
        return InferenceRequest(
            members=members,
            model=model,
            is_streamed=False,
            is_usage_wanted=False,
            estimated_input_tokens=estimate_input(members, _PROMPT_MEMBERS[endpoint]),
            replace=_NO_EDITS,
            remove=_NOTHING,
            append=_NO_EDITS if "model" in members.values else {"model": _ENCODE(model)},
        )
    is_streamed = endpoint != "embeddings" and read_flag(members, "stream")
    needed = _NEEDED_MEMBER[endpoint]
    if needed is not None:
        need(members, needed, endpoint)
    replace: dict[str, bytes] = {}
    append: dict[str, bytes] = {}
    is_usage_wanted = False
    if is_streamed:
        options = members.decode("stream_options")
        if options is not None and not isinstance(options, dict):
            raise refused("invalid_parameter", "stream_options", "stream_options must be an object.")
        is_usage_wanted = bool(options and options.get("include_usage") is True) or _asks_usage(members)
        if "stream_options" not in members.values:
            append["stream_options"] = _ASK_USAGE
        elif _ASKED_USAGE.fullmatch(members.raw("stream_options") or b"") is None:  # else said once and for all, and left as it is
            replace["stream_options"] = _ENCODE({**(options or {}), "include_usage": True})
    if "model" not in members.values:  # it came as the first of `models`
        append["model"] = _ENCODE(model)
    return InferenceRequest(
        members=members,
        model=model,
        is_streamed=is_streamed,
        is_usage_wanted=is_usage_wanted,
        estimated_input_tokens=estimate_input(members, _PROMPT_MEMBERS[endpoint]),
        replace=replace,
        remove=_removed(members, append),
        append=append,
    )


def _asks_usage(members: Members) -> bool:
    usage = members.decode("usage")
    return isinstance(usage, dict) and usage.get("include") is True


def _removed(members: Members, append: dict[str, bytes]) -> frozenset[str]:
    removed = _NOTHING if OWN_MEMBERS.isdisjoint(members.values) else OWN_MEMBERS & members.values.keys()
    if "reasoning" in members.values:
        # OpenRouter's form of what this dialect calls reasoning_effort, where strict upstreams refuse the former.
        removed = removed | {"reasoning"}
        reasoning = members.decode("reasoning")
        effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
        if effort in _REASONING_EFFORTS and "reasoning_effort" not in members.values:
            append["reasoning_effort"] = _ENCODE(effort)
    return frozenset(removed)
