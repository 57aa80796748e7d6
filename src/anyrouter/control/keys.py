"""What people do with keys: make, look at, change, rotate, disable, enable, delete, revoke. Knows no HTTP and no database.

A key's text exists here for the length of `create` or `rotate` and is returned once; only its digest is handed to the store.
"""

import builtins
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_checks import check_fields, check_name, refusal
from anyrouter.control.key_facts import key_facts
from anyrouter.control.key_grants import KeyGrants, check_times
from anyrouter.control.key_search import KeyPage, KeySearch
from anyrouter.control.ports import EnvironmentStore, KeyStore
from anyrouter.control.rotation import DEFAULT_GRACE_S, GraceStart, judge_rotation, retire, succeed
from anyrouter.control.stores import MemberStore, OrganisationStore
from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.scopes import ADMIN_KEYS, grants
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import Rights, may_touch

MAX_LIST = 1000
MAX_KEYS = 10_000
MAX_OFFSET = 1_000_000
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn

_KEY_ID = re.compile(r"key_[0-9a-f]{32}", re.ASCII)
_NO_KEY = Denied(code="not_found", message="There is no such key.")
_CHANGED = Denied(code="etag_mismatch", message="The key was changed meanwhile. Read it again, and decide on what it is now.")


class KeyService:
    """Keys of one organisation at a time. `pepper` and its version are the current ones; `clock` gives aware UTC times.

    `actor` is who does it, `rights` what that one may give. All methods may raise StorageUnavailable. Refusals are ClientError:
    `invalid_parameter` with `param`, `duplicate_name`, `not_found` (the same for a key that never was, is deleted, or is another
    organisation's or environment's), `etag_mismatch`, `rotation_in_progress`, `unprocessable` for what the key's state forbids, and
    what `policy.rights.judge_grant` says.
    """

    def __init__(
        self,
        *,
        store: KeyStore,
        environments: EnvironmentStore,
        organisations: OrganisationStore,
        members: MemberStore | None = None,
        pepper: bytes,
        pepper_version: int,
        clock: Callable[[], datetime],
        previous_pepper: bytes | None = None,
        max_keys: int = MAX_KEYS,
    ) -> None:
        self._store = store
        self._grants = KeyGrants(store=store, environments=environments, organisations=organisations, members=members)
        self._pepper, self._pepper_version, self._previous_pepper = pepper, pepper_version, previous_pepper
        self._clock, self._max_keys = clock, max_keys

    async def create(
        self,
        *,
        name: str,
        actor: Actor,
        rights: Rights,
        environment: str | None = None,
        kind: KeyKind = KeyKind.SERVICE,
        member_id: str | None = None,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
        **fields: Any,
    ) -> tuple[ApiKey, str]:
        """Make a key and return its record and its text, which is not kept: nobody can show it again.

        `fields` are restrictions by the API's names, see `key_checks`. `environment` None is the maker's own, else `live`. A key of an
        organisation with a longest lifetime gets that one, when none is given.
        """
        now = self._now()
        checked = check_fields(fields, now)
        home = await self._grants.find_environment(organisation_id, environment, rights)
        text = keys.generate(home.slug)
        key_id = new_id("key", _to_ms(now))
        key = ApiKey(
            id=key_id,
            organisation_id=organisation_id,
            environment_id=home.id,
            environment=home.slug,
            name=check_name(name),
            label=keys.label_of(text),
            digest=keys.digest(self._pepper, text),
            pepper_version=self._pepper_version,
            rotation_group=key_id,
            created_at=now,
            updated_at=now,
            kind=kind,
            member_id=member_id,
            creator_id=actor.id,
            **{"scopes": check_fields({"scopes": None}, now)["scopes"], **checked},
        )
        lifetime = await self._grants.find_lifetime(organisation_id)
        if lifetime is not None and key.expires_at is None:
            key = replace(key, expires_at=now + lifetime)
        check_times(key, lifetime)
        await self._grants.check_member(key, home)
        await self._grants.check_grant(actor, rights, key, gained=key.scopes)
        await self._store.add_key(key, _event(actor, "key.create", key, now, after=key_facts(key)), most=self._max_keys)
        return key, text

    async def list(
        self,
        *,
        rights: Rights,
        environment: str | None = None,
        is_disabled: bool | None = None,
        limit: int = 100,
        after_id: str | None = None,
        offset: int = 0,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> builtins.list[ApiKey]:
        """Keys that are not deleted, oldest first, those behind `after_id`, without the first `offset`; `limit` is 1 to 1000."""
        if isinstance(limit, bool) or not 1 <= limit <= MAX_LIST:
            raise refusal("limit", f"a number from 1 to {MAX_LIST} is needed")
        if isinstance(offset, bool) or not 0 <= offset <= MAX_OFFSET:
            raise refusal("offset", f"a number from 0 to {MAX_OFFSET} is needed")
        if after_id is not None and not _KEY_ID.fullmatch(after_id):
            raise refusal("cursor", "this is not the id of a key")
        if environment is not None and not keys.ENVIRONMENT_SLUG.fullmatch(environment):
            raise refusal("environment", "an environment's slug is [a-z][a-z0-9]{1,15}")
        if rights.organisation_id not in {None, organisation_id}:
            return []
        return await self._store.list_keys(
            organisation_id,
            environment=environment,
            environment_ids=rights.environment_ids,
            is_disabled=is_disabled,
            limit=limit,
            after_id=after_id,
            offset=offset,
        )

    async def search(self, search: KeySearch, *, rights: Rights) -> KeyPage:
        """The keys that are wanted and are there for who asks."""
        if rights.organisation_id not in {None, search.organisation_id}:
            return KeyPage(keys=(), total=0)
        return await self._store.search_keys(replace(search, environment_ids=rights.environment_ids, member_id=rights.member_id))

    async def show(self, key_id: str, *, rights: Rights, organisation_id: str = DEFAULT_ORGANISATION_ID) -> ApiKey:
        """One key by its public id."""
        key = await self._store.find_key(organisation_id, key_id) if _KEY_ID.fullmatch(key_id) else None
        if key is None or not may_touch(rights, key):
            raise ClientError(_NO_KEY)
        return key

    async def change(
        self,
        key_id: str,
        changes: Mapping[str, Any],
        *,
        actor: Actor,
        rights: Rights,
        if_match: int | None = None,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> ApiKey:
        """Replace what is named: `name`, `disabled`, and the restrictions of `create`; None takes one away.

        `if_match` is the version that is to be changed. The key as it becomes must be within the rights of who changes it.
        """
        lifetime = await self._grants.find_lifetime(organisation_id) if "expires_at" in changes else None

        def decide(key: ApiKey, now: datetime) -> ApiKey:
            fields = {name: value for name, value in changes.items() if name not in {"name", "disabled"}}
            values = check_fields(fields, now)
            if "name" in changes:
                values["name"] = check_name(changes["name"])
            if "disabled" in changes:
                values["is_disabled"] = changes["disabled"]
            changed = replace(key, **values)
            check_times(changed, lifetime)
            if key.superseded_by is not None and (
                changed.expires_at is None or changed.expires_at > (key.expires_at or changed.expires_at)
            ):
                raise refusal("expires_at", "this key was rotated; its end can only be brought nearer")
            return changed

        return await self._change(
            key_id, decide, "key.update", actor=actor, rights=rights, if_match=if_match, organisation_id=organisation_id
        )

    async def disable(self, key_id: str, *, actor: Actor, rights: Rights, organisation_id: str = DEFAULT_ORGANISATION_ID) -> ApiKey:
        """Refuse the key from now on, until it is enabled again. Harmless when it is disabled already."""

        def decide(key: ApiKey, _now: datetime) -> ApiKey:
            return replace(key, is_disabled=True)

        return await self._change(key_id, decide, "key.disable", actor=actor, rights=rights, organisation_id=organisation_id)

    async def enable(self, key_id: str, *, actor: Actor, rights: Rights, organisation_id: str = DEFAULT_ORGANISATION_ID) -> ApiKey:
        """Accept the key again. Harmless when it is enabled already. As a change, it must be within the rights of who does it."""

        def decide(key: ApiKey, _now: datetime) -> ApiKey:
            return replace(key, is_disabled=False)

        return await self._change(key_id, decide, "key.enable", actor=actor, rights=rights, organisation_id=organisation_id)

    async def delete(
        self,
        key_id: str,
        *,
        actor: Actor,
        rights: Rights,
        if_match: int | None = None,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> ApiKey:
        """Refuse the key for good; its record stays for the ledger, its name becomes free."""

        def decide(key: ApiKey, now: datetime) -> ApiKey:
            return replace(key, deleted_at=now)

        return await self._change(
            key_id, decide, "key.delete", actor=actor, rights=rights, if_match=if_match, organisation_id=organisation_id
        )

    async def rotate(
        self,
        key_id: str,
        *,
        actor: Actor,
        rights: Rights,
        grace_s: int = DEFAULT_GRACE_S,
        start: GraceStart = GraceStart.NOW,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> tuple[ApiKey, str]:
        """A new key with exactly the old one's restrictions, and its text; the old one is valid to the end of its grace.

        Where keys of the organisation live no longer than so, neither does the new one, also when the old one was made before that.
        """
        for attempt in range(_ATTEMPTS):
            old = await self.show(key_id, rights=rights, organisation_id=organisation_id)
            try:
                return await self._rotate(old, actor=actor, rights=rights, grace_s=grace_s, start=start)
            except ClientError as error:  # what was changed meanwhile goes along; what was rotated is seen to be
                if error.code != "rotation_in_progress" or old.superseded_by is not None or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError  # the loop returns or raises

    async def revoke(self, texts: Sequence[str], *, actor: Actor) -> int:
        """Delete every key, whoever's, whose text is among these: who holds a key may end it. How many there were.

        Texts that are no keys cause no I/O.
        """
        found = await self.find_texts(texts)
        for key in found.values():
            await self._revoke(key, actor)
        return len(found)

    async def find_texts(self, texts: Sequence[str]) -> dict[str, ApiKey]:
        """Those of the texts that are keys of this gateway, whoever's, deleted ones excluded."""
        presented = dict.fromkeys(text for text in texts if isinstance(keys.inspect(text), keys.WellFormed))
        peppers = [self._pepper] if self._previous_pepper is None else [self._pepper, self._previous_pepper]
        digests = {digester.digest(text): text for digester in map(keys.Digester, peppers) for text in presented}
        found = await self._store.find_by_digests(list(digests)) if digests else []
        return {digests[key.digest]: key for key in found}

    async def _rotate(self, old: ApiKey, *, actor: Actor, rights: Rights, grace_s: int, start: GraceStart) -> tuple[ApiKey, str]:
        now = self._now()
        denied = judge_rotation(old, grace_s, now)
        if denied is not None:
            raise ClientError(denied)
        text = keys.generate(old.environment)
        new_key_id = new_id("key", _to_ms(now))
        new = succeed(old, new_key_id, text, keys.digest(self._pepper, text), self._pepper_version, actor.id, now)
        lifetime = await self._grants.find_lifetime(old.organisation_id)
        if lifetime is not None and (new.expires_at is None or new.expires_at > now + lifetime):
            new = replace(new, expires_at=now + lifetime)
        await self._grants.check_grant(actor, rights, new, gained=new.scopes)
        retired = retire(old, new.id, grace_s, start, now)
        before, after = find_differences(key_facts(old), key_facts(retired))
        await self._store.rotate_key(retired, new, _event(actor, "key.rotate", old, now, before, after), most=self._max_keys)
        return new, text

    async def _revoke(self, key: ApiKey, actor: Actor) -> None:
        while True:
            now = self._now()
            revoked = replace(key, deleted_at=now, updated_at=now, version=key.version + 1)
            before, after = find_differences(key_facts(key), key_facts(revoked))
            try:
                await self._store.update_key(revoked, _event(actor, "key.revoke", key, now, before, after))
            except ClientError as error:
                if error.code not in {"etag_mismatch", "not_found"}:
                    raise
            fresh = await self._store.find_key(key.organisation_id, key.id)
            if fresh is None:
                return
            key = fresh

    async def _change(
        self,
        key_id: str,
        decide: Callable[[ApiKey, datetime], ApiKey],
        action: str,
        *,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        if_match: int | None = None,
    ) -> ApiKey:
        """Make of the key what `decide` says, of the version that is meant or, when none is, of whichever is there."""
        for attempt in range(_ATTEMPTS):
            key = await self.show(key_id, rights=rights, organisation_id=organisation_id)
            if if_match not in {None, key.version}:
                raise ClientError(_CHANGED)
            now = self._now()
            decided = decide(key, now)
            if decided == key:
                return key
            changed = replace(decided, updated_at=now, version=key.version + 1)
            await self._grants.check_change(actor, rights, key, changed)
            before, after = find_differences(key_facts(key), key_facts(changed))
            is_guarded = not rights.is_operator and _manages(key, now) and not _manages(changed, now)
            try:
                await self._store.update_key(changed, _event(actor, action, key, now, before, after), keeps_admin=is_guarded)
            except ClientError as error:
                if error.code != "etag_mismatch" or if_match is not None or attempt == _ATTEMPTS - 1:
                    raise
            else:
                return changed
        raise ClientError(_CHANGED)

    def _now(self) -> datetime:
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)  # as it is stored


def _manages(key: ApiKey, now: datetime) -> bool:
    """Whether a key can manage keys."""
    is_live = key.deleted_at is None and not key.is_disabled and key.superseded_by is None
    return is_live and grants(key.scopes, ADMIN_KEYS) and (key.expires_at is None or now < key.expires_at)


def _event(  # noqa: PLR0917 -- of what, by whom, when
    actor: Actor,
    action: str,
    key: ApiKey,
    now: datetime,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEvent:
    return make_event(
        actor,
        key.organisation_id,
        action,
        now,
        target_id=key.id,
        target_label=key.label,
        environment=key.environment,
        before=before,
        after=after,
    )


def _to_ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
