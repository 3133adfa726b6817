"""Runs revisions on the connection, and in the transaction, that `schema` hands to Alembic."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
