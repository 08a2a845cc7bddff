"""Which time the next date of a chain covers, and in which windows: rules only.

A date is what its windows are, and the ledger says which those were: so dates join, whatever was
done to the zone or the unit. Where the ledger has no window, the zone's midnight ends a date.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from logferry_contracts.message import epoch_ms, from_epoch_ms
from logferry_contracts.window import Window

_DAY = timedelta(days=1)

LONGEST_MS = 2 * _DAY // timedelta(milliseconds=1)
"""By how much a window lengthens its date at most: no plan makes one as long as that. What reaches
farther is sealed once all of its time is."""


@dataclass(frozen=True, kw_only=True)
class DateToSeal:
    """One date.

    Attributes:
        date: That it starts on, on the clock of ``time_zone``.
        covers: From its start to the end of its last window.
        windows: What ``covers`` is divided into, oldest first.
    """

    date: str
    time_zone: str
    covers: Window
    windows: tuple[Window, ...]

    def tiles(self, own: Iterable[Window]) -> Iterator[Window]:
        """Yield windows that together are the date, for a log group that has some of its own.

        Where it has none, the date's windows stand, cut off where its own begin or end.
        """
        at = self.covers.from_ms
        for each in outermost(own):
            yield from self._cut(at, each.from_ms)
            yield each
            at = max(at, each.to_ms)
        yield from self._cut(at, self.covers.to_ms)

    def _cut(self, from_ms: int, to_ms: int) -> Iterator[Window]:
        for each in self.windows:
            start, end = max(each.from_ms, from_ms), min(each.to_ms, to_ms)
            if start < end:
                yield Window(from_ms=start, to_ms=end)


def first_start(recorded: Iterable[Window], planned_at_ms: int, zone: ZoneInfo) -> int:
    """Return where a chain begins: with the newest date that had ended at the first inventory.

    Of the dates before it nobody can say which log groups there were.

    Args:
        recorded: The ledger's windows.
        planned_at_ms: When the plan of the first inventory began to list.
        zone: Whose dates they are.
    """
    ended = [each for each in recorded if each.to_ms <= planned_at_ms]
    if not ended:
        return start_of(_day(planned_at_ms, zone) - _DAY, zone)
    day = _day(max(each.from_ms for each in ended), zone)
    return min(each.from_ms for each in ended if _day(each.from_ms, zone) == day)


def next_date(start_ms: int, recorded: Collection[Window], zone: ZoneInfo) -> DateToSeal:
    """Return the date that starts then.

    Args:
        start_ms: Where the date before ended.
        recorded: The ledger's windows that start then or later.
        zone: Whose dates they are.
    """
    midnight_ms = next_midnight(start_ms, zone)
    begun = (each.to_ms for each in recorded if start_ms <= each.from_ms < midnight_ms)
    ends = [each for each in begun if each <= midnight_ms + LONGEST_MS]
    covers = Window(from_ms=start_ms, to_ms=max([midnight_ms, *ends]))
    return date_of(covers, [each for each in recorded if is_within(each, covers)], zone)


def longer(date: DateToSeal, windows: Iterable[Window]) -> DateToSeal:
    """Return a date that covers windows as well which reach into the next ones."""
    to_ms = max(each.to_ms for each in windows)
    return replace(date, covers=Window(from_ms=date.covers.from_ms, to_ms=to_ms))


def is_within(window: Window, covers: Window) -> bool:
    """Whether a window lies in a time."""
    return covers.from_ms <= window.from_ms and window.to_ms <= covers.to_ms


def date_of(covers: Window, recorded: Iterable[Window], zone: ZoneInfo) -> DateToSeal:
    """Return the date of a time, of which the ledger has these windows."""
    return DateToSeal(
        date=str(_day(covers.from_ms, zone)),
        time_zone=zone.key,
        covers=covers,
        windows=tuple(_tiles(covers, outermost(recorded))),
    )


def outermost(recorded: Iterable[Window]) -> list[Window]:
    """Return windows without those that lie in others, such as halves; oldest first."""
    kept: list[Window] = []
    for each in sorted(set(recorded), key=lambda each: (each.from_ms, -each.to_ms)):
        if not kept or kept[-1].to_ms < each.to_ms:
            kept.append(each)
    return kept


def next_midnight(after_ms: int, zone: ZoneInfo) -> int:
    """Return when the next date starts, also where the zone leaves a date or an hour out."""
    day = _day(after_ms, zone)
    while (found := start_of(day := day + _DAY, zone)) <= after_ms:
        pass
    return found


def previous_midnight(before_ms: int, zone: ZoneInfo) -> int:
    """Return when the date started that ended then."""
    return start_of(_day(before_ms - 1, zone), zone)


def start_of(day: date, zone: ZoneInfo) -> int:
    """Return when a date starts: at its midnight, or where the clock jumps over that."""
    return epoch_ms(datetime.combine(day, time(), zone))


def _tiles(covers: Window, kept: Sequence[Window]) -> Iterable[Window]:
    """Yield windows, and what lies between them."""
    at = covers.from_ms
    for each in kept:
        if at < each.from_ms:
            yield Window(from_ms=at, to_ms=each.from_ms)
        yield each
        at = max(at, each.to_ms)
    if at < covers.to_ms:
        yield Window(from_ms=at, to_ms=covers.to_ms)


def _day(at_ms: int, zone: ZoneInfo) -> date:
    return from_epoch_ms(at_ms).astimezone(zone).date()
