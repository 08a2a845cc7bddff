"""Runs the export tasks of one account, one at a time."""
