"""DSSE envelopes: a payload, the name of its type, and signatures over both.

What is signed begins with the payload's type and says both lengths, so that a signature of one kind
of document is none of another. https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
"""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Self

from logferry_contracts import json_text


class EnvelopeError(ValueError):
    """This is no envelope of the kind that was asked for; nothing in it may be believed."""


@dataclass(frozen=True, kw_only=True)
class Signature:
    """A signature over what `Envelope.signed` returns.

    Attributes:
        sig: In the form of its algorithm.
        keyid: Which key the signer says it is by: a hint, which nothing signs. None: not said.
    """

    sig: bytes
    keyid: str | None = None


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """A payload with its signatures.

    Attributes:
        payload_type: Such as ``application/vnd.logferry.day-seal.v1+json``.
        payload: The bytes that were signed. They are parsed as they are, and never written anew.
        signatures: One at least.
    """

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def signed(self) -> bytes:
        """What each signature is over."""
        return pae(self.payload_type, self.payload)

    @classmethod
    def parse(cls, text: str | bytes, payload_type: str) -> Self:
        """Read an envelope that has a payload of this type. Its signatures are not checked.

        Nothing but the specification's fields is taken. It would have base64 in the URL-safe
        alphabet taken, too; here the standard one with its padding is the only spelling, so that
        an envelope is not passed off as another one by writing it differently.

        Raises:
            EnvelopeError: It is none, or has a payload of another type.
        """
        try:
            fields = json_text.read(text)
        except ValueError as error:
            raise EnvelopeError(f"no envelope: {error}") from error
        _check_fields(fields, "the envelope", {"payload", "payloadType", "signatures"}, set())
        if fields["payloadType"] != payload_type:
            raise EnvelopeError(
                f"the payload is of type {fields['payloadType']!r}, not {payload_type!r}"
            )
        signatures = fields["signatures"]
        if not isinstance(signatures, list) or not signatures:
            raise EnvelopeError("the envelope has no signatures")
        return cls(
            payload_type=payload_type,
            payload=_decoded(fields["payload"], "payload"),
            signatures=tuple(_signature(each) for each in signatures),
        )

    def stored(self) -> bytes:
        """Return the envelope as the bytes of a file; see `text`."""
        return self.text().encode()

    def text(self) -> str:
        """Return the envelope as JSON.

        Raises:
            EnvelopeError: It has no signature.
        """
        if not self.signatures:
            raise EnvelopeError("the envelope has no signatures")
        return json.dumps(
            {
                "payloadType": self.payload_type,
                "payload": _encoded(self.payload),
                "signatures": [
                    ({} if each.keyid is None else {"keyid": each.keyid})
                    | {"sig": _encoded(each.sig)}
                    for each in self.signatures
                ],
            }
        )


def pae(payload_type: str, payload: bytes) -> bytes:
    """Return the pre-authentication encoding, which is what is signed."""
    named = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(named), named, len(payload), payload)


def pae_sha256(payload_type: str, payload: bytes) -> bytes:
    """Return the digest that a KMS key signs, whose messages have at most 4,096 bytes.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
    """
    return hashlib.sha256(pae(payload_type, payload)).digest()


def _signature(fields: Any) -> Signature:
    _check_fields(fields, "a signature", {"sig"}, {"keyid"})
    sig, keyid = _decoded(fields["sig"], "sig"), fields.get("keyid")
    if not sig:
        raise EnvelopeError("a signature is empty")
    if not isinstance(keyid, str | None) or ("keyid" in fields and keyid is None):
        raise EnvelopeError(f"the keyid {keyid!r} is no text")
    return Signature(sig=sig, keyid=keyid)


def _check_fields(fields: Any, what: str, required: set[str], optional: set[str]) -> None:
    if not isinstance(fields, dict):
        raise EnvelopeError(f"{what} is no JSON object")
    if missing := required - set(fields):
        raise EnvelopeError(f"{what} has no {' and no '.join(sorted(missing))}")
    if more := set(fields) - required - optional:
        raise EnvelopeError(f"{what} has {min(more)!r}, which nothing signs")


def _decoded(text: Any, name: str) -> bytes:
    if not isinstance(text, str):
        raise EnvelopeError(f"{name} is no text")
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EnvelopeError(f"{name} is no base64: {error}") from error
    # The last letter may have bits that no byte has.
    if _encoded(found) != text:
        raise EnvelopeError(f"{name} is no base64 in its one spelling")
    return found


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
