"""Spoilt messages: every contract's examples, mutated, and texts that are no message."""

import json
import random
from collections.abc import Iterator
from functools import cache

from contracts.tests.documents import examples, newest_schema
from contracts.tests.mutations import Rules, mutations

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.message import Message
from logferry_contracts.wire import ContractError, parse

DEEPEST = 5_000
"""As deep as LocalStack's poller takes a body, of which it makes JSON as well."""
TEXTS = (
    "",
    " ",
    "null",
    "0",
    '"a text"',
    "[]",
    "{}",
    "{",
    "\N{BYTE ORDER MARK}{}",
    "\0",
    "not JSON",
    '{"type": 7, "specversion": null}',
    '{"detail-type": {}, "specversion": []}',
    '{"Records": [{"body": "{}"}]}',
)
"""What is no message of anybody's."""


@cache
def spoilt(message: str) -> list[str]:
    """Return every mutation of a contract's examples, as text."""
    found = []
    for example in examples("accept"):
        if example.message == message:
            schemas = newest_schema(message), MESSAGES[message].model_json_schema()
            rules = Rules.of(*schemas)
            found += [json.dumps(document) for _, document in mutations(example.document, rules)]
    return found


def some(rng: random.Random, of_each: int) -> list[str]:
    """Return so many mutations of each contract, and all that is no message."""
    chosen = [
        body
        for message in MESSAGES
        for body in rng.sample(spoilt(message), min(of_each, len(spoilt(message))))
    ]
    return [*chosen, *TEXTS, *nested(rng)]


def nested(rng: random.Random) -> Iterator[str]:
    """Yield JSON that goes deep, on its own and inside of a message."""
    deep = [opened * depth + "1" + closed * depth for opened, closed, depth in _depths(rng)]
    yield from deep
    for message in MESSAGES:
        example = next(each for each in examples("accept") if each.message == message)
        for inner in deep[:2]:
            document = {**example.document, "data": "HERE", "detail": "HERE"}
            yield json.dumps(document).replace('"HERE"', inner)


def _depths(rng: random.Random) -> list[tuple[str, str, int]]:
    pairs = [("[", "]"), ('{"data":', "}"), ('{"specversion":', "}")]
    return [(*rng.choice(pairs), depth) for depth in (60, 300, 2_000, DEEPEST)]


def keeps(contract: type[Message], body: str) -> bool:
    """Return whether a body is a valid message all the same."""
    try:
        parse(contract, body)
    except ContractError:
        return False
    return True
