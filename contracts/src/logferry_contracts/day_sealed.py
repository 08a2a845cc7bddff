"""DaySealed: a seal is in the archive."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from logferry_contracts.chain import ChainName, Sequence
from logferry_contracts.day_seal import DaySeal, Kind, NextKey, SealedWindows
from logferry_contracts.digest import Sha256
from logferry_contracts.manifest import ObjectKey, VersionId
from logferry_contracts.message import CloudEvent, Message, Timestamp
from logferry_contracts.object_secured import KeyArn
from logferry_contracts.source import BucketName
from logferry_contracts.statement import CONTRADICTED

SEALER_URN = "urn:logferry:sealer"
"""The CloudEvents ``source`` of what the sealer sends."""


class SealLocation(Message):
    """Where a seal is."""

    bucket: BucketName
    key: ObjectKey
    version_id: VersionId


class DaySealedData(Message):
    """One seal, see `DaySeal`.

    Attributes:
        seal_sha256: Of its envelope as it is stored.
    """

    chain: ChainName
    sequence: Sequence
    kind: Kind
    seal_sha256: Sha256
    previous_sha256: Sha256 | None = None
    sealed: SealedWindows | None = None
    next_key: NextKey | None = None
    sealed_at: Timestamp
    key_id: Sha256
    key_arn: KeyArn
    location: SealLocation


class DaySealed(CloudEvent):
    """Sealer → topic. ``id`` is ``seal_sha256``."""

    TYPE: ClassVar[str] = "logferry.day.sealed.v1"
    SCHEMA: ClassVar[str] = "urn:logferry:schema:day-sealed:1.0"

    type: Literal["logferry.day.sealed.v1"]
    dataschema: Annotated[str, Field(pattern=r"^urn:logferry:schema:day-sealed:1\.[0-9]+$")]
    data: DaySealedData

    @classmethod
    def of_seal(cls, seal: DaySeal, seal_sha256: str, location: SealLocation) -> Self:
        """Return the event of a seal: the same whenever it is made.

        Args:
            seal: What it says.
            seal_sha256: Of its envelope as it is stored.
            location: Where that is.
        """
        said = dict(seal)
        told = {name: said[name] for name in DaySealedData.model_fields.keys() & said.keys()}
        data = DaySealedData(seal_sha256=seal_sha256, location=location, **told)
        time = datetime.fromisoformat(seal.sealed_at)
        return cls.of(data, id=seal_sha256, source=SEALER_URN, time=time)

    @property
    def attributes(self) -> dict[str, str]:
        """The SNS message attributes, for filter policies.

        ``profile`` is there where all is of one; ``contradicted``, a number, where there is any.
        """
        found = {"type": self.type, **self.data.chain.attributes, "kind": self.data.kind}
        sealed = self.data.sealed
        if sealed is not None and len(sealed.profiles) == 1:
            found["profile"] = sealed.profiles[0]
        if sealed is not None and sealed.outcomes.get(CONTRADICTED):
            found[CONTRADICTED] = str(sealed.outcomes[CONTRADICTED])
        return found
