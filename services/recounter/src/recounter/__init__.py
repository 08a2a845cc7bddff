"""Counts in CloudWatch Logs what was exported, as a second witness."""
