"""The front behind uvicorn's TLS."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.integration.front.conftest import UNKNOWN, Site, chunked_request, get, request, running, wait_until


@pytest.fixture(scope="module")
def tls_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    directory: Path = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.cert_chain_pems[0].write_to_path(directory / "certificate.pem")
    certificate.private_key_pem.write_to_path(directory / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    with running(tls=(str(directory / "certificate.pem"), str(directory / "key.pem"), context)) as site:
        yield site


@pytest.mark.parametrize("size", [2, 27_000, 300_000, 3_000_000])
def test_both_kinds_of_messages_share_an_encrypted_connection(tls_site: Site, size: int) -> None:
    with tls_site.connect() as client:
        for _ in range(3):
            assert client.send(request(bytes(size))).read().json["size"] == size
            assert client.send(chunked_request(bytes(size // 2), bytes(size - size // 2))).read().json["size"] == size
            assert client.send(request(bytes(size), path=b"/api/v1/keys")).read().json["size"] == size
            assert client.send(get()).read(b"GET").status == 200
    assert tls_site.application.scopes[-1]["scheme"] == "https"


def test_a_stream_and_a_large_reply_arrive_whole(tls_site: Site) -> None:
    with tls_site.connect() as client:
        assert client.send(request(do=b"stream")).read().body == b"data: 0\n\ndata: 1\n\ndata: 2\n\n"
        assert len(client.send(request(do=b"parts")).read().body) == 600_001


def test_a_refusal_reaches_a_client_that_sends_a_large_body_first(tls_site: Site) -> None:
    with tls_site.connect() as client:
        client.send(request(bytes(5_000_000), key=UNKNOWN))
        reply = client.read()
        assert (reply.status, reply.headers["connection"]) == (401, "close")


def test_a_client_that_leaves_is_noticed(tls_site: Site) -> None:
    tls_site.inference.events.clear()
    with tls_site.connect() as client:
        client.send(request(do=b"wait"))
        wait_until(lambda: tls_site.inference.events == ["waiting"])
    wait_until(lambda: tls_site.inference.events == ["waiting", "closed"])
    tls_site.inference.open_gate()
