"""What is open of a source, of any age: by the notes of that, or else by the whole ledger."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from logferry_contracts.export import export_id
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.open_exports import is_open, note_key, note_of, record_key, whole_key
from logferry_contracts.source import SourceName
from logferry_ledger.counts import count, keep
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import Ledger, Read, last_tries


@dataclass(frozen=True, kw_only=True)
class Open:
    """What is open of a source.

    Attributes:
        records: Of each window and log group the last try.
        damaged: What is wrong with each record that cannot be read, and may be open.
        is_indexed: Whether the notes have told; otherwise the whole ledger was read.
    """

    records: list[LedgerRecord]
    damaged: list[str]
    is_indexed: bool


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """What became of a source's notes.

    Attributes:
        records: How many the ledger has.
        open: How many exports are open.
        added: How many of them had no note.
        removed: How many notes were of what is not open.
    """

    profile: str
    records: int
    open: int
    added: int
    removed: int


def find_open(ledger: Ledger, source: SourceName) -> Open:
    """Return what is open of a source."""
    notes = ledger.notes(source)
    is_indexed = whole_key(source) in notes
    read = list(_noted(ledger, source, notes) if is_indexed else _of_all(ledger, source))
    return Open(
        records=[each for _, each in read if isinstance(each, LedgerRecord) and is_open(each)],
        damaged=[str(each) for _, each in read if isinstance(each, LedgerError)],
        is_indexed=is_indexed,
    )


def rebuild(
    ledger: Ledger, source: SourceName, *, dry_run: bool, watch: Callable[[int], None]
) -> Rebuilt:
    """Read all records of a source, and bring the notes and the windows' counts to what they say.

    What is not there is put before anything is removed, and only then are all said to be there.

    Args:
        ledger: Of the hub.
        source: Whose.
        dry_run: Only look.
        watch: Told how many records have been read.
    """
    before = set(ledger.notes(source)) - {whole_key(source)}
    records, wanted = 0, set[str]()
    for prefix, _ in ledger.windows(source):
        listed = ledger.listed(prefix)
        read = ledger.read_listed(listed)
        if not dry_run:
            keep(ledger, prefix, count(listed, read))
        records += len(read)
        watch(records)
        wanted |= {_note_of(key, record) for key, record in _last(read) if _may_be_open(record)}
    # A note whose record is not there may be of what is being written.
    extra = sorted(before - wanted)
    there = ledger.read_some(record_key(each) for each in extra)
    left = [key for key, record in zip(extra, there, strict=True) if record is not None]
    if not dry_run:
        for key in sorted(wanted - before):
            ledger.put_note(key)
        for key in left:
            ledger.remove_note(key)
        ledger.put_note(whole_key(source))
    return Rebuilt(
        profile=source.profile,
        records=records,
        open=len(wanted),
        added=len(wanted - before),
        removed=len(left),
    )


def _may_be_open(record: LedgerRecord | LedgerError) -> bool:
    return isinstance(record, LedgerError) or is_open(record)


def _note_of(key: str, record: LedgerRecord | LedgerError) -> str:
    if isinstance(record, LedgerRecord):
        return note_key(record)
    return note_of(key)


def _noted(ledger: Ledger, source: SourceName, notes: list[str]) -> Iterator[Read]:
    """Yield the last try of each export that has a note, once, whether it is open or not."""
    keys = dict.fromkeys(record_key(note) for note in notes if note != whole_key(source))
    last: dict[str, LedgerRecord | LedgerError] = {}
    while keys:
        following: list[str] = []
        for key, record in zip(keys, ledger.read_some(keys), strict=True):
            if record is not None:
                last[key] = record
            if isinstance(record, LedgerRecord):
                if record.generation > 1:
                    last.pop(_try(record, record.generation - 1), None)
                if record.state == "failed":
                    following.append(_try(record, record.generation + 1))
        keys = dict.fromkeys(key for key in following if key not in last)
    yield from last.items()


def _try(record: LedgerRecord, generation: int) -> str:
    """Return the key of another try of the same window."""
    name = export_id(record.source, record.log_group.name, record.window, generation)
    return ledger_key(record.source, record.window, name)


def _of_all(ledger: Ledger, source: SourceName) -> Iterator[Read]:
    for prefix, _ in ledger.windows(source):
        yield from _last(ledger.records(prefix))


def _last(read: list[Read]) -> Iterator[Read]:
    """Yield the last try of each log group in a window, and what cannot be read."""
    yield from last_tries(read).values()
    yield from ((key, each) for key, each in read if isinstance(each, LedgerError))
