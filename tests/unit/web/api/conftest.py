"""Ports whose parts are never asked: for what is decided when the application is put together."""

from typing import Any, cast

import pytest

from anyrouter.policy.route import Snapshot
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.stats import RelayStats
from anyrouter.web.api.ports import ApiPorts


@pytest.fixture
def ports() -> ApiPorts:
    nothing = cast("Any", None)
    return ApiPorts(
        authenticator=nothing,
        keys=nothing,
        key_service=nothing,
        ledger=nothing,
        find_pending=nothing,
        snapshot=lambda: Snapshot(upstreams=(), resolve=lambda _: None, nearest=lambda _: []),
        catalogue=dict,
        presets=nothing,
        environments=nothing,
        organisations=nothing,
        members=nothing,
        audit=nothing,
        denials=nothing,
        idempotency=nothing,
        budgets=nothing,
        credits=nothing,
        credentials=nothing,
        webhooks=nothing,
        stats=RelayStats(),
        limit_state=RateLimiter().peek,
        store=nothing,
        journal=nothing,
        version="1.2.3",
    )
