"""A planner and an exporter on one ledger and one queue, in memory, and people who make mistakes.

Both are the real handlers on the fakes of their own tests.
"""

import itertools
import json
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Literal

from services.exporter.tests.conftest import (
    DEDUPLICATION,
    FUNCTION_MS,
    Cloud,
    Job,
    Plan,
    export_request,
    group_of,
)
from services.planner.tests.fakes import World, log_group, plan_request

from exporter.errors import CallRefusedError, TransientError
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_key import ledger_prefix, split_key, windows_of
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse
from planner.cloud import DamagedRecord

DATE = "2026-11-21"
OUTCOMES = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "CANCELLED")
RUNNING_S = (*(0.1, 4.0, 300.0) * 6, 100_000.0)
"""How long tasks of a whole day take; more than a day has to be split."""
REFUSALS = (
    ("bucket_policy", "GetBucketAcl call failed"),
    ("access_denied", "CreateExportTask: AccessDeniedException"),
)
OPERATIONS = (
    "archive.objects",
    "archive.put",
    "ledger.read",
    "ledger.submitted",
    "ledger.completed",
    "logs.create_task",
    "logs.events",
    "logs.newest_tasks",
    "logs.task",
    "queue.dead_letter",
    "topic.publish",
)
"""As the exporter's fakes call them."""
ENDS = {"COMPLETED", "FAILED", "CANCELLED"}
MOST_PLANS = 8
"""One a day, within which every window has to be in the archive: each is another try."""


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing after it happens."""


class Groups(Cloud):
    """The exporter's AWS, whose message groups do not wait for each other, as SQS has it."""

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
        group_id = self.letters[0].group_id
        others = [letter for letter in self.letters if letter.group_id != group_id]
        self.letters = [letter for letter in self.letters if letter.group_id == group_id]
        try:
            return super().deliver(batch_size, remaining_ms)
        finally:
            self.letters += others

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

    def known(self, source: SourceName, windows: Sequence[Window]) -> Iterator[tuple[Window, str]]:
        for window in windows:
            prefix = ledger_prefix(source, window)
            for key in sorted(key for key in self.cloud.ledger if key.startswith(prefix)):
                yield window, split_key(key)[1]

    def windows(self, source: SourceName, due: Sequence[Window]) -> list[Window]:
        return list(windows_of(sorted({split_key(key)[0] for key in self.cloud.ledger})))

    def read(self, keys: Iterable[str]) -> list[LedgerRecord | DamagedRecord | None]:
        return [self.read_one(key) for key in keys]

    def read_one(self, key: str) -> LedgerRecord | DamagedRecord | None:
        if key not in self.cloud.ledger:
            return None
        try:
            return parse(LedgerRecord, self.cloud.ledger[key][0])
        except ContractError as error:
            return DamagedRecord(str(error), is_later=False)

    def take_over(self, record: LedgerRecord, mine: LedgerRecord) -> bool:
        """There is no other profile."""
        raise NotImplementedError(f"{record.key} by {mine.source}")

    def create(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord | DamagedRecord]:
        there: list[LedgerRecord | DamagedRecord] = []
        for record in records:
            self.before_create()
            if record.key not in self.cloud.ledger:
                self.cloud.put_record(record)
            there.append(self.read_one(record.key) or record)
        return there


class SharedQueues:
    """The exporter's queues as the planner sends to them."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud

    def check(self, source: Source) -> None:
        """They are its own."""

    def is_of(self, source: SourceName) -> bool:
        """Whosever it is, it says so."""
        return True

    def urls(self, source: Source, *, direct: bool) -> dict[Lane, str]:
        return {"slot": "slot", "direct": "direct"} if direct else {"slot": "slot"}

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
                is_day = isinstance(event, DayPlanned)
                self.cloud.enqueue(emit(event), event.group if is_day else group_of(event.data))


class Schedule:
    """One source, and a random row of what happens to it.

    Attributes:
        names: Its log groups; the last may take the direct lane.
        told: What has happened, to be read when a schedule fails.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.told: list[str] = []
        self.cloud = Groups(wait_in_invocation_s=2)
        self.planner = World()
        self.names = [f"/group/{number}" for number in range(rng.randint(1, 3))]
        for name in self.names:
            outcomes = rng.choices(OUTCOMES, k=rng.randint(0, 3))
            self.cloud.plans[name] = Plan(
                running_s=rng.choice(RUNNING_S),
                outcomes=(*outcomes, "COMPLETED"),
            )
        self._share()

    def _share(self) -> None:
        planner, cloud = self.planner, self.cloud
        self.ledger = SharedLedger(cloud)
        planner.now = cloud.now
        planner.others_ledger = self.ledger
        planner.others_queues = SharedQueues(cloud)
        cloud.on_closed_day = planner.day_notes.close
        planner.account.groups = [
            log_group(
                name,
                log_group_class="STANDARD" if name == self.names[-1] else "INFREQUENT_ACCESS",
            )
            for name in self.names
        ]

    # -- what happens -------------------------------------------------------------------------

    def run(self, steps: int) -> None:
        """Let so many things happen, and then come to rest."""
        for _ in range(steps):
            self.step()
        self.come_to_rest()

    def step(self) -> None:
        """Do one thing at random; deliveries and plans are most of it."""
        happening = self.rng.choice(
            [
                *(self.deliver,) * 8,
                *(self.plan,) * 2,
                self.purge_a_queue,
                self.delete_a_record,
                self.damage_a_record,
                self.falsify_a_record,
                self.remove_an_object,
                self.refuse,
                self.break_an_operation,
                self.mend,
                self.put_dead_letters_back,
                self.send_again,
                self.use_the_slot,
                self.lose_the_task,
                self.wait,
            ]
        )
        self.told.append(happening.__name__)
        happening()

    def deliver(self) -> None:
        if self.cloud.letters:
            self.cloud.turn(self.rng)
            self.cloud.crash = self._fault()
            with suppress(Killed, TransientError):
                self.cloud.deliver(self.rng.randint(1, 2))
            self.cloud.crash = lambda _number, _side: False

    def plan(self) -> None:
        """Plan the date again, perhaps by a planner that dies."""
        if self.rng.random() < 0.3:
            calls = itertools.count()
            dies_at = self.rng.randint(0, len(self.names))
            self.ledger.before_create = lambda: self._die(next(calls) == dies_at)
        self.planner.now = self.cloud.now
        with suppress(Killed):
            self.planner.run_to_the_end(self._request())
        self.ledger.before_create = lambda: None

    def purge_a_queue(self) -> None:
        is_direct = self.rng.random() < 0.3
        self.cloud.letters = [
            letter
            for letter in self.cloud.letters
            if letter.group_id.endswith(".direct") != is_direct
        ]

    def delete_a_record(self) -> None:
        """A person takes an export's record out of the ledger."""
        if self.cloud.ledger:
            del self.cloud.ledger[self.rng.choice(sorted(self.cloud.ledger))]

    def damage_a_record(self) -> None:
        """A person cuts off a record."""
        if self.cloud.ledger:
            key = self.rng.choice(sorted(self.cloud.ledger))
            body, etag = self.cloud.ledger[key]
            self.cloud.ledger[key] = (body[: self.rng.randint(0, len(body) // 2)], f"{etag}-cut")

    def falsify_a_record(self) -> None:
        """A person writes over a record that its export was completed, without objects."""
        requested = [each for each in self.records() if each.state == "requested"]
        if requested:
            record = self.rng.choice(requested)
            manifest = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])
            completed = Completed(at=timestamp(self.cloud.now), manifest=manifest)
            self.cloud.put_record(record.as_completed(completed))

    def remove_an_object(self) -> None:
        """A person deletes an object that is in no manifest yet; a delete marker is over it."""
        named = {
            each.key
            for record in self.records()
            if record.completed is not None
            for each in record.completed.manifest.objects or []
        }
        unnamed = [version for version in self.cloud.archive if version.key not in named]
        if unnamed:
            self.rng.choice(unnamed).is_hidden = True

    def refuse(self) -> None:
        """A person changes a policy, so that AWS refuses a log group's export."""
        self.cloud.plans[self.rng.choice(self.names)].refusal = self.rng.choice(REFUSALS)

    def break_an_operation(self) -> None:
        """From now on AWS answers an operation with an error, a passing one or an invented one."""
        broken = self.rng.choice(OPERATIONS)
        invented = CallRefusedError("unknown_refusal", f"{broken}: InventedException: No.")
        error = self.rng.choice([TransientError("busy"), invented])

        def fail(operation: str) -> None:
            if operation == broken:
                raise error

        self.cloud.interrupt = fail

    def mend(self) -> None:
        self.cloud.interrupt = lambda _name: None
        for plan in self.cloud.plans.values():
            plan.refusal = None

    def put_dead_letters_back(self) -> None:
        self.cloud.redrive()

    def send_again(self) -> None:
        if self.cloud.letters:
            letter = self.rng.choice(self.cloud.letters)
            self.cloud.enqueue(letter.body, letter.group_id)

    def use_the_slot(self) -> None:
        if not self.active():
            self.cloud.start_job(running_s=self.rng.choice([1.0, 300.0]))

    def lose_the_task(self) -> None:
        for job in self.active():
            job.is_lost = job.name is not None

    def wait(self) -> None:
        self.cloud.now += timedelta(seconds=self.rng.choice([1, 60, 3600]))

    # -- the end ------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Mend what is refused, and do what operators do: plan the date, until it has ended."""
        self.mend()
        self.cloud.dead_letters.clear()
        for _ in range(MOST_PLANS):
            self.planner.now = self.cloud.now
            self.planner.run_to_the_end(self._request())
            self.cloud.work_for(hours=24)
            if not list(self.problems()):
                return

    def problems(self) -> Iterator[str]:
        """Yield what is not as it has to be once it has come to rest."""
        for name in self.names:
            tries = sorted(
                (each for each in self.records() if _is_whole_export(each, name)),
                key=lambda record: record.generation,
            )
            if not tries:
                yield f"{name}: in no record"
                continue
            yield from self._of_last(tries[-1])
        if not self.cloud.day_events():
            yield "the date was not announced"
        for letter in self.cloud.dead_letters:
            if letter.reason == "day_not_ended":
                yield f"the date did not end: {letter.detail}"
        for event in self.cloud.events:
            if event.type.startswith("logferry.export.failed") and not event.data.reason:
                yield f"{event.id} failed without a reason"

    def _of_last(self, record: LedgerRecord) -> Iterator[str]:
        if record.completed is None:
            yield f"{record.log_group.name} ends {record.state} for {record.failed}"
            return
        keys = {each.key for each in record.completed.manifest.objects or []}
        if record.submitted is not None:
            jobs = [
                job for job in self.cloud.jobs if any(f"/{job.task_id}/" in key for key in keys)
            ]
            whole = {f"{job.prefix}/{job.task_id}/{key}" for job in jobs for key in job.keys}
            edges = [(job.window.from_ms, job.window.to_ms) for job in jobs if job.window]
            if keys != whole or not _is_whole(edges, record.window):
                yield f"{record.export_id}: {len(keys)} objects, of {jobs}"
        elif {key.split("/")[-2] for key in keys} != {"web-1", "web-2"}:
            yield f"{record.export_id}: read directly, and only {keys}"
        told = [each for each in self.cloud.completed_events() if each.id == record.export_id]
        if not told or record.completed.published_at is None:
            yield f"{record.export_id} is completed, and announced {len(told)} times"

    # -- how it is done -----------------------------------------------------------------------

    def records(self) -> list[LedgerRecord]:
        """Return the records that can be read."""
        read = [self.ledger.read_one(key) for key in self.cloud.ledger]
        return [record for record in read if isinstance(record, LedgerRecord)]

    def active(self) -> list[Job]:
        now = self.cloud.now
        return [job for job in self.cloud.jobs if job.status(now) not in ENDS]

    def _request(self) -> dict[str, Any]:
        source = export_request().source
        return plan_request(
            source=json.loads(source.model_dump_json(exclude_none=True)), collect_date=DATE
        )

    def _fault(self) -> Callable[[int, Literal["before", "after", "lost"]], bool]:
        """Let something happen at one call of the next delivery, or nothing."""
        number = len(self.cloud.calls) + self.rng.randint(1, 12)
        what = self.rng.choice(["nothing", "killed", "throttled", "lost", "killed after"])

        def at(call: int, side: str) -> bool:
            if call == number:
                match what, side:
                    case ("killed", "before") | ("killed after", "after"):
                        raise Killed
                    case ("throttled", "before") | ("lost", "after"):
                        raise TransientError(what)
            return False

        return at

    def _die(self, now: bool) -> None:  # noqa: FBT001  (a condition)
        if now:
            raise Killed


def _is_whole_export(record: LedgerRecord, name: str) -> bool:
    """Return whether a record is of a log group, and no half: those count with their whole."""
    return record.log_group.name == name and record.parent_export_id is None


def _is_whole(parts: list[tuple[int, int]], window: Window) -> bool:
    """Return whether parts follow each other from a window's start to its end."""
    ordered = sorted(parts)
    starts, ends = [start for start, _ in ordered], [end for _, end in ordered]
    return starts == [window.from_ms, *ends[:-1]] and ends[-1:] == [window.to_ms]
