"""The names by which exports, queues, functions and slots are known."""

import re
from typing import Any

import pytest
from contracts.tests.documents import examples
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logferry_contracts.addendum import addendum_folder
from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.export import export_id
from logferry_contracts.message import CloudEvent
from logferry_contracts.object_secured import ObjectSecured, secured_id
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import parse

FUNCTION_NAME_MAX = 64
"""https://docs.aws.amazon.com/lambda/latest/api/API_CreateFunction.html"""

QUEUE_NAME_MAX = 80
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""

MESSAGE_GROUP_ID = r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}"
"""https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html"""

SOURCE = SourceName(profile="shop-prod", account_id="111122223333", region="eu-central-1")
WINDOW = Window(from_ms=1795215600000, to_ms=1795302000000)
LONGEST = SourceName(profile="A" * 32, account_id="111122223333", region="ap-southeast-2")


def test_an_export_has_the_same_id_wherever_and_whenever_it_is_computed() -> None:
    assert export_id(SOURCE, "/aws/lambda/orders", WINDOW, 1) == "758ef789c5a5e671fcd45ec4c28d10d5"


@pytest.mark.parametrize(
    ("source", "log_group_name", "window", "generation"),
    [
        (SOURCE.model_copy(update={"account_id": "111122223334"}), "/app/foo-bar", WINDOW, 1),
        (SOURCE.model_copy(update={"region": "eu-central-2"}), "/app/foo-bar", WINDOW, 1),
        (SOURCE, "/app/foobar", WINDOW, 1),
        (SOURCE, "/app/foo/bar", WINDOW, 1),
        (SOURCE, "/app/Foo-bar", WINDOW, 1),
        (SOURCE, "/app/foo-bar", WINDOW.model_copy(update={"from_ms": 1795215600001}), 1),
        (SOURCE, "/app/foo-bar", WINDOW.model_copy(update={"to_ms": 1795301999999}), 1),
        (SOURCE, "/app/foo-bar", WINDOW, 2),
    ],
    ids=["account", "Region", "no dash", "slash", "capital", "start", "end", "generation"],
)
def test_an_export_that_differs_in_one_part_has_another_id(
    source: SourceName, log_group_name: str, window: Window, generation: int
) -> None:
    other = export_id(source, log_group_name, window, generation)

    assert other != export_id(SOURCE, "/app/foo-bar", WINDOW, 1)


def test_an_export_keeps_its_id_when_its_source_is_renamed() -> None:
    renamed = SOURCE.model_copy(update={"profile": "store"})

    assert export_id(renamed, "/app", WINDOW, 1) == export_id(SOURCE, "/app", WINDOW, 1)


def _windows() -> st.SearchStrategy[Window]:
    starts, lengths = st.integers(0, 10**6), st.integers(1, 10**6)
    return st.builds(
        lambda start, length: Window(from_ms=start, to_ms=start + length), starts, lengths
    )


# Few letters and short numbers, so that many parts end where another begins.
_EXPORTS = st.tuples(
    st.builds(
        SourceName,
        profile=st.just("p"),
        account_id=st.sampled_from(["000000000001", "000000000011"]),
        region=st.sampled_from(["us-east-1", "us-east-11"]),
    ),
    st.text("1/-_.#a", min_size=1, max_size=6),
    _windows(),
    st.integers(1, 1000),
)


@settings(derandomize=True, database=None, max_examples=300)
@given(_EXPORTS, _EXPORTS)
@example((SOURCE, "a1", WINDOW, 1), (SOURCE, "a", Window(from_ms=11, to_ms=12), 1))
def test_no_two_exports_share_an_id(one: Any, other: Any) -> None:
    assert (export_id(*one) == export_id(*other)) == (one == other)


def _exports() -> list[Any]:
    documents = [(each, each.document) for each in examples("accept")]
    return [
        pytest.param(document.get("data", document), document.get("id"), id=str(each))
        for each, document in documents
        if "generation" in document.get("data", document)
    ]


@pytest.mark.parametrize(("data", "event_id"), _exports())
def test_an_example_names_its_export_as_the_services_do(data: Any, event_id: str | None) -> None:
    source = SourceName(**{name: data["source"][name] for name in SourceName.model_fields})
    log_group_name = data.get("log_group_name") or data["log_group"]["name"]
    window = Window(**data["window"])

    expected = export_id(source, log_group_name, window, data["generation"])

    assert data["export_id"] == expected
    number = data.get("addendum")
    name = expected if number is None else addendum_folder(expected, number)
    assert event_id in (name, None)


@pytest.mark.parametrize(
    "text", [each.text for each in examples("accept") if each.message == "object-secured"]
)
def test_a_secured_object_is_named_for_its_version_and_state(text: str) -> None:
    event = parse(ObjectSecured, text)

    assert secured_id(event.data) == event.id
    assert secured_id(event.data.model_copy(update={"version_id": "other"})) != event.id
    held = {"ON": "OFF", "OFF": "ON"}[event.data.legal_hold]
    assert secured_id(event.data.model_copy(update={"legal_hold": held})) != event.id


@pytest.mark.parametrize("source", [SOURCE, LONGEST], ids=["usual", "longest"])
def test_names_of_queues_and_functions_are_within_the_limits_of_aws(source: SourceName) -> None:
    for function_name in (source.exporter_function_name, source.direct_function_name):
        assert re.fullmatch(r"[A-Za-z0-9_-]+", function_name)
        assert len(function_name) <= FUNCTION_NAME_MAX
    for queue_name in (source.queue_name, source.dead_letter_queue_name):
        assert re.fullmatch(r"[A-Za-z0-9_-]+\.fifo", queue_name)
        assert len(queue_name) <= QUEUE_NAME_MAX


def test_names_of_queues_and_functions_are_those_of_the_profile() -> None:
    source = SOURCE.model_copy(update={"profile": "PRD"})

    assert source.queue_name == "log-sqs-prd-collect.fifo"
    assert source.dead_letter_queue_name == "log-sqs-prd-collect-dlq.fifo"
    assert source.exporter_function_name == "log-sqs-prd-collect-fifoSQSConsumer"
    assert source.direct_function_name == "log-sqs-prd-direct-fifoSQSConsumer"


def test_the_longest_profile_fills_the_name_of_a_function() -> None:
    assert len(LONGEST.exporter_function_name) == FUNCTION_NAME_MAX


def test_a_slot_is_a_message_group_of_its_account_and_region_alone() -> None:
    assert SOURCE.slot == "111122223333.eu-central-1"
    assert re.fullmatch(MESSAGE_GROUP_ID, LONGEST.slot)
    assert SOURCE.model_copy(update={"profile": "store"}).slot == SOURCE.slot


def test_each_date_is_waited_for_in_a_message_group_of_its_own() -> None:
    assert SOURCE.day_group("2026-11-22") == "111122223333.eu-central-1.day.2026-11-22"
    assert re.fullmatch(MESSAGE_GROUP_ID, LONGEST.day_group("2026-11-22"))
    assert SOURCE.day_group("2026-11-22") != SOURCE.day_group("2026-11-23")


def test_every_type_of_event_is_its_own() -> None:
    events = [each for each in MESSAGES.values() if issubclass(each, CloudEvent)]

    assert len({each.TYPE for each in events}) == len(events) == 13
    assert all(re.fullmatch(r"logferry\.[a-z]+\.[a-z]+\.v1", each.TYPE) for each in events)
