"""What a row must be to enter a raw table, as Pandera models, and the split by them.

Nothing here talks to Spotify or to a database.
"""
