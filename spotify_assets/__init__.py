"""A Spotify listening history that its owner can trust.

The rooms follow the path of a play: `spotify` reads it, `contracts` checks it, `warehouse` keeps
it, the dbt project models it, and `defs` wires these for Dagster. A room never imports one that
comes after it, and dagster is imported in `defs`, `definitions` and `cli` only.
"""
