"""Signed notes by the published ones, and everything that is no note."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from hypothesis import given
from hypothesis import strategies as st

from logferry_contracts.signed_note import (
    MAX_NOTE_BYTES,
    NoteError,
    NoteSignature,
    SignedNote,
    cosigned_message,
    key_id,
)

# golang.org/x/mod, sumdb/note/note_test.go, 2019.
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
LINE = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb"
    "6KE6RyyBwJnAM=\n"
)
PUBLISHED = f"{TEXT}\n{LINE}".encode()
KEY = base64.b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")[1:]
SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]

# https://c2sp.org/tlog-cosignature, the example, whose key is not published.
COSIGNED = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501

# https://c2sp.org/signed-note, the example.
WITH_EMPTY_LINE = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501


def test_the_published_note_is_read_checked_and_written_again() -> None:
    note = SignedNote.parse(PUBLISHED)
    assert note.text == TEXT
    [line] = note.signatures
    assert line.name == "PeterNeumann"
    assert line.key_id.hex() == "c74f20a3"
    assert key_id("PeterNeumann", 0x01, KEY) == line.key_id
    Ed25519PublicKey.from_public_bytes(KEY).verify(line.value, note.text.encode())
    assert note.stored() == PUBLISHED


def test_who_has_the_published_key_writes_the_published_note() -> None:
    signature = Ed25519PrivateKey.from_private_bytes(SEED).sign(TEXT.encode())
    line = NoteSignature("PeterNeumann", key_id("PeterNeumann", 0x01, KEY), signature)
    assert SignedNote(TEXT, (line,)).stored() == PUBLISHED


def test_the_published_cosignature_has_the_time_that_its_page_shows() -> None:
    note = SignedNote.parse(COSIGNED.encode())
    origin, witness = note.signatures
    assert (origin.name, witness.name) == (
        "example.com/behind-the-sofa",
        "witness.example.com/w1",
    )
    assert int.from_bytes(witness.value[:8]) == 1679315147
    assert len(witness.value) == 8 + 64
    assert cosigned_message(note.text, 1679315147).decode() == (
        "cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )
    assert note.stored() == COSIGNED.encode()


def test_the_last_empty_line_ends_the_text() -> None:
    note = SignedNote.parse(WITH_EMPTY_LINE.encode())
    assert note.text.splitlines()[2:] == ["", "ed è subito sera."]
    assert [each.name for each in note.signatures] == ["quasimodo.example/salvatore"]


@pytest.mark.parametrize(
    "stored",
    {
        "nothing": b"",
        "no signature": TEXT.encode(),
        "an empty line and no signature": f"{TEXT}\n".encode(),
        "no newline at the end": PUBLISHED[:-1],
        "two newlines at the end": PUBLISHED + b"\n",
        "no empty line": (TEXT + LINE).encode(),
        "a carriage return": PUBLISHED.replace(b"problem,\n", b"problem,\r\n"),
        "a tab": PUBLISHED.replace(b"think ", b"think\t"),
        "no UTF-8": PUBLISHED.replace(b"think", b"th\xffnk"),
        "a hyphen": PUBLISHED.replace("—".encode(), b"-"),
        "no name": f"{TEXT}\n— {LINE.split(' ')[2]}".encode(),
        "a name with a plus": PUBLISHED.replace(b"PeterNeumann", b"Peter+Neumann"),
        "a name with a space of another kind": PUBLISHED.replace(
            b"PeterNeumann", "Peter\N{NO-BREAK SPACE}Neumann".encode()
        ),
        "two spaces": PUBLISHED.replace(b"PeterNeumann ", b"PeterNeumann  "),
        "no base64": PUBLISHED.replace(b"x08go", b"x08g-"),
        "base64 with more padding": PUBLISHED.replace(b"AM=\n", b"AM==\n"),
        "base64 with bits that mean nothing": PUBLISHED.replace(b"AM=\n", b"AN=\n"),
        "a key's id alone": f"{TEXT}\n— PeterNeumann x08gow==\n".encode(),
        "too many bytes": b"x" * MAX_NOTE_BYTES + PUBLISHED,
        "something between the lines": f"{TEXT}\n{LINE}and\n{LINE}".encode(),
    }.items(),
    ids=lambda each: each[0],
)
def test_what_is_no_note_is_refused(stored: tuple[str, bytes]) -> None:
    with pytest.raises(NoteError):
        SignedNote.parse(stored[1])


def test_sixteen_signatures_of_the_longest_kind_are_taken() -> None:
    lines = tuple(NoteSignature(f"w{n}", b"\0\0\0\1", b"x" * 5000) for n in range(16))
    note = SignedNote(TEXT, lines)
    assert SignedNote.parse(note.stored()) == note


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_anything_is_a_note_that_is_written_the_same_or_is_none(data: bytes) -> None:
    for stored in (data, data + b"\n\n" + LINE.encode(), PUBLISHED + data):
        try:
            note = SignedNote.parse(stored)
        except NoteError:
            continue
        assert note.stored() == stored
