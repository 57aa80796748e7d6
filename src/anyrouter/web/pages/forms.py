"""What a form or a link says: the fields of an urlencoded body or of a query, bounded."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from anyrouter.core.errors import ClientError, Denied

MAX_BODY_BYTES = 262_144
MAX_FIELDS = 2000
_URLENCODED = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Fields:
    """Fields by name, in the order in which they came. Texts are as they were sent, without spaces at their ends."""

    pairs: Sequence[tuple[str, str]] = field(default=(), repr=False)

    def text(self, name: str, default: str = "") -> str:
        """The first value of that name."""
        return next((value.strip() for key, value in self.pairs if key == name), default)

    def raw(self, name: str) -> str:
        """As `text`, with the spaces at its ends: a password may have some."""
        return next((value for key, value in self.pairs if key == name), "")

    def optional(self, name: str) -> str | None:
        """As `text`; None when it is not there or empty."""
        return self.text(name) or None

    def list(self, name: str) -> list[str]:
        """All values of that name that are not empty."""
        return [value.strip() for key, value in self.pairs if key == name and value.strip()]

    def has(self, name: str) -> bool:
        """Whether it is there: a ticked box, a pressed button."""
        return any(key == name for key, _ in self.pairs)

    def whole(self, name: str) -> int | None:
        """A whole number; None when it is empty. ClientError when it is none."""
        text = self.text(name).replace("\N{NO-BREAK SPACE}", "").replace(" ", "").replace("_", "")
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 15):  # noqa: PLR2004 -- digits that every store takes
            raise ClientError(Denied(code="invalid_parameter", param=name, message=f"{name}: a whole number is needed, such as 60."))
        return int(text)


def parse_fields(text: str) -> Fields:
    """The fields of an urlencoded text; ClientError when there are too many or they are no text."""
    try:
        return Fields(parse_qsl(text, keep_blank_values=True, strict_parsing=False, errors="strict", max_num_fields=MAX_FIELDS))
    except ValueError:
        raise ClientError(
            Denied(code="invalid_parameter", message="The form cannot be read: it is not UTF-8, or has too many fields.")
        ) from None


async def read_form(request: Request) -> Fields:
    """The fields of a request's body; ClientError when it is no form, not whole, or too large."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts, size = [], 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise ClientError(Denied(code="body_too_large", message=f"A form has at most {MAX_BODY_BYTES} bytes."))
            parts.append(chunk)
    except ClientDisconnect:  # nobody hears this, and it is no failure of ours
        raise ClientError(Denied(code="client_closed_request", message="The form did not come whole.")) from None
    if size and kind != _URLENCODED:
        raise ClientError(Denied(code="unsupported_media_type", message=f"A form is sent as {_URLENCODED}."))
    try:
        text = b"".join(parts).decode("ascii")
    except UnicodeDecodeError:
        raise ClientError(Denied(code="invalid_parameter", message="The form cannot be read: it is not urlencoded.")) from None
    return parse_fields(text)
