"""The story of a log group's date, by all that the ledger's versions still have of its exports."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeGuard

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config, SourceConfig
from logferry.errors import ExplainError
from logferry.explain_logs import Around, Logged
from logferry.explain_looks import Look, Looks
from logferry.explain_tasks import Tasks
from logferry.typed import typed
from logferry.ways_out import AGAIN, GONE, LATE, WAYS_BACK, is_gone, not_over
from logferry_contracts.export import export_ids
from logferry_contracts.export_failed import LOST
from logferry_contracts.ledger_key import LACKING_NOTES, ledger_key, ledger_prefix
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import is_open, untold
from logferry_contracts.recount import Recounted
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from logferry_contracts.zones import zone_named
from logferry_ledger.counts import IN_ARCHIVE, UNDER_WAY
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger, date_of, in_utc
from logferry_ledger.plans_and_seals import Notes

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectVersionTypeDef

UNTOLD = "Its exporter has not announced all of it. If that stays so, ask for its date again."
_WHY = "services/recounter/README.md, What is counted, and by what"
_COPY = "services/recounter/README.md, Where they differ"


@dataclass(frozen=True, kw_only=True)
class Version:
    """A version of a ledger record.

    Attributes:
        at: When it was written.
        told: What it says that the one before did not.
    """

    at: datetime
    told: list[str]


@dataclass(frozen=True, kw_only=True)
class Try:
    """A try of an export, or a half of one.

    Attributes:
        versions: Those that S3 still has, oldest first.
        record: As it is now; None where that is damaged or gone.
        recount: What CloudWatch Logs itself counted of it; None where nobody has.
        looks: What later looks have found, in their order.
        logged: What its exporters have logged of it.
        waiting: How many requests wait in its lane while it is under way; None where it is not, or
            where that is not known.
        task: What CloudWatch Logs says of its export task now; None where it has had none.
    """

    key: str
    versions: list[Version]
    record: LedgerRecord | None
    recount: Recounted | None = None
    looks: Sequence[Look] = ()
    logged: Sequence[Logged] = ()
    waiting: int | None = None
    task: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        record = self.record
        return {
            "key": self.key,
            "versions": [{"at": timestamp(each.at), "told": each.told} for each in self.versions],
            "record": None if record is None else record.model_dump(by_alias=True, mode="json"),
            "recount": None if self.recount is None else self.recount.model_dump(mode="json"),
            "looks": {each.days: each.said.model_dump(mode="json") for each in self.looks},
            "late": {each.days: each.late.as_json() for each in self.looks if each.late},
            "logged": [each.as_json() for each in self.logged],
            "waiting": self.waiting,
            "task": self.task,
        }


@dataclass(frozen=True, kw_only=True)
class Story:
    """What became of a log group's date.

    Attributes:
        tries: Of each window that starts on it, oldest first, halves after their wholes.
        lacking: The windows of which a seal says that CloudWatch Logs has more events.
        to_do: In words.
        commands: The next ones.
    """

    profile: str
    log_group: str
    on: date
    time_zone: str
    tries: list[Try]
    lacking: list[Window]
    to_do: str
    commands: list[str]

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "profile": self.profile,
            "log_group": self.log_group,
            "date": str(self.on),
            "time_zone": self.time_zone,
            "tries": [each.as_json() for each in self.tries],
            "lacking": [each.model_dump() for each in self.lacking],
            "to_do": self.to_do,
            "commands": self.commands,
        }

    def lines(self) -> Iterator[str]:
        """Yield it for people."""
        yield f"{self.profile}  {self.log_group}  {self.on} ({self.time_zone})"
        for each in self.tries:
            yield ""
            yield from _lines(each)
        for window in self.lacking:
            yield f"{in_utc(window)} UTC: CloudWatch has more events than the archive"
        yield ""
        yield f"To do: {self.to_do}"
        yield from (f"  $ {command}" for command in self.commands)


def explain(  # noqa: PLR0913  (what is asked about)
    session: "boto3.Session",
    config: Config,
    source: SourceConfig,
    log_group: str,
    on: date,
    *,
    file: str,
    now: datetime,
) -> Story:
    """Return the story of a log group's date.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        source: Of the configuration.
        log_group: Its whole name.
        on: The date on which its windows start, in the source's time zone.
        file: The configuration's, as it was typed.
        now: Aware. What was asked for ``gap_hours`` before is under way for too long.

    Raises:
        ExplainError: AWS refused; names what.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    around, tasks = Around(session, config, source), Tasks(session, config, source)
    looks = Looks(s3, config.control_bucket, config.source_name(source))
    reading = _Reading(s3, Ledger(s3, config.control_bucket), around, tasks, looks)
    time_zone = config.time_zone_of(source)
    try:
        tries = list(reading.tries(config, source, log_group, on))
        noted = Notes(s3, config.control_bucket).of_seals(LACKING_NOTES, config.source_name(source))
    except AWS_ERRORS as error:
        raise ExplainError(f"{source.profile}: {error}") from error
    windows = {each.record.window for each in tries if each.record is not None}
    lacking = [
        each.window for each in noted if each.log_group == log_group and each.window in windows
    ]
    to_do, commands = _next(tries, now - timedelta(hours=config.observability.gap_hours))
    if not tries and (waits := not_over(on, zone_named(time_zone), now)) is not None:
        to_do, commands = waits, []
    if lacking and commands == ["fetch"]:
        to_do = f"Keep a copy of what CloudWatch has: {_COPY}."
    asked = {
        "plan": ["plan", file, "--profile", source.profile, "--from", str(on), "--to", str(on)],
        "waive": [
            *("waive", file, "--profile", source.profile, "--log-group", log_group),
            *("--date", str(on), "--reason", "WHY"),
        ],
        "fetch": [
            *("fetch", file, "--profile", source.profile, "--log-group", log_group),
            *("--from", str(on), "--to", str(on), "-o", "FILE"),
        ],
        "status": ["status", file, "--profile", source.profile],
    }
    return Story(
        profile=source.profile,
        log_group=log_group,
        on=on,
        time_zone=time_zone,
        tries=tries,
        lacking=lacking,
        to_do=to_do,
        commands=[typed(*asked[each]) for each in commands],
    )


def date_of_export(
    session: "boto3.Session", config: Config, source: SourceConfig, event_id: str
) -> tuple[str, date] | None:
    """Return the log group and the date of an export; None where it is none of the source's.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        source: Of the configuration.
        event_id: Of the export, or of an event that tells of it.

    Raises:
        ExplainError: AWS refused, or the export's record is damaged; names what.
    """
    s3 = session.client("s3", region_name=config.region, config=CLIENT_CONFIG)
    ledger = Ledger(s3, config.control_bucket)
    try:
        key = ledger.key_of(config.source_name(source), event_id.removesuffix(LOST))
        record = None if key is None else ledger.read(key)
    except (*AWS_ERRORS, LedgerError) as error:
        raise ExplainError(f"{source.profile}: {error}") from error
    if record is None:
        return None
    return record.log_group.name, date_of(record.window, zone_named(config.time_zone_of(source)))


@dataclass(frozen=True)
class _Reading:
    """Reads versions of ledger records."""

    s3: "S3Client"
    ledger: Ledger
    around: Around
    tasks: Tasks
    looks: Looks

    def tries(
        self, config: Config, source: SourceConfig, log_group: str, on: date
    ) -> Iterator[Try]:
        """Yield the tries of a log group's windows that start on a date, each with its halves."""
        name, zone = config.source_name(source), zone_named(config.time_zone_of(source))
        told: set[str] = set()
        windows = self.ledger.windows_on(name, zone, on, on)
        # Wholes before their halves.
        for window in sorted(windows, key=lambda each: (each.from_ms, -each.to_ms)):
            for key in self._keys(name, log_group, window):
                found = None if key in told else self._try(key)
                if found is None:
                    continue
                told.add(key)
                yield found
                for half in self._halves(found, told):
                    told.add(half.key)
                    yield half

    def _keys(self, source: SourceName, log_group: str, window: Window) -> list[str]:
        """Return the keys of the tries of a window of which there ever was a record, in order."""
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.ledger.bucket, Prefix=ledger_prefix(source, window)
        )
        there = {each["Key"] for page in pages for each in page.get("Versions", [])}
        keys = (ledger_key(source, window, id_) for id_ in export_ids(source, log_group, window))
        return [key for key in keys if key in there]

    def _halves(self, found: Try, told: set[str]) -> Iterator[Try]:
        if found.record is None or found.record.split is None:
            return
        for half in found.record.split.halves:
            key = ledger_key(found.record.source, half.window, half.export_id)
            each = None if key in told else self._try(key)
            if each is not None:
                yield each
                yield from self._halves(each, told)

    def _try(self, key: str) -> Try | None:
        """Return what there is of a record; None where there never was one."""
        pages = self.s3.get_paginator("list_object_versions").paginate(
            Bucket=self.ledger.bucket, Prefix=key
        )
        # A copy that somebody has made beside it has a key that begins like its own.
        listed = [each for page in pages for each in page.get("Versions", []) if each["Key"] == key]
        read = [(each, self._version(key, each["VersionId"])) for each in listed]
        versions: list[Version] = []
        before: list[str] = []
        record: LedgerRecord | None = None
        for each, record in sorted(read, key=_in_order):
            facts = ["damaged"] if record is None else _facts(record)
            new = [fact for fact in facts if fact not in before] or ["written anew"]
            versions.append(Version(at=each["LastModified"], told=new))
            before = facts
        if not versions:
            return None
        is_there = any(each["IsLatest"] for each in listed)
        submitted = None if record is None else record.submitted
        return Try(
            key=key,
            versions=versions,
            record=record if is_there else None,
            recount=self.looks.first(key),
            looks=self.looks.later(key, record if is_there else None),
            logged=[] if record is None else self.around.logged(record),
            waiting=self.around.waiting(record) if _is_under_way(record) else None,
            task=None if submitted is None else self.tasks.told(submitted.task_id),
        )

    def _version(self, key: str, version_id: str) -> LedgerRecord | None:
        found = self.s3.get_object(Bucket=self.ledger.bucket, Key=key, VersionId=version_id)
        try:
            return parse(LedgerRecord, found["Body"].read())
        except ContractError:
            return None


def _in_order(read: tuple["ObjectVersionTypeDef", LedgerRecord | None]) -> tuple[Any, ...]:
    """Return what versions are sorted by: S3 tells times to the second, and many come in one."""
    listed, record = read
    revision = 0 if record is None else record.revision
    return listed["IsLatest"], listed["LastModified"], revision


def _is_under_way(record: LedgerRecord | None) -> TypeGuard[LedgerRecord]:
    return record is not None and record.state in UNDER_WAY


def _facts(record: LedgerRecord) -> list[str]:
    """Return what a record says, in the order in which it comes to say it."""
    facts = [f"requested, for the {record.lane} lane"]
    if record.offered is not None and record.offered.taken_at is not None:
        facts.append(f"taken by the {record.lane} lane")
    if record.submitted is not None:
        facts.append(f"export task {record.submitted.task_id}")
    if record.split is not None:
        facts.append("its window given to two halves")
    if record.completed is not None:
        manifest = record.completed.manifest
        objects = f"{manifest.object_count:,} object{'' if manifest.object_count == 1 else 's'}"
        size = f"{objects}, {manifest.total_bytes:,} bytes"
        facts.append(f"in the archive: {size}")
        facts += ["announced"] if record.completed.published_at is not None else []
    facts += ["encrypted and held"] if record.secured is not None else []
    facts += [f"skipped: {record.skipped.reason}"] if record.skipped is not None else []
    return [*facts, *_failure(record), *_answers(record)]


def _failure(record: LedgerRecord) -> Iterator[str]:
    if record.failed is not None:
        yield f"failed: {record.failed.reason}: {record.failed.message}"
        if record.failed.next_export_id is not None:
            yield f"asked for again: {record.failed.next_export_id}"
        if record.failed.published_at is not None:
            yield "the failure announced"


def _answers(record: LedgerRecord) -> Iterator[str]:
    if record.waived is not None:
        yield f"waived by {record.waived.by}: {record.waived.reason}"
    if record.disposed is not None:
        yield f"disposed of by {record.disposed.by}: {record.disposed.reason}"


def _next(tries: Sequence[Try], late_before: datetime) -> tuple[str, list[str]]:
    """Return what a person does next, in words, and with which commands.

    Args:
        tries: Of all windows of the date.
        late_before: What was asked for before and has not ended is under way for too long.
    """
    if not tries:
        return "The ledger has nothing of it. Ask for it.", ["plan"]
    if any(each.record is None for each in tries):
        return f"A record is damaged, or gone: {WAYS_BACK}.", []
    last: dict[tuple[int, int], LedgerRecord] = {}
    for each in tries:
        if each.record is not None and each.record.parent_export_id is None:
            last[each.record.window.from_ms, each.record.window.to_ms] = each.record
    records = last.values()
    missed = [each for each in records if is_open(each) or untold(each)]
    if missed:
        return _next_of(missed, late_before)
    if any(each.state in IN_ARCHIVE and each.disposed is None for each in records):
        return "Nothing: it is in the archive.", ["fetch"]
    return "Nothing: nobody misses it.", []


def _next_of(missed: Sequence[LedgerRecord], late_before: datetime) -> tuple[str, list[str]]:
    """Return the same of the windows that are not wholly there, the worst of them first."""
    failed = [each for each in missed if each.state == "failed"]
    if failed:
        return (GONE, ["waive"]) if all(map(is_gone, failed)) else (AGAIN, ["plan", "waive"])
    not_ended = filter(is_open, missed)
    if any(datetime.fromisoformat(each.requested_at) < late_before for each in not_ended):
        return LATE, ["plan"]
    if any(each.state in UNDER_WAY for each in missed):
        return "Wait until it has ended.", ["status"]
    return UNTOLD, ["plan"]


def _lines(told: Try) -> Iterator[str]:
    record = told.record
    if record is None:
        yield f"{told.key}: damaged, or removed"
    else:
        what = "half of " + record.parent_export_id if record.parent_export_id else "export"
        yield f"{in_utc(record.window)} UTC, try {record.generation}"
        yield f"{what} {record.export_id}: {record.state}"
    for each in told.versions:
        first, *more = each.told
        yield f"  {each.at:%Y-%m-%d %H:%M:%S}  {first}"
        yield from (f"  {'':19}  {fact}" for fact in more)
    if told.waiting is not None:
        yield f"  {told.waiting:,} requests wait in its lane"
    if told.task is not None:
        yield f"  its task, as AWS has it now: {told.task}"
    yield from (f"  log {each}" for each in told.logged)
    if (said := told.recount) is not None:
        yield f"  {datetime.fromisoformat(said.at):%Y-%m-%d %H:%M:%S}  {_counted(said)}"
    for look in told.looks:
        found = f"looked at again after {look.days} days: {_counted(look.said)}"
        yield f"  {datetime.fromisoformat(look.said.at):%Y-%m-%d %H:%M:%S}  {found}"
        yield from (f"  {'':19}  {line}" for line in (look.late.lines() if look.late else ()))


def _counted(said: Recounted) -> str:
    if said.events is None:
        return f"not counted in CloudWatch: {said.reason} ({_WHY})"
    return f"counted in CloudWatch ({said.by}): {said.events:,} events"
