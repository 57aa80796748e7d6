"""/dashboard/settings/webhooks: where the organisation is told of what happens, and how each message fared."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.webhook import Webhook
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.outcome import Outcome, forget, show_once, take_outcome
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect
from anyrouter.web.pages.webhook_form import FIELDS, KIND_MEANINGS, keep_values, read_settings, show_values

PATH = "/dashboard/settings/webhooks"
DELIVERIES = 50
MAX_DELIVERIES = 500
STATES = {"delivered": ("delivered", "good"), "waiting": ("on its way", "plain"), "given_up": ("given up", "bad")}


class WebhookPages:
    """Added, changed, tried, deleted. A signing secret is in the reply that makes it, and nowhere else ever."""

    def __init__(self, ports: PagePorts) -> None:
        self._webhooks = ports.api.webhooks

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.list, needs=ADMIN_ORG)
        routes.get(f"{PATH}/new", self.begin, needs=ADMIN_ORG)
        routes.post(f"{PATH}/new", self.create, needs=ADMIN_ORG)
        routes.get(f"{PATH}/{{id}}", self.show, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{id}}", self.change, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{id}}/test", self.test, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{id}}/state", self.change_state, needs=ADMIN_ORG)
        routes.post(f"{PATH}/{{id}}/delete", self.delete, needs=ADMIN_ORG)

    async def list(self, page: Page) -> Response:
        """GET: all, of which there are at most twenty."""
        rows = await self._webhooks.list(page.visit.rights, page.visit.organisation_id)
        return await page.render("webhooks.html", rows=rows)

    async def begin(self, page: Page) -> Response:
        """GET …/new."""
        return await self._show_form(page, {"events": ["*"]}, NO_MISTAKE)

    async def create(self, page: Page) -> Response:
        """POST …/new."""
        visit, form = page.visit, page.form
        try:
            place = (visit.actor, visit.rights, visit.organisation_id)
            webhook, secret = await self._webhooks.create(*place, **read_settings(form))
        except ClientError as error:
            return await self._show_form(page, keep_values(form), read_mistake(error, FIELDS))
        return await page.render("webhook_secret.html", webhook=webhook, secret=secret)

    async def show(self, page: Page) -> Response:
        """GET …/{id}, with what came of a test that leads here."""
        outcome = take_outcome(page)
        reply = await self._show(page, await self._find(page), sent=outcome)
        return reply if outcome is None else forget(reply)

    async def change(self, page: Page) -> Response:
        """POST …/{id}: address, events and name; the secret stays."""
        webhook, form = await self._find(page), page.form
        try:
            await self._change(page, webhook, read_settings(form), version=form.whole("version"))
        except ClientError as error:
            return await self._show(page, webhook, mistake=read_mistake(error, FIELDS), values=keep_values(form))
        return redirect(f"{PATH}/{webhook.id}", done="changed")

    async def test(self, page: Page) -> Response:
        """POST …/{id}/test: one message now; the page that it leads to shows how the receiver took it."""
        visit, webhook_id = page.visit, page.param("id")
        sent = await self._webhooks.test(visit.actor, visit.rights, visit.organisation_id, webhook_id)
        path = f"{PATH}/{webhook_id}"
        return show_once(Outcome(path=path, is_ok=sent.is_ok, status=sent.status, latency_ms=sent.latency_ms, message=sent.message))

    async def change_state(self, page: Page) -> Response:
        """POST …/{id}/state: told or not."""
        webhook, is_disabled = await self._find(page), page.form.text("state") == "off"
        await self._change(page, webhook, {"is_disabled": is_disabled})
        return redirect(f"{PATH}/{webhook.id}", done="disabled" if is_disabled else "enabled")

    async def delete(self, page: Page) -> Response:
        """POST …/{id}/delete."""
        visit = page.visit
        await self._webhooks.delete(visit.actor, visit.rights, visit.organisation_id, page.param("id"))
        return redirect(PATH, done="deleted")

    async def _find(self, page: Page) -> Webhook:
        return await self._webhooks.show(page.visit.rights, page.visit.organisation_id, page.param("id"))

    async def _change(self, page: Page, webhook: Webhook, changes: Mapping[str, Any], *, version: int | None = None) -> None:
        place = (page.visit.actor, page.visit.rights, page.visit.organisation_id)
        await self._webhooks.change(*place, webhook.id, changes, version=version)

    async def _show_form(self, page: Page, values: Mapping[str, Any], mistake: Mistake) -> Response:
        return await page.render("webhook_new.html", status=mistake.status, values=values, mistake=mistake, kinds=KIND_MEANINGS)

    async def _show(
        self,
        page: Page,
        webhook: Webhook,
        *,
        mistake: Mistake = NO_MISTAKE,
        values: Mapping[str, Any] | None = None,
        sent: Outcome | None = None,
    ) -> Response:
        limit = MAX_DELIVERIES if page.query.has("all") else DELIVERIES
        found = await self._webhooks.list_deliveries(page.visit.rights, page.visit.organisation_id, webhook.id, limit=limit + 1)
        return await page.render(
            "webhook.html",
            status=mistake.status,
            webhook=webhook,
            values=show_values(webhook) if values is None else values,
            mistake=mistake,
            sent=sent,
            deliveries=found[:limit],
            states=STATES,
            more_link=f"{PATH}/{webhook.id}?all=yes" if len(found) > limit and limit < MAX_DELIVERIES else "",
            kinds=KIND_MEANINGS,
        )
