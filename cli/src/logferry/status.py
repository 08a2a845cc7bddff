"""How far the archive is: what the ledger says of each source, and what waits in the queues."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import LedgerError, StatusError
from logferry.ledger import CLIENT_CONFIG, Ledger, in_utc, last_tries
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_sqs import SQSClient
    from rich.console import RenderableType


IN_ARCHIVE = ("completed", "secured")
UNDER_WAY = ("requested", "submitted")


@dataclass(frozen=True, kw_only=True)
class WindowStatus:
    """What the ledger says of one window of a source.

    Attributes:
        states: How many exports there are of each state, ``waived`` or ``disposed``; of a log
            group the last try counts.
        failed: The log groups whose last try failed, and why; without those that are waived or
            disposed of.
        waived: The log groups of which somebody answers for it that they are not in the archive,
            and their reason.
        disposed: The log groups whose objects somebody had removed from the archive, and their
            reason.
        late: The log groups whose last try was asked for too long ago to be still under way.
        damaged: What is wrong with each record that cannot be read; whose it is, nobody can say.
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
        windows: The newest ones of the ledger, oldest first.
        gaps: Between windows of the ledger that do not follow each other.
        waiting: Messages that the exporter has not done with, in both lanes.
        dead_letters: Messages that the exporter could not do.
    """

    profile: str
    windows: list[WindowStatus]
    gaps: list[Window]
    waiting: int
    dead_letters: int

    @property
    def problems(self) -> list[str]:
        """What a person should look at, in words; empty when all is well."""
        failed = sum(len(window.failed) for window in self.windows)
        late = sum(len(window.late) for window in self.windows)
        damaged = [problem for window in self.windows for problem in window.damaged]
        checks = [
            (not self.windows, "nothing in the ledger: has it been planned?"),
            (failed > 0, f"{failed} exports failed"),
            (late > 0, f"{late} exports under way for longer than they may"),
            (self.dead_letters > 0, f"{self.dead_letters} dead letters"),
            *((True, f"a ledger record is damaged: {problem}") for problem in damaged),
            *((True, f"nothing from {in_utc(gap)}") for gap in self.gaps),
        ]
        return [text for holds, text in checks if holds]

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
            "gaps": [gap.model_dump() for gap in self.gaps],
            "waiting": self.waiting,
            "dead_letters": self.dead_letters,
            "problems": self.problems,
        }


def status(
    session: "boto3.Session",
    config: Config,
    sources: Sequence[SourceConfig],
    *,
    newest: int,
    now: datetime,
) -> Iterator[SourceStatus]:
    """Yield the status of each source.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        sources: Of the configuration.
        newest: How many windows to look at, from the newest one back.
        now: What is under way was to be asked for at most the configuration's ``gap_hours`` ago.

    Raises:
        StatusError: AWS refused; names what.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    ledger = Ledger(s3, config.control_bucket)
    sqs = session.client("sqs", region_name=config.region, config=CLIENT_CONFIG)
    late_before = now - timedelta(hours=config.observability.gap_hours)
    for source in sources:
        name = config.source_name(source)
        try:
            yield _status(ledger, sqs, name, newest, late_before)
        except AWS_ERRORS as error:
            raise StatusError(f"{source.profile}: {error}") from error


def table(found: SourceStatus) -> "RenderableType":
    """Return the windows of a source as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column(f"{found.profile}: window (UTC)", no_wrap=True)
    for name in (
        "in the archive",
        "secured",
        "under way",
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
        shown.add_row(in_utc(each.window), *map(str, counts))
    return shown


def _status(
    ledger: Ledger, sqs: "SQSClient", source: SourceName, newest: int, late_before: datetime
) -> SourceStatus:
    windows = ledger.windows(source)
    found = [
        _window_status(ledger, prefix, window, late_before) for prefix, window in windows[-newest:]
    ]
    return SourceStatus(
        profile=source.profile,
        windows=[each for each in found if each.states or each.damaged],
        gaps=_gaps([window for _, window in windows]),
        waiting=sum(_messages(sqs, name) for name in (source.queue_name, source.direct_queue_name)),
        dead_letters=_messages(sqs, source.dead_letter_queue_name),
    )


def _gaps(windows: Sequence[Window]) -> list[Window]:
    """Return the times between windows that none of them has; they are in order of their start.

    Windows overlap where one was split, or where the source's rule has changed.
    """
    ends = accumulate((window.to_ms for window in windows), max)
    return [
        Window(from_ms=end, to_ms=after.from_ms)
        for end, after in zip(ends, windows[1:], strict=False)
        if end < after.from_ms
    ]


def _window_status(
    ledger: Ledger, prefix: str, window: Window, late_before: datetime
) -> WindowStatus:
    read = ledger.records(prefix)
    last = {name: record for name, (_, record) in sorted(last_tries(read).items())}
    return WindowStatus(
        window=window,
        states=Counter(map(_state, last.values())),
        failed={
            name: record.failed.reason
            for name, record in last.items()
            if record.failed is not None and _state(record) == "failed"
        },
        waived={
            name: record.waived.reason for name, record in last.items() if record.waived is not None
        },
        disposed={
            name: record.disposed.reason
            for name, record in last.items()
            if record.disposed is not None
        },
        late=[
            name
            for name, record in last.items()
            if record.state in UNDER_WAY
            and datetime.fromisoformat(record.requested_at) < late_before
        ],
        damaged=[str(error) for _, error in read if isinstance(error, LedgerError)],
    )


def _state(record: LedgerRecord) -> str:
    """Return what somebody says of an export, or else its state."""
    if record.disposed is not None:
        return "disposed"
    return "waived" if record.waived is not None else record.state


def _messages(sqs: "SQSClient", queue_name: str) -> int:
    """Return how many messages of a queue are not done with; none of a queue that is not there."""
    try:
        url = sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
    except sqs.exceptions.QueueDoesNotExist:
        return 0
    counted = sqs.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
    )["Attributes"]
    return sum(map(int, counted.values()))
