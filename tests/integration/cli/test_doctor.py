import asyncio
import contextlib
import platform
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from anyrouter.sandbox.server import SandboxServer
from anyrouter.storage.schema import HEAD_REVISION
from support.service_account import key_file
from support.sigv4 import is_signed
from support.upstream import ScriptedUpstream, json_answer

Command = Callable[..., Any]


@pytest.fixture
def examine(command: Command) -> Callable[..., dict[str, list[tuple[str, str]]]]:
    """Run the doctor: its findings by part, as state and text, where "code" is the exit code."""

    def examine(*arguments: str) -> dict[str, Any]:
        ended = command("doctor", "--json", "--config", str(Path("config.toml").absolute()), *arguments)
        found: dict[str, Any] = {"code": ended.code, "ok": ended.json["ok"]}
        for row in ended.json["data"]:
            found.setdefault(row["check"], []).append((row["state"], f"{row['text']} {row['cure'] or ''}"))
        return found

    Path("config.toml").write_text("[server]\nport = 0\n", encoding="utf-8")
    return examine


def configure(text: str) -> None:
    Path("config.toml").write_text(text, encoding="utf-8")


@contextlib.contextmanager
def sandbox() -> Iterator[str]:
    """The simulated provider in a thread of its own: the command under test has the main one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = SandboxServer()
    asyncio.run_coroutine_threadsafe(server.start(), loop).result(10)
    try:
        yield server.base_url
    finally:
        asyncio.run_coroutine_threadsafe(server.aclose(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def test_nothing_there_yet_is_fine_and_nothing_is_made(examine: Command, data_dir: Path) -> None:
    found = examine()
    assert (found["code"], found["ok"]) == (0, True)
    assert found["data directory"] == [("ok", f"{data_dir} is not there yet; the first start makes it ")]
    assert found["database"][0][0] == "ok"
    assert found["prices"][0][0] == "ok"
    assert not data_dir.exists()


def test_the_python_is_told_with_its_version_and_place(examine: Command) -> None:
    ((state, text),) = examine("--offline")["python"]
    assert state == "ok"
    assert text.startswith(f"{platform.python_version()}, {sys.executable}")
    assert str(Path(sys.executable).resolve()) in text


def test_no_upstream_is_a_warning_with_a_cure(examine: Command) -> None:
    states = examine()["configuration"]
    assert any(state == "warning" and "no upstream" in text and "[[upstreams]]" in text for state, text in states)


def test_a_used_directory_is_well(examine: Command, command: Command, data_dir: Path) -> None:
    command("keys", "create", "--name", "app", "--env", "test")
    found = examine()
    assert found["code"] == 0
    assert [state for part in ("data directory", "pepper", "database", "journal") for state, _ in found[part]] == ["ok"] * 4
    assert f"schema {HEAD_REVISION}; keys: 1" in found["database"][0][1]
    assert "no server uses it" in found["data directory"][0][1]


def test_for_people_each_part_is_a_line_and_its_cure_another(command: Command) -> None:
    lines = command("doctor", "--offline").out.splitlines()
    assert lines[0].startswith("ok      configuration: ")
    assert any(line.startswith("        → ") for line in lines)


def test_a_wrong_configuration_fails_with_every_mistake(examine: Command) -> None:
    configure("[server]\nprot = 1\nport = 'x'\n")
    found = examine()
    assert (found["code"], found["ok"]) == (1, False)
    assert [state for state, _ in found["configuration"]] == ["failed", "failed"]
    assert any("did you mean port?" in text for _, text in found["configuration"])


def test_a_directory_open_to_others_is_a_warning(examine: Command, data_dir: Path) -> None:
    data_dir.mkdir(mode=0o755)
    data_dir.chmod(0o755)
    found = examine()
    assert found["code"] == 0
    assert ("warning", f"{data_dir} is open to other users (mode 755) chmod 700 {data_dir}") in found["data directory"]


def test_a_file_in_the_directorys_place_fails(examine: Command, data_dir: Path) -> None:
    data_dir.write_text("", encoding="utf-8")
    assert examine()["data directory"][0][0] == "failed"


def test_a_missing_pepper_beside_a_database_fails_and_none_is_made(examine: Command, command: Command, data_dir: Path) -> None:
    command("keys", "create", "--name", "app", "--env", "test")
    (data_dir / "pepper").unlink()
    found = examine()
    assert found["code"] == 1
    assert found["pepper"][0][0] == "failed"
    assert not (data_dir / "pepper").exists()


def test_another_pepper_than_that_of_the_keys_fails(examine: Command, command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    command("keys", "create", "--name", "app", "--env", "test")
    monkeypatch.setenv("ANYROUTER_PEPPER", "1:" + "ab" * 32)
    found = examine()
    assert found["code"] == 1
    assert any(state == "failed" and "not the one that the keys" in text for state, text in found["pepper"])


def test_a_readable_pepper_fails(examine: Command, command: Command, data_dir: Path) -> None:
    command("keys", "list")
    (data_dir / "pepper").chmod(0o644)
    state, text = examine()["pepper"][0]
    assert state == "failed"
    assert "chmod 600" in text


@pytest.mark.parametrize(("revision", "state"), [("9999", "failed"), ("0000", "warning")])
def test_a_schema_of_another_version_is_told(examine: Command, command: Command, data_dir: Path, revision: str, state: str) -> None:
    command("keys", "list")
    with contextlib.closing(sqlite3.connect(data_dir / "anyrouter.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    assert examine()["database"][0][0] == state
    with contextlib.closing(sqlite3.connect(data_dir / "anyrouter.db")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(revision,)]


def test_a_broken_database_fails(examine: Command, command: Command, data_dir: Path) -> None:
    command("keys", "list")
    for path in data_dir.glob("anyrouter.db*"):
        path.write_bytes(b"this is not a database" * 500)
    found = examine()
    assert found["code"] == 1
    assert found["database"][0][0] == "failed"


def test_damaged_files_of_the_journal_are_a_warning(examine: Command, command: Command, data_dir: Path) -> None:
    command("keys", "list")
    (data_dir / "journal" / "0000000001.journal.damaged").write_bytes(b"x")
    assert ("warning", True) in [(state, "0000000001" in text) for state, text in examine()["journal"]]


def test_a_taken_port_fails(examine: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(f"[server]\nport = {taken.getsockname()[1]}\n")
        found = examine()
    assert found["code"] == 1
    assert found["address"][0][0] == "failed"
    assert examine()["address"][0][0] == "ok"


def test_plain_http_to_other_machines_is_a_warning(examine: Command) -> None:
    configure("[server]\nport = 0\nhost = '0.0.0.0'\n")
    assert any(state == "warning" and "plain HTTP" in text for state, text in examine()["configuration"])


def test_a_certificate_and_its_key_are_tried(examine: Command, tmp_path: Path) -> None:
    authority = trustme.CA()
    for name in ("one", "two"):
        issued = authority.issue_cert("gateway.example")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
    configure("[server]\nport = 0\ntls_certificate = 'one.pem'\ntls_key = 'one.key'\n")
    assert examine()["tls"][0][0] == "ok"
    for key in ("two.key", "absent.key"):
        configure(f"[server]\nport = 0\ntls_certificate = 'one.pem'\ntls_key = '{key}'\n")
        assert examine()["tls"][0][0] == "failed", key


def test_upstreams_that_answer_are_well_in_both_dialects(examine: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with sandbox() as address:
        monkeypatch.setenv("OPENAI_API_KEY", "MARKER-credential")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "MARKER-credential")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", address)
        found = examine()
    assert found["upstream openai"] == [("ok", f"{address}/v1 answers 200, the credential is good ")]
    assert found["upstream anthropic"] == [("ok", f"{address} answers 200, the credential is good ")]


def test_an_upstream_that_wants_a_credential_fails(examine: Command) -> None:
    with sandbox() as address:
        configure(f'[server]\nport = 0\n[[upstreams]]\nid = "box"\nprovider = "openai-compatible"\nbase_url = "{address}/v1"\n')
        found = examine()
    assert found["code"] == 1
    state, text = found["upstream box"][0]
    assert state == "failed"
    assert "credential_variable" in text


AWS = '[server]\nport = 0\n[[upstreams]]\nid = "aws"\nprovider = "aws"\nbase_url = "{}"\nvariables = {{ region = "us-east-1" }}\n'
VERTEX = '[server]\nport = 0\n[[upstreams]]\nid = "vertex"\nprovider = "google-vertex"\ncredential_file = "key.json"\n'


def use_access_key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "MARKER/secret")
    return 'credential_variable = "AWS_ACCESS_KEY_ID"'


def test_an_access_key_is_tried_with_a_signed_request_that_costs_nothing(examine: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    named = use_access_key(monkeypatch)
    with sandbox() as address:
        configure(AWS.format(address) + named)
        assert examine()["upstream aws"] == [("ok", f"{address} answers 200, the credential is good ")]
    with ScriptedUpstream(lambda _: json_answer({"asyncInvokeSummaries": []})) as cloud:
        configure(AWS.format(cloud.url) + named)
        assert examine()["upstream aws"][0][0] == "ok"
        (received,) = cloud.received
    assert (received.method, received.path) == ("GET", "/async-invoke?maxResults=1")
    assert is_signed(received, "MARKER/secret")


@pytest.mark.parametrize(
    ("kind", "message", "state", "shown"),
    [
        ("UnrecognizedClientException", "The security token AKIDEXAMPLE is invalid.", "failed", "look at the variables AWS_ACCESS_KEY_ID"),
        ("InvalidSignatureException:http://x/", "It was MARKER/secret.", "failed", "(InvalidSignatureException: It was [redacted].)"),
        ("InvalidSignatureException", "Signature expired: 20150830T123600Z is now earlier than …", "failed", "set this machine's clock"),
        ("ExpiredTokenException", "The security token is expired", "failed", "ExpiredTokenException"),
        ("AccessDeniedException", "User MARKER is not authorized", "ok", "knows the credential"),
        ("ThrottlingException", "MARKER", "failed", "refuses the credential"),
    ],
)
def test_what_the_cloud_says_of_an_access_key_is_told(  # noqa: PLR0917 -- two fixtures
    examine: Command, monkeypatch: pytest.MonkeyPatch, kind: str, message: str, state: str, shown: str
) -> None:
    named = use_access_key(monkeypatch)
    with ScriptedUpstream(lambda _: json_answer({"message": message}, 403, x_amzn_errortype=kind)) as cloud:
        configure(AWS.format(cloud.url) + named)
        ((found, text),) = examine()["upstream aws"]
    assert found == state
    assert shown in text
    assert "MARKER" not in text
    assert "AKIDEXAMPLE" not in text


def test_a_service_accounts_key_is_tried_by_buying_a_token(examine: Command) -> None:
    with ScriptedUpstream(lambda _: json_answer({"access_token": "MARKER-token"})) as seller:
        Path("key.json").write_text(key_file(f"{seller.url}/token"), encoding="utf-8")
        configure(VERTEX)
        ((state, text),) = examine()["upstream vertex"]
        assert (state, len(seller.received)) == ("ok", 1)
    assert text == "a token was bought, the credential is good; https://aiplatform.googleapis.com/v1 was not asked "


def test_a_service_account_that_gets_no_token_fails_with_what_was_said(examine: Command) -> None:
    refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    with ScriptedUpstream(lambda _: json_answer(refusal, 400)) as seller:
        Path("key.json").write_text(key_file(f"{seller.url}/token"), encoding="utf-8")
        configure(VERTEX)
        found = examine()
    ((state, text),) = found["upstream vertex"]
    assert (found["code"], state) == (1, "failed")
    assert "the token endpoint answered 400 (invalid_grant: Invalid JWT Signature.)" in text
    assert "look at the file key.json" in text


def test_what_is_wrong_with_a_credential_by_itself_is_told_without_a_request(examine: Command) -> None:
    Path("key.json").write_text(key_file("https://x.test/token", private_key="MARKER"), encoding="utf-8")
    configure(VERTEX)
    ((state, text),) = examine("--offline")["configuration"]
    assert state == "failed"
    assert "has a private_key that cannot be read" in text
    assert "MARKER" not in text


def test_an_upstream_that_is_not_there_fails_unless_it_is_not_asked(examine: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    monkeypatch.setenv("OPENAI_API_KEY", "MARKER-credential")
    found = examine()
    assert found["code"] == 1
    assert found["upstream openai"][0][0] == "failed"
    assert "MARKER" not in str(found)
    assert examine("--offline")["code"] == 0
