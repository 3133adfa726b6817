"""Plays whose optional fields cannot be read: they are accepted, and such values are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns, and let a play have neither an artist nor a length."""
    op.add_column("loads", sa.Column("unread", sa.Text()))
    op.add_column("raw_streaming_history", sa.Column("unread", sa.Text()))
    _drop_not_null("raw_recently_played", "artist_name TEXT", "duration_ms INTEGER")


def _drop_not_null(table: str, *columns: str) -> None:
    """Change the stored statement, as SQLite's ALTER TABLE page describes it for NOT NULL.

    The rows stay where they are. To copy the table would also mean to rename one, which rewrites
    the views of dbt that read it.
    """
    connection = op.get_bind()
    version: int = connection.exec_driver_sql("pragma schema_version").scalar_one()
    connection.exec_driver_sql("pragma writable_schema = on")
    for column in columns:
        done = connection.exec_driver_sql(
            "update sqlite_master set sql = replace(sql, ?, ?)"
            " where type = 'table' and name = ? and instr(sql, ?) > 0",
            (f"\t{column} NOT NULL", f"\t{column}", table, f"\t{column} NOT NULL"),
        )
        if done.rowcount != 1:
            raise ValueError(f"{table} has no column {column} NOT NULL")
    connection.exec_driver_sql(f"pragma schema_version = {version + 1}")
    connection.exec_driver_sql("pragma writable_schema = reset")
