"""What exports hold: their rows, and what each download showed."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "raw_streaming_history",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("row_key", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ts", sa.Text(), nullable=False),
        sa.Column("ms_played", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text()),
        sa.Column("conn_country", sa.Text()),
        sa.Column("master_metadata_track_name", sa.Text()),
        sa.Column("master_metadata_album_artist_name", sa.Text()),
        sa.Column("master_metadata_album_album_name", sa.Text()),
        sa.Column("spotify_track_uri", sa.Text()),
        sa.Column("episode_name", sa.Text()),
        sa.Column("episode_show_name", sa.Text()),
        sa.Column("spotify_episode_uri", sa.Text()),
        sa.Column("audiobook_title", sa.Text()),
        sa.Column("audiobook_uri", sa.Text()),
        sa.Column("audiobook_chapter_uri", sa.Text()),
        sa.Column("audiobook_chapter_title", sa.Text()),
        sa.Column("audiobook_author_name", sa.Text()),
        sa.Column("reason_start", sa.Text()),
        sa.Column("reason_end", sa.Text()),
        sa.Column("shuffle", sa.Integer()),
        sa.Column("skipped", sa.Integer()),
        sa.Column("offline", sa.Integer()),
        sa.Column("offline_timestamp", sa.Integer()),
        sa.Column("incognito_mode", sa.Integer()),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["load_id"], ["loads.load_id"]),
        sa.PrimaryKeyConstraint("account_id", "row_key", "variant"),
    )
    op.create_table(
        "export_files",
        sa.Column("package_id", sa.Text(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["load_id"], ["loads.load_id"]),
        sa.PrimaryKeyConstraint("package_id", "load_id"),
    )
    op.create_table(
        "export_packages",
        sa.Column("package_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("package", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["load_id"], ["loads.load_id"]),
        sa.PrimaryKeyConstraint("package_id"),
    )
    op.create_table(
        "export_days",
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("day", sa.Text(), nullable=False),
        sa.Column("row_keys", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["load_id"], ["loads.load_id"]),
        sa.PrimaryKeyConstraint("load_id", "day"),
    )
