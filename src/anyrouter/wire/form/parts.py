"""What messages and replies are made of.

A part is one value of the union `Part`; its kind is its class. Parts are kept in the order in which they came.
"""

from typing import TypeAlias

import msgspec

from anyrouter.wire.form.text import JsonText


class CacheControl(msgspec.Struct, frozen=True, gc=False):
    """A prompt-cache breakpoint behind the part, tool or message that carries it. `ttl` is as told: "5m", "1h", None for the default."""

    ttl: str | None = None
    kind: str = "ephemeral"


class Source(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Where the bytes of an image, document, audio or video are: exactly one of `url`, `data`, `text` and `file_id`."""

    url: str | None = None  # not a data: URL, which decoders take apart
    data: JsonText | None = None  # base64
    text: JsonText | None = None  # a document in plain text
    file_id: str | None = None  # of the upstream's own files, or a gs:// or s3:// address as told
    media_type: str | None = None  # such as image/png


class Citation(msgspec.Struct, frozen=True, kw_only=True):
    """What a piece of an answer rests on. `kind`: url, document_chars, document_pages, document_blocks, search_result, file.

    `text_start` and `text_end` count code points of the text that carries the citation; `source_start` and `source_end` count what
    the kind says (characters, pages, blocks) in what is cited. All ends are exclusive.
    `raw` is the dialect's own object, for the way to a client of the same dialect.
    """

    kind: str
    url: str | None = None
    title: str | None = None
    cited_text: str | None = None
    text_start: int | None = None
    text_end: int | None = None
    source_start: int | None = None
    source_end: int | None = None
    document_index: int | None = None
    file_id: str | None = None
    dialect: str | None = None
    raw: msgspec.Raw | None = None


class Text(msgspec.Struct, frozen=True, gc=False):
    """Plain text."""

    text: JsonText
    cache: CacheControl | None = None
    citations: tuple[Citation, ...] = ()
    signature: str | None = None  # Gemini signs plain parts too


class Image(msgspec.Struct, frozen=True):
    """A picture. `detail` is OpenAI's: auto, low, high."""

    source: Source
    detail: str | None = None
    cache: CacheControl | None = None
    signature: str | None = None


class Document(msgspec.Struct, frozen=True):
    """A file to be read. Instead of a source it may be made of `parts` (text and images)."""

    source: Source | None = None
    title: str | None = None  # a name shown to the model
    filename: str | None = None
    context: str | None = None  # said about it, never cited
    has_citations: bool | None = None
    parts: tuple["Text | Image", ...] | None = None
    cache: CacheControl | None = None


class Audio(msgspec.Struct, frozen=True):
    """Sound, asked or answered. `format` is a short name: wav, mp3, pcm16. An answer has an id and a transcript."""

    source: Source | None = None
    format: str | None = None
    id: str | None = None
    transcript: JsonText | None = None
    expires_at: int | None = None  # Unix seconds
    cache: CacheControl | None = None


class Video(msgspec.Struct, frozen=True):
    """Moving pictures."""

    source: Source
    cache: CacheControl | None = None


class Reasoning(msgspec.Struct, frozen=True):
    """What the model thought. It is sent back in the next turn as it came, or its upstream refuses the conversation.

    `text` None: nothing readable. `signature` proves a readable text, `encrypted` stands instead of one (redacted thinking, encrypted
    content). `format` says whose proof that is (see `form.reasoning`), None where it is not known.
    """

    text: JsonText | None = None
    signature: str | None = None
    encrypted: str | None = None
    id: str | None = None  # the upstream's own id of it
    is_summary: bool = False
    format: str | None = None
    cache: CacheControl | None = None


class ToolCall(msgspec.Struct, frozen=True):
    """The model wants a tool to be called.

    `arguments` is JSON text of an object (for kind `custom` free text); what a model wrote that is no JSON stays as it is.
    `id` is empty where the upstream gave none; encoders of replies then make one (`make_call_id`).
    """

    id: str
    name: str
    arguments: str = ""
    kind: str = "function"  # or custom
    signature: str | None = None  # Gemini's thought signature
    item_id: str | None = None  # Responses: the item's id, beside the call's
    cache: CacheControl | None = None


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool answered. `name` is known where the dialect tells it; else it is that of the call with this id."""

    call_id: str
    parts: tuple["Part", ...] = ()
    is_error: bool = False
    name: str | None = None
    kind: str = "function"
    cache: CacheControl | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The model declines, in words of its own."""

    text: JsonText


class Opaque(msgspec.Struct, frozen=True):
    """A part that only its own dialect can express (server tools' calls and results, containers). Given back to it as it came."""

    dialect: str
    type: str
    raw: msgspec.Raw


Part: TypeAlias = Text | Image | Document | Audio | Video | Reasoning | ToolCall | ToolResult | Refusal | Opaque
Extra: TypeAlias = dict[str, msgspec.Raw]


def make_call_id(generation_id: str, number: int) -> str:
    """An id for a tool call whose upstream gave none, the same for the same generation and number. The id may stand in quotation marks."""
    return f"call_{generation_id.strip(chr(34)).removeprefix('gen-')[-24:]}_{number}"
