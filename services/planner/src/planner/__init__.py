"""Plans which log groups and windows to export."""
