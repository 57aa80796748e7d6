"""What members prove themselves with in the database: digests, hashes, public keys and sealed secrets, never a secret itself."""

from collections.abc import Collection

from sqlalchemy import Connection, and_, delete, insert, select, update

from anyrouter.core.audit import AuditEvent
from anyrouter.core.errors import ClientError
from anyrouter.core.sign_in import Identity, Password, ProofKinds, SignInLink
from anyrouter.core.tenancy import Member
from anyrouter.storage.database import Database
from anyrouter.storage.insertion import insert_new
from anyrouter.storage.member_rows import FIXED_MEMBER_COLUMNS, KNOWN_ADDRESS, member_to_row, row_to_member
from anyrouter.storage.schema import organisations
from anyrouter.storage.schema_people import members
from anyrouter.storage.schema_sign_in import identities, passkeys, passwords, second_factors, sign_in_links
from anyrouter.storage.sign_in_rows import (
    BOUND_IDENTITY,
    HAS_OWNER,
    NO_IDENTITY,
    USED_LINK,
    identity_to_row,
    link_to_row,
    row_to_identity,
    row_to_link,
    row_to_password,
)
from anyrouter.storage.sign_in_statements import change_sign_in, end_links, end_sessions, end_sign_in, has_owner, store_password
from anyrouter.storage.sql_audit import append_event
from anyrouter.storage.sql_keys import OnChange, bump_epoch
from anyrouter.storage.sql_passkeys import SqlPasskeys
from anyrouter.storage.sql_second_factors import SqlSecondFactors


class SqlSignInStore(SqlSecondFactors, SqlPasskeys):
    """`SignInStore`. `on_change` as in `SqlKeyStore`."""

    def __init__(self, database: Database, *, on_change: OnChange) -> None:
        self._database, self._on_change = database, on_change

    async def find_members(self, email: str) -> list[Member]:
        """The active members with that address, of all active organisations, oldest first."""
        query = (
            select(members)
            .join(organisations, organisations.c.id == members.c.organisation_id)
            .where(members.c.email == email, members.c.is_active.is_(True), organisations.c.is_active.is_(True))
            .order_by(members.c.created_at_ms, members.c.id)
        )

        def work(connection: Connection) -> list[Member]:
            return [row_to_member(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def find_member(self, organisation_id: str, member_id: str) -> Member | None:
        """One, active or not."""
        query = select(members).where(members.c.organisation_id == organisation_id, members.c.id == member_id)

        def work(connection: Connection) -> Member | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_member(row)

        return await self._database.read(work)

    async def has_owner(self, organisation_id: str) -> bool:
        """Whether there is an active owner."""
        return await self._database.read(lambda connection: has_owner(connection, organisation_id))

    async def add_first_owner(self, member: Member, password: Password | None, event: AuditEvent) -> None:
        """See the port. Who was a member before must come with the id of then; ClientError `duplicate_name` for an active one's address."""

        def work(connection: Connection) -> None:
            if has_owner(connection, member.organisation_id):
                raise ClientError(HAS_OWNER)
            _add_owner(connection, member, event)
            if password is not None:
                store_password(connection, password)
            append_event(connection, event)
            if has_owner(connection, member.organisation_id, but=member.id):  # behind the event's lock
                raise ClientError(HAS_OWNER)
            bump_epoch(connection, member.organisation_id)

        await self._database.write(work)
        self._on_change(member.organisation_id)

    async def list_proof_kinds(self, member_ids: Collection[str]) -> dict[str, ProofKinds]:
        """Of each of these members. An app counts once it is confirmed."""
        queries = (
            select(passwords.c.member_id).where(passwords.c.member_id.in_(member_ids)),
            select(second_factors.c.member_id).where(
                second_factors.c.member_id.in_(member_ids), second_factors.c.confirmed_at_ms.is_not(None)
            ),
            select(passkeys.c.member_id).where(passkeys.c.member_id.in_(member_ids)),
        )

        def work(connection: Connection) -> dict[str, ProofKinds]:
            by_password, by_app, by_passkey = (set(connection.scalars(query)) for query in queries)
            return {
                row: ProofKinds(has_password=row in by_password, has_app=row in by_app, has_passkey=row in by_passkey) for row in member_ids
            }

        return await self._database.read(work)

    async def find_password(self, member_id: str) -> Password | None:
        """A member's."""
        query = select(passwords).where(passwords.c.member_id == member_id)

        def work(connection: Connection) -> Password | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_password(row)

        return await self._database.read(work)

    async def put_password(self, password: Password, event: AuditEvent, *, ends_sessions_but: str | None = None) -> None:
        """Store or replace it, and end the member's sessions but that one, and its open links, in the same transaction."""

        def work(connection: Connection) -> None:
            _replace_password(connection, password, but=ends_sessions_but)

        await change_sign_in(self._database, password.member_id, event, work)

    async def rehash_password(self, old: Password, new: Password) -> None:
        """Replace the hash by one of the same password with other parameters, if it is still the old one. No event."""
        same = and_(passwords.c.member_id == old.member_id, passwords.c.hash == old.hash)
        change = update(passwords).where(same).values(hash=new.hash)
        await self._database.write(lambda connection: connection.execute(change).rowcount)

    async def add_link(self, link: SignInLink, event: AuditEvent) -> None:
        """Store a new one; the member's earlier ones end."""

        def work(connection: Connection) -> None:
            end_links(connection, link.organisation_id, link.member_id, link.created_at)
            connection.execute(insert(sign_in_links), link_to_row(link))

        await change_sign_in(self._database, link.member_id, event, work)

    async def find_link(self, digest: bytes) -> SignInLink | None:
        """The one with that token's digest, whatever its state."""
        query = select(sign_in_links).where(sign_in_links.c.digest == digest)

        def work(connection: Connection) -> SignInLink | None:
            row = connection.execute(query).mappings().first()
            return None if row is None else row_to_link(row)

        return await self._database.read(work)

    async def use_link(self, link: SignInLink, password: Password, event: AuditEvent) -> None:
        """See the port."""
        same = and_(sign_in_links.c.id == link.id, sign_in_links.c.organisation_id == link.organisation_id)
        is_open = and_(sign_in_links.c.member_id == password.member_id, sign_in_links.c.used_at_ms.is_(None))

        def work(connection: Connection) -> None:
            if connection.execute(select(sign_in_links.c.id).where(same, is_open)).first() is None:  # behind the member's lock
                raise ClientError(USED_LINK)
            _replace_password(connection, password)  # which ends this link with the others

        await change_sign_in(self._database, password.member_id, event, work)

    async def find_identity(self, issuer: str, subject: str) -> list[Identity]:
        """The members, of all organisations, that are this identity."""
        query = select(identities).where(identities.c.issuer == issuer, identities.c.subject == subject)

        def work(connection: Connection) -> list[Identity]:
            rows = connection.execute(query.order_by(identities.c.created_at_ms, identities.c.organisation_id)).mappings()
            return [row_to_identity(row) for row in rows]

        return await self._database.read(work)

    async def list_identities(self, organisation_id: str, member_id: str) -> list[Identity]:
        """Those that are a member, oldest first."""
        mine = and_(identities.c.organisation_id == organisation_id, identities.c.member_id == member_id)
        query = select(identities).where(mine).order_by(identities.c.created_at_ms, identities.c.issuer, identities.c.subject)

        def work(connection: Connection) -> list[Identity]:
            return [row_to_identity(row) for row in connection.execute(query).mappings()]

        return await self._database.read(work)

    async def add_identity(self, identity: Identity, event: AuditEvent) -> None:
        """Bind it to its member; ClientError `duplicate_name` when it is bound in the organisation."""

        def work(connection: Connection) -> None:
            if not insert_new(connection, identities, identity_to_row(identity)):
                raise ClientError(BOUND_IDENTITY)

        await change_sign_in(self._database, identity.member_id, event, work)

    async def delete_identity(self, identity: Identity, event: AuditEvent) -> None:
        """Unbind it; ClientError `not_found`."""
        mine = and_(identities.c.organisation_id == identity.organisation_id, identities.c.member_id == identity.member_id)
        change = delete(identities).where(mine, identities.c.issuer == identity.issuer, identities.c.subject == identity.subject)

        def work(connection: Connection) -> None:
            if not connection.execute(change).rowcount:
                raise ClientError(NO_IDENTITY)

        await change_sign_in(self._database, identity.member_id, event, work)


def _add_owner(connection: Connection, member: Member, event: AuditEvent) -> None:
    row = member_to_row(member)
    if insert_new(connection, members, row):
        return
    values = {name: value for name, value in row.items() if name not in FIXED_MEMBER_COLUMNS}
    same = and_(members.c.organisation_id == member.organisation_id, members.c.email == member.email, members.c.id == member.id)
    if connection.execute(update(members).where(same, members.c.is_active.is_(False)).values(values)).rowcount == 0:
        raise ClientError(HAS_OWNER if has_owner(connection, member.organisation_id) else KNOWN_ADDRESS)
    end_sign_in(connection, member, event.at)


def _replace_password(connection: Connection, password: Password, *, but: str | None = None) -> None:
    store_password(connection, password)
    end_sessions(connection, password.organisation_id, password.member_id, password.changed_at, but=but)
    end_links(connection, password.organisation_id, password.member_id, password.changed_at)
