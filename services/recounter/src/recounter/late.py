"""What came in late, by the log streams that have got events since: it costs nothing but calls.

A window that is too large to be counted again for nothing was counted before. What has come in
since is in log streams that were written to since: mostly in none, or in a few.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import MOST_NAMED_STREAMS, stream_in_key
from logferry_contracts.message import epoch_ms
from logferry_contracts.recount import STREAMS, Recounted
from logferry_contracts.window import Window
from recounter.aws.control import Control
from recounter.aws.source_account import SourceAccount, Streams
from recounter.errors import UndecidedError

BEFORE = timedelta(minutes=15)
"""What came in so shortly before, nobody knows whether it was counted: a query does not see it at
once, and pages take minutes."""
BEFORE_STREAMS = timedelta(hours=2)
"""The same, where the log streams had told: that one was written to, CloudWatch Logs says within an
hour, typically."""
MOST_NAMES_BYTES = 100_000
"""Of log streams' names in one message, which may have 256 KB with all that JSON makes of them."""
AFTER = timedelta(minutes=65)
"""The same of what came in so soon after: a query may run for an hour."""


class Found(NamedTuple):
    """What came in late.

    Attributes:
        events: How many there are, with what was counted before; None where nobody has, or some
            came in at about that time, so that they may be among these.
        streams: The log streams with events that came in since the export was begun, and those
            that share a folder of the archive with one of them; none where they are too many to be
            compared by themselves.
        is_late: Whether there are such events.
    """

    events: int | None
    streams: list[str]
    is_late: bool


@dataclass(frozen=True, kw_only=True)
class Late:
    """Finds the late events of one window.

    Attributes:
        next_page: Waits until FilterLogEvents may be called.
    """

    control: Control
    account: SourceAccount
    window: Window
    next_page: Callable[[], None]

    def since(self, record: LedgerRecord, *, is_readable: bool) -> Found:
        """Return what came in since an export.

        Args:
            record: The export's.
            is_readable: Whether FilterLogEvents knows the log group's class.

        Raises:
            UndecidedError: Only a query can tell.
            CannotCountError: The role may not, or the log group is gone.
            AwsError: AWS did not answer.
        """
        name = record.log_group.name
        before = self.before(record)
        exported_at = record.submitted.at if record.submitted else record.requested_at
        exported_ms = _ms(exported_at, -BEFORE)
        counted_at = record.requested_at if before is None else before.at
        is_by_streams = before is not None and before.by == STREAMS
        first_ms = _ms(counted_at, -BEFORE_STREAMS if is_by_streams else -BEFORE)
        last_ms = _ms(counted_at, AFTER)
        streams = self.account.streams(name, self.window, min(exported_ms, first_ms))
        if streams.written and not is_readable:
            raise UndecidedError(f"{name} was written to since, and cannot be read")
        more, is_sure, found = 0, True, set[str]()
        ingested = self.account.ingested(name, self.window, streams.written, self.next_page)
        for stream, ingested_ms in ingested:
            is_sure &= not first_ms <= ingested_ms <= last_ms
            more += ingested_ms > last_ms
            if ingested_ms >= exported_ms:
                found.add(stream)
        known = None if before is None or not is_sure else before.events
        events = None if known is None else known + more
        return Found(events, self._named(name, found, streams), is_late=bool(found))

    def _named(self, log_group_name: str, found: Collection[str], streams: Streams) -> list[str]:
        """Return which log streams are compared: none where that is too much to be read of them.

        Nobody has read the pages of those that only share a folder: they may have any number.
        """
        named = _with_others(found, streams)
        if not named <= set(streams.written):
            try:
                for _ in self.account.ingested(
                    log_group_name, self.window, sorted(named), self.next_page
                ):
                    pass
            except UndecidedError:
                return []
        return _named(named)

    def before(self, record: LedgerRecord) -> Recounted | None:
        """Return what was said of an export before; None where that is nothing.

        Raises:
            AwsError: S3 did not answer.
        """
        recount = self.control.recount(self.window, record.export_id)
        return None if recount is None else recount.recount

    def all(self, log_group_name: str, at: str) -> int:
        """Return how many events a window has that was empty at a time.

        Raises:
            UndecidedError, CannotCountError, AwsError: As `since`.
        """
        streams = self.account.streams(log_group_name, self.window, _ms(at, -BEFORE))
        events = self.account.ingested(log_group_name, self.window, streams.written, self.next_page)
        return sum(1 for _ in events)


def _with_others(found: Collection[str], streams: Streams) -> set[str]:
    """Return log streams with those whose events are in the same folder of the archive.

    What the archive has of one stream alone nobody can tell there.
    """
    folders = set(map(stream_in_key, found))
    listed = (*streams.written, *streams.others)
    return {*found, *(each for each in listed if stream_in_key(each) in folders)}


def _named(found: Collection[str]) -> list[str]:
    """Return log streams as a message names them; none of them where they are too many for it."""
    is_small = sum(len(each.encode()) for each in found) <= MOST_NAMES_BYTES
    return sorted(found) if is_small and len(found) <= MOST_NAMED_STREAMS else []


def _ms(at: str, later: timedelta = timedelta(0)) -> int:
    return epoch_ms(datetime.fromisoformat(at) + later)
