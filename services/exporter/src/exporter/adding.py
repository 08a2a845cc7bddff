"""What is missing of a completed export: read, compared with the archive, and written beside it.

It is written only where everything that the archive has was found in CloudWatch Logs again: else
nobody could say of an event that it is missing, and not only written otherwise.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter import direct, missing, task
from exporter.comparison import Comparison
from exporter.errors import NotAddedError, NotForDirectLaneError, OutOfTimeError
from exporter.reading import FOLDER_PREFIX, Reading
from exporter.spool import Spool, remove_leftovers
from logferry_contracts.addendum import addenda_of, addendum_folder, guessed_bytes, most_read_bytes
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import stream_in_key
from logferry_contracts.manifest import ArchivedObject

MOST_STREAMS = 5000
"""That are compared: each is read from the archive, some fifteen a second."""
WRITING_S = 0.2
"""What a log stream's object takes at most, usually half of that. Nothing is written where not all
of it would be: what is in no manifest would be found by readers all the same."""


@dataclass(frozen=True, kw_only=True)
class Adding:
    """Adds to one export.

    Attributes:
        reading: Reads the window anew, and knows the archive.
        check: Raises `NotAddedError` where nothing may be written any more, as by now somebody has
            had what is there disposed of: it took minutes to read.
    """

    reading: Reading
    check: Callable[[], None] = lambda: None

    def objects(self, record: LedgerRecord) -> list[ArchivedObject]:
        """Write what is missing of an export into a folder of its own, and return the objects.

        What an earlier try has written there is among them: each try writes the same keys, and
        CloudWatch Logs may have deleted some of it since.

        Args:
            record: The export's, completed.

        Returns:
            None of them where nothing is missing.

        Raises:
            NotAddedError: Nobody can say what is missing.
            OutOfTimeError: It takes longer than what is left of the invocation.
            NotForDirectLaneError: It cannot be read in this way.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS was busy.
        """
        with TemporaryDirectory(prefix=FOLDER_PREFIX) as name:
            folder = Path(name)
            remove_leftovers(folder)
            read, found = (_spool(folder / each) for each in ("read", "missing"))
            try:
                self._read(record, read)
                with self.reading.turn.comparing():
                    self._compare(record, read, found)
                return self._written(record, found)
            except OSError as error:
                raise NotForDirectLaneError(f"no room on disk: {error}") from error

    def _read(self, record: LedgerRecord, read: Spool) -> None:
        """Read what is compared: of some streams nobody has guessed how much that is."""
        assert record.completed is not None  # noqa: S101  (only asked of a completed export)
        size_bytes = guessed_bytes(record.estimated_bytes, record.completed.manifest)
        are_named = bool(self.reading.streams)
        most_bytes = most_read_bytes(size_bytes, are_streams_named=are_named)
        self.reading.spool(record, 0 if are_named else size_bytes, read, most_bytes)

    def _compare(self, record: LedgerRecord, read: Spool, found: Spool) -> None:
        """Put into ``found`` what was read and the archive has not, folder by folder."""
        archived = defaultdict[str, list[ArchivedObject]](list)
        compared = {stream_in_key(each) for each in self.reading.streams}
        for each in _objects(record):
            folder = each.key.split("/")[-2]
            if not compared or folder in compared:
                archived[folder].append(each)
        names = defaultdict[str, list[str]](list)
        for name in sorted(read.stream_names):
            names[stream_in_key(name)].append(name)
        for folder in sorted(archived.keys() | names.keys()):
            self.reading.check_until()
            self._compare_folder(record, archived[folder], read, names[folder], found)

    def _compare_folder(
        self,
        record: LedgerRecord,
        archived: Sequence[ArchivedObject],
        read: Spool,
        names: Sequence[str],
        found: Spool,
    ) -> None:
        """Compare what a folder has with all log streams that share it."""
        size_bytes = sum(map(read.size_of, names))
        with TemporaryDirectory(dir=read.folder) as name:
            comparison = Comparison(Path(name), size_bytes)
            comparison.put_there(map(missing.digest, self._there(record, archived)))
            numbers, left = comparison.missing(
                (missing.digest(each) for _, each in self._events(record, read, names)),
                self.reading.check_until,
            )
        if left:
            stream = archived[0].key.split("/")[-2]
            raise NotAddedError(
                f"{left} events of {stream} in the archive are not, or not so, in CloudWatch Logs"
            )
        if not numbers.count:
            return
        lacking = (
            each
            for number, each in enumerate(self._events(record, read, names))
            if number in numbers
        )
        for name, some in groupby(lacking, key=itemgetter(0)):
            found.keep(name, (event for _, event in some))

    def _events(
        self, record: LedgerRecord, read: Spool, names: Iterable[str]
    ) -> Iterator[tuple[str, bytes]]:
        """Yield the events of log streams that were read, always in the same order."""
        for name in names:
            texts = self._timed(read.texts(name))
            for event in missing.inside(missing.events(texts), record.window):
                yield name, event

    def _there(self, record: LedgerRecord, archived: Iterable[ArchivedObject]) -> Iterator[bytes]:
        """Yield the events that the archive has of log streams, in all folders of the export."""
        by_folder = defaultdict[str, list[ArchivedObject]](list)
        for each in archived:
            by_folder[each.key.rpartition("/")[0]].append(each)
        for of_folder in by_folder.values():
            # By the number of each, which has six digits or more.
            ordered = sorted(of_folder, key=lambda each: (len(each.key), each.key))
            texts = chain.from_iterable(self._texts(record, each) for each in ordered)
            events = missing.events(self._timed(texts))
            yield from missing.inside(events, record.window)

    def _timed(self, texts: Iterable[bytes]) -> Iterator[bytes]:
        for each in texts:
            self.reading.check_until()
            yield each

    def _texts(self, record: LedgerRecord, each: ArchivedObject) -> Iterator[bytes]:
        bucket = record.destination.bucket
        return self.reading.archive.texts(record.source.region, bucket, each)

    def _written(self, record: LedgerRecord, found: Spool) -> list[ArchivedObject]:
        takes = timedelta(seconds=WRITING_S * len(found.stream_names))
        if self.reading.clock() + takes > self.reading.until:
            raise OutOfTimeError(f"no time to write {len(found.stream_names)} objects")
        if found.stream_names:
            self.check()
        folder = task.folder(record, addendum_folder(record.export_id, next_number(record)))
        self.reading.write(record, folder, found)
        return self.reading.archive.objects(record.source.region, record.destination.bucket, folder)


def next_number(record: LedgerRecord) -> int:
    """Return the number of the addendum that a completed export gets next."""
    assert record.completed is not None  # noqa: S101  (only asked of a completed export)
    return len(addenda_of(record.export_id, record.completed.manifest)) + 1


def objection(record: LedgerRecord) -> str | None:
    """Return why nothing can be added to an export, in words; None where something can."""
    completed = record.completed
    if record.state not in {"completed", "secured"} or completed is None:
        return f"it is {record.state}"
    if completed.published_at is None:
        return "it was not announced yet"
    if record.parent_export_id is not None or record.disposed is not None:
        return "its objects are not its own, or may go"
    if completed.manifest.objects is None:
        return "its objects are not in its record"
    if record.log_group.log_group_class != direct.READABLE_CLASS:
        return f"of the class {record.log_group.log_group_class} no events are read"
    return None


def _objects(record: LedgerRecord) -> list[ArchivedObject]:
    assert record.completed is not None  # noqa: S101  (as above)
    return record.completed.manifest.objects or []


def _spool(folder: Path) -> Spool:
    folder.mkdir()
    return Spool(folder)
