"""Hold a document to one released schema, as its writer must. Needs the extra ``jsonschema``."""

from typing import Any

from jsonschema import Draft202012Validator

from logferry_contracts.documents import Version, schema

_LONGEST = 200
"""Characters of a problem: jsonschema repeats the value that it refuses."""


def differences(message: str, version: Version, document: Any) -> list[str]:
    """Return one ``path: rule`` for each way in which a document breaks a schema.

    Fields that the schema does not know are among them: readers let them be, a writer must not
    send them. What a schema cannot say is not looked at, see `logferry_contracts.wire.parse`.
    """
    errors = Draft202012Validator(schema(message, version)).iter_errors(document)
    return [
        f"{'.'.join(map(str, error.absolute_path)) or '(the message)'}: {error.message[:_LONGEST]}"
        for error in sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])
    ]
