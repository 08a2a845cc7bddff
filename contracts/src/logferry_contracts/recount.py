"""Recount: how many events CloudWatch Logs itself counts in a window that was exported.

An object in the control bucket for each export, beside nobody else's: what the recounter wrote,
the sealer states. A later look at the same window that has counted more events replaces it.
"""

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from logferry_contracts.export import ExportId, ReasonCode
from logferry_contracts.log_group import LogStreamNames
from logferry_contracts.message import Count, Message, Timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

RECOUNT_SCHEMA = "urn:logferry:schema:recount:1.0"

INSIGHTS = "insights"
FILTER = "filter"
STREAMS = "streams"
"""What came in since it was counted before, by the log streams that have got events since."""
NO = "no"

_LATER = re.compile(rb'"schema"\s*:\s*"urn:logferry:schema:recount:(?!1\.)[0-9]+\.[0-9]+"')


class Recounted(Message):
    """What the second witness says.

    Attributes:
        by: ``insights``, ``filter`` or ``streams``, by which it counted; ``no`` where it did not;
            or what comes later.
        at: When CloudWatch Logs was asked by a query, or answered the last page; or when it was
            given up.
        events: In ``[from, to)`` of the window; None where it did not count.
        reason: Why it did not count, such as ``budget``; None where it did.
    """

    by: ReasonCode
    at: Timestamp
    events: Count | None = None
    reason: ReasonCode | None = None

    @model_validator(mode="after")
    def _counted_or_not(self) -> Self:
        if self.by == NO and self.reason is None:
            raise ValueError("by no without reason")
        if self.by != NO and self.events is None:
            raise ValueError(f"by {self.by} without events")
        return self


class Recount(Message):
    """One export's.

    Attributes:
        query_id: Of the query in CloudWatch Logs Insights; None where there was none.
        late_streams: Log streams with events that came in after the export was begun; None where
            nobody has looked, there are none, or too many.
    """

    recount_schema: Annotated[
        str, Field(alias="schema", pattern=r"^urn:logferry:schema:recount:1\.[0-9]+$")
    ]
    source: SourceName
    window: Window
    export_id: ExportId
    recount: Recounted
    query_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    late_streams: LogStreamNames | None = None

    @classmethod
    def of(cls, **said: object) -> Self:
        """Return a recount by the newest schema.

        Args:
            said: By this model's names.

        Raises:
            ValidationError: It was put together wrongly.
        """
        return cls.model_validate({"schema": RECOUNT_SCHEMA, **said})

    @staticmethod
    def is_of_later_major(text: bytes) -> bool:
        """Return whether what breaks this contract says that a later release has written it."""
        return _LATER.search(text) is not None

    def text(self) -> bytes:
        """Return what is stored.

        Raises:
            ContractError: It was put together wrongly.
        """
        return emit(self).encode()
