"""Everything that is AWS, in memory, and a clock that only these calls move."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from logferry_contracts.backfill import Asked, Fed
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.execution_variables import QueueOptions
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_key import (
    inventories_from,
    inventory_key,
    ledger_prefix,
    split_key,
    windows_of,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.open_exports import whole_key
from logferry_contracts.plan_completed import InfrastructureChange, PlanCompleted
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.plan_request import TagFilter
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from planner.cloud import DamagedRecord, ExportQueues, NoteThere, UnreadableLogGroup
from planner.cloud import Ledger as AnyLedger
from planner.errors import LedgerUnreadableError, PlanRefusedError
from planner.handler import handle
from planner.retention import RetentionPolicy
from planner.settings import Settings
from planner.wiring import Control, Messages, Wiring

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
ENVIRONMENT = {
    "AWS_REGION": "ap-northeast-2",
    "CONTROL_BUCKET": "acme-log-control",
    "TOPIC_ARN": "arn:aws:sns:ap-northeast-2:999999999999:log-export-events",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.ap-northeast-2.amazonaws.com/999999999999/dlq",
    "EXTERNAL_ID": "acme-1",
    "LOOKBACK_DAYS": "1",
}
MANY = 1_000_000
"""Events that came in, where a test does not say."""


def log_group(name: str, **values: object) -> LogGroup:
    return LogGroup.model_validate(
        {
            "name": name,
            "arn": f"arn:aws:logs:ap-northeast-2:111111111111:log-group:{name}",
            "log_group_class": "STANDARD",
            "created_ms": 0,
            **values,
        }
    )


def plan_request(**changes: Any) -> dict[str, Any]:
    data: dict[str, Any] = {
        "source": {
            "profile": "dev",
            "account_id": "111111111111",
            "region": "eu-west-1",
            "role_arn": "arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole",
        },
        "bucket": "acme-log-archive",
        "window_rule": {"unit": "day", "time_zone": "Europe/Berlin"},
    }
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:acme:schedule",
        "type": "logferry.plan.requested.v1",
        "time": "2026-11-23T06:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:logferry:schema:plan-request:1.1",
        "data": data | changes,
    }


@dataclass
class Account:
    """A source's account.

    Attributes:
        incoming: What metrics know, by log group; None knows nothing of it.
        eventful: The log groups that FilterLogEvents finds events in.
    """

    groups: Iterable[LogGroup | UnreadableLogGroup] = field(
        default_factory=lambda: [log_group("/app/a"), log_group("/app/b")]
    )
    incoming: Mapping[str, int | None] = field(default_factory=dict)
    incoming_otherwise: int | None = MANY
    eventful: frozenset[str] = frozenset()
    tagged_arns: frozenset[str] = frozenset()
    error: Exception | None = None
    opened: list[Source] = field(default_factory=list)
    tag_filters: list[Sequence[TagFilter]] = field(default_factory=list)
    sweeps: int = 0
    metric_questions: list[tuple[list[str], datetime, datetime]] = field(default_factory=list)
    looked_into: list[tuple[str, Window]] = field(default_factory=list)
    policies: tuple[RetentionPolicy, ...] = ()
    spend: Callable[[float], None] = lambda _seconds: None

    def open(self, source: Source) -> "Account":
        self.opened.append(source)
        if self.error:
            raise self.error
        return self

    def leave(self) -> None:
        """Nobody shares the calls with this one."""

    def log_groups(self) -> Iterator[LogGroup | UnreadableLogGroup]:
        self.sweeps += 1
        yield from self.groups

    def tagged(self, tag_filters: Sequence[TagFilter]) -> frozenset[str]:
        self.tag_filters.append(tag_filters)
        return self.tagged_arns

    def incoming_log_events(
        self, names: Iterable[str], since: datetime, until: datetime
    ) -> dict[str, int]:
        asked = list(names)
        self.metric_questions.append((asked, since, until))
        known = {name: self.incoming.get(name, self.incoming_otherwise) for name in asked}
        return {name: count for name, count in known.items() if count is not None}

    def retention_policies(self) -> tuple[RetentionPolicy, ...]:
        return self.policies

    def has_events(self, log_group: LogGroup, window: Window) -> bool:
        self.looked_into.append((log_group.name, window))
        self.spend(0.05)
        return log_group.name in self.eventful


@dataclass
class Infrastructure:
    changes: list[InfrastructureChange] = field(default_factory=list)
    asked: list[QueueOptions] = field(default_factory=list)
    error: Exception | None = None

    def ensure(self, source: Source, options: QueueOptions) -> list[InfrastructureChange]:
        self.asked.append(options)
        if self.error:
            raise self.error
        return self.changes


@dataclass
class Archive:
    error: Exception | None = None

    def check(self, bucket: str, region: str) -> None:
        if self.error:
            raise self.error


@dataclass
class Ledger:
    objects: dict[str, LedgerRecord] = field(default_factory=dict)
    before_create: Callable[[LedgerRecord], None] = lambda _record: None
    creates: int = 0
    reads: int = 0
    spend: Callable[[float], None] = lambda _seconds: None
    lacks: int = 0

    def lacking(self, source: SourceName) -> int:
        return self.lacks

    def known(self, source: SourceName, windows: Sequence[Window]) -> Iterator[tuple[Window, str]]:
        prefixes = {ledger_prefix(source, window): window for window in windows}
        for key in sorted(self.objects):
            prefix, export_id = split_key(key)
            if prefix in prefixes:
                yield prefixes[prefix], export_id

    def is_empty(self, source: SourceName) -> bool:
        return not self.objects

    def windows(self, source: SourceName, due: Sequence[Window]) -> list[Window]:
        return list(windows_of(sorted({split_key(key)[0] for key in self.objects})))

    def read(self, keys: Iterable[str]) -> list[LedgerRecord | DamagedRecord | None]:
        found: list[LedgerRecord | DamagedRecord | None] = [self.objects.get(key) for key in keys]
        self.reads += len(found)
        return found

    def take_over(self, record: LedgerRecord, mine: LedgerRecord) -> bool:
        self.before_create(mine)
        if self.objects.get(record.key) != record:
            return False
        self.objects[mine.key] = mine
        return True

    def create(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord | DamagedRecord]:
        there: list[LedgerRecord | DamagedRecord] = []
        for record in records:
            self.creates += 1
            self.spend(0.002)
            self.before_create(record)
            there.append(self.objects.setdefault(record.key, record))
        return there


@dataclass
class Outbox:
    clock: Callable[[], datetime]
    there: dict[str, tuple[list[str], datetime]] = field(default_factory=dict)
    written: int = 0

    def put(self, source: SourceName, keys: Sequence[str]) -> str:
        self.written += 1
        name = f"outbox/{self.written}"
        self.there[name] = (list(keys), self.clock())
        return name

    def notes(self, source: SourceName) -> list[NoteThere]:
        return [NoteThere(name, written_at) for name, (_, written_at) in self.there.items()]

    def read(self, key: str) -> list[str]:
        return self.there.get(key, ([], None))[0]

    def remove(self, key: str) -> None:
        self.there.pop(key, None)


@dataclass
class DayNotes:
    clock: Callable[[], datetime]
    notes: dict[str, tuple[str, datetime]] = field(default_factory=dict)

    def put(self, planned: DayPlanned, *, is_sent: bool = False) -> None:
        name = f"days/{planned.id}{'.sent' if is_sent else ''}.json"
        self.notes[name] = (emit(planned), self.clock())

    def there(self, source: SourceName) -> list[NoteThere]:
        return [NoteThere(key, written_at) for key, (_, written_at) in self.notes.items()]

    def read(self, key: str) -> DayPlanned | None:
        try:
            return parse(DayPlanned, self.notes[key][0]) if key in self.notes else None
        except ContractError as error:
            raise LedgerUnreadableError(f"{key} is {error}", b"") from error

    def remove(self, key: str) -> None:
        self.notes.pop(key, None)

    def close(self, planned: DayPlanned) -> None:
        """Do what the exporter does once it has told the date's end."""
        self.remove(f"days/{planned.id}.sent.json")


@dataclass
class PartNotes:
    windows: set[Window] = field(default_factory=set)

    def put(self, source: SourceName, windows: Iterable[Window]) -> None:
        self.windows.update(windows)

    def there(self, source: SourceName) -> list[Window]:
        return sorted(self.windows, key=lambda each: each.from_ms)

    def remove(self, source: SourceName, windows: Iterable[Window]) -> None:
        self.windows.difference_update(windows)


@dataclass
class OpenNotes:
    notes: dict[str, datetime] = field(default_factory=dict)

    def there(self, source: SourceName) -> list[NoteThere]:
        return [NoteThere(key, written_at) for key, written_at in sorted(self.notes.items())]

    def mark_whole(self, source: SourceName) -> None:
        self.notes[whole_key(source)] = NOW

    def remove(self, key: str) -> None:
        del self.notes[key]


@dataclass
class Backfills:
    """One source's, and what is written there; ``before_write`` may break it off."""

    wanted: Asked | None = None
    now: Fed | None = None
    writes: int = 0
    before_write: Callable[[Fed], None] = lambda _fed: None

    def there(self) -> list[str]:
        return [] if self.wanted is None else ["backfill/111111111111/eu-west-1/"]

    def asked(self, prefix: str) -> Asked | None:
        return self.wanted

    def fed(self, prefix: str) -> tuple[Fed, str] | None:
        return None if self.now is None else (self.now, str(self.writes))

    def write(self, prefix: str, fed: Fed, etag: str | None) -> bool:
        self.before_write(fed)
        if etag != (None if self.now is None else str(self.writes)):
            return False
        self.now = parse(Fed, emit(fed))
        self.writes += 1
        return True


@dataclass
class Files:
    there: dict[str, bytes] = field(default_factory=dict)
    bucket: str = "acme-log-control"

    def put(self, path: Path, key: str) -> None:
        self.there[key] = path.read_bytes()

    def get(self, key: str, path: Path) -> bool:
        if key not in self.there:
            return False
        path.write_bytes(self.there[key])
        return True

    def remove(self, key: str) -> None:
        self.there.pop(key, None)


@dataclass
class Inventories:
    there: dict[str, bytes] = field(default_factory=dict)
    before_put: Callable[[], None] = lambda: None

    def is_there(self, source: SourceName, plan_id: str, *, since_ms: int) -> bool:
        since = inventories_from(source, since_ms)
        return any(key > since and key.endswith(f"-{plan_id}.jsonl") for key in self.there)

    def put(self, path: Path, source: SourceName, plan_id: str, *, planned_at_ms: int) -> None:
        self.before_put()
        self.there[inventory_key(source, planned_at_ms, plan_id)] = path.read_bytes()


@dataclass
class Queues:
    sent: list[ExportRequested] = field(default_factory=list)
    days: list[DayPlanned] = field(default_factory=list)
    days_to: set[str] = field(default_factory=set)
    again: list[str] = field(default_factory=list)
    by_queue: dict[str, list[str]] = field(default_factory=dict)
    missing: bool = False
    owner: str | None = None
    is_others: bool | None = False
    has_direct_lane: bool = False
    before_send: Callable[[Sequence[ExportRequested]], None] = lambda _events: None
    before_days: Callable[[Sequence[DayPlanned]], None] = lambda _events: None

    def check(self, source: Source) -> None:
        if self.owner is not None and self.owner != source.slot:
            raise PlanRefusedError("profile", source.profile, f"is of {self.owner}")

    def is_of(self, source: SourceName) -> bool | None:
        return self.is_others

    def urls(self, source: Source, *, direct: bool) -> dict[Lane, str]:
        if self.missing:
            raise PlanRefusedError("queue", source.queue_name, "does not exist")
        urls: dict[Lane, str] = {"slot": source.queue_name}
        if direct and self.has_direct_lane:
            urls["direct"] = source.direct_queue_name
        return urls

    def send(
        self,
        queue_url: str,
        events: Sequence[ExportRequested | DayPlanned],
        *,
        again_by: str | None = None,
    ) -> None:
        self.again += [event.id for event in events if again_by is not None]
        days = [event for event in events if isinstance(event, DayPlanned)]
        if days:
            self.before_days(days)
            self.days += [parse(DayPlanned, emit(event)) for event in days]
            self.days_to.add(queue_url)
            return
        self._send(queue_url, [event for event in events if isinstance(event, ExportRequested)])

    def _send(self, queue_url: str, events: Sequence[ExportRequested]) -> None:
        self.before_send(events)
        self.sent += [parse(ExportRequested, emit(event)) for event in events]
        names = [event.data.log_group.name for event in events]
        self.by_queue.setdefault(queue_url, []).extend(names)


@dataclass
class Continuations:
    sent: list[dict[str, Any]] = field(default_factory=list)
    error: Exception | None = None

    def send(self, function_arn: str, event: PlanContinued) -> None:
        if self.error:
            raise self.error
        assert function_arn == Context.invoked_function_arn
        self.sent.append(json.loads(emit(event)))


@dataclass
class Topic:
    published: list[PlanCompleted] = field(default_factory=list)

    def publish(self, event: PlanCompleted) -> None:
        self.published.append(parse(PlanCompleted, emit(event)))


@dataclass
class DeadLetters:
    letters: list[dict[str, str]] = field(default_factory=list)
    error: Exception | None = None

    def put(self, body: str, *, reason: str, detail: str) -> None:
        if self.error:
            raise self.error
        self.letters.append({"body": body, "reason": reason, "detail": detail})


@dataclass(frozen=True)
class Context:
    """What Lambda says about an invocation."""

    remaining_ms: Callable[[], int]
    aws_request_id: str = "request-1"
    function_name: str = "logferry-planner"
    memory_limit_in_mb: int = 256
    invoked_function_arn: str = "arn:aws:lambda:ap-northeast-2:999999999999:function:x"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining_ms()


class World:
    """The planner's surroundings. Invocations have as much time as ``timeout_s``.

    Attributes:
        at_pause: What happens while the planner waits.
        pauses: How many times as long it waits as it asks for.
        others_ledger: What is used instead of ``ledger``, if anything.
        others_queues: What is used instead of ``queues``, if anything.
    """

    def __init__(self, **settings: str) -> None:
        self.settings = Settings.from_env(ENVIRONMENT | settings)
        self.now = NOW
        self.timeout_s = 900.0
        self.account = Account(spend=self.spend)
        self.infrastructure = Infrastructure()
        self.archive = Archive()
        self.ledger = Ledger(spend=self.spend)
        self.outbox = Outbox(lambda: self.now)
        self.day_notes = DayNotes(lambda: self.now)
        self.part_notes = PartNotes()
        self.open_notes = OpenNotes()
        self.files = Files()
        self.inventories = Inventories()
        self.backfills = Backfills()
        self.at_pause: Callable[[], None] = lambda: None
        self.pauses = 1
        self.queues = Queues()
        self.others_ledger: AnyLedger | None = None
        self.others_queues: ExportQueues | None = None
        self.continuations = Continuations()
        self.topic = Topic()
        self.dead_letters = DeadLetters()

    def worklists(self) -> list[str]:
        """Return the keys of what plans have put away, and of dry runs' lists."""
        return [key for key in self.files.there if "/looked-through/" not in key]

    def spend(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def wiring(self) -> Wiring:
        return Wiring(
            settings=self.settings,
            accounts=self.account,
            infrastructure=self.infrastructure,
            archive=self.archive,
            control=Control(
                ledger=self.others_ledger or self.ledger,
                outbox=self.outbox,
                day_notes=self.day_notes,
                part_notes=self.part_notes,
                open_notes=self.open_notes,
                files=self.files,
                inventories=self.inventories,
                backfills=self.backfills,
            ),
            messages=Messages(
                queues=self.others_queues or self.queues,
                topic=self.topic,
                continuations=self.continuations,
                dead_letters=self.dead_letters,
            ),
            clock=lambda: self.now,
            pause=self.pause,
        )

    def pause(self, seconds: float) -> None:
        self.spend(seconds * self.pauses)
        self.at_pause()

    def run(self, event: Any, *, request_id: str = "request-1") -> dict[str, Any]:
        """Invoke the planner once."""
        ends_at = self.now + timedelta(seconds=self.timeout_s)
        context = Context(
            lambda: round((ends_at - self.now) / timedelta(milliseconds=1)), request_id
        )
        answer: dict[str, Any] = handle(event, cast("Any", context))
        return answer

    def run_to_the_end(self, event: Any) -> dict[str, Any]:
        """Invoke the planner, and then itself for as long as it asks for it."""
        answer = self.run(event)
        while self.continuations.sent:
            answer = self.run(self.continuations.sent.pop(0))
        return answer

    def record(self, name: str) -> LedgerRecord:
        """Return the newest record of a log group."""
        there = self.ledger.objects.values()
        return [each for each in there if each.log_group.name == name][-1]

    @property
    def sent_groups(self) -> list[str]:
        return [event.data.log_group.name for event in self.queues.sent]
