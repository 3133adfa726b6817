"""Which backups stay. A policy, and what it never touches whatever the policy says."""

from collections.abc import Callable, Iterable
from datetime import date

from spotify_assets import times
from spotify_assets.settings import KeepBackups
from spotify_assets.warehouse.backups.folder import Backup


def to_remove(backups: Iterable[Backup], keep: KeepBackups) -> list[Backup]:
    """The backups that the policy has no use for.

    A damaged one is neither counted, so that it takes no good one's place, nor removed: what is
    left of it may be the owner's last hope. The newest good one always stays.

    Args:
        backups: newest first. Days, weeks (ISO) and months are those of UTC.
    """
    good = [backup for backup in backups if not backup.fault]
    kept = good[: max(1, keep.last)]
    kept += _newest_of_each(good, lambda day: day, keep.daily)
    kept += _newest_of_each(good, lambda day: day.isocalendar()[:2], keep.weekly)
    kept += _newest_of_each(good, lambda day: (day.year, day.month), keep.monthly)
    return [backup for backup in good if backup not in kept]


def _newest_of_each(
    backups: list[Backup], period: Callable[[date], object], number: int
) -> list[Backup]:
    newest: dict[object, Backup] = {}
    for backup in backups:
        made_on = times.from_text(backup.contents.made_at).date()
        newest.setdefault(period(made_on), backup)
    return list(newest.values())[:number]
