"""The ways back in time that a database has been through."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create their table, and an index that some databases lack."""
    # Before there were revisions, a version that found tables of an earlier one added the tables
    # that were missing, but no index to those that were there.
    op.create_index("loads_by_account", "loads", ["account_id", "window_to"], if_not_exists=True)
    op.create_table(
        "restores",
        sa.Column("restore_id", sa.Integer(), nullable=False),
        sa.Column("restored_at", sa.Text(), nullable=False),
        sa.Column("archive", sa.Text(), nullable=False),
        sa.Column("made_at", sa.Text(), nullable=False),
        sa.Column("highest_load", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("restore_id"),
    )
