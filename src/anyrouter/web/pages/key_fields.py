"""The form of a key on a page: what it offers to the visitor, and what becomes of a refusal. Shared by making and changing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from anyrouter.control.audit import make_event
from anyrouter.core import scopes
from anyrouter.core.budget import BudgetPeriod, BudgetPolicy
from anyrouter.core.errors import ClientError, Denied
from anyrouter.policy.rights import may
from anyrouter.web.pages.confirmation import AskedProof, FormProof
from anyrouter.web.pages.key_choices import KeyChoices, ModelMatches, list_endpoints
from anyrouter.web.pages.key_form import CUSTOM, FORM_NAMES, PRESETS, SPANS, KeyForm, say
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page

PRESET_WORDS: Mapping[str, tuple[str, str]] = {
    "inference": ("Use models", "For programs: ask models, and read its own usage and the lists of models."),
    "read": ("Only read", "For reports: reads lists of models and its own usage; cannot ask models."),
    "admin": ("Manage everything", "For automation: makes keys, credentials, environments, members. Cannot ask models."),
    CUSTOM: ("Choose myself", "Tick each thing that it may do."),
}
PERIODS = (
    (BudgetPeriod.MONTHLY, "each month"),
    (BudgetPeriod.WEEKLY, "each week"),
    (BudgetPeriod.DAILY, "each day"),
    (BudgetPeriod.TOTAL, "in all"),
)
POLICIES = (
    ("", "As the environment says"),
    (BudgetPolicy.STRICT, "Refuse what could cost more than is left"),
    (BudgetPolicy.CLAMP, "Shorten answers to what is left"),
    (BudgetPolicy.OPTIMISTIC, "Let through what is likely to fit"),
)
_NAMES = frozenset(row.name for row in fields(KeyForm))
_FOLDS = {
    "reach": ("models", "models_more", "endpoints", "providers", "regions"),
    "limits": ("rate_limit_rpm", "rate_limit_tpm", "rate_limit_rpd", "concurrency", "limit", "limit_reset", "budget_policy"),
    "more": ("allowed_ips", "not_before", "tags"),
}
_FORBIDDEN = frozenset({401, 403})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A form that was not taken: texts at its fields, a text on top of it, the status of the reply, a proof that is asked for besides."""

    errors: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    status: int = 400
    asked: AskedProof | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """What the reply has besides."""
        return {} if self.asked is None else self.asked.headers


TAKEN = Refused(status=200)


class KeyFields:
    """Shows the form, and says what is wrong with it."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self.choices, self.proof = ports, KeyChoices(ports), FormProof(ports)

    def describe(self, page: Page, form: KeyForm, refused: Refused = TAKEN, *, held: KeyForm | None = None) -> dict[str, Any]:
        """What the macros of the form show; `held` is what the key is now, None for a new one."""
        visit, kept = page.visit, held or KeyForm(scopes=())
        found = self.choices.find_models(visit, form.environment, form.model_search) if form.model_search else ModelMatches((), 0)
        return {
            "form": form,
            "refused": refused,
            "errors": refused.errors,
            "presets": [
                (name, *words) for name, words in PRESET_WORDS.items() if all(may_give(page, scope) for scope in PRESETS.get(name, ()))
            ],
            "scope_rows": self.choices.list_scopes(visit, kept.scopes),
            "vendors": self.choices.list_vendors(visit),
            "matches": [name for name in found.ids if name not in form.models],
            "matches_total": found.total,
            "endpoint_groups": list_endpoints(form.endpoints),
            "providers": self.choices.list_providers(visit, form.providers),
            "regions": self.choices.list_regions(),
            "periods": PERIODS,
            "policies": POLICIES,
            "spans": SPANS,
            "lifetime_days": self.find_lifetime_days(page),
            "open_folds": _find_open(form, refused.errors),
        }

    def find_lifetime_days(self, page: Page) -> int | None:
        """How many days keys of the organisation live at most."""
        organisation = self._ports.tenants().organisations.get(page.visit.organisation_id)
        lifetime = None if organisation is None else organisation.max_key_lifetime_s
        return None if lifetime is None else lifetime // 86_400

    async def judge(self, page: Page, error: ClientError, slug: str) -> Refused:
        """The refusal of a form as the form shows it; what the visitor may not do is put on record all the same."""
        denied = error.denied
        if (asked := await self.proof.ask(page, error)) is not None:
            return Refused(status=asked.status, asked=asked)
        if denied.http_status in _FORBIDDEN:
            visit = page.visit
            label = f"{page.request.method} {page.request.scope['path']}"
            event = make_event(visit.actor, visit.organisation_id, "page.denied", visit.now, target_label=label)
            await self._ports.api.denials.note(replace(event, is_denied=True, code=denied.code))
        param = denied.param or ""
        name = FORM_NAMES.get(param, param)
        if name not in _NAMES:
            return Refused(message=say(error), status=denied.http_status)
        return Refused(errors={name: _word(page, error, slug)}, status=denied.http_status)


def may_give(page: Page, scope: str) -> bool:
    """Whether the visitor may give the scope to a key."""
    return scope in scopes.DEFAULT_SCOPES or may(page.visit.rights, scope)


def not_found() -> ClientError:
    """The same for a key that never was, is deleted, or is another organisation's."""
    return ClientError(Denied(code="not_found", message="There is no such key. It may have been deleted, or the link is not whole."))


def _word(page: Page, error: ClientError, slug: str) -> str:
    """The refusal in the words of the form."""
    denied = error.denied
    if denied.code == "exceeds_rights" and denied.param == "environment":
        return f"As {page.visit.role.value} you make only your own keys in {slug}: choose Mine below, or another environment."
    if denied.code == "duplicate_name":
        return "There is a key of this name in this environment already. Choose another name."
    return say(error)


def _find_open(form: KeyForm, errors: Mapping[str, str]) -> Sequence[str]:
    """The folds in which something is said or wrong."""
    empty = KeyForm()
    return [
        fold
        for fold, names in _FOLDS.items()
        if any(name in errors or getattr(form, name) != getattr(empty, name) for name in names) or (fold == "reach" and form.model_search)
    ]
