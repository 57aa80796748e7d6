"""Organisations: made, named, suspended. Only the operator makes and suspends them."""

import builtins
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.environments import STANDARD_SLUGS
from anyrouter.control.key_checks import check_name, refusal
from anyrouter.control.stores import OrganisationStore
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.money import to_usd_string
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.tenancy import Environment, Organisation
from anyrouter.policy.rights import Rights, may

MAX_LIFETIME_S = 100 * 366 * 24 * 3600
_CHANGEABLE = frozenset({"name", "max_key_lifetime_s"})
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn
_NO_ORGANISATION = Denied(code="not_found", message="There is no such organisation.")
_CHANGED = Denied(code="etag_mismatch", message="The organisation was changed meanwhile. Read it again, then repeat the change.")
_FORBIDDEN = Denied(code="insufficient_scope", scope=ADMIN_ORG, message=f"This needs the scope {ADMIN_ORG}. Ask somebody who has it.")
_OPERATORS = Denied(
    code="exceeds_rights",
    message="Only the operator, who has the data directory, makes, disables and enables organisations: 'anyrouter org' does it.",
)


class OrganisationService:
    """Organisations. Refusals are ClientError; all methods may raise StorageUnavailable."""

    def __init__(self, *, store: OrganisationStore, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    async def list(self, rights: Rights) -> builtins.list[Organisation]:
        """All, oldest first, disabled ones too: for the operator."""
        _check_operator(rights)
        return await self._store.list_organisations()

    async def show(self, rights: Rights, organisation_id: str) -> Organisation:
        """One of them; ClientError `not_found`."""
        if not may(rights, ADMIN_ORG):
            raise ClientError(_FORBIDDEN)
        if not rights.is_operator and rights.organisation_id not in {None, organisation_id}:
            raise ClientError(_NO_ORGANISATION)
        for organisation in await self._store.list_organisations():
            if organisation.id == organisation_id:
                return organisation
        raise ClientError(_NO_ORGANISATION)

    async def create(self, actor: Actor, rights: Rights, *, name: str) -> Organisation:
        """A new one with the environments `live` and `test`, and without members and keys."""
        _check_operator(rights)
        now = self._now()
        now_ms = int(now.timestamp() * 1000)
        organisation = Organisation(id=new_id("org", now_ms), name=check_name(name), created_at=now)
        first = [
            Environment(id=new_id("env", now_ms), organisation_id=organisation.id, slug=slug, name=slug.capitalize(), kind=kind)
            for slug, kind in STANDARD_SLUGS.items()
        ]
        await self._store.add_organisation(organisation, first, _event(actor, "org.create", organisation, None, now))
        return organisation

    async def change(
        self, actor: Actor, rights: Rights, organisation_id: str, changes: Mapping[str, Any], *, version: int | None = None
    ) -> Organisation:
        """Change the name, or how long keys live at most (None: as long as they say). `version`: only if it is still that one.

        The longest life holds for keys that are made, and whose expiry is changed, from now on.
        """
        checked = _check_changes(changes)
        return await self._change(actor, rights, organisation_id, "org.change", checked, version)

    async def disable(self, actor: Actor, rights: Rights, organisation_id: str) -> Organisation:
        """Refuse all its keys until it is enabled again. Harmless when it is disabled already."""
        _check_operator(rights)
        return await self._change(actor, rights, organisation_id, "org.disable", {"is_active": False}, None)

    async def enable(self, actor: Actor, rights: Rights, organisation_id: str) -> Organisation:
        """Take its keys again. Harmless when it is enabled already."""
        _check_operator(rights)
        return await self._change(actor, rights, organisation_id, "org.enable", {"is_active": True}, None)

    async def _change(  # noqa: PLR0917 -- what to whom, by whom
        self, actor: Actor, rights: Rights, organisation_id: str, action: str, values: Mapping[str, Any], version: int | None
    ) -> Organisation:
        for attempt in range(_ATTEMPTS):
            before = await self.show(rights, organisation_id)
            if version is not None and before.version != version:
                raise ClientError(_CHANGED)
            after = replace(before, **values)
            if after == before:
                return before
            after = replace(after, version=before.version + 1)
            try:
                await self._store.update_organisation(after, _event(actor, action, after, before, self._now()))
            except ClientError as error:
                if error.code != "etag_mismatch" or version is not None or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return after
        raise AssertionError  # the loop returns or raises

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def organisation_facts(organisation: Organisation) -> dict[str, Any]:
    """What is on record of an organisation, as JSON values by the API's names."""
    return {
        "name": organisation.name,
        "is_active": organisation.is_active,
        "max_key_lifetime_s": organisation.max_key_lifetime_s,
        "credit_mode": organisation.credit_mode.value,
        "monthly_grant_usd": to_usd_string(organisation.monthly_grant_nanousd),
    }


def _event(actor: Actor, action: str, organisation: Organisation, before: Organisation | None, now: datetime) -> AuditEvent:
    old = {} if before is None else organisation_facts(before)
    was, becomes = find_differences(old, organisation_facts(organisation))
    return make_event(
        actor,
        organisation.id,
        action,
        now,
        target_id=organisation.id,
        target_label=organisation.name,
        before={} if before is None else was,
        after=becomes,
    )


def _check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    unknown = next((name for name in changes if name not in _CHANGEABLE), None)
    if unknown is not None:
        raise refusal(unknown, "this is not changed here")
    checked = dict(changes)
    if "name" in checked:
        checked["name"] = check_name(checked["name"])
    lifetime_s = checked.get("max_key_lifetime_s")
    if lifetime_s is not None and (
        isinstance(lifetime_s, bool) or not isinstance(lifetime_s, int) or not 60 <= lifetime_s <= MAX_LIFETIME_S  # noqa: PLR2004 -- a minute
    ):
        raise refusal("max_key_lifetime_s", f"a whole number of seconds from 60 to {MAX_LIFETIME_S} is needed, or null")
    return checked


def _check_operator(rights: Rights) -> None:
    if not rights.is_operator:
        raise ClientError(_OPERATORS)
