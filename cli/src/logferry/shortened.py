"""What was set, and what it was before: a note for each log group, in the control bucket.

``retention/<account>/<Region>/<SHA-256 of the log group's name>.json``, written before CloudWatch
is asked, by conditional PUTs.
"""

import hashlib
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, ValidationError

from logferry.aws_errors import AWS_ERRORS
from logferry.errors import RetentionError
from logferry_contracts.source import SourceName

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOTE = ".json"


class Shortened(BaseModel):
    """What was set of a log group.

    Attributes:
        created_ms: The log group's: one of the same name that was made later is another one.
        former_days: How long it was kept before the first time; None for ever.
        days: How long since.
        state: ``asked`` before CloudWatch is asked, ``set`` once it has, ``undone`` once it was
            put back.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    log_group: str
    created_ms: int
    former_days: int | None
    days: int
    by: str
    at: str
    state: Literal["asked", "set", "undone"]


class Notes:
    """One source's."""

    def __init__(self, s3: "S3Client", bucket: str, source: SourceName) -> None:
        """Read and write in the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket
        self._prefix = f"retention/{source.account_id}/{source.region}/"

    def all(self) -> tuple[list[Shortened], list[str]]:
        """Return each note, and what is wrong with those that cannot be read.

        Raises:
            RetentionError: AWS refused to list them.
        """
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            found = [each["Key"] for page in pages for each in page.get("Contents", [])]
        except AWS_ERRORS as error:
            raise RetentionError(f"ListObjectsV2 of {self._prefix}: {error}") from error
        notes: list[Shortened] = []
        problems: list[str] = []
        for key in (each for each in found if each.endswith(_NOTE)):  # a folder is none
            try:
                note = self._read(key)
            except RetentionError as error:
                problems.append(str(error))
                continue
            if note is not None:  # removed since it was listed
                notes.append(note[0])
        return notes, problems

    def of(self, log_group: str) -> tuple[Shortened | None, str | None]:
        """Return a log group's note and its ETag; None for none.

        Raises:
            RetentionError: It is none, or AWS refused.
        """
        return self._read(self._key(log_group)) or (None, None)

    def keep(self, note: Shortened, etag: str | None) -> str:
        """Write a note over the one that was read, and return the new ETag.

        Raises:
            RetentionError: Somebody else has written meanwhile, or AWS refused.
        """
        condition: Any = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        key = self._key(note.log_group)
        try:
            return self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=note.model_dump_json().encode(),
                ContentType="application/json",
                **condition,
            )["ETag"]
        except AWS_ERRORS as error:
            raise RetentionError(f"PutObject of {key}: {error}") from error

    def _key(self, log_group: str) -> str:
        return f"{self._prefix}{hashlib.sha256(log_group.encode()).hexdigest()}{_NOTE}"

    def _read(self, key: str) -> tuple[Shortened, str] | None:
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=key)
            return Shortened.model_validate_json(found["Body"].read()), found["ETag"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise RetentionError(f"GetObject of {key}: {error}") from error
        except AWS_ERRORS as error:
            raise RetentionError(f"GetObject of {key}: {error}") from error
        except ValidationError as error:
            raise RetentionError(f"{key} in the control bucket is no such note: {error}") from error
