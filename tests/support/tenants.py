"""Tenants for tests: one organisation and the environments that a test names."""

from datetime import UTC, datetime

from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID, Environment, Organisation
from anyrouter.core.tenants import Tenants

ORGANISATION = Organisation(id=DEFAULT_ORGANISATION_ID, name="Default", created_at=datetime(2026, 1, 1, tzinfo=UTC))


def tenants_of(*environments: Environment, organisations: tuple[Organisation, ...] = (ORGANISATION,), **more) -> Tenants:
    """What the authenticator knows."""
    by_id = {row.id: row for row in organisations}
    for row in environments:
        if row.organisation_id not in by_id:
            by_id[row.organisation_id] = Organisation(id=row.organisation_id, name=row.organisation_id, created_at=ORGANISATION.created_at)
    return Tenants(organisations=by_id, environments={row.id: row for row in environments}, **more)
