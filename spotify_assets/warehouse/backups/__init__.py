"""Backups: made from the running databases, kept, tried out, and restored.

A backup is an archive of both databases and a manifest that says what is in it. Tokens and
settings are in neither.
"""
