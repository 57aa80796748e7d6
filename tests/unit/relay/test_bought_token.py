"""Tokens that a key buys: by one request however many wait, ahead of need, and never with a hang."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import pytest

from anyrouter.core.authorization import OutgoingRequest
from anyrouter.core.errors import ConnectFailed, UpstreamBroken, UpstreamError, UpstreamStatus, UpstreamTimeout
from anyrouter.providers.service_account import REFRESH_BEFORE, RETRY_AFTER, read_key
from anyrouter.relay.bought_token import TokenAuthorization
from support.service_account import KEY_ID, key_file, key_lines

START = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SCOPE = "https://example.com/auth/platform"


@dataclass
class Seller:
    """A token endpoint behind the client's port. A reply is an exchange or an error; with `gate` it comes when that is set."""

    replies: list[object] = field(default_factory=list)
    gate: asyncio.Event | None = None
    asked: list[tuple[object, str, bytes]] = field(default_factory=list)

    async def send(self, origin, head, body, _timeouts):
        self.asked.append((origin, head.decode(), b"".join(body)))
        if self.gate is not None:
            await self.gate.wait()
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


@dataclass
class Shop:
    authorization: TokenAuthorization
    seller: Seller
    now: list[datetime]
    failures: list[str]

    def render(self) -> str:
        return self.authorization.render(OutgoingRequest("POST", "/", "h", "", (), START)).decode()

    def pass_time(self, time: timedelta) -> None:
        self.now[0] += time

    async def settle(self) -> None:
        """Let what was begun go on."""
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def token(json_reply) -> Callable[..., object]:
    def token(text: str = "MARKER-token-1", expires_in: float = 3600) -> object:
        return json_reply({"access_token": text, "expires_in": expires_in})

    return token


@pytest.fixture
def open_shop(token) -> Callable[..., Shop]:
    def open_shop(*replies: object, url: str = "https://oauth2.example.com/token", is_gated: bool = False) -> Shop:
        seller = Seller(list(replies) or [token()], asyncio.Event() if is_gated else None)
        now, failures = [START], []
        authorization = TokenAuthorization(
            read_key(key_file(url), token_url=url, is_operators=True),
            SCOPE,
            line="authorization: Bearer ",
            client=seller,
            clock=lambda: now[0],
            on_failure=failures.append,
        )
        return Shop(authorization, seller, now, failures)

    return open_shop


async def test_a_token_is_bought_before_the_first_request_and_sent_with_each(open_shop) -> None:
    shop = open_shop()
    assert shop.render() == ""
    await shop.authorization.prepare(1)
    assert shop.render() == "authorization: Bearer MARKER-token-1\r\n"
    await shop.authorization.prepare(1)
    assert len(shop.seller.asked) == 1
    origin, head, body = shop.seller.asked[0]
    assert tuple(origin)[:3] == ("https", "oauth2.example.com", 443)
    assert head.startswith("POST /token HTTP/1.1\r\nHost: oauth2.example.com\r\nContent-Type: application/x-www-form-urlencoded\r\n")
    assert f"Content-Length: {len(body)}\r\n" in head
    assert parse_qs(body.decode())["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


@pytest.mark.parametrize(
    ("url", "origin", "target", "host"),
    [
        ("http://127.0.0.1:8000/a/token?x=1", ("http", "127.0.0.1", 8000), "/a/token?x=1", "127.0.0.1:8000"),
        ("http://[::1]", ("http", "::1", 80), "/", "[::1]"),
    ],
)
async def test_tokens_are_bought_where_the_key_says(open_shop, url: str, origin: tuple, target: str, host: str) -> None:
    shop = open_shop(url=url)
    await shop.authorization.prepare(1)
    assert tuple(shop.seller.asked[0][0])[:3] == origin
    assert shop.seller.asked[0][1].startswith(f"POST {target} HTTP/1.1\r\nHost: {host}\r\n")


async def test_one_request_buys_for_all_that_wait(open_shop) -> None:
    shop = open_shop(is_gated=True)
    waiting = [asyncio.create_task(shop.authorization.prepare(60)) for _ in range(100)]
    await shop.settle()
    assert shop.render() == ""
    waiting[0].cancel()  # whoever began it may leave
    shop.seller.gate.set()
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in done] == [asyncio.CancelledError] + [type(None)] * 99
    assert len(shop.seller.asked) == 1
    assert shop.render().endswith("MARKER-token-1\r\n")


async def test_a_token_near_its_end_is_sent_while_the_next_one_is_bought_once(open_shop, token) -> None:
    shop = open_shop(token(), token("MARKER-token-2"))
    await shop.authorization.prepare(1)
    shop.pass_time(HOUR - REFRESH_BEFORE)
    assert [shop.render() for _ in range(3)] == ["authorization: Bearer MARKER-token-1\r\n"] * 3
    await shop.settle()
    assert shop.render() == "authorization: Bearer MARKER-token-2\r\n"
    assert len(shop.seller.asked) == 2


async def test_a_token_is_bought_ahead_though_nobody_asks(open_shop, token) -> None:
    shop = open_shop(token(), token("MARKER-token-2"))
    shop.authorization.tick()
    await shop.settle()
    assert shop.render().endswith("MARKER-token-1\r\n")
    shop.authorization.tick()
    await shop.settle()
    assert len(shop.seller.asked) == 1
    shop.pass_time(HOUR - REFRESH_BEFORE)
    shop.authorization.tick()
    shop.authorization.tick()
    await shop.settle()
    assert len(shop.seller.asked) == 2
    shop.pass_time(REFRESH_BEFORE)
    assert shop.render().endswith("MARKER-token-2\r\n")


async def test_a_token_that_has_ended_is_waited_for(open_shop, token) -> None:
    shop = open_shop(token(), token("MARKER-token-2"))
    await shop.authorization.prepare(1)
    shop.pass_time(HOUR)
    assert shop.render() == ""
    await shop.authorization.prepare(1)
    assert shop.render().endswith("MARKER-token-2\r\n")


async def test_a_seller_that_does_not_answer_is_waited_for_no_longer_than_said(open_shop) -> None:
    shop = open_shop(is_gated=True)
    with pytest.raises(UpstreamTimeout) as caught:
        await shop.authorization.prepare(0.01)
    assert (caught.value.phase, caught.value.is_sent) == ("connect", False)
    assert len(shop.seller.asked) == 1
    shop.seller.gate.set()  # what was begun is of use to those that come later
    await shop.authorization.prepare(1)
    assert len(shop.seller.asked) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        ((400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}), UpstreamStatus, 401),
        ((401, {"error": "unauthorized_client"}), UpstreamStatus, 401),
        ((403, {}), UpstreamStatus, 401),
        ((404, {}), UpstreamStatus, 401),
        ((302, {}), UpstreamStatus, 401),
        ((429, {}), UpstreamStatus, 429),
        ((500, {}), UpstreamStatus, 500),
        ((503, {}), UpstreamStatus, 503),
        ((200, {"id_token": "MARKER"}), UpstreamBroken, None),
        ((200, {"access_token": "MARKER", "expires_in": -1}), UpstreamBroken, None),
        (ConnectFailed("refused"), ConnectFailed, None),
        (UpstreamTimeout("late", phase="first_byte"), UpstreamTimeout, None),
        (UpstreamBroken("cut"), UpstreamBroken, None),
        (RuntimeError("MARKER"), UpstreamBroken, None),
    ],
)
async def test_no_token_is_a_failure_of_the_upstream_and_is_not_asked_for_again_at_once(  # noqa: PLR0917 -- three fixtures
    open_shop, json_reply, token, answer, kind: type[UpstreamError], status: int | None
) -> None:
    shop = open_shop(answer if isinstance(answer, Exception) else json_reply(answer[1], answer[0]), token())
    for _ in range(3):
        with pytest.raises(UpstreamError) as caught:
            await shop.authorization.prepare(1)
        assert type(caught.value) is kind
        assert getattr(caught.value, "status", None) == status
        assert "MARKER" not in caught.value.public
    assert (len(shop.seller.asked), len(shop.failures)) == (1, 1)
    assert "MARKER" not in shop.failures[0]
    assert shop.render() == ""
    shop.pass_time(RETRY_AFTER)
    shop.authorization.tick()  # only a request asks again
    await shop.settle()
    assert len(shop.seller.asked) == 1
    await shop.authorization.prepare(1)
    assert shop.render().endswith("MARKER-token-1\r\n")


async def test_what_a_seller_says_is_told_to_the_operator_without_what_it_was_sent(open_shop, json_reply) -> None:
    shop = open_shop()
    shop.seller.replies = [
        json_reply({"error": "invalid_grant", "error_description": f"kid {KEY_ID} eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJh"}, 400)
    ]
    with pytest.raises(UpstreamStatus):
        await shop.authorization.prepare(1)
    assert shop.failures == ["the token endpoint answered 400 (invalid_grant: kid [redacted] [redacted])"]


async def test_a_failure_while_a_token_is_good_is_told_and_harms_nobody(open_shop, token) -> None:
    shop = open_shop(token(), ConnectFailed("refused"), token("MARKER-token-2"))
    await shop.authorization.prepare(1)
    shop.pass_time(HOUR - REFRESH_BEFORE)
    shop.authorization.tick()
    await shop.settle()
    assert len(shop.failures) == 1
    assert shop.render().endswith("MARKER-token-1\r\n")
    await shop.settle()
    assert len(shop.seller.asked) == 2
    shop.pass_time(RETRY_AFTER)
    shop.authorization.tick()
    await shop.settle()
    assert shop.render().endswith("MARKER-token-2\r\n")


async def test_a_refused_token_is_replaced_for_the_next_request(open_shop, token) -> None:
    shop = open_shop(token(), token("MARKER-token-2"))
    await shop.authorization.prepare(1)
    shop.pass_time(timedelta(minutes=1))
    shop.authorization.reject()
    assert shop.render() == ""
    await shop.authorization.prepare(1)
    assert shop.render().endswith("MARKER-token-2\r\n")
    shop.authorization.reject()  # brand-new: something else is wrong
    assert shop.render().endswith("MARKER-token-2\r\n")


async def test_the_tokens_of_late_are_known_as_secrets_and_nothing_is_shown(open_shop, token) -> None:
    shop = open_shop(*(token(f"MARKER-token-{number}") for number in range(4)))
    for _ in range(4):
        await shop.authorization.prepare(1)
        shop.pass_time(HOUR)
    secrets = shop.authorization.secrets
    assert (secrets[0], secrets[-2:]) == (KEY_ID, ("MARKER-token-2", "MARKER-token-3"))
    assert {line for line in key_lines() if len(line) >= 16} == set(secrets[1:-2])
    assert "MARKER" not in repr(shop.authorization)
    assert not any(line in repr(vars(shop.authorization)) for line in key_lines())


async def test_closing_gives_up_what_is_under_way(open_shop) -> None:
    shop = open_shop(is_gated=True)
    await shop.authorization.aclose()
    shop.authorization.tick()
    await shop.settle()
    await shop.authorization.aclose()
    assert shop.render() == ""
    assert json.dumps(shop.failures) == "[]"
