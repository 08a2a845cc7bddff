"""What a witness says of a chain, and whether it does. Needs the extra ``verify``.

A witness keeps the head of each chain: the sequence and the SHA-256 of its newest seal. It signs it
as a note, in the form of a checkpoint, https://c2sp.org/tlog-checkpoint::

    logferry/day-seals/111122223333/eu-central-1
    42
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

A chain is not a tree: where a checkpoint has a tree's size and root it has the newest seal's
sequence, and the SHA-256 of its stored envelope, which names the seal before it in turn.
"""

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from logferry_contracts.chain import ChainName
from logferry_contracts.signed_note import (
    ED25519_COSIGNATURE,
    NoteError,
    NoteSignature,
    SignedNote,
    cosigned_message,
    is_key_name,
    key_id,
    read_base64,
)

ORIGIN = "logferry/day-seals/"
"""What a head's first line begins with; then come account and Region."""

_SEQUENCE = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_SHA256_BYTES = 32
_PUBLIC_KEY_BYTES = 32
_TIME_BYTES = 8
_LEAST_LINES = 3
_LAST_S = 253_402_300_799
"""The end of the year 9999. A witness does not sign later."""


class Head(NamedTuple):
    """The newest seal of a chain.

    Attributes:
        sha256: Of its envelope as it is stored.
    """

    chain: ChainName
    sequence: int
    sha256: str

    def __str__(self) -> str:
        return f"seal {self.sequence}, {self.sha256}"

    def text(self) -> str:
        """Return the text of its note."""
        root = base64.b64encode(bytes.fromhex(self.sha256)).decode()
        return f"{ORIGIN}{self.chain}\n{self.sequence}\n{root}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the text of a note. Lines after the third are nothing that a head says.

        Raises:
            NoteError: It is not of a chain's head.
        """
        *lines, rest = text.split("\n")
        if len(lines) < _LEAST_LINES or rest or "" in lines:
            raise NoteError(f"not the three lines of a head: {text!r}")
        origin, size, root = lines[:_LEAST_LINES]
        digest = read_base64(root)
        if not _SEQUENCE.fullmatch(size) or len(digest) != _SHA256_BYTES:
            raise NoteError(f"not a head's sequence and SHA-256: {size!r}, {root!r}")
        return cls(_chain(origin), int(size), digest.hex())


@dataclass(frozen=True)
class WitnessKey:
    """The public key of a witness, as whoever trusts it is given it: its text form is a ``vkey``.

    ``<name>+<key id in hexadecimal>+<base64 of the type, 0x04, and 32 bytes of Ed25519>``
    """

    name: str
    public_key: bytes

    def __str__(self) -> str:
        shown = base64.b64encode(bytes([ED25519_COSIGNATURE]) + self.public_key).decode()
        return f"{self.name}+{self.id.hex()}+{shown}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a ``vkey``.

        Raises:
            NoteError: It is none, or one of another kind.
        """
        name, _, rest = text.partition("+")
        shown_id, _, encoded = rest.partition("+")
        key = read_base64(encoded)
        if not is_key_name(name) or len(key) != 1 + _PUBLIC_KEY_BYTES:
            raise NoteError(f"not <name>+<id>+<key>, as a witness's key is written: {text!r}")
        if key[0] != ED25519_COSIGNATURE:
            raise NoteError(f"a key of the type {key[0]:#04x}, not {ED25519_COSIGNATURE:#04x}")
        found = cls(name, key[1:])
        if shown_id != found.id.hex():
            raise NoteError(f"its id is {found.id.hex()}, not {shown_id!r}: {text!r}")
        return found

    @classmethod
    def from_der(cls, name: str, der: bytes) -> Self:
        """Read a key as KMS answers GetPublicKey with.

        Raises:
            NoteError: It is not one of Ed25519, or cannot be called so.
        """
        key = load_der_public_key(der)
        if not isinstance(key, Ed25519PublicKey) or not is_key_name(name):
            raise NoteError(f"{name!r}: {type(key).__name__} is not Ed25519, or the name not one")
        return cls(name, key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    @property
    def id(self) -> bytes:
        """`signed_note.key_id`."""
        return key_id(self.name, ED25519_COSIGNATURE, self.public_key)

    def cosignature(self, at_s: int, signature: bytes) -> NoteSignature:
        """Return the line of a cosignature.

        Args:
            at_s: When it was made, in seconds since 1970.
            signature: Ed25519, of `signed_note.cosigned_message`.
        """
        return NoteSignature(self.name, self.id, at_s.to_bytes(_TIME_BYTES) + signature)

    def signed_at(self, note: SignedNote) -> int | None:
        """Return when this witness has signed a note, in seconds since 1970; None if it has not.

        Raises:
            NoteError: It says that it is signed by this witness, and is not.
        """
        lines = [each for each in note.signatures if (each.name, each.key_id) == self._named]
        times = [self._checked(note, each) for each in lines]
        return max(times, default=None)

    @property
    def _named(self) -> tuple[str, bytes]:
        return self.name, self.id

    def _checked(self, note: SignedNote, line: NoteSignature) -> int:
        at_s = int.from_bytes(line.value[:_TIME_BYTES])
        key = Ed25519PublicKey.from_public_bytes(self.public_key)
        try:
            key.verify(line.value[_TIME_BYTES:], cosigned_message(note.text, at_s))
        except InvalidSignature as error:
            raise NoteError(f"it is not what {self.name} has signed") from error
        if at_s > _LAST_S:
            raise NoteError(f"{self.name} has signed it {at_s} seconds after 1970")
        return at_s


class Cosigned(NamedTuple):
    """Who has signed a note, and when, in seconds since 1970."""

    name: str
    at_s: int


def cosigners(note: SignedNote, keys: Iterable[WitnessKey]) -> list[Cosigned]:
    """Return the witnesses that have signed a note, of those that are trusted.

    Raises:
        NoteError: It says that it is signed by one of them, and is not.
    """
    found = ((key.name, key.signed_at(note)) for key in keys)
    return [Cosigned(name, at_s) for name, at_s in found if at_s is not None]


def _chain(origin: str) -> ChainName:
    account_id, _, region = origin.removeprefix(ORIGIN).partition("/")
    try:
        found = ChainName(account_id=account_id, region=region)
    except ValueError as error:
        raise NoteError(f"not the chain of an account and Region: {origin!r}") from error
    if origin != f"{ORIGIN}{found}":
        raise NoteError(f"not the chain of an account and Region: {origin!r}")
    return found
