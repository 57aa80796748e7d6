"""The documentation's configuration of nginx, in front of a real gateway."""

import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from support.gateway import GatewayProcess
from support.served import run_command, wait_for

PAGE = Path(__file__).resolve().parents[3] / "docs/how-to/tls-and-proxies.md"
SOURCE = "127.0.0.2"  # where the client connects from: an address of its own, which is no trusted proxy
WRAPPER = """
daemon off;
master_process off;
error_log stderr;
pid {directory}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{shown}
}}
"""


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path_factory.mktemp("behind") / "data", ANYROUTER_SERVER__TRUSTED_PROXIES="127.0.0.1")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def client(gateway: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Talks to the gateway through nginx, over TLS, with the gateway's first key."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        pytest.skip("no nginx on this machine")
    directory = tmp_path_factory.mktemp("nginx")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(directory / "pair.pem"))
    port = find_free_port()
    (shown,) = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for theirs, ours in (
        ("127.0.0.1:8080", gateway.base_url.rpartition("/")[2]),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("/etc/ssl/gateway/fullchain.pem", str(directory / "pair.pem")),
        ("/etc/ssl/gateway/key.pem", str(directory / "pair.pem")),
    ):
        assert theirs in shown
        shown = shown.replace(theirs, ours)
    (directory / "nginx.conf").write_text(WRAPPER.format(directory=directory, shown=shown), encoding="utf-8")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with (
        subprocess.Popen([program, "-p", directory, "-c", "nginx.conf"]) as process,
        httpx.Client(
            base_url=f"https://localhost:{port}",
            headers={"authorization": f"Bearer {gateway.first_key}"},
            transport=httpx.HTTPTransport(verify=context, local_address=SOURCE, retries=20),
            timeout=20,
        ) as through,
    ):
        wait_for(lambda: is_listening(port) or process.poll() is not None)
        yield through
        process.terminate()


def test_events_of_a_stream_come_through_one_by_one(client: httpx.Client) -> None:
    body = {"model": "sandbox/slow", "stream": True, "messages": [{"role": "user", "content": "Hello!"}]}
    with client.stream("POST", "/api/v1/chat/completions", json=body) as reply:
        assert reply.status_code == 200
        events = (time.monotonic() for line in reply.iter_lines() if line.startswith("data: "))
        moments = [next(events) for _ in range(3)]
    assert moments[2] - moments[0] > 0.2, "they were held back and came at once"


def test_the_clients_address_is_the_one_that_nginx_saw_and_not_the_one_that_the_client_claims(
    client: httpx.Client, gateway: GatewayProcess
) -> None:
    def last_used_ip() -> str | None:
        return run_command(gateway.data_dir, "keys", "show", "first key")["data"]["last_used_ip"]

    assert client.get("/api/v1/models/count", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 200
    assert wait_for(last_used_ip) == SOURCE


def test_metrics_are_closed_through_the_proxy(client: httpx.Client) -> None:
    assert client.get("/metrics").status_code == 403


def test_a_body_as_large_as_the_gateway_takes_is_not_refused_by_nginx(client: httpx.Client) -> None:
    body = b'{"model": "sandbox/echo", "messages": "%s"}' % (b"x" * 33_000_000)
    reply = client.post("/api/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert reply.headers["x-request-id"], reply.text[:200]
