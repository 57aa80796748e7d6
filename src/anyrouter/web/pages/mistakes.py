"""A form that was refused, as it is shown again: what is wrong with which field."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from anyrouter.core.errors import ClientError, Denied

_NO_RIGHT = frozenset({401, 403})
_MISSING = 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """`errors` are texts by the form's names of fields, `message` is what concerns none of them."""

    errors: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    status: int = 200


NO_MISTAKE = Mistake()


def read_mistake(error: ClientError, fields: Collection[str], names: Mapping[str, str] | None = None) -> Mistake:
    """The refusal of a form with these `fields`; `names` are those of the form where they are not the service's.

    What the visitor may not do, and what is not there, is no mistake in a form: it is raised again, and so put on record.
    """
    denied = error.denied
    if denied.http_status in _NO_RIGHT or (denied.http_status == _MISSING and denied.param is None):
        raise error
    param = denied.param or ""
    name = (names or {}).get(param, param)
    text = _shorten(denied, param)
    if name in fields:
        return Mistake(errors={name: text}, status=denied.http_status)
    return Mistake(message=text, status=denied.http_status)


def _shorten(denied: Denied, param: str) -> str:
    """The message without the name that programs know the field by."""
    text = denied.message
    for prefix in (f"{param}: ", f"{param} must ", f"{param} "):
        if param and text.startswith(prefix):
            rest = text[len(prefix) :]
            text = f"This must {rest}" if prefix.endswith("must ") else rest if prefix.endswith(": ") else f"This {rest}"
            break
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
