"""A plan from its request to its PlanCompleted, in as many invocations as it needs."""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from logferry_contracts.execution_variables import QueueOptions
from logferry_contracts.export import Lane
from logferry_contracts.inventory import EXCLUDED, SELECTED, UNREADABLE, ListedLogGroup
from logferry_contracts.message import epoch_ms, from_epoch_ms, timestamp
from logferry_contracts.plan_completed import (
    InfrastructureChange,
    PlanCompleted,
    PlanCompletedData,
    PlannedLocation,
    RetentionCliff,
)
from logferry_contracts.plan_continued import PlanContinued, PlanContinuedData, PlanFile
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_contracts.zones import ZONE_DATA
from planner.asking import Asking
from planner.asking_again import AskingAgain
from planner.cloud import SourceAccount, UnreadableLogGroup
from planner.days import Days
from planner.errors import PlanRefusedError
from planner.open_notes import Tidying
from planner.plan import PLANNER_URN, Plan, run_id
from planner.recorded import recorded_windows
from planner.requesting import Requesting
from planner.retention import RetentionPolicy, shortening
from planner.selection import is_selected
from planner.summary import summarize
from planner.telemetry import logger, report, report_overdue
from planner.windows import (
    as_recorded,
    day_of,
    due_windows,
    is_explicit,
    not_too_many,
    overdue,
    settle_of,
    zone_named,
)
from planner.wiring import Invocation, Wiring
from planner.worklist.file import Worklist
from planner.worklist.scope import FoundLogGroup

TRIED_WITHIN = timedelta(hours=7)
"""Lambda tries an invocation again for six hours at most, and each runs for 15 minutes.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
"""
RESERVE_MS = 120_000
"""What an invocation keeps back: a step takes some ten seconds, or a minute where every log group
has to be looked into, and the worklist has to be put away."""
MAX_PARTS = 200
"""Of one plan. Each part takes it forward, so that only a plan without end has so many."""
ANSWER_BYTES = 5_000_000
"""Of a dry run's list: an invocation's answer may have 6 MB.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


def begin(
    wiring: Wiring,
    request: PlanRequestData,
    queue_options: QueueOptions | None,
    invocation: Invocation,
) -> dict[str, Any]:
    """Plan every due window of a source, as far as the invocation's time goes.

    All that can be refused is looked at before anything is sent.

    Returns:
        PlanCompleted, or ``{"status": "continued", "run_id": ..., "part": 2}``.

    Raises:
        PlanRefusedError: The request has to be mended by a person.
    """
    source, now = request.source, wiring.clock()
    due = due_windows(
        request,
        now=now,
        default_settle=wiring.settings.settle,
        default_lookback_days=wiring.settings.lookback_days,
    )
    if account_id(source.role_arn) != source.account_id:
        raise PlanRefusedError("role_arn", source.role_arn, f"is not in {source.account_id}")
    wiring.messages.queues.check(source)
    wiring.archive.check(request.bucket, source.region)
    recorded = recorded_windows(wiring.control.ledger, source.name, due)
    settled_ms = epoch_ms(now - settle_of(request, default=wiring.settings.settle))
    settled = [each for each in as_recorded(due, recorded) if each.to_ms <= settled_ms]
    windows = not_too_many(request, settled)
    run = _Run(
        wiring=wiring,
        invocation=invocation,
        has_time=_timer(invocation),
        request=request,
        planned_at=datetime.fromisoformat(timestamp(now)),
        id=run_id(source, windows, invocation.request_id),
        part=1,
        account=wiring.accounts.open(source),
        changes=wiring.infrastructure.ensure(source, queue_options) if queue_options else [],
        recorded=recorded,
    )
    queue_urls = run.queue_urls()
    with _file() as path, closing(Worklist(path, source)) as worklist:
        zone = zone_named(request.window_rule.time_zone)
        worklist.scope.add_windows((window, day_of(window, zone)) for window in windows)
        worklist.scope.add_log_groups(run.log_groups())
        run.keep_inventory(worklist)
        run.narrow(worklist)
        return run.work(worklist, queue_urls)


def go_on(wiring: Wiring, continued: PlanContinuedData, invocation: Invocation) -> dict[str, Any]:
    """Go on with a plan; the answer is as that of `begin`.

    Returns:
        Also ``{"status": "done_already", ...}``, when another delivery of the same event has done
        this part of the plan.

    Raises:
        PlanRefusedError: The plan has too many parts, or is of a profile that is another source's.
    """
    source = continued.request.source
    with _file() as path:
        if not wiring.control.files.get(continued.worklist.key, path):
            logger.warning("this part of the plan has been done", worklist=continued.worklist.key)
            return {"status": "done_already", "run_id": continued.run_id, "part": continued.part}
        wiring.messages.queues.check(source)
        with closing(Worklist(path, source)) as worklist:
            run = _Run(
                wiring=wiring,
                invocation=invocation,
                has_time=_timer(invocation),
                request=continued.request,
                planned_at=datetime.fromisoformat(continued.planned_at),
                id=continued.run_id,
                part=continued.part,
                account=wiring.accounts.open(source),
                changes=continued.infrastructure_changes or [],
                recorded=recorded_windows(
                    wiring.control.ledger, source.name, worklist.scope.windows
                ),
            )
            return run.work(worklist, run.queue_urls())


@dataclass(frozen=True, kw_only=True)
class _Run:
    """One invocation's part of a plan."""

    wiring: Wiring
    invocation: Invocation
    has_time: Callable[[], bool]
    request: PlanRequestData
    planned_at: datetime
    id: str
    part: int
    account: SourceAccount
    changes: list[InfrastructureChange]
    recorded: list[Window]

    def queue_urls(self) -> dict[Lane, str]:
        """Return where messages go, by lane.

        Raises:
            PlanRefusedError: The source has no queue.
        """
        has_direct_lane = self.wiring.settings.direct_lane_max_bytes > 0
        return self.wiring.messages.queues.urls(self.request.source, direct=has_direct_lane)

    def log_groups(self) -> Iterator[FoundLogGroup]:
        """Yield all log groups of the source, and which of them are not selected."""
        selection = self.request.selection
        tag_filters = selection.tag_filters if selection else None
        tagged = self.account.tagged(tag_filters) if tag_filters else frozenset()
        is_own_account = self.request.source.account_id == self.invocation.account_id
        for found in self.account.log_groups():
            if isinstance(found, UnreadableLogGroup):
                logger.error(
                    "refused",
                    log_group=found.name,
                    reason="log_group_unreadable",
                    detail=found.problem,
                )
                yield FoundLogGroup(found.name, None, as_far=found.log_group)
                continue
            is_included = is_selected(found, selection, tagged, is_own_account=is_own_account)
            yield FoundLogGroup(found.name, found, is_excluded=not is_included)

    def keep_inventory(self, worklist: Worklist) -> None:
        """Write down which log groups there are, unless a try of the same plan has done so."""
        source, inventories = self.request.source, self.wiring.control.inventories
        planned_at_ms = epoch_ms(self.planned_at)
        since_ms = max(0, epoch_ms(self.planned_at - TRIED_WITHIN))
        if self._is_dry_run or inventories.is_there(source, self.id, since_ms=since_ms):
            return
        with _file() as path:
            with path.open("wb") as file:
                file.writelines(self._inventory(worklist))
            inventories.put(path, source, self.id, planned_at_ms=planned_at_ms)

    def _inventory(self, worklist: Worklist) -> Iterator[bytes]:
        for found in worklist.scope.listed():
            verdict = EXCLUDED if found.is_excluded else SELECTED
            log_group = found.log_group or found.as_far
            if log_group is None:
                continue  # an error in the log names it
            yield ListedLogGroup.of(
                source=self.request.source.name,
                log_group=log_group,
                verdict=UNREADABLE if found.log_group is None else verdict,
                planned_at=timestamp(self.planned_at),
            ).line()

    def narrow(self, worklist: Worklist) -> None:
        """Leave out the log groups that are not asked for; of a whole plan, find what parts did."""
        if self.request.only is not None:
            worklist.scope.keep_only(self.request.only)
            return
        worklist.scope.take_for_new(self.wiring.control.part_notes.there(self.request.source))

    def work(self, worklist: Worklist, queue_urls: dict[Lane, str]) -> dict[str, Any]:
        """Work until all is done or the time runs low."""
        settings, source = self.wiring.settings, self.request.source
        policies = self.account.retention_policies()
        days = Days(
            notes=self.wiring.control.day_notes,
            parts=self.wiring.control.part_notes,
            is_part=self._is_part,
            source=source.name,
            rule=self.request.window_rule,
            run_id=self.id,
            planned_at=self.planned_at,
            recorded=self.recorded,
            due_until_ms=max((window.to_ms for window in worklist.scope.windows), default=0),
        )
        is_first = not self._has_looked_through()
        asking = Asking(
            plan=Plan(
                source=source,
                bucket=self.request.bucket,
                zone=zone_named(self.request.window_rule.time_zone),
                direct_lane_max_bytes=(
                    settings.direct_lane_max_bytes if "direct" in queue_urls else 0
                ),
                now=self.planned_at,
                policies=policies,
            ),
            ledger=self.wiring.control.ledger,
            outbox=self.wiring.control.outbox,
            queues=self.wiring.messages.queues,
            queue_urls=queue_urls,
        )
        requesting = Requesting(
            asking=asking,
            worklist=worklist,
            account=self.account,
            days=days,
            reread=is_explicit(self.request),
            is_first=is_first,
            is_dry_run=self._is_dry_run,
            has_time=self.has_time,
            clock=self.wiring.clock,
        )
        if not self._is_dry_run:
            control = self.wiring.control
            Tidying(control.open_notes, control.ledger, source.name).tidy(self.wiring.clock())
            asking.send_what_is_noted(self.wiring.clock(), worklist.scope.windows)
            again = AskingAgain(asking, days, worklist.tally)
            again.ask(self.wiring.clock(), has_time=self.has_time)
        for _ in requesting.steps():
            if not self.has_time():
                return self._hand_over(worklist)
        if not self._is_dry_run:
            days.send(self.wiring.messages.queues, queue_urls["slot"], self.wiring.clock())
        return self._complete(worklist, policies, is_first=is_first)

    @property
    def _is_dry_run(self) -> bool:
        return self.request.dry_run is True

    @property
    def _is_part(self) -> bool:
        return self.request.only is not None

    def _hand_over(self, worklist: Worklist) -> dict[str, Any]:
        """Put the worklist away and invoke the planner again.

        A crash in here, or a second delivery of an event, makes two invocations go on with the
        plan. They do no harm to each other: the ledger decides who asks for what.
        """
        if self._is_dry_run:
            raise PlanRefusedError(
                "dry_run", "true", "needs more time than an invocation has: select fewer windows"
            )
        if self.part == MAX_PARTS:
            raise PlanRefusedError(
                "part", str(self.part), "is the last of a plan; the next plan does what is left"
            )
        key = self._key(f"{self.part + 1}.sqlite3")
        self.wiring.control.files.put(worklist.path, key)
        data = PlanContinuedData(
            request=self.request,
            planned_at=timestamp(self.planned_at),
            run_id=self.id,
            part=self.part + 1,
            worklist=PlanFile(bucket=self.wiring.control.files.bucket, key=key),
            infrastructure_changes=self.changes or None,
        )
        self.wiring.messages.continuations.send(
            self.invocation.function_arn,
            PlanContinued.of(
                data,
                id=f"{self.id}-{data.part}",
                source=PLANNER_URN,
                time=self.wiring.clock(),
            ),
        )
        self._remove_worklist()
        logger.info("continued", run_id=self.id, part=data.part)
        return {"status": "continued", "run_id": self.id, "part": data.part}

    def _complete(
        self, worklist: Worklist, policies: tuple[RetentionPolicy, ...], *, is_first: bool
    ) -> dict[str, Any]:
        """Publish what became of every log group, and return it."""
        summary = summarize(worklist.tally.totals, worklist.tally.work)
        lasts = timedelta(seconds=max(summary.slot_s, summary.direct_s))
        completed = PlanCompleted.of(
            PlanCompletedData(
                source=self.request.source.name,
                windows=worklist.scope.windows,
                found=worklist.scope.found,
                requested=summary.requested,
                already_in_ledger=summary.already_in_ledger,
                skipped=dict(summary.skipped),
                forecast_slot_seconds=summary.slot_s,
                forecast_direct_seconds=summary.direct_s,
                forecast_end=timestamp(self.planned_at + lasts),
                estimated_bytes=summary.estimated_bytes,
                infrastructure_changes=self.changes or None,
                retention_cliff=self._cliff(worklist, policies),
                asked_again=worklist.tally.asked_again or None,
                only=self.request.only,
                zone_data=ZONE_DATA,
                dry_run=True if self._is_dry_run else None,
                **(self._planned(worklist) if self._is_dry_run else {}),
            ),
            id=self.id,
            source=PLANNER_URN,
            time=self.wiring.clock(),
        )
        if not self._is_dry_run:
            self.wiring.messages.topic.publish(completed)
            self._remove_worklist()
            asked_again = worklist.tally.dates_asked_again
            report(completed.data, summary, dates_asked_again=asked_again)
            self.wiring.control.part_notes.remove(self.request.source, worklist.scope.taken_for_new)
            if not (self._is_part or is_explicit(self.request)):
                if is_first:
                    self._note_looked_through()
                self._report_overdue(worklist)
        answer: dict[str, Any] = json.loads(emit(completed))
        return answer

    def _cliff(
        self, worklist: Worklist, policies: tuple[RetentionPolicy, ...]
    ) -> RetentionCliff | None:
        """Return what an account-level policy is about to let expire; None for nothing."""
        if not policies:
            return None
        found = (
            shortening(log_group, policies, now=self.planned_at)
            for log_group in worklist.scope.selected()
        )
        shortenings = [each for each in found if each is not None]
        if not shortenings:
            return None
        at_ms = min(each.at_ms for each in shortenings)
        exports, slot_s = worklist.tally.expiring
        return RetentionCliff(
            at=timestamp(from_epoch_ms(at_ms)),
            log_groups=len(shortenings),
            retention_days=min(each.days for each in shortenings),
            exports=exports,
            slot_seconds=ceil(slot_s),
        )

    def _has_looked_through(self) -> bool:
        with _file() as path:
            return self.wiring.control.files.get(self._looked_through_key, path)

    def _note_looked_through(self) -> None:
        """Note that the records of what is selected were read.

        The control bucket keeps the note for 30 days, so that they are read again after that.
        """
        with _file() as path:
            path.touch()
            self.wiring.control.files.put(path, self._looked_through_key)

    @property
    def _looked_through_key(self) -> str:
        """The key of the note; another profile, or another selection, has another one."""
        source, selection = self.request.source, self.request.selection
        told = f"{source.profile}\n{'' if selection is None else selection.model_dump_json()}"
        name = hashlib.sha256(told.encode()).hexdigest()[:32]
        return f"plans/{source.account_id}/{source.region}/looked-through/{name}"

    def _report_overdue(self, worklist: Worklist) -> None:
        """Measure what earlier runs should have planned; that it is measured is a heartbeat.

        A window of which nothing is exported is not overdue, however old: no run records it.
        """
        zone = zone_named(self.request.window_rule.time_zone)
        decided = {
            total.day
            for total in worklist.tally.totals
            if total.outcome != "already_in_ledger" and total.reason != "excluded"
        }
        since_due = overdue(
            [each for each in worklist.scope.new_windows() if day_of(each, zone) in decided],
            worklist.scope.windows,
            settle=settle_of(self.request, default=self.wiring.settings.settle),
            at=self.planned_at,
        )
        report_overdue(self.request.source.profile, since_due)

    def _planned(self, worklist: Worklist) -> dict[str, Any]:
        """Return a dry run's list, or where it is."""
        with _file() as path:
            with path.open("w") as file:
                file.write("[")
                for number, planned in enumerate(worklist.tally.planned()):
                    file.write(f"{',\n' if number else ''}{json.dumps(planned)}")
                file.write("]")
            if path.stat().st_size <= ANSWER_BYTES:
                return {"planned": json.loads(path.read_text())}
            key, files = self._key("planned.json"), self.wiring.control.files
            files.put(path, key)
            return {"planned_location": PlannedLocation(bucket=files.bucket, key=key)}

    def _remove_worklist(self) -> None:
        """Remove what this part began with, so that a late delivery of its event does nothing."""
        if self.part > 1:
            self.wiring.control.files.remove(self._key(f"{self.part}.sqlite3"))

    def _key(self, name: str) -> str:
        source = self.request.source
        return f"plans/{source.account_id}/{source.region}/{self.id}/{name}"


@contextmanager
def _file() -> Iterator[Path]:
    with TemporaryDirectory(prefix="logferry-") as folder:
        yield Path(folder) / "file"


def _timer(invocation: Invocation) -> Callable[[], bool]:
    """Return what tells whether there is time for another step."""
    reserve_ms = min(RESERVE_MS, invocation.remaining_ms() // 2)
    return lambda: invocation.remaining_ms() > reserve_ms


def account_id(role_arn: str) -> str:
    """Return the account of ``arn:aws:iam::<account>:role/<name>``."""
    return role_arn.split(":")[4]
