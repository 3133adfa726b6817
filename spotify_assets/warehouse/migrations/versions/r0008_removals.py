"""What the removal of an account took away."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "removals",
        sa.Column("removal_id", sa.Integer(), nullable=False),
        sa.Column("removed_at", sa.Text(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("removal_id"),
    )
