"""Validation by JSON Schema, read as every language reads it."""

import re
from collections.abc import Iterator
from typing import Any

from contracts.tests.documents import inlined
from jsonschema import Draft202012Validator, ValidationError, validators
from jsonschema.protocols import Validator

from logferry_contracts.documents import for_readers


def _pattern(_: Validator, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    # The end of input is where ECMA-262 puts "$"; Python's also takes a newline before it.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


# To JSON Schema 1.0 is an integer. No writer of ours sends one, and no reader takes one.
_TYPES = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
_Validator: Any = validators.extend(  # type: ignore[no-untyped-call]  # its stubs lack types
    Draft202012Validator, {"pattern": _pattern}, type_checker=_TYPES
)


def writer(schema: Any) -> Validator:
    """Hold a document to a schema as its writer must: with no field that the schema lacks."""
    validator: Validator = _Validator(inlined(schema))
    return validator


def reader(schema: Any) -> Validator:
    """Hold a document to a schema as a reader does: a field that the schema lacks is let be."""
    validator: Validator = _Validator(for_readers(inlined(schema)))
    return validator
