"""Pictures, documents, films and sound as Converse takes them: bytes or a place in S3, and a short name of their format.

Documents have names, of few kinds of characters and each once in a request.
"""

import re
from typing import Any

from anyrouter.wire.form.parts import Audio, Document, Image, Source, Video

Wire = dict[str, Any]
_S3 = "s3://"
_IMAGES = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "gif": "gif", "webp": "webp"}
_DOCUMENTS = {
    "pdf": "pdf", "csv": "csv", "html": "html", "plain": "txt", "txt": "txt", "markdown": "md", "md": "md", "msword": "doc", "doc": "doc",
    "docx": "docx", "xls": "xls", "xlsx": "xlsx", "htm": "html", "x-markdown": "md", "vnd.ms-excel": "xls",
    "vnd.openxmlformats-officedocument.wordprocessingml.document": "docx", "vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}  # fmt: skip
_VIDEOS = {
    "mp4": "mp4", "quicktime": "mov", "mov": "mov", "webm": "webm", "x-matroska": "mkv", "mkv": "mkv", "x-flv": "flv", "flv": "flv",
    "mpeg": "mpeg", "mpg": "mpg", "x-ms-wmv": "wmv", "wmv": "wmv", "3gpp": "three_gp", "3gp": "three_gp",
}  # fmt: skip
_SOUNDS = {
    "mp3": "mp3", "mpeg": "mp3", "wav": "wav", "wave": "wav", "x-wav": "wav", "aac": "aac", "flac": "flac", "ogg": "ogg", "opus": "opus",
    "mp4": "mp4", "m4a": "m4a", "x-m4a": "m4a", "webm": "webm", "pcm": "pcm", "pcm16": "pcm", "l16": "pcm",
}  # fmt: skip
_FORBIDDEN = re.compile(r"[^a-zA-Z0-9()\[\]\- ]+", re.ASCII)
_SPACES = re.compile(r" {2,}")
_MAX_NAME = 180  # of 200, so that a number fits behind it
DEFAULT_NAME = "document"


def encode_image(part: Image) -> Wire | None:
    """`image`; None for one that is neither bytes of a known format nor in S3."""
    told = _format_of(part.source, _IMAGES, "png")
    source = _source_of(part.source)
    return None if told is None or source is None else {"image": {"format": told, "source": source}}


def encode_video(part: Video) -> Wire | None:
    """`video`."""
    told = _format_of(part.source, _VIDEOS, "mp4")
    source = _source_of(part.source)
    return None if told is None or source is None else {"video": {"format": told, "source": source}}


def encode_audio(part: Audio) -> Wire | None:
    """`audio`."""
    if part.source is None:
        return None
    told = _SOUNDS.get(part.format.lower()) if part.format is not None else _format_of(part.source, _SOUNDS, "wav")
    source = _source_of(part.source)
    return None if told is None or source is None else {"audio": {"format": told, "source": source}}


def document_format(part: Document) -> str | None:
    """The format of a document's file, by its type, else by its name."""
    ending = (part.filename or "").rpartition(".")[2].lower()
    if part.source is not None and part.source.media_type is not None:
        found = _format_of(part.source, _DOCUMENTS, "pdf")
        if found is not None:
            return found
        if part.source.media_type.startswith("text/"):
            return "txt"
    return _DOCUMENTS.get(ending) or (None if part.source is None else _format_of(part.source, _DOCUMENTS, "pdf"))


def document_source(source: Source) -> Wire | None:
    """`source` of a document's file; None for one that is elsewhere."""
    return _source_of(source)


class DocumentNames:
    """Gives each document of a request a name that the service takes."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def name(self, part: Document) -> str:
        """The title, else the file's name, in the characters that are allowed; with a number where it is taken."""
        told = part.title or (part.filename or "").rpartition(".")[0] or part.filename or DEFAULT_NAME
        plain = _SPACES.sub(" ", _FORBIDDEN.sub(" ", told)).strip()[:_MAX_NAME].strip() or DEFAULT_NAME
        name, number = plain, 1
        while name in self._taken:
            number += 1
            name = f"{plain} {number}"
        self._taken.add(name)
        return name


def _source_of(source: Source) -> Wire | None:
    if source.data is not None:
        return {"bytes": source.data}
    uri = source.file_id or source.url
    return {"s3Location": {"uri": uri}} if uri is not None and uri.startswith(_S3) else None


def _format_of(source: Source, known: dict[str, str], default: str) -> str | None:
    """The short name of a media type, else of an address' ending; None for one that the service does not take."""
    if source.media_type is not None:
        return known.get(source.media_type.partition(";")[0].rpartition("/")[2].strip().lower())
    uri = source.file_id or source.url
    return default if uri is None else known.get(uri.rpartition(".")[2].lower())
