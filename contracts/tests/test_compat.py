"""Within a major, each schema only adds optional fields to the one before."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.compat import (
    breaking_changes,
    consecutive_minors,
    needed_version,
    refusals,
)
from contracts.tests.documents import schema, versions

from logferry_contracts.catalogue import MESSAGES

PARCEL: Any = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "urn:example:parcel:1.0",
    "description": "A schema with every construct that ours use.",
    "type": "object",
    "additionalProperties": False,
    "required": ["id", "state", "weight_g", "sender", "items", "counts"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 32, "pattern": "^[a-z]+$"},
        "kind": {"const": "parcel"},
        "state": {"enum": ["sent", "lost"]},
        "weight_g": {"description": "Its weight.", "type": "integer", "minimum": 0, "maximum": 9},
        "sent_at": {"type": "string", "format": "date-time"},
        "sender": {"$ref": "#/$defs/Address"},
        "items": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Item"}},
        "counts": {
            "type": "object",
            "propertyNames": {"pattern": "^[a-z]+$"},
            "additionalProperties": {"type": "integer", "minimum": 0},
        },
        "insured": {"type": "boolean"},
    },
    "oneOf": [{"required": ["sent_at"]}, {"required": ["insured"]}],
    "allOf": [
        {
            "if": {"required": ["state"], "properties": {"state": {"const": "sent"}}},
            "then": {"required": ["sent_at"]},
        }
    ],
    "$defs": {
        "Address": {
            "type": "object",
            "additionalProperties": False,
            "required": ["city"],
            "properties": {"city": {"type": "string"}, "zip": {"type": "string"}},
        },
        "Item": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string", "minLength": 1}},
        },
    },
}

OLD_REFUSE = "readers of the old version refuse what the new one may write"
NEW_REFUSE = "readers of the new version refuse what the old one may have written"
EITHER_REFUSES = "a reader of one version may refuse what the other writes"

type Edit = Callable[[Any], object]

BREAKING: dict[str, Edit] = {
    "a field is required that was optional": lambda s: s["required"].append("insured"),
    "a field is required that is new": lambda s: (
        s["properties"].update(colour={"type": "string"}),
        s["required"].append("colour"),
    ),
    "a field is no longer required": lambda s: s["required"].remove("state"),
    "nothing is required any more": lambda s: s.pop("required"),
    "a field is gone": lambda s: s["properties"].pop("insured"),
    "a field has another name": lambda s: s["properties"].update(
        insurance=s["properties"].pop("insured")
    ),
    "a field has another type": lambda s: s["properties"]["weight_g"].update(type="number"),
    "a field has no type any more": lambda s: s["properties"]["weight_g"].pop("type"),
    "a field may be null": lambda s: s["properties"]["insured"].update(type=["boolean", "null"]),
    "a maximum is lower": lambda s: s["properties"]["weight_g"].update(maximum=8),
    "a maximum is higher": lambda s: s["properties"]["weight_g"].update(maximum=10),
    "a minimum is gone": lambda s: s["properties"]["weight_g"].pop("minimum"),
    "a minimum is exclusive": lambda s: s["properties"]["weight_g"].update(
        exclusiveMinimum=s["properties"]["weight_g"].pop("minimum")
    ),
    "a text may be longer": lambda s: s["properties"]["id"].update(maxLength=33),
    "a text may be empty": lambda s: s["properties"]["id"].update(minLength=0),
    "a pattern allows more": lambda s: s["properties"]["id"].update(pattern="^[a-z0-9]+$"),
    "a pattern is new": lambda s: s["$defs"]["Address"]["properties"]["city"].update(pattern="^A"),
    "a format is new": lambda s: s["properties"]["id"].update(format="uuid"),
    "a constant is another": lambda s: s["properties"]["kind"].update(const="letter"),
    "a constant is gone": lambda s: s["properties"].update(kind={}),
    "an enumeration has a new value": lambda s: s["properties"]["state"]["enum"].append("found"),
    "an enumeration lacks a value": lambda s: s["properties"]["state"]["enum"].remove("lost"),
    "an enumeration is free text": lambda s: s["properties"].update(state={"type": "string"}),
    "a nested field is required": lambda s: s["$defs"]["Address"]["required"].append("zip"),
    "a nested field is gone": lambda s: s["$defs"]["Address"]["properties"].pop("zip"),
    "a reference leads elsewhere": lambda s: s["properties"].update(
        sender={"$ref": "#/$defs/Item"}
    ),
    "a list may be empty": lambda s: s["properties"]["items"].pop("minItems"),
    "a list has other items": lambda s: s["properties"]["items"].update(items={"type": "string"}),
    "a list's items are bound tighter": lambda s: s["$defs"]["Item"]["properties"]["name"].update(
        minLength=2
    ),
    "a list has any items": lambda s: s["properties"]["items"].pop("items"),
    "a list is an object": lambda s: s["properties"].update(items=s["properties"]["counts"]),
    "a map has other values": lambda s: s["properties"]["counts"].update(
        additionalProperties={"type": "number", "minimum": 0}
    ),
    "a map has other names": lambda s: s["properties"]["counts"].update(
        propertyNames={"pattern": "^[a-z_]+$"}
    ),
    "a map is closed": lambda s: s["properties"]["counts"].update(additionalProperties=False),
    "a map has a field": lambda s: s["properties"]["counts"].update(
        properties={"total": {"type": "string"}}
    ),
    "writers are open": lambda s: s.pop("additionalProperties"),
    "nested writers are open": lambda s: s["$defs"]["Address"].update(additionalProperties=True),
    "an alternative is new": lambda s: s["oneOf"].append({"required": ["kind"]}),
    "an alternative is gone": lambda s: s["oneOf"].pop(),
    "an alternative is changed": lambda s: s["oneOf"][1].update(required=["kind"]),
    "a condition is new": lambda s: s["allOf"].append({"required": ["kind"]}),
    "a condition is gone": lambda s: s.pop("allOf"),
    "a condition asks for something else": lambda s: s["allOf"][0]["if"]["properties"].update(
        state={"const": "lost"}
    ),
    "a condition demands more": lambda s: s["allOf"][0]["then"]["required"].append("insured"),
    "a condition binds another field": lambda s: s["allOf"][0]["then"].update(
        properties={"weight_g": {"minimum": 1}}
    ),
    "a word is new that this module does not know": lambda s: s["properties"]["items"].update(
        unevaluatedItems=False
    ),
}

ADDITIVE: dict[str, Edit] = {
    "nothing": lambda _: None,
    "another id": lambda s: s.update({"$id": "urn:example:parcel:1.1"}),
    "another description": lambda s: s["properties"]["weight_g"].update(description="In grams."),
    "a title and a comment": lambda s: s.update({"title": "Parcel", "$comment": "-"}),
    "an optional field": lambda s: s["properties"].update(colour={"type": "string"}),
    "an optional field named like an annotation": lambda s: s["properties"].update(
        title={"type": "string"}
    ),
    "an optional object with required fields": lambda s: s["properties"].update(
        receiver={"$ref": "#/$defs/Address"}
    ),
    "an optional nested field": lambda s: s["$defs"]["Address"]["properties"].update(
        street={"type": "string"}
    ),
    "an optional field of a list's items": lambda s: s["$defs"]["Item"]["properties"].update(
        price={"type": "integer"}
    ),
    "required fields in another order": lambda s: s["required"].reverse(),
    "enumerated values in another order": lambda s: s["properties"]["state"]["enum"].reverse(),
    "a definition written in place": lambda s: s["properties"].update(
        sender=s["$defs"].pop("Address")
    ),
    "a definition under another name": lambda s: (
        s["$defs"].update(Place=s["$defs"].pop("Address")),
        s["properties"].update(sender={"$ref": "#/$defs/Place"}),
    ),
}


def edited(edit: Edit) -> Any:
    new = copy.deepcopy(PARCEL)
    edit(new)
    return new


@pytest.mark.parametrize("edit", BREAKING.values(), ids=BREAKING.keys())
def test_a_breaking_edit_is_refused(edit: Edit) -> None:
    assert breaking_changes(PARCEL, edited(edit)) != []


@pytest.mark.parametrize("edit", ADDITIVE.values(), ids=ADDITIVE.keys())
def test_an_additive_edit_is_allowed(edit: Edit) -> None:
    assert breaking_changes(PARCEL, edited(edit)) == []


@pytest.mark.parametrize(
    ("edit", "what", "whom"),
    [
        (
            "a list's items are bound tighter",
            "/items/items/name: minLength was 1, is 2",
            NEW_REFUSE,
        ),
        (
            "a maximum is higher",
            "/weight_g: maximum was 9, is 10",
            OLD_REFUSE,
        ),
        (
            "a maximum is lower",
            "/weight_g: maximum was 9, is 8",
            NEW_REFUSE,
        ),
        (
            "a minimum is gone",
            "/weight_g: minimum was 0, is nothing",
            OLD_REFUSE,
        ),
        (
            "an enumeration has a new value",
            "/state: 'found' is a new value",
            OLD_REFUSE,
        ),
        (
            "an enumeration lacks a value",
            "/state: 'lost' is no value any more",
            NEW_REFUSE,
        ),
        (
            "a field is gone",
            "/insured: the field is gone",
            "readers of the old version look for it in vain",
        ),
        (
            "a field is required that was optional",
            "/insured: the field is required now",
            NEW_REFUSE,
        ),
        (
            "a field is no longer required",
            "/state: the field is required no longer",
            OLD_REFUSE,
        ),
        (
            "a field has another type",
            "/weight_g: type was 'integer', is 'number'",
            EITHER_REFUSES,
        ),
        (
            "a map has a field",
            "/counts/total: was data, is a field",
            EITHER_REFUSES,
        ),
        (
            "writers are open",
            "/additionalProperties: was False, is nothing",
            EITHER_REFUSES,
        ),
    ],
)
def test_a_breaking_edit_is_explained_with_its_place_and_whom_it_breaks(
    edit: str, what: str, whom: str
) -> None:
    (change,) = breaking_changes(PARCEL, edited(BREAKING[edit]))

    assert str(change) == f"{what}: {whom}"


@pytest.mark.parametrize("edit", BREAKING.values(), ids=BREAKING.keys())
def test_a_breaking_edit_needs_the_next_major(edit: Edit) -> None:
    assert needed_version((1, 4), breaking_changes(PARCEL, edited(edit))) == (2, 0)


@pytest.mark.parametrize("edit", ADDITIVE.values(), ids=ADDITIVE.keys())
def test_an_additive_edit_needs_the_next_minor(edit: Edit) -> None:
    assert needed_version((1, 4), breaking_changes(PARCEL, edited(edit))) == (1, 5)


def test_a_version_that_breaks_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "parcel").mkdir()
    contents = {"1.0": PARCEL, "1.1": edited(BREAKING["a field is gone"]), "2.0": {}}
    for version, content in contents.items():
        (tmp_path / "parcel" / f"{version}.json").write_text(json.dumps(content))

    (told,) = refusals(tmp_path)

    assert told == (
        "parcel 1.1 may not follow 1.0:\n"
        "  /insured: the field is gone: readers of the old version look for it in vain\n"
        "  This would be parcel 2.0: see contracts/VERSIONING.md."
    )


def test_each_minor_only_adds_optional_fields_to_the_one_before() -> None:
    found = refusals()

    assert not found, "\n".join(found)


def test_minors_follow_each_other_by_number_and_majors_start_afresh(tmp_path: Path) -> None:
    (tmp_path / "parcel").mkdir()
    for version in ("1.0", "1.2", "1.10", "2.0", "2.1"):
        (tmp_path / "parcel" / f"{version}.json").write_text(json.dumps(PARCEL))

    assert consecutive_minors("parcel", tmp_path) == [
        ((1, 0), (1, 2)),
        ((1, 2), (1, 10)),
        ((2, 0), (2, 1)),
    ]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_released_schema_may_follow_itself(message: str) -> None:
    for version in versions(message):
        assert breaking_changes(schema(message, version), schema(message, version)) == []
