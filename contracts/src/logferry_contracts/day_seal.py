"""DaySeal: what a seal says, which is the payload of a signed envelope in the archive."""

import re
from binascii import Error, a2b_base64, b2a_base64
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from logferry_contracts.chain import ChainName, Sequence
from logferry_contracts.digest import Sha256
from logferry_contracts.dsse import Envelope, EnvelopeError, Signature
from logferry_contracts.export import ReasonCode
from logferry_contracts.message import Count, Message, Timestamp
from logferry_contracts.object_secured import KeyArn
from logferry_contracts.plan_request import Date
from logferry_contracts.source import Profile
from logferry_contracts.statement import Outcome, Salt
from logferry_contracts.window import TimeZone, Window
from logferry_contracts.wire import emit_canonical

DAY_SEAL_SCHEMA = "urn:logferry:schema:day-seal:1.0"

PAYLOAD_TYPE = "application/vnd.logferry.day-seal.v1+json"

_WRITTEN = re.compile(
    rb'\{"payloadType": "%b", "payload": "([^"]+)", '
    rb'"signatures": \[\{"keyid": "([0-9a-f]{64})", "sig": "([^"]+)"\}\]\}'
    % re.escape(PAYLOAD_TYPE.encode())
)
"""An envelope as `DaySeal.envelope` writes it, but for what stands in base64."""

Kind = Literal["day", "later", "key"]
"""``day``: the first seal of a date's windows; ``later``: what came after; ``key``: another key."""


class SealedWindows(Message):
    """The leaves that one seal seals.

    Attributes:
        date: That its windows begin on, on the clock of ``time_zone``: for people.
        covers: The time of its windows. Those of the seals of kind ``day`` join.
        profiles: What the source was called.
        is_late: Whether it was sealed by hand, for a time before there were seals.
        reason: Why its leaves replace others; None when they replace none.
        root_sha256: Of their Merkle tree, see `LeafList`.
        name_salt: Random, of this seal alone: see `seal_leaf.name_sha256`.
        leaves_sha256: Of their list.
        outcomes: How many leaves have each outcome.
        objects: How many the archived ones have.
        events: How many these objects have.
        stored_bytes: The sum of these objects' sizes.
        lacking: How many archived leaves have fewer events than CloudWatch Logs has counted; None
            for none.
    """

    date: Date
    time_zone: TimeZone
    covers: Window
    profiles: Annotated[list[Profile], Field(max_length=100)]
    is_late: bool
    reason: ReasonCode | None = None
    name_salt: Salt
    leaf_count: Count
    root_sha256: Sha256
    leaves_sha256: Sha256
    outcomes: dict[Outcome, Count]
    objects: Count
    events: Count
    stored_bytes: Count
    lacking: Count | None = None


class NextKey(Message):
    """The key that signs the seals after this one.

    Attributes:
        id: `signatures.TrustedKey.id`.
        pem: The public key.
    """

    id: Sha256
    arn: KeyArn
    pem: Annotated[
        str,
        Field(
            min_length=1,
            max_length=4096,
            pattern="^-----BEGIN PUBLIC KEY-----[A-Za-z0-9+/=\n]+-----END PUBLIC KEY-----\n?$",
        ),
    ]


class DaySeal(Message):
    """A seal.

    Attributes:
        previous_sha256: Of the envelope of the seal before, as it is stored; None in the first.
        sealed: Of the kinds ``day`` and ``later``; otherwise None.
        next_key: Of the kind ``key``; otherwise None.
        sealed_at: By the sealer's clock.
        key_id: `signatures.TrustedKey.id` of the key that it is signed by.
    """

    seal_schema: Annotated[
        str, Field(alias="schema", pattern=r"^urn:logferry:schema:day-seal:1\.[0-9]+$")
    ]
    chain: ChainName
    sequence: Sequence
    previous_sha256: Sha256 | None = None
    kind: Kind
    sealed: SealedWindows | None = None
    next_key: NextKey | None = None
    sealed_at: Timestamp
    key_id: Sha256
    key_arn: KeyArn

    @model_validator(mode="after")
    def _kind_has_its_section(self) -> Self:
        sections = {"sealed": self.sealed, "next_key": self.next_key}
        there = [name for name, section in sections.items() if section is not None]
        if there != ["next_key" if self.kind == "key" else "sealed"]:
            raise ValueError(f"kind {self.kind} with {' and '.join(there) or 'nothing'}")
        return self

    @classmethod
    def of(cls, **seal: object) -> Self:
        """Return a seal by the newest schema.

        Args:
            seal: By this model's names.

        Raises:
            ValidationError: It was put together wrongly.
        """
        return cls.model_validate({"schema": DAY_SEAL_SCHEMA, **seal})

    def payload(self) -> bytes:
        """Return what is signed, together with `PAYLOAD_TYPE`: see `dsse.pae_sha256`.

        Raises:
            ContractError: It was put together wrongly.
        """
        return emit_canonical(self)

    def envelope(self, payload: bytes, sig: bytes) -> bytes:
        """Return what is stored.

        Args:
            payload: The very bytes that were signed.
            sig: The signature, as KMS gives it.
        """
        signature = Signature(sig=sig, keyid=self.key_id)
        return Envelope(
            payload_type=PAYLOAD_TYPE, payload=payload, signatures=(signature,)
        ).stored()


def read_envelope(stored: bytes) -> Envelope:
    """Read a seal's envelope. It has one spelling, so that nobody changes a byte of it unseen.

    Its signature is not checked.

    Raises:
        EnvelopeError: It is none, or is written otherwise.
    """
    if (envelope := _as_written(stored)) is not None:
        return envelope
    envelope = Envelope.parse(stored, PAYLOAD_TYPE)
    if len(envelope.signatures) != 1:
        raise EnvelopeError(f"the envelope has {len(envelope.signatures)} signatures, not one")
    if envelope.stored() != stored:
        raise EnvelopeError("the envelope is not written as the sealer writes it")
    return envelope


def _as_written(stored: bytes) -> Envelope | None:
    """Read an envelope that is written as the sealer writes it: in a third of the time.

    None also for one that could be read otherwise.
    """
    found = _WRITTEN.fullmatch(stored)
    if found is None:
        return None
    spelled, keyid, spelled_sig = found.groups()
    try:
        payload, sig = a2b_base64(spelled), a2b_base64(spelled_sig)
    except Error:
        return None
    spelled_so = (b2a_base64(payload, newline=False), b2a_base64(sig, newline=False))
    if spelled_so != (spelled, spelled_sig):
        return None
    signature = Signature(sig=sig, keyid=keyid.decode())
    return Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=(signature,))
