"""What people do with their own credentials at providers: enter, look at, change, test, delete. Knows no HTTP and no database.

A secret is only ever entered: nothing here gives it out, and what is kept of it is sealed for its place (`core.vault`). A credential
belongs to one environment; for whoever works in another one it does not exist.
"""

import builtins
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.credential_place import CredentialPlace, find_place
from anyrouter.control.credential_rows import describe_credential
from anyrouter.control.credential_secret import EnteredSecret, read_secret
from anyrouter.control.key_checks import check_models, check_name
from anyrouter.control.ports import EnvironmentStore, KeyStore
from anyrouter.control.stores import AuditStore, CredentialStore
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.byok import NOTHING_SEALED, ProviderCredential
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.provider import Provider
from anyrouter.core.scopes import ADMIN_BYOK
from anyrouter.core.secret import Secret
from anyrouter.core.tenancy import Environment
from anyrouter.core.vault import Vault
from anyrouter.policy.rights import Rights, has_environment, may
from anyrouter.providers.registry import PROVIDERS, find_provider
from anyrouter.providers.sandbox import SANDBOX, SANDBOX_MAKERS

MAX_CREDENTIALS = 1000  # of one environment
MAX_KEYS = 1000  # of one credential
MAX_NUMBER = 1_000_000
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn
_NO_CREDENTIAL = Denied(code="not_found", message="There is no such credential.")
_NO_ENVIRONMENT = Denied(code="not_found", message="There is no such environment.", param="environment")
_CHANGED = Denied(code="etag_mismatch", message="The credential was changed meanwhile. Read it again, then repeat the change.")
_OWN_PROVIDERS = {SANDBOX.id, *(row.id for row in SANDBOX_MAKERS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """How a provider took a credential. `status` None: it did not answer. `message` holds no secret.

    `is_ok` None: that could not be told, since the provider was ill or busy or has nothing to ask that costs nothing.
    """

    is_ok: bool | None
    status: int | None
    latency_ms: int
    message: str


class CredentialProbe(Protocol):
    """Asks a provider whether it takes a credential, by a request that costs nothing."""

    async def probe(self, provider: Provider, credential: ProviderCredential, secret: Secret) -> Probed:
        """What came of it; raises nothing for whatever the provider does."""


class CredentialService:
    """Credentials of one organisation at a time. All methods may raise StorageUnavailable (the vault's failures included).

    Refusals are ClientError. `allowed_hosts` are those that the operator lets tenants name although they are not public.
    """

    def __init__(
        self,
        *,
        store: CredentialStore,
        audit: AuditStore,
        environments: EnvironmentStore,
        keys: KeyStore,
        vault: Vault,
        probe: CredentialProbe,
        clock: Callable[[], datetime],
        allowed_hosts: Collection[str] = (),
        providers: Mapping[str, Provider] = PROVIDERS,
    ) -> None:
        self._store, self._audit, self._environments, self._keys = store, audit, environments, keys
        self._vault, self._probe, self._clock = vault, probe, clock
        self._allowed_hosts, self._providers = frozenset(allowed_hosts), providers

    async def list(
        self, rights: Rights, organisation_id: str, *, environment: str | None = None, provider: str | None = None
    ) -> builtins.list[ProviderCredential]:
        """Those that the holder of these rights may see, in the order in which they are tried. `environment` is a slug."""
        _check_scope(rights)
        found = await self._store.list_credentials(organisation_id)
        return [
            row
            for row in found
            if has_environment(rights, row.environment_id) and environment in {None, row.environment} and provider in {None, row.provider}
        ]

    def list_providers(self, rights: Rights) -> builtins.list[Provider]:
        """Those that the holder of these rights may enter credentials for."""
        _check_scope(rights)
        return [
            row
            for row in self._providers.values()
            if row.id not in _OWN_PROVIDERS and (rights.providers is None or row.id in rights.providers)
        ]

    async def show(self, rights: Rights, organisation_id: str, credential_id: str) -> ProviderCredential:
        """One of them; ClientError `not_found`."""
        _check_scope(rights)
        found = await self._store.find_credential(organisation_id, credential_id)
        if found is None or not has_environment(rights, found.environment_id):
            raise ClientError(_NO_CREDENTIAL)
        return found

    async def create(
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        *,
        environment: str,
        provider: str,
        key: str | Mapping[str, object],
        fields: Mapping[str, Any],
    ) -> ProviderCredential:
        """Enter a credential. `environment` is a slug, `provider` an id, or the name that its models have before their slash.

        `fields` as in `change`; a name that is left out is the provider's, with a number where that is taken.
        """
        row = self._find_provider(rights, provider)
        place_in = await self._find_environment(rights, organisation_id, environment)
        others = await self._store.list_credentials(organisation_id, environment_id=place_in.id)
        if len(others) >= MAX_CREDENTIALS:
            raise _refusal("environment", f"has {MAX_CREDENTIALS} credentials, which is the most: delete one first")
        secret = read_secret(row, key)
        place = self._find_place(row, fields, secret.variables)
        now = self._read_clock()
        wanted = ProviderCredential(
            id=new_id("byok", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            environment_id=place_in.id,
            environment=place_in.slug,
            provider=row.id,
            name=_name_anew(row.id, others),
            secret_label=secret.label,
            sealed=NOTHING_SEALED,
            seal_version=1,
            host=place.host,
            base_url=place.base_url,
            variables=place.variables,
            region=place.region,
            created_at=now,
            updated_at=now,
            creator_id=actor.id,
        )
        wanted = replace(wanted, **await self._check_fields(wanted, fields))
        _check_region(rights, wanted)
        credential = await self._seal(wanted, secret)
        await self._store.add_credential(credential, self._event(actor, "byok.create", None, credential))
        await self._vault.settle(credential.place, credential.sealed, secret.text)
        return credential

    async def change(
        self,
        actor: Actor,
        rights: Rights,
        organisation_id: str,
        credential_id: str,
        changes: Mapping[str, Any],
        *,
        key: str | Mapping[str, object] | None = None,
        version: int | None = None,
    ) -> ProviderCredential:
        """Replace `name`, `base_url`, `variables`, `region`, `models`, `allowed_keys`, `sort_order`, `weight`, or one of the flags.

        `key` replaces the secret. Where the host changes without one, the secret is dropped: nobody can send it elsewhere who does not
        know it. `version`: only if it is still that one, else ClientError `etag_mismatch`.
        """
        for attempt in range(_ATTEMPTS):
            before = await self.show(rights, organisation_id, credential_id)
            if version is not None and before.version != version:
                raise ClientError(_CHANGED)
            after = await self._change(before, rights, changes, key)
            try:
                await self._store.update_credential(after, self._event(actor, "byok.update", before, after, is_new=key is not None))
            except ClientError as error:
                if error.code != "etag_mismatch" or version is not None or attempt == _ATTEMPTS - 1:
                    raise
            else:
                if key is not None:
                    await self._vault.settle(after.place, after.sealed, read_secret(self._find_provider(rights, after.provider), key).text)
                return after
        raise AssertionError  # the loop returns or raises

    async def delete(
        self, actor: Actor, rights: Rights, organisation_id: str, credential_id: str, *, version: int | None = None
    ) -> ProviderCredential:
        """Forget a credential and its secret: no request uses it from now on."""
        credential = await self.show(rights, organisation_id, credential_id)
        if version is not None and credential.version != version:
            raise ClientError(_CHANGED)
        await self._store.delete_credential(credential, self._event(actor, "byok.delete", credential, None))
        return credential

    async def test(self, actor: Actor, rights: Rights, organisation_id: str, credential_id: str) -> Probed:
        """Ask the provider whether it takes the credential. One that was put aside is used again when it does."""
        credential = await self.show(rights, organisation_id, credential_id)
        if credential.needs_secret:
            message = "The credential's address was changed after its secret was entered: enter the secret again (key)."
            raise ClientError(Denied(code="unprocessable", param="key", message=message))
        provider = self._providers.get(credential.provider)
        if provider is None:
            raise _refusal("provider", "is not known to this version any more")
        probed = await self._probe.probe(provider, credential, await self._vault.open(credential.place, credential.sealed))
        if probed.is_ok and credential.quarantined_until is not None:
            await self._store.note_quarantine(organisation_id, credential.id, None, None)
        await self._audit.add_event(
            make_event(
                actor,
                organisation_id,
                "byok.test",
                self._clock(),
                target_id=credential.id,
                target_label=credential.name,
                environment=credential.environment,
                after={"ok": probed.is_ok, "status": probed.status},
            )
        )
        return probed

    async def _change(
        self, before: ProviderCredential, rights: Rights, changes: Mapping[str, Any], key: str | Mapping[str, object] | None
    ) -> ProviderCredential:
        provider = self._find_provider(rights, before.provider)
        secret = None if key is None else read_secret(provider, key)
        place = CredentialPlace(before.base_url, dict(before.variables), before.region, before.host)
        if not changes.keys().isdisjoint({"base_url", "variables", "region"}) or secret is not None:
            said = _join_place(before, changes)
            place = self._find_place(provider, said, {**before.variables, **(secret.variables if secret is not None else {})})
        after = replace(before, **place._asdict(), version=before.version + 1, updated_at=self._read_clock())
        after = replace(after, **await self._check_fields(after, changes))
        _check_region(rights, after)
        if secret is not None:
            after = replace(after, seal_version=after.version, secret_label=secret.label, quarantined_until=None, quarantine_reason=None)
            return await self._seal(after, secret)
        if after.host != before.host:
            return replace(after, seal_version=after.version, secret_label="", sealed=NOTHING_SEALED)
        return after

    def _read_clock(self) -> datetime:
        """Now, as exactly as it is stored."""
        now = self._clock().astimezone(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    async def _seal(self, credential: ProviderCredential, secret: EnteredSecret) -> ProviderCredential:
        return replace(credential, sealed=await self._vault.seal(credential.place, secret.text))

    def _find_provider(self, rights: Rights, name: str) -> Provider:
        found = self._providers.get(name) or find_provider(name)
        if found is None or found.id in _OWN_PROVIDERS:
            raise _refusal("provider", "is the id of none that is known; GET /providers lists them")
        if rights.providers is not None and found.id not in rights.providers:
            message = "provider: whoever asks may not use this provider, and enters no credential for it."
            raise ClientError(Denied(code="provider_not_allowed", param="provider", message=message))
        return found

    async def _find_environment(self, rights: Rights, organisation_id: str, slug: str) -> Environment:
        found = await self._environments.list_environments(organisation_id)
        row = next((row for row in found if row.slug == slug and row.deleted_at is None), None)
        if row is not None and has_environment(rights, row.id):
            return row
        if rights.is_operator or rights.environment_ids is None:
            raise ClientError(_NO_ENVIRONMENT)
        message = "environment: whoever asks does not work in this environment. An admin key works in its own."
        raise ClientError(Denied(code="exceeds_rights", param="environment", message=message))

    def _find_place(self, provider: Provider, fields: Mapping[str, Any], known: Mapping[str, str]) -> CredentialPlace:
        return find_place(
            provider,
            base_url=fields.get("base_url"),
            variables=fields.get("variables") or {},
            region=fields.get("region"),
            known=known,
            allowed_hosts=self._allowed_hosts,
        )

    async def _check_fields(self, credential: ProviderCredential, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What of the fields is no matter of the place, checked. None restricts nothing; elsewhere it says nothing."""
        checked: dict[str, Any] = {
            name: fields[name] for name in ("is_fallback", "always_use", "is_disabled") if fields.get(name) is not None
        }
        if fields.get("name") is not None:
            checked["name"] = check_name(fields["name"])
        for name, least in (("sort_order", -MAX_NUMBER), ("weight", 1)):
            if fields.get(name) is not None:
                checked[name] = _check_number(name, fields[name], least)
        if "is_retaining" in fields:
            checked["is_retaining"] = fields["is_retaining"]
        if "models" in fields:
            checked["models"] = None if fields["models"] is None else check_models(fields["models"])
        if "allowed_keys" in fields:
            checked["allowed_keys"] = None if fields["allowed_keys"] is None else await self._check_keys(credential, fields["allowed_keys"])
        return checked

    async def _check_keys(self, credential: ProviderCredential, key_ids: Sequence[str]) -> tuple[str, ...]:
        if len(key_ids) > MAX_KEYS:
            raise _refusal("allowed_keys", f"has more than {MAX_KEYS} entries")
        groups = []
        for index, key_id in enumerate(key_ids):
            key = await self._keys.find_key(credential.organisation_id, key_id)
            if key is not None and key.environment_id == credential.environment_id:
                groups.append(key.rotation_group)  # what all keys have in common that it was, and will be, rotated from and to
            elif key is None and key_id in (credential.allowed_keys or ()):
                groups.append(key_id)  # the first of a group, which is deleted by now
            else:
                raise _refusal("allowed_keys", f"names no API key of the environment {credential.environment} in entry {index + 1}")
        return tuple(dict.fromkeys(groups))

    def _event(
        self, actor: Actor, action: str, old: ProviderCredential | None, new: ProviderCredential | None, *, is_new: bool = False
    ) -> AuditEvent:
        credential = new or old
        assert credential is not None  # noqa: S101 -- there is no change of nothing into nothing
        shown = [{} if row is None else describe_credential(row, self._clock()) for row in (old, new)]
        before, after = (shown[0], {}) if new is None else find_differences(*shown)
        return make_event(
            actor,
            credential.organisation_id,
            action,
            self._clock(),
            target_id=credential.id,
            target_label=credential.name,
            environment=credential.environment,
            before=before,
            after={**after, "key": "replaced"} if is_new else after,
        )


def _join_place(before: ProviderCredential, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the place after a change: a region that is said anew stands for the variable of that name, too."""
    variables = dict(before.variables) if changes.get("variables") is None else changes["variables"]
    if "region" in changes and "variables" not in changes:
        variables = {name: value for name, value in variables.items() if name not in {"region", "location"}}
    return {
        "base_url": changes.get("base_url", before.base_url),
        "variables": variables,
        "region": changes.get("region", before.region if "variables" not in changes else None),
    }


def _name_anew(provider_id: str, others: Sequence[ProviderCredential]) -> str:
    taken = {row.name for row in others if row.provider == provider_id}
    names = (provider_id, *(f"{provider_id} {number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _check_scope(rights: Rights) -> None:
    if not may(rights, ADMIN_BYOK):
        message = f"Only who has the scope {ADMIN_BYOK} can do this."
        raise ClientError(Denied(code="insufficient_scope", scope=ADMIN_BYOK, message=message))


def _check_region(rights: Rights, credential: ProviderCredential) -> None:
    if rights.regions is not None and credential.region not in rights.regions:
        message = "region: whoever asks may use some regions only, and enters credentials of these regions only."
        raise ClientError(Denied(code="region_not_allowed", param="region", message=message))


def _check_number(param: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MAX_NUMBER:
        raise _refusal(param, f"must be a whole number from {least} to {MAX_NUMBER}")
    return value


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="unprocessable", param=param, message=f"{param} {reason}."))
