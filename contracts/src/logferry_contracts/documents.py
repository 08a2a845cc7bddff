"""The contracts as files: every schema and every example, in the wheel as in the checkout."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

_PACKAGE = Path(__file__).parent
_FILES = _PACKAGE if (_PACKAGE / "schemas").is_dir() else _PACKAGE.parents[1]
"""A wheel has them in the package, a checkout beside ``src``."""

SCHEMAS = _FILES / "schemas"
EXAMPLES = _FILES / "examples"

type Version = tuple[int, int]
"""Major and minor."""

type Verdict = Literal["accept", "reject"]
"""What every reader has to do with an example."""


@dataclass(frozen=True)
class Example:
    """One file ``examples/<message>/<version>/<accept or reject>/<reason>.json``."""

    message: str
    version: Version
    verdict: Verdict
    reason: str
    text: str

    @property
    def document(self) -> Any:
        """What the text says."""
        return json.loads(self.text)

    @property
    def name(self) -> str:
        """Such as ``export-completed/several-streams``."""
        return f"{self.message}/{self.reason}"

    def __str__(self) -> str:
        return f"{self.message}-{self.version[0]}.{self.version[1]}-{self.reason}"


def examples(verdict: Verdict, message: str = "*") -> list[Example]:
    """Return every example of a verdict, of one message or of all."""
    return [
        Example(
            path.parts[-4], _version(path.parts[-3]), verdict, path.stem, path.read_text("utf-8")
        )
        for path in sorted(EXAMPLES.glob(f"{message}/*/{verdict}/*.json"))
    ]


def versions(message: str, schemas: Path = SCHEMAS) -> list[Version]:
    """Return every version of a message's schema, oldest first."""
    return sorted(_version(path.stem) for path in (schemas / message).glob("*.json"))


def schema_text(message: str, version: Version, schemas: Path = SCHEMAS) -> str:
    """Return one schema as it was released."""
    major, minor = version
    return (schemas / message / f"{major}.{minor}.json").read_text("utf-8")


def schema(message: str, version: Version, schemas: Path = SCHEMAS) -> Any:
    """Return one schema."""
    return json.loads(schema_text(message, version, schemas))


def newest_schema(message: str) -> Any:
    """Return the schema that a message is written by."""
    return schema(message, versions(message)[-1])


def for_readers(schema: Any) -> Any:
    """Return a schema that lets fields be which it does not know.

    A message of a later minor version has such fields. The released schemas are the writers': they
    are closed.
    """
    if isinstance(schema, list):
        return [for_readers(child) for child in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        word: for_readers(child)
        for word, child in schema.items()
        if not (word == "additionalProperties" and child is False)
    }


def _version(text: str) -> Version:
    major, minor = text.split(".")
    return int(major), int(minor)
