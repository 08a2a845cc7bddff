"""Copies in parts, of what takes more than one call: multipart uploads to an object's own key."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from logferry_deliveries.calls import calling
from sse_enforcer.aws.encryption import kept, source_of
from sse_enforcer.parts import Checksum, CopiedPart, Part
from sse_enforcer.verdict import NULL_VERSION, ObjectVersion, Retention

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Uploads:
    """Copies archived objects part by part. It removes parts, and never an object."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Work on ``bucket`` alone."""
        self._s3 = s3
        self._bucket = bucket

    def request(
        self,
        version: ObjectVersion,
        key_arn: str,
        retention: Retention | None,
        checksum: Checksum,
        tags: Sequence[tuple[str, str]],
    ) -> dict[str, Any]:
        """Return what begins a copy in parts that is to be equal to the version with these tags."""
        headers = dict(version.headers)
        if "ExpiresString" in headers:
            headers["Expires"] = headers.pop("ExpiresString")
        if tags:
            headers["Tagging"] = urlencode(tags)
        return {
            "Bucket": self._bucket,
            "Key": version.key,
            "ChecksumAlgorithm": checksum.algorithm,
            "ChecksumType": checksum.type,
            "Metadata": dict(version.metadata),
            **headers,
            **kept(version, key_arn, retention),
        }

    def begin(self, request: Mapping[str, Any]) -> str:
        """Begin a multipart upload and return its id.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/CopyingObjectsMPUapi.html
        """
        with calling("CreateMultipartUpload", request["Key"]):
            return self._s3.create_multipart_upload(**cast("Any", request))["UploadId"]

    def parts(self, key: str, upload_id: str, checksum: Checksum) -> dict[int, CopiedPart] | None:
        """Return the parts that S3 has by their numbers, or None when there is no such upload."""
        parts: dict[int, CopiedPart] = {}
        with calling("ListParts", f"{key} (upload {upload_id})"):
            try:
                for page in self._s3.get_paginator("list_parts").paginate(
                    Bucket=self._bucket, Key=key, UploadId=upload_id
                ):
                    for part in cast("list[dict[str, Any]]", page.get("Parts", [])):
                        parts[part["PartNumber"]] = CopiedPart(
                            part["PartNumber"],
                            part["Size"],
                            part["ETag"],
                            part.get(f"Checksum{checksum.algorithm}"),
                        )
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchUpload":
                    return None
                raise
        return parts

    def copy_part(
        self, version: ObjectVersion, upload_id: str, part: Part, checksum: Checksum
    ) -> CopiedPart:
        """Copy a range of exactly this version; S3 moves the bytes, none of them comes here.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPartCopy.html
        """
        which: dict[str, str] = {}
        # S3 takes no range of an object up to 5 MB.
        if part.size_bytes < version.size_bytes:
            which["CopySourceRange"] = f"bytes={part.first}-{part.last}"
        with calling("UploadPartCopy", f"{version.name}, part {part.number}"):
            result = self._s3.upload_part_copy(
                Bucket=self._bucket,
                Key=version.key,
                UploadId=upload_id,
                PartNumber=part.number,
                CopySource=source_of(version, self._bucket),
                CopySourceIfMatch=version.etag,
                **cast("Any", which),
            )["CopyPartResult"]
        tells = cast("dict[str, Any]", result)
        return CopiedPart(
            part.number,
            part.size_bytes,
            tells["ETag"],
            tells.get(f"Checksum{checksum.algorithm}"),
        )

    def complete(
        self,
        version: ObjectVersion,
        upload_id: str,
        parts: Sequence[CopiedPart],
        checksum: Checksum,
    ) -> str:
        """Make the parts the current version, and return its id.

        Only if the current version's ETag is still this version's; and only if the whole has the
        original's size and, where that is known, its checksum.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
        """
        expected: dict[str, Any] = {}
        if checksum.expected is not None:
            expected[f"Checksum{checksum.algorithm}"] = checksum.expected
        with calling("CompleteMultipartUpload", version.name):
            return self._s3.complete_multipart_upload(
                Bucket=self._bucket,
                Key=version.key,
                UploadId=upload_id,
                MultipartUpload={
                    "Parts": [cast("Any", _completed(part, checksum)) for part in parts]
                },
                ChecksumType=cast("Any", checksum.type),
                MpuObjectSize=version.size_bytes,
                IfMatch=version.etag,
                **expected,
            ).get("VersionId", NULL_VERSION)

    def abort(self, key: str, upload_id: str) -> None:
        """Give an upload up: its parts are removed. One that is gone is all right."""
        with calling("AbortMultipartUpload", f"{key} (upload {upload_id})"):
            try:
                self._s3.abort_multipart_upload(Bucket=self._bucket, Key=key, UploadId=upload_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "NoSuchUpload":
                    raise


def _completed(part: CopiedPart, checksum: Checksum) -> dict[str, Any]:
    completed: dict[str, Any] = {"PartNumber": part.number, "ETag": part.etag}
    if part.checksum is not None:
        completed[f"Checksum{checksum.algorithm}"] = part.checksum
    return completed
