"""A witness that signs whatever it is asked to, and heads of chains for it to sign."""

from dataclasses import dataclass, field
from hashlib import sha256

from contracts.tests.sealed_archive import Archive
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from logferry_contracts.signed_note import NoteSignature, SignedNote, cosigned_message
from logferry_contracts.witness import Head, WitnessKey

AT_S = 1_795_415_472
"""2026-11-23T06:31:12Z: `sealed_archive.AT`, to the second."""


@dataclass(frozen=True)
class Witness:
    """Whoever has this key.

    Attributes:
        name: Of the key.
    """

    name: str = "witness.example.com/logferry"
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def key(self) -> WitnessKey:
        public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return WitnessKey(self.name, public)

    def line(self, text: str, at_s: int) -> NoteSignature:
        return self.key.cosignature(at_s, self.private.sign(cosigned_message(text, at_s)))

    def note(self, head: Head, at_s: int = AT_S + 60) -> bytes:
        text = head.text()
        return SignedNote(text, (self.line(text, at_s),)).stored()


def head_of(archive: Archive, sequence: int | None = None) -> Head:
    """Return the head that a chain has, or had at this sequence."""
    at = archive.sequence if sequence is None else sequence
    return Head(archive.chain, at, sha256(archive.seal(at)).hexdigest())
