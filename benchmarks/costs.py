"""What of an account's dollars a month no log changes; see docs/costs.md."""

from docs.tools.costs import idle
from rich.console import Console

from benchmarks import _limits

ACCOUNTS = 500
LIMITS = {"costs.polling_and_alarms_per_account": 0.63}


def run() -> dict[str, float]:
    """Calculate it, as the templates are."""
    numbers = {"costs.polling_and_alarms_per_account": idle(ACCOUNTS)}
    _limits.tell(Console(), numbers, LIMITS)
    return numbers
