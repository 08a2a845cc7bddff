"""What has failed or has been under way for too long, asked for again by its dates."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry import plan as planning
from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import RetryError
from logferry.given import matches
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.plan_completed import PlanCompletedData
from logferry_contracts.source import SourceName
from logferry_contracts.zones import zone_named
from logferry_ledger.counts import counts_of
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger, date_of, in_utc, last_tries
from logferry_ledger.open_index import find_open

if TYPE_CHECKING:
    import boto3
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be asked for again.

    Attributes:
        log_groups: Patterns, of which a log group matches one; empty for any.
        reasons: Why it failed, in the ledger's words; empty for any.
        first: The first date on which its window starts, in its source's time zone; None for any.
        last: The last, inclusive; None for any.
        is_waived: Whether also what somebody answers for.
    """

    log_groups: Sequence[str] = ()
    reasons: Sequence[str] = ()
    first: date | None = None
    last: date | None = None
    is_waived: bool = False

    def has_date(self, on: date) -> bool:
        """Whether a date is one of those that are looked at."""
        return (self.first is None or self.first <= on) and (self.last is None or on <= self.last)

    def has(self, record: LedgerRecord, on: date) -> bool:
        """Whether an export of a date is one."""
        name = record.log_group.name
        reason = None if record.failed is None else record.failed.reason
        return (
            matches(name, self.log_groups)
            and (not self.reasons or reason in self.reasons)
            and self.has_date(on)
        )


@dataclass(frozen=True, kw_only=True)
class Again:
    """Dates of a source that follow each other, to be planned again.

    Attributes:
        wanted: The exports for which that is.
        others: The others of these dates that are open: a plan asks for them as well.
    """

    source: SourceConfig
    first: date
    last: date
    wanted: list[LedgerRecord]
    others: list[LedgerRecord]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "profile": self.source.profile,
            "first": str(self.first),
            "last": str(self.last),
            "exports": [_told(each) for each in self.wanted],
            "others": [_told(each) for each in self.others],
        }


def find(
    session: "boto3.Session",
    config: Config,
    sources: Sequence[SourceConfig],
    wanted: Wanted,
    *,
    now: datetime,
) -> Iterator[Again]:
    """Yield the dates of which something is to be asked for again.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        sources: Of the configuration.
        wanted: What.
        now: What was asked for at most the configuration's ``gap_hours`` ago is under way.

    Raises:
        RetryError: AWS refused; names what.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    ledger = Ledger(s3, config.control_bucket)
    late_before = now - timedelta(hours=config.observability.gap_hours)
    for source in sources:
        zone = zone_named(config.time_zone_of(source))
        try:
            name = config.source_name(source)
            found = [*find_open(ledger, name).records]
            if wanted.is_waived:
                found += _waived(ledger, name, wanted, zone)
        except AWS_ERRORS as error:
            raise RetryError(f"{source.profile}: {error}") from error
        by_date: dict[date, list[LedgerRecord]] = {}
        for each in found:
            if _is_missed(each, late_before):
                by_date.setdefault(date_of(each.window, zone), []).append(each)
        dates = [
            on
            for on, records in sorted(by_date.items())
            if any(wanted.has(each, on) for each in records)
        ]
        for first, last in _joined(dates):
            of_dates = [(on, each) for on in dates if first <= on <= last for each in by_date[on]]
            yield Again(
                source=source,
                first=first,
                last=last,
                wanted=[each for on, each in of_dates if wanted.has(each, on)],
                others=[each for on, each in of_dates if not wanted.has(each, on)],
            )


def ask(session: "boto3.Session", config: Config, again: Again) -> PlanCompletedData | None:
    """Let the planner plan these dates; None where that goes on by itself.

    Raises:
        PlanError: The planner could not be asked, refused, or failed.
    """
    request = planning.plan_request(
        config,
        again.source.profile,
        first=str(again.first),
        last=str(again.last),
        dry_run=False,
    )
    return planning.plan(session, config, request)


def table(found: Sequence[Again]) -> "RenderableType":
    """Return what would be asked for again as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("source", "dates", "log group", "window (UTC)", "why"):
        shown.add_column(name, no_wrap=True)
    for each in found:
        dates = f"{each.first}" + (f" to {each.last}" if each.last != each.first else "")
        for record in (*each.wanted, *each.others):
            told = _told(record)
            why = told["why"] if record in each.wanted else f"{told['why']} (of the same date)"
            shown.add_row(each.source.profile, dates, told["log_group"], in_utc(record.window), why)
    return shown


def _is_missed(record: LedgerRecord, late_before: datetime) -> bool:
    """Whether an export has failed, or has been under way for too long."""
    is_late = datetime.fromisoformat(record.requested_at) < late_before
    return record.state == "failed" or is_late


def _waived(
    ledger: Ledger, name: SourceName, wanted: Wanted, zone: ZoneInfo
) -> Iterator[LedgerRecord]:
    """Yield what has failed and somebody answers for, by the counts that are kept of windows."""
    for prefix, window in ledger.windows(name):
        if wanted.has_date(date_of(window, zone)) and counts_of(ledger, prefix)[0].waived:
            for _, record in last_tries(ledger.records(prefix)).values():
                if record.waived is not None and record.state == "failed":
                    yield record


def _joined(dates: Sequence[date]) -> Iterator[tuple[date, date]]:
    """Yield the first and last of dates that follow each other; they are in order."""
    if not dates:
        return
    first = dates[0]
    for one, other in pairwise(dates):
        if other - one > timedelta(days=1):
            yield first, one
            first = other
    yield first, dates[-1]


def _told(record: LedgerRecord) -> dict[str, Any]:
    return {
        "log_group": record.log_group.name,
        "window": record.window.model_dump(),
        "export_id": record.export_id,
        "why": record.state if record.failed is None else record.failed.reason,
    }
