"""A source, and by when its dates have to be there."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from logferry_contracts.source import SourceName

LONGEST_UNIT = {"day": timedelta(hours=25), "hour": timedelta(hours=1)}
"""Of a window rule: a day, and the hour that it gets when daylight saving ends."""


@dataclass(frozen=True, kw_only=True)
class Scheduled:
    """A source as its schedule has it.

    Attributes:
        time_zone: Whose days its dates are.
        unit: Of its windows.
        settle: How long after its end a window waits before it is planned.
        slack: For how long a window may be due without having been planned.
        is_on: Whether its schedule is.
    """

    name: SourceName
    time_zone: str
    unit: Literal["day", "hour"]
    settle: timedelta
    slack: timedelta
    is_on: bool

    @property
    def next_after(self) -> timedelta:
        """How long after a window's end the next one is due."""
        return LONGEST_UNIT[self.unit] + self.settle

    @property
    def planned_after(self) -> timedelta:
        """How long ago a date has begun that has to be planned by now."""
        return LONGEST_UNIT["day"] + self.settle + self.slack
