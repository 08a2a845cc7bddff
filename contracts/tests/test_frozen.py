"""A consumer that was written for version 1.0 reads what is published today, and what may come."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.documents import Example, examples
from contracts.tests.frozen import consumer_1_0
from contracts.tests.frozen.consumer_1_0 import Completed, Failed, Planned, Secured

FROZEN = Path(consumer_1_0.__file__)
READ_AS = {
    "export-completed": Completed,
    "export-failed": Failed,
    "object-secured": Secured,
    "plan-completed": Planned,
}
PUBLISHED = [
    each
    for each in examples("accept")
    if each.message in READ_AS and each.document["type"].endswith(".v1")
]


def grown(node: Any, at: str = "") -> Any:
    """Return a document with what a later minor version might add to each of its objects."""
    if isinstance(node, list):
        return [grown(child, at) for child in node]
    if not isinstance(node, dict):
        return node
    fields = {name: grown(child, name) for name, child in node.items()}
    # Its names are data: what is added there is no field.
    return fields if at == "skipped" else {"added_later": {"x": [1]}, **fields, "later": "text"}


def test_the_consumer_has_not_been_touched_and_knows_nothing_of_todays_models() -> None:
    digest = hashlib.sha256(FROZEN.read_bytes()).hexdigest()

    assert f"{digest}  {FROZEN.name}\n" == (FROZEN.parent / "SHA256SUMS").read_text()
    assert set(re.findall(r"(?m)^(?:from|import) (\S+)", FROZEN.read_text())) == {
        "collections.abc",
        "dataclasses",
        "json",
        "typing",
    }


@pytest.mark.parametrize("example", PUBLISHED, ids=str)
def test_it_reads_every_event_of_every_minor_version(example: Example) -> None:
    event = consumer_1_0.read(example.text)

    assert isinstance(event, READ_AS[example.message])
    assert event.event == (example.document["source"], example.document["id"])


@pytest.mark.parametrize("example", PUBLISHED, ids=str)
def test_it_reads_an_event_the_same_with_fields_that_are_added_later(example: Example) -> None:
    later = grown(example.document)
    later["dataschema"] = re.sub(r"1\.[0-9]+$", "1.99", later["dataschema"])

    assert consumer_1_0.read(json.dumps(later)) == consumer_1_0.read(example.text)


def test_it_refuses_the_next_major() -> None:
    text = PUBLISHED[0].text.replace(".v1", ".v2")

    with pytest.raises(consumer_1_0.Unreadable):
        consumer_1_0.read(text)
