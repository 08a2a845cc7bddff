"""SealRequest: the sealer is to look which dates are to be sealed."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.chain import ChainName
from logferry_contracts.log_group import LogGroupName
from logferry_contracts.message import CloudEvent, Message
from logferry_contracts.plan_request import Date


class SealRequestData(Message):
    """What to look at.

    Attributes:
        chain: The only chain to look at; None for every one.
        seal_from: Seal the dates from this one on, inclusive, although they are of a time before
            the first seal, and look again at those that are sealed; None for those that follow the
            newest seal.
        seal_to: The last of those that are sealed already and looked at again, inclusive; None
            looks at none of them. Before the first seal no date is left out, whatever this says.
        log_group_name: The only log group of these to look at; None for all.
    """

    chain: ChainName | None = None
    seal_from: Date | None = None
    seal_to: Date | None = None
    log_group_name: LogGroupName | None = None


class SealRequest(CloudEvent):
    """Schedule, or by hand → sealer."""

    TYPE: ClassVar[str] = "logferry.seal.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:seal-request:1.0"

    type: Literal["logferry.seal.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:seal-request:1\.[0-9]+$")]
    data: SealRequestData
