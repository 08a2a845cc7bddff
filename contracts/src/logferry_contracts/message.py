"""What every message has in common: strict reading, and the CloudEvents 1.0 envelope."""

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

MAX_SAFE_INTEGER = 9_007_199_254_740_991
"""The greatest integer that every JSON reader takes exactly.

https://www.rfc-editor.org/rfc/rfc8259#section-6
"""

Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER)]
"""How many things there are, or bytes."""

EpochMs = Annotated[int, Field(ge=0, le=253_402_300_799_999)]
"""Milliseconds since 1970-01-01T00:00:00Z, as CloudWatch Logs counts; at most the end of 9999."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def epoch_ms(at: datetime) -> int:
    """Return an aware time as `EpochMs`, rounded down."""
    return (at - _EPOCH) // _MILLISECOND


def from_epoch_ms(at_ms: int) -> datetime:
    """Return `EpochMs` as an aware time in UTC, exactly."""
    return _EPOCH + at_ms * _MILLISECOND


def in_the_calendar(value: str) -> str:
    """Refuse what a pattern cannot: the 30th of February, or the year 0.

    Raises:
        ValueError: There is no such day.
    """
    datetime.fromisoformat(value)
    return value


Timestamp = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
        r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?Z$"
    ),
    AfterValidator(in_the_calendar),
]
"""An RFC 3339 time in UTC, such as ``2026-11-23T06:00:00.000Z``."""


def timestamp(at: datetime) -> str:
    """Write an aware time as `Timestamp`, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Message(BaseModel):
    """A JSON object of a contract, or a part of one.

    Unknown fields are dropped, so that a reader of one minor version takes the later ones.
    Nothing is coerced: ``"1"`` is not ``1``, and an absent field is not a null one. Only Python
    says None for an absent field.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _absent_is_not_null(cls, value: Any, info: ValidationInfo) -> Any:
        if info.mode == "json" and isinstance(value, dict) and None in value.values():
            nulls = sorted(name for name in _field_names(cls) if value.get(name, "") is None)
            if nulls:
                raise ValueError(f"null where a value or nothing belongs: {', '.join(nulls)}")
        return value


@cache
def _field_names(message: type[Message]) -> frozenset[str]:
    """Return the names in JSON text. A field that is not known here may well be null."""
    return frozenset(field.alias or name for name, field in message.model_fields.items())


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
