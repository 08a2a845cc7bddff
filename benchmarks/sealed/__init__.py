"""Sealed archives to check, made anew for each run: the same bytes each time."""
