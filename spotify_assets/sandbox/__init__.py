"""A local Spotify over real HTTP: for the demo, the tests, and anybody who writes a client.

Everything here is made up: people, music, plays, tokens. Nothing in this package imports
another part of the project, so that what it answers cannot follow the project's own mistakes.
"""
