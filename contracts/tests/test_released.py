"""A released schema is never overwritten: readers that were built for it are out there."""

import hashlib
import shutil
from pathlib import Path

import pytest
from contracts.tests.documents import SCHEMAS


def overwritten(schemas: Path) -> list[str]:
    """Compare a folder of schemas with its SHA256SUMS: one line per file that differs."""
    lines = (schemas / "SHA256SUMS").read_text("utf-8").splitlines()
    released = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
    present = {
        path.relative_to(schemas).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in schemas.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    return [
        f"{name}: {_verdict(released.get(name), present.get(name))}"
        for name in sorted(released.keys() | present.keys())
        if released.get(name) != present.get(name)
    ]


def _verdict(released: str | None, present: str | None) -> str:
    if present is None:
        return "is missing: readers were built for it; restore it"
    if released is None:
        return "is not in SHA256SUMS: list it once it is to stay as it is"
    return "has changed since its release: restore it, and make the change a new version"


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SCHEMAS, tmp_path / "schemas"))


def test_every_schema_is_as_it_was_released() -> None:
    found = overwritten(SCHEMAS)

    assert not found, "\n".join([*found, "See contracts/VERSIONING.md."])


def test_a_missing_schema_is_noticed(schemas: Path) -> None:
    (schemas / "export-failed" / "1.0.json").unlink()

    assert overwritten(schemas) == [
        "export-failed/1.0.json: is missing: readers were built for it; restore it"
    ]


def test_a_changed_schema_is_noticed(schemas: Path) -> None:
    path = schemas / "export-failed" / "1.0.json"
    path.write_bytes(path.read_bytes() + b"\n")

    (told,) = overwritten(schemas)

    assert told.startswith("export-failed/1.0.json: has changed since its release: restore it")


def test_an_unlisted_schema_is_noticed(schemas: Path) -> None:
    shutil.copy(schemas / "export-failed" / "1.0.json", schemas / "export-failed" / "1.1.json")

    assert overwritten(schemas) == [
        "export-failed/1.1.json: is not in SHA256SUMS: list it once it is to stay as it is"
    ]
