"""What every message has in common: strict reading, and the CloudEvents 1.0 envelope."""

from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

EpochMs = Annotated[int, Field(ge=0, le=253_402_300_799_999)]
"""Milliseconds since 1970-01-01T00:00:00Z, as CloudWatch Logs counts; at most the end of 9999."""

Timestamp = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z$"),
]
"""An RFC 3339 time in UTC, such as ``2026-11-23T06:00:00.000Z``."""


def timestamp(at: datetime) -> str:
    """Write an aware time as `Timestamp`, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Message(BaseModel):
    """A JSON object of a contract, or a part of one.

    Unknown fields are dropped, so that a reader of one minor version takes the later ones.
    Nothing is coerced: ``"1"`` is not ``1``, and an absent field is not a null one.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _absent_is_not_null(cls, value: Any) -> Any:
        if isinstance(value, dict):
            nulls = sorted(str(name) for name, item in value.items() if item is None)
            if nulls:
                raise ValueError(f"null where a value or nothing belongs: {', '.join(nulls)}")
        return value


class CloudEvent(Message):
    """The CloudEvents 1.0 envelope in structured JSON form.

    ``source`` and ``id`` together name one event: a consumer that has seen the pair has seen the
    event, however often it is delivered.
    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
    """

    TYPE: ClassVar[str]
    SCHEMA: ClassVar[str]
    """The ``$id`` of the newest schema, which is the one that is written."""

    specversion: Literal["1.0"]
    id: Annotated[str, Field(min_length=1, max_length=128)]
    source: Annotated[str, Field(min_length=1, max_length=256)]
    type: str
    time: Timestamp
    datacontenttype: Literal["application/json"]
    dataschema: str
    data: Message

    @classmethod
    def of(cls, data: Message, *, id: str, source: str, time: datetime) -> Self:  # noqa: A002  (CloudEvents' own name)
        """Put ``data`` into an envelope of this message's type and newest schema."""
        return cls.model_validate(
            {
                "specversion": "1.0",
                "id": id,
                "source": source,
                "type": cls.TYPE,
                "time": timestamp(time),
                "datacontenttype": "application/json",
                "dataschema": cls.SCHEMA,
                "data": data,
            }
        )
