"""ObjectSecured: an object version is under the archive's key, and on hold or not yet."""

import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from logferry_contracts.export import ExportId
from logferry_contracts.manifest import ObjectKey, VersionId
from logferry_contracts.message import CloudEvent, Count, Message
from logferry_contracts.source import BucketName

KeyArn = Annotated[
    str,
    Field(max_length=2048, pattern=r"^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$"),
]


class ObjectSecuredData(Message):
    """One object version as it is now.

    Attributes:
        version_id: The version that is there now.
        replaced_version_id: The version it was copied from and that is gone; None when the
            version is the one that was written first.
        kms_key_arn: The key it is encrypted under.
        legal_hold: Whether this version is on legal hold.
        encryption: What was needed to get it under the key.
        export_id: The export it belongs to; None while that is not known.
    """

    bucket: BucketName
    key: ObjectKey
    version_id: VersionId
    replaced_version_id: VersionId | None = None
    size_bytes: Count
    kms_key_arn: KeyArn
    legal_hold: Literal["ON", "OFF"]
    encryption: Literal["already_right", "updated_in_place", "copied"]
    export_id: ExportId | None = None


class ObjectSecured(CloudEvent):
    """sse-enforcer → topic."""

    TYPE: ClassVar[str] = "logferry.object.secured.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:object-secured:1.0"

    type: Literal["logferry.object.secured.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:object-secured:1\.[0-9]+$")]
    data: ObjectSecuredData

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies."""
        return {"type": self.type}


def secured_id(data: ObjectSecuredData) -> str:
    """Return the event's id: the same object version in the same state has the same."""
    state = (data.bucket, data.key, data.version_id, data.kms_key_arn, data.legal_hold)
    return hashlib.sha256("\n".join(state).encode()).hexdigest()[:32]
