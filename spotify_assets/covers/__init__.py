"""Album covers: which are wanted, how they are fetched, where they are kept.

They are decoration: plays, models and backups know nothing of them, and the folder can be removed
at any time.
"""
