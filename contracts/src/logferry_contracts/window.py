"""A window of time, and the rule that says which windows there are."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from logferry_contracts.message import EpochMs, Message, epoch_ms, from_epoch_ms

TimeZone = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9+_/-]+$")]
"""The name of an IANA time zone, such as ``Europe/Berlin``."""


LONGEST_WINDOW_MS = 3 * 86_400_000
"""No window of any zone is longer: a date has 27 hours where a clock goes back by three, and may be
followed by one that its zone left out."""
CLOCKS_DIFFER_MS = 3_600_000
"""By so much, at most, two clocks are taken to differ."""


class Window(Message):
    """The half-open range ``[from_ms, to_ms)`` of event timestamps.

    Attributes:
        from_ms: Inclusive start.
        to_ms: Exclusive end, later than the start. It goes to CreateExportTask as ``to``, which
            AWS describes as inclusive in one place and as exclusive in another, so an event on
            this very millisecond may be in the archive twice, and is never missing.
    """

    from_ms: EpochMs
    to_ms: EpochMs

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.from_ms >= self.to_ms:
            raise ValueError(f"from_ms {self.from_ms} is not before to_ms {self.to_ms}")
        return self

    @classmethod
    def between(cls, start: datetime, end: datetime) -> Self:
        """Return the window from one aware time to another, each rounded down to a millisecond."""
        return cls(from_ms=epoch_ms(start), to_ms=epoch_ms(end))

    @property
    def halves(self) -> "tuple[Window, Window] | None":
        """Both halves, the earlier one first; None of a millisecond.

        The end of the first is the start of the second. As with any two windows that follow each
        other, an event on that millisecond may be in the archive twice, and is never missing.
        """
        middle_ms = (self.from_ms + self.to_ms) // 2
        if middle_ms == self.from_ms:
            return None
        first = Window(from_ms=self.from_ms, to_ms=middle_ms)
        return first, Window(from_ms=middle_ms, to_ms=self.to_ms)

    def is_part_of(self, whole: "Window") -> bool:
        """Return whether it is a half of another window, or a half of a half, and so on."""
        if not whole.from_ms <= self.from_ms < self.to_ms <= whole.to_ms:
            return False  # as nearly always, and twenty halves sooner
        halves = whole.halves
        while halves is not None and self not in halves:
            halves = halves[self.from_ms >= halves[0].to_ms].halves
        return halves is not None

    @property
    def is_too_long(self) -> bool:
        """Whether no rule has such a window: what somebody has put there covers no date."""
        return self.to_ms - self.from_ms > LONGEST_WINDOW_MS

    def can_be_planned(self, now: datetime) -> bool:
        """Return whether a plan can have come to it: no rule's is longer, and it has to be over.

        Args:
            now: Aware.
        """
        return not self.is_too_long and self.to_ms <= epoch_ms(now) + CLOCKS_DIFFER_MS

    @property
    def in_keys(self) -> str:
        """How object keys name it: with 15 digits for each time, in the order of windows."""
        return f"{self.from_ms:015d}-{self.to_ms:015d}"

    @property
    def start(self) -> datetime:
        """The inclusive start, in UTC."""
        return from_epoch_ms(self.from_ms)

    @property
    def end(self) -> datetime:
        """The exclusive end, in UTC."""
        return from_epoch_ms(self.to_ms)


class WindowRule(Message):
    """Which windows a source has.

    Attributes:
        unit: A calendar day or hour of the time zone.
        settle_minutes: How long after its end a window waits before it is planned; None leaves
            it to the planner. AWS: data can take up to 12 hours to become available for export.
            https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
        lookback_days: From how many dates, back from the newest due window, each due window is
            planned that the ledger lacks; None leaves it to the planner.
    """

    unit: Literal["day", "hour"]
    time_zone: TimeZone
    settle_minutes: Annotated[int, Field(ge=0, le=20160)] | None = None
    lookback_days: Annotated[int, Field(ge=1, le=400)] | None = None
