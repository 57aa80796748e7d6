"""The program as a process: what only shows there."""

import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

import anyrouter

Command = Callable[..., Any]
Start = Callable[..., subprocess.Popen[str]]
KEY = re.compile(r"ar-test-[0-9A-Za-z]{45}")


def read_until(process: subprocess.Popen[str], wanted: str | Callable[[str], bool]) -> str:
    """Standard output up to the line that holds the words, or that is the one."""
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if wanted in line if isinstance(wanted, str) else wanted(line):
            return text
    raise AssertionError(f"ended early: {text}{process.stderr.read() if process.stderr else ''}")


def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "anyrouter", *arguments], capture_output=True, text=True, check=False, timeout=60, env=os.environ | changes
    )


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """A running gateway after its very first start."""

    process: subprocess.Popen[str]
    data_dir: str
    welcome: str

    @property
    def address(self) -> str:
        return re.findall(r"http://127\.0\.0\.1:\d+", self.welcome)[0]

    @property
    def key(self) -> str:
        return KEY.findall(self.welcome)[0]


@pytest.fixture(scope="module")
def gateway(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Gateway:
    data_dir = str(tmp_path_factory.mktemp("gateway") / "data")
    variables = {"ANYROUTER_LOGGING__FORMAT": "json", "ANYROUTER_LOGGING__LEVEL": "debug"}
    process = start("serve", "--port", "0", "--data-dir", data_dir, **variables)
    return Gateway(process=process, data_dir=data_dir, welcome=read_until(process, "curl "))


def ask(address: str, key: str) -> int:
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(f"{address}/api/v1/chat/completions", headers={"Authorization": f"Bearer {key}"}, json=body, timeout=10).status_code


def modules_of(*commands: str) -> set[str]:
    """What a process that runs these has loaded then."""
    code = f"import sys; from anyrouter.cli.app import run; [run(words.split()) for words in {commands}]"
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}; print(*sys.modules, file=sys.stderr)"], capture_output=True, text=True, check=True, timeout=60
    )
    return set(ended.stderr.split())


def test_version_and_help_need_neither_database_nor_prices_nor_web_framework() -> None:
    loaded = modules_of("version", "--help", "keys --help")
    assert "anyrouter.cli.keys" in loaded
    assert not loaded & {"sqlalchemy", "alembic", "fastapi", "uvicorn", "genai_prices", "structlog", "anyrouter.settings"}


def test_what_reads_and_changes_the_database_needs_neither_prices_nor_web_framework() -> None:
    loaded = modules_of("keys list", "presets list")
    assert "sqlalchemy" in loaded
    assert not loaded & {"fastapi", "uvicorn", "genai_prices"}


def test_version_is_that_of_the_package(command: Command) -> None:
    assert run("--version").stdout == f"AnyRouter {anyrouter.__version__}\n"
    assert command("version").out == f"AnyRouter {anyrouter.__version__}\n"
    assert command("version", "--json").json["data"]["version"] == anyrouter.__version__


def test_without_a_command_the_help_is_shown_as_a_usage_error(command: Command) -> None:
    ended = command()
    assert ended.code == 2
    assert "serve" in ended.out + ended.err
    assert "error" not in ended.err


def test_an_unknown_command_names_the_nearest(command: Command) -> None:
    ended = command("kyes")
    assert ended.code == 2
    assert "Did you mean 'keys'?" in ended.err


def test_an_output_that_nobody_reads_is_no_error_text() -> None:
    line = f"set -o pipefail; {sys.executable} -m anyrouter models --json | head -c 10"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in ended.stderr
    assert "BrokenPipe" not in ended.stderr


@pytest.mark.parametrize(("changes", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_appear_on_terminals_and_no_color_is_heard(changes: dict[str, str], is_coloured: bool) -> None:
    environment = (
        {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "CI"}} | {"TERM": "xterm-256color"} | changes
    )
    main, other = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "anyrouter", "doctor", "--offline"], stdin=subprocess.DEVNULL, stdout=other, stderr=other, env=environment
    )
    os.close(other)
    shown = b""
    while select.select([main], [], [], 30)[0]:
        try:
            shown += os.read(main, 65_536)
        except OSError:
            break
    os.close(main)
    assert process.wait(30) == 0
    assert b"configuration" in shown
    assert (b"\x1b[3" in shown) is is_coloured


def test_a_pipe_gets_no_escapes(command: Command, gateway: Gateway) -> None:
    assert "\x1b" not in command("doctor", "--offline").out + command("--help").out + gateway.welcome


def test_the_first_key_works_at_once(gateway: Gateway) -> None:
    assert ask(gateway.address, gateway.key) == 200


def test_the_server_may_open_as_many_files_as_its_connections_need() -> None:
    code = """
import resource
from anyrouter.cli.serve import raise_file_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 256))
for wanted in (32, 128, 40_000):
    raise_file_limit(wanted)
    print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.splitlines() == ["64 256", "128 256", "256 256"]


def test_the_curl_line_of_the_first_start_works_in_a_shell(gateway: Gateway) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    line = gateway.welcome.splitlines()[-1].replace("curl ", "curl -sS ", 1)
    ended = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True, timeout=20)
    assert json.loads(ended.stdout)["choices"][0]["message"]["content"]


def test_key_commands_take_effect_on_a_running_server_within_a_second(gateway: Gateway, command: Command) -> None:
    made = command("keys", "create", "--name", "app", "--env", "test", "--json", "--data-dir", gateway.data_dir).json
    assert ask(gateway.address, made["key"]) == 200
    for verb, status in (("disable", 401), ("enable", 200), ("delete", 401)):
        assert command("keys", verb, "app", "--json", "--data-dir", gateway.data_dir).code == 0
        deadline = time.monotonic() + 1.0
        while (seen := ask(gateway.address, made["key"])) != status and time.monotonic() < deadline:
            pass
        assert seen == status, verb


def test_the_doctor_sees_the_running_server(gateway: Gateway, command: Command) -> None:
    ended = command("doctor", "--offline", "--data-dir", gateway.data_dir)
    assert ended.code == 0
    assert f"a server uses it, process {gateway.process.pid}" in ended.out


def test_a_second_server_on_the_same_data_directory_is_refused(gateway: Gateway) -> None:
    ended = run("serve", "--port", "0", "--data-dir", gateway.data_dir)
    assert ended.returncode == 6
    assert f"process {gateway.process.pid}" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_taken_port_is_told_without_a_traceback(gateway: Gateway) -> None:
    ended = run("serve", "--port", gateway.address.rpartition(":")[2])
    assert ended.returncode == 1
    assert "cannot listen on 127.0.0.1 port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_server_ends_in_order_and_its_log_is_json_without_keys(gateway: Gateway) -> None:
    gateway.process.send_signal(signal.SIGTERM)
    _, err = gateway.process.communicate(timeout=20)
    assert gateway.process.returncode == 0
    assert gateway.key not in err
    for line in err.splitlines():
        assert json.loads(line)["level"]


def test_the_sandbox_alone_tells_where_it_is_and_ends_with_ctrl_c(start: Start) -> None:
    process = start("sandbox", "--port", "0", "--json")
    address = json.loads(read_until(process, lambda line: line == "}\n"))["data"]["base_url"]
    reply = httpx.get(f"{address}/v1/models", headers={"Authorization": "Bearer anything"}, timeout=10)
    assert reply.status_code == 200
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_the_sandbox_for_people_prints_a_line_to_try(start: Start) -> None:
    line = read_until(start("sandbox", "--port", "0"), "curl ").splitlines()[-1]
    assert "/v1/chat/completions" in line
    assert "/api/" not in line
