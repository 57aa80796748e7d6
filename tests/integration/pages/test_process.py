"""The pages' process: made when somebody looks, made again when it is gone, gone when the gateway is, and in nobody's way."""

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from support.dashboard import sign_in
from support.gateway import GatewayProcess
from support.served import wait_for

# Secrets of every kind that settings hold: the process is told its settings.
CONFIG = """
[server]
metrics_token = "MARKER-token-of-the-metrics-0123456789"

[[upstreams]]
id = "openai"
provider = "openai"
credential_variable = "MARKER_CREDENTIAL"
"""


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path / "data", config=CONFIG, starts_pages=True, MARKER_CREDENTIAL="MARKER-credential")
    yield process
    process.stop()


def find_pages(gateway: GatewayProcess) -> list[int]:
    """The processes that serve the gateway's pages and live."""
    texts = [path.read_text(encoding="ascii") for path in Path(f"/proc/{gateway.pid}/task").glob("*/children")]
    return [int(part) for text in texts for part in text.split() if _is_alive(int(part))]


def chat(gateway: GatewayProcess) -> httpx.Response:
    return httpx.post(
        f"{gateway.base_url}/api/v1/chat/completions",
        headers={"authorization": f"Bearer {gateway.first_key}"},
        json={"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]},
        timeout=30,
    )


def test_there_is_none_before_somebody_looks_at_a_page(gateway: GatewayProcess) -> None:
    assert chat(gateway).status_code == 200
    assert find_pages(gateway) == []
    assert httpx.get(f"{gateway.base_url}/login", timeout=30).status_code == 200
    assert len(find_pages(gateway)) == 1


def test_first_visitors_who_come_at_the_same_time_share_one(gateway: GatewayProcess) -> None:
    with ThreadPoolExecutor(12) as threads:
        replies = list(threads.map(lambda _: httpx.get(f"{gateway.base_url}/login", timeout=30), range(12)))
    assert {reply.status_code for reply in replies} == {200}
    assert len(find_pages(gateway)) == 1


def test_one_that_was_killed_is_made_again_for_the_next_visitor_who_is_still_signed_in(gateway: GatewayProcess) -> None:
    owner = sign_in(gateway.data_dir)

    def look() -> int:
        return httpx.get(f"{gateway.base_url}/dashboard", headers=owner.headers, timeout=30).status_code

    assert look() == 200, gateway.output
    (first,) = find_pages(gateway)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: find_pages(gateway) == [])
    assert chat(gateway).status_code == 200
    assert look() == 200, gateway.output
    (second,) = find_pages(gateway)
    assert second != first
    assert "pages_started_again" in gateway.output


def test_requests_go_on_while_it_stands_still(gateway: GatewayProcess) -> None:
    assert httpx.get(f"{gateway.base_url}/login", timeout=30).status_code == 200
    (pages,) = find_pages(gateway)
    os.kill(pages, signal.SIGSTOP)
    try:
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{gateway.base_url}/login", timeout=0.5)
        assert chat(gateway).status_code == 200
    finally:
        os.kill(pages, signal.SIGCONT)
    assert httpx.get(f"{gateway.base_url}/login", timeout=30).status_code == 200


def test_where_it_cannot_be_made_a_visitor_is_told_so_and_requests_go_on(gateway: GatewayProcess) -> None:
    pepper, hidden = gateway.data_dir / "pepper", gateway.data_dir / "elsewhere"
    pepper.rename(hidden)  # without it the store is not opened
    try:
        reply = httpx.get(f"{gateway.base_url}/login", timeout=30)
        assert reply.status_code == 503
        assert "Requests to models are not affected" in reply.text
        assert chat(gateway).status_code == 200
    finally:
        hidden.rename(pepper)
    wait_for(lambda: httpx.get(f"{gateway.base_url}/login", timeout=30).status_code == 200)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_it_is_gone_when_the_gateway_is_however_that_ended(gateway: GatewayProcess, number: signal.Signals) -> None:
    assert httpx.get(f"{gateway.base_url}/login", timeout=30).status_code == 200
    (pages,) = find_pages(gateway)
    os.kill(gateway.pid, number)
    wait_for(lambda: not _is_alive(pages))


def test_an_interrupt_from_the_terminal_which_reaches_both_ends_them_in_order(gateway: GatewayProcess) -> None:
    assert httpx.get(f"{gateway.base_url}/login", timeout=30).status_code == 200
    for pid in (*find_pages(gateway), gateway.pid):
        os.kill(pid, signal.SIGINT)
    assert gateway.process.wait(30) == 0
    assert "Traceback" not in gateway.output


def test_a_change_in_a_page_holds_for_the_very_next_requests(gateway: GatewayProcess) -> None:
    owner = sign_in(gateway.data_dir)
    key = gateway.create_key(environment="test")
    headers = {"authorization": f"Bearer {key}"}
    body = {"model": "sandbox/echo", "messages": [{"role": "user", "content": "hello"}]}

    def ask() -> int:
        return httpx.post(f"{gateway.base_url}/api/v1/chat/completions", headers=headers, json=body).status_code

    assert ask() == 200
    form = {"state": "off"}
    reply = httpx.post(f"{gateway.base_url}/dashboard/settings/environments/test/state", headers=owner.headers, data=form)
    assert reply.status_code == 303, reply.text
    started = time.monotonic()
    wait_for(lambda: ask() == 401)
    assert time.monotonic() - started < 1.0


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:
        return False


def test_every_reply_is_whole_also_where_many_ask_at_once(gateway: GatewayProcess) -> None:
    owner = sign_in(gateway.data_dir)
    page = httpx.get(f"{gateway.base_url}/dashboard", headers=owner.headers, timeout=30)
    files = sorted(set(re.findall(r'"(/static/[^"]+)"', page.text)))
    assert files

    def ask(_: int) -> list[tuple[str, int, bool]]:
        with httpx.Client(base_url=gateway.base_url, headers=owner.headers, timeout=30) as client:
            replies = [client.get(path) for _ in range(25) for path in (*files, "/dashboard/nowhere")]
            # A body that nobody reads before the reply is no reason for the reply to be lost.
            replies += [client.post("/dashboard/nowhere", content=b"x" * 300_000) for _ in range(10)]
        return [(str(reply.url.path), reply.status_code, len(reply.content) > 0) for reply in replies]

    with ThreadPoolExecutor(6) as threads:
        found = {row for rows in threads.map(ask, range(6)) for row in rows}
    assert found == {*((path, 200, True) for path in files), ("/dashboard/nowhere", 404, True)}


def test_it_stands_back_behind_the_gateway_with_all_its_threads_and_within_its_session(gateway: GatewayProcess) -> None:
    assert httpx.get(f"{gateway.base_url}/login", timeout=30).status_code == 200
    (pages,) = find_pages(gateway)

    def priorities() -> set[int]:
        return {os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in Path(f"/proc/{pages}/task").iterdir()}

    wait_for(lambda: priorities() == {19})
    assert os.getpriority(os.PRIO_PROCESS, gateway.pid) < 19
    assert os.getsid(pages) == os.getsid(gateway.pid)
    assert os.getpgid(pages) != os.getpgid(gateway.pid)
