"""Hundreds of schedules of what can go wrong, one on top of the other, and what holds all the same.

Each schedule is a few exports and a row of deliveries, at any of whose AWS calls the process dies,
AWS throttles, an answer is lost or the same message is worked on a second time, while tasks fail,
take long, are lost, and others use the slot. Then the queue is worked off in peace.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from exporter.errors import TransientError
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Job, Plan

SCHEDULES, ALL_SCHEDULES = 40, 500
STEPS = 5
ENDS = {"COMPLETED", "FAILED", "CANCELLED"}


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing after it happens."""


class Fault(NamedTuple):
    """Something that happens at one call of a delivery."""

    call: int
    what: Literal["killed", "throttled", "answer lost", "killed after", "delivered again"]


faults = st.none() | st.builds(
    Fault,
    st.integers(1, 12),
    st.sampled_from(["killed", "throttled", "answer lost", "killed after", "delivered again"]),
)
outcomes = st.lists(st.sampled_from(["COMPLETED", "FAILED", "CANCELLED"]), max_size=3)
running_s = st.sampled_from([0.1, 1.0, 4.0, 20.0, 300.0])


class Schedules(RuleBasedStateMachine):
    """Random deliveries to the exporter's handler, and the end that they must come to."""

    def __init__(
        self,
        new_cloud: Callable[..., "Cloud"],
        plan: type["Plan"],
        request_for: Callable[..., ExportRequestedData],
    ) -> None:
        super().__init__()
        self.cloud = new_cloud(wait_in_invocation_s=2)
        self.plan = plan
        self.request_for = request_for
        self.worked_on_at_once = 0

    @initialize(
        tries=st.lists(st.tuples(outcomes, running_s), min_size=1, max_size=3),
        lane=st.sampled_from(["slot", "direct"]),
    )
    def request(
        self, tries: list[tuple[list[str], float]], lane: Literal["slot", "direct"]
    ) -> None:
        """The last of the exports takes either lane."""
        for number, (outcomes, running_s) in enumerate(tries):
            name = f"/group/{number}"
            self.cloud.plans[name] = self.plan(
                running_s=running_s, outcomes=(*outcomes, "COMPLETED")
            )
            is_last = number + 1 == len(tries)
            self.cloud.request(self.request_for(name, lane=lane if is_last else "slot"))

    # -- what happens -------------------------------------------------------------------------

    @precondition(lambda self: self.cloud.letters)
    @rule(fault=faults, batch_size=st.integers(1, 2), is_warm=st.booleans())
    def deliver(self, fault: Fault | None, batch_size: int, is_warm: bool) -> None:  # noqa: FBT001
        """In the same environment as the last time, or in a new one."""
        self.cloud.warm = (self.cloud.warm if is_warm else None) or self.cloud.wiring()
        # A message that cannot even be given back comes back all the same, some time later.
        with self.armed(fault), suppress(TransientError):
            try:
                self.cloud.deliver(batch_size)
            except Killed:
                self.cloud.warm = None

    @precondition(lambda self: self.cloud.letters)
    @rule()
    def send_the_first_message_again(self) -> None:
        self.cloud.enqueue(self.cloud.letters[0].body, self.cloud.letters[0].group_id)

    @precondition(lambda self: self.cloud.dead_letters)
    @rule()
    def put_dead_letters_back(self) -> None:
        self.cloud.redrive()

    @precondition(lambda self: self.active() == [])
    @rule(running_s=running_s)
    def somebody_else_starts_a_task(self, running_s: float) -> None:
        self.cloud.start_job(running_s=running_s)

    @precondition(lambda self: self.active() and self.active()[0].name)
    @rule()
    def lose_the_active_task(self) -> None:
        """It is in no list any more, and goes on all the same."""
        self.active()[0].is_lost = True

    @precondition(lambda self: self.active())
    @rule()
    def wait_for_the_active_task(self) -> None:
        self.cloud.now = self.active()[0].ends

    # -- what holds at any time ---------------------------------------------------------------

    @invariant()
    def one_task_at_most_is_active(self) -> None:
        assert len(self.active()) <= 1

    @invariant()
    def what_is_announced_is_in_the_archive(self) -> None:
        there = {version.version_id for version in self.cloud.archive}
        for event in self.cloud.completed_events():
            assert {each.version_id for each in event.data.manifest.objects or []} <= there

    # -- what holds at the end ----------------------------------------------------------------

    def teardown(self) -> None:
        # As few deliveries as can be: each costs more of the test's time than a look does.
        self.cloud.warm = None
        self.cloud.settings = replace(self.cloud.settings, wait_in_invocation_s=100)  # type: ignore[arg-type]
        self.cloud.run()
        records = {record.export_id: record for record in self.cloud.records()}
        for record in records.values():
            self.check_has_ended(record, records)
            self.check_archive(record)
        self.check_each_window_is_archived_once(list(records.values()))
        self.check_events(records)

    def check_has_ended(self, record: LedgerRecord, records: dict[str, LedgerRecord]) -> None:
        outcome = record.completed or record.failed
        assert outcome is not None
        assert outcome.published_at is not None
        if record.failed is not None:
            assert record.failed.reason
            next_id = record.failed.next_export_id
            assert next_id is None or next_id in records

    def check_archive(self, record: LedgerRecord) -> None:
        """A completed export has all that its task wrote; a failed one has left nothing."""
        if record.submitted is None:
            return
        [job] = [job for job in self.cloud.jobs if job.task_id == record.submitted.task_id]
        folder = f"{job.prefix}/{job.task_id}/"
        archived = {version.key for version in self.cloud.archive if folder in version.key}
        if record.completed is not None:
            assert job.outcome == "COMPLETED"
            assert archived == {f"{folder}{key}" for key in job.keys}
            assert archived == {each.key for each in record.completed.manifest.objects or []}
        elif not job.is_lost:
            assert archived == set()

    def check_each_window_is_archived_once(self, records: list[LedgerRecord]) -> None:
        tries: defaultdict[str, list[LedgerRecord]] = defaultdict(list)
        for record in records:
            tries[record.log_group.name].append(record)
        for of_window in tries.values():
            completed = [record for record in of_window if record.completed is not None]
            last = max(of_window, key=lambda record: record.generation)
            assert completed in ([], [last])
        known = {record.submitted.task_id for record in records if record.submitted is not None}
        ours = {job.task_id for job in self.cloud.jobs if job.name is not None and not job.is_lost}
        assert len(ours - known) <= self.worked_on_at_once, "a task that no record knows"

    def check_events(self, records: dict[str, LedgerRecord]) -> None:
        """An event may come twice, and is the same then; one event id per export and end."""
        texts: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        for event in self.cloud.events:
            texts[event.type.split(".")[2], event.id].add(event.model_dump_json())
        assert set(texts) == {(record.state, record.export_id) for record in records.values()}
        assert all(len(versions) == 1 for versions in texts.values())

    # -- how it is done -----------------------------------------------------------------------

    def active(self) -> list["Job"]:
        now = self.cloud.now
        return [job for job in self.cloud.jobs if job.status(now) not in ENDS]

    @contextmanager
    def armed(self, fault: Fault | None) -> Iterator[None]:
        """Let a fault happen at a call of the next delivery, counted from now."""
        first = len(self.cloud.calls)
        [letter, *_] = self.cloud.letters

        def at(number: int, side: Literal["before", "after"]) -> bool:
            if fault is None or number != first + fault.call:
                return False
            match side, fault.what:
                case ("before", "killed") | ("after", "killed after"):
                    raise Killed
                case ("before", "throttled") | ("after", "answer lost"):
                    raise TransientError(fault.what)
                case ("before", "delivered again"):
                    # Each may make a task: AWS has no token against a second one.
                    self.worked_on_at_once += 1
                    self.cloud.crash = lambda _number, _side: False
                    self.cloud.invoke([letter])
            return False

        self.cloud.crash = at  # type: ignore[assignment]
        yield
        self.cloud.crash = lambda _number, _side: False


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize(
    "schedules", [SCHEDULES, pytest.param(ALL_SCHEDULES, marks=pytest.mark.deep)]
)
def test_whatever_goes_wrong_every_export_ends_archived_once_and_announced_or_failed_with_a_reason(
    new_cloud: Callable[..., "Cloud"],
    plan: type["Plan"],
    request_for: Callable[..., ExportRequestedData],
    schedules: int,
) -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        lambda: Schedules(new_cloud, plan, request_for),  # type: ignore[arg-type]
        settings=settings(
            max_examples=schedules,
            stateful_step_count=STEPS,
            derandomize=True,
            database=None,
        ),
    )
