"""Section L of the attack cases: after a hard life everything that the gateway has written and said is searched for its secrets.

Every secret carries MARKER where its form allows it. One hit fails.
"""

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests.security.hard_life import CREDENTIAL, OUTPUT, PROMPT, TENANTS, Life, live_it

from support.gateway import clean_environment
from support.served import run_command

KEY = re.compile(r"ar-[a-z0-9]+-[0-9A-Za-z]{45}")


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return live_it(tmp_path_factory.mktemp("marked") / "data")


def test_the_life_was_a_hard_one(life: Life) -> None:
    """Otherwise the searches below would find nothing in nothing."""
    statuses = {text[:3] for text in life.said.values()}
    assert {"200", "400", "401", "403", "404", "405", "413", "415", "422", "429", "502", "503"} <= statuses | {
        text[9:12] for text in life.said.values()
    }
    assert any("error" in text and "data: " in text for text in life.said.values())
    assert len(life.sent) > 60
    assert "OperationalError" in life.logs["JSON"]
    assert any(name.startswith("anyrouter.db-wal") for name in life.files)
    assert any(name.startswith("journal/") for name in life.files)
    assert {CREDENTIAL in f"{received.headers}" for received in life.sent} == {True, False}
    assert {CREDENTIAL in f"{received.headers}" or TENANTS in f"{received.headers}" for received in life.sent} == {True}
    assert life.hits(life.sent[0].body.decode()) == [PROMPT]


@pytest.mark.parametrize("form", ["JSON", "console"])
def test_the_log_holds_no_secret(life: Life, form: str) -> None:
    assert life.hits(life.logs[form]) == []
    assert KEY.search(life.logs[form]) is None


def test_the_log_in_json_is_json(life: Life) -> None:
    lines = life.logs["JSON"].strip().splitlines()
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_the_first_key_is_shown_once_and_nothing_else_is_shown(life: Life) -> None:
    first, second = life.welcomes
    assert set(KEY.findall(first)) == {life.keys["test"]}
    assert KEY.findall(second) == []
    assert life.hits(first, life.keys["test"]) == life.hits(second) == []


def test_no_file_of_the_data_directory_holds_a_secret(life: Life) -> None:
    """Database, write-ahead log and journal: keys as digests alone, no credential, nothing of what was asked or answered."""
    found = {name: life.hits(data.decode("latin-1")) for name, data in life.files.items()}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_no_reply_and_no_command_says_a_secret(life: Life) -> None:
    """A successful answer holds what the model said, to whoever asked; nothing else says anything."""
    told_back = "traced by its key"  # a trace id is echoed, to whoever has sent it
    found = {name: life.hits(text, OUTPUT) for name, text in life.said.items() if told_back not in name}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_an_answer_is_told_to_its_caller_alone(life: Life) -> None:
    telling = [name for name, text in life.said.items() if OUTPUT in text]
    assert telling
    assert all(("streamed" in name and name.endswith("by live")) or name.endswith("over the tenant's") for name in telling)


def test_what_left_for_the_provider_holds_none_of_our_keys(life: Life) -> None:
    for received in life.sent:
        text = f"{received.path} {received.headers} {received.body!r}"
        assert life.hits(text, CREDENTIAL, TENANTS, PROMPT) == []
        assert "MARKER" not in received.path


def test_the_command_line_of_the_process_holds_no_secret(life: Life) -> None:
    assert "MARKER" not in life.command_line
    assert life.hits(life.command_line) == []
    assert KEY.search(life.command_line) is None


def test_what_the_data_directory_holds_is_its_owner_s_alone(life: Life) -> None:
    assert {"anyrouter.db", "anyrouter.db-wal", "anyrouter.db-shm", "pepper", "journal", "server.lock"} <= life.modes.keys()
    wrong = {name: oct(mode) for name, mode in life.modes.items() if stat.S_IMODE(mode) != (0o700 if stat.S_ISDIR(mode) else 0o600)}
    assert wrong == {}


def test_a_loose_umask_and_a_loose_directory_make_no_loose_file(tmp_path: Path) -> None:
    directory = tmp_path / "loose"
    old = os.umask(0)
    try:
        run_command(directory, "keys", "create", "--name", "x")
    finally:
        os.umask(old)
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*") if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.rglob("*")) if path.is_dir()} == {0o700}


def test_a_command_that_fails_quotes_no_secret(tmp_path: Path) -> None:
    """Configuration that is wrong in the place where a secret stands."""
    environment = clean_environment(
        OPENAI_API_KEY=f"{CREDENTIAL} with spaces", ANYROUTER_STORAGE__DATABASE_URL="postgresql://u:MARKER-password@host:bad/x"
    )
    for arguments in (["serve", "--port", "0"], ["doctor"], ["doctor", "--json"], ["keys", "list"]):
        done = subprocess.run(
            [sys.executable, "-m", "anyrouter", *arguments, "--data-dir", str(tmp_path / "data")],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            timeout=60,
        )
        assert done.returncode != 0
        for secret in (CREDENTIAL, "MARKER-password"):
            assert secret not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
