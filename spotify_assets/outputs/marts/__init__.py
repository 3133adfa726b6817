"""The questions that pages and pictures ask of the marts. Read only; no other module asks them.

The description of a model says what its figures mean. A question is about accounts and
local dates from a first to a last one, both in it, written YYYY-MM-DD.
"""
