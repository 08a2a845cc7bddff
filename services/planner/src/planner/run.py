"""One invocation's part of a plan: what it works with, how it hands over, and what it tells."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from logferry_contracts.execution_variables import QueueOptions
from logferry_contracts.export import Lane
from logferry_contracts.inventory import EXCLUDED, SELECTED, UNREADABLE, ListedLogGroup
from logferry_contracts.ledger_key import ledger_prefix
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.plan_completed import (
    InfrastructureChange,
    PlanCompleted,
    PlanCompletedData,
)
from logferry_contracts.plan_continued import PlanContinued, PlanContinuedData, PlanFile
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.source import SourceName
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
from planner.selection import is_selected
from planner.summary import summarize
from planner.telemetry import logger, report, report_passed_over
from planner.telling import LookedThrough, cliff, file_of_run, planned, report_late
from planner.windows import (
    as_recorded,
    day_of,
    due_windows,
    is_explicit,
    not_too_many,
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


def open_run(
    wiring: Wiring,
    request: PlanRequestData,
    queue_options: QueueOptions | None,
    invocation: Invocation,
) -> "tuple[Run, list[Window]]":
    """Return the first part of a plan, and its windows, once nothing has to be refused.

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
    recorded = _recorded(wiring, source.name, due)
    settled_ms = epoch_ms(now - settle_of(request, default=wiring.settings.settle))
    settled = [each for each in as_recorded(due, recorded) if each.to_ms <= settled_ms]
    windows = not_too_many(request, settled)
    run = Run(
        wiring=wiring,
        invocation=invocation,
        has_time=timer(invocation),
        request=request,
        planned_at=datetime.fromisoformat(timestamp(now)),
        id=run_id(source, windows, invocation.request_id),
        part=1,
        account=wiring.accounts.open(source),
        changes=wiring.infrastructure.ensure(source, queue_options) if queue_options else [],
        recorded=recorded,
    )
    return run, windows


def continued_run(
    wiring: Wiring, continued: PlanContinuedData, invocation: Invocation, worklist: Worklist
) -> "Run":
    """Return the next part of a plan, which has this worklist.

    Raises:
        PlanRefusedError: It is of a profile that is another source's.
    """
    source = continued.request.source
    wiring.messages.queues.check(source)
    return Run(
        wiring=wiring,
        invocation=invocation,
        has_time=timer(invocation),
        request=continued.request,
        planned_at=datetime.fromisoformat(continued.planned_at),
        id=continued.run_id,
        part=continued.part,
        account=wiring.accounts.open(source),
        changes=continued.infrastructure_changes or [],
        recorded=_recorded(wiring, source.name, worklist.scope.windows),
    )


@dataclass(frozen=True, kw_only=True)
class Run:
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
        with file_of_run() as path:
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

    def list_into(self, worklist: Worklist, windows: Iterable[Window]) -> None:
        """Take in what there is to plan, and write down which log groups there are."""
        zone = zone_named(self.request.window_rule.time_zone)
        worklist.scope.add_windows((window, day_of(window, zone)) for window in windows)
        worklist.scope.add_log_groups(self.log_groups())
        self.keep_inventory(worklist)
        self.narrow(worklist)

    def requesting(
        self, worklist: Worklist, queue_urls: dict[Lane, str], *, is_fed: bool = False
    ) -> Requesting:
        """Return what works a worklist off.

        Args:
            worklist: The run's.
            queue_urls: By lane.
            is_fed: Whether a few are asked for at a time, for a backfill.
        """
        days = Days(
            notes=self.wiring.control.day_notes,
            parts=self.wiring.control.part_notes,
            is_part=self._is_part,
            is_noted_last=is_fed,
            source=self.request.source.name,
            rule=self.request.window_rule,
            run_id=self.id,
            planned_at=self.planned_at,
            recorded=self.recorded,
            due_until_ms=max((window.to_ms for window in worklist.scope.windows), default=0),
        )
        return Requesting(
            asking=self.asking(queue_urls),
            worklist=worklist,
            account=self.account,
            days=days,
            reread=is_explicit(self.request),
            is_first=not self._looked_through.was(),
            is_dry_run=self._is_dry_run,
            is_fed=is_fed,
            has_time=self.has_time,
            clock=self.wiring.clock,
        )

    def asking(self, queue_urls: dict[Lane, str]) -> Asking:
        """Return what asks the source's exporter."""
        settings = self.wiring.settings
        return Asking(
            plan=Plan(
                source=self.request.source,
                bucket=self.request.bucket,
                zone=zone_named(self.request.window_rule.time_zone),
                direct_lane_max_bytes=(
                    settings.direct_lane_max_bytes if "direct" in queue_urls else 0
                ),
                now=self.planned_at,
                policies=self.account.retention_policies(),
            ),
            ledger=self.wiring.control.ledger,
            outbox=self.wiring.control.outbox,
            queues=self.wiring.messages.queues,
            queue_urls=queue_urls,
        )

    def work(self, worklist: Worklist, queue_urls: dict[Lane, str]) -> dict[str, Any]:
        """Work until all is done or the time runs low."""
        requesting = self.requesting(worklist, queue_urls)
        if not self._is_dry_run:
            self._catch_up(requesting)
        for _ in requesting.steps():
            if not self.has_time():
                return self._hand_over(worklist)
        if not self._is_dry_run:
            self.send_days(requesting)
        return self.complete(requesting)

    def _catch_up(self, requesting: Requesting) -> None:
        """Ask for what earlier runs have left."""
        control, asking, now = self.wiring.control, requesting.asking, self.wiring.clock
        Tidying(control.open_notes, control.ledger, self.request.source.name).tidy(now())
        asking.send_what_is_noted(now(), requesting.worklist.scope.windows)
        again = AskingAgain(asking, requesting.days, requesting.worklist.tally)
        again.ask(now(), has_time=self.has_time)

    def send_days(self, requesting: Requesting) -> None:
        """Have the ends of dates told, now that all of them is asked for."""
        queues, slot_url = self.wiring.messages.queues, requesting.asking.queue_urls["slot"]
        requesting.days.send(queues, slot_url, self.wiring.clock())

    @property
    def _looked_through(self) -> LookedThrough:
        files, request = self.wiring.control.files, self.request
        return LookedThrough(files, request.source, request.selection)

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
        continued = PlanContinued.of(
            self.put_away(worklist),
            id=f"{self.id}-{self.part + 1}",
            source=PLANNER_URN,
            time=self.wiring.clock(),
        )
        self.wiring.messages.continuations.send(self.invocation.function_arn, continued)
        self.remove_worklist()
        logger.info("continued", run_id=self.id, part=self.part + 1)
        return {"status": "continued", "run_id": self.id, "part": self.part + 1}

    def put_away(self, worklist: Worklist) -> PlanContinuedData:
        """Keep the worklist for the next part, and return what that has to know."""
        key = self._key(f"{self.part + 1}.sqlite3")
        self.wiring.control.files.put(worklist.path, key)
        return PlanContinuedData(
            request=self.request,
            planned_at=timestamp(self.planned_at),
            run_id=self.id,
            part=self.part + 1,
            worklist=PlanFile(bucket=self.wiring.control.files.bucket, key=key),
            infrastructure_changes=self.changes or None,
        )

    def complete_fed(self, requesting: Requesting, *, is_anew: bool) -> dict[str, Any]:
        """Do what is left of a backfill's date, once all of it is asked for.

        A date of which the ledger has no record, as all is excluded, has no end to be told.

        Args:
            requesting: What has asked for it.
            is_anew: Whether a plan that was lost may have asked for some of it before.
        """
        totals = requesting.worklist.tally.totals
        asked_for = is_anew or any(each.outcome == "requested" for each in totals)
        is_recorded = any(each.outcome != "refused" and each.reason != EXCLUDED for each in totals)
        is_new = bool(requesting.worklist.scope.new_windows())
        if is_recorded and not self._is_part and (asked_for or is_new):
            requesting.days.note_dates(requesting.worklist.scope.windows)
        self.send_days(requesting)
        return self.complete(requesting)

    def complete(self, requesting: Requesting) -> dict[str, Any]:
        """Publish what became of every log group, and return it."""
        worklist, policies = requesting.worklist, requesting.asking.plan.policies
        files = self.wiring.control.files
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
                retention_cliff=cliff(worklist, policies, now=self.planned_at),
                asked_again=worklist.tally.asked_again or None,
                lacking=self.wiring.control.ledger.lacking(self.request.source.name) or None,
                only=self.request.only,
                zone_data=ZONE_DATA,
                dry_run=True if self._is_dry_run else None,
                **(planned(worklist, files, self._key("planned.json")) if self._is_dry_run else {}),
            ),
            id=self.id,
            source=PLANNER_URN,
            time=self.wiring.clock(),
        )
        if not self._is_dry_run:
            self.wiring.messages.topic.publish(completed)
            self.remove_worklist()
            asked_again = worklist.tally.dates_asked_again
            report(completed.data, summary, dates_asked_again=asked_again)
            self.wiring.control.part_notes.remove(self.request.source, worklist.scope.taken_for_new)
            if not (self._is_part or is_explicit(self.request)):
                if requesting.is_first:
                    self._looked_through.note()
                report_late(
                    self.request,
                    worklist,
                    default_settle=self.wiring.settings.settle,
                    at=self.planned_at,
                )
        answer: dict[str, Any] = json.loads(emit(completed))
        return answer

    def remove_worklist(self) -> None:
        """Remove what this part began with, so that a late delivery of its event does nothing."""
        if self.part > 1:
            self.wiring.control.files.remove(self._key(f"{self.part}.sqlite3"))

    def _key(self, name: str) -> str:
        source = self.request.source
        return f"plans/{source.account_id}/{source.region}/{self.id}/{name}"


def _recorded(wiring: Wiring, source: SourceName, due: Sequence[Window]) -> list[Window]:
    """Return the windows with records that may overlap some.

    A key that looks like a window which no plan can have come to covers no date: otherwise none
    after its start would ever be planned.
    """
    ledger, now = wiring.control.ledger, wiring.clock()
    listed = ledger.windows(source, due)
    odd = [each for each in listed if not each.can_be_planned(now)]
    report_passed_over([ledger_prefix(source, each) for each in odd])
    possible = [each for each in listed if each not in odd]
    return recorded_windows(ledger, source, due, possible)


def timer(invocation: Invocation) -> Callable[[], bool]:
    """Return what tells whether there is time for another step."""
    reserve_ms = min(RESERVE_MS, invocation.remaining_ms() // 2)
    return lambda: invocation.remaining_ms() > reserve_ms


def account_id(role_arn: str) -> str:
    """Return the account of ``arn:aws:iam::<account>:role/<name>``."""
    return role_arn.split(":")[4]
