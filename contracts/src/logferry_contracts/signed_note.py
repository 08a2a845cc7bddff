"""Signed notes: a text, and under it lines with signatures of it.

::

    <text, ending in a newline>
    <an empty line>
    — <key name> <base64 of 4 bytes of key id, and the signature>

As https://c2sp.org/signed-note has them, and of the signatures that it knows the one that says when
it was made: Ed25519 by a witness, https://c2sp.org/tlog-cosignature. Nothing here checks one, see
`witness.WitnessKey`.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import NamedTuple, Self

MAX_NOTE_BYTES = 256 * 1024
"""Sixteen signatures, which every reader has to take, have 110 KB at most."""

ED25519_COSIGNATURE = 0x04
"""The type of a signature that says when it was made."""

KEY_ID_BYTES = 4

_DASH = "\N{EM DASH} "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(ValueError):
    """This is no signed note, or not what a note should have; nothing in it may be believed."""


class NoteSignature(NamedTuple):
    """A line under a note.

    Attributes:
        name: Of the key. With its id it says which key it is; neither proves anything.
        key_id: See `key_id`.
        value: What follows the key's id.
    """

    name: str
    key_id: bytes
    value: bytes

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line without its newline.

        Raises:
            NoteError: It is none.
        """
        name, space, text = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space or not is_key_name(name):
            raise NoteError(f"no line with a signature: {line!r}")
        signed = read_base64(text)
        if len(signed) <= KEY_ID_BYTES:
            raise NoteError(f"a signature of {len(signed)} bytes: {line!r}")
        return cls(name, signed[:KEY_ID_BYTES], signed[KEY_ID_BYTES:])


@dataclass(frozen=True)
class SignedNote:
    """A note as it is stored.

    Attributes:
        text: What is signed, with its last newline.
    """

    text: str
    signatures: tuple[NoteSignature, ...]

    @classmethod
    def parse(cls, stored: bytes) -> Self:
        """Read a note. Its signatures are not checked.

        Raises:
            NoteError: It is none.
        """
        if len(stored) > MAX_NOTE_BYTES:
            raise NoteError(f"more than {MAX_NOTE_BYTES} bytes")
        try:
            written = stored.decode()
        except UnicodeDecodeError as error:
            raise NoteError(f"no UTF-8: {error}") from error
        if found := _CONTROL.search(written):
            raise NoteError(f"the control character {found[0]!r}")
        text, empty, lines = written.rpartition("\n\n")
        if not empty or not lines.endswith("\n"):
            raise NoteError("no text with an empty line and signatures under it")
        signatures = tuple(NoteSignature.parse(line) for line in lines[:-1].split("\n"))
        return cls(f"{text}\n", signatures)

    def stored(self) -> bytes:
        """Return it as it is stored."""
        return f"{self.text}\n{''.join(map(str, self.signatures))}".encode()


def is_key_name(name: str) -> bool:
    """Whether a key may have this name."""
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def key_id(name: str, signature_type: int, public_key: bytes) -> bytes:
    """Return a key's id, by which the lines are found that are to be checked by it."""
    hashed = hashlib.sha256(name.encode() + b"\n" + bytes([signature_type]) + public_key)
    return hashed.digest()[:KEY_ID_BYTES]


def cosigned_message(text: str, at_s: int) -> bytes:
    """Return what a witness signs.

    Args:
        text: Of the note.
        at_s: When it signs, in seconds since 1970.
    """
    return f"cosignature/v1\ntime {at_s}\n{text}".encode()


def read_base64(text: str) -> bytes:
    """Return what is written, in the one way there is to write it.

    Raises:
        NoteError: It is written otherwise.
    """
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"no base64: {text!r}") from error
    if base64.b64encode(found).decode() != text:
        raise NoteError(f"not the usual base64: {text!r}")
    return found
