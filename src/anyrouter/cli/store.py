"""The services of a data directory for one command: open, work, close. Whether a server runs beside it makes no difference."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from anyrouter.cli.failure import CommandFailed, ExitCode
from anyrouter.control.environments import declare_environments
from anyrouter.control.keys import KeyService
from anyrouter.control.presets import PresetService
from anyrouter.control.rotation import GraceStart
from anyrouter.core import keys
from anyrouter.core.apikey import ApiKey
from anyrouter.core.audit import OPERATOR
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import OPERATOR_RIGHTS

if TYPE_CHECKING:
    from anyrouter.bootstrap.services import Services
    from anyrouter.settings import Settings
    from anyrouter.storage.opening import Storage

T = TypeVar("T")
_PAGE = 1000
_SHOWN_MATCHES = 5


class KeyDesk:
    """The key service, with keys named as people name them: by id, by label, or by name. ClientError and CommandFailed say no.

    Whoever has the data directory is the operator.
    """

    def __init__(self, service: KeyService, organisation_id: str = DEFAULT_ORGANISATION_ID) -> None:
        self._service = service
        self._who: dict[str, Any] = {"actor": OPERATOR, "rights": OPERATOR_RIGHTS, "organisation_id": organisation_id}
        self._where: dict[str, Any] = {"rights": OPERATOR_RIGHTS, "organisation_id": organisation_id}

    async def create(self, **fields: Any) -> tuple[ApiKey, str]:
        """A new key and its text; fields as `KeyService.create` has them."""
        return await self._service.create(**fields, **self._who)

    async def list(self, environment: str | None = None) -> list[ApiKey]:
        """Every key that is not deleted, oldest first."""
        found: list[ApiKey] = []
        while True:
            after_id = found[-1].id if found else None
            page = await self._service.list(environment=environment, limit=_PAGE, after_id=after_id, **self._where)
            found += page
            if len(page) < _PAGE:
                return found

    async def find(self, named: str) -> ApiKey:
        """The one key that `named` means: an id, a label, a name, or the key's own text."""
        well_formed = keys.inspect(named)
        wanted = well_formed.label if isinstance(well_formed, keys.WellFormed) else named.rstrip("….")
        if wanted.startswith("key_"):
            return await self._service.show(wanted, **self._where)
        matches = [key for key in await self.list() if wanted == key.label or named == key.name]
        if not matches:
            raise CommandFailed(ExitCode.NOT_FOUND, "not_found", "no such key", cure="anyrouter keys list shows them")
        if len(matches) > 1:
            ids = tuple(f"{key.id}  {key.environment}  {key.label}…" for key in matches[:_SHOWN_MATCHES])
            raise CommandFailed(ExitCode.CONFLICT, "ambiguous", f"{len(matches)} keys are called that; name one by its id", lines=ids)
        return matches[0]

    async def disable(self, named: str) -> ApiKey:
        """Switch the key off."""
        return await self._service.disable((await self.find(named)).id, **self._who)

    async def enable(self, named: str) -> ApiKey:
        """Switch the key on."""
        return await self._service.enable((await self.find(named)).id, **self._who)

    async def delete(self, named: str) -> ApiKey:
        """End the key for good."""
        return await self._service.delete((await self.find(named)).id, **self._who)

    async def rotate(self, named: str, grace_s: int, start: GraceStart) -> tuple[ApiKey, str, ApiKey]:
        """The key that takes the named one's place, its text, and the old one as it is then."""
        old = await self.find(named)
        new, text = await self._service.rotate(old.id, grace_s=grace_s, start=start, **self._who)
        return new, text, await self._service.show(old.id, **self._where)

    async def revoke(self, texts: Sequence[str]) -> int:
        """End the keys of these texts; how many there were."""
        return await self._service.revoke(texts, actor=OPERATOR)


def with_keys(settings: "Settings", work: Callable[[KeyDesk], Awaitable[T]], *, organisation_id: str = DEFAULT_ORGANISATION_ID) -> T:
    """What `work` returns. StorageUnavailable, InternalError."""
    return with_services(settings, lambda services: work(KeyDesk(services.keys, organisation_id)))


def with_presets(settings: "Settings", work: Callable[[PresetService], Awaitable[T]]) -> T:
    """What `work` returns. StorageUnavailable, InternalError."""
    return with_services(settings, lambda services: work(services.presets))


def with_services(settings: "Settings", work: Callable[["Services"], Awaitable[T]]) -> T:
    """What `work` returns. StorageUnavailable, InternalError."""

    async def use(storage: "Storage") -> T:
        from anyrouter.bootstrap.services import make_services  # noqa: PLC0415 -- as below

        services = make_services(storage, settings)
        try:
            return await work(services)
        finally:
            await services.aclose()

    return with_storage(settings, use)


def with_storage(settings: "Settings", work: Callable[["Storage"], Awaitable[T]]) -> T:
    """What `work` returns. The environments that the configuration declares exist before it begins. StorageUnavailable, InternalError."""

    async def run() -> T:
        from anyrouter.storage.opening import open_storage  # noqa: PLC0415 -- the database library takes half a second; --help does without

        url = settings.storage.database_url
        storage = await open_storage(settings.data_dir, url.reveal() if url else None, environment=os.environ)
        try:
            declared = settings.declare_environments(time.time_ns() // 1_000_000)
            await declare_environments(storage.environments, declared, datetime.now(UTC))
            return await work(storage)
        finally:
            await storage.aclose()

    return asyncio.run(run())
