"""kill -9 at random moments: whatever was acknowledged is in the ledger, exactly once."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from anyrouter.core.ledger import EntryState
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.storage.opening import ServingStorage, open_serving_storage
from anyrouter.storage.schema import ledger, usage_daily

ROUNDS = 3

# Says `I id` when an intent is on record and `S id cost` when a settlement is; never stops by itself before a million of them.
GATEWAY = """
import asyncio, os, random, sys
from pathlib import Path
import structlog
from anyrouter.core.ids import new_generation_id
from anyrouter.core.ledger import EntryState, Intent, Outcome
from anyrouter.storage.opening import open_serving_storage

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))

async def main():
    storage = await open_serving_storage(Path(sys.argv[1]), sys.argv[2] or None, environment={}, price_interrupted=lambda _: 1)
    names = ("request_id", "environment_id", "environment", "api_key_id", "rotation_group", "endpoint", "model", "upstream_model")
    texts = dict.fromkeys((*names, "provider", "upstream"), "text")
    running = []
    for _ in range(1_000_000):
        created = 1_700_000_000_000
        intent = Intent(
            generation_id=new_generation_id(created), attempt=1, organisation_id="org_default", created_at_ms=created, **texts
        )
        storage.ledger.intend(intent)
        os.write(1, f"I {intent.generation_id}\\n".encode())
        running.append(intent)
        if len(running) > random.randint(0, 20):
            ended = running.pop(random.randrange(len(running)))
            cost = random.randint(10, 1000)
            storage.ledger.settle(ended, Outcome(EntryState.SETTLED, 200, cost_nanousd=cost))
            os.write(1, f"S {ended.generation_id} {cost}\\n".encode())
        if random.random() < 0.05:
            await asyncio.sleep(0.001)

asyncio.run(main())
"""


def run_until_killed(directory: Path, url: str | None, intended: set[str], settled: dict[str, int]) -> None:
    command = [sys.executable, "-c", GATEWAY, str(directory), url or ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        patience = random.randint(1, 4_000)
        for number, line in enumerate(gateway.stdout):
            if number == patience:
                gateway.send_signal(signal.SIGKILL)
            if not line.endswith("\n"):
                break
            kind, generation_id, *cost = line.split()
            if kind == "I":
                intended.add(generation_id)
            else:
                settled[generation_id] = int(cost[0])
    assert gateway.returncode == -signal.SIGKILL


async def test_killed_at_random_moments_every_acknowledged_settlement_is_in_the_ledger_once(tmp_path: Path, database_url: str | None):
    intended: set[str] = set()
    settled: dict[str, int] = {}
    for _ in range(ROUNDS if database_url is None else 1):
        run_until_killed(tmp_path / "data", database_url, intended, settled)
    storage = await open_serving_storage(tmp_path / "data", database_url, environment={}, price_interrupted=lambda _: 1)
    columns = (ledger.c.generation_id, ledger.c.attempt, ledger.c.state, ledger.c.cost_nanousd)
    rows = await storage.database.read(lambda connection: connection.execute(sa.select(*columns)).all())
    stored = {row.generation_id: row for row in rows}
    assert len(stored) == len(rows)
    assert {generation_id: stored[generation_id].cost_nanousd for generation_id in settled} == settled
    assert intended <= set(stored)
    # What was settled and not heard of by us is one a death, what was intended and not heard of another one.
    unheard = set(stored) - set(settled)
    assert sum(stored[generation_id].state == EntryState.SETTLED for generation_id in unheard) <= ROUNDS
    assert len(set(stored) - intended) <= ROUNDS
    sums = sa.select(sa.func.sum(usage_daily.c.requests), sa.func.sum(usage_daily.c.cost_nanousd))
    counted = await storage.database.read(lambda connection: tuple(map(int, connection.execute(sums).one())))
    assert counted == (len(rows), sum(row.cost_nanousd for row in rows))
    await storage.aclose()


def test_processes_that_open_a_new_directory_at_once_agree(tmp_path: Path, database_url: str | None):
    code = """
import asyncio, sys
from pathlib import Path
from anyrouter.storage.opening import open_storage

async def main():
    storage = await open_storage(Path(sys.argv[1]), sys.argv[2] or None, environment={})
    print(storage.peppers.current.fingerprint().hex(), [e.id for e in await storage.environments.list_environments("org_default")])
    await storage.aclose()

asyncio.run(main())
"""
    command = [sys.executable, "-c", code, str(tmp_path / "new"), database_url or ""]
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [process.communicate(timeout=60) for process in started]
    assert [process.returncode for process in started] == [0, 0], answers
    assert len({answer for answer, _ in answers}) == 1


async def test_two_processes_write_one_database(serving: ServingStorage, database_url: str | None, make_entry: Callable[..., object]):
    """A command that makes keys while the server writes its ledger: nobody is refused, nothing is lost."""
    code = """
import asyncio, secrets, sys
from datetime import UTC, datetime
from pathlib import Path
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import SYSTEM, AuditEvent
from anyrouter.core.ids import new_id
from anyrouter.storage.opening import open_storage

async def main():
    storage = await open_storage(Path(sys.argv[1]), sys.argv[2] or None, environment={})
    [live, _] = await storage.environments.list_environments("org_default")
    now = datetime.now(UTC)
    for index in range(100):
        key_id = new_id("key", index)
        key = ApiKey(
            id=key_id, organisation_id="org_default", environment_id=live.id, environment="live", name=key_id, label="ar-live-abc",
            digest=secrets.token_bytes(32), pepper_version=1, rotation_group=key_id, scopes=frozenset(), created_at=now, updated_at=now,
        )
        event = AuditEvent(id=key_id, organisation_id="org_default", at=now, actor=SYSTEM, action="key.create")
        await storage.keys.add_key(key, event)
    await storage.aclose()

asyncio.run(main())
"""
    command = await asyncio.create_subprocess_exec(sys.executable, "-c", code, str(serving.directory.path), database_url or "")
    count = 0
    while command.returncode is None:
        for _ in range(50):
            serving.ledger.settle(*make_entry().split())
            count += 1
        await serving.ledger.flush()
    assert command.returncode == 0
    assert len(await serving.keys.list_keys(DEFAULT_ORGANISATION_ID, limit=1_000)) == 100
    query = sa.select(sa.func.count()).select_from(ledger)
    assert await serving.database.read(lambda connection: connection.execute(query).scalar()) == count
