"""A backfill: a time of a source that is archived below its daily work, by two notes.

``backfill/<account>/<Region>/asked.json`` says what people want; the command alone writes it.
``backfill/<account>/<Region>/fed.json`` says how far it is; the planner alone writes it. Each is
changed by compare-and-swap, and neither writer has to agree with the other: what is fed is that of
the ``id`` that is asked for.
"""

from typing import Annotated, Literal

from pydantic import Field

from logferry_contracts.message import Count, Message, Timestamp
from logferry_contracts.plan_continued import PlanContinuedData, RunId
from logferry_contracts.plan_request import Date, PlanRequestData
from logferry_contracts.source import SourceName

BACKFILL = "backfill/"
ASKED = "asked.json"
FED = "fed.json"

PACED_DATES = 10
"""The newest dates by whose time the rest is forecast."""

type Wanted = Literal["run", "pause", "cancel"]
type State = Literal["running", "paused", "cancelled", "completed"]

ENDED: tuple[State, ...] = ("cancelled", "completed")


class Forecast(Message):
    """What a backfill was expected to come to, by some of its dates.

    Attributes:
        slot_s: Seconds of the account's export slot.
        direct_s: Seconds of its direct lane, at the same time.
    """

    exports: Count
    estimated_bytes: Count
    slot_s: Count
    direct_s: Count


class Asked(Message):
    """What people want of a backfill.

    Attributes:
        request: With ``collect_from`` and ``collect_to``, both inclusive.
        by: The ARN of GetCallerIdentity of who asked for it, or last changed what is wanted.
        at: When that was.
    """

    id: RunId
    request: PlanRequestData
    wanted: Wanted
    by: Annotated[str, Field(min_length=1, max_length=2048)]
    at: Timestamp
    forecast: Forecast


class Fed(Message):
    """How far a backfill is.

    Attributes:
        id: Of what was asked for.
        date: The one that it is at; the last one, when it has ended.
        plan: The plan of that date, as it is to be gone on with; None where it is to begin.
        is_planned_anew: Whether the date's plan was lost, and what it had asked for with it.
        parts: Keys of the ledger records of parts of a long window, which are still to be sent.
        part: Key of the one that was sent last; None for none.
        dates: How many are done.
        exports: How many of those were asked for.
        estimated_bytes: Of their events.
        date_s: For how long it has been at its date, without the time for which it was paused.
        recent_s: How long each of the newest dates took, the newest last.
        at: When this was written.
        problem: What keeps it from going on; None for nothing.
        problem_since: When something began to keep it from that; None for nothing.
        claimed_by: The invocation that feeds it, until ``claimed_until``; None for none.
    """

    id: RunId
    state: State
    date: Date
    plan: PlanContinuedData | None = None
    is_planned_anew: bool = False
    parts: list[str]
    part: str | None = None
    dates: Count
    exports: Count
    estimated_bytes: Count
    date_s: Count
    recent_s: list[Count]
    at: Timestamp
    problem: Annotated[str, Field(max_length=4096)] | None = None
    problem_since: Timestamp | None = None
    claimed_by: Annotated[str, Field(max_length=128)] | None = None
    claimed_until: Timestamp | None = None


def backfill_prefix(source: SourceName) -> str:
    """Return what the keys of both notes of an account and Region begin with."""
    return f"{BACKFILL}{source.account_id}/{source.region}/"
