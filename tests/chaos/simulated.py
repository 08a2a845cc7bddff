"""A planner and an exporter on one ledger and one queue, in memory.

Both are the real handlers on the fakes of their own tests.
"""

import gzip
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

from services.exporter.tests.conftest import (
    DEDUPLICATION,
    FUNCTION_MS,
    START,
    Cloud,
    Job,
    Letter,
    export_request,
    group_of,
)
from services.planner.tests.fakes import World

from exporter import direct
from exporter.direct import Event
from exporter.errors import CallRefusedError
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_key import ledger_prefix, split_key, windows_of
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import stream_in_key
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from planner.cloud import DamagedRecord
from planner.errors import PlanRefusedError
from planner.wiring import Control, Messages, Wiring

ENDS = {"COMPLETED", "FAILED", "CANCELLED"}
NAME_IS_FREE_AFTER = timedelta(seconds=60)
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html"""
CALLS_OF_THE_QUEUE = {"queue.retention", "queue.send", "queue.send_to_the_tail"}
MOVES = {"queue.dead_letter", "queue.send_to_the_tail"}
"""While these cannot be called, no message that met an error can make room for others."""
DIRECT_LANE_MAX_BYTES = 60_000_000
"""A log group's day, of which the planner guesses 105 MB, is read in four parts."""
_SOURCE = export_request().source
_GROUPS = {_SOURCE.slot, _SOURCE.direct_slot}


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing after it happens."""


class Groups(Cloud):
    """The exporter's AWS, whose message groups do not wait for each other, as SQS has it.

    Attributes:
        broken: The call that AWS answers with an error; None for none.
        held: How long each message has been in others' way, without a task that ran meanwhile;
            one that goes to the tail is the same one.
    """

    def __init__(self) -> None:
        super().__init__(wait_in_invocation_s=2, direct_lane_max_bytes=DIRECT_LANE_MAX_BYTES)
        self.broken: str | None = None
        self.held: Counter[str] = Counter()
        self._came_back: dict[str, datetime] = {}
        self._origin: dict[str, str] = {}
        self._head: Letter | None = None
        self._there_from: dict[Lane, datetime] = {"slot": START, "direct": START}

    # -- the queues ---------------------------------------------------------------------------

    def has_queue(self, lane: Lane) -> bool:
        """Return whether a lane has its queue."""
        return self._there_from[lane] <= self.now

    def make_queue_again(self, lane: Lane) -> None:
        """Let somebody delete a lane's queue, and make it again as soon as SQS lets them."""
        self.purge(lane)
        self.sent.clear()
        self._there_from[lane] = self.now + NAME_IS_FREE_AFTER

    def purge(self, lane: Lane) -> None:
        """Let all messages of a lane be gone."""
        self.letters = [each for each in self.letters if _lane_of(each) != lane]

    @contextmanager
    def call(self, name: str) -> Iterator[None]:
        if name in CALLS_OF_THE_QUEUE and not self.has_queue("slot"):
            raise CallRefusedError("unknown_refusal", f"{name}: QueueDoesNotExist: There is none.")
        with super().call(name):
            yield

    def write(self) -> None:
        """Let tasks write what is looked into: the events of log groups that get some late."""
        known = len(self.archive)
        super().write()
        for version in self.archive[known:]:
            [job] = [each for each in self.jobs if f"/{each.task_id}/" in version.key]
            events = [event for page in self._pages_of(job) for event in page]
            streams = direct.lines(event for event in events if is_in(event, job.window))
            texts = {stream_in_key(name): text for name, text in streams.items()}
            if events:
                version.body = gzip.compress(texts.get(version.key.split("/")[-2], b""), mtime=0)

    def _pages_of(self, job: Job) -> list[list[Event]]:
        found = [name for name in self.pages if f"{name}/" in f"/{job.prefix}/"]
        return self.pages[found[0]] if found else []

    def enqueue(
        self, body: str, group_id: str = "", attributes: dict[str, str] | None = None
    ) -> None:
        super().enqueue(body, group_id, attributes)
        new = self.letters[-1].message_id
        is_same = self._head is not None and attributes is not None and "tries" in attributes
        self._origin[new] = self._origin[self._head.message_id] if is_same and self._head else new

    def turn(self, rng: random.Random | None = None) -> None:
        """Put a group's messages first: any, or that whose first comes back the earliest."""
        firsts = {letter.group_id: letter for letter in reversed(self.letters)}
        chosen = (
            rng.choice(list(firsts.values()))
            if rng is not None
            else min(firsts.values(), key=lambda letter: letter.visible_at)
        )
        self.letters.sort(key=lambda letter: letter.group_id != chosen.group_id)

    def deliver(self, batch_size: int = 1, remaining_ms: int = FUNCTION_MS) -> dict[str, Any]:
        self._head = head = self.letters[0]
        others = [each for each in self.letters if each.group_id != head.group_id]
        self.letters = [each for each in self.letters if each.group_id == head.group_id]
        is_in_the_way = any(self._could_go_on(each) for each in self.letters[1:])
        waits_from = self._came_back.pop(head.message_id, head.visible_at)
        begins = max([self.now, *(each.visible_at for each in self.letters)])
        waits_until = head.visible_at
        try:
            answer = super().deliver(batch_size, remaining_ms)
            if self.letters:
                self._came_back[self.letters[0].message_id] = self.now
        finally:
            self._head = None
            self.letters += others
        is_lane = head.group_id in _GROUPS  # a date's end is waited for by nobody else
        if is_lane and is_in_the_way and self.broken not in MOVES:
            spans = (waits_from, waits_until), (begins, self.now)
            idle = sum((self._without_a_task(*span) for span in spans), timedelta(0))
            self.held[self._origin[head.message_id]] += round(idle.total_seconds())
        return answer

    def works_on(self, name: str) -> bool:
        """Return whether it is a log group's export that is worked on."""
        return self._head is not None and f'"name":"{name}"' in self._head.body

    def _could_go_on(self, letter: Letter) -> bool:
        try:
            not_before = parse(ExportRequested, letter.body).data.not_before
        except ContractError:
            return True
        return not_before is None or datetime.fromisoformat(not_before) <= self.now

    def _without_a_task(self, since: datetime, until: datetime) -> timedelta:
        """Return for how long between two times no task was active, whoever's."""
        idle, at = timedelta(0), since
        for job in sorted(self.jobs, key=lambda job: job.created):
            idle += max(min(job.created, until) - at, timedelta(0))
            at = max(at, min(job.ends, until))
        return idle + max(until - at, timedelta(0))

    def active(self) -> list[Job]:
        """Return the tasks that are active, whoever's."""
        return [job for job in self.jobs if job.status(self.now) not in ENDS]

    def work_for(self, hours: int) -> None:
        """Deliver whatever comes, or comes back, within so many hours."""
        ends = self.now + timedelta(hours=hours)
        while self.letters:
            self.turn()
            if self.letters[0].visible_at > ends:
                break
            self.deliver()
        self.now = max(self.now, ends)


class SharedLedger:
    """The exporter's ledger as the planner reads and writes it."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.before_create: Callable[[], None] = lambda: None

    def is_empty(self, source: SourceName) -> bool:
        return not self.cloud.ledger

    def lacking(self, source: SourceName) -> int:
        return 0

    def known(self, source: SourceName, windows: Sequence[Window]) -> Iterator[tuple[Window, str]]:
        for window in windows:
            prefix = ledger_prefix(source, window)
            for key in sorted(key for key in self.cloud.ledger if key.startswith(prefix)):
                yield window, split_key(key)[1]

    def windows(self, source: SourceName, due: Sequence[Window]) -> list[Window]:
        return list(windows_of(sorted({split_key(key)[0] for key in self.cloud.ledger})))

    def take_over(self, record: LedgerRecord, mine: LedgerRecord) -> bool:
        if self.read_one(record.key) != record:
            return False
        self.cloud.put_record(mine)
        return True

    def read(self, keys: Iterable[str]) -> list[LedgerRecord | DamagedRecord | None]:
        return [self.read_one(key) for key in keys]

    def readable(self) -> list[LedgerRecord]:
        """Return all records that can be read."""
        read = [self.read_one(key) for key in self.cloud.ledger]
        return [record for record in read if isinstance(record, LedgerRecord)]

    def read_one(self, key: str) -> LedgerRecord | DamagedRecord | None:
        if key not in self.cloud.ledger:
            return None
        try:
            return parse(LedgerRecord, self.cloud.ledger[key][0])
        except ContractError as error:
            return DamagedRecord(str(error), is_later=False)

    def create(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord | DamagedRecord]:
        there: list[LedgerRecord | DamagedRecord] = []
        for record in records:
            self.before_create()
            if record.key not in self.cloud.ledger:
                self.cloud.put_record(record)
            there.append(self.read_one(record.key) or record)
        return there


class SharedQueues:
    """The exporter's queues as the planner sends to them; those of other profiles are others'."""

    def __init__(self, cloud: Groups, own: SourceName) -> None:
        self.cloud = cloud
        self.own = own

    def check(self, source: Source) -> None:
        if source.name != self.own:
            raise PlanRefusedError("profile", source.profile, f"of {source.slot} cannot be")

    def is_of(self, source: SourceName) -> bool:
        return self.cloud.has_queue("slot") if source == self.own else False

    def urls(self, source: Source, *, direct: bool) -> dict[Lane, str]:
        if not self.cloud.has_queue("slot"):
            raise PlanRefusedError("queue", "slot", "does not exist")
        is_direct = direct and self.cloud.has_queue("direct")
        return {"slot": "slot", "direct": "direct"} if is_direct else {"slot": "slot"}

    def send(
        self,
        queue_url: str,
        events: Sequence[ExportRequested | DayPlanned],
        *,
        again_by: str | None = None,
    ) -> None:
        for event in events:
            name = event.id if again_by is None else f"{event.id}-{again_by}"
            sent = self.cloud.sent.get(name)
            if sent is None or self.cloud.now - sent > DEDUPLICATION:
                self.cloud.sent[name] = self.cloud.now
                group_id = event.group if isinstance(event, DayPlanned) else group_of(event.data)
                self.cloud.enqueue(emit(event), group_id)


def is_in(event: Event, window: Window | None) -> bool:
    """Return whether a task of a window exports an event."""
    return window is None or window.from_ms <= event.timestamp_ms < window.to_ms


def _lane_of(letter: Letter) -> Lane:
    return "direct" if letter.group_id.endswith(".direct") else "slot"


class Disturbed:
    """A collaborator of the planner, whose calls may meet an error.

    Attributes:
        meet: Called before each call with its name, such as ``ledger.create``.
    """

    def __init__(self, own: Any, name: str, meet: Callable[[str], None]) -> None:
        self._own = own
        self._name = name
        self._meet = meet

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._own, name)
        if not callable(found):
            return found

        def call(*arguments: Any, **named: Any) -> Any:
            self._meet(f"{self._name}.{name}")
            answer = found(*arguments, **named)
            return Disturbed(answer, "account", self._meet) if name == "open" else answer

        return call


class Planner(World):
    """The planner's surroundings, whose calls may meet errors.

    Attributes:
        meet: Called before each call with its name, such as ``ledger.create``.
    """

    meet: Callable[[str], None] = staticmethod(lambda _call: None)

    def wiring(self) -> Wiring:
        plain = super().wiring()

        def disturbed(own: Any, name: str) -> Any:
            return Disturbed(own, name, self.meet)

        def all_of[T: (Control, Messages)](part: T) -> T:
            own = {field.name: getattr(part, field.name) for field in fields(part)}
            return replace(part, **{name: disturbed(each, name) for name, each in own.items()})

        return replace(
            plain,
            accounts=disturbed(plain.accounts, "accounts"),
            archive=disturbed(plain.archive, "archive"),
            control=all_of(plain.control),
            messages=all_of(plain.messages),
        )
