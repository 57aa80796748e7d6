"""/dashboard/keys/{id}/edit: a key is changed; what somebody else changed meanwhile is not overwritten unseen."""

from dataclasses import replace
from typing import Any

from starlette.responses import Response

from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError
from anyrouter.core.scopes import ADMIN_KEYS
from anyrouter.web.pages.key_details import find_key
from anyrouter.web.pages.key_fields import TAKEN, KeyFields, Refused
from anyrouter.web.pages.key_filter import PATH
from anyrouter.web.pages.key_form import KeyForm, find_changes, form_of, is_search, list_differences, read_key_form, read_wishes
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import Page, PageRoutes, redirect


class KeyEditing:
    """The form of a key that is there."""

    def __init__(self, ports: PagePorts, fields: KeyFields) -> None:
        self._ports, self._fields = ports, fields

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(f"{PATH}/{{id}}/edit", self.begin, needs=ADMIN_KEYS)
        routes.post(f"{PATH}/{{id}}/edit", self.change, needs=ADMIN_KEYS)

    async def begin(self, page: Page) -> Response:
        """GET: what it is now."""
        key = await find_key(self._ports, page)
        return await self._show(page, key, form_of(key), TAKEN)

    async def change(self, page: Page) -> Response:
        """POST: what is different is changed, of the version that was shown."""
        visit, key = page.visit, await find_key(self._ports, page)
        form = replace(read_key_form(page.form), environment=key.environment, kind=key.kind.value)
        if is_search(page.form):
            return await self._show(page, key, form, TAKEN)
        if form.version != str(key.version):
            return await self._show_conflict(page, key, form)
        wishes, errors = read_wishes(form, visit.now)
        if errors:
            return await self._show(page, key, form, Refused(errors=errors))
        changes = find_changes(key, wishes, visit.now)
        try:
            await self._change(page, key, changes)
        except ClientError as error:
            return await self._refuse(page, key, form, error)
        return redirect(f"{PATH}/{key.id}", done="changed" if changes else "unchanged")

    async def _refuse(self, page: Page, key: ApiKey, form: KeyForm, error: ClientError) -> Response:
        if error.denied.code == "etag_mismatch":
            return await self._show_conflict(page, await find_key(self._ports, page), form)
        if error.denied.code == "not_found":
            raise error
        return await self._show(page, key, form, await self._fields.judge(page, error, key.environment))

    async def _change(self, page: Page, key: ApiKey, changes: dict[str, Any]) -> None:
        visit = page.visit
        if not changes:
            return
        await self._fields.proof.take(page)
        await self._ports.api.key_service.change(
            key.id, changes, actor=visit.actor, rights=visit.rights, if_match=key.version, organisation_id=visit.organisation_id
        )

    async def _show_conflict(self, page: Page, key: ApiKey, form: KeyForm) -> Response:
        """The form as it was typed, beside what the key is by now; sent again it is meant of that."""
        differences = list_differences(form, form_of(key))
        return await self._show(page, key, replace(form, version=str(key.version)), Refused(status=412), differences=differences)

    async def _show(
        self, page: Page, key: ApiKey, form: KeyForm, refused: Refused, *, differences: list[tuple[str, str, str]] | None = None
    ) -> Response:
        fields = self._fields.describe(page, form, refused, held=form_of(key))
        return await page.render(
            "keys_edit.html", status=refused.status, headers=refused.headers, key=key, differences=differences, **fields
        )
