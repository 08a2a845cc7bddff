"""What ledger and seals of a hub say, to be compared with each other and with what is there."""

from collections.abc import Iterator

from devstack import archive
from devstack.seals import signing_key
from devstack.suite import Suite
from logferry.bucket_store import BucketStore
from logferry_contracts.statement import ARCHIVED, Statement
from logferry_contracts.verification.chain import read_chain
from logferry_contracts.verification.leaves import Leaves
from logferry_contracts.verification.statements import read_statement

AS_SEALED = {"secured": ARCHIVED}
"""States of the ledger that seals call otherwise."""


def by_seals(suite: Suite) -> dict[str, str]:
    """Return the last outcome that the seals have of each log group."""
    return {each.log_group.name: each.outcome for each in _statements(suite)}


def by_ledger(suite: Suite) -> dict[str, str]:
    """Return the outcome of each log group, all of which have one record."""
    return {each.log_group.name: AS_SEALED.get(each.state, each.state) for each in suite.ledger()}


def announced(suite: Suite) -> list[archive.ObjectVersion]:
    """Return what is in the archive, without what tries have left there.

    That is what an export that left the direct lane had written by then, and what a second task
    writes that a killed exporter has created: folders of which no manifest names anything.
    """
    named = {
        each.key.rsplit("/", 2)[0]
        for record in suite.ledger()
        if record.completed is not None
        for each in record.completed.manifest.objects or []
    }
    versions = archive.read(suite.client("s3"), suite.archive_bucket)
    return [
        each
        for each in versions
        if not each.key.endswith(".gz") or each.key.rsplit("/", 2)[0] in named
    ]


def _statements(suite: Suite) -> Iterator[Statement]:
    """Yield what the seals have stated, the oldest seal's first."""
    store = BucketStore(suite.client("s3"), suite.archive_bucket)
    for name in store.chains():
        chain = read_chain(store, name, (signing_key(suite),))
        for link in chain.links:
            for leaf in () if link.sealed is None else Leaves(store, name, link.sealed):
                statement = read_statement(store, name, leaf).statement
                assert statement is not None, leaf
                yield statement
