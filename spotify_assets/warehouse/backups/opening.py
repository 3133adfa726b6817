"""Opening a backup: from an archive that nobody trusts yet to databases that are as they were made.

What is opened is a data folder of its own, so everything that works on the user's works on it.
"""

from pathlib import Path

from spotify_assets import database
from spotify_assets.warehouse import schema
from spotify_assets.warehouse.backups.archive import check_archive, unpack
from spotify_assets.warehouse.backups.digests import digests
from spotify_assets.warehouse.backups.errors import BackupError
from spotify_assets.warehouse.backups.folder import Backup
from spotify_assets.warehouse.backups.manifest import FILES, Contents
from spotify_assets.warehouse.warehouse import Warehouse


def open_backup(backup: Backup, folder: Path) -> Contents:
    """Unpack a backup into a new folder and compare all that is in it with its manifest.

    The warehouse is of the revision at which it was made: see `schema.upgrade`.

    Raises:
        BackupError: it is damaged, or of a newer version of this program. Nothing in the folder is
            to be used.
    """
    contents = backup.contents
    name = backup.archive.name
    if contents.schema_revision not in (None, *schema.REVISIONS):
        raise BackupError(
            f"{name} was made by spotify-assets {contents.version}, whose schema revision "
            f"{contents.schema_revision} this version does not know. Upgrade spotify-assets."
        )
    check_archive(backup.archive, backup.good)
    folder.mkdir(mode=0o700)
    unpack(backup.archive, contents.files, folder)
    for file, packed in contents.files.items():
        fault = database.fault(folder / file)
        if fault:
            raise BackupError(f"{name}: {file} in it is damaged. SQLite says: {fault}")
        found = digests(folder / file, packed.tables)
        wrong = sorted(t for t in packed.tables if found.get(t) != packed.tables[t])
        if wrong:
            raise BackupError(
                f"{name}: {file} in it does not hold what its manifest says: {', '.join(wrong)}"
            )
    if FILES[0] not in contents.files:  # made before the first load
        Warehouse(folder / FILES[0]).writer()
    return contents
