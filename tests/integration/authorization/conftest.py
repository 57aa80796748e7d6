"""Gateways whose upstreams want more than a key in a header, each at a scripted server or at the sandbox."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import openai
import pytest

from support.gateway import GatewayProcess, clean_environment
from support.upstream import ScriptedUpstream

TIMEOUT_S = 20.0
Connect = Callable[..., openai.OpenAI]


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The simulated provider as a program of its own."""
    command = [sys.executable, "-m", "anyrouter", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=clean_environment()) as process:
        assert process.stdout is not None
        yield process.stdout.readline().rpartition(" ")[2].strip()
        process.terminate()


@pytest.fixture(scope="module")
def cloud() -> Iterator[ScriptedUpstream]:
    """The provider's server; tests replace what it answers."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def seller() -> Iterator[ScriptedUpstream]:
    """The token endpoint."""
    with ScriptedUpstream() as server:
        yield server


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., GatewayProcess]]:
    """Start a gateway with these files beside its configuration; all are stopped at the end."""
    started: list[GatewayProcess] = []

    def start(config: str, files: dict[str, str] | None = None, **environment: str) -> GatewayProcess:
        directory: Path = tmp_path_factory.mktemp("gateway") / "data"
        directory.mkdir()
        for name, text in (files or {}).items():
            (directory / name).write_text(text, encoding="utf-8")
        started.append(GatewayProcess(directory, config=config, **environment))
        return started[-1]

    yield start
    for gateway in started:
        gateway.stop()


@pytest.fixture(scope="module")
def connect() -> Iterator[Connect]:
    """The official SDK with a new live key of a gateway's, without retries of its own."""
    clients: list[openai.OpenAI] = []

    def connect(gateway: GatewayProcess) -> openai.OpenAI:
        key = gateway.create_key()
        clients.append(openai.OpenAI(base_url=f"{gateway.base_url}/api/v1", api_key=key, max_retries=0, timeout=TIMEOUT_S))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()
