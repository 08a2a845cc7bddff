"""Which statement's objects have to be in the archive, of all that seals have said of a window."""

from collections.abc import Sequence
from typing import NamedTuple

from logferry_contracts.statement import (
    ARCHIVED,
    CONTRADICTED,
    DISPOSED,
    WAIVED,
    StatedObject,
    Statement,
)
from logferry_contracts.verification.findings import DisposalError, Disposed, Finding, Note
from logferry_contracts.verification.joining import span


class Standing(NamedTuple):
    """What counts of a window; None where that cannot be read."""

    statement: Statement | None
    findings: list[Finding]


def standing(words: Sequence[Statement | None]) -> Standing:
    """Return what counts of a window.

    What was archived once has to stay there, whatever is said later, unless somebody has ordered
    that it goes: the last word that is of objects, or that somebody answers for, is the one that
    counts. A try that failed afterwards takes nothing back.

    Args:
        words: What the seals have said of the window, the oldest first; None for what cannot be
            read.
    """
    last = words[-1]
    if last is None:
        return Standing(None, [])
    before = next((e for e in reversed(words[:-1]) if e and e.outcome == ARCHIVED), None)
    if last.outcome == DISPOSED:
        return _disposed(last, before, is_known=None not in words)
    if before is None or last.outcome in {ARCHIVED, CONTRADICTED}:
        return Standing(last, [])
    if last.outcome == WAIVED and last.waiver is not None:
        told = f"it was sealed as archived, and waived since by {answered_for(last)}"
        return Standing(last, [Disposed(place(last), told)])
    told = f"it is {last.outcome} by the last seal, and was sealed as archived: that counts"
    return Standing(before, [Note(place(last), told)])


def place(statement: Statement) -> str:
    """Return which log group and window a statement is of, for people."""
    return f"{statement.log_group.name}, {span(statement.window.from_ms, statement.window.to_ms)}"


def answered_for(statement: Statement) -> str:
    """Return who answers for a window, when, and why, for people."""
    waiver = statement.waiver
    if waiver is None:
        return "nobody"
    ticket = "" if waiver.ticket is None else f" ({waiver.ticket})"
    return f"{waiver.by} at {waiver.at}: {waiver.why}{ticket}"


def _disposed(last: Statement, before: Statement | None, *, is_known: bool) -> Standing:
    """Return what counts of a window whose objects were to be removed: none but those sealed."""
    if before is None:
        told = "no seal before says that it was archived"
        return Standing(last, [DisposalError(place(last), told)] if is_known else [])
    ordered, sealed = _identities(last), _identities(before)
    if ordered == sealed:
        return Standing(last, [])
    keys = sorted({key for key, *_ in ordered ^ sealed})
    told = f"it names other objects than were sealed, by {len(keys)}, such as {keys[0]}"
    return Standing(before, [DisposalError(place(last), told)])


def _identities(statement: Statement) -> set[tuple[str, int, str]]:
    objects: list[StatedObject] = statement.objects or []
    return {(each.key, each.size_bytes, each.sha256) for each in objects}
