import json

import pytest
from rich.console import Console

from anyrouter.cli import output
from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.cli.finding import found_doubtful, found_failing, found_well

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output and error count as a terminal of 80 columns."""
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_table_in_a_pipe_is_tab_separated_with_a_head(capsys: Capture) -> None:
    output.print_table(("A", "B"), [("1", None), ("x" * 200, 2)], empty="nothing")
    assert capsys.readouterr().out == "A\tB\n1\t\n" + "x" * 200 + "\t2\n"


@pytest.mark.usefixtures("terminal")
def test_a_table_on_a_terminal_has_columns(capsys: Capture) -> None:
    output.print_table(("NAME", "B"), [("1", 2)], empty="nothing")
    assert "\t" not in capsys.readouterr().out


def test_an_empty_table_says_so_on_standard_error_and_leaves_standard_output_empty(capsys: Capture) -> None:
    output.print_table(("A",), [], empty="No keys.")
    assert capsys.readouterr() == ("", "No keys.\n")


def test_what_is_shown_cannot_move_the_terminals_cursor(capsys: Capture) -> None:
    output.print_table(("A",), [("a\x1b[2Jb\r\nc\td",)], empty="")
    output.print_pairs([("name", "a\x1b[31mb\nc")])
    output.print_failure(CommandFailed(ExitCode.FAILED, "x", "bad \x1b]0;title\x07 text"), as_json=False)
    out, err = capsys.readouterr()
    assert out.count("\n") == 3
    assert "\x1b" not in out + err


def test_names_that_look_like_markup_are_shown_as_they_are(capsys: Capture) -> None:
    output.print_pairs([("name", "[red]not red[/red] :smile:")])
    assert "[red]not red[/red] :smile:" in capsys.readouterr().out


def test_facts_that_are_none_are_left_out(capsys: Capture) -> None:
    output.print_pairs([("a", None), ("bcd", 1)])
    assert capsys.readouterr().out == "bcd  1\n"


def test_a_failure_is_one_line_and_its_parts_a_line_each(capsys: Capture) -> None:
    failure = CommandFailed(ExitCode.CONFIGURATION, "configuration", "2 mistakes", cure="look there", lines=("one", "two"))
    output.print_failure(failure, as_json=False)
    assert capsys.readouterr() == ("", "error: 2 mistakes (look there)\n  one\n  two\n")


def test_a_failure_as_json_is_one_object_on_standard_error(capsys: Capture) -> None:
    failure = CommandFailed(ExitCode.CONFIGURATION, "configuration", "2 mistakes", cure="look there", lines=("one", "two"))
    output.print_failure(failure, as_json=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {
        "error": {"code": "configuration", "message": "2 mistakes", "exit_code": 4, "cure": "look there", "details": ["one", "two"]}
    }


def test_json_keeps_unicode_readable(capsys: Capture) -> None:
    output.print_json({"name": "Größe"})
    assert "Größe" in capsys.readouterr().out


def test_findings_have_their_cure_below_unless_they_are_well(capsys: Capture) -> None:
    output.print_findings([found_well("a", "fine"), found_doubtful("b", "odd", "look"), found_failing("c", "broken", "mend")])
    assert capsys.readouterr().out.splitlines() == [
        "ok      a: fine",
        "warning b: odd",
        "        → look",
        "failed  c: broken",
        "        → mend",
    ]


def test_a_panel_in_a_pipe_has_its_text_on_a_line_of_its_own(capsys: Capture) -> None:
    output.print_panel("A key", "MARKER-key")
    assert capsys.readouterr().out.splitlines() == ["A key:", "MARKER-key"]


@pytest.mark.usefixtures("terminal")
def test_a_panel_on_a_terminal_has_no_frame_beside_its_text(capsys: Capture) -> None:
    output.print_panel("A key", "MARKER-" + "k" * 50)
    line = next(line for line in capsys.readouterr().out.splitlines() if "MARKER" in line)
    assert not set(line) & set("│|┃")
