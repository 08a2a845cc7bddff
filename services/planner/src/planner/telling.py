"""What a plan tells when it is done, and the files that it needs for that."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from logferry_contracts.message import from_epoch_ms, timestamp
from logferry_contracts.plan_completed import PlannedLocation, RetentionCliff
from logferry_contracts.plan_request import PlanRequestData, Selection
from logferry_contracts.source import Source
from planner.cloud import PlanFiles
from planner.retention import RetentionPolicy, shortening
from planner.telemetry import report_overdue
from planner.windows import day_of, overdue, settle_of, zone_named
from planner.worklist.file import Worklist

ANSWER_BYTES = 5_000_000
"""Of a dry run's list: an invocation's answer may have 6 MB.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""


@contextmanager
def file_of_run() -> Iterator[Path]:
    """Yield a path on disk, for as long as it is needed."""
    with TemporaryDirectory(prefix="logferry-") as folder:
        yield Path(folder) / "file"


def cliff(
    worklist: Worklist, policies: tuple[RetentionPolicy, ...], *, now: datetime
) -> RetentionCliff | None:
    """Return what an account-level policy is about to let expire; None for nothing."""
    if not policies:
        return None
    found = (shortening(log_group, policies, now=now) for log_group in worklist.scope.selected())
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


def report_late(
    request: PlanRequestData, worklist: Worklist, *, default_settle: timedelta, at: datetime
) -> None:
    """Measure what earlier runs should have planned; that it is measured is a heartbeat.

    A window of which nothing is exported is not overdue, however old: no run records it.
    """
    zone = zone_named(request.window_rule.time_zone)
    decided = {
        total.day
        for total in worklist.tally.totals
        if total.outcome != "already_in_ledger" and total.reason != "excluded"
    }
    since_due = overdue(
        [each for each in worklist.scope.new_windows() if day_of(each, zone) in decided],
        worklist.scope.windows,
        settle=settle_of(request, default=default_settle),
        at=at,
    )
    report_overdue(request.source.profile, since_due)


def planned(worklist: Worklist, files: PlanFiles, key: str) -> dict[str, Any]:
    """Return a dry run's list, or where it is."""
    with file_of_run() as path:
        with path.open("w") as file:
            file.write("[")
            for number, planned in enumerate(worklist.tally.planned()):
                file.write(f"{',\n' if number else ''}{json.dumps(planned)}")
            file.write("]")
        if path.stat().st_size <= ANSWER_BYTES:
            return {"planned": json.loads(path.read_text())}
        files.put(path, key)
        return {"planned_location": PlannedLocation(bucket=files.bucket, key=key)}


@dataclass(frozen=True)
class LookedThrough:
    """The note that the ledger was looked through for a profile and what is selected of it."""

    files: PlanFiles
    source: Source
    selection: Selection | None

    def was(self) -> bool:
        """Whether somebody has, and not long ago."""
        with file_of_run() as path:
            return self.files.get(self._key, path)

    def note(self) -> None:
        """Note that the records of what is selected were read.

        The control bucket keeps the note for 30 days, so that they are read again after that.
        """
        with file_of_run() as path:
            path.touch()
            self.files.put(path, self._key)

    @property
    def _key(self) -> str:
        """The key of the note; another profile, or another selection, has another one."""
        source, selection = self.source, self.selection
        told = f"{source.profile}\n{'' if selection is None else selection.model_dump_json()}"
        name = hashlib.sha256(told.encode()).hexdigest()[:32]
        return f"plans/{source.account_id}/{source.region}/looked-through/{name}"
