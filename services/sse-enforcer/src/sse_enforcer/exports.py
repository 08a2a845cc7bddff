"""What is done for a completed export: every object is secured, then its ledger record."""

import shlex
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime

from aws_lambda_powertools import Logger

from logferry_contracts.export_completed import ExportCompletedData
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import Failed, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.open_exports import next_export_id, untold
from logferry_deliveries.errors import NotDoneError, OutOfTimeError, RefusedError, RetryError
from logferry_deliveries.queues import Topic
from sse_enforcer.aws.control import ControlBucket
from sse_enforcer.aws.keys import KmsKeys
from sse_enforcer.enforcer import Enforcer, Secured
from sse_enforcer.layout import Kind, kind
from sse_enforcer.metrics import MISSING
from sse_enforcer.verdict import Wanted

WORKERS = 8
"""One boto3 client is bound by its own CPU time beyond that, about 3 ms a call."""

LEDGER_ATTEMPTS = 5
"""How often a record that the exporter writes to at the same time is read and written again."""

OBJECT_MISSING = "object_missing"
NOT_AS_RECORDED = "not_as_recorded"
UNKNOWN_KEY = "unknown_key"
"""What a manifest is refused for that no exporter can have written."""
MESSAGE_CHARACTERS = 4096
"""The contract's limit."""
TO_FIND_OUT = {
    OBJECT_MISSING: "who has removed it",
    NOT_AS_RECORDED: "who has written the ledger record",
}
"""What to look for in CloudTrail about an export that was taken back, by the reason."""

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Exports:
    """Secures completed exports of one archive bucket."""

    enforcer: Enforcer
    control: ControlBucket
    topic: Topic
    key: KmsKeys
    archive_bucket: str

    def secure(
        self,
        data: ExportCompletedData,
        wanted: Wanted,
        *,
        has_time: Callable[[], bool],
        counts: Counter[str],
    ) -> None:
        """Bring every object of an export to what is wanted, publish it, and mark the record.

        An attempt that fails leaves done what it has done: the next one only looks at that.

        Args:
            data: The export.
            wanted: How each of its objects is to be; another key may be meant for some.
            has_time: Asked before each object.
            counts: Where to count what was done, also when this raises.

        Raises:
            RefusedError: An object cannot be secured, or the export is none that can be, or not
                the one of the ledger. The objects that can be are secured; the record stays
                ``completed``.
            RetryError: Something failed, or the time is up.
        """
        record, _ = self._record(data)
        why = _nothing_to_do(record)
        if why is not None:
            logger.info(why)
            return
        refusal = taken_back(record)
        if refusal is not None:
            self._go_on_with_taken_back(record, refusal, wanted.now)
            return
        objects = self._objects_of(data, record, wanted.now)

        def attempt(archived: ArchivedObject) -> Secured | NotDoneError:
            if not has_time():
                return OutOfTimeError("the invocation's time is up")
            try:
                return self.secure_object(archived, data.export_id, wanted, has_time=has_time)
            except NotDoneError as error:
                logger.warning(
                    "not secured",
                    object_key=archived.key,
                    version_id=archived.version_id,
                    reason=str(error),
                )
                return error

        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            results = list(pool.map(attempt, objects))
        for result in results:
            if isinstance(result, Secured):
                counts.update(result.counts)
        errors = [result for result in results if isinstance(result, NotDoneError)]
        try:
            _raise_for(errors, counts)
        except RefusedError as error:
            if error.reason == OBJECT_MISSING:
                self.take_back(record.key, error, wanted.now)
            raise
        is_secured = self._mark_secured(data, record, wanted)
        logger.info("export secured" if is_secured else "export held", object_count=len(objects))

    def secure_object(
        self,
        archived: ArchivedObject,
        export_id: str,
        wanted: Wanted,
        *,
        has_time: Callable[[], bool] = lambda: True,
    ) -> Secured:
        """Bring one object of a completed export to what is wanted, and publish it.

        Raises:
            RefusedError: It cannot be brought there, or (``object_missing``) is gone.
            RetryError: Something failed.
        """
        wanted = replace(wanted, key_arn=self.key.key_arn(archived.key))
        secured = self.enforcer.secure(archived.key, archived.version_id, wanted, has_time=has_time)
        if secured is None:
            raise RefusedError(
                OBJECT_MISSING,
                f"{archived.key} (version {archived.version_id}) is in the export's manifest, but "
                "not in the archive, and no copy has replaced it",
            )
        self.topic.publish(secured.event(self.archive_bucket, export_id, wanted.now))
        return secured

    def _record(self, data: ExportCompletedData) -> tuple[LedgerRecord, str]:
        key = ledger_key(data.source, data.window, data.export_id)
        found = self.control.ledger_record(key)
        if found is None:
            raise RefusedError("not_in_ledger", f"export {data.export_id} has no record {key}")
        state = found[0].state
        if state not in ("completed", "secured") and taken_back(found[0]) is None:
            raise RefusedError("not_completed", f"export {data.export_id} is {state} in the ledger")
        return found

    def take_back(self, key: str, refusal: RefusedError, now: datetime) -> None:
        """Record that an export is not in the archive as announced, and tell those who were told.

        Whoever plans its window again gets it exported again then. What was done of this is not
        done again.

        Args:
            key: Of the ledger record.
            refusal: What is missing, or untrue.
            now: When it was seen.

        Raises:
            RetryError: Something failed.
        """
        reason = NOT_AS_RECORDED if refusal.reason == UNKNOWN_KEY else refusal.reason
        for _ in range(LEDGER_ATTEMPTS):
            found = self.control.ledger_record(key)
            if found is None:
                return
            record, etag = found
            if record.disposed is not None:  # it has lost what somebody had removed
                return
            if record.state in ("completed", "secured"):
                message = refusal.detail[:MESSAGE_CHARACTERS]
                failed = Failed(reason=reason, message=message, at=timestamp(now))
                self.control.replace_ledger_record(record.as_lost(failed), etag)
                continue
            known = taken_back(record)
            if known is None or not is_untold(record):
                return
            self.topic.publish(ExportFailed.of_record(record, _mend(record, known.reason)))
            if self.control.replace_ledger_record(record.as_published(at=now), etag):
                logger.error("export taken back", export_id=record.export_id, detail=known.detail)
                return
        raise RetryError(f"{key} was changed by others {LEDGER_ATTEMPTS} times")

    def _go_on_with_taken_back(
        self, record: LedgerRecord, refusal: RefusedError, now: datetime
    ) -> None:
        """Deal with the event of an export that was taken back since.

        Raises:
            RefusedError: For what it was taken back: nobody has asked for the next generation yet.
        """
        self.take_back(record.key, refusal, now)
        name = next_export_id(record)
        if self.control.ledger_record(ledger_key(record.source, record.window, name)) is None:
            mend = _mend(record, refusal.reason)
            raise RefusedError(refusal.reason, f"{refusal.detail}. {mend}")
        logger.info("export taken back, and asked for again", next_export_id=name)

    def _mark_secured(
        self, data: ExportCompletedData, secured: LedgerRecord, wanted: Wanted
    ) -> bool:
        """Record that all that a record said is secured, if it has not been added to since.

        Returns:
            False where something that was added was not announced: its own event is to come.
        """
        for _ in range(LEDGER_ATTEMPTS):
            record, etag = self._record(data)
            if record.state != "completed":
                return True
            if len(record.addenda or ()) != len(secured.addenda or ()):
                raise RetryError(f"export {data.export_id} was added to meanwhile")
            if any(each.number != data.addendum for each in untold(record)):
                return False
            if self.control.replace_ledger_record(record.as_secured(at=wanted.now), etag):
                return True
        raise RetryError(
            f"ledger record of export {data.export_id} was changed by others "
            f"{LEDGER_ATTEMPTS} times"
        )

    def _objects_of(
        self, data: ExportCompletedData, record: LedgerRecord, now: datetime
    ) -> list[ArchivedObject]:
        """Return the objects of an event's manifest, which are those of the ledger.

        Where something was added to the export, an event has that alone, or what there was before:
        then all of them, as a record is secured whole.

        Raises:
            RefusedError: They are not. A record that cannot be true itself is taken back.
        """
        try:
            objects = self.objects(data)
        except RefusedError as error:
            recorded = record.completed
            is_same = recorded is not None and recorded.manifest == data.manifest
            if is_same and error.reason == UNKNOWN_KEY:
                self.take_back(record.key, error, now)
            raise
        _check_as_recorded(data, objects, record)
        return _all_objects(record, objects)

    def objects(self, data: ExportCompletedData) -> list[ArchivedObject]:
        """Return the objects of an export's manifest.

        Raises:
            RefusedError: ``manifest``, ``wrong_bucket`` or ``unknown_key``: nothing of the export
                is touched then.
        """
        objects = data.manifest.objects
        if objects is None:
            objects = self._objects_elsewhere(data.manifest)
        for archived in objects:
            if kind(archived.key) is not Kind.LOG_FILE or not archived.key.startswith(
                f"{data.destination.prefix}/"
            ):
                raise RefusedError(
                    UNKNOWN_KEY,
                    f"{archived.key} is no log file below {data.destination.prefix}/",
                )
        return objects

    def _objects_elsewhere(self, manifest: Manifest) -> list[ArchivedObject]:
        location = manifest.location
        if location is None or location.bucket != self.control.bucket:
            raise RefusedError(
                "wrong_bucket", f"the manifest is at {location}, not in {self.control.bucket}"
            )
        objects = self.control.manifest(location).objects
        if objects is None:
            raise RefusedError("manifest", f"{location.key} has no list of objects")
        return objects


def _nothing_to_do(record: LedgerRecord) -> str | None:
    """Return why an export needs nothing any more, for the log; None where it does.

    What was disposed of may go, and is freed before it does.
    """
    if record.disposed is not None:
        return "export disposed of"
    return "export already secured" if record.state == "secured" else None


def taken_back(record: LedgerRecord) -> RefusedError | None:
    """Return why an export was taken back; None where it was not."""
    failed = record.failed
    if not record.is_lost or failed is None or failed.reason not in TO_FIND_OUT:
        return None
    return RefusedError(failed.reason, failed.message)


def _mend(record: LedgerRecord, reason: str) -> str:
    """Return what to do about an export that was taken back, in words, and by which command.

    Args:
        record: The export's.
        reason: One of those that exports are taken back for.
    """
    of = ("--profile", record.source.profile, "--log-group", record.log_group.name)
    again = shlex.join(["logferry", "retry", "CONFIG", *of, "--reason", reason])
    return (
        f"Find out in CloudTrail {TO_FIND_OUT[reason]}, and ask for its date again, as long as the "
        f"log group still has the events: {again}"
    )


def is_untold(record: LedgerRecord) -> bool:
    """Return whether nobody was told that an export has failed."""
    return record.failed is not None and record.failed.published_at is None


def _check_as_recorded(
    data: ExportCompletedData, objects: list[ArchivedObject], record: LedgerRecord
) -> None:
    """Make sure that an event says what the ledger has: whoever may publish could say anything.

    Raises:
        RefusedError: ``not_as_recorded``: nothing of the export is touched then.
    """
    recorded = record.completed
    if recorded is None or record.destination != data.destination:
        raise RefusedError(
            "not_as_recorded", f"export {data.export_id} is recorded with {record.destination}"
        )
    known = recorded.manifest
    is_same = known == data.manifest if known.objects is None else known.objects == objects
    if not is_same and not _is_part(objects, record, known):
        raise RefusedError(
            "not_as_recorded",
            f"export {data.export_id} has {known.object_count} objects in the ledger, and others "
            f"than the {len(objects)} of the event",
        )


def _is_part(objects: list[ArchivedObject], record: LedgerRecord, known: Manifest) -> bool:
    """Whether an event names some of the objects of an export that was added to, and no others."""
    return bool(record.addenda) and all(each in (known.objects or ()) for each in objects)


def _all_objects(record: LedgerRecord, named: list[ArchivedObject]) -> list[ArchivedObject]:
    """Return an export's objects: those that an event names, unless something was added."""
    recorded = record.completed
    known = None if recorded is None else recorded.manifest.objects
    return known if record.addenda and known is not None else named


def _raise_for(errors: list[NotDoneError], counts: Counter[str]) -> None:
    """Raise what decides about the message: anything that trying again may help comes first."""
    if not errors:
        return
    retries = [error for error in errors if not isinstance(error, RefusedError)]
    if retries:
        logger.warning("export not secured yet", object_count=len(errors))
        raise retries[0]
    refusals = [error for error in errors if isinstance(error, RefusedError)]
    missing = [refusal for refusal in refusals if refusal.reason == OBJECT_MISSING]
    counts[MISSING] += len(missing)
    first = (missing or refusals)[0]
    raise RefusedError(first.reason, f"{first.detail} (1 of {len(refusals)} objects)")
