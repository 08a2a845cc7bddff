"""Whether, and for how much, what was exported is counted in CloudWatch as well."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

ASKED_FOR_DAYS = 30
"""So long after a window's start at least the recounter asks for what is missing of it."""
ADDED_WITHIN_DAYS = 2
"""After that: each time it asks for up to 20 hours, and a date ends after its windows start."""


class RecountConfig(BaseModel):
    """Settings of each source's recounter, and how long its word is waited for.

    Attributes:
        state: Whether there is one: without, nothing is counted.
        share_permille: How many thousandths of what ingesting the events did cost counting them
            may cost.
        look_back_days: How old the start of a window may be for it to be counted, and added to.
        revisit_days: How many days after its end a window is counted again: what came in late is
            found. After 14 nothing more comes in.
        revisit_permille: How many thousandths of what ingesting the events did cost such a look may
            cost; at 0 what costs nothing is counted.
        add_mb_per_day: How many megabytes may be read again on a day of a source to add what the
            archive lacks; at 0 nothing is added, and what is missing is only told.
        stop_permille: Where more thousandths of a date's exports lack something, nothing of the
            source is added: they have to be looked at first.
        lag_minutes: How long after its end a window is left alone: what came in last, queries do
            not see at once.
        within_hours: How long after an export was completed its date is not sealed without its
            recount; at 0 it is sealed without any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: Literal["DISABLED", "ENABLED"] = "DISABLED"
    share_permille: Annotated[int, Field(ge=1, le=1000)] = 10
    look_back_days: Annotated[int, Field(ge=1, le=400)] = 7
    revisit_days: list[Annotated[int, Field(ge=1, le=30)]] = [3, 14]
    revisit_permille: Annotated[int, Field(ge=0, le=1000)] = 0
    add_mb_per_day: Annotated[int, Field(ge=0, le=100_000)] = 500
    stop_permille: Annotated[int, Field(ge=0, le=1000)] = 20
    lag_minutes: Annotated[int, Field(ge=0, le=1440)] = 120
    within_hours: Annotated[int, Field(ge=0, le=168)] = 12

    @property
    def waited_hours(self) -> int:
        """How long the sealer waits; 0 where nobody counts."""
        return self.within_hours if self.state == "ENABLED" else 0

    def problems(self, sealed_for_days: int) -> Iterator[str]:
        """Yield what does not go together with for how long the sealer looks at dates."""
        least = max(ASKED_FOR_DAYS, self.look_back_days) + ADDED_WITHIN_DAYS
        if self.state == "ENABLED" and self.add_mb_per_day and sealed_for_days < least:
            yield (
                f"sealer.look_back_days {sealed_for_days} is less than {least}: what recount adds "
                "to later no seal would have"
            )
