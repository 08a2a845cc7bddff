"""What is missing of a completed export: read, compared with the archive, and written beside it.

It is written only where everything that the archive has was found in CloudWatch Logs again: else
nobody could say of an event that it is missing, and not only written otherwise.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from exporter import direct, missing, task
from exporter.errors import NotAddedError, NotForDirectLaneError
from exporter.reading import FOLDER_PREFIX, Reading
from exporter.spool import Spool, remove_leftovers
from logferry_contracts.addendum import MOST_ADDED_BYTES, addenda_of, addendum_folder
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import stream_in_key
from logferry_contracts.manifest import ArchivedObject

MOST_EVENTS = 600_000
"""That are remembered at once, of one log stream: they take some 70 MB of the function's 256."""


@dataclass(frozen=True, kw_only=True)
class Adding:
    """Adds to one export.

    Attributes:
        reading: Reads the window anew, and knows the archive.
    """

    reading: Reading

    def objects(self, record: LedgerRecord) -> list[ArchivedObject]:
        """Write what is missing of an export into a folder of its own, and return the objects.

        What an earlier try has written there is among them: each try writes the same keys, and
        CloudWatch Logs may have deleted some of it since.

        Args:
            record: The export's, completed.

        Returns:
            None of them where nothing is missing.

        Raises:
            NotAddedError: Nobody can say what is missing, or it is too much.
            NotForDirectLaneError: It cannot be read in this way.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS was busy.
        """
        with TemporaryDirectory(prefix=FOLDER_PREFIX) as name:
            folder = Path(name)
            remove_leftovers(folder)
            read, found = (_spool(folder / each) for each in ("read", "missing"))
            try:
                self.reading.spool(record, 0, read, MOST_ADDED_BYTES)
                self._compare(record, read, found)
                return self._written(record, found)
            except OSError as error:
                raise NotForDirectLaneError(f"no room on disk: {error}") from error

    def _compare(self, record: LedgerRecord, read: Spool, found: Spool) -> None:
        """Put into ``found`` what was read and the archive has not."""
        archived = defaultdict[str, list[ArchivedObject]](list)
        compared = {stream_in_key(each) for each in self.reading.streams}
        for each in _objects(record):
            stream = each.key.split("/")[-2]
            if not compared or stream in compared:
                archived[stream].append(each)
        names = defaultdict[str, list[str]](list)
        for name in sorted(read.stream_names):
            names[stream_in_key(name)].append(name)
        for stream in sorted(archived.keys() | names.keys()):
            there = self._there(record, archived[stream])
            for name in names[stream]:
                found.keep(
                    name,
                    missing.missing(missing.events(read.texts(name)), there, record.window),
                )
            if there.total():
                raise NotAddedError(
                    f"{there.total()} events of {stream} in the archive are not, or not so, in "
                    "CloudWatch Logs"
                )

    def _there(self, record: LedgerRecord, objects: list[ArchivedObject]) -> Counter[bytes]:
        """Return what the archive has of a stream, of all folders."""
        there = Counter[bytes]()
        by_folder = defaultdict[str, list[ArchivedObject]](list)
        for each in objects:
            by_folder[each.key.rpartition("/")[0]].append(each)
        for of_folder in by_folder.values():
            # By the number of each, which has six digits or more.
            ordered = sorted(of_folder, key=lambda each: (len(each.key), each.key))
            texts = chain.from_iterable(self._texts(record, each) for each in ordered)
            for digest in missing.digests(missing.events(texts), record.window):
                there[digest] += 1
                if len(there) > MOST_EVENTS:
                    raise NotAddedError(f"a log stream has more than {MOST_EVENTS} events")
        return there

    def _texts(self, record: LedgerRecord, each: ArchivedObject) -> Iterator[bytes]:
        bucket = record.destination.bucket
        return self.reading.archive.texts(record.source.region, bucket, each)

    def _written(self, record: LedgerRecord, found: Spool) -> list[ArchivedObject]:
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
