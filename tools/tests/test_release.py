"""A release: all versions agree, before it and after it."""

import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from tools.release import (
    ASYNCAPI,
    CHANGELOG,
    COMMAND,
    ROOT,
    ReleaseError,
    projects,
    release,
    versions,
)

ON = date(2026, 12, 1)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for path in (*projects(ROOT), ASYNCAPI, COMMAND, CHANGELOG):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    changes = (tmp_path / CHANGELOG).read_text().partition("## Unreleased\n")
    former = re.split(r"(?=^## [0-9])", changes[2] or changes[0], maxsplit=1, flags=re.MULTILINE)[1]
    (tmp_path / CHANGELOG).write_text(f"# Changelog\n\n## Unreleased\n\n- A change.\n\n{former}")
    return tmp_path


def test_every_distribution_has_the_same_version() -> None:
    found = versions(ROOT)
    released = found.pop(CHANGELOG)

    folders = {"cli", "contracts", "deliveries", "devstack", "ledger", "services"}
    assert {path.parts[0] for path in found} == folders
    assert set(found.values()) == {released}


def test_a_release_gives_all_files_its_version_and_the_changes_their_date(checkout: Path) -> None:
    release(checkout, "9.0.0", ON)

    assert set(versions(checkout).values()) == {"9.0.0"}
    changes = (checkout / CHANGELOG).read_text()
    assert "## Unreleased\n\n## 9.0.0 - 2026-12-01\n\n- A change.\n" in changes


@pytest.mark.parametrize("version", ["9.0", "v9.0.0", "0.1.0", "9.0.0rc1"])
def test_a_release_refuses_what_is_no_newer_version(checkout: Path, version: str) -> None:
    before = versions(checkout)

    with pytest.raises(ReleaseError, match=re.escape(version)):
        release(checkout, version, ON)
    assert versions(checkout) == before


def test_a_release_without_changes_is_refused(checkout: Path) -> None:
    release(checkout, "9.0.0", ON)

    with pytest.raises(ReleaseError, match="nothing below"):
        release(checkout, "9.1.0", ON)
