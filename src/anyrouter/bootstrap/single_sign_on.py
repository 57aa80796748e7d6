"""Single sign-on as the settings want it: the provider's client with its secret, and the way to the provider."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from anyrouter import __version__
from anyrouter.control.identity_provider import ProviderHttp
from anyrouter.control.members import MemberService
from anyrouter.control.sign_in_stores import SignInStore
from anyrouter.core.errors import ClientError, Denied, InternalError, UpstreamError
from anyrouter.core.secret import Secret
from anyrouter.relay.ports import Origin, Timeouts, UpstreamClient
from anyrouter.relay.upstream_head import DEFAULT_PORTS

if TYPE_CHECKING:  # the library of signed tokens takes 20 MB, which only who signs in that way needs
    from anyrouter.control.single_sign_on import SingleSignOn
    from anyrouter.settings import Settings

_TIMEOUTS = Timeouts(connect_s=5.0, first_byte_s=10.0, idle_s=5.0, total_s=15.0)
_MAX_REPLY_BYTES = 524_288
_MAX_SECRET_BYTES = 4096
_SILENT = Denied(code="upstream_error", message="The sign-on provider does not answer now. Try again in a moment, or sign in another way.")


class HttpProvider(ProviderHttp):
    """`ProviderHttp` over the operator's client."""

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client

    async def get(self, url: str, *, authorization: Secret | None = None) -> tuple[int, bytes]:
        """See the port."""
        return await self._send("GET", url, b"", [], authorization)

    async def post(self, url: str, fields: Mapping[str, str], *, authorization: Secret | None = None) -> tuple[int, bytes]:
        """See the port."""
        body = urlencode(fields).encode("ascii")
        lines = ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        return await self._send("POST", url, body, lines, authorization)

    async def _send(self, method: str, url: str, body: bytes, more: Sequence[str], authorization: Secret | None) -> tuple[int, bytes]:
        parts = urlsplit(url)
        origin = Origin(scheme=parts.scheme, host=parts.hostname or "", port=parts.port or DEFAULT_PORTS[parts.scheme])
        lines = [
            f"{method} {parts.path or '/'}{f'?{parts.query}' if parts.query else ''} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            f"User-Agent: AnyRouter/{__version__}",
            *([] if authorization is None else [f"Authorization: {authorization.reveal()}"]),
            *more,
        ]
        head = "".join(f"{line}\r\n" for line in lines).encode("ascii")
        try:
            exchange = await self._client.send(origin, head, (body,) if body else (), _TIMEOUTS)
            return exchange.status, await exchange.read(_MAX_REPLY_BYTES)
        except UpstreamError:
            raise ClientError(_SILENT) from None


def make_single_sign_on(
    settings: "Settings", client: UpstreamClient, store: SignInStore, members: MemberService, clock: Callable[[], datetime]
) -> "SingleSignOn | None":
    """Single sign-on, where the operator wants it."""
    from anyrouter.control.identity_provider import IdentityProvider  # noqa: PLC0415 -- see above
    from anyrouter.control.single_sign_on import SingleSignOn  # noqa: PLC0415

    rules = settings.sso.rules
    if rules is None:
        return None
    provider = IdentityProvider(HttpProvider(client), rules, find_client_secret(settings))
    return SingleSignOn(provider=provider, rules=rules, store=store, members=members, clock=clock, monotonic=time.monotonic)


def find_client_secret(settings: "Settings", environ: Mapping[str, str] = os.environ) -> Secret | None:
    """The client's secret, None for a public client. InternalError when it is not where the settings say."""
    sso = settings.sso
    if sso.client_secret_file is not None:
        path = settings.resolve_path(sso.client_secret_file)
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_SECRET_BYTES).decode("ascii", "replace").strip()
        except OSError as error:
            raise InternalError(f"The file {path} that sso.client_secret_file names cannot be read: {error.strerror}.") from None
        what = f"The file {path} that sso.client_secret_file names"
    elif sso.client_secret_variable is not None:
        text = environ.get(sso.client_secret_variable, "").strip()
        what = f"The variable {sso.client_secret_variable} that sso.client_secret_variable names"
    else:
        return None
    if not text or not all("!" <= letter <= "~" for letter in text):
        raise InternalError(f"{what} holds no client secret, which is one line of printable ASCII.")
    return Secret(text)
