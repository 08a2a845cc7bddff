"""The example of docs/seal-format.md has the hashes that the page shows, by the page's rules."""

import base64
import hashlib
import json
import re
import subprocess
from pathlib import Path
from typing import Any

from logferry_contracts.day_seal import read_envelope
from logferry_contracts.signatures import TrustedKey

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "seal-format.md").read_text("utf-8")
PROOF: Any = json.loads(
    (ROOT / "contracts/examples/proof/1.0/accept/archived-by-a-later-seal.json").read_text("utf-8")
)
KEY = ROOT / "contracts/tests/frozen/proofs-1.0/seals.pem"
SIGNED_BEGINS = b"DSSEv1 41 application/vnd.logferry.day-seal.v1+json "
SPELLING = re.search(r"(?m)^\{\"payloadType\": .*\}$", PAGE)

type Row = tuple[int, str]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def shown() -> list[Row]:
    """Return bytes and SHA-256 of each row of the page's example."""
    rows = re.findall(r"(?m)^\| .* \| ([0-9]+) bytes \| `([0-9a-f]{64})` \|$", PAGE)
    return [(int(size), digest) for size, digest in rows]


def payload_of(envelope: str) -> bytes:
    return base64.b64decode(json.loads(envelope)["payload"])


def test_the_example_has_the_hashes_that_the_page_shows() -> None:
    envelope = PROOF["seals"][0]
    payload = payload_of(envelope)
    salted = bytes.fromhex(json.loads(payload)["sealed"]["name_salt"]) + b"/aws/lambda/orders"
    statement = PROOF["shown"][0]["leaves"][0]["statement"].encode()
    before = PROOF["shown"][0]["before"]
    leaf = bytes.fromhex(sha256(salted) + sha256(statement))
    other = bytes.fromhex(before["name_sha256"] + before["statement_sha256"])
    hashed = [
        envelope.encode(),
        payload,
        SIGNED_BEGINS + f"{len(payload)} ".encode() + payload,
        salted,
        statement,
        b"\0" + leaf,
        b"\0" + other,
    ]

    assert shown() == [(len(each), sha256(each)) for each in hashed]


def test_the_path_of_the_example_leads_to_the_root_that_the_page_shows() -> None:
    [beside] = PROOF["shown"][0]["leaves"][0]["path"]
    leaf_hash = shown()[5][1]
    sealed = json.loads(payload_of(PROOF["seals"][0]))["sealed"]

    assert sha256(b"\1" + bytes.fromhex(beside + leaf_hash)) == sealed["root_sha256"]
    assert f"`{beside}`" in PAGE
    assert f"`{sealed['root_sha256']}`: the `root_sha256` of `seals[0]`" in PAGE
    assert (PROOF["shown"][0]["index"], sealed["leaf_count"]) == (4, 5)
    assert PROOF["shown"][0]["before"]["name_sha256"] < shown()[3][1]


def test_the_later_seal_of_the_example_names_the_one_that_the_page_shows() -> None:
    later = json.loads(payload_of(PROOF["seals"][1]))

    assert (later["kind"], later["previous_sha256"]) == ("later", shown()[0][1])


def test_an_envelope_has_the_spelling_that_the_page_shows() -> None:
    assert SPELLING is not None
    for stored in [*PROOF["rotations"], *PROOF["seals"]]:
        fields = json.loads(stored)
        [signature] = fields["signatures"]
        spelled = SPELLING[0].replace('"P"', json.dumps(fields["payload"]))
        spelled = spelled.replace('"K"', json.dumps(signature["keyid"]))
        assert spelled.replace('"S"', json.dumps(signature["sig"])) == stored
        assert signature["keyid"] == json.loads(payload_of(stored))["key_id"]


def test_what_is_signed_is_what_the_page_shows() -> None:
    rotation = read_envelope(PROOF["rotations"][0].encode())
    pinned = TrustedKey.from_pem(KEY.read_bytes(), "seals.pem")
    named = json.loads(rotation.payload)["next_key"]["pem"].encode()
    current = TrustedKey.from_pem(named, "current.pem")
    first = read_envelope(PROOF["seals"][0].encode())

    for key, envelope in ((pinned, rotation), (current, first)):
        signed = SIGNED_BEGINS + f"{len(envelope.payload)} ".encode() + envelope.payload
        assert key.has_signed(signed, envelope.signatures[0].sig)


def test_the_openssl_command_hashes_what_the_page_says() -> None:
    [begins] = re.findall(r"printf '(.*?)%d '", PAGE)

    assert begins.encode() == SIGNED_BEGINS


def test_the_commands_of_the_example_say_what_the_page_shows(tmp_path: Path) -> None:
    [block] = [each for each in re.findall(r"(?s)```console\n(.*?)```", PAGE) if "openssl" in each]
    commands = "\n".join(re.findall(r"(?m)^\$ (.*)$", block))
    (tmp_path / "proof.json").write_text(json.dumps(PROOF))

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [shown()[0][1], "-", *block.split()[-2:]]
