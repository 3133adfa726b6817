"""What may have been lost, and on which clock an account's days are."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OPEN_GAPS = """
create view open_gaps as
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


def upgrade() -> None:
    """Create their tables, the view of open gaps, and the index that finds a load's neighbours."""
    op.create_index("loads_by_account", "loads", ["account_id", "window_to"])
    op.create_table(
        "coverage_gaps",
        sa.Column("gap_id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("gap_from", sa.Text(), nullable=False),
        sa.Column("gap_to", sa.Text(), nullable=False),
        sa.Column("max_lost_plays", sa.Integer(), nullable=False),
        sa.Column("spacing_ms", sa.Integer(), nullable=False),
        sa.Column("cause", sa.Text()),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("gap_id"),
        sa.ForeignKeyConstraint(["load_id"], ["loads.load_id"]),
    )
    op.create_index("coverage_gaps_by_account", "coverage_gaps", ["account_id", "gap_from"])
    op.create_table(
        "coverage_closures",
        sa.Column("gap_id", sa.Integer(), nullable=False),
        sa.Column("load_id", sa.Integer(), nullable=False),
        sa.Column("closed_from", sa.Text(), nullable=False),
        sa.Column("closed_to", sa.Text(), nullable=False),
        sa.Column("rows_inside", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("gap_id", "closed_from", "closed_to", "load_id"),
        sa.ForeignKeyConstraint(["gap_id"], ["coverage_gaps.gap_id"]),
        sa.ForeignKeyConstraint(["load_id"], ["loads.load_id"]),
    )
    op.execute(OPEN_GAPS)
    op.create_table(
        "account_zones",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Text(), nullable=False),
        sa.Column("valid_to", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "valid_from"),
    )
    op.create_table(
        "zone_offsets",
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("valid_from", sa.Text(), nullable=False),
        sa.Column("valid_to", sa.Text(), nullable=False),
        sa.Column("offset_seconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("zone", "valid_from"),
    )
