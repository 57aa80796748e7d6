"""Somebody with a browser, without the browser: keeps cookies as one does, over plain HTTP from this machine too, and sends forms."""

import html
import re
import ssl
from collections.abc import Mapping
from typing import Any

import httpx

from anyrouter.web.pages.cookies import SESSION_COOKIE
from support.gateway import GatewayProcess

PASSWORD = "nine green bottles on a wall"
_TLS = ssl.create_default_context()  # made once: it reads a file of all authorities
_SET_UP = re.compile(r"/setup\?token=(set_[A-Za-z0-9_-]{43})")


class Visitor:
    """Nobody yet, at a gateway's pages. `lines` are the Set-Cookie lines of the last reply."""

    def __init__(self, base_url: str, *, address: str | None = None) -> None:
        forwarded = {} if address is None else {"x-forwarded-for": address}
        no_connection_is_kept = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(
            base_url=base_url, headers={"user-agent": "tests", **forwarded}, timeout=30, limits=no_connection_is_kept, verify=_TLS
        )
        self.cookies: dict[str, str] = {}
        self.lines: list[str] = []

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A link that is followed from a page of the gateway's."""
        return self._ask("GET", path, headers)

    def post(self, path: str, fields: Mapping[str, str] | None = None, **headers: str) -> httpx.Response:
        """A form of the gateway's that is sent."""
        return self._ask("POST", path, {"origin": str(self._client.base_url).rstrip("/"), **headers}, data=dict(fields or {}))

    def sign_in(self, email: str, password: str = PASSWORD, **more: str) -> httpx.Response:
        """The reply to the sign-in form."""
        return self.post("/login", {"email": email, "password": password, **more})

    @property
    def token(self) -> str | None:
        """The session's, as the cookie has it."""
        return self.cookies.get(SESSION_COOKIE)

    def can_enter(self) -> bool:
        """Whether the dashboard opens."""
        return self.get("/dashboard").status_code == 200

    def _ask(self, method: str, path: str, headers: Mapping[str, str], **more: Any) -> httpx.Response:
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {
            "sec-fetch-site": "same-origin",
            **({"cookie": kept} if kept else {}),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        reply = self._client.request(method, path, headers=sent, **more)
        self._client.cookies.clear()
        self.lines = reply.headers.get_list("set-cookie")
        for line in self.lines:
            name, _, value = line.partition(";")[0].partition("=")
            if re.search(r"max-age=0\b", line, re.IGNORECASE):
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value
        return reply


def set_up_token(gateway: GatewayProcess) -> str:
    """That of the link which the gateway has printed."""
    found = _SET_UP.search(gateway.output)
    assert found is not None, gateway.output
    return found[1]


def path_of(link: str) -> str:
    """A link without the address that it begins with."""
    return "/" + link.split("/", 3)[3]


def join(gateway: GatewayProcess, email: str, role: str = "owner", *, org: str = "org_default", password: str = PASSWORD) -> str:
    """The id of a new member with that password, set by a link as a person does it."""
    member = gateway.command("org", "add-member", email, "--role", role, "--org", org)["data"]
    set_password(gateway, email, password, org=org)
    return str(member["id"])


def set_password(gateway: GatewayProcess, email: str, password: str = PASSWORD, *, org: str = "org_default") -> Visitor:
    """The member, signed in by a link that sets the password."""
    link = gateway.command("org", "members", "link", email, "--org", org)
    visitor = Visitor(gateway.base_url)
    reply = visitor.post("/reset", {"token": link["token"], "password": password})
    assert reply.status_code == 303, reply.text
    return visitor


def words(reply: httpx.Response) -> str:
    """What a page says, without its markup."""
    text = re.sub(r"<(head|script)\b.*?</\1>", " ", reply.text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text))).strip()
