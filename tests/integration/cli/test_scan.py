"""`anyrouter keys scan`: finds keys of this gateway in files and git history, shows no key, and ends what it finds."""

import subprocess
from pathlib import Path
from typing import Any

from anyrouter.core import keys

DOCUMENTATION = keys.DOCUMENTATION_KEY


def git(directory: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(directory), *identity, *arguments], check=True, capture_output=True)


def make_key(command: Any, name: str) -> str:
    text = command("keys", "create", "--name", name, "--json").json["key"]
    assert isinstance(text, str)
    return text


def test_a_key_in_a_file_is_found_with_its_line_and_not_shown(command: Any, tmp_path: Path) -> None:
    text = make_key(command, "leaked")
    place = tmp_path / "project" / "deep"
    place.mkdir(parents=True)
    (place / "app.py").write_text(f'\n\nclient = OpenAI(api_key="{text}")\n')
    (place / "picture.bin").write_bytes(b"\x00\xff" + text.encode() + b"\x00")
    found = command("keys", "scan", str(tmp_path / "project"), "--json")
    assert found.code == 1
    (row,) = found.json["data"]
    assert (row["name"], row["state"]) == ("leaked", "works")
    assert row["places"] == [f"{place}/app.py:3", f"{place}/picture.bin:1"]
    shown = command("keys", "scan", str(tmp_path / "project"))
    assert text not in found.out + shown.out
    assert text[:14] in shown.out


def test_what_is_no_key_is_not_found(command: Any, tmp_path: Path) -> None:
    text = make_key(command, "fine")
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    (tmp_path / "notes.txt").write_text(f"{DOCUMENTATION}\n{wrong}\n{text}x\nx{text}\n{text[:-1]}\n")
    found = command("keys", "scan", str(tmp_path / "notes.txt"), "--json")
    assert (found.code, found.json["data"]) == (0, [])


def test_a_key_of_another_gateway_is_told_as_unknown(command: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text(keys.generate("live"))
    found = command("keys", "scan", str(tmp_path / "notes.txt"), "--json")
    assert (found.code, found.json["data"][0]["state"], found.json["data"][0]["id"]) == (0, "unknown", None)


def test_a_key_that_only_the_history_has_is_found_and_ended(command: Any, tmp_path: Path) -> None:
    text, kept = make_key(command, "old leak"), make_key(command, "other")
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / ".env").write_text(f"KEY={text}\n")
    git(repository, "add", ".env")
    git(repository, "commit", "-q", "-m", "leak")
    (repository / ".env").write_text("KEY=\n")
    git(repository, "commit", "-q", "-a", "-m", "no leak")
    assert command("keys", "scan", "--no-history", str(repository), "--json").json["data"] == []
    found = command("keys", "scan", str(repository), "--json")
    assert found.code == 1
    assert found.json["data"][0]["places"][0].startswith(f"{repository}/.env:1 (git object ")
    ended = command("keys", "scan", str(repository), "--revoke", "--json")
    assert (ended.code, ended.json["data"][0]["state"]) == (0, "revoked")
    assert [row["name"] for row in command("keys", "list", "--json").json["data"]] == ["other"]
    assert command("keys", "scan", str(repository), "--json").json["data"][0]["state"] == "unknown"
    assert kept not in ended.out


def test_a_key_in_a_commits_message_or_in_what_no_branch_has_is_found(command: Any, tmp_path: Path) -> None:
    message, dropped = make_key(command, "message"), make_key(command, "dropped")
    git(tmp_path, "init", "-q")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", f"use {message}")
    (tmp_path / "a.txt").write_text(dropped)
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-q", "-m", "a")
    git(tmp_path, "reset", "-q", "--hard", "HEAD~1")
    found = command("keys", "scan", str(tmp_path), "--json").json["data"]
    assert sorted(row["name"] for row in found) == ["dropped", "message"]


def test_a_path_that_is_not_there_is_told(command: Any, tmp_path: Path) -> None:
    refused = command("keys", "scan", str(tmp_path / "nothing"), "--json")
    assert (refused.code, refused.error["code"]) == (3, "not_found")
