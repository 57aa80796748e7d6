"""A soak: many mixed requests, a fifth of them with a fault, and what must be true afterwards.

    python -m bench.soak [--requests N] [--seed S]

Every request that reached an upstream has one entry in the ledger, and it says what the client heard; memory is what it was in the
middle, sockets are as many as at the start; nothing is unbilled. Exit code 1 when not. Linux only: memory and sockets are read from /proc.
"""

import argparse
import asyncio
import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import uvloop

from bench.gateway import PROGRAM
from bench.processes import BenchError, Launch, Process, clean_environment, free_port, running
from bench.soak_client import ANSWERED, BROKEN, HUNG, INVALID, LEFT, REFUSED, Crowd, Heard, fetch
from bench.soak_plan import VENDORS, draw, list_models

MAX_GROWTH_MB = 5.0
LEAST_FOR_MEMORY = 50_000  # before that many requests the half way is a part of getting warm
_QUIET_S = 20.0
_OWN_ERRORS = {"internal_error", "storage_unavailable", "overloaded"}
_UPSTREAM = """
[[upstreams]]
id = "{identity}"
provider = "{vendor}"
base_url = "http://127.0.0.1:{port}/{path}"
credential_variable = "SOAK_CREDENTIAL"
priority = {priority}
timeouts = {{ connect_s = 2, first_byte_s = 0.5, idle_s = 0.5, total_s = 10 }}
models = {models}
"""


@dataclass(slots=True, kw_only=True)
class Report:
    """What was found. `defects` is empty when all is well."""

    requests: int
    seconds: float = 0.0
    heard: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    attempts: int = 0
    memory_mb: list[float] = field(default_factory=list)  # after each tenth of the requests
    sockets: tuple[int, int] = (0, 0)
    defects: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{self.requests:,} requests in {self.seconds:.0f} s: {dict(self.heard)}",
            f"errors told: {dict(self.codes)}",
            f"ledger: {self.rows:,} entries of {self.attempts:,} attempts",
            f"memory in MB after each tenth: {', '.join(f'{size:.1f}' for size in self.memory_mb)}",
            f"sockets: {self.sockets[0]} before, {self.sockets[1]} after",
            *(f"DEFECT: {defect}" for defect in self.defects),
        ]
        return "\n".join(lines)


def configure(upstream_port: int, dead_port: int) -> str:
    """Two upstreams of each vendor, and one that refuses connections before the second of them."""
    tables = []
    for vendor in VENDORS:
        version = "/v1" if vendor == "openai" else ""
        soak, dead = list_models("soak", vendor), list_models("dead", vendor)
        for name, port, priority, models in (
            ("first", upstream_port, 10, soak),
            ("refusing", dead_port, 10, dead),
            ("second", upstream_port, 20, soak + dead),
        ):
            path = f"{name}{version}"
            identity = f"{name}-{vendor}"
            tables.append(
                _UPSTREAM.format(identity=identity, vendor=vendor, port=port, path=path, priority=priority, models=json.dumps(models))
            )
    return "".join(tables)


def soak(requests: int, seed: int, directory: Path) -> Report:
    """Run it all below a directory of its own. BenchError when it cannot be run."""
    cores = sorted(os.sched_getaffinity(0))
    data, report = directory / "data", Report(requests=requests)
    data.mkdir(parents=True)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))  # and does not listen
        upstream = _launch_upstream()
        (data / "anyrouter.toml").write_text(configure(upstream.port, deaf.getsockname()[1]))
        key = _create_key(data)
        launch = _launch_gateway(data)
        with (
            running(launch, cores[-1], directory / "gateway.log") as gateway,
            running(upstream, cores[0], directory / "upstream.log") as behind,
        ):
            programs = _Programs(port=launch.port, gateway=gateway, upstream_port=upstream.port, upstream=behind)
            heard, received = uvloop.run(_load(report, key, seed, programs))
            if not gateway.is_running:
                report.defects.append(f"the gateway ended: {gateway.tail()}")
        if "Traceback" in (log := (directory / "gateway.log").read_text()):
            report.defects.append(f"the gateway's log has a traceback: {log[log.index('Traceback') :][:2000]}")
    compare(report, data / "anyrouter.db", heard, received)
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Programs:
    port: int
    gateway: Process
    upstream_port: int
    upstream: Process


async def _load(report: Report, key: str, seed: int, programs: _Programs) -> tuple[dict[int, Heard], Counter[int]]:
    port, gateway, upstream_port, behind = programs.port, programs.gateway, programs.upstream_port, programs.upstream
    await _wait_for_listener(port, gateway)
    await _wait_for_listener(upstream_port, behind)
    sockets_before = count_sockets(gateway)
    crowd = Crowd(port, key, draw(seed, report.requests))
    started_s = time.monotonic()
    for tenth in range(1, 11):
        await crowd.run(report.requests * tenth // 10)
        report.memory_mb.append(gateway.rss_mb())
    report.seconds = time.monotonic() - started_s
    await _settle(report, port)
    received = Counter({int(number): count for number, count in json.loads(await fetch(upstream_port, "/received")).items()})
    behind.stop()
    due_s = time.monotonic() + _QUIET_S
    while count_sockets(gateway) > sockets_before and time.monotonic() < due_s:  # noqa: ASYNC110 -- another process's sockets
        await asyncio.sleep(0.1)
    report.sockets = sockets_before, count_sockets(gateway)
    if report.sockets[1] > sockets_before:
        report.defects.append(f"{report.sockets[1] - sockets_before} sockets are left when clients and upstreams are gone")
    growth_mb = median(report.memory_mb[-3:]) - median(report.memory_mb[3:6])  # one moment may hold an endless reply
    if report.requests >= LEAST_FOR_MEMORY and growth_mb > MAX_GROWTH_MB:
        report.defects.append(f"memory grew by {growth_mb:.1f} MB from the middle to the end")
    return crowd.heard, received


async def _settle(report: Report, port: int) -> None:
    """Wait until nothing runs, and look at the counters."""
    due_s = time.monotonic() + _QUIET_S
    while True:
        text = (await fetch(port, "/metrics")).decode()
        counts = {
            name: int(re.findall(rf"^anyrouter_{name} (\d+)", text, re.MULTILINE)[0]) for name in ("running_requests", "unbilled_total")
        }
        if not counts["running_requests"] or time.monotonic() > due_s:
            break
        await asyncio.sleep(0.1)
    report.defects += [f"{name} is {value}" for name, value in counts.items() if value]


def compare(report: Report, database: Path, heard: dict[int, Heard], received: Counter[int]) -> None:
    """The ledger with what clients heard and upstreams saw: what does not fit becomes a defect of the report's."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT trace_id, generation_id, state, status, attempts FROM ledger").fetchall()
        [summed] = connection.execute("SELECT coalesce(sum(requests), 0) FROM usage_daily").fetchone()
    report.rows, report.attempts = len(rows), sum(len(json.loads(row[4])) for row in rows)
    report.heard = Counter(one.how for one in heard.values())
    report.codes = Counter(one.note for one in heard.values() if one.how == REFUSED)
    found = {int(row[0].removeprefix("soak-")): row for row in rows}
    wrong: dict[str, list[object]] = {
        "requests unheard of": [number for number in range(report.requests) if number not in heard],
        "hung": [one for one in heard.values() if one.how == HUNG],
        "errors of the gateway's own": [one for one in heard.values() if one.how == REFUSED and one.note in _OWN_ERRORS],
        "not as the contract says": [one for one in heard.values() if one.how == INVALID],
        "entries more than one for a request": [len(rows) - len(found)] if len(rows) != len(found) else [],
        "entries not in the sums by day": [(summed, len(rows))] if summed != len(rows) else [],
        "entries of nobody": sorted(found.keys() - heard.keys()),
        "asked of an upstream, and no entry": sorted(received.keys() - found.keys()),
        "entries that say other than the client heard": [
            (one, found.get(one.number)) for one in heard.values() if not _agrees(one, found.get(one.number))
        ],
    }
    report.defects += [f"{len(cases)} {what}: {cases[:3]}" for what, cases in wrong.items() if cases]


def _agrees(one: Heard, row: tuple[str, str, str, int, str] | None) -> bool:
    if row is None:
        return one.how in (HUNG, INVALID, LEFT) or (one.how == REFUSED and not one.is_asked)
    _, generation_id, state, status, _ = row
    if one.how == LEFT:
        return state in {"settled", "failed", "cancelled"}
    expected = {ANSWERED: ("settled", 200), BROKEN: ("failed", 200), REFUSED: ("failed", one.status)}.get(one.how, (state, status))
    return (state, status) == expected and generation_id == one.generation_id


def count_sockets(process: Process) -> int:
    """The sockets that a program has."""
    count = 0
    for pid in process.tree():
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                count += str(entry.readlink()).startswith("socket:")
            except OSError:
                continue  # closed meanwhile
    return count


async def _wait_for_listener(port: int, process: Process) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if not process.is_running or time.perf_counter() - process.started_at > 60:
                raise BenchError(f"it does not listen:\n{process.tail()}") from None
            await asyncio.sleep(0.05)
        else:
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.1)
            return


def _launch_upstream() -> Launch:
    port = free_port()
    return Launch(name="soak-upstream", command=(sys.executable, "-m", "bench.soak_upstream", str(port)), port=port, path="/")


def _launch_gateway(data: Path) -> Launch:
    port = free_port()
    command = (str(PROGRAM), "serve", "--data-dir", str(data), "--port", str(port))
    return Launch(name="AnyRouter", command=command, port=port, path="/", environment={"SOAK_CREDENTIAL": "sk-MARKER-soak"})


def _create_key(data: Path) -> str:
    command = (str(PROGRAM), "keys", "create", "--name", "soak", "--env", "live", "--json", "--data-dir", str(data))
    environment = clean_environment({"SOAK_CREDENTIAL": "sk-MARKER-soak"})
    made = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    if made.returncode != 0:
        raise BenchError(f"anyrouter keys create ended with {made.returncode}: {made.stderr.strip()[-1000:]}")
    return str(json.loads(made.stdout)["key"])


def main() -> int:
    """0 when all is well, 1 when something is not, 2 when it could not be run."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description="Many mixed requests, a fifth of them with a fault.")
    parser.add_argument("--requests", type=int, default=100_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="anyrouter-soak-") as directory:
        try:
            report = soak(arguments.requests, arguments.seed, Path(directory))
        except BenchError as error:
            print(error, file=sys.stderr)
            return 2
    print(report)
    return 1 if report.defects else 0


if __name__ == "__main__":
    sys.exit(main())
