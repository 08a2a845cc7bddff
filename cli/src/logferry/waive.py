"""Somebody answers for it that a log group's window is not in the archive: said in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import WaiveError
from logferry.typed import typed
from logferry.ways_out import not_over
from logferry_contracts.ledger_record import WAIVABLE, LedgerRecord, TransitionError, Waived
from logferry_contracts.message import timestamp
from logferry_contracts.zones import zone_named
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger, in_utc, last_tries_on

if TYPE_CHECKING:
    import boto3
    from rich.console import RenderableType


LONGEST_REASON = 1024
"""As a statement of the seals takes it."""


@dataclass(frozen=True, kw_only=True)
class Waivable:
    """The last try of one window of a log group, as the ledger has it.

    Attributes:
        key: Of its record.
        record: Which may be in the archive after all: that is not to be waived.
    """

    key: str
    record: LedgerRecord

    @property
    def outcome(self) -> str:
        """Its state, and the reason where it is not in the archive."""
        record = self.record
        ended = record.failed if record.state == "failed" else record.skipped
        return record.state if ended is None else f"{record.state}: {ended.reason}"

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        waived = self.record.waived
        return {
            "profile": self.record.source.profile,
            "log_group": self.record.log_group.name,
            "window": self.record.window.model_dump(),
            "export_id": self.record.export_id,
            "outcome": self.outcome,
            "waived": None if waived is None else waived.model_dump(),
        }


def waive_command(config: Config, source: SourceConfig, on: date, log_group: str) -> str:
    """Return what is typed to waive a log group's date, but for why."""
    what = ("--log-group", log_group, "--date", str(on), "--reason", "WHY")
    return typed("waive", config.file, "--profile", source.profile, *what)


def find(  # noqa: PLR0913  (what is asked about)
    session: "boto3.Session",
    config: Config,
    source: SourceConfig,
    log_group: str,
    on: date,
    *,
    now: datetime,
) -> list[Waivable]:
    """Return what may be waived of a log group on a date, and was not yet.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        source: Of the configuration.
        log_group: Its name.
        on: The date on which the windows start, in the source's time zone.
        now: Aware.

    Raises:
        WaiveError: There is nothing to be waived; says what the ledger has. Or AWS refused.
    """
    ledger = _ledger(session, config)
    try:
        tries = last_tries_on(
            ledger, config.source_name(source), config.time_zone_of(source), log_group, on
        )
        last = [Waivable(key=key, record=record) for key, record in tries]
    except (*AWS_ERRORS, LedgerError) as error:
        raise WaiveError(f"{source.profile}: {error}") from error
    what = f"{source.profile}: {log_group} on {on}"
    if not last:
        waits = not_over(on, zone_named(config.time_zone_of(source)), now)
        if waits is not None:
            raise WaiveError(f"{what}: the ledger has nothing of it. {waits}")
        dates = ("--from", str(on), "--to", str(on))
        raise WaiveError(
            f"{what}: the ledger has nothing of it; ask for it:\n  "
            + typed("plan", config.file, "--profile", source.profile, *dates)
        )
    missing = [each for each in last if each.record.state in WAIVABLE]
    if not missing:
        states = ", ".join(f"{in_utc(each.record.window)}: {each.outcome}" for each in last)
        raise WaiveError(f"{what}: nothing to waive: {states}")
    return missing


def waive(
    session: "boto3.Session",
    config: Config,
    found: Sequence[Waivable],
    reason: str,
    *,
    now: datetime,
) -> list[Waivable]:
    """Write into the ledger who answers for what was found, and why.

    Args:
        session: With credentials of the hub's account: of whoever answers for it.
        config: What is deployed.
        found: By `find`.
        reason: In their words.
        now: Aware.

    Returns:
        What the ledger says now.

    Raises:
        WaiveError: A record was changed meanwhile, or AWS refused; those before are written.
    """
    ledger = _ledger(session, config)
    try:
        by = session.client(
            "sts", region_name=config.region, config=CLIENT_CONFIG
        ).get_caller_identity()["Arn"]
        waived = Waived(at=timestamp(now), by=by, reason=reason)
        return [_written(ledger, each, waived) for each in found]
    except (*AWS_ERRORS, LedgerError, TransitionError) as error:
        raise WaiveError(str(error)) from error


def table(found: Sequence[Waivable]) -> "RenderableType":
    """Return what is waived, or may be, as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in (
        "source",
        "log group",
        "window (UTC)",
        "not in the archive",
        "waived by",
        "reason",
    ):
        shown.add_column(name, no_wrap=True)
    for each in found:
        record, waived = each.record, each.record.waived
        by, reason = ("", "") if waived is None else (waived.by, waived.reason)
        shown.add_row(
            record.source.profile,
            record.log_group.name,
            in_utc(record.window),
            each.outcome,
            by,
            reason,
        )
    return shown


def _ledger(session: "boto3.Session", config: Config) -> Ledger:
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    return Ledger(s3, config.control_bucket)


def _written(ledger: Ledger, found: Waivable, waived: Waived) -> Waivable:
    """Return it as waived; what somebody has waived already stays as they said it."""
    record = ledger.change(
        found.key, lambda record: record if record.waived else record.as_waived(waived)
    )
    return Waivable(key=found.key, record=record)
