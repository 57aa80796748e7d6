"""Pictures and documents as the Messages API tells them, to and from sources of the form."""

import base64
import binascii

import msgspec
from msgspec import UNSET, Raw

from anyrouter.wire.form.parts import Source
from anyrouter.wire.form.text import JsonText, quote, unquote
from anyrouter.wire.request import refused
from anyrouter.wire.translation.anthropic.shapes import SourceShape, Wire
from anyrouter.wire.translation.carried import Carried, is_string

PDF, PLAIN = "application/pdf", "text/plain"
_IMAGE_TYPES = {f"image/{name}": f"image/{name}" for name in ("jpeg", "png", "gif", "webp")} | {"image/jpg": "image/jpeg"}
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript"})


def source_of(shape: SourceShape, where: str, default_type: str) -> Source:
    """The source that an object of type base64, text, url or file is; ClientError when it lacks what its type needs."""
    if shape.type in {"base64", "text"}:
        data = need_string(shape.data, f"{where}.data")
        if shape.type == "text":
            return Source(text=data, media_type=shape.media_type or PLAIN)
        return Source(data=data, media_type=shape.media_type or default_type)
    if shape.type == "url" and shape.url is not None:
        return Source(url=shape.url, media_type=PDF if default_type == PDF else None)
    if shape.type == "file" and shape.file_id is not None:
        return Source(file_id=shape.file_id)
    if shape.type in {"url", "file"}:
        name = "url" if shape.type == "url" else "file_id"
        raise refused("missing_parameter", f"{where}.{name}", f"{where}.{name} is missing.")
    raise refused("invalid_parameter", f"{where}.type", f"{where}.type must be base64, text, content, url or file.")


def need_string(raw: Carried, where: str) -> Raw:
    """A member that must be there and be a string."""
    if raw is UNSET:
        raise refused("missing_parameter", where, f"{where} is missing.")
    if not is_string(raw):
        raise refused("invalid_parameter", where, f"{where} must be a string.")
    return raw


def encode_image_source(source: Source, *, has_own_files: bool) -> Wire | None:
    """An image's source; None for what the API has no source for: other kinds of pictures, addresses that are not of the web."""
    if source.data is not None:
        media_type = _IMAGE_TYPES.get((source.media_type or "image/png").lower())
        return None if media_type is None else {"type": "base64", "media_type": media_type, "data": source.data}
    return _encode_reference(source, has_own_files=has_own_files)


def encode_document_source(source: Source, *, has_own_files: bool) -> Wire | None:
    """A document's source; None for what the API has no source for. Text that came as base64 is given as text."""
    if source.text is not None:
        return {"type": "text", "media_type": PLAIN, "data": source.text}
    if source.data is None:
        return _encode_reference(source, has_own_files=has_own_files)
    media_type = (source.media_type or PDF).partition(";")[0].strip().lower()
    if media_type == PDF:
        return {"type": "base64", "media_type": PDF, "data": source.data}
    if not media_type.startswith("text/") and media_type not in _TEXT_TYPES:
        return None
    text = _decode_text(source.data)
    return None if text is None else {"type": "text", "media_type": PLAIN, "data": text}


def _encode_reference(source: Source, *, has_own_files: bool) -> Wire | None:
    if source.url is not None and source.url[:8].lower().startswith(("http://", "https://")):
        return {"type": "url", "url": source.url}
    if source.file_id is not None and (has_own_files or source.file_id.startswith("file_")):
        return {"type": "file", "file_id": source.file_id}
    return None


def _decode_text(data: JsonText) -> JsonText | None:
    try:
        return quote(base64.b64decode(unquote(data)).decode())
    except (binascii.Error, ValueError, msgspec.DecodeError):
        return None
