"""The key-encryption key is replaced, twice, and the old ones are removed, while a real gateway uses and takes credentials."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from support.gateway import GatewayProcess
from support.upstream import Received, ScriptedUpstream, json_answer

CREDENTIALS = 12
WORKERS = 6


def secret(number: int, turn: int = 0) -> str:
    return f"sk-MARKER-tenant-{number:02}-{turn:04}-AbCd"


@pytest.fixture
def provider() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(lambda _: json_answer({"data": []})) as server:
        yield server


@pytest.fixture
def gateway(tmp_path: Path, provider: ScriptedUpstream) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "data", config=f'[byok]\nallowed_hosts = ["127.0.0.1:{provider.port}"]\n')
    yield process
    process.stop()


def test_a_new_key_under_load_fails_no_request(gateway: GatewayProcess, provider: ScriptedUpstream) -> None:
    headers = {"Authorization": f"Bearer {gateway.create_key('--scope', 'admin:byok')}"}
    address, is_over, failures, done = f"{gateway.base_url}/api/v1/byok", threading.Event(), list[str](), list[str]()

    def take(received: Received) -> None:
        done.append(received.headers["authorization"])

    provider.handle = lambda received: (take(received), json_answer({"data": []}))[1]
    with httpx.Client(headers=headers, timeout=60) as client:
        ids = [
            client.post(address, json={"provider": "openai", "key": secret(number), "base_url": f"{provider.url}/v1"}).json()["data"]["id"]
            for number in range(CREDENTIALS)
        ]

    def use(worker: int) -> None:
        """Use two credentials in turn, and enter one of them anew each time."""
        with httpx.Client(headers=headers, timeout=60) as client:
            turn = 0
            while not is_over.is_set():
                turn += 1
                mine, other = 2 * worker, 2 * worker + 1
                replies = [
                    client.patch(f"{address}/{ids[mine]}", json={"key": secret(mine, turn)}),
                    client.post(f"{address}/{ids[mine]}/test"),
                    client.post(f"{address}/{ids[other]}/test"),
                ]
                failures.extend(reply.text for reply in replies if reply.status_code != 200)
                failures.extend(reply.text for reply in replies[1:] if reply.status_code == 200 and reply.json()["data"]["ok"] is not True)

    workers = [threading.Thread(target=use, args=(number,)) for number in range(WORKERS)]
    for thread in workers:
        thread.start()
    try:
        old = gateway.data_dir.joinpath("kek").read_text().partition(":")[0]
        for _ in range(2):
            rekeyed = gateway.command("byok", "rekey")["data"]
            assert (rekeyed["is_new"], rekeyed["failed"]) == (True, {})
            _remove(gateway, old)
            old = rekeyed["kek_id"]
    finally:
        is_over.set()
        for thread in workers:
            thread.join()
    assert failures == []
    assert {f"Bearer {secret(2 * worker + 1)}" for worker in range(WORKERS)} <= set(done)
    assert gateway.data_dir.joinpath("kek").read_text().count("\n") == 1
    final = gateway.command("byok", "rekey")["data"]
    assert final["seals"] == {final["kek_id"]: CREDENTIALS}
    assert "MARKER" not in gateway.output


def _remove(gateway: GatewayProcess, old: str) -> None:
    """Forget a key. One that a change under way has just sealed with is still needed: as the refusal says, `rekey` goes on with those."""
    for _ in range(5):
        with contextlib.suppress(AssertionError):
            gateway.command("byok", "rekey", "--remove", old)
            return
        assert not gateway.command("byok", "rekey")["data"]["is_new"]
    pytest.fail("what was sealed under the old key is never moved")
