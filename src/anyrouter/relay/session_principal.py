"""Requests of a person who is signed in: the principal of a session, in the place of a key's.

It is a member's own in one environment: it has no admin scope, may ask for chats alone, and counts against the limits and budgets of the
environment and the organisation like a key without any of its own. Nothing of it is stored, and no text opens it.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from anyrouter.core.apikey import ApiKey, KeyKind
from anyrouter.core.errors import Denied
from anyrouter.core.playground import PLAYGROUND, find_player, playground_key_id
from anyrouter.core.scopes import COMPLETIONS_WRITE
from anyrouter.core.tenancy import Environment, Member
from anyrouter.core.tenants import Tenants
from anyrouter.policy.authorize import judge_key
from anyrouter.policy.endpoints import ENDPOINTS
from anyrouter.relay.call import Principal

ENDPOINT = "chat/completions"
LONGEST_WAIT_S = 1.0  # changes are noticed within that
_LOOK_EVERY_S = 0.05
_MAX_KEPT = 1000
_NO_ENVIRONMENT = Denied(code="not_found", message="There is no such environment in your organisation.")


class SessionPrincipals:
    """Makes them of what `tenants` says at the moment. The same member gets the same key again: lanes are found by it."""

    def __init__(self, tenants: Callable[[], Tenants]) -> None:
        self._tenants = tenants
        self._kept: dict[tuple[Member, str], ApiKey] = {}

    async def find(self, member: Member, slug: str, address: str, now: datetime) -> Principal | Denied:
        """Who asks; or why the member may not ask in that environment now. A member who is new is waited for, a second at most."""
        until_s = asyncio.get_running_loop().time() + LONGEST_WAIT_S
        while member.id not in self._tenants().members and asyncio.get_running_loop().time() < until_s:  # noqa: ASYNC110 -- rare, and short
            await asyncio.sleep(_LOOK_EVERY_S)
        return self._make(member, slug, address, now)

    def _make(self, member: Member, slug: str, address: str, now: datetime) -> Principal | Denied:
        tenants = self._tenants()
        environment = tenants.find_environment(member.organisation_id, slug)
        if environment is None or environment.deleted_at is not None:
            return _NO_ENVIRONMENT
        if not environment.is_active:
            return _refuse_switched_off(environment)
        key = self._find_key(member, environment)
        owner = tenants.find_owner(key)
        denied = judge_key(key, owner, ENDPOINTS[ENDPOINT], address, now)
        if denied is not None or owner.organisation is None:
            return denied or _NO_ENVIRONMENT
        return Principal(
            key=key,
            environment=environment,
            organisation=owner.organisation,
            member=owner.member,
            budgets=tenants.list_budgets((environment.id, member.organisation_id)),
        )

    def _find_key(self, member: Member, environment: Environment) -> ApiKey:
        name = (member, environment.id)
        key = self._kept.get(name)
        if key is None:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            key = self._kept[name] = _make_key(member, environment.id, environment.slug)
        return key


def _refuse_switched_off(environment: Environment) -> Denied:
    """The session is as good as before, so that this is no 401."""
    where = "the operator to switch it on, in the configuration" if environment.is_managed else "an owner or an admin to switch it on"
    message = f"The environment {environment.name} is switched off: nothing can be asked in it. Choose another one, or ask {where}."
    return Denied(code="exceeds_rights", param="environment", message=message)


def name_players(ids: Iterable[str], members: Mapping[str, Member], organisation_id: str) -> list[ApiKey]:
    """Those of the ids that are of an organisation's members in the playground, as keys to be shown: of all environments together."""
    found = (members.get(find_player(key_id) or "") for key_id in dict.fromkeys(ids))
    mine = (member for member in found if member is not None and member.organisation_id == organisation_id)
    return [_make_key(member, "", "all environments", f"Playground: {member.name or member.email}") for member in mine]


def _make_key(member: Member, environment_id: str, slug: str, name: str = PLAYGROUND) -> ApiKey:
    key_id = playground_key_id(member.id)
    return ApiKey(
        id=key_id,
        organisation_id=member.organisation_id,
        environment_id=environment_id,
        environment=slug,
        name=name,
        label=PLAYGROUND,
        digest=b"",
        pepper_version=0,
        rotation_group=key_id,
        scopes=frozenset({COMPLETIONS_WRITE}),
        endpoints=(ENDPOINT,),
        created_at=member.created_at,
        updated_at=member.created_at,
        kind=KeyKind.PERSONAL,
        member_id=member.id,
        creator_id=member.id,
    )
