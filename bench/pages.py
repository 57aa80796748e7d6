"""The dashboard over very many rows: how long its pages take, and what requests for models feel of it."""

import asyncio
import hashlib
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from anyrouter.control.members import MemberService
from anyrouter.control.sessions import SessionService
from anyrouter.core.audit import OPERATOR
from anyrouter.core.sign_in import SignInMethod
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Role
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.storage.opening import open_storage
from anyrouter.web.pages.cookies import SESSION_COOKIE
from bench.bodies import chat_body
from bench.lineup import Bench
from bench.processes import BenchError, Launch, running, wait_for_answer
from bench.results import DIRECT, GATEWAY, WHILE_READ, RateRun
from bench.rows import fill

PAGES = {
    "home": "/dashboard",
    "API keys": "/dashboard/keys",
    "API keys, searched": "/dashboard/keys?q=bench%2077",
    "usage, 30 days": "/dashboard/usage?range=30d",
    "usage, 30 days by key": "/dashboard/usage?range=30d&by=key",
    "usage, 24 hours by model": "/dashboard/usage?range=24h&by=model",
    "activity": "/dashboard/activity",
    "activity of a key": f"/dashboard/activity?key=key_{77:032x}",
    "models": "/dashboard/models",
    "audit log": "/dashboard/settings/audit",
}
EXPORT = "/dashboard/usage.csv?range=30d&by=key"
KEYS = 1000
READINGS = 60
SHORT = 300


def measure_pages(bench: Bench) -> None:
    """Every page with `Plan.ledger_rows` entries of 1,000 keys, and the latency of requests while all of them are read in a circle."""
    with bench.upstream(is_streaming=False) as upstream:
        launch = bench.entrants[GATEWAY](upstream.port, bench.workplace("dashboard"), is_streaming=False)
        serve_once(bench, launch)
        if launch.ledger is None:
            raise BenchError(f"{launch.name} has no ledger")
        add_keys(launch.ledger)
        fill(launch.ledger, bench.plan.ledger_rows, keys=KEYS)
        cookie = f"{SESSION_COOKIE}={asyncio.run(sign_in(launch.ledger.parent))}"
        bench.document.ledger_rows = bench.plan.ledger_rows
        with running(launch, bench.cores.measured, bench.workplace("dashboard") / "log") as process:
            wait_for_answer(launch, process, chat_body(SHORT, launch.model))
            read_all(bench, launch, cookie)
            for _ in range(bench.plan.runs):
                note(bench, upstream, DIRECT)
                note(bench, launch, GATEWAY)
                with_reader(bench, launch, cookie)


def serve_once(bench: Bench, launch: Launch) -> None:
    """One request, so that there is a row to copy."""
    with running(launch, bench.cores.measured, bench.workplace("dashboard") / "log") as process:
        wait_for_answer(launch, process, chat_body(SHORT, launch.model))


def read_all(bench: Bench, launch: Launch, cookie: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", launch.port, timeout=60)
    for page, path in {**PAGES, "export": EXPORT}.items():
        found = [read_ms(connection, path, cookie) for _ in range(READINGS)][READINGS // 10 :]  # the first ones load what is needed
        bench.document.dashboard_ms[page] = found
        p95 = sorted(found)[int(0.95 * len(found))]
        bench.log(f"pages: {page}: p50 {median(found):.1f} ms, p95 {p95:.1f} ms")
    connection.close()


def read_ms(connection: http.client.HTTPConnection, path: str, cookie: str) -> float:
    begun = time.perf_counter()
    connection.request("GET", path, headers={"Cookie": cookie})
    response = connection.getresponse()
    body = response.read()
    took = (time.perf_counter() - begun) * 1000
    if response.status != 200:
        raise BenchError(f"GET {path} answered {response.status}: {body[:300]!r}")
    return took


def note(bench: Bench, launch: Launch, name: str) -> None:
    rate, seconds = str(bench.plan.rate_per_s), str(bench.plan.rate_s)
    report = bench.drive("bench.openloop", launch, chat_body(SHORT, launch.model), "--rate", rate, "--seconds", seconds)
    run = RateRun(p50_ms=report["p50_us"] / 1000, p99_ms=report["p99_us"] / 1000, requests=report["sent"])
    bench.document.beside_pages.setdefault(name, []).append(run)
    bench.log(f"pages: {name}: p50 {run.p50_ms:.3f} ms, p99 {run.p99_ms:.3f} ms")


def with_reader(bench: Bench, launch: Launch, cookie: str) -> None:
    """The latency once more, beside somebody who opens one page after the other and exports.

    Whoever reads has the load's core when the load does not want it: in what is measured is the gateway's work for pages, and not theirs.
    """
    command = ("taskset", "-c", str(bench.cores.load), "chrt", "-i", "0", sys.executable, "-m", "bench.pages", str(launch.port))
    reader = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert reader.stdin is not None  # noqa: S101 -- both are pipes
    assert reader.stdout is not None  # noqa: S101 -- as above
    reader.stdin.write(cookie + "\n")
    reader.stdin.flush()
    try:
        reader.stdout.readline()
        note(bench, launch, WHILE_READ)
    finally:
        reader.stdin.close()
        read = json.loads(reader.stdout.readline() or "0")
        reader.wait(60)
    if not read:
        raise BenchError("nobody read a page meanwhile")
    bench.log(f"pages: {read} pages were read meanwhile")


def add_keys(database: Path) -> None:
    """Copies of the one key, with names, labels and digests of their own."""
    connection = sqlite3.connect(database)
    connection.create_function("digest", 1, lambda n: hashlib.sha256(str(n).encode()).digest(), deterministic=True)
    try:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(api_keys)")]
        changed = dict.fromkeys(("id", "rotation_group"), "'key_' || printf('%032x', n)") | {"name": "'bench ' || n", "digest": "digest(n)"}
        values = ", ".join(changed.get(name, f'"{name}"') for name in columns)
        names = ", ".join(f'"{name}"' for name in columns)
        connection.execute(
            f"WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?), "  # noqa: S608 -- the schema's own
            f"one AS (SELECT * FROM api_keys LIMIT 1) INSERT INTO api_keys ({names}) SELECT {values} FROM one, numbers",
            (KEYS,),
        )
        connection.commit()
    finally:
        connection.close()


async def sign_in(data: Path) -> str:
    """The token of a session of an owner."""
    storage = await open_storage(data, environment=os.environ)

    def clock() -> datetime:
        return datetime.now(UTC)

    try:
        members = MemberService(store=storage.members, keys=storage.keys, organisations=storage.organisations, clock=clock)
        owner = await members.add(OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, email="bench@example.org", role=Role.OWNER)
        sessions = SessionService(store=storage.sessions, clock=clock)
        _, token = await sessions.begin(owner, SignInMethod.PASSWORD, address="127.0.0.1", user_agent="bench")
    finally:
        await storage.aclose()
    return token


def keep_reading(port: int) -> None:
    """Every page in a circle until standard input ends; the cookie is its first line. Says how many were read."""
    import select  # noqa: PLC0415 -- of the reader's process alone

    cookie = sys.stdin.readline().strip()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    read = 0
    print("reading", flush=True)
    while not select.select([sys.stdin], [], [], 0)[0]:
        for path in (*PAGES.values(), EXPORT):
            read_ms(connection, path, cookie)
            read += 1
    print(read, flush=True)


if __name__ == "__main__":
    keep_reading(int(sys.argv[1]))
