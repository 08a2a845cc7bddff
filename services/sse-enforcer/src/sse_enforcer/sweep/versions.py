"""The part of a sweep that goes through every version in the archive."""

from collections import defaultdict
from dataclasses import replace
from itertools import batched

from logferry_deliveries.errors import NotDoneError, RefusedError, RetryError
from sse_enforcer.layout import OURS, Kind, kind
from sse_enforcer.metrics import REPLACED_KEPT, WRITE_TESTS_REMOVED
from sse_enforcer.settings import Hold
from sse_enforcer.sweep.findings import (
    Action,
    Finding,
    KeyVersions,
    ListedVersion,
    destination_prefix,
    finding_of,
)
from sse_enforcer.sweep.report import Place
from sse_enforcer.sweep.slice import ATTEMPTS_LIMIT, CHUNK, PAGE_WEIGHT, Look, Slice
from sse_enforcer.verdict import Decision, ObjectVersion, Verdict, Wanted, on_log_file


class VersionsSweep:
    """Looks at versions, and mends what is wrong with one of them by itself."""

    def __init__(self, part: Slice) -> None:
        """Work as ``part`` of a sweep."""
        self._part = part
        self._with = part.wiring

    def sweep_page(self) -> None:
        """Deal with a page of the listing, or less when the time is up."""
        part = self._part
        keys, following = self._with.listing.versions(part.report.place)
        for chunk in batched(keys, CHUNK, strict=False):
            if not part.time.is_enough() or not self._sweep_keys(chunk):
                return
        part.go_on_at(following or Place(phase="ledger"), PAGE_WEIGHT)

    def _sweep_keys(self, keys: tuple[KeyVersions, ...]) -> bool:
        """Deal with some keys; False when the time was up before all of them were done."""
        part = self._part
        due = [
            version
            for each in keys
            if kind(each.key) in OURS
            for version in each.versions
            if part.lookout.is_version_due(version)
        ]
        found = part.side_by_side(self._look, due)
        part.check_for_outage(found)
        looks: defaultdict[str, list[Look]] = defaultdict(list)
        for version, look in zip(due, found, strict=True):
            looks[version.key].append(look)
        for number, each in enumerate(keys):
            if any(look.is_cut_off for look in looks[each.key]):
                self._take_in_mended([look for later in keys[number:] for look in looks[later.key]])
                return False
            self._take_in(each, looks[each.key])
            part.go_on_at(Place(phase="versions", key=each.key), len(looks[each.key]))
        part.forget_attempts(found)
        return True

    def _take_in(self, each: KeyVersions, looks: list[Look]) -> None:
        part = self._part
        part.report.listed_versions += len(each.entries)
        part.report.looked_at += len(looks)
        if kind(each.key) in OURS:
            part.report.too_young += sum(map(part.lookout.is_too_young, each.entries))
        what = kind(each.key)
        if what is Kind.UNKNOWN:
            for version in each.versions:
                part.take_in(
                    part.found(Finding.UNKNOWN_KEY, Action.LEFT_ALONE, each.key, version.version_id)
                )
        elif what is Kind.LOG_FILE and each.is_hidden:
            # What is not on hold is nothing that counts, such as of a try that has failed.
            is_held = any(look.is_covered for look in looks)
            detail = "a delete marker lies over it: remove the marker" if is_held else None
            action = Action.REFUSED if is_held else Action.LEFT_ALONE
            part.take_in(part.found(Finding.HIDDEN, action, each.key, detail=detail))
        elif any(look.is_covered for look in looks):
            self._take_in_overwritten(each)
        for look in looks:
            part.take_in(look, each.key)

    def _take_in_overwritten(self, each: KeyVersions) -> None:
        """Take in that something lies over what is held; what is younger may be a copy of ours."""
        part, current = self._part, each.current
        if current is None or part.lookout.is_too_young(current):
            return
        detail = "it lies over a version that is held: remove it by its version id"
        part.take_in(
            part.found(Finding.OVERWRITTEN, Action.REFUSED, each.key, current.version_id, detail)
        )

    def _take_in_mended(self, looks: list[Look]) -> None:
        """Take in what will not be found again, of keys that will be looked at once more."""
        for look in looks:
            if look.is_mended:
                self._part.take_in(look)

    def _look(self, version: ListedVersion) -> Look:
        """Look at one version, and mend it; called by several threads."""
        self._with.turn()
        if kind(version.key) is Kind.WRITE_TEST:
            return self._write_test(version)
        try:
            return self._log_file(version)
        except NotDoneError as error:
            return self._failed(Finding.UNREADABLE, version, error)

    def _write_test(self, version: ListedVersion) -> Look:
        if self._part.is_dry_run:
            return self._found(Finding.WRITE_TEST, Action.WOULD_MEND, version)
        try:
            counts = self._with.enforcer.remove_write_test(
                version.key, version.version_id, self._part.now
            )
        except NotDoneError as error:
            return self._failed(Finding.WRITE_TEST, version, error)
        action = Action.MENDED if WRITE_TESTS_REMOVED in counts else Action.LEFT_ALONE
        return replace(self._found(Finding.WRITE_TEST, action, version), counts=counts)

    def _log_file(self, version: ListedVersion) -> Look:
        found = self._with.archive.describe(version.key, version.version_id)
        if found is None:
            return Look()
        wanted = Wanted(
            key_arn=self._with.keys.key_arn(version.key),
            hold=self._part.hold is Hold.ON_CREATION,
            # Whether it is a copy that did not help, the enforcer has written down.
            may_copy=False,
            now=self._part.now,
            unless_disposed=True,
        )
        decision = on_log_file(found, wanted)
        if decision.verdict is Verdict.HOLD and self._with.enforcer.is_disposed(found, wanted):
            return Look()
        finding = finding_of(found, decision.verdict)
        look = Look() if finding is None else self._mend(finding, version, found, decision, wanted)
        if found.legal_hold and not version.is_latest and not self._has_copy(version):
            look = replace(look, is_covered=True)
        waits_for_hold = self._part.hold is Hold.ON_COMPLETION and version.is_latest
        if waits_for_hold and not found.legal_hold:
            return replace(look, unheld_prefix=destination_prefix(version.key))
        return look

    def _mend(
        self,
        finding: Finding,
        version: ListedVersion,
        found: ObjectVersion,
        decision: Decision,
        wanted: Wanted,
    ) -> Look:
        if self._is_replaced(version, found):
            return self._found(finding, Action.KEPT, version, "its copy is there; it is locked")
        if decision.verdict is Verdict.REPORT:
            refusal = RefusedError(decision.reason, decision.detail)
            return self._failed(finding, version, refusal)
        if self._part.is_dry_run:
            return self._found(finding, Action.WOULD_MEND, version, decision.verdict.value)
        if self._part.gives_up:
            stuck = RetryError(f"not tried again: the sweep got stuck here {ATTEMPTS_LIMIT} times")
            return self._failed(finding, version, stuck)
        try:
            return self._mended(finding, version, wanted)
        except NotDoneError as error:
            return self._failed(finding, version, error)

    def _mended(self, finding: Finding, version: ListedVersion, wanted: Wanted) -> Look:
        secured = self._with.enforcer.secure(
            version.key, version.version_id, wanted, has_time=self._part.time.is_left
        )
        if secured is None:
            return Look()
        if secured.is_changed:
            event = secured.event(self._with.archive.bucket, None, self._part.now)
            self._with.topic.publish(event)
        action = Action.KEPT if REPLACED_KEPT in secured.counts else Action.MENDED
        look = self._found(finding, action, version, secured.encryption)
        return replace(look, counts=secured.counts)

    def _is_replaced(self, version: ListedVersion, found: ObjectVersion) -> bool:
        """Whether a verified copy stands in for a version that Object Lock keeps."""
        is_kept = not version.is_latest and found.is_locked(self._part.now)
        return is_kept and self._has_copy(version)

    def _has_copy(self, version: ListedVersion) -> bool:
        """Whether a verified copy of ours has replaced a version."""
        bucket = self._with.archive.bucket
        return self._with.control.replacement(bucket, version.key, version.version_id) is not None

    def _found(
        self, finding: Finding, action: Action, version: ListedVersion, detail: str | None = None
    ) -> Look:
        return self._part.found(finding, action, version.key, version.version_id, detail)

    def _failed(self, finding: Finding, version: ListedVersion, error: NotDoneError) -> Look:
        return self._part.failed(finding, version.key, version.version_id, error)
