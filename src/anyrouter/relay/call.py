"""What a request is before its body: enough to judge who asks for what."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from anyrouter.core.apikey import ApiKey
from anyrouter.core.budget import Budget
from anyrouter.core.errors import Denied
from anyrouter.core.keys import hide
from anyrouter.core.tenancy import Environment, Member, Organisation
from anyrouter.core.tenants import Owner

MAX_TRACE_ID = 128
MAX_TEXT = 200  # characters that are kept of a client's header
_WRONG_TRACE_ID = Denied(
    code="invalid_parameter",
    param="X-AnyRouter-Trace-Id",
    message=f"X-AnyRouter-Trace-Id must have 1 to {MAX_TRACE_ID} printable ASCII characters.",
)
_WRONG_CACHE = Denied(code="invalid_parameter", param="X-AnyRouter-Cache", message="X-AnyRouter-Cache must be use or bypass.")


class CacheWish(StrEnum):
    """What a client says of the response cache."""

    USE = "use"
    BYPASS = "bypass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """The authenticated caller: its key, whose that is, and every budget that its requests count against."""

    key: ApiKey
    environment: Environment
    organisation: Organisation
    member: Member | None = None  # whose personal key it is
    budgets: tuple[Budget, ...] = ()

    @property
    def owner(self) -> Owner:
        """Whose the key is."""
        return Owner(self.organisation, self.environment, self.member)


class HeadFacts(msgspec.Struct, kw_only=True):
    """What the relay reads off a head's lines: made once, and shared by requests whose heads differ in the body's length only.

    `denied` is why no request with such a head is admitted; `trace_id` and `cache` are None then, as when the client sent none. The
    texts are what the ledger keeps. `principal` is the authenticator's, which holds while its version is `version`.
    """

    endpoint: str
    trace_id: bytes | None
    denied: Denied | None
    pin: str | None
    trace_text: str | None
    app_title: str | None
    http_referer: str | None
    user_agent: str | None
    client_agent: str | None  # all of the user agent
    common_lines: bytes
    cache: CacheWish | None = None
    principal: Principal | None = None
    version: int = -1


_CACHE_WISHES = {wish.value.encode(): wish for wish in CacheWish}


def read_facts(endpoint: str, headers: Mapping[bytes, bytes]) -> HeadFacts:
    """The facts of a head. `headers` has lower-case names."""
    trace_id, agent, pin = headers.get(b"x-anyrouter-trace-id"), headers.get(b"user-agent"), headers.get(b"x-anyrouter-provider")
    denied, wish = None, headers.get(b"x-anyrouter-cache")
    cache = None if wish is None else _CACHE_WISHES.get(wish.strip().lower())
    if trace_id is not None and not _is_trace_id(trace_id):
        trace_id, denied = None, _WRONG_TRACE_ID
    elif wish is not None and cache is None:
        denied = _WRONG_CACHE
    return HeadFacts(
        endpoint=endpoint,
        trace_id=trace_id,
        denied=denied,
        pin=None if pin is None else pin.decode("latin-1"),
        trace_text=_text(trace_id),
        app_title=_text(headers.get(b"x-anyrouter-title") or headers.get(b"x-title") or headers.get(b"x-anyrouter-app")),
        http_referer=_text(headers.get(b"http-referer")),
        user_agent=_text(agent),
        client_agent=None if agent is None else agent.decode("latin-1"),
        common_lines=b"" if trace_id is None else b"X-AnyRouter-Trace-Id: %s\r\n" % trace_id,
        cache=cache,
    )


def _is_trace_id(value: bytes) -> bool:
    return 0 < len(value) <= MAX_TRACE_ID and value.isascii() and value.decode("ascii").isprintable()


def _text(value: bytes | None) -> str | None:
    if not value:
        return None
    return value[:MAX_TEXT].decode("latin-1") if b"ar-" not in value else hide(value.decode("latin-1"))[:MAX_TEXT]


class RequestHead(msgspec.Struct, kw_only=True):
    """The head of a request, as the front or the reading API saw it.

    `endpoint` is a row of `policy.endpoints.ENDPOINTS`. `headers` has lower-case names; of a repeated header the values are joined
    with ", " and the name is in `repeated`. `client_host` is the address of the client behind trusted proxies. `started_s` is
    the monotonic and `now_ms` the wall clock (Unix milliseconds) when the head was complete. `facts` may be another head's, of the
    same lines; then the body's length is not to be looked up in `headers`.
    """

    endpoint: str
    headers: dict[bytes, bytes]
    client_host: str
    started_s: float
    now_ms: int
    request_id: str
    repeated: frozenset[bytes] | set[bytes] = frozenset()
    facts: HeadFacts | None = None
    model: str | None = None  # where the path names it (Gemini)
    is_array: bool = False  # a Gemini stream is wanted as a JSON array

    def read_facts(self) -> HeadFacts:
        """What the lines say, read once."""
        facts = self.facts
        if facts is None:
            facts = self.facts = read_facts(self.endpoint, self.headers)
        return facts
