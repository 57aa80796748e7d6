"""What a request is before its body: enough to judge who asks for what."""

from dataclasses import dataclass

import msgspec

from anyrouter.core.apikey import ApiKey
from anyrouter.core.tenancy import Environment


class RequestHead(msgspec.Struct, kw_only=True):
    """The head of a request, as the front or the reading API saw it.

    `endpoint` is a row of `policy.endpoints.ENDPOINTS`. `headers` has lower-case names; of a repeated header the values are joined
    with ", " and the name is in `repeated`. `client_host` is the address of the client behind trusted proxies. `started_s` is
    the monotonic and `now_ms` the wall clock (Unix milliseconds) when the head was complete.
    """

    endpoint: str
    headers: dict[bytes, bytes]
    client_host: str
    started_s: float
    now_ms: int
    request_id: str
    repeated: frozenset[bytes] | set[bytes] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated caller: its key and its environment."""

    key: ApiKey
    environment: Environment
