"""The witness, with stand-ins for KMS and queues and its buckets in moto."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from contracts.tests.sealed_archive import SOURCE, Archive, SealingKey, seal_of
from contracts.tests.witnessing import head_of
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from examples.witness import witness as module
from examples.witness.witness import Notes, NotThereError, Pen, Witness
from moto import mock_aws
from tests.attacks.places import S3Bucket

from logferry_contracts.chain import ChainName
from logferry_contracts.day_sealed import DaySealed, SealLocation
from logferry_contracts.seal_key import seal_key
from logferry_contracts.verification import findings as named
from logferry_contracts.verification.witnesses import Witnessed
from logferry_contracts.wire import emit, parse

NAME = "witness.example.com/logferry"
NOTES = "the-notes-of-the-witness"


@dataclass
class Kms:
    """Signs as KMS does, which moto does not by such keys; fails after some signatures."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    left: int = 1000

    def get_public_key(self, *, KeyId: str) -> dict[str, bytes]:  # noqa: N803
        public = self.private.public_key()
        return {"PublicKey": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)}

    def sign(self, *, KeyId: str, Message: bytes, **how: str) -> dict[str, bytes]:  # noqa: N803
        assert how == {"MessageType": "RAW", "SigningAlgorithm": "ED25519_SHA_512"}
        if not self.left:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "-"}}, "Sign")
        self.left -= 1
        return {"Signature": self.private.sign(Message)}


class Told:
    """The dead-letter queue and CloudWatch."""

    def __init__(self) -> None:
        self.letters: list[dict[str, Any]] = []
        self.metrics: list[tuple[str, float]] = []

    @property
    def reasons(self) -> list[str]:
        return [each["MessageAttributes"]["reason"]["StringValue"] for each in self.letters]

    @property
    def conflicts(self) -> int:
        return sum(name == "Conflicts" for name, _ in self.metrics)

    def send_message(self, **letter: Any) -> None:
        self.letters.append(letter)

    def put_metric_data(self, *, Namespace: str, MetricData: list[dict[str, Any]]) -> None:  # noqa: N803
        assert Namespace == "logferry-witness"
        self.metrics += [(each["MetricName"], each["Value"]) for each in MetricData]


@pytest.fixture(scope="module")
def session() -> boto3.Session:
    """One for all: each reads its models anew."""
    return boto3.Session("any", "any", region_name="eu-central-1")


@pytest.fixture
def s3(session: boto3.Session) -> Iterator[Any]:
    with mock_aws():
        yield session.client("s3")


@pytest.fixture
def archive(s3: Any) -> Archive:
    """Three dates, sealed."""
    sealed = Archive(S3Bucket(s3, "the-archive", "eu-central-1"))
    sealed.days(3)
    return sealed


@pytest.fixture
def kms() -> Kms:
    return Kms()


@pytest.fixture
def witness(s3: Any, archive: Archive, kms: Kms) -> Witness:
    S3Bucket(s3, NOTES, "eu-central-1")
    return Witness(
        module.Archive(s3, "the-archive"),
        Notes(s3, NOTES),
        Pen(kms, "the-key", NAME),
        archive.key.trusted,
    )


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, witness: Witness) -> Told:
    """What the function tells, of this witness."""
    told = Told()
    monkeypatch.setattr(module, "client", lambda _: told)
    monkeypatch.setattr(module, "make_witness", lambda: witness)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://sqs/dead-letters")
    return told


def note_of(witness: Witness, key: str) -> Witnessed:
    """Read a note as whoever trusts the witness does."""
    stored = witness.notes.s3.get_object(Bucket=NOTES, Key=key)["Body"].read()
    return Witnessed.read(key, stored, [witness.pen.key])


def shown(witness: Witness, archive: Archive) -> int:
    """Return the sequence of the head that is shown, which the witness has signed."""
    found = note_of(witness, f"heads/{archive.chain}")
    assert (found.fault, found.witness) == (None, NAME)
    assert found.head == head_of(archive, found.head.sequence)
    return found.head.sequence


def event(archive: Archive, sequence: int, **changes: Any) -> str:
    seal, stored = seal_of(archive, sequence), archive.seal(sequence)
    location = SealLocation(
        bucket="the-archive", key=seal_key(archive.chain, sequence), version_id="v"
    )
    found = DaySealed.of_seal(seal, sha256(stored).hexdigest(), location)
    return emit(found.model_copy(update={"data": found.data.model_copy(update=changes)}))


def handled(*bodies: str) -> list[str]:
    """Have messages handled, and return which of them have to come again."""
    records = [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]
    answer = module.handle({"Records": records}, None)
    return [each["itemIdentifier"] for each in answer["batchItemFailures"]]


def test_a_chain_is_followed_from_its_first_seal_and_each_is_signed(
    witness: Witness, archive: Archive
) -> None:
    witness.look(archive.chain)
    assert shown(witness, archive) == 3
    for sequence in (1, 2, 3):
        found = note_of(witness, f"notes/{archive.chain}/{sequence:010d}")
        assert (found.head, found.witness) == (head_of(archive, sequence), NAME)
        assert found.at is not None
        assert datetime.now(UTC) - found.at < timedelta(minutes=10)


def test_events_may_come_twice_out_of_order_and_not_at_all(
    witness: Witness, archive: Archive, told: Told
) -> None:
    assert handled(event(archive, 3), event(archive, 1), event(archive, 3)) == []
    assert shown(witness, archive) == 3
    assert (told.letters, told.metrics) == ([], [])


def test_what_no_event_has_told_of_the_clock_finds(
    witness: Witness, archive: Archive, told: Told
) -> None:
    module.handle({"source": "aws.events"}, None)
    assert shown(witness, archive) == 3
    [(name, days)] = told.metrics
    assert name == "DaysSinceHead"
    assert 0 <= days < 1


def test_a_seal_that_is_announced_and_not_there_yet_comes_again(
    witness: Witness, archive: Archive, told: Told
) -> None:
    early = event(archive, 3)
    archive.bucket.remove(seal_key(archive.chain, 3))
    assert handled(event(archive, 2), early) == ["1"]
    assert shown(witness, archive) == 2
    with pytest.raises(NotThereError):
        witness.check_announced(parse(DaySealed, early).data, head_of(archive, 2))


def test_what_an_event_says_of_a_seal_that_was_seen_otherwise_is_a_conflict(
    witness: Witness, archive: Archive, told: Told
) -> None:
    assert handled(event(archive, 2, seal_sha256="0" * 64)) == []
    assert (told.reasons, told.conflicts) == (["second_history"], 1)
    assert shown(witness, archive) == 3


def test_it_goes_on_where_it_was(witness: Witness, archive: Archive, kms: Kms) -> None:
    witness.look(archive.chain)
    archive.days(2)
    kms.left = 2  # only what is new is signed
    witness.look(archive.chain)
    witness.look(archive.chain)
    assert (shown(witness, archive), kms.left) == (5, 0)


def test_a_look_that_breaks_off_is_gone_on_with(
    witness: Witness, archive: Archive, kms: Kms
) -> None:
    kms.left = 2
    with pytest.raises(ClientError):
        witness.look(archive.chain)
    assert shown(witness, archive) == 2
    kms.left = 1
    witness.look(archive.chain)
    assert shown(witness, archive) == 3


def test_a_note_that_was_written_and_not_shown_is_shown(
    witness: Witness, archive: Archive, kms: Kms
) -> None:
    witness.look(archive.chain)
    older = witness.notes.of(archive.chain, 1)
    note = witness.notes.s3.get_object(Bucket=NOTES, Key=f"notes/{archive.chain}/0000000001")
    witness.notes.s3.put_object(
        Bucket=NOTES, Key=f"heads/{archive.chain}", Body=note["Body"].read()
    )
    assert older == head_of(archive, 1)
    assert shown(witness, archive) == 1  # as when it was killed before it showed the others
    kms.left = 0
    witness.look(archive.chain)
    assert shown(witness, archive) == 3


def test_of_two_who_come_at_once_one_writes_a_note(witness: Witness, archive: Archive) -> None:
    head = head_of(archive, 1)
    first = witness.pen.sign(head, datetime.now(UTC))
    witness.notes.add(head, first)
    with pytest.raises(ClientError, match="PreconditionFailed"):
        witness.notes.add(head, witness.pen.sign(head, datetime.now(UTC)))
    witness.look(archive.chain)
    assert shown(witness, archive) == 3


def test_another_key_is_trusted_through_the_one_before(witness: Witness, archive: Archive) -> None:
    witness.look(archive.chain)
    archive.rotate(SealingKey())
    archive.days(1)
    witness.look(archive.chain)
    archive.days(1)
    archive.rotate(SealingKey())
    archive.days(1)
    witness.look(archive.chain)
    assert shown(witness, archive) == archive.sequence == 8


# It goes neither back nor aside.


def conflict(witness: Witness, archive: Archive) -> type[named.SealError]:
    with pytest.raises(named.SealError) as raised:
        witness.look(archive.chain)
    return type(raised.value)


@pytest.mark.parametrize("gone", [[3], [2, 3], [1, 2, 3]])
def test_it_does_not_go_back(witness: Witness, archive: Archive, gone: list[int]) -> None:
    witness.look(archive.chain)
    for sequence in gone:
        archive.bucket.remove(seal_key(archive.chain, sequence))
    assert conflict(witness, archive) is named.CutOffError


def test_a_hidden_seal_is_missed(witness: Witness, archive: Archive) -> None:
    witness.look(archive.chain)
    archive.bucket.hide(seal_key(archive.chain, 3))
    assert conflict(witness, archive) is named.CutOffError


def test_it_does_not_go_aside(witness: Witness, archive: Archive) -> None:
    witness.look(archive.chain)
    before = shown(witness, archive)
    archive.bucket.remove(seal_key(archive.chain, 3))
    archive.sequence, archive.previous = 2, sha256(archive.seal(2)).hexdigest()
    archive.day([], archive.window(from_ms=archive.reached_ms))
    archive.days(1)
    assert conflict(witness, archive) is named.SecondHistoryError
    found = note_of(witness, f"heads/{archive.chain}")
    assert found.head.sequence == before


def test_a_seal_of_another_history_is_not_signed(witness: Witness, archive: Archive) -> None:
    witness.look(archive.chain)
    archive.previous = "0" * 64
    archive.days(1)
    assert conflict(witness, archive) is named.BrokenLinkError
    assert shown(witness, archive) == 3


def test_a_hole_is_not_stepped_over(witness: Witness, archive: Archive) -> None:
    archive.bucket.remove(seal_key(archive.chain, 2))
    assert conflict(witness, archive) is named.SealsMissingError
    assert shown(witness, archive) == 1


def test_what_another_key_has_signed_is_not_signed(witness: Witness, archive: Archive) -> None:
    witness.look(archive.chain)
    archive.key = SealingKey()
    archive.days(1)
    assert conflict(witness, archive) is named.ForeignKeyError
    assert shown(witness, archive) == 3


def test_a_chain_that_another_key_begins_is_not_begun(witness: Witness, archive: Archive) -> None:
    stranger = replace(witness, pinned=SealingKey().trusted)
    assert conflict(stranger, archive) is named.ForeignKeyError
    assert witness.notes.newest(archive.chain) is None


def test_a_chain_that_begins_anew_is_a_conflict(witness: Witness, archive: Archive) -> None:
    witness.look(archive.chain)
    for sequence in (1, 2, 3):
        archive.bucket.remove(seal_key(archive.chain, sequence))
    Archive(archive.bucket, archive.key).days(4, ["/another"])
    assert conflict(witness, archive) is named.SecondHistoryError


def test_bytes_of_no_meaning_are_a_conflict(witness: Witness, archive: Archive) -> None:
    archive.bucket.put(seal_key(archive.chain, 4), b"x" * 3_000_000)
    assert conflict(witness, archive) is named.NotASealError
    assert shown(witness, archive) == 3


# What it tells.


def test_a_conflict_is_told_each_time_and_its_message_put_aside(
    witness: Witness, archive: Archive, told: Told
) -> None:
    witness.look(archive.chain)
    announced = event(archive, 3)
    archive.bucket.remove(seal_key(archive.chain, 3))
    assert handled(announced) == []
    assert (told.reasons, told.conflicts) == (["cut_off"], 1)
    module.handle({}, None)
    assert told.conflicts == 2


def test_one_chains_conflict_holds_up_no_other(
    witness: Witness, archive: Archive, told: Told
) -> None:
    other = Archive(
        archive.bucket, archive.key, SOURCE.model_copy(update={"account_id": "222233334444"})
    )
    other.days(1)
    archive.bucket.remove(seal_key(archive.chain, 1))
    module.handle({}, None)
    assert told.conflicts == 1
    assert shown(witness, other) == 1


def test_a_chain_of_which_nothing_is_left_is_looked_at(
    witness: Witness, archive: Archive, told: Told
) -> None:
    witness.look(archive.chain)
    for key in archive.bucket.listed("!seals/"):  # type: ignore[attr-defined]
        archive.bucket.remove(key)
    module.handle({}, None)
    assert told.conflicts == 1


def test_a_passing_fault_fails_the_clocks_look_after_the_others(
    witness: Witness, archive: Archive, told: Told, kms: Kms
) -> None:
    kms.left = 1
    with pytest.raises(RuntimeError, match="111122223333/eu-central-1"):
        module.handle({}, None)
    assert told.conflicts == 0


def other_chain(archive: Archive) -> Archive:
    """Seal a date of another account, which is looked at after the first one."""
    source = SOURCE.model_copy(update={"account_id": "222233334444"})
    other = Archive(archive.bucket, archive.key, source)
    other.days(1)
    return other


def test_a_chain_that_cannot_be_looked_at_is_not_hidden_by_the_age_of_the_others(
    witness: Witness, archive: Archive, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_: module.Archive, chain: ChainName, sequence: int) -> bytes:
        if chain == archive.chain:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "-"}}, "GetObject")
        return read(witness.archive, chain, sequence)

    other, read = other_chain(archive), module.Archive.seal
    monkeypatch.setattr(module.Archive, "seal", denied)
    with pytest.raises(RuntimeError, match="111122223333/eu-central-1"):
        module.handle({}, None)
    assert shown(witness, other) == 1
    assert told.metrics == []  # so that silence alarms, which takes what is missing for a breach


def test_a_chain_that_is_gone_before_its_head_was_shown_is_missed(
    witness: Witness, archive: Archive, told: Told
) -> None:
    head = head_of(archive, 1)
    witness.notes.add(head, witness.pen.sign(head, datetime.now(UTC)))
    for key in archive.bucket.listed("!seals/"):  # type: ignore[attr-defined]
        archive.bucket.remove(key)
    module.handle({}, None)
    assert told.conflicts == 1


def test_a_conflict_is_told_although_no_head_can_be_shown(
    witness: Witness, archive: Archive, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*_: Any) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "-"}}, "PutObject")

    witness.look(archive.chain)
    announced = event(archive, 3)
    archive.bucket.remove(seal_key(archive.chain, 3))
    monkeypatch.setattr(Notes, "show", denied)
    assert handled(announced) == []
    assert (told.reasons, told.conflicts) == (["cut_off"], 1)


def test_a_conflict_that_cannot_be_told_holds_up_no_other_chain(
    witness: Witness, archive: Archive, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    def throttled(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "Throttling", "Message": "-"}}, "PutMetricData")

    other = other_chain(archive)
    archive.bucket.remove(seal_key(archive.chain, 1))
    monkeypatch.setattr(told, "put_metric_data", throttled)
    with pytest.raises(RuntimeError, match="111122223333/eu-central-1"):
        module.handle({}, None)
    assert shown(witness, other) == 1


@pytest.mark.parametrize(
    ("body", "reason"), [("no JSON", "not_json"), (json.dumps({"type": "x"}), "unknown_type")]
)
def test_what_cannot_be_read_is_put_aside(told: Told, body: str, reason: str) -> None:
    assert handled(body) == []
    assert told.reasons == [reason]


def test_squatted_keys_are_nobodys_seals(witness: Witness, archive: Archive, told: Told) -> None:
    here = f"!seals/{SOURCE.account_id}"
    for key in (f"{seal_key(archive.chain, 2)}.bak", "!seals/x/y", f"{here}/x/y", f"{here}/z"):
        archive.bucket.put(key, b"anything")
    module.handle({}, None)
    assert shown(witness, archive) == 3
    assert told.conflicts == 0


def test_a_chain_that_there_is_nothing_of_has_no_note(witness: Witness) -> None:
    assert witness.look(ChainName(account_id="222233334444", region="eu-central-1")) is None
