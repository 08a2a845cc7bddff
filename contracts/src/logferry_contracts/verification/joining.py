"""Whether the time that the seals of a chain cover has gaps or overlaps."""

from collections.abc import Iterable, Iterator

from logferry_contracts.day_seal import Kind, SealedWindows
from logferry_contracts.message import from_epoch_ms, timestamp
from logferry_contracts.verification.findings import (
    Finding,
    GapError,
    OverlapError,
    SealError,
    UncoveredError,
    perhaps,
)
from logferry_contracts.window import Window

type Covering = tuple[int, Kind, SealedWindows | None]
"""A seal's sequence, its kind, and what it seals."""


def findings(seals: Iterable[Covering], *, are_all: bool) -> Iterator[Finding]:
    """Yield each gap, each overlap, and each later seal of what no day covers.

    Days, hours, days of 23 and 25 hours, and those of another time zone are all the same here:
    each begins where the one before ended, in whichever order they were sealed.

    Args:
        seals: Those that could be read.
        are_all: Whether there are no others, which might cover what these do not.
    """
    days: list[tuple[Window, int]] = []
    later: list[tuple[Window, int]] = []
    for sequence, kind, sealed in seals:
        if sealed is not None:
            (days if kind == "day" else later).append((sealed.covers, sequence))
    days.sort(key=lambda each: (each[0].from_ms, each[0].to_ms))
    yield from _joints(days, are_all=are_all)
    covered = _united(window for window, _ in days) if later else []
    for window, sequence in later:
        within = (e for e in covered if e.from_ms <= window.from_ms and window.to_ms <= e.to_ms)
        if not any(within):
            told = f"no seal of the kind day covers {span(window.from_ms, window.to_ms)}"
            yield _missed(UncoveredError(f"seal {sequence}", told), are_all=are_all)


def span(from_ms: int, to_ms: int) -> str:
    """Return a time in words, such as ``2026-11-21T23:00:00.000Z to 2026-11-22T23:00:00.000Z``."""
    return f"{timestamp(from_epoch_ms(from_ms))} to {timestamp(from_epoch_ms(to_ms))}"


def _joints(days: list[tuple[Window, int]], *, are_all: bool) -> Iterator[Finding]:
    reached, until = None, 0
    for window, sequence in days:
        if reached is not None and window.from_ms > reached:
            told = f"no seal covers {span(reached, window.from_ms)}"
            gap = GapError(f"between seals {until} and {sequence}", told)
            yield _missed(gap, are_all=are_all)
        if reached is not None and window.from_ms < reached:
            told = f"both cover {span(window.from_ms, min(reached, window.to_ms))}"
            yield OverlapError(f"seals {until} and {sequence}", told)
        if reached is None or window.to_ms > reached:
            reached, until = window.to_ms, sequence


def _missed(error: SealError, *, are_all: bool) -> Finding:
    return error if are_all else perhaps(error)


def _united(windows: Iterable[Window]) -> list[Window]:
    """Join windows, sorted by their starts, that touch."""
    united: list[Window] = []
    for window in windows:
        if united and window.from_ms <= united[-1].to_ms:
            to_ms = max(united[-1].to_ms, window.to_ms)
            united[-1] = united[-1].model_copy(update={"to_ms": to_ms})
        else:
            united.append(window)
    return united
