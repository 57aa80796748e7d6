"""Programs under measurement: started on one core, watched through /proc, ended by their own process ids. Linux only."""

import contextlib
import dataclasses
import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_DEADLINE_S = 60.0
STOP_DEADLINE_S = 20.0


class BenchError(Exception):
    """The measurement cannot be made or would be worthless; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Where things run: what is measured on one core, everything that feeds it on another."""

    measured: int
    load: int

    @classmethod
    def choose(cls) -> "Cores":
        """The last allowed core for what is measured, the first for the load; BenchError when there is only one."""
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            raise BenchError("two cores are needed: one for what is measured, one for the load")
        return cls(measured=allowed[-1], load=allowed[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How to start a program that answers chat completions on loopback, and how to talk to it."""

    name: str
    command: tuple[str, ...]
    port: int
    path: str
    model: str = "openai/gpt-4o"
    headers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    ledger: Path | None = None  # the database in which every request must be found afterwards
    port_file: Path | None = None  # where a program that chooses its port itself writes it; `port` is 0 then

    def request(self, body: bytes) -> bytes:
        """The bytes of one whole HTTP request."""
        lines = [
            f"POST {self.path} HTTP/1.1",
            f"Host: 127.0.0.1:{self.port}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def clean_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment without what would steer a gateway (settings, other credentials, proxies, the interpreter), and `extra`."""
    steering = ("ANYROUTER_", "OPENAI_", "ANTHROPIC_", "LITELLM_", "TENSORZERO_", "PYTHON")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(steering) and not name.lower().endswith("_proxy")}
    return inherited | dict(extra)


class Process:
    """A running program with all its descendants."""

    def __init__(self, command: tuple[str, ...], core: int, log: Path, environment: Mapping[str, str]) -> None:
        allowed = os.sched_getaffinity(0)
        self.log = log
        self.started_at = time.perf_counter()
        os.sched_setaffinity(0, {core})  # the child inherits it from its first instruction on
        try:
            with log.open("ab") as output:
                self._popen = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=clean_environment(environment),
                    start_new_session=True,
                )
        finally:
            os.sched_setaffinity(0, allowed)

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def tree(self) -> list[int]:
        """The process ids of the program and of its descendants."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := read_stat(int(entry.name))):
                parents[int(entry.name)] = int(stat[1])
        found = [self._popen.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found

    def cpu_us(self) -> float:
        """User and system time of all processes and threads so far, ended children included."""
        ticks = 0
        for pid in self.tree():
            if stat := read_stat(pid):
                ticks += sum(int(value) for value in stat[11:15])
        return ticks * TICK_US

    def threads_us(self) -> dict[str, tuple[float, float]]:
        """User and system time of each thread of the program itself so far, by id and name."""
        found = {}
        for task in Path(f"/proc/{self._popen.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                stat = parse_stat((task / "stat").read_text())
                found[f"{task.name} {(task / 'comm').read_text().strip()}"] = (int(stat[11]) * TICK_US, int(stat[12]) * TICK_US)
        return found

    def settled_cpu_us(self, deadline_s: float = 15.0) -> float:
        """`cpu_us` once the work left behind by the last request (a ledger's queue, say) is done."""
        deadline = time.monotonic() + deadline_s
        before = self.cpu_us()
        while True:
            time.sleep(0.25)
            now = self.cpu_us()
            if now - before <= TICK_US or time.monotonic() > deadline:
                return now
            before = now

    def rss_mb(self) -> float:
        """Resident memory of all processes, in 10^6 bytes."""
        pages = 0
        for pid in self.tree():
            with contextlib.suppress(OSError):
                pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        return pages * PAGE_BYTES / 1e6

    def tail(self) -> str:
        """The last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def stop(self, first: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, wait, and end what is left of it."""
        family = {pid: stat[19] for pid in self.tree() if (stat := read_stat(pid))}
        if self.is_running:
            self._popen.send_signal(first)
        try:
            self._popen.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        for pid, born in family.items():
            stat = read_stat(pid)
            if stat and stat[19] == born and stat[0] != "Z":
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def read_stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third (state) on; empty when the process is gone."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return []


def parse_stat(text: str) -> list[str]:
    """As `read_stat`: a program's name may hold blanks and brackets."""
    return text.rpartition(")")[2].split()


@contextlib.contextmanager
def running(launch: Launch, core: int, log: Path) -> Iterator[Process]:
    """The program, ended when the block is left."""
    if launch.port_file:
        launch.port_file.unlink(missing_ok=True)
    process = Process(launch.command, core, log, launch.environment)
    try:
        yield process
    finally:
        process.stop()


def resolve(launch: Launch, process: Process) -> Launch:
    """The launch with the port that the running program listens on."""
    while launch.port_file and not launch.port:
        if not process.is_running:
            raise BenchError(f"{launch.name} ended at once:\n{process.tail()}")
        if launch.port_file.exists() and (text := launch.port_file.read_text().strip()):
            return dataclasses.replace(launch, port=int(text))
        time.sleep(0.005)
    return launch


def wait_for_answer(launch: Launch, process: Process, body: bytes) -> float:
    """Ask until the first 200 comes and give the seconds since the program was spawned; BenchError when it never does."""
    last = "no connection"
    while time.perf_counter() - process.started_at < START_DEADLINE_S:
        if not process.is_running:
            raise BenchError(f"{launch.name} ended at once:\n{process.tail()}")
        try:
            status, reply = ask(launch, body, timeout_s=15)
        except (OSError, http.client.HTTPException) as error:
            last = repr(error)
        else:
            if status == 200:
                return time.perf_counter() - process.started_at
            last = f"{status} {reply[:300]!r}"
        time.sleep(0.005)
    raise BenchError(f"{launch.name} gave no answer: {last}\n{process.tail()}")


def ask(launch: Launch, body: bytes, *, timeout_s: float = 30) -> tuple[int, bytes]:
    """One request on a connection of its own: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", launch.port, timeout=timeout_s)
    try:
        connection.request("POST", launch.path, body, {"Content-Type": "application/json", **launch.headers})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
