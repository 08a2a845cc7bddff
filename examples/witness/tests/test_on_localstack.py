"""The README's commands, run as they stand: what a hub has sealed is witnessed elsewhere."""

import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.sealed_archive import Archive, SealingKey, seal_of
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)
from examples.subscriber.tests.conftest import Hub
from tests.attacks.places import S3Bucket

from devstack.document import Shell, blocks
from devstack.suite import REGION
from logferry.checkout import LOCK
from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import PAYLOAD_TYPE
from logferry_contracts.day_sealed import DaySealed, SealLocation
from logferry_contracts.dsse import pae_sha256
from logferry_contracts.seal_key import seal_key
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.signed_note import SignedNote
from logferry_contracts.wire import emit
from logferry_contracts.witness import Head

# Its package alone takes the time of a hundred other tests; those of witness.py run always.
pytestmark = [pytest.mark.localstack, pytest.mark.deep]

WITNESS_FOLDER = Path(__file__).parents[1]
ROOT = WITNESS_FOLDER.parents[1]
README = (WITNESS_FOLDER / "README.md").read_text()
ACCOUNTS, HUBS_SIDE, BUILD, DEPLOY, ASK, VERIFY = blocks(README, "bash")
WITNESS = str(4 * 10**11 + secrets.randbelow(10**11))
PATIENCE_S = 60
CONFLICTS: dict[str, Any] = {"Namespace": "logferry-witness", "MetricName": "Conflicts"}
NEEDED = {
    "cloudwatch:PutMetricData",
    "kms:GetPublicKey",
    "kms:Sign",
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "sqs:DeleteMessage",
    "sqs:ReceiveMessage",
    "sts:AssumeRole",
}


class HubsKey(SealingKey):
    """The key that the archive's stack has made."""

    def __init__(self, hub: Hub) -> None:
        self._kms = hub.client("kms")

    @property
    def trusted(self) -> TrustedKey:
        return TrustedKey.from_pem(self.pem.encode(), "the hub's")

    @property
    def pem(self) -> str:
        der = self._kms.get_public_key(KeyId="alias/logferry-seals")["PublicKey"]
        public = load_der_public_key(der)
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def sign(self, payload: bytes) -> bytes:
        signature: bytes = self._kms.sign(
            KeyId="alias/logferry-seals",
            Message=pae_sha256(PAYLOAD_TYPE, payload),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )["Signature"]
        return signature


class HubsArchive(S3Bucket):
    """The archive's bucket, which is there already."""

    def __init__(self, hub: Hub) -> None:
        self.s3 = hub.client("s3")
        self.name = hub.archive
        self.keys = {}


@pytest.fixture(scope="module")
def archive(hub: Hub) -> Archive:
    """What the hub has sealed: two dates."""
    sealed = Archive(HubsArchive(hub), HubsKey(hub))
    sealed.days(2)
    return sealed


type Type = Callable[[str, str], str]


@pytest.fixture(scope="module")
def typing(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Type:
    """Type commands as somebody who may use an account."""
    # A checkout as far as the commands see it, so that nothing is left in this one.
    here = tmp_path_factory.mktemp("checkout") / "examples" / "witness"
    shutil.copytree(WITNESS_FOLDER, here, ignore=shutil.ignore_patterns("build", "tests"))
    (here.parent / "subscriber").symlink_to(ROOT / "examples" / "subscriber")
    (here.parents[1] / "contracts").symlink_to(ROOT / "contracts")
    accounts = ACCOUNTS
    given = {"HUB": hub.account_id, "WITNESS": WITNESS, "AWS_DEFAULT_REGION": REGION}
    for name, value in given.items():
        accounts, replaced = re.subn(rf"\b{name}=\S+", f"{name}={value}", accounts)
        assert replaced == 1
    uses_this_python = {
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_CONSTRAINT": str(LOCK),
    }
    shell = Shell(hub.endpoint, here, uses_this_python)
    return lambda commands, account_id: shell.run(accounts + commands, account_id)


@pytest.fixture(scope="module")
def deployed(hub: Hub, archive: Archive, typing: Type) -> Iterator[dict[str, str]]:
    """What the README's deployment prints at its end."""
    hub.enforce_permissions(WITNESS)
    typing(HUBS_SIDE, hub.account_id)
    typing(BUILD, WITNESS)
    printed = typing(DEPLOY, WITNESS)
    yield dict(line.split() for line in printed.splitlines() if "  " in line)
    hub.client("cloudformation", WITNESS).delete_stack(StackName="logferry-witness")


def shown(hub: Hub, bucket: str, chain: ChainName) -> Head:
    """Return the head that the witness shows."""
    got = hub.client("s3", WITNESS).get_object(Bucket=bucket, Key=f"heads/{chain}")
    return Head.parse(SignedNote.parse(got["Body"].read()).text)


def publish(hub: Hub, archive: Archive, sequence: int) -> None:
    """Tell of a seal as the sealer does."""
    stored, key = archive.seal(sequence), seal_key(archive.chain, sequence)
    location = SealLocation(bucket=hub.archive, key=key, version_id="any")
    event = DaySealed.of_seal(seal_of(archive, sequence), sha256(stored).hexdigest(), location)
    hub.publish(emit(event), event.attributes)


def wait_until_shown(hub: Hub, bucket: str, chain: ChainName, sequence: int) -> None:
    """Return once the witness shows the head of this sequence."""
    patience = {"Delay": 1, "MaxAttempts": PATIENCE_S}
    waiter = hub.client("s3", WITNESS).get_waiter("object_exists")
    waiter.wait(Bucket=bucket, Key=f"notes/{chain}/{sequence:010d}", WaiterConfig=patience)
    deadline = time.monotonic() + PATIENCE_S
    while shown(hub, bucket, chain).sequence != sequence:  # at once: it was noted already
        assert time.monotonic() < deadline


def test_a_chain_is_witnessed_and_what_is_cut_off_from_it_is_named(
    hub: Hub, archive: Archive, deployed: dict[str, str], typing: Type
) -> None:
    notes = deployed["NotesBucketName"]
    assert shown(hub, notes, archive.chain).sequence == 2

    archive.days(1)
    publish(hub, archive, 3)
    wait_until_shown(hub, notes, archive.chain, 3)
    typing(ASK, WITNESS)
    assert "valid" in typing(VERIFY, hub.account_id)

    archive.bucket.remove(seal_key(archive.chain, 3))
    told = typing(f"rm -r copy\n{VERIFY.rstrip()} || echo failed", hub.account_id)
    assert told.endswith("failed\n")
    assert "cut_off  " in told
    assert "the last one is seal 2, but witness.example.com/logferry has seen seal 3" in told

    typing("aws lambda invoke --function-name logferry-witness look.json", WITNESS)
    cloudwatch = hub.client("cloudwatch", WITNESS)
    assert conflicts(cloudwatch) == 1
    [alarm] = cloudwatch.describe_alarms_for_metric(**CONFLICTS)["MetricAlarms"]
    assert alarm["AlarmName"] == "logferry-witness-conflict"

    asked = hub.permissions(WITNESS)
    assert set(asked) >= NEEDED
    refused = {action for action, allowed in asked.items() if not allowed}
    assert refused == {"s3:GetObjectRetention"}  # without which GetObject leaves out a header


def conflicts(cloudwatch: Any) -> float:
    """Return how many conflicts the witness has told of."""
    now = time.time()
    when = {"StartTime": now - 600, "EndTime": now + 600, "Period": 3600}
    points = cloudwatch.get_metric_statistics(**CONFLICTS, **when, Statistics=["Sum"])
    return sum(float(each["Sum"]) for each in points["Datapoints"])
