"""What benchmarks should come to; a number that does not is told in red, and fails nothing."""

from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Console


class Between(NamedTuple):
    """A range, both ends included."""

    least: float
    most: float


type Limits = Mapping[str, float | Between]
"""The most that a number should be, or a range, by the number's name."""


def tell(console: Console, numbers: Mapping[str, float], limits: Limits) -> None:
    """Print in red which numbers are not within their limits.

    Raises:
        KeyError: there is no number of a limit's name.
    """
    for name, limit in limits.items():
        least, most = limit if isinstance(limit, Between) else (float("-inf"), limit)
        if not least <= numbers[name] <= most:
            told = f"< {least:g}" if numbers[name] < least else f"> {most:g}"
            console.print(f"{name}: {numbers[name]:.4g} {told}", style="red")
