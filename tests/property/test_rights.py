"""Nothing that `judge_grant` lets pass can do what its maker cannot: by trying, with the very functions that judge requests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.scopes import grants
from anyrouter.core.tenancy import Environment, EnvironmentKind, Member, Organisation, Role
from anyrouter.core.tenants import Owner
from anyrouter.policy.authorize import is_model_allowed, judge_key
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.policy.rights import Rights, judge_grant, rights_of_key, rights_of_role

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
ORGANISATION = Organisation(id="org_1", name="One", created_at=NOW)
LIVE, TEST = (
    Environment(id=f"env_{slug}", organisation_id="org_1", slug=slug, name=slug, kind=kind)
    for slug, kind in (("live", EnvironmentKind.LIVE), ("test", EnvironmentKind.SANDBOX))
)
PATHS = sorted({row.path for row in ENDPOINTS.values()})
MODELS = ("openai/gpt-4o", "openai/gpt-4o:free", "openai/o1", "anthropic/claude", "openaix/gpt-4o", "openai/*", "anthropic/*")
NAMED_MODELS = tuple(model for model in MODELS if not model.endswith("*"))
NETWORKS = (
    "10.0.0.0/8",
    "10.1.0.0/16",
    "10.1.2.3",
    "10.1.2.3/32",
    "::ffff:10.1.0.0/112",
    "::ffff:10.1.2.3",
    "::/0",
    "0.0.0.0/0",
    "2001:db8::/32",
    "2001:db8::1",
    "::ffff:0:0/96",
    "::/64",
    "rubbish",
)
ADDRESSES = ("10.1.2.3", "::ffff:10.1.2.3", "10.1.9.9", "10.200.0.1", "203.0.113.7", "2001:db8::1", "2001:db8:1::1", "::1", "rubbish")


def subsets(values: tuple[str, ...] | list[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    return st.none() | st.lists(st.sampled_from(values), min_size=1, max_size=4, unique=True).map(tuple)


def limits(most: int = 4) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(0, most)


keys = st.builds(
    ApiKey,
    id=st.just("key_1"),
    organisation_id=st.just("org_1"),
    environment_id=st.sampled_from(["env_live", "env_test"]),
    environment=st.just("live"),
    name=st.just("name"),
    label=st.just("ar-live-MARKER"),
    digest=st.just(b"MARKER-digest"),
    pepper_version=st.just(1),
    rotation_group=st.just("key_1"),
    scopes=st.frozensets(st.sampled_from(scopes.ALL_SCOPES), min_size=1, max_size=5),
    created_at=st.just(NOW),
    updated_at=st.just(NOW),
    models=subsets(MODELS),
    endpoints=subsets(PATHS),
    providers=subsets(["openai", "azure"]),
    regions=subsets(["eu", "us"]),
    allowed_ips=subsets(NETWORKS),
    rate_limit_rpm=limits(),
    rate_limit_tpm=limits(),
    rate_limit_rpd=limits(),
    concurrency=limits(),
    limit_nanousd=limits(),
    limit_reset=st.sampled_from(BudgetPeriod),
    budget_policy=st.none() | st.sampled_from(BudgetPolicy),
    not_before=st.none() | st.integers(-2, 2).map(lambda days: NOW + days * DAY),
    expires_at=st.none() | st.integers(1, 4).map(lambda days: NOW + days * DAY),
)
FREELY = ("models", "endpoints", "providers", "regions", "allowed_ips", "not_before", "expires_at", "budget_policy", "limit_nanousd")


@st.composite
def near(draw: st.DrawFn) -> tuple[ApiKey, ApiKey]:
    """A maker and a key that differs from it in a few fields: two at random hardly ever fit."""
    maker, other = draw(keys), draw(keys)
    maker = replace(maker, scopes=maker.scopes | {scopes.ADMIN_KEYS})
    names = draw(
        st.sets(st.sampled_from([*FREELY, "scopes", "environment_id", "rate_limit_rpm", "concurrency", "limit_reset"]), max_size=4)
    )
    return maker, replace(maker, id="key_2", **{name: getattr(other, name) for name in names})


def uses(key: ApiKey, now: datetime, address: str, endpoint: str) -> bool:
    """Whether the head of a request is admitted, as the relay and the API ask it."""
    environment = LIVE if key.environment_id == LIVE.id else TEST
    return judge_key(key, Owner(ORGANISATION, environment), ENDPOINTS[endpoint], address, now) is None


def granted_by_nature(endpoint: str) -> bool:
    """What an admin scope gives without having it itself: inference and reading."""
    return ENDPOINTS[endpoint].scope in {None, *scopes.DEFAULT_SCOPES}


@settings(deadline=None, max_examples=400)
@given(near(), st.sampled_from(ADDRESSES), st.sampled_from(sorted(ENDPOINTS)), st.integers(0, 5))
def test_a_key_from_a_key_is_admitted_to_nothing_that_its_maker_is_not(
    pair: tuple[ApiKey, ApiKey], address: str, endpoint: str, days: int
) -> None:
    maker, made = pair
    if judge_grant(rights_of_key(maker), made) is not None:
        return
    assert made.environment_id == maker.environment_id
    now = max(NOW, maker.not_before or NOW) + days * DAY
    if uses(made, now, address, endpoint):
        able = replace(maker, scopes=maker.scopes | set(scopes.DEFAULT_SCOPES)) if granted_by_nature(endpoint) else maker
        assert uses(able, now, address, endpoint)


@settings(deadline=None, max_examples=400)
@given(near(), st.sampled_from(NAMED_MODELS))
def test_a_key_from_a_key_reaches_no_model_provider_or_region_beyond_and_spends_no_more(pair: tuple[ApiKey, ApiKey], model: str) -> None:
    maker, made = pair
    if judge_grant(rights_of_key(maker), made) is not None:
        return
    if maker.models is not None:
        assert made.models is not None
        assert is_model_allowed(maker.models, model) or not is_model_allowed(made.models, model)
    for name in ("providers", "regions", "endpoints"):
        most, asked = getattr(maker, name), getattr(made, name)
        assert most is None or (asked is not None and set(asked) <= set(most))
    for name in ("rate_limit_rpm", "rate_limit_tpm", "rate_limit_rpd", "concurrency", "limit_nanousd"):
        most, asked = getattr(maker, name), getattr(made, name)
        assert most is None or (asked is not None and asked <= most)
    assert maker.limit_nanousd is None or made.limit_reset is maker.limit_reset
    if maker.budget_policy in {BudgetPolicy.STRICT, BudgetPolicy.CLAMP}:
        assert made.budget_policy in {BudgetPolicy.STRICT, maker.budget_policy}


@settings(deadline=None, max_examples=200)
@given(keys)
def test_whoever_has_an_admin_scope_can_make_its_own_like(key: ApiKey) -> None:
    """What is let pass is not too little either."""
    key = replace(key, not_before=None)
    denied = judge_grant(rights_of_key(key), key)
    is_readable = key.allowed_ips is None or "rubbish" not in key.allowed_ips
    assert (denied is None) == (grants(key.scopes, scopes.ADMIN_KEYS) and is_readable)


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3), st.lists(st.sampled_from(NETWORKS), min_size=1, max_size=3), st.data())
def test_a_network_that_is_covered_holds_no_address_that_the_others_do_not(outer: list[str], inner: list[str], data: st.DataObject) -> None:
    maker = Rights(scopes=frozenset({scopes.ADMIN_KEYS}), allowed_ips=tuple(outer))
    wanted = replace(EXAMPLE, allowed_ips=tuple(inner))
    if judge_grant(maker, wanted) is not None:
        return
    network = ip_network(data.draw(st.sampled_from(inner)), strict=False)
    kind = IPv4Address if isinstance(network, IPv4Network) else IPv6Address
    address = kind(int(network.network_address) + data.draw(st.integers(0, network.num_addresses - 1)))
    able = replace(EXAMPLE, allowed_ips=tuple(outer))
    if uses(wanted, NOW, str(address), "models"):
        assert uses(able, NOW, str(address), "models")


@settings(deadline=None, max_examples=300)
@given(keys, st.sampled_from(Role), st.booleans(), st.sampled_from(sorted(ENDPOINTS)))
def test_a_members_key_does_no_more_than_the_members_role(key: ApiKey, role: Role, is_personal: bool, endpoint: str) -> None:
    member_id = "mem_1" if is_personal else None
    wanted = replace(key, kind=KeyKind.PERSONAL if is_personal else KeyKind.SERVICE, member_id=member_id)
    rights = rights_of_role(role, organisation_id="org_1", member_id="mem_1", sandbox_ids=frozenset({"env_test"}))
    denied = judge_grant(rights, wanted)
    if role in {Role.BILLING, Role.VIEWER}:
        assert denied is not None
    if denied is None and role is Role.DEVELOPER:
        assert wanted.environment_id == "env_test" or (is_personal and not scopes.is_admin(wanted.scopes))
        assert not wanted.scopes & {scopes.ADMIN_ALL, scopes.ADMIN_ORG, scopes.ADMIN_BILLING}
    if denied is None and is_personal:
        member = Member(id="mem_1", organisation_id="org_1", email="a@b.example", name="A", role=role, created_at=NOW)
        environment = LIVE if wanted.environment_id == LIVE.id else TEST
        bare = replace(wanted, allowed_ips=None, not_before=None, expires_at=None)
        service = replace(bare, kind=KeyKind.SERVICE, member_id=None)
        expected = judge_key(service, Owner(ORGANISATION, environment), ENDPOINTS[endpoint], "10.1.2.3", NOW)
        assert judge_key(bare, Owner(ORGANISATION, environment, member), ENDPOINTS[endpoint], "10.1.2.3", NOW) == expected


EXAMPLE = ApiKey(
    id="key_2",
    organisation_id="org_1",
    environment_id="env_live",
    environment="live",
    name="name",
    label="ar-live-MARKER",
    digest=b"MARKER-digest",
    pepper_version=1,
    rotation_group="key_2",
    scopes=frozenset(scopes.DEFAULT_SCOPES),
    created_at=NOW,
    updated_at=NOW,
)
