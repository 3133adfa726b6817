"""What models that are built of what is new need to find it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Index the raw rows, and forget what the models have seen: all are built anew."""
    op.create_index("raw_recently_played_by_load", "raw_recently_played", ["load_id"])
    op.create_index(
        "raw_recently_played_by_recording", "raw_recently_played", ["isrc", "track_uri"]
    )
    op.create_index(
        "raw_recently_played_by_track", "raw_recently_played", ["track_uri", "duration_ms"]
    )
    op.create_index("raw_streaming_history_by_load", "raw_streaming_history", ["load_id"])
    op.create_index("raw_streaming_history_by_end", "raw_streaming_history", ["account_id", "ts"])
    op.create_index(
        "raw_streaming_history_late",
        "raw_streaming_history",
        ["account_id", "ts", "offline_timestamp", "ms_played"],
        sqlite_where=sa.text("offline = 1 or reason_end = 'logout'"),
    )
    op.drop_table("model_watermarks")
    op.create_table(
        "model_watermarks",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.Text()),
        sa.PrimaryKeyConstraint("model"),
    )
    op.create_table(
        "changed_dates",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("local_date", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "local_date"),
    )
