"""A backfill of the date before, fed by the simulated planner beside all else that happens."""

import random
from contextlib import suppress
from datetime import datetime

from benchmarks.simulation.backfill import asked, feed_request
from services.exporter.tests.conftest import START, export_request
from services.planner.tests.fakes import OpenNotes
from tests.chaos.accidents import request_for_date
from tests.chaos.simulated import Groups, Killed, Planner, SharedLedger

from logferry_contracts.open_exports import is_open, note_key, whole_key
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.cloud import NoteThere
from planner.errors import AwsError, BackfillStuckError

DATE = "2026-11-20"
DAY_MS = 86_400_000
MOST_FEEDS = 200
"""Of a backfill: each takes a quarter of an hour, and an hour passes until the next one."""


class OpenExports(OpenNotes):
    """The notes of open exports, as those have them who write the records."""

    def __init__(self, cloud: Groups) -> None:
        super().__init__()
        self.ledger = SharedLedger(cloud)

    def there(self, source: SourceName) -> list[NoteThere]:
        records = [each for each in self.ledger.readable() if is_open(each)]
        notes = [
            NoteThere(note_key(each), datetime.fromisoformat(each.requested_at)) for each in records
        ]
        return [NoteThere(whole_key(source), START), *notes]

    def mark_whole(self, source: SourceName) -> None:
        """It says so already."""

    def remove(self, key: str) -> None:
        """What has ended has none."""


class Backfill:
    """One source's, for each of its log groups.

    Attributes:
        window: The date's.
    """

    def __init__(self, rng: random.Random, cloud: Groups, planner: Planner) -> None:
        self.rng = rng
        self.cloud = cloud
        self.planner = planner
        date = export_request().window
        self.window = Window(from_ms=date.from_ms - DAY_MS, to_ms=date.from_ms)
        self.begun = 0
        self.fed = 0
        planner.open_notes = OpenExports(cloud)
        planner.at_pause = self._go_on
        planner.pauses = 12
        self.begin()

    def begin(self) -> None:
        """Ask for the date, or once more for what of it is not in the archive."""
        self.begun += 1
        document = request_for_date()["data"] | {"collect_from": DATE, "collect_to": DATE}
        del document["collect_date"]
        self.planner.backfills.wanted = asked(
            DATE, DATE, id=f"{self.begun:032}", request=PlanRequestData.model_validate(document)
        )

    def pause_or_resume(self) -> str:
        """Let somebody pause it, or let it go on."""
        wanted = self.rng.choice(["pause", "run"])
        self._want(wanted)
        return wanted

    def feed(self) -> str:
        """Let the planner feed it for a quarter of an hour, within which exporters go on."""
        self.fed += 1
        self.planner.now = self.cloud.now
        with suppress(Killed, AwsError, BackfillStuckError):
            self.planner.run(feed_request(), request_id=f"tick-{self.fed}")
        self._go_on()
        return self.state

    def feed_to_the_end(self) -> None:
        """Let it go on until all of it is asked for, and has ended."""
        self._want("run")
        for _ in range(MOST_FEEDS):
            if self.feed() == "completed":
                break
            self.cloud.work_for(hours=1)
        self.cloud.work_for(hours=24)

    @property
    def state(self) -> str:
        """How far it is, as the planner has noted of this one."""
        fed, wanted = self.planner.backfills.now, self.planner.backfills.wanted
        is_its = fed is not None and wanted is not None and fed.id == wanted.id
        return fed.state if fed is not None and is_its else "waiting"

    def _want(self, wanted: str) -> None:
        backfills = self.planner.backfills
        assert backfills.wanted is not None
        backfills.wanted = backfills.wanted.model_copy(update={"wanted": wanted})

    def _go_on(self) -> None:
        """Let exporters work until it is as late as for the planner, and the other way round."""
        self.cloud.now = max(self.cloud.now, self.planner.now)
        self.cloud.work_for(hours=0)
        self.planner.now = self.cloud.now
