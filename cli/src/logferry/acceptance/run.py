"""One run: what everything that it makes is called, and which suite it deploys."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from logferry.config import Config
from logferry.fields import Architecture
from logferry_contracts.window import Window

PREFIX = "lf-acceptance-"
"""What the names of all runs begin with, and the values of their tag."""
TAG = "application"
"""The tag that everything of a run has, with its name; the suite's templates have it as well."""
DIRECT_LANE_BYTES = 100_000_000
"""All that a run puts in is less: what can be read directly is."""
EVENTS_PER_STREAM = 40
STREAMS = ("web/1", "2026/11/27/[$LATEST]0a1b2c3d4e5f", "ü 100% + b")
"""A slash, what Lambda writes, and what has to be encoded somewhere on its way."""
MESSAGES = (
    "order {n} accepted",
    '{{"order": {n}, "state": "paid"}}',
    "order {n} failed\n  at line 1\n  at line 2",
    "Bestellung {n} über 5 € ✓",
)

type LogGroupClass = Literal["STANDARD", "INFREQUENT_ACCESS"]


@dataclass(frozen=True)
class Loaded:
    """A log group of the flow.

    Attributes:
        lane: By which it has to go, by its class.
        streams: Events by the streams' names: ``(timestamp in ms, message)``, the oldest first.
    """

    name: str
    log_group_class: LogGroupClass
    lane: Literal["direct", "slot"]
    streams: Mapping[str, list[tuple[int, str]]] = field(repr=False)

    def events(self) -> Iterator[tuple[str, int, str]]:
        """Yield every event as ``(stream, timestamp in ms, message)``."""
        for stream, events in self.streams.items():
            for at_ms, message in events:
                yield stream, at_ms, message


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        id: Six hexadecimal digits.
        day: The day that is collected, in UTC: it has ended.
        other_account_id: A second account, whose logs are collected; None for the one account's.
        parts_mb: So much is put into one stream, to see how it is cut; 0 for not at all.
    """

    id: str
    account_id: str
    region: str
    day: date
    architecture: Architecture = "arm64"
    other_account_id: str | None = None
    parts_mb: int = 0

    @classmethod
    def begun(
        cls, account_id: str, region: str, architecture: Architecture, now: datetime
    ) -> "Run":
        """Return a new run, which collects yesterday."""
        yesterday = now.astimezone(UTC).date() - timedelta(days=1)
        return cls(
            id=secrets.token_hex(3),
            account_id=account_id,
            region=region,
            day=yesterday,
            architecture=architecture,
        )

    @property
    def name(self) -> str:
        """What all names begin with, and the value of the tag."""
        return f"{PREFIX}{self.id}"

    @property
    def tags(self) -> dict[str, str]:
        """What everything is tagged with."""
        return {TAG: self.name}

    @property
    def source_account_id(self) -> str:
        """Of the one source."""
        return self.other_account_id or self.account_id

    @property
    def profile(self) -> str:
        """Of the one source; queues are named after it."""
        return f"acceptance-{self.id}"

    @property
    def window(self) -> Window:
        """The day that is collected."""
        start = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        from_ms = round(start.timestamp() * 1000)
        return Window(from_ms=from_ms, to_ms=from_ms + 86_400_000)

    @property
    def config(self) -> Config:
        """The suite: no schedule fires, nothing settles, and no object is retained."""
        source = {
            "profile": self.profile,
            "account_id": self.source_account_id,
            "schedule": "cron(10 3 * * ? *)",
            "state": "DISABLED",
            "selection": {"include": [f"{self.flow_folder}*"]},
        }
        return Config.model_validate(
            {
                "name": self.name,
                "region": self.region,
                "hub_account_id": self.account_id,
                "time_zone": "UTC",
                "settle_minutes": 0,
                "lookback_days": 1,
                "architecture": self.architecture,
                "direct_lane": {"planned_bytes": DIRECT_LANE_BYTES},
                "sealer": {"seal_after_hours": 0},
                "sse_enforcer": {"sweep": {"state": "DISABLED", "reserved_concurrency": False}},
                "sources": [source],
            }
        )

    @property
    def flow_folder(self) -> str:
        """What the names of the flow's log groups begin with."""
        return f"/{self.name}/flow/"

    def probe_group(self, name: str) -> str:
        """Return the name of a probe's log group, which the suite does not collect."""
        return f"/{self.name}/probe/{name}"

    def loaded(self) -> list[Loaded]:
        """Return the flow's log groups, with the same events whenever it is asked."""
        return [
            Loaded(f"{self.flow_folder}standard", "STANDARD", "direct", self._streams(STREAMS)),
            Loaded(
                f"{self.flow_folder}infrequent",
                "INFREQUENT_ACCESS",
                "slot",
                self._streams(STREAMS[:2]),
            ),
        ]

    def _streams(self, names: tuple[str, ...]) -> dict[str, list[tuple[int, str]]]:
        # To the edges of the day: its first millisecond, and one in its last minutes.
        step_ms = 86_300_000 // EVENTS_PER_STREAM
        return {
            name: [
                (self.window.from_ms + n * step_ms, MESSAGES[n % len(MESSAGES)].format(n=n))
                for n in range(EVENTS_PER_STREAM)
            ]
            for name in names
        }
