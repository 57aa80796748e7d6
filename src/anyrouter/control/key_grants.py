"""Whether a key may be made, or become, what somebody wants: by who asks, whose it is, where it lives and how long."""

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta

from anyrouter.control.key_checks import refusal
from anyrouter.control.ports import EnvironmentStore, KeyStore
from anyrouter.control.stores import MemberStore, OrganisationStore
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.audit import Actor, ActorKind
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.tenancy import Environment
from anyrouter.policy.authorize import UNKNOWN_KEY
from anyrouter.policy.rights import Rights, is_role_enough, judge_grant, judge_power

DEFAULT_ENVIRONMENT = "live"
_OWN_KEY = Denied(
    code="unprocessable", message="This is the key that asks. Whoever disables or deletes the key in use cannot undo it: use another one."
)


class KeyGrants:
    """The part of `KeyService` that decides. It reads the stores and changes nothing; refusals are ClientError."""

    def __init__(
        self, *, store: KeyStore, environments: EnvironmentStore, organisations: OrganisationStore, members: MemberStore | None
    ) -> None:
        self._store, self._environments, self._organisations, self._members = store, environments, organisations, members

    async def check_change(self, actor: Actor, rights: Rights, key: ApiKey, changed: ApiKey) -> None:
        """A key that is taken out of use needs no rights over what it could do; any other change does."""
        is_end = changed.is_disabled or changed.deleted_at is not None
        if is_end and actor.kind is ActorKind.KEY and actor.id == key.id:
            raise ClientError(_OWN_KEY)
        ended = replace(key, is_disabled=True, deleted_at=changed.deleted_at, updated_at=changed.updated_at, version=changed.version)
        is_mere_end = is_end and replace(changed, is_disabled=True) == ended
        await self.check_grant(actor, rights, None if is_mere_end else changed, gained=changed.scopes - key.scopes)

    async def check_grant(self, actor: Actor, rights: Rights, wanted: ApiKey | None, *, gained: Collection[str]) -> None:
        """The key that asks is looked at as it is now: one that was rotated or ended a moment ago gives nothing any more.

        `gained` are the scopes that `wanted` has not yet, or has a new text for.
        """
        if actor.kind is ActorKind.KEY and actor.id is not None:
            found = await self._store.find_by_ids([actor.id])
            if not found or found[0].deleted_at is not None or found[0].is_disabled:
                raise ClientError(UNKNOWN_KEY)
            rights = replace(rights, is_retiring=found[0].superseded_by is not None)
        denied = None if wanted is None else judge_grant(rights, wanted) or judge_power(rights, gained)
        if denied is not None:
            raise ClientError(denied)

    async def find_environment(self, organisation_id: str, slug: str | None, rights: Rights) -> Environment:
        """The environment of a new key; None is the only one of who asks, else `live`."""
        known = await self._environments.list_environments(organisation_id)
        if slug is None:
            own = [row for row in known if rights.environment_ids is not None and row.id in rights.environment_ids]
            slug = own[0].slug if len(own) == 1 else DEFAULT_ENVIRONMENT
        for environment in known:
            if environment.slug == slug and environment.deleted_at is None:
                if not environment.is_active:
                    raise refusal("environment", "this environment is not active")
                return environment
        raise refusal("environment", "there is no such environment")

    async def find_lifetime(self, organisation_id: str) -> timedelta | None:
        """How long keys of the organisation live at most."""
        for organisation in await self._organisations.list_organisations():
            if organisation.id == organisation_id and organisation.max_key_lifetime_s is not None:
                return timedelta(seconds=organisation.max_key_lifetime_s)
        return None

    async def check_member(self, key: ApiKey, environment: Environment) -> None:
        """A personal key is that of a member, and administers no more than the member's role does."""
        if (key.member_id is None) != (key.kind is KeyKind.SERVICE):
            raise refusal("member_id", "a personal key needs the id of the member whose it is, and no other key has one")
        if key.member_id is None:
            return
        members = [] if self._members is None else await self._members.list_members(key.organisation_id)
        member = next((row for row in members if row.id == key.member_id and row.is_active), None)
        if member is None:
            raise refusal("member_id", "there is no such member")
        if not all(is_role_enough(member.role, scope, environment.kind) for scope in key.scopes):
            raise refusal("scopes", f"the member is {member.role.value}, which does not allow one of the admin scopes")


def check_times(key: ApiKey, lifetime: timedelta | None) -> None:
    """Refuse a key that ends before it begins, or lives too long from its making on."""
    if key.not_before is not None and key.expires_at is not None and key.not_before >= key.expires_at:
        raise refusal("not_before", "the key would expire before it becomes valid")
    if lifetime is not None and (key.expires_at is None or key.expires_at > key.created_at + lifetime):
        raise refusal("expires_at", f"keys of this organisation live at most {int(lifetime.total_seconds())} seconds")
