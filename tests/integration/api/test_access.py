"""Who may read what: attack-cases A to D on the reading routes."""

from datetime import UTC, datetime, timedelta
from typing import Any

from anyrouter.core import keys, scopes
from anyrouter.core.audit import OPERATOR
from anyrouter.core.errors import StorageUnavailable
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.rights import OPERATOR_RIGHTS
from support.operator_keys import WHO

GUARDED = [row for row in ENDPOINTS.values() if not row.is_public and not row.is_inference]
ANONYMOUS = 'Bearer realm="anyrouter"'
BAD_TOKEN = 'Bearer realm="anyrouter", error="invalid_token"'


def path_of(row: Any) -> str:
    path: str = row.public_path.replace("{model}", "openai/gpt-4o").replace("{id}", "gen-1").replace("{slug}", "writer")
    return f"{path}?id=gen-1" if row.path == "generation" else path


def code_of(reply: Any, row: Any) -> str:
    """The stable code, wherever the row's envelope has it."""
    error = reply.json()["error"]
    if row.dialect != "gemini":
        return str(error["code"])
    assert error["code"] == reply.status_code
    return str(error["details"][0]["metadata"]["code"])


async def ask(world: Any, row: Any, headers: dict[str, str] | None = None) -> Any:
    return await world.client.request(row.method, path_of(row), headers=headers, json={} if row.changes_by else None)


async def test_without_credentials_every_route_answers_401_without_an_error_code(world: Any) -> None:
    for row in GUARDED:
        reply = await ask(world, row)
        assert (reply.status_code, reply.headers["www-authenticate"]) == (401, ANONYMOUS), row.path
        assert code_of(reply, row) == "missing_api_key"


async def test_a_key_without_the_scope_is_403_naming_it_and_one_with_it_alone_is_let_in(world: Any) -> None:
    nearly: dict[str, dict[str, str]] = {}
    for scope in {row.scope for row in GUARDED if row.scope}:
        holding = {scope, scopes.ADMIN_ALL} if scope.startswith("admin:") else {scope}
        nearly[scope] = (await world.make_key(scopes=[other for other in scopes.ALL_SCOPES if other not in holding]))[1]
    exactly = {scope: (await world.make_key(scopes=[scope]))[1] for scope in nearly}
    for row in GUARDED:
        if row.scope is None:
            continue
        reply = await ask(world, row, nearly[row.scope])
        assert (reply.status_code, code_of(reply, row)) == (403, "insufficient_scope"), row.path
        assert reply.headers["www-authenticate"] == f'Bearer realm="anyrouter", error="insufficient_scope", scope="{row.scope}"'
        assert row.scope in reply.json()["error"]["message"]
        expected = (200, 400, 404) if row.changes_by else (200, 404)
        if row.name != "POST credits/grants":  # nobody who asks for it by a key gets it
            assert (await ask(world, row, exactly[row.scope])).status_code in expected, row.name


async def test_any_valid_key_may_ask_about_itself(world: Any) -> None:
    for scope in scopes.ALL_SCOPES:
        _, headers = await world.make_key(scopes=[scope])
        for path in ("/key", "/auth/key"):
            assert (await world.get(path, headers)).status_code == 200


NO_KEYS = {
    keys.DOCUMENTATION_KEY: "documentation_key",
    "sk-MARKER-openai-0123456789": "malformed_api_key",
    "sk-ant-MARKER-0123456789": "malformed_api_key",
    "ghp_MARKER0123456789": "malformed_api_key",
    "ar-live-MARKER": "malformed_api_key",
    "' OR 1=1--MARKER": "malformed_api_key",
    "${jndi:ldap://MARKER}": "malformed_api_key",
    "{0.__class__}MARKER": "malformed_api_key",
    "key_MARKER0123456789": "malformed_api_key",
    "MARKER" * 200: "malformed_api_key",
}


async def test_a_text_that_is_no_key_is_401_and_comes_back_in_nothing(world: Any) -> None:
    for text, code in NO_KEYS.items():
        reply = await world.get("/key", {"Authorization": f"Bearer {text}"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, code), text
        assert reply.headers["www-authenticate"] == BAD_TOKEN
        assert text not in reply.text
        assert "MARKER" not in reply.text


async def test_an_unknown_a_disabled_and_a_deleted_key_are_401(world: Any) -> None:
    unknown = {"Authorization": f"Bearer {keys.generate('live')}"}
    key, headers = await world.make_key()
    assert (await world.get("/key", headers)).status_code == 200
    await world.keys.disable(key.id, **WHO)
    disabled = await world.get("/key", headers)
    await world.keys.enable(key.id, **WHO)
    assert (await world.get("/key", headers)).status_code == 200
    await world.keys.delete(key.id, **WHO)
    deleted, never = await world.get("/key", headers), await world.get("/key", unknown)
    assert [reply.json()["error"]["code"] for reply in (disabled, deleted, never)] == [
        "disabled_api_key",
        "invalid_api_key",
        "invalid_api_key",
    ]
    assert deleted.content == never.content
    assert {reply.headers["www-authenticate"] for reply in (disabled, deleted, never)} == {BAD_TOKEN}


async def test_a_key_that_expires_now_is_expired_and_one_that_is_about_to_says_so(world: Any) -> None:
    base = datetime.now(UTC).replace(microsecond=0)
    _, headers = await world.make_key(expires_at=base + timedelta(days=1))
    world.clock.now = base + timedelta(days=1) - timedelta(milliseconds=1)
    reply = await world.get("/key", headers)
    assert reply.status_code == 200
    assert reply.headers["anyrouter-key-expires"] == (base + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    world.clock.now = base + timedelta(days=1)
    reply = await world.get("/key", headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "expired_api_key")


async def test_a_key_that_expires_much_later_does_not_say_so(world: Any) -> None:
    _, headers = await world.make_key(expires_at=datetime.now(UTC) + timedelta(days=15))
    assert "anyrouter-key-expires" not in (await world.get("/key", headers)).headers


async def test_credentials_anywhere_but_in_their_headers_are_ignored(world: Any) -> None:
    _, headers = await world.make_key()
    text = headers["Authorization"].removeprefix("Bearer ")
    for name in ("api_key", "key", "access_token"):
        reply = await world.get("/models", params={name: text})
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "missing_api_key")
        assert text not in reply.text
    reply = await world.get("/models", {"Cookie": f"session={text}; api_key={text}"})
    assert reply.status_code == 401


async def test_both_headers_pass_when_they_are_equal_and_are_400_when_not(world: Any) -> None:
    _, one = await world.make_key()
    _, two = await world.make_key()
    text = one["Authorization"].removeprefix("Bearer ")
    assert (await world.get("/key", {"x-api-key": text})).status_code == 200
    assert (await world.get("/key", one | {"x-api-key": text})).status_code == 200
    conflicts = [
        one | {"x-api-key": two["Authorization"].removeprefix("Bearer ")},
        [("Authorization", one["Authorization"]), ("Authorization", two["Authorization"])],
        [("Authorization", one["Authorization"]), ("Authorization", one["Authorization"])],
        [("x-api-key", text), ("x-api-key", text)],
        {"Authorization": f"{one['Authorization']}, {two['Authorization']}"},
    ]
    for headers in conflicts:
        reply = await world.get("/key", headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (400, "conflicting_credentials")


async def test_what_a_client_says_of_itself_or_of_the_host_changes_nothing(world: Any) -> None:
    _, headers = await world.make_key(scopes=["models:read"])
    claims = {"X-Forwarded-User": "root", "X-User-Id": "1", "X-Org-Id": "org_other", "X-AnyRouter-Org": "org_other"}
    for host in ("gateway", "x/api/v1/models?", "a#", "a@b", "", "/api/v1/health"):
        assert (await world.get("/credits", headers | claims | {"Host": host})).status_code == 403
        assert (await world.get("/models/count", headers | claims | {"Host": host})).status_code == 200
        assert (await world.get("/models/count", claims | {"Host": host})).status_code == 401


async def test_a_store_that_does_not_answer_is_503_and_never_401(world: Any) -> None:
    class Down:
        async def find_by_digest(self, *_: Any) -> Any:
            raise StorageUnavailable("down", internal="MARKER-internal")

        async def read_totals(self, *_: Any) -> Any:
            raise StorageUnavailable("down", internal="MARKER-internal")

    _, headers = await world.make_key()
    async with world.make_app(ledger=Down()) as client:
        reply = await client.get("/api/v1/key", headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    world.authenticator.forget()
    world.authenticator.lookup = Down()
    reply = await world.get("/key", headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    assert "MARKER" not in reply.text


async def test_replies_made_with_a_key_show_its_limit_and_are_not_stored(world: Any) -> None:
    _, headers = await world.make_key(rate_limit_rpm=60)
    for path in ("/key", "/models/count", "/generation?id=x", "/activity?group_by=x"):
        reply = await world.get(path, headers)
        assert reply.headers["cache-control"] == "no-store"
        assert (reply.headers["x-ratelimit-limit"], reply.headers["x-ratelimit-remaining"]) == ("60", "60")
        assert int(reply.headers["x-ratelimit-reset"]) > 1_700_000_000
        assert reply.headers["ratelimit-policy"] == '"requests";q=60;w=60'
        assert reply.headers["x-content-type-options"] == "nosniff"


async def test_a_principal_of_an_inactive_environment_is_refused(world: Any) -> None:
    _, headers = await world.make_key(environment="test")
    assert (await world.get("/key", headers)).status_code == 200
    await world.services.environments.change(OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID, "test", {"is_active": False})
    await world.refresh()
    assert (await world.get("/key", headers)).status_code == 401


async def test_each_use_of_a_key_is_noted_and_no_refused_one(world: Any) -> None:
    key, headers = await world.make_key(scopes=["models:read"])
    noted: list[tuple[str, int, str, str | None]] = []
    async with world.make_app(note_use=lambda *use: noted.append(use)) as client:
        await client.get("/v1/models/count", headers=headers | {"User-Agent": "a" * 300})
        await client.get("/v1/credits", headers=headers)
        await client.get("/v1/models/count", headers={"Authorization": f"Bearer {keys.generate('live')}"})
        await client.get("/health")
    assert [(key_id, address, agent) for key_id, _, address, agent in noted] == [(key.id, "203.0.113.7", "a" * 200)]
