"""What commands print: tables and panels for terminals, plain lines for pipes, JSON for programs.

Results go to standard output, everything else to standard error. Colours and boxes appear on terminals only, and NO_COLOR is heard.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.box import HORIZONTALS
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from anyrouter.cli.failure import CommandFailed
from anyrouter.cli.finding import Finding, State

_STYLES = {State.OK: "green", State.WARNING: "bold yellow", State.FAILED: "bold red"}


def print_json(value: Any) -> None:
    """One JSON document and a line end."""
    print(json.dumps(value, ensure_ascii=False, indent=2), flush=True)  # noqa: T201 -- printing is what this module is for


def print_lines(lines: Iterable[str]) -> None:
    """Plain lines, as they are: for what is copied, such as a command."""
    for line in lines:
        print(line)  # noqa: T201 -- as above
    sys.stdout.flush()


def print_text(text: str) -> None:
    """A text as it is, without a line end of its own: part of a file."""
    sys.stdout.write(text)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A table on a terminal, tab-separated lines with a head elsewhere; `empty` (to standard error) when there are no rows."""
    cells = [["" if value is None else str(value) for value in row] for row in rows]
    if not cells:
        print_note(empty)
        return
    console = Console()
    if not console.is_terminal:
        print_lines("\t".join(_one_line(cell) for cell in row) for row in [list(columns), *cells])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*(Text(_one_line(cell)) for cell in row))
    console.print(table)


def print_pairs(pairs: Iterable[tuple[str, object]]) -> None:
    """One fact a line: its name and value. Facts that are None are left out."""
    known = [(name, str(value)) for name, value in pairs if value is not None]
    width = max((len(name) for name, _ in known), default=0)
    console = Console(highlight=False, soft_wrap=True)
    for name, value in known:
        console.print(Text.assemble((f"{name:<{width}}", "bold"), "  ", _one_line(value)))


def print_panel(title: str, text: str) -> None:
    """Something to take away, such as a key: framed on a terminal, above and below so that a copied line holds nothing else."""
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        console.print(Panel(Text(text, style="bold cyan"), title=Text(title), box=HORIZONTALS, expand=False, padding=(1, 2)))
    else:
        print_lines([f"{title}:", text])


def print_findings(findings: Iterable[Finding]) -> None:
    """What was found of each part, and below it what to do."""
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        mark = Text(f"{finding.state.value:<8}", style=_STYLES[finding.state])
        console.print(Text.assemble(mark, (f"{finding.check}: ", "bold"), _one_line(finding.text)))
        if finding.cure is not None and finding.state is not State.OK:
            console.print(Text(f"        → {_one_line(finding.cure)}"))


def print_note(text: str) -> None:
    """A remark for people, to standard error."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(text))


def print_failure(failure: CommandFailed, *, as_json: bool) -> None:
    """What went wrong, to standard error: a line (and one for each of its parts), or an object `{"error": {…}}`."""
    if as_json:
        error = {"code": failure.code, "message": failure.message, "exit_code": int(failure.exit_code)}
        error |= ({"cure": failure.cure} if failure.cure else {}) | ({"details": list(failure.lines)} if failure.lines else {})
        print(json.dumps({"error": error}, ensure_ascii=False), file=sys.stderr, flush=True)  # noqa: T201 -- as above
        return
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    cure = f" ({failure.cure})" if failure.cure else ""
    console.print(Text.assemble(("error: ", "bold red"), _one_line(failure.message), cure))
    for line in failure.lines:
        console.print(Text(f"  {_one_line(line)}"))


def _one_line(text: str) -> str:
    """The text without anything that moves a terminal's cursor or breaks a line."""
    return "".join(character if character.isprintable() else "�" for character in text)
