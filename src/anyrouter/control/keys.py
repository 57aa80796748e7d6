"""What people do with keys: make, look at, disable, enable, delete. Knows no HTTP and no database.

A key's text exists here for the length of `create` and is returned once; only its digest is handed to the store.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from anyrouter.control.expiry import check_expiry
from anyrouter.control.ports import EnvironmentStore, KeyStore
from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.scopes import parse as parse_scopes
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment

MAX_NAME_LENGTH = 100
MAX_MODELS = 500
MAX_MODEL_LENGTH = 200
MAX_RPM = 2**31 - 1
MAX_LIST = 1000
DEFAULT_ENVIRONMENT = "live"

_KEY_ID = re.compile(r"key_[0-9a-f]{32}", re.ASCII)
_MODEL = re.compile(r"[a-z0-9][a-z0-9._-]*/(\*|[A-Za-z0-9][A-Za-z0-9._:/@+-]*)", re.ASCII)
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Co", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class KeyService:
    """Keys of one organisation at a time. `pepper` and its version are the current ones; `clock` gives aware UTC times.

    All methods may raise StorageUnavailable. Refusals are ClientError: `invalid_parameter` with `param`, `duplicate_name`,
    `not_found` (the same for a key that never was, is deleted, or is another organisation's).
    """

    def __init__(
        self,
        *,
        store: KeyStore,
        environments: EnvironmentStore,
        pepper: bytes,
        pepper_version: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._environments, self._clock = store, environments, clock
        self._pepper, self._pepper_version = pepper, pepper_version

    async def create(
        self,
        *,
        name: str,
        environment: str = DEFAULT_ENVIRONMENT,
        scopes: Sequence[str] = (),
        models: Sequence[str] | None = None,
        expires_at: datetime | None = None,
        rate_limit_rpm: int | None = None,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> tuple[ApiKey, str]:
        """Make a key and return its record and its text, which is not kept: nobody can show it again.

        no `scopes` means the default four; `models` are ids and `vendor/*` patterns, None means all.
        """
        now = self._clock().astimezone(UTC)
        checked_name, checked_scopes = check_name(name), check_scopes(scopes)
        checked_models = None if models is None else check_models(models)
        checked_expiry = None if expires_at is None else check_expiry(expires_at, now)
        checked_rpm = None if rate_limit_rpm is None else check_rpm(rate_limit_rpm)
        home = await self._find_environment(organisation_id, environment)
        text = keys.generate(home.slug)
        key_id = new_id("key", int(now.timestamp() * 1000))
        key = ApiKey(
            id=key_id,
            organisation_id=organisation_id,
            environment_id=home.id,
            environment=home.slug,
            name=checked_name,
            label=keys.label_of(text),
            digest=keys.digest(self._pepper, text),
            pepper_version=self._pepper_version,
            rotation_group=key_id,
            scopes=checked_scopes,
            created_at=now,
            updated_at=now,
            models=checked_models,
            rate_limit_rpm=checked_rpm,
            expires_at=checked_expiry,
        )
        await self._store.add_key(key)
        return key, text

    async def list(
        self,
        *,
        environment: str | None = None,
        limit: int = 100,
        after_id: str | None = None,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> list[ApiKey]:
        """Keys that are not deleted, oldest first, those behind `after_id`; `limit` is 1 to 1000."""
        if isinstance(limit, bool) or not 1 <= limit <= MAX_LIST:
            raise _refusal("limit", f"a number from 1 to {MAX_LIST} is needed")
        if after_id is not None and not _KEY_ID.fullmatch(after_id):
            raise _refusal("cursor", "this is not the id of a key")
        if environment is not None and not keys.ENVIRONMENT_SLUG.fullmatch(environment):
            raise _refusal("environment", "an environment's slug is [a-z][a-z0-9]{1,15}")
        return await self._store.list_keys(organisation_id, environment=environment, limit=limit, after_id=after_id)

    async def show(self, key_id: str, *, organisation_id: str = DEFAULT_ORGANISATION_ID) -> ApiKey:
        """One key by its public id."""
        key = await self._store.find_key(organisation_id, key_id) if _KEY_ID.fullmatch(key_id) else None
        if key is None:
            raise ClientError(Denied(code="not_found", message="no such key"))
        return key

    async def disable(self, key_id: str, *, organisation_id: str = DEFAULT_ORGANISATION_ID) -> ApiKey:
        """Refuse the key from now on, until it is enabled again. Harmless when it is disabled already."""
        return await self._switch(organisation_id, key_id, is_disabled=True)

    async def enable(self, key_id: str, *, organisation_id: str = DEFAULT_ORGANISATION_ID) -> ApiKey:
        """Accept the key again. Harmless when it is enabled already."""
        return await self._switch(organisation_id, key_id, is_disabled=False)

    async def delete(self, key_id: str, *, organisation_id: str = DEFAULT_ORGANISATION_ID) -> ApiKey:
        """Refuse the key for good; its record stays for the ledger, its name becomes free."""
        key = await self.show(key_id, organisation_id=organisation_id)
        now = self._clock().astimezone(UTC)
        deleted = replace(key, deleted_at=now, updated_at=now)
        await self._store.update_key(deleted)
        return deleted

    async def _switch(self, organisation_id: str, key_id: str, *, is_disabled: bool) -> ApiKey:
        key = await self.show(key_id, organisation_id=organisation_id)
        if key.is_disabled == is_disabled:
            return key
        switched = replace(key, is_disabled=is_disabled, updated_at=self._clock().astimezone(UTC))
        await self._store.update_key(switched)
        return switched

    async def _find_environment(self, organisation_id: str, slug: str) -> Environment:
        if keys.ENVIRONMENT_SLUG.fullmatch(slug):
            for environment in await self._environments.list_environments(organisation_id):
                if environment.slug == slug:
                    if not environment.is_active:
                        raise _refusal("environment", "this environment is not active")
                    return environment
        raise _refusal("environment", "there is no such environment")


def check_name(name: str) -> str:
    """The name, stripped and in Unicode's composed form; ClientError `invalid_parameter` when it is not 1 to 100 characters.

    Characters that control a terminal or turn the direction of text are refused: names are printed next to other names.
    """
    stripped = name[: 100 * MAX_NAME_LENGTH].strip()
    if len(stripped) > 4 * MAX_NAME_LENGTH:  # before the work that grows with the text
        raise _refusal("name", f"1 to {MAX_NAME_LENGTH} characters are needed")
    if any(letter in _BIDI or unicodedata.category(letter) in _REFUSED_CATEGORIES for letter in stripped):
        raise _refusal("name", "it holds control characters or marks that turn the direction of text")
    composed = unicodedata.normalize("NFC", stripped)
    if not 1 <= len(composed) <= MAX_NAME_LENGTH:
        raise _refusal("name", f"1 to {MAX_NAME_LENGTH} characters are needed")
    return composed


def check_scopes(scopes: Sequence[str]) -> frozenset[str]:
    """The scopes as a set, the default four when none are given; else ClientError `invalid_parameter`."""
    try:
        return frozenset(parse_scopes(tuple(scopes)))
    except ValueError as error:
        raise _refusal("scopes", str(error)) from error


def check_models(models: Sequence[str]) -> tuple[str, ...]:
    """The ids and `vendor/*` patterns without repetitions, at most 500; else ClientError `invalid_parameter`."""
    if not models:
        raise _refusal("models", "the list is empty, so the key could reach nothing; leave it out to allow every model")
    if len(models) > MAX_MODELS:
        raise _refusal("models", f"at most {MAX_MODELS} entries are allowed")
    for index, model in enumerate(models):
        if len(model) > MAX_MODEL_LENGTH or not _MODEL.fullmatch(model):
            raise _refusal("models", f"entry {index + 1} is neither an id such as openai/gpt-4o nor a pattern such as openai/*")
    return tuple(dict.fromkeys(models))


def check_rpm(rate_limit_rpm: object) -> int:
    """The limit if it is a whole number from 0 (the key is blocked) to 2^31 - 1; else ClientError `invalid_parameter`."""
    if isinstance(rate_limit_rpm, bool) or not isinstance(rate_limit_rpm, int) or not 0 <= rate_limit_rpm <= MAX_RPM:
        raise _refusal("rate_limit_rpm", f"a whole number from 0 to {MAX_RPM} is needed")
    return rate_limit_rpm


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}", param=param))
