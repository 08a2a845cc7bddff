"""The ledger record: what is known of one export. It says what is in the archive.

One JSON object per export in the control bucket, changed only by compare-and-swap::

    requested ─► submitted ─► completed ─► secured
        │            │            │           │
        └────────────┴─► failed ◄─┴───────────┘
    skipped

What failed once it was completed is either not what the record said, and has no manifest any more;
or it was announced and has lost an object since, and keeps the manifest that was announced.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from logferry_contracts.addendum import Addendum, addenda_of
from logferry_contracts.digest import Sha256
from logferry_contracts.export import (
    Destination,
    ExportId,
    Generation,
    Lane,
    ReasonCode,
    TaskId,
    export_id,
)
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import (
    MAX_SAFE_INTEGER,
    Count,
    EpochMs,
    Message,
    Timestamp,
    timestamp,
)
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window

State = Literal["requested", "submitted", "completed", "secured", "skipped", "failed"]

LEDGER_SCHEMA = "urn:logferry:schema:ledger-record:1.2"

WAIVABLE: tuple[State, ...] = ("failed", "skipped")
"""The states of what has ended and is not in the archive."""

_SECTIONS: dict[str, tuple[str, ...]] = {
    "requested": (),
    "submitted": ("submitted",),
    "completed": ("completed",),
    "secured": ("completed", "secured"),
    "skipped": ("skipped",),
    "failed": ("failed",),
}
_BEFORE: dict[str, tuple[str, ...]] = {
    "submitted": ("requested",),
    "completed": ("requested", "submitted"),
    "secured": ("completed",),
    "failed": ("requested", "submitted", "completed", "secured"),
}

_ARCHIVED = frozenset({"completed", "secured"})


class Submitted(Message):
    """An export task runs for it, or ran."""

    task_id: TaskId
    at: Timestamp


class Half(Message):
    """An export of one half of a window."""

    export_id: ExportId
    window: Window


class Split(Message):
    """The window was given to two exports: one task would take too long, or lanes share it.

    Attributes:
        halves: Both, the earlier one first; one ends where the other begins.
    """

    at: Timestamp
    halves: Annotated[list[Half], Field(min_length=2, max_length=2)]


class Offered(Message):
    """Both lanes are asked for it, and whichever is free first takes it.

    Attributes:
        taken_at: When a lane began with it; None while neither has.
    """

    taken_at: Timestamp | None = None


class Completed(Message):
    """Its objects are in the archive.

    Attributes:
        task_created_ms: ``executionInfo.creationTime``; None in the direct lane.
        task_completed_ms: ``executionInfo.completionTime``; None in the direct lane.
        published_at: When ExportCompleted was published; None until it was.
    """

    at: Timestamp
    manifest: Manifest
    task_created_ms: EpochMs | None = None
    task_completed_ms: EpochMs | None = None
    published_at: Timestamp | None = None


class Secured(Message):
    """Every object of it is under the archive's key and on hold."""

    at: Timestamp


class Skipped(Message):
    """It need not run."""

    reason: ReasonCode
    at: Timestamp


class Failed(Message):
    """It ended without its window in the archive, or with less of it than was announced.

    Attributes:
        next_export_id: The next generation that was asked for; None when there is none.
        published_at: When ExportFailed was published; None until it was.
    """

    reason: ReasonCode
    message: Annotated[str, Field(max_length=4096)]
    at: Timestamp
    next_export_id: ExportId | None = None
    published_at: Timestamp | None = None


class Waived(Message):
    """Who answers for it that a window of a log group is not in the archive, and why.

    Attributes:
        by: The ARN of GetCallerIdentity.
        reason: In their words.
    """

    at: Timestamp
    by: Annotated[str, Field(min_length=1, max_length=2048)]
    reason: Annotated[str, Field(min_length=1, max_length=1024)]


class Disposed(Message):
    """Who has ordered that what an export has put into the archive is removed, and why.

    Attributes:
        by: The ARN of GetCallerIdentity.
        reason: In their words.
        ticket: Where it was decided; None where nobody says.
        statement: SHA-256 of the sealed statement whose objects these are.
    """

    at: Timestamp
    by: Annotated[str, Field(min_length=1, max_length=2048)]
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    ticket: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    statement: Sha256


class TransitionError(ValueError):
    """A record cannot go from its state to the wanted one. A bug, or a race: read it again."""


class LedgerRecord(Message):
    """One export in the control bucket.

    Of more than twenty methods, as each transition is one, and nobody else makes a state.

    Attributes:
        revision: One more at each change, so that no two contents of a record are alike and an
            ETag compares what it should.
        requested_at: When the planner wrote it.
        estimated_bytes: The events' size as the planner guessed it; None when it could not.
        not_before: The export does not begin before; None lets it begin at once.
        parent_export_id: The export of which this is one half: what this one puts into the
            archive is in the manifest of that one. None when it is no half.
        split: Since its window was given to two exports of its halves; the state remains
            ``submitted``, or ``requested`` where no task had begun, until both have ended.
        offered: Where both lanes are asked for it; None where it is the lane's alone.
        waived: Who answers for it that it is not in the archive; None while nobody does.
        disposed: Who has ordered that its objects are removed; None while nobody has.
        addenda: What was missing and has been added, the first one first; None where nothing was.
    """

    record_schema: Annotated[
        str, Field(alias="schema", pattern=r"^urn:logferry:schema:ledger-record:1\.[0-9]+$")
    ]
    revision: Annotated[int, Field(ge=1, le=MAX_SAFE_INTEGER)]
    state: State
    export_id: ExportId
    generation: Generation
    source: SourceName
    log_group: LogGroup
    window: Window
    destination: Destination
    lane: Lane
    requested_at: Timestamp
    submitted: Submitted | None = None
    completed: Completed | None = None
    secured: Secured | None = None
    skipped: Skipped | None = None
    failed: Failed | None = None
    estimated_bytes: Count | None = None
    not_before: Timestamp | None = None
    parent_export_id: ExportId | None = None
    split: Split | None = None
    offered: Offered | None = None
    waived: Waived | None = None
    disposed: Disposed | None = None
    addenda: Annotated[list[Addendum], Field(min_length=1, max_length=1000)] | None = None

    @model_validator(mode="after")
    def _state_has_its_section(self) -> Self:
        missing = [name for name in _SECTIONS[self.state] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"state {self.state} without {', '.join(missing)}")
        return self

    @classmethod
    def first(cls, *, requested_at: datetime, **export: object) -> Self:
        """Return the first record of an export, ``requested``, by the newest schema.

        Args:
            requested_at: When.
            export: What is asked for, by this record's names.
        """
        new = {
            "schema": LEDGER_SCHEMA,
            "revision": 1,
            "state": "requested",
            "requested_at": timestamp(requested_at),
        }
        return cls.model_validate(export | new)

    @property
    def key(self) -> str:
        """The object key of this record in the control bucket."""
        return ledger_key(self.source, self.window, self.export_id)

    def as_submitted(self, task_id: str, *, at: datetime) -> "LedgerRecord":
        """Return the record once the export task has been created."""
        return self._to("submitted", submitted=Submitted(task_id=task_id, at=timestamp(at)))

    def as_split(self, halves: tuple[Half, Half], *, at: datetime) -> "LedgerRecord":
        """Return the record once its window is left to two exports of its halves.

        Raises:
            TransitionError: It has ended.
        """
        if self.state not in {"requested", "submitted"}:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be split")
        return self._next(split=Split(at=timestamp(at), halves=list(halves)))

    @property
    def is_untaken(self) -> bool:
        """Whether both lanes are asked for it, and neither has begun."""
        is_open = self.state == "requested" and self.split is None
        return is_open and self.offered is not None and self.offered.taken_at is None

    def as_taken(self, lane: Lane, *, at: datetime) -> "LedgerRecord":
        """Return the record once a lane has begun with what both are asked for.

        Raises:
            TransitionError: Another has, or it was not offered.
        """
        if not self.is_untaken:
            raise TransitionError(f"export {self.export_id} is not to be taken")
        return self._next(lane=lane, offered=Offered(taken_at=timestamp(at)))

    def as_lane(self, lane: Lane) -> "LedgerRecord":
        """Return the record once it has been decided to read the events in another way.

        Raises:
            TransitionError: They are being read already, or have been.
        """
        if self.state != "requested":
            raise TransitionError(f"export {self.export_id} is {self.state}, not to change lane")
        return self._next(lane=lane, offered=None)

    def as_of(self, source: SourceName, destination: Destination) -> "LedgerRecord":
        """Return the record once it is another profile's of the same account and Region.

        Raises:
            TransitionError: Somebody has begun with it.
        """
        if self.state != "requested":
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be taken over")
        return self._next(source=source, destination=destination)

    def as_completed(self, completed: Completed) -> "LedgerRecord":
        """Return the record once every object is listed."""
        return self._to("completed", completed=completed)

    def as_secured(self, *, at: datetime) -> "LedgerRecord":
        """Return the record once every object is encrypted and held."""
        return self._to("secured", secured=Secured(at=timestamp(at)))

    def as_added(self, objects: Iterable[ArchivedObject], addendum: Addendum) -> "LedgerRecord":
        """Return the record once objects with what was missing of it are in the archive.

        They have to be secured, as all others were.

        Raises:
            TransitionError: It is not in the archive, or its objects are not listed here.
        """
        known = None if self.completed is None else self.completed.manifest.objects
        if self.state not in _ARCHIVED or self.completed is None or known is None:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be added to")
        return self._next(
            state="completed",
            secured=None,
            completed=self.completed.model_copy(
                update={"manifest": Manifest.of([*known, *objects])}
            ),
            addenda=[*(self.addenda or ()), addendum],
        )

    def as_told(self, addendum: Addendum, *, at: datetime) -> "LedgerRecord":
        """Return the record once the event of one of its addenda has been published."""
        told = addendum.model_copy(update={"published_at": timestamp(at)})
        others = self.addenda or ()
        return self._next(addenda=[told if each == addendum else each for each in others])

    def as_failed(self, failed: Failed) -> "LedgerRecord":
        """Return the record once the export has ended without its window in the archive.

        What it says of objects that nobody has heard of goes: they are not what it says.
        """
        return self._to("failed", failed=failed, completed=None, secured=None)

    def as_lost(self, failed: Failed) -> "LedgerRecord":
        """Return the record once what was in the archive is not all there any more.

        Its manifest stays: it was announced, and most of it is there.

        Raises:
            TransitionError: It has not been in the archive.
        """
        if self.state not in _ARCHIVED:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be lost")
        return self._to("failed", failed=failed)

    def as_asked_again(self, next_export_id: str) -> "LedgerRecord":
        """Return a failed export's record once its next generation was asked for after all.

        Raises:
            TransitionError: It has not failed.
        """
        if self.failed is None:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be asked again")
        failed = self.failed.model_copy(update={"next_export_id": next_export_id})
        return self._next(failed=failed)

    def as_waived(self, waived: Waived) -> "LedgerRecord":
        """Return the record once somebody answers for it that it is not in the archive.

        Raises:
            TransitionError: It is in the archive, or under way.
        """
        if self.state not in WAIVABLE:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be waived")
        return self._next(waived=waived)

    def as_disposed(self, disposed: Disposed) -> "LedgerRecord":
        """Return the record once somebody has ordered that its objects are removed.

        Raises:
            TransitionError: It has put none into the archive.
        """
        if self.completed is None:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be disposed of")
        return self._next(disposed=disposed)

    def as_revived(self, *, at: datetime) -> "LedgerRecord":
        """Return the first record of the next generation of a failed split, with its halves.

        Raises:
            TransitionError: It has not failed, or was not split.
        """
        if self.failed is None or self.split is None:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be revived")
        generation = self.generation + 1
        return self._next(
            revision=1,
            state="requested" if self.submitted is None else "submitted",
            export_id=export_id(self.source, self.log_group.name, self.window, generation),
            generation=generation,
            requested_at=timestamp(at),
            failed=None,
            waived=None,
        )

    @property
    def is_lost(self) -> bool:
        """Whether it was in the archive as announced, and is not any more."""
        return self.state == "failed" and self.completed is not None

    @property
    def outcome(self) -> Completed | Failed | None:
        """How it ended, which is what its event says; None while it has not."""
        return self.failed if self.state == "failed" else self.completed

    def as_published(
        self, *, at: datetime, outcome: Completed | Failed | None = None
    ) -> "LedgerRecord":
        """Return the record once the event of its outcome has been published.

        Args:
            at: When.
            outcome: What was published, where the record may have another outcome by now.

        Raises:
            TransitionError: It has no such outcome.
        """
        name = "failed" if isinstance(outcome or self.outcome, Failed) else "completed"
        section = getattr(self, name)
        if section is None:
            raise TransitionError(f"export {self.export_id}: nothing to publish when {self.state}")
        return self._next(**{name: section.model_copy(update={"published_at": timestamp(at)})})

    def _to(self, state: State, **sections: Message | None) -> "LedgerRecord":
        if self.state not in _BEFORE[state]:
            raise TransitionError(f"export {self.export_id} is {self.state}, not to be {state}")
        return self._next(state=state, **sections)

    def _next(self, **changes: object) -> "LedgerRecord":
        # Whoever changes a record writes it by the newest schema, whichever it was read by.
        written_by = {"record_schema": LEDGER_SCHEMA, "revision": self.revision + 1}
        return self.model_copy(update=written_by | changes)


type ReadRecord = Callable[[Window, str], LedgerRecord | None]
"""Returns the record of a window and an export id of the source in question, if there is one."""


def newest_halves(record: LedgerRecord, read: ReadRecord) -> list[LedgerRecord]:
    """Return the newest generation of each half of an export that was split; none of any other."""
    halves = () if record.split is None else record.split.halves
    tries = (list(generations(half, read)) for half in halves)
    return [found[-1] for found in tries if found]


def split_task_ids(record: LedgerRecord, read: ReadRecord) -> list[str]:
    """Return the tasks that did an export which was split; none for any other."""
    found = []
    for half in newest_halves(record, read):
        if half.split is not None:
            found += split_task_ids(half, read)
        elif half.submitted is not None:
            found.append(half.submitted.task_id)
    return found


def key_folders(record: LedgerRecord, read: ReadRecord) -> list[str]:
    """Return what follows the prefix of the destination in the keys of an export's objects.

    The ids of the tasks that did it, and the folders of what was added since. In the direct lane an
    export's own id stands for a task's.
    """
    completed = record.completed
    added = [] if completed is None else addenda_of(record.export_id, completed.manifest)
    return [*_own_folders(record, read), *added]


def _own_folders(record: LedgerRecord, read: ReadRecord) -> list[str]:
    if record.split is not None:
        halves = newest_halves(record, read)
        return [folder for half in halves for folder in _own_folders(half, read)]
    if record.submitted is not None:
        return [record.submitted.task_id]
    return [str(UUID(hex=record.export_id))] if record.lane == "direct" else []


def generations(half: Half, read: ReadRecord) -> Iterator[LedgerRecord]:
    """Yield the tries of a half, the first one first, as far as the ledger has them."""
    name: str | None = half.export_id
    while name is not None and (found := read(half.window, name)) is not None:
        yield found
        name = None if found.failed is None else found.failed.next_export_id
