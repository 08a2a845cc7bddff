"""The README says what is there, and its Python runs."""

import json
import re

import pytest
from contracts.tests.documents import CONTRACTS, examples

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.message import CloudEvent

README = (CONTRACTS / "README.md").read_text("utf-8")
(READING,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMPLETED = {each.reason: each for each in examples("accept") if each.message == "export-completed"}


def row_of(message: str) -> str:
    model = MESSAGES[message].__name__
    rows = [line for line in README.splitlines() if line.startswith(f"| [{model}]")]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_has_a_row_with_its_schema_and_its_type(message: str) -> None:
    (schema,) = re.findall(r"\]\((schemas/.*?)\)", row_of(message))
    model = MESSAGES[message]

    assert (CONTRACTS / schema).parent.name == message
    assert (CONTRACTS / schema).is_file()
    types = re.findall(r"\(`(.*?)`\)", row_of(message))
    assert types == ([model.TYPE] if issubclass(model, CloudEvent) else [])


def test_its_python_prints_the_objects_of_an_event(capsys: pytest.CaptureFixture[str]) -> None:
    example = COMPLETED["several-streams"]

    exec(READING, {"body": example.text})  # noqa: S102  (the README's own lines)

    assert capsys.readouterr().out.splitlines() == [
        f"{each['key']} {each['version_id']}"
        for each in example.document["data"]["manifest"]["objects"]
    ]


def test_its_python_prints_what_is_wrong_as_its_comment_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = COMPLETED["no-objects"].document
    document["data"]["window"]["from_ms"] = "2026-11-21"

    exec(READING, {"body": json.dumps(document)})  # noqa: S102  (the README's own lines)

    assert f"# {capsys.readouterr().out.strip()}\n" in READING
