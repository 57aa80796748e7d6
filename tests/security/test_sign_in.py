"""Attacks on signing in: fixation, guessing, finding out who is known, links that lead elsewhere, what is left lying about."""

import contextlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from urllib.parse import quote

import pytest

from anyrouter.web.pages.cookies import PENDING_COOKIE, SESSION_COOKIE
from support.gateway import GatewayProcess
from support.visitor import PASSWORD, Visitor, join, set_password, set_up_token, words

GUESS = "a guess of somebody else"
CONFIG = '[server]\ntrusted_proxies = ["127.0.0.1"]\n\n[dashboard]\nsession_idle_hours = 2\nsession_days = 3\n'
HOUR_MS = 3_600_000
FLAGS = ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]
_networks = count(1)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """Behind a proxy, so that a test can come from anywhere; it writes down all that it can."""
    process = GatewayProcess(tmp_path_factory.mktemp("sign-in") / "data", config=CONFIG, ANYROUTER_LOGGING__LEVEL="debug")
    join(process, "owner@example.org")
    yield process
    process.stop()
    assert "page failed" not in process.output, process.output


@pytest.fixture
def come(gateway: GatewayProcess) -> Callable[..., Visitor]:
    """Makes a visitor from a network of its own, or from an address."""

    def make(address: str | None = None) -> Visitor:
        number = next(_networks)
        return Visitor(gateway.base_url, address=address or f"198.51.{number // 250}.{number % 250 + 1}")

    return make


def count_sessions(gateway: GatewayProcess) -> int:
    with contextlib.closing(sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=20)) as database:
        return int(database.execute("SELECT count(*) FROM sessions").fetchone()[0])


def age_session(gateway: GatewayProcess, member_id: str, column: str, age_ms: int) -> None:
    """Have the member's sessions look as old as that."""
    with contextlib.closing(sqlite3.connect(gateway.data_dir / "anyrouter.db", timeout=20, isolation_level=None)) as database:
        changed = database.execute(f"UPDATE sessions SET {column} = {column} - ? WHERE member_id = ?", (age_ms, member_id))  # noqa: S608
        assert changed.rowcount > 0


def guess_at_once(guesses: Sequence[tuple[Visitor, str]], password: str = GUESS) -> list[int]:
    """The replies' codes, in the order of their numbers."""
    with ThreadPoolExecutor(16) as threads:
        return sorted(threads.map(lambda guess: guess[0].sign_in(guess[1], password).status_code, guesses))


# Sessions


def test_a_session_that_somebody_planted_is_not_the_one_that_is_begun(gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    visitor = come()
    visitor.cookies = {SESSION_COOKIE: "A" * 43, PENDING_COOKIE: "B" * 43}
    visitor.sign_in("owner@example.org")
    assert visitor.token is not None
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", visitor.token)
    assert visitor.token != "A" * 43
    assert PENDING_COOKIE not in visitor.cookies


def test_each_sign_in_begins_a_session_and_ends_the_one_that_the_browser_came_with(come: Callable[..., Visitor]) -> None:
    visitor, other = come(), come()
    visitor.sign_in("owner@example.org")
    first = str(visitor.token)
    visitor.sign_in("owner@example.org")
    assert visitor.token != first
    other.cookies = {SESSION_COOKIE: first}
    assert not other.can_enter()
    assert visitor.can_enter()


def test_the_cookie_is_for_this_host_over_tls_and_for_no_script(come: Callable[..., Visitor]) -> None:
    visitor = come()
    visitor.sign_in("owner@example.org")
    (line,) = visitor.lines
    name, *flags = line.split("; ")
    assert name.startswith("__Host-")
    assert sorted(flags) == sorted([*FLAGS, f"Max-Age={3 * 24 * 3600}"])
    visitor.post("/logout")
    (line,) = visitor.lines
    assert sorted(line.split("; ")[1:]) == sorted([*FLAGS, "Max-Age=0"])


@pytest.mark.parametrize(
    "cookie",
    ["anyrouter-session={}", "__Secure-anyrouter-session={}", "__Host-anyrouter-pending={}", "__host-anyrouter-session={}"],
)
def test_a_token_under_another_name_is_none(cookie: str, come: Callable[..., Visitor]) -> None:
    visitor = come()
    visitor.sign_in("owner@example.org")
    token, visitor.cookies = str(visitor.token), {}
    assert visitor.get("/dashboard", cookie=cookie.format(token)).status_code == 303
    assert visitor.get("/dashboard", authorization=f"Bearer {token}").status_code == 303
    assert visitor.get(f"/dashboard?{SESSION_COOKIE}={token}").status_code == 303
    assert visitor.get("/dashboard", cookie=f"{SESSION_COOKIE}={token}").status_code == 200


def test_a_token_opens_nothing_of_the_api(come: Callable[..., Visitor]) -> None:
    visitor = come()
    visitor.sign_in("owner@example.org")
    token, visitor.cookies = str(visitor.token), {}
    for headers in ({"authorization": f"Bearer {token}"}, {"x_api_key": token}):
        assert visitor.get("/api/v1/keys", **headers).status_code == 401
    key = "ar-live-" + token
    assert visitor.get("/dashboard", cookie=f"{SESSION_COOKIE}={key}").status_code == 303


def test_after_signing_out_the_token_is_worth_nothing(come: Callable[..., Visitor]) -> None:
    visitor = come()
    visitor.sign_in("owner@example.org")
    kept = dict(visitor.cookies)
    visitor.post("/logout")
    visitor.cookies = kept
    reply = visitor.get("/dashboard")
    assert (reply.status_code, reply.headers["location"]) == (303, "/login?next=%2Fdashboard")


@pytest.mark.parametrize(
    ("column", "age_ms", "holds"),
    [
        ("last_seen_at_ms", 2 * HOUR_MS - 60_000, True),
        ("last_seen_at_ms", 2 * HOUR_MS, False),
        ("created_at_ms", 3 * 24 * HOUR_MS - 60_000, True),
        ("created_at_ms", 3 * 24 * HOUR_MS, False),
        ("expires_at_ms", 3 * 24 * HOUR_MS, False),
    ],
)
def test_a_session_ends_unused_and_after_its_days(
    column: str, age_ms: int, holds: bool, gateway: GatewayProcess, come: Callable[..., Visitor]
) -> None:
    email = f"old{next(_networks)}@example.org"
    member_id, visitor = join(gateway, email, "viewer"), come()
    visitor.sign_in(email)
    age_session(gateway, member_id, column, age_ms)
    assert visitor.can_enter() is holds


def test_the_end_of_a_membership_ends_its_sessions_at_once(gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    join(gateway, "leaver@example.org", "admin")
    visitor = come()
    visitor.sign_in("leaver@example.org")
    assert visitor.can_enter()
    gateway.command("org", "remove-member", "leaver@example.org")
    assert not visitor.can_enter()
    assert visitor.sign_in("leaver@example.org").status_code == 403
    gateway.command("org", "add-member", "leaver@example.org", "--role", "viewer")
    assert not visitor.can_enter()


def test_a_suspended_organisation_ends_its_sessions_at_once(gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    org = gateway.command("org", "create", "Suspended")["data"]["id"]
    join(gateway, "there@example.org", org=org)
    visitor = come()
    visitor.sign_in("there@example.org")
    gateway.command("org", "disable", org)
    assert not visitor.can_enter()
    assert visitor.sign_in("there@example.org").status_code == 403


def test_a_role_that_was_taken_away_holds_for_no_request_more(gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    join(gateway, "changing@example.org", "admin")
    visitor = come()
    visitor.sign_in("changing@example.org")
    assert visitor.get("/dashboard/settings/byok/new?provider=openai").status_code == 200
    gateway.command("org", "change-member", "changing@example.org", "--role", "billing")
    assert visitor.get("/dashboard/settings/byok/new?provider=openai").status_code == 403
    assert visitor.can_enter()


def test_a_new_password_ends_the_sessions_that_the_old_one_began(gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    join(gateway, "hacked@example.org", "viewer")
    thief = come()
    thief.sign_in("hacked@example.org")
    assert thief.can_enter()
    set_password(gateway, "hacked@example.org", "another password than before")
    assert not thief.can_enter()
    assert thief.sign_in("hacked@example.org").status_code == 403


# Forms from elsewhere


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site", "origin": "https://evil.example"},
        {"sec_fetch_site": "same-site", "origin": "https://other.example.org"},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "", "origin": ""},
        {"sec_fetch_site": "same-origin", "origin": "null"},
        {"sec_fetch_site": "same-origin", "origin": "http://127.0.0.1"},
        {"sec_fetch_site": "same-origin", "origin": "https://evil.example", "host": "127.0.0.1"},
        {"sec_fetch_site": "same-origin, same-origin"},
    ],
    ids=str,
)
def test_a_form_from_elsewhere_signs_nobody_in_or_out(
    headers: dict[str, str], gateway: GatewayProcess, come: Callable[..., Visitor]
) -> None:
    visitor, victim = come(), come()
    victim.sign_in("owner@example.org")
    sessions = count_sessions(gateway)
    right = {"email": "owner@example.org", "password": PASSWORD}
    for path, fields in (("/login", right), ("/logout", {}), ("/setup", right), ("/invite", right), ("/reset", right)):
        assert (visitor.post(path, fields, **headers).status_code, visitor.lines) == (403, []), path
        assert (victim.post(path, fields, **headers).status_code, victim.lines) == (403, []), path
    assert count_sessions(gateway) == sessions
    assert victim.can_enter()


def test_nobody_is_signed_in_or_out_by_a_link(come: Callable[..., Visitor]) -> None:
    visitor = come()
    visitor.get(f"/login?email=owner@example.org&password={PASSWORD}")
    assert visitor.lines == []
    visitor.sign_in("owner@example.org")
    assert visitor.get("/logout").status_code == 405
    assert visitor.can_enter()


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data; boundary=x"])
def test_a_body_that_is_no_form_signs_nobody_in(kind: str, come: Callable[..., Visitor]) -> None:
    visitor = come()
    reply = visitor.post("/login", {"email": "owner@example.org", "password": PASSWORD}, content_type=kind)
    assert (reply.status_code, visitor.lines) == (415, [])


# Guessing


def test_ten_guesses_from_a_network_are_enough_and_the_right_one_is_not_taken_either(
    gateway: GatewayProcess, come: Callable[..., Visitor]
) -> None:
    join(gateway, "guessed@example.org", "viewer")
    visitor = come()
    assert {visitor.sign_in("guessed@example.org", GUESS).status_code for _ in range(10)} == {403}
    for password in (GUESS, PASSWORD):
        reply = visitor.sign_in("GUESSED@example.org ", password)
        assert (reply.status_code, visitor.lines) == (429, [])
        assert 0 < int(reply.headers["retry-after"]) <= 900
        assert "Try again in 15 minutes" in words(reply)
        assert 'value="GUESSED@example.org"' in reply.text
    assert visitor.sign_in("owner@example.org").status_code == 303
    assert come().sign_in("guessed@example.org").status_code == 303


def test_guesses_from_everywhere_stop_at_a_hundred_and_do_not_lock_out_who_was_there_before(
    gateway: GatewayProcess, come: Callable[..., Visitor]
) -> None:
    join(gateway, "popular@example.org", "viewer")
    known = come()
    assert known.sign_in("popular@example.org").status_code == 303
    known.post("/logout")
    guesses = [(come(f"203.0.{number}.1"), "popular@example.org") for number in range(103)]
    assert guess_at_once(guesses) == [403] * 100 + [429] * 3
    assert come().sign_in("popular@example.org").status_code == 429
    assert known.sign_in("popular@example.org").status_code == 303


def test_one_network_guesses_a_hundred_times_whoever_it_guesses_at(come: Callable[..., Visitor]) -> None:
    guesses = [(come(f"2001:db8:7:7::{number:x}"), f"somebody{number}@example.org") for number in range(1, 104)]
    assert guess_at_once(guesses) == [403] * 100 + [429] * 3
    assert come("2001:db8:7:7:ffff::1").sign_in("owner@example.org").status_code == 429
    assert come("2001:db8:7:8::1").sign_in("owner@example.org").status_code == 303


def test_there_is_no_password_that_everybody_knows(come: Callable[..., Visitor]) -> None:
    names = ("admin", "admin@example.org", "root", "owner@example.org")
    for password in ("admin", "password", "anyrouter", ""):
        assert guess_at_once([(come(), name) for name in names], password) == [403] * 4
    assert come().get("/setup").status_code == 404


# Who is known


def test_the_reply_does_not_tell_who_is_known_nor_does_its_time(gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    org = gateway.command("org", "create", "Gone")["data"]["id"]
    other = gateway.command("org", "create", "Other")["data"]["id"]
    join(gateway, "gone@example.org", org=org)
    gateway.command("org", "disable", org)
    gateway.command("org", "add-member", "empty@example.org", "--role", "viewer")
    gateway.command("org", "invite", "asked@example.org")
    for place in ("org_default", other):
        join(gateway, "twice@example.org", "viewer", org=place)
    names = ("owner", "nobody", "gone", "empty", "asked", "twice")
    said, headers, took_s = set(), set(), {}
    for name in names:
        visitor, begun = come(), time.monotonic()
        reply = visitor.sign_in(f"{name}@example.org", GUESS)
        took_s[name] = time.monotonic() - begun
        said.add(reply.text.replace(f"{name}@example.org", "…"))
        headers.add((reply.status_code, frozenset(reply.headers) - {"content-length"}))
    assert (len(said), len(headers)) == (1, 1)
    assert min(took_s.values()) > 0.2  # what an address costs is done before every failure is told


# Links that lead elsewhere


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n//evil.example",
        "/\r\nset-cookie: x=y",
        "javascript:alert(1)",
        " //evil.example",
        "dashboard",
        "",
        "/\N{FULLWIDTH SOLIDUS}/evil.example",
        "///evil.example",
    ],
)
def test_nobody_is_led_to_another_site(path: str, come: Callable[..., Visitor]) -> None:
    visitor = come()
    reply = visitor.sign_in("owner@example.org", next=path)
    assert reply.headers["location"] == "/login/arrived?next=%2Fdashboard"
    assert "x=y" not in str(visitor.lines)
    for page in ("/login", "/login/arrived"):
        led = visitor.get(f"{page}?next={quote(path)}")
        assert led.headers["location"] == "/dashboard"
    assert "evil" not in come().get("/login?next=https://evil.example/").text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "evil.example/@127.0.0.1", "127.0.0.1@evil.example", "<script>"])
def test_the_host_that_a_request_names_is_no_part_of_a_link(host: str, gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    visitor = come()
    for path in ("/", "/dashboard", "/login", "/nowhere", "/dashboard/nowhere"):
        reply = visitor.get(path, host=host, x_forwarded_host="evil.example")
        assert "evil.example" not in reply.headers.get("location", "")
        assert not re.search(r"""(?:href|action|src)="[^"]*evil""", reply.text)
    made = gateway.command("org", "members", "link", "owner@example.org")
    assert made["link"].startswith("http://127.0.0.1:8080/reset?token=")


# What is said besides


@pytest.mark.parametrize("path", ["/login", "/login?done=signed-out", "/setup?token=x", "/invite?token=x", "/reset?token=x", "/dashboard"])
def test_no_page_is_framed_kept_or_tells_where_one_comes_from(path: str, come: Callable[..., Visitor]) -> None:
    reply = come().get(path)
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert "form-action 'self'" in reply.headers["content-security-policy"]
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["referrer-policy"] == "same-origin"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "strict-transport-security" not in reply.headers
    secure = come().get(path, x_forwarded_proto="https")
    assert secure.headers["strict-transport-security"] == "max-age=31536000"


def test_over_tls_nothing_is_asked_of_the_browser_twice(come: Callable[..., Visitor]) -> None:
    visitor = come()
    fields = {"email": "owner@example.org", "password": PASSWORD, "next": "/dashboard/keys"}
    reply = visitor.post("/login", fields, x_forwarded_proto="https", host="gateway.example", origin="https://gateway.example")
    assert (reply.status_code, reply.headers["location"]) == (303, "/dashboard/keys")
    wrong = visitor.post("/login", fields, x_forwarded_proto="https", host="gateway.example", origin="http://gateway.example")
    assert wrong.status_code == 403


def test_no_log_record_or_table_has_what_lets_somebody_in(gateway: GatewayProcess, come: Callable[..., Visitor]) -> None:
    before = set_up_token(gateway)
    gateway.command("org", "add-member", "quiet@example.org", "--role", "viewer")
    link = gateway.command("org", "members", "link", "quiet@example.org")["token"]
    invitation = gateway.command("org", "invite", "quieter@example.org")["token"]
    secret, visitor = "MARKER words that nobody may read", come()
    visitor.get(f"/reset?token={link}")
    visitor.post("/reset", {"token": link, "password": "short"})
    visitor.post("/reset", {"token": link, "password": secret})
    tokens = [str(visitor.token)]
    visitor.post("/logout")
    visitor.sign_in("quiet@example.org", secret + "!")
    visitor.sign_in("quiet@example.org", secret)
    tokens.append(str(visitor.token))
    come().get(f"/invite?token={invitation}", referer=f"{gateway.base_url}/invite?token={invitation}")
    come().post("/invite", {"token": invitation, "email": "quieter@example.org", "password": secret})
    come().post("/setup", {"token": before, "email": "eve@example.org", "password": secret})
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        events = gateway.command("audit", "list", "--limit", "500")["data"]
        denied = [row for row in events if row["action"] == "session.denied" and row["target_label"] == "quiet@example.org"]
        if denied:
            break
        time.sleep(0.05)
    (event,) = denied
    assert (event["actor"]["kind"], event["denied"]) == ("anonymous", True)

    kept = b"".join(path.read_bytes() for path in gateway.data_dir.rglob("*") if path.is_file())
    assert b"$argon2id$v=19$m=19456,t=2,p=1$" in kept
    printed = gateway.output.replace(f"/setup?token={before}", "", 1)  # where it is meant to be, once
    for text in (secret, "MARKER", link, invitation, before, *tokens):
        assert text.encode() not in kept
        assert text not in printed
        assert text not in str(events)
