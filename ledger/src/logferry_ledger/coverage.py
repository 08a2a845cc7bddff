"""What the archive has of each source and date: from counts that are kept, without the ledger."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError

from logferry_contracts.ledger_key import ledger_prefix
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import Message
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_ledger.counts import (
    IN_ARCHIVE,
    Counts,
    counts_key,
    counts_of,
    counts_prefix,
    keep_at,
    kept_counts,
)
from logferry_ledger.ledger import Ledger, date_of
from logferry_ledger.listing import list_keys_and_etags
from logferry_ledger.open_index import find_open
from logferry_ledger.plans_and_seals import Notes, Sealed
from logferry_ledger.scheduled import Scheduled
from logferry_ledger.windows import gaps_between, whole_windows

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type State = Literal[
    "sealed",
    "archived",
    "empty",
    "skipped",
    "waived",
    "under way",
    "failed",
    "gap",
    "not yet due",
    "before",
]
WHOLE: frozenset[State] = frozenset(
    {"sealed", "archived", "empty", "skipped", "not yet due", "before"}
)
"""States of dates of which nothing needs a look."""
COUNTED_LATELY = timedelta(days=3)
"""Windows that ended since are listed: some of their records may be still to come."""
SOURCES_AT_ONCE = 8


class _KeptWindow(Message):
    """Counts of a window, as they were in the object of this ETag."""

    etag: str
    counts: Counts


class _Kept(Message):
    """Counts of a source's windows, by their keys: one object in place of one for each."""

    windows: dict[str, _KeptWindow]


@dataclass(frozen=True, kw_only=True)
class Missing:
    """A log group of a date that is not wholly in the archive.

    Attributes:
        why: The ledger's reason, or when it was asked for.
    """

    log_group: str
    state: State
    why: str


@dataclass(kw_only=True)
class Day:
    """What there is of one date.

    Attributes:
        counts: How many exports are ``archived``, ``skipped``, ``failed``, ``under way``,
            ``waived`` or ``disposed``.
        missing: The log groups that are not wholly there.
    """

    state: State
    counts: Counter[str] = field(default_factory=Counter)
    missing: list[Missing] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class SourceCoverage:
    """What there is of a source.

    Attributes:
        days: By date, in the source's time zone; all from the first to the last that is shown.
        read: How many windows were counted anew.
    """

    profile: str
    name: SourceName
    time_zone: str
    days: Mapping[date, Day]
    read: int

    def by_state(self) -> dict[str, int]:
        """Return how many dates there are of each state."""
        return dict(Counter(day.state for day in self.days.values()))


def cover(
    s3: "S3Client", control_bucket: str, sources: Iterable[Scheduled], *, days: int, now: datetime
) -> Iterator[SourceCoverage]:
    """Yield what there is of each source on the last dates.

    Args:
        s3: A client of `CLIENT_CONFIG`, with credentials of the hub's account.
        control_bucket: The hub's.
        sources: As they are scheduled.
        days: How many dates, today included.
        now: Aware.

    Raises:
        Exception: What AWS refused of a source, with a note that names it.
    """
    list_keys_and_etags(s3)
    ledger, notes = Ledger(s3, control_bucket), Notes(s3, control_bucket)

    def look(source: Scheduled) -> SourceCoverage:
        try:
            return _Covering(source, ledger, notes, now).covered(days)
        except Exception as error:
            error.add_note(source.name.profile)
            raise

    with ThreadPoolExecutor(SOURCES_AT_ONCE) as lookers:
        yield from lookers.map(look, sources)


def state_of(counts: Mapping[str, int], *, sealed: bool, all_empty: bool) -> State:
    """Return what a date is called by its worst; of one that is whole, by what there is."""
    for state in ("failed", "under way", "waived"):
        if counts.get(state):
            return state
    if counts.get("archived") or counts.get("disposed"):
        return "sealed" if sealed else "archived"
    return "empty" if all_empty else "skipped"


@dataclass(frozen=True)
class _Covering:
    """Looks at one source."""

    source: Scheduled
    ledger: Ledger
    notes: Notes
    now: datetime

    def covered(self, days: int) -> SourceCoverage:
        name, zone = self.source.name, zone_named(self.source.time_zone)
        last = self.now.astimezone(zone).date()
        shown = [last - timedelta(days=back) for back in reversed(range(days))]
        listed = self.ledger.windows(name)
        there = whole_windows([each for each in listed if each[1].can_be_planned(self.now)])
        windows = [each for _, each in there if date_of(each, zone) >= shown[0]]
        counted, read = self._counted(name, windows)
        by_date: dict[date, list[Window]] = {}
        for window in windows:
            by_date.setdefault(date_of(window, zone), []).append(window)
        sealed = self.notes.sealed(name)
        found = {
            on: _day([(each, counted[each]) for each in of_date], sealed)
            for on, of_date in by_date.items()
        }
        all_windows = [window for _, window in there]
        for gap in gaps_between(all_windows):
            end = date_of(Window(from_ms=gap.to_ms - 1, to_ms=gap.to_ms), zone)
            for on in _dates(date_of(gap, zone), end):
                day = found.setdefault(on, Day(state="gap"))
                day.state = "gap" if day.state in WHOLE else day.state
        newest = max((each.to_ms for each in all_windows), default=None)
        first = date_of(all_windows[0], zone) if all_windows else None
        blank = self._blank(newest, first)
        return SourceCoverage(
            profile=name.profile,
            name=name,
            time_zone=self.source.time_zone,
            days={on: found.get(on) or Day(state=blank(on)) for on in shown},
            read=read,
        )

    def _blank(self, newest_ms: int | None, first: date | None) -> Callable[[date], State]:
        """Return what tells the state of a date that the ledger has nothing of."""
        zone = zone_named(self.source.time_zone)
        newest = None
        if newest_ms is not None:
            newest = Window(from_ms=max(newest_ms - 1, 0), to_ms=newest_ms)
        plans = self.notes.plans(self.source, newest, self.now)
        last = None if newest is None else date_of(newest, zone)
        due_by = (self.now - self.source.planned_after).astimezone(zone).date()

        def blank(on: date) -> State:
            if first is None or last is None or on < first:
                return "before"
            if plans.has_nothing and on <= due_by:
                return "empty"
            return "gap" if plans.problem is not None and last < on <= due_by else "not yet due"

        return blank

    def _counted(
        self, name: SourceName, windows: Sequence[Window]
    ) -> tuple[dict[Window, Counts], int]:
        """Return what windows come to, and how many of them were counted anew."""
        place = counts_prefix(name)
        whole = f"{place.removesuffix('/')}.json"
        etags = dict(self.ledger.listed(place))
        kept = self._kept(whole)
        open_now = _by_window(find_open(self.ledger, name).records)
        counted: dict[Window, Counts] = {}
        again: dict[str, _KeptWindow] = {}
        read = 0
        for window in windows:
            prefix = ledger_prefix(name, window)
            key = counts_key(prefix)
            etag, known = etags.get(key), kept.get(key)
            counts = known.counts if known is not None and known.etag == etag else None
            if counts is None and etag is not None:
                counts = kept_counts(self.ledger, prefix)
            is_late = window.end > self.now - COUNTED_LATELY
            if counts is None or is_late or not _agrees(counts, open_now.get(window, {})):
                counts, was_known = counts_of(self.ledger, prefix)
                read += not was_known
            elif etag is not None:
                again[key] = _KeptWindow(etag=etag, counts=counts)
            counted[window] = counts
        if again != kept:
            keep_at(self.ledger, whole, _Kept(windows=again))
        return counted, read

    def _kept(self, key: str) -> dict[str, _KeptWindow]:
        text = self.ledger.note(key)
        try:
            return {} if text is None else _Kept.model_validate_json(text).windows
        except ValidationError:
            return {}


def _by_window(records: Iterable[LedgerRecord]) -> dict[Window, dict[str, LedgerRecord]]:
    by_window: dict[Window, dict[str, LedgerRecord]] = {}
    for each in records:
        by_window.setdefault(each.window, {})[each.log_group.name] = each
    return by_window


def _agrees(counts: Counts, open_now: Mapping[str, LedgerRecord]) -> bool:
    """Whether counts say of what is open what the notes of that say."""
    failed = {name for name, record in open_now.items() if record.state == "failed"}
    return failed == set(counts.failed) and len(open_now) == len(failed) + len(counts.under_way)


def _day(counted: Sequence[tuple[Window, Counts]], sealed: Sealed) -> Day:
    """Return what windows of one date come to together."""
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    missing: list[Missing] = []
    for _, each in counted:
        counts["archived"] += sum(each.states.get(state, 0) for state in IN_ARCHIVE)
        counts["under way"] += len(each.under_way) + len(each.damaged)
        for state in ("skipped", "failed", "waived", "disposed"):
            counts[state] += each.states.get(state, 0)
        skipped.update(each.skipped)
        missing += _missing(each)
    is_sealed = all(sealed.has(window) for window, _ in counted)
    return Day(
        state=state_of(counts, sealed=is_sealed, all_empty=set(skipped) <= {"empty"}),
        counts=+counts,
        missing=missing,
    )


def _missing(counts: Counts) -> Iterator[Missing]:
    for log_group, reason in counts.failed.items():
        yield Missing(log_group=log_group, state="failed", why=reason)
    for log_group, requested_at in counts.under_way.items():
        yield Missing(log_group=log_group, state="under way", why=f"asked for at {requested_at}")
    for log_group, reason in counts.waived.items():
        yield Missing(log_group=log_group, state="waived", why=reason)


def _dates(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
