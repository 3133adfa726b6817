"""Which backups a policy keeps, for any list of them and any policy."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spotify_assets import times
from spotify_assets.settings import KeepBackups
from spotify_assets.warehouse.backups.folder import Backup
from spotify_assets.warehouse.backups.manifest import Contents, Manifest
from spotify_assets.warehouse.backups.retention import to_remove

START = datetime(2025, 12, 20, tzinfo=UTC)  # a year's last week is in two of them
PERIODS: dict[str, Callable[[date], object]] = {
    "daily": lambda day: day,
    "weekly": lambda day: day.isocalendar()[:2],
    "monthly": lambda day: (day.year, day.month),
}


def a_backup(number: int, made_at: datetime, fault: str | None = None) -> Backup:
    contents = Contents(number, times.to_text(made_at), "1", None, 0, None, None, 0, {})
    manifest = Manifest(0, "", contents)
    return Backup(Path(manifest.archive), None if fault else manifest, fault)


@st.composite
def backups(draw: st.DrawFn) -> list[Backup]:
    """Newest first, by number; a clock may have been set back, and some are damaged."""
    after = st.timedeltas(timedelta(days=-3), timedelta(days=9)) | st.timedeltas(
        timedelta(0), timedelta(hours=9)
    )
    moment, made = START, []
    for number, (step, is_damaged) in enumerate(
        draw(st.lists(st.tuples(after, st.sampled_from([False, False, False, True])), max_size=40))
    ):
        moment += step
        made.append(a_backup(number + 1, moment, "is damaged" if is_damaged else None))
    return made[::-1]


numbers = st.integers(0, 6)
policies = st.builds(KeepBackups, numbers, numbers, numbers, numbers)


def made_on(backup: Backup) -> date:
    return times.from_text(backup.contents.made_at).date()


def kept(present: list[Backup], keep: KeepBackups) -> list[Backup]:
    removed = to_remove(present, keep)
    return [backup for backup in present if backup not in removed]


def newest_of(present: list[Backup], kind: str) -> list[Backup]:
    """The newest backup of each period that has one, newest first."""
    found: dict[object, Backup] = {}
    for backup in reversed(present):
        found[PERIODS[kind](made_on(backup))] = backup
    return [backup for backup in present if backup in found.values()]


@given(backups(), policies)
def test_a_damaged_backup_is_neither_removed_nor_counted(
    present: list[Backup], keep: KeepBackups
) -> None:
    good = [backup for backup in present if not backup.fault]
    assert to_remove(present, keep) == to_remove(good, keep)
    assert not any(backup.fault for backup in to_remove(present, keep))


@given(backups(), policies)
def test_the_newest_good_one_always_stays(present: list[Backup], keep: KeepBackups) -> None:
    good = [backup for backup in present if not backup.fault]
    assert kept(good, keep)[:1] == good[:1]


@given(backups(), policies)
def test_what_stays_is_the_last_ones_and_the_newest_of_each_period(
    present: list[Backup], keep: KeepBackups
) -> None:
    good = [backup for backup in present if not backup.fault]
    wanted = good[: max(1, keep.last)]
    for kind in PERIODS:
        wanted += newest_of(good, kind)[: getattr(keep, kind)]
    staying = kept(good, keep)
    assert staying == [backup for backup in good if backup in wanted]
    assert len(staying) <= max(1, keep.last) + keep.daily + keep.weekly + keep.monthly


@given(backups(), policies)
def test_a_second_removal_finds_nothing_more(present: list[Backup], keep: KeepBackups) -> None:
    assert to_remove(kept(present, keep), keep) == []


@given(backups(), policies, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_a_new_backup_brings_no_older_one_to_its_end_but_by_the_policy(
    present: list[Backup], keep: KeepBackups, later: timedelta
) -> None:
    """Removing every time and removing once comes to the same."""
    good = [backup for backup in present if not backup.fault]
    newest = max((times.from_text(backup.contents.made_at) for backup in good), default=START)
    new = a_backup(99, newest + later)
    in_order = sorted(good, key=lambda backup: backup.contents.made_at, reverse=True)
    assert kept([new, *kept(in_order, keep)], keep) == kept([new, *in_order], keep)


@pytest.mark.parametrize(
    ("keep", "days"),
    [
        (KeepBackups(2, 0, 0, 0), [0, 1]),
        (KeepBackups(0, 3, 0, 0), [0, 1, 2]),
        (KeepBackups(0, 0, 3, 0), [0, 2, 9]),  # 2026-03-03 is a Tuesday
        (KeepBackups(0, 0, 0, 3), [0, 3, 31]),
        (KeepBackups(0, 0, 0, 0), [0]),
        (KeepBackups(1, 2, 2, 2), [0, 1, 2, 3]),
    ],
)
def test_a_backup_of_every_day_stays_by_each_part_of_the_policy(
    keep: KeepBackups, days: list[int]
) -> None:
    newest = datetime(2026, 3, 3, 4, 45, tzinfo=UTC)
    present = [a_backup(100 - age, newest - timedelta(days=age)) for age in range(60)]
    assert kept(present, keep) == [present[age] for age in days]
