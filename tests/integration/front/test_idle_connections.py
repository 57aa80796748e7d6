"""Ten thousand clients that do nothing."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.front.conftest import Client, request

COUNT = 10_000
MAX_BYTES_EACH = 2_500


@pytest.fixture(autouse=True)
def _many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < COUNT + 500:
        pytest.skip(f"the system allows {hard} open files only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def serving(keep_alive_s: float) -> Iterator[tuple[int, int]]:
    """The process's id and its port."""
    script = Path(__file__).with_name("idle_server.py")
    with subprocess.Popen([sys.executable, str(script), str(keep_alive_s)], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield server.pid, int(server.stdout.readline())
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


@contextlib.contextmanager
def crowd(port: int, count: int) -> Iterator[list[socket.socket]]:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(socket.socket()) for _ in range(count)]
        for client in clients:
            client.settimeout(20)
            client.connect(("127.0.0.1", port))
        yield clients


def memory(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_ten_thousand_idle_connections_are_cheap_and_others_are_served() -> None:
    with serving(60) as (process, port), Client(port) as client:
        assert client.send(request()).read().status == 401
        before = memory(process)
        with crowd(port, COUNT) as idle:
            assert client.send(request()).read().status == 401
            assert (memory(process) - before) / COUNT < MAX_BYTES_EACH
            for one in idle:
                one.sendall(request(path=b"/v1/messages"))
            for one in idle:
                assert one.recv(1000).startswith(b"HTTP/1.1 401")
            assert (memory(process) - before) / COUNT < MAX_BYTES_EACH
            spent_s = cpu_s(process)
            for _ in range(20):
                assert client.send(request()).read().status == 401
                time.sleep(0.05)
            assert cpu_s(process) - spent_s < 0.3


@pytest.mark.slow
def test_a_crowd_of_idle_connections_is_closed_when_its_time_is_up() -> None:
    with serving(1.5) as (_, port), crowd(port, 2_000) as idle:
        assert [one.recv(1) for one in idle] == [b""] * len(idle)
