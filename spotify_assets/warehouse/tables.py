"""The raw tables, declared once.

Rows of a raw table are never updated or deleted by a load. Times are UTC text (see `times`),
durations integer ms, booleans 0 or 1. dbt's tables are dbt's own and not declared here.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

loads = Table(
    "loads",
    metadata,
    Column("load_id", Integer, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("page_id", Text, unique=True, comment="the landed page, where the source is the API"),
    Column("window_from", Text, comment="oldest play that was offered"),
    Column("window_to", Text, comment="newest play that was offered"),
    Column("dagster_run_id", Text),
    Column("loaded_at", Text, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_loaded", Integer, nullable=False),
    Column("rows_duplicate", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    Column("rows_ignored", Integer, nullable=False),
    CheckConstraint(
        "rows_read = rows_loaded + rows_duplicate + rows_quarantined + rows_ignored",
        name="every_row_is_accounted_for",
    ),
    sqlite_autoincrement=True,
)

quarantined_rows = Table(
    "quarantined_rows",
    metadata,
    Column("quarantine_id", Integer, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("reasons", Text, nullable=False, comment="JSON list"),
    Column("payload", Text, nullable=False, comment="the row as received, JSON"),
    Column("payload_hash", Text, nullable=False),
    Column("first_load_id", ForeignKey("loads.load_id"), nullable=False),
    Column("last_load_id", ForeignKey("loads.load_id"), nullable=False),
    Column("times_seen", Integer, nullable=False),
    Column("released_by", ForeignKey("loads.load_id")),
    UniqueConstraint("account_id", "source", "payload_hash", name="one_row_per_payload"),
)

raw_recently_played = Table(
    "raw_recently_played",
    metadata,
    Column("account_id", Text, nullable=False, comment="the listener's name here"),
    Column("played_at", Text, nullable=False, comment="end of the play, UTC"),
    Column("track_uri", Text, nullable=False, comment="the track that was streamed"),
    Column("row_key", Text, nullable=False, unique=True, comment="SHA-256 of the key, hex"),
    Column("track_id", Text),
    Column("track_name", Text, nullable=False),
    Column("artist_name", Text, nullable=False, comment="the track's first artist"),
    Column("artist_uri", Text),
    Column("artist_names", Text, comment="JSON list, in Spotify's order"),
    Column("album_name", Text),
    Column("album_uri", Text),
    Column("album_artist_name", Text),
    Column("album_type", Text),
    Column("album_total_tracks", Integer),
    Column("release_date", Text, comment="YYYY, YYYY-MM or YYYY-MM-DD"),
    Column("release_date_precision", Text),
    Column("duration_ms", Integer, nullable=False, comment="of the track, not of the play"),
    Column("explicit", Integer),
    Column("is_local", Integer),
    Column("isrc", Text),
    Column("disc_number", Integer),
    Column("track_number", Integer),
    Column("context_type", Text, comment="album, artist, playlist, collection or null"),
    Column("context_uri", Text, comment="where it was played from; not the track's album"),
    Column("payload", Text, nullable=False, comment="the item as received, JSON"),
    Column("load_id", ForeignKey("loads.load_id"), nullable=False),
    PrimaryKeyConstraint("account_id", "played_at", "track_uri"),
)

# Written by a hook in the transaction that builds the model, so it never says too much.
model_watermarks = Table(
    "model_watermarks",
    metadata,
    Column("model", Text, primary_key=True),
    Column("load_id", Integer, nullable=False, comment="newest load that the model has seen"),
)

# dbt's transactions begin with a no-op write to this empty table: see the dbt project's hooks.
write_gate = Table("_write_gate", metadata, Column("unused", Integer))
