"""What a maker may give: each rule by an example, with what the refusal says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.tenancy import Environment, EnvironmentKind, Member, Role
from anyrouter.core.tenants import Owner
from anyrouter.policy.rights import (
    OPERATOR_RIGHTS,
    Rights,
    has_environment,
    is_role_enough,
    judge_grant,
    judge_power,
    may,
    may_touch,
    rights_of_key,
    rights_of_role,
)
from anyrouter.policy.session import NOT_FRESH

NOW = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = ApiKey(
    id="key_1",
    organisation_id="org_1",
    environment_id="env_live",
    environment="live",
    name="name",
    label="ar-live-MARKER",
    digest=b"MARKER-digest",
    pepper_version=1,
    rotation_group="key_1",
    scopes=frozenset({scopes.ADMIN_KEYS}),
    created_at=NOW,
    updated_at=NOW,
)
PLAIN = replace(KEY, id="key_2", scopes=frozenset(scopes.DEFAULT_SCOPES))
# What restricts the maker, what the key is to have, and what is said of it.
WIDER: list[tuple[dict[str, Any], dict[str, Any], str, str | None]] = [
    ({}, {"scopes": frozenset({scopes.ADMIN_BYOK})}, "insufficient_scope", "scopes"),
    ({}, {"scopes": frozenset({scopes.ADMIN_ALL})}, "insufficient_scope", "scopes"),
    ({"scopes": frozenset({scopes.ADMIN_ORG})}, {}, "insufficient_scope", "scopes"),
    ({"scopes": frozenset(scopes.DEFAULT_SCOPES)}, {}, "insufficient_scope", "scopes"),
    ({"superseded_by": "key_9"}, {}, "exceeds_rights", None),
    ({}, {"organisation_id": "org_2"}, "exceeds_rights", "environment"),
    ({}, {"environment_id": "env_test"}, "exceeds_rights", "environment"),
    ({"endpoints": ("keys",)}, {}, "endpoint_not_allowed", "endpoints"),
    ({"endpoints": ("keys",)}, {"endpoints": ("keys", "models")}, "endpoint_not_allowed", "endpoints"),
    ({"models": ("openai/gpt-4o",)}, {}, "model_not_allowed", "models"),
    ({"models": ("openai/gpt-4o",)}, {"models": ("openai/*",)}, "model_not_allowed", "models"),
    ({"models": ("openai/gpt-4o",)}, {"models": ("openai/GPT-4o",)}, "model_not_allowed", "models"),
    ({"models": ("openai/*",)}, {"models": ("openai/gpt-4o", "openaix/gpt-4o")}, "model_not_allowed", "models"),
    ({"providers": ("openai",)}, {}, "provider_not_allowed", "providers"),
    ({"providers": ("openai",)}, {"providers": ("azure",)}, "provider_not_allowed", "providers"),
    ({"regions": ("eu",)}, {"regions": ("eu", "us")}, "region_not_allowed", "regions"),
    ({"allowed_ips": ("10.0.0.0/8",)}, {}, "ip_not_allowed", "allowed_ips"),
    ({"allowed_ips": ("10.0.0.0/8",)}, {"allowed_ips": ("10.0.0.0/7",)}, "ip_not_allowed", "allowed_ips"),
    ({"allowed_ips": ("10.0.0.0/8",)}, {"allowed_ips": ("::/0",)}, "ip_not_allowed", "allowed_ips"),
    ({"allowed_ips": ("10.0.0.0/9", "10.128.0.0/9")}, {"allowed_ips": ("10.0.0.0/8",)}, "ip_not_allowed", "allowed_ips"),
    ({"expires_at": NOW + HOUR}, {}, "exceeds_rights", "expires_at"),
    ({"expires_at": NOW + HOUR}, {"expires_at": NOW + HOUR + timedelta(milliseconds=1)}, "exceeds_rights", "expires_at"),
    ({"not_before": NOW + HOUR}, {"not_before": NOW}, "exceeds_rights", "not_before"),
    ({"not_before": NOW + HOUR}, {}, "exceeds_rights", "not_before"),
    *(
        ({name: 60}, changes, "exceeds_rights", "limit" if name == "limit_nanousd" else name)
        for name in ("rate_limit_rpm", "rate_limit_tpm", "rate_limit_rpd", "concurrency", "limit_nanousd")
        for changes in ({}, {name: 61})
    ),
    ({"limit_nanousd": 60}, {"limit_nanousd": 60, "limit_reset": BudgetPeriod.DAILY}, "exceeds_rights", "limit_reset"),
    ({"limit_nanousd": 60, "limit_reset": BudgetPeriod.MONTHLY}, {"limit_nanousd": 60}, "exceeds_rights", "limit_reset"),
    ({"budget_policy": BudgetPolicy.STRICT}, {}, "exceeds_rights", "budget_policy"),
    ({"budget_policy": BudgetPolicy.STRICT}, {"budget_policy": BudgetPolicy.CLAMP}, "exceeds_rights", "budget_policy"),
    ({"budget_policy": BudgetPolicy.CLAMP}, {"budget_policy": BudgetPolicy.OPTIMISTIC}, "exceeds_rights", "budget_policy"),
]
WITHIN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"scopes": frozenset({scopes.ADMIN_ALL})}, {"scopes": frozenset(scopes.ALL_SCOPES)}),
    ({"scopes": frozenset({scopes.ADMIN_KEYS, scopes.ADMIN_BYOK})}, {"scopes": frozenset({scopes.ADMIN_BYOK})}),
    ({"endpoints": ("keys", "models")}, {"endpoints": ("models",)}),
    ({"models": ("openai/*",)}, {"models": ("openai/gpt-4o", "openai/*")}),
    ({"allowed_ips": ("10.0.0.0/8",)}, {"allowed_ips": ("10.1.2.3", "::ffff:10.1.0.0/112")}),
    ({"expires_at": NOW + HOUR}, {"expires_at": NOW + HOUR}),
    ({"not_before": NOW - HOUR}, {"not_before": NOW - 2 * HOUR}),
    ({"not_before": NOW + HOUR}, {"not_before": NOW + HOUR}),
    ({"not_before": NOW}, {}),
    ({"rate_limit_rpm": 60, "concurrency": 2}, {"rate_limit_rpm": 60, "concurrency": 0}),
    ({"limit_nanousd": 60, "limit_reset": BudgetPeriod.DAILY}, {"limit_nanousd": 60, "limit_reset": BudgetPeriod.DAILY}),
    ({}, {"limit_nanousd": 60, "limit_reset": BudgetPeriod.DAILY}),
    ({"budget_policy": BudgetPolicy.CLAMP}, {"budget_policy": BudgetPolicy.STRICT}),
    ({"budget_policy": BudgetPolicy.CLAMP}, {"budget_policy": BudgetPolicy.CLAMP}),
    ({"budget_policy": BudgetPolicy.OPTIMISTIC}, {}),
]


@pytest.mark.parametrize(("restrictions", "asked", "code", "param"), WIDER)
def test_what_goes_beyond_the_maker_is_refused_by_name(
    restrictions: dict[str, Any], asked: dict[str, Any], code: str, param: str | None
) -> None:
    wanted = replace(PLAIN, **asked)
    denied = judge_grant(rights_of_key(replace(KEY, **restrictions)), wanted)
    assert denied is not None
    assert (denied.code, denied.param, denied.http_status) == (code, param, 403)
    assert denied.message.startswith("Only who" if code == "insufficient_scope" else "This API key" if param is None else f"{param}: ")
    assert judge_grant(OPERATOR_RIGHTS, wanted) is None


@pytest.mark.parametrize(("restrictions", "asked"), WITHIN)
def test_what_is_within_the_maker_is_let_pass(restrictions: dict[str, Any], asked: dict[str, Any]) -> None:
    assert judge_grant(rights_of_key(replace(KEY, **restrictions)), replace(PLAIN, **asked)) is None


def test_a_scope_that_lacks_is_named() -> None:
    denied = judge_grant(rights_of_key(KEY), replace(PLAIN, scopes=frozenset({scopes.ADMIN_BILLING})))
    assert denied is not None
    assert denied.scope == "admin:billing"


def test_a_developer_makes_keys_of_sandboxes_and_its_own_elsewhere() -> None:
    rights = rights_of_role(Role.DEVELOPER, organisation_id="org_1", member_id="mem_1", sandbox_ids=frozenset({"env_test"}))
    sandboxed = replace(PLAIN, environment_id="env_test", scopes=frozenset({scopes.ADMIN_KEYS}))
    own = replace(PLAIN, kind=KeyKind.PERSONAL, member_id="mem_1")
    assert judge_grant(rights, sandboxed) is None
    assert judge_grant(rights, own) is None
    refused = (
        PLAIN,
        replace(own, member_id="mem_2"),
        replace(own, kind=KeyKind.SERVICE),
        replace(own, scopes=frozenset({scopes.ADMIN_KEYS})),
    )
    assert [denied.code for key in refused if (denied := judge_grant(rights, key))] == [*["exceeds_rights"] * 3, "insufficient_scope"]
    assert [may_touch(rights, key) for key in (sandboxed, own, PLAIN, replace(own, organisation_id="org_2"))] == [True, True, False, False]


@pytest.mark.parametrize("role", [Role.BILLING, Role.VIEWER])
def test_who_only_reads_or_pays_makes_no_keys(role: Role) -> None:
    rights = rights_of_role(role, member_id="mem_1")
    assert judge_grant(rights, replace(PLAIN, kind=KeyKind.PERSONAL, member_id="mem_1")) is not None
    assert may(rights, scopes.USAGE_READ)
    assert may(rights, scopes.ADMIN_BILLING) is (role is Role.BILLING)


def test_an_admin_key_touches_keys_of_its_environment_and_a_role_all_of_the_organisation() -> None:
    elsewhere = replace(PLAIN, environment_id="env_test")
    assert [may_touch(rights_of_key(KEY), key) for key in (PLAIN, elsewhere)] == [True, False]
    assert may_touch(rights_of_role(Role.ADMIN, organisation_id="org_1"), elsewhere)
    assert may_touch(OPERATOR_RIGHTS, replace(elsewhere, organisation_id="org_2"))


@pytest.mark.parametrize(
    ("role", "scope", "kind", "is_enough"),
    [
        (Role.ADMIN, scopes.ADMIN_ORG, EnvironmentKind.LIVE, True),
        (Role.DEVELOPER, scopes.ADMIN_KEYS, EnvironmentKind.SANDBOX, True),
        (Role.DEVELOPER, scopes.ADMIN_KEYS, EnvironmentKind.LIVE, False),
        (Role.DEVELOPER, scopes.ADMIN_ORG, EnvironmentKind.SANDBOX, False),
        (Role.VIEWER, scopes.COMPLETIONS_WRITE, EnvironmentKind.LIVE, True),
        (Role.BILLING, scopes.ADMIN_BILLING, EnvironmentKind.LIVE, True),
        (Role.VIEWER, scopes.ADMIN_KEYS, EnvironmentKind.SANDBOX, False),
    ],
)
def test_a_role_bounds_what_a_personal_key_administers(role: Role, scope: str, kind: EnvironmentKind, is_enough: bool) -> None:
    assert is_role_enough(role, scope, kind) is is_enough


def test_the_scopes_of_a_role_are_these_and_no_others() -> None:
    everything = set(scopes.ALL_SCOPES)
    expected = {
        Role.OWNER: everything,
        Role.ADMIN: everything,
        Role.DEVELOPER: everything - {scopes.ADMIN_ALL, scopes.ADMIN_ORG, scopes.ADMIN_BILLING},
        Role.BILLING: {scopes.USAGE_READ, scopes.ADMIN_BILLING},
        Role.VIEWER: {scopes.MODELS_READ, scopes.USAGE_READ},
    }
    assert {role: {scope for scope in everything if may(rights_of_role(role), scope)} for role in Role} == expected


@pytest.mark.parametrize(
    ("role", "kind", "held", "left"),
    [
        (Role.OWNER, EnvironmentKind.LIVE, {scopes.ADMIN_ALL}, set(scopes.ADMIN_SCOPES)),
        (Role.DEVELOPER, EnvironmentKind.SANDBOX, {scopes.ADMIN_ALL}, {scopes.ADMIN_KEYS, scopes.ADMIN_BYOK}),
        (Role.DEVELOPER, EnvironmentKind.SANDBOX, {scopes.ADMIN_KEYS, scopes.ADMIN_ORG}, {scopes.ADMIN_KEYS}),
        (Role.DEVELOPER, EnvironmentKind.LIVE, {scopes.ADMIN_ALL, scopes.COMPLETIONS_WRITE}, {scopes.COMPLETIONS_WRITE}),
        (Role.BILLING, EnvironmentKind.LIVE, {scopes.ADMIN_ALL}, {scopes.ADMIN_BILLING}),
        (Role.VIEWER, EnvironmentKind.LIVE, set(scopes.ALL_SCOPES), set(scopes.DEFAULT_SCOPES)),
        (None, EnvironmentKind.LIVE, {scopes.ADMIN_ALL}, {scopes.ADMIN_ALL}),
    ],
)
def test_a_personal_key_gives_what_its_person_s_role_allows_now(
    role: Role | None, kind: EnvironmentKind, held: set[str], left: set[str]
) -> None:
    key = replace(KEY, scopes=frozenset(held))
    member = None if role is None else Member(id="m", organisation_id="org_1", email="a@b.example", name="A", role=role, created_at=NOW)
    environment = Environment(id="env_live", organisation_id="org_1", slug="live", name="live", kind=kind)
    assert rights_of_key(key, Owner(None, environment, member)).scopes == left
    assert rights_of_key(key, Owner(None, None, member)).scopes == held
    assert rights_of_key(key).scopes == held


def test_a_role_works_in_all_environments_in_the_sandboxes_or_in_none() -> None:
    sandboxes = frozenset({"env_test"})
    where = {role: rights_of_role(role, sandbox_ids=sandboxes).environment_ids for role in Role}
    none = frozenset()
    assert where == {Role.OWNER: None, Role.ADMIN: None, Role.DEVELOPER: sandboxes, Role.BILLING: none, Role.VIEWER: none}


def test_nothing_restricts_an_operator() -> None:
    assert OPERATOR_RIGHTS.is_operator
    rights = Rights(scopes=frozenset(), is_operator=True, is_retiring=True, organisation_id="org_9", environment_ids=frozenset(), models=())
    assert may(rights, scopes.ADMIN_ORG)
    assert has_environment(rights, "env_live")
    assert may_touch(rights, PLAIN)
    assert judge_grant(rights, PLAIN) is None


def test_a_personal_key_of_nobody_is_nobody_s_own() -> None:
    elsewhere = replace(PLAIN, environment_id="env_test", kind=KeyKind.PERSONAL, member_id=None)
    assert not may_touch(rights_of_key(KEY), elsewhere)
    assert judge_grant(rights_of_key(KEY), elsewhere) is not None


def test_rights_without_restrictions_hold_nothing_back() -> None:
    rights = Rights(scopes=frozenset({scopes.ADMIN_ALL}))
    assert judge_grant(rights, replace(PLAIN, organisation_id="org_9", environment_id="env_9")) is None
    assert may_touch(rights, replace(PLAIN, organisation_id="org_9", environment_id="env_9"))


@pytest.mark.parametrize(
    ("is_fresh", "gained", "is_refused"),
    [
        (False, {"admin:*"}, True),
        (False, {"admin:keys", "models:read"}, True),
        (False, {"models:read", "usage:read"}, False),
        (False, set(), False),
        (True, {"admin:*"}, False),
    ],
)
def test_power_wants_a_fresh_proof(is_fresh: bool, gained: set[str], is_refused: bool) -> None:
    rights = rights_of_role(Role.OWNER, is_fresh=is_fresh)
    assert judge_power(rights, gained) == (NOT_FRESH if is_refused else None)
