"""What the data folder's parts take on the disk."""

from pathlib import Path

from spotify_assets.settings import Settings
from spotify_assets.warehouse.disk_use import disk_use


def put(path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_a_data_folder_that_is_not_there_takes_nothing(settings: Settings) -> None:
    assert set(disk_use(settings).values()) == {0}
    assert not settings.data.exists()


def test_each_part_is_counted_with_all_below_it_and_links_are_not_followed(
    settings: Settings, tmp_path: Path
) -> None:
    data = settings.data
    for name, size in {"spotify.db": 1, "spotify.db-wal": 2, "spotify.db-shm": 4}.items():
        put(data / name, size)
    put(settings.state_path, 8)
    put(settings.dagster_storage / "history" / "runs" / "index.db", 16)
    put(settings.dbt_target / "a-run" / "manifest.json", 32)
    put(settings.backups / "monday.db", 64)
    put(settings.tokens / "mira.json", 128)
    put(tmp_path / "elsewhere" / "large", 100_000)
    link = settings.dbt_target / "link"
    link.symlink_to(tmp_path / "elsewhere")
    own = link.lstat().st_size
    assert disk_use(settings) == {
        "warehouse": 7,
        "state": 8,
        "dagster": 16,
        "dbt": 32 + own,
        "backups": 64,
        "other": 128,
        "total": 255 + own,
    }


def test_a_file_with_several_names_counts_once_and_the_parts_add_up(settings: Settings) -> None:
    data = settings.data
    put(settings.backups / "spotify-0001.tar.zst", 1_000)
    put(data / "demo" / "spotify.db", 500)  # a data folder in the data folder
    for copy in (settings.backups / "aside" / "copy", data / "demo" / "copy", data / "copy"):
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.hardlink_to(settings.backups / "spotify-0001.tar.zst")
    use = disk_use(settings)
    total = use.pop("total")
    assert total == sum(use.values()) == 1_500
