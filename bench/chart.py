"""The chart of `docs/performance.md`: CPU time as multiples of nginx on one logarithmic axis, a panel a measure."""

# ruff: noqa: RUF001 -- what a person reads is typeset: multiplication signs
import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

from bench.results import BASELINE, GATEWAY, Document, LoadRun, Spread, StreamRun, ratios
from bench.targets import CPU_LIMITS, STREAM_LIMIT

WIDTH, NAMES, FIGURES = 760, 110, 90
ROW, TITLE, PANEL_GAP, AXIS = 24, 30, 16, 44
TICKS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
OURS, PEER = "#1f6feb", "#8a929c"
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600 }
.figure { paint-order: stroke; stroke: #ffffff; stroke-width: 4px }
.note { fill: #59636e; font-size: 12px }
.ground { fill: #ffffff }
.grid { stroke: #d8dee4; stroke-width: 1 }
.floor { stroke: #59636e; stroke-width: 1.5 }
.target { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 4 3 }
</style>"""

Runs = Mapping[str, Sequence[LoadRun | StreamRun]]


class Panel:
    """The programs of one measure beside nginx, and the target."""

    def __init__(self, title: str, runs: Runs, names: Sequence[str], limit: float) -> None:
        self.title, self.limit = title, limit
        floor = [run.cpu_us for run in runs[BASELINE]]
        self.nginx_us = Spread.of(floor).median
        self.found = {name: ratios([run.cpu_us for run in runs[name]], floor[: len(runs[name])]) for name in names if runs.get(name)}

    @property
    def height(self) -> int:
        return TITLE + ROW * len(self.found) + PANEL_GAP

    @property
    def highest(self) -> float:
        return max([self.limit, *(ratio.high for ratio in self.found.values())])

    def draw(self, top: int, scale: "Scale") -> Iterator[str]:
        bottom = top + self.height - PANEL_GAP
        yield f'<text class="title" x="12" y="{top + 14}">{escape(self.title)}</text>'
        note = f"nginx {self.nginx_us:.1f} µs; target (dashed) {self.limit:g} ×"
        yield f'<text class="note" x="{WIDTH - 12}" y="{top + 14}" text-anchor="end">{note}</text>'
        for tick in scale.ticks:
            kind = "floor" if tick == 1 else "grid"
            yield f'<line class="{kind}" x1="{scale(tick):.1f}" x2="{scale(tick):.1f}" y1="{top + TITLE - 6}" y2="{bottom}"/>'
        x = scale(self.limit)
        yield f'<line class="target" x1="{x:.1f}" x2="{x:.1f}" y1="{top + TITLE - 8}" y2="{bottom}"/>'
        for row, (name, ratio) in enumerate(self.found.items()):
            yield from self.draw_row(top + TITLE + ROW * row + ROW // 2, name, ratio, scale)

    def draw_row(self, y: int, name: str, ratio: Spread, scale: "Scale") -> Iterator[str]:
        """A thin line from nginx to the median, a thick one over the spread, a dot on the median."""
        colour = OURS if name == GATEWAY else PEER
        low, middle, high = scale(ratio.low), scale(ratio.median), scale(ratio.high)
        yield f'<text x="{NAMES - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
        yield f'<line x1="{scale(1):.1f}" x2="{middle:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="1.5"/>'
        yield f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}" stroke="{colour}" stroke-width="5" stroke-opacity="0.5"/>'
        yield f'<circle cx="{middle:.1f}" cy="{y}" r="5.5" fill="{colour}"/>'
        yield f'<text class="figure" x="{high + 11:.1f}" y="{y + 4}">{ratio.median:,.{0 if ratio.median >= 100 else 1}f} ×</text>'


class Scale:
    """Where a multiple of nginx stands: logarithmic, nginx at the left end."""

    def __init__(self, highest: float) -> None:
        self.end = next((tick for tick in TICKS if tick >= max(highest, 5)), highest)
        self.ticks = [tick for tick in TICKS if tick <= self.end]

    def __call__(self, multiple: float) -> float:
        share = math.log(max(multiple, 0.8)) / math.log(self.end)
        return NAMES + share * (WIDTH - NAMES - FIGURES)


def draw(document: Document) -> str:
    """An SVG; a panel for each measure that the document has."""
    names = [name for name in document.programs() if name != BASELINE]
    panels = [
        Panel(f"CPU per request, {label} body", document.cpu[label], names, limit)
        for label, (limit, _) in CPU_LIMITS.items()
        if BASELINE in document.cpu.get(label, {})
    ]
    if BASELINE in document.stream:
        panels.append(Panel("CPU per streamed chunk", document.stream, names, STREAM_LIMIT))
    scale = Scale(max((panel.highest for panel in panels), default=1))
    parts: list[str] = []
    top = 12
    for panel in panels:
        parts += panel.draw(top, scale)
        top += panel.height
    parts += [f'<text class="note" x="{scale(tick):.1f}" y="{top + 6}" text-anchor="middle">{tick:g}</text>' for tick in scale.ticks]
    axis = "times the CPU of nginx proxy_pass in the same run (logarithmic; shorter is better)"
    parts.append(f'<text class="note" x="{NAMES}" y="{top + 26}">{axis}</text>')
    height = top + AXIS
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<title>CPU time as multiples of nginx proxy_pass</title>",
        STYLE,
        f'<rect class="ground" width="{WIDTH}" height="{height}" rx="6"/>',
    ]
    return "\n".join([*head, *parts, "</svg>\n"])
