"""/dashboard/keys/{id}: everything about a key; disabled, enabled, deleted from there."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from anyrouter.control.ports import KeyTotals
from anyrouter.control.rotation_watch import find_successor, is_in_use
from anyrouter.control.stores import AuditFilter
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.scopes import ADMIN_KEYS, ADMIN_ORG
from anyrouter.core.tenancy import Environment
from anyrouter.policy.rights import may, may_touch
from anyrouter.web.pages.key_choices import SCOPE_MEANINGS
from anyrouter.web.pages.key_filter import PATH
from anyrouter.web.pages.key_history import tell
from anyrouter.web.pages.key_lines import describe_end, describe_key, list_restrictions
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect

HISTORY = 50
_STILL_USED = Denied(
    code="unprocessable", param="anyway", message="This key was used within the last day. Tick the box to say that it may end all the same."
)
DONE = {
    "changed": "The key is changed. Every gateway holds to it within a second.",
    "unchanged": "Nothing was different, so nothing was changed.",
    "disabled": "The key is disabled. It is refused everywhere within a second.",
    "enabled": "The key is enabled.",
}


class KeyDetails:
    """One key."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._keys = ports, ports.api.key_service

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(f"{PATH}/{{id}}", self.show, needs=ADMIN_KEYS)
        routes.post(f"{PATH}/{{id}}/state", self.change_state, needs=ADMIN_KEYS)
        routes.get(f"{PATH}/{{id}}/delete", self.ask_to_delete, needs=ADMIN_KEYS)
        routes.post(f"{PATH}/{{id}}/delete", self.delete, needs=ADMIN_KEYS)

    async def show(self, page: Page) -> Response:
        """GET …/{id}."""
        visit, key = page.visit, await find_key(self._ports, page)
        tenants = self._ports.tenants()
        totals = await self._ports.api.ledger.read_totals(visit.organisation_id, (key.rotation_group,), visit.now)
        group = await self._ports.api.keys.list_group(visit.organisation_id, key.rotation_group)
        creator = None if key.creator_id is None else tenants.members.get(key.creator_id)
        return await page.render(
            "keys_key.html",
            key=key,
            line=describe_key(key, totals.get(key.rotation_group, KeyTotals()), tenants.members, visit.now),
            scope_rows=[(scope, text) for scope, text in SCOPE_MEANINGS.items() if scope in key.scopes],
            end=describe_end(key),
            restrictions=list_restrictions(key),
            limits=list_effective_limits(key, tenants.environments.get(key.environment_id)),
            successor=_if_touched(page, find_successor(key, group)) if key.superseded_by else None,
            relatives=[row for row in reversed(group) if row.id != key.id and row.deleted_at is None and may_touch(visit.rights, row)],
            creator=creator.email if creator is not None and may(visit.rights, ADMIN_ORG) else "",
            history=await self._read_history(page, key),
            can_read_audit=may(visit.rights, ADMIN_ORG),
            notice=DONE.get(page.query.text("done"), ""),
        )

    async def change_state(self, page: Page) -> Response:
        """POST …/{id}/state: on or off."""
        visit, is_off = page.visit, page.form.text("state") == "off"
        act = self._keys.disable if is_off else self._keys.enable
        key = await act(page.param("id"), actor=visit.actor, rights=visit.rights, organisation_id=visit.organisation_id)
        return redirect(f"{PATH}/{key.id}", done="disabled" if is_off else "enabled")

    async def ask_to_delete(self, page: Page) -> Response:
        """GET …/{id}/delete: what it means, and who uses it."""
        return await self._show_question(page, await find_key(self._ports, page))

    async def delete(self, page: Page) -> Response:
        """POST …/{id}/delete: done, if nobody uses it, or it was said that it may end all the same."""
        visit, key = page.visit, await find_key(self._ports, page)
        if is_in_use(key, visit.now) and not page.form.has("anyway"):
            return await self._show_question(page, key, _STILL_USED)
        try:
            await self._keys.delete(key.id, actor=visit.actor, rights=visit.rights, organisation_id=visit.organisation_id)
        except ClientError as error:
            if error.denied.code != "unprocessable":
                raise
            return await self._show_question(page, key, error.denied)
        return redirect(PATH, done="deleted")

    async def _show_question(self, page: Page, key: ApiKey, denied: Denied | None = None) -> Response:
        group = await self._ports.api.keys.list_group(key.organisation_id, key.rotation_group)
        return await page.render(
            "keys_delete.html",
            status=200 if denied is None else denied.http_status,
            key=key,
            line=describe_key(key, KeyTotals(), {}, page.visit.now),
            is_used=is_in_use(key, page.visit.now),
            successor=_if_touched(page, find_successor(key, group)) if key.superseded_by else None,
            problem="" if denied is None else denied.message,
        )

    async def _read_history(self, page: Page, key: ApiKey) -> Sequence[Any]:
        visit = page.visit
        query = AuditFilter(organisation_id=visit.organisation_id, target_id=key.id, limit=HISTORY)
        names_actors, mine = may(visit.rights, ADMIN_ORG), visit.member_visitor.member.id
        return [tell(row.event, visitor_id=mine, names_actors=names_actors) for row in await self._ports.api.audit.list(query)]


async def find_key(ports: PagePorts, page: Page) -> ApiKey:
    """The key of the path; ClientError `not_found` for what is not there for the visitor."""
    visit = page.visit
    return await ports.api.key_service.show(page.param("id"), rights=visit.rights, organisation_id=visit.organisation_id)


def list_effective_limits(key: ApiKey, environment: Environment | None) -> list[tuple[str, int | None, int | None]]:
    """Each limit: its name, the key's own, the environment's, which holds for all keys together."""
    rows = (
        ("Requests a minute", key.rate_limit_rpm, "rate_limit_rpm"),
        ("Tokens a minute", key.rate_limit_tpm, "rate_limit_tpm"),
        ("Requests a day", key.rate_limit_rpd, ""),
        ("Requests at the same time", key.concurrency, "concurrency"),
    )
    return [(name, own, getattr(environment, attribute) if environment and attribute else None) for name, own, attribute in rows]


def _if_touched(page: Page, key: ApiKey) -> ApiKey | None:
    return key if key.deleted_at is None and may_touch(page.visit.rights, key) else None
