"""A real inference engine behind a gateway: `make test-engine` installs it. Nothing here is collected unless it is asked for."""

import contextlib
import importlib.util
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import openai
import pytest

from support.gateway import GatewayProcess, clean_environment
from support.served import run_command

HERE = Path(__file__).parent
SCRIPT = HERE.parents[1] / "scripts" / "tiny_model.py"
START_TIMEOUT_S = 120.0
CONTEXT = 512
CONFIG = """
[[upstreams]]
id = "engine"
provider = "openai-compatible"
base_url = "{url}"
models = {{ "tiny/words" = "tiny-words" }}
"""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this directory out unless a marker expression or an argument names it."""
    is_named = any(Path(argument.partition("::")[0]).resolve().is_relative_to(HERE) for argument in config.args)
    return None if is_named or "engine" in (config.option.markexpr or "") else True


class Engine:
    """llama.cpp's server for Python, on a free port, with one thread of computation."""

    def __init__(self, model: Path) -> None:
        with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self._log = model.with_name(f"engine-{self.port}.log")
        options = {
            "model": str(model),
            "model_alias": "tiny-words",
            "host": "127.0.0.1",
            "port": str(self.port),
            "n_ctx": str(CONTEXT),
            "n_threads": "1",
            "embedding": "true",
            "interrupt_requests": "false",
        }
        command = [sys.executable, "-m", "llama_cpp.server"]
        for name, value in options.items():
            command += [f"--{name}", value]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=clean_environment())
        due_s = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < due_s, self._log.read_text()
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/models", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that the project makes itself."""
    for module in ("llama_cpp", "gguf"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; make test-engine installs it")
    path = tmp_path_factory.mktemp("engine") / "tiny.gguf"
    subprocess.run([sys.executable, str(SCRIPT), str(path)], check=True, capture_output=True)
    return path


@pytest.fixture(scope="session")
def start_engine(tiny_model: Path) -> Iterator[Callable[[], Engine]]:
    """Starts engines; they are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start() -> Engine:
            engine = Engine(tiny_model)
            stack.callback(engine.stop)
            return engine

        yield start


@pytest.fixture(scope="session")
def start_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Engine], GatewayProcess]]:
    """Starts gateways before an engine; they are stopped at the end."""
    with contextlib.ExitStack() as stack:

        def start(engine: Engine) -> GatewayProcess:
            gateway = GatewayProcess(tmp_path_factory.mktemp("gateway") / "data", config=CONFIG.format(url=engine.url))
            stack.callback(gateway.stop)
            return gateway

        yield start


@pytest.fixture(scope="session")
def gateway(start_engine: Callable[[], Engine], start_gateway: Callable[[Engine], GatewayProcess]) -> GatewayProcess:
    """A gateway whose live environment is the engine."""
    return start_gateway(start_engine())


@pytest.fixture(scope="session")
def key(gateway: GatewayProcess) -> str:
    """A live key."""
    return str(run_command(gateway.data_dir, "keys", "create", "--name", "engine")["key"])


@pytest.fixture(scope="session")
def client(gateway: GatewayProcess, key: str) -> Iterator[openai.OpenAI]:
    """The official SDK."""
    with openai.OpenAI(base_url=f"{gateway.base_url}/api/v1", api_key=key, max_retries=0, timeout=60) as client:
        yield client
