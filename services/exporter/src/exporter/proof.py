"""Whether what the ledger says of a completed export is so, as far as others can say.

An invocation announces what it has completed itself. What it finds completed may be what an earlier
one has left unannounced, or what somebody has written into the ledger: so CloudWatch Logs is asked
for the task, and S3 for the objects. Whoever can write all of that can still make it up.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from exporter import direct, split, task
from exporter.cloud import Archive, SourceAccount
from exporter.errors import ExportRefusedError, NotForDirectLaneError, ObjectsRemovedError
from exporter.family import Family
from logferry_contracts.addendum import (
    Addendum,
    addendum_folder,
    folder_in_key,
    split_manifest,
)
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import Manifest

EVENT_PAGES = 25
"""How many pages without an event are read before it stays open whether there is one."""

NO_TASK = "no task is recorded that has done it"
HAS_EVENTS = "its log group has events"


@dataclass(frozen=True, kw_only=True)
class Proof:
    """Asks those who know, in one source's account and the archive.

    Attributes:
        ended: Returns a task by its id; of one that AWS has said to be completed, what it said.
    """

    account: SourceAccount
    archive: Archive
    family: Family
    ended: Callable[[str], task.Task | None]

    def objection(self, record: LedgerRecord) -> str | None:
        """Return what speaks against a completed record, in words, or None for nothing.

        Raises:
            ExportRefusedError: The role may not look.
            TransientError: AWS did not answer.
        """
        completed = record.completed
        if completed is None:
            return "it has not been completed"
        if record.split is not None:
            return self._of_halves(record, completed)
        if record.submitted is not None:
            return self._of_task(record, record.submitted.task_id, _own(record, completed))
        if record.lane == "direct":
            return self._of_reading(record, _own(record, completed))
        return NO_TASK

    def contradiction(self, record: LedgerRecord, may_go_on: Callable[[], bool]) -> str | None:
        """Return what contradicts a completed record that was announced, or None for nothing.

        Whoever announced it saw more than is left: what nobody can say any more speaks for it.

        Args:
            record: What the ledger says.
            may_go_on: Asked before each page of events.

        Raises:
            ExportRefusedError: The role may not look.
            TransientError: AWS did not answer.
        """
        completed, submitted = record.completed, record.submitted
        if completed is None or record.split is not None or record.disposed is not None:
            return None  # of what was disposed of, nothing need be there any more
        own, name = _own(record, completed), direct.folder_name(record.export_id)
        if submitted is None:
            named: dict[str, set[str]] = {}
            for each in own.objects or ():
                named.setdefault(folder_in_key(each.key), set()).add(each.key)
            if named.keys() - {name}:
                return self._of_parts(record, named)
            if record.lane == "slot":
                return NO_TASK
            return self._of_objects(record, own, task.folder(record, name), may_go_on)
        name = submitted.task_id
        denial = _denial(record, name, self.account.task(name))
        return denial or self._of_objects(record, own, task.folder(record, name), may_go_on)

    def _of_parts(self, record: LedgerRecord, named: dict[str, set[str]]) -> str | None:
        """Compare what was announced, by folder, with what is below each.

        A ledger that was made again from seals knows of no halves, and so of no tasks but by these.
        """
        for name, keys in sorted(named.items()):
            folder = task.folder(record, name)
            gone = keys - self._sizes(record, folder).keys()
            if gone:
                return f"{min(gone)} is not below {folder}"
            denial = _denial_of_part(record, name, self._part(name))
            if denial is not None:
                return denial
        return None

    def _part(self, name: str) -> task.Task | None:
        """Return the task of a folder; None where AWS knows none, or the direct lane read it."""
        try:
            return self.account.task(name)
        except ExportRefusedError:
            return None

    def _of_objects(
        self, record: LedgerRecord, manifest: Manifest, folder: str, may_go_on: Callable[[], bool]
    ) -> str | None:
        """Compare what was announced with what is below its folder.

        By keys alone: another reading at the same time may have put a newer version there.
        """
        keys = self._sizes(record, folder).keys()
        gone = {each.key for each in manifest.objects or ()} - keys
        if gone:
            return f"{min(gone)} is not below {folder}"
        if manifest.object_count > 0:
            return None
        if keys and record.submitted is not None:
            return f"{min(keys)} is not in its manifest"
        return HAS_EVENTS if sees_events(self.account, record, may_go_on) else None

    def _of_halves(self, record: LedgerRecord, completed: Completed) -> str | None:
        halves = self.family.halves(record)
        if not split.are_completed(halves):
            return "its halves are not both completed"
        merged = split.merged(halves, datetime.fromisoformat(completed.at))
        if merged.manifest != _own(record, completed):
            return "its manifest is not that of its halves"
        return next((each for half in halves if (each := self.objection(half))), None)

    def _of_task(self, record: LedgerRecord, task_id: str, manifest: Manifest) -> str | None:
        found = self.ended(task_id)
        if found is None and manifest.object_count == 0:
            return f"CloudWatch Logs does not know task {task_id}, and it has no objects"
        denial = _denial(record, task_id, found)
        if denial is not None:
            return denial
        folder = task.folder(record, task_id)
        sizes = self._sizes(record, folder)
        unnamed = sizes.keys() - {each.key for each in manifest.objects or ()}
        if unnamed:
            return f"{min(unnamed)} is not in its manifest"
        return _objection_of(manifest, folder, sizes)

    def _of_reading(self, record: LedgerRecord, manifest: Manifest) -> str | None:
        folder = task.folder(record, direct.folder_name(record.export_id))
        if manifest.object_count == 0:
            return HAS_EVENTS if self._has_events(record) else None
        # What an earlier try has left there besides is in no manifest.
        return _objection_of(manifest, folder, self._sizes(record, folder))

    def _sizes(self, record: LedgerRecord, folder: str) -> dict[str, int]:
        return self.archive.sizes(record.source.region, record.destination.bucket, folder)

    def _has_events(self, record: LedgerRecord) -> bool:
        (part,) = direct.slices(record.window, 0, with_end=direct.reads_end(record))
        events, next_token = self.account.events(record, part, None)
        while not events and next_token is not None:
            events, next_token = self.account.events(record, part, next_token)
        return bool(events)


def objection_to_addendum(archive: Archive, record: LedgerRecord, addendum: Addendum) -> str | None:
    """Return what speaks against an addendum of a record, in words, or None for nothing.

    Raises:
        TransientError: S3 did not answer.
    """
    completed, number = record.completed, addendum.number
    added = [] if completed is None else split_manifest(record.export_id, completed.manifest)[1]
    if number > len(added):
        return "its manifest has nothing of it"
    folder = task.folder(record, addendum_folder(record.export_id, number))
    try:
        sizes = archive.sizes(record.source.region, record.destination.bucket, folder)
    except ObjectsRemovedError as error:
        return str(error)
    return _objection_of(added[number - 1], folder, sizes)


def gone(account: SourceAccount, record: LedgerRecord) -> str | None:
    """Return why an export's events cannot be in its log group any more, in words, or None.

    What a task writes of a log group that is deleted meanwhile, AWS does not say; one of the same
    name that was made since has other events. Where the role may not look, nothing is known.

    Raises:
        TransientError: AWS did not answer.
    """
    name, created_ms = record.log_group.name, record.log_group.created_ms
    try:
        found_ms = account.log_group_created_ms(name)
    except ExportRefusedError:
        return None
    if found_ms is None:
        return f"log group {name} is not there any more"
    if found_ms > created_ms:
        return f"log group {name} was deleted and made again: {found_ms} is later than {created_ms}"
    return None


def sees_events(
    account: SourceAccount, record: LedgerRecord, may_go_on: Callable[[], bool]
) -> bool | None:
    """Return whether an export's window has events, or None when that cannot be seen.

    The last millisecond is left out: the next window begins with it, and AWS does not say in one
    voice whether a task has it.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html

    Args:
        account: Whose log group it is.
        record: The export.
        may_go_on: Asked before each page.

    Raises:
        TransientError: AWS did not answer.
    """
    if record.log_group.log_group_class != "STANDARD":
        return None
    part, next_token = direct.Slice(record.window.from_ms, record.window.to_ms - 1), None
    try:
        for _ in range(EVENT_PAGES):
            if not may_go_on():
                return None
            events, next_token = account.events(record, part, next_token)
            if events or next_token is None:
                return bool(events)
    except (ExportRefusedError, NotForDirectLaneError):
        pass
    return None


def _own(record: LedgerRecord, completed: Completed) -> Manifest:
    """Return what an export itself has put into the archive, without what was added later."""
    own, _ = split_manifest(record.export_id, completed.manifest)
    return own


def _denial(record: LedgerRecord, task_id: str, found: task.Task | None) -> str | None:
    """Return what CloudWatch Logs says against a task that it knows."""
    if found is not None and found.status != task.COMPLETED:
        return f"task {task_id} is {found.status}"
    if found is not None and not task.is_of(record, found):
        return f"task {task_id} is not this export's"
    return None


def _denial_of_part(record: LedgerRecord, task_id: str, found: task.Task | None) -> str | None:
    """Return what CloudWatch Logs says against a task as one of a part of an export's window."""
    if found is None:
        return None
    if found.status != task.COMPLETED:
        return f"task {task_id} is {found.status}"
    if (found.bucket, found.prefix) != (record.destination.bucket, record.destination.prefix):
        return f"task {task_id} is not of this export's prefix"
    return None


def _objection_of(manifest: Manifest, folder: str, sizes: dict[str, int]) -> str | None:
    """Compare a manifest with what is below its folder.

    By keys and sizes: a verified copy may have taken a version's place by now.
    """
    for each in manifest.objects or ():
        if not each.key.startswith(folder):
            return f"{each.key} is not below {folder}"
        if sizes.get(each.key) != each.size_bytes:
            return f"{each.key} is not in the archive with {each.size_bytes} bytes"
    return None
