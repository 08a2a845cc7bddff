"""The archive buckets."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from exporter.aws.calls import calling, code_of, is_passing
from exporter.errors import (
    ExportRefusedError,
    NotAddedError,
    ObjectsRemovedError,
    TransientError,
)
from logferry_contracts.gunzip import Gunzip
from logferry_contracts.manifest import ArchivedObject, Checksum
from logferry_contracts.message import timestamp

if TYPE_CHECKING:
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef

MAX_CHECKSUMS = 500
"""Of one export, in key order. Each takes a call, and an export may have more objects than an
invocation has time for. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html"""
HEAD_WORKERS = 8
"""Fewer than the client's ten connections."""
DELETED_PER_CALL = 1000
"""https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html"""

_PIECE_BYTES = _UNPACKED_BYTES = 64 * 1024
_NO_SUCH_VERSION = "NoSuchVersion"
_UNREADABLE = dict.fromkeys((_NO_SUCH_VERSION, "NoSuchKey", "InvalidObjectState"), NotAddedError)
"""What was removed, or lies in GLACIER.
https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html"""


class _ThereAlreadyError(Exception):
    """S3 writes nothing over an object that is there."""


class _HiddenError(Exception):
    """S3 does not let us look at an object."""


_calling_for_export = partial(calling, refused=ExportRefusedError)
"""What refuses a write to the archive ends the export, as in its export task."""


class Archive:
    """The archive buckets, each in its source's Region."""

    def __init__(self, s3_in: Callable[[str], "S3Client"]) -> None:
        """Use the client that ``s3_in`` returns for a Region."""
        self._s3_in = s3_in

    def objects(self, region: str, bucket: str, folder: str) -> list[ArchivedObject]:
        """Return the current version of every object below ``folder``.

        Raises:
            ObjectsRemovedError: Some have been removed.
        """
        current = self._current(region, bucket, folder)
        with_checksum = [each for each in current if each.get("ChecksumAlgorithm")]
        checksums = self._checksums(region, bucket, with_checksum[:MAX_CHECKSUMS])
        return [
            ArchivedObject(
                key=version["Key"],
                version_id=version["VersionId"],
                size_bytes=version["Size"],
                etag=version["ETag"].strip('"'),
                checksum=checksums.get(version["Key"]),
            )
            for version in current
        ]

    def sizes(self, region: str, bucket: str, folder: str) -> dict[str, int]:
        """Return the size in bytes of every object below ``folder``, by its key.

        Raises:
            ObjectsRemovedError: Some have been removed.
        """
        return {each["Key"]: each["Size"] for each in self._current(region, bucket, folder)}

    def folders(self, region: str, bucket: str, prefix: str) -> list[str]:
        """Return the names of the folders right below a prefix, which are ids of export tasks."""
        with calling("ListObjectVersions", _url(bucket, prefix)):
            pages = (
                self._s3_in(region)
                .get_paginator("list_object_versions")
                .paginate(Bucket=bucket, Prefix=f"{prefix}/", Delimiter="/")
            )
            found = [each["Prefix"] for page in pages for each in page.get("CommonPrefixes", [])]
        return [folder.removeprefix(f"{prefix}/").removesuffix("/") for folder in found]

    def texts(self, region: str, bucket: str, archived: ArchivedObject) -> Iterator[bytes]:
        """Yield what an object unpacks to, in pieces.

        The version of its manifest, or the copy of it that has taken its place.

        Raises:
            NotAddedError: It is not there, or damaged.
            TransientError: S3 was busy.
        """
        url, gunzip = _url(bucket, archived.key), Gunzip(_UNPACKED_BYTES)
        with (
            calling("GetObject", url, kinds=_UNREADABLE),
            closing(self._opened(region, bucket, archived)) as body,
        ):
            while piece := body.read(_PIECE_BYTES):
                yield from gunzip.texts(piece)
        if fault := gunzip.fault():
            raise NotAddedError(f"{url}: {fault}")

    def put(self, region: str, bucket: str, key: str, path: Path) -> ArchivedObject:
        """Write an object in one piece, unless an earlier try has written the very same.

        It is encrypted as the bucket has it by default, which is how CloudWatch Logs writes too:
        so both lanes' objects are under the same key, and the exporter need not know which.
        An earlier try's object that differs is left as a former version: it may hold events that
        nobody has any more.

        Raises:
            ExportRefusedError: A person has to mend something first.
            TransientError: S3 was busy, or somebody else is writing the object.
        """
        with path.open("rb") as body:
            sha256 = base64.b64encode(hashlib.file_digest(body, "sha256").digest()).decode()
        write = partial(self._write, region, bucket, key, path, sha256)
        with suppress(_ThereAlreadyError):
            return write(IfNoneMatch="*")
        with _calling_for_export("HeadObject", _url(bucket, key)):
            there = self._s3_in(region).head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        if there.get("ChecksumSHA256") == sha256:
            return _written(key, path, sha256, there)
        return write()

    def remove(self, region: str, bucket: str, folder: str) -> list[str]:
        """Remove every object version below ``folder``, a task's own.

        Returns:
            What could not be removed because it is locked or held: ``<key>@<version id>: why``.

        Raises:
            TransientError: S3 failed to remove some; trying again does no harm.
        """
        versions: Iterator[ObjectIdentifierTypeDef] = (
            {"Key": version["Key"], "VersionId": version["VersionId"]}
            for version in self._versions(region, bucket, folder)
        )
        left = []
        for some in batched(versions, DELETED_PER_CALL, strict=False):
            with calling("DeleteObjects", _url(bucket, folder)):
                answer = self._s3_in(region).delete_objects(
                    Bucket=bucket, Delete={"Objects": list(some), "Quiet": True}
                )
            for error in answer.get("Errors", []):
                what = f"{error.get('Key')}@{error.get('VersionId')}: {error.get('Message')}"
                # S3 says so of a version under Object Lock, and where the permission is missing.
                # https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lock.html
                if error.get("Code") != "AccessDenied":
                    raise TransientError(f"DeleteObjects in {bucket}: {error.get('Code')}: {what}")
                left.append(what)
        return left

    def region_of(self, region: str, bucket: str) -> str | None:
        """Return the Region that a bucket is in, or None when it does not show itself.

        S3 names it to whoever asks, also where it refuses the call: the role may not list the
        archive. https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html

        Args:
            region: Where it should be.
            bucket: Its name.

        Raises:
            TransientError: S3 was busy.
        """
        with calling("HeadBucket", bucket):
            try:
                return self._s3_in(region).head_bucket(Bucket=bucket).get("BucketRegion")
            except ClientError as error:
                if is_passing(error):
                    raise
                headers = error.response["ResponseMetadata"]["HTTPHeaders"]
                return headers.get("x-amz-bucket-region")

    def _write(
        self, region: str, bucket: str, key: str, path: Path, sha256: str, **condition: Any
    ) -> ArchivedObject:
        kinds = {"PreconditionFailed": _ThereAlreadyError}
        with (
            path.open("rb") as body,
            _calling_for_export("PutObject", _url(bucket, key), kinds=kinds),
        ):
            answer = self._s3_in(region).put_object(
                Bucket=bucket,
                Key=key,
                Body=body,
                ContentType="application/gzip",
                ChecksumSHA256=sha256,
                **condition,
            )
        return _written(key, path, sha256, answer)

    def _opened(self, region: str, bucket: str, archived: ArchivedObject) -> "StreamingBody":
        get = partial(self._s3_in(region).get_object, Bucket=bucket, Key=archived.key)
        try:
            return get(VersionId=archived.version_id)["Body"]
        except ClientError as error:
            if code_of(error) != _NO_SUCH_VERSION:
                raise
        return get()["Body"]

    def _checksums(
        self, region: str, bucket: str, versions: Sequence[Any]
    ) -> dict[str, Checksum | None]:
        """Return what S3 keeps of each object, by its key; nothing where that may not be read."""
        read = partial(self._checksum, region, bucket)
        with ThreadPoolExecutor(max_workers=HEAD_WORKERS) as pool:
            try:
                found = list(pool.map(read, versions))
            except _HiddenError:
                return {}
        return {version["Key"]: each for version, each in zip(versions, found, strict=True)}

    def _checksum(self, region: str, bucket: str, version: Any) -> Checksum | None:
        with calling("HeadObject", _url(bucket, version["Key"]), kinds={"403": _HiddenError}):
            head: Mapping[str, Any] = self._s3_in(region).head_object(
                Bucket=bucket,
                Key=version["Key"],
                VersionId=version["VersionId"],
                ChecksumMode="ENABLED",
            )
        for algorithm in version["ChecksumAlgorithm"]:
            value = head.get(f"Checksum{algorithm}")
            if value is not None:
                return Checksum(algorithm=algorithm, value=value)
        return None

    def _current(self, region: str, bucket: str, folder: str) -> list[Any]:
        """Return the current versions below a folder in which nothing has been removed.

        Neither CloudWatch Logs nor any of ours writes a delete marker, so one says that somebody
        has removed an object. Who removes a version by its id leaves none.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html

        Raises:
            ObjectsRemovedError: Something has been.
        """
        current, markers = [], []
        for page in self._pages(region, bucket, folder):
            current += [each for each in page.get("Versions", []) if each["IsLatest"]]
            markers += page.get("DeleteMarkers", [])
        if markers:
            removed = min(markers, key=lambda each: each["LastModified"])
            raise ObjectsRemovedError(
                f"{removed['Key']} was removed on {timestamp(removed['LastModified'])}; "
                f"objects removed below {folder}: {len({each['Key'] for each in markers})}"
            )
        return current

    def _versions(self, region: str, bucket: str, folder: str) -> Iterator[Any]:
        pages = self._pages(region, bucket, folder)
        return (version for page in pages for version in page.get("Versions", []))

    def _pages(self, region: str, bucket: str, folder: str) -> Iterator[Any]:
        with calling("ListObjectVersions", _url(bucket, folder)):
            paginator = self._s3_in(region).get_paginator("list_object_versions")
            yield from paginator.paginate(Bucket=bucket, Prefix=folder)


def _written(key: str, path: Path, sha256: str, answer: Mapping[str, Any]) -> ArchivedObject:
    return ArchivedObject(
        key=key,
        version_id=answer["VersionId"],
        size_bytes=path.stat().st_size,
        etag=answer["ETag"].strip('"'),
        checksum=Checksum(algorithm="SHA256", value=sha256),
    )


def _url(bucket: str, key: str) -> str:
    return f"s3://{bucket}/{key}"
