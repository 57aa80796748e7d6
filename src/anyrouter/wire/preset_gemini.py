"""A preset under a request of Gemini's format: its settings stand in `generationConfig`, and names have two spellings.

Source: ai.google.dev/api/generate-content (read 2026-11-24). What other formats have at the top level is merged member by member here,
too; of functions of one name the request's stands.
"""

from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Raw

from anyrouter.wire.members import Members, NotJson
from anyrouter.wire.translation.gemini.spelling import CAMEL_CASE

NAME = "gemini"
ENDPOINTS = ("generateContent", "streamGenerateContent")
CONFIG, SYSTEM = "generationConfig", "systemInstruction"
_SNAKE_CONFIG = "generation_config"
_SCHEMAS = frozenset({"responseSchema", "responseJsonSchema"})  # a request that has one of them does not get the other
_FUNCTIONS = "functionDeclarations"
_COMMON_NAMES = {"topP": "top_p", "topK": "top_k", "maxOutputTokens": "max_tokens", "stopSequences": "stop"}
_OWN_NAMES = {"temperature": "temperature", **{common: own for own, common in _COMMON_NAMES.items()}}
_BROKEN = (ValueError, msgspec.DecodeError, RecursionError)


class _Function(msgspec.Struct):
    name: str | None = None


def flatten(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The members of a preset of this format with its settings at the top level, by the names that other formats have for them."""
    flat: dict[str, bytes] = {}
    for name, value in members.items():
        if _spell(name) != CONFIG:
            flat[name] = value
        else:
            flat |= {_COMMON_NAMES.get(own, own): setting for own, setting in _read_object(value).items()}
    return flat


def gather(members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The opposite: settings by their common names, as members of a request of this format."""
    settings = {_OWN_NAMES[name]: _listed(name, value) for name, value in members.items() if name in _OWN_NAMES}
    gathered = {name: value for name, value in members.items() if name not in _OWN_NAMES}
    return gathered | {CONFIG: _write_object(settings)} if settings else gathered


def merge(members: Members, given: Mapping[str, bytes], system_prompt: str | None) -> dict[str, bytes]:
    """The members of the request that change, or that it gets, when `given` is put under them."""
    told = {_spell(name) for name in members.values if not members.raw_is_missing(name)}
    ours = {_spell(name): value for name, value in given.items()}
    if system_prompt is not None:
        ours[SYSTEM] = msgspec.json.encode({"parts": [{"text": system_prompt}]})
    changes = {name: value for name, value in ours.items() if name not in told}
    if CONFIG in ours and CONFIG in told:
        name = _SNAKE_CONFIG if members.raw_is_missing(CONFIG) else CONFIG
        changes[name] = _merge_config(_read_object(ours[CONFIG]), members.raw(name) or b"")
    if "tools" in ours and "tools" in told:
        changes["tools"] = _join_tools(ours["tools"], members.raw("tools") or b"")
    return changes


def _merge_config(ours: Mapping[str, bytes], theirs: bytes) -> bytes:
    try:
        members = Members(theirs)
    except NotJson:
        return theirs  # what is wrong with it is told elsewhere
    told = {_spell(name) for name in members.values if not members.raw_is_missing(name)}
    told |= set() if _SCHEMAS.isdisjoint(told) else _SCHEMAS
    added = {name: value for name, value in ours.items() if name not in told}
    replaced = {name: value for name, value in added.items() if name in members.values}
    return b"".join(members.edit(replaced, (), {name: value for name, value in added.items() if name not in replaced}))


def _join_tools(ours: bytes, theirs: bytes) -> bytes:
    """The preset's tools and behind them the request's; what the request has of the same kind or name, the preset's are without."""
    own, others = _read_tools(theirs), _read_tools(ours)
    if own is None or others is None:
        return theirs
    named = {name for tool in own for name in _list_names(tool.get(_FUNCTIONS))}
    kinds = {kind for tool in own for kind in tool} - {_FUNCTIONS}
    left = [{kind: value for kind, value in tool.items() if kind not in kinds} for tool in others]
    for tool in left:
        if _FUNCTIONS in tool:
            functions = [function for function in _read_list(tool[_FUNCTIONS]) if _name_of(function) not in named]
            tool[_FUNCTIONS] = b"[%s]" % b",".join(functions)
            if not functions:
                del tool[_FUNCTIONS]
    return b"[%s]" % b",".join(_write_object(tool) for tool in (*left, *own) if tool)


def _read_tools(text: bytes) -> list[dict[str, bytes]] | None:
    try:
        tools = [msgspec.json.decode(tool, type=dict[str, Raw]) for tool in _read_list(text)]
    except _BROKEN:
        return None
    return [{_spell(name): bytes(value) for name, value in tool.items()} for tool in tools]


def _read_list(text: bytes) -> list[bytes]:
    """The values of a list; a single one stands for a list of one."""
    return [bytes(item) for item in msgspec.json.decode(text, type=list[Raw])] if text.startswith(b"[") else [text]


def _list_names(functions: bytes | None) -> Iterable[str]:
    names = (_name_of(function) for function in (_read_list(functions) if functions is not None else ()))
    return (name for name in names if name is not None)


def _name_of(function: bytes) -> str | None:
    try:
        return msgspec.json.decode(function, type=_Function).name
    except _BROKEN:
        return None


def _read_object(text: bytes) -> dict[str, bytes]:
    """The members of an object in camelCase, without those that are null; none of what is no object."""
    try:
        values = msgspec.json.decode(text, type=dict[str, Raw])
    except _BROKEN:
        return {}
    return {_spell(name): bytes(value) for name, value in values.items() if bytes(value) != b"null"}


def _write_object(members: Mapping[str, bytes]) -> bytes:
    return b"{%s}" % b",".join(b"%s:%s" % (msgspec.json.encode(name), value) for name, value in members.items())


def _listed(name: str, value: bytes) -> bytes:
    return b"[%s]" % value if name == "stop" and value.startswith(b'"') else value


def _spell(name: str) -> str:
    return CAMEL_CASE.get(name, name)
