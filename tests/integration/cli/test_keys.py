import contextlib
import io
import re
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from anyrouter.core import keys
from anyrouter.core.scopes import DEFAULT_SCOPES

Command = Callable[..., Any]


@pytest.fixture
def key(command: Command) -> dict[str, Any]:
    """A key of the test environment, as `keys create --json` prints it."""
    return command("keys", "create", "--name", "app", "--env", "test", "--json").json


def test_create_prints_one_object_with_the_key_and_its_data(command: Command) -> None:
    made = command("keys", "create", "--name", "app", "--env", "test", "--json")
    assert made.code == 0
    assert set(made.json) == {"data", "key"}
    assert isinstance(keys.inspect(made.json["key"]), keys.WellFormed)
    data = made.json["data"]
    assert (data["name"], data["environment"], data["label"]) == ("app", "test", keys.label_of(made.json["key"]))
    assert data["scopes"] == sorted(DEFAULT_SCOPES)
    assert made.err == ""


def test_create_for_people_shows_the_key_once_and_a_line_to_try(command: Command) -> None:
    made = command("keys", "create", "--name", "app", "--env", "test")
    (text,) = {match[0] for match in re.finditer(r"ar-test-[0-9A-Za-z]{45}", made.out)}
    assert text in made.out.splitlines()
    assert any(line.startswith("curl http://127.0.0.1:8080/api/v1/") and text in line for line in made.out.splitlines())


def test_the_environment_is_live_unless_said_otherwise_and_without_upstreams_that_is_told(command: Command) -> None:
    made = command("keys", "create", "--name", "app")
    assert "ar-live-" in made.out
    assert "No upstream serves the environment 'live' yet" in made.err


def test_all_restrictions_are_kept(command: Command) -> None:
    made = command(
        *("keys", "create", "--name", "app", "--scope", "models:read", "--scope", "completions:write"),
        *("--model", "openai/gpt-4o", "--model", "anthropic/*", "--expires", "30d", "--rpm", "60", "--json"),
    )
    data = made.json["data"]
    assert data["scopes"] == ["completions:write", "models:read"]
    assert data["models"] == ["openai/gpt-4o", "anthropic/*"]
    assert data["rate_limit_rpm"] == 60
    in_30_days = datetime.now(UTC) + timedelta(days=30)
    assert abs(datetime.fromisoformat(data["expires_at"]) - in_30_days) < timedelta(minutes=1)
    assert command("keys", "show", data["id"], "--json").json["data"] == data


def test_the_text_of_a_key_is_not_kept_anywhere(command: Command, key: dict[str, Any], data_dir: Path) -> None:
    stored = b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())
    assert key["data"]["id"].encode() in stored
    assert key["key"].encode() not in stored
    assert key["key"][8:].encode() not in stored
    for arguments in (("keys", "list"), ("keys", "list", "--json"), ("keys", "show", "app"), ("keys", "show", "app", "--json")):
        assert key["key"] not in command(*arguments).out


def test_the_data_directory_is_private(key: dict[str, Any], data_dir: Path) -> None:
    assert data_dir.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in data_dir.iterdir() if path.is_file() and path.stat().st_mode & 0o077} == set()


def test_list_shows_all_keys_or_those_of_an_environment(command: Command, key: dict[str, Any]) -> None:
    command("keys", "create", "--name", "other", "--env", "live", "--json")
    assert [row["name"] for row in command("keys", "list", "--json").json["data"]] == ["app", "other"]
    assert [row["name"] for row in command("keys", "list", "--env", "live", "--json").json["data"]] == ["other"]
    head, *rows = command("keys", "list").out.splitlines()
    assert head.split("\t")[0] == "NAME"
    assert [row.split("\t")[0] for row in rows] == ["app", "other"]


def test_an_empty_list_is_an_empty_list(command: Command) -> None:
    assert command("keys", "list", "--json").json == {"data": [], "next_cursor": None}
    empty = command("keys", "list")
    assert (empty.code, empty.out) == (0, "")


def test_a_key_is_named_by_id_label_name_or_its_own_text(command: Command, key: dict[str, Any]) -> None:
    for named in (key["data"]["id"], key["data"]["label"], f"{key['data']['label']}…", "app", key["key"]):
        assert command("keys", "show", named, "--json").json["data"]["id"] == key["data"]["id"], named


def test_a_name_that_two_environments_have_must_be_told_apart(command: Command, key: dict[str, Any]) -> None:
    other = command("keys", "create", "--name", "app", "--env", "live", "--json").json["data"]
    refused = command("keys", "disable", "app")
    assert refused.code == 5
    assert key["data"]["id"] in refused.err
    assert other["id"] in refused.err
    assert [row["disabled"] for row in command("keys", "list", "--json").json["data"]] == [False, False]


def test_disable_and_enable_switch_a_key(command: Command, key: dict[str, Any]) -> None:
    assert command("keys", "disable", "app", "--json").json["data"]["disabled"] is True
    assert command("keys", "show", "app", "--json").json["data"]["state"] == "disabled"
    assert command("keys", "disable", "app").code == 0
    assert command("keys", "enable", "app", "--json").json["data"]["disabled"] is False


def test_delete_ends_a_key_and_frees_its_name(command: Command, key: dict[str, Any]) -> None:
    ended = command("keys", "delete", "app", "--json")
    assert ended.json["deleted"] is True
    assert ended.json["data"]["id"] == key["data"]["id"]
    assert command("keys", "list", "--json").json["data"] == []
    assert command("keys", "delete", key["data"]["id"]).code == 3
    assert command("keys", "create", "--name", "app", "--env", "test").code == 0


@pytest.mark.parametrize(("answer", "code"), [("n\n", 1), ("\n", 1), ("", 130), ("y\n", 0)])
def test_a_person_is_asked_before_a_key_is_deleted(
    command: Command, key: dict[str, Any], monkeypatch: pytest.MonkeyPatch, answer: str, code: int
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert command("keys", "delete", "app").code == code
    assert len(command("keys", "list", "--json").json["data"]) == (1 if code else 0)


def test_a_person_is_warned_when_the_key_is_in_use(
    command: Command, key: dict[str, Any], monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    with contextlib.closing(sqlite3.connect(data_dir / "anyrouter.db")) as connection, connection:
        connection.execute("UPDATE api_keys SET last_used_at_ms = ?", (int(datetime.now(UTC).timestamp() * 1000),))
    asked: list[str] = []
    monkeypatch.setattr("typer.confirm", lambda question: asked.append(question) or False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    assert command("keys", "delete", "app").code == 1
    assert "was used in the last 24 hours" in asked[0]
    assert command("keys", "delete", "app", "--yes").code == 0
    assert len(asked) == 1


def test_a_name_that_is_taken_is_a_conflict(command: Command, key: dict[str, Any]) -> None:
    refused = command("keys", "create", "--name", "app", "--env", "test", "--json")
    assert (refused.code, refused.out) == (5, "")
    assert refused.error["code"] == "duplicate_name"


@pytest.mark.parametrize("named", ["nothing", "key_" + "0" * 32, "ar-test-abcdef", "' OR 1=1--", "", "..", "*", "%"])
def test_a_key_that_does_not_exist_is_not_found(command: Command, key: dict[str, Any], named: str) -> None:
    for verb in ("show", "disable", "enable", "delete"):
        assert command("keys", verb, named, "--json").code == 3
    assert command("keys", "list", "--json").json["data"][0]["disabled"] is False


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--name", ""], "name:"),
        (["--name", "x" * 101], "name:"),
        (["--name", "a\nb"], "name:"),
        (["--name", "x", "--env", "nope"], "environment:"),
        (["--name", "x", "--scope", "everything"], "unknown scope"),
        (["--name", "x", "--model", "gpt"], "models:"),
        (["--name", "x", "--expires", "soon"], "expires_at:"),
        (["--name", "x", "--expires", "2020-01-01T00:00:00Z"], "not in the future"),
        (["--name", "x", "--expires", "1800000000"], "bare number"),
        (["--name", "x", "--rpm", "-1"], "rate_limit_rpm:"),
        (["--name", "x", "--rpm", "many"], "--rpm"),
        ([], "--name"),
        (["--name", "x", "--nmae", "y"], "--nmae"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error_and_makes_nothing(command: Command, arguments: list[str], complaint: str) -> None:
    refused = command("keys", "create", *arguments)
    assert refused.code == 2
    assert refused.out == ""
    assert complaint in refused.err
    assert len(refused.err.splitlines()) == 1
    assert command("keys", "list", "--json").json["data"] == []


def test_a_usage_error_with_json_is_an_object(command: Command) -> None:
    error = command("keys", "create", "--json").error
    assert (error["code"], error["exit_code"]) == ("usage", 2)


def test_an_environment_of_the_file_has_keys_before_the_first_start(command: Command, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "anyrouter.toml").write_text('[[environments]]\nslug = "staging"\n', encoding="utf-8")
    assert command("keys", "create", "--name", "app", "--env", "staging", "--json").json["data"]["environment"] == "staging"


def test_a_wrong_configuration_stops_every_command_that_reads_it(command: Command, data_dir: Path) -> None:
    data_dir.mkdir()
    (data_dir / "anyrouter.toml").write_text("[server]\nprot = 1\nport = 'x'\n", encoding="utf-8")
    for arguments in (("keys", "list"), ("keys", "create", "--name", "x"), ("models",), ("serve",)):
        refused = command(*arguments)
        assert refused.code == 4
        assert "did you mean port?" in refused.err
        assert "server.port: must be a whole number" in refused.err
    assert command("keys", "list", "--json").error["details"][0].startswith(str(data_dir / "anyrouter.toml"))


def test_a_data_directory_that_cannot_be_used_is_told(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    refused = command("keys", "list", "--data-dir", str(tmp_path / "file"))
    assert refused.code == 6
    assert str(tmp_path / "file") in refused.err


def test_a_database_that_is_none_is_told_without_a_traceback(command: Command, key: dict[str, Any], data_dir: Path) -> None:
    for path in data_dir.glob("anyrouter.db*"):
        path.write_bytes(b"this is not a database" * 500)
    refused = command("keys", "list")
    assert refused.code == 6
    assert "Traceback" not in refused.err


def test_names_arrive_and_leave_unharmed(command: Command, data_dir: Path) -> None:
    name = "<b>'; DROP TABLE api_keys; -- =1+1 ключ"
    made = command("keys", "create", "--name", name, "--env", "test", "--json").json["data"]
    assert made["name"] == name
    assert command("keys", "show", name, "--json").json["data"] == made
    with contextlib.closing(sqlite3.connect(data_dir / "anyrouter.db")) as connection:
        assert connection.execute("SELECT name FROM api_keys").fetchall() == [(name,)]
