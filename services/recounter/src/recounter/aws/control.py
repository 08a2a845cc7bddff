"""The control bucket: what the ledger says, which exports are open, and the recounts.

A window is looked at more than once. What each look says of an export is written once: the first
one's beside the others', so many days after the window's end in a folder of that look. Where a
later one finds more events, the first one's is replaced as well: that is what the sealer reads.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import groupby

from pydantic import ValidationError

from logferry_contracts.ledger_key import (
    late_key,
    ledger_key,
    ledger_prefix,
    looks_prefix,
    reading_prefix,
    recounts_prefix,
    source_prefix,
    split_key,
    starting_at,
    window_of,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import MAX_SAFE_INTEGER
from logferry_contracts.open_exports import open_prefix, record_key, whole_key
from logferry_contracts.reads import Reader, reading_key, who_reads
from logferry_contracts.recount import NO, Recount, Recounted
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from recounter.aws.bucket import Bucket, TooLateError
from recounter.due import is_news
from recounter.note import Note

_NOTE = "!note"

LOST = "damaged"
"""Why an export is not counted whose recount somebody has damaged."""
FIRST = 0
"""The first look at a window; others are named by the days after its end."""


class Control:
    """One source's part of the control bucket."""

    def __init__(self, bucket: Bucket, source: SourceName) -> None:
        """Read and write in ``bucket`` what is of ``source``."""
        self._bucket = bucket
        self._source = source

    def windows(self, since_ms: int) -> Iterator[tuple[Window, list[str]]]:
        """Yield the windows that start then or later, with the ids of their exports."""
        keys = self._bucket.keys(
            Prefix=source_prefix(self._source), StartAfter=starting_at(self._source, since_ms)
        )
        for prefix, of_window in groupby(map(split_key, keys), key=lambda each: each[0]):
            try:
                window = window_of(prefix)
            except ValueError:  # what somebody has put there is no record
                continue
            yield window, [export_id for _, export_id in of_window]

    def there(self, window: Window) -> frozenset[str]:
        """Return the ids of a window's exports.

        Raises:
            AwsError: S3 did not answer.
        """
        return frozenset(self._names(ledger_prefix(self._source, window)))

    def open_windows(self) -> set[str]:
        """Return the prefixes of the ledger of all windows with an export that has not ended."""
        keys = self._bucket.keys(
            Prefix=open_prefix(self._source), StartAfter=whole_key(self._source)
        )
        return {split_key(record_key(key))[0] for key in keys}

    def prefix(self, window: Window) -> str:
        """Return a window's prefix in the ledger."""
        return ledger_prefix(self._source, window)

    def record(self, window: Window, export_id: str) -> LedgerRecord | None:
        """Return a record; None where there is none, or none that can be read."""
        found = self.read(window, export_id)
        return found if isinstance(found, LedgerRecord) else None  # the sealer tells

    def read(self, window: Window, export_id: str) -> LedgerRecord | ContractError | None:
        """Return a record, or what is wrong with it; None where there is none."""
        found = self._bucket.get(ledger_key(self._source, window, export_id))
        try:
            return None if found is None else parse(LedgerRecord, found[0])
        except ContractError as error:
            return error

    def counted(self, window: Window, look: int) -> set[str]:
        """Return the ids of the exports of a window that a look has said something of."""
        return self._names(self._prefix(window, look)) - {_NOTE}

    def put(self, recount: Recount, look: int) -> None:
        """Write what a look says of an export; what is there already stays, as it was the first."""
        with suppress(TooLateError):
            self._bucket.put(
                self._key(recount.window, recount.export_id, look),
                recount.text(),
                IfNoneMatch="*",
            )

    def recount(self, window: Window, export_id: str) -> Recount | None:
        """Return what was counted of an export; None where nobody has, or it cannot be read."""
        found = self._bucket.get(self._key(window, export_id, FIRST))
        return None if found is None else read_recount(found[0])

    def correct(self, recount: Recount, *, only_more: bool) -> bool:
        """Replace what was counted of an export, if a later look has counted more events.

        Where the first look has come to no word, the later look's is it. So it is where nobody can
        read that word, or it is said that nobody has counted. One of a later release is kept.

        Args:
            recount: What the later look says.
            only_more: Whether it counts for nothing but that there are more of them.

        Returns:
            Whether it has.
        """
        key = self._key(recount.window, recount.export_id, FIRST)
        found = self._bucket.get(key)
        before = None if found is None else read_recount(found[0])
        if found is not None and before is None:
            if Recount.is_of_later_major(found[0]):
                return False
            self._bucket.tell_damaged(key, ValueError("not a valid Recount"))
            if only_more or recount.recount.events is None:
                self._bucket.put(key, _uncounted(recount).text())
                return False
        if not is_news(before, recount, only_more=only_more):
            return False
        if found is None:
            self.put(recount, FIRST)
            return False
        self._bucket.put(key, recount.text())
        return True

    def note_late(self, recount: Recount) -> None:
        """Note that events came in late, of which no look says how many there are."""
        key = late_key(self._source, recount.window, recount.export_id)
        self._bucket.put(key, recount.text())

    def note(self, window: Window, look: int) -> tuple[Note, str | None]:
        """Return what is noted of a look at a window, and its ETag; None where that is nothing.

        Of one that nobody can read nobody knows what was spent: it is written anew as if that were
        more than there is, so that the look is made to its end without another query.

        Raises:
            OvertakenError: Somebody else has written it anew.
        """
        key = self._key(window, _NOTE, look)
        found = self._bucket.get(key)
        if found is None:
            return Note(), None
        try:
            return Note.model_validate_json(found[0]), found[1]
        except ValidationError as error:
            self._bucket.tell_damaged(key, error)
            note = Note(spent=MAX_SAFE_INTEGER)
            return note, self.keep(window, look, note, found[1])

    def keep(self, window: Window, look: int, note: Note, etag: str | None) -> str:
        """Note something over what was read, and return the new ETag.

        Raises:
            OvertakenError: Somebody else has, since.
        """
        body = note.model_dump_json(exclude_none=True).encode()
        return self._bucket.replace(self._key(window, _NOTE, look), body, etag)

    def note_reading(self, reader: Reader, body: bytes) -> None:
        """Note that log events of the source are read now; see `logferry_contracts.reads`."""
        self._bucket.put(reading_key(self._source, reader), body)

    def reading(self) -> dict[str, datetime]:
        """Return who reads log events of the source, and when each of them has noted it."""
        listed = self._bucket.listed(Prefix=reading_prefix(self._source))
        return who_reads(self._source, listed)

    def _names(self, prefix: str) -> set[str]:
        """Return the names of what is in a folder, but for what is below it."""
        keys = map(split_key, self._bucket.keys(Prefix=prefix))
        return {name for folder, name in keys if folder == prefix}

    def _prefix(self, window: Window, look: int) -> str:
        if look == FIRST:
            return recounts_prefix(self._source, window)
        return looks_prefix(self._source, window, look)

    def _key(self, window: Window, name: str, look: int) -> str:
        return f"{self._prefix(window, look)}{name}.json"


def _uncounted(recount: Recount) -> Recount:
    """Return that nobody has counted: what was is lost, and this look is no witness of it."""
    said = recount.recount
    lost = Recounted(by=NO, at=said.at, reason=said.reason or LOST)
    return recount.model_copy(update={"recount": lost, "query_id": None})


def read_recount(text: bytes) -> Recount | None:
    """Return what was said of an export; None where nobody can read it."""
    try:
        return parse(Recount, text)
    except ContractError:
        return None
