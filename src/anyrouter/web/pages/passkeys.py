"""Passkeys: made and managed in the profile, a way in at /login, and a way to confirm that it is you.

Each takes two steps: a script fetches what the authenticator is to be asked (…/begin), and sends its answer as a form.
"""

import json
from collections.abc import Mapping

from starlette.responses import Response

from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.sign_in import SignInMethod
from anyrouter.web.pages.appearance import own_path
from anyrouter.web.pages.browser_secret import find_or_make_secret, find_secret
from anyrouter.web.pages.confirmation import CONFIRM_PATH, PATH, ask_to_confirm, confirm_link
from anyrouter.web.pages.entrance import Entrance, retry_headers
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.routes import MEMBER, PUBLIC, Page, PageRoutes, redirect

PASSKEYS_PATH = f"{PATH}/passkeys"
LOGIN_PATH = "/login/passkey"
_AGAIN = Denied(code="sign_in_failed", message="Confirm that it is you first.")


class PasskeyPages:
    """What the browser's authenticator says is judged by `PasskeyService`."""

    def __init__(self, ports: PagePorts) -> None:
        self._ports, self._entrance = ports, Entrance(ports)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.post(f"{PASSKEYS_PATH}/begin", self.begin, needs=MEMBER)
        routes.post(PASSKEYS_PATH, self.add, needs=MEMBER)
        routes.post(f"{PASSKEYS_PATH}/{{passkey_id}}/name", self.rename, needs=MEMBER)
        routes.post(f"{PASSKEYS_PATH}/{{passkey_id}}/delete", self.delete, needs=MEMBER)
        routes.post(f"{CONFIRM_PATH}/passkey/begin", self.begin_confirmation, needs=MEMBER)
        routes.post(f"{CONFIRM_PATH}/passkey", self.confirm, needs=MEMBER)
        routes.post(f"{LOGIN_PATH}/begin", self.begin_sign_in, needs=PUBLIC)
        routes.post(LOGIN_PATH, self.sign_in, needs=PUBLIC)

    async def begin(self, page: Page) -> Response:
        """POST …/passkeys/begin: what makes a new one, as JSON."""
        visitor = page.visit.member_visitor
        if not self._ports.sessions.is_fresh(visitor):
            return _answer({"go": confirm_link(PATH)}, _AGAIN)
        try:
            asked = await (await self._ports.passkeys()).begin_registration(visitor)
        except ClientError as error:
            return _answer({}, error.denied)
        return _answer({"id": asked.id, "options": asked.options})

    async def add(self, page: Page) -> Response:
        """POST …/passkeys: keep what the authenticator has made."""
        if (way := ask_to_confirm(page, self._ports, PATH)) is not None:
            return way
        form, passkeys = page.form, await self._ports.passkeys()
        try:
            await passkeys.finish_registration(
                page.visit.member_visitor, form.text("id"), form.raw("response"), name=form.text("name"), actor=page.visit.actor
            )
        except ClientError as error:
            return await self._explain(page, error.denied, PATH)
        return redirect(PATH, done="passkey-added")

    async def rename(self, page: Page) -> Response:
        """POST …/passkeys/{id}/name."""
        passkeys = await self._ports.passkeys()
        try:
            await passkeys.rename(page.visit.member_visitor, page.param("passkey_id"), page.form.text("name"), actor=page.visit.actor)
        except ClientError as error:
            return await self._explain(page, error.denied, PATH)
        return redirect(PATH, done="passkey-renamed")

    async def delete(self, page: Page) -> Response:
        """POST …/passkeys/{id}/delete."""
        if (way := ask_to_confirm(page, self._ports, PATH)) is not None:
            return way
        try:
            await (await self._ports.passkeys()).delete(page.visit.member_visitor, page.param("passkey_id"), actor=page.visit.actor)
        except ClientError as error:
            return await self._explain(page, error.denied, PATH)
        return redirect(PATH, done="passkey-deleted")

    async def begin_confirmation(self, page: Page) -> Response:
        """POST …/confirm/passkey/begin: what proves that the member is there, as JSON."""
        try:
            asked = await (await self._ports.passkeys()).begin_confirmation(page.visit.member_visitor)
        except ClientError as error:
            return _answer({}, error.denied)
        return _answer({"id": asked.id, "options": asked.options})

    async def confirm(self, page: Page) -> Response:
        """POST …/confirm/passkey."""
        next_path = own_path(page.form.text("next"), PATH)
        try:
            await (await self._ports.passkeys()).confirm(page.visit.member_visitor, page.form.text("id"), page.form.raw("response"))
        except ClientError as error:
            return await self._explain(page, error.denied, confirm_link(next_path))
        return redirect(next_path)

    async def begin_sign_in(self, page: Page) -> Response:
        """POST /login/passkey/begin: what proves who somebody is whom nobody knows yet, as JSON."""
        secret = find_or_make_secret(page)
        try:
            asked = (await self._ports.passkeys()).begin_sign_in(secret.text, address=page.visit.address)
        except ClientError as error:
            return _answer({}, error.denied)
        return secret.keep(_answer({"id": asked.id, "options": asked.options}))

    async def sign_in(self, page: Page) -> Response:
        """POST /login/passkey."""
        secret, next_path = find_secret(page), page.form.text("next")
        passkeys = await self._ports.passkeys()
        try:
            member = await passkeys.finish_sign_in("" if secret is None else secret.text, page.form.text("id"), page.form.raw("response"))
        except ClientError as error:
            return await self._explain(page, error.denied, "/login")
        return await self._entrance.lead(page, await self._ports.sign_in.admit(member, SignInMethod.PASSKEY), next_path)

    async def _explain(self, page: Page, denied: Denied, back: str) -> Response:
        return await page.render(
            "passkey_failed.html", status=denied.http_status, headers=retry_headers(denied), message=denied.message, back=back
        )


def _answer(values: Mapping[str, object], denied: Denied | None = None) -> Response:
    """For the script: the values, and what was wrong."""
    if denied is not None:
        values = {**values, "message": denied.message}
    text = json.dumps(dict(values), default=dict)
    return Response(text, status_code=200 if denied is None else denied.http_status, media_type="application/json")
