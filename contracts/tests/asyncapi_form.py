"""What of AsyncAPI 3.0 our document uses, as a closed JSON Schema: a misspelt word is an error.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from typing import Any

_TEXT = {"type": "string", "minLength": 1}
_TAGS = {"type": "array", "items": {"$ref": "#/$defs/tag"}}
_REFERENCES = {"type": "array", "items": {"$ref": "#/$defs/reference"}}


def _closed(required: list[str], **fields: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "additionalProperties": False,
        "properties": fields,
    }


def _map_of(what: str) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9_-]+$"},
        "additionalProperties": {"$ref": f"#/$defs/{what}"},
    }


FORM: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_closed(
        ["asyncapi", "info", "servers", "channels", "operations", "components"],
        asyncapi={"const": "3.0.0"},
        info=_closed(
            ["title", "version"],
            title=_TEXT,
            version=_TEXT,
            description=_TEXT,
            license=_closed(["name"], name=_TEXT, url=_TEXT),
        ),
        defaultContentType=_TEXT,
        servers=_map_of("server"),
        channels=_map_of("channel"),
        operations=_map_of("operation"),
        components=_closed([], messages=_map_of("message"), schemas={"type": "object"}),
    ),
    "$defs": {
        "reference": _closed(["$ref"], **{"$ref": {"type": "string", "pattern": "^#/"}}),
        "tag": _closed(["name"], name=_TEXT),
        "variable": _closed([], description=_TEXT),
        "server": _closed(
            ["host", "protocol"],
            host=_TEXT,
            protocol=_TEXT,
            description=_TEXT,
            variables=_map_of("variable"),
        ),
        "channel": _closed(
            [],
            address=_TEXT,
            title=_TEXT,
            description=_TEXT,
            servers=_REFERENCES,
            messages=_map_of("reference"),
            parameters=_map_of("variable"),
        ),
        "operation": _closed(
            ["action", "channel"],
            action={"enum": ["send", "receive"]},
            summary=_TEXT,
            tags=_TAGS,
            channel={"$ref": "#/$defs/reference"},
            messages=_REFERENCES,
        ),
        "message": _closed(
            [],
            name=_TEXT,
            summary=_TEXT,
            contentType=_TEXT,
            headers={"$ref": "#/$defs/reference"},
            payload=_closed(
                ["schemaFormat", "schema"],
                schemaFormat=_TEXT,
                schema=_closed(["$ref"], **{"$ref": _TEXT}),
            ),
        ),
    },
}
