"""What S3 keeps in GLACIER or DEEP_ARCHIVE, object by object, and has back for a time when asked.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/archived-objects.html
"""

import re
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from logferry.aws_errors import AWS_ERRORS
from logferry.cold import COLD, Cold, Tier
from logferry_contracts.verification.store import Unreadable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_THERE = frozenset({"404", "NoSuchKey", "NoSuchVersion", "405", "MethodNotAllowed"})
"""HEAD has no body to say more in; the last two are said of a delete marker."""
_UNDER_WAY = "RestoreAlreadyInProgress"
_UNTIL = re.compile(r'expiry-date="([^"]+)"')


class Glacier:
    """What a bucket has there.

    Attributes:
        after: How long S3 leaves objects where they can be read; None where it does for ever.
    """

    def __init__(self, s3: "S3Client", bucket: str, after: timedelta | None) -> None:
        """Look into a bucket with a client of several threads."""
        self._s3 = s3
        self._bucket = bucket
        self.after = after

    def look(self, key: str, version_id: str | None) -> Cold | None:
        """Return a version, or where it is gone the latest; None where either is elsewhere.

        Raises:
            Unreadable: Nobody may look.
        """
        for each in dict.fromkeys((version_id or None, None)):
            try:
                return _cold(key, each, self._s3.head_object(**self._named(key, each)))
            except ClientError as error:
                if error.response["Error"]["Code"] not in _NOT_THERE:
                    raise Unreadable(f"{key}: {error}") from error
            except AWS_ERRORS as error:
                raise Unreadable(f"{key}: {error}") from error
        return None

    def thaw(self, cold: Cold, tier: Tier, days: int) -> bool:
        """Ask for a copy, or for a longer time of the copy that there is.

        Returns whether S3 was not giving it already.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html

        Raises:
            ClientError: S3 refuses, such as who may not ask.
        """
        wanted: Any = {"Days": days}
        if cold.is_frozen:
            wanted["GlacierJobParameters"] = {"Tier": tier}
        try:
            self._s3.restore_object(**self._named(cold.key, cold.version_id), RestoreRequest=wanted)
        except ClientError as error:
            if error.response["Error"]["Code"] != _UNDER_WAY:
                raise
            return False
        return True

    def _named(self, key: str, version_id: str | None) -> Any:
        which = {} if version_id is None else {"VersionId": version_id}
        return {"Bucket": self._bucket, "Key": key, **which}


def _cold(key: str, version_id: str | None, head: Any) -> Cold | None:
    storage_class = head.get("StorageClass", "STANDARD")
    if storage_class not in COLD:
        return None
    restored: str = head.get("Restore", "")
    found = _UNTIL.search(restored)
    return Cold(
        key,
        version_id,
        head["ContentLength"],
        storage_class,
        'ongoing-request="true"' in restored,
        None if found is None else parsedate_to_datetime(found[1]),
    )
