"""The calls that the sweep's function alone may make: its statements `list` and `report`."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote_plus

from aws_lambda_powertools import Logger
from pydantic import BaseModel

from logferry_contracts import json_text
from logferry_contracts.ledger_key import LEDGER
from logferry_deliveries.calls import calling
from logferry_deliveries.errors import AwsError
from sse_enforcer.aws.json_objects import JsonObjects, if_still
from sse_enforcer.errors import OvertakenError
from sse_enforcer.sweep.findings import (
    KeyVersions,
    ListedRecord,
    ListedUpload,
    ListedVersion,
    by_key,
)
from sse_enforcer.sweep.report import SCHEDULE_KEY, Place, Report, Schedule

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = Logger()

LIST_PAGE_LIMIT = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html"""


class Listing:
    """What is in the archive and in the ledger, page by page. It changes nothing."""

    def __init__(
        self,
        s3: "S3Client",
        archive_bucket: str,
        control_bucket: str,
        page_size: int = LIST_PAGE_LIMIT,
    ) -> None:
        """List these two buckets, at most ``page_size`` entries a call."""
        self._s3 = s3
        self._archive_bucket = archive_bucket
        self._control_bucket = control_bucket
        self._page_size = page_size

    def versions(self, after: Place) -> tuple[list[KeyVersions], Place | None]:
        """Return the next keys with their versions, and where to go on; None at the end.

        A page may end among a key's versions. That key is left to the next call, so that all of
        its versions are seen together; only one that fills a page alone comes in pieces.

        The next page begins after a key that was returned, not after AWS's ``NextKeyMarker``.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html

        Args:
            after: A `Place` whose ``key`` was dealt with, up to its ``version_id`` if there is one.

        Raises:
            AwsError: ``NoProgress`` when nothing of a page is new, which S3 never answers.
        """
        markers = {"KeyMarker": after.key, "VersionIdMarker": after.version_id}
        with calling("ListObjectVersions", self._archive_bucket):
            page = self._s3.list_object_versions(
                Bucket=self._archive_bucket,
                MaxKeys=self._page_size,
                **cast("Any", {name: value for name, value in markers.items() if value}),
            )
        entries = sorted(
            (
                entry
                for entry in _listed(cast("Mapping[str, Any]", page))
                if _is_after(entry, after)
            ),
            key=lambda entry: entry.key.encode(),
        )
        keys = by_key(entries)
        if not page["IsTruncated"]:
            return keys, None
        if len(keys) > 1:
            return keys[:-1], Place(phase="versions", key=keys[-2].key)
        last_id = page["NextVersionIdMarker"]
        following = Place(phase="versions", key=keys[0].key, version_id=last_id) if keys else after
        if following == after:
            raise AwsError(
                "ListObjectVersions", self._archive_bucket, "NoProgress", f"after {after.key!r}"
            )
        return keys, following

    def below(self, prefix: str) -> Iterator[list[ListedVersion]]:
        """Yield the versions of all keys that begin with ``prefix``, page by page."""
        pages = self._s3.get_paginator("list_object_versions").paginate(
            Bucket=self._archive_bucket,
            Prefix=prefix,
            PaginationConfig={"PageSize": self._page_size},
        )
        with calling("ListObjectVersions", self._archive_bucket):
            for page in pages:
                yield list(_listed(cast("Mapping[str, Any]", page)))

    def ledger(self, after_key: str | None) -> tuple[list[ListedRecord], bool]:
        """Return the next ledger records' keys, with their ages; and whether that is the end."""
        with calling("ListObjectsV2", self._control_bucket):
            page = self._s3.list_objects_v2(
                Bucket=self._control_bucket,
                Prefix=LEDGER,
                StartAfter=after_key or LEDGER,
                MaxKeys=self._page_size,
            )
        return [
            ListedRecord(each["Key"], each["LastModified"]) for each in page.get("Contents", [])
        ], not page["IsTruncated"]

    def uploads(self) -> list[ListedUpload]:
        """Return every multipart upload to the archive that was neither completed nor aborted.

        Keys are asked for encoded, as XML cannot have some that there may be. In other listings
        botocore does so by itself; its paginator would give the marker back encoded.
        https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html
        """
        uploads, after, is_end = list[ListedUpload](), dict[str, Any](), False
        while not is_end:
            with calling("ListMultipartUploads", self._archive_bucket):
                page = self._s3.list_multipart_uploads(
                    Bucket=self._archive_bucket,
                    EncodingType="url",
                    MaxUploads=self._page_size,
                    **after,
                )
            plain = unquote_plus if page.get("EncodingType") == "url" else str
            uploads += [
                ListedUpload(plain(each["Key"]), each["UploadId"], each["Initiated"])
                for each in page.get("Uploads", [])
            ]
            is_end = not page["IsTruncated"]
            if not is_end:
                after = {
                    "KeyMarker": plain(page["NextKeyMarker"]),
                    "UploadIdMarker": page["NextUploadIdMarker"],
                }
        return uploads


class Reports:
    """The sweeps' reports and their schedule, each changed only by compare-and-swap."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Keep them in ``bucket``, the control bucket."""
        self._objects = JsonObjects(s3, bucket)
        self._etags: dict[str, str] = {}

    def schedule(self) -> Schedule:
        """Return the schedule, which is empty before the first pass."""
        return self._stored(Schedule, SCHEDULE_KEY) or Schedule()

    def report(self, key: str) -> Report | None:
        """Return a pass's report, or None when there is none."""
        return self._stored(Report, key)

    def store_schedule(self, schedule: Schedule) -> None:
        """Write the schedule over the one that was read.

        Raises:
            OvertakenError: Somebody else wrote it meanwhile.
        """
        schedule.revision += 1
        self._write(SCHEDULE_KEY, schedule)

    def store(self, report: Report) -> None:
        """Write a report over the one that was read, or as a new one.

        Raises:
            OvertakenError: Somebody else wrote it meanwhile.
        """
        report.revision += 1
        self._write(report.about.report_key, report)

    def _stored[M: BaseModel](self, model: type[M], key: str) -> M | None:
        """Return what is stored; what somebody has damaged is as good as gone, and written over."""
        text = self._read(key)
        if text is None:
            return None
        try:
            json_text.read(text)  # refuses what pydantic takes beyond JSON
            return model.model_validate_json(text)
        except ValueError as error:
            logger.warning("damaged: taken for gone", object_key=key, reason=str(error))
            return None

    def _read(self, key: str) -> bytes | None:
        found = self._objects.read(key)
        if found is None:
            return None
        text, self._etags[key] = found
        return text

    def _write(self, key: str, content: BaseModel) -> None:
        text = content.model_dump_json(exclude_none=True)
        etag = self._objects.write(key, text, if_still(self._etags.get(key)))
        if etag is None:
            raise OvertakenError(f"{key} was written by another invocation")
        self._etags[key] = etag


def _listed(page: Mapping[str, Any]) -> Iterator[ListedVersion]:
    for what in ("Versions", "DeleteMarkers"):
        for entry in page.get(what, []):
            yield ListedVersion(
                key=entry["Key"],
                version_id=entry["VersionId"],
                is_latest=entry["IsLatest"],
                is_delete_marker=what == "DeleteMarkers",
                last_modified=entry["LastModified"],
            )


def _is_after(entry: ListedVersion, place: Place) -> bool:
    if place.key is None:
        return True
    # S3 lists keys in the order of their UTF-8 bytes.
    key, done = entry.key.encode(), place.key.encode()
    return key > done or (key == done and place.version_id is not None)
