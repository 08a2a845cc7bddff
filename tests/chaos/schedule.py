"""One source, and a random row of what happens to it, in memory."""

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, Literal

from services.exporter.tests.conftest import Plan, export_request
from services.planner.tests.fakes import log_group
from tests.chaos import accidents, backfilled
from tests.chaos.accidents import Faults, Mistakes, request_for_date
from tests.chaos.backfilled import Backfill
from tests.chaos.recounted import Recounts, last_tries
from tests.chaos.simulated import (
    NAME_IS_FREE_AFTER,
    Groups,
    Killed,
    Planner,
    SharedLedger,
    SharedQueues,
)

from exporter.errors import TransientError
from logferry_contracts.addendum import split_manifest
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.window import Window
from planner.errors import AwsError

OUTCOMES = ("COMPLETED", "COMPLETED", "COMPLETED", "FAILED", "CANCELLED")
RUNNING_S = (*(0.1, 4.0, 300.0) * 6, 100_000.0)
"""How long tasks of a whole day take; more than a day has to be split."""
MOST_PLANS = 8
"""One a day, within which every window has to be in the archive: each is another try."""
KEYS = ("web-1/000000.gz", "web-2/000000.gz")
"""What a task writes of the log group that events come in late for."""
MOST_LOOKS = 8
"""What a look asks for, and a queue loses, is asked for again after 20 hours."""
LONGEST_HOLD = timedelta(hours=1)
"""For which errors of one export may keep the others waiting, a running task's time apart."""


class Schedule:
    """What happens, and what has to be true in the end.

    Attributes:
        names: The source's log groups; the last may take the direct lane.
        told: What has happened, to be read when a schedule fails.
    """

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.told: list[str] = []
        self.cloud = Groups()
        self.planner = Planner()
        self.own = export_request().source.name
        self.names = [f"/group/{number}" for number in range(rng.randint(1, 3))]
        for name in self.names:
            outcomes = rng.choices(OUTCOMES, k=rng.randint(0, 3))
            self.cloud.plans[name] = Plan(
                running_s=rng.choice(RUNNING_S),
                outcomes=(*outcomes, "COMPLETED"),
                keys=KEYS if name == self.names[-1] else Plan.keys,
            )
        self._share()
        self.mistakes = Mistakes(rng, self.cloud, self.names, self._run)
        self.faults = Faults(rng, self.cloud, self.planner, self.names)
        self.recounts = Recounts(rng, self.cloud, self.names[-1])
        self.backfill = Backfill(rng, self.cloud, self.planner)

    def _share(self) -> None:
        planner, cloud = self.planner, self.cloud
        self.ledger = SharedLedger(cloud)
        planner.now = cloud.now
        planner.others_ledger = self.ledger
        planner.others_queues = SharedQueues(cloud, self.own)
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
        plans = [*(self.plan,) * 3, *(self.feed,) * 2, self.backfill.pause_or_resume]
        for _ in range(steps):
            self.step([*self.mistakes.all(), *self.faults.all(), *plans])
        self.come_to_rest()
        queues = [self.mistakes.purge_a_queue, self.mistakes.make_a_queue_again]
        for _ in range(steps):
            self.step([*queues, *(self.recounts.wait,) * 3])
        self.look_for_the_last_time()

    def step(self, happenings: Sequence[Callable[[], str]]) -> None:
        """Do one thing at random, of some or of what goes on all the time."""
        late = [*(self.recounts.let_an_agent_come_back,) * 2, *(self.recounts.count_again,) * 3]
        usual = [*(self.deliver,) * 10, *late, self.recounts.damage_a_note]
        happening = self.rng.choice([*usual, *happenings])
        self.told.append(f"{happening.__name__} {happening()}".rstrip())

    def deliver(self) -> str:
        """Deliver messages, to an exporter that may be killed or throttled at one of its calls."""
        if self.cloud.letters:
            self.cloud.turn(self.rng)
            self.cloud.crash = self._fault()
            with suppress(Killed, TransientError):
                self.cloud.deliver(self.rng.randint(1, 2))
            self.cloud.crash = lambda _number, _side: False
        return ""

    def plan(self) -> str:
        """Plan the date again, perhaps by a planner that is killed or throttled."""
        with self._planner_may_end():
            self._run(request_for_date())
        return ""

    def feed(self) -> str:
        """Let a backfill of the date before be fed, perhaps by such a planner."""
        with self._planner_may_end():
            self.backfill.feed()
        return self.backfill.state

    @contextmanager
    def _planner_may_end(self) -> Iterator[None]:
        if self.rng.random() < 0.3:
            calls = itertools.count()
            ends_at = self.rng.randint(0, len(self.names))
            how = self.rng.choice([Killed(), AwsError("PutObject", "it", "SlowDown", "Wait.")])

            def end() -> None:
                if next(calls) == ends_at:
                    raise how

            self.ledger.before_create = end
        with suppress(Killed):
            yield
        self.ledger.before_create = lambda: None

    def _run(self, request: dict[str, Any]) -> None:
        """Run a plan as far as it comes: Lambda's own tries of it are the next plans here."""
        self.planner.now = self.cloud.now
        self.planner.continuations.sent.clear()
        with suppress(AwsError):
            self.planner.run_to_the_end(request)

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

    # -- the end ------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Mend what is refused, and do what operators do: plan the date, until it has ended.

        The date before is asked for by a backfill, as often, and planned as well: what a queue has
        lost after its date was told, a plan by date alone sends again.
        """
        self.faults.mend()
        self.cloud.now += NAME_IS_FREE_AFTER
        self.cloud.dead_letters.clear()
        for _ in range(MOST_PLANS):
            for date in (backfilled.DATE, accidents.DATE):
                self._run(request_for_date(date=date))
            self.backfill.begin()
            self.backfill.feed_to_the_end()
            if not list(self.problems()):
                return

    def look_for_the_last_time(self) -> None:
        """Let the recounter's last look come, and what it asks for; a day has bytes for it."""
        self.cloud.now = max(self.cloud.now + NAME_IS_FREE_AFTER, self.recounts.last_look)
        self.recounts.is_calm = True
        for _ in range(MOST_LOOKS):
            self.recounts.count_again()
            self.cloud.work_for(hours=7)

    def problems(self) -> Iterator[str]:
        """Yield what is not as it has to be once it has come to rest."""
        for name in self.names:
            for window in (self.recounts.window, self.backfill.window):
                yield from self._of_log_group(name, window)
        if self.backfill.state != "completed":
            yield f"the backfill is {self.backfill.state}"
        if not self.cloud.day_events():
            yield "the date was not announced"
        for letter in self.cloud.dead_letters:
            if letter.reason == "day_not_ended":
                yield f"the date did not end: {letter.detail}"
        for event in self.cloud.failed_events():
            if not event.data.reason:
                yield f"{event.id} failed without a reason"
        yield from self._of_waiting()

    def late_problems(self) -> Iterator[str]:
        """Yield what is not as it has to be after the recounter's last look."""
        yield from self.problems()
        yield from self.recounts.problems()

    def _of_waiting(self) -> Iterator[str]:
        for message_id, held_s in self.cloud.held.items():
            if timedelta(seconds=held_s) > LONGEST_HOLD:
                yield f"{message_id} was in others' way for {held_s} s"

    def _of_log_group(self, name: str, date: Window) -> Iterator[str]:
        found = last_tries(self.ledger.readable(), name, date)
        if not _is_whole([(each.window.from_ms, each.window.to_ms) for each in found], date):
            yield f"{name}: of {date} there are records of {[each.window for each in found]}"
        for last in found:
            if last.source != self.own:
                yield f"{name}: is left to {last.source.profile}"
            yield from self._of_last(last)

    def _of_last(self, record: LedgerRecord) -> Iterator[str]:
        if record.completed is None:
            yield f"{record.log_group.name} ends {record.state} for {record.failed}"
            return
        own, _ = split_manifest(record.export_id, record.completed.manifest)
        keys = {each.key for each in own.objects or []}
        jobs = [job for job in self.cloud.jobs if any(f"/{job.task_id}/" in key for key in keys)]
        of_tasks = {f"{job.prefix}/{job.task_id}/{key}" for job in jobs for key in job.keys}
        edges = [(job.window.from_ms, job.window.to_ms) for job in jobs if job.window]
        if record.submitted is not None:
            if keys != of_tasks or not _is_whole(edges, record.window):
                yield f"{record.export_id}: {len(keys)} objects, of {jobs}"
        else:  # wholly read directly, or in parts some of which a task has taken over
            yield from self._of_read(record, keys - of_tasks, edges)
        told = [each for each in self.cloud.completed_events() if each.id == record.export_id]
        if not told or record.completed.published_at is None:
            yield f"{record.export_id} is completed, and announced {len(told)} times"

    def _of_read(
        self, record: LedgerRecord, keys: set[str], of_tasks: list[tuple[int, int]]
    ) -> Iterator[str]:
        """Yield what is wrong with what was read directly, by whoever has read at the events' time.

        They are at the start of the date, which is the end of the date before, and read with it,
        but where that was read in parts.
        """
        at, window = self.recounts.window.from_ms, record.window
        read = {window.from_ms} if record.split else {window.from_ms, window.to_ms}
        is_read = at in read - {edge for part in of_tasks for edge in part}
        if {key.split("/")[-2] for key in keys} != ({"web-1", "web-2"} if is_read else set()):
            yield f"{record.export_id}: read directly, and only {keys}, and {of_tasks} by tasks"


def _is_whole(parts: list[tuple[int, int]], window: Window) -> bool:
    """Return whether parts follow each other from a window's start to its end."""
    ordered = sorted(parts)
    starts, ends = [start for start, _ in ordered], [end for _, end in ordered]
    return starts == [window.from_ms, *ends[:-1]] and ends[-1:] == [window.to_ms]
