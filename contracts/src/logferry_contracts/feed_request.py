"""FeedRequest: the planner is to feed the backfills that are under way."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.message import CloudEvent, Message


class FeedRequestData(Message):
    """Nothing: which backfills there are, the control bucket says."""


class FeedRequest(CloudEvent):
    """Schedule, or by hand → planner."""

    TYPE: ClassVar[str] = "logferry.feed.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:feed-request:1.0"

    type: Literal["logferry.feed.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:feed-request:1\.[0-9]+$")]
    data: FeedRequestData
