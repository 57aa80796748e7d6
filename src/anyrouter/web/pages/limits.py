"""/dashboard/settings/limits: budgets, the environments' limits, and what of each is used now."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from anyrouter.control.budget_usage import BudgetUse
from anyrouter.core.budget import Budget, BudgetOwner
from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import ADMIN_BILLING, ADMIN_ORG
from anyrouter.core.tenancy import Environment
from anyrouter.policy.rights import has_environment, may
from anyrouter.web.pages.budget_form import FIELDS, NAMES, PERIODS, keep_values, read_changes, read_wish, show_values
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

PATH = "/dashboard/settings/limits"
ROWS = 50
MAX_KEYS_SHOWN = 100


class LimitPages:
    """Budgets are listed, made, changed and deleted here; limits of environments are only looked at."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._budgets = ports, ports.api.budgets

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.list, needs=ADMIN_BILLING)
        routes.get(f"{PATH}/new", self.begin, needs=ADMIN_BILLING)
        routes.post(f"{PATH}/new", self.create, needs=ADMIN_BILLING)
        routes.get(f"{PATH}/{{id}}", self.show, needs=ADMIN_BILLING)
        routes.post(f"{PATH}/{{id}}", self.change, needs=ADMIN_BILLING)
        routes.post(f"{PATH}/{{id}}/delete", self.delete, needs=ADMIN_BILLING)

    async def list(self, page: Page) -> Response:
        """GET."""
        visit = page.visit
        found = await self._budgets.list(visit.rights, visit.organisation_id)
        number = max(1, page.query.whole("page") or 1)
        uses = await self._ports.settings.budget_usage.read(found[(number - 1) * ROWS : number * ROWS])
        environments: Sequence[Environment] = ()
        if may(visit.rights, ADMIN_ORG):
            environments = await self._ports.api.environments.list(visit.rights, visit.organisation_id)
        shown = environments[:ROWS]
        return await page.render(
            "limits.html",
            uses=uses,
            total=len(found),
            names=await self._name_owners(page, [use.budget for use in uses]),
            periods=dict(PERIODS),
            environments=list(zip(shown, await self._ports.gateway.read_loads(shown), strict=True)),
            more_environments=max(0, len(environments) - ROWS),
            server_rpm=self._ports.server_rpm,
            next_link=f"{PATH}?page={number + 1}" if number * ROWS < len(found) else "",
            first_link=PATH if number > 1 else "",
        )

    async def begin(self, page: Page) -> Response:
        """GET …/new; the link may say whose it is to be."""
        owner = page.query.text("owner") or BudgetOwner.ORGANISATION.value
        named = {name: page.query.text(name) for name in ("environment", "key")}
        return await self._show_form(page, {"owner": owner, "period": "monthly", **named}, NO_MISTAKE)

    async def create(self, page: Page) -> Response:
        """POST …/new."""
        visit, form = page.visit, page.form
        try:
            budget = await self._budgets.create(visit.actor, visit.rights, visit.organisation_id, read_wish(form))
        except ClientError as error:
            names = NAMES | {"owner_id": form.text("owner")}
            return await self._show_form(page, keep_values(form), read_mistake(error, FIELDS, names))
        return redirect(f"{PATH}/{budget.id}", done="created")

    async def show(self, page: Page) -> Response:
        """GET …/{id}."""
        return await self._show(page, await self._find(page))

    async def change(self, page: Page) -> Response:
        """POST …/{id}: all but whose it is."""
        visit, form, budget = page.visit, page.form, await self._find(page)
        try:
            place = (visit.actor, visit.rights, visit.organisation_id, budget.id)
            await self._budgets.change(*place, read_changes(form), version=form.whole("version"))
        except ClientError as error:
            return await self._show(page, budget, read_mistake(error, FIELDS, NAMES), keep_values(form))
        return redirect(f"{PATH}/{budget.id}", done="changed")

    async def delete(self, page: Page) -> Response:
        """POST …/{id}/delete."""
        visit = page.visit
        await self._budgets.delete(visit.actor, visit.rights, visit.organisation_id, page.param("id"))
        return redirect(PATH, done="deleted")

    async def _find(self, page: Page) -> Budget:
        return await self._budgets.show(page.visit.rights, page.visit.organisation_id, page.param("id"))

    async def _show_form(self, page: Page, values: Mapping[str, str], mistake: Mistake) -> Response:
        visit = page.visit
        environments = [row for row in visit.environments if has_environment(visit.rights, row.id)]
        keys = []
        if environments:
            ids = {row.id for row in environments}
            keys = await self._ports.api.keys.list_keys(visit.organisation_id, environment_ids=ids, limit=MAX_KEYS_SHOWN)
        return await page.render(
            "budget_new.html",
            status=mistake.status,
            values=values,
            mistake=mistake,
            environments=sorted(environments, key=lambda row: row.slug),
            keys=[key for key in keys if key.superseded_by is None],
            periods=PERIODS,
        )

    async def _show(self, page: Page, budget: Budget, mistake: Mistake = NO_MISTAKE, values: Mapping[str, str] | None = None) -> Response:
        uses: Sequence[BudgetUse] = await self._ports.settings.budget_usage.read([budget])
        names = await self._name_owners(page, [budget])
        return await page.render(
            "budget.html",
            status=mistake.status,
            budget=budget,
            use=uses[0],
            owner=names[budget.id],
            values=show_values(budget) if values is None else values,
            mistake=mistake,
            periods=PERIODS,
        )

    async def _name_owners(self, page: Page, budgets: Sequence[Budget]) -> dict[str, dict[str, Any]]:
        """Whose each budget is: what people call it, and where it is shown."""
        environments = {row.id: row for row in page.visit.environments}
        groups = [budget.owner_id for budget in budgets if budget.owner is BudgetOwner.KEY]
        keys = {key.rotation_group: key for key in await self._ports.api.keys.find_by_ids(groups)} if groups else {}
        named: dict[str, dict[str, Any]] = {}
        for budget in budgets:
            environment, key = environments.get(budget.owner_id), keys.get(budget.owner_id)
            if budget.owner is BudgetOwner.ORGANISATION:
                named[budget.id] = {"kind": "organisation", "name": "The whole organisation", "link": ""}
            elif environment is not None:
                link = f"/dashboard/settings/environments/{environment.slug}" if may(page.visit.rights, ADMIN_ORG) else ""
                named[budget.id] = {"kind": "environment", "name": environment.name, "link": link}
            else:
                name, link = (key.name, f"/dashboard/keys/{key.id}") if key is not None else (budget.owner_id, "")
                named[budget.id] = {"kind": budget.owner.value, "name": name, "link": link}
        return named
