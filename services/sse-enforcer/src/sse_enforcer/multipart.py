"""A copy in parts: of what is too large for one CopyObject, or has checksums of its parts only.

S3 moves the bytes. The upload is written down in the control bucket before its first part, with
the time by which the invocation that works on it has ended. So an attempt that finds it goes on
with it when nobody can be at work on it any more, and only waits otherwise.
"""

import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aws_lambda_powertools import Logger

from logferry_deliveries.errors import AwsError, OutOfTimeError
from sse_enforcer.aws.archive import Archive
from sse_enforcer.aws.control import ControlBucket, Copying
from sse_enforcer.aws.uploads import Uploads
from sse_enforcer.errors import CopyUnderWayError
from sse_enforcer.parts import Checksum, CopiedPart, Part, checksum_for, cut
from sse_enforcer.verdict import ObjectVersion, Wanted

PART_WORKERS = 8
"""Parts of one object that S3 copies at a time."""

LEASE = timedelta(seconds=900)
"""No function runs for longer.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

logger = Logger()


@dataclass(frozen=True)
class Upload:
    """An upload that this invocation alone may work on.

    Attributes:
        etag: Of its record in the control bucket.
        done: The parts that S3 has, by number.
    """

    version: ObjectVersion
    checksum: Checksum
    copying: Copying
    etag: str
    done: dict[int, CopiedPart]

    @property
    def id(self) -> str:
        """The upload's id."""
        return self.copying.upload_id or ""


@dataclass(frozen=True)
class CopyInParts:
    """Copies objects onto their own keys, part by part."""

    archive: Archive
    uploads: Uploads
    control: ControlBucket
    part_bytes: int

    def copy(self, version: ObjectVersion, wanted: Wanted, has_time: Callable[[], bool]) -> str:
        """Copy the current version onto its own key; return the new version's id.

        A copy that fails is aborted. One that runs out of time, or is killed, is taken up by a
        later attempt; until then the lifecycle rule for abandoned uploads may remove it.

        Raises:
            CopyUnderWayError: Another invocation may be at it.
            OutOfTimeError: What was copied so far is there for the next attempt.
            AwsError: It failed. The version is as it was.
        """
        checksum = checksum_for(version)
        part_bytes = self.part_bytes
        if checksum.type == "COMPOSITE":
            # Cut like the original, or the parts' checksums would be others.
            part_bytes = self.archive.first_part_bytes(version)
        parts = cut(version.size_bytes, part_bytes)
        upload = self._upload(version, wanted, checksum, part_bytes)
        try:
            copied = self._copied(upload, parts, has_time)
            return self.uploads.complete(version, upload.id, copied, checksum)
        except OutOfTimeError:
            self._release(upload)
            raise
        except Exception:
            self._give_up(upload)
            self._release(upload)
            raise

    def _upload(
        self, version: ObjectVersion, wanted: Wanted, checksum: Checksum, part_bytes: int
    ) -> Upload:
        retention = version.retention_in_force(wanted.now)
        request = self.uploads.request(
            version, wanted.key_arn, retention, checksum, self.archive.tags(version)
        )
        digest = _digest(request, part_bytes)
        copying = Copying(
            source_version_id=version.version_id,
            upload_id=None,
            request_sha256=digest,
            busy_until=wanted.now + LEASE,
        )
        found = self.control.copying(self.archive.bucket, version.key)
        earlier, etag = (None, None) if found is None else found
        if earlier is not None and earlier.upload_id is not None:
            _check_idle(earlier, version, wanted.now)
            if (earlier.source_version_id, earlier.request_sha256) == (version.version_id, digest):
                done = self.uploads.parts(version.key, earlier.upload_id, checksum)
                if done is not None:
                    copying = replace(copying, upload_id=earlier.upload_id)
                    taken = self._record(version, copying, etag)
                    logger.info("copy taken up", object_key=version.key, part_count=len(done))
                    return Upload(version, checksum, copying, taken, done)
            else:
                self.uploads.abort(version.key, earlier.upload_id)
        copying = replace(copying, upload_id=self.uploads.begin(request))
        upload = Upload(version, checksum, copying, "", {})
        try:
            return replace(upload, etag=self._record(version, copying, etag))
        except Exception:
            self._give_up(upload)
            raise

    def _record(self, version: ObjectVersion, copying: Copying, etag: str | None) -> str:
        taken = self.control.take_copying(self.archive.bucket, version.key, copying, etag)
        if taken is None:
            raise CopyUnderWayError(version.name, int(LEASE.total_seconds()))
        return taken

    def _copied(
        self, upload: Upload, parts: list[Part], has_time: Callable[[], bool]
    ) -> list[CopiedPart]:
        stop = threading.Event()

        def copied(part: Part) -> CopiedPart | None:
            there = upload.done.get(part.number)
            if there is not None and there.size_bytes == part.size_bytes:
                return there
            if stop.is_set():
                return None
            try:
                _check_time(has_time)
                return self.uploads.copy_part(upload.version, upload.id, part, upload.checksum)
            except BaseException:
                stop.set()
                raise

        # S3 copies: what waits here is a list of ranges, 10,000 at most.
        with ThreadPoolExecutor(max_workers=PART_WORKERS) as pool:
            return [part for part in pool.map(copied, parts) if part is not None]

    def _release(self, upload: Upload) -> None:
        """Let the next attempt go on at once; if that fails, it waits for the lease's end."""
        idle = replace(upload.copying, busy_until=upload.copying.busy_until - LEASE)
        try:
            self.control.take_copying(self.archive.bucket, upload.version.key, idle, upload.etag)
        except AwsError as error:
            logger.warning("lease not released", object_key=upload.version.key, reason=str(error))

    def _give_up(self, upload: Upload) -> None:
        """Remove the parts; if that fails, the lifecycle rule does."""
        try:
            self.uploads.abort(upload.version.key, upload.id)
        except AwsError as error:
            logger.warning("upload not aborted", object_key=upload.version.key, reason=str(error))


def _check_time(has_time: Callable[[], bool]) -> None:
    if not has_time():
        raise OutOfTimeError("the invocation's time is up")


def _check_idle(copying: Copying, version: ObjectVersion, now: datetime) -> None:
    left = copying.busy_until - now
    if left > timedelta():
        raise CopyUnderWayError(version.name, int(left.total_seconds()) + 1)


def _digest(request: dict[str, object], part_bytes: int) -> str:
    text = json.dumps([request, part_bytes], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
