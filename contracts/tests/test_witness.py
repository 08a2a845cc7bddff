"""What a witness signs, and who is believed to have."""

import base64
import dataclasses

import pytest
from contracts.tests.sealed_archive import SOURCE
from contracts.tests.witnessing import AT_S, Witness
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from logferry_contracts.chain import ChainName
from logferry_contracts.signed_note import NoteError, SignedNote
from logferry_contracts.witness import Cosigned, Head, WitnessKey, cosigners

HEAD = Head(
    ChainName.of(SOURCE), 42, "0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
)
TEXT = """logferry/day-seals/111122223333/eu-central-1
42
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""
ROOT = TEXT.splitlines()[2]
WITNESS = Witness(private=Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
VKEY = "witness.example.com/logferry+be38ca39+BAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"


def test_a_head_is_the_text_of_a_checkpoint() -> None:
    assert HEAD.text() == TEXT
    assert Head.parse(TEXT) == HEAD


def test_lines_that_a_later_version_adds_are_left_alone() -> None:
    assert Head.parse(f"{TEXT}another line\n") == HEAD


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        f"{TEXT}\n",
        f"\n{TEXT}",
        TEXT.replace("logferry/", "rekor/"),
        TEXT.replace("logferry/day-seals/", ""),
        TEXT.replace("111122223333", "11112222333"),
        TEXT.replace("eu-central-1", "eu-central-1/x"),
        TEXT.replace("eu-central-1", "eu central 1"),
        TEXT.replace("\n42\n", "\n0\n"),
        TEXT.replace("\n42\n", "\n042\n"),
        TEXT.replace("\n42\n", "\n-42\n"),
        TEXT.replace("\n42\n", "\n\N{ARABIC-INDIC DIGIT FOUR}\n"),
        TEXT.replace("\n42\n", "\n10000000000\n"),
        TEXT.replace(ROOT, ROOT[:-4]),
        TEXT.replace(ROOT, base64.b64encode(b"x" * 31).decode()),
        TEXT.replace(ROOT, HEAD.sha256),
    ],
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Head.parse(text)


def test_a_key_is_written_as_its_specification_says() -> None:
    assert str(WITNESS.key) == VKEY
    assert WitnessKey.parse(VKEY) == WITNESS.key


def test_a_key_is_read_as_kms_gives_it() -> None:
    public = WITNESS.private.public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert WitnessKey.from_der(WITNESS.name, der) == WITNESS.key
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    of_p256 = other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    for name, key in ((WITNESS.name, of_p256), ("a name", der)):
        with pytest.raises(NoteError):
            WitnessKey.from_der(name, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        VKEY.replace("be38ca39", "be38ca38"),
        VKEY.replace("be38ca39", "BE38CA39"),
        VKEY.replace("witness", "somebody"),
        VKEY.replace("+be38ca39", ""),
        VKEY.replace("+BAOh", "+AQOh"),
        VKEY[:-4],
        f"{VKEY}\n",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "-----BEGIN PUBLIC KEY-----",
    ],
)
def test_what_is_no_witnesss_key_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        WitnessKey.parse(text)


def test_it_is_told_who_has_signed_and_when() -> None:
    other = Witness("other.example.com")
    lines = (WITNESS.line(TEXT, AT_S), other.line(TEXT, AT_S + 1))
    note = SignedNote.parse(SignedNote(TEXT, lines).stored())
    assert cosigners(note, [WITNESS.key]) == [Cosigned(WITNESS.name, AT_S)]
    assert cosigners(note, [WITNESS.key, other.key]) == [
        Cosigned(WITNESS.name, AT_S),
        Cosigned(other.name, AT_S + 1),
    ]


def test_a_signature_of_an_unknown_key_counts_for_nothing() -> None:
    note = SignedNote.parse(WITNESS.note(HEAD))
    same_name = Witness(WITNESS.name)
    assert cosigners(note, [same_name.key, Witness("other.example.com").key]) == []


def edited(note: SignedNote) -> dict[str, SignedNote]:
    [line] = note.signatures
    at = line.value[:8]
    earlier = (int.from_bytes(at) - 1).to_bytes(8)
    with_line = {
        "the time": line._replace(value=earlier + line.value[8:]),
        "the signature": line._replace(value=at + bytes(64)),
        "a shorter signature": line._replace(value=line.value[:-1]),
        "no signature": line._replace(value=at),
        "no whole time": line._replace(value=at[:3]),
    }
    return {
        "the sequence": dataclasses.replace(note, text=note.text.replace("\n42\n", "\n41\n")),
        "the account": dataclasses.replace(note, text=note.text.replace("1111", "2222")),
        "another line": dataclasses.replace(note, text=f"{note.text}more\n"),
        **{name: SignedNote(note.text, (each,)) for name, each in with_line.items()},
        "a second signature that is wrong": SignedNote(
            note.text, (line, with_line["the signature"])
        ),
    }


NOTE = SignedNote.parse(WITNESS.note(HEAD))


@pytest.mark.parametrize("note", edited(NOTE).items(), ids=lambda each: each[0])
def test_a_note_that_was_edited_is_refused(note: tuple[str, SignedNote]) -> None:
    with pytest.raises(NoteError, match=r"not what witness\.example\.com/logferry has signed"):
        cosigners(note[1], [WITNESS.key])


def test_a_time_after_the_year_9999_is_refused() -> None:
    note = SignedNote.parse(WITNESS.note(HEAD, 2**63))
    with pytest.raises(NoteError, match="seconds after 1970"):
        cosigners(note, [WITNESS.key])
