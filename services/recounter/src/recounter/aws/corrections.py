"""What is known of differences and of what was done about them: the sealer's notes, and our own.

The sealer alone knows how many events the archive has, and notes of which windows CloudWatch Logs
has counted more. Beside the recounts is noted where events came in late that no look could count,
of what somebody was asked to add what is missing, and how many bytes that takes to read on a day.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, NamedTuple

from pydantic import Field, ValidationError

from logferry_contracts.export_requested import LOST_AFTER
from logferry_contracts.late_events import AskedFor, NotAdded
from logferry_contracts.ledger_key import (
    LACKING_NOTES,
    asked_key,
    beside_recounts,
    late_prefix,
    not_added_key,
    recounts_prefix,
    seal_notes_prefix,
    source_recounts_prefix,
    split_key,
    window_of,
)
from logferry_contracts.message import MAX_SAFE_INTEGER, Count, Message, timestamp
from logferry_contracts.recount import Recount
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from recounter.aws.bucket import Bucket
from recounter.aws.control import read_recount
from recounter.errors import OvertakenError

MOST_TIMES = 3
"""So often somebody is asked: what cannot be added is read again each time."""


class Lacking(NamedTuple):
    """A log group's window of which CloudWatch Logs has counted more events than are sealed."""

    window: Window
    log_group_name: str


class Spent(Message):
    """What was to be read on a day to add what is missing.

    Attributes:
        date: In UTC, such as ``2026-11-26``.
    """

    date: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    read_bytes: Count = 0


class Corrections:
    """One source's part of the control bucket, as far as it is about differences."""

    def __init__(self, bucket: Bucket, source: SourceName) -> None:
        """Read and write in ``bucket`` what is of ``source``."""
        self._bucket = bucket
        self._source = source

    def lacking(self, since_ms: int) -> list[Lacking]:
        """Return what the newest seals say that lacks events, of windows that start since then."""
        prefix = seal_notes_prefix(LACKING_NOTES, self._source.account_id, self._source.region)
        return [
            Lacking(window, text.decode(errors="replace"))
            for key, window in self._noted(prefix)
            if window.from_ms >= since_ms and (text := self._text(key))
        ]

    def late(self, since_ms: int) -> Iterator[Recount]:
        """Yield what looks have said of exports that events came in late for, which none counted.

        Of windows that start since then. A note that nobody can read is written anew, by what the
        looks themselves have said.

        Raises:
            AwsError: S3 did not answer.
        """
        for key, window in self._noted(late_prefix(self._source)):
            found = self._bucket.get(key) if window.from_ms >= since_ms else None
            if found is None or not found[0]:
                continue
            try:
                yield parse(Recount, found[0])
            except ContractError as error:
                self._bucket.tell_damaged(key, error)
                said = self._said(window, split_key(key)[1])
                with suppress(OvertakenError):
                    self._bucket.replace(key, said.text() if said else b"", found[1])
                if said is not None:
                    yield said

    def _said(self, window: Window, export_id: str) -> Recount | None:
        """Return the newest word of a look on an export, best one that names late streams.

        Of more streams than are named there is none: the window is compared as a whole then.
        """
        there = self._bucket.keys(Prefix=beside_recounts(self._source, window))
        of_it = [key for key in there if split_key(key)[1] == export_id]
        read = [each for key in of_it if (each := read_recount(self._text(key))) is not None]
        naming = [each for each in read if each.late_streams]
        return max(naming or read, key=lambda each: each.recount.at, default=None)

    def counted(self, window: Window) -> int:
        """Return of how many exports of a window it was said whether they were counted."""
        prefix = recounts_prefix(self._source, window)
        return sum(split_key(key)[0] == prefix for key in self._bucket.keys(Prefix=prefix))

    def is_asked(self, recount: Recount, now: datetime) -> bool:
        """Whether somebody was asked for what a witness says is missing of an export.

        Nobody was whose message may have gone with its queue: asked again, a few times.
        """
        asked, _ = self._asked(recount)
        if asked is None:
            return False
        is_late = now - datetime.fromisoformat(asked.at) > LOST_AFTER
        return not is_late or asked.times >= MOST_TIMES

    def note_asked(self, recount: Recount, now: datetime) -> None:
        """Note that somebody was asked."""
        before, etag = self._asked(recount)
        asked = AskedFor(at=timestamp(now), times=1 if before is None else before.times + 1)
        with suppress(OvertakenError):
            body = asked.model_dump_json().encode()
            self._bucket.replace(self._asked_key(recount), body, etag)

    def note_not_added(self, recount: Recount, why: str, now: datetime) -> bool:
        """Note why nobody can add what came in late; return whether that was not known.

        Raises:
            AwsError: S3 did not answer.
        """
        of = recount.window, recount.export_id, recount.recount.at
        key = not_added_key(self._source, *of)
        found = self._bucket.get(key)
        with suppress(ValidationError):  # what somebody has damaged says nothing
            if found is not None and NotAdded.model_validate_json(found[0]).why == why:
                return False
        body = NotAdded(at=timestamp(now), why=why).model_dump_json().encode()
        try:
            self._bucket.replace(key, body, None if found is None else found[1])
        except OvertakenError:
            return False
        return True

    def _asked(self, recount: Recount) -> tuple[AskedFor | None, str | None]:
        """Return what is noted of asking, and its ETag; what somebody has damaged says nothing."""
        found = self._bucket.get(self._asked_key(recount))
        if found is None:
            return None, None
        try:
            return AskedFor.model_validate_json(found[0]), found[1]
        except ValidationError:
            return None, found[1]

    def spent(self, date: str) -> tuple[Spent, str | None]:
        """Return what was spent on a day, and the ETag of the note of it; None where it has none.

        Of one that nobody can read nobody knows what was spent: it is written anew as if that were
        more than there is on this day.

        Raises:
            OvertakenError: Somebody else has written it anew.
            AwsError: S3 did not answer.
        """
        found = self._bucket.get(self._spent_key)
        if found is None:
            return Spent(date=date), None
        try:
            spent = Spent.model_validate_json(found[0])
        except ValidationError as error:
            self._bucket.tell_damaged(self._spent_key, error)
            spent = Spent(date=date, read_bytes=MAX_SAFE_INTEGER)
            return spent, self.keep_spent(spent, found[1])
        return (spent if spent.date == date else Spent(date=date)), found[1]

    def keep_spent(self, spent: Spent, etag: str | None) -> str:
        """Note what is spent over what was read, and return the new ETag.

        Raises:
            OvertakenError: Somebody else has, since.
        """
        return self._bucket.replace(self._spent_key, spent.model_dump_json().encode(), etag)

    @property
    def _spent_key(self) -> str:
        return f"{source_recounts_prefix(self._source)}!added.json"

    def _asked_key(self, recount: Recount) -> str:
        of = recount.window, recount.export_id, recount.recount.at
        return asked_key(self._source, *of)

    def _noted(self, prefix: str) -> Iterator[tuple[str, Window]]:
        """Yield the keys of notes that have a content, each with its window."""
        for each in self._bucket.listed(Prefix=prefix):
            folder, _ = split_key(each["Key"])
            with suppress(ValueError):  # what somebody has put there is no note
                window = window_of(folder)
                if each["Size"]:
                    yield each["Key"], window

    def _text(self, key: str) -> bytes:
        found = self._bucket.get(key)
        return b"" if found is None else found[0]
