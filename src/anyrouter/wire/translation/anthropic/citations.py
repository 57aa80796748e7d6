"""What a text rests on: the dialect's five kinds of citations, to and from the form.

All ends are exclusive, pages count from 1, characters and blocks from 0 (platform.claude.com/docs, "Citations", read 2026-11-24). A
citation belongs to the whole block of text that carries it.
"""

import msgspec
from msgspec import Raw

from anyrouter.wire.anthropic import NAME
from anyrouter.wire.form.parts import Citation
from anyrouter.wire.translation.anthropic.shapes import Wire
from anyrouter.wire.translation.carried import Carried, is_list


class _CitationShape(msgspec.Struct):
    type: str = ""
    cited_text: str | None = None
    document_index: int | None = None
    document_title: str | None = None
    file_id: str | None = None
    start_char_index: int | None = None
    end_char_index: int | None = None
    start_page_number: int | None = None
    end_page_number: int | None = None
    start_block_index: int | None = None
    end_block_index: int | None = None
    search_result_index: int | None = None
    source: str | None = None
    title: str | None = None
    url: str | None = None


_RAWS = msgspec.json.Decoder(list[Raw])
_SHAPE = msgspec.json.Decoder(_CitationShape)
# The form's kind to the dialect's type and the names of its two places.
_PLACES = {
    "document_chars": ("char_location", "start_char_index", "end_char_index"),
    "document_pages": ("page_location", "start_page_number", "end_page_number"),
    "document_blocks": ("content_block_location", "start_block_index", "end_block_index"),
    "file": ("char_location", "start_char_index", "end_char_index"),
}
_KINDS = {"char_location": "document_chars", "page_location": "document_pages", "content_block_location": "document_blocks"}


def decode_citations(raw: Carried) -> tuple[Citation, ...]:
    """The citations of a text; none where the member is absent or null."""
    return tuple(map(decode_citation, _RAWS.decode(raw))) if is_list(raw) else ()


def decode_citation(raw: Raw) -> Citation:
    """One citation. Of a type that is not known here, the form has the type as its kind."""
    told = _SHAPE.decode(raw)
    if told.type == "web_search_result_location":
        return Citation(kind="url", url=told.url, title=told.title, cited_text=told.cited_text, dialect=NAME, raw=raw)
    if told.type == "search_result_location":
        return Citation(
            kind="search_result",
            url=told.source,
            title=told.title,
            cited_text=told.cited_text,
            source_start=told.start_block_index,
            source_end=told.end_block_index,
            document_index=told.search_result_index,
            dialect=NAME,
            raw=raw,
        )
    kind = _KINDS.get(told.type, told.type)
    _, start, end = _PLACES.get(kind, ("", "start_char_index", "end_char_index"))
    return Citation(
        kind=kind,
        url=told.url,
        title=told.document_title or told.title,
        cited_text=told.cited_text,
        source_start=getattr(told, start),
        source_end=getattr(told, end),
        document_index=told.document_index,
        file_id=told.file_id,
        dialect=NAME,
        raw=raw,
    )


def own_citations(citations: tuple[Citation, ...]) -> list[Raw]:
    """The citations that are this dialect's own, as they came: the only ones that an upstream takes back."""
    return [citation.raw for citation in citations if citation.dialect == NAME and citation.raw is not None]


def encode_citation(citation: Citation) -> Wire | Raw | None:
    """A citation as a client of this dialect reads it; None for what the dialect has no kind for."""
    if citation.dialect == NAME and citation.raw is not None:
        return citation.raw
    cited, title = citation.cited_text or "", citation.title
    if citation.kind == "url" and citation.url is not None:
        return {"type": "web_search_result_location", "cited_text": cited, "encrypted_index": "", "title": title, "url": citation.url}
    start, end = citation.source_start or 0, citation.source_end or 0
    if citation.kind == "search_result":
        return {
            "type": "search_result_location",
            "cited_text": cited,
            "search_result_index": citation.document_index or 0,
            "source": citation.url or "",
            "start_block_index": start,
            "end_block_index": end,
            "title": title,
        }
    place = _PLACES.get(citation.kind)
    if place is None:
        return None
    wire: Wire = {
        "type": place[0],
        "cited_text": cited,
        "document_index": citation.document_index or 0,
        "document_title": title,
        place[1]: start,
        place[2]: end,
    }
    if citation.file_id is not None:
        wire["file_id"] = citation.file_id
    return wire
