"""`anyrouter byok` on a data directory of its own. A secret is read from a file or standard input, and told by no command."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.upstream import ScriptedUpstream, json_answer

KEY = "sk-MARKER-credential-of-a-tenant-AbCd"
OTHER_KEY = "sk-MARKER-another-credential-EfGh"


@pytest.fixture
def provider() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(lambda _: json_answer({"data": []})) as server:
        yield server


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "key.txt"
    path.write_text(f"{KEY}\n")
    return path


@pytest.fixture
def allowed(data_dir: Path, provider: ScriptedUpstream) -> str:
    """A configuration that allows the scripted provider by name; the address to enter."""
    data_dir.mkdir()
    (data_dir / "anyrouter.toml").write_text(f'[byok]\nallowed_hosts = ["127.0.0.1:{provider.port}"]\n')
    return f"{provider.url}/v1"


class Standard(io.StringIO):
    """Standard input that is no terminal."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.buffer = io.BytesIO(text.encode())


def test_a_credential_lives_its_life(command: Any, key_file: Path, allowed: str, provider: ScriptedUpstream, data_dir: Path) -> None:
    said = []

    def run(*arguments: str) -> Any:
        done = command("byok", *arguments)
        said.append(done.out + done.err)
        return done

    added = run("add", "openai", "--key-file", str(key_file), "--base-url", allowed, "--name", "main", "--model", "openai/*", "--json")
    row = added.json["data"]
    assert (row["label"], row["status"], row["models"], row["environment"]) == ("sk-…AbCd", "active", ["openai/*"], "live")
    assert run("list", "--json").json["data"] == [row]
    assert row["id"] in run("list").out
    assert run("show", "main", "--json").json["data"] == run("show", row["id"], "--json").json["data"] == row
    assert "sk-…AbCd" in run("show", "main").out
    assert run("test", "main").out == "OpenAI takes the credential.\n"
    assert provider.received[-1].headers["authorization"] == f"Bearer {KEY}"
    assert run("disable", "main", "--json").json["data"]["status"] == "disabled"
    assert run("enable", "main", "--json").json["data"]["status"] == "active"
    key_file.write_text(OTHER_KEY)
    assert run("replace", "main", "--key-file", str(key_file), "--json").json["data"]["label"] == "sk-…EfGh"
    provider.handle = lambda _: json_answer({"error": {"message": f"wrong: {OTHER_KEY}"}}, status=401)
    refused = run("test", "main")
    assert (refused.code, "refuses the credential" in refused.err) == (1, True)
    assert (run("test", "main", "--json").code, run("test", "main", "--json").json["data"]["ok"]) == (1, False)
    assert run("delete", "main", "--json").json["deleted"] is True
    assert run("show", "main").code == run("delete", row["id"]).code == 3
    assert run("list", "--json").json["data"] == []
    assert "MARKER" not in "".join(said)
    files = b"".join(file.read_bytes() for file in data_dir.rglob("*") if file.is_file())
    assert b"credential-of-a-tenant" not in files
    assert b"another-credential" not in files
    assert (data_dir / "kek").stat().st_mode & 0o777 == 0o600


def test_a_secret_is_read_from_standard_input(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in ((), ("--key-file", "-")):
        monkeypatch.setattr("sys.stdin", Standard(f"{KEY}\n"))
        assert command("byok", "add", "openai", *arguments, "--json").json["data"]["label"] == "sk-…AbCd"
    keys = {"access_key_id": "AKIAMARKERMARKERWXYZ", "secret_access_key": "MARKER/secret"}
    monkeypatch.setattr("sys.stdin", Standard(json.dumps(keys)))
    added = command("byok", "add", "aws", "--region", "us-east-1", "--json").json["data"]
    assert (added["label"], added["host"]) == ("…WXYZ", "bedrock-runtime.us-east-1.amazonaws.com")


def test_a_secret_is_typed_without_being_shown(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    standard = Standard("")
    standard.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stdin", standard)
    monkeypatch.setattr("getpass.getpass", lambda *_, **__: KEY)
    monkeypatch.setattr("click.termui.hidden_prompt_func", lambda _: KEY, raising=False)
    monkeypatch.setattr("typer._click.termui.hidden_prompt_func", lambda _: KEY, raising=False)
    added = command("byok", "add", "openai", "--json")
    assert added.json["data"]["label"] == "sk-…AbCd"
    assert "MARKER" not in added.out + added.err


def test_no_option_takes_a_secret(command: Any) -> None:
    for words in (("add", "openai", "--key", KEY), ("replace", "main", "--key", KEY), ("add", "openai", KEY)):
        refused = command("byok", *words)
        assert refused.code == 2
        assert command("byok", "list", "--json").json["data"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("add", "nobody"), 1, "provider"),
        (("add", "openai", "--env", "nowhere"), 3, "no such environment"),
        (("add", "openai", "--base-url", "http://10.0.0.1"), 1, "base_url must start with https://"),
        (("add", "azure-openai", "--variable", "resource"), 2, "NAME=VALUE"),
        (("add", "azure-openai"), 1, "variables.resource"),
        (("add", "openai", "--key-file", "none.txt"), 1, "none.txt"),
        (("add", "openai", "--weight", "0"), 1, "weight"),
        (("show", "nothing"), 3, "no such credential"),
        (("show", "byok_nothing"), 3, "no such credential"),
        (("rekey", "--remove", "kek_0000000000000000"), 3, "no key-encryption key"),
    ],
)
def test_what_cannot_be_is_told(command: Any, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str) -> None:
    monkeypatch.setattr("sys.stdin", Standard(KEY))
    refused = command("byok", *arguments)
    assert (refused.code, words in refused.err.replace("There is no such", "no such")) == (code, True), refused.err
    assert "MARKER" not in refused.out + refused.err


def test_a_name_that_two_have_is_ambiguous(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("openai", "anthropic"):
        monkeypatch.setattr("sys.stdin", Standard(KEY))
        assert command("byok", "add", provider, "--name", "main").code == 0
    assert command("byok", "disable", "main").code == 5


def test_all_secrets_are_sealed_under_a_new_key_and_the_old_one_is_removed(
    command: Any, monkeypatch: pytest.MonkeyPatch, data_dir: Path, allowed: str, provider: ScriptedUpstream
) -> None:
    for _ in range(3):
        monkeypatch.setattr("sys.stdin", Standard(KEY))
        command("byok", "add", "openai", "--base-url", allowed)
    old = (data_dir / "kek").read_text().partition(":")[0]
    needed = command("byok", "rekey", "--remove", old)
    assert (needed.code, "still needed for 3 secrets" in needed.err) == (1, True)
    done = command("byok", "rekey", "--json").json["data"]
    assert (done["is_new"], done["rewrapped"], done["failed"], done["seals"]) == (True, 3, {}, {done["kek_id"]: 3})
    assert command("byok", "rekey", "--remove", done["kek_id"]).code == 1
    assert command("byok", "rekey", "--remove", old, "--json").json == {"removed": old}
    assert (data_dir / "kek").read_text().count("\n") == 1
    assert command("byok", "test", "openai").code == 0
    assert provider.received[-1].headers["authorization"] == f"Bearer {KEY}"


def test_a_key_that_was_removed_too_early_is_named(command: Any, monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    monkeypatch.setattr("sys.stdin", Standard(KEY))
    row = command("byok", "add", "openai", "--json").json["data"]
    old = (data_dir / "kek").read_text().partition(":")[0]
    (data_dir / "kek").unlink()
    for arguments in (("test", "openai"), ("rekey",)):
        refused = command("byok", *arguments)
        assert refused.code in {1, 6}
        assert old in refused.err
    assert row["id"] in refused.err


def test_the_command_line_of_a_real_process_holds_no_secret(data_dir: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "anyrouter", "byok", "add", "openai", "--json"],
        input=KEY,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["data"]["label"] == "sk-…AbCd"
    assert "MARKER" not in done.stdout + done.stderr
