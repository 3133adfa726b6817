"""What can go wrong with a backup."""


class BackupError(Exception):
    """A backup that cannot be made, trusted or restored; the message names it and the reason."""
