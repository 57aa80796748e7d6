"""The programs of one measure, up and answering side by side: upstream, nginx, the gateway, peers."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from bench import gateway, nginx, wrk
from bench.bodies import chat_body, completion
from bench.processes import BenchError, Cores, Launch, Process, ask, free_port, resolve, running, wait_for_answer
from bench.results import BASELINE, GATEWAY, Document

SLOW_PER_S, PATIENCE = 300, 6


class Entrant(Protocol):
    """Makes ready, in a directory, a program that forwards to an upstream on loopback."""

    def __call__(self, upstream_port: int, directory: Path, *, is_streaming: bool) -> Launch: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to measure."""

    runs: int
    load_s: int
    rate_s: float
    rate_per_s: int = 500
    streams: int = 100
    stream_rounds: int
    memory_requests: int
    ledger_rows: int = 1_000_000


@dataclass(slots=True, kw_only=True)
class Tally:
    """What clients counted of one program: whole replies, and the most that may have been cut off."""

    replies: int = 0
    most_unanswered: int = 0


@dataclass(slots=True, kw_only=True)
class Program:
    """One running program under measurement."""

    launch: Launch
    process: Process
    tally: Tally = field(default_factory=Tally)
    is_out: bool = False  # failed, and takes no further part in this measure
    patience: int = 1  # how much longer than planned it is loaded: with a long body a slow one would answer nothing in a short run

    @property
    def name(self) -> str:
        return self.launch.name

    def body(self, size: int, *, is_streamed: bool = False) -> bytes:
        return chat_body(size, self.launch.model, is_streamed=is_streamed)


@dataclass(slots=True, kw_only=True)
class Bench:
    """One call of the benchmark: where it runs, how long, and what it found so far."""

    cores: Cores
    directory: Path
    plan: Plan
    document: Document
    entrants: dict[str, Entrant]
    log: Callable[[str], None]

    def workplace(self, name: str) -> Path:
        """A new directory."""
        number = sum(1 for _ in self.directory.iterdir())
        made = self.directory / f"{number:03d}-{name.lower().replace(' ', '-')}"
        made.mkdir(mode=0o700)
        return made

    @contextlib.contextmanager
    def upstream(self, *, is_streaming: bool) -> Iterator[Launch]:
        """The upstream, answering, on the load's core."""
        directory = self.workplace("upstream")
        launch = streaming_upstream() if is_streaming else nginx.fixed_upstream(directory)
        with running(launch, self.cores.load, directory / "log") as process:
            wait_for_answer(launch, process, chat_body(300, launch.model))
            if not is_streaming and ask(launch, b"{}") != (200, completion()):
                raise BenchError("the upstream does not answer as it should")
            yield launch

    @contextlib.contextmanager
    def program(self, launch: Launch, measure: str, *, is_streaming: bool) -> Iterator[Program]:
        """A program, answering, on the measured core; after its end its ledger is compared with what clients counted."""
        with running(launch, self.cores.measured, self.workplace(launch.name) / "log") as process:
            launch = resolve(launch, process)
            program = Program(launch=launch, process=process)
            wait_for_answer(launch, process, program.body(300, is_streamed=is_streaming))
            program.tally.replies += 1
            yield program
        if launch.ledger:
            counted = program.tally
            checked = gateway.check_ledger(launch.ledger, measure, replies=counted.replies, most_unanswered=counted.most_unanswered)
            self.document.ledger.append(checked)

    @contextlib.contextmanager
    def lineup(self, measure: str, *, is_streaming: bool = False) -> Iterator[tuple[Launch, list[Program]]]:
        """The upstream and every entrant; one that does not come up is noted as not measured, unless it is ours or nginx."""
        with contextlib.ExitStack() as stack:
            upstream = stack.enter_context(self.upstream(is_streaming=is_streaming))
            programs = []
            for name in list(self.entrants):
                with self.excused(name, measure):
                    launch = self.entrants[name](upstream.port, self.workplace(name), is_streaming=is_streaming)
                    programs.append(stack.enter_context(self.program(launch, measure, is_streaming=is_streaming)))
            yield upstream, programs

    @contextlib.contextmanager
    def excused(self, name: str, measure: str, program: Program | None = None) -> Iterator[None]:
        """A peer's failure is noted, and the peer takes no further part in the measure; nginx's or ours ends the benchmark."""
        try:
            yield
        except (BenchError, OSError, subprocess.SubprocessError) as error:
            if name in {BASELINE, GATEWAY}:
                raise
            if program:
                program.is_out = True
            self.document.not_measured[f"{name}, {measure}"] = str(error).strip().partition("\n")[0]
            self.log(f"{name}, {measure}: not measured: {error}")

    def each(self, programs: Sequence[Program], number: int, measure: str, use: Callable[[Program], None]) -> None:
        """Use each program that is still in, in turns from either end, so that none always has the same one before it."""
        for program in programs if number % 2 == 0 else reversed(programs):
            if not program.is_out:
                with self.excused(program.name, measure, program):
                    use(program)

    def load(self, program: Program, size: int, seconds: int) -> wrk.Report:
        """A run of wrk."""
        seconds *= program.patience
        report = wrk.run(program.launch, program.body(size), seconds=seconds, core=self.cores.load, directory=self.directory)
        if report.requests_per_s < SLOW_PER_S:
            program.patience = PATIENCE
        program.tally.replies += report.requests
        program.tally.most_unanswered += wrk.CONNECTIONS
        return report

    def drive(self, module: str, launch: Launch, body: bytes, *arguments: str) -> dict[str, Any]:
        """Run one of our own load generators on the load's core and give its report; BenchError unless every reply was good."""
        request = self.directory / "request"
        request.touch(mode=0o600)
        request.write_bytes(launch.request(body))
        command = (
            "taskset",
            "-c",
            str(self.cores.load),
            sys.executable,
            "-m",
            module,
            "--port",
            str(launch.port),
            "--request",
            str(request),
        )
        done = subprocess.run((*command, *arguments), capture_output=True, text=True, check=False, timeout=600, env=dict(os.environ))
        if done.returncode != 0:
            raise BenchError(f"{module} ended with {done.returncode}: {done.stderr.strip()[-1000:]}")
        report: dict[str, Any] = json.loads(done.stdout)
        if "overloaded" in report:
            raise BenchError(f"{launch.name} cannot keep up: {report['overloaded']}")
        if report["failed"]:
            raise BenchError(f"{launch.name}: {report['failed']} replies were wrong {report.get('failure', '')}")
        return report


def streaming_upstream() -> Launch:
    port = free_port()
    return Launch(
        name="streaming upstream",
        command=(sys.executable, "-m", "bench.sse_upstream", str(port)),
        port=port,
        path="/v1/chat/completions",
        headers={"Authorization": "Bearer sk-MARKER-bench"},
    )


def own_entrants() -> dict[str, Entrant]:
    """nginx and the gateway."""
    return {BASELINE: nginx.proxy, GATEWAY: gateway.prepare}
