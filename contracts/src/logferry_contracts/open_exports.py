"""Which exports are open, of any age, by notes beside the ledger: nobody reads it whole to know.

``open/<account>/<Region>/<from_ms>-<to_ms>/<export id>.json``, without content, for each ledger
record that `is_open`. Whoever makes a record open puts the note first, and whoever closes one
removes it afterwards. So a crash leaves a note too many, which costs its reader one look at the
record, and never one too few.

An export is opened twice at most: when it is asked for, and when it has lost what was announced.
Each has a note of its own name, so that whoever is late to remove the first never removes the
second.
"""

from logferry_contracts.addendum import Addendum
from logferry_contracts.export import export_id
from logferry_contracts.ledger_key import LEDGER
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName

_OPEN = "open/"
_LOST = ".lost"
_SUFFIX = ".json"


def is_open(record: LedgerRecord) -> bool:
    """Whether an export is to be exported, announced, or answered for by somebody.

    A half is not: its whole is open for as long. A failure is, unless a next try was asked for.
    """
    if record.parent_export_id is not None or record.waived or record.disposed:
        return False
    if record.failed is not None and record.state == "failed":
        return record.failed.next_export_id is None
    if record.completed is not None:
        return record.completed.published_at is None
    return record.state != "skipped"


def untold(record: LedgerRecord) -> list[Addendum]:
    """Return what was added to an export in the archive of which nobody was told yet.

    The export itself is not open for that: it has ended, and was told.
    """
    is_there = record.state in {"completed", "secured"} and record.disposed is None
    return [each for each in record.addenda or () if is_there and each.published_at is None]


def open_prefix(source: SourceName) -> str:
    """Return what the keys of the notes of an account and Region begin with."""
    return f"{_OPEN}{source.account_id}/{source.region}/"


def whole_key(source: SourceName) -> str:
    """Return the key that says that every open export has a note. It sorts before all notes."""
    return f"{open_prefix(source)}!whole"


def note_key(record: LedgerRecord) -> str:
    """Return the key of the note of a record that is open, or was until it was changed."""
    key = note_of(record.key)
    return f"{key.removesuffix(_SUFFIX)}{_LOST}{_SUFFIX}" if record.is_lost else key


def note_of(key: str) -> str:
    """Return the key of the first note that an export may have, by that of its record."""
    return f"{_OPEN}{key.removeprefix(LEDGER)}"


def notes_before(record: LedgerRecord) -> list[str]:
    """Return the keys that notes of the try before this one have; none for a first try.

    They are to go once this one's record is there: the last try counts.
    """
    if record.generation == 1:
        return []
    name = export_id(record.source, record.log_group.name, record.window, record.generation - 1)
    folder = note_key(record).rpartition("/")[0]
    return [f"{folder}/{name}{_SUFFIX}", f"{folder}/{name}{_LOST}{_SUFFIX}"]


def next_export_id(record: LedgerRecord) -> str:
    """Return the id of the next try of an export: once its record is there, that one counts."""
    return export_id(record.source, record.log_group.name, record.window, record.generation + 1)


def record_key(note: str) -> str:
    """Return the key of the ledger record that a note is about."""
    key = note.removesuffix(_SUFFIX).removesuffix(_LOST)
    return f"{LEDGER}{key.removeprefix(_OPEN)}{_SUFFIX}"
