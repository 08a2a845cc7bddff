"""What the ledger has of a time that no seal covers yet, or never will."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from logferry.unrecorded import Unrecorded
from logferry_contracts.archive import ArchiveError, Readable, whole_manifest
from logferry_contracts.chain import ChainName
from logferry_contracts.export import export_ids
from logferry_contracts.ledger_key import ledger_prefix, split_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.plan import UNKNOWN, Plan
from logferry_contracts.retrieval.streams import Export, listed
from logferry_contracts.source import SourceName
from logferry_contracts.statement import DISPOSED, FAILED, OPEN, SKIPPED, WAIVED
from logferry_contracts.window import LONGEST_WINDOW_MS, Window
from logferry_contracts.wire import ContractError
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import Ledger, last_tries

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


_NOT_THERE = ("404", "NoSuchKey")

type _Record = LedgerRecord | LedgerError
"""A record, or what is wrong with it."""


class Unsealed:
    """Reads the ledger for a plan."""

    def __init__(self, s3: "S3Client", control_bucket: str) -> None:
        self._s3 = s3
        self._ledger = Ledger(s3, control_bucket)

    def add(self, plan: Plan, source: SourceName, time: Window) -> None:
        """Add what the ledger has of a source's time.

        One log group that is named, and no glob, costs a LIST of windows from that time on, and for
        each window a LIST of its records and a GET for each try. Where it has no record of a
        window, and of a glob, it is also looked at which log groups there were.

        Raises:
            ClientError: It may not be read.
        """
        reached, chain = time.from_ms, ChainName.of(source)
        touching: list[Window] = []
        windows: list[Window] = []
        own: dict[str, list[Window]] = {}
        for window in self._windows(source, time):
            if window.to_ms <= time.from_ms:
                touching.append(window)
                continue
            if reached < window.from_ms:
                plan.add_unknown(chain, Window(from_ms=reached, to_ms=window.from_ms))
            reached = max(reached, window.to_ms)
            windows.append(window)
            records = self._records(plan.asked, source, window)
            if window.from_ms == plan.asked.from_ms:
                self._add_ends(plan, source, touching, records)
            for record in records:
                if isinstance(record, LedgerRecord):
                    own.setdefault(record.log_group.name, []).append(record.window)
                self._add(plan, source, record)
        Unrecorded(self._s3, self._ledger.bucket, plan, source, time).add(windows, own)
        if reached < time.to_ms:
            plan.add_unknown(chain, Window(from_ms=reached, to_ms=time.to_ms))

    def _windows(self, source: SourceName, time: Window) -> Iterator[Window]:
        """Yield the windows of a time, after those that end where it begins."""
        since = time.from_ms - LONGEST_WINDOW_MS
        for window in self._ledger.windows_from(source, since, until_ms=time.to_ms):
            if window.to_ms >= time.from_ms and not window.is_too_long:
                yield window

    def _add_ends(
        self, plan: Plan, source: SourceName, before: list[Window], records: list[_Record]
    ) -> None:
        """Add the windows before, of log groups that are not in the archive from there on.

        The event of the millisecond between may have been exported with them.
        """
        there = {
            each.log_group.name
            for each in records
            if isinstance(each, LedgerRecord) and each.completed is not None
        }
        if there.issuperset(plan.asked.log_groups):
            return
        for window in before:
            for record in self._records(plan.asked, source, window):
                if isinstance(record, LedgerError) or record.log_group.name not in there:
                    self._add(plan, source, record)

    def _records(self, asked: Asked, source: SourceName, window: Window) -> list[_Record]:
        """Return the last try of each log group that was asked for, and what cannot be read."""
        names = asked.log_groups
        if any(set(name) & set("*?[") for name in names):
            read = self._ledger.records(ledger_prefix(source, window))
        else:
            listed = self._ledger.listed(ledger_prefix(source, window))
            there = {split_key(key)[1]: (key, etag) for key, etag in listed}
            mine = [each for name in names for each in export_ids(source, name, window)]
            read = self._ledger.read_listed(there[each] for each in mine if each in there)
        last = [record for _, record in last_tries(read).values()]
        return [
            *(record for _, record in read if isinstance(record, LedgerError)),
            *(each for each in last if asked.has_log_group(each.log_group.name)),
        ]

    def _add(self, plan: Plan, source: SourceName, record: _Record) -> None:
        if isinstance(record, LedgerError):
            plan.add_absence(UNKNOWN, str(record), ChainName.of(source), self._whole(plan))
            return
        if (outcome := _outcome(record)) is not None:
            plan.add_absence(*outcome, record.log_group.name, record.window)
        if record.completed is not None and record.disposed is None:
            try:
                manifest = whole_manifest(record.completed.manifest, self._open)
            except (ArchiveError, ContractError) as error:
                plan.add_absence(UNKNOWN, f"{error}", record.log_group.name, record.window)
            except ClientError as error:
                if error.response["Error"]["Code"] not in _NOT_THERE:
                    raise
                told = "the list of its objects is gone from the control bucket"
                plan.add_absence(UNKNOWN, told, record.log_group.name, record.window)
            else:
                pieces = tuple(map(listed, manifest.objects or []))
                plan.add(Export(record.source, record.log_group.name, record.window, pieces))

    def _whole(self, plan: Plan) -> Window:
        return Window(from_ms=plan.asked.from_ms, to_ms=plan.asked.to_ms)

    def _open(self, bucket: str, key: str, version_id: str | None) -> Readable:
        del version_id
        return self._s3.get_object(Bucket=bucket, Key=key)["Body"]


def _outcome(record: LedgerRecord) -> tuple[str, str] | None:
    """Return what became of what is not in the archive, and why; None where it is."""
    if record.disposed is not None:
        return DISPOSED, record.disposed.reason
    if record.waived is not None:
        return WAIVED, record.waived.reason
    if record.skipped is not None:
        return SKIPPED, record.skipped.reason
    if record.failed is not None:
        return FAILED, record.failed.reason
    return None if record.completed is not None else (OPEN, record.state)
