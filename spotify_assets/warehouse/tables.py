"""The raw tables, declared once.

Rows of a raw table are never updated or deleted by a load. Times are UTC text (see `times`),
durations integer ms, booleans 0 or 1. dbt's tables are dbt's own and not declared here.

This is the schema of today. Whoever changes it adds a revision to `migrations`.
"""

from sqlalchemy import (
    DDL,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

metadata = MetaData()

loads = Table(
    "loads",
    metadata,
    Column("load_id", Integer, primary_key=True, autoincrement=True),
    Column("source", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("page_id", Text, unique=True, comment="the landed page, where the source is the API"),
    Column("window_from", Text, comment="end of the oldest play that was offered"),
    Column("window_to", Text, comment="end of the newest play that was offered"),
    Column("dagster_run_id", Text),
    Column("loaded_at", Text, nullable=False),
    Column("rows_read", Integer, nullable=False),
    Column("rows_loaded", Integer, nullable=False),
    Column("rows_duplicate", Integer, nullable=False),
    Column("rows_quarantined", Integer, nullable=False),
    Column("rows_ignored", Integer, nullable=False),
    Column(
        "unread",
        Text,
        comment="JSON: by field, the loaded rows that have a value of a wrong type; or null",
    ),
    CheckConstraint(
        "rows_read = rows_loaded + rows_duplicate + rows_quarantined + rows_ignored",
        name="every_row_is_accounted_for",
    ),
    Index("loads_by_account", "account_id", "window_to"),
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
    Column("dismissed_at", Text, comment="UTC; the contract check no longer warns about the row"),
    Column("dismissed_why", Text, comment="the owner's words"),
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
    Column("artist_name", Text, comment="the track's first artist"),
    Column("artist_uri", Text),
    Column("artist_names", Text, comment="JSON list, in Spotify's order"),
    Column("album_name", Text),
    Column("album_uri", Text),
    Column("album_artist_name", Text),
    Column("album_type", Text),
    Column("album_total_tracks", Integer),
    Column("release_date", Text, comment="YYYY, YYYY-MM or YYYY-MM-DD"),
    Column("release_date_precision", Text),
    Column("duration_ms", Integer, comment="of the track, not of the play"),
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
    # What the models ask: what is new, which tracks are one recording, how long a track is.
    Index("raw_recently_played_by_load", "load_id"),
    Index("raw_recently_played_by_recording", "isrc", "track_uri"),
    Index("raw_recently_played_by_track", "track_uri", "duration_ms"),
)

# A row of an export is the same in all downloads by its key alone; what else differs is kept beside
# it, as another variant. Names are the export's; what only older or smaller packages have, too.
raw_streaming_history = Table(
    "raw_streaming_history",
    metadata,
    Column("account_id", Text, nullable=False, comment="the listener's name here"),
    Column("row_key", Text, nullable=False, comment="SHA-256 of what identifies it, hex"),
    Column("variant", Text, nullable=False, comment="of all its fields, the first 16 hex digits"),
    Column("kind", Text, nullable=False, comment="extended, music, podcast or audiobook"),
    Column("ts", Text, nullable=False, comment="end of the stream, UTC; all but extended: minute"),
    Column("ms_played", Integer, nullable=False),
    Column("platform", Text),
    Column("conn_country", Text, comment="ISO 3166, two letters"),
    Column("master_metadata_track_name", Text),
    Column("master_metadata_album_artist_name", Text, comment="of music: the artist"),
    Column("master_metadata_album_album_name", Text),
    Column("spotify_track_uri", Text, comment="null for local files"),
    Column("episode_name", Text),
    Column("episode_show_name", Text),
    Column("spotify_episode_uri", Text),
    Column("audiobook_title", Text),
    Column("audiobook_uri", Text),
    Column("audiobook_chapter_uri", Text),
    Column("audiobook_chapter_title", Text),
    Column("audiobook_author_name", Text, comment="of audiobook only"),
    Column("reason_start", Text),
    Column("reason_end", Text),
    Column("shuffle", Integer),
    Column("skipped", Integer),
    Column("offline", Integer),
    Column("offline_timestamp", Integer, comment="start by the player's clock, s or ms since 1970"),
    Column("incognito_mode", Integer),
    Column("load_id", ForeignKey("loads.load_id"), nullable=False),
    Column("unread", Text, comment="JSON: by field, values of a wrong type, as received; or null"),
    PrimaryKeyConstraint("account_id", "row_key", "variant"),
    # What the models ask: what is new, what ended on a day, and what may have ended on another day
    # than its `ts` says.
    Index("raw_streaming_history_by_load", "load_id"),
    Index("raw_streaming_history_by_end", "account_id", "ts"),
    Index(
        "raw_streaming_history_late",
        "account_id",
        "ts",
        "offline_timestamp",
        "ms_played",
        sqlite_where=text("offline = 1 or reason_end = 'logout'"),
    ),
)

# Between two plays that are known: plays that Spotify may have listed and that nobody saw.
coverage_gaps = Table(
    "coverage_gaps",
    metadata,
    Column("gap_id", Integer, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("gap_from", Text, nullable=False, comment="end of the newest play known before"),
    Column("gap_to", Text, nullable=False, comment="end of the oldest play on the next page"),
    Column("max_lost_plays", Integer, nullable=False),
    Column("spacing_ms", Integer, nullable=False, comment="the bound's shortest time per play"),
    Column("cause", Text, comment="why nobody looked for long; null where that was not so"),
    Column("load_id", ForeignKey("loads.load_id"), nullable=False, comment="that found it"),
    Index("coverage_gaps_by_account", "account_id", "gap_from"),
)

# What was seen of a gap later on. Whether a gap is open is derived from these: see open_gaps.
coverage_closures = Table(
    "coverage_closures",
    metadata,
    Column("gap_id", ForeignKey("coverage_gaps.gap_id"), nullable=False),
    Column("load_id", ForeignKey("loads.load_id"), nullable=False),
    Column("closed_from", Text, nullable=False),
    Column("closed_to", Text, nullable=False),
    Column("rows_inside", Integer, nullable=False, comment="plays that were found in it"),
    PrimaryKeyConstraint("gap_id", "closed_from", "closed_to", "load_id"),
)

# A view: one row for each part of a gap that no closure covers and that can hold a lost play.
views = MetaData()
open_gaps = Table(
    "open_gaps",
    views,
    Column("gap_id", Integer),
    Column("account_id", Text),
    Column("open_from", Text),
    Column("open_to", Text),
    Column("max_lost_plays", Integer, comment="of the whole gap, less the plays found in it"),
    Column("spacing_ms", Integer),
    Column("cause", Text),
)
OPEN_GAPS = """
create view if not exists open_gaps as
with edges as (
    select gap_id, closed_from as open_to, closed_to as next_open_from, rows_inside
    from coverage_closures
    union all
    select gap_id, gap_to, gap_to, 0 from coverage_gaps
),
parts as (
    select
        gap_id,
        open_to,
        max(next_open_from) over (
            partition by gap_id order by open_to, next_open_from
            rows between unbounded preceding and 1 preceding
        ) as closed_until,
        sum(rows_inside) over (partition by gap_id) as plays_found
    from edges
)
select
    gaps.gap_id,
    gaps.account_id,
    coalesce(parts.closed_until, gaps.gap_from) as open_from,
    parts.open_to,
    gaps.max_lost_plays - parts.plays_found as max_lost_plays,
    gaps.spacing_ms,
    gaps.cause
from parts
inner join coverage_gaps as gaps on parts.gap_id = gaps.gap_id
where
    coalesce(parts.closed_until, gaps.gap_from) < parts.open_to
    and gaps.max_lost_plays > parts.plays_found
"""
event.listen(metadata, "after_create", DDL(OPEN_GAPS))  # type: ignore[no-untyped-call]

# On which clock a listener's days are, by UTC intervals that do not overlap.
account_zones = Table(
    "account_zones",
    metadata,
    Column("account_id", Text),
    Column("valid_from", Text, comment="UTC; the interval is half-open"),
    Column("valid_to", Text, nullable=False),
    Column("zone", Text, nullable=False, comment="of the IANA list"),
    PrimaryKeyConstraint("account_id", "valid_from"),
)

zone_offsets = Table(
    "zone_offsets",
    metadata,
    Column("zone", Text),
    Column("valid_from", Text, comment="UTC; the interval is half-open"),
    Column("valid_to", Text, nullable=False),
    Column("offset_seconds", Integer, nullable=False, comment="local time less UTC"),
    PrimaryKeyConstraint("zone", "valid_from"),
)

# What the owner calls an account on the screens; one that is missing is called by its id.
account_names = Table(
    "account_names",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("display_name", Text, nullable=False),
)

# The ways back in time that this database has been through.
restores = Table(
    "restores",
    metadata,
    Column("restore_id", Integer, primary_key=True),
    Column("restored_at", Text, nullable=False),
    Column("archive", Text, nullable=False, comment="name of the backup"),
    Column("made_at", Text, nullable=False, comment="when the backup was made"),
    Column(
        "highest_load",
        Integer,
        nullable=False,
        comment="the newest load of the backup; what came after it is not here",
    ),
)

# Accounts that their owner removed, so that what they took with them is no loss.
removals = Table(
    "removals",
    metadata,
    Column("removal_id", Integer, primary_key=True),
    Column("removed_at", Text, nullable=False),
    Column("rows", Integer, nullable=False, comment="that its loads had brought"),
)

# Which file of which download a load is.
export_files = Table(
    "export_files",
    metadata,
    Column("package_id", Text, nullable=False, comment="one import of one download"),
    Column("load_id", ForeignKey("loads.load_id"), nullable=False),
    Column(
        "file",
        Text,
        nullable=False,
        comment="its name; with the folders above it where two of a download have one name",
    ),
    PrimaryKeyConstraint("package_id", "load_id"),
)

# Downloads that were imported to their last file: only a whole one says what was not played.
export_packages = Table(
    "export_packages",
    metadata,
    Column("package_id", Text, primary_key=True),
    Column("account_id", Text, nullable=False),
    Column("load_id", ForeignKey("loads.load_id"), nullable=False, comment="its last file"),
    Column("package", Text, nullable=False, comment="name of the archive, folder or file"),
)

# Which rows of raw_streaming_history a file of the extended history showed, new or known.
export_days = Table(
    "export_days",
    metadata,
    Column("load_id", ForeignKey("loads.load_id"), nullable=False),
    Column("day", Text, nullable=False, comment="of ts, or by the player's clock"),
    Column("row_keys", Text, nullable=False, comment="the first 16 digits of each, joined"),
    PrimaryKeyConstraint("load_id", "day"),
)

# Written by a hook in the transaction that builds the model, so it never says too much. A model
# that is not in it is made anew from raw.
model_watermarks = Table(
    "model_watermarks",
    metadata,
    Column("model", Text, primary_key=True),
    Column("load_id", Integer, nullable=False, comment="newest load that the model has seen"),
    Column("built_at", Text, comment="when the build that made it began, UTC"),
    Column(
        "fingerprint",
        Text,
        comment="of an incremental model: of what it was built by; else: whether of all days",
    ),
)

# dbt's transactions begin with a no-op write to this empty table: see the dbt project's hooks.
write_gate = Table("_write_gate", metadata, Column("unused", Integer))

# Local dates on which the fact changed, written in its transaction: each daily aggregate makes them
# anew, and forgets its own in its own transaction.
changed_dates = Table(
    "changed_dates",
    metadata,
    Column("model", Text, nullable=False, comment="the daily aggregate"),
    Column("account_id", Text, nullable=False),
    Column("local_date", Text, nullable=False),
    PrimaryKeyConstraint("model", "account_id", "local_date"),
)

# What its owner does not want to see. The fact keeps all of it.
exclusions = Table(
    "exclusions",
    metadata,
    Column("exclusion_id", Integer, primary_key=True),
    Column("account_id", Text, comment="whose plays of it; null: everybody's"),
    Column("kind", Text, nullable=False, comment="artist, album, track, podcast or playlist"),
    Column("hidden_key", Text, nullable=False, comment="as in dim_tracks; of a playlist the URI"),
    Column("name", Text, nullable=False, comment="what it was called when it was hidden"),
    Column("hidden_at", Text, nullable=False, comment="UTC"),
    sqlite_autoincrement=True,  # a number is never another's
)
