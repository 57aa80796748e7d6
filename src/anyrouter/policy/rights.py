"""What somebody may give: a key is made or changed only within the rights of whoever does it (keys.md, section 3).

An admin scope grants every inference and reading scope and those admin scopes that its holder has itself, nothing more. Whatever
restricts the maker (environment, endpoints, models, providers, regions, addresses, times, limits) restricts what it makes. The bound is
on each key: what all keys of a maker may do together is bounded by budgets and limits of the environment and the organisation.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from anyrouter.core import scopes
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.errors import Denied
from anyrouter.core.scopes import grants
from anyrouter.core.tenancy import EnvironmentKind, Role
from anyrouter.core.tenants import Owner
from anyrouter.policy.network import is_covered
from anyrouter.policy.session import NOT_FRESH

_POLICY_WIDTH = {BudgetPolicy.STRICT: 0, BudgetPolicy.CLAMP: 1, BudgetPolicy.OPTIMISTIC: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What its holder may give; None does not restrict, as with a key.

    `is_fresh` is whether it is known to be there now, and not a screen that somebody has left: without that nothing is given that
    administers. A key proves itself with every request.

    `environment_ids` is where it works. A member works elsewhere too, on keys that are its own: `member_id`. A key that was rotated
    (`is_retiring`) gives nothing any more.
    """

    scopes: frozenset[str]
    is_operator: bool = False
    is_retiring: bool = False
    is_fresh: bool = True
    organisation_id: str | None = None
    member_id: str | None = None
    environment_ids: frozenset[str] | None = None
    models: tuple[str, ...] | None = None
    endpoints: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None
    allowed_ips: tuple[str, ...] | None = None
    not_before: datetime | None = None
    expires_at: datetime | None = None
    rate_limit_rpm: int | None = None
    rate_limit_tpm: int | None = None
    rate_limit_rpd: int | None = None
    concurrency: int | None = None
    limit_nanousd: int | None = None
    limit_reset: BudgetPeriod = BudgetPeriod.TOTAL
    budget_policy: BudgetPolicy | None = None


OPERATOR_RIGHTS = Rights(scopes=frozenset(scopes.ALL_SCOPES), is_operator=True)

# Owner and admin differ in what they may do to the organisation and its owners, not in scopes.
_ROLE_SCOPES = {
    Role.OWNER: frozenset(scopes.ALL_SCOPES),
    Role.ADMIN: frozenset(scopes.ALL_SCOPES),
    Role.DEVELOPER: frozenset({*scopes.DEFAULT_SCOPES, scopes.ADMIN_KEYS, scopes.ADMIN_BYOK}),
    Role.BILLING: frozenset({scopes.USAGE_READ, scopes.ADMIN_BILLING}),
    Role.VIEWER: frozenset({scopes.MODELS_READ, scopes.USAGE_READ}),
}


def rights_of_key(key: ApiKey, owner: Owner | None = None) -> Rights:
    """What a key may give: within its environment, no more than it has; a personal one no more than its `owner`'s role allows now."""
    return Rights(
        scopes=key.scopes if owner is None else _narrow(key.scopes, owner),
        is_retiring=key.superseded_by is not None,
        organisation_id=key.organisation_id,
        environment_ids=frozenset({key.environment_id}),
        models=key.models,
        endpoints=key.endpoints,
        providers=key.providers,
        regions=key.regions,
        allowed_ips=key.allowed_ips,
        not_before=key.not_before,
        expires_at=key.expires_at,
        rate_limit_rpm=key.rate_limit_rpm,
        rate_limit_tpm=key.rate_limit_tpm,
        rate_limit_rpd=key.rate_limit_rpd,
        concurrency=key.concurrency,
        limit_nanousd=key.limit_nanousd,
        limit_reset=key.limit_reset,
        budget_policy=key.budget_policy,
    )


def _narrow(held: frozenset[str], owner: Owner) -> frozenset[str]:
    """The scopes that are left when a role is looked at: of `admin:*` those of its parts that it allows."""
    member, environment = owner.member, owner.environment
    if member is None or environment is None:
        return held
    parts = held | set(scopes.ADMIN_SCOPES) if scopes.ADMIN_ALL in held else held
    return frozenset(scope for scope in parts if is_role_enough(member.role, scope, environment.kind))


def rights_of_role(
    role: Role,
    *,
    organisation_id: str | None = None,
    member_id: str | None = None,
    sandbox_ids: frozenset[str] = frozenset(),
    is_fresh: bool = True,
) -> Rights:
    """What a member may give. `sandbox_ids` are the organisation's sandbox environments, where a developer makes what is not its own."""
    return Rights(
        scopes=_ROLE_SCOPES[role],
        is_fresh=is_fresh,
        organisation_id=organisation_id,
        member_id=member_id,
        environment_ids=None if role in {Role.OWNER, Role.ADMIN} else sandbox_ids if role is Role.DEVELOPER else frozenset(),
    )


def may(rights: Rights, scope: str) -> bool:
    """Whether the holder may do what the scope names."""
    return rights.is_operator or grants(rights.scopes, scope)


def has_environment(rights: Rights, environment_id: str) -> bool:
    """Whether the holder works in the environment."""
    return rights.is_operator or rights.environment_ids is None or environment_id in rights.environment_ids


def may_touch(rights: Rights, key: ApiKey) -> bool:
    """Whether a key is there for the holder: for all others it is as if it did not exist."""
    if not rights.is_operator and rights.organisation_id not in {None, key.organisation_id}:
        return False
    return has_environment(rights, key.environment_id) or _is_own(rights, key)


def is_role_enough(role: Role, scope: str, kind: EnvironmentKind) -> bool:
    """Whether a member of that role may do what an admin scope names with a personal key of an environment of that kind.

    Inference and reading are no matter of roles: who gave the person a key gave that.
    """
    if not scope.startswith("admin:"):
        return True
    return grants(_ROLE_SCOPES[role], scope) and (role is not Role.DEVELOPER or kind is EnvironmentKind.SANDBOX)


def judge_grant(rights: Rights, wanted: ApiKey) -> Denied | None:
    """None when the holder may have `wanted` made, or changed into what it says; `updated_at` is when that would be.

    403 with `param`, the field that says too much.
    """
    if rights.is_operator:
        return None
    return next((denied for judge in _JUDGES if (denied := judge(rights, wanted)) is not None), None)


def judge_power(rights: Rights, gained: Iterable[str]) -> Denied | None:
    """None when the holder may let a key have scopes that it has not now, or a new text for them: what administers wants a fresh proof."""
    return NOT_FRESH if not rights.is_fresh and any(scope.startswith("admin:") for scope in gained) else None


def _judge_maker(rights: Rights, _wanted: ApiKey) -> Denied | None:
    if rights.is_retiring:
        return _refusal(
            None, "This API key was rotated. Until its grace ends it can be used, but it makes and changes no keys; use the new one"
        )
    if not may(rights, scopes.ADMIN_KEYS):
        return _missing(scopes.ADMIN_KEYS)
    return None


def _judge_environment(rights: Rights, wanted: ApiKey) -> Denied | None:
    if rights.organisation_id not in {None, wanted.organisation_id}:
        return _refusal("environment", "It would be a key of another organisation")
    if has_environment(rights, wanted.environment_id):
        return None
    if not _is_own(rights, wanted):
        return _refusal("environment", f"Whoever asks does not work in the environment {wanted.environment}")
    # An admin key is more than its owner: it makes keys that are not personal.
    admin = next((scope for scope in wanted.scopes if scope.startswith("admin:")), None)
    return None if admin is None else _missing(admin)


def _judge_scopes(rights: Rights, wanted: ApiKey) -> Denied | None:
    for scope in sorted(wanted.scopes):
        if scope not in scopes.DEFAULT_SCOPES and not grants(rights.scopes, scope):
            return _missing(scope)
    return None


def _judge_endpoints(rights: Rights, wanted: ApiKey) -> Denied | None:
    return _judge_list("endpoints", "endpoint_not_allowed", rights.endpoints, wanted.endpoints, _is_member)


def _judge_models(rights: Rights, wanted: ApiKey) -> Denied | None:
    return _judge_list("models", "model_not_allowed", rights.models, wanted.models, _is_model_covered)


def _judge_providers(rights: Rights, wanted: ApiKey) -> Denied | None:
    return _judge_list("providers", "provider_not_allowed", rights.providers, wanted.providers, _is_member)


def _judge_regions(rights: Rights, wanted: ApiKey) -> Denied | None:
    return _judge_list("regions", "region_not_allowed", rights.regions, wanted.regions, _is_member)


def _judge_addresses(rights: Rights, wanted: ApiKey) -> Denied | None:
    return _judge_list("allowed_ips", "ip_not_allowed", rights.allowed_ips, wanted.allowed_ips, is_covered)


def _judge_times(rights: Rights, wanted: ApiKey) -> Denied | None:
    # Whatever a key's own beginning, it is not used before it is made or changed into this.
    begins_at = wanted.updated_at if wanted.not_before is None else max(wanted.not_before, wanted.updated_at)
    if rights.not_before is not None and begins_at < rights.not_before:
        return _refusal("not_before", "Whoever asks is not valid so early")
    if rights.expires_at is not None and (wanted.expires_at is None or wanted.expires_at > rights.expires_at):
        return _refusal(
            "expires_at", f"Whoever asks expires at {rights.expires_at.isoformat(timespec='seconds')}; a key from it ends no later"
        )
    return None


def _judge_limits(rights: Rights, wanted: ApiKey) -> Denied | None:
    pairs = (
        ("rate_limit_rpm", rights.rate_limit_rpm, wanted.rate_limit_rpm),
        ("rate_limit_tpm", rights.rate_limit_tpm, wanted.rate_limit_tpm),
        ("rate_limit_rpd", rights.rate_limit_rpd, wanted.rate_limit_rpd),
        ("concurrency", rights.concurrency, wanted.concurrency),
        ("limit", rights.limit_nanousd, wanted.limit_nanousd),
    )
    for param, most, asked in pairs:
        if most is not None and (asked is None or asked > most):
            return _refusal(param, "Whoever asks has a lower limit; give the key one that is not above it")
    if rights.limit_nanousd is not None and wanted.limit_reset is not rights.limit_reset:
        return _refusal("limit_reset", f"The limit of whoever asks is {rights.limit_reset.value}; a key from it needs the same")
    return None


def _judge_policy(rights: Rights, wanted: ApiKey) -> Denied | None:
    if rights.budget_policy in {None, BudgetPolicy.OPTIMISTIC}:
        return None
    if wanted.budget_policy is None or _POLICY_WIDTH[wanted.budget_policy] > _POLICY_WIDTH[rights.budget_policy]:
        return _refusal(
            "budget_policy", f"The policy of whoever asks is {rights.budget_policy.value}; a key from it has none that is wider"
        )
    return None


_JUDGES: tuple[Callable[[Rights, ApiKey], Denied | None], ...] = (
    _judge_maker,
    _judge_environment,
    _judge_scopes,
    _judge_endpoints,
    _judge_models,
    _judge_providers,
    _judge_regions,
    _judge_addresses,
    _judge_times,
    _judge_limits,
    _judge_policy,
)


def _judge_list(
    param: str,
    code: str,
    allowed: tuple[str, ...] | None,
    wanted: tuple[str, ...] | None,
    is_within: Callable[[str, tuple[str, ...]], bool],
) -> Denied | None:
    if allowed is None:
        return None
    if wanted is None:
        return _refusal(param, "Whoever asks is restricted in this; a key from it needs a restriction within that one", code=code)
    if all(is_within(entry, allowed) for entry in wanted):
        return None
    return _refusal(param, "An entry is outside of what whoever asks may use", code=code)


def _is_member(entry: str, allowed: tuple[str, ...]) -> bool:
    return entry in allowed


def _is_model_covered(entry: str, allowed: tuple[str, ...]) -> bool:
    """An id, or a `vendor/*` pattern, which only the same pattern covers."""
    return entry in allowed or f"{entry.partition('/')[0]}/*" in allowed


def _is_own(rights: Rights, key: ApiKey) -> bool:
    return rights.member_id is not None and key.kind is KeyKind.PERSONAL and key.member_id == rights.member_id


def _missing(scope: str) -> Denied:
    return Denied(
        code="insufficient_scope",
        scope=scope,
        param="scopes",
        message=f"Only who has the scope {scope} can do this, or give it to a key. Ask somebody who has it.",
    )


def _refusal(param: str | None, reason: str, *, code: str = "exceeds_rights") -> Denied:
    prefix = "" if param is None else f"{param}: "
    return Denied(code=code, param=param, message=f"{prefix}{reason}. A key is made or changed only within the rights of whoever does it.")
