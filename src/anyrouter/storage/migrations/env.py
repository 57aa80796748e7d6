"""Alembic's entry: runs the revisions over the connection that `anyrouter.storage.migration` hands it."""

from alembic import context

from anyrouter.storage.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
