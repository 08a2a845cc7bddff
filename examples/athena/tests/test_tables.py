"""The tables fit what they are over: the lines, the keys, and the ledger's schema."""

import re
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.documents import examples, inlined, newest_schema

from logferry.template import load_template
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import log_group_folder
from logferry_contracts.wire import parse

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
RESOURCES: Any = load_template(TEMPLATE.read_text())["Resources"]
LOG_LINES = RESOURCES["LogLines"]["Properties"]["TableInput"]
LEDGER = RESOURCES["Ledger"]["Properties"]["TableInput"]
COMPLETED = parse(
    ExportCompleted,
    next(e.text for e in examples("accept", "export-completed") if e.reason == "several-streams"),
)


def hive_type(field: Any) -> Any:
    """Return a field of a schema as Hive has it: a name, or a struct's fields by name."""
    if field.get("type") == "object":
        return {name: hive_type(child) for name, child in field["properties"].items()}
    return {"integer": "bigint", "boolean": "boolean"}.get(field.get("type"), "string")


def parsed(text: str) -> Any:
    """Read a type such as ``struct<a:string,b:struct<c:bigint>>``."""
    if not text.startswith("struct<"):
        return text
    fields, depth, start, body = [], 0, 0, text.removeprefix("struct<").removesuffix(">")
    for at, character in enumerate(body):
        depth += {"<": 1, ">": -1}.get(character, 0)
        if character == "," and not depth:
            fields.append(body[start:at])
            start = at + 1
    pairs = (field.split(":", 1) for field in [*fields, body[start:]])
    return {name: parsed(each) for name, each in pairs}


def fits(column: Any, field: Any) -> bool:
    """Return whether a column is a field of the schema, or some of its fields."""
    if isinstance(column, dict) and isinstance(field, dict):
        return all(name in field and fits(column[name], field[name]) for name in column)
    return bool(column == field)


@pytest.mark.parametrize(
    "column", LEDGER["StorageDescriptor"]["Columns"], ids=lambda column: column["Name"]
)
def test_a_column_of_the_ledger_is_a_field_of_its_schema(column: Any) -> None:
    fields = hive_type(inlined(newest_schema("ledger-record")))

    assert fits(parsed(column["Type"]), fields[column["Name"]])


def test_a_field_that_the_schema_lacks_does_not_fit() -> None:
    fields = hive_type(inlined(newest_schema("ledger-record")))

    assert not fits(parsed("struct<from_ms:bigint,until_ms:bigint>"), fields["window"])
    assert not fits("string", fields["generation"])


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("2026-11-22T06:00:00.000Z hello", ("2026-11-22T06:00:00.000Z", "hello")),
        ("2026-11-22T06:00:00.000Z ", ("2026-11-22T06:00:00.000Z", "")),
        ('  File "x", line 1', (None, '  File "x", line 1')),
        ("", (None, "")),
        ("2026-11-22 06:00:00 not ours", (None, "2026-11-22 06:00:00 not ours")),
    ],
)
def test_a_line_is_a_time_and_the_rest(line: str, columns: tuple[str | None, str]) -> None:
    """Java's patterns and Python's agree on this one; the SerDe matches a whole line."""
    pattern = LOG_LINES["StorageDescriptor"]["SerdeInfo"]["Parameters"]["input.regex"]
    found = re.fullmatch(pattern, line)

    assert found is not None
    assert found.groups() == columns
    assert len(LOG_LINES["StorageDescriptor"]["Columns"]) == re.compile(pattern).groups


def test_a_days_folder_is_where_its_objects_are() -> None:
    parts = {
        "ArchiveBucketName": COMPLETED.data.destination.bucket,
        "Profile": COMPLETED.data.source.profile,
        "LogGroup": log_group_folder(COMPLETED.data.log_group_name),
        "!day": "2026/11/21",
    }
    folder = filled(LOG_LINES["Parameters"]["storage.location.template"], parts)

    for each in COMPLETED.data.manifest.objects or []:
        assert f"s3://{COMPLETED.data.destination.bucket}/{each.key}".startswith(folder)


def test_a_sources_folder_is_where_its_ledger_records_are() -> None:
    record = parse(LedgerRecord, next(iter(examples("accept", "ledger-record"))).text)
    parts = {
        "ControlBucketName": "control",
        "!account_id": record.source.account_id,
        "!region": record.source.region,
    }
    folder = filled(LEDGER["Parameters"]["storage.location.template"], parts)

    key = ledger_key(record.source, record.window, record.export_id)
    assert f"s3://control/{key}".startswith(folder)


def filled(template: Any, parts: dict[str, str]) -> str:
    return re.sub(r"\$\{([^}]+)\}", lambda name: parts[name[1]], template["Fn::Sub"])
