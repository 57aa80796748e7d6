"""Whether bytes are UTF-8, asked of every body: msgspec does not look into the strings that it skips."""

from pydantic_core import SchemaValidator, ValidationError, core_schema

_DECODED_BYTES = 2048  # up to about here decoding is cheaper than the validator's error
_NO_MATCH = "string_pattern_mismatch"
# Rust's own check of UTF-8: ten times as fast as making a str. Nothing but the empty text matches, so nothing is made of any other.
_refuse = SchemaValidator(core_schema.str_schema(pattern=r"\A\z")).validate_python


def check_utf8(text: bytes) -> None:
    """UnicodeDecodeError when the text is not UTF-8.

    Decoding a long prompt costs as much as scanning its JSON, so its bytes are looked at and no text is made of them.
    """
    if text.isascii() or (len(text) > _DECODED_BYTES and _is_text(text)):
        return
    str(text, "utf-8")


def _is_text(text: bytes) -> bool:
    """Whether the validator came as far as the pattern, which it asks of what is UTF-8 only. False says nothing."""
    try:
        _refuse(text)
    except ValidationError as error:
        return error.errors(include_url=False, include_context=False, include_input=False)[0]["type"] == _NO_MATCH
    return False
