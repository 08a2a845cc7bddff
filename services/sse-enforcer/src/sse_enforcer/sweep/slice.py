"""One invocation's part of a sweep: what it works with, what it has found, how far it has come."""

from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime

from aws_lambda_powertools import Logger

from logferry_contracts.wire import ContractError
from logferry_deliveries.errors import KmsKeyError, NotDoneError, OutOfTimeError, RefusedError
from logferry_deliveries.queues import Topic
from sse_enforcer.aws.archive import Archive
from sse_enforcer.aws.control import ControlBucket
from sse_enforcer.aws.keys import KmsKeys
from sse_enforcer.aws.uploads import Uploads
from sse_enforcer.enforcer import Enforcer
from sse_enforcer.exports import WORKERS, Exports
from sse_enforcer.metrics import KEY_PROBLEM
from sse_enforcer.settings import Hold, Settings
from sse_enforcer.sweep.aws import Listing, Reports
from sse_enforcer.sweep.findings import Action, Finding
from sse_enforcer.sweep.report import Example, Place, Report

CHUNK = 100
"""Keys, or ledger records, that are dealt with between two looks at the time."""
STORE_EVERY = 1000
"""Versions looked at, or records read, after which the report is stored: no more than that is done
again after a crash."""
PAGE_WEIGHT = 50
"""What a page of the listing counts for then."""
ATTEMPTS_LIMIT = 3
"""How often a sweep may get nowhere before it goes on without mending what it cannot get past."""
OUTAGE_SIZE = 10
"""This many calls that all fail are rather an outage than so many bad objects."""

logger = Logger()


@dataclass(frozen=True)
class Time:
    """How long an invocation may take.

    Attributes:
        is_enough: Whether to begin something more.
        is_left: Whether to go on with what was begun.
    """

    is_enough: Callable[[], bool]
    is_left: Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Wiring:
    """What a sweep works with.

    Attributes:
        turn: Waits until the next object may be looked at.
    """

    settings: Settings
    archive: Archive
    uploads: Uploads
    enforcer: Enforcer
    exports: Exports
    control: ControlBucket
    topic: Topic
    keys: KmsKeys
    listing: Listing
    reports: Reports
    turn: Callable[[], None]


@dataclass(frozen=True, kw_only=True)
class Look:
    """What came of looking at one object version, and mending it.

    Attributes:
        example: What was found; None when it is as it has to be.
        unheld_prefix: Of its export, when it is without hold.
        is_covered: Whether it is held, and neither current nor replaced by a copy of ours.
        counts: What was done, by metric.
        error: The call that failed, if one did.
    """

    example: Example | None = None
    unheld_prefix: str | None = None
    is_covered: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    error: NotDoneError | None = None

    @property
    def is_cut_off(self) -> bool:
        """Whether the time was up before it was done."""
        return isinstance(self.error, OutOfTimeError)

    @property
    def is_mended(self) -> bool:
        """Whether something was found that will not be found again."""
        return self.example is not None and self.example.action is Action.MENDED


class Slice:
    """The part of one invocation."""

    def __init__(
        self,
        wiring: Wiring,
        report: Report,
        *,
        now: datetime,
        time: Time,
        counts: Counter[str],
    ) -> None:
        """Go on with the pass that ``report`` is of; what is done is counted in ``counts`` too."""
        self.wiring = wiring
        self.report = report
        self.now = now
        self.time = time
        self.lookout = report.lookout
        self.hold = Hold(report.about.hold)
        self._counts = counts
        self._unstored = 0
        # After an attempt that got nowhere the place is stored with each step, so that the next
        # one begins right before what this one may die of.
        self._store_every = 1 if report.attempts > 1 else STORE_EVERY

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing is to be changed."""
        return self.report.about.dry_run

    @property
    def gives_up(self) -> bool:
        """Whether it is time to get past what was tried in vain, without mending it."""
        return self.report.attempts > ATTEMPTS_LIMIT

    def has_turn(self) -> bool:
        """Wait for the next object's turn, and say whether there is time left for it."""
        self.wiring.turn()
        return self.time.is_left()

    def go_on_at(self, place: Place, weight: int = 0) -> None:
        """Remember where to go on, and store it now and then."""
        self.report.place = place
        self._unstored += weight
        if self._unstored >= self._store_every:
            self.store()

    def store(self) -> None:
        """Store the report."""
        self.wiring.reports.store(self.report)
        self._unstored = 0

    def count(self, counts: Mapping[str, int]) -> None:
        """Count what was done."""
        self._counts.update(counts)
        for name, count in counts.items():
            self.report.done[name] = self.report.done.get(name, 0) + count

    def side_by_side[T, R](self, work: Callable[[T], R], on: list[T]) -> list[R]:
        """Do work on several things, and return what came of it in their order."""
        if not on:
            return []
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            return list(pool.map(work, on))

    def check_for_outage(self, looks: list[Look]) -> None:
        """Go no further when everything fails, unless that has been so for long.

        Raises:
            NotDoneError: The first failure.
        """
        errors = [look.error for look in looks if look.error is not None]
        if not self.gives_up and len(errors) == len(looks) >= OUTAGE_SIZE:
            raise errors[0]

    def forget_attempts(self, looks: list[Look]) -> None:
        """Forget earlier attempts that got nowhere, once something is done."""
        if not looks or any(look.error is None for look in looks):
            self.report.attempts = 0

    def found(
        self,
        finding: Finding,
        action: Action,
        key: str,
        version_id: str | None = None,
        detail: str | None = None,
    ) -> Look:
        """Return the look at an archived object that found this."""
        bucket = self.wiring.archive.bucket
        example = Example(
            finding=finding,
            action=action,
            bucket=bucket,
            key=key,
            version_id=version_id,
            detail=detail,
        )
        return Look(example=example)

    def failed(
        self,
        finding: Finding,
        key: str,
        version_id: str | None,
        error: NotDoneError | ContractError,
    ) -> Look:
        """Return the look at something that could not be mended."""
        logger.warning(
            "not mended",
            finding=finding,
            object_key=key,
            version_id=version_id,
            reason=str(error),
        )
        counts = {KEY_PROBLEM: 1} if isinstance(error, KmsKeyError) else {}
        if isinstance(error, RefusedError | ContractError):
            return self.found(finding, Action.REFUSED, key, version_id, str(error))
        look = self.found(finding, Action.FAILED, key, version_id, str(error))
        return replace(look, counts=counts, error=error)

    def take_in(self, look: Look, *keys_to_see_again: str) -> None:
        """Put what a look has found and done into the report.

        Args:
            look: The look.
            keys_to_see_again: Keys that the next pass looks at again if the finding stays open.
        """
        self.count(look.counts)
        if look.unheld_prefix is not None:
            self.report.note_unheld(look.unheld_prefix)
        if look.example is not None:
            self.report.note(look.example, *keys_to_see_again)
