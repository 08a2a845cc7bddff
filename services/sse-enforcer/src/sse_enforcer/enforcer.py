"""What is done to one object version, step by step.

Every step may be cut off and done again. A version is removed only after its copy was read back,
found equal by a checksum and written down as its replacement. So an intact version is there at each
moment, and whoever looks for the removed version finds the copy.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from aws_lambda_powertools import Logger

from logferry_contracts.object_secured import ObjectSecured, ObjectSecuredData, secured_id
from sse_enforcer.aws import Archive, ControlBucket, Holds, Removals
from sse_enforcer.errors import (
    AwsError,
    EncryptionRefusedError,
    RefusedError,
    RemovalRefusedError,
)
from sse_enforcer.layout import WRITE_TEST_LIMIT_BYTES
from sse_enforcer.verdict import (
    ObjectVersion,
    Verdict,
    check_copyable,
    differences,
    is_proven,
    verdict,
)

SOURCE = "urn:logferry:sse-enforcer"

ALREADY_RIGHT = "ObjectsAlreadyRight"
UPDATED = "ObjectsUpdated"
COPIED = "ObjectsCopied"
COPIED_BYTES = "BytesCopied"
HELD = "ObjectsHeld"
LEFT_ALONE = "ObjectsLeftAlone"
REPLACED_KEPT = "ReplacedVersionsKept"
WRITE_TESTS_REMOVED = "WriteTestsRemoved"

logger = Logger()


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How an object version is to be.

    Attributes:
        key_arn: The key it is to be under.
        hold: Whether it is to be on legal hold.
        may_copy: False for what came about by copying. It could only be copied because a copy
            did not help, so the copies would never end.
        now: The time at which retention periods have ended or not.
    """

    key_arn: str
    hold: bool
    may_copy: bool
    now: datetime


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


class Enforcer:
    """Brings object versions under the key and on hold."""

    def __init__(
        self, archive: Archive, holds: Holds, removals: Removals, control: ControlBucket
    ) -> None:
        """Work with these; each can do only its own part."""
        self._archive = archive
        self._holds = holds
        self._removals = removals
        self._control = control

    def secure(self, key: str, version_id: str, wanted: Wanted) -> Secured | None:
        """Bring a version, or the verified copy that replaced it, to what is wanted.

        Returns:
            None when the version is gone and no copy has replaced it.

        Raises:
            RefusedError: It cannot be brought there. The version is as it was.
            RetryError: Something failed. The version, or its verified copy, is there.
        """
        version = self._archive.describe(key, version_id)
        if version is not None:
            secured = self._under_key(version, wanted)
        else:
            copy = self._copy_of_removed(key, version_id)
            if copy is None:
                return None
            secured = replace(
                self._under_key(copy, replace(wanted, may_copy=False)),
                encryption="copied",
                replaced_version_id=version_id,
            )
        if wanted.hold:
            secured = self._held(secured)
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
        version = self._archive.describe(key, version_id)
        if version is None:
            return {}
        if version.size_bytes > WRITE_TEST_LIMIT_BYTES:
            logger.warning("write-test left: too long", size_bytes=version.size_bytes)
            return {LEFT_ALONE: 1}
        if not self._removed_unless_locked(version, now):
            logger.info("write-test left: locked")
            return {LEFT_ALONE: 1}
        logger.info("write-test removed")
        return {WRITE_TESTS_REMOVED: 1}

    def _under_key(self, version: ObjectVersion, wanted: Wanted) -> Secured:
        match verdict(version, wanted.key_arn):
            case Verdict.LEAVE:
                return _already_right(version)
            case Verdict.COPY:
                return self._replaced(version, wanted)
            case Verdict.UPDATE:
                try:
                    return self._updated(version, wanted.key_arn)
                except EncryptionRefusedError:
                    # A lock may have come since, from a worker that had the key right before.
                    version_now = self._archive.describe(version.key, version.version_id)
                    if version_now is None:
                        raise
                    if verdict(version_now, wanted.key_arn) is Verdict.LEAVE:
                        return _already_right(version_now)
                    if not version_now.has_lock:
                        raise
                    return self._replaced(version_now, wanted)

    def _updated(self, version: ObjectVersion, key_arn: str) -> Secured:
        self._archive.reencrypt(version, key_arn)
        updated = self._described(version.key, version.version_id)
        if verdict(updated, key_arn) is not Verdict.LEAVE:
            raise AwsError(
                "UpdateObjectEncryption",
                version.name,
                "NotApplied",
                f"the key is {updated.kms_key_arn} afterwards",
            )
        return Secured(version=updated, encryption="updated_in_place", counts={UPDATED: 1})

    def _replaced(self, version: ObjectVersion, wanted: Wanted) -> Secured:
        copy, is_new = self._copy(version, wanted)
        if found := differences(version, copy, key_arn=wanted.key_arn, now=wanted.now):
            raise RefusedError(
                "copy_differs", f"{version.name} has {copy.name} as a copy: {'; '.join(found)}"
            )
        secured = Secured(
            version=copy,
            encryption="copied",
            counts={COPIED: 1, COPIED_BYTES: copy.size_bytes} if is_new else {},
        )
        event = secured.event(self._archive.bucket, None, wanted.now)
        self._control.record_replacement(version.version_id, event)
        if not is_proven(version, copy):
            _log_kept(version, "no checksum proves its copy")
        elif self._removed_unless_locked(version, wanted.now):
            return replace(secured, replaced_version_id=version.version_id)
        else:
            _log_kept(version, "locked")
        return replace(secured, counts={**secured.counts, REPLACED_KEPT: 1})

    def _copy(self, version: ObjectVersion, wanted: Wanted) -> tuple[ObjectVersion, bool]:
        """Return a copy of the version, and whether it was made now."""
        current = self._archive.describe_current(version.key)
        if current is not None and current.version_id == version.version_id:
            if not wanted.may_copy:
                raise RefusedError(
                    "copy_of_copy",
                    f"{version.name} cannot be encrypted in place and came about by copying",
                )
            check_copyable(version)
            retention = version.retention_in_force(wanted.now)
            copy_id = self._archive.copy(version, wanted.key_arn, retention)
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
        raise RefusedError(
            "not_current",
            f"{version.name} cannot be encrypted in place, and a copy would cover up the current "
            "version",
        )

    def _copy_of_removed(self, key: str, version_id: str) -> ObjectVersion | None:
        copy_id = self._control.replacement(self._archive.bucket, key, version_id)
        return None if copy_id is None else self._archive.describe(key, copy_id)

    def _held(self, secured: Secured) -> Secured:
        if secured.version.legal_hold:
            return secured
        self._holds.place(secured.version)
        return replace(
            secured,
            version=replace(secured.version, legal_hold=True),
            counts={**secured.counts, HELD: 1},
        )

    def _removed_unless_locked(self, version: ObjectVersion, now: datetime) -> bool:
        if version.is_locked(now):
            return False
        try:
            self._removals.remove(version)
        except RemovalRefusedError:
            version_now = self._archive.describe(version.key, version.version_id)
            if version_now is None or not version_now.is_locked(now):
                raise
            return False
        return True

    def _described(self, key: str, version_id: str) -> ObjectVersion:
        version = self._archive.describe(key, version_id)
        if version is None:
            raise AwsError("HeadObject", f"{key} (version {version_id})", "NotFound", "just made")
        return version


def _log_kept(version: ObjectVersion, why: str) -> None:
    logger.warning(
        "replaced version kept", object_key=version.key, version_id=version.version_id, reason=why
    )


def _already_right(version: ObjectVersion) -> Secured:
    return Secured(version=version, encryption="already_right", counts={ALREADY_RIGHT: 1})
