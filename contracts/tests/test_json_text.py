"""JSON about which readers would differ is refused, wherever in a text it is."""

import json
from typing import Any

import pytest
from contracts.tests.documents import examples

from logferry_contracts import json_text
from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.events import parse_event
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.message import CloudEvent
from logferry_contracts.wire import ContractError, parse, validate

NOT_JSON = {
    "NaN": "NaN is no JSON",
    "Infinity": "Infinity is no JSON",
    "-Infinity": "-Infinity is no JSON",
    '{"a": 1, "a": 1}': "'a' is given twice",
    '{"a": 1, "\\u0061": 2}': "'a' is given twice",
    '[{"b": [{"a": NaN}]}]': "NaN",
}
"""Values and what is said of them; Python's own reader and pydantic's take them all.

Node 22, orjson 3.11 and msgspec 0.20 refuse NaN and Infinity; which of two values counts differs.
"""
EXAMPLES = {each.message: each for each in examples("accept")}


def with_field(text: str, path: tuple[str, ...], value: str) -> str:
    """Return a text with a field that no version knows."""
    document = json.loads(text)
    place = document
    for name in path:
        place = place[name]
    place["added_later"] = "(here)"
    return json.dumps(document).replace('"(here)"', value)


@pytest.mark.parametrize("value", NOT_JSON)
@pytest.mark.parametrize("message", sorted(EXAMPLES))
def test_a_field_that_no_model_knows_has_to_be_json_too(message: str, value: str) -> None:
    body = with_field(EXAMPLES[message].text, (), value)
    model = MESSAGES[message]

    readers: list[Any] = [lambda: parse(model, body), lambda: validate(model, body.encode())]
    if issubclass(model, CloudEvent):
        readers.append(lambda: parse_event(body))
    for reader in readers:
        with pytest.raises(ContractError) as refusal:
            reader()
        assert refusal.value.reason == "not_json"
        assert NOT_JSON[value] in str(refusal.value)


def test_a_key_of_the_contract_is_there_once_even_with_the_same_value() -> None:
    text = EXAMPLES["export-requested"].text
    value = json.dumps(json.loads(text)["specversion"])
    twice = text.rstrip().removesuffix("}") + f', "specversion": {value}}}'

    with pytest.raises(ContractError, match="'specversion' is given twice"):
        parse(ExportRequested, twice)


def test_the_same_key_in_two_objects_is_none_given_twice() -> None:
    assert json_text.read('[{"a": {"a": 1}}, {"a": 2}]') == [{"a": {"a": 1}}, {"a": 2}]


@pytest.mark.parametrize("text", ["[" * 100_000 + "]" * 100_000, '{"a":' * 100_000])
def test_what_is_nested_too_deeply_is_no_other_error(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        json_text.read(text)


@pytest.mark.parametrize("path", [(), ("data",), ("data", "log_group")])
def test_a_field_that_no_model_knows_is_not_nested_without_end(path: tuple[str, ...]) -> None:
    body = with_field(EXAMPLES["export-requested"].text, path, "[" * 10_000 + "]" * 10_000)

    with pytest.raises(ContractError) as refusal:
        parse(ExportRequested, body)
    assert refusal.value.reason == "not_json"


def test_a_long_key_is_not_repeated_whole() -> None:
    with pytest.raises(ValueError, match="given twice") as refusal:
        json_text.read('{"%s": 1, "%s": 2}' % (("x" * 10_000,) * 2))
    assert len(str(refusal.value)) < 100


@pytest.mark.parametrize("text", ["", "{", "[1,]", "{'a': 1}", "{} {}", "\ufeff{}", b"\xff"])
def test_what_is_no_json_at_all_is_refused(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_text.read(text)
