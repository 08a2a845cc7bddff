"""The seals of a run, checked as whoever has the archive and the public key checks them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from devstack.suite import Suite
from logferry import verify, work
from logferry.audit import Audit
from logferry.bucket_store import BucketStore
from logferry.resuming import Progress, Task
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.objects import Level

LEVEL: Level = "events"
"""Every byte is hashed, and every event counted."""


@dataclass(frozen=True, kw_only=True)
class Seals:
    """What the seals of some chains say, and whether it is so.

    Attributes:
        days: How many of them are the first of a date's windows.
        are_valid: Whether everything they say is so, to the event.
        log_groups: Of how many log groups' windows they say what became of them.
        objects: How many objects they have the SHA-256 of.
        events: How many these have.
        findings: What is not so, or could not be checked, in words.
    """

    days: int
    are_valid: bool
    log_groups: int
    objects: int
    events: int
    findings: list[str]

    @classmethod
    def of(cls, days: int, reports: Sequence[verify.Report], findings: list[str]) -> Self:
        """Add up what was found of each chain."""

        def total(name: str) -> int:
            return sum(report.counts.get(name, 0) for report in reports)

        return cls(
            days=days,
            are_valid=bool(reports) and all(report.verdict == "valid" for report in reports),
            log_groups=total("leaves"),
            objects=total("objects"),
            events=total("events"),
            findings=findings,
        )


def check(suite: Suite) -> Seals:
    """Check every chain in a suite's archive."""
    store = BucketStore(suite.client("s3"), suite.archive_bucket)
    keys = (signing_key(suite),)
    names = store.chains()
    days = [
        link for name in names for link in read_chain(store, name, keys).links if link.kind == "day"
    ]
    findings: list[str] = []
    reports = verify.check(
        store,
        names,
        verify.Asked(keys=keys, level=LEVEL),
        Progress(None, Task(str(store), LEVEL, work.WHOLE), ""),
        Audit(LEVEL),
        processes=work.processes(store),
        tell=lambda _, finding: findings.append(verify.line(finding)),
        watch=lambda _: None,
    )
    return Seals.of(len(days), list(reports), findings)


def signing_key(suite: Suite) -> TrustedKey:
    """Return the public key that a suite's seals are signed by, as KMS gives it."""
    arn = suite.parameter(f"/{suite.name}/seals/key-arn")
    der = suite.client("kms").get_public_key(KeyId=arn)["PublicKey"]
    pem = load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return TrustedKey.from_pem(pem, arn)
