"""/dashboard/settings/byok: the provider credentials of the organisation, by environment. Of a secret only its label is shown."""

import builtins
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from starlette.responses import Response

from anyrouter.control.credential_order import list_tiers, plan_move
from anyrouter.control.credential_rows import name_status
from anyrouter.control.provider_choice import describe_needs, find_providers, has_region_variable, is_asked
from anyrouter.core.apikey import ApiKey
from anyrouter.core.byok import ProviderCredential
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.provider import Provider
from anyrouter.core.scopes import ADMIN_BYOK
from anyrouter.core.tenancy import Environment
from anyrouter.policy.rights import has_environment
from anyrouter.web.pages import byok_form
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.outcome import Outcome, forget, show_once, take_outcome
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

PATH = "/dashboard/settings/byok"
ROWS = 50
MAX_KEYS_SHOWN = 100
_NO_ENVIRONMENT = Denied(code="not_found", message="There is no such environment, or your role does not work in it.")
_NO_PROVIDER = Denied(code="not_found", message="There is no such provider.")


class ByokPages:
    """Credentials: listed, entered, changed, tried, ordered, deleted."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._credentials = ports, ports.api.credentials

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.list, needs=ADMIN_BYOK)
        routes.get(f"{PATH}/new", self.begin, needs=ADMIN_BYOK)
        routes.post(f"{PATH}/new", self.create, needs=ADMIN_BYOK)
        routes.get(f"{PATH}/{{id}}", self.show, needs=ADMIN_BYOK)
        routes.post(f"{PATH}/{{id}}", self.change, needs=ADMIN_BYOK)
        for action, handler in (
            ("secret", self.replace_secret),
            ("test", self.test),
            ("state", self.change_state),
            ("move", self.move),
            ("delete", self.delete),
        ):
            routes.post(f"{PATH}/{{id}}/{action}", handler, needs=ADMIN_BYOK)

    async def list(self, page: Page) -> Response:
        """GET: one environment's."""
        found = await self._credentials.list(page.visit.rights, page.visit.organisation_id)
        environments = _list_environments(page)
        counts = {row.slug: sum(credential.environment == row.slug for credential in found) for row in environments}
        first = next((row for row in environments if counts[row.slug]), environments[0] if environments else None)
        slug = page.query.text("environment") or (first.slug if first else "")
        chosen = next((row for row in environments if row.slug == slug), None)
        if chosen is None and slug:
            raise ClientError(_NO_ENVIRONMENT)
        rows = [row for row in found if row.environment == slug]
        names = {row.id: row.name for row in self._credentials.list_providers(page.visit.rights)}
        number = max(1, page.query.whole("page") or 1)
        shown = rows[(number - 1) * ROWS : number * ROWS]
        is_last = number * ROWS >= len(rows)
        return await page.render(
            "byok.html",
            environments=environments,
            environment=chosen,
            counts=counts,
            groups=_group(shown, rows, names, page.visit.now),
            total=len(rows),
            fee_nanousd=self._ports.billing.routing_fee_nanousd,
            next_link="" if is_last else f"{PATH}?environment={slug}&page={number + 1}",
            first_link=f"{PATH}?environment={slug}" if number > 1 else "",
        )

    async def begin(self, page: Page) -> Response:
        """GET …/new: first the provider, then what it needs."""
        environments = _list_environments(page)
        slug = page.query.text("environment")
        if not environments or (slug and slug not in {row.slug for row in environments}):
            raise ClientError(_NO_ENVIRONMENT)
        providers = self._credentials.list_providers(page.visit.rights)
        wanted = page.query.optional("provider")
        if wanted is None:
            words = page.query.text("q")
            choices = [{"row": row, "needs": describe_needs(row)} for row in find_providers(providers, words)]
            return await page.render("byok_choose.html", choices=choices, words=words, environment=slug, total=len(providers))
        provider = next((row for row in providers if row.id == wanted), None)
        if provider is None:
            raise ClientError(_NO_PROVIDER)
        return await self._show_form(page, provider, {"environment": slug or environments[0].slug}, (), NO_MISTAKE)

    async def create(self, page: Page) -> Response:
        """POST …/new."""
        visit, form = page.visit, page.form
        provider = self._find_provider(page, form.text("provider"))
        fields = (*byok_form.list_fields(provider), "environment")
        try:
            key = byok_form.read_secret_fields(form)
            credential = await self._credentials.create(
                visit.actor,
                visit.rights,
                visit.organisation_id,
                environment=form.text("environment"),
                provider=provider.id,
                key=key,
                fields={name: value for name, value in byok_form.read_settings(provider, form).items() if value is not None},
            )
        except ClientError as error:
            mistake = read_mistake(error, fields, byok_form.list_names(provider))
            values = byok_form.keep_values(provider, form) | {"environment": form.text("environment")}
            return await self._show_form(page, provider, values, form.list("allowed_keys"), mistake)
        return redirect(f"{PATH}/{credential.id}", done="added")

    async def show(self, page: Page) -> Response:
        """GET …/{id}, with what came of a test that leads here."""
        outcome = take_outcome(page)
        reply = await self._show_credential(page, await self._find(page), probed=outcome)
        return reply if outcome is None else forget(reply)

    async def change(self, page: Page) -> Response:
        """POST …/{id}: everything but the secret."""
        credential, form = await self._find(page), page.form
        provider = self._find_provider(page, credential.provider)
        try:
            fields = byok_form.drop_same_place(credential, byok_form.read_settings(provider, form))
            after = await self._change(page, credential, fields, version=form.whole("version"))
        except ClientError as error:
            mistake = read_mistake(error, byok_form.list_fields(provider), byok_form.list_names(provider))
            values = byok_form.keep_values(provider, form)
            return await self._show_credential(page, credential, mistake=mistake, values=values, chosen=form.list("allowed_keys"))
        return redirect(f"{PATH}/{credential.id}", done="moved" if after.needs_secret else "changed")

    async def replace_secret(self, page: Page) -> Response:
        """POST …/{id}/secret."""
        credential = await self._find(page)
        provider = self._find_provider(page, credential.provider)
        try:
            await self._change(page, credential, {}, key=byok_form.read_secret_fields(page.form))
        except ClientError as error:
            mistake = read_mistake(error, byok_form.list_fields(provider), byok_form.list_names(provider))
            return await self._show_credential(page, credential, mistake=mistake)
        return redirect(f"{PATH}/{credential.id}", done="replaced")

    async def test(self, page: Page) -> Response:
        """POST …/{id}/test: the page that it leads to shows the provider's answer, of which nothing is kept but the event."""
        visit, credential_id = page.visit, page.param("id")
        try:
            probed = await self._credentials.test(visit.actor, visit.rights, visit.organisation_id, credential_id)
        except ClientError as error:
            return await self._show_credential(page, await self._find(page), mistake=read_mistake(error, ()))
        path, status = f"{PATH}/{credential_id}", probed.status
        return show_once(Outcome(path=path, is_ok=probed.is_ok, status=status, latency_ms=probed.latency_ms, message=probed.message))

    async def change_state(self, page: Page) -> Response:
        """POST …/{id}/state: used or not."""
        credential, is_disabled = await self._find(page), page.form.text("state") == "off"
        await self._change(page, credential, {"is_disabled": is_disabled})
        path = _list_path(credential) if page.form.has("from_list") else f"{PATH}/{credential.id}?"
        return redirect(f"{path}done={'disabled' if is_disabled else 'enabled'}")

    async def move(self, page: Page) -> Response:
        """POST …/{id}/move: tried earlier or later."""
        visit, credential = page.visit, await self._find(page)
        rows = await self._credentials.list(
            visit.rights, visit.organisation_id, environment=credential.environment, provider=credential.provider
        )
        moved = plan_move(rows, credential.id, "up" if page.form.text("to") == "up" else "down")
        for credential_id, order in moved.items():
            await self._credentials.change(visit.actor, visit.rights, visit.organisation_id, credential_id, {"sort_order": order})
        return redirect(f"{_list_path(credential)}done=ordered")

    async def delete(self, page: Page) -> Response:
        """POST …/{id}/delete."""
        visit, credential = page.visit, await self._find(page)
        await self._credentials.delete(visit.actor, visit.rights, visit.organisation_id, credential.id)
        return redirect(f"{_list_path(credential)}done=deleted")

    async def _find(self, page: Page) -> ProviderCredential:
        return await self._credentials.show(page.visit.rights, page.visit.organisation_id, page.param("id"))

    async def _change(
        self,
        page: Page,
        credential: ProviderCredential,
        fields: Mapping[str, Any],
        *,
        key: str | Mapping[str, object] | None = None,
        version: int | None = None,
    ) -> ProviderCredential:
        place = (page.visit.actor, page.visit.rights, page.visit.organisation_id)
        return await self._credentials.change(*place, credential.id, fields, key=key, version=version)

    def _find_provider(self, page: Page, provider_id: str) -> Provider:
        found = (row for row in self._credentials.list_providers(page.visit.rights) if row.id == provider_id)
        provider = next(found, None)
        if provider is None:
            raise ClientError(_NO_PROVIDER)
        return provider

    async def _show_form(
        self, page: Page, provider: Provider, values: Mapping[str, str], chosen: Sequence[str], mistake: Mistake
    ) -> Response:
        return await page.render(
            "byok_new.html",
            status=mistake.status,
            environments=_list_environments(page),
            values=values,
            mistake=mistake,
            needs=describe_needs(provider),
            **await self._describe_fields(page, provider, values.get("environment", ""), chosen),
        )

    async def _show_credential(
        self,
        page: Page,
        credential: ProviderCredential,
        *,
        mistake: Mistake = NO_MISTAKE,
        values: Mapping[str, str] | None = None,
        chosen: Sequence[str] | None = None,
        probed: Outcome | None = None,
    ) -> Response:
        provider = self._find_provider(page, credential.provider)
        keys = chosen if chosen is not None else credential.allowed_keys or ()
        environment = next((row for row in page.visit.environments if row.id == credential.environment_id), None)
        return await page.render(
            "byok_credential.html",
            status=mistake.status,
            credential=credential,
            environment=environment,
            state=name_status(credential, page.visit.now),
            values=byok_form.show_values(credential) if values is None else values,
            mistake=mistake,
            probed=probed,
            back=_list_path(credential).rstrip("&"),
            **await self._describe_fields(page, provider, credential.environment, keys),
        )

    async def _describe_fields(self, page: Page, provider: Provider, slug: str, chosen: Sequence[str]) -> dict[str, Any]:
        """What the form needs to know of the provider, and the keys that may be named."""
        environment = next((row for row in page.visit.environments if row.slug == slug), None)
        keys: builtins.list[ApiKey] = []
        named: builtins.list[ApiKey] = []
        if environment is not None and has_environment(page.visit.rights, environment.id):
            store = self._ports.api.keys
            keys = await store.list_keys(page.visit.organisation_id, environment_ids={environment.id}, limit=MAX_KEYS_SHOWN + 1)
            others = await store.find_by_ids([key_id for key_id in chosen if key_id not in {key.id for key in keys}])
            named = [key for key in others if key.environment_id == environment.id]
        return {
            "provider": provider,
            "kinds": {kind.value for kind in provider.auth},
            "variables": [row for row in provider.variables if is_asked(provider, row)],
            "has_region": has_region_variable(provider),
            "needs_address": provider.is_local or not (provider.base_url or provider.base_url_template),
            "keys": byok_form.list_key_choices([*named, *keys[:MAX_KEYS_SHOWN]], chosen),
            "has_more_keys": len(keys) > MAX_KEYS_SHOWN,
            "fee_nanousd": self._ports.billing.routing_fee_nanousd,
        }


def _list_environments(page: Page) -> tuple[Environment, ...]:
    """Those that the visitor's role works in, live ones first."""
    rows = (row for row in page.visit.environments if has_environment(page.visit.rights, row.id))
    return tuple(sorted(rows, key=lambda row: (row.kind.value, row.slug)))


def _list_path(credential: ProviderCredential) -> str:
    return f"{PATH}?environment={credential.environment}&"


def _group(
    shown: Sequence[ProviderCredential], rows: Sequence[ProviderCredential], names: Mapping[str, str], now: datetime
) -> list[dict[str, Any]]:
    """The credentials of a page by provider, each with its place in the order of all of that provider."""
    groups = []
    for provider, members in groupby(shown, key=lambda row: row.provider):
        tiers = list_tiers([row for row in rows if row.provider == provider])
        place = {row.id: (at + 1, len(tier) > 1) for at, tier in enumerate(tiers) for row in tier}
        groups.append(
            {
                "provider": provider,
                "name": names.get(provider, provider),
                "rows": [
                    {
                        "credential": row,
                        "state": name_status(row, now),
                        "place": place[row.id][0],
                        "is_sharing": place[row.id][1],
                        "can_go_up": place[row.id][1] or place[row.id][0] > 1,
                        "can_go_down": place[row.id][1] or place[row.id][0] < len(tiers),
                    }
                    for row in members
                ],
            }
        )
    return groups
