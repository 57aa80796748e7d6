"""The measures, each a function that fills its part of the document."""

import time
from collections.abc import Callable
from functools import partial

from bench.bodies import SIZES
from bench.installation import installed_size_mb
from bench.lineup import Bench, Program
from bench.pages import measure_pages
from bench.processes import Launch, resolve, running, wait_for_answer
from bench.results import DIRECT, GATEWAY, LoadRun, Memory, RateRun, StreamRun
from bench.rows import measure_rows

SHORT, LONG = SIZES["0.3 KB"], SIZES["181 KB"]
LONGEST_MEMORY_S = 40  # a slow peer does not get to its 100,000 requests


def measure_cpu(bench: Bench) -> None:
    """CPU time per request and requests per second at saturation, by size of body."""
    with bench.lineup("cpu") as (_, programs):
        bench.each(programs, 0, "cpu", partial(warm_up, bench))
        for number in range(bench.plan.runs):
            for label in SIZES:
                bench.each(programs, number, "cpu", partial(note_load, bench, label))


def warm_up(bench: Bench, program: Program) -> None:
    bench.load(program, SHORT, 1)


def note_load(bench: Bench, label: str, program: Program) -> None:
    """A run of wrk, and the CPU time that it cost until the program was at rest again."""
    before = program.process.settled_cpu_us()
    report = bench.load(program, SIZES[label], bench.plan.load_s)
    at_end = program.process.cpu_us()
    used = program.process.settled_cpu_us() - before
    run = LoadRun(
        cpu_us=used / report.requests,
        requests_per_s=report.requests_per_s,
        requests=report.requests,
        busy=(at_end - before) / report.duration_us,
    )
    bench.document.cpu.setdefault(label, {}).setdefault(program.name, []).append(run)
    bench.log(f"cpu: {program.name}, {label}: {run.cpu_us:.1f} µs, {run.requests_per_s:,.0f}/s, core {run.busy:.0%} busy")


def measure_latency(bench: Bench) -> None:
    """Latency at a fixed rate, through each program and straight to the upstream."""

    def note(launch: Launch, name: str, body: bytes) -> int:
        rate, seconds = str(bench.plan.rate_per_s), str(bench.plan.rate_s)
        report = bench.drive("bench.openloop", launch, body, "--rate", rate, "--seconds", seconds)
        run = RateRun(p50_ms=report["p50_us"] / 1000, p99_ms=report["p99_us"] / 1000, requests=report["sent"])
        bench.document.latency.setdefault(name, []).append(run)
        bench.log(f"latency: {name}: p50 {run.p50_ms:.3f} ms, p99 {run.p99_ms:.3f} ms")
        return run.requests

    def use(program: Program) -> None:
        program.tally.replies += note(program.launch, program.name, program.body(SHORT))

    with bench.lineup("latency") as (upstream, programs):
        for number in range(bench.plan.runs):
            note(upstream, DIRECT, programs[0].body(SHORT))
            bench.each(programs, number, "latency", use)


def measure_stream(bench: Bench) -> None:
    """CPU time per chunk of concurrent streams, and the time to their first byte."""
    plan = bench.plan

    def note(launch: Launch, name: str, body: bytes, cpu_us: Callable[[], float]) -> None:
        before = cpu_us()
        report = bench.drive("bench.streamload", launch, body, "--concurrency", str(plan.streams), "--rounds", str(plan.stream_rounds))
        run = StreamRun(
            cpu_us=(cpu_us() - before) / report["chunks"],
            chunks=report["chunks"],
            ttfb_p50_ms=report["ttfb_p50_us"] / 1000,
            ttfb_p99_ms=report["ttfb_p99_us"] / 1000,
        )
        bench.document.stream.setdefault(name, []).append(run)
        bench.log(f"stream: {name}: {run.cpu_us:.1f} µs a chunk, first byte after {run.ttfb_p50_ms:.2f} ms")

    def use(program: Program) -> None:
        note(program.launch, program.name, program.body(SHORT, is_streamed=True), program.process.settled_cpu_us)
        program.tally.replies += plan.streams * plan.stream_rounds

    with bench.lineup("stream", is_streaming=True) as (upstream, programs):
        for number in range(plan.runs):
            note(upstream, DIRECT, programs[0].body(SHORT, is_streamed=True), lambda: 0.0)
            bench.each(programs, number, "stream", use)


def measure_memory(bench: Bench) -> None:
    """Resident memory: idle, after many requests, after as many again, after long bodies. A fresh process each."""

    def use(program: Program) -> None:
        found = read_memory(bench, program)
        bench.document.memory[program.name] = found
        bench.log(f"memory: {program.name}: {found.idle_mb:.1f} MB idle, {found.loaded_mb:.1f} MB after {found.requests:,} requests")

    with bench.lineup("memory") as (_, programs):
        bench.each(programs, 0, "memory", use)


def read_memory(bench: Bench, program: Program) -> Memory:
    time.sleep(0.5)
    idle = program.process.rss_mb()
    sent = load_until(bench, program, bench.plan.memory_requests)
    program.process.settled_cpu_us()
    loaded = program.process.rss_mb()
    sent_later = sent + load_until(bench, program, bench.plan.memory_requests)
    program.process.settled_cpu_us()
    later = program.process.rss_mb()
    bench.load(program, LONG, bench.plan.load_s)
    return Memory(
        idle_mb=idle,
        loaded_mb=loaded,
        requests=sent,
        later_mb=later,
        later_requests=sent_later,
        long_bodies_mb=program.process.rss_mb(),
    )


def load_until(bench: Bench, program: Program, requests: int) -> int:
    deadline, sent = time.monotonic() + LONGEST_MEMORY_S, 0
    while sent < requests and time.monotonic() < deadline:
        sent += bench.load(program, SHORT, 1).requests
    return sent


def measure_start(bench: Bench) -> None:
    """Seconds from the spawning of the process to its first good answer, on a data directory that exists."""
    with bench.upstream(is_streaming=False) as upstream:
        for name in list(bench.entrants):
            with bench.excused(name, "start"):
                launch = bench.entrants[name](upstream.port, bench.workplace(name), is_streaming=False)
                start_once(bench, launch)  # after an installation the first start compiles, and reads from the disk
                for _ in range(bench.plan.runs):
                    seconds = start_once(bench, launch)
                    bench.document.start_s.setdefault(name, []).append(seconds)
                    bench.log(f"start: {name}: {seconds:.2f} s")


def start_once(bench: Bench, launch: Launch) -> float:
    with running(launch, bench.cores.measured, bench.workplace(launch.name) / "log") as process:
        found = resolve(launch, process)
        return wait_for_answer(found, process, Program(launch=found, process=process).body(SHORT))


def measure_size(bench: Bench) -> None:
    """10^6 bytes on disk of a fresh environment, without pip and setuptools."""
    bench.document.size_mb[GATEWAY] = installed_size_mb(bench.workplace("environment"))
    bench.log(f"size: {bench.document.size_mb[GATEWAY]:.1f} MB")


MEASURES: dict[str, Callable[[Bench], None]] = {
    "start": measure_start,
    "cpu": measure_cpu,
    "latency": measure_latency,
    "stream": measure_stream,
    "memory": measure_memory,
    "size": measure_size,
    "rows": measure_rows,
    "pages": measure_pages,
}
