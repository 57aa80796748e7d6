"""Other gateways, from PyPI and npm, in environments of their own in the temporary directory. What cannot be installed is not measured.

Versions are fixed, so that figures can be compared and no newer release, which nobody here looked at, is run.
Each is set up as lean as its documentation allows, in its favour: no database, no log, one process.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.installation import run, size_bytes
from bench.lineup import Bench
from bench.processes import BenchError, Launch, free_port

CREDENTIAL = "sk-MARKER-bench"
LITELLM_CONFIG = """
model_list:
  - model_name: openai/gpt-4o
    litellm_params: {{model: openai/gpt-4o, api_base: "http://127.0.0.1:{upstream}/v1", api_key: {credential}}}
general_settings: {{master_key: {credential}}}
litellm_settings: {{telemetry: false, drop_params: false}}
"""
TENSORZERO_CONFIG = """
[gateway]
observability.enabled = false
[models.bench]
routing = ["bench"]
[models.bench.providers.bench]
type = "openai"
model_name = "gpt-4o"
api_base = "http://127.0.0.1:{upstream}/v1/"
api_key_location = "env::OPENAI_API_KEY"
"""
TENSORZERO_MAIN = """
import pathlib, signal, sys, urllib.parse
import tensorzero
gateway = tensorzero._start_http_gateway(
    config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
)
pathlib.Path(sys.argv[2]).write_text(str(urllib.parse.urlsplit(gateway.base_url).port))
signal.pause()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A gateway of somebody else: how it is installed into a directory, and how it is launched from there."""

    name: str
    install: Callable[[Path], None]
    launch: Callable[[Path, int, Path], Launch]


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPeer:
    """A peer that can take part (an `Entrant`)."""

    peer: Peer
    home: Path

    def __call__(self, upstream_port: int, directory: Path, *, is_streaming: bool) -> Launch:  # noqa: ARG002 -- an Entrant's signature
        return self.peer.launch(self.home, upstream_port, directory)


def join(bench: Bench) -> None:
    """Install every peer and let it take part; one that cannot be installed is noted."""
    for peer in PEERS:
        home = bench.workplace(peer.name)
        try:
            peer.install(home)
        except (BenchError, OSError, subprocess.SubprocessError) as error:
            bench.document.not_measured[peer.name] = f"cannot be installed: {str(error).strip().splitlines()[-1]}"
            bench.log(f"{peer.name}: not measured: {error}")
        else:
            bench.entrants[peer.name] = InstalledPeer(peer=peer, home=home)
            bench.document.size_mb[peer.name] = size_bytes(home) / 1e6
            bench.log(f"{peer.name}: installed")


def from_pypi(*requirements: str) -> Callable[[Path], None]:
    def install(home: Path) -> None:
        run((sys.executable, "-m", "venv", str(home / "venv")))
        run((str(home / "venv/bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements))

    return install


def from_npm(requirement: str) -> Callable[[Path], None]:
    def install(home: Path) -> None:
        if not shutil.which("npm") or not shutil.which("node"):
            raise BenchError("Node is not installed: apt-get install nodejs npm")
        run(("npm", "install", "--prefix", str(home), "--no-audit", "--no-fund", "--silent", requirement))

    return install


def launch_litellm(home: Path, upstream: int, directory: Path) -> Launch:
    """With a master key and without a database."""
    config, port = directory / "config.yaml", free_port()
    config.write_text(LITELLM_CONFIG.format(upstream=upstream, credential=CREDENTIAL))
    return Launch(
        name="LiteLLM",
        command=(str(home / "venv/bin/litellm"), "--config", str(config), "--host", "127.0.0.1", "--port", str(port)),
        port=port,
        path="/v1/chat/completions",
        headers={"Authorization": f"Bearer {CREDENTIAL}"},
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"},
    )


def launch_tensorzero(home: Path, upstream: int, directory: Path) -> Launch:
    """Without keys, observability off: the package holds the gateway, which chooses its port itself."""
    config, main, port_file = directory / "tensorzero.toml", directory / "main.py", directory / "port"
    config.write_text(TENSORZERO_CONFIG.format(upstream=upstream))
    main.write_text(TENSORZERO_MAIN)
    return Launch(
        name="TensorZero",
        command=(str(home / "venv/bin/python"), str(main), str(config), str(port_file)),
        port=0,
        port_file=port_file,
        path="/openai/v1/chat/completions",
        model="tensorzero::model_name::bench",
        environment={"OPENAI_API_KEY": CREDENTIAL},
    )


def launch_portkey(home: Path, upstream: int, directory: Path) -> Launch:  # noqa: ARG001 -- it has no configuration file
    """Without keys of its own: it passes the provider's on."""
    port = free_port()
    server = home / "node_modules/@portkey-ai/gateway/build/start-server.js"
    return Launch(
        name="Portkey",
        command=("node", str(server), "--headless", f"--port={port}"),
        port=port,
        path="/v1/chat/completions",
        headers={
            "Authorization": f"Bearer {CREDENTIAL}",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1",
        },
    )


PEERS = (
    Peer(name="TensorZero", install=from_pypi("tensorzero==2026.6.0"), launch=launch_tensorzero),
    Peer(name="Portkey", install=from_npm("@portkey-ai/gateway@1.15.2"), launch=launch_portkey),
    Peer(name="LiteLLM", install=from_pypi("litellm[proxy]==1.106.0"), launch=launch_litellm),
)
