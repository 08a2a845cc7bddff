"""Read a message and write one: nothing enters or leaves a service but through here."""

from typing import Literal

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from logferry_contracts import json_text
from logferry_contracts.canonical_json import canonical_json
from logferry_contracts.message import Message

type Reason = Literal["contract", "not_json", "too_long", "unknown_type", "unknown_major"]
"""What is wrong in a word: for a metric, or an attribute of a dead letter."""


class ContractError(ValueError):
    """A message breaks its contract. It cannot be mended by trying again: dead-letter it.

    Attributes:
        message_name: The contract it was read against, such as ``ExportRequested``.
        problems: One ``path: rule`` per problem, such as
            ``data.window.from_ms: Input should be a valid integer``.
        reason: The same in a word.
    """

    def __init__(
        self, message_name: str, problems: list[str], *, reason: Reason = "contract"
    ) -> None:
        """Name the contract and every rule that is broken."""
        super().__init__(f"not a valid {message_name}: {'; '.join(problems)}")
        self.message_name = message_name
        self.problems = problems
        self.reason: Reason = reason


def parse[M: Message](message: type[M], body: str | bytes) -> M:
    """Read one message from its JSON text.

    Raises:
        ContractError: The text is not JSON, or breaks the contract; names every broken rule.
    """
    read = _read(message, body)
    try:
        json_text.read(body)  # pydantic takes more than JSON where a field is not known
    except ValueError as error:
        problem = f"(the message): Invalid JSON: {error}"
        raise ContractError(message.__name__, [problem], reason="not_json") from error
    return read


def validate(message: type[Message], body: str | bytes) -> None:
    """Check a message's JSON text that is passed on as it is.

    Raises:
        ContractError: As `parse`.
    """
    parse(message, body)


def emit(message: Message) -> str:
    """Write one message as JSON text, checked once more against its contract.

    Raises:
        ContractError: The message was put together wrongly. That is a bug of the sender, which
            must not leave the service.
    """
    try:
        body = message.model_dump_json(by_alias=True, exclude_none=True, warnings="none")
    except PydanticSerializationError as error:
        raise ContractError(type(message).__name__, [f"(the message): {error}"]) from error
    _read(type(message), body)
    return body


def emit_canonical(message: Message) -> bytes:
    """Write one message as the bytes that are hashed or signed, see `canonical_json`.

    Raises:
        ContractError: As `emit`.
    """
    return canonical_json(json_text.read(emit(message)))


def _read[M: Message](message: type[M], body: str | bytes) -> M:
    try:
        return message.model_validate_json(body)
    except ValidationError as error:
        raise ContractError(message.__name__, _problems(error), reason=_reason(error)) from error


def _problems(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(map(str, problem['loc'])) or '(the message)'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]


def _reason(error: ValidationError) -> Reason:
    found = {problem["type"] for problem in error.errors(include_url=False, include_input=False)}
    return "not_json" if found & {"json_invalid", "string_unicode"} else "contract"
