"""The contract as a client reads it off the wire: plain HTTP, no SDK between."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from support import served as fixtures
from support.served import Served

served_once, served, upstream = fixtures.served_once, fixtures.fresh, fixtures.upstream

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def http(served_once: Served) -> Iterator[httpx.Client]:
    """A client of the gateway without a key."""
    with httpx.Client(base_url=served_once.base_url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def ask(served: Served, http: httpx.Client) -> Ask:
    """Send a request with the live key: `body` is bytes or a value for JSON; other arguments are httpx's."""

    def ask(path: str, body: Any = None, *, key: str | None = None, method: str = "POST", **options: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {key or served.live_key}", **options.pop("headers", {})}
        if isinstance(body, bytes):
            options["content"], headers["content-type"] = body, "application/json"
        elif body is not None:
            options["json"] = body
        return http.request(method, path, headers=headers, **options)

    return ask


@pytest.fixture
def get(ask: Ask) -> Ask:
    """Read a path with the live key."""

    def get(path: str, **options: Any) -> httpx.Response:
        return ask(path, method="GET", **options)

    return get
