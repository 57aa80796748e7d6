"""Section F of the attack cases, through the whole gateway: keys that are made and changed by keys."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.security.conftest import Exposed
from tests.security.test_key_state import is_soon

from support.raw_client import Reply, raw_request

MISSING = "key_" + "0" * 32
NAMES = ['<script>alert("MARKER")</script>', "=cmd|' /C calc'!A0", "@SUM(1)", "+1", "-1", "{{7*7}}", "${jndi:ldap://x}", "%s%n", "a\\u0000"]


@pytest.fixture(scope="module")
def admins() -> dict[str, str]:
    return {}


@pytest.fixture
def admin(exposed: Exposed, admins: dict[str, str]) -> str:
    """A key that manages keys of `test`, restricted in every way that there is and that still lets it ask."""
    if "narrow" not in admins:
        restrictions = ("--model", "openai/*", "--rpm", "6000", "--expires", "1d", "--limit", "5", "--allow-ip", "127.0.0.0/8")
        paths = [argument for path in ("keys", "keys/{id}", "keys/{id}/rotate", "models", "key") for argument in ("--endpoint", path)]
        admins["narrow"] = exposed.new_key("--env", "test", "--scope", "admin:keys", *restrictions, *paths)
    return admins["narrow"]


@pytest.fixture
def free_admin(exposed: Exposed, admins: dict[str, str]) -> str:
    """A key of `live` that manages keys and is not restricted."""
    if "free" not in admins:
        admins["free"] = exposed.new_key("--scope", "admin:keys")
    return admins["free"]


def ask(exposed: Exposed, method: str, path: str, key: str, body: Any = None, *lines: bytes) -> Reply:
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    return exposed.ask(raw_request(method.encode(), f"/api/v1{path}".encode(), *lines, key=key, body=data), method.encode())


def make(exposed: Exposed, key: str, **fields: Any) -> dict[str, Any]:
    reply = ask(exposed, "POST", "/keys", key, {"name": f"made {os.urandom(6).hex()}", **fields})
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.json
    return made


def within(**fields: Any) -> dict[str, Any]:
    """What the narrow key may give."""
    allowed = {"models": ["openai/gpt-4o"], "rate_limit_rpm": 6000, "expires_at": "23h", "limit": 5, "endpoints": ["models"]}
    return allowed | {"allowed_ips": ["127.0.0.1"]} | fields


@pytest.mark.parametrize(
    ("wider", "param"),
    [
        ({"scopes": ["admin:*"]}, "scopes"),
        ({"scopes": ["admin:byok"]}, "scopes"),
        ({"endpoints": ["models", "chat/completions"]}, "endpoints"),
        ({"endpoints": None}, "endpoints"),
        ({"models": ["anthropic/*"]}, "models"),
        ({"models": ["openai/gpt-4o", "openaix/gpt-4o"]}, "models"),
        ({"models": None}, "models"),
        ({"rate_limit_rpm": 6001}, "rate_limit_rpm"),
        ({"rate_limit_rpm": None}, "rate_limit_rpm"),
        ({"expires_at": "25h"}, "expires_at"),
        ({"expires_at": None}, "expires_at"),
        ({"limit": 5.000000001}, "limit"),
        ({"limit": None}, "limit"),
        ({"limit_reset": "daily"}, "limit_reset"),
        ({"allowed_ips": ["0.0.0.0/0"]}, "allowed_ips"),
        ({"allowed_ips": ["::/0"]}, "allowed_ips"),
        ({"allowed_ips": None}, "allowed_ips"),
        ({"environment": "live"}, "environment"),
    ],
)
def test_a_key_with_more_than_its_maker_is_not_made(exposed: Exposed, admin: str, wider: dict[str, Any], param: str) -> None:
    reply = ask(exposed, "POST", "/keys", admin, {"name": "wider", **within(**wider)})
    assert (reply.status, reply.error["type"], reply.error["param"]) == (403, "permission_error", param), reply.body


def test_patterns_over_all_endpoints_are_no_endpoints(exposed: Exposed, free_admin: str) -> None:
    for pattern in ("/*", "*", "chat/*", "/api/v1/*", "chat/completions/..", "%2e"):
        reply = ask(exposed, "POST", "/keys", free_admin, {"name": "pattern", "endpoints": [pattern]})
        assert (reply.status, reply.error["param"]) == (400, "endpoints"), pattern


def test_a_key_does_not_widen_itself(exposed: Exposed, admin: str) -> None:
    own = exposed.id_of(admin)
    for wider in ({"scopes": ["admin:keys", "admin:org"]}, {"models": None}, {"expires_at": None}, {"limit": 6}, {"rate_limit_rpm": 6001}):
        reply = ask(exposed, "PATCH", f"/keys/{own}", admin, wider)
        assert reply.status == 403, (wider, reply.body)
    assert exposed.find_key(own).version == 1


@pytest.mark.parametrize(
    "field", ["organisation_id", "org_id", "hash", "id", "created_by", "spend", "usage", "is_admin", "prefix", "label", "can_reveal"]
)
def test_what_a_key_is_cannot_be_assigned(exposed: Exposed, free_admin: str, field: str) -> None:
    made = make(exposed, free_admin, name=f"assign {field}")
    for method, path in (("POST", "/keys"), ("PATCH", f"/keys/{made['data']['id']}")):
        reply = ask(exposed, method, path, free_admin, {"name": "x", field: "MARKER"})
        assert (reply.status, reply.error["param"]) == (400, field)


@pytest.mark.parametrize("value", ["-1", "1e308", '"60"', "9223372036854775808", "true", "6.5", "NaN", "Infinity", "[60]", "-0.0"])
def test_a_limit_is_a_whole_number_or_null(exposed: Exposed, free_admin: str, value: str) -> None:
    for name in ("rate_limit_rpm", "rate_limit_tpm", "rate_limit_rpd", "concurrency"):
        body = f'{{"name": "limit {name}", "{name}": {value}}}'.encode()
        reply = ask(exposed, "POST", "/keys", free_admin, body)
        assert reply.status == 400, (name, reply.body)


def test_null_inherits_and_zero_blocks(exposed: Exposed, free_admin: str) -> None:
    inherits = make(exposed, free_admin, name="null", rate_limit_rpm=None)
    assert exposed.chat(key=inherits["key"]).status == 200
    blocked = make(exposed, free_admin, name="zero", rate_limit_rpm=0)
    assert exposed.chat(key=blocked["key"]).status == 429


def test_names_are_data_wherever_they_are_shown(exposed: Exposed, free_admin: str) -> None:
    for name in NAMES:
        made = make(exposed, free_admin, name=name)
        shown = ask(exposed, "GET", f"/keys/{made['data']['id']}", free_admin)
        assert shown.json["data"]["name"] == name
        assert shown.headers["content-type"] == "application/json"
        assert exposed.gateway.command("keys", "show", made["data"]["id"])["data"]["name"] == name


@pytest.mark.parametrize("name", ["a\x00b", "a\u202eb", "a\x1b[31m", "", " ", "x" * 101, "\ud800", "a\nb"])
def test_names_that_play_tricks_are_refused(exposed: Exposed, free_admin: str, name: str) -> None:
    reply = ask(exposed, "POST", "/keys", free_admin, json.dumps({"name": name}).encode())
    assert reply.status == 400


def test_a_name_of_ten_megabytes_is_not_read(exposed: Exposed, free_admin: str) -> None:
    reply = ask(exposed, "POST", "/keys", free_admin, {"name": "x" * 300_000})
    assert (reply.status, reply.code) == (413, "body_too_large")


def test_no_cookie_and_no_form_makes_a_key(exposed: Exposed, free_admin: str) -> None:
    """What a browser sends for a foreign page: cookies, and a body without a type of its own."""
    cookie = b"Cookie: key=%s; authorization=Bearer %s" % (free_admin.encode(), free_admin.encode())
    reply = exposed.ask(raw_request(b"POST", b"/api/v1/keys", cookie, body=b'{"name": "forged"}'))
    assert (reply.status, reply.code) == (401, "missing_api_key")
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data"):
        raw = raw_request(b"POST", b"/api/v1/keys", b"Content-Type: " + kind, key=free_admin, body=b'{"name": "forged"}')
        assert exposed.ask(raw).status in {400, 415}


def test_the_text_appears_in_the_reply_that_makes_the_key_and_nowhere_else(exposed: Exposed, free_admin: str) -> None:
    made = make(exposed, free_admin, name="once")
    key_id, text = made["data"]["id"], made["key"]
    assert exposed.chat(key=text).status == 200
    rotated = ask(exposed, "POST", f"/keys/{key_id}/rotate", free_admin, {"grace_seconds": 60}).json
    for path in ("/keys?limit=1000", f"/keys/{key_id}", f"/keys/{rotated['data']['id']}"):
        shown = ask(exposed, "GET", path, free_admin).body
        assert text.encode() not in shown
        assert rotated["key"].encode() not in shown
    files = b"".join(path.read_bytes() for path in exposed.gateway.data_dir.rglob("*") if path.is_file())
    for secret in (text, rotated["key"]):
        assert secret.encode() not in files


def test_a_repeated_request_gets_the_first_reply_without_the_text(exposed: Exposed, free_admin: str) -> None:
    line = b"Idempotency-Key: made once"
    first, again = (ask(exposed, "POST", "/keys", free_admin, {"name": "idempotent"}, line) for _ in range(2))
    assert (first.status, again.status, again.headers["idempotency-replayed"]) == (201, 201, "true")
    assert again.json == {"data": first.json["data"], "key": None}


def test_the_key_in_use_is_not_ended_by_mistake(exposed: Exposed, free_admin: str) -> None:
    own = exposed.id_of(free_admin)
    for method, path, body in (("DELETE", "", None), ("POST", "/disable", None), ("PATCH", "", {"disabled": True})):
        reply = ask(exposed, method, f"/keys/{own}{path}", free_admin, body)
        assert (reply.status, reply.code) == (422, "unprocessable")
    assert exposed.id_of(free_admin) == own


def test_a_foreign_key_is_as_absent_as_one_that_never_was(exposed: Exposed, admin: str) -> None:
    foreign = exposed.id_of(exposed.live_key)
    for method, rest, body in (("GET", "", None), ("PATCH", "", {"name": "x"}), ("DELETE", "", None), ("POST", "/rotate", {})):
        seen = {
            (reply.status, reply.body) for reply in (ask(exposed, method, f"/keys/{one}{rest}", admin, body) for one in (foreign, MISSING))
        }
        assert len(seen) == 1
        assert next(iter(seen))[0] == 404


def test_reading_never_changes_anything(exposed: Exposed, free_admin: str) -> None:
    made = make(exposed, free_admin, name="read")
    key_id = made["data"]["id"]
    for path in (
        f"/keys/{key_id}/rotate",
        f"/keys/{key_id}/disable",
        f"/keys/{key_id}/enable",
        f"/keys/{key_id}?disabled=true",
        "/keys?name=x",
    ):
        for method in ("GET", "HEAD"):
            assert ask(exposed, method, path, free_admin).status in {200, 405}
    assert exposed.find_key(key_id).version == 1


def test_many_at_once_get_one_key_of_a_name(exposed: Exposed, free_admin: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        replies = list(threads.map(lambda _: ask(exposed, "POST", "/keys", free_admin, {"name": "one of many"}), range(8)))
    assert sorted(reply.status for reply in replies) == [201] + [409] * 7


def test_whoever_holds_a_key_ends_it_within_a_second(exposed: Exposed, free_admin: str) -> None:
    made = make(exposed, free_admin, name="leaked")
    bodies = [{"keys": [made["key"], "x"]}, {"keys": ["ar-live-" + "0" * 45]}]
    # From an address of its own: an hour's calls are counted by address, and the gateway is many tests'.
    replies = [
        exposed.ask(raw_request(b"POST", b"/api/v1/keys/revoke", body=json.dumps(body).encode()), source="127.0.0.21") for body in bodies
    ]
    assert {(reply.status, reply.body) for reply in replies} == {(202, b'{"accepted":true}')}
    assert is_soon(exposed, made["key"], (401, "invalid_api_key"))


def test_changes_at_once_that_name_no_version_are_all_made_and_none_is_told_of_versions(exposed: Exposed, free_admin: str) -> None:
    key_id = make(exposed, free_admin)["data"]["id"]
    with ThreadPoolExecutor(17) as pool:
        changes = [pool.submit(ask, exposed, "PATCH", f"/keys/{key_id}", free_admin, {"rate_limit_rpm": rpm}) for rpm in range(1, 17)]
        ended = pool.submit(ask, exposed, "POST", f"/keys/{key_id}/disable", free_admin)
        assert ended.result().status == 200, ended.result().body
        assert [change.result().status for change in changes] == [200] * 16
    assert exposed.find_key(key_id).version == 18


def test_a_rotation_amid_changes_is_made_and_has_the_last_one_before_it(exposed: Exposed, free_admin: str) -> None:
    key_id = make(exposed, free_admin)["data"]["id"]
    with ThreadPoolExecutor(9) as pool:
        changes = [pool.submit(ask, exposed, "PATCH", f"/keys/{key_id}", free_admin, {"rate_limit_rpm": rpm}) for rpm in range(1, 9)]
        rotated = pool.submit(ask, exposed, "POST", f"/keys/{key_id}/rotate", free_admin, {})
        assert rotated.result().status == 201, rotated.result().body
        assert [change.result().status for change in changes] == [200] * 8
    again = ask(exposed, "POST", f"/keys/{key_id}/rotate", free_admin, {})
    assert (again.status, again.json["error"]["code"]) == (409, "rotation_in_progress")
