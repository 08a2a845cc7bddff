"""A hub's control bucket, as large as a fleet makes it."""
