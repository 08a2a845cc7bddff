"""The schemas themselves: complete, closed, described, and the same in every language."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from contracts.tests.documents import (
    CONTRACTS,
    EXAMPLES,
    SCHEMAS,
    examples,
    inlined,
    newest_schema,
    schema,
    versions,
)
from jsonschema import Draft202012Validator

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.day_seal import DAY_SEAL_SCHEMA
from logferry_contracts.inventory import INVENTORY_SCHEMA
from logferry_contracts.ledger_record import LEDGER_SCHEMA
from logferry_contracts.message import CloudEvent
from logferry_contracts.proof import PROOF_SCHEMA
from logferry_contracts.recount import RECOUNT_SCHEMA
from logferry_contracts.statement import STATEMENT_SCHEMA

WRITTEN_BY_AWS = {"object-created"}
AT_REST = {
    "day-seal": DAY_SEAL_SCHEMA,
    "inventory": INVENTORY_SCHEMA,
    "ledger-record": LEDGER_SCHEMA,
    "proof": PROOF_SCHEMA,
    "recount": RECOUNT_SCHEMA,
    "statement": STATEMENT_SCHEMA,
}
EVERY_SCHEMA = [
    pytest.param(message, version, id=f"{message}-{version[0]}.{version[1]}")
    for message in MESSAGES
    for version in versions(message)
]


def nodes(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ``(place, node)`` for every object in a schema, which names the fields' fields too."""
    if isinstance(node, dict):
        yield at, node
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for name, child in children:
        if isinstance(child, dict | list):
            yield from nodes(child, f"{at}/{name}")


def fields(node: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield ``(place, field)`` for every field that an inlined schema describes."""
    for name, child in node.get("properties", {}).items():
        yield f"{at}/{name}", child
        yield from fields(child, f"{at}/{name}")
    for word in ("items", "additionalProperties"):
        if isinstance(node.get(word), dict):
            yield from fields(node[word], f"{at}/*")


def places(document: Any, at: str = "") -> Iterator[str]:
    """Yield every field of a document as `fields` names it."""
    if isinstance(document, list):
        for item in document:
            yield from places(item, f"{at}/*")
    elif isinstance(document, dict):
        for name, child in document.items():
            yield f"{at}/{name}"
            yield from places(child, f"{at}/{name}")


def test_every_folder_belongs_to_a_message_and_every_message_has_its_folders() -> None:
    for parent in (SCHEMAS, EXAMPLES):
        assert {path.name for path in parent.iterdir() if path.is_dir()} == set(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_has_examples_of_both_verdicts(message: str) -> None:
    for verdict in ("accept", "reject"):
        reasons = [each.reason for each in examples(verdict) if each.message == message]
        assert len(reasons) >= 2, verdict


@pytest.mark.parametrize(("message", "version"), EVERY_SCHEMA)
def test_a_schema_is_one_of_2020_12_and_named_for_its_file(
    message: str, version: tuple[int, int]
) -> None:
    contents = schema(message, version)

    Draft202012Validator.check_schema(contents)
    assert contents["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert contents["$id"] == f"urn:logferry:schema:{message}:{version[0]}.{version[1]}"
    assert contents["title"] == MESSAGES[message].__name__


@pytest.mark.parametrize(("message", "version"), EVERY_SCHEMA)
def test_a_schema_needs_no_other_file_and_holds_nothing_unused(
    message: str, version: tuple[int, int]
) -> None:
    contents = schema(message, version)
    referred = {node["$ref"] for _, node in nodes(contents) if isinstance(node.get("$ref"), str)}

    assert referred == {f"#/$defs/{name}" for name in contents.get("$defs", {})}


@pytest.mark.parametrize(("message", "version"), EVERY_SCHEMA)
def test_a_reference_has_nothing_beside_it_but_a_description(
    message: str, version: tuple[int, int]
) -> None:
    beside = [
        at
        for at, node in nodes(schema(message, version))
        if isinstance(node.get("$ref"), str) and node.keys() - {"$ref", "description"}
    ]

    assert beside == []


@pytest.mark.parametrize(("message", "version"), EVERY_SCHEMA)
def test_every_field_and_every_definition_is_described(
    message: str, version: tuple[int, int]
) -> None:
    contents = schema(message, version)
    described = {
        at: part.get("description", "")
        for root, at_root in [
            (contents, ""),
            *((d, n) for n, d in contents.get("$defs", {}).items()),
        ]
        for at, part in [(at_root, root), *fields(root, at_root)]
    }

    assert [at for at, text in described.items() if not text.endswith((".", ".html"))] == []


@pytest.mark.parametrize(("message", "version"), EVERY_SCHEMA)
def test_writers_are_closed_unless_the_writer_is_aws(
    message: str, version: tuple[int, int]
) -> None:
    closed = {
        node.get("additionalProperties", True) is False
        for _, node in nodes(inlined(schema(message, version)))
        if node.get("type") == "object" and "propertyNames" not in node
    }

    assert closed == {message not in WRITTEN_BY_AWS}


@pytest.mark.parametrize(("message", "version"), EVERY_SCHEMA)
def test_patterns_are_anchored_and_mean_the_same_in_every_language(
    message: str, version: tuple[int, int]
) -> None:
    texts = [
        node["pattern"]
        for _, node in nodes(schema(message, version))
        if isinstance(node.get("pattern"), str)
    ]

    # \d, \w, \s and \b know Unicode in one language and only ASCII in another.
    unlike = [each for each in texts if not re.fullmatch(r"\^(\\[.\-]|[^\\])*\$", each)]
    assert unlike == []


@pytest.mark.parametrize("message", MESSAGES)
def test_every_field_appears_in_an_accepted_example(message: str) -> None:
    appearing = {
        place
        for each in examples("accept")
        if each.message == message
        for place in places(each.document)
    }

    assert {at for at, _ in fields(inlined(newest_schema(message)))} - appearing == set()


def test_a_definition_that_messages_share_is_the_same_in_each() -> None:
    shared: dict[str, set[str]] = {}
    for message in MESSAGES:
        for name, definition in inlined_definitions(newest_schema(message)).items():
            shared.setdefault(name, set()).add(repr(definition))

    assert [name for name, texts in shared.items() if len(texts) > 1] == []


def inlined_definitions(contents: Any) -> dict[str, Any]:
    definitions = contents.get("$defs", {})
    return {
        name: inlined({"$defs": definitions, "$ref": f"#/$defs/{name}"}) for name in definitions
    }


@pytest.mark.parametrize("message", MESSAGES)
def test_a_model_writes_by_the_newest_schema(message: str) -> None:
    model = MESSAGES[message]
    newest = newest_schema(message)["$id"]

    if issubclass(model, CloudEvent):
        assert newest == model.SCHEMA
        assert newest_schema(message)["properties"]["type"]["const"] == model.TYPE
    if message in AT_REST:
        assert newest == AT_REST[message]


def test_no_file_lies_beside_schemas_and_examples() -> None:
    files = {path.suffix for path in SCHEMAS.rglob("*") if path.is_file()}

    assert files == {".json", ""}
    assert [path.name for path in SCHEMAS.rglob("*") if path.is_file() and not path.suffix] == [
        "SHA256SUMS"
    ]
    assert all(len(path.relative_to(CONTRACTS).parts) == 5 for path in EXAMPLES.rglob("*.json"))
