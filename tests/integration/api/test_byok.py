"""/byok over SQLite, the real vault and a scripted provider. Attack cases, J: a secret goes in and never comes out."""

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from tests.integration.api.conftest import World

from anyrouter.bootstrap.services import make_services
from anyrouter.core.vault import SealBroken
from anyrouter.settings import load_settings
from anyrouter.web.api.byok_replies import CredentialReply, CredentialsReply
from support.service_account import key_file, key_lines
from support.upstream import Answer, Received, ScriptedUpstream, json_answer

KEY = "sk-MARKER-credential-of-a-tenant-AbCd"
OTHER_KEY = "sk-MARKER-another-credential-EfGh"
OPENROUTER = {
    "allowed_api_key_hashes", "allowed_models", "allowed_user_ids", "created_at", "declared_region", "declared_zdr", "disabled", "id",
    "is_byok_only", "is_fallback", "is_required", "label", "provider", "sort_order", "workspace_id",
}  # fmt: skip


@pytest.fixture
def provider() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream(lambda _: json_answer({"data": []})) as server:
        yield server


@pytest.fixture
async def client(world: World, provider: ScriptedUpstream, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The application, whose operator allows the scripted provider by name."""
    settings = load_settings(
        data_dir=tmp_path / "data", environ={}, flags={"byok.allowed_hosts": [f"127.0.0.1:{provider.port}", "localhost"]}
    )
    services = make_services(world.storage, settings, clock=world.clock)
    async with world.make_app(credentials=services.credentials) as made:
        yield made
    await services.aclose()


@pytest.fixture
async def admin(world: World) -> dict[str, str]:
    return (await world.make_key(scopes=["admin:byok"], environment="live"))[1]


async def enter(client: httpx.AsyncClient, admin: dict[str, str], **fields: Any) -> dict[str, Any]:
    reply = await client.post("/api/v1/byok", headers=admin, json={"provider": "openai", "key": KEY, **fields})
    assert reply.status_code == 201, reply.text
    return reply.json()["data"]


async def enter_local(client: httpx.AsyncClient, admin: dict[str, str], server: ScriptedUpstream, **fields: Any) -> dict[str, Any]:
    return await enter(client, admin, base_url=f"{server.url}/v1", **fields)


async def events(world: World) -> str:
    found = await world.storage.audit.read_chain("org_default", after_number=0, limit=1000)
    return "\n".join(f"{link.event}" for link in found)


async def test_a_credential_lives_its_life_and_its_secret_is_never_told(
    world: World, client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    created = await client.post(
        "/api/v1/byok", headers=admin, json={"provider": "openai", "key": KEY, "base_url": f"{provider.url}/v1", "name": "main"}
    )
    row = created.json()["data"]
    path = f"/api/v1/byok/{row['id']}"
    replies = [
        created,
        await client.get(path, headers=admin),
        await client.get("/api/v1/byok", headers=admin),
        await client.patch(path, headers=admin, json={"key": OTHER_KEY}),
        await client.patch(path, headers=admin, json={"key": f"{KEY}\n"}),
        await client.patch(path, headers=admin, json={"key": 7}),
        await client.patch(path, headers=admin, json={"key": OTHER_KEY, "unknown": KEY}),
        await client.patch(path, headers=admin, json={"base_url": "https://MARKER@llm.example.org"}),
        await client.post(f"{path}/test", headers=admin),
        await client.delete(path, headers=admin),
        await client.get(path, headers=admin),
    ]
    assert [reply.status_code for reply in replies] == [201, 200, 200, 200, 422, 400, 400, 422, 200, 200, 404]
    assert (row["label"], replies[3].json()["data"]["label"]) == ("sk-…AbCd", "sk-…EfGh")
    assert replies[9].json() == {"deleted": True}
    assert [received.headers["authorization"] for received in provider.received] == [f"Bearer {OTHER_KEY}"]
    said = "".join(f"{reply.text}{reply.headers}" for reply in replies) + await events(world) + caplog.text
    assert "MARKER" not in said
    files = b"".join(file.read_bytes() for file in world.storage.directory.path.rglob("*") if file.is_file())
    assert b"credential-of-a-tenant" not in files
    assert b"another-credential" not in files


async def test_rows_have_what_openrouter_s_clients_require(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    row = await enter(client, admin, allowed_models=["openai/gpt-4o"], allowed_user_ids=None, workspace_id="org_default", zdr=True)
    assert row.keys() >= OPENROUTER
    assert (row["allowed_models"], row["models"]) == (["openai/gpt-4o"], ["openai/gpt-4o"])
    assert (row["declared_zdr"], row["workspace_id"], row["status"], row["host"]) == (True, "org_default", "active", "api.openai.com")
    msgspec.convert({"data": row}, CredentialReply)
    listed = (await client.get("/api/v1/byok", headers=admin)).json()
    assert listed == {"data": [row], "total_count": 1, "next_cursor": None}
    msgspec.convert(listed, CredentialsReply)


@pytest.mark.parametrize(
    ("fields", "status", "param"),
    [
        ({"provider": "nobody"}, 422, "provider"),
        ({"provider": 7}, 400, "provider"),
        ({"key": ["MARKER"]}, 400, "key"),
        ({"key": ""}, 422, "key"),
        ({"key": "sk-MARKER\r\nHost: evil.example"}, 422, "key"),
        ({"key": {"access_key_id": "MARKER"}}, 422, "key"),
        ({"base_url": "http://llm.example.org"}, 422, "base_url"),
        ({"base_url": "https://2130706433/v1"}, 422, "base_url"),
        ({"base_url": "https://metadata.google.internal"}, 422, "base_url"),
        ({"provider": "azure-openai", "variables": {"resource": "a/../b"}}, 422, "variables.resource"),
        ({"environment": "nowhere"}, 403, "environment"),
        ({"environment": "test"}, 403, "environment"),
        ({"workspace_id": "org_other"}, 404, "workspace_id"),
        ({"models": []}, 400, "models"),
        ({"models": ["openai/gpt-4o"], "allowed_models": ["openai/gpt-4o"]}, 400, "allowed_models"),
        ({"allowed_keys": ["key_of_nobody"]}, 422, "allowed_keys"),
        ({"allowed_user_ids": ["user_1"]}, 400, "allowed_user_ids"),
        ({"weight": 0}, 422, "weight"),
        ({"weight": 1.5}, 400, "weight"),
        ({"sort_order": 10**30}, 422, "sort_order"),
        ({"name": "\u202ename"}, 400, "name"),
        ({"id": "byok_mine"}, 400, "id"),
        ({"organisation_id": "org_other"}, 400, "organisation_id"),
        ({"sealed": {}}, 400, "sealed"),
        ({"host": "evil.example"}, 400, "host"),
        ({"creator_id": "key_1"}, 400, "creator_id"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_kept(
    client: httpx.AsyncClient, admin: dict[str, str], fields: dict[str, Any], status: int, param: str
) -> None:
    reply = await client.post("/api/v1/byok", headers=admin, json={"provider": "openai", "key": KEY, **fields})
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param), reply.text
    assert "MARKER" not in reply.text
    assert (await client.get("/api/v1/byok", headers=admin)).json()["total_count"] == 0


async def test_only_keys_with_the_scope_get_in(world: World, client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    row = await enter(client, admin)
    for scopes in (None, ["admin:keys"], ["admin:billing", "usage:read"]):
        _, other = await world.make_key(**({} if scopes is None else {"scopes": scopes}))
        for method, path in (
            ("GET", ""), ("POST", ""), ("GET", f"/{row['id']}"), ("GET", "/byok_random"), ("PATCH", f"/{row['id']}"),
            ("DELETE", f"/{row['id']}"), ("POST", f"/{row['id']}/test"),
        ):  # fmt: skip
            reply = await client.request(method, f"/api/v1/byok{path}", headers=other, json={} if method in {"POST", "PATCH"} else None)
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "insufficient_scope")
    assert (await client.get("/api/v1/byok")).status_code == 401


async def test_a_credential_of_another_environment_is_as_one_that_never_was(
    world: World, client: httpx.AsyncClient, admin: dict[str, str]
) -> None:
    row = await enter(client, admin)
    _, other = await world.make_key(scopes=["admin:*"], environment="test")

    def without_id(reply: httpx.Response) -> tuple[int, str]:
        return reply.status_code, reply.text.replace(reply.headers["x-request-id"], "")

    for method, suffix, body in (("GET", "", None), ("PATCH", "", {"weight": 2}), ("DELETE", "", None), ("POST", "/test", {})):
        foreign, random = [
            without_id(await client.request(method, f"/api/v1/byok/{name}{suffix}", headers=other, json=body))
            for name in (row["id"], "byok_0192f0c4a7e87a1b8c3d4e5f60718293")
        ]
        assert foreign == random
        assert foreign[0] == 404
    assert (await client.get("/api/v1/byok", headers=other)).json()["data"] == []
    assert (await client.get("/api/v1/byok?environment=live", headers=other)).json()["data"] == []


async def test_a_change_is_bound_to_the_version_that_if_match_names(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    row = await enter(client, admin)
    path = f"/api/v1/byok/{row['id']}"
    first = await client.get(path, headers=admin)
    assert first.headers["etag"] == '"1"'
    changed = await client.patch(path, headers={**admin, "If-Match": '"1"'}, json={"weight": 5})
    assert (changed.headers["etag"], changed.json()["data"]["version"]) == ('"2"', 2)
    for method in ("PATCH", "DELETE"):
        late = await client.request(method, path, headers={**admin, "If-Match": '"1"'}, json={"weight": 6} if method == "PATCH" else None)
        assert (late.status_code, late.json()["error"]["code"]) == (412, "etag_mismatch")
    assert (await client.delete(path, headers={**admin, "If-Match": '"2"'})).status_code == 200


async def test_an_address_that_changes_makes_the_credential_useless_until_it_is_entered_again(
    client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream
) -> None:
    row = await enter(client, admin)
    path = f"/api/v1/byok/{row['id']}"
    moved = (await client.patch(path, headers=admin, json={"base_url": f"{provider.url}/v1"})).json()["data"]
    assert (moved["status"], moved["label"]) == ("needs_secret", "")
    tested = await client.post(f"{path}/test", headers=admin)
    assert (tested.status_code, tested.json()["error"]["param"]) == (422, "key")
    assert provider.received == []
    again = (await client.patch(path, headers=admin, json={"key": OTHER_KEY})).json()["data"]
    assert (again["status"], again["host"]) == ("active", f"http://127.0.0.1:{provider.port}")
    assert (await client.post(f"{path}/test", headers=admin)).json()["data"]["ok"] is True
    assert provider.received[0].headers["authorization"] == f"Bearer {OTHER_KEY}"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json_answer({"data": []}), (True, 200, "takes the credential")),
        (json_answer({"error": {"message": f"Incorrect API key provided: {KEY}."}}, status=401), (False, 401, "[redacted]")),
        (json_answer({"error": {"message": "no"}}, status=403), (False, 403, "refuses the credential")),
        (json_answer({"error": {"message": "API key not valid"}}, status=400), (False, 400, "API key not valid")),
        (Answer(status=404), (None, 404, "could not be tried")),
        (Answer(status=429), (None, 429, "try again later")),
        (Answer(status=500, body=KEY.encode()), (None, 500, "try again later")),
        (Answer(is_cut=True), (None, None, "")),
    ],
)
async def test_what_the_provider_says_of_a_credential_is_told_without_it(
    client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream, answer: Answer, expected: tuple[Any, Any, str]
) -> None:
    row = await enter_local(client, admin, provider)
    provider.handle = lambda _: answer
    reply = await client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)
    tested = reply.json()["data"]
    assert (reply.status_code, tested["ok"], tested["status"]) == (200, *expected[:2])
    assert expected[2] in tested["message"]
    assert "MARKER" not in reply.text
    assert [received.path for received in provider.received][:1] == ["/v1/models"]


async def test_a_redirect_is_not_followed(client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream) -> None:
    row = await enter_local(client, admin, provider)
    with ScriptedUpstream() as elsewhere:
        for status in (301, 302, 307, 308):
            provider.handle = lambda _, status=status: Answer(status=status, headers={"location": f"{elsewhere.url}/v1/models"})
            tested = (await client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)).json()["data"]
            assert (tested["ok"], tested["status"]) == (False, status)
            assert "not followed" in tested["message"]
        assert elsewhere.received == []


async def test_a_name_that_leads_inside_is_refused_when_the_connection_is_made(
    world: World, client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream
) -> None:
    """`localhost` is allowed by name in one application; in the other nothing is, and the credential that the first kept leads nowhere."""
    row = await enter(client, admin, base_url=f"http://localhost:{provider.port}/v1")
    assert (await client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)).json()["data"]["ok"] is True
    provider.received.clear()
    reply = (await world.client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)).json()["data"]
    assert (reply["ok"], reply["message"]) == (None, "The upstream's address is not allowed.")
    assert provider.received == []


async def test_an_access_key_signs_and_a_service_account_buys_a_token(
    client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream
) -> None:
    keys = {"access_key_id": "AKIAMARKERMARKERWXYZ", "secret_access_key": "MARKER/secret+access/key"}
    row = await enter_local(client, admin, provider, provider="aws", key=keys, region="us-east-1")
    assert (row["label"], row["region"]) == ("…WXYZ", "us-east-1")

    def refuse(received: Received) -> Answer:
        assert received.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAMARKERMARKERWXYZ/")
        said = {"message": f"The security token included in the request is invalid: {keys['secret_access_key']}"}
        return json_answer(said, status=403, x_amzn_errortype="UnrecognizedClientException:http://x")

    provider.handle = refuse
    refused = await client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)
    assert (refused.json()["data"]["ok"], "MARKER" in refused.text) == (False, False)
    provider.handle = lambda _: json_answer({"message": "no"}, status=403, x_amzn_errortype="AccessDeniedException")
    assert (await client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)).json()["data"]["ok"] is True

    text = key_file("https://oauth2.googleapis.com/token")
    vertex = await enter(client, admin, provider="google-vertex", key=json.loads(text))
    assert vertex["variables"] == {"location": "global", "project": "marked-project"}
    listed = (await client.get("/api/v1/byok", headers=admin)).text
    assert "MARKER" not in listed
    assert not any(line in listed for line in key_lines())


async def test_credentials_come_in_pages_in_the_order_in_which_they_are_tried(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    for number in range(5):
        await enter(client, admin, sort_order=5 - number)
    await enter(client, admin, provider="anthropic")
    whole = [row["id"] for row in (await client.get("/api/v1/byok?provider=openai", headers=admin)).json()["data"]]
    found: list[str] = []
    cursor = ""
    while True:
        page = (await client.get(f"/api/v1/byok?provider=openai&limit=2{cursor}", headers=admin)).json()
        assert page["total_count"] == 5
        found += [row["id"] for row in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == whole
    offset = (await client.get("/api/v1/byok?provider=openai&limit=2&offset=3", headers=admin)).json()
    assert [row["id"] for row in offset["data"]] == whole[3:]
    assert (await client.get("/api/v1/byok?cursor=byok_unknown", headers=admin)).json()["data"] == []


async def test_a_repeated_request_with_an_idempotency_key_enters_it_once(client: httpx.AsyncClient, admin: dict[str, str]) -> None:
    headers = {**admin, "Idempotency-Key": "one"}
    replies = [await client.post("/api/v1/byok", headers=headers, json={"provider": "openai", "key": KEY}) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json() == replies[1].json()
    assert (await client.get("/api/v1/byok", headers=admin)).json()["total_count"] == 1


async def test_a_seal_that_was_tampered_with_is_a_503_that_says_nothing(
    world: World, client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream
) -> None:
    row, other = await enter_local(client, admin, provider), await enter_local(client, admin, provider, key=OTHER_KEY)
    sql = "UPDATE provider_credentials SET (kek_id, wrapped_key, nonce, ciphertext) = (SELECT kek_id, wrapped_key, nonce, ciphertext FROM provider_credentials WHERE id = ?) WHERE id = ?"  # noqa: E501
    await world.database.write(lambda connection: connection.exec_driver_sql(sql, (other["id"], row["id"])).rowcount)
    reply = await client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_unavailable")
    assert int(reply.headers["retry-after"]) >= 1
    for word in ("MARKER", "seal", "kek", "nonce", row["id"]):
        assert word not in reply.json()["error"]["message"]
    assert provider.received == []


async def test_keys_that_are_gone_are_a_503_too(
    world: World, client: httpx.AsyncClient, admin: dict[str, str], provider: ScriptedUpstream
) -> None:
    row = await enter_local(client, admin, provider)
    world.storage.directory.kek.unlink()
    reply = await client.post(f"/api/v1/byok/{row['id']}/test", headers=admin)
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_unavailable")
    assert reply.json()["error"]["message"] == "A stored secret cannot be used now. The operator's log says why."
    assert (await client.get(f"/api/v1/byok/{row['id']}", headers=admin)).status_code == 200


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "byok_mine"),
        ("environment_id", "env_mine"),
        ("organisation_id", "org_mine"),
        ("provider", "anthropic"),
        ("host", "evil.example"),
        ("seal_version", 2),
    ],
)
async def test_a_row_that_was_moved_does_not_open(
    world: World, client: httpx.AsyncClient, admin: dict[str, str], column: str, value: object
) -> None:
    """Whoever writes in the database takes a tenant's row for their own."""
    row = await enter(client, admin)
    statements = (
        ("INSERT INTO organisations (id, name, created_at_ms) VALUES ('org_mine', 'x', 0)", ()),
        ("INSERT INTO environments (id, organisation_id, slug, name, kind) VALUES ('env_mine', 'org_default', 'mine', 'x', 'live')", ()),
        (f"UPDATE provider_credentials SET {column} = ? WHERE id = ?", (value, row["id"])),  # noqa: S608 -- a name of the test's own
    )
    for sql, values in statements:
        await world.database.write(lambda connection, sql=sql, values=values: connection.exec_driver_sql(sql, values).rowcount)
    (moved,) = [found for owner in ("org_default", "org_mine") for found in await world.storage.credentials.list_credentials(owner)]
    with pytest.raises(SealBroken):
        await world.services.vault.open(moved.place, moved.sealed)
