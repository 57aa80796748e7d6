"""Where Google says that a text rests on something."""

from typing import Any

import msgspec
import pytest

from anyrouter.wire.form.parts import Citation
from anyrouter.wire.translation.gemini.citations import citations_of, grounding_of
from anyrouter.wire.translation.gemini.reply_shapes import CitationMetadataShape, GroundingShape

CHUNKS = [{"web": {"uri": "https://a", "title": "A"}}, {"retrievedContext": {"title": "B", "text": "b"}}, {"image": {}}]


def grounded(
    texts: list[str], *supports: dict[str, Any], chunks: list[Any] = CHUNKS
) -> list[list[tuple[str | None, int | None, int | None]]]:
    told = msgspec.convert({"groundingChunks": chunks, "groundingSupports": list(supports)}, GroundingShape)
    return [[(one.title, one.text_start, one.text_end) for one in found] for found in citations_of(told, None, texts)]


def segment(start: int, end: int, text: str | None = None, part: int = 0) -> dict[str, Any]:
    return {"startIndex": start, "endIndex": end, "text": text, "partIndex": part}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (segment(1, 3), [("A", 1, 2)]),  # one letter of two bytes
        (segment(3, 7, "rich"), [("A", 2, 6)]),
        (segment(0, 4, "rich"), [("A", 2, 6)]),  # the places are wrong and the text is right
        (segment(0, 4, "poor"), [("A", None, None)]),
        (segment(0, 99), [("A", None, None)]),
    ],
)
def test_bytes_become_code_points(told: dict[str, Any], expected: Any) -> None:
    assert grounded(["Zürich"], {"segment": told, "groundingChunkIndices": [0, 7]}) == [expected]


def test_the_segments_text_decides_which_part_it_is_of() -> None:
    first = {"segment": segment(0, 3, "two", part=1), "groundingChunkIndices": [0]}
    second = {"segment": segment(0, 3, "two"), "groundingChunkIndices": [1]}
    third = {"segment": segment(0, 3, "two", part=9), "groundingChunkIndices": [1]}
    assert grounded(["one", "two"], first, second, third) == [[], [("A", 0, 3), ("B", 0, 3), ("B", 0, 3)]]


def test_sources_without_places_belong_to_the_last_text() -> None:
    assert grounded(["one", "two"]) == [[], [("A", None, None), ("B", None, None)]]
    assert grounded([]) == []


def test_quotations_count_through_all_of_the_text() -> None:
    quoted = [{"startIndex": 3, "endIndex": 6, "uri": "https://a"}, {"startIndex": 2, "endIndex": 5, "title": "B"}, {"endIndex": 3}]
    told = msgspec.convert({"citations": quoted}, CitationMetadataShape)
    one, two = citations_of(None, told, ["one", "two"])
    assert one == []
    assert two == [Citation(kind="url", url="https://a", text_start=0, text_end=3), Citation(kind="url", title="B")]


def test_nothing_cited_is_no_metadata() -> None:
    assert grounding_of([]) is None
    assert grounding_of([(0, "x", [])]) is None
