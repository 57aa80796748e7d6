"""/dashboard/settings/environments: the parts into which an organisation is divided, and what each may reach."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from anyrouter.control.environments import STANDARD_SLUGS
from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.route import Upstream
from anyrouter.web.api.reach import Reach
from anyrouter.web.pages.environment_form import FIELDS, POLICIES, keep_values, read_kind, read_settings, show_values
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

PATH = "/dashboard/settings/environments"
ROWS = 50


class EnvironmentPages:
    """Listed, made, changed, switched off, ended."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._environments = ports, ports.api.environments
        api = ports.api
        self._reach = Reach(snapshot=api.snapshot, catalogue=api.catalogue, public_environment=lambda: None, is_hidden=api.is_hidden)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.list, needs=ADMIN_ORG)
        routes.get(f"{PATH}/new", self.begin, needs=ADMIN_ORG)
        routes.post(f"{PATH}/new", self.create, needs=ADMIN_ORG)
        routes.get(f"{PATH}/{{slug}}", self.show, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{slug}}", self.change, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{slug}}/state", self.change_state, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{slug}}/delete", self.delete, needs=ADMIN_ORG)

    async def list(self, page: Page) -> Response:
        """GET: all, by slug."""
        visit = page.visit
        found = await self._environments.list(visit.rights, visit.organisation_id)
        keys = await self._ports.api.keys.count_keys(visit.organisation_id)
        number = max(1, page.query.whole("page") or 1)
        rows = [
            {"environment": row, "key_count": keys.get(row.id, 0), "upstreams": len(shared), "credentials": len(own)}
            for row in found[(number - 1) * ROWS : number * ROWS]
            for shared, own in (self._list_upstreams(row),)
        ]
        return await page.render(
            "environments.html",
            rows=rows,
            total=len(found),
            next_link=f"{PATH}?page={number + 1}" if number * ROWS < len(found) else "",
            first_link=PATH if number > 1 else "",
        )

    async def begin(self, page: Page) -> Response:
        """GET …/new."""
        return await self._show_form(page, {"kind": EnvironmentKind.LIVE.value}, NO_MISTAKE)

    async def create(self, page: Page) -> Response:
        """POST …/new."""
        visit, form = page.visit, page.form
        try:
            settings = read_settings(form)
            settings["name"] = settings["name"] or None
            place = (visit.actor, visit.rights, visit.organisation_id)
            environment = await self._environments.create(*place, slug=form.text("slug"), kind=read_kind(form), **settings)
        except ClientError as error:
            mistake = read_mistake(error, (*FIELDS, "slug", "kind"))
            if error.code == "duplicate_name":
                taken = "This slug is taken, maybe by an environment that was deleted: a slug is in the text of keys, and is used once."
                mistake = Mistake(errors={"slug": taken}, status=mistake.status)
            return await self._show_form(page, keep_values(form), mistake)
        return redirect(f"{PATH}/{environment.slug}", done="created")

    async def show(self, page: Page) -> Response:
        """GET …/{slug}."""
        return await self._show(page, await self._find(page))

    async def change(self, page: Page) -> Response:
        """POST …/{slug}: name, limits and policy."""
        environment, form = await self._find(page), page.form
        try:
            await self._change(page, environment, read_settings(form), version=form.whole("version"))
        except ClientError as error:
            return await self._show(page, environment, read_mistake(error, FIELDS), keep_values(form))
        return redirect(f"{PATH}/{environment.slug}", done="changed")

    async def change_state(self, page: Page) -> Response:
        """POST …/{slug}/state: its keys are taken or refused."""
        environment, is_active = await self._find(page), page.form.text("state") != "off"
        try:
            await self._change(page, environment, {"is_active": is_active})
        except ClientError as error:
            return await self._show(page, environment, read_mistake(error, ()))
        return redirect(f"{PATH}/{environment.slug}", done="enabled" if is_active else "disabled")

    async def delete(self, page: Page) -> Response:
        """POST …/{slug}/delete: for good, so its slug is typed first."""
        visit, environment = page.visit, await self._find(page)
        if page.form.text("confirm") != environment.slug:
            return await self._show(page, environment, Mistake(errors={"confirm": f"Type {environment.slug} to delete it."}, status=422))
        try:
            await self._environments.delete(visit.actor, visit.rights, visit.organisation_id, environment.slug)
        except ClientError as error:
            return await self._show(page, environment, read_mistake(error, ()))
        return redirect(PATH, done="deleted")

    async def _find(self, page: Page) -> Environment:
        return await self._environments.show(page.visit.rights, page.visit.organisation_id, page.param("slug"))

    async def _change(self, page: Page, environment: Environment, changes: Mapping[str, Any], *, version: int | None = None) -> None:
        place = (page.visit.actor, page.visit.rights, page.visit.organisation_id)
        await self._environments.change(*place, environment.slug, changes, version=version)

    async def _show_form(self, page: Page, values: Mapping[str, str], mistake: Mistake) -> Response:
        return await page.render("environment_new.html", status=mistake.status, values=values, mistake=mistake, policies=POLICIES)

    async def _show(
        self, page: Page, environment: Environment, mistake: Mistake = NO_MISTAKE, values: Mapping[str, str] | None = None
    ) -> Response:
        shared, _ = self._list_upstreams(environment)
        keys = await self._ports.api.keys.count_keys(page.visit.organisation_id)
        credentials = await self._ports.api.credentials.list(page.visit.rights, page.visit.organisation_id, environment=environment.slug)
        (load,) = await self._ports.gateway.read_loads([environment])
        return await page.render(
            "environment.html",
            status=mistake.status,
            environment=environment,
            values=show_values(environment) if values is None else values,
            mistake=mistake,
            policies=POLICIES,
            keys=keys.get(environment.id, 0),
            upstreams=shared,
            credentials=credentials[:ROWS],
            more_credentials=max(0, len(credentials) - ROWS),
            models=len(self._reach.list_environment(environment)),
            load=load,
            is_standard=environment.slug in STANDARD_SLUGS,
            typed=page.form.text("confirm"),
        )

    def _list_upstreams(self, environment: Environment) -> tuple[Sequence[Upstream], Sequence[Upstream]]:
        """The operator's that its requests may go to, one of each id, and the organisation's own."""
        snapshot = self._ports.api.snapshot()
        shared = {row.id: row for row in snapshot.upstreams if row.byok is None and row.serves(environment)}
        return [*shared.values()], [row for row in snapshot.tenants.get(environment.id, ()) if row.serves(environment)]
