"""/dashboard/keys/{id}/rotate: a rotation in four steps: make the new key, deploy it, watch the traffic move, delete the old one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from starlette.responses import Response

from anyrouter.control.key_health import SILENT
from anyrouter.control.ports import ActivityFilter, ActivityRow
from anyrouter.control.rotation import GraceStart, judge_rotation
from anyrouter.control.rotation_watch import find_stage, find_successor
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.scopes import ADMIN_KEYS
from anyrouter.policy.rights import may_touch
from anyrouter.web.pages.confirmation import AskedProof
from anyrouter.web.pages.key_creation import describe_new
from anyrouter.web.pages.key_details import find_key
from anyrouter.web.pages.key_fields import KeyFields
from anyrouter.web.pages.key_filter import PATH
from anyrouter.web.pages.key_lines import describe_end
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect
from anyrouter.web.pages.user_agents import short_client

GRACES = (("3600", "1 hour"), ("86400", "1 day"), ("604800", "1 week"), ("2592000", "30 days"), ("0", "none: it ends at once"))
USUAL_GRACE = "86400"
_UNSAID = Denied(code="invalid_parameter", message="Choose how long the old key goes on, and from when on.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What a key of the group was used for. `client` is who used it last, `end` when it will end if that is not a time."""

    key: ApiKey
    is_newest: bool
    end: str
    client: str
    this_hour: int
    last_day: int


class KeyRotation:
    """The flow. Each step is an address of its own, so that one can leave and come back."""

    def __init__(self, ports: PagePorts, fields: KeyFields) -> None:
        self._ports, self._fields = ports, fields

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(f"{PATH}/{{id}}/rotate", self.begin, needs=ADMIN_KEYS)
        routes.post(f"{PATH}/{{id}}/rotate", self.rotate, needs=ADMIN_KEYS)
        routes.get(f"{PATH}/{{id}}/rotate/watch", self.watch, needs=ADMIN_KEYS)
        routes.get(f"{PATH}/{{id}}/rotate/traffic", self.show_traffic, needs=ADMIN_KEYS)

    async def begin(self, page: Page) -> Response:
        """GET …/rotate: the first step; of a key that was rotated already, the third."""
        key = await find_key(self._ports, page)
        if key.superseded_by is not None:
            return redirect(f"{PATH}/{key.id}/rotate/watch")
        return await self._ask(page, key, judge_rotation(key, 0, page.visit.now))

    async def rotate(self, page: Page) -> Response:
        """POST …/rotate: the new key's text is in this reply, and nowhere else."""
        visit, key, form = page.visit, await find_key(self._ports, page), page.form
        grace, start = form.text("grace"), form.text("start")
        if grace not in dict(GRACES) or start not in list(GraceStart):
            return await self._ask(page, key, _UNSAID)
        try:
            await self._fields.proof.take(page)
            new, text = await self._ports.api.key_service.rotate(
                key.id,
                actor=visit.actor,
                rights=visit.rights,
                grace_s=int(grace),
                start=GraceStart(start),
                organisation_id=visit.organisation_id,
            )
        except ClientError as error:
            if error.denied.code == "not_found":
                raise
            refused = await self._fields.judge(page, error, key.environment)
            return await self._ask(page, await find_key(self._ports, page), error.denied, refused.asked)
        old = await find_key(self._ports, page)
        return await page.render("keys_deploy.html", old=old, end=describe_end(old), **describe_new(self._ports, self._fields, new, text))

    async def watch(self, page: Page) -> Response:
        """GET …/rotate/watch: the third step."""
        old = await find_key(self._ports, page)
        if old.superseded_by is None:
            return redirect(f"{PATH}/{old.id}/rotate")
        return await page.render("keys_watch.html", **await self._describe_traffic(page, old))

    async def show_traffic(self, page: Page) -> Response:
        """GET …/rotate/traffic: what a script puts in place of what the third step showed before."""
        return await page.render("keys_traffic.html", **await self._describe_traffic(page, await find_key(self._ports, page)))

    async def _ask(self, page: Page, key: ApiKey, denied: Denied | None, asked: AskedProof | None = None) -> Response:
        form = page.form
        return await page.render(
            "keys_rotate.html",
            status=200 if denied is None or page.request.method == "GET" else denied.http_status,
            headers={} if asked is None else asked.headers,
            key=key,
            problem="" if denied is None or asked is not None else denied.message,
            asked=asked,
            is_rotated=key.superseded_by is not None,
            graces=GRACES,
            grace=form.text("grace") or USUAL_GRACE,
            start=form.text("start") or GraceStart.FIRST_USE,
        )

    async def _describe_traffic(self, page: Page, old: ApiKey) -> dict[str, Any]:
        visit = page.visit
        group = await self._ports.api.keys.list_group(visit.organisation_id, old.rotation_group)
        new = find_successor(old, group)
        since = visit.now - SILENT
        rows = await self._ports.api.ledger.read_activity(
            ActivityFilter(
                organisation_id=visit.organisation_id,
                rotation_group=old.rotation_group,
                date_from=since.date(),
                date_to=visit.now.date(),
                group_by=("hour", "key"),
            )
        )
        hour = visit.now.replace(minute=0, second=0, microsecond=0)
        this_hour, last_day = _count(rows, hour), _count(rows, hour - timedelta(hours=23))
        shown = [key for key in reversed(group) if key.deleted_at is None and may_touch(visit.rights, key)]
        return {
            "old": old,
            "new": new,
            "stage": find_stage(old, new, visit.now).value,
            "most": max([1, *last_day.values()]),
            "traffic": [
                Traffic(
                    key=key,
                    is_newest=key.id == new.id,
                    end=describe_end(key),
                    client=short_client(key.last_used_user_agent),
                    this_hour=this_hour.get(key.id, 0),
                    last_day=last_day.get(key.id, 0),
                )
                for key in shown
            ],
        }


def _count(rows: Sequence[ActivityRow], since: datetime) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for row in rows:
        if row.api_key_id is not None and row.hour is not None and row.hour >= since:
            counts[row.api_key_id] = counts.get(row.api_key_id, 0) + row.requests
    return counts
