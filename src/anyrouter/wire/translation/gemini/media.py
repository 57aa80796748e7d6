"""Pictures, sound, video and files: inline bytes and addresses with a media type, to and from parts of the form."""

from typing import Any
from urllib.parse import urlsplit

from anyrouter.wire.form.parts import Audio, Document, Image, Part, Source, Video
from anyrouter.wire.form.text import JsonText

Wire = dict[str, Any]
PDF = "application/pdf"
_AUDIO_NAMES = {"mpeg": "mp3", "mp4": "m4a", "wave": "wav", "vnd.wave": "wav", "l16": "pcm16", "pcm": "pcm16"}
_AUDIO_TYPES = {"mp3": "audio/mpeg", "m4a": "audio/mp4", "pcm16": "audio/L16;codec=pcm;rate=24000"}
_DEFAULTS: dict[type, str] = {Image: "image/jpeg", Document: PDF, Audio: "audio/mpeg", Video: "video/mp4"}
_EXTENSIONS = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif", "heic": "image/heic",
    "heif": "image/heif", "pdf": PDF, "txt": "text/plain", "md": "text/markdown", "html": "text/html", "htm": "text/html",
    "csv": "text/csv", "xml": "text/xml", "json": "application/json", "mp3": "audio/mpeg", "wav": "audio/wav", "ogg": "audio/ogg",
    "flac": "audio/flac", "aac": "audio/aac", "m4a": "audio/mp4", "mp4": "video/mp4", "mov": "video/quicktime", "webm": "video/webm",
    "mpeg": "video/mpeg", "mpg": "video/mpeg", "avi": "video/x-msvideo", "3gp": "video/3gpp",
}  # fmt: skip
_OF_URLS = bytes.maketrans(b"-_", b"+/")
_FILES_OF_GOOGLE = ("gs://", "files/", "https://generativelanguage.googleapis.com/")
_VIDEO_HOSTS = frozenset({"www.youtube.com", "youtube.com", "youtu.be", "m.youtube.com"})
_RESOLUTIONS = {"MEDIA_RESOLUTION_LOW": "low", "MEDIA_RESOLUTION_HIGH": "high", "MEDIA_RESOLUTION_ULTRA_HIGH": "high"}


def media_of(source: Source, filename: str | None = None, resolution: str | None = None) -> Part:
    """The part that bytes or an address of this media type are; a file, when the type says nothing else."""
    kind = (source.media_type or "").partition("/")[0].lower()
    if kind == "image":
        return Image(source, _RESOLUTIONS.get(resolution or ""))
    if kind == "audio":
        return Audio(source, audio_name(source.media_type))
    return Video(source) if kind == "video" else Document(source, filename=filename)


def source_of_data(data: JsonText, media_type: str | None) -> Source:
    """The source that `inlineData` is. Its base64 may be that of URLs, unpadded (protobuf's JSON); other APIs take the usual one."""
    return Source(data=_usual_base64(data), media_type=media_type or PDF)


def _usual_base64(data: JsonText) -> JsonText:
    literal = bytes(data)
    missing = -(len(literal) - 2) % 4
    if not missing and b"-" not in literal and b"_" not in literal:
        return data
    text = literal[1:-1].translate(_OF_URLS)
    return data if b"\\" in text else JsonText(b'"%s%s"' % (text, b"=" * missing))


def source_of_uri(uri: str, media_type: str | None) -> Source:
    """The source that `fileData` is: a file of Google's, or an address that anybody can read."""
    if media_type is None:
        media_type = "video/mp4" if _host(uri) in _VIDEO_HOSTS else type_of_address(uri)
    if uri.startswith(_FILES_OF_GOOGLE):
        return Source(file_id=uri, media_type=media_type)
    return Source(url=uri, media_type=media_type)


def encode_media(part: Image | Document | Audio | Video) -> Wire | None:
    """`inlineData` or `fileData`; None for a file of another provider, and for what has neither bytes nor an address."""
    source = part.source
    if source is None:
        return None
    if source.data is not None:
        return {"inlineData": {"mimeType": _media_type(part, source), "data": source.data}}
    uri = source.url
    if uri is None and source.file_id is not None and source.file_id.startswith(_FILES_OF_GOOGLE):
        uri = source.file_id
    return None if uri is None else {"fileData": {"fileUri": uri, "mimeType": _media_type(part, source)}}


def audio_name(media_type: str | None) -> str:
    """The short name of a sound's media type."""
    short = (media_type or "audio/wav").partition(";")[0].rpartition("/")[2].lower().removeprefix("x-")
    return _AUDIO_NAMES.get(short, short)


def audio_type(name: str | None) -> str:
    """The media type of a short name of a sound."""
    return _AUDIO_TYPES.get(name or "wav", f"audio/{name or 'wav'}")


def type_of_address(uri: str) -> str | None:
    """The media type that an address' ending tells."""
    path = uri.partition("?")[0].partition("#")[0]
    return _EXTENSIONS.get(path.rpartition("/")[2].rpartition(".")[2].lower())


def _host(uri: str) -> str | None:
    try:
        return urlsplit(uri).hostname
    except ValueError:
        return None


def _media_type(part: Part, source: Source) -> str:
    if source.media_type is not None:
        return source.media_type
    if isinstance(part, Audio) and part.format is not None:
        return audio_type(part.format)
    told = type_of_address(source.url or source.file_id or "")
    return told or _DEFAULTS[type(part)]
