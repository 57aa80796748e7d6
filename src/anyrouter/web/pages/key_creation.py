"""/dashboard/keys/new: a key is made, and its text shown in the reply, once."""

from typing import Any

from starlette.responses import Response

from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import ADMIN_KEYS
from anyrouter.core.tenancy import EnvironmentKind
from anyrouter.web.pages.key_fields import TAKEN, KeyFields, Refused
from anyrouter.web.pages.key_filter import PATH, KeyFilter
from anyrouter.web.pages.key_form import DATE, SPANS, KeyForm, is_search, read_key_form, read_wishes
from anyrouter.web.pages.key_list import KeyList
from anyrouter.web.pages.key_snippets import list_snippets, make_test_body
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes

_ROWS_BEHIND = 10


class KeyCreation:
    """The dialog over the list, and the page with the new key."""

    def __init__(self, ports: PagePorts, fields: KeyFields) -> None:
        self._ports, self._fields, self._list = ports, fields, KeyList(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(f"{PATH}/new", self.begin, needs=ADMIN_KEYS)
        routes.post(f"{PATH}/new", self.create, needs=ADMIN_KEYS)
        routes.get(f"{PATH}/models", self.find_models, needs=ADMIN_KEYS)

    async def begin(self, page: Page) -> Response:
        """GET: what a link names is filled in already."""
        choices = self._fields.choices.list_environments(page.visit)
        wanted = page.query.text("environment")
        usual = next((row for row in choices if not row.is_dead), choices[0] if choices else None)
        chosen = next((row for row in choices if row.slug == wanted), usual)
        form = KeyForm(
            name=page.query.text("name"),
            environment=chosen.slug if chosen else "",
            kind=KeyKind.PERSONAL.value if chosen and chosen.is_own_only else KeyKind.SERVICE.value,
            expiry=_choose_expiry(self._fields.find_lifetime_days(page)),
        )
        return await self._show(page, form, TAKEN)

    async def create(self, page: Page) -> Response:
        """POST: made, or shown again with what is wrong; or models were looked for, where no script does it."""
        form = read_key_form(page.form)
        if is_search(page.form):
            return await self._show(page, form, TAKEN)
        wishes, errors = read_wishes(form, page.visit.now)
        if form.kind not in list(KeyKind):
            errors["kind"] = "Choose whose key it is."
        if errors:
            return await self._show(page, form, Refused(errors=errors))
        try:
            key, text = await self._make(page, form, wishes)
        except ClientError as error:
            return await self._show(page, form, await self._fields.judge(page, error, form.environment))
        return await page.render("keys_made.html", **describe_new(self._ports, self._fields, key, text))

    async def find_models(self, page: Page) -> Response:
        """GET …/models: what a script puts below the search."""
        said = page.query
        found = self._fields.choices.find_models(page.visit, said.text("environment"), said.text("q")[:200])
        chosen = set(said.list("chosen"))
        return await page.render("keys_models.html", matches=[name for name in found.ids if name not in chosen], matches_total=found.total)

    async def _make(self, page: Page, form: KeyForm, wishes: dict[str, Any]) -> tuple[ApiKey, str]:
        visit = page.visit
        await self._fields.proof.take(page)
        is_personal = form.kind == KeyKind.PERSONAL
        return await self._ports.api.key_service.create(
            **wishes,
            environment=form.environment,
            kind=KeyKind(form.kind),
            member_id=visit.member_visitor.member.id if is_personal else None,
            actor=visit.actor,
            rights=visit.rights,
            organisation_id=visit.organisation_id,
        )

    async def _show(self, page: Page, form: KeyForm, refused: Refused) -> Response:
        behind = await self._list.read(page, KeyFilter(), rows=_ROWS_BEHIND)
        fields = self._fields.describe(page, form, refused)
        return await page.render(
            "keys_new.html",
            status=refused.status,
            headers=refused.headers,
            **{**behind, **fields, "next_link": ""},
            environment_choices=self._fields.choices.list_environments(page.visit),
            notice="",
        )


def describe_new(ports: PagePorts, fields: KeyFields, key: ApiKey, text: str) -> dict[str, Any]:
    """What the page of a new key shows: its text, and what to paste where."""
    model = fields.choices.find_model(key)
    environment = ports.tenants().environments.get(key.environment_id)
    return {
        "key": key,
        "text": text,
        "model": model,
        "is_simulated": environment is not None and environment.kind is EnvironmentKind.SANDBOX,
        "snippets": list_snippets(ports.base_url(), text, model),
        "test_body": "" if model is None else make_test_body(model),
    }


def _choose_expiry(lifetime_days: int | None) -> str:
    """The usual one, or the longest that the organisation allows."""
    usual = KeyForm().expiry
    if lifetime_days is None or int(usual.removesuffix("d")) <= lifetime_days:
        return usual
    allowed = [span for span, _ in SPANS if int(span.removesuffix("d")) <= lifetime_days]
    return allowed[-1] if allowed else DATE
