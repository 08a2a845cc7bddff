"""The channels: every message that travels is in asyncapi.yaml, by its newest schema."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from contracts.tests.asyncapi_form import FORM
from contracts.tests.documents import CONTRACTS, examples, schema, versions
from jsonschema import Draft202012Validator

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.message import CloudEvent
from logferry_contracts.source import SourceName
from logferry_contracts.wire import parse

DOCUMENT: Any = yaml.safe_load((CONTRACTS / "asyncapi.yaml").read_text("utf-8"))
MESSAGES_THERE = DOCUMENT["components"]["messages"]
AT_REST = {
    *("day-seal", "inventory", "ledger-record", "proof"),
    *("recount", "seal-leaf", "statement"),
}
SOURCE = SourceName(profile="prd", account_id="111122223333", region="eu-central-1")


def references(node: Any) -> Iterator[str]:
    """Yield every $ref below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def resolved(reference: str) -> Any:
    """Return what a reference within the document refers to, references in turn followed."""
    node = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        node = node[name]
    return resolved(node["$ref"]) if "$ref" in node else node


def file_of(message: Any) -> str:
    file: str = message["payload"]["schema"]["$ref"]
    return file


def newest_file(message: str) -> str:
    major, minor = versions(message)[-1]
    return f"schemas/{message}/{major}.{minor}.json"


def sent_to(channel: str) -> set[str]:
    return {
        file_of(resolved(message["$ref"])).split("/")[1]
        for message in DOCUMENT["channels"][channel]["messages"].values()
    }


def test_the_document_has_the_form_of_asyncapi_3() -> None:
    errors = Draft202012Validator(FORM).iter_errors(DOCUMENT)

    assert [f"{each.json_path}: {each.message}" for each in errors] == []


def test_every_parameter_of_an_address_is_described_and_no_other() -> None:
    for channel in DOCUMENT["channels"].values():
        in_address = set(re.findall(r"\{([^}]+)\}", channel["address"]))
        assert in_address == set(channel.get("parameters", {}))
    for server in DOCUMENT["servers"].values():
        assert set(re.findall(r"\{([^}]+)\}", server["host"])) == set(server["variables"])


def test_every_reference_leads_somewhere() -> None:
    inside = [each for each in references(DOCUMENT) if each.startswith("#/")]
    files = {each for each in references(DOCUMENT) if not each.startswith("#/")}

    assert all(resolved(each) for each in inside)
    assert [each for each in files if not (CONTRACTS / each).is_file()] == []


def test_every_message_that_travels_is_there_by_its_newest_schema_and_no_other() -> None:
    there = {file_of(message) for message in MESSAGES_THERE.values()}

    assert there == {newest_file(message) for message in MESSAGES if message not in AT_REST}


@pytest.mark.parametrize("name", MESSAGES_THERE)
def test_a_message_is_named_for_its_schema(name: str) -> None:
    message = MESSAGES_THERE[name]
    folder = file_of(message).split("/")[1]

    title = schema(folder, versions(folder)[-1])["title"]

    assert title in (name, message.get("name"))
    assert message["payload"]["schemaFormat"] == "application/schema+json;version=draft-2020-12"


def test_every_message_is_in_a_channel_and_every_channel_has_an_operation() -> None:
    in_channels = {
        message["$ref"]
        for channel in DOCUMENT["channels"].values()
        for message in channel["messages"].values()
    }
    used = {each["channel"]["$ref"] for each in DOCUMENT["operations"].values()}

    assert in_channels == {f"#/components/messages/{name}" for name in MESSAGES_THERE}
    assert used == {f"#/channels/{name}" for name in DOCUMENT["channels"]}


@pytest.mark.parametrize("name", DOCUMENT["operations"])
def test_an_operation_says_who_does_it_and_with_messages_of_its_channel(name: str) -> None:
    operation = DOCUMENT["operations"][name]
    channel = operation["channel"]["$ref"]

    assert operation["action"] in ("send", "receive")
    assert len(operation["tags"]) == 1
    assert operation["summary"].endswith(".")
    assert all(each["$ref"].startswith(f"{channel}/messages/") for each in operation["messages"])


@pytest.mark.parametrize("name", DOCUMENT["channels"])
def test_every_message_of_a_channel_has_a_sender_and_unless_it_is_dead_a_receiver(
    name: str,
) -> None:
    done = {
        (operation["action"], message["$ref"].rsplit("/", 1)[1])
        for operation in DOCUMENT["operations"].values()
        if operation["channel"]["$ref"] == f"#/channels/{name}"
        for message in operation["messages"]
    }
    messages = DOCUMENT["channels"][name]["messages"]

    assert {message for action, message in done if action == "send"} == set(messages)
    if not name.endswith("DeadLetters"):
        assert {message for action, message in done if action == "receive"} == set(messages)


@pytest.mark.parametrize(
    ("channel", "name"),
    [("exportRequests", SOURCE.queue_name), ("exportDeadLetters", SOURCE.dead_letter_queue_name)],
)
def test_a_source_has_the_queues_of_the_channels_addresses(channel: str, name: str) -> None:
    assert DOCUMENT["channels"][channel]["address"].format(profile=SOURCE.profile) == name
    assert DOCUMENT["channels"][channel]["parameters"].keys() == {"profile"}


@pytest.mark.parametrize(
    ("channel", "messages"),
    [
        ("planner", {"plan-request", "execution-variables", "plan-continued", "feed-request"}),
        ("exportRequests", {"export-requested", "day-planned"}),
        ("objects", {"object-created", "export-completed"}),
        (
            "events",
            {
                "plan-completed",
                "export-completed",
                "export-failed",
                "object-secured",
                "day-completed",
                "day-sealed",
            },
        ),
        ("seals", {"seal-request", "export-completed", "day-completed", "plan-completed"}),
    ],
)
def test_a_channel_carries_what_its_receiver_reads(channel: str, messages: set[str]) -> None:
    assert sent_to(channel) == messages


@pytest.mark.parametrize(
    ("alive", "dead"),
    [
        ("planner", "plannerDeadLetters"),
        ("exportRequests", "exportDeadLetters"),
        ("objects", "objectDeadLetters"),
        ("seals", "sealDeadLetters"),
    ],
)
def test_a_dead_letter_has_the_body_that_it_had_alive(alive: str, dead: str) -> None:
    assert sent_to(dead) == sent_to(alive)


@pytest.mark.parametrize("message", sorted(sent_to("events")))
def test_attributes_are_those_that_the_events_have(message: str) -> None:
    texts = [each.text for each in examples("accept") if each.message == message]
    events: list[Any] = [parse(MESSAGES[message], text) for text in texts]
    declared = resolved(MESSAGES_THERE[MESSAGES[message].__name__]["headers"]["$ref"])

    found = [set(event.attributes) for event in events]
    assert set(declared["required"]) == set.intersection(*found)
    assert set(declared["properties"]) == set.union(*found)


@pytest.mark.parametrize("name", MESSAGES_THERE)
def test_a_message_says_whether_it_is_a_cloudevent(name: str) -> None:
    message = MESSAGES_THERE[name]
    model = MESSAGES[file_of(message).split("/")[1]]
    content_type = message.get("contentType", DOCUMENT["defaultContentType"])

    assert (content_type == "application/cloudevents+json") == issubclass(model, CloudEvent)
