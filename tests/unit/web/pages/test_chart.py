"""Charts: XML that a parser takes whatever things are called, numbers that are right, and words for who does not see it."""

import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from anyrouter.web.pages import chart, words

EVIL = "<script>alert(1)</script>\"'&\u2028]]>"


def make(*series: chart.Series, before: chart.Series | None = None, slots: int = 3) -> chart.Chart:
    labels = [f"{EVIL} {slot}" for slot in range(slots)]
    return chart.Chart(title=EVIL, summary="Most: 7.", labels=labels, marks=labels, series=series, write=words.number, before=before)


def parse(text: str) -> ET.Element:
    return ET.fromstring(f"<r>{text}</r>")  # noqa: S314 -- our own text


def titles(text: str) -> list[str]:
    return ["".join(node.itertext()) for node in parse(text).iter("title")]


TWO = (chart.Series(name=EVIL, values=[1, 2, 0]), chart.Series(name="b", values=[5, None, 0], colour=chart.REST))
BEFORE = chart.Series(name="before", values=[4, None, 9])


def test_everything_is_xml_and_every_text_is_only_text():
    drawn = make(*TWO, before=BEFORE)
    for text in (
        chart.stacked_bars(drawn),
        chart.lines(drawn),
        chart.numbers(drawn),
        chart.legend(drawn.series),
        chart.sparkline([1, None, 3], EVIL),
        chart.horizontal_bars(EVIL, [(EVIL, 3), ("b", 0)], words.number),
    ):
        tree = parse(text)
        assert "script" not in {node.tag for node in tree.iter()}
        assert not [name for node in tree.iter() for name in node.attrib if name.startswith("on") or name == "style"]
        assert "<script" not in text
    assert parse(chart.lines(drawn)).find(".//svg[@role='img']").get("aria-label") == f"{EVIL}. Most: 7."  # type: ignore[union-attr]


def test_the_pointer_is_told_the_sum_and_its_parts():
    told = titles(chart.stacked_bars(make(*TWO, before=BEFORE)))
    assert told[0].split("\n")[1:] == ["In all: 6", "b: 5", f"{EVIL}: 1"[:99], "Before: 4"]
    assert told[1].split("\n")[1:] == [f"{EVIL}: 2"]
    assert told[2].split("\n")[1:] == ["Before: 9"]


def test_slots_lead_where_links_say():
    links = ['/a?x=1&y="<', "", "/c"]
    tree = parse(chart.stacked_bars(replace(make(*TWO), links=links)))
    assert [node.get("href") for node in tree.iter("a")] == [links[0], links[2]]
    assert {node.get("tabindex") for node in tree.iter("a")} == {"-1"}
    assert len(list(tree.iter("rect"))) == 3


def test_bars_are_as_high_as_their_values():
    path = parse(chart.stacked_bars(make(chart.Series(name="a", values=[2, 1, None]), chart.Series(name="b", values=[2, 0, 0]))))
    drawn = [node.get("d") for node in path.iter("path")]
    assert drawn == ["M1 1000V500h8V1000zM11 1000V750h8V1000z", "M1 500V0h8V500z"]


def test_a_line_has_gaps_where_nothing_is_known():
    drawn = parse(chart.lines(make(chart.Series(name="a", values=[4, None, 2]))))
    assert [node.get("d") for node in drawn.iter("path")] == ["M5 0h1M25 500h1"]


@pytest.mark.parametrize("values", [[], [None], [0], [0, 0], [None, None], [10**18], [1]])
def test_few_and_no_values_are_drawn_too(values: list[int | None]):
    series = chart.Series(name="a", values=values)
    for text in (
        chart.stacked_bars(make(series, slots=len(values))),
        chart.lines(make(series, slots=len(values))),
        chart.sparkline(values),
    ):
        parse(text)


@pytest.mark.parametrize("largest", [0, 1, 2, 3, 7, 10, 11, 99, 101, 999, 12_345, 4_999_999_999, 10**15 + 1])
def test_ticks_are_round_and_reach_the_largest(largest: int):
    marks = chart.ticks(largest)
    assert marks[0] == 0
    assert marks[-1] >= largest
    assert 2 <= len(marks) <= 5
    assert len({after - one for one, after in pairwise(marks)}) == 1
    assert marks[-1] <= max(1, 2 * largest + 3)


@pytest.mark.parametrize("draw", [chart.stacked_bars, chart.lines])
def test_an_axis_without_spend_ends_with_no_amount_that_nobody_spent(draw: Callable[[chart.Chart], str]):
    zeros = replace(make(chart.Series(name="a", values=[0, None, 0]), before=chart.Series(name="b", values=[0, 0, 0])), write=words.money)
    scale = parse(draw(zeros)).find(".//svg[@class='chart scale']")
    assert scale is not None
    assert ["".join(node.itertext()) for node in scale.iter("text")] == ["$0.00"]


def test_the_table_has_what_the_chart_has():
    rows = [["".join(cell.itertext()) for cell in row] for row in parse(chart.numbers(make(*TWO, before=BEFORE))).iter("tr")]
    assert rows[0] == ["Time", EVIL, "b", "before"]
    assert [row[1:] for row in rows[1:]] == [["1", "5", "4"], ["2", "", ""], ["0", "0", "9"]]
