"""Runs the migrations of this package through Alembic, over a connection whose transaction is the caller's."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

SCRIPTS = "anyrouter.storage:migrations"  # inside the package: an installed wheel has them too


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    config.attributes["connection"] = connection
    return config


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Migrate to `revision`; nothing is committed here."""
    command.upgrade(configuration(connection), revision)
