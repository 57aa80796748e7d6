from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from anyrouter.core.apikey import ApiKey
from anyrouter.core.catalogue import Model
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.route import Snapshot, Upstream
from anyrouter.providers.registry import PROVIDERS
from anyrouter.relay.call import Principal
from anyrouter.web.api.reach import Reach
from support.tenants import ORGANISATION

LIVE = Environment(id="env_live", organisation_id="org_a", slug="live", name="Live", kind=EnvironmentKind.LIVE)
TEST = Environment(id="env_test", organisation_id="org_a", slug="test", name="Test", kind=EnvironmentKind.SANDBOX)
MODELS = {
    name: Model(id=name, vendor=name.split("/")[0], upstream_name=name.split("/")[1], name=name)
    for name in ("openai/gpt-4o", "anthropic/claude-x", "mistral/m")
}
NOW = datetime(2026, 11, 1, tzinfo=UTC)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_a",
    environment_id="env_live",
    environment="live",
    name="n",
    label="ar-live-MARKER",
    digest=b"",
    pepper_version=1,
    rotation_group="group_1",
    scopes=frozenset({"models:read"}),
    created_at=NOW,
    updated_at=NOW,
)


def make_upstream(upstream_id: str, provider: str, models: dict[str, str], **fields: Any) -> Upstream:
    return Upstream(id=upstream_id, provider=PROVIDERS[provider], scheme="http", host="h", port=1, base_path="", models=models, **fields)


SNAPSHOT = Snapshot(
    upstreams=(
        make_upstream("second", "openai", {"openai/gpt-4o": "gpt-4o", "own/llama": "llama"}, priority=1),
        make_upstream("first", "openai", {"openai/*": ""}, is_open=True),
        make_upstream("claude", "anthropic", {"anthropic/*": ""}, environments=frozenset({"other"})),
        make_upstream("sandbox", "sandbox", {"openai/*": "", "mistral/*": ""}, is_sandbox=True),
    ),
    resolve=MODELS.get,
    nearest=lambda _: [],
)


def reach(**fields: Any) -> Reach:
    return Reach(**({"snapshot": lambda: SNAPSHOT, "catalogue": lambda: MODELS, "public_environment": lambda: LIVE} | fields))


def ids(environment: Environment = LIVE, **restrictions: Any) -> list[str]:
    principal = Principal(key=replace(KEY, **restrictions), environment=environment, organisation=ORGANISATION)
    return [row.model.id for row in reach().list(principal)]


def test_an_environment_reaches_what_its_upstreams_serve_and_nothing_else() -> None:
    assert ids() == ["openai/gpt-4o", "own/llama"]
    assert ids(TEST) == ["openai/gpt-4o", "mistral/m"]


def test_a_key_reaches_what_it_is_restricted_to() -> None:
    assert ids(models=("openai/gpt-4o",)) == ["openai/gpt-4o"]
    assert ids(models=("openai/*",)) == ["openai/gpt-4o"]
    assert ids(models=("anthropic/*", "openai/GPT-4o")) == []
    assert ids(models=()) == []
    assert ids(providers=("openai",)) == ["openai/gpt-4o", "own/llama"]
    assert ids(providers=("anthropic",)) == []


def test_upstreams_are_in_the_order_in_which_they_are_tried() -> None:
    found = reach().find(Principal(key=KEY, environment=LIVE, organisation=ORGANISATION), "openai/gpt-4o")
    assert found is not None
    assert [upstream.id for upstream in found.upstreams] == ["first", "second"]


def test_one_model_is_found_as_it_is_listed() -> None:
    principal = Principal(key=replace(KEY, models=("openai/*",)), environment=LIVE, organisation=ORGANISATION)
    assert reach().find(principal, "openai/gpt-4o") is not None
    for name in ("own/llama", "anthropic/claude-x", "mistral/m", "openai/unheard-of", "own/*", "", "\x00"):
        assert reach().find(principal, name) is None, name
    assert reach().find(Principal(key=KEY, environment=LIVE, organisation=ORGANISATION), "own/llama") is not None


def test_the_public_sees_its_environment_or_nothing() -> None:
    assert [row.model.id for row in reach().list(None)] == ["openai/gpt-4o", "own/llama"]
    assert reach(public_environment=lambda: None).list(None) == ()
    assert reach(public_environment=lambda: None).find(None, "openai/gpt-4o") is None


def test_answers_are_kept_until_snapshot_catalogue_or_environment_change() -> None:
    held = {"snapshot": SNAPSHOT, "catalogue": MODELS}
    kept = reach(snapshot=lambda: held["snapshot"], catalogue=lambda: held["catalogue"])
    principal = Principal(key=KEY, environment=LIVE, organisation=ORGANISATION)
    first = kept.list(principal)
    assert kept.list(principal) is first
    held["snapshot"] = replace(SNAPSHOT, upstreams=SNAPSHOT.upstreams[:1])
    assert [row.upstreams[0].id for row in kept.list(principal)] == ["second", "second"]
    held["catalogue"] = {}
    assert [row.model.id for row in kept.list(principal)] == ["openai/gpt-4o", "own/llama"]
    assert kept.list(Principal(key=KEY, environment=TEST, organisation=ORGANISATION)) == ()
