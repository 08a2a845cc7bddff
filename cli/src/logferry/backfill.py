"""Backfills: what is asked of the planner, what it is expected to come to, and how far it is.

The planner feeds them on its own schedule, so that nothing depends on a terminal. What is wanted is
a note in the control bucket, and how far it is another one: see `logferry_contracts.backfill`.
"""

import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from math import ceil
from statistics import mean
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry import plan as planning
from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import BackfillError, PlanError
from logferry_contracts.backfill import (
    ASKED,
    BACKFILL,
    ENDED,
    FED,
    PACED_DATES,
    Asked,
    Fed,
    Forecast,
    Wanted,
    backfill_prefix,
)
from logferry_contracts.message import Message, timestamp
from logferry_contracts.plan_completed import PlanCompletedData
from logferry_contracts.source import SourceName
from logferry_contracts.wire import ContractError, emit, parse
from logferry_ledger.ledger import CLIENT_CONFIG, OVERTAKEN

if TYPE_CHECKING:
    import boto3
    from rich.console import RenderableType

SAMPLED_DATES = 3
"""Of a backfill: its first date, one of the middle and its last; their mean is taken for all."""
STANDS_STILL = timedelta(minutes=45)
"""Without a word from the planner, which is asked every quarter of an hour."""

DOLLARS_PER_EXPORT = 0.0003
"""Requests to S3, SQS and metrics, and Lambda's time, of an export of ten streams."""
DOLLARS_PER_DIRECT_HOUR = 0.024
"""Of the direct lane: Lambda's 512 MB while it reads."""
DOLLARS_PER_HOUR = 0.048
"""Of the planner while it feeds, of all sources together: 1 GB."""
DOLLARS_PER_GB_MONTH = 0.0125 / 7
"""Stored in STANDARD_IA, seven times smaller. docs/costs.md has where these come from."""

_DAY_S = 86_400


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A backfill of one source, as it is asked for.

    Attributes:
        sampled: How many of its dates the forecast goes by.
    """

    source: SourceConfig
    asked: Asked
    sampled: int

    @property
    def hours(self) -> float:
        """How long it takes if the account has nothing else to do."""
        forecast = self.asked.forecast
        return max(forecast.slot_s, forecast.direct_s) / 3600

    @property
    def dollars(self) -> float:
        """What archiving it costs, about; without the planner's time."""
        forecast = self.asked.forecast
        direct = forecast.direct_s / 3600 * DOLLARS_PER_DIRECT_HOUR
        return forecast.exports * DOLLARS_PER_EXPORT + direct

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        forecast = self.asked.forecast
        return {
            "profile": self.source.profile,
            "first": self.asked.request.collect_from,
            "last": self.asked.request.collect_to,
            "dates": dates_of(self.asked),
            "sampled_dates": self.sampled,
            "exports": forecast.exports,
            "estimated_bytes": forecast.estimated_bytes,
            "slot_hours": round(forecast.slot_s / 3600, 2),
            "direct_hours": round(forecast.direct_s / 3600, 2),
            "dollars": round(self.dollars, 2),
            "dollars_a_month": round(forecast.estimated_bytes / 1e9 * DOLLARS_PER_GB_MONTH, 2),
        }


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """A backfill of one source, and how far it is.

    Attributes:
        fed: None while the planner has done nothing for it.
        is_configured: Whether its source is in the configuration.
    """

    source: SourceName
    asked: Asked
    fed: Fed | None
    now: datetime
    is_configured: bool = True

    @property
    def state(self) -> str:
        """What it is at, in a word or two."""
        if self.fed is not None and self.fed.state in ENDED:
            return self.fed.state
        if self.asked.wanted == "cancel":
            return "cancelling"
        if self.asked.wanted == "pause":
            is_paused = self.fed is not None and self.fed.state == "paused"
            return "paused" if is_paused else "pausing"
        return "waiting" if self.fed is None else "running"

    @property
    def problem(self) -> str | None:
        """What keeps it from going on, or should; None for nothing that is known."""
        if not self.is_configured and self.is_under_way and self.state != "cancelling":
            return "is no source of the configuration, and may still be fed: end it with --cancel"
        if self.fed is not None and self.fed.problem is not None:
            return self.fed.problem
        if self.state not in {"waiting", "running", "cancelling"}:
            return None
        heard_of = datetime.fromisoformat(self.asked.at if self.fed is None else self.fed.at)
        slowest = timedelta(seconds=max(self.asked.forecast.slot_s, self.asked.forecast.direct_s))
        if self.now - heard_of > max(STANDS_STILL, slowest / dates_of(self.asked)):
            return f"nothing was fed since {heard_of:%Y-%m-%d %H:%M} UTC"
        return None

    @property
    def is_under_way(self) -> bool:
        """Whether it has not ended, though it may be paused."""
        return self.state not in ENDED

    @property
    def seconds_left(self) -> int | None:
        """How long it will take by the dates that are done; by the forecast, as long as few are.

        None where it has ended.
        """
        if not self.is_under_way:
            return None
        dates, forecast = dates_of(self.asked), self.asked.forecast
        foreseen_s = max(forecast.slot_s, forecast.direct_s) / dates
        fed = self.fed
        if fed is None:
            return ceil(foreseen_s * dates)
        recent = [foreseen_s, *fed.recent_s][-PACED_DATES:]
        pace_s = mean(recent)
        return ceil(max(pace_s * (dates - fed.dates) - min(fed.date_s, pace_s), 0))

    @property
    def ends_at(self) -> datetime | None:
        """When it will have ended; None where it has, or is paused."""
        if self.seconds_left is None or self.state in {"paused", "pausing"}:
            return None
        return self.now + timedelta(seconds=self.seconds_left)

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        fed = self.fed
        return {
            "profile": self.source.profile,
            "state": self.state,
            "first": self.asked.request.collect_from,
            "last": self.asked.request.collect_to,
            "log_groups": self.asked.request.only,
            "dates": dates_of(self.asked),
            "dates_done": 0 if fed is None else fed.dates,
            "date": None if fed is None else fed.date,
            "exports": 0 if fed is None else fed.exports,
            "estimated_bytes": 0 if fed is None else fed.estimated_bytes,
            "seconds_left": self.seconds_left,
            "ends_at": None if self.ends_at is None else timestamp(self.ends_at),
            "problem": self.problem,
            "by": self.asked.by,
            "at": self.asked.at,
        }


class Backfills:
    """The notes of a hub's backfills, with credentials of its account."""

    def __init__(self, session: "boto3.Session", config: Config) -> None:
        """Read and write them."""
        self._session, self._config = session, config
        self._s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)

    def sources(self) -> list[SourceName]:
        """Return the sources of the configuration, and then others that have had a backfill.

        Who was taken out of the configuration may still be fed.

        Raises:
            BackfillError: AWS refused.
        """
        found = map(self._whose, self._prefixes() - self._places)
        left = [each for each in found if each is not None]
        known = map(self._config.source_name, self._config.sources)
        return [*known, *sorted(left, key=lambda each: each.profile)]

    def find(self, source: SourceName, now: datetime) -> Backfill | None:
        """Return a source's newest backfill; None where there was none.

        Raises:
            BackfillError: AWS refused, or a note breaks its contract.
        """
        prefix = backfill_prefix(source)
        found = self._read(f"{prefix}{ASKED}", Asked)
        if found is None:
            return None
        fed = self._read(f"{prefix}{FED}", Fed)
        is_its = fed is not None and fed[0].id == found[0].id
        return Backfill(
            source=source,
            asked=found[0],
            fed=fed[0] if fed and is_its else None,
            now=now,
            is_configured=prefix in self._places,
        )

    def check_free(self, source: SourceName, now: datetime) -> None:
        """Make sure that no backfill of a source is under way.

        Raises:
            BackfillError: One is, or AWS refused.
        """
        there = self.find(source, now)
        if there is not None and there.is_under_way:
            first, last = there.asked.request.collect_from, there.asked.request.collect_to
            raise BackfillError(
                f"{source.profile}: the backfill of {first} to {last} is {there.state}: "
                "end it with --cancel, or wait for it"
            )

    def begin(self, begun: Begun, now: datetime) -> None:
        """Have a source's backfill begun.

        Raises:
            BackfillError: Another one is under way, or AWS refused.
        """
        source = self._config.source_name(begun.source)
        self.check_free(source, now)
        found = self._read(f"{backfill_prefix(source)}{ASKED}", Asked)
        asked = begun.asked.model_copy(update={"by": self._caller(), "at": timestamp(now)})
        self._write(source, asked, None if found is None else found[1])

    def want(self, source: SourceName, wanted: Wanted, now: datetime) -> Backfill:
        """Have a source's backfill paused, gone on with or ended, and return it.

        Raises:
            BackfillError: There is none that goes on, or AWS refused.
        """
        there = self.find(source, now)
        found = self._read(f"{backfill_prefix(source)}{ASKED}", Asked)
        if there is None or found is None or not there.is_under_way:
            raise BackfillError(f"{source.profile}: no backfill is under way")
        if there.asked.wanted == "cancel" and wanted != "cancel":
            raise BackfillError(f"{source.profile}: it is being cancelled: begin another one")
        update = {"wanted": wanted, "by": self._caller(), "at": timestamp(now)}
        asked = found[0].model_copy(update=update)
        self._write(source, asked, found[1])
        return replace(there, asked=asked)

    @property
    def _places(self) -> set[str]:
        """What the keys of the notes of the configuration's sources begin with."""
        return {backfill_prefix(self._config.source_name(each)) for each in self._config.sources}

    def _prefixes(self) -> set[str]:
        """Return what the keys of each account and Region's notes begin with."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._config.control_bucket, Prefix=BACKFILL
        )
        try:
            keys = [each["Key"] for page in pages for each in page.get("Contents", [])]
        except AWS_ERRORS as error:
            raise BackfillError(f"{BACKFILL}: {error}") from error
        return {key.removesuffix(ASKED) for key in keys if key.endswith(f"/{ASKED}")}

    def _whose(self, prefix: str) -> SourceName | None:
        """Return whose notes these are; where nobody can read them, by the account's id alone.

        None where nobody's are: what somebody has put there is no note.
        """
        try:
            found = self._read(f"{prefix}{ASKED}", Asked)
            return None if found is None else found[0].request.source.name
        except BackfillError:  # whoever looks for the backfill is told
            account_id, _, region = prefix.removeprefix(BACKFILL).rstrip("/").partition("/")
            with suppress(ValueError):
                return SourceName(profile=account_id, account_id=account_id, region=region)
            return None

    def _read[M: Message](self, key: str, message: type[M]) -> tuple[M, str] | None:
        """Return a note and its ETag; None where there is none."""
        try:
            found = self._s3.get_object(Bucket=self._config.control_bucket, Key=key)
            return parse(message, found["Body"].read()), found["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise BackfillError(f"{key}: {error}") from error
        except (*AWS_ERRORS, ContractError) as error:
            raise BackfillError(f"{key}: {error}") from error

    def _write(self, source: SourceName, asked: Asked, etag: str | None) -> None:
        condition: Any = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        key = f"{backfill_prefix(source)}{ASKED}"
        try:
            self._s3.put_object(
                Bucket=self._config.control_bucket,
                Key=key,
                Body=emit(asked).encode(),
                ContentType="application/json",
                **condition,
            )
        except AWS_ERRORS as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in OVERTAKEN:
                why = "somebody else has changed it meanwhile: look at it with --status"
                raise BackfillError(f"{source.profile}: {why}") from error
            raise BackfillError(f"{key}: {error}") from error

    def _caller(self) -> str:
        try:
            sts = self._session.client("sts", region_name=self._config.region, config=CLIENT_CONFIG)
            return sts.get_caller_identity()["Arn"]
        except AWS_ERRORS as error:
            raise BackfillError(f"no credentials: {error}") from error


def forecast(
    session: "boto3.Session",
    config: Config,
    source: SourceConfig,
    span: tuple[date, date],
    only: Sequence[str],
) -> Begun:
    """Return a source's backfill with what some of its dates say of all.

    The deployed planner tries these dates; nothing is asked for.

    Raises:
        BackfillError: The planner refused, or could not be asked.
    """
    sampled = sampled_dates(*span)
    found = [_tried(session, config, source, on, only) for on in sampled]
    dates = (span[1] - span[0]).days + 1

    def of_all(values: Sequence[int | None]) -> int:
        return ceil(mean(value or 0 for value in values) * dates)

    request = planning.plan_request(
        config,
        source.profile,
        first=str(span[0]),
        last=str(span[1]),
        only=only,
        dry_run=False,
    )
    return Begun(
        source=source,
        sampled=len(sampled),
        asked=Asked(
            id=uuid.uuid4().hex,
            request=request.data,
            wanted="run",
            by=planning.REQUESTER,
            at=request.time,
            forecast=Forecast(
                exports=of_all([each.requested for each in found]),
                estimated_bytes=of_all([each.estimated_bytes for each in found]),
                slot_s=of_all([each.forecast_slot_seconds for each in found]),
                direct_s=of_all([each.forecast_direct_seconds for each in found]),
            ),
        ),
    )


def sampled_dates(first: date, last: date) -> list[date]:
    """Return the dates by which a time is forecast: all of few, or its ends and its middle."""
    days = (last - first).days
    steps = range(min(days + 1, SAMPLED_DATES))
    return [first + timedelta(days=days * step // max(len(steps) - 1, 1)) for step in steps]


def dates_of(asked: Asked) -> int:
    """Return how many dates a backfill has."""
    first, last = (
        date.fromisoformat(on or "")
        for on in (asked.request.collect_from, asked.request.collect_to)
    )
    return (last - first).days + 1


def forecast_table(found: Sequence[Begun], now: datetime) -> "RenderableType":
    """Return what is to be agreed to: hours, dollars and the end."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("source", no_wrap=True)
    for name in ("dates", "exports", "GB", "slot h", "direct h", "dollars"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("ends (UTC)", no_wrap=True)
    for each in found:
        told = each.as_json()
        shown.add_row(
            each.source.profile,
            f"{told['dates']:,}",
            f"{told['exports']:,}",
            f"{told['estimated_bytes'] / 1e9:,.1f}",
            f"{told['slot_hours']:,.1f}",
            f"{told['direct_hours']:,.1f}",
            f"{told['dollars']:,.2f}",
            f"{now + timedelta(hours=each.hours):%Y-%m-%d %H:%M}",
        )
    return shown


def forecast_words(found: Sequence[Begun]) -> str:
    """Return what the table does not say."""
    longest_h = max((each.hours for each in found), default=0.0)
    dollars = sum(each.dollars for each in found) + longest_h * DOLLARS_PER_HOUR
    stored = sum(each.as_json()["dollars_a_month"] for each in found)
    sampled = max((each.sampled for each in found), default=0)
    return (
        f"About {dollars:,.2f} dollars in all, and {stored:,.2f} a month to store it in "
        f"STANDARD_IA; by {sampled} of each source's dates, as us-east-1 is priced.\n"
        "Hours are those of an account that has nothing else to do: daily work goes first."
    )


def status_table(found: Sequence[Backfill]) -> "RenderableType":
    """Return how far backfills are."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("source", "state", "first", "last"):
        shown.add_column(name, no_wrap=True)
    for name in ("dates done", "exports", "hours left"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("ends (UTC)", no_wrap=True)
    for each in found:
        request, fed = each.asked.request, each.fed
        left_s, ends_at = each.seconds_left, each.ends_at
        shown.add_row(
            each.source.profile,
            each.state,
            request.collect_from,
            request.collect_to,
            f"{0 if fed is None else fed.dates:,} of {dates_of(each.asked):,}",
            f"{0 if fed is None else fed.exports:,}",
            "" if left_s is None else f"{left_s / 3600:,.1f}",
            "" if ends_at is None else f"{ends_at:%Y-%m-%d %H:%M}",
        )
    return shown


def _tried(
    session: "boto3.Session",
    config: Config,
    source: SourceConfig,
    on: date,
    only: Sequence[str],
) -> PlanCompletedData:
    request = planning.plan_request(
        config, source.profile, first=str(on), last=str(on), only=only, dry_run=True
    )
    try:
        completed = planning.plan(session, config, request)
    except PlanError as error:
        raise BackfillError(f"{source.profile}, {on}: {error}") from error
    if completed is None:
        raise BackfillError(f"{source.profile}, {on}: the planner did not say what it comes to")
    return completed
