"""How AWS is called: how often, and for how long."""

from botocore.config import Config

CLIENT_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 6}, connect_timeout=5, read_timeout=30
)
"""Every client's but one: throttles, 5xx and broken connections are tried again for up to 31 s.

The mode is the one without a budget: docs/adr/0029-retries-without-a-budget.md.
"""
CREATE_CONFIG = CLIENT_CONFIG.merge(Config(retries={"mode": "legacy", "total_max_attempts": 1}))
"""CreateExportTask's: once. It has no client token, so a second call may make a second task."""
