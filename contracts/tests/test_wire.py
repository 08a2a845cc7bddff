"""Reading and writing a message: what is wrong is named, and nothing wrong gets through."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from contracts.tests.documents import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.manifest import Manifest
from logferry_contracts.object_created import ObjectCreated
from logferry_contracts.plan_request import PlanRequest
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, emit, parse, validate

TEXT = {f"{each.message}/{each.reason}": each.text for each in examples("accept")}
REQUESTED = TEXT["export-requested/with-external-id"]
COMPLETED = TEXT["export-completed/several-streams"]


def requested(**changes: Any) -> str:
    document = json.loads(REQUESTED)
    return json.dumps({**document, "data": {**document["data"], **changes}})


def problems(message: Any, body: str | bytes) -> list[str]:
    with pytest.raises(ContractError) as refusal:
        parse(message, body)
    return refusal.value.problems


def test_an_error_names_the_message_the_path_and_the_rule() -> None:
    body = requested(window={"from_ms": "2026-11-21", "to_ms": 1})

    with pytest.raises(ContractError) as refusal:
        parse(ExportRequested, body)

    assert refusal.value.message_name == "ExportRequested"
    assert refusal.value.problems == ["data.window.from_ms: Input should be a valid integer"]
    assert str(refusal.value) == (
        "not a valid ExportRequested: data.window.from_ms: Input should be a valid integer"
    )


def test_what_is_passed_on_as_it_is_can_be_checked() -> None:
    validate(ExportRequested, REQUESTED)
    with pytest.raises(ContractError, match=r"data\.generation"):
        validate(ExportRequested, requested(generation=0))


def test_an_error_names_every_broken_rule() -> None:
    broken = problems(ExportRequested, requested(generation=0, lane="express"))

    assert [each.split(":")[0] for each in broken] == ["data.generation", "data.lane"]


def test_an_error_names_an_item_of_a_list_by_its_number() -> None:
    document = json.loads(COMPLETED)
    del document["data"]["manifest"]["objects"][1]["version_id"]

    assert problems(ExportCompleted, json.dumps(document)) == [
        "data.manifest.objects.1.version_id: Field required"
    ]


def test_an_error_names_fields_as_they_are_in_the_text() -> None:
    document = json.loads(TEXT["object-created/put-object"])
    document["detail"]["object"]["version-id"] = ""

    (problem,) = problems(ObjectCreated, json.dumps(document))

    assert problem.startswith("detail.object.version-id: ")


def test_an_error_does_not_repeat_what_it_refuses() -> None:
    (problem,) = problems(ExportRequested, requested(export_id="secret" * 1000))

    assert "secret" not in problem


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("", id="nothing"),
        pytest.param("{", id="cut off"),
        pytest.param(f"{REQUESTED}{{}}", id="two documents"),
        pytest.param("null", id="null"),
        pytest.param(f"[{REQUESTED}]", id="a list of messages"),
        pytest.param(json.dumps(REQUESTED), id="text in text"),
        pytest.param(REQUESTED.encode("utf-16"), id="UTF-16"),
        pytest.param("\ufeff" + REQUESTED, id="byte order mark"),
        pytest.param(REQUESTED.replace("payments", "zürich").encode("latin-1"), id="Latin-1"),
        pytest.param(REQUESTED.replace("payments", "\ud800"), id="half a surrogate pair"),
        pytest.param(REQUESTED.replace("payments", "\\ud800"), id="half an escaped pair"),
        pytest.param(REQUESTED.replace('"1.0"', "1.0"), id="version as number"),
        pytest.param("[" * 100_000 + "]" * 100_000, id="deep list"),
        pytest.param('{"data":' * 100_000 + "1" + "}" * 100_000, id="deep object"),
        pytest.param(requested(estimated_bytes=1).replace(": 1}", ": 1e3}"), id="exponent"),
        pytest.param(requested(estimated_bytes=1).replace(": 1}", ": NaN}"), id="not a number"),
        pytest.param(
            requested(estimated_bytes=1).replace(": 1}", f": {'9' * 10_000}}}"), id="huge integer"
        ),
        pytest.param(requested(lane="x" * 5_000_000), id="huge text"),
    ],
)
def test_what_is_not_a_message_is_a_contract_error(body: str | bytes) -> None:
    assert problems(ExportRequested, body) != []


@settings(derandomize=True, database=None)
@given(st.one_of(st.text(), st.binary()), st.sampled_from(sorted(MESSAGES)))
def test_no_text_makes_reading_fail_in_another_way(body: str | bytes, message: str) -> None:
    with pytest.raises(ContractError):
        parse(MESSAGES[message], body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(derandomize=True, database=None)
@given(_JSON, st.sampled_from(sorted(json.loads(REQUESTED)["data"])))
def test_no_value_of_a_field_makes_reading_fail_in_another_way(value: Any, field: str) -> None:
    with suppress(ContractError):
        parse(ExportRequested, requested(**{field: value}))


def test_unknown_fields_are_dropped_wherever_they_are() -> None:
    document = json.loads(REQUESTED)
    for place in (document, document["data"], document["data"]["log_group"]):
        place["added_in_1_1"] = {"anything": None}

    assert emit(parse(ExportRequested, json.dumps(document))) == emit(
        parse(ExportRequested, REQUESTED)
    )


def test_a_null_in_an_unknown_field_is_no_reason_to_refuse() -> None:
    body = requested(added_in_1_1=None)

    assert parse(ExportRequested, body).data.lane == "slot"


def test_bytes_and_text_are_read_alike() -> None:
    assert parse(ExportCompleted, COMPLETED.encode()) == parse(ExportCompleted, COMPLETED)


def test_writing_leaves_out_what_is_absent() -> None:
    written = json.loads(emit(parse(ExportRequested, TEXT["export-requested/standard-day"])))

    assert "external_id" not in written["data"]["source"]


def test_python_says_none_for_an_absent_field() -> None:
    assert Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[], location=None)


def test_a_written_message_is_refused_when_it_was_put_together_wrongly() -> None:
    message = parse(ExportRequested, REQUESTED)
    backwards = Window.model_construct(from_ms=2, to_ms=1)
    wrong = message.model_copy(
        update={"data": message.data.model_copy(update={"window": backwards})}
    )

    with pytest.raises(ContractError, match=r"ExportRequested: data\.window: .* is not before"):
        emit(wrong)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("a", id="of another type"),
        pytest.param(None, id="None"),
        pytest.param(object(), id="not JSON"),
        pytest.param("\ud800", id="not UTF-8"),
    ],
)
def test_a_written_message_is_refused_when_a_field_is(value: Any) -> None:
    with pytest.raises(ContractError, match="not a valid Window"):
        emit(Window.model_construct(from_ms=value, to_ms=1))


def test_a_written_message_is_refused_when_a_field_is_missing() -> None:
    half: Any = {"from_ms": 0}

    with pytest.raises(ContractError, match="to_ms: Field required"):
        emit(Window.model_construct(**half))


def test_an_envelope_takes_the_newest_schema_and_a_time_in_utc() -> None:
    data = parse(PlanRequest, TEXT["plan-request/day-of-an-account"]).data

    event = PlanRequest.of(
        data,
        id="1",
        source="urn:logferry:cli",
        time=datetime.fromisoformat("2026-11-23T15:00:00.123456+09:00").astimezone(UTC),
    )

    envelope = json.loads(emit(event))
    del envelope["data"]
    assert envelope == {
        "specversion": "1.0",
        "id": "1",
        "source": "urn:logferry:cli",
        "type": "logferry.plan.requested.v1",
        "time": "2026-11-23T06:00:00.123Z",
        "datacontenttype": "application/json",
        "dataschema": PlanRequest.SCHEMA,
    }


def test_an_event_tells_nobody_how_to_reach_its_source() -> None:
    message = parse(ExportCompleted, COMPLETED)
    source = parse(ExportRequested, REQUESTED).data.source
    assert isinstance(source, Source)
    assert source.external_id
    careless = message.model_copy(
        update={"data": message.data.model_copy(update={"source": source})}
    )

    assert source.external_id not in emit(careless)
    assert source.role_arn not in emit(careless)
    assert set(careless.attributes) == {"type", "log_group", "profile", "account_id", "region"}


def test_a_source_without_the_way_to_reach_it_is_its_name() -> None:
    source = parse(ExportRequested, REQUESTED).data.source

    assert source.name == SourceName(
        profile="payments", account_id="444455556666", region="ap-northeast-2"
    )


@pytest.mark.parametrize(
    ("text", "attributes"),
    [
        (
            "export-completed/several-streams",
            {
                "type": "logferry.export.completed.v1",
                "profile": "shop-prod",
                "account_id": "111122223333",
                "region": "eu-central-1",
                "log_group": "/aws/lambda/orders",
            },
        ),
        (
            "export-failed/bucket-policy-missing",
            {
                "type": "logferry.export.failed.v1",
                "profile": "payments",
                "account_id": "444455556666",
                "region": "ap-northeast-2",
                "log_group": "/ecs/checkout-api",
            },
        ),
        (
            "plan-completed/nothing-due",
            {
                "type": "logferry.plan.completed.v1",
                "profile": "payments",
                "account_id": "444455556666",
                "region": "ap-northeast-2",
            },
        ),
        ("object-secured/copied-and-on-hold", {"type": "logferry.object.secured.v1"}),
    ],
)
def test_attributes_are_what_filter_policies_select_by(
    text: str, attributes: dict[str, str]
) -> None:
    message = text.partition("/")[0]
    event: Any = parse(MESSAGES[message], TEXT[text])

    assert event.attributes == attributes
