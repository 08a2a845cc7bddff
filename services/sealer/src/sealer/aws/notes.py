"""The sealer's own notes in the control bucket, below ``seals/``. The statement `KeepNotes`.

::

    seals/<account>/<Region>/measured/<export id>.json   what was read of an export's objects
    seals/<account>/<Region>/dates/<from_ms>.sqlite      what is known of a date, see `draft`
    seals/<account>/<Region>/chain.json                  what was published, and the time zone
    seals/<account>/<Region>/contradicted/...            what the last seal of an export differs in
    seals/<account>/<Region>/lacking/...                 what CloudWatch has more events of

They are worth nothing but time: what is lost is done again. But the last two, which tell people
what is to be mended; of what is lost there, the seals tell.
"""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from pydantic import Field, ValidationError

from logferry_contracts.chain import ChainName, Sequence
from logferry_contracts.day_seal import DaySeal
from logferry_contracts.digest import Sha256
from logferry_contracts.ledger_key import chain_note_key, seal_notes_prefix
from logferry_contracts.manifest import ObjectKey
from logferry_contracts.message import Message, Timestamp
from logferry_contracts.plan_request import Date
from logferry_contracts.statement import Difference, Leftover, StatedObject
from logferry_contracts.window import TimeZone, Window
from logferry_deliveries.calls import calling
from logferry_deliveries.errors import AwsError
from sealer.aws.calls import OVERTAKEN
from sealer.errors import OvertakenError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


logger = Logger()


class _OvertakenError(AwsError):
    """Somebody else has written since it was read."""


_OVERTAKEN: dict[str, type[AwsError]] = dict.fromkeys(OVERTAKEN, _OvertakenError)


class Begun(Message):
    """An object of which it is not sure that one invocation can read it.

    Attributes:
        at: When an invocation began to.
    """

    key: ObjectKey
    at: Timestamp


class MeasuredExport(Message):
    """What was read of an export's objects so far.

    Attributes:
        manifest_sha256: Of the manifest that it was read by: of another one it is worth nothing.
        leftovers: What else lies below the prefix of its destination.
        is_complete: Whether all of them were.
        begun: What may be too large.
        listed_sha256: Of what the archive's listing showed before what differs was read; None where
            nobody knows.
    """

    manifest_sha256: Sha256
    objects: list[StatedObject]
    leftovers: list[Leftover]
    differences: list[Difference]
    is_complete: bool
    begun: list[Begun] = Field(default_factory=list)
    listed_sha256: Sha256 | None = None


class SealedDate(Message):
    """A date that is sealed, and is looked at for truth that comes later.

    Attributes:
        sequence: Of its seal of the kind ``day``.
        listing_sha256: Of what the ledger's listing showed when stock was last taken of it; None
            where nobody has since the seal.
    """

    date: Date
    time_zone: TimeZone
    covers: Window
    sequence: Sequence
    listing_sha256: Sha256 | None = None

    @classmethod
    def of(cls, seal: DaySeal) -> Self | None:
        """Return the date of a seal; None where that is not of the kind ``day``."""
        sealed = seal.sealed
        if seal.kind != "day" or sealed is None:
            return None
        return cls(
            date=sealed.date,
            time_zone=sealed.time_zone,
            covers=sealed.covers,
            sequence=seal.sequence,
        )


class ChainNote(Message):
    """What is known of a chain besides its seals.

    Attributes:
        published: The sequence of the last seal that was told of; 0 for none.
        time_zone: Of the last date that was completed; None when none was.
        dates: Those that are still looked at, in the order in which they were sealed.
    """

    published: Annotated[int, Field(ge=0)] = 0
    time_zone: TimeZone | None = None
    dates: Annotated[list[SealedDate], Field(default_factory=list)]


class Notes:
    """The notes of all chains."""

    def __init__(self, s3: "S3Client", bucket: str) -> None:
        """Keep them in the control bucket ``bucket``."""
        self._s3 = s3
        self._bucket = bucket

    def measured(self, chain: ChainName, export_id: str) -> MeasuredExport | None:
        """Return what was read of an export's objects; None for nothing."""
        return self._read(_measured_key(chain, export_id), MeasuredExport)

    def keep_measured(self, chain: ChainName, export_id: str, read: MeasuredExport) -> None:
        """Note what was read of an export's objects."""
        self._write(_measured_key(chain, export_id), read)

    def chain(self, chain: ChainName) -> tuple[ChainNote, str] | None:
        """Return what is noted of a chain, and its ETag; None for nothing."""
        key = chain_note_key(chain.account_id, chain.region)
        found = self._get(key)
        if found is None:
            return None
        return _parsed(ChainNote, key, found[0]) or ChainNote(dates=[]), found[1]

    def keep_chain(self, chain: ChainName, note: ChainNote, etag: str | None) -> str:
        """Note what is known of a chain over what was read, and return the new ETag.

        Raises:
            OvertakenError: Somebody else has, since.
        """
        condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
        try:
            return self._write(chain_note_key(chain.account_id, chain.region), note, **condition)
        except _OvertakenError as error:
            raise OvertakenError(str(error)) from error

    def for_people(self, what: str, chain: ChainName) -> set[str]:
        """Return the keys of the notes of what seals have, or had, such as contradicted."""
        prefix = seal_notes_prefix(what, chain.account_id, chain.region)
        with calling("ListObjectsV2", prefix):
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=prefix
            )
            return {each["Key"] for page in pages for each in page.get("Contents", [])}

    def note_for_people(self, key: str, log_group_name: str) -> None:
        """Note that a seal has an export of a log group as such; of none, that it has not.

        Nothing is removed: who may remove what is noted could hide it.
        """
        with calling("PutObject", key):
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=log_group_name.encode())

    def fetch_draft(self, chain: ChainName, from_ms: int, path: Path) -> bool:
        """Write the draft of the date that starts then to a file; False when there is none."""
        key = _draft_key(chain, from_ms)
        with calling("GetObject", key):
            found = self._open(key)
            if found is None:
                return False
            with closing(found["Body"]) as body, path.open("wb") as file:
                for piece in body.iter_chunks(256 * 1024):
                    file.write(piece)
        return True

    def keep_draft(self, chain: ChainName, from_ms: int, path: Path) -> None:
        """Keep the draft of the date that starts then."""
        key = _draft_key(chain, from_ms)
        with calling("PutObject", key), path.open("rb") as body:
            self._s3.put_object(Bucket=self._bucket, Key=key, Body=body)

    def _read[M: Message](self, key: str, kind: type[M]) -> M | None:
        found = self._get(key)
        return None if found is None else _parsed(kind, key, found[0])

    def _get(self, key: str) -> tuple[bytes, str] | None:
        with calling("GetObject", key):
            found = self._open(key)
            return None if found is None else (found["Body"].read(), found["ETag"])

    def _open(self, key: str) -> Any:
        """Return S3's answer; None where there is no such key."""
        try:
            return self._s3.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise

    def _write(self, key: str, note: Message, **condition: Any) -> str:
        with calling("PutObject", key, _OVERTAKEN):
            return self._s3.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=note.model_dump_json(exclude_none=True).encode(),
                ContentType="application/json",
                **condition,
            )["ETag"]


def _parsed[M: Message](kind: type[M], key: str, text: bytes) -> M | None:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:  # of another release, say
        logger.exception("a note is damaged, and written anew", key=key, detail=str(error))
        return None


def _prefix(chain: ChainName) -> str:
    return f"seals/{chain.account_id}/{chain.region}/"


def _measured_key(chain: ChainName, export_id: str) -> str:
    return f"{_prefix(chain)}measured/{export_id}.json"


def _draft_key(chain: ChainName, from_ms: int) -> str:
    return f"{_prefix(chain)}dates/{from_ms:015d}.sqlite"
