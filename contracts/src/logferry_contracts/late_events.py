"""What became of late events that a look has seen: notes of a recounter."""

from typing import Annotated

from pydantic import Field

from logferry_contracts.export import ReasonCode
from logferry_contracts.message import Message, Timestamp


class AskedFor(Message):
    """That the exporter was asked to add what is missing.

    Attributes:
        at: When, the last time.
        times: How often.
    """

    at: Timestamp
    times: Annotated[int, Field(ge=1)]


class NotAdded(Message):
    """That nobody can add them.

    Attributes:
        at: When that was seen.
        why: ``log_group_class``, ``size``, ``add_mb_per_day``, ``expired``, or what comes later.
    """

    at: Timestamp
    why: ReasonCode
