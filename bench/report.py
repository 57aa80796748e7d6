"""A document as text: the verdicts for the terminal, the tables for `docs/performance.md`."""
# ruff: noqa: RUF001 -- what a person reads is typeset: dashes between extremes, multiplication signs

from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.bodies import SIZES
from bench.chart import draw
from bench.results import BASELINE, DIRECT, GATEWAY, Document, LoadRun, Spread, added, ratios
from bench.targets import Verdict, judge

BEGIN, END = "<!-- results: written by `python -m bench` -->", "<!-- end of results -->"
WORDS = {True: "met", False: "**missed**", None: "not measured"}


def spread(found: Spread, digits: int = 1) -> str:
    """The median, with the extremes where there were several runs."""
    middle = f"{found.median:,.{digits}f}"
    return middle if found.low == found.high else f"{middle} ({found.low:,.{digits}f}–{found.high:,.{digits}f})"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, the figures aligned to the right."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|--:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def verdict_table(verdicts: Iterable[Verdict]) -> str:
    rows = []
    for verdict in verdicts:
        target = verdict.target
        found = "–" if verdict.found is None else f"{spread(verdict.found, target.digits)} {target.unit}"
        then = "" if target.then is None else f"≤ {target.then:g}"
        rows.append((target.label, found, f"≤ {target.first:g}", then, WORDS[verdict.is_met]))
    return table(("", GATEWAY, "target", "aim", "verdict"), rows)


def cpu_table(document: Document) -> str:
    """CPU µs per request, and times nginx, by size of body."""

    def cell(label: str, name: str) -> str:
        runs = document.cpu.get(label, {}).get(name, [])
        if not runs:
            return "–"
        used = [run.cpu_us for run in runs]
        if name == BASELINE:
            return spread(Spread.of(used))
        floor = [run.cpu_us for run in document.cpu[label][BASELINE]][: len(used)]
        return f"{spread(Spread.of(used))}; {spread(ratios(used, floor))} ×"

    names = [name for name in document.programs() if any(name in programs for programs in document.cpu.values())]
    return table(("CPU µs per request", *SIZES), [(name, *(cell(label, name) for label in SIZES)) for name in names])


def throughput_table(document: Document) -> str:
    """Requests per second at saturation on one core, and how busy that core was."""

    def cell(runs: Sequence[LoadRun]) -> str:
        if not runs:
            return "–"
        busy = Spread.of([run.busy for run in runs]).median
        note = "" if busy > 0.93 else f" (core {busy:.0%} busy)"
        return spread(Spread.of([run.requests_per_s for run in runs]), 0) + note

    names = [name for name in document.programs() if any(name in programs for programs in document.cpu.values())]
    rows = [(name, *(cell(document.cpu.get(label, {}).get(name, [])) for label in SIZES)) for name in names]
    return table(("requests/s, 32 connections", *SIZES), rows)


def latency_table(document: Document) -> str:
    """Latency at the fixed rate, whole for the bare upstream, added for programs in between."""
    bare = document.latency[DIRECT]
    rows = [
        ("straight to the upstream", spread(Spread.of([run.p50_ms for run in bare]), 3), spread(Spread.of([run.p99_ms for run in bare]), 3))
    ]
    for name in document.programs():
        if runs := document.latency.get(name):
            beside = bare[: len(runs)]
            p50 = added([run.p50_ms for run in runs], [run.p50_ms for run in beside])
            p99 = added([run.p99_ms for run in runs], [run.p99_ms for run in beside])
            rows.append((f"added by {name}", spread(p50, 3), spread(p99, 3)))
    return table(("ms at 500 requests/s", "p50", "p99"), rows)


def stream_table(document: Document) -> str:
    """CPU per chunk and the time to a stream's first byte, added to the bare upstream's."""
    bare = document.stream[DIRECT]
    rows = [("straight to the upstream", "", "", spread(Spread.of([run.ttfb_p50_ms for run in bare]), 3))]
    for name in document.programs():
        if runs := document.stream.get(name):
            used, beside = [run.cpu_us for run in runs], bare[: len(runs)]
            ratio = ratios(used, [run.cpu_us for run in document.stream[BASELINE]][: len(runs)])
            first = added([run.ttfb_p50_ms for run in runs], [run.ttfb_p50_ms for run in beside])
            multiple = "" if name == BASELINE else f"{spread(ratio, 2)} ×"
            rows.append((name, spread(Spread.of(used)), multiple, spread(first, 3)))
    return table(("streams", "CPU µs per chunk", "times nginx", "ms to first byte, p50 (added)"), rows)


def footprint_table(document: Document) -> str:
    """Memory, start and size."""
    rows = []
    for name in document.programs():
        memory, starts = document.memory.get(name), document.start_s.get(name)
        cells = ["–"] * 4
        if memory:
            cells = [
                f"{memory.idle_mb:.1f}",
                f"{memory.loaded_mb:.1f} ({memory.requests:,})",
                f"{memory.later_mb:.1f} ({memory.later_requests:,})",
                f"{memory.long_bodies_mb:.1f}",
            ]
        start = spread(Spread.of(starts), 2) if starts else "–"
        size = f"{document.size_mb[name]:.1f}" if name in document.size_mb else "–"
        rows.append((name, *cells, start, size))
    return table(("", "MB idle", "MB after requests", "MB after more", "MB after 181 KB bodies", "s to first answer", "MB installed"), rows)


def results(document: Document) -> str:
    """Everything between the marks of `docs/performance.md`."""
    machine = "; ".join(f"{name} {value}" for name, value in (document.machine | document.tools).items())
    runs = f"{document.runs} interleaved runs" if document.runs > 1 else "one run"
    kind = "a quick check, not a measurement: " if document.is_quick else ""
    measured = f"Measured {document.measured_at[:10]} at commit {document.commit or '–'}"
    parts = [
        f"{measured} ({kind}{runs}; {machine}). Median; lowest and highest run in brackets.",
        verdict_table(judge(document)),
    ]
    if document.cpu:
        parts += ["![CPU time per request as a multiple of nginx](performance.svg)", cpu_table(document), throughput_table(document)]
    if document.latency:
        parts.append(latency_table(document))
    if document.stream:
        parts.append(stream_table(document))
    if document.memory or document.start_s or document.size_mb:
        parts.append(footprint_table(document))
    if document.pages_ms:
        rows = [(page, spread(Spread.of(readings))) for page, readings in document.pages_ms.items()]
        parts.append(table((f"ms with {document.ledger_rows:,} ledger rows", GATEWAY), rows))
    if document.dashboard_ms:
        rows = [(page, spread(Spread.of(readings))) for page, readings in document.dashboard_ms.items()]
        parts.append(table((f"ms for a page of the dashboard, {document.ledger_rows:,} ledger rows of 1,000 keys", GATEWAY), rows))
    if document.ledger:
        entries = sum(check.rows for check in document.ledger)
        replies = sum(check.replies for check in document.ledger)
        parts.append(
            f"Every reply was a 200. After each measure the ledger was compared with what clients counted: {replies:,} whole replies, "
            f"{entries:,} entries (the end of a load run cuts up to 32 requests off, which are on record too)."
        )
    parts += [f"{name}: not measured ({reason})." for name, reason in document.not_measured.items()]
    return "\n\n".join(parts)


def write_docs(document: Document, page: Path) -> None:
    """Put the results between the page's marks and the chart beside it; ValueError when the page has no marks."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks the lines {BEGIN} and {END}")
    page.write_text(f"{before}{BEGIN}\n\n{results(document)}\n\n{END}{after}")
    page.with_suffix(".svg").write_text(draw(document))
