"""A sweep's report, which is also how far it has come: one JSON object in the control bucket."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from sse_enforcer.sweep.findings import OPEN, OVERLAP, Action, Finding, Lookout

REPORTS = "sweeps/"
SCHEDULE_KEY = f"{REPORTS}schedule.json"

EXAMPLES_LIMIT = 20
"""Of one finding with one action."""
AGAIN_LIMIT = 1000
"""How many keys the next pass is told to look at again; beyond that it looks at everything."""
UNHELD_LIMIT = 1000
"""How many exports a pass remembers as having an object without hold; beyond that it looks at the
objects of all that it reads the ledger record of."""
DETAIL_LIMIT_CHARACTERS = 500

Phase = Literal["uploads", "versions", "ledger", "done"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", defer_build=True)


class Place(_Part):
    """Where a pass goes on.

    Attributes:
        key: The last key that was dealt with, in the archive or in the ledger; None at the start.
        version_id: The last of its versions, where more of that key remain.
    """

    phase: Phase = "uploads"
    key: str | None = None
    version_id: str | None = None


class Example(_Part):
    """One thing that was found.

    Attributes:
        version_id: None for a ledger record; an upload has its upload id here.
        detail: What was done, or why it was not.
    """

    finding: Finding
    action: Action
    bucket: str
    key: str
    version_id: str | None = None
    detail: str | None = None


class Pass(_Part):
    """What one pass is about.

    Attributes:
        dry_run: Whether it changes nothing but its own report.
        since: As in `Lookout`; None looks at everything.
        until: As in `Lookout`.
        key_arn: The archive's key when it began.
        hold: The setting ``HOLD`` when it began.
    """

    started_at: AwareDatetime
    dry_run: bool
    since: AwareDatetime | None = None
    until: AwareDatetime
    key_arn: str
    hold: str

    @property
    def is_full(self) -> bool:
        """Whether it looks at everything."""
        return self.since is None

    @property
    def report_key(self) -> str:
        """The object key of its report."""
        return f"{REPORTS}{self.started_at:%Y-%m-%dT%H-%M-%S.%f}Z.json"


class Report(_Part):
    """What a pass has found and done so far.

    Attributes:
        revision: One more each time it is stored.
        attempts: How often in a row it was gone on with and got nowhere.
        listed_versions: Entries of ListObjectVersions.
        looked_at: Versions that were described, a HeadObject each.
        too_young: Versions that were left to the messages about them.
        records_read: Ledger records.
        found: How many, by finding and action.
        done: What mending them took, by metric.
        examples: The first of each finding and action.
        again: Keys of versions and records whose findings stay open.
        is_again_full: Whether there are more of those than ``again`` has room for.
        unheld: Prefixes of exports that have an object without hold.
        is_unheld_full: Whether there are more of those than ``unheld`` has room for.
        earlier: Keys that the pass before this one left open.
    """

    about: Pass
    revision: int = 0
    updated_at: AwareDatetime
    is_complete: bool = False
    place: Place = Place()
    attempts: int = 0
    listed_versions: int = 0
    looked_at: int = 0
    too_young: int = 0
    records_read: int = 0
    found: dict[Finding, dict[Action, int]] = Field(default_factory=dict)
    done: dict[str, int] = Field(default_factory=dict)
    examples: list[Example] = Field(default_factory=list)
    again: list[str] = Field(default_factory=list)
    is_again_full: bool = False
    unheld: list[str] = Field(default_factory=list)
    is_unheld_full: bool = False
    earlier: list[str] = Field(default_factory=list)

    @property
    def open_count(self) -> int:
        """How many findings are still there."""
        return sum(
            count
            for actions in self.found.values()
            for action, count in actions.items()
            if action in OPEN
        )

    @property
    def stood_in_count(self) -> int:
        """How many exports it has secured that an event should have had secured long before."""
        return self.found.get(Finding.NOT_SECURED, {}).get(Action.MENDED, 0)

    @property
    def lookout(self) -> Lookout:
        """What the pass has to look at."""
        return Lookout(
            since=self.about.since, until=self.about.until, again=frozenset(self.earlier)
        )

    def note(self, example: Example, *keys_to_see_again: str) -> None:
        """Count one thing that was found, and keep it if it is among the first of its kind.

        Args:
            example: What was found.
            keys_to_see_again: What the next pass has to look at if it stays open.
        """
        actions = self.found.setdefault(example.finding, {})
        count = actions.get(example.action, 0)
        actions[example.action] = count + 1
        if count < EXAMPLES_LIMIT:
            detail = example.detail and example.detail[:DETAIL_LIMIT_CHARACTERS]
            self.examples.append(example.model_copy(update={"detail": detail}))
        if example.action in OPEN:
            for key in keys_to_see_again:
                self.is_again_full |= not _remember(self.again, key, AGAIN_LIMIT)

    def note_unheld(self, prefix: str) -> None:
        """Remember an export that has an object without hold."""
        self.is_unheld_full |= not _remember(self.unheld, prefix, UNHELD_LIMIT)

    def may_be_unheld(self, prefix: str) -> bool:
        """Whether an export may have an object without hold."""
        return self.is_unheld_full or prefix in self.unheld

    def answer(self) -> dict[str, Any]:
        """Return it for whoever asked for the pass, as a JSON object of some kilobytes."""
        answer = self.model_dump(mode="json", exclude={"again", "unheld", "earlier", "attempts"})
        return answer | {"report_key": self.about.report_key, "open_count": self.open_count}


class LastFull(_Part):
    """The last complete pass that looked at everything, and what it held it to."""

    started_at: AwareDatetime
    key_arn: str
    hold: str


class Schedule(_Part):
    """Which pass is under way on schedule, and what the ones before have covered.

    Attributes:
        active: The pass that the next scheduled invocation goes on with.
        last_key: The report of the last complete pass that was no dry run.
        last_started_at: When that began.
    """

    revision: int = 0
    active: Pass | None = None
    last_key: str | None = None
    last_started_at: AwareDatetime | None = None
    last_full: LastFull | None = None

    def is_due(self, now: datetime, every: timedelta) -> bool:
        """Whether it is time for another pass."""
        return self.last_started_at is None or now - self.last_started_at >= every

    def since(
        self, now: datetime, *, key_arn: str, hold: str, full_every: timedelta
    ) -> datetime | None:
        """Return since when a new pass has to look; None when it has to look at everything.

        That is so while no pass has looked at everything under this key and this hold setting,
        or none has for ``full_every``.
        """
        full = self.last_full
        if (
            full is None
            or self.last_started_at is None
            or (full.key_arn, full.hold) != (key_arn, hold)
            or now - full.started_at >= full_every
        ):
            return None
        return self.last_started_at - OVERLAP

    def completed(self, about: Pass) -> Self:
        """Return it after a pass that was no dry run. One that began later counts for more."""
        active = self.active
        if active is not None and active.started_at == about.started_at:
            active = None
        if self.last_started_at is not None and about.started_at < self.last_started_at:
            return self.model_copy(update={"active": active})
        full = LastFull(started_at=about.started_at, key_arn=about.key_arn, hold=about.hold)
        return self.model_copy(
            update={
                "active": active,
                "last_key": about.report_key,
                "last_started_at": about.started_at,
                "last_full": full if about.is_full else self.last_full,
            }
        )


class SweepRequest(BaseModel):
    """What the function is asked for.

    ``{"run": "schedule"}``: go on with the scheduled pass, or begin one if it is due.
    ``{"run": "now", "dry_run": true, "full": false, "limit_s": 20}``: begin a pass of one's own;
    with ``"report_key"``, as the answer had it, go on with it.

    Attributes:
        limit_s: How long to work on it, so that whoever asks hears of it in between; None as
            long as there is time.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)

    run: Literal["schedule", "now"]
    dry_run: bool = True
    full: bool = False
    report_key: Annotated[str, Field(pattern=rf"^{REPORTS}[0-9TZ.-]+\.json$")] | None = None
    limit_s: Annotated[int, Field(ge=1, le=900)] | None = None


def _remember(some: list[str], one: str, limit: int) -> bool:
    """Add one to some, if there is room; say whether it is among them."""
    if one in some:
        return True
    if len(some) >= limit:
        return False
    some.append(one)
    return True
