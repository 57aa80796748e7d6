"""The server stops: idle connections end, running requests are served to their end."""

import threading

import h11
import pytest
from tests.integration.front.conftest import LATE, get, request, running, wait_until

from anyrouter.web.front.limits import FrontLimits


def test_idle_connections_end_at_once() -> None:
    with running(FrontLimits(linger_s=0.3)) as site, site.connect() as fresh, site.connect() as used, site.connect() as begun:
        used.send(request())
        used.read()
        begun.send(b"POST /v1/mess")
        wait_until(lambda: len(site.server.server_state.connections) == 3)
        site.stop()
        assert fresh.is_closed_by_server()
        assert used.is_closed_by_server()
        assert begun.is_closed_by_server()
        site.join()


@pytest.mark.parametrize("do", [b"wait", b"stream-at-gate"])
def test_a_running_request_is_served_to_its_end_and_is_the_last(do: bytes) -> None:
    with running(FrontLimits(linger_s=0.3)) as site, site.connect() as client:
        client.send(request(do=do))
        wait_until(lambda: site.inference.events == ["waiting"])
        site.stop()
        wait_until(lambda: site.server.should_exit and not site.server.servers[0].is_serving())
        client.send(request())
        site.inference.open_gate()
        reply = client.read()
        assert reply.status == 200
        if do == b"wait":
            assert reply.headers["connection"] == "close"
        assert client.is_closed_by_server()
        site.join()


def test_a_message_of_the_application_is_served_to_its_end_and_is_the_last() -> None:
    with running() as site, site.connect() as client:
        client.send(get(b"/health?gate"))
        wait_until(lambda: site.application.events == ["waiting"])
        site.stop()
        wait_until(lambda: not site.server.servers[0].is_serving())
        site.application.gate.set()
        assert client.read(b"GET").headers["connection"] == "close"
        assert client.is_closed_by_server()
        site.join()


@pytest.mark.parametrize("key", [b"Bearer allowed", LATE])
def test_a_request_whose_body_is_still_coming_is_served(key: bytes) -> None:
    with running() as site, site.connect() as client:
        client.send(request(b"123", length=6, key=key))
        wait_until(lambda: site.inference.heads)
        site.stop()
        wait_until(lambda: not site.server.servers[0].is_serving())
        site.inference.open_gate()
        reply = client.send(b"456").read()
        assert (reply.json["size"], reply.headers["connection"]) == (6, "close")
        site.join()


def test_what_outlasts_the_patience_is_broken_off_so_that_the_client_sees_it() -> None:
    with running(graceful_s=1) as site, site.connect() as waiting, site.connect() as unknown, site.connect() as streaming:
        waiting.send(request(do=b"wait"))
        unknown.send(request(b"", key=LATE, length=5))
        streaming.send(request(do=b"stream-at-gate"))
        wait_until(lambda: site.inference.events == ["waiting", "waiting"] and len(site.inference.heads) == 3)
        site.stop()
        for client in (waiting, unknown):
            reply = client.read()
            assert (reply.status, reply.code, reply.headers["connection"]) == (503, "overloaded", "close")
        with pytest.raises(h11.RemoteProtocolError):
            streaming.read()
        site.inference.open_gate()
        site.join()
        assert all(task is not None and task.cancelled() for task in site.inference.tasks)


def test_the_server_waits_for_work_whose_client_has_left() -> None:
    with running() as site:
        with site.connect() as client:
            assert client.send(request(do=b"work-on")).read().body == b"early"
        wait_until(lambda: not site.server.server_state.connections)
        site.stop()
        threading.Event().wait(0.5)
        assert site.thread.is_alive()
        site.inference.open_gate()
        site.join()
        assert site.inference.events == ["settled"]


def test_a_refused_client_that_lingers_does_not_hold_the_server_up() -> None:
    with running(FrontLimits(linger_s=0.3)) as site, site.connect() as client:
        client.send(request(b"", key=b"Bearer unknown", length=10**6))
        assert client.read().status == 401
        site.stop()
        site.join()
