"""The attempts of a generation over time, as SVG: when each began, how long it took, and when the first token came. Pure.

The ledger has how long each attempt took, not when it began: they follow each other from the start, the last one ends with the
generation, and one that ran beside another begins with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from anyrouter.core.ledger import HEDGE_LOST, AttemptRecord, LedgerEntry
from anyrouter.web.pages import words

_ROW_PX, _BAR_PX, _TOP_PX = 44, 14, 22
_MARKS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of time in milliseconds. `colour` is a number of the style sheet's series."""

    name: str
    start_ms: int
    end_ms: int
    colour: int
    text: str
    first_ms: int | None = None  # when the first token came


def place_bars(entry: LedgerEntry) -> list[Bar]:
    """One for each attempt, and one for the whole."""
    whole = max(entry.latency_ms, 1)
    bars = [Bar(name="The whole request", start_ms=0, end_ms=whole, colour=8, text=words.duration_ms(entry.latency_ms))]
    at = min(entry.overhead_us // 1000, whole)
    for number, attempt in enumerate(entry.attempts, 1):
        is_last = number == len(entry.attempts)
        length = min(attempt.latency_ms, whole)
        start = max(0, whole - length) if is_last and length else min(at, whole)
        if attempt.error != HEDGE_LOST:
            at = min(start + length, whole)
        is_served = is_last and attempt.error is None
        bars.append(
            Bar(
                name=f"{number}. {attempt.upstream}",
                start_ms=start,
                end_ms=min(start + length, whole),
                colour=2 if attempt.error is None else 3,
                text=f"{words.duration_ms(attempt.latency_ms)}, {attempt.error or 'answered'}",
                first_ms=entry.ttft_ms if is_served and entry.ttft_ms is not None and entry.ttft_ms <= whole else None,
            )
        )
    return bars


def describe_end(attempt: AttemptRecord) -> str:
    """How an attempt ended, in a few words."""
    if attempt.error == HEDGE_LOST:
        return "lost against the other attempt"
    if attempt.error is not None:
        return f"{attempt.error}, status {attempt.status}" if attempt.status else f"{attempt.error}, no answer"
    return f"answered, status {attempt.status}" if attempt.status else "answered"


def draw_waterfall(bars: Sequence[Bar]) -> Markup:
    """The picture; its texts keep their size at every width."""
    whole = max(bar.end_ms for bar in bars)
    height = _TOP_PX + len(bars) * _ROW_PX
    marks = Markup("").join(_draw_mark(number, whole, height) for number in range(_MARKS + 1))
    rows = Markup("").join(_draw_row(bar, _TOP_PX + number * _ROW_PX, whole) for number, bar in enumerate(bars))
    summary = "Time of the attempts. " + " ".join(f"{bar.name}: {bar.text}." for bar in bars)
    return Markup('<svg class="chart waterfall" role="img" aria-label="{}" height="{}">{}{}</svg>').format(summary, height, marks, rows)


def _draw_mark(number: int, whole: int, height: int) -> Markup:
    anchor = "start" if number == 0 else "end" if number == _MARKS else "middle"
    return Markup(
        '<line class="gridline" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"/><text x="{0}%" y="12" text-anchor="{3}">{4}</text>'
    ).format(100 * number // _MARKS, _TOP_PX, height, anchor, words.duration_ms(whole * number // _MARKS))


def _draw_row(bar: Bar, top: int, whole: int) -> Markup:
    left, width = _percent(bar.start_ms, whole), _percent(max(bar.end_ms - bar.start_ms, whole // 200), whole)
    first = Markup("")
    if bar.first_ms is not None:
        first = Markup(
            '<line class="first-token" x1="{0}%" x2="{0}%" y1="{1}" y2="{2}"><title>First token after {3}</title></line>'
        ).format(_percent(bar.first_ms, whole), top + 19, top + 23 + _BAR_PX, words.duration_ms(bar.first_ms))
    return Markup(
        '<g><title>{0}: {1}</title><text class="name" x="0" y="{2}">{0}: {1}</text>'
        '<rect class="series-{3}" stroke-width="0" x="{4}%" y="{5}" width="{6}%" height="{7}" rx="3"/>{8}</g>'
    ).format(bar.name, bar.text, top + 15, bar.colour, left, top + 21, width, _BAR_PX, first)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}"
