"""The tables of `state.db`, declared once. Times are UTC text (see `times`)."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

metadata = MetaData()

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("spotify_id", Text),
    Column("spotify_account_id", Text),
    Column("display_name", Text),
    Column("authorized_at", Text),
    Column("login_ends_at", Text),
    Column("last_look_at", Text),
    Column("last_look_error", Text),
)

landed_pages = Table(
    "landed_pages",
    metadata,
    Column("page_number", Integer, primary_key=True),
    Column("page_id", Text, nullable=False, unique=True),
    Column("account_id", Text, ForeignKey("accounts.account_id"), nullable=False),
    Column("landed_at", Text, nullable=False),
    Column("answered_at", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index("landed_pages_by_account", "account_id", "page_number"),
)

# What speaks against a login; the row goes with the next answered look and the next login.
login_troubles = Table(
    "login_troubles",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.account_id"), primary_key=True),
    Column("ended_login", Text, comment="time and app of the login that Spotify has ended"),
    Column("ended_because", Text, comment="Spotify's words"),
    Column("scope_refusals", Integer, nullable=False, default=0, comment="in a row"),
)

# Looks that had no answer since the last one that had; the row goes with the next answered look.
failed_looks = Table(
    "failed_looks",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.account_id"), primary_key=True),
    Column("first_failed_at", Text, nullable=False),
    Column("last_failed_at", Text, nullable=False),
    Column("error", Text, nullable=False, comment="of the last one"),
)

# Times without an answered look that were long enough for plays to leave Spotify's list unseen.
blind_spells = Table(
    "blind_spells",
    metadata,
    Column("account_id", Text, ForeignKey("accounts.account_id")),
    Column("blind_from", Text, comment="the last answered look before"),
    Column("blind_to", Text, nullable=False, comment="the next answered look"),
    Column("cause", Text, nullable=False),
    PrimaryKeyConstraint("account_id", "blind_from"),
)

# Files of the inbox that could not be imported, as they were then.
inbox_failures = Table(
    "inbox_failures",
    metadata,
    Column("name", Text, primary_key=True, comment="path below the inbox"),
    Column("signature", Text, nullable=False, comment="changes when the file does"),
    Column("failed_at", Text, nullable=False),
    Column("error", Text, nullable=False),
)

blocked_calls = Table(
    "blocked_calls",
    metadata,
    Column("client_id", Text),
    Column("endpoint", Text, comment="path below the API's address, or api/token"),
    Column("blocked_at", Text, nullable=False),
    Column("blocked_until", Text, nullable=False),
    Column("reason", Text, nullable=False, comment="Spotify's words"),
    PrimaryKeyConstraint("client_id", "endpoint"),
)
