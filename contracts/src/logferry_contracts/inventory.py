"""Inventory: every log group that a plan has listed, whether it is archived or not.

A line of JSON for each, in the order of the names as bytes of UTF-8: several inventories are
merged line by line, however many log groups there are.
"""

from typing import Annotated, Self

from pydantic import Field

from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import Message, Timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.wire import emit

INVENTORY_SCHEMA = "urn:logferry:schema:inventory:1.0"

SELECTED = "selected"
EXCLUDED = "excluded"
UNREADABLE = "unreadable"
"""Of a log group that a request has no words for, whatever selects it: such as a retention of a
century. It is listed without what cannot be said of it."""


class ListedLogGroup(Message):
    """One line of an inventory.

    Attributes:
        verdict: ``selected`` or ``excluded``, by the source's selection; ``unreadable``; or what
            comes later.
        planned_at: When the plan began to list.
    """

    inventory_schema: Annotated[
        str, Field(alias="schema", pattern=r"^urn:logferry:schema:inventory:1\.[0-9]+$")
    ]
    source: SourceName
    log_group: LogGroup
    verdict: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
    planned_at: Timestamp

    @classmethod
    def of(cls, **listed: object) -> Self:
        """Return a line by the newest schema.

        Args:
            listed: By this model's names.

        Raises:
            ValidationError: It was put together wrongly.
        """
        return cls.model_validate({"schema": INVENTORY_SCHEMA, **listed})

    def line(self) -> bytes:
        """Return the line, with its newline.

        Raises:
            ContractError: It was put together wrongly.
        """
        return emit(self).encode() + b"\n"
