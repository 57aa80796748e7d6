"""Where the gateway's time goes: cProfile around `anyrouter serve` under load.

It sees the event loop's thread only, and slows it two to three times.
"""

import dataclasses
import io
import pstats
import signal
import sys
from pathlib import Path

from bench import gateway, nginx, wrk
from bench.bodies import chat_body
from bench.processes import Cores, Process, running, wait_for_answer

SECONDS = 5
ROWS = 40


def profile(cores: Cores, directory: Path, size: int) -> str:
    """The functions that took most time of their own, as cProfile prints them."""
    upstream = nginx.fixed_upstream(directory)
    with running(upstream, cores.load, directory / "upstream.log") as running_upstream:
        body = chat_body(size, upstream.model)
        wait_for_answer(upstream, running_upstream, body)
        launch = gateway.prepare(upstream.port, directory, is_streaming=False)
        profiled = dataclasses.replace(launch, command=(sys.executable, "-m", "cProfile", "-o", str(directory / "stats"), *launch.command))
        process = Process(profiled.command, cores.measured, directory / "gateway.log", profiled.environment)
        try:
            wait_for_answer(profiled, process, body)
            report = wrk.run(profiled, body, seconds=SECONDS, core=cores.load, directory=directory)
        finally:
            process.stop(signal.SIGINT)  # SIGTERM would end the interpreter before the profile is written
    return (
        f"{report.requests} requests of {size} bytes, {report.requests_per_s:,.0f} a second under the profiler\n{top(directory / 'stats')}"
    )


def top(stats: Path) -> str:
    output = io.StringIO()
    pstats.Stats(str(stats), stream=output).strip_dirs().sort_stats("tottime").print_stats(ROWS)
    return output.getvalue()
