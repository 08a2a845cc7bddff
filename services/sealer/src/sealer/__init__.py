"""Seals every day of every source into the archive."""
