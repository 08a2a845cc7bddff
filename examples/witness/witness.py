"""Keep the newest seal of each chain of an archive, and sign what was seen.

The function of this example. A batch of SQS messages, each with a DaySealed as its body, says where
to look; anything else, such as the clock's event, has it look at every chain::

    {"Records": [{"messageId": "...", "body": "..."}]}
    {"batchItemFailures": [{"itemIdentifier": "..."}]}

It believes no event. It reads the seals themselves, from the one on that it has seen last, and goes
neither back nor aside: whatever does not follow is a conflict, which it tells and does not sign.

In its bucket, where nothing can be removed for years::

    notes/<account>/<Region>/<sequence>      what was seen, a note for each seal, written once
    keys/<account>/<Region>/<sequence>.pem   the key that is trusted after a seal of the kind key
    heads/<account>/<Region>                 the newest note, for whoever asks
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from logferry_contracts.chain import ChainName
from logferry_contracts.day_sealed import DaySealed, DaySealedData
from logferry_contracts.events import parse_event
from logferry_contracts.seal_key import SEALS, seal_key, seals_prefix, sequence_of
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.signed_note import SignedNote, cosigned_message
from logferry_contracts.verification.chain import follow
from logferry_contracts.verification.findings import (
    CutOffError,
    SealError,
    SealsMissingError,
    SecondHistoryError,
)
from logferry_contracts.verification.places import MAX_SEAL_BYTES
from logferry_contracts.wire import ContractError
from logferry_contracts.witness import Head, WitnessKey

logger = logging.getLogger()
logger.setLevel("INFO")

CLIENT_CONFIG = Config(retries={"mode": "legacy", "total_max_attempts": 6})
"""Throttles, 5xx and broken connections are tried again for up to 31 s, without a budget."""

PINNED = Path(__file__).with_name("seals.pem")
"""The public key of the archive's seals, which came with the code: nobody changes it beside it."""

NAMESPACE = "logferry-witness"


_ACCOUNT = re.compile(r"[0-9]{12}/", re.ASCII)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-[0-9]+/", re.ASCII)


class NotThereError(Exception):
    """A seal was announced and is not in the archive: it is looked for again."""


def handle(event: Mapping[str, Any], _: object) -> dict[str, Any]:
    """Look at the chains that messages tell of, or at all; what may pass comes again, alone."""
    witness = make_witness()
    if "Records" not in event:
        look_at_all(witness)
        return {}
    failed = []
    for record in event["Records"]:
        try:
            consume(record["body"], witness)
        except Exception:
            # After five times it goes to the dead-letter queue, by the queue's redrive policy.
            logger.exception("will be tried again")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


@dataclass(frozen=True)
class Archive:
    """The hub's archive, of which seals are read and nothing else."""

    s3: Any
    bucket: str

    def chains(self) -> set[ChainName]:
        """Return the chains that there is anything of; what else lies there is nobody's."""
        return _chains(self.s3, self.bucket, SEALS)

    def sequences(self, chain: ChainName, after: int) -> Iterator[int]:
        """Yield the sequences of the seals that come after one, in order."""
        start = {"StartAfter": seal_key(chain, after)} if after > 0 else {}
        for key in _keys(self.s3, self.bucket, seals_prefix(chain), **start):
            try:
                yield sequence_of(chain, key)
            except ValueError:
                continue  # somebody else's: whoever checks the archive is told

    def seal(self, chain: ChainName, sequence: int) -> bytes:
        """Return a seal's envelope, of what is too long for one so much that it shows."""
        found = self.s3.get_object(Bucket=self.bucket, Key=seal_key(chain, sequence))
        data: bytes = found["Body"].read(MAX_SEAL_BYTES + 1)
        return data


@dataclass(frozen=True)
class Kept:
    """The newest note of a chain.

    Attributes:
        at: When it was written.
    """

    head: Head
    stored: bytes
    at: datetime


@dataclass(frozen=True)
class Notes:
    """The witness's own bucket."""

    s3: Any
    bucket: str

    def chains(self) -> set[ChainName]:
        """Return the chains that anything was seen of, whether a head is shown of it yet or not."""
        return _chains(self.s3, self.bucket, "notes/")

    def newest(self, chain: ChainName) -> Kept | None:
        """Return the newest note of a chain, whether it is shown yet or not."""
        shown = self._read(_head_key(chain))
        after = {"StartAfter": _note_key(chain, shown.head.sequence)} if shown else {}
        newer = list(_keys(self.s3, self.bucket, _notes_prefix(chain), **after))
        return self._read(newer[-1]) if newer else shown

    def of(self, chain: ChainName, sequence: int) -> Head | None:
        """Return what was seen in one place of a chain."""
        found = self._read(_note_key(chain, sequence))
        return None if found is None else found.head

    def keys(self, chain: ChainName, upto: int) -> list[TrustedKey]:
        """Return the key that is trusted after a seal, none where that is the pinned one still."""
        prefix = f"keys/{chain}/"
        found = [
            key
            for key in _keys(self.s3, self.bucket, prefix)
            if int(key.removeprefix(prefix).removesuffix(".pem")) <= upto
        ]
        return [self._key(found[-1])] if found else []

    def add(self, head: Head, stored: bytes) -> None:
        """Write a note, unless there is one of this seal: then whoever comes again finds it."""
        self._put(_note_key(head.chain, head.sequence), stored, IfNoneMatch="*")

    def add_key(self, chain: ChainName, sequence: int, key: TrustedKey) -> None:
        """Write down which key is trusted after a seal. Written twice it is the same."""
        self._put(f"keys/{chain}/{sequence:010d}.pem", key.pem)

    def show(self, kept: Kept) -> None:
        """Show a chain's newest note to whoever asks."""
        key = _head_key(kept.head.chain)
        shown = self._read(key)
        if shown is None or shown.head.sequence < kept.head.sequence:
            self._put(key, kept.stored)

    def _key(self, key: str) -> TrustedKey:
        return TrustedKey.from_pem(self._get(key)["Body"].read(), key)

    def _read(self, key: str) -> Kept | None:
        try:
            found = self._get(key)
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchKey":
                raise
            return None
        stored = found["Body"].read()
        return Kept(Head.parse(SignedNote.parse(stored).text), stored, found["LastModified"])

    def _get(self, key: str) -> Any:
        return self.s3.get_object(Bucket=self.bucket, Key=key)

    def _put(self, key: str, body: bytes, **condition: str) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body, **condition)


@dataclass(frozen=True)
class Pen:
    """The witness's key, which does not leave KMS."""

    kms: Any
    key_arn: str
    name: str

    @cached_property
    def key(self) -> WitnessKey:
        """Whoever is to believe the witness needs this."""
        der = self.kms.get_public_key(KeyId=self.key_arn)["PublicKey"]
        return WitnessKey.from_der(self.name, der)

    def sign(self, head: Head, at: datetime) -> bytes:
        """Return a note that says that this is a chain's newest seal.

        https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
        """
        text, at_s = head.text(), int(at.timestamp())
        signature = self.kms.sign(
            KeyId=self.key_arn,
            Message=cosigned_message(text, at_s),
            MessageType="RAW",
            SigningAlgorithm="ED25519_SHA_512",
        )["Signature"]
        return SignedNote(text, (self.key.cosignature(at_s, signature),)).stored()


@dataclass(frozen=True)
class Witness:
    """Follows chains.

    Attributes:
        pinned: The key that signs the first seal of each chain.
    """

    archive: Archive
    notes: Notes
    pen: Pen
    pinned: TrustedKey

    def look(self, chain: ChainName) -> Kept | None:
        """Follow a chain as far as it goes, and return the newest note of it.

        Raises:
            SealError: What is there does not follow what was seen. What did follow is signed.
        """
        newest = self.notes.newest(chain)
        held = None if newest is None else newest.head
        try:
            if held is not None:
                self._check_still_there(held)
            for kept in self._following(chain, held):
                self.notes.add(kept.head, kept.stored)
                newest = kept
        except SealError:
            try:
                self._show(newest)
            except Exception:  # the conflict is what has to be told; the next look shows it
                logger.exception("could not show the head of %s", chain)
            raise
        except Exception:
            self._show(newest)
            raise
        self._show(newest)
        return newest

    def _show(self, newest: Kept | None) -> None:
        if newest is not None:
            self.notes.show(newest)

    def check_announced(self, data: DaySealedData, newest: Head | None) -> None:
        """Compare what an event says with what was seen.

        Raises:
            SealError: It announces another seal than is there.
            NotThereError: The seal is not there yet.
        """
        if newest is None or data.sequence > newest.sequence:
            raise NotThereError(f"seal {data.sequence} of {data.chain}, {data.seal_sha256}")
        seen = self.notes.of(data.chain, data.sequence)
        if seen is not None and seen.sha256 != data.seal_sha256:
            told = f"{seen.sha256} was seen, but {data.seal_sha256} announced"
            raise SecondHistoryError(seal_key(data.chain, data.sequence), told)

    def _check_still_there(self, held: Head) -> None:
        """Look whether the seal that was seen last is there as it was."""
        there = next(self.archive.sequences(held.chain, held.sequence - 1), 0)
        if there != held.sequence:
            next_one = f"seal {there} comes next" if there else "nothing is there"
            raise CutOffError(f"{held.chain}", f"seal {held.sequence} was seen, and {next_one}")
        digest = sha256(self.archive.seal(held.chain, held.sequence)).hexdigest()
        if digest != held.sha256:
            told = f"{held.sha256} was seen, and {digest} is there"
            raise SecondHistoryError(seal_key(held.chain, held.sequence), told)

    def _following(self, chain: ChainName, held: Head | None) -> Iterator[Kept]:
        """Yield a note of each seal that follows, one after the other."""
        last: tuple[int, str | None] = (held.sequence, held.sha256) if held else (0, None)
        keys = tuple(self.notes.keys(chain, last[0])) or (self.pinned,)
        for sequence in self.archive.sequences(chain, last[0]):
            if sequence != last[0] + 1:
                told = f"seal {sequence} comes after seal {last[0]}"
                raise SealsMissingError(f"{chain}", told)
            followed = follow(chain, last, keys, self.archive.seal(chain, sequence))
            if followed.link.kind == "key":
                self.notes.add_key(chain, sequence, followed.keys[0])
            head = Head(chain, sequence, followed.link.sha256)
            now = datetime.now(UTC)
            yield Kept(head, self.pen.sign(head, now), now)
            last, keys = (sequence, head.sha256), followed.keys


def consume(body: str, witness: Witness) -> None:
    """Look at the chain that an event is of, or put aside what no further try can mend."""
    try:
        event = parse_event(body)
    except ContractError as error:
        put_aside(body, error.reason, error)
        return
    if not isinstance(event, DaySealed):
        return
    try:
        kept = witness.look(event.data.chain)
        witness.check_announced(event.data, None if kept is None else kept.head)
    except SealError as error:
        tell_conflict(error)
        put_aside(body, error.code, error)


def look_at_all(witness: Witness) -> None:
    """Look at every chain that is there or was seen, and tell how old the oldest head is.

    Where it could not look at one, it tells no age: what the others have would hide that.

    Raises:
        RuntimeError: At some of them it could not look: Lambda has it try again.
    """
    chains = witness.archive.chains() | witness.notes.chains()
    ages, failed = [], []
    for chain in sorted(chains, key=str):
        try:
            kept = look_at(witness, chain)
        except Exception:
            logger.exception("could not look at %s", chain)
            failed.append(chain)
            continue
        if kept is not None:
            ages.append((datetime.now(UTC) - kept.at) / timedelta(days=1))
    if failed:
        raise RuntimeError(f"could not look at {', '.join(map(str, failed))}")
    if ages:
        put_metric("DaysSinceHead", max(ages))


def look_at(witness: Witness, chain: ChainName) -> Kept | None:
    """Follow a chain and return its newest note; what does not follow is told."""
    try:
        return witness.look(chain)
    except SealError as error:
        tell_conflict(error)
        return witness.notes.newest(chain)


def tell_conflict(error: SealError) -> None:
    """Alarm: the archive shows another chain than was seen."""
    logger.error("conflict: %s: %s", error.code, error)
    put_metric("Conflicts", 1)


def put_metric(name: str, value: float) -> None:
    """Tell CloudWatch a number that the stack's alarms look at."""
    data = [{"MetricName": name, "Value": value}]
    client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=data)


def put_aside(body: str, reason: str, error: Exception) -> None:
    """Send what no further try can mend to the dead-letter queue, with the reason."""
    attributes = {"reason": reason, "detail": str(error)[:1000]}
    client("sqs").send_message(
        QueueUrl=os.environ["DEAD_LETTER_QUEUE_URL"],
        MessageBody=body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
        },
    )
    logger.error("put aside: %s", error)


def make_witness() -> Witness:
    """Return the witness of this stack, who may read the archive for one hour."""
    return Witness(
        Archive(archive_client(), os.environ["ARCHIVE_BUCKET"]),
        Notes(client("s3"), os.environ["NOTES_BUCKET"]),
        Pen(client("kms"), os.environ["SIGNING_KEY_ARN"], os.environ["WITNESS_NAME"]),
        TrustedKey.from_pem(PINNED.read_bytes(), PINNED.name),
    )


def archive_client() -> Any:
    """Return a client that reads the archive as the hub lets this function, for one hour."""
    role = client("sts").assume_role(
        RoleArn=os.environ["READER_ROLE_ARN"], RoleSessionName="logferry-witness"
    )["Credentials"]
    return boto3.client(
        "s3",
        aws_access_key_id=role["AccessKeyId"],
        aws_secret_access_key=role["SecretAccessKey"],
        aws_session_token=role["SessionToken"],
        config=CLIENT_CONFIG,
    )


@cache
def client(service: str) -> Any:
    """Return a client of this account."""
    return boto3.client(service, config=CLIENT_CONFIG)  # type: ignore[call-overload]  # any service


def _head_key(chain: ChainName) -> str:
    return f"heads/{chain}"


def _notes_prefix(chain: ChainName) -> str:
    return f"notes/{chain}/"


def _note_key(chain: ChainName, sequence: int) -> str:
    return f"{_notes_prefix(chain)}{sequence:010d}"


def _keys(s3: Any, bucket: str, prefix: str, **start: str) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, **start)
    for page in pages:
        yield from (each["Key"] for each in page.get("Contents", []))


def _chains(s3: Any, bucket: str, prefix: str) -> set[ChainName]:
    """Return the chains whose account and Region are folders; what else lies there is nobody's."""
    return {
        ChainName(account_id=account.rstrip("/"), region=region.rstrip("/"))
        for account in filter(_ACCOUNT.fullmatch, _folders(s3, bucket, prefix))
        for region in filter(_REGION.fullmatch, _folders(s3, bucket, f"{prefix}{account}"))
    }


def _folders(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    """Yield the names of the folders of one, each with its slash."""
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=prefix, Delimiter="/"
    )
    for page in pages:
        yield from (each["Prefix"].removeprefix(prefix) for each in page.get("CommonPrefixes", []))
