"""The authorization matrix: every row of the table of endpoints, asked by every kind of caller, for objects of everybody.

It is generated from the table: a row that `CASES` does not know fails. What is expected follows from a row's scope and from the kind of
its object alone, and is written down here a second time, in this file's own words, not taken from the code that decides. Inference rows
are asked of the one decision that the data plane asks, all others of the application.
"""

import contextlib
import json
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.api.conftest import World, world  # noqa: F401 -- a fixture

from anyrouter.bootstrap.services import make_services
from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.audit import OPERATOR
from anyrouter.core.errors import Denied
from anyrouter.core.ids import new_id
from anyrouter.core.keys import generate
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, EnvironmentKind, Role
from anyrouter.policy.endpoints import ENDPOINTS, Endpoint
from anyrouter.policy.rights import OPERATOR_RIGHTS
from anyrouter.relay.authenticate import Authenticator
from anyrouter.relay.call import RequestHead
from anyrouter.settings import load_settings
from support.events import event_of
from support.operator_keys import WHO
from support.upstream import ScriptedUpstream, json_answer

CREDENTIAL = "sk-MARKER-credential-of-a-tenant"
ADMIN_SCOPES = {"admin:keys", "admin:byok", "admin:org", "admin:billing"}
ROLE_SCOPES = {
    (Role.OWNER, "live"): {"admin:*", *ADMIN_SCOPES},
    (Role.ADMIN, "live"): {"admin:*", *ADMIN_SCOPES},
    (Role.DEVELOPER, "live"): set(),
    (Role.DEVELOPER, "test"): {"admin:keys", "admin:byok"},
    (Role.BILLING, "live"): {"admin:billing"},
    (Role.VIEWER, "live"): set(),
}


@dataclass(frozen=True, kw_only=True)
class Case:
    """How a row is asked, and what its object is: of a kind of `RANDOM_IDS`, a `model`, which is nobody's, or one that is `new`."""

    body: Any = None
    query: str = ""
    kind: str | None = None
    is_never: bool = False  # no key may, whatever its scopes
    statuses: frozenset[int] = frozenset({200, 201, 202})  # of those who may


def fresh(**fields: Any) -> Callable[[], dict[str, Any]]:
    """A body whose names nobody has used before; `?` stands for one."""
    return lambda: json.loads(json.dumps(fields).replace("?", f"x{secrets.token_hex(5)}"))


PRESET = {"slug": "?", "config": {"model": "openai/gpt-4o"}}
INVITATION = {"email": "?@example.org", "role": "viewer"}
CASES: Mapping[str, Case] = {
    "models": Case(),
    "models/count": Case(),
    "models/{model}": Case(kind="model"),
    "models/{model}/endpoints": Case(kind="model"),
    "v1beta/models": Case(),
    "v1beta/models/{model}": Case(kind="model"),
    "providers": Case(),
    "presets": Case(),
    "POST presets": Case(body=fresh(**PRESET)),
    "presets/{slug}": Case(kind="preset"),
    "PATCH presets/{slug}": Case(kind="preset", body={"name": "x"}),
    "DELETE presets/{slug}": Case(kind="preset"),
    "POST presets/{slug}/chat/completions": Case(kind="new", body={"model": "openai/gpt-4o"}),
    "POST presets/{slug}/messages": Case(kind="new", body={"model": "openai/gpt-4o"}),
    "POST presets/{slug}/responses": Case(kind="new", body={"model": "openai/gpt-4o"}),
    "generation": Case(kind="generation", query="?id={id}"),
    "generation/{id}": Case(kind="generation"),
    "credits": Case(),
    "POST credits/grants": Case(body={"amount": 1}, is_never=True),
    "credits/transactions": Case(),
    "budgets": Case(),
    "POST budgets": Case(body={"owner": "organisation", "limit": 1000}),
    "budgets/{id}": Case(kind="budget"),
    "PATCH budgets/{id}": Case(kind="budget", body={"name": "x"}),
    "DELETE budgets/{id}": Case(kind="budget"),
    "byok": Case(),
    "POST byok": Case(body=fresh(provider="openai", name="?", key=CREDENTIAL)),
    "byok/{id}": Case(kind="credential"),
    "PATCH byok/{id}": Case(kind="credential", body={"sort_order": 3}),
    "DELETE byok/{id}": Case(kind="credential"),
    "POST byok/{id}/test": Case(kind="reachable credential"),
    "activity": Case(),
    "audit": Case(),
    "environments": Case(),
    "POST environments": Case(body=lambda: {"slug": f"e{secrets.token_hex(5)}", "kind": "sandbox"}),
    "environments/{slug}": Case(kind="environment"),
    "PATCH environments/{slug}": Case(kind="environment", body={"name": "x"}),
    "DELETE environments/{slug}": Case(kind="environment"),
    "org": Case(),
    "PATCH org": Case(body={"max_key_lifetime_s": None}),
    "org/members": Case(),
    "PATCH org/members/{id}": Case(kind="member", body={"name": "x"}),
    "DELETE org/members/{id}": Case(kind="member"),
    "org/invitations": Case(),
    "POST org/invitations": Case(body=fresh(**INVITATION)),
    "DELETE org/invitations/{id}": Case(kind="invitation"),
    "webhooks": Case(),
    "POST webhooks": Case(body={"url": "https://hooks.example.com/x", "events": ["key.*"]}),
    "webhooks/{id}": Case(kind="webhook"),
    "PATCH webhooks/{id}": Case(kind="webhook", body={"name": "x"}),
    "DELETE webhooks/{id}": Case(kind="webhook"),
    "POST webhooks/{id}/test": Case(kind="webhook", body={}),
    "webhooks/{id}/deliveries": Case(kind="webhook"),
    "POST leaks/github": Case(body=[], statuses=frozenset({404})),  # off, unless the operator wants it
    "keys": Case(),
    "POST keys": Case(body=fresh(name="?")),
    "keys/{id}": Case(kind="key"),
    "PATCH keys/{id}": Case(kind="key", body={"tags": ["x"]}),
    "DELETE keys/{id}": Case(kind="key"),
    "keys/{id}/usage": Case(kind="key"),
    "POST keys/{id}/rotate": Case(kind="key", body={}),
    "POST keys/{id}/disable": Case(kind="key", body={}),
    "POST keys/{id}/enable": Case(kind="key", body={}),
    "POST keys/revoke": Case(body={"keys": ["nothing"]}),
    "key": Case(),
    "auth/key": Case(),
    "health": Case(),
    "livez": Case(),
    "readyz": Case(),
    "openapi.json": Case(),
    "metrics": Case(statuses=frozenset({401, 403})),  # from elsewhere, without its own token
}
OF_ENVIRONMENT = {"preset", "generation", "budget", "credential", "reachable credential", "key"}
OF_ORGANISATION = {"environment", "member", "invitation", "webhook"}
RANDOM_IDS = {
    "preset": lambda: f"x{secrets.token_hex(5)}",
    "environment": lambda: f"e{secrets.token_hex(5)}",
    "generation": lambda: f"gen-{secrets.token_hex(16)}",
    "budget": lambda: new_id("bud", 0),
    "credential": lambda: new_id("byok", 0),
    "reachable credential": lambda: new_id("byok", 0),
    "key": lambda: new_id("key", 0),
    "member": lambda: new_id("mem", 0),
    "invitation": lambda: new_id("ivt", 0),
    "webhook": lambda: new_id("whk", 0),
}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks. `may` holds the scopes that its key has and its member's role allows; None: it is not let in at all."""

    name: str
    headers: dict[str, str]
    may: frozenset[str] | None = None
    key: ApiKey | None = None


def is_allowed(caller: Caller, row: Endpoint) -> bool:
    assert caller.may is not None
    return row.scope is None or row.scope in caller.may or ("admin:*" in caller.may and row.scope.startswith("admin:"))


@dataclass(kw_only=True)
class Town:
    """A world with two organisations and the keys of everybody."""

    world: World
    organisation_id: str  # the other one
    makers: dict[str, dict[str, str]]  # who makes objects: of the environment `live`, of `staging` beside it, of `test`, `elsewhere`
    callers: list[Caller]
    provider: ScriptedUpstream
    maker_keys: dict[str, ApiKey] = field(default_factory=dict)
    _found: dict[tuple[str, str], str] = field(default_factory=dict)

    async def ask(self, row: Endpoint, caller: Caller | Mapping[str, str], object_id: str = "") -> httpx.Response:
        """The reply to the row's request."""
        case = CASES[row.name]
        body = case.body() if callable(case.body) else case.body
        path = row.public_path
        for placeholder in ("{model}", "{id}", "{slug}"):
            path = path.replace(placeholder, object_id)
        headers = caller.headers if isinstance(caller, Caller) else dict(caller)
        content = None if body is None else json.dumps(body)
        return await self.world.client.request(row.method, path + case.query.replace("{id}", object_id), headers=headers, content=content)

    async def post(self, path: str, maker: str, body: Any) -> Any:
        reply = await self.world.client.post(f"/api/v1/{path}", headers=self.makers[maker], json=body)
        assert reply.status_code == 201, reply.text
        return reply.json()["data"]

    async def find(self, kind: str, where: str) -> str:
        """The public id of an object that nobody changes."""
        if (kind, where) not in self._found:
            self._found[kind, where] = await self.make(kind, where)
        return self._found[kind, where]

    async def make(self, kind: str, where: str, owner: ApiKey | None = None) -> str:  # noqa: PLR0911 -- one a kind
        """The public id of a new object of an environment, or of its organisation."""
        name = f"x{secrets.token_hex(5)}"
        if kind == "preset":
            return str((await self.post("presets", where, {**PRESET, "slug": name}))["slug"])
        if kind == "budget":
            wish = {"owner": "environment", "owner_id": "live" if where == "elsewhere" else where, "limit": 1000, "name": name}
            return str((await self.post("budgets", where, wish))["id"])
        if kind.endswith("credential"):
            address = {"base_url": f"{self.provider.url}/v1"} if kind.startswith("reachable") else {}
            return str((await self.post("byok", where, {"provider": "openai", "name": name, "key": CREDENTIAL, **address}))["id"])
        if kind == "key":
            return str((await self.post("keys", where, {"name": name}))["id"])
        if kind == "environment":
            return str((await self.post("environments", where, {"slug": name, "kind": "sandbox"}))["slug"])
        if kind == "invitation":
            return str((await self.post("org/invitations", where, {**INVITATION, "email": f"{name}@example.org"}))["id"])
        if kind == "webhook":
            await self._make_room(where)
            return str((await self.post("webhooks", where, {"url": f"{self.provider.url}/x", "events": ["key.*"]}))["id"])
        if kind == "member":
            organisation_id = self.organisation_id if where == "elsewhere" else DEFAULT_ORGANISATION_ID
            who: Any = (OPERATOR, OPERATOR_RIGHTS, organisation_id)
            return (await self.world.services.members.add(*who, email=f"{name}@example.org", role=Role.VIEWER)).id
        assert kind == "generation"
        entry = self.world.make_entry(owner or self.maker_keys[where])
        await self.world.record(entry)
        return entry.generation_id

    async def _make_room(self, where: str) -> None:
        """Only the webhooks stay that are found, once there are many: an organisation has few."""
        listed = (await self.world.get("/webhooks", self.makers[where])).json()["data"]
        for row in [row for row in listed if row["id"] not in self._found.values()] if len(listed) > 15 else []:
            await self.world.client.delete(f"/api/v1/webhooks/{row['id']}", headers=self.makers[where])


@pytest.fixture
async def town(world: World, tmp_path: Path) -> AsyncIterator[Town]:  # noqa: F811 -- the fixture above
    """Everybody; the operator allows tenants a provider on this machine."""
    with ScriptedUpstream(lambda _: json_answer({"data": []})) as provider:
        settings = load_settings(data_dir=tmp_path / "data", environ={}, flags={"byok.allowed_hosts": [f"127.0.0.1:{provider.port}"]})
        services = make_services(world.storage, settings, clock=world.clock)
        world.authenticator = Authenticator(
            lookup=world.storage.keys,
            peppers=(world.storage.peppers.current.secret,),
            tenants=lambda: world.tenants.current,
            confirmed_at_s=time.monotonic,
            failures_per_minute=1_000_000,  # one address asks for everybody
        )
        world.storage.watch.subscribe(lambda _: world.authenticator.forget())
        ports = {"authenticator": world.authenticator, "credentials": services.credentials, "webhooks": services.webhooks}
        async with contextlib.aclosing(services), world.make_app(**ports) as client:
            world.client = client
            yield await populate(world, provider)


async def populate(world: World, provider: ScriptedUpstream) -> Town:  # noqa: F811 -- as above
    services = world.services
    other = await services.organisations.create(OPERATOR, OPERATOR_RIGHTS, name="Elsewhere")
    who: Any = (OPERATOR, OPERATOR_RIGHTS, DEFAULT_ORGANISATION_ID)
    for slug in ("staging", "closed", "gone"):
        await services.environments.create(*who, slug=slug, kind=EnvironmentKind.LIVE)
    callers: list[Caller] = []
    everything = sorted({*scopes.DEFAULT_SCOPES, "admin:*"})

    async def make(**fields: Any) -> tuple[ApiKey, dict[str, str]]:
        return await world.make_key(**{"name": f"x{secrets.token_hex(5)}", **fields})

    async def add(name: str, may: set[str] | None, **fields: Any) -> ApiKey:
        key, headers = await make(**fields)
        callers.append(Caller(name=name, headers=headers, may=None if may is None else frozenset(may), key=key))
        return key

    callers += [
        Caller(name="without a key", headers={}),
        Caller(name="malformed", headers={"Authorization": "Bearer ar-live-MARKER"}),
        Caller(name="unknown", headers={"Authorization": f"Bearer {generate('live')}"}),
    ]
    await add("default scopes", set(scopes.DEFAULT_SCOPES))
    for scope in scopes.ALL_SCOPES:
        await add(f"only {scope}", {scope}, scopes=[scope])
    await add("of the sandbox", set(everything), scopes=everything, environment="test")
    await add("of another environment", set(everything), scopes=everything, environment="staging")
    await add("of another organisation", set(everything), scopes=everything, organisation_id=other.id)
    disabled = await add("disabled", None, scopes=everything)
    await services.keys.disable(disabled.id, **WHO)
    deleted = await add("deleted", None, scopes=everything)
    await services.keys.delete(deleted.id, **WHO)
    await add("not valid yet", None, scopes=everything, not_before=world.clock() + timedelta(days=1))
    await add("of a closed environment", None, scopes=everything, environment="closed")
    await services.environments.change(*who, "closed", {"is_active": False})
    await add("of a deleted environment", None, scopes=everything, environment="gone")
    await services.environments.delete(*who, "gone")
    suspended = await services.organisations.create(OPERATOR, OPERATOR_RIGHTS, name="Suspended")
    await add("of a suspended organisation", None, scopes=everything, organisation_id=suspended.id)
    await services.organisations.disable(OPERATOR, OPERATOR_RIGHTS, suspended.id)
    await services.members.add(*who, email="owner@example.org", role=Role.OWNER)
    for (role, environment), may in ROLE_SCOPES.items():
        member = await services.members.add(*who, email=f"{role.value}.{environment}@example.org", role=Role.OWNER)
        fields: dict[str, Any] = {"kind": KeyKind.PERSONAL, "member_id": member.id, "scopes": everything, "environment": environment}
        await add(f"personal, {role.value} in {environment}", {*scopes.DEFAULT_SCOPES, *may}, **fields)
        await services.members.change(*who, member.id, {"role": role})
    removed = await services.members.add(*who, email="removed@example.org", role=Role.OWNER)
    await add("personal, of nobody any more", None, kind=KeyKind.PERSONAL, member_id=removed.id, scopes=everything)
    await services.members.remove(*who, removed.id)
    expiring = await add("expired", None, scopes=everything, expires_at=world.clock() + timedelta(minutes=1))
    expired = replace(expiring, expires_at=world.clock() - timedelta(milliseconds=1), version=2, updated_at=world.clock())
    await world.storage.keys.update_key(expired, event_of(expired))
    makers, maker_keys = {}, {}
    for slug in ("live", "staging", "test"):
        maker_keys[slug], makers[slug] = await make(scopes=everything, environment=slug)
    maker_keys["elsewhere"], makers["elsewhere"] = await make(scopes=everything, organisation_id=other.id)
    await world.refresh()
    return Town(world=world, organisation_id=other.id, makers=makers, callers=callers, provider=provider, maker_keys=maker_keys)


def home_of(caller: Caller) -> str:
    """Where the caller's own objects are."""
    if caller.key is None or caller.key.organisation_id != DEFAULT_ORGANISATION_ID:
        return "live" if caller.key is None else "elsewhere"
    return caller.key.environment if caller.key.environment in {"live", "staging", "test"} else "live"


ROWS = [row for row in ENDPOINTS.values() if not row.is_inference]


def test_the_matrix_knows_every_row_and_no_other() -> None:
    assert {row.name for row in ROWS} == CASES.keys()
    assert {case.kind for case in CASES.values()} - {None, "model", "new"} == OF_ENVIRONMENT | OF_ORGANISATION == RANDOM_IDS.keys()
    for row in ROWS:
        has_object = "{" in row.path or bool(CASES[row.name].query)
        assert has_object == (CASES[row.name].kind is not None), row.name


async def check_row(town: Town, row: Endpoint, caller: Caller) -> None:
    """What the caller gets: for an object of its own, one that is not there, one beside it, and one of somebody else's."""
    case = CASES[row.name]
    what = f"{row.name} asked by {caller.name}"
    own = absent = RANDOM_IDS["preset"]() if case.kind == "new" else "openai/gpt-4o"
    if case.kind in RANDOM_IDS:
        own, absent = await town.find(case.kind, home_of(caller)), RANDOM_IDS[case.kind]()
    if row.is_public:
        assert (await town.ask(row, caller, own)).status_code in case.statuses, what
        return
    if caller.may is None or not is_allowed(caller, row) or case.is_never:
        refused = await town.ask(row, caller, own)
        assert refused.status_code == (401 if caller.may is None else 403), f"{what}: {refused.text}"
        assert told(await town.ask(row, caller, absent)) == told(refused), f"{what}: the refusal tells what is there"
        return
    if case.kind in RANDOM_IDS:
        await check_others(town, row, caller, absent)
        if row.changes_by is not None or case.kind == "generation":  # what is found there is for all; of usage a key sees its own
            own = await town.make(case.kind, home_of(caller), caller.key)
    allowed = await town.ask(row, caller, own)
    assert allowed.status_code in case.statuses, f"{what}: {allowed.text}"


async def check_others(town: Town, row: Endpoint, caller: Caller, absent: str) -> None:
    kind, what = CASES[row.name].kind, f"{row.name} asked by {caller.name}"
    assert kind is not None
    assert caller.key is not None
    missing = await town.ask(row, caller, absent)
    assert missing.status_code == 404, f"{what}: {missing.text}"
    home = home_of(caller)
    hidden = [place for place in ("live", "staging", "test", "elsewhere") if place != home and is_hidden(kind, home, place)]
    if kind == "generation" and not any(scope.startswith("admin:") for scope in caller.key.scopes):
        hidden.append(home)  # another key's, beside it
    for place in hidden:
        reply = await town.ask(row, caller, await town.find(kind, place))
        assert (reply.status_code, told(reply)) == (404, told(missing)), f"{what}, of {place}"


def told(reply: httpx.Response) -> str:
    """The body, without the id of its request."""
    return re.sub(r"req-[0-9a-f]{32}", "", reply.text)


def is_hidden(kind: str, home: str, place: str) -> bool:
    """Whether an object at a place is as good as none for somebody at home: what is the organisation's is seen in all of it."""
    return kind in OF_ENVIRONMENT or "elsewhere" in {home, place}


async def test_everybody_gets_what_is_theirs_and_nothing_else(town: Town) -> None:
    for row in ROWS:
        for caller in town.callers:
            await check_row(town, row, caller)


async def test_the_data_plane_lets_in_whom_their_scopes_let_in(town: Town) -> None:
    for row in ENDPOINTS.values():
        if not row.is_inference:
            continue
        for caller in town.callers:
            lines = {name.lower().encode(): value.encode() for name, value in caller.headers.items()}
            head = RequestHead(
                endpoint=row.name,
                headers=lines,
                client_host="203.0.113.7",
                started_s=time.monotonic(),
                now_ms=int(town.world.clock().timestamp() * 1000),
                request_id="req-1",
            )
            outcome = town.world.authenticator.authorize(head) or await town.world.authenticator.find(head)
            status = outcome.http_status if isinstance(outcome, Denied) else 200
            expected = 401 if caller.may is None else 200 if is_allowed(caller, row) else 403
            assert status == expected, f"{row.name} asked by {caller.name}"


async def test_no_list_and_no_object_names_what_is_somebody_else_s(town: Town) -> None:
    """Everything that can be read with every scope is read, in every place; what was made elsewhere is in none of it."""
    made = {place: {kind: await town.make(kind, place) for kind in sorted(OF_ENVIRONMENT | OF_ORGANISATION)} for place in town.makers}
    for home in town.makers:
        for row in ROWS:
            case = CASES[row.name]
            if row.method != "GET" or row.is_public:
                continue
            own = "openai/gpt-4o" if case.kind == "model" else "" if case.kind is None else made[home][case.kind]
            reply = await town.ask(row, town.makers[home], own)
            assert reply.status_code == 200, f"{row.name} in {home}: {reply.text}"
            foreign = {
                (place, kind): object_id
                for place, objects in made.items()
                for kind, object_id in objects.items()
                if place != home and is_hidden(kind, home, place) and not (row.name == "audit" and "elsewhere" not in {home, place})
            }
            assert not [name for name, object_id in foreign.items() if object_id in reply.text], f"{row.name} in {home}"


Asked = Callable[[Town, str], Awaitable[dict[str, Any]]]
BODIES: dict[str, Asked] = {}


def foreign_body(asked: Asked) -> Asked:
    """A body of a row, by the name of the function, that names something of another place."""
    BODIES[asked.__name__] = asked
    return asked


@foreign_body
async def keys(_town: Town, place: str) -> dict[str, Any]:
    return {"name": "x", "environment": place}


@foreign_body
async def keys_of_a_member(town: Town, _place: str) -> dict[str, Any]:
    return {"name": "x", "member_id": await town.make("member", "elsewhere")}


@foreign_body
async def budgets_of_an_environment(_town: Town, place: str) -> dict[str, Any]:
    return {"owner": "environment", "owner_id": place, "limit": 1}


@foreign_body
async def budgets_of_a_key(town: Town, place: str) -> dict[str, Any]:
    return {"owner": "key", "owner_id": await town.make("key", place), "limit": 1}


@foreign_body
async def byok(_town: Town, place: str) -> dict[str, Any]:
    return {"provider": "openai", "key": CREDENTIAL, "environment": place}


@foreign_body
async def byok_for_a_key(town: Town, place: str) -> dict[str, Any]:
    return {"provider": "openai", "key": CREDENTIAL, "allowed_keys": [await town.make("key", place)]}


@foreign_body
async def presets(_town: Town, place: str) -> dict[str, Any]:
    return {**PRESET, "environment": place}


OWNED = ("organisation_id", "environment_id", "workspace_id", "creator_id", "user_id", "project_id", "provider_credential_id", "version")


@pytest.mark.parametrize("place", ["staging", "elsewhere"])
async def test_a_foreign_id_in_a_body_is_refused(town: Town, place: str) -> None:
    for name, make_body in BODIES.items():
        body = await make_body(town, place)
        reply = await town.world.client.post(f"/api/v1/{name.partition('_')[0]}", headers=town.makers["live"], json=body)
        assert reply.status_code in {400, 403, 404, 422}, f"{name}: {reply.text}"


async def test_whose_an_object_is_cannot_be_said_in_a_body(town: Town) -> None:
    for row in ROWS:
        case = CASES[row.name]
        if row.changes_by is None or not case.body or case.kind == "new":  # those are requests, whose members are the models'
            continue
        object_id = "" if case.kind is None else await town.make(case.kind, "live")
        body = case.body() if callable(case.body) else case.body
        for name in OWNED:
            path = row.public_path.replace("{id}", object_id).replace("{slug}", object_id)
            reply = await town.world.client.request(row.method, path, headers=town.makers["live"], json={**body, name: "x"})
            assert reply.status_code in {400, 404, 422}, f"{row.name} with {name}: {reply.text}"
