"""The raw tables: loads, plays, what was turned away, and how far the models have read."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create them."""
    op.create_table(
        "loads",
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("page_id", sa.Text()),
        sa.Column("window_from", sa.Text()),
        sa.Column("window_to", sa.Text()),
        sa.Column("dagster_run_id", sa.Text()),
        sa.Column("loaded_at", sa.Text(), nullable=False),
        sa.Column("rows_read", sa.Integer(), nullable=False),
        sa.Column("rows_loaded", sa.Integer(), nullable=False),
        sa.Column("rows_duplicate", sa.Integer(), nullable=False),
        sa.Column("rows_quarantined", sa.Integer(), nullable=False),
        sa.Column("rows_ignored", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "rows_read = rows_loaded + rows_duplicate + rows_quarantined + rows_ignored",
            name="every_row_is_accounted_for",
        ),
        sa.PrimaryKeyConstraint("load_id"),
        sa.UniqueConstraint("page_id"),
        sqlite_autoincrement=True,
    )
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
        sa.PrimaryKeyConstraint("quarantine_id"),
        sa.UniqueConstraint("account_id", "source", "payload_hash", name="one_row_per_payload"),
        sa.ForeignKeyConstraint(["first_load_id"], ["loads.load_id"]),
        sa.ForeignKeyConstraint(["last_load_id"], ["loads.load_id"]),
        sa.ForeignKeyConstraint(["released_by"], ["loads.load_id"]),
    )
    op.create_table(
        "raw_recently_played",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("played_at", sa.Text(), nullable=False),
        sa.Column("track_uri", sa.Text(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("track_id", sa.Text()),
        sa.Column("track_name", sa.Text(), nullable=False),
        sa.Column("artist_name", sa.Text(), nullable=False),
        sa.Column("artist_uri", sa.Text()),
        sa.Column("artist_names", sa.Text()),
        sa.Column("album_name", sa.Text()),
        sa.Column("album_uri", sa.Text()),
        sa.Column("album_artist_name", sa.Text()),
        sa.Column("album_type", sa.Text()),
        sa.Column("album_total_tracks", sa.Integer()),
        sa.Column("release_date", sa.Text()),
        sa.Column("release_date_precision", sa.Text()),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("explicit", sa.Integer()),
        sa.Column("is_local", sa.Integer()),
        sa.Column("isrc", sa.Text()),
        sa.Column("disc_number", sa.Integer()),
        sa.Column("track_number", sa.Integer()),
        sa.Column("context_type", sa.Text()),
        sa.Column("context_uri", sa.Text()),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "played_at", "track_uri"),
        sa.UniqueConstraint("row_key"),
        sa.ForeignKeyConstraint(["load_id"], ["loads.load_id"]),
    )
    op.create_table(
        "model_watermarks",
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("model"),
    )
    op.create_table("_write_gate", sa.Column("unused", sa.Integer()))
