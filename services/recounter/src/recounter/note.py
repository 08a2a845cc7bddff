"""What is known of one window's counting besides the recounts: a note in the control bucket."""

from typing import Annotated

from pydantic import Field

from logferry_contracts.digest import Sha256
from logferry_contracts.export import ExportId
from logferry_contracts.message import Count, Message, Timestamp


class Charge(Message):
    """A query that is paid for, noted before it is started.

    Attributes:
        query_id: None until it is started. A process that died between the two leaves it so.
        cost: What it may cost, as `recounter.budget` reckons.
        export_ids: What it counts.
    """

    query_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    cost: Count
    export_ids: list[ExportId]
    at: Timestamp


class Note(Message):
    """One window's.

    Attributes:
        allowed: What counting those that are done with was allowed to cost.
        spent: What all queries did cost, those that run included.
        running: Queries that have not ended.
        failed: How many queries have counted an export in vain.
        listing_sha256: Of the ids of all its exports, when all were done with; None before.
        filling: When the next try of what was empty was asked for last, by the id of that one.
    """

    allowed: Count = 0
    spent: Count = 0
    running: list[Charge] = Field(default_factory=list)
    failed: dict[ExportId, Count] = Field(default_factory=dict)
    listing_sha256: Sha256 | None = None
    filling: dict[ExportId, Timestamp] = Field(default_factory=dict)
