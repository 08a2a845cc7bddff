"""One export in the direct lane: read to the last page, then written, an object per log stream.

A window is read in slices, some of them at once. Nothing is written before everything is read, and
each object appears whole or not at all.
"""

import shutil
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

from exporter import direct, task
from exporter.cloud import Archive, SourceAccount
from exporter.errors import (
    NotForDirectLaneError,
    OutOfTimeError,
    TooMuchForDirectLaneError,
)
from exporter.spool import Spool, remove_leftovers
from exporter.turns import Turn
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import MOST_LOG_STREAMS
from logferry_contracts.manifest import ArchivedObject

FOLDER_PREFIX = "logferry-window-"

type Job = Callable[[], None]
type Together = Callable[[Sequence[Job]], None]
"""Does all jobs, begun in this order, and raises the first error."""


def side_by_side(jobs: Sequence[Job]) -> None:
    """Do jobs in as many threads as there are jobs."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in as_completed([pool.submit(job) for job in jobs]):
            done.result()


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a window's events take from CloudWatch Logs to the archive.

    Attributes:
        wait: Waits until FilterLogEvents may be called; what it is given raises when there is no
            time for that.
        max_bytes: The most that is read, as lines, uncompressed.
        until: When to give up.
        streams: Log streams that are read alone; all where there are none.
        most_streams: Of so many log streams at most.
        readers: How many slices are read at once.
        together: How they are, side by side.
        turn: To read.
        check_time: Raises what is to be done when there is no time to begin.
    """

    account: SourceAccount
    archive: Archive
    wait: Callable[[Callable[[], None]], None]
    turn: Turn
    check_time: Callable[[], None]
    max_bytes: int
    until: datetime
    clock: Callable[[], datetime]
    streams: Sequence[str] = ()
    most_streams: int = direct.MAX_STREAMS
    readers: int = direct.LEAST_READERS
    together: Together = side_by_side

    def objects(self, record: LedgerRecord, estimated_bytes: int) -> list[ArchivedObject]:
        """Read an export's events, write them to the archive and return the objects.

        Args:
            record: The export.
            estimated_bytes: What it has, as far as anybody knows; 0 if nobody does.

        Raises:
            TooMuchForDirectLaneError: It is too much, or takes too long. Objects that were
                written by then stay, in no manifest: others may have none of their events any more.
            NotForDirectLaneError: It cannot be read in this way.
            ExportRefusedError: A person has to mend something first.
            TransientError: AWS was busy.
        """
        with TemporaryDirectory(prefix=FOLDER_PREFIX) as folder:
            remove_leftovers(Path(folder))
            spool = Spool(Path(folder))
            try:
                # What is known to be too much is not begun.
                planned_bytes = round(self.max_bytes * direct.PART_SHARE)
                direct.check_size(estimated_bytes, 0, max_bytes=planned_bytes)
                self.spool(record, estimated_bytes, spool, self._room_bytes(folder))
                return self.write(
                    record, task.folder(record, direct.folder_name(record.export_id)), spool
                )
            except OSError as error:
                raise NotForDirectLaneError(f"no room on disk: {error}") from error
            except OutOfTimeError as error:
                if spool.size_bytes < direct.LEAST_READ_BYTES:
                    raise
                raise TooMuchForDirectLaneError(str(error)) from error  # a part takes less

    def spool(
        self, record: LedgerRecord, estimated_bytes: int, spool: Spool, max_bytes: int
    ) -> None:
        """Read an export's events, once it is their turn.

        Args:
            record: The export.
            estimated_bytes: What it has, as far as anybody knows; 0 if nobody does.
            spool: Where they go.
            max_bytes: The most that is read, as lines.

        Raises:
            OSError: There is no room for them.
            OutOfTimeError: There is no time for more.
            TooMuchForDirectLaneError, NotForDirectLaneError, ExportRefusedError, TransientError:
                As `objects`.
        """
        self.turn.read()
        self.check_time()
        self._read(record, estimated_bytes, spool, max_bytes)

    def _room_bytes(self, folder: str) -> int:
        """Return how much may be read: a stream's lines and its gzip file are on disk at once."""
        return min(direct.most_bytes(self.max_bytes), shutil.disk_usage(folder).free // 2)

    def _read(
        self, record: LedgerRecord, estimated_bytes: int, spool: Spool, max_bytes: int
    ) -> None:
        stopped = Event()
        ends = direct.reads_end(record)
        parts = direct.slices(record.window, estimated_bytes, self.readers, with_end=ends)
        todo: deque[tuple[int, direct.Slice]] = deque(enumerate(parts))

        def read() -> None:
            try:
                while todo and not stopped.is_set():
                    with suppress(IndexError):  # another reader was faster
                        part = todo.popleft()
                        if len(todo) <= self.readers:
                            self.turn.let_take()
                        if not todo:
                            self.turn.read_no_more()
                        self._read_slice(record, part, spool, max_bytes, stopped)
            except BaseException:
                # One slice that cannot be read is enough: the others' readers stop as well.
                stopped.set()
                raise

        self.together([read] * min(self.readers, len(parts)))

    def _read_slice(
        self,
        record: LedgerRecord,
        numbered: tuple[int, direct.Slice],
        spool: Spool,
        max_bytes: int,
        stopped: Event,
    ) -> None:
        # No two batches have the same stream, whose events stay in their order.
        for streams in list(batched(self.streams, MOST_LOG_STREAMS, strict=False)) or [()]:
            self._read_pages(record, numbered, streams, spool, max_bytes, stopped)

    def _read_pages(  # noqa: PLR0913, PLR0917  (what is read, and how far)
        self,
        record: LedgerRecord,
        numbered: tuple[int, direct.Slice],
        streams: Sequence[str],
        spool: Spool,
        max_bytes: int,
        stopped: Event,
    ) -> None:
        number, part = numbered
        next_token, is_last = None, False
        while not is_last and not stopped.is_set():
            self.wait(self.check_until)
            events, next_token = self.account.events(record, part, next_token, streams)
            spool.add(events, number)
            direct.check_size(
                spool.size_bytes,
                len(spool.stream_names),
                max_bytes=max_bytes,
                max_streams=self.most_streams,
            )
            is_last = next_token is None

    def write(self, record: LedgerRecord, folder: str, spool: Spool) -> list[ArchivedObject]:
        """Write what was read below a folder, an object for each log stream.

        Raises:
            OSError: There is no room to pack it.
            OutOfTimeError: There is no time for more.
            TooMuchForDirectLaneError, NotForDirectLaneError, ExportRefusedError, TransientError:
                As `objects`.
        """
        written = []
        for stream_name, key in direct.keys(folder, spool.stream_names).items():
            self.check_until()
            written.append(
                self.archive.put(
                    record.source.region,
                    record.destination.bucket,
                    key,
                    spool.compressed(stream_name),
                )
            )
        return written

    def check_until(self) -> None:
        """Make sure that there is time left.

        Raises:
            OutOfTimeError: There is none.
        """
        if self.clock() >= self.until:
            raise OutOfTimeError("it takes longer than an invocation has time for")
