"""Alembic's entry: runs the missing steps on the connection that ``open_database`` hands over, in its transaction."""

from alembic import context

from fabric.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite cannot change most of a table in place
)
context.run_migrations()
