"""A request's body made fit for one provider: what its row documents as refused, renamed or restricted.

The body is seen as its top-level members; only those that a quirk concerns are looked into, and all others stay the bytes that they
were. What is left out is told in a warning; a mere change of name is not, since nothing is lost.
A body that a client wrote itself is not adapted, but for other providers' reasoning in its earlier messages (`list_refused`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from anyrouter.core.provider import Effect, Format, Provider, Quirk
from anyrouter.wire import history
from anyrouter.wire.form.warnings import WarningCode, Warnings
from anyrouter.wire.members import Members

Values = Mapping[str, msgspec.Raw]
_LIST = re.compile(r"(\w+)\[\]\.(\w+)", re.ASCII)
_OBJECT = re.compile(r"(\w+)\.(\w+)", re.ASCII)
_decode_objects = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation:
    """Edits of a body's members, in the form in which `Members.edit` takes them."""

    replace: Mapping[str, bytes] = field(default_factory=dict)
    remove: frozenset[str] = frozenset()
    append: Mapping[str, bytes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.replace or self.remove or self.append)


UNCHANGED = Adaptation()


def select_quirks(provider: Provider, dialect: str, model: str) -> tuple[Quirk, ...]:
    """The quirks that concern requests in a wire format for a model of the upstream: the same for every such request."""
    return tuple(quirk for quirk in provider.quirks if quirk.dialect == dialect and re.match(quirk.models, model))


def list_refused(quirks: tuple[Quirk, ...]) -> frozenset[str]:
    """The members of earlier messages that a client must not give back to the provider, whoever they came from."""
    refusing = (quirk for quirk in quirks if quirk.effect is Effect.UNSUPPORTED)
    paths = (_LIST.fullmatch(member) for quirk in refusing for member in quirk.members)
    return frozenset(path[2] for path in paths if path is not None and path[1] == "messages" and path[2] in history.NAMES)


def adapt(values: Values, quirks: tuple[Quirk, ...], row: Format, warnings: Warnings, *, is_asking_usage: bool = True) -> Adaptation:
    """The edits that make a body fit. `values` are its members as they stand; `is_asking_usage` is the provider's."""
    body = _Body(values, warnings)
    for name in row.removed & values.keys():
        body.changed[name] = None
    if not is_asking_usage and "stream_options" in values:
        body.changed["stream_options"] = None
    for quirk in quirks:
        for member in quirk.members:
            body.apply(quirk, member)
    body.changed.update(row.members)
    return body.finish()


def adapt_body(body: bytes, provider: Provider, dialect: str, model: str, warnings: Warnings) -> bytes:
    """A whole body, as an encoder made it, for a provider that is asked in `dialect`."""
    members = Members(body)
    edits = adapt(
        members.values,
        select_quirks(provider, dialect, model),
        provider.formats[dialect],
        warnings,
        is_asking_usage=provider.is_asking_usage,
    )
    return b"".join(members.edit(edits.replace, edits.remove, edits.append)) if edits else body


class _Body:
    """A body's members while quirks are applied: what they were, and what became of those that changed (None: left out)."""

    __slots__ = ("changed", "values", "warnings")

    def __init__(self, values: Values, warnings: Warnings) -> None:
        self.values, self.warnings = values, warnings
        self.changed: dict[str, bytes | None] = {}

    def finish(self) -> Adaptation:
        if not self.changed:
            return UNCHANGED
        sent = {name: value for name, value in self.changed.items() if value is not None}
        return Adaptation(
            replace={name: value for name, value in sent.items() if name in self.values},
            remove=frozenset(self.values.keys() & self.changed.keys() - sent.keys()),
            append={name: value for name, value in sent.items() if name not in self.values},
        )

    def apply(self, quirk: Quirk, member: str) -> None:
        if (path := _LIST.fullmatch(member)) is not None:
            self._apply_within(quirk, path[1], path[2])
            return
        path = _OBJECT.fullmatch(member)
        name = path[1] if path is not None else member
        value = self._current(name)
        judged = value if path is None or value is None else _member_of(value, path[2])
        if judged is None:
            return
        if judged == b"null":  # says nothing, but a provider that does not know the name may refuse it all the same
            if path is None and quirk.effect in {Effect.UNSUPPORTED, Effect.RENAMED}:
                self.changed[name] = None
            return
        if quirk.effect is Effect.RENAMED:
            self.changed[name] = None
            if quirk.to is not None and self._current(quirk.to) in {None, b"null"}:
                self.changed[quirk.to] = judged
        elif quirk.effect is Effect.UNSUPPORTED or (_read(judged) in quirk.values) == (quirk.effect is Effect.EXCLUDED):
            self.changed[name] = None
            self.warnings.add(WarningCode.UNSUPPORTED_PARAMETER, name, _explain(quirk, member))

    def _apply_within(self, quirk: Quirk, name: str, key: str) -> None:
        """A quirk of one member of each object in a list, such as each message's role."""
        value = self._current(name)
        telling = quirk.values or (key,)
        if value is None or not any(b'"%s"' % text.encode() in value for text in telling):
            return
        try:
            items = _decode_objects(value)
        except (msgspec.DecodeError, RecursionError):
            return  # not of a form that this quirk knows: the provider says itself what it thinks of it
        concerned = [item for item in items if key in item and (not quirk.values or _read(bytes(item[key])) in quirk.values)]
        for item in concerned:
            if quirk.effect is Effect.REPLACED:
                item[key] = msgspec.Raw(msgspec.json.encode(quirk.to))
            else:
                del item[key]
                self.warnings.add(WarningCode.UNSUPPORTED_PARAMETER, f"{name}[].{key}", _explain(quirk, f"{name}[].{key}"))
        if concerned:
            self.changed[name] = msgspec.json.encode(items)

    def _current(self, name: str) -> bytes | None:
        if name in self.changed:
            return self.changed[name]
        value = self.values.get(name)
        return None if value is None else bytes(value)


def _member_of(value: bytes, key: str) -> bytes | None:
    try:
        found = _decode_object(value).get(key)
    except (msgspec.DecodeError, RecursionError):
        return None
    return None if found is None else bytes(found)


def _read(value: bytes) -> str:
    """A text's content, of anything else its JSON."""
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, RecursionError):
        return value.decode("utf-8", "replace")


def _explain(quirk: Quirk, member: str) -> str:
    if quirk.effect is Effect.EXCLUDED:
        return f"{member} was left out: the model's provider does not take {' or '.join(quirk.values)}."
    if quirk.effect is Effect.RESTRICTED:
        return f"{member} was left out: the model's provider takes {' or '.join(quirk.values)} only."
    return f"{member} was left out: the model's provider does not take it."
