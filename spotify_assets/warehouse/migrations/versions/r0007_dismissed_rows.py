"""Rows in quarantine that their owner has dismissed, and names for accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the table of names, and add the columns by making the table of quarantined rows anew.

    `alter table` would leave another statement in the schema than a new database has.
    """
    op.rename_table("quarantined_rows", "quarantined_rows_before")
    op.create_table(
        "quarantined_rows",
        sa.Column("quarantine_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reasons", sa.Text(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("payload_hash", sa.Text(), nullable=False),
        sa.Column("first_load_id", sa.Integer(), nullable=False),
        sa.Column("last_load_id", sa.Integer(), nullable=False),
        sa.Column("times_seen", sa.Integer(), nullable=False),
        sa.Column("released_by", sa.Integer()),
        sa.Column("dismissed_at", sa.Text()),
        sa.Column("dismissed_why", sa.Text()),
        sa.PrimaryKeyConstraint("quarantine_id"),
        sa.UniqueConstraint("account_id", "source", "payload_hash", name="one_row_per_payload"),
        sa.ForeignKeyConstraint(["first_load_id"], ["loads.load_id"]),
        sa.ForeignKeyConstraint(["last_load_id"], ["loads.load_id"]),
        sa.ForeignKeyConstraint(["released_by"], ["loads.load_id"]),
    )
    op.execute(
        "insert into quarantined_rows select *, null, null from quarantined_rows_before"
        " order by quarantine_id"
    )
    op.drop_table("quarantined_rows_before")
    op.create_table(
        "account_names",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id"),
    )
