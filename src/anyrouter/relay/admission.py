"""Judging a request's body: what is asked, where it may go, whether the limits allow it.

A refusal here has cost the caller nothing and the upstreams nothing.
"""

import time
from collections.abc import Callable

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import generation_id_of
from anyrouter.policy.attempt import Attempts
from anyrouter.policy.authorize import judge_model
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.route import Snapshot, route, select_providers
from anyrouter.relay.call import MAX_TRACE_ID, Principal, RequestHead
from anyrouter.relay.generation import Generation
from anyrouter.relay.lane import Lane, make_lane
from anyrouter.relay.limiter import RateLimiter
from anyrouter.relay.ports import Downstream, KeyUse
from anyrouter.relay.stats import RelayStats
from anyrouter.wire.dialect import DIALECTS

_MAX_LANES = 10_000
_DIALECT_OF = {path: DIALECTS[row.dialect] for path, row in ENDPOINTS.items() if row.is_inference}
_WRONG_TRACE_ID = Denied(
    code="invalid_parameter",
    param="X-AnyRouter-Trace-Id",
    message=f"X-AnyRouter-Trace-Id must have 1 to {MAX_TRACE_ID} printable ASCII characters.",
)


class Admission:
    """Admits requests. `snapshot` is replaced by assignment; lanes made of an earlier one, or of an earlier key, are not used."""

    def __init__(self, *, limiter: RateLimiter, key_use: KeyUse, snapshot: Snapshot, stats: RelayStats) -> None:
        self.snapshot, self._stats = snapshot, stats
        self._limiter, self._key_use = limiter, key_use
        self._lanes: dict[tuple[str, str, str], Lane] = {}

    def admit(
        self, head: RequestHead, principal: Principal, body: bytes, downstream: Downstream, on_leave: Callable[[Generation], None]
    ) -> Generation | Denied:
        """The generation that the request makes, counted against the limits; or why there is none."""
        key, said, endpoint = principal.key, head.read_facts(), head.endpoint
        self._key_use.note(key.id, head.now_ms, head.client_host, said.client_agent)
        if said.is_trace_wrong:
            return _WRONG_TRACE_ID
        dialect = _DIALECT_OF[endpoint]
        try:
            request = dialect.read_request(endpoint, body)
        except ClientError as error:
            return error.denied
        pin = said.pin
        lane = self._lanes.get((key.id, endpoint, request.model)) if pin is None else None
        if lane is None or not lane.is_of(principal, self.snapshot):
            found = self._find_lane(principal, endpoint, request.model, pin)
            if isinstance(found, Denied):
                return found
            lane = found
        limit = self._limiter.admit(principal, time.monotonic())
        if isinstance(limit, Denied):
            return limit
        return Generation(
            id=generation_id_of(head.request_id),
            head=head,
            principal=principal,
            dialect=dialect,
            request=request,
            downstream=downstream,
            limit=limit,
            attempts=Attempts(lane.targets),
            target=lane.targets[0],
            stop=lane.stops[0],
            lane=lane,
            on_leave=on_leave,
        )

    def _find_lane(self, principal: Principal, endpoint: str, model: str, pin: str | None) -> Lane | Denied:
        targets = route(self.snapshot, principal.environment, endpoint, model, pin)
        if isinstance(targets, Denied):
            return targets
        denied = judge_model(principal.key, targets[0].model)
        if denied is not None:
            return denied
        allowed = select_providers(principal.key, targets)
        if isinstance(allowed, Denied):
            return allowed
        lane = make_lane(principal, self.snapshot, endpoint, allowed, self._stats)
        if pin is None:
            if len(self._lanes) >= _MAX_LANES:
                self._lanes.clear()
            self._lanes[principal.key.id, endpoint, model] = lane
        return lane
