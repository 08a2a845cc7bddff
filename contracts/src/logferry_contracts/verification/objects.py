"""Whether the objects of a log group's windows are those that were sealed, and no others."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal, NamedTuple

from logferry_contracts.addendum import addendum_folders
from logferry_contracts.archive import ArchiveError, LogFile
from logferry_contracts.measure import PIECE_BYTES, Measured, measure
from logferry_contracts.message import Timestamp, epoch_ms, from_epoch_ms, timestamp
from logferry_contracts.statement import ARCHIVED, DISPOSED, SKIPPED, StatedObject, Statement
from logferry_contracts.verification.findings import (
    CoveredError,
    Finding,
    HiddenError,
    HoldLiftedError,
    MeasureError,
    Note,
    ObjectAddedError,
    ObjectChangedError,
    ObjectMissingError,
    ObjectTruncatedError,
    SealError,
    Unchecked,
)
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.store import Missing, Store, Unreadable, Version
from logferry_contracts.verification.stored import Reading, hashed, lifted, unchecked
from logferry_contracts.window import Window

type Level = Literal["seals", "objects", "bytes", "events"]
"""How deep to look, see `Verifier`."""

WRITE_TEST = "aws-logs-write-test"
"""CloudWatch Logs writes it beside an export to see whether it may."""
_WRITE_TEST_BYTES = 1024
"""At most; 27 were seen. A log is no such thing by its name alone."""

HELD_WITHIN = timedelta(hours=48)
"""After its export has ended: what the sse-enforcer's tries of a day and a half have not held is
found by the sweep of every day."""

_OF_OBJECTS = frozenset({ARCHIVED, DISPOSED})
"""Outcomes whose statements say all that lies below their prefixes."""

_DATE_PATH = re.compile(r"/[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{2}\Z", re.ASCII)
"""What the prefix of each export ends with."""

_MEASURED = (
    "lines",
    "events",
    "first_ms",
    "last_ms",
    "events_outside_window",
    "pointer_lines",
    "is_gzip_complete",
)
"""What `Measured` and `StatedObject` both say."""


class SealedObject(NamedTuple):
    """An object that is there, by its name and size.

    Attributes:
        version_id: What is got by its key; None where there are no versions.
        lies_over: Whether the version that was sealed lies beneath it. Then it is either a copy
            that is being made of it, or something else, which only its bytes tell.
        is_disposed: Whether it may go: nobody has to hold it any more.
        ended_at: When its export did; None where that is not known.
        is_added: Whether it came after that, in an addendum: then it is when it was first stated.
    """

    stated: StatedObject
    window: Window
    version_id: str | None
    lies_over: bool
    is_disposed: bool
    ended_at: Timestamp | None
    is_added: bool = False


type ToLookAt = SealedObject | list[Finding]
"""An object, or in its place among them what is known already."""


class Compared(NamedTuple):
    """What is there of a log group's windows.

    Attributes:
        there: The objects whose hold, and bytes, are still to be looked at.
    """

    there: list[SealedObject]
    findings: list[Finding]


class _Prefixes(NamedTuple):
    """What lies below the prefixes of a log group's exports.

    Attributes:
        listed: The versions of each key, the newest first.
        open: The prefixes of which not everything was sealed: what is beside the sealed tasks'
            folders there may have come lawfully.
        abandoned: The folders of tries that came to nothing, or were followed by another that
            counts.
        tasks: The folders of the tasks that wrote what is sealed, and nothing else.
    """

    names: set[str]
    listed: dict[str, list[Version]]
    open: set[str]
    abandoned: set[str]
    tasks: set[str]

    def is_closed(self, prefix: str, folder: str) -> bool:
        """Whether nothing lies in a folder but what was sealed."""
        if folder in self.abandoned:
            return False
        return folder in self.tasks or prefix not in self.open


def is_write_test(version: Version, prefix: str) -> bool:
    """Whether something is what CloudWatch Logs writes at a prefix before it exports there."""
    is_named_so = version.key == f"{prefix}{WRITE_TEST}"
    return is_named_so and version.size_bytes <= _WRITE_TEST_BYTES


def compare(
    store: Store, statements: Sequence[Statement], said: Iterable[Statement], *, are_all: bool
) -> Compared:
    """Compare what statements of one log group say with what is listed in the archive.

    Args:
        store: The archive.
        statements: What counts of each of its windows in a seal.
        said: All that was said of these windows: also tries leave something behind.
        are_all: Whether no other one could not be read: only then is it known what was added.
    """
    said = list(said)
    try:
        below = _prefixes(store, statements, said)
    except Unreadable as error:
        names = ", ".join(sorted(_names(statements)))
        return Compared([], [unchecked(f"the objects below {names}", error)])
    there: list[SealedObject] = []
    findings: list[Finding] = []
    sealed: set[str] = set()
    for statement in statements:
        if statement.outcome not in _OF_OBJECTS:
            continue
        found, told = _of_statement(store, statement, below)
        sealed.update(each.key for each in statement.objects or [])
        there += found
        findings += told
    if are_all:
        leftovers = {(e.key, e.size_bytes) for one in statements for e in one.leftovers or []}
        findings += _added(below, sealed, leftovers)
    return Compared(list(_dated(there, said)), findings)


def _dated(there: Iterable[SealedObject], said: Sequence[Statement]) -> Iterator[SealedObject]:
    """Yield objects; those of addenda, which come days after their export, with their time."""
    exports = [export for each in said for export in each.exports]
    added = {
        f"{each.destination.prefix}/{task}"
        for each in exports
        for task in addendum_folders(each.export_id, each.task_ids)
    }
    stated_at: dict[str, Timestamp] = {}
    for statement in said if added else ():
        for each in statement.objects or []:
            if each.key.rsplit("/", 2)[0] in added:
                first = stated_at.get(each.key, statement.stated_at)
                stated_at[each.key] = min(first, statement.stated_at)
    for found in there:
        at = stated_at.get(found.stated.key)
        yield found if at is None else found._replace(ended_at=at, is_added=True)


def _of_statement(
    store: Store, statement: Statement, below: _Prefixes
) -> tuple[list[SealedObject], list[Finding]]:
    """Return the objects of a window that are there, and what is wrong otherwise."""
    there: list[SealedObject] = []
    findings: list[Finding] = []
    is_disposed = statement.outcome == DISPOSED
    last = statement.exports[-1] if statement.exports else None
    findings += _of_recount(statement)
    ended_at = last.ended_at if last else None
    for stated in statement.objects or []:
        versions = below.listed.get(stated.key, [])
        if not is_disposed and all(each.is_delete_marker for each in versions):
            findings.append(_gone(store, stated.key, is_hidden=bool(versions)))
            continue
        found, told = _compare(stated, statement.window, versions, is_disposed=is_disposed)
        there += [each._replace(ended_at=ended_at) for each in found]
        findings += told
    if is_disposed and there:
        left = f"{len(there)} of {len(statement.objects or [])} objects that may go are still there"
        where = f"{last.destination.prefix}/" if last else statement.log_group.name
        findings.append(Note(where, left))
    return there, findings


def _of_recount(statement: Statement) -> list[Finding]:
    """Return what to say where CloudWatch Logs had other events than the archive."""
    more = statement.recount_difference
    if not more or statement.outcome != ARCHIVED:
        return []
    window = span(statement.window.from_ms, statement.window.to_ms)
    where = f"{statement.log_group.name}, {window}"
    if more > 0:
        return [Note(where, f"CloudWatch Logs had {more} events that are not in the archive")]
    told = f"ambiguous: the archive has {-more} more than CloudWatch Logs counted: lines of"
    why = "messages that begin like an event, or events that were exported twice"
    return [Note(where, f"{told} {why}")]


def look_at_each(store: Store, level: Level, now_ms: int | None, thing: ToLookAt) -> list[Finding]:
    """Return what is wrong with an object, see `check_object`, or what is known already."""
    return thing if isinstance(thing, list) else check_object(store, level, now_ms, thing)


def check_object(
    store: Store, level: Level, now_ms: int | None, found: SealedObject
) -> list[Finding]:
    """Return what is wrong with an object that is there: its hold, and its bytes by the level."""
    key = found.stated.key
    try:
        try:
            of_bytes = list(_bytes(store, found, level))  # a store may know the hold from then on
        except Unreadable as error:
            of_bytes = [unchecked(key, error)]
        if found.is_disposed:
            return of_bytes
        together = lifted(store, key, found.version_id, of_bytes)
    except Missing:
        gone = ObjectMissingError(key, "it is gone since it was listed")
        return [] if found.is_disposed else [gone]
    return [_not_yet(found, each, now_ms) for each in together]


def _names(statements: Iterable[Statement]) -> set[str]:
    return {export.destination.prefix for each in statements for export in each.exports}


def _prefixes(
    store: Store, statements: Sequence[Statement], said: Iterable[Statement]
) -> _Prefixes:
    below = _Prefixes(_names(statements), {}, set(), set(), set())
    for prefix in sorted(below.names):
        for key, versions in groupby(store.versions(f"{prefix}/"), key=lambda each: each.key):
            below.listed[key] = list(versions)
    for each in said:
        below.abandoned.update(folder for export in each.exports for folder in export.folders)
    for statement in statements:
        if not _is_all_sealed(statement):
            below.open.update(_names([statement]))
        if statement.outcome in _OF_OBJECTS and statement.exports:
            last = statement.exports[-1]
            # Where its objects lie, too: a ledger may have lost, or been told, who wrote them.
            in_keys = {each.key.rsplit("/", 2)[0] for each in statement.objects or []}
            folders = {*last.folders, *(f"{each}/" for each in in_keys)}
            below.abandoned.difference_update(folders)
            if last.lane == "slot":
                below.tasks.update(folders)
    return below


def _is_all_sealed(statement: Statement) -> bool:
    """Whether whatever lies below the prefixes of a window is known, and nothing more comes."""
    if statement.outcome == SKIPPED:
        return not any(export.task_ids for export in statement.exports)
    return statement.outcome in _OF_OBJECTS and statement.leftovers is not None


def _gone(store: Store, key: str, *, is_hidden: bool) -> Finding:
    """Return what is told of an object that no listing has: a folder does not take every key."""
    told = "it is not there" + (", but for a delete marker" if is_hidden else "")
    try:
        store.open(key, None).close()
    except Unreadable as error:
        return unchecked(key, error)
    except Missing:
        pass
    return ObjectMissingError(key, told)


def _compare(
    stated: StatedObject, window: Window, versions: list[Version], *, is_disposed: bool
) -> tuple[list[SealedObject], list[Finding]]:
    """Return the object where it is there by its name and size, and what is wrong otherwise."""
    real = [each for each in versions if not each.is_delete_marker]
    if not real:
        return [], []
    findings: list[Finding] = []
    is_sealed_there = any(each.version_id == stated.version_id for each in real)
    current = real[0]
    if versions[0].is_delete_marker:
        told = f"the delete marker {versions[0].version_id} lies over it"
        findings += [] if is_disposed else [HiddenError(stated.key, told)]
        current = next((e for e in real if e.version_id == stated.version_id), current)
    lies_over = is_sealed_there and current.version_id != stated.version_id
    if current.size_bytes == stated.size_bytes:
        found = SealedObject(stated, window, current.version_id, lies_over, is_disposed, None)
        return [found], findings
    if is_disposed:
        told = f"{current.size_bytes} bytes that were never sealed, where an object may be gone"
        return [], [ObjectAddedError(stated.key, told)]
    return [], [*findings, _of_another_size(stated, current, lies_over=lies_over)]


def _of_another_size(stated: StatedObject, current: Version, *, lies_over: bool) -> SealError:
    told = f"{current.size_bytes} bytes, of {stated.size_bytes}"
    if lies_over:
        return CoveredError(stated.key, f"the version {current.version_id} lies over it: {told}")
    is_shorter = current.size_bytes < stated.size_bytes
    return (ObjectTruncatedError if is_shorter else ObjectChangedError)(stated.key, told)


def _added(
    below: _Prefixes, sealed: set[str], leftovers: set[tuple[str, int]]
) -> Iterator[Finding]:
    """Yield what lies below the prefixes and was not sealed.

    Args:
        below: What lies there.
        sealed: The keys of the sealed objects.
        leftovers: Key and size of what lay there when the windows were sealed.
    """
    left: Counter[str] = Counter()
    for key, versions in below.listed.items():
        if key in sealed or versions[0].is_delete_marker:
            continue
        prefix, folder = _place(key, below.names)
        if prefix is None or is_write_test(versions[0], f"{prefix}/"):
            continue
        size_bytes = versions[0].size_bytes
        if (key, size_bytes) in leftovers or not below.is_closed(prefix, folder):
            left[folder] += 1
        else:
            yield ObjectAddedError(key, f"{size_bytes} bytes that were never sealed")
    for folder, count in left.items():
        told = "1 object" if count == 1 else f"{count} objects"
        yield Note(folder, f"{told} of no export that is sealed as archived")


def _place(key: str, prefixes: set[str]) -> tuple[str | None, str]:
    """Return the prefix and the folder of a task that a key is in.

    The prefix is None for a log group's whose name begins with another one's prefix.
    """
    [prefix, *_] = sorted((each for each in prefixes if key.startswith(f"{each}/")), key=len)[::-1]
    try:
        of_key = LogFile.of(key)
    except ArchiveError:
        return prefix, f"{prefix}/"
    if of_key.prefix != prefix and _DATE_PATH.search(of_key.prefix):
        return None, ""
    return prefix, f"{of_key.prefix}/{of_key.task_id}/"


def _not_yet(found: SealedObject, finding: Finding, now_ms: int | None) -> Finding:
    """Return a finding, but of a hold that need not be there yet when it has to be."""
    due_ms = _due_ms(found)
    if now_ms is None or due_ms is None or now_ms >= due_ms:
        return finding
    if not isinstance(finding, HoldLiftedError):
        return finding
    until = timestamp(from_epoch_ms(due_ms))
    since = "it was added before" if found.is_added else "its export ended at"
    why = f"{finding.what}, and need not be yet: {since} {found.ended_at}"
    return Unchecked(found.stated.key, why, f"Check it again after {until}")


def _due_ms(found: SealedObject) -> int | None:
    """Return when an object has to be on hold."""
    if found.ended_at is None:
        return None
    try:
        return epoch_ms(datetime.fromisoformat(found.ended_at) + HELD_WITHIN)
    except OverflowError:  # at the end of the year 9999, which nothing has ended at
        return None


def _bytes(store: Store, found: SealedObject, level: Level) -> Iterator[Finding]:
    stated = found.stated
    if level == "events":
        measured = measure(lambda: Reading(store.open(stated.key, found.version_id)), found.window)
        yield from _difference(found, measured.size_bytes, measured.sha256)
        if measured.sha256 == stated.sha256:
            yield from _measures(stated, measured)
    elif level == "bytes" or found.lies_over:
        digest, size_bytes = hashed(store, stated.key, found.version_id, PIECE_BYTES)
        yield from _difference(found, size_bytes, digest)


def _difference(found: SealedObject, size_bytes: int, digest: str) -> Iterator[Finding]:
    stated = found.stated
    if digest == stated.sha256:
        if found.version_id not in {None, stated.version_id}:
            yield Note(stated.key, f"{found.version_id} is a copy of the version that was sealed")
        return
    told = f"its SHA-256 is {digest}, not {stated.sha256}"
    if found.lies_over:
        yield CoveredError(stated.key, f"the version {found.version_id} lies over it: {told}")
    elif size_bytes < stated.size_bytes:
        yield ObjectTruncatedError(stated.key, f"{size_bytes} bytes, of {stated.size_bytes}")
    else:
        yield ObjectChangedError(stated.key, told)


def _measures(stated: StatedObject, measured: Measured) -> Iterator[Finding]:
    for name in _MEASURED:
        said, found = getattr(stated, name), getattr(measured, name)
        if said != found:
            yield MeasureError(stated.key, f"{name}: its statement says {said}, it has {found}")
