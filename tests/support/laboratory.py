"""A gateway whose upstreams are faulty: by what they answer, or by where they are. A good one stands in where a test wants it."""

import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import httpx
import pytest

from support.faults import COMPANIES, CONNECT_S, DIALECTS, FAULTS, FIRST_BYTE_S, IDLE_S, MENDED, STREAMED, TOTAL_S, WHOLE, good, name_model
from support.gateway import GatewayProcess
from support.served import UPSTREAM_KEY, Served, run_command
from support.upstream import Answer, Received, ScriptedUpstream

PATIENCE_S = 15.0
_UPSTREAM = """
[[upstreams]]
id = "{place}-{dialect}"
provider = "{dialect}"
base_url = "{url}"
credential_file = "credential"
priority = {priority}
timeouts = {{ connect_s = {connect_s}, first_byte_s = {first_byte_s}, idle_s = {idle_s}, total_s = {total_s} }}
models = [{models}]
"""


@dataclass
class Laboratory(Served):
    """`upstream` is the faulty one, whose answers follow from the model that it is asked for; `good` stands in."""

    good: ScriptedUpstream = field(kw_only=True)
    client: httpx.Client = field(kw_only=True)


def _answer_faulty(received: Received) -> Answer:
    asked = received.json()
    fault = FAULTS[NAMES[asked["model"]]]
    assert fault.answer is not None
    return fault.answer(_dialect_of(received), STREAMED if asked.get("stream") else WHOLE)


def _dialect_of(received: Received) -> str:
    return "anthropic" if received.path.endswith("/messages") else "openai"


def _answer_good(received: Received) -> Answer:
    return good(_dialect_of(received), STREAMED if received.json().get("stream") else WHOLE)


def _describe_upstream(place: str, dialect: str, url: str, models: list[str], priority: int) -> str:
    return _UPSTREAM.format(
        place=place,
        dialect=dialect,
        url=f"{url}/v1" if dialect == "openai" else url,
        priority=priority,
        connect_s=CONNECT_S,
        first_byte_s=FIRST_BYTE_S,
        idle_s=IDLE_S,
        total_s=TOTAL_S,
        models=", ".join(f'"{model}"' for model in models),
    )


def _models(dialect: str) -> Iterator[tuple[str, str, str]]:
    """Name of the fault, company, model: of every request that the tests make of an upstream."""
    for name, fault in FAULTS.items():
        for how, company, client in product(fault.how, COMPANIES, DIALECTS):
            yield name, company, name_model(name, how, company, client, dialect)


NAMES = {model.removeprefix("lab/"): name for dialect in DIALECTS for name, _, model in _models(dialect)}


def _describe(urls: dict[str, str]) -> str:
    tables = []
    for dialect, (place, url) in product(DIALECTS, urls.items()):
        if place == "good":
            models = [model for _, company, model in _models(dialect) if company == MENDED]
        else:
            models = [model for name, _, model in _models(dialect) if FAULTS[name].at == place]
        tables.append(_describe_upstream(place, dialect, url, models, 20 if place == "good" else 10))
    return "".join(tables)


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    data_dir: Path = tmp_path_factory.mktemp("faults") / "data"
    data_dir.mkdir()
    (data_dir / "credential").write_text(UPSTREAM_KEY)
    with ScriptedUpstream(_answer_faulty) as faulty, ScriptedUpstream(_answer_good) as standing_in, socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen: nobody else gets the port, and who connects is refused
        urls = {
            "faulty": faulty.url,
            "good": standing_in.url,
            "refused": f"http://127.0.0.1:{deaf.getsockname()[1]}",
            "no-tls": f"https://127.0.0.1:{faulty.port}",
            "no-host": "http://nowhere.invalid",
        }
        # A resolver that nobody answers gives up soon.
        gateway = GatewayProcess(data_dir, config=_describe(urls), RES_OPTIONS="timeout:1 attempts:1")
        try:
            key = run_command(data_dir, "keys", "create", "--name", "live")["key"]
            headers = {"authorization": f"Bearer {key}", "anthropic-version": "2023-06-01"}
            with httpx.Client(base_url=gateway.base_url, headers=headers, timeout=PATIENCE_S, trust_env=False) as client:
                yield Laboratory(gateway, faulty, key, good=standing_in, client=client)
        finally:
            gateway.stop()
