"""What is wrong, in words, with where it is mended: the first thing on the home page. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from anyrouter.control.budget_usage import BudgetUse
from anyrouter.control.home_facts import UnusualHour
from anyrouter.control.key_search import KeyPage
from anyrouter.core.budget import Budget, BudgetOwner, BudgetPeriod
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.tenancy import Environment
from anyrouter.policy.health import TargetState
from anyrouter.web.pages import words

_NAMED = 3
_FAILURES = 3
_PERIODS = {BudgetPeriod.DAILY: "today", BudgetPeriod.WEEKLY: "this week", BudgetPeriod.MONTHLY: "this month", BudgetPeriod.TOTAL: "in all"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that wants a look. `kind` is bad or warn; `path` is where it is mended, `action` what one does there."""

    kind: str
    title: str
    text: str
    path: str
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamFacts:
    """How an upstream does: the worst state of its targets, and how many attempts have failed in a row."""

    name: str
    state: TargetState = "well"
    models: int = 0
    failures: int = 0
    last_error: str = ""


def list_upstream_problems(upstreams: Iterable[UpstreamFacts]) -> list[Problem]:
    """Upstreams that are left alone for a while, or fail."""
    found = []
    for row in upstreams:
        said = f" It said last: {row.last_error}." if row.last_error else ""
        if row.state in {"open", "half_open"}:
            models = f"{row.models} of its models" if row.models > 1 else "a model of it"
            text = f"Too many requests for {models} failed, so they go elsewhere for a while, where something else serves them.{said}"
            found.append(_upstream_problem("bad", f"The upstream {row.name} is down", text))
        elif row.failures >= _FAILURES:
            text = f"Its last {row.failures} attempts failed.{said}"
            found.append(_upstream_problem("warn", f"The upstream {row.name} fails", text))
    return found


def list_budget_problems(uses: Iterable[BudgetUse], names: Mapping[str, str]) -> list[Problem]:
    """Budgets that are spent or nearly so; `names` are those of owners, by id."""
    found = []
    for use in uses:
        if use.is_near:
            owner = _name_owner(use.budget, names)
            spent = f"{words.money(use.spent_nanousd)} of {words.money(use.budget.limit_nanousd)} {_PERIODS[use.budget.period]}"
            refused = " Requests that cost something are refused." if use.is_spent else ""
            is_renewed = use.ends_at is not None and use.budget.limit_nanousd
            again = f" It is whole again on {words.moment(use.ends_at)}." if is_renewed else ""
            standing = "is spent" if use.is_spent else "is nearly spent"
            title = f"The budget of {owner} {standing if use.budget.limit_nanousd else 'allows no spending'}"
            found.append(
                Problem(
                    kind="bad" if use.is_spent else "warn",
                    title=title,
                    text=f"{spent}.{refused}{again}",
                    path="/dashboard/settings/limits",
                    action="To the limits",
                )
            )
    return found


def list_key_problems(ending: KeyPage | None, rotated: KeyPage | None, now: datetime) -> list[Problem]:
    """Keys that end soon, and old ones that somebody still uses."""
    found = []
    if ending is not None and ending.total:
        names = ", ".join(f"{key.name} ({words.ago(key.expires_at, now)})" for key in ending.keys[:_NAMED])
        more = f" and {ending.total - _NAMED} more" if ending.total > _NAMED else ""
        title = "A key ends soon" if ending.total == 1 else f"{words.number(ending.total)} keys end soon"
        text = f"{names}{more}. Programs that use them are refused from then on."
        found.append(Problem(kind="warn", title=title, text=text, path="/dashboard/keys?health=expires_soon", action="Rotate, or extend"))
    if rotated is not None and rotated.total:
        names = ", ".join(key.name for key in rotated.keys[:_NAMED])
        title = "A rotated key is still used" if rotated.total == 1 else f"{words.number(rotated.total)} rotated keys are still used"
        text = f"{names}: some program was not switched to the new key. It stops when the grace ends."
        found.append(Problem(kind="warn", title=title, text=text, path="/dashboard/keys?health=rotated_in_use", action="Show them"))
    return found


def list_credential_problems(credentials: Sequence[ProviderCredential], now: datetime) -> list[Problem]:
    """Credentials that a provider refuses, and those whose secret is missing."""
    found = []
    for row in credentials:
        path = f"/dashboard/settings/byok/{row.id}"
        name = f"The credential {row.name} ({row.environment})"
        if row.quarantined_until is not None and row.quarantined_until > now:
            text = (
                f"The provider refused it, so it is not used until {words.moment(row.quarantined_until)}. Check it, or enter a new secret."
            )
            found.append(Problem(kind="bad", title=f"{name} is quarantined", text=text, path=path, action="To the credential"))
        elif row.needs_secret:
            text = "Its address was changed. It is not used until its secret is entered again."
            found.append(Problem(kind="warn", title=f"{name} has no secret", text=text, path=path, action="Enter it"))
    return found


def list_credit_problems(days_left: int | None, balance_nanousd: int) -> list[Problem]:
    """Prepaid credits that do not last."""
    if days_left is None:
        return []
    if balance_nanousd <= 0:
        title, text, kind = "The credits are used up", "Requests that cost something are refused.", "bad"
    else:
        lasts = "less than a day" if days_left == 0 else f"about {days_left} day{'s' if days_left > 1 else ''}"
        title, kind = "The credits end soon", "warn"
        text = f"{words.money(balance_nanousd)} are left: {lasts} at the pace of the last seven days."
    return [Problem(kind=kind, title=title, text=text, path="/dashboard/settings/credits", action="To the credits")]


def list_spend_problems(unusual: UnusualHour | None) -> list[Problem]:
    """An hour that cost far more than usual."""
    if unusual is None:
        return []
    begins = datetime.fromtimestamp(unusual.hour * 3600, UTC)
    usual = f"usually about {words.money(unusual.usual_nanousd)} at this time of the day" if unusual.usual_nanousd else "usually nothing"
    text = (
        f"{words.money(unusual.spent_nanousd)} in the hour from {begins:%H:%M} UTC, {usual}. A program may be in a loop, or a key leaked."
    )
    times = urlencode({"from": f"{begins:%Y-%m-%dT%H:00}", "to": f"{begins:%Y-%m-%dT%H:59}"})
    return [Problem(kind="warn", title="Unusual spend", text=text, path=f"/dashboard/activity?{times}", action="See these requests")]


def name_owners(organisation_id: str, environments: Iterable[Environment]) -> dict[str, str]:
    """How owners of budgets are called."""
    return {organisation_id: "the organisation", **{row.id: f"the environment {row.slug}" for row in environments}}


def _name_owner(budget: Budget, names: Mapping[str, str]) -> str:
    owner = names.get(budget.owner_id, "a key" if budget.owner is BudgetOwner.KEY else "an environment")
    return f"{owner} ({budget.name})" if budget.name else owner


def _upstream_problem(kind: str, title: str, text: str) -> Problem:
    return Problem(kind=kind, title=title, text=text, path="/dashboard/settings/upstreams", action="To the upstreams")
