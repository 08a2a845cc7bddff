"""What benchmarks should not come above."""

from collections.abc import Mapping

from rich.console import Console


def tell(console: Console, numbers: Mapping[str, float], limits: Mapping[str, float]) -> None:
    """Print in red which numbers are above their limits."""
    for name, limit in limits.items():
        if numbers[name] > limit:
            console.print(f"{name}: {numbers[name]:.4g} > {limit}", style="red")
