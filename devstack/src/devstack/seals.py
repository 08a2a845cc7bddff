"""The seals of a run, checked as whoever has the archive and the public key checks them."""

from collections.abc import Iterator, Sequence
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
from logferry_contracts.statement import Statement
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.objects import Level
from logferry_contracts.verification.statements import read_statement
from logferry_contracts.verification.store import Store

LEVEL: Level = "events"
"""Every byte is hashed, and every event counted."""


@dataclass(frozen=True, kw_only=True)
class Seals:
    """What the seals of some chains say in the end, and whether it is so.

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
    def of(
        cls,
        chains: Sequence[Chain],
        reports: Sequence[verify.Report],
        said: Sequence[Statement],
        findings: list[str],
    ) -> Self:
        """Add up what was found of each chain."""
        objects = [each for statement in said for each in statement.objects or []]
        return cls(
            days=sum(link.kind == "day" for chain in chains for link in chain.links),
            are_valid=bool(reports) and all(report.verdict == "valid" for report in reports),
            log_groups=len(said),
            objects=len(objects),
            events=sum(each.events for each in objects),
            findings=findings,
        )


def check(suite: Suite) -> Seals:
    """Check every chain in a suite's archive."""
    store = BucketStore(suite.client("s3"), suite.archive_bucket)
    keys = (signing_key(suite),)
    names = store.chains()
    chains = [read_chain(store, name, keys) for name in names]
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
    said = [each for chain in chains for each in last_words(store, chain)]
    return Seals.of(chains, list(reports), said, findings)


def last_words(store: Store, chain: Chain) -> Iterator[Statement]:
    """Yield the last word of a chain's seals on each window of a log group."""
    last = {
        (leaf.name.log_group_name, leaf.name.window): leaf
        for link in chain.links
        if link.sealed is not None
        for leaf in Leaves(store, chain.name, link.sealed)
    }
    for leaf in last.values():
        statement = read_statement(store, chain.name, leaf).statement
        if statement is not None:
            yield statement


def signing_key(suite: Suite) -> TrustedKey:
    """Return the public key that a suite's seals are signed by, as KMS gives it."""
    arn = suite.parameter(f"/{suite.name}/seals/key-arn")
    der = suite.client("kms").get_public_key(KeyId=arn)["PublicKey"]
    pem = load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return TrustedKey.from_pem(pem, arn)
