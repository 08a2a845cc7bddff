"""Schema and model of a message give the same verdict on every document.

A schema is what other languages have of a contract, and a model is what the services have: where
they differ, a message that one side is right to send is a message that the other refuses.
"""

import json
from functools import cache
from itertools import islice
from typing import Any

import pytest
from contracts.tests import schema_reading
from contracts.tests.beyond_schema import RULES, broken_rules
from contracts.tests.documents import Example, examples, newest_schema, schema, versions
from contracts.tests.mutations import Rules, mutations
from jsonschema.protocols import Validator

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.wire import ContractError, emit, parse

ACCEPT = examples("accept")
REJECT = examples("reject")


@cache
def reader(message: str) -> Validator:
    return schema_reading.reader(newest_schema(message))


@cache
def writer(message: str) -> Validator:
    return schema_reading.writer(newest_schema(message))


@cache
def model_schema(message: str) -> Any:
    return MESSAGES[message].model_json_schema()


def schema_accepts(message: str, document: Any) -> bool:
    return bool(reader(message).is_valid(document)) and not broken_rules(document)


def model_accepts(message: str, document: Any) -> bool:
    try:
        parse(MESSAGES[message], json.dumps(document))
    except ContractError:
        return False
    return True


def patterns(node: Any) -> set[str]:
    """Return every pattern in a schema, of which no probe can tell whether it is another's."""
    if isinstance(node, list):
        return set().union(*map(patterns, node))
    if not isinstance(node, dict):
        return set()
    own = {node["pattern"]} if isinstance(node.get("pattern"), str) else set()
    return own.union(node.get("patternProperties", {}), *map(patterns, node.values()))


@pytest.mark.parametrize("step", [24, pytest.param(1, marks=pytest.mark.deep)])
@pytest.mark.parametrize("example", ACCEPT, ids=str)
def test_schema_and_model_agree_on_every_mutation(example: Example, step: int) -> None:
    rules = Rules.of(newest_schema(example.message), model_schema(example.message))
    # What one example leaves out, another one of the message has.
    first = ACCEPT.index(example) % step

    differing = [
        what
        for what, document in islice(mutations(example.document, rules), first, None, step)
        if schema_accepts(example.message, document) != model_accepts(example.message, document)
    ]

    assert differing == []


@pytest.mark.parametrize("example", ACCEPT, ids=str)
def test_an_accepted_example_is_accepted_by_both(example: Example) -> None:
    assert list(map(str, writer(example.message).iter_errors(example.document))) == []
    assert model_accepts(example.message, example.document)


@pytest.mark.parametrize("example", REJECT, ids=str)
def test_a_rejected_example_is_rejected_by_both_and_breaks_one_rule(example: Example) -> None:
    assert not schema_accepts(example.message, example.document)

    with pytest.raises(ContractError) as refusal:
        parse(MESSAGES[example.message], example.text)

    assert len(refusal.value.problems) == 1


@pytest.mark.parametrize("example", ACCEPT, ids=str)
def test_a_written_message_keeps_to_the_closed_schema_and_loses_nothing(example: Example) -> None:
    written = json.loads(emit(parse(MESSAGES[example.message], example.text)))

    assert list(map(str, writer(example.message).iter_errors(written))) == []
    if newest_schema(example.message).get("additionalProperties") is False:
        assert written == example.document


@pytest.mark.parametrize("example", ACCEPT, ids=str)
def test_a_reader_of_any_minor_takes_a_message_of_any_minor(example: Example) -> None:
    readers = [
        schema_reading.reader(schema(example.message, version))
        for version in versions(example.message)
        if version[0] == example.version[0]
    ]

    assert readers
    assert all(each.is_valid(example.document) for each in readers)


@pytest.mark.parametrize("message", MESSAGES)
def test_patterns_are_the_same_text(message: str) -> None:
    assert patterns(model_schema(message)) == patterns(newest_schema(message))


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_beyond_the_schema_is_shown_by_an_example_that_the_schema_accepts(rule: str) -> None:
    shown = [each for each in REJECT if reader(each.message).is_valid(each.document)]

    assert rule in set().union(*(broken_rules(each.document) for each in shown))
