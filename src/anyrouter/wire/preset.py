"""Presets put under a request's own members. What the request says itself wins; it is told apart member by member.

The rules are those that OpenRouter documents for its presets (openrouter.ai/docs/guides/features/presets, read in November 2026):
a preset is asked for as the model (`@preset/slug`), behind a model (`openai/gpt-4o@preset/slug`), or by the member `preset`; the two
are merged at the top level, except that `tools` of both are joined. Where that page is silent: a member that is null is not said; a
request with a system prompt of its own does not get the preset's; and what a preset has in another wire format's words is translated
where every format has such a word, else left out. Where a path names the model (Gemini) it is asked for there, or by the member `preset`.
"""

from collections.abc import Iterable, Mapping

import msgspec

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.preset import MARK, SLUG, Preset, split_preset
from anyrouter.wire import preset_gemini
from anyrouter.wire.members import Members

CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES = "chat/completions", "completions", "embeddings", "messages", "responses"
_DIALECTS = {
    MESSAGES: "anthropic",
    "messages/count_tokens": "anthropic",
    RESPONSES: "responses",
    **dict.fromkeys(preset_gemini.ENDPOINTS, preset_gemini.NAME),
}
_ROUTING = frozenset({"model", "models", "provider", "route", "session_id", "transforms", "plugins", "usage"})
_EVERYWHERE = _ROUTING | {"temperature", "top_p", "top_k", "max_tokens", "stop"}  # in every format of a chat, by these or other names
_COMPLETIONS_ONLY = frozenset({"seed", "n", "frequency_penalty", "presence_penalty", "logit_bias", "user"})
_EMBEDDINGS_ONLY = frozenset({"dimensions", "encoding_format", "user"})
# Names of one thing: a request that has one of them does not get another from its preset.
_SYNONYMS = (
    frozenset({"max_tokens", "max_completion_tokens", "max_output_tokens"}),
    frozenset({"stop", "stop_sequences"}),
    frozenset({"reasoning", "reasoning_effort"}),
)
_SYNONYMS_OF = {name: names for names in _SYNONYMS for name in names}
_COMMON_NAME = {"max_completion_tokens": "max_tokens", "max_output_tokens": "max_tokens", "stop_sequences": "stop"}
_OWN_NAMES = {"anthropic": {"stop": "stop_sequences"}, "responses": {"max_tokens": "max_output_tokens"}}
_SYSTEM_MEMBERS = {"anthropic": "system", "responses": "instructions"}
_SYSTEM_ROLES = frozenset({"system", "developer"})


class _Named(msgspec.Struct):
    name: str | None = None


class _Tool(msgspec.Struct):
    type: str = "function"
    name: str | None = None
    function: _Named | None = None
    parameters: msgspec.Raw = msgspec.Raw(b"null")


class _Message(msgspec.Struct):
    role: str | None = None


def read_preset(members: Members, path_model: str | None = None) -> tuple[str, str] | None:
    """The slug of the preset that a request asks for, and the member that names it; None when it asks for none.

    `path_model` is the model of a request that has it in its path: the body's `model` says nothing then. ClientError
    `invalid_parameter` when it asks for two, or for what cannot be the slug of one.
    """
    _, slug = split_preset(_model_of(members, path_model))
    named = members.text_of("preset")
    if named is not None:
        named = named.removeprefix(MARK)
        if slug is not None and slug != named:
            raise ClientError(_refusal("preset", "preset and model name two presets; keep one."))
    asked = slug if slug is not None else named
    if asked is None:
        if members.raw_is_missing("preset"):
            return None
        raise ClientError(_refusal("preset", "preset must be the slug of a preset."))
    where = "model" if slug is not None else "preset"
    if not SLUG.fullmatch(asked):
        raise ClientError(_refusal(where, "What stands there cannot be the slug of a preset: lower-case letters, digits, - and _."))
    return asked, where


def no_such_preset(slug: str, param: str) -> Denied:
    """The refusal of a slug that the environment has no preset of."""
    return Denied(code="not_found", param=param, message=f"There is no preset {slug!r} in this environment. GET /presets lists them.")


def apply_preset(text: bytes, preset: Preset, endpoint: str = CHAT, path_model: str | None = None) -> bytes:
    """A request's body with the preset under its members, and without the mention of the preset.

    Bytes of members that the preset does not touch stay as they were. A request that has its model in its path (`path_model`) has it in
    its body afterwards. NotJson when the text is no JSON object; ClientError when neither the request nor the preset names a model.
    """
    members = Members(text)
    dialect = _DIALECTS.get(endpoint, "openai")
    given = dict(_select(preset, dialect, endpoint))
    if dialect == preset_gemini.NAME:
        given = given if preset.dialect == dialect else preset_gemini.gather(given)
        changes = preset_gemini.merge(members, given, preset.system_prompt)
    else:
        changes = _merge(members, given, preset, endpoint)
    removed = {"preset"}
    model = _choose_model(members, preset, path_model)
    changes.pop("model", None)
    if model is not None:
        changes["model"] = model
    else:
        removed.add("model")
    replaced = {name: value for name, value in changes.items() if name in members.values}
    appended = {name: value for name, value in changes.items() if name not in members.values}
    return b"".join(members.edit(replaced, removed, appended))


def _merge(members: Members, given: Mapping[str, bytes], preset: Preset, endpoint: str) -> dict[str, bytes]:
    """The members of a request that change, or that it gets, when `given` is put under them."""
    said = {name for name in members.values if not members.raw_is_missing(name)}
    told = said | {synonym for name in said for synonym in _SYNONYMS_OF.get(name, ())}
    changes = {name: value for name, value in given.items() if name not in told}
    if "tools" in said and "tools" in given:
        changes["tools"] = _join_tools(bytes(given["tools"]), members.raw("tools") or b"")
    if preset.system_prompt is not None:
        changes |= _place_system_prompt(members, preset.system_prompt, endpoint, said)
    return changes


def _model_of(members: Members, path_model: str | None) -> str:
    return path_model if path_model is not None else members.text_of("model") or ""


def _choose_model(members: Members, preset: Preset, path_model: str | None) -> bytes | None:
    """The model's name as JSON: the request's own, else the preset's; None where `models` has to do."""
    own, _ = split_preset(_model_of(members, path_model))
    if own:
        return msgspec.json.encode(own)
    if "model" in preset.members:
        return preset.members["model"]
    if "models" in preset.members or not members.raw_is_missing("models"):
        return None
    message = f"The preset {preset.slug} has no model. Name one before it: vendor/name{MARK}{preset.slug}."
    raise ClientError(Denied(code="missing_parameter", param="model", message=message))


def _select(preset: Preset, dialect: str, endpoint: str) -> Iterable[tuple[str, bytes]]:
    """What of the preset has a meaning at the endpoint, by the names that it has there."""
    is_native = preset.dialect == dialect and endpoint not in (COMPLETIONS, EMBEDDINGS)
    is_foreign = preset.dialect == preset_gemini.NAME and not is_native
    for name, value in (preset_gemini.flatten(preset.members) if is_foreign else preset.members).items():
        common = name if is_native else _COMMON_NAME.get(name, name)
        if is_native:
            yield name, value
        elif endpoint == EMBEDDINGS:
            if common in _ROUTING | _EMBEDDINGS_ONLY:
                yield name, value
        elif common in _EVERYWHERE or (endpoint == COMPLETIONS and preset.dialect == dialect and common in _COMPLETIONS_ONLY):
            own = _OWN_NAMES.get(dialect, {}).get(common, common)
            if own != "stop" or dialect != "responses":  # where there is no such member
                yield own, _listed(value) if own == "stop_sequences" else value


def _listed(value: bytes) -> bytes:
    return b"[%s]" % value if value.startswith(b'"') else value


def _place_system_prompt(members: Members, prompt: str, endpoint: str, said: set[str]) -> Mapping[str, bytes]:
    if endpoint in (COMPLETIONS, EMBEDDINGS):
        return {}
    member = _SYSTEM_MEMBERS.get(_DIALECTS.get(endpoint, "openai"))
    if member is not None:
        return {} if member in said else {member: msgspec.json.encode(prompt)}
    messages = members.raw("messages")
    try:
        known = msgspec.json.decode(messages or b"", type=list[_Message])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}  # what is wrong with them is told elsewhere
    if messages is None or any(message.role in _SYSTEM_ROLES for message in known):
        return {}
    first = msgspec.json.encode({"role": "system", "content": prompt})
    start = messages.index(b"[") + 1
    return {"messages": b"%s%s%s%s" % (messages[:start], first, b"," if known else b"", messages[start:])}


def _join_tools(preset: bytes, request: bytes) -> bytes:
    """The preset's tools, each replaced by the request's of the same identity, and behind them the request's others."""
    try:
        ours, theirs = (msgspec.json.decode(tools, type=list[msgspec.Raw]) for tools in (preset, request))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return request
    own = {_identify(tool): bytes(tool) for tool in theirs}
    joined = [own.pop(_identify(tool), bytes(tool)) for tool in ours]
    return b"[%s]" % b",".join([*joined, *own.values()])


def _identify(tool: msgspec.Raw) -> tuple[str, ...]:
    """A function's name, else the tool's kind and the name that it is given; a tool that is neither is like none but its equals."""
    try:
        read = msgspec.json.decode(tool, type=_Tool)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ("", bytes(tool).hex())
    name = read.name or (read.function.name if read.function is not None else None)
    if read.type in ("function", "custom"):
        return ("function", name) if name else ("", bytes(tool).hex())
    try:
        parameters = msgspec.json.decode(read.parameters, type=_Named)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        parameters = _Named()
    return (read.type, name or parameters.name or "")


def _refusal(param: str, message: str) -> Denied:
    return Denied(code="invalid_parameter", param=param, message=message)
