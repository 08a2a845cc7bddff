"""Message attributes as both SNS and SQS take them."""

from collections.abc import Mapping
from typing import Any

DEAD_LETTER_REASON = "reason"
"""The attribute that only dead letters have, also when somebody has put one back into a queue."""
DETAIL_LIMIT_CHARACTERS = 1000
"""Our own: enough for a sentence, and no dead letter outgrows SQS's limit by it."""


def text_attributes(texts: Mapping[str, str]) -> dict[str, Any]:
    """Return texts as the ``MessageAttributes`` of Publish and SendMessage."""
    return {name: {"DataType": "String", "StringValue": text} for name, text in texts.items()}


def dead_letter_attributes(*, reason: str, detail: str, service: str) -> dict[str, Any]:
    """Return why a message is a dead letter, and whose, as its attributes.

    SQS takes no control characters, and an object's key may have some.
    """
    printable = "".join(letter if letter.isprintable() else " " for letter in detail)
    cut = printable[:DETAIL_LIMIT_CHARACTERS]
    return text_attributes({DEAD_LETTER_REASON: reason, "detail": cut, "service": service})
