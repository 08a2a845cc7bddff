"""How far the archive is: what the ledger says of each source, and what waits in the queues."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.credentials import check_account
from logferry.errors import StatusError
from logferry.scheduled import scheduled, sealed_within
from logferry_contracts.ledger_key import CONTRADICTED_NOTES, LACKING_NOTES
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import from_epoch_ms, timestamp
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_ledger.counts import IN_ARCHIVE, UNDER_WAY, counts_of
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger, date_of, in_utc
from logferry_ledger.listing import list_keys_and_etags
from logferry_ledger.open_index import Open, find_open
from logferry_ledger.plans_and_seals import Noted, Notes
from logferry_ledger.windows import gaps_between, whole_windows

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_sqs import SQSClient
    from rich.console import RenderableType


QUEUES = "log-sqs-"
"""What the names of all sources' queues begin with."""
SOURCES_AT_ONCE = 8
"""That are looked at side by side."""


@dataclass(frozen=True, kw_only=True)
class WindowStatus:
    """What the ledger says of one window of a source.

    Attributes:
        states: As `Counts` have them, and what follows.
        late: The log groups whose last try was asked for too long ago to be still under way.
    """

    window: Window
    states: Counter[str]
    failed: dict[str, str]
    waived: dict[str, str]
    disposed: dict[str, str]
    late: list[str]
    damaged: list[str]

    def count(self, states: Sequence[str]) -> int:
        """Return how many exports are in one of some states."""
        return sum(self.states[state] for state in states)


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """What is known of one source.

    Attributes:
        time_zone: Whose days its dates are.
        windows: Those of the ledger that were asked for, oldest first.
        newest: The newest window of the ledger; None where it has none.
        gaps: Between windows of the ledger that do not follow each other, of any age.
        passed_over: What keys of the ledger begin with that look like windows which no plan can
            have come to: longer than any, or not over.
        open: What is not in the archive and nobody answers for, of any age.
        late_before: What was asked for before and has not ended is late.
        planned: What is amiss with its plans, in words; None for nothing.
        has_nothing: Whether it has no log group that is to be archived, by its newest inventory.
        sealed_until: The end of the newest date that is sealed, where that is too long ago.
        contradicted: What the last seals have as contradicted, of any age.
        lacking: Of what CloudWatch Logs has more events, by them.
        waiting: Messages that the exporter has not done with, in both lanes.
        dead_letters: Messages that the exporter could not do.
    """

    profile: str
    time_zone: str
    windows: list[WindowStatus]
    newest: Window | None
    gaps: list[Window]
    passed_over: list[str]
    open: Open
    late_before: datetime
    planned: str | None
    has_nothing: bool
    sealed_until: datetime | None
    contradicted: list[Noted]
    lacking: list[Noted]
    waiting: int
    dead_letters: int

    @property
    def failed(self) -> list[LedgerRecord]:
        """What has failed for good, and nobody answers for."""
        return [each for each in self.open.records if each.state == "failed"]

    @property
    def late(self) -> list[LedgerRecord]:
        """What was asked for too long ago to be still under way."""
        return [each for each in self.under_way if _since(each) < self.late_before]

    @property
    def under_way(self) -> list[LedgerRecord]:
        """What has not ended, or is not announced."""
        return [each for each in self.open.records if each.state != "failed"]

    @property
    def damaged(self) -> list[str]:
        """What is wrong with each record that cannot be read."""
        found = [*self.open.damaged, *(each for of in self.windows for each in of.damaged)]
        return list(dict.fromkeys(found))

    @property
    def complete_until(self) -> datetime | None:
        """Up to when nothing is open, and nothing is missing; None where nothing is known."""
        if self.newest is None:
            return None
        open_ms = (each.window.from_ms for each in self.open.records)
        gaps_ms = (each.from_ms for each in self.gaps)
        return from_epoch_ms(min([self.newest.to_ms, *open_ms, *gaps_ms]))

    @property
    def problems(self) -> list[str]:
        """What a person should look at, in words; empty when all is well."""
        checks = [
            (self.planned is not None, f"{self.planned}"),
            (bool(self.failed), f"{len(self.failed)} exports failed"),
            (bool(self.late), f"{len(self.late)} exports under way for longer than they may"),
            (bool(self.contradicted), f"{len(self.contradicted)} exports sealed as contradicted"),
            (bool(self.lacking), f"CloudWatch has more events of {len(self.lacking)} exports"),
            (self.dead_letters > 0, f"{self.dead_letters} dead letters"),
            *((True, f"a ledger record is damaged: {problem}") for problem in self.damaged),
            *((True, f"nothing from {in_utc(gap)}") for gap in self.gaps),
            *((True, f"{key} is no window of a plan: remove it") for key in self.passed_over),
        ]
        problems = [text for holds, text in checks if holds]
        if self.sealed_until is not None:
            problems.append(f"nothing is sealed since {self.sealed_until:%Y-%m-%d %H:%M}")
        return problems

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "profile": self.profile,
            "windows": [
                {
                    "window": each.window.model_dump(),
                    "states": dict(each.states),
                    "failed": each.failed,
                    "waived": each.waived,
                    "disposed": each.disposed,
                    "late": each.late,
                    "damaged": each.damaged,
                }
                for each in self.windows
            ],
            "complete_until": self.complete_until and timestamp(self.complete_until),
            "under_way": len(self.under_way),
            "has_nothing_to_archive": self.has_nothing,
            "is_indexed": self.open.is_indexed,
            "contradicted": [each.as_json() for each in self.contradicted],
            "lacking": [each.as_json() for each in self.lacking],
            "gaps": [gap.model_dump() for gap in self.gaps],
            "waiting": self.waiting,
            "dead_letters": self.dead_letters,
            "problems": self.problems,
        }


@dataclass(frozen=True)
class Asked:
    """Which windows are shown one by one; their records are read unless they are counted.

    Attributes:
        newest: So many, from the newest one back.
        first: Those from this date on, in each source's time zone; None for no such.
        last: Up to this date, inclusive; None for the newest.
    """

    newest: int = 0
    first: date | None = None
    last: date | None = None

    def of(self, windows: Sequence[tuple[str, Window]], zone: ZoneInfo) -> list[tuple[str, Window]]:
        """Return those of some windows, oldest first."""
        if self.first is None:
            return list(windows[-self.newest :]) if self.newest else []
        last = self.last or date.max
        return [each for each in windows if self.first <= date_of(each[1], zone) <= last]


def status(  # noqa: PLR0913  (an option each)
    session: "boto3.Session",
    config: Config,
    sources: Sequence[SourceConfig],
    *,
    newest: int = 0,
    dates: tuple[date | None, date | None] = (None, None),
    now: datetime,
) -> Iterator[SourceStatus]:
    """Yield the status of each source.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        sources: Of the configuration.
        newest: How many windows to show, from the newest one back.
        dates: Those of which dates to show, as `Asked` has them.
        now: What is under way was to be asked for at most the configuration's ``gap_hours`` ago.

    Raises:
        DeployError: The credentials are another account's.
        StatusError: AWS refused; names what.
    """
    check_account(session, config, config.hub_account_id)
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    sqs = session.client("sqs", region_name=config.region, config=CLIENT_CONFIG)
    list_keys_and_etags(s3)
    ledger, asked = Ledger(s3, config.control_bucket), Asked(newest, *dates)
    try:
        urls = _queue_urls(sqs)
    except AWS_ERRORS as error:
        raise StatusError(f"the queues: {error}") from error
    looking = _Looking(config, ledger, Notes(s3, config.control_bucket), sqs, urls, asked, now)
    with ThreadPoolExecutor(SOURCES_AT_ONCE) as lookers:
        yield from lookers.map(looking.status, sources)


def table(found: SourceStatus) -> "RenderableType":
    """Return the windows of a source as a table, 80 characters wide where counts allow it.

    Where there are none, which columns alone would not say, that in words.
    """
    if not found.windows:
        return Text(f"{found.profile}: the ledger has no window of that time")
    shown = Table(
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=0,
        title=f"{found.profile}, dates of {found.time_zone}",
        title_justify="left",
        title_style="",
    )
    shown.add_column("date", no_wrap=True)
    shown.add_column("from (UTC)", no_wrap=True)
    for name in (
        "in the\narchive",
        "secured",
        "under\nway",
        "skipped",
        "failed",
        "waived",
        "disposed",
    ):
        shown.add_column(name, justify="right", no_wrap=True)
    for each in found.windows:
        counts = (
            each.count(IN_ARCHIVE),
            each.states["secured"],
            each.count(UNDER_WAY),
            each.states["skipped"],
            each.states["failed"],
            each.states["waived"],
            each.states["disposed"],
        )
        start = each.window.start
        on = date_of(each.window, zone_named(found.time_zone))
        shown.add_row(f"{on}", f"{start:%Y-%m-%d %H:%M}", *map(str, counts))
    return shown


@dataclass(frozen=True)
class _Looking:
    """Looks at one source after another."""

    config: Config
    ledger: Ledger
    notes: Notes
    sqs: "SQSClient"
    queue_urls: Mapping[str, str]
    asked: Asked
    now: datetime

    def status(self, source: SourceConfig) -> SourceStatus:
        """Return a source's status.

        Raises:
            StatusError: AWS refused.
        """
        try:
            return self._status(source)
        except AWS_ERRORS as error:
            raise StatusError(f"{source.profile}: {error}") from error

    def _status(self, source: SourceConfig) -> SourceStatus:
        due = scheduled(self.config, source)
        name, time_zone = due.name, due.time_zone
        late_before = self.now - timedelta(hours=self.config.observability.gap_hours)
        listed = self.ledger.windows(name)
        windows = [each for each in listed if each[1].can_be_planned(self.now)]
        found = [
            _window_status(self.ledger, prefix, window, late_before)
            for prefix, window in self.asked.of(whole_windows(windows), zone_named(time_zone))
        ]
        newest = max((window for _, window in windows), key=lambda each: each.to_ms, default=None)
        plans, amiss = self.notes.plans(due, newest, self.now), self.notes.amiss(name)
        return SourceStatus(
            profile=source.profile,
            time_zone=time_zone,
            windows=[each for each in found if each.states or each.damaged],
            newest=newest,
            gaps=gaps_between([window for _, window in windows]),
            passed_over=[each[0] for each in listed if not each[1].can_be_planned(self.now)],
            open=find_open(self.ledger, name),
            late_before=late_before,
            planned=plans.problem,
            has_nothing=plans.has_nothing,
            sealed_until=self.notes.unsealed_since(due, sealed_within(self.config, due), self.now),
            contradicted=amiss[CONTRADICTED_NOTES],
            lacking=amiss[LACKING_NOTES],
            waiting=sum(map(self._messages, (name.queue_name, name.direct_queue_name))),
            dead_letters=self._messages(name.dead_letter_queue_name),
        )

    def _messages(self, queue_name: str) -> int:
        return _messages(self.sqs, self.queue_urls.get(queue_name))


def _since(record: LedgerRecord) -> datetime:
    return datetime.fromisoformat(record.requested_at)


def _window_status(
    ledger: Ledger, prefix: str, window: Window, late_before: datetime
) -> WindowStatus:
    counted, _ = counts_of(ledger, prefix)
    return WindowStatus(
        window=window,
        states=Counter(counted.states),
        failed=counted.failed,
        waived=counted.waived,
        disposed=counted.disposed,
        late=[
            name
            for name, requested_at in counted.under_way.items()
            if datetime.fromisoformat(requested_at) < late_before
        ],
        damaged=counted.damaged,
    )


def _queue_urls(sqs: "SQSClient") -> dict[str, str]:
    """Return the URLs of all sources' queues that are there, by name: a thousand a call."""
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=QUEUES)
    urls = (url for page in pages for url in page.get("QueueUrls", []))
    return {url.rpartition("/")[2]: url for url in urls}


def _messages(sqs: "SQSClient", url: str | None) -> int:
    """Return how many messages of a queue are not done with; none of a queue that is not there."""
    if url is None:
        return 0
    counted = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, counted.values()))
