"""`anyrouter keys` beyond making and switching: every restriction, rotation, revoking, hints, other organisations."""

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
EVERYTHING = (
    *("--endpoint", "chat/completions", "--endpoint", "/api/v1/models", "--provider", "openai", "--region", "eu"),
    *("--allow-ip", "10.0.0.0/8", "--allow-ip", "2001:db8::1", "--not-before", "1h", "--expires", "30d"),
    *("--rpm", "1", "--tpm", "2", "--rpd", "3", "--concurrency", "4", "--limit", "12.50", "--limit-reset", "monthly"),
    *("--budget-policy", "strict", "--tag", "a", "--tag", "b"),
)


@pytest.fixture
def key(command: Command) -> dict[str, Any]:
    return command("keys", "create", "--name", "app", "--env", "test", "--json").json


def ends_in(row: dict[str, Any], span: timedelta) -> bool:
    return abs(datetime.fromisoformat(row["expires_at"]) - datetime.now(UTC) - span) < timedelta(minutes=1)


def test_every_restriction_has_its_option(command: Command) -> None:
    row = command("keys", "create", "--name", "app", *EVERYTHING, "--json").json["data"]
    assert (row["endpoints"], row["providers"], row["regions"]) == (["chat/completions", "models"], ["openai"], ["eu"])
    assert (row["allowed_ips"], row["state"]) == (["10.0.0.0/8", "2001:db8::1"], "not yet valid")
    assert [row[name] for name in ("rate_limit_rpm", "rate_limit_tpm", "rate_limit_rpd", "concurrency")] == [1, 2, 3, 4]
    assert (row["limit"], row["limit_reset"], row["budget_policy"], row["tags"]) == (12.5, "monthly", "strict", ["a", "b"])
    shown = command("keys", "show", "app").out
    for text in ("10.0.0.0/8 2001:db8::1", "12.5 USD monthly, strict", "1 requests per minute, 2 tokens per minute", "a, b"):
        assert text in shown


@pytest.mark.parametrize(
    "option", [("--limit", "x"), ("--allow-ip", "10.0.0.1/8"), ("--endpoint", "*"), ("--rpd", "-1"), ("--tag", ""), ("--member", "mem_x")]
)
def test_what_is_no_restriction_is_a_mistake_of_the_command_line(command: Command, option: tuple[str, str]) -> None:
    assert command("keys", "create", "--name", "app", *option).code == 2
    assert command("keys", "list", "--json").json["data"] == []


def test_a_rotation_gives_a_new_key_and_tells_the_old_ones_end(command: Command, key: dict[str, Any]) -> None:
    rotated = command("keys", "rotate", "app", "--grace", "7d", "--json").json
    assert rotated["key"] != key["key"]
    assert (rotated["data"]["name"], rotated["data"]["rotated_from"]) == ("app", key["data"]["id"])
    assert rotated["old"]["superseded_by"] == rotated["data"]["id"]
    assert ends_in(rotated["old"], timedelta(days=7))
    again = command("keys", "rotate", key["data"]["id"])
    assert (again.code, rotated["data"]["id"] in again.err) == (5, True)


def test_a_rotation_for_people_says_when_the_old_key_ends(command: Command, key: dict[str, Any]) -> None:
    said = command("keys", "rotate", "app", "--start", "first_use", "--grace", "12h").out
    assert "ar-test-" in said
    assert f"the old key {key['data']['label']}… ends 12h after the first use of this one" in said
    assert "in grace" in command("keys", "list", "--health").out
    ended = command("keys", "rotate", "app", "--grace", "0").out
    assert "ends at" in ended


@pytest.mark.parametrize("grace", ["-1", "31d", "1.5h", "tomorrow", ""])
def test_a_grace_that_cannot_be_is_refused(command: Command, key: dict[str, Any], grace: str) -> None:
    assert command("keys", "rotate", "app", "--grace", grace).code in {1, 2}
    assert len(command("keys", "list", "--json").json["data"]) == 1


def test_keys_that_were_found_somewhere_are_ended_from_a_file(command: Command, key: dict[str, Any], tmp_path: Path) -> None:
    other = command("keys", "create", "--name", "other", "--env", "test", "--json").json
    leak = tmp_path / "leak.env"
    leak.write_text(f"API_KEY='{key['key']}' # {key['key']}\nOTHER=ar-live-{'0' * 45}\n")
    assert command("keys", "revoke", str(leak), "--json").json == {"found": 1, "revoked": 1}
    assert command("keys", "revoke", str(leak)).out == "1 keys found, 0 of them ended now\n"
    assert [row["id"] for row in command("keys", "list", "--json").json["data"]] == [other["data"]["id"]]


def test_keys_are_read_from_standard_input(command: Command, key: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(key["key"].encode())))
    assert command("keys", "revoke", "-", "--json").json == {"found": 1, "revoked": 1}


def test_hints_are_shown_when_they_are_asked_for(command: Command, key: dict[str, Any]) -> None:
    plain, hinted = command("keys", "list").out, command("keys", "list", "--health").out
    assert plain.splitlines()[0].split("\t")[-1] == "ID"
    assert hinted.splitlines()[0].split("\t")[-1] == "LOOK AT"
    assert hinted.splitlines()[1].split("\t")[-1] == "no expiry, no limit"
    assert command("keys", "show", "app", "--json").json["data"]["health"] == ["no_expiry", "no_limit"]
