"""Read the archive back: what is in it, event by event, without asking logferry."""

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from logferry_contracts.log_group import log_group_of_folder
from logferry_contracts.seal_key import SEALS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

type Event = tuple[str, str, str, int, str]
"""``(profile, log group, stream as in the key, timestamp in ms, message)``"""

_KEY = re.compile(
    r"(?P<profile>[^/]+)/(?P<log_group>.*)/\d{4}/\d{2}/\d{2}/\d{2}"
    r"/(?P<task_id>[^/]+)/(?P<stream>[^/]+)/\d{6}\.gz"
)
_LINE = re.compile(r"(?m)^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z) ")
"""Where an event begins; a line that begins otherwise goes on with the event before it."""


@dataclass(frozen=True)
class ObjectVersion:
    """One object version of the archive and how it is protected.

    Attributes:
        kms_key_arn: None unless it is under SSE-KMS.
        legal_hold: Whether it is on legal hold.
    """

    key: str
    version_id: str
    is_latest: bool
    kms_key_arn: str | None
    legal_hold: bool
    events: "Counter[Event]"


def read(s3: "S3Client", bucket: str) -> list[ObjectVersion]:
    """Return every object version of ``bucket`` but the seals', with the events that are in it."""
    versions = [
        version
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for version in page.get("Versions", [])
        if not version["Key"].startswith(SEALS)
    ]
    with ThreadPoolExecutor(8) as pool:
        return list(
            pool.map(
                lambda v: _read_version(s3, bucket, v["Key"], v["VersionId"], v["IsLatest"]),
                versions,
            )
        )


def _read_version(
    s3: "S3Client",
    bucket: str,
    key: str,
    version_id: str,
    is_latest: bool,  # noqa: FBT001  (S3's own flag)
) -> ObjectVersion:
    got = s3.get_object(Bucket=bucket, Key=key, VersionId=version_id)
    return ObjectVersion(
        key,
        version_id,
        is_latest,
        got.get("SSEKMSKeyId"),
        got.get("ObjectLockLegalHoldStatus") == "ON",
        Counter(_events(key, got["Body"].read())),
    )


def _events(key: str, body: bytes) -> Iterator[Event]:
    matched = _KEY.fullmatch(key)
    if not matched:
        return
    text = gzip.decompress(body).decode()
    _, *parts = _LINE.split(text)
    for stamp, message in zip(parts[::2], parts[1::2], strict=True):
        timestamp_ms = round(datetime.fromisoformat(stamp).timestamp() * 1000)
        yield (
            matched["profile"],
            log_group_of_folder(matched["log_group"]),
            matched["stream"],
            timestamp_ms,
            message.removesuffix("\n"),
        )


def as_archived(profile: str, log_group: str, stream: str, at_ms: int, message: str) -> Event:
    """Return an event as the archive names it: a stream has no slash in a key."""
    return profile, log_group, stream.replace("/", "-"), at_ms, message
