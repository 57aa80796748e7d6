"""A real gateway in a process of its own."""

import contextlib
import io
import json
import os
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any
from unittest import mock

from anyrouter.cli import app
from support.forked import Forked

START_TIMEOUT_S = 60.0
_ADDRESS = re.compile(r"(https?://[^\s/]+)/api/v1\b")
_KEY = re.compile(r"\bar-test-[0-9A-Za-z]{45}\b")


def clean_environment(**extra: str) -> dict[str, str]:
    """The process's environment without what would configure a gateway or a client by accident."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("ANYROUTER_", "OPENAI_", "ANTHROPIC_")) and name.lower() not in ("http_proxy", "https_proxy", "all_proxy")
    }
    # One request, one attempt: tests of retries say so themselves.
    return {**kept, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "ANYROUTER_ROUTING__RETRIES": "0", **extra}


def run_command(data_dir: Path, *arguments: str) -> Any:
    """What a command of the program prints as JSON. Within this process: starting one takes longer than most commands."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = app.run([*arguments, "--json", "--data-dir", str(data_dir)])
    assert code == 0, out.getvalue()
    return json.loads(out.getvalue())


class GatewayProcess:
    """`anyrouter serve` on a free port. `base_url` has no path; `first_key` is the key that the first start prints."""

    def __init__(self, data_dir: Path, *arguments: str, config: str | None = None, starts_pages: bool = False, **environment: str) -> None:
        self.starts_pages = starts_pages
        self.data_dir, self.arguments, self.environment = data_dir, arguments, clean_environment(**environment)
        if config is not None:
            data_dir.mkdir(parents=True, exist_ok=True)
            (data_dir / "anyrouter.toml").write_text(config)
        self.base_url, self.first_key, self.output = "", "", ""
        self.start()

    def start(self) -> None:
        """Start it and wait until it says where it listens."""
        arguments = ["serve", "--data-dir", str(self.data_dir), "--port", "0", *self.arguments]
        self.process = Forked(arguments, self.environment, starts_pages=self.starts_pages)
        self.output = ""
        ready = threading.Event()
        threading.Thread(target=self._collect, args=(self.process, ready), daemon=True).start()
        if not ready.wait(START_TIMEOUT_S):
            self.kill()
            raise AssertionError(f"the gateway did not start:\n{self.output}")
        address, key = _ADDRESS.search(self.output), _KEY.search(self.output)
        assert address is not None, self.output
        self.base_url = address[1]
        self.first_key = key[0] if key is not None else self.first_key

    def _collect(self, process: Forked, ready: threading.Event) -> None:
        with process.read_output() as lines:
            for line in lines:
                self.output += line
                if line.startswith("curl ") or "anyrouter keys create --name my-app " in line:
                    ready.set()
        ready.set()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self.process.pid

    def create_key(self, *arguments: str, environment: str = "live", name: str | None = None) -> str:
        """The text of a new key, made by a command while the server runs."""
        created = self.command("keys", "create", "--name", name or f"test-{time.monotonic_ns()}", "--env", environment, *arguments)
        return str(created["key"])

    def command(self, *arguments: str) -> Any:
        """What a command prints with --json, in the gateway's own environment."""
        with mock.patch.dict(os.environ, self.environment, clear=True):
            return run_command(self.data_dir, *arguments)

    def kill(self) -> None:
        """SIGKILL: no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        code = self.process.wait(30)
        if code is None:
            self.process.send_signal(signal.SIGKILL)
            code = self.process.wait(10)
        assert code is not None
        return code
