"""Requests that carry a token, which a service account's key buys: fetched ahead of need, by one request however many wait for it.

This loads a library of 20 MB (`providers.service_account`): import it only where an upstream has such a credential.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from urllib.parse import urlsplit

import msgspec

from anyrouter.core.authorization import Authorization, OutgoingRequest
from anyrouter.core.errors import ConnectFailed, UpstreamBroken, UpstreamError, UpstreamStatus, UpstreamTimeout
from anyrouter.core.secret import Secret
from anyrouter.providers.service_account import ServiceAccountKey, TokenRefused, TokenRequest, Tokens
from anyrouter.relay.ports import Origin, Timeouts, UpstreamClient
from anyrouter.relay.upstream_head import DEFAULT_PORTS, authority
from anyrouter.wire.failure import scrub

TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=15.0)
MAX_REPLY_BYTES = 64 * 1024
_KEPT_TOKENS = 2  # an answer may be on its way to a request that still bore the one before
_UNAUTHORIZED, _REQUEST_TIMEOUT, _TOO_MANY, _SERVER_ERROR = 401, 408, 429, 500
_WHERE = "its token endpoint"


class TokenAuthorization(Authorization):
    """The tokens of one upstream.

    `line` is the header's name and what stands before the token. `clock` gives an aware time. `on_failure` is told in words fit for the
    log whenever none could be bought. Belongs to one event loop; `tick` it once a second and `aclose` it at the end.
    """

    def __init__(
        self,
        key: ServiceAccountKey,
        scope: str,
        *,
        line: str,
        client: UpstreamClient,
        clock: Callable[[], datetime],
        on_failure: Callable[[str], None],
    ) -> None:
        self._tokens, self._key = Tokens(key, scope), key
        self._line, self._client, self._clock, self._on_failure = line, client, clock, on_failure
        self._bought: deque[Secret] = deque(maxlen=_KEPT_TOKENS)
        self._purchase: asyncio.Task[None] | None = None
        self._make_error: Callable[[], UpstreamError] | None = None  # of the last purchase, if it failed

    @property
    def secrets(self) -> tuple[str, ...]:
        """See the port."""
        return (*self._key.secrets, *(token.reveal() for token in self._bought))

    def render(self, request: OutgoingRequest) -> bytes:  # noqa: ARG002 -- a token is the same for all
        """See the port. A token near its end is sent, and the next one is bought meanwhile."""
        now = self._clock()
        token = self._tokens.token(now)
        if token is None:
            return b""
        if self._tokens.is_due(now):
            self._begin(now)
        return f"{self._line}{token.reveal()}\r\n".encode("latin-1")

    async def prepare(self, wait_s: float) -> None:
        """See the port. What failed a moment ago is not tried again, and fails in the same way."""
        now = self._clock()
        if self._tokens.token(now) is not None:
            return
        purchase = self._begin(now)
        if purchase is not None:
            await asyncio.wait({purchase}, timeout=wait_s)
            if not purchase.done():
                raise UpstreamTimeout(f"{_WHERE} did not answer in time", phase="connect")
        if self._tokens.token(self._clock()) is None:
            raise self._make_error() if self._make_error is not None else UpstreamBroken(f"{_WHERE} sells tokens that end at once")

    def reject(self) -> None:
        """See the port: the next request buys another token."""
        self._tokens.reject(self._clock())

    def tick(self) -> None:
        """Buy the first token, and each following one while the one before is good. After a failure only a request buys."""
        now = self._clock()
        if self._tokens.is_due(now) and (self._make_error is None or self._tokens.token(now) is not None):
            self._begin(now)

    async def aclose(self) -> None:
        """Give up a purchase that is under way."""
        if self._purchase is not None:
            self._purchase.cancel()
            await asyncio.wait({self._purchase})

    def _begin(self, now: datetime) -> "asyncio.Task[None] | None":
        """The purchase under way, a new one where one is due; None when it is not."""
        if self._purchase is None and self._tokens.is_due(now):
            self._purchase = asyncio.get_running_loop().create_task(self._buy(now))
        return self._purchase

    async def _buy(self, now: datetime) -> None:
        try:
            request = self._tokens.plan(now)
            assert request is not None  # noqa: S101 -- one was due
            status, body = await self._fetch(request)
            self._bought.append(self._tokens.take(status, body, self._clock()))
            self._make_error = None
        except TokenRefused as refusal:
            self._note(partial(_explain_refusal, refusal.status), str(refusal))
        except UpstreamError as error:
            self._tokens.fail(self._clock())
            self._note(partial(_explain, error), f"the token endpoint: {error}")
        except Exception as mistake:  # noqa: BLE001 -- whoever waits must hear of it
            self._tokens.fail(self._clock())
            self._note(partial(UpstreamBroken, f"{_WHERE} could not be asked"), type(mistake).__name__)
        finally:
            self._purchase = None

    async def _fetch(self, request: TokenRequest) -> tuple[int, bytes]:
        address = urlsplit(request.url)
        origin = Origin(scheme=address.scheme, host=address.hostname or "", port=address.port or DEFAULT_PORTS[address.scheme])
        target = f"{address.path or '/'}{f'?{address.query}' if address.query else ''}"
        head = (
            f"POST {target} HTTP/1.1\r\n"
            f"Host: {authority(origin)}\r\n"
            f"Content-Type: {request.content_type}\r\n"
            "Accept: application/json\r\n"
            "Accept-Encoding: identity\r\n"
            "User-Agent: AnyRouter\r\n"
            f"Content-Length: {len(request.body)}\r\n"
        )
        exchange = await self._client.send(origin, head.encode("latin-1"), (request.body,), TIMEOUTS)
        return exchange.status, await exchange.read(MAX_REPLY_BYTES)

    def _note(self, make_error: Callable[[], UpstreamError], text: str) -> None:
        self._make_error = make_error
        self._on_failure(scrub(text, self.secrets))


def _explain_refusal(status: int) -> UpstreamError:
    """What a token endpoint's answer without a token is to a request: all that is wrong with the key is the operator's credential."""
    if 200 <= status < 300:  # noqa: PLR2004 -- RFC 9110, section 15.3
        return UpstreamBroken(f"{_WHERE} answered without a token")
    if status in {_REQUEST_TIMEOUT, _TOO_MANY} or status >= _SERVER_ERROR:
        body = msgspec.json.encode({"error": {"message": f"{_WHERE} answered {status}"}})
        return UpstreamStatus(f"{_WHERE} answered {status}", status=status, body=body)
    return UpstreamStatus(f"{_WHERE} answered {status}", status=_UNAUTHORIZED, body=b"")


def _explain(error: UpstreamError) -> UpstreamError:
    """What a failure on the way to the token endpoint is to a request, which was not sent."""
    text = f"{_WHERE}: {error.public}"
    if isinstance(error, UpstreamTimeout):
        return UpstreamTimeout(text, phase="connect", internal=error.internal)
    return (ConnectFailed if isinstance(error, ConnectFailed) else UpstreamBroken)(text, internal=error.internal)
