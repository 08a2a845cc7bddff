"""ObjectCreated: S3's event that an object version is there, as EventBridge delivers it.

The shape is AWS's, so only what is read is described.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from typing import Annotated, Literal

from pydantic import Field

from logferry_contracts.manifest import ObjectKey, VersionId
from logferry_contracts.message import Count, Message


class CreatedObject(Message):
    """The object; its key is plain here, not URL-encoded as in S3's own notifications.

    Attributes:
        version_id: None in a bucket without versioning.
    """

    key: ObjectKey
    size: Count
    version_id: Annotated[VersionId | None, Field(alias="version-id")] = None


class CreatedIn(Message):
    """The bucket."""

    name: Annotated[str, Field(min_length=3, max_length=63)]


class ObjectCreatedDetail(Message):
    """What was created.

    Attributes:
        reason: ``PutObject``, ``POST Object``, ``CopyObject`` or ``CompleteMultipartUpload``.
    """

    bucket: CreatedIn
    object: CreatedObject
    reason: Annotated[str, Field(min_length=1)]


class ObjectCreated(Message):
    """EventBridge → sse-enforcer."""

    source: Literal["aws.s3"]
    detail_type: Annotated[Literal["Object Created"], Field(alias="detail-type")]
    detail: ObjectCreatedDetail
