"""How the schema of `spotify.db` came about, for Alembic: a revision for each change of it.

A released revision is never edited: databases are what it made of them. It imports nothing of
this package, since `tables` says what the schema is today. There is no way down: the way back is
the backup that is made before a migration.

To change the schema: edit `tables`, add a revision to `versions` and to `schema.REVISIONS`, and
add what the version before wrote to the tests' fixtures.
"""
