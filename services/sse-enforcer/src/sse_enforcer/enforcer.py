"""What is done to one object version, step by step.

Every step may be cut off and done again. A version is removed only after its copy was read back,
found equal by a checksum and written down as its replacement. So an intact version is there at each
moment, and whoever looks for the removed version finds the copy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from aws_lambda_powertools import Logger

from logferry_contracts.object_secured import ObjectSecured, ObjectSecuredData, secured_id
from logferry_deliveries.errors import AwsError, RefusedError
from sse_enforcer.aws.archive import Archive
from sse_enforcer.aws.control import ControlBucket, Copying
from sse_enforcer.aws.encryption import Encryption
from sse_enforcer.aws.holds import Holds
from sse_enforcer.aws.removals import Removals
from sse_enforcer.disposals import Disposals
from sse_enforcer.errors import (
    EncryptionRefusedError,
    EncryptionUnsupportedError,
    RemovalRefusedError,
)
from sse_enforcer.metrics import (
    ALREADY_RIGHT,
    COPIED,
    COPIED_BYTES,
    HELD,
    LEFT_ALONE,
    REPLACED_KEPT,
    UPDATED,
    WRITE_TESTS_REMOVED,
)
from sse_enforcer.multipart import CopyInParts
from sse_enforcer.verdict import (
    NULL_VERSION,
    Decision,
    ObjectVersion,
    Verdict,
    Wanted,
    differences,
    is_proven,
    on_log_file,
    on_write_test,
)

SOURCE = "urn:logferry:sse-enforcer"

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Secured:
    """An object version that is as it was wanted.

    Attributes:
        replaced_version_id: The removed version that it is a copy of.
        counts: What was done, by the name of the metric.
    """

    version: ObjectVersion
    encryption: Literal["already_right", "updated_in_place", "copied"]
    counts: Mapping[str, int]
    replaced_version_id: str | None = None

    @property
    def is_changed(self) -> bool:
        """Whether it took more than a look, in this attempt or in one that was cut off."""
        return self.encryption != "already_right" or HELD in self.counts

    def event(self, bucket: str, export_id: str | None, at: datetime) -> ObjectSecured:
        """Return the event that says so; the same state has the same event id."""
        data = ObjectSecuredData(
            bucket=bucket,
            key=self.version.key,
            version_id=self.version.version_id,
            replaced_version_id=self.replaced_version_id,
            size_bytes=self.version.size_bytes,
            kms_key_arn=self.version.kms_key_arn or "",
            legal_hold="ON" if self.version.legal_hold else "OFF",
            encryption=self.encryption,
            export_id=export_id,
        )
        return ObjectSecured.of(data, id=secured_id(data), source=SOURCE, time=at)


@dataclass(frozen=True, kw_only=True)
class Enforcer:
    """Brings object versions under the key and on hold; each of what it works with has one part.

    Attributes:
        copy_limit_bytes: What is larger is copied in parts.
    """

    archive: Archive
    encryption: Encryption
    in_parts: CopyInParts
    holds: Holds
    removals: Removals
    control: ControlBucket
    disposals: Disposals
    copy_limit_bytes: int

    def secure(
        self,
        key: str,
        version_id: str,
        wanted: Wanted,
        *,
        has_time: Callable[[], bool] = lambda: True,
    ) -> Secured | None:
        """Bring a version, or the verified copy that replaced it, to what is wanted.

        Args:
            key: The object's key.
            version_id: The version.
            wanted: How it is to be.
            has_time: Asked before each part of a copy in parts.

        Returns:
            None when the version is gone and no copy has replaced it.

        Raises:
            RefusedError: It cannot be brought there. The version is as it was.
            RetryError: Something failed. The version, or its verified copy, is there.
        """
        version = self.archive.describe(key, version_id)
        if version is not None:
            secured = self._under_key(version, wanted, has_time)
        else:
            copy = self._copy_of_removed(key, version_id)
            if copy is None:
                return None
            secured = replace(
                self._under_key(copy, replace(wanted, may_copy=False), has_time),
                encryption="copied",
                replaced_version_id=version_id,
            )
        if self._decide(secured.version, wanted).verdict is Verdict.HOLD:
            secured = self._held_unless_disposed(secured, wanted)
        logger.info(
            "secured",
            object_key=key,
            version_id=secured.version.version_id,
            replaced_version_id=secured.replaced_version_id,
            encryption=secured.encryption,
            bucket_key_enabled=secured.version.bucket_key_enabled,
            legal_hold=secured.version.legal_hold,
        )
        return secured

    def remove_write_test(self, key: str, version_id: str, now: datetime) -> Mapping[str, int]:
        """Remove a version of a write-test, and return what was done, by metric.

        One that is locked, or too long to be a write-test, is left where it is.
        """
        version = self.archive.describe(key, version_id)
        if version is None:
            return {}
        decision = on_write_test(version, now)
        if decision.verdict is Verdict.LEAVE:
            logger.warning("write-test left", reason=decision.reason, size_bytes=version.size_bytes)
            return {LEFT_ALONE: 1}
        if not self._removed_unless_locked(version, now):
            logger.warning("write-test left", reason="locked meanwhile")
            return {LEFT_ALONE: 1}
        logger.info("write-test removed")
        return {WRITE_TESTS_REMOVED: 1}

    def is_disposed(self, version: ObjectVersion, wanted: Wanted, *, is_copy: bool = False) -> bool:
        """Return whether a version, or what it is a copy of, is of what was disposed of.

        Raises:
            RetryError: The ledger, or what was written down about a copy, could not be read.
        """
        may_be_new = not is_copy and (wanted.may_copy or not self._may_be_copy_of_ours(version))
        return self.disposals.has(version, wanted.now, may_be_new=may_be_new)

    def _may_be_copy_of_ours(self, version: ObjectVersion) -> bool:
        try:
            return self.control.copying(self.archive.bucket, version.key) is not None
        except RefusedError:  # nobody can read what was written down
            return True

    def _decide(self, version: ObjectVersion, wanted: Wanted, *, in_place: bool = True) -> Decision:
        return on_log_file(
            version, wanted, copy_limit_bytes=self.copy_limit_bytes, in_place=in_place
        )

    def _under_key(
        self,
        version: ObjectVersion,
        wanted: Wanted,
        has_time: Callable[[], bool],
        *,
        in_place: bool = True,
    ) -> Secured:
        decision = self._decide(version, wanted, in_place=in_place)
        match decision.verdict:
            case Verdict.COPY | Verdict.COPY_IN_PARTS | Verdict.REPORT:
                return self._replaced(version, wanted, decision, has_time)
            case Verdict.UPDATE:
                try:
                    return self._updated(version, wanted.key_arn)
                except EncryptionUnsupportedError:
                    return self._under_key(version, wanted, has_time, in_place=False)
                except EncryptionRefusedError:
                    # A lock may have come since, from a worker that had the key right before.
                    version_now = self.archive.describe(version.key, version.version_id)
                    if version_now is None:
                        raise
                    if not version_now.is_under(wanted.key_arn) and not version_now.has_lock:
                        raise
                    return self._under_key(version_now, wanted, has_time, in_place=False)
            case _:
                return Secured(
                    version=version, encryption="already_right", counts={ALREADY_RIGHT: 1}
                )

    def _updated(self, version: ObjectVersion, key_arn: str) -> Secured:
        self.encryption.reencrypt(version, key_arn)
        updated = self._described(version.key, version.version_id)
        # S3 changes nothing else; emulators there are that write the request over the object.
        for what, have, want in (
            ("key", updated.kms_key_arn, key_arn),
            ("ETag", updated.etag, version.etag),
            ("size", updated.size_bytes, version.size_bytes),
        ):
            if have != want:
                raise AwsError(
                    "UpdateObjectEncryption",
                    version.name,
                    "NotApplied",
                    f"the {what} is {have} afterwards, not {want}",
                )
        return Secured(version=updated, encryption="updated_in_place", counts={UPDATED: 1})

    def _replaced(
        self,
        version: ObjectVersion,
        wanted: Wanted,
        decision: Decision,
        has_time: Callable[[], bool],
    ) -> Secured:
        copy, is_new = self._copy(version, wanted, decision, has_time)
        if found := differences(version, copy, key_arn=wanted.key_arn, now=wanted.now):
            raise RefusedError(
                "copy_differs", f"{version.name} has {copy.name} as a copy: {'; '.join(found)}"
            )
        secured = Secured(
            version=copy,
            encryption="copied",
            counts={COPIED: 1, COPIED_BYTES: copy.size_bytes} if is_new else {},
        )
        event = secured.event(self.archive.bucket, None, wanted.now)
        self.control.record_replacement(version.version_id, event)
        if NULL_VERSION in (version.version_id, copy.version_id):
            _log_kept(version, "may be overwritten by something else before it is removed")
        elif not is_proven(version, copy):
            _log_kept(version, "no checksum proves its copy")
        elif self._removed_unless_locked(version, wanted.now):
            return replace(secured, replaced_version_id=version.version_id)
        else:
            _log_kept(version, "locked")
        return replace(secured, counts={**secured.counts, REPLACED_KEPT: 1})

    def _copy(
        self,
        version: ObjectVersion,
        wanted: Wanted,
        decision: Decision,
        has_time: Callable[[], bool],
    ) -> tuple[ObjectVersion, bool]:
        """Return a copy of the version, and whether it was made now."""
        current = self.archive.describe_current(version.key)
        if current is not None and current.version_id == version.version_id:
            copy_id = self._copied(version, wanted, decision, has_time)
            return self._described(version.key, copy_id), True
        # An earlier attempt may have been cut off after its copy.
        if (
            current is not None
            and is_proven(version, current)
            and not differences(version, current, key_arn=wanted.key_arn, now=wanted.now)
        ):
            return current, False
        recorded = self._copy_of_removed(version.key, version.version_id)
        if recorded is not None:
            return recorded, False
        if decision.verdict is Verdict.REPORT:
            raise RefusedError(decision.reason, decision.detail)
        raise RefusedError(
            "not_current",
            f"{version.name} cannot be encrypted in place, and a copy would cover up the current "
            "version",
        )

    def _copied(
        self,
        version: ObjectVersion,
        wanted: Wanted,
        decision: Decision,
        has_time: Callable[[], bool],
    ) -> str:
        """Copy the current version onto its own key; return the id of the new version."""
        if decision.verdict is Verdict.REPORT:
            raise RefusedError(decision.reason, decision.detail)
        if not wanted.may_copy:
            self._check_no_copy_of_ours(version)
        if not self.archive.keeps_versions():
            raise RefusedError(
                "not_versioned",
                f"{version.name} cannot be encrypted in place, and while the bucket's versioning "
                "is not enabled a copy would overwrite what it cannot bring back",
            )
        if decision.verdict is Verdict.COPY_IN_PARTS:
            return self.in_parts.copy(version, wanted, has_time)
        copying = Copying(
            source_version_id=version.version_id,
            upload_id=None,
            request_sha256=None,
            busy_until=wanted.now,
        )
        self.control.record_copying(self.archive.bucket, version.key, copying)
        retention = version.retention_in_force(wanted.now)
        return self.encryption.copy(version, wanted.key_arn, retention)

    def _check_no_copy_of_ours(self, version: ObjectVersion) -> None:
        """Refuse a version that a copy of another one may have made.

        Every copy is written down before it is made, since S3's event says of a version no more
        than that it was copied or uploaded in parts, by whomever.
        """
        found = self.control.copying(self.archive.bucket, version.key)
        if found is not None and found[0].source_version_id != version.version_id:
            raise RefusedError(
                "copy_of_copy",
                f"{version.name} cannot be encrypted in place, and version "
                f"{found[0].source_version_id} was copied to its key before",
            )

    def _copy_of_removed(self, key: str, version_id: str) -> ObjectVersion | None:
        copy_id = self.control.replacement(self.archive.bucket, key, version_id)
        return None if copy_id is None else self.archive.describe(key, copy_id)

    def _held_unless_disposed(self, secured: Secured, wanted: Wanted) -> Secured:
        is_copy = secured.encryption == "copied"
        if wanted.unless_disposed and self.is_disposed(secured.version, wanted, is_copy=is_copy):
            return secured
        self.holds.place(secured.version)
        return replace(
            secured,
            version=replace(secured.version, legal_hold=True),
            counts={**secured.counts, HELD: 1},
        )

    def _removed_unless_locked(self, version: ObjectVersion, now: datetime) -> bool:
        if version.is_locked(now):
            return False
        try:
            self.removals.remove(version)
        except RemovalRefusedError:
            version_now = self.archive.describe(version.key, version.version_id)
            if version_now is None or not version_now.is_locked(now):
                raise
            return False
        return True

    def _described(self, key: str, version_id: str) -> ObjectVersion:
        version = self.archive.describe(key, version_id)
        if version is None:
            raise AwsError("HeadObject", f"{key} (version {version_id})", "NotFound", "just made")
        return version


def _log_kept(version: ObjectVersion, why: str) -> None:
    logger.warning(
        "replaced version kept", object_key=version.key, version_id=version.version_id, reason=why
    )
