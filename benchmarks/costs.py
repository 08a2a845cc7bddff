"""What of an account's dollars a month no log changes; see docs/costs.md."""

from docs.tools.costs import idle

ACCOUNTS = 500
LIMITS = {"costs.polling_and_alarms_per_account": 0.63}


def run() -> dict[str, float]:
    """Calculate it, as the templates are."""
    return {"costs.polling_and_alarms_per_account": idle(ACCOUNTS)}
