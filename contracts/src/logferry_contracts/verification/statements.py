"""Whether a leaf's statement is there, has its hash, and is of the leaf's place."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.statement import ARCHIVED, LACKING, Statement
from logferry_contracts.verification.chain import Link
from logferry_contracts.verification.findings import (
    CountsError,
    Finding,
    StatementBrokenError,
    StatementChangedError,
    StatementMissingError,
    StatementSwappedError,
)
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.store import Store
from logferry_contracts.verification.stored import Sort, fetch
from logferry_contracts.wire import ContractError, parse

STATEMENTS = Sort(StatementMissingError, StatementChangedError)


class Read(NamedTuple):
    """A leaf and its statement; None where that is not what was sealed."""

    leaf: Leaf
    statement: Statement | None
    findings: list[Finding]


def read_statement(store: Store, chain: ChainName, leaf: Leaf) -> Read:
    """Return the statement of a leaf."""
    name = leaf.name
    key = name.key(chain)
    text, findings = fetch(store, key, name.sha256, STATEMENTS)
    if text is None:
        return Read(leaf, None, findings)
    try:
        statement = parse(Statement, text)
    except ContractError as error:
        return Read(leaf, None, [*findings, StatementBrokenError(key, str(error))])
    said = (ChainName.of(statement.source), statement.log_group.name, statement.window)
    if said != (chain, name.log_group_name, name.window):
        told = f"it is of {said[0]} {said[1]}, {span(said[2].from_ms, said[2].to_ms)}"
        return Read(leaf, None, [*findings, StatementSwappedError(key, told)])
    return Read(leaf, statement, findings)


@dataclass
class Counted:
    """What the statements of one seal have, to be compared with what the seal says.

    Attributes:
        are_all: Whether every statement was read, so that there is something to compare.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    events: int = 0
    stored_bytes: int = 0
    lacking: int = 0
    are_all: bool = True

    def add(self, statement: Statement | None) -> None:
        """Count a statement; None for one that could not be read."""
        if statement is None:
            self.are_all = False
            return
        self.outcomes[statement.outcome] += 1
        if statement.outcome == ARCHIVED:
            objects = statement.objects or []
            self.objects += len(objects)
            self.events += sum(each.events for each in objects)
            self.stored_bytes += sum(each.size_bytes for each in objects)
            self.lacking += statement.recount_says == LACKING

    def differences(self, link: Link, sealed: SealedWindows) -> list[Finding]:
        """Return where a seal says otherwise."""
        if not self.are_all:
            return []
        counted: dict[str, object] = {
            "outcomes": dict(self.outcomes),
            "objects": self.objects,
            "events": self.events,
            "stored_bytes": self.stored_bytes,
            **({} if sealed.lacking is None else {"lacking": self.lacking}),
        }
        said = {name: getattr(sealed, name) for name in counted}
        said["outcomes"] = {name: count for name, count in sealed.outcomes.items() if count}
        return [
            CountsError(link.key, f"{name}: it says {said[name]}, its statements have {found}")
            for name, found in counted.items()
            if said[name] != found
        ]
