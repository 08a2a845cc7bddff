"""What a seal says, how it is stored, and the event of it."""

import hashlib
import json
from typing import Any

import pytest
from contracts.tests.documents import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts import json_text
from logferry_contracts.canonical_json import canonical_json
from logferry_contracts.day_seal import PAYLOAD_TYPE, DaySeal, read_envelope
from logferry_contracts.day_sealed import DaySealed, SealLocation
from logferry_contracts.dsse import Envelope, EnvelopeError, Signature, pae
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.seal_key import seal_key
from logferry_contracts.statement import Statement
from logferry_contracts.wire import ContractError, emit, parse

SEALS = {each.reason: parse(DaySeal, each.text) for each in examples("accept", "day-seal")}
STORED = SEALS["day"].envelope(SEALS["day"].payload(), b"signature")


@pytest.mark.parametrize(
    ("model", "message"), [(DaySeal, "day-seal"), (Statement, "statement")], ids=lambda each: each
)
def test_what_is_hashed_is_canonical_and_says_what_was_put_together(
    model: type[DaySeal | Statement], message: str
) -> None:
    for example in examples("accept", message):
        made: Any = parse(model, example.text)
        text = made.payload() if isinstance(made, DaySeal) else made.text()

        assert json.loads(text) == example.document
        assert text == canonical_json(json_text.read(text))
        assert model.of(**dict(made)) == made


def test_a_line_of_an_inventory_is_one_line() -> None:
    for example in examples("accept", "inventory"):
        listed = parse(ListedLogGroup, example.text)

        assert json.loads(listed.line()) == example.document
        assert listed.line().endswith(b"\n")
        assert listed.line().count(b"\n") == 1


def test_what_was_put_together_wrongly_is_not_written() -> None:
    wrong = SEALS["day"].model_copy(update={"sequence": 0})

    with pytest.raises(ContractError, match=r"not a valid DaySeal: sequence"):
        wrong.payload()


def test_an_envelope_is_over_the_payload_and_its_type() -> None:
    envelope = read_envelope(STORED)

    assert envelope.signed == pae(PAYLOAD_TYPE, SEALS["day"].payload())
    assert parse(DaySeal, envelope.payload) == SEALS["day"]
    assert envelope.signatures == (Signature(sig=b"signature", keyid=SEALS["day"].key_id),)


@pytest.mark.parametrize(
    ("stored", "told"),
    [
        pytest.param(STORED + b"\n", "not written as", id="a newline"),
        pytest.param(
            json.dumps(json.loads(STORED), indent=1).encode(), "not written as", id="form"
        ),
        pytest.param(
            json.dumps(json.loads(STORED), sort_keys=True).encode(), "not written as", id="order"
        ),
        pytest.param(
            json.dumps({**json.loads(STORED), "signatures": [{"sig": "AA=="}] * 2}).encode(),
            "2 signatures, not one",
            id="signatures",
        ),
        pytest.param(STORED.replace(b"day-seal.v1", b"day-seal.v2"), "of type", id="type"),
        pytest.param(STORED[:-1], "no envelope", id="cut off"),
    ],
)
def test_an_envelope_has_one_spelling_and_one_signature(stored: bytes, told: str) -> None:
    with pytest.raises(EnvelopeError, match=told):
        read_envelope(stored)


@settings(derandomize=True, deadline=None, database=None, max_examples=500)
@given(
    st.sampled_from([b"signature", b"s", b"si", b"sig"]),
    st.integers(0, len(STORED)),
    st.binary(max_size=2) | st.sampled_from([b"A", b"=", b"+/", b"-_", b" ", b"\n", b'"', b"\\/"]),
    st.integers(0, 2),
)
def test_an_envelope_is_read_at_once_as_field_by_field(
    sig: bytes, at: int, put: bytes, removed: int
) -> None:
    stored = SEALS["day"].envelope(SEALS["day"].payload(), sig)
    changed = stored[:at] + put + stored[at + removed :]
    try:
        expected = Envelope.parse(changed, PAYLOAD_TYPE)
    except EnvelopeError:
        expected = None

    if expected is not None and expected.stored() == changed:
        assert read_envelope(changed) == expected
    else:
        with pytest.raises(EnvelopeError):
            read_envelope(changed)


@pytest.mark.parametrize("seal", SEALS.values(), ids=SEALS)
def test_the_event_of_a_seal_says_what_the_seal_says_and_is_named_for_its_bytes(
    seal: DaySeal,
) -> None:
    digest = hashlib.sha256(seal.envelope(seal.payload(), b"signature")).hexdigest()
    location = SealLocation(
        bucket="amzn-s3-demo-bucket", key=seal_key(seal.chain, seal.sequence), version_id="v"
    )

    event = DaySealed.of_seal(seal, digest, location)

    assert parse(DaySealed, emit(event)) == event
    assert (event.id, event.source, event.time) == (digest, "urn:logferry:sealer", seal.sealed_at)
    assert event == DaySealed.of_seal(seal, digest, location)
    said: dict[str, Any] = dict(seal)
    del said["seal_schema"]
    told = dict(event.data)
    assert (told.pop("seal_sha256"), told.pop("location")) == (digest, location)
    assert told == said


@pytest.mark.parametrize(
    ("reason", "attributes"),
    [
        ("first", {"kind": "day", "profile": "shop-prod", "contradicted": "1"}),
        ("later", {"kind": "later"}),
        ("next-key", {"kind": "key"}),
        (
            "no-log-groups-on-the-day-that-summer-time-ends",
            {"kind": "day", "profile": "shop-prod"},
        ),
    ],
)
def test_an_event_is_selected_by_chain_kind_profile_and_whether_anything_is_contradicted(
    reason: str, attributes: dict[str, str]
) -> None:
    location = SealLocation(bucket="amzn-s3-demo-bucket", key="k", version_id="v")

    event = DaySealed.of_seal(SEALS[reason], "ab" * 32, location)

    chain = {"account_id": "111122223333", "region": "eu-central-1"}
    assert event.attributes == {"type": "logferry.day.sealed.v1", **chain, **attributes}
