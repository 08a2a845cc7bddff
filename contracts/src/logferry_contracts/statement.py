"""Statement: what is known of one log group's window when its date is sealed. A leaf of the seal.

Its text is canonical JSON, stored once and never changed. Whoever checks it hashes the bytes as
they are stored: `Statement.text` is for who writes one.
"""

from typing import Annotated, Self

from pydantic import Field, model_validator

from logferry_contracts.addendum import addendum_folders
from logferry_contracts.digest import Sha256
from logferry_contracts.export import Destination, ExportId, Generation, Lane, ReasonCode, TaskId
from logferry_contracts.log_group import LogGroupArn, LogGroupClass, LogGroupName, RetentionDays
from logferry_contracts.manifest import Checksum, ETag, ObjectKey, VersionId
from logferry_contracts.message import Count, EpochMs, Message, Timestamp
from logferry_contracts.recount import Recounted
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit_canonical

STATEMENT_SCHEMA = "urn:logferry:schema:statement:1.0"

Outcome = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
"""What became of a log group's window, in a word. Any version may bring new ones."""

Salt = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""16 random bytes in hexadecimal."""

ARCHIVED = "archived"
SKIPPED = "skipped"
EXCLUDED = "excluded"
REFUSED = "refused"
FAILED = "failed"
WAIVED = "waived"
OPEN = "open"
CONTRADICTED = "contradicted"
DISPOSED = "disposed"

AGREES = "agrees"
LACKING = "lacking"
"""The archive has fewer events than CloudWatch Logs."""
AMBIGUOUS = "ambiguous"
"""The archive has more: a line of a message that begins with a time is taken for an event there,
and for none by CloudWatch Logs. Behind such lines as many events may be missing: it is no
difference, and no proof."""

KNOWN_OUTCOMES = frozenset(
    {
        *(ARCHIVED, SKIPPED, EXCLUDED, REFUSED, FAILED),
        *(WAIVED, OPEN, CONTRADICTED, DISPOSED),
    }
)

_SECTIONS: dict[str, tuple[str, ...]] = {
    ARCHIVED: ("objects",),
    SKIPPED: ("reason",),
    REFUSED: ("reason",),
    FAILED: ("reason",),
    WAIVED: ("waiver",),
    CONTRADICTED: ("differences",),
    DISPOSED: ("objects", "waiver"),
}


class StatedLogGroup(Message):
    """A log group as far as it is known: one that was deleted may have nothing but its name.

    Attributes:
        retention_days: None when events never expire, and when it is not known.
    """

    name: LogGroupName
    arn: LogGroupArn | None = None
    log_group_class: LogGroupClass | None = None
    created_ms: EpochMs | None = None
    retention_days: RetentionDays | None = None
    stored_bytes: Count | None = None


class StatedExport(Message):
    """One export of the ledger.

    Attributes:
        task_ids: What follows the prefix of ``destination`` in the keys: the ids of its tasks,
            those of halves included; in the direct lane what stands for one.
        ended_at: When it was completed, failed or skipped; None when it has not ended.
        artifact: Which build of the code did it; None when that is not known.
    """

    export_id: ExportId
    generation: Generation
    lane: Lane
    destination: Destination
    task_ids: Annotated[list[TaskId], Field(max_length=1000)]
    requested_at: Timestamp
    ended_at: Timestamp | None = None
    artifact: Annotated[str, Field(min_length=1, max_length=256)] | None = None

    @property
    def own_task_ids(self) -> list[str]:
        """Those without its addenda."""
        added = addendum_folders(self.export_id, self.task_ids)
        return [each for each in self.task_ids if each not in added]

    @property
    def folders(self) -> list[str]:
        """What the keys of its objects begin with: ``<prefix>/<task id>/``, for each task."""
        return [f"{self.destination.prefix}/{task}/" for task in self.task_ids]


class StatedObject(Message):
    """One object in the archive, which has been read from beginning to end.

    Attributes:
        version_id: Where it was seen. Another version of the same bytes is the same object.
        sha256: Of its bytes as they are stored: what it is.
        events: Lines that begin with a time.
        first_ms: The least of these times; None without events.
        last_ms: The greatest; None without events.
        events_outside_window: Before the window, or at its end or after it.
        pointer_lines: Lines that hold ``@ptr.$[``: their content is elsewhere.
        is_gzip_complete: Otherwise the numbers are of what could be unpacked.
    """

    key: ObjectKey
    version_id: VersionId
    size_bytes: Count
    sha256: Sha256
    lines: Count
    events: Count
    first_ms: EpochMs | None = None
    last_ms: EpochMs | None = None
    events_outside_window: Count
    pointer_lines: Count
    is_gzip_complete: bool
    etag: ETag | None = None
    checksum: Checksum | None = None


class Leftover(Message):
    """An object that belongs to no export that is archived, such as one of a try that failed."""

    key: ObjectKey
    version_id: VersionId
    size_bytes: Count


class Difference(Message):
    """One thing that the ledger or a manifest says, and the archive contradicts.

    Attributes:
        what: Such as ``object_missing``, ``size_bytes``, ``checksum`` or ``object_unlisted``.
        key: The object that it is about; None when it is about no single one.
        recorded: What the ledger or the manifest says; None for nothing.
        found: What is there; None for nothing.
    """

    what: ReasonCode
    key: ObjectKey | None = None
    recorded: Annotated[str, Field(max_length=1024)] | None = None
    found: Annotated[str, Field(max_length=1024)] | None = None

    @property
    def about(self) -> str:
        """What it is about, for people."""
        return self.what if self.key is None else f"{self.what} {self.key}"

    @property
    def told(self) -> str:
        """What is where, for people."""
        return f"{self.recorded or 'nothing'} is recorded, {self.found or 'nothing'} is there"


class Waiver(Message):
    """Who has given up a window, or had it deleted.

    Attributes:
        by: Such as the ARN of the caller.
        ticket: Where it was decided; None where nobody says.
    """

    by: Annotated[str, Field(min_length=1, max_length=2048)]
    why: Annotated[str, Field(min_length=1, max_length=1024)]
    at: Timestamp
    ticket: Annotated[str, Field(min_length=1, max_length=256)] | None = None


class Statement(Message):
    """One log group in one window.

    Attributes:
        salt: Random, so that nobody finds out by trying what is behind a hash.
        exports: In the order of their generations; the last one is what the outcome is of.
        objects: What was found of that one, in key order; None when the outcome is of no objects.
        leftovers: What else lay below the destinations' prefixes, in key order; None when nobody
            has looked.
        recount: What CloudWatch Logs itself counted after the last export; None when nobody had
            tried.
    """

    statement_schema: Annotated[
        str, Field(alias="schema", pattern=r"^urn:logferry:schema:statement:1\.[0-9]+$")
    ]
    salt: Salt
    source: SourceName
    log_group: StatedLogGroup
    window: Window
    outcome: Outcome
    reason: ReasonCode | None = None
    detail: Annotated[str, Field(max_length=4096)] | None = None
    exports: Annotated[list[StatedExport], Field(max_length=1000)]
    objects: list[StatedObject] | None = None
    leftovers: list[Leftover] | None = None
    differences: Annotated[list[Difference], Field(min_length=1, max_length=1000)] | None = None
    waiver: Waiver | None = None
    recount: Recounted | None = None
    stated_at: Timestamp

    @model_validator(mode="after")
    def _outcome_has_its_sections(self) -> Self:
        sections = _SECTIONS.get(self.outcome, ())
        missing = [name for name in sections if getattr(self, name) is None]
        if missing:
            raise ValueError(f"outcome {self.outcome} without {', '.join(missing)}")
        return self

    @classmethod
    def of(cls, **stated: object) -> Self:
        """Return a statement by the newest schema.

        Args:
            stated: By this model's names.

        Raises:
            ValidationError: It was put together wrongly.
        """
        return cls.model_validate({"schema": STATEMENT_SCHEMA, **stated})

    @property
    def events(self) -> int:
        """How many events within the window its objects have."""
        return sum(each.events - each.events_outside_window for each in self.objects or [])

    @property
    def recount_difference(self) -> int | None:
        """How many events more than its objects CloudWatch Logs has; None where nobody counted."""
        counted = None if self.recount is None else self.recount.events
        return None if counted is None or self.objects is None else counted - self.events

    @property
    def recount_says(self) -> str | None:
        """`AGREES`, `LACKING` or `AMBIGUOUS`; None where nobody counted."""
        more = self.recount_difference
        if more is None:
            return None
        return LACKING if more > 0 else AMBIGUOUS if more < 0 else AGREES

    @property
    def object_keys(self) -> list[str]:
        """Of all objects that it says are there."""
        stated = [each.key for each in self.objects or []]
        return [*stated, *(each.key for each in self.leftovers or [])]

    def text(self) -> bytes:
        """Return what is stored, to be written once and hashed as it is from then on.

        Raises:
            ContractError: It was put together wrongly.
        """
        return emit_canonical(self)
