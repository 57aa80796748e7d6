"""`anyrouter audit` over a data directory in which something was done."""

import csv
import io
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]


@pytest.fixture
def made(command: Command) -> Command:
    """A command over a log of three events."""
    for name in ("first", "=2+3", "third"):
        assert command("keys", "create", "--name", name, "--json").code == 0
    return command


def test_what_was_done_is_listed_the_newest_first(made: Command) -> None:
    data = made("audit", "list", "--json").json["data"]
    assert [(row["number"], row["action"], row["actor"]["kind"]) for row in data] == [(n, "key.create", "operator") for n in (3, 2, 1)]
    assert "ar-" not in json.dumps(data).replace("ar-live-", "", 3 * 2)
    lines = made("audit", "list", "-n", "2").out.splitlines()
    assert lines[0].split("\t") == ["NUMBER", "AT", "ACTION", "BY", "ADDRESS", "ON", "OUTCOME"]
    assert [line.split("\t")[0] for line in lines[1:]] == ["3", "2"]
    assert made("audit", "list", "--action", "preset.*").err.strip() == "No events."
    assert made("audit", "list", "--org", "org_other", "--json").json == {"data": [], "next_cursor": None}
    assert len(made("audit", "list", "--since", "1h", "--done", "--json").json["data"]) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--action", "*"), "action: "), (("--since", "tomorrow"), "since: "), (("--target", "a b"), "target: ")],
)
def test_a_filter_that_is_wrong_is_a_usage_error(command: Command, arguments: tuple[str, ...], said: str) -> None:
    ended = command("audit", "list", *arguments)
    assert (ended.code, said in ended.err) == (2, True)


def test_an_export_has_every_event_in_either_form(made: Command) -> None:
    rows = [json.loads(line) for line in made("audit", "export").out.splitlines()]
    assert rows == made("audit", "list", "--json").json["data"]
    text = made("audit", "export", "--format", "csv").out
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["number"] for row in table] == ["3", "2", "1"]
    assert [row["hash"] for row in table] == [row["hash"] for row in rows]


def test_a_whole_log_is_verified_and_its_head_is_printed(made: Command) -> None:
    ended = made("audit", "verify", "--json")
    head = made("audit", "list", "-n", "1", "--json").json["data"][0]
    assert (ended.code, ended.json["data"]) == (
        0,
        {"is_whole": True, "number": 3, "hash": head["hash"], "broken_at": None, "reason": None},
    )
    assert f"3:{head['hash']}" in made("audit", "verify").out
    assert made("audit", "verify", "--known", f"3:{head['hash']}").code == 0
    assert made("audit", "verify", "--known", f"3:{'0' * 64}").code == 1
    assert made("audit", "verify", "--known", f"4:{head['hash']}").code == 1
    assert made("audit", "verify", "--known", "three").code == 2


def test_a_log_that_somebody_changed_is_named_where_it_breaks(made: Command, data_dir: Path) -> None:
    with sqlite3.connect(data_dir / "anyrouter.db") as connection:
        with pytest.raises(sqlite3.IntegrityError, match="only added to"):
            connection.execute("UPDATE audit_events SET actor_label = 'nobody' WHERE number = 2")
        connection.execute("DROP TRIGGER audit_events_no_update")
        connection.execute("UPDATE audit_events SET actor_label = 'nobody' WHERE number = 2")
    connection.close()
    ended = made("audit", "verify")
    assert ended.code == 1
    assert "broken at event 2: it was changed" in ended.out
    assert made("audit", "verify", "--json").json["data"]["broken_at"] == 2
