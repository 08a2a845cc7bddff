"""Read an event without knowing beforehand which: its ``type`` says so."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.message import CloudEvent, Message
from logferry_contracts.wire import ContractError, Reason, parse

MAX_EVENT_BYTES = 262_144
"""SNS takes no more in one message, attributes included: 256 KiB.

https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

EVENTS: Mapping[str, type[CloudEvent]] = {
    model.TYPE: model for model in MESSAGES.values() if issubclass(model, CloudEvent)
}
"""The model of each ``type``."""

_NAME = "logferry event"
_MAJOR = re.compile(r"(?P<event>logferry\.[a-z]+\.[a-z]+)\.v(?P<major>[0-9]{1,3})")


class _Typed(Message):
    type: str | None = None
    envelope: Annotated[Any, Field(alias="Type")] = None


def parse_event(body: str | bytes) -> CloudEvent:
    """Read an event of any type from its JSON text, such as the body of an SQS message.

    Returns:
        An `ExportCompleted`, `ExportFailed`, `ObjectSecured`...: ask with ``isinstance``.

    Raises:
        ContractError: It cannot be read, now or later; ``reason`` says in a word why, the text
            which message, which path and which rule.
    """
    _check_length(body)
    try:
        named = parse(_Typed, body)
    except ContractError as error:
        raise _refused(error.problems[0], error.reason) from error
    if named.type is None:
        raise _refused(_without_type(named), "unknown_type")
    model = EVENTS.get(named.type)
    if model is None:
        raise _unknown(named.type)
    return parse(model, body)


def _check_length(body: str | bytes) -> None:
    # A text of which SNS took the bytes has no lone surrogates; another is refused as not JSON.
    length = len(body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass"))
    if length > MAX_EVENT_BYTES:
        problem = f"(the message): {length:,} bytes, of at most {MAX_EVENT_BYTES:,}"
        raise _refused(problem, "too_long")


def _without_type(named: _Typed) -> str:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-large-payload-raw-message-delivery.html
    if named.envelope == "Notification":
        return "type: missing, as SNS wrapped the event: subscribe with RawMessageDelivery"
    return "type: missing"


def _unknown(name: str) -> ContractError:
    known = _MAJOR.fullmatch(name)
    for event in EVENTS:
        if known and event.startswith(f"{known['event']}.v"):
            told = f"type: {name}, where this reader knows {event}: it needs a newer package"
            return _refused(told, "unknown_major")
    return _refused(f"type: none of {', '.join(sorted(EVENTS))}", "unknown_type")


def _refused(problem: str, reason: Reason) -> ContractError:
    return ContractError(_NAME, [problem], reason=reason)
