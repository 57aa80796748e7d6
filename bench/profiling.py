"""Where the gateway's time goes: cProfile around `anyrouter serve` under load.

It sees the event loop's thread only, and slows it two to three times.
"""

import dataclasses
import pstats
import signal
import sys
from pathlib import Path

from bench import gateway, nginx, wrk
from bench.bodies import chat_body
from bench.processes import Cores, Launch, Process, running, wait_for_answer

SECONDS = 5
ROWS = 60


def profile(cores: Cores, directory: Path, size: int) -> str:
    """A table of the functions that took most time of their own, per request."""
    upstream = nginx.fixed_upstream(directory)
    with running(upstream, cores.load, directory / "upstream.log") as running_upstream:
        body = chat_body(size, upstream.model)
        wait_for_answer(upstream, running_upstream, body)
        launch = gateway.prepare(upstream.port, directory, is_streaming=False)
        with running(launch, cores.measured, directory / "plain.log") as plain:
            wait_for_answer(launch, plain, body)
            threads = by_thread(launch, plain, body, cores, directory)
        stats = directory / "stats"
        profiled = dataclasses.replace(launch, command=(sys.executable, "-m", "cProfile", "-o", str(stats), *launch.command))
        process = Process(profiled.command, cores.measured, directory / "gateway.log", profiled.environment)
        try:
            wait_for_answer(profiled, process, body)
            report = wrk.run(profiled, body, seconds=SECONDS, core=cores.load, directory=directory)
        finally:
            process.stop(signal.SIGINT)  # SIGTERM would end the interpreter before the profile is written
    head = f"{report.requests} requests of {size} bytes, {report.requests_per_s:,.0f} a second under the profiler"
    return f"{threads}\n\n{head}\n\n{per_request(stats, report.requests)}"


def by_thread(launch: Launch, process: Process, body: bytes, cores: Cores, directory: Path) -> str:
    """CPU time per request of each thread that used any, without the profiler."""
    process.settled_cpu_us()
    before = process.threads_us()
    report = wrk.run(launch, body, seconds=SECONDS, core=cores.load, directory=directory)
    process.settled_cpu_us()
    lines = [f"{report.requests} requests of {len(body)} bytes, {report.requests_per_s:,.0f} a second", ""]
    lines.append(f"{'user µs/request':>15} {'system':>8}  thread")
    for name, (user_us, system_us) in process.threads_us().items():
        earlier = before.get(name, (0.0, 0.0))
        user, system = (user_us - earlier[0]) / report.requests, (system_us - earlier[1]) / report.requests
        if user + system > 0.5:
            lines.append(f"{user:15.1f} {system:8.1f}  {name}")
    return "\n".join(lines)


def per_request(stats: Path, requests: int) -> str:
    """The functions called for every other request at least; what compiled code (uvloop) does counts as its caller's time."""
    rows = []
    for (file, line, function), (_, calls, own_s, whole_s, _) in pstats.Stats(str(stats)).stats.items():  # type: ignore[attr-defined]
        if calls >= requests / 2:
            rows.append((own_s / requests * 1e6, whole_s / requests * 1e6, calls / requests, f"{shorten(file)}:{line} {function}"))
    lines = [f"{'µs/request':>10} {'with callees':>12} {'calls/request':>13}  function"]
    lines += [f"{own:10.2f} {whole:12.2f} {calls:13.2f}  {name}" for own, whole, calls, name in sorted(rows, reverse=True)[:ROWS]]
    return "\n".join([*lines, f"{sum(row[0] for row in rows):10.2f} {'':26}  all functions of this kind"])


def shorten(file: str) -> str:
    """A path below the package or site-packages."""
    return file.rpartition("site-packages/")[2].rpartition("/src/")[2]
