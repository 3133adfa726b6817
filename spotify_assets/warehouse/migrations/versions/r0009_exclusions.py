"""What its owner hides; when a model was built; changed dates for more than one aggregate."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create the tables. All models are made anew, so nothing is taken from those before."""
    op.create_table(
        "exclusions",
        sa.Column("exclusion_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("hidden_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hidden_at", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("exclusion_id"),
        sqlite_autoincrement=True,
    )
    op.drop_table("model_watermarks")
    op.create_table(
        "model_watermarks",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("built_at", sa.Text()),
        sa.Column("fingerprint", sa.Text()),
        sa.PrimaryKeyConstraint("model"),
    )
    op.drop_table("changed_dates")
    op.create_table(
        "changed_dates",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("local_date", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("model", "account_id", "local_date"),
    )
