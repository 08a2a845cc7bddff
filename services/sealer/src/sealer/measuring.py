"""An export's objects, each read once from its beginning to its end.

How far that got is noted, so that an export of any size is measured over several invocations. What
the exporter has written down of an object is compared, not believed.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import batched

from logferry_contracts.canonical_json import canonical_json
from logferry_contracts.chain import ChainName
from logferry_contracts.digest import sha256
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.statement import Difference, StatedObject
from logferry_contracts.window import Window
from logferry_deliveries.errors import OutOfTimeError
from sealer import differences
from sealer.aws.archive import Archive
from sealer.aws.ledger import Ledger
from sealer.aws.notes import Begun, MeasuredExport, Notes
from sealer.differences import ListedVersion, ReadObject
from sealer.errors import TooLargeError
from sealer.metrics import MEASURED, MEASURED_BYTES
from sealer.turn import Turn

READ_AT_ONCE = 4
"""Objects. Each takes some MB of memory, and unpacking takes most of the time of one CPU."""
NOTED_AFTER = 400
"""Objects, so that a killed invocation costs no more than these again."""
BYTES_PER_S = 8_000_000
"""Packed, of one object among `READ_AT_ONCE`: slow, so that what is begun is also ended."""
MOST_SECONDS = 600
"""For one object. With so much time left even the largest is begun: it would never be otherwise."""

MOST_BEGUN = 3
BEGUN_WITHIN = timedelta(days=7)
"""So often, in so long a time, one of those is begun that may be too large for any invocation."""

MANIFEST = "manifest_unreadable"
MOST_CHARACTERS = 1024
MOST_DIFFERENCES = 1000
"""The contract's limits; one that has so many is contradicted enough."""


@dataclass(frozen=True, kw_only=True)
class Measuring:
    """Measures the exports of all chains."""

    archive: Archive
    ledger: Ledger
    notes: Notes

    def measured(self, record: LedgerRecord, task_ids: Sequence[str], turn: Turn) -> MeasuredExport:
        """Return what the archive has of a completed export.

        Args:
            record: The export's.
            task_ids: What follows the prefix of its destination in the keys of its objects.
            turn: Whose time is asked for before each few objects.

        Raises:
            OutOfTimeError: The next attempt goes on.
            TooLargeError: No attempt has read one of them to its end.
            AwsError: Something could not be read.
        """
        assert record.completed is not None  # noqa: S101  (only asked of a completed export)
        chain, manifest = ChainName.of(record.source), record.completed.manifest
        digest = sha256(canonical_json(manifest.model_dump(exclude_none=True)))
        note = self.notes.measured(chain, record.export_id)
        if note is None or note.manifest_sha256 != digest:
            note = MeasuredExport(
                manifest_sha256=digest,
                objects=[],
                leftovers=[],
                differences=[],
                is_complete=False,
            )
        if note.is_complete and not note.differences:
            return note
        return _Export(self, record, task_ids, note, turn).read(manifest)


@dataclass
class _Export:
    """One export that is being read."""

    of: Measuring
    record: LedgerRecord
    task_ids: Sequence[str]
    note: MeasuredExport
    turn: Turn

    def read(self, manifest: Manifest) -> MeasuredExport:
        location = manifest.location
        whole = manifest if location is None else self.of.ledger.manifest(location)
        if whole is None:
            gone = Difference(what=MANIFEST, recorded=str(location)[:MOST_CHARACTERS])
            kept = _without_what_differs(self.note)
            return kept.model_copy(update={"differences": [gone], "is_complete": True})
        objects = {each.key: each for each in whole.objects or ()}
        folders = self._folders(objects)
        listed = self._listed(folders)
        shows = differences.listing_sha256(listed)
        if self.note.is_complete:
            if self.note.listed_sha256 == shows:
                return self.note
            self.note = _without_what_differs(self.note)
        if not self.note.differences:
            # Else it stays that by which the first of these was read: what is put right while the
            # others are is read again, and no attempt costs the next one what it has read.
            self.note = self.note.model_copy(update={"listed_sha256": shows})
        self._read_all(objects, listed)
        tasks = folders if self.record.lane == "slot" else ()
        told = [*self.note.differences, *differences.of_listing(listed, objects, tasks)]
        told.sort(key=lambda each: (each.key or "", each.what))
        left = differences.leftovers(listed, objects)
        self.note = self.note.model_copy(update={"leftovers": left})
        self._keep([], told[:MOST_DIFFERENCES], is_complete=True)
        return self.note

    def _read_all(
        self, objects: Mapping[str, ArchivedObject], listed: Sequence[ListedVersion]
    ) -> None:
        """Read what is not read yet, and note now and then how far that got."""
        latest = {each.key: each for each in listed if each.is_latest and not each.is_delete_marker}
        done = {each.key for each in self.note.objects}
        done |= {each.key for each in self.note.differences if each.key is not None}
        todo = [each for key, each in sorted(objects.items()) if key not in done]
        found: list[StatedObject] = []
        told: list[Difference] = []
        for some in batched(todo, READ_AT_ONCE, strict=False):
            needed_s = max(each.size_bytes for each in some) / BYTES_PER_S
            is_time = self.turn.has_time(min(needed_s, MOST_SECONDS))
            if not is_time or len(found) + len(told) >= NOTED_AFTER:
                self._keep(found, [*self.note.differences, *told], is_complete=False)
                found, told = [], []
            if not is_time:
                count = len(self.note.objects)
                raise OutOfTimeError(f"{count} objects of {self.record.export_id} are read")
            self._begin([each for each in some if each.size_bytes > MOST_SECONDS * BYTES_PER_S])
            for stated, differing in self._side_by_side(some, latest):
                found += stated
                told += differing
        self._keep(found, [*self.note.differences, *told], is_complete=False, is_noted=False)

    def _begin(self, large: Sequence[ArchivedObject]) -> None:
        """Note what is begun although it may be too large.

        Raises:
            TooLargeError: One was begun again and again, and never read to its end.
        """
        since = timestamp(self.turn.now - BEGUN_WITHIN)
        for each in large:
            lately = [begun for begun in self.note.begun if begun.key == each.key]
            if sum(begun.at > since for begun in lately) >= MOST_BEGUN:
                told = f"{each.key} has {each.size_bytes} bytes, and was begun {MOST_BEGUN} times"
                raise TooLargeError(f"{told}, and never read to its end: see function_timeout_s")
        if large:
            now = timestamp(self.turn.now)
            begun = [*self.note.begun, *(Begun(key=each.key, at=now) for each in large)]
            self.note = self.note.model_copy(update={"begun": begun})
            chain = ChainName.of(self.record.source)
            self.of.notes.keep_measured(chain, self.record.export_id, self.note)

    def _keep(
        self,
        found: Sequence[StatedObject],
        differing: Sequence[Difference],
        *,
        is_complete: bool,
        is_noted: bool = True,
    ) -> None:
        """Take in what was read, and note it unless more is to come."""
        objects = sorted([*self.note.objects, *found], key=lambda each: each.key)
        self.note = self.note.model_copy(
            update={
                "objects": objects,
                "differences": list(differing),
                "is_complete": is_complete,
            }
        )
        if is_noted:
            chain = ChainName.of(self.record.source)
            self.of.notes.keep_measured(chain, self.record.export_id, self.note)

    def _listed(self, folders: Sequence[str]) -> list[ListedVersion]:
        """List what lies below the prefix of its destination, and wherever else its objects are."""
        prefix = f"{self.record.destination.prefix}/"
        elsewhere = [each for each in folders if not each.startswith(prefix)]
        return [each for below in [prefix, *elsewhere] for each in self.of.archive.versions(below)]

    def _folders(self, objects: Mapping[str, ArchivedObject]) -> tuple[str, ...]:
        """Return what the keys of its objects begin with, and of whatever its tasks wrote."""
        prefix = self.record.destination.prefix
        of_objects = {key.rsplit("/", 2)[0] for key in objects}
        of_tasks = {f"{prefix}/{name}" for name in self.task_ids}
        return tuple(sorted(f"{folder}/" for folder in of_objects | of_tasks))

    def _side_by_side(
        self, some: Sequence[ArchivedObject], latest: Mapping[str, ListedVersion]
    ) -> Iterator[tuple[list[StatedObject], list[Difference]]]:
        with ThreadPoolExecutor(READ_AT_ONCE) as threads:
            results = list(threads.map(lambda each: self._read(each, latest.get(each.key)), some))
        for found, told in results:
            for each in found:
                self.turn.counts[MEASURED] += 1
                self.turn.counts[MEASURED_BYTES] += each.size_bytes
            yield found, told

    def _read(
        self, archived: ArchivedObject, latest: ListedVersion | None
    ) -> tuple[list[StatedObject], list[Difference]]:
        """Read the version that the manifest names, or what has lawfully taken its place."""
        window = self.record.window
        named = self.of.archive.measured(archived.key, archived.version_id, window)
        over = self._over(archived, latest, window)
        found = named or over
        if found is None:
            return [], [differences.missing(archived)]
        told = differences.of_object(archived, found)
        if named is not None and over is not None and over.measured.sha256 != named.measured.sha256:
            told.append(differences.overlaid(archived, over))
        return [found.stated], told

    def _over(
        self, archived: ArchivedObject, latest: ListedVersion | None, window: Window
    ) -> ReadObject | None:
        """Read the current version where it is not the one that the manifest names."""
        if latest is None or latest.version_id == archived.version_id:
            return None
        return self.of.archive.measured(archived.key, latest.version_id, window)


def _without_what_differs(note: MeasuredExport) -> MeasuredExport:
    """Return what was measured without what differed, which somebody may have put right since.

    Of so many differences that some may be left out, nothing is kept.
    """
    differing = {each.key for each in note.differences}
    is_told_whole = len(note.differences) < MOST_DIFFERENCES
    kept = [each for each in note.objects if each.key not in differing] if is_told_whole else []
    anew = {"leftovers": [], "differences": [], "begun": [], "is_complete": False}
    return note.model_copy(update={"objects": kept, **anew})
