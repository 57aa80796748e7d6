"""Pictures, files and sound as both of OpenAI's APIs tell them: addresses, data: URLs and base64, to and from sources of the form."""

import re

from anyrouter.wire.form.parts import Source
from anyrouter.wire.form.text import JsonText, quote, quote_ascii, unquote
from anyrouter.wire.request import refused

_DATA_URL = re.compile(rb'"data:([^;,"\\]*)(?:;[^;,"\\]*)*?;base64,([A-Za-z0-9+/_=-]*)"', re.IGNORECASE)
_BASE64 = re.compile(rb'"[A-Za-z0-9+/_=-]+"')
_AUDIO_TYPES = {"mp3": "audio/mpeg", "mpeg": "audio/mpeg", "m4a": "audio/mp4"}
_AUDIO_FORMATS = {"mpeg": "mp3", "mp4": "m4a", "wave": "wav"}
_EXTENSIONS = {"text/plain": "txt", "text/csv": "csv", "text/html": "html", "text/markdown": "md", "application/json": "json"}
PDF = "application/pdf"


def source_of_url(url: JsonText, param: str, default_type: str | None = None) -> Source:
    """The source that an address is. A data: URL is taken apart; it is of `default_type` if it names none. ClientError: no base64."""
    raw = bytes(url)
    if raw[1:6].lower() != b"data:" and (b"\\" not in raw[:36] or not unquote(url)[:5].lower().startswith("data:")):
        return Source(url=unquote(url))
    found = _DATA_URL.fullmatch(raw)
    if found is None:  # an escaped slash, or line ends within the base64
        found = _DATA_URL.fullmatch(bytes(quote("".join(unquote(url).split()))))
    if found is None:
        raise refused("invalid_parameter", param, f"{param} must be an address or a data: URL with base64, such as data:image/png;base64,…")
    return Source(data=quote_ascii(found[2]), media_type=found[1].decode("ascii", "replace") or default_type)


def source_of_file(data: JsonText, param: str) -> Source:
    """The source that `file_data` is: a data: URL, an address, or base64 alone, which is taken for a PDF."""
    if _BASE64.fullmatch(bytes(data)):
        return Source(data=data, media_type=PDF)
    return source_of_url(data, param, PDF)


def audio_type(audio_format: str | None) -> str:
    """The media type of a short name of a sound format."""
    short = audio_format or "wav"
    return _AUDIO_TYPES.get(short, f"audio/{short}")


def audio_format(media_type: str | None) -> str:
    """The short name of a sound's media type."""
    short = (media_type or "audio/wav").rpartition("/")[2].removeprefix("x-")
    return _AUDIO_FORMATS.get(short, short)


def url_of(source: Source, default_type: str) -> JsonText | None:
    """The address or data: URL of a source; None when it has neither."""
    if source.data is not None:
        media_type = (source.media_type or default_type).encode("ascii", "replace")
        return JsonText(b'"data:%s;base64,%s' % (media_type, bytes(source.data)[1:]))
    return quote(source.url) if source.url is not None else None


def filename_of(name: str | None, media_type: str | None) -> str:
    """A file's name, which has to end in what the file is."""
    if name is not None and "." in name:
        return name
    return f"{name or 'document'}.{_EXTENSIONS.get(media_type or PDF, 'pdf')}"
