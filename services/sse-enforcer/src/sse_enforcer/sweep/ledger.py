"""The part of a sweep that goes through the ledger: exports that were never secured, or are not."""

from collections import Counter
from dataclasses import replace
from itertools import batched

from logferry_contracts.export_completed import ExportCompletedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.open_exports import untold
from logferry_contracts.wire import ContractError
from logferry_deliveries.errors import NotDoneError, OutOfTimeError, RefusedError, RetryError
from sse_enforcer.exports import OBJECT_MISSING, UNKNOWN_KEY, is_untold, taken_back
from sse_enforcer.metrics import MISSING
from sse_enforcer.settings import Hold
from sse_enforcer.sweep.findings import Action, Finding, ListedRecord
from sse_enforcer.sweep.report import Place
from sse_enforcer.sweep.slice import ATTEMPTS_LIMIT, CHUNK, PAGE_WEIGHT, Look, Slice
from sse_enforcer.verdict import ObjectVersion, Wanted

type _Read = LedgerRecord | NotDoneError | ContractError | None


class LedgerSweep:
    """Reads ledger records, and secures the exports that are not."""

    def __init__(self, part: Slice) -> None:
        """Work as ``part`` of a sweep."""
        self._part = part
        self._with = part.wiring

    def sweep_page(self) -> None:
        """Deal with a page of the listing, or less when the time is up."""
        part = self._part
        listed, is_end = self._with.listing.ledger(part.report.place.key)
        for chunk in batched(listed, CHUNK, strict=False):
            due = [each for each in chunk if part.lookout.is_due(each.key, each.last_modified)]
            for each, record in zip(due, part.side_by_side(self._read, due), strict=True):
                if not part.time.is_enough() or not self._sweep_record(each, record):
                    return
                part.report.records_read += 1
                part.go_on_at(Place(phase="ledger", key=each.key), 1)
            part.go_on_at(Place(phase="ledger", key=chunk[-1].key))
            if not part.time.is_enough():
                return
        part.go_on_at(
            Place(phase="done") if is_end else part.report.place,
            PAGE_WEIGHT,
        )

    def _read(self, listed: ListedRecord) -> _Read:
        self._with.turn()
        try:
            found = self._with.control.ledger_record(listed.key)
        except (NotDoneError, ContractError) as error:
            return error
        return None if found is None else found[0]

    def _sweep_record(self, listed: ListedRecord, record: _Read) -> bool:
        """Secure an export, or what became unheld or was lost of a secured one.

        Returns:
            False when the time was up before it was done.
        """
        part, key = self._part, listed.key
        looks: list[Look] = []
        if isinstance(record, NotDoneError | ContractError):
            looks = [part.failed(Finding.UNREADABLE, key, None, record)]
        elif record is not None:
            may_be_gone = self._may_be_gone(listed)
            looks = [*self._note(record), *self._export(record, may_be_gone=may_be_gone)]
        if not part.gives_up and any(look.is_cut_off for look in looks):
            for look in looks:
                # Whatever else was found will be found again.
                if look.is_mended:
                    part.take_in(look)
                else:
                    part.count(look.counts)
            return False
        for look in looks:
            again = [key] if look.example is None else [key, look.example.key]
            part.take_in(look, *again)
        part.forget_attempts(looks)
        return True

    def _note(self, record: LedgerRecord) -> list[Look]:
        """See to it that what is open has its note, whoever has written the record."""
        if self._part.is_dry_run:
            return []
        try:
            self._with.control.note_open(record)
        except NotDoneError as error:
            return [self._part.failed(Finding.NOT_SECURED, record.key, None, error)]
        return []

    def _may_be_gone(self, listed: ListedRecord) -> bool:
        """Return whether to look for the objects of a secured export.

        That takes a call for each export, so once after its record has changed, and in full
        sweeps. Without holds objects may lawfully expire, so those of old records are not missed.
        """
        lookout = self._part.lookout
        if lookout.since is None:
            return self._part.hold is not Hold.OFF
        return lookout.is_record_new(listed, self._with.settings.sweep_grace)

    def _export(self, record: LedgerRecord, *, may_be_gone: bool) -> list[Look]:
        if (
            record.completed is None
            or record.destination.bucket != self._with.archive.bucket
            # The export that it is a half of has its objects in the manifest, too.
            or record.parent_export_id is not None
            # Its objects may go, and are freed before they do.
            or record.disposed is not None
        ):
            return []
        data = ExportCompletedData.of_record(record)
        was_told = record.completed.published_at is not None and not untold(record)
        if record.state == "completed" and not was_told:
            return self._unannounced(record, data)
        if record.state == "completed":
            return [self._secure(record, data)]
        refusal = taken_back(record)
        if refusal is not None:
            return self._take_back(record, refusal) if is_untold(record) else []
        if record.is_lost:
            return []
        return self._secured(record, data, may_be_gone=may_be_gone)

    def _unannounced(self, record: LedgerRecord, data: ExportCompletedData) -> list[Look]:
        """Hold what an export has, of which not all was announced; leave its record ``completed``.

        Whoever announces it asks first whether it is so; a record that is ``secured`` is sealed.
        """
        refusal = RefusedError(
            "not_announced",
            "nobody has announced it, or what was added to it: its exporter does once its date is "
            f"planned again, as `logferry explain CONFIG --profile {record.source.profile} --event "
            f"{record.export_id}` says",
        )
        look = self._part.failed(Finding.NOT_SECURED, record.key, None, refusal)
        return [look, *self._secured(record, data, may_be_gone=True)]

    def _secured(
        self, record: LedgerRecord, data: ExportCompletedData, *, may_be_gone: bool
    ) -> list[Look]:
        """Look at what a secured export's record says, and at objects that may be gone or unheld.

        Args:
            record: The export's.
            data: The same, as it was announced.
            may_be_gone: Whether to see which are not in the archive any more.
        """
        part = self._part
        may_be_unheld = part.hold is not Hold.OFF and part.report.may_be_unheld(
            record.destination.prefix
        )
        if data.manifest.objects is None and not (may_be_unheld or may_be_gone):
            return []
        try:
            objects = self._with.exports.objects(data)
            if not may_be_unheld:
                objects = self._unlisted(record, objects) if may_be_gone else []
        except (NotDoneError, ContractError) as error:
            looks = [part.failed(Finding.NOT_HELD, record.key, None, error)]
            if isinstance(error, RefusedError) and error.reason == UNKNOWN_KEY:
                looks += self._take_back(record, error)
            return looks
        return self._hold_all(record, objects)

    def _unlisted(
        self, record: LedgerRecord, objects: list[ArchivedObject]
    ) -> list[ArchivedObject]:
        """Return the objects whose versions the archive does not list: gone, or replaced."""
        if not objects:
            return []
        listed: set[tuple[str, str]] = set()
        for page in self._with.listing.below(f"{record.destination.prefix}/"):
            if not self._part.has_turn():
                raise OutOfTimeError("the invocation's time is up")
            listed.update((version.key, version.version_id) for version in page)
        return [each for each in objects if (each.key, each.version_id) not in listed]

    def _hold_all(self, record: LedgerRecord, objects: list[ArchivedObject]) -> list[Look]:
        """Look at all objects of a secured export, which has failed when one is missing."""
        looks = self._part.side_by_side(lambda each: self._hold(each, record.export_id), objects)
        missing = [look.example for look in looks if look.example and look.counts.get(MISSING)]
        if not missing or any(look.is_cut_off for look in looks):
            return looks
        refusal = RefusedError(OBJECT_MISSING, missing[0].detail or missing[0].key)
        return [*looks, *self._take_back(record, refusal)]

    def _take_back(self, record: LedgerRecord, refusal: RefusedError) -> list[Look]:
        """Take an export back, or go on with that; a look says what failed of it."""
        if self._part.is_dry_run:
            return []
        try:
            self._with.exports.take_back(record.key, refusal, self._part.now)
        except (NotDoneError, ContractError) as error:
            return [self._part.failed(Finding.NOT_HELD, record.key, None, error)]
        return []

    def _secure(self, record: LedgerRecord, data: ExportCompletedData) -> Look:
        if self._part.is_dry_run:
            return self._part.found(Finding.NOT_SECURED, Action.WOULD_MEND, record.key)
        if self._part.gives_up:
            stuck = RetryError(f"not tried again: the sweep got stuck here {ATTEMPTS_LIMIT} times")
            return self._part.failed(Finding.NOT_SECURED, record.key, None, stuck)
        counts: Counter[str] = Counter()
        wanted = self._wanted(hold=self._part.hold is not Hold.OFF)
        try:
            self._with.exports.secure(data, wanted, has_time=self._part.has_turn, counts=counts)
            look = self._part.found(Finding.NOT_SECURED, Action.MENDED, record.key)
        except (NotDoneError, ContractError) as error:
            look = self._part.failed(Finding.NOT_SECURED, record.key, None, error)
        return replace(look, counts=counts + Counter(look.counts))

    def _hold(self, archived: ArchivedObject, export_id: str) -> Look:
        """Look at one object of a secured export, and put it on hold if it is not."""
        part, key, version_id = self._part, archived.key, archived.version_id
        try:
            if not part.has_turn():
                raise OutOfTimeError("the invocation's time is up")
            found = self._stand_in(archived)
            if found is not None and (found.legal_hold or part.hold is Hold.OFF):
                return Look()
            if part.is_dry_run and found is not None:
                return part.found(Finding.NOT_HELD, Action.WOULD_MEND, key, version_id)
            if found is None:
                raise RefusedError(OBJECT_MISSING, f"{key} (version {version_id}) is gone")
            secured = self._with.exports.secure_object(
                archived, export_id, self._wanted(hold=True), has_time=part.time.is_left
            )
        except NotDoneError as error:
            look = part.failed(Finding.NOT_HELD, key, version_id, error)
            if isinstance(error, RefusedError) and error.reason == OBJECT_MISSING:
                return replace(look, counts={MISSING: 1})
            return look
        look = part.found(Finding.NOT_HELD, Action.MENDED, key, version_id)
        return replace(look, counts=secured.counts)

    def _stand_in(self, archived: ArchivedObject) -> ObjectVersion | None:
        """Return a manifest's version, or the verified copy that has its hold."""
        archive = self._with.archive
        found = archive.describe(archived.key, archived.version_id)
        if found is not None and found.legal_hold:
            return found
        copy_id = self._with.control.replacement(archive.bucket, archived.key, archived.version_id)
        return found if copy_id is None else archive.describe(archived.key, copy_id)

    def _wanted(self, *, hold: bool) -> Wanted:
        key_arn = self._part.report.about.key_arn
        return Wanted(key_arn=key_arn, hold=hold, may_copy=True, now=self._part.now)
