"""An event is read by what it says it is; what cannot be read is told in words of its own."""

import json
from typing import Any

import pytest
from contracts.tests.documents import Example, examples

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.events import MAX_EVENT_BYTES, parse_event
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.message import CloudEvent
from logferry_contracts.wire import ContractError, parse

EVENTS = [each for each in examples("accept") if issubclass(MESSAGES[each.message], CloudEvent)]
COMPLETED = next(each for each in EVENTS if each.reason == "several-streams")


def refusal(body: str | bytes) -> ContractError:
    with pytest.raises(ContractError) as refused:
        parse_event(body)
    return refused.value


def changed(**fields: Any) -> str:
    return json.dumps({**COMPLETED.document, **fields})


@pytest.mark.parametrize("each", EVENTS, ids=str)
def test_an_event_is_read_as_what_its_type_says(each: Example) -> None:
    assert parse_event(each.text) == parse(MESSAGES[each.message], each.text)
    assert parse_event(each.text.encode()) == parse_event(each.text)


def test_what_the_event_breaks_is_told_as_by_its_own_model() -> None:
    document = COMPLETED.document
    document["data"]["window"]["from_ms"] = "2026-11-21"

    refused = refusal(json.dumps(document))

    assert refused.reason == "contract"
    assert str(refused) == (
        "not a valid ExportCompleted: data.window.from_ms: Input should be a valid integer"
    )


def test_a_later_minor_version_and_fields_of_it_are_read() -> None:
    later = changed(dataschema="urn:logferry:schema:export-completed:1.9", new={"a": None})

    assert isinstance(parse_event(later), ExportCompleted)


def test_an_absent_optional_field_is_none() -> None:
    document = COMPLETED.document
    del document["data"]["task_id"]

    event = parse_event(json.dumps(document))

    assert isinstance(event, ExportCompleted)
    assert event.data.task_id is None


@pytest.mark.parametrize(
    ("body", "reason", "told"),
    [
        pytest.param(
            changed(type="logferry.export.completed.v2"),
            "unknown_major",
            "not a valid logferry event: type: logferry.export.completed.v2, where this reader "
            "knows logferry.export.completed.v1: it needs a newer package",
            id="next major",
        ),
        pytest.param(
            changed(type="com.example.v1"),
            "unknown_type",
            "not a valid logferry event: type: none of logferry.day.completed.v1, "
            "logferry.day.planned.v1, logferry.day.sealed.v1, logferry.export.completed.v1, ",
            id="somebody else's",
        ),
        pytest.param(
            '{"Type": "Notification", "Message": "{}"}',
            "unknown_type",
            "not a valid logferry event: type: missing, as SNS wrapped the event: "
            "subscribe with RawMessageDelivery",
            id="wrapped by SNS",
        ),
        pytest.param(
            "{}", "unknown_type", "not a valid logferry event: type: missing", id="no type"
        ),
        pytest.param(
            COMPLETED.text[:-5],
            "not_json",
            "not a valid logferry event: (the message): Invalid JSON: EOF while parsing",
            id="cut off",
        ),
        pytest.param(
            b"\xff", "not_json", "not a valid logferry event: (the message): Invalid", id="no text"
        ),
        pytest.param(
            '"\ud800"', "not_json", "not a valid logferry event: (the message): ", id="surrogate"
        ),
        pytest.param(
            "[]", "contract", "not a valid logferry event: (the message): Input", id="a list"
        ),
        pytest.param(
            changed(type=1), "contract", "not a valid logferry event: type: Input", id="a number"
        ),
        pytest.param(
            changed(type=None), "contract", "not a valid logferry event: (the message): ", id="null"
        ),
        pytest.param(
            changed(dataschema="urn:logferry:schema:export-completed:2.0"),
            "contract",
            "not a valid ExportCompleted: dataschema: String should match pattern",
            id="a type of one major with the schema of another",
        ),
    ],
)
def test_what_cannot_be_read_is_told_in_words_of_its_own(
    body: str | bytes, reason: str, told: str
) -> None:
    refused = refusal(body)

    assert refused.reason == reason
    assert str(refused).startswith(told)


@pytest.mark.parametrize(("over", "read"), [(0, True), (1, False)])
def test_an_event_may_be_as_long_as_sns_lets_it_be(over: int, read: bool) -> None:  # noqa: FBT001
    padding = MAX_EVENT_BYTES + over - len(changed(padding=""))
    body = changed(padding="x" * padding)
    assert len(body) == MAX_EVENT_BYTES + over

    if read:
        assert parse_event(body)
    else:
        assert refusal(body).reason == "too_long"
        assert str(refusal(body.encode())) == (
            "not a valid logferry event: (the message): 262,145 bytes, of at most 262,144"
        )


def test_the_length_that_counts_is_in_bytes() -> None:
    assert refusal("ü" * (MAX_EVENT_BYTES // 2 + 1)).reason == "too_long"


def test_a_text_that_claims_a_type_is_not_repeated() -> None:
    assert "secret" not in str(refusal(changed(type="secret" * 1000)))


@pytest.mark.parametrize("message", MESSAGES)
def test_what_breaks_a_contract_otherwise_is_told_in_a_word_too(message: str) -> None:
    with pytest.raises(ContractError) as not_json:
        parse(MESSAGES[message], "{")
    with pytest.raises(ContractError) as broken:
        parse(MESSAGES[message], "{}")

    assert (not_json.value.reason, broken.value.reason) == ("not_json", "contract")
