"""SealRequest: the sealer is to look which dates are to be sealed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.chain import ChainName
from logferry_contracts.message import CloudEvent, Message
from logferry_contracts.plan_request import Date


class SealRequestData(Message):
    """What to look at.

    Attributes:
        chain: The only chain to look at; None for every one.
        seal_from: Seal the dates from this one on, inclusive, although they are of a time before
            the first seal; None for those that follow the newest seal.
        seal_to: The last of them, inclusive; None goes up to the first seal.
    """

    chain: ChainName | None = None
    seal_from: Date | None = None
    seal_to: Date | None = None


class SealRequest(CloudEvent):
    """Schedule, or by hand → sealer."""

    TYPE: ClassVar[str] = "logferry.seal.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:seal-request:1.0"

    type: Literal["logferry.seal.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:seal-request:1\.[0-9]+$")]
    data: SealRequestData
