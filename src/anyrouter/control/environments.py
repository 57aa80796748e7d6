"""Environments: what people do with them, and how those that the configuration file declares get into the store."""

import builtins
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_checks import check_fields, check_name, refusal
from anyrouter.control.ports import EnvironmentStore
from anyrouter.core.audit import Actor, ActorKind, AuditEvent
from anyrouter.core.errors import ClientError, Denied, InternalError
from anyrouter.core.ids import new_id
from anyrouter.core.keys import ENVIRONMENT_SLUG
from anyrouter.core.scopes import ADMIN_ORG
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind
from anyrouter.policy.rights import Rights, may

MAX_ENVIRONMENTS = 1000
STANDARD_SLUGS = {"live": EnvironmentKind.LIVE, "test": EnvironmentKind.SANDBOX}
_CONFIGURATION = Actor(kind=ActorKind.SYSTEM, label="configuration file")
_LIMITS = frozenset({"rate_limit_rpm", "rate_limit_tpm", "concurrency", "budget_policy"})
_CHANGEABLE = _LIMITS | {"name", "is_active"}
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn
NO_ENVIRONMENT = Denied(code="not_found", message="There is no such environment.")
CHANGED_ENVIRONMENT = Denied(code="etag_mismatch", message="The environment was changed meanwhile. Read it again, then repeat the change.")
_MANAGED = Denied(
    code="managed_by_file",
    message="This environment is declared in the gateway's configuration file. Change it there, and restart the gateway.",
)
_STANDARD = Denied(code="unprocessable", message="live and test always exist. Set is_active to false to refuse its keys.")
_OWN = Denied(
    code="unprocessable",
    message="The key that asks is of this environment, and would end with it: nobody could undo that. Use a key of another environment.",
)
_FORBIDDEN = Denied(code="insufficient_scope", scope=ADMIN_ORG, message=f"This needs the scope {ADMIN_ORG}. Ask somebody who has it.")


class EnvironmentService:
    """Environments of one organisation at a time. Refusals are ClientError; all methods may raise StorageUnavailable."""

    def __init__(self, *, store: EnvironmentStore, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock

    async def list(self, rights: Rights, organisation_id: str) -> builtins.list[Environment]:
        """All that are not deleted, by slug."""
        _check_rights(rights)
        return [row for row in await self._store.list_environments(organisation_id) if row.deleted_at is None]

    async def show(self, rights: Rights, organisation_id: str, slug: str) -> Environment:
        """One of them; ClientError `not_found`."""
        for environment in await self.list(rights, organisation_id):
            if environment.slug == slug:
                return environment
        raise ClientError(NO_ENVIRONMENT)

    async def create(
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        *,
        slug: str,
        kind: EnvironmentKind,
        name: str | None = None,
        **limits: Any,
    ) -> Environment:
        """A new one. Its slug and kind never change, and a slug is taken for good: it is in the text of keys."""
        _check_rights(rights)
        if not ENVIRONMENT_SLUG.fullmatch(slug):
            raise refusal("slug", "an environment's slug is [a-z][a-z0-9]{1,15}")
        known = await self._store.list_environments(organisation_id)
        if len(known) >= MAX_ENVIRONMENTS:
            message = f"An organisation has at most {MAX_ENVIRONMENTS} environments, deleted ones included."
            raise ClientError(Denied(code="unprocessable", message=message))
        now = self._now()
        environment = Environment(
            id=new_id("env", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            slug=slug,
            name=slug.capitalize() if name is None else check_name(name),
            kind=kind,
            **_check_changes(limits, now),
        )
        await self._store.add_environment(environment, _event(actor, "environment.create", environment, None, now))
        return environment

    async def change(
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        slug: str,
        changes: Mapping[str, Any],
        *,
        version: int | None = None,
    ) -> Environment:
        """Change name, state, limits or policy; None takes a limit away. `version`: only if it is still that one."""
        checked = _check_changes(changes, self._now())

        def decide(environment: Environment, _now: datetime) -> Environment:
            return replace(environment, **checked)

        return await self._change(actor, rights, organisation_id, slug, "environment.change", decide, version)

    async def delete(self, actor: Actor, rights: Rights, organisation_id: str, slug: str, *, version: int | None = None) -> Environment:
        """End it for good: its keys are refused from now on, and nobody else gets its slug."""

        def decide(environment: Environment, now: datetime) -> Environment:
            if environment.slug in STANDARD_SLUGS:
                raise ClientError(_STANDARD)
            return replace(environment, deleted_at=now)

        return await self._change(actor, rights, organisation_id, slug, "environment.delete", decide, version)

    async def _change(  # noqa: PLR0917 -- what to whom, by whom
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        slug: str,
        action: str,
        decide: Callable[[Environment, datetime], Environment],
        version: int | None,
    ) -> Environment:
        for attempt in range(_ATTEMPTS):
            before = await self.show(rights, organisation_id, slug)
            if version is not None and before.version != version:
                raise ClientError(CHANGED_ENVIRONMENT)
            if before.is_managed:
                raise ClientError(_MANAGED)
            now = self._now()
            after = decide(before, now)
            if after == before:
                return before
            is_end = not after.is_active or after.deleted_at is not None
            if is_end and actor.kind is ActorKind.KEY and before.id in (rights.environment_ids or ()):
                raise ClientError(_OWN)
            after = replace(after, version=before.version + 1)
            try:
                await self._store.update_environment(after, _event(actor, action, after, before, now))
            except ClientError as error:
                if error.code != "etag_mismatch" or version is not None or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return after
        raise AssertionError  # the loop returns or raises

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


async def declare_environments(
    store: EnvironmentStore, declared: Iterable[Environment], now: datetime, *, is_complete: bool = False
) -> None:
    """Have each of the environments in the store as declared, under the id that it has there already if it is known.

    `is_complete`: what else a file has declared once is the API's to change from now on. One that is as it should be is not written: a
    write tells every process to forget its keys. InternalError, with a text for the operator, for one whose kind would change.
    """
    wanted = {environment.slug: environment for environment in declared}
    for attempt in range(_ATTEMPTS):
        try:
            await _declare(store, wanted, now, is_complete=is_complete)
        except ClientError:  # somebody else declares the same at the same time
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return


async def _declare(store: EnvironmentStore, wanted: Mapping[str, Environment], now: datetime, *, is_complete: bool) -> None:
    known = {environment.slug: environment for environment in await store.list_environments(DEFAULT_ORGANISATION_ID)}
    for slug, environment in wanted.items():
        stored = known.get(slug)
        if stored is None:
            added = replace(environment, is_managed=True)
            await store.add_environment(added, _event(_CONFIGURATION, "environment.create", added, None, now))
            continue
        if stored.kind is not environment.kind:
            raise InternalError(
                f"The configuration file says that the environment {slug} is {environment.kind.value}, but it is {stored.kind.value}. "
                f"An environment's kind never changes: its keys would reach something else. Declare one with another slug."
            )
        await _write(store, stored, replace(environment, id=stored.id, is_managed=True, version=stored.version), now)
    if is_complete:
        for stored in known.values():
            if stored.is_managed and stored.slug not in wanted:
                await _write(store, stored, replace(stored, is_managed=False), now)


async def _write(store: EnvironmentStore, stored: Environment, wanted: Environment, now: datetime) -> None:
    if wanted != stored:
        changed = replace(wanted, version=stored.version + 1)
        await store.update_environment(changed, _event(_CONFIGURATION, "environment.change", changed, stored, now))


def environment_facts(environment: Environment) -> dict[str, Any]:
    """What is on record of an environment, as JSON values by the API's names."""
    return {
        "slug": environment.slug,
        "name": environment.name,
        "kind": environment.kind.value,
        "is_active": environment.is_active,
        "rate_limit_rpm": environment.rate_limit_rpm,
        "rate_limit_tpm": environment.rate_limit_tpm,
        "concurrency": environment.concurrency,
        "budget_policy": None if environment.budget_policy is None else environment.budget_policy.value,
        "is_managed": environment.is_managed,
    }


def _event(actor: Actor, action: str, environment: Environment, before: Environment | None, now: datetime) -> AuditEvent:
    old = {} if before is None else environment_facts(before)
    was, becomes = find_differences(old, environment_facts(environment))
    return make_event(
        actor,
        environment.organisation_id,
        action,
        now,
        target_id=environment.id,
        target_label=environment.slug,
        environment=environment.slug,
        before={} if before is None else was,
        after=becomes,
    )


def _check_changes(changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    unknown = next((name for name in changes if name not in _CHANGEABLE), None)
    if unknown is not None:
        raise refusal(unknown, "this is not changed; make another environment")
    checked = check_fields({name: value for name, value in changes.items() if name in _LIMITS}, now)
    if "name" in changes:
        checked["name"] = check_name(changes["name"])
    if "is_active" in changes:
        checked["is_active"] = changes["is_active"]
    return checked


def _check_rights(rights: Rights) -> None:
    if not may(rights, ADMIN_ORG):
        raise ClientError(_FORBIDDEN)
