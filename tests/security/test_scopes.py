"""Section D of the attack cases, rights: what a key may do is decided by its scopes alone, wherever a request says it goes."""

import itertools
import time

import pytest
from tests.security.conftest import BODIES, Exposed, body_of
from tests.security.test_authorization_header import is_without_credentials

from anyrouter.cli import app
from anyrouter.core.scopes import ALL_SCOPES, grants
from anyrouter.policy.endpoints import ENDPOINTS, Endpoint
from support.raw_client import Reply, raw_request

GUARDED = [row for row in ENDPOINTS.values() if not row.is_public]
PLACEHOLDERS = {"{model}": "openai/gpt-4o", "{id}": "gen-0", "{slug}": "writer", "generation": "generation?id=gen-0"}


def path_of(row: Endpoint) -> bytes:
    path = row.root_path or PLACEHOLDERS.get(row.path, row.path)
    for name, value in PLACEHOLDERS.items():
        path = path.replace(name, value) if name.startswith("{") else path
    return (path if path.startswith("/") else f"/api/v1/{path}").encode()


def visit(exposed: Exposed, row: Endpoint, key: str | None, *lines: bytes, host: bytes | None = b"localhost") -> Reply:
    return exposed.ask(raw_request(row.method.encode(), path_of(row), *lines, key=key, host=host, body=body_of(row)))


@pytest.fixture(scope="module")
def keys(_exposed: Exposed) -> dict[str, str]:
    """A key for each scope that has this one alone, and one that has none."""
    made = {scope: _exposed.new_key("--scope", scope) for scope in ALL_SCOPES}
    made[""] = _exposed.new_key()
    _exposed.edit_key(_exposed.id_of(made[""]), scopes=frozenset())
    time.sleep(1)  # it is noticed within that
    return made


@pytest.mark.parametrize("row", GUARDED, ids=lambda row: row.name)
def test_each_route_asks_for_its_scope_and_names_it(exposed: Exposed, keys: dict[str, str], row: Endpoint) -> None:
    for scope, key in keys.items():
        exposed.upstream.received.clear()
        reply = visit(exposed, row, key)
        if row.scope is None or grants(frozenset({scope}), row.scope):
            assert reply.status in ({200, 400, 404} if row.changes_by else {200, 404}), scope
            continue
        assert (reply.status, reply.code) == (403, "insufficient_scope"), scope
        assert row.scope in reply.error["message"]
        assert reply.headers["www-authenticate"] == f'Bearer realm="anyrouter", error="insufficient_scope", scope="{row.scope}"'
        assert exposed.upstream.received == []


@pytest.mark.parametrize("row", GUARDED, ids=lambda row: row.name)
def test_no_route_is_open_without_a_key(exposed: Exposed, row: Endpoint) -> None:
    assert is_without_credentials(exposed, visit(exposed, row, None))


def test_an_admin_scope_is_no_right_to_infer_or_to_read(exposed: Exposed, keys: dict[str, str]) -> None:
    for scope, row in itertools.product(("admin:*", "admin:keys"), GUARDED):
        if row.scope is not None and not grants(frozenset({scope}), row.scope):
            assert visit(exposed, row, keys[scope]).code == "insufficient_scope"


MANAGED = [row for row in GUARDED if row.is_control and row.scope is not None and "{id}" in row.path]


@pytest.mark.parametrize("row", MANAGED, ids=lambda row: row.name)
def test_management_says_the_same_of_what_is_there_and_what_is_not(exposed: Exposed, keys: dict[str, str], row: Endpoint) -> None:
    """Byte for byte, to whoever may not manage: an object's id tells nothing."""
    there = exposed.id_of(keys["admin:*"])
    for key in (None, exposed.live_key, keys[""]):
        bodies = set()
        for named in (there, "key_" + "0" * 32, "x", "%27%20OR%201=1"):
            path = f"/api/v1/{row.path}".replace("{id}", named).encode()
            reply = exposed.ask(raw_request(row.method.encode(), path, key=key, body=body_of(row)))
            assert reply.status == (401 if key is None else 403)
            bodies.add(reply.body)
        assert len(bodies) == 1


@pytest.mark.parametrize("path", ["users", "admin", "keys/key_0/secret", "audit/1", "org/secret", "internal/metrics"])
def test_paths_that_are_not_there_say_the_same_to_everybody(exposed: Exposed, keys: dict[str, str], path: str) -> None:
    bodies = set()
    for key in (None, exposed.live_key, keys["admin:*"], keys[""]):
        for method in (b"GET", b"POST", b"DELETE"):
            reply = exposed.ask(raw_request(method, f"/api/v1/{path}".encode(), key=key, body=b"{}"))
            assert reply.status == 404
            bodies.add(reply.body)
    assert len(bodies) == 1


SCOPES = [
    "admin",
    "admin:",
    "admin:**",
    "admin:*:keys",
    "*",
    "*:*",
    ":",
    "",
    "Completions:Write",
    "COMPLETIONS:WRITE",
    " completions:write ",
    "completions:write\n",
    "admin:*\n",
    "admin:*\0",
    "completions:*",
    "completions",
    "completions:write,admin:*",
    "completions:write admin:*",
    "completions:read",
    "completions:wr\u0131te",
    "../admin:*",
    "a" * 100_000,
]


@pytest.mark.parametrize("scope", SCOPES, ids=lambda text: repr(text[:30]))
def test_a_text_that_is_no_scope_makes_no_key(exposed: Exposed, scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = app.run(["keys", "create", "--name", f"scope {scope[:9]!r}", f"--scope={scope}", "--data-dir", str(exposed.gateway.data_dir)])
    output = capsys.readouterr()
    assert code != 0
    assert "ar-live-" not in output.out
    assert "Traceback" not in output.out + output.err
    assert len(output.err) < 2000


def test_ten_thousand_scopes_make_no_key_and_repeated_ones_count_once(exposed: Exposed, capsys: pytest.CaptureFixture[str]) -> None:
    many = [f"--scope={scope}" for scope in ("completions:write",) * 10_000]
    assert app.run(["keys", "create", "--name", "many", *many, "--data-dir", str(exposed.gateway.data_dir)]) != 0
    assert "ar-live-" not in capsys.readouterr().out
    key = exposed.new_key("--scope", "models:read", "--scope", "models:read")
    assert exposed.ask(raw_request(b"GET", b"/v1/key", key=key)).json["data"]["scopes"] == ["models:read"]


HOSTS = [
    b"x/v1/models?",
    b"a#",
    b"@",
    b"",
    b"evil.example",
    b"/v1/health",
    b"localhost:1/..",
    b"[::1",
    b"a b",
    b"\xff",
    b"a,b",
    b"x" * 5000,
]


@pytest.mark.parametrize("host", HOSTS, ids=repr)
def test_the_host_header_changes_no_decision(exposed: Exposed, keys: dict[str, str], host: bytes) -> None:
    rows = [ENDPOINTS[name] for name in ("chat/completions", "messages", "generateContent", "models", "key", "generation", "activity")]
    for row in rows:
        decided = [visit(exposed, row, key).status for key in (None, exposed.live_key, keys["admin:*"])]
        tricked = [visit(exposed, row, key, host=host).status for key in (None, exposed.live_key, keys["admin:*"])]
        assert tricked in (decided, [400, 400, 400]), row.path


def test_no_host_and_two_hosts_are_400(exposed: Exposed) -> None:
    for row in (ENDPOINTS["chat/completions"], ENDPOINTS["models"]):
        assert visit(exposed, row, exposed.live_key, host=None).status == 400
        assert visit(exposed, row, exposed.live_key, b"Host: localhost").status == 400
        assert visit(exposed, row, exposed.live_key, b"host: evil.example").status == 400


REWRITERS = [
    b"X-Original-URL: /api/v1/health",
    b"X-Rewrite-URL: /api/v1/health",
    b"X-HTTP-Method-Override: GET",
    b"X-Forwarded-Prefix: /health",
    b"X-Forwarded-Host: localhost",
    b"X-Forwarded-Path: /health",
    b"Forwarded: for=127.0.0.1;host=localhost",
    b"X-Real-IP: 127.0.0.1",
]


@pytest.mark.parametrize("line", REWRITERS, ids=lambda line: line.partition(b":")[0].decode())
def test_a_header_that_names_another_path_or_method_changes_nothing(exposed: Exposed, keys: dict[str, str], line: bytes) -> None:
    for row in (ENDPOINTS["chat/completions"], ENDPOINTS["models"], ENDPOINTS["activity"]):
        assert is_without_credentials(exposed, visit(exposed, row, None, line))
        assert visit(exposed, row, keys["admin:*"], line).code == "insufficient_scope"


def test_a_path_is_routed_as_it_is_judged(exposed: Exposed, keys: dict[str, str]) -> None:
    """However a guarded path is spelt: it is refused for what it is, or it is not there; nothing behind it is reached."""
    no_rights = keys["admin:*"]
    for path in (
        b"//api/v1/models",
        b"/api//v1/models",
        b"/api/v1//models",
        b"/api/v1/./models",
        b"/api/v1/x/../models",
        b"/api/v1/health/../models",
        b"/api/v1/%6dodels",
        b"/api/v1/models%2f",
        b"/api%2fv1%2fmodels",
        b"/api/v1/health%2f..%2fmodels",
        b"/api/v1/health/%2e%2e/models",
        b"/api/v1/models;a=b",
        b"/api/v1/models%00",
        b"/api/v1/models%20",
        b"/api/v1/models%0a",
        b"/api/v1/MODELS",
        b"/API/V1/models",
        b"/api/v1/models/",
        b"/api/v1/models//",
        b"/api/v1/models.json",
        b"/api/v1/models%c0%af",
        b"/api/v1/models%",
        b"/api/v1/models%zz",
        b"/v1/v1/models",
        b"/api/api/v1/models",
        b"/api/v1/api/v1/models",
        b"/models",
    ):
        for method, body in ((b"GET", None), (b"HEAD", None), (b"POST", b"{}")):
            reply = exposed.ask(raw_request(method, path, key=no_rights, body=body))
            assert reply.status in {400, 403, 404, 405}, (method, path, reply)
            unknown = exposed.ask(raw_request(method, path, body=body))
            assert unknown.status in {400, 401, 404, 405}, (method, path, unknown)
    assert exposed.upstream.received == []


def test_an_inference_path_is_served_as_it_is_judged(exposed: Exposed, keys: dict[str, str]) -> None:
    for path in (
        b"/v1/chat/completions/",
        b"/v1/chat%2fcompletions",
        b"/v1/%63hat/completions",
        b"/v1/chat/completions?a=b",
        b"/v1/chat/completions%3fa",
        b"/v1/chat/completions#a",
        b"/v1/chat//completions",
        b"/v1/x/../chat/completions",
        b"//v1/chat/completions",
        b"/v1/health/%2e%2e/chat/completions",
        b"/v1/chat/completions%00",
        b"/v1/chat/completions%0d%0aX:y",
        b"/v1/embeddings/../chat/completions",
        b"/v1/chat/completions;x",
        b"/v1/CHAT/completions",
        b"http://localhost/v1/chat/completions",
        b"http:///v1/chat/completions",
        b"localhost/v1/chat/completions",
        b"?/v1/chat/completions",
        b"*",
    ):
        for key in (None, keys["embeddings:write"], keys["admin:*"]):
            reply = exposed.ask(raw_request(b"POST", path, key=key, body=BODIES["chat/completions"]))
            assert reply.status in {400, 401, 403, 404, 405}, (path, reply)
    assert exposed.upstream.received == []
