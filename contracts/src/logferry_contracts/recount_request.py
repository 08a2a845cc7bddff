"""RecountRequest: a source's recounter is to look which exports are to be counted."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.message import CloudEvent, Message


class RecountRequestData(Message):
    """Nothing: what is due, the ledger says."""


class RecountRequest(CloudEvent):
    """Schedule, or by hand → recounter."""

    TYPE: ClassVar[str] = "logferry.recount.requested.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:recount-request:1.0"

    type: Literal["logferry.recount.requested.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:recount-request:1\.[0-9]+$")]
    data: RecountRequestData
