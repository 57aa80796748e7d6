"""What the forms about an environment say. No I/O."""

from typing import Any

from anyrouter.core.budget import BudgetPolicy
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.web.pages.forms import Fields

LIMITS = ("rate_limit_rpm", "rate_limit_tpm", "concurrency")
FIELDS = ("name", *LIMITS, "budget_policy")
POLICIES = (
    ("", "As usual: answers are shortened"),
    (BudgetPolicy.CLAMP.value, "Shorten answers to what is left"),
    (BudgetPolicy.STRICT.value, "Refuse what could cost more than is left"),
    (BudgetPolicy.OPTIMISTIC.value, "Let through what is likely to fit"),
)


def read_settings(form: Fields) -> dict[str, Any]:
    """Name, limits and policy by the record's names; an empty field is no limit. ClientError."""
    policy = form.text("budget_policy")
    if policy not in dict(POLICIES):
        raise _refusal("budget_policy", "choose one of the answers")
    limits = {name: form.whole(name) for name in LIMITS}
    return {"name": form.text("name"), **limits, "budget_policy": policy or None}


def read_kind(form: Fields) -> EnvironmentKind:
    """What its keys are to reach. ClientError."""
    try:
        return EnvironmentKind(form.text("kind"))
    except ValueError:
        raise _refusal("kind", "choose what its keys reach") from None


def keep_values(form: Fields) -> dict[str, str]:
    """What was typed, to be shown again."""
    return {name: form.text(name) for name in (*FIELDS, "slug", "kind")}


def show_values(environment: Environment) -> dict[str, str]:
    """An environment as its form shows it at first."""
    limits = {name: getattr(environment, name) for name in LIMITS}
    policy = environment.budget_policy
    return {
        "name": environment.name,
        **{name: "" if limit is None else str(limit) for name, limit in limits.items()},
        "budget_policy": "" if policy is None else policy.value,
    }


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", param=param, message=f"{param}: {reason}."))
