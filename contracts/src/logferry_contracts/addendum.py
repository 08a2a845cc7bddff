"""Addenda: what was missing of a completed export, and was added to the archive later.

The first addendum of an export is 1. Each has a folder of its own beside that of the export's task,
named for both, so that whoever tries again writes the same keys, and whoever has an export's
objects alone knows which of them were added.
"""

import hashlib
from collections.abc import Collection
from typing import Annotated
from uuid import UUID

from pydantic import Field

from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import Message, Timestamp

MOST_ADDED_BYTES = 500_000_000
"""Of the lines of a window that are read, and compared with the archive, for one addendum: at 5
calls of FilterLogEvents a second 2 to 3 of the 15 minutes that a function may run."""
MOST_NAMED_BYTES = 100_000_000
"""Of the lines of log streams that are named: so many pages of 1 MB who names them has read."""
ALWAYS_READ_BYTES = 64_000_000
"""So much of a window may be read, whatever was guessed."""
_UNPACKED = 10
"""How much larger events are taken to be than in the archive, where no plan has guessed."""


class Addendum(Message):
    """What was missing of an export has been added, as its ledger record says it.

    Its objects are in the manifest of ``completed``, in a folder of their own.

    Attributes:
        number: 1 for the first.
        recounted_at: When CloudWatch Logs had said so, as the recount has it.
        at: When it was in the archive.
        published_at: When its ExportCompleted was published; None until it was.
    """

    number: Annotated[int, Field(ge=1, le=1000)]
    recounted_at: Timestamp
    at: Timestamp
    published_at: Timestamp | None = None


def addendum_folder(export_id: str, number: int) -> str:
    """Return what stands for a task's id in the keys of an addendum's objects."""
    digest = hashlib.sha256(f"addendum {number} of {export_id}".encode()).hexdigest()
    return str(UUID(hex=digest[:32]))


def addendum_folders(export_id: str, names: Collection[str]) -> list[str]:
    """Return which folders of an export, by their names, are its addenda: the first one first."""
    found: list[str] = []
    while (name := addendum_folder(export_id, len(found) + 1)) in names:
        found.append(name)
    return found


def folder_in_key(key: str) -> str:
    """Return what stands for a task's id in the key of an object, which ends in a stream's."""
    return key.rsplit("/", 2)[0].rpartition("/")[2]


def addenda_of(export_id: str, manifest: Manifest) -> list[str]:
    """Return the folders of the addenda that a manifest has, the first one first.

    Args:
        export_id: The export's.
        manifest: With its objects; of one that has them elsewhere nothing is known.
    """
    return addendum_folders(export_id, {folder_in_key(each.key) for each in manifest.objects or ()})


def guessed_bytes(estimated_bytes: int | None, manifest: Manifest) -> int:
    """Return how large the lines of a completed export's window are taken to be.

    Args:
        estimated_bytes: By the plan; None where it has not guessed.
        manifest: What is in the archive.
    """
    return _UNPACKED * manifest.total_bytes if estimated_bytes is None else estimated_bytes


def most_read_bytes(size_bytes: int, *, are_streams_named: bool) -> int:
    """Return how much is read at most for one addendum, as lines.

    Args:
        size_bytes: What the window was taken to have: there may be twice as much of it.
        are_streams_named: Whether some log streams are read alone.
    """
    if are_streams_named:
        return MOST_NAMED_BYTES
    return min(MOST_ADDED_BYTES, max(ALWAYS_READ_BYTES, 2 * size_bytes))


def split_manifest(export_id: str, manifest: Manifest) -> tuple[Manifest, list[Manifest]]:
    """Return what an export itself has put into the archive, and what each of its addenda has.

    Args:
        export_id: The export's.
        manifest: Of all that; one that has its objects elsewhere is the export's alone.
    """
    folders = addenda_of(export_id, manifest)
    if not folders:
        return manifest, []
    by_folder: dict[str, list[ArchivedObject]] = {}
    for each in manifest.objects or ():
        name = folder_in_key(each.key)
        by_folder.setdefault(name if name in folders else "", []).append(each)
    own = Manifest.of(by_folder.get("", []))
    return own, [Manifest.of(by_folder[name]) for name in folders]
