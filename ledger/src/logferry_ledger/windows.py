"""A source's windows: which of them are whole, and what is between them."""

from collections.abc import Sequence
from itertools import accumulate

from logferry_contracts.window import Window


def whole_windows(windows: Sequence[tuple[str, Window]]) -> list[tuple[str, Window]]:
    """Return the windows without the halves of others, whose exports are told of as one."""
    kept: list[tuple[str, Window]] = []
    for each in sorted(windows, key=lambda each: (each[1].from_ms, -each[1].to_ms)):
        if not kept or not each[1].is_part_of(kept[-1][1]):
            kept.append(each)
    return kept


def gaps_between(windows: Sequence[Window]) -> list[Window]:
    """Return the times between windows that none of them has; they are in order of their start.

    Windows overlap where one was split, or where the source's rule has changed.
    """
    ends = accumulate((window.to_ms for window in windows), max)
    return [
        Window(from_ms=end, to_ms=after.from_ms)
        for end, after in zip(ends, windows[1:], strict=False)
        if end < after.from_ms
    ]
