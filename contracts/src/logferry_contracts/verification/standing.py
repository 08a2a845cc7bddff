"""Which statement's objects have to be in the archive, of all that seals have said of a window."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from logferry_contracts.statement import (
    ARCHIVED,
    DISPOSED,
    EXCLUDED,
    FAILED,
    KNOWN_OUTCOMES,
    OPEN,
    REFUSED,
    SKIPPED,
    WAIVED,
    StatedObject,
    Statement,
)
from logferry_contracts.verification.findings import (
    DisposalError,
    Disposed,
    Finding,
    Note,
    SealError,
    Unchecked,
)
from logferry_contracts.verification.joining import span

_TRIES = frozenset({SKIPPED, EXCLUDED, REFUSED, FAILED, OPEN})
"""Outcomes that say that nothing came of it, for which nobody answers."""

_OF_OBJECTS = frozenset({ARCHIVED, DISPOSED})


class Standing(NamedTuple):
    """What counts of a window.

    Attributes:
        statement: None where that cannot be read.
        also: What was archived before and is not replaced by it: its objects have to be there, too.
        may_go: What was sealed before, and is replaced, waived or disposed of: its objects may be
            gone, and be no others.
    """

    statement: Statement | None
    findings: list[Finding]
    also: Sequence[Statement] = ()
    may_go: Sequence[Statement] = ()

    @property
    def compared(self) -> list[Statement]:
        """The statements that are compared with what there is."""
        before, counts = [*self.also, *self.may_go], self.statement
        # A waiver says nothing of what lies there, and nothing of it is to come.
        if counts is None or (before and counts.outcome == WAIVED):
            return before
        return [counts, *before]


def takes_back(word: Statement | None) -> bool:
    """Whether what was said before of the same window counts no more.

    Args:
        word: None for one that cannot be read, of which nobody knows.
    """
    return word is None or word.outcome not in _TRIES


def standing(words: Sequence[Statement | None]) -> Standing:
    """Return what counts of a window.

    What was archived once has to stay there, whatever is said later, unless somebody has ordered
    that it goes, or as many events are archived anew: the last word that is of objects, or that
    somebody answers for, is the one that counts. A try that failed afterwards takes nothing back,
    and neither does an export that found less. What does not count any more may be gone; nothing
    else may be in its place.

    Args:
        words: What the seals have said of the window, the oldest first; None for what cannot be
            read.
    """
    last = words[-1]
    if last is None:
        return Standing(None, [])
    known = [each for each in words if each is not None]
    place_of_it = next((n for n in reversed(range(len(known))) if takes_back(known[n])), None)
    if place_of_it is None:
        return Standing(last, [])
    counts, before = known[place_of_it], known[:place_of_it]
    found = _weighed(counts, before, is_known=None not in words)
    if counts is last:
        return found
    told = f"it is {last.outcome} by the last seal, and was sealed as {counts.outcome}: that counts"
    return found._replace(findings=[*found.findings, Note(place(last), told)])


def place(statement: Statement) -> str:
    """Return which log group and window a statement is of, for people."""
    return f"{statement.log_group.name}, {span(statement.window.from_ms, statement.window.to_ms)}"


def not_known(statement: Statement) -> Iterator[Unchecked]:
    """Yield what cannot be judged of a statement: an outcome that a later version may have."""
    if statement.outcome not in KNOWN_OUTCOMES:
        told = f"its outcome {statement.outcome} is none that is known here"
        yield Unchecked(place(statement), told, "Check it with a newer version of logferry")


def answered_for(statement: Statement) -> str:
    """Return who answers for a window, when, and why, for people."""
    waiver = statement.waiver
    if waiver is None:
        return "nobody"
    ticket = "" if waiver.ticket is None else f" ({waiver.ticket})"
    return f"{waiver.by} at {waiver.at}: {waiver.why}{ticket}"


def _weighed(counts: Statement, before: Sequence[Statement], *, is_known: bool) -> Standing:
    archived = [n for n, each in enumerate(before) if each.outcome == ARCHIVED]
    found = Standing(counts, [])
    if counts.outcome == DISPOSED:
        found = _disposed(counts, before[: archived[-1] + 1] if archived else [], is_known=is_known)
    if counts.outcome == WAIVED:
        found = _waived(counts, before)
    if counts.outcome == ARCHIVED:
        found = _archived(counts, before)
    return found._replace(may_go=_may_go(found, before))


def _may_go(found: Standing, before: Sequence[Statement]) -> list[Statement]:
    """Return what was sealed before, without the objects that have to be there."""
    known = {
        key for each in (found.statement, *found.also) if each is not None for key in _keys(each)
    }
    may_go = []
    for each in reversed(before):
        if each.outcome in _OF_OBJECTS:
            objects = [one for one in each.objects or [] if one.key not in known]
            if objects:
                update = {"outcome": DISPOSED, "objects": objects}
                may_go.append(each.model_copy(update=update))
            known |= _keys(each)
    return may_go


def _keys(statement: Statement) -> set[str]:
    of_objects = statement.outcome in _OF_OBJECTS
    return {each.key for each in statement.objects or []} if of_objects else set()


def _waived(counts: Statement, before: Sequence[Statement]) -> Standing:
    """Return what counts of a window that was waived: told, if it was more than tries before."""
    earlier = standing(before) if before else Standing(None, [])
    if earlier.statement is None or not takes_back(earlier.statement):
        return Standing(counts, [])
    was = earlier.statement.outcome
    told = f"it was sealed as {was}, and waived since by {answered_for(counts)}"
    findings = [each for each in earlier.findings if isinstance(each, SealError)]
    return Standing(counts, [*findings, Disposed(place(counts), told)])


def _archived(counts: Statement, before: Sequence[Statement]) -> Standing:
    """Return what counts of a window that is archived: with it, what has more events than it."""
    also: list[Statement] = []
    replaced: list[Statement] = []
    for each in before:
        if each.outcome in {DISPOSED, WAIVED}:
            also.clear()
            replaced.clear()
        elif each.outcome == ARCHIVED:
            (also if _events(each) > _events(counts) else replaced).append(each)
    return Standing(counts, list(_replacing(counts, also, replaced)), also)


def _replacing(
    counts: Statement, also: Sequence[Statement], replaced: Sequence[Statement]
) -> Iterator[Note]:
    """Yield what an export anew makes of what was archived before."""
    thing, events = place(counts), f"{_events(counts):,}"
    if also:
        more = ", ".join(f"{_events(each):,}" for each in also)
        told = f"it was sealed with {more} events before, and has {events}: all have to stay"
        yield Note(thing, told)
    gone = {key for each in replaced for key in _keys(each)} - _keys(counts)
    if gone:
        fewer = " and ".join(f"{_events(each):,}" for each in replaced)
        told = f"it was sealed with {fewer} events before, in {len(gone)} other objects, which may "
        yield Note(thing, f"{told}be gone since {events} were exported anew")


def _disposed(last: Statement, before: Sequence[Statement], *, is_known: bool) -> Standing:
    """Return what counts of a window whose objects were to be removed: none but those sealed.

    Args:
        last: The order.
        before: What was said before it, up to what was archived.
        is_known: Whether all that was said can be read.
    """
    if not before:
        told = "no seal before says that it was archived"
        return Standing(last, [DisposalError(place(last), told)] if is_known else [])
    ordered, sealed = _identities(last), _identities(before[-1])
    if ordered == sealed:
        return Standing(last, [])
    keys = sorted({key for key, *_ in ordered ^ sealed})
    told = f"it names other objects than were sealed, by {len(keys)}, such as {keys[0]}"
    found = _archived(before[-1], before[:-1])
    return found._replace(findings=[DisposalError(place(last), told), *found.findings])


def _events(statement: Statement) -> int:
    return sum(each.events for each in statement.objects or [])


def _identities(statement: Statement) -> set[tuple[str, int, str]]:
    objects: list[StatedObject] = statement.objects or []
    return {(each.key, each.size_bytes, each.sha256) for each in objects}
