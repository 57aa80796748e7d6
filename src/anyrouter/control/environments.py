"""Environments that the configuration file declares: brought into the store before anything uses them."""

from collections.abc import Iterable
from dataclasses import replace

from anyrouter.control.ports import EnvironmentStore
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment


async def declare_environments(store: EnvironmentStore, declared: Iterable[Environment]) -> None:
    """Have each of the environments in the store as declared, under the id that it has there already if it is known.

    One that is as declared is not written: a write tells every process to forget its keys. StorageUnavailable.
    """
    known = {environment.slug: environment for environment in await store.list_environments(DEFAULT_ORGANISATION_ID)}
    for environment in declared:
        stored = known.get(environment.slug)
        wanted = environment if stored is None else replace(environment, id=stored.id)
        if wanted != stored:
            await store.put_environment(wanted)
