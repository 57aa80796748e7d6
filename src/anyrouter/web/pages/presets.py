"""/dashboard/settings/presets: settings of requests that are kept here instead of in programs, by environment."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.preset import Preset
from anyrouter.core.scopes import ADMIN_ALL, MODELS_READ
from anyrouter.core.tenancy import Environment
from anyrouter.policy.rights import has_environment, may
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.preset_form import DIALECTS, FIELDS, keep_values, read_changes, show_values
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

PATH = "/dashboard/settings/presets"
ROWS = 50
_NO_ENVIRONMENT = Denied(code="not_found", message="There is no such environment, or your role does not work in it.")


class PresetPages:
    """Looked at by who works in the environment, changed by who manages everything in it."""

    def __init__(self, ports: PagePorts) -> None:
        self._presets = ports.api.presets

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        one = f"{PATH}/{{environment}}/{{slug}}"
        routes.get(PATH, self.list, needs=MODELS_READ)
        routes.get(f"{PATH}/new", self.begin, needs=ADMIN_ALL)
        routes.post(f"{PATH}/new", self.create, needs=ADMIN_ALL)
        routes.get(one, self.show, needs=MODELS_READ)
        routes.post(one, self.change, needs=ADMIN_ALL)
        routes.post(f"{one}/delete", self.delete, needs=ADMIN_ALL)

    async def list(self, page: Page) -> Response:
        """GET: one environment's, by slug."""
        environments = _list_environments(page)
        slug = page.query.text("environment") or (environments[0].slug if environments else "")
        chosen = next((row for row in environments if row.slug == slug), None)
        if chosen is None and slug:
            raise ClientError(_NO_ENVIRONMENT)
        found = []
        if chosen is not None:
            found = await self._presets.list(slug, rights=page.visit.rights, organisation_id=page.visit.organisation_id)
        number = max(1, page.query.whole("page") or 1)
        return await page.render(
            "presets.html",
            environments=environments,
            environment=chosen,
            rows=[(row, show_values(row)) for row in found[(number - 1) * ROWS : number * ROWS]],
            may_change=may(page.visit.rights, ADMIN_ALL),
            next_link=f"{PATH}?environment={slug}&page={number + 1}" if number * ROWS < len(found) else "",
            first_link=f"{PATH}?environment={slug}" if number > 1 else "",
        )

    async def begin(self, page: Page) -> Response:
        """GET …/new."""
        return await self._show_form(page, {"environment": page.query.text("environment")}, NO_MISTAKE)

    async def create(self, page: Page) -> Response:
        """POST …/new."""
        visit, form = page.visit, page.form
        slug, environment = form.text("slug"), form.text("environment")
        try:
            changes = read_changes(form)
            changes["name"] = changes["name"] or slug
            preset = await self._presets.create(
                actor=visit.actor,
                rights=visit.rights,
                organisation_id=visit.organisation_id,
                slug=slug,
                environment=environment,
                **changes,
            )
        except ClientError as error:
            return await self._show_form(page, keep_values(form), _read_mistake(error))
        return redirect(f"{PATH}/{environment}/{preset.slug}", done="created")

    async def show(self, page: Page) -> Response:
        """GET …/{environment}/{slug}."""
        return await self._show(page, await self._find(page))

    async def change(self, page: Page) -> Response:
        """POST …/{environment}/{slug}: all of it but slug and environment."""
        visit, form, preset = page.visit, page.form, await self._find(page)
        environment = page.param("environment")
        try:
            await self._presets.change(
                environment,
                preset.slug,
                read_changes(form),
                actor=visit.actor,
                rights=visit.rights,
                if_match=form.whole("version"),
                organisation_id=visit.organisation_id,
            )
        except ClientError as error:
            return await self._show(page, preset, _read_mistake(error), keep_values(form))
        return redirect(f"{PATH}/{environment}/{preset.slug}", done="changed")

    async def delete(self, page: Page) -> Response:
        """POST …/{environment}/{slug}/delete."""
        visit, preset, environment = page.visit, await self._find(page), page.param("environment")
        await self._presets.delete(environment, preset.slug, actor=visit.actor, rights=visit.rights, organisation_id=visit.organisation_id)
        return redirect(PATH, environment=environment, done="deleted")

    async def _find(self, page: Page) -> Preset:
        environment = page.param("environment")
        if environment not in {row.slug for row in _list_environments(page)}:
            raise ClientError(_NO_ENVIRONMENT)
        return await self._presets.show(
            environment, page.param("slug"), rights=page.visit.rights, organisation_id=page.visit.organisation_id
        )

    async def _show_form(self, page: Page, values: Mapping[str, str], mistake: Mistake) -> Response:
        return await page.render(
            "preset_new.html",
            status=mistake.status,
            environments=_list_environments(page),
            values=values,
            mistake=mistake,
            dialects=DIALECTS,
        )

    async def _show(self, page: Page, preset: Preset, mistake: Mistake = NO_MISTAKE, values: Mapping[str, str] | None = None) -> Response:
        return await page.render(
            "preset.html",
            status=mistake.status,
            preset=preset,
            environment=page.param("environment"),
            values=show_values(preset) if values is None else values,
            mistake=mistake,
            dialects=DIALECTS,
            may_change=may(page.visit.rights, ADMIN_ALL),
        )


def _list_environments(page: Page) -> tuple[Environment, ...]:
    rows = (row for row in page.visit.environments if has_environment(page.visit.rights, row.id))
    return tuple(sorted(rows, key=lambda row: (row.kind.value, row.slug)))


def _read_mistake(error: ClientError) -> Mistake:
    """What is wrong with a member is told at the field that holds it."""
    param = error.denied.param or ""
    if param.startswith("config.") and param != "config.model":
        error = ClientError(replace(error.denied, param="config"))
    if error.code == "duplicate_name":
        return Mistake(errors={"slug": "The environment has a preset of this slug already."}, status=error.denied.http_status)
    return read_mistake(error, FIELDS, {"config.model": "model"})
