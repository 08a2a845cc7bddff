"""A chain: all seals of one account and Region, in the order in which they were made."""

from typing import Annotated, Self

from pydantic import Field

from logferry_contracts.message import Message
from logferry_contracts.source import AccountId, Region, SourceName

Sequence = Annotated[int, Field(ge=1, le=9_999_999_999)]
"""A seal's place in its chain: 1 for the first one, one more for each."""


class ChainName(Message):
    """An account and Region. A source whose profile is renamed goes on with the same chain."""

    account_id: AccountId
    region: Region

    @classmethod
    def of(cls, source: SourceName) -> Self:
        """Return the chain of a source."""
        return cls(account_id=source.account_id, region=source.region)

    def __str__(self) -> str:
        return f"{self.account_id}/{self.region}"

    @property
    def attributes(self) -> dict[str, str]:
        """The part of an event's SNS message attributes that says which chain it is about."""
        return {"account_id": self.account_id, "region": self.region}
