"""What an answer rests on: `groundingMetadata` and `citationMetadata`, to and from citations of its texts.

Google counts bytes of UTF-8, the form counts code points. What a segment says of its part is not always so: its text, where it is
told, decides.
"""

from typing import Any

from msgspec.structs import replace

from anyrouter.wire.form.parts import Citation
from anyrouter.wire.translation.gemini.reply_shapes import CitationMetadataShape, GroundingShape, GroundShape, SegmentShape

Wire = dict[str, Any]
Place = tuple[int, int, int]  # which of the texts, and from where to where in it, in code points


def has_sources(grounding: GroundingShape | None, metadata: CitationMetadataShape | None) -> bool:
    """Whether there is anything to cite."""
    return bool((grounding is not None and grounding.grounding_chunks) or (metadata is not None and _sources(metadata)))


def citations_of(grounding: GroundingShape | None, metadata: CitationMetadataShape | None, texts: list[str]) -> list[list[Citation]]:
    """The citations of each text. One without a place belongs to the last text; without any text there are none."""
    found: list[list[Citation]] = [[] for _ in texts]
    if not texts:
        return found
    raws = [text.encode() for text in texts]
    if grounding is not None and grounding.grounding_chunks:
        _add_grounds(grounding, texts, raws, found)
    for told in [] if metadata is None else _sources(metadata):
        if told.uri or told.title:
            citation = Citation(kind="url", url=told.uri, title=told.title)
            _add(citation, _place_in_all(told.start_index or 0, told.end_index, raws), found)
    return found


def _add_grounds(grounding: GroundingShape, texts: list[str], raws: list[bytes], found: list[list[Citation]]) -> None:
    grounds = [_citation_of(chunk.web or chunk.retrieved_context or chunk.maps) for chunk in grounding.grounding_chunks or ()]
    supports = grounding.grounding_supports or []
    for support in supports:
        place = None if support.segment is None else _place_of(support.segment, texts, raws)
        for index in support.grounding_chunk_indices or ():
            if 0 <= index < len(grounds) and (ground := grounds[index]) is not None:
                _add(ground, place, found)
    if not supports:
        for ground in grounds:
            if ground is not None:
                _add(ground, None, found)


def _add(citation: Citation, place: Place | None, found: list[list[Citation]]) -> None:
    if place is None:
        found[-1].append(citation)
    else:
        at, start, end = place
        found[at].append(replace(citation, text_start=start, text_end=end))


def _sources(metadata: CitationMetadataShape) -> list[Any]:
    return metadata.citations or metadata.citation_sources or []


def _citation_of(ground: GroundShape | None) -> Citation | None:
    if ground is None or not (ground.uri or ground.title or ground.text):
        return None
    return Citation(kind="url" if ground.uri else "file", url=ground.uri, title=ground.title, cited_text=ground.text)


def _place_of(segment: SegmentShape, texts: list[str], raws: list[bytes]) -> Place | None:
    start, end, part = segment.start_index or 0, segment.end_index, segment.part_index or 0
    order = [part, *(at for at in range(len(texts)) if at != part)] if part < len(texts) else range(len(texts))
    if segment.text:
        wanted = segment.text.encode()
        for at in order:
            if raws[at][start : start + len(wanted)] == wanted:
                begin = _code_points(raws[at], start)
                return at, begin, begin + len(segment.text)
        for at in order:
            begin = texts[at].find(segment.text)
            if begin >= 0:
                return at, begin, begin + len(segment.text)
        return None
    if end is None or part >= len(texts) or end > len(raws[part]):
        return None
    return part, _code_points(raws[part], start), _code_points(raws[part], end)


def _place_in_all(start: int, end: int | None, raws: list[bytes]) -> Place | None:
    """A place in the texts taken as one."""
    before = 0
    for at, raw in enumerate(raws):
        if end is not None and before <= start and end - before <= len(raw):
            return at, _code_points(raw, start - before), _code_points(raw, end - before)
        before += len(raw)
    return None


def _code_points(raw: bytes, size: int) -> int:
    return len(raw[: max(0, size)].decode("utf-8", "ignore"))


def grounding_of(cited: list[tuple[int, str, list[Citation]]]) -> Wire | None:
    """`groundingMetadata` for texts with citations, each with the number of its part; None when nothing is cited."""
    chunks: list[Wire] = []
    numbers: dict[str, int] = {}
    supports: dict[Place, list[int]] = {}
    texts = {part: text for part, text, _ in cited}
    for part, text, citations in cited:
        for citation in citations:
            chunk = _chunk_of(citation)
            number = numbers.setdefault(repr(chunk), len(chunks))
            if number == len(chunks):
                chunks.append(chunk)
            start = citation.text_start or 0
            end = len(text) if citation.text_end is None else citation.text_end
            supports.setdefault((part, start, end), []).append(number)
    if not chunks:
        return None
    segments = [
        {"segment": _segment_of(place, texts[place[0]]), "groundingChunkIndices": sorted(set(indices))}
        for place, indices in supports.items()
    ]
    return {"groundingChunks": chunks, "groundingSupports": segments}


def _chunk_of(citation: Citation) -> Wire:
    if citation.url is not None and citation.cited_text is None:
        return {"web": {"uri": citation.url, "title": citation.title or citation.url}}
    told = {"uri": citation.url, "title": citation.title, "text": citation.cited_text}
    return {"retrievedContext": {name: value for name, value in told.items() if value is not None}}


def _segment_of(place: Place, text: str) -> Wire:
    part, start, end = place
    first = len(text[:start].encode())
    segment: Wire = {"partIndex": part} if part else {}
    if first:
        segment["startIndex"] = first
    return {**segment, "endIndex": first + len(text[start:end].encode()), "text": text[start:end]}
