"""Charts as SVG, made here and coloured by the style sheet: bars over time, lines, bars beside names, and lines without axes. Pure.

Values are whole numbers, None where there is none; what they are called is the caller's: `write` makes a text of one. Texts keep their
size at every width, since only the drawing is stretched. Every chart says in words what it shows, its values are named under the
pointer, and `numbers` has them as a table.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

COLOURS = 8
REST = "rest"  # the colour of everything else taken together
_STEP, _HEIGHT = 10, 1000  # of the drawing, whose width is stretched: a slot's, and the whole
_TOP_PX, _PLOT_PX, _LABELS_PX = 10, 190, 22
_MOST_TICKS, _MOST_LABELS, _NAMED = 4, 5, 3
_MOST_NAME = 36
_ROW_PX = 40
_NICE = (10, 20, 25, 50)
Write = Callable[[int], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A row of values, one for each slot. `colour` is a number from 1 to 8, or `REST`."""

    name: str
    values: Sequence[int | None]
    colour: int | str = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """What is shown. `labels` name the slots in full, `marks` shortly, below the axis. `before` is a pale line: the period before.

    `links` are where a click on a slot leads. They are for the pointer alone: the page must have them elsewhere too.
    """

    title: str
    summary: str
    labels: Sequence[str]
    marks: Sequence[str]
    series: Sequence[Series]
    write: Write
    before: Series | None = None
    links: Sequence[str] = ()


def ticks(largest: int, most: int = _MOST_TICKS) -> list[int]:
    """Round numbers from 0 on, evenly apart, the last one not below `largest`; at most `most` steps."""
    if largest <= 0:
        return [0, 1]
    least = -(-largest // most)
    digits = max(0, len(str(least)) - 2)
    step = next(
        (nice * 10**power // 10 for power in range(digits, digits + 3) for nice in _NICE if nice * 10**power // 10 >= least),
        least,
    )
    return [step * number for number in range(-(-largest // step) + 1)]


def stacked_bars(chart: Chart) -> Markup:
    """A bar for each slot, made of one part for each series."""
    count = len(chart.labels)
    sums = [sum(series.values[slot] or 0 for series in chart.series) for slot in range(count)]
    marks = ticks(max([*sums, *_values(chart.before)], default=0))
    scale = _Scale(marks[-1], count)
    paths, floor = [], [0] * count
    for series in chart.series:
        parts = []
        for slot, value in enumerate(series.values):
            if value and value > 0:
                low, high = scale.y(floor[slot]), scale.y(floor[slot] + value)
                floor[slot] += value
                parts.append(f"M{slot * _STEP + 1} {low}V{high}h{_STEP - 2}V{low}z")
        if parts:
            paths.append(Markup('<path class="series-{}" stroke-width="0" d="{}"/>').format(series.colour, "".join(parts)))
    return _frame(chart, scale, _drop_made_up(marks, [*sums, *_values(chart.before)]), Markup("").join(paths), sums)


def lines(chart: Chart) -> Markup:
    """A line for each series, with gaps where nothing is known."""
    count = len(chart.labels)
    values = [value for series in (*chart.series, chart.before) for value in _values(series)]
    marks = ticks(max(values, default=0))
    scale = _Scale(marks[-1], count)
    paths = [_line(scale, series, f"line series-{series.colour}") for series in chart.series]
    return _frame(chart, scale, _drop_made_up(marks, values), Markup("").join(paths), None)


def sparkline(values: Sequence[int | None], text: str = "") -> Markup:
    """A line without axes, for beside a number; `text` says it in words, without one it is decoration."""
    largest = max((value for value in values if value is not None), default=0)
    scale = _Scale(max(largest, 1), len(values))
    line = _line(scale, Series(name="", values=values), "line series-1")
    spoken = Markup('role="img" aria-label="{}"').format(text) if text else Markup('aria-hidden="true"')
    view = f"0 -40 {max(len(values), 1) * _STEP} {_HEIGHT + 80}"
    return Markup('<svg class="chart spark" {} viewBox="{}" preserveAspectRatio="none">{}</svg>').format(spoken, view, line)


def horizontal_bars(title: str, rows: Sequence[tuple[str, int]], write: Write) -> Markup:
    """A bar for each named value, with its name above it and the value at the end."""
    largest = max((value for _, value in rows), default=0) or 1
    parts = [
        Markup(
            '<g><title>{}: {}</title><text x="0" y="{}">{}</text><text x="100%" y="{}" text-anchor="end">{}</text>'
            '<rect class="series-1" stroke-width="0" x="0" y="{}" width="{}%" height="8" rx="2"/></g>'
        ).format(name, write(value), top + 14, _shorten(name), top + 14, write(value), top + 21, f"{100 * max(value, 0) / largest:.2f}")
        for top, (name, value) in ((number * _ROW_PX, row) for number, row in enumerate(rows))
    ]
    summary = f"{title}: " + ", ".join(f"{name} {write(value)}" for name, value in rows)
    return Markup('<svg class="chart bars" role="img" aria-label="{}" height="{}">{}</svg>').format(
        summary, len(rows) * _ROW_PX, Markup("").join(parts)
    )


def legend(series: Sequence[Series]) -> Markup:
    """Which colour is what."""
    square = Markup(
        '<svg aria-hidden="true" viewBox="0 0 12 12"><rect class="series-{}" stroke-width="0" width="12" height="12" rx="3"/></svg>'
    )
    items = [Markup("<li>{}{}</li>").format(square.format(row.colour), _shorten(row.name)) for row in series]
    return Markup('<ul class="legend">{}</ul>').format(Markup("").join(items))


def numbers(chart: Chart, first: str = "Time", summary: str = "Show the numbers") -> Markup:
    """The chart's values as a table that is folded away; slots without any value are left out."""
    columns = [*chart.series, *([chart.before] if chart.before is not None else [])]
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(_shorten(series.name)) for series in columns)
    body = Markup("").join(
        Markup('<tr><th scope="row">{}</th>{}</tr>').format(
            label, Markup("").join(Markup("<td>{}</td>").format(_write(chart, series.values[slot])) for series in columns)
        )
        for slot, label in enumerate(chart.labels)
        if any(series.values[slot] for series in columns)
    )
    return Markup(
        '<details class="more numbers"><summary>{}</summary><div class="table" tabindex="0" role="region" aria-label="{}"><table>'
        '<thead><tr><th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></div></details>'
    ).format(summary, f"{chart.title}, as a table", first, head, body)


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where a value is in the drawing, whose slots are `_STEP` wide."""

    largest: int
    count: int

    def y(self, value: int) -> int:
        return _HEIGHT - _HEIGHT * value // self.largest

    def x(self, slot: int) -> int:
        return slot * _STEP + _STEP // 2

    def px(self, value: int) -> int:
        return _TOP_PX + _PLOT_PX - _PLOT_PX * value // self.largest


def _line(scale: _Scale, series: Series, kind: str) -> Markup:
    parts, is_drawing = [], False
    for slot, value in enumerate(series.values):
        if value is None:
            is_drawing = False
            continue
        is_alone = not is_drawing and (slot + 1 == len(series.values) or series.values[slot + 1] is None)
        parts.append(f"{'L' if is_drawing else 'M'}{scale.x(slot)} {scale.y(value)}{'h1' if is_alone else ''}")
        is_drawing = True
    return Markup('<path class="{}" vector-effect="non-scaling-stroke" d="{}"/>').format(kind, "".join(parts) or "M0 0")


def _frame(chart: Chart, scale: _Scale, marks: Sequence[int], drawing: Markup, sums: Sequence[int] | None) -> Markup:
    """Axes, what is drawn, and what the pointer is told, side by side so that the numbers of the scale keep their size."""
    height = _TOP_PX + _PLOT_PX + _LABELS_PX
    texts = Markup("").join(
        Markup('<text x="100%" y="{}" text-anchor="end">{}</text>').format(scale.px(mark) + 4, chart.write(mark)) for mark in marks
    )
    grid = Markup("").join(Markup('<line class="gridline" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(scale.px(mark)) for mark in marks)
    before = Markup("") if chart.before is None else _line(scale, chart.before, "line before")
    return Markup(
        '<div class="plot"><svg class="chart scale" aria-hidden="true" height="{height}">{texts}</svg>'
        '<svg class="chart drawn" role="img" aria-label="{summary}" height="{height}">{grid}'
        '<svg y="{top}" width="100%" height="{plot}" viewBox="{view}" preserveAspectRatio="none">{drawing}{before}</svg>{times}</svg>'
        '<svg class="chart pointed" aria-hidden="true" height="{height}">'
        '<svg y="{top}" width="100%" height="{plot}" viewBox="{view}" preserveAspectRatio="none">{named}</svg></svg></div>'
    ).format(
        height=height,
        texts=texts,
        summary=f"{chart.title}. {chart.summary}",
        grid=grid,
        top=_TOP_PX,
        plot=_PLOT_PX,
        view=f"0 0 {max(len(chart.labels), 1) * _STEP} {_HEIGHT}",
        drawing=drawing,
        before=before,
        named=Markup("").join(_name_slot(chart, slot, sums) for slot in range(len(chart.labels))),
        times=_times(chart, height),
    )


def _name_slot(chart: Chart, slot: int, sums: Sequence[int] | None) -> Markup:
    """What the pointer finds over a slot: its numbers, and where it leads."""
    text = _tell(chart, slot, None if sums is None else sums[slot])
    area = Markup('<rect x="{}" width="{}" height="{}"><title>{}</title></rect>').format(slot * _STEP, _STEP, _HEIGHT, text)
    return Markup('<a href="{}" tabindex="-1">{}</a>').format(chart.links[slot], area) if chart.links and chart.links[slot] else area


def _drop_made_up(marks: Sequence[int], values: Sequence[int]) -> Sequence[int]:
    """The marks of an axis: where there is nothing but zeros, zero alone."""
    return marks if any(value > 0 for value in values) else marks[:1]


def _times(chart: Chart, height: int) -> Markup:
    """Some of the slots' marks below the axis, evenly apart."""
    count = len(chart.marks)
    every = max(1, -(-count // _MOST_LABELS))
    return Markup("").join(
        Markup('<text x="{}%" y="{}" text-anchor="{}">{}</text>').format(
            f"{100 * (slot + 0.5) / count:.2f}", height - 5, _anchor(slot, count), chart.marks[slot]
        )
        for slot in range(0, count, every)
    )


def _anchor(slot: int, count: int) -> str:
    """A mark at an end must not stick out."""
    place = (slot + 0.5) / count
    return "start" if place < 0.06 else "end" if place > 0.95 else "middle"  # noqa: PLR2004 -- half the width of a mark on a phone


def _tell(chart: Chart, slot: int, total: int | None) -> str:
    """What is under the pointer: the slot, its sum, and its largest parts."""
    parts = [(series.name, value) for series in chart.series if (value := series.values[slot])]
    if total is not None:
        parts.sort(key=lambda part: -part[1])
    texts = [f"{_shorten(name)}: {chart.write(value)}" for name, value in parts[:_NAMED]]
    if total is not None and len(parts) > 1:
        texts.insert(0, f"In all: {chart.write(total)}")
    if chart.before is not None and (value := chart.before.values[slot]) is not None:
        texts.append(f"Before: {chart.write(value)}")
    return "\n".join((chart.labels[slot], *texts))


def _write(chart: Chart, value: int | None) -> str:
    return "" if value is None else chart.write(value)


def _shorten(name: str) -> str:
    return name if len(name) <= _MOST_NAME else f"{name[: _MOST_NAME - 1]}\N{HORIZONTAL ELLIPSIS}"


def _values(series: Series | None) -> list[int]:
    return [] if series is None else [value for value in series.values if value is not None]
