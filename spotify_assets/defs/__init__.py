"""Dagster's view of the project, by topic. What the assets do is done in the rooms before this one.

Everything at module level below this folder is a definition; `definitions` gathers them.
"""
