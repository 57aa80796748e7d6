from dataclasses import replace

from anyrouter.control.environments import declare_environments
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, EnvironmentKind

LIVE = Environment(id="env_1", organisation_id=DEFAULT_ORGANISATION_ID, slug="live", name="Live", kind=EnvironmentKind.LIVE)
STAGING = replace(LIVE, id="env_2", slug="staging", name="Staging", rate_limit_rpm=60)


class Shelf:
    """An EnvironmentStore of a dictionary that counts its writes."""

    def __init__(self, *environments: Environment) -> None:
        self.by_slug = {environment.slug: environment for environment in environments}
        self.writes = 0

    async def list_environments(self, organisation_id: str) -> list[Environment]:
        return [environment for _, environment in sorted(self.by_slug.items()) if environment.organisation_id == organisation_id]

    async def put_environment(self, environment: Environment) -> None:
        self.writes += 1
        self.by_slug[environment.slug] = environment


async def test_a_declared_environment_that_is_missing_is_added() -> None:
    shelf = Shelf(LIVE)
    await declare_environments(shelf, [STAGING])
    assert shelf.by_slug["staging"] == STAGING


async def test_a_known_one_is_changed_and_keeps_its_id() -> None:
    shelf = Shelf(LIVE, STAGING)
    await declare_environments(shelf, [replace(STAGING, id="env_9", rate_limit_rpm=None)])
    assert shelf.by_slug["staging"] == replace(STAGING, rate_limit_rpm=None)


async def test_one_that_is_as_declared_is_not_written() -> None:
    shelf = Shelf(LIVE, STAGING)
    await declare_environments(shelf, [replace(STAGING, id="env_9")])
    assert shelf.writes == 0


async def test_what_is_not_declared_stays_as_it_is() -> None:
    shelf = Shelf(LIVE, STAGING)
    await declare_environments(shelf, [])
    assert shelf.by_slug == {"live": LIVE, "staging": STAGING}
