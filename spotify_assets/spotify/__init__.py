"""All talk with Spotify: authorization, tokens, HTTP, and landing what it answers.

Knows nothing of contracts, the warehouse or Dagster.
"""
