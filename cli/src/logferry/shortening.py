"""Retentions set where all that CloudWatch still has was counted, is sealed and held; and put back.

Nothing here deletes a log group, and nothing shortens one by what somebody else has said: whoever
applies looks at seals, objects and CloudWatch again, right before.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from typing import Literal

from logferry.config import Config, SourceConfig
from logferry.errors import RetentionError
from logferry.log_retention import Checked, Outcome, SealedWindow, kept_for
from logferry.retention import Looking
from logferry.shortened import Notes, Shortened
from logferry.source_logs import SCAN_DOLLARS, SourceLogs
from logferry_contracts.insights import MOST_LOG_GROUPS
from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import timestamp
from logferry_contracts.verification.store import Mapped
from logferry_contracts.window import Window
from logferry_ledger.ledger import Ledger
from logferry_ledger.open_index import find_open

CLOCK_OFF = timedelta(minutes=5)
MOST_FILTERED_EVENTS = 20_000
"""Two pages of FilterLogEvents, which cost nothing."""
_STANDARD = "STANDARD"


@dataclass(frozen=True, kw_only=True)
class Shortening:
    """Shortens the log groups of one source, or puts them back.

    Attributes:
        logs: Its log groups.
        notes: What was set of them.
        by: Who does, such as the caller's ARN.
        now: By this machine's clock.
    """

    hub: Config
    source: SourceConfig
    logs: SourceLogs
    notes: Notes
    by: str
    now: datetime

    def shorten(
        self, wanted: Sequence[LogGroup], looking: Looking, ledger: Ledger, mapped: Mapped
    ) -> Iterator[Outcome]:
        """Yield what becomes of log groups, as they were listed, one after another.

        Args:
            wanted: What was found to be safe before.
            looking: Looks at the seals again, and at the objects.
            ledger: Says what is open.
            mapped: Counts side by side.

        Raises:
            RetentionError: Nothing of the source is shortened: says why.
        """
        self._check()
        opened = self._open(ledger)
        checked, findings = looking.checked(self.source, wanted, self.now, mapped=mapped)
        if findings:
            raise RetentionError(f"the seals are not in order any more: {findings[0]}")
        counting = _Counting(self.logs, self.hub.log_retention.count_dollars)
        safe: list[LogGroup] = []
        for each in wanted:
            why = opened.get(each.name) or checked[each.name].verdict(self.source.profile).why
            if why:
                yield _left(each, why)
            else:
                safe.append(each)
        counting.count([checked[each.name] for each in safe], mapped)
        for each in safe:
            why = counting.in_the_way(checked[each.name])
            yield _left(each, why) if why else self._set(each, counting.of(each.name))

    def undo(self, note: Shortened) -> Outcome:
        """Let a log group be kept for as long as before, unless somebody has changed it since."""
        try:
            why = self._put_back(note)
        except RetentionError as error:
            return self._undone(note, "failed", f"{error}")
        return self._undone(note, "left" if why else "set", why)

    # Before

    def _check(self) -> None:
        """Make sure of the clock, and that nobody else sets retentions in the account."""
        is_at = self.logs.now()
        if abs(self.now - is_at) > CLOCK_OFF:
            raise RetentionError(
                f"this machine's clock says {timestamp(self.now)}, AWS's {timestamp(is_at)}"
            )
        if self.logs.has_retention_policy():
            raise RetentionError("the account has a retention policy of its own, which sets others")

    def _open(self, ledger: Ledger) -> dict[str, str]:
        """Return which log groups have something open, and what.

        Raises:
            RetentionError: Of a record that cannot be read nobody knows whose it is.
        """
        found = find_open(ledger, self.hub.source_name(self.source))
        if found.damaged:
            raise RetentionError(f"a ledger record is damaged: {found.damaged[0]}")
        return {
            each.log_group.name: f"an export of it is open: {each.state}" for each in found.records
        }

    # Setting

    def _set(self, log_group: LogGroup, counted: Mapping[Window, int]) -> Outcome:
        """Set the retention of a log group that is still as it was listed."""
        days = self.hub.log_retention.days
        said = Outcome(
            log_group=log_group.name,
            outcome="set",
            former_days=log_group.retention_days,
            days=days,
            windows=len(counted),
            events=sum(counted.values()),
        )
        try:
            live = self.logs.log_group(log_group.name)
            note, etag = self.notes.of(log_group.name)
            if live is None or live.created_ms != log_group.created_ms:
                return _left(log_group, "it was deleted since it was listed")
            if note is not None and note.state == "asked" and note.days == live.retention_days:
                self.notes.keep(note.model_copy(update={"state": "set"}), etag)
                return said  # somebody was cut off right after it
            if live.retention_days != log_group.retention_days:
                return _left(log_group, f"it is kept for {kept_for(live.retention_days)} meanwhile")
            asked = Shortened(
                log_group=log_group.name,
                created_ms=log_group.created_ms,
                former_days=_former(note, log_group),
                days=days,
                by=self.by,
                at=timestamp(self.now),
                state="asked",
            )
            etag = self.notes.keep(asked, etag)
            self.logs.keep_for(log_group.name, days)
            self.notes.keep(asked.model_copy(update={"state": "set"}), etag)
        except RetentionError as error:
            return _left(log_group, f"{error}", outcome="failed")
        return said

    # Putting back

    def _put_back(self, note: Shortened) -> str:
        """Return what is in the way; empty once it is kept for as long as before."""
        live = self.logs.log_group(note.log_group)
        if live is None or live.created_ms != note.created_ms:
            return "it was deleted since"
        if live.retention_days not in {note.days, note.former_days}:
            return f"somebody has set {kept_for(live.retention_days)} since"
        if note.former_days is not None and note.former_days <= note.days:
            return f"it is said to have been kept for {note.former_days} days, which is no longer"
        _, etag = self.notes.of(note.log_group)
        if live.retention_days != note.former_days:
            self.logs.keep_for(note.log_group, note.former_days)
        self.notes.keep(note.model_copy(update={"state": "undone"}), etag)
        return ""

    @staticmethod
    def _undone(note: Shortened, outcome: Literal["set", "left", "failed"], why: str) -> Outcome:
        return Outcome(
            log_group=note.log_group,
            outcome=outcome,
            former_days=note.days,
            days=note.days if why else note.former_days,
            why=why,
        )


@dataclass
class _Counting:
    """Counts log groups in CloudWatch, window by window.

    Attributes:
        most_dollars: What queries may cost; what is begun is ended.
        found: How many events each has, window by window.
        failed: Why one was not counted to its end.
    """

    logs: SourceLogs
    most_dollars: float
    found: dict[str, dict[Window, int]] = field(default_factory=lambda: defaultdict(dict))
    failed: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> Mapping[Window, int]:
        """Return how many events a log group has, window by window."""
        return self.found[name]

    def count(self, log_groups: Sequence[Checked], mapped: Mapped) -> None:
        """Count all windows that are sealed of log groups."""
        for _ in mapped(lambda each: self._count(*each), self._asked(log_groups)):
            pass

    def in_the_way(self, checked: Checked) -> str:
        """Return why it is not safe, by what was counted; empty where it is."""
        name = checked.log_group.name
        if name in self.failed:
            return f"not counted in CloudWatch: {self.failed[name]}"
        for each in checked.windows:
            there = self.found[name].get(each.window)
            if there is None:
                return "not counted in CloudWatch"
            if there > each.events:
                return f"CloudWatch has {there - each.events:,} more events than the archive"
            if there < each.events:
                more = each.events - there
                return f"ambiguous: the archive has {more:,} more events than CloudWatch counted"
        return ""

    def _asked(self, log_groups: Sequence[Checked]) -> Iterator[tuple[list[str], Window, bool]]:
        """Yield log groups with a window, and whether they are counted page by page."""
        queried = defaultdict[Window, list[str]](list)
        for checked in log_groups:
            for each in checked.windows:
                if _is_filtered(checked.log_group, each):
                    yield [checked.log_group.name], each.window, True
                else:
                    queried[each.window].append(checked.log_group.name)
        for window, names in queried.items():
            for some in batched(names, MOST_LOG_GROUPS, strict=False):
                yield list(some), window, False

    def _count(self, names: list[str], window: Window, is_filtered: bool) -> None:  # noqa: FBT001
        """Count; of several log groups that are refused together, each alone."""
        left = [each for each in names if each not in self.failed]
        if not left:
            return
        try:
            if is_filtered:
                self.found[left[0]][window] = self.logs.filtered(left[0], window)
                return
            for name, events in self._queried(left, window).items():
                self.found[name][window] = events
        except RetentionError as error:
            if len(left) == 1:
                self.failed[left[0]] = f"{error}"
                return
            for each in left:
                self._count([each], window, is_filtered)

    def _queried(self, names: Sequence[str], window: Window) -> Mapping[str, int]:
        """Count by a query, as far as the money goes."""
        left = self.most_dollars - self.logs.scanned_bytes * SCAN_DOLLARS
        most_bytes = int(left / SCAN_DOLLARS)
        found = self.logs.queried(names, window, most_bytes) if most_bytes > 0 else None
        if found is None:
            raise RetentionError(
                f"it would cost more than the ${max(0.0, left):,.2f} that are left of "
                "log_retention.count_dollars"
            )
        return found


def _is_filtered(log_group: LogGroup, sealed: SealedWindow) -> bool:
    """Whether a window is counted by FilterLogEvents.

    What the direct lane read by that very call, a query has to count: it would be the same witness
    twice. But no query takes a time before the log group was created.
    """
    if sealed.window.to_ms <= log_group.created_ms:
        return True
    is_small = sealed.events <= MOST_FILTERED_EVENTS
    return sealed.lane == "slot" and is_small and log_group.log_group_class == _STANDARD


def _former(note: Shortened | None, log_group: LogGroup) -> int | None:
    """Return how long it was kept before anybody shortened it, if it is kept as we have set it."""
    if note is None or note.state == "undone" or note.created_ms != log_group.created_ms:
        return log_group.retention_days
    return note.former_days if note.days == log_group.retention_days else log_group.retention_days


def _left(log_group: LogGroup, why: str, outcome: Literal["left", "failed"] = "left") -> Outcome:
    return Outcome(
        log_group=log_group.name,
        outcome=outcome,
        former_days=log_group.retention_days,
        days=log_group.retention_days,
        why=why,
    )
