"""A run's log groups and what is still to decide, in a file: as many as there may be."""
