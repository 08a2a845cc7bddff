"""A release in one go: every version, the changelog's date, and what belongs to neither.

    python -m tools.release 0.3.0 --date 2026-12-01

`make release VERSION=0.3.0` runs it, then `make check`, and only then commits and tags.
"""

import argparse
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHANGELOG = Path("CHANGELOG.md")
ASYNCAPI = Path("contracts/asyncapi.yaml")
COMMAND = Path("cli/src/logferry/__init__.py")
UNRELEASED = "## Unreleased\n"

_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_PROJECT = re.compile(r'^version = "(?P<version>[^"]+)"$', re.MULTILINE)
_COMMAND = re.compile(r'^__version__ = "(?P<version>[^"]+)"$', re.MULTILINE)
_API = re.compile(r"^  version: (?P<version>\S+)$", re.MULTILINE)
_HEADING = re.compile(r"^## (?P<version>[0-9][^ ]*) - ", re.MULTILINE)


class ReleaseError(Exception):
    """The release cannot be made; says what to do."""


def versions(root: Path) -> dict[Path, str]:
    """Return the version that each file has, by its path below ``root``.

    The changelog's is that of its newest release.

    Raises:
        ReleaseError: A file has none where it belongs.
    """
    files = dict.fromkeys(projects(root), _PROJECT)
    files |= {ASYNCAPI: _API, COMMAND: _COMMAND, CHANGELOG: _HEADING}
    found = {}
    for path, pattern in files.items():
        version = pattern.search((root / path).read_text(encoding="utf-8"))
        if version is None:
            raise ReleaseError(f"{path}: has no version where one belongs: {pattern.pattern}")
        found[path] = version["version"]
    return found


def projects(root: Path) -> list[Path]:
    """Return the pyproject files that have a version, as paths below ``root``."""
    members = [*root.glob("*/pyproject.toml"), *root.glob("*/*/pyproject.toml")]
    return sorted(
        path.relative_to(root)
        for path in members
        if _PROJECT.search(path.read_text(encoding="utf-8")) is not None
    )


def release(root: Path, version: str, on: date) -> None:
    """Give every file the version, and the changelog's newest entries their heading.

    Raises:
        ReleaseError: It is no version, not a newer one, or nothing has changed since the last.
    """
    if not _VERSION.fullmatch(version):
        raise ReleaseError(f"{version}: no version such as 0.3.0")
    former = versions(root)[CHANGELOG]
    if _numbers(version) <= _numbers(former):
        raise ReleaseError(f"{version}: not newer than {former}, the changelog's newest release")
    changes = (root / CHANGELOG).read_text(encoding="utf-8")
    unreleased, _, _ = changes.partition(UNRELEASED)[2].partition("\n## ")
    if not unreleased.strip():
        raise ReleaseError(f"{CHANGELOG}: nothing below '{UNRELEASED.strip()}' to be released")
    for path in projects(root):
        _replace(root / path, _PROJECT, f'version = "{version}"')
    _replace(root / ASYNCAPI, _API, f"  version: {version}")
    _replace(root / COMMAND, _COMMAND, f'__version__ = "{version}"')
    dated = changes.replace(UNRELEASED, f"{UNRELEASED}\n## {version} - {on}\n", 1)
    (root / CHANGELOG).write_text(dated, encoding="utf-8")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _replace(path: Path, pattern: re.Pattern[str], line: str) -> None:
    path.write_text(pattern.sub(line, path.read_text(encoding="utf-8"), count=1), encoding="utf-8")


def main() -> int:
    """Run the command; 0 when all files have the version, 2 when it refuses."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("version", help="such as 0.3.0")
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    asked = parser.parse_args()
    try:
        release(ROOT, asked.version, asked.date)
    except ReleaseError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
