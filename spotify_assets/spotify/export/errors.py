"""What can be wrong with a download or a file in it."""


class ExportError(Exception):
    """A file or an archive that cannot be read as a history; the message says why and what to do.

    It never holds anything that stands in the file but names of fields.
    """
