"""Check what the seals of a chain have sealed, seal by seal and as deep as is wanted."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain as chained
from typing import NamedTuple

from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.statement import CONTRADICTED, DISPOSED, KNOWN_OUTCOMES, Statement
from logferry_contracts.verification.chain import Chain, Link
from logferry_contracts.verification.findings import (
    ContradictedError,
    CountsError,
    DisposalError,
    Disposed,
    Finding,
    HiddenError,
    ObjectAddedError,
    ObjectMissingError,
    Unchecked,
    perhaps,
)
from logferry_contracts.verification.last_words import LastWords, LogGroupLeaves
from logferry_contracts.verification.leaves import Leaves, check_list
from logferry_contracts.verification.objects import (
    Compared,
    Level,
    SealedObject,
    ToLookAt,
    compare,
    look_at_each,
)
from logferry_contracts.verification.planted import Named, among_objects, among_seals
from logferry_contracts.verification.standing import (
    Standing,
    answered_for,
    not_known,
    place,
    standing,
    takes_back,
)
from logferry_contracts.verification.statements import Counted, read_statement
from logferry_contracts.verification.store import Mapped, Store, Unreadable
from logferry_contracts.verification.stored import unchecked

_SILENT = KNOWN_OUTCOMES - {CONTRADICTED, DISPOSED}
"""All others are told at every level, by what their statements say: also one that a later version
may have, of which nobody knows here what it means."""

_EXPLAINED = (
    ContradictedError,
    DisposalError,
    HiddenError,
    ObjectAddedError,
    ObjectMissingError,
)
"""Errors that a later seal may explain: by an order, a waiver, or what was exported anew."""

type LookAt = Callable[[Iterable[ToLookAt]], Iterable[list[Finding]]]
"""Do `look_at_each` for each of several things, in their order."""


class _LogGroup(NamedTuple):
    """What was found of a log group's windows.

    Attributes:
        sealed: The statements that the seal has; None for each that could not be read.
        counts: What counts of each of its windows, of a seal of the kind ``day``; None for each
            that could not be read.
        there: The objects that are still to be looked at.
    """

    sealed: list[Statement | None]
    counts: list[Statement | None]
    there: list[SealedObject]
    findings: list[Finding]


class Verifier:
    """Checks the seals of one chain.

    What each level finds, with all that the ones before it find:

    * ``seals``: the list of each seal's leaves, their root and their windows; contradictions, and
      what was disposed of;
    * ``objects``: statements and counts; of each object whether it is there, its size, version and
      hold; what was added, hidden or laid over it; and, by `planted`, what lies where no statement
      names anything;
    * ``bytes``: the SHA-256 of each object;
    * ``events``: its lines, events and times.

    The objects of a window are looked at with the seal of the kind ``day`` that covers it, by
    whichever seal's word `standing` says.
    """

    def __init__(  # noqa: PLR0913  (what to look at, and four ways to look)
        self,
        store: Store,
        chain: Chain,
        level: Level,
        *,
        mapped: Mapped = map,
        look_at: LookAt | None = None,
        is_sampled: Callable[[str], bool] = lambda _: True,
        now_ms: int | None = None,
        seen: Callable[[Link, Statement | None], None] = lambda *_: None,
    ) -> None:
        """Prepare to check seals.

        Args:
            store: Where the archive is.
            chain: As `read_chain` has read it.
            level: How deep to look.
            mapped: Does work on several things, such as with threads.
            look_at: Looks at objects, such as in other processes; None: as ``mapped`` does it.
            is_sampled: Whether to look at the statements and objects of a log group of this name;
                counts are compared where it is all of them.
            now_ms: When it is: what an export has put there not long ago need not be held yet.
                None takes it for long ago.
            seen: Told what counts of each window that was read, as `standing` has it, with the
                seal of the kind ``day`` of its time; None where that cannot be read.
        """
        self._store = store
        self._chain = chain
        self._level: Level = level
        self._mapped = mapped
        self._look_at = look_at or partial(mapped, partial(look_at_each, store, level, now_ms))
        self._is_sampled = is_sampled
        self._seen = seen
        self._named = Named()
        self._whole: list[SealedWindows] = []
        """Of the kind ``day``, all statements of which were read."""

    @cached_property
    def _last_words(self) -> LastWords:
        """Read once something of a seal is to be looked at that later ones may have replaced."""
        return LastWords(self._store, self._chain)

    def check(self, link: Link) -> Iterator[Finding]:
        """Yield all that is wrong with what a seal has sealed."""
        for _, findings in self.check_each([link]):
            yield from findings

    def check_each(self, links: Sequence[Link]) -> Iterator[tuple[Link, Iterator[Finding]]]:
        """Yield each of several seals, in their order, with all that is wrong with what it has.

        While the objects of one are looked at, those of the next ones are looked for, as many as
        ``look_at`` takes ahead. What comes with a seal is to be taken before the next one is.
        """
        are_last: deque[bool] = deque()

        def to_look_at() -> Iterator[ToLookAt]:
            for link in links:
                for each in self._to_look_at(link):
                    are_last.append(False)
                    yield each
                are_last.append(True)
                yield []

        found = iter(self._look_at(to_look_at()))
        for link in links:
            yield link, _up_to_last(found, are_last)

    def _to_look_at(self, link: Link) -> Iterator[ToLookAt]:
        """Yield the objects of a seal, and what is wrong with all else that it has sealed."""
        if link.sealed is None:
            return
        is_day = link.kind == "day"
        leaves = Leaves(self._store, self._chain.name, link.sealed, is_day=is_day)
        for each in check_list(leaves, link, link.sealed):
            yield [each]
        counted = sum(link.sealed.outcomes.values())
        if counted != link.sealed.leaf_count:
            told = f"outcomes: it says {counted}, and {link.sealed.leaf_count} leaves"
            yield [CountsError(link.key, told)]
        if not leaves.are_there:
            return
        if self._level == "seals" and not is_told(link.sealed):
            return
        try:
            yield from self._statements(link, link.sealed, leaves)
        except Unreadable as error:
            yield [unchecked(f"the leaves of {link.key}", error)]

    def _statements(self, link: Link, sealed: SealedWindows, leaves: Leaves) -> Iterator[ToLookAt]:
        are_objects_looked_at = self._level != "seals"
        if are_objects_looked_at and not self._last_words.are_known(sealed.covers):
            are_objects_looked_at = False
            why = "a later seal of its windows cannot be read"
            yield [Unchecked(f"the objects of {link.key}", why, "Mend that seal, and check again")]
        look = partial(self._log_group, link, are_objects_looked_at=are_objects_looked_at)
        groups = self._last_words.over(leaves, sealed.covers, is_day=link.kind == "day")
        counted = Counted()
        for found in self._mapped(look, groups):
            for statement in found.sealed:
                counted.add(statement)
            for counts in found.counts:
                self._seen(link, counts)
            if are_objects_looked_at:
                self._name(sealed, [*found.sealed, *found.counts])
            if found.findings:
                yield found.findings
            yield from found.there
        if differences := counted.differences(link, sealed):
            yield differences
        if are_objects_looked_at and counted.are_all and link.kind == "day":
            self._whole.append(sealed)

    def learn(self, link: Link) -> None:
        """Read what is said of the windows of a seal that is not to be checked again.

        For `planted`, which asks what any seal names.
        """
        sealed = link.sealed
        if sealed is None:
            return
        read = partial(read_statement, self._store, self._chain.name)
        leaves = Leaves(self._store, self._chain.name, sealed)
        is_day = link.kind == "day"
        is_whole = leaves.are_there and is_day and self._last_words.are_known(sealed.covers)
        groups = self._last_words.over(leaves, sealed.covers, is_day=is_day)
        said = (leaf for each in groups for leaf in {*each.sealed, *chained(*each.words)})
        try:
            for found in self._mapped(read, said):
                self._name(sealed, [found.statement])
                is_whole = is_whole and found.statement is not None
        except Unreadable:
            return
        if is_whole:
            self._whole.append(sealed)

    def planted(self) -> Iterator[Finding]:
        """Yield what lies at the times that were checked whole, and where nothing names anything.

        To be asked once all seals have been checked.
        """
        profiles = sorted({each for day in self._whole for each in day.profiles})
        objects = (
            among_objects(self._store, profile, self._named, self._whole) for profile in profiles
        )
        for found in (among_seals(self._store, self._chain.name), *objects):
            try:
                yield from (self._so_far(each) for each in found)
            except Unreadable as error:
                yield unchecked(f"what else lies in the archive beside {self._chain.name}", error)

    def _so_far(self, finding: Finding, link: Link | None = None) -> Finding:
        """Return a finding, as it is known where not all later seals could be read.

        Args:
            finding: Any.
            link: The seal that it is found with; None for any.
        """
        if not isinstance(finding, _EXPLAINED):
            return finding
        is_known = self._chain.is_known_after(link.sequence if link else 0)
        if link and link.sealed:
            is_known = is_known and self._last_words.are_known(link.sealed.covers)
        return finding if is_known else perhaps(finding)

    def _name(self, sealed: SealedWindows, statements: Iterable[Statement | None]) -> None:
        for statement in statements:
            if statement is not None:
                self._named.add(statement, sealed.time_zone)

    def _log_group(
        self, link: Link, group: LogGroupLeaves, *, are_objects_looked_at: bool
    ) -> _LogGroup:
        """Read the statements of a log group, and compare the last ones with its objects."""
        is_drawn = self._is_sampled(group.log_group_name)
        if not is_drawn and not (link.sealed and is_told(link.sealed)):
            return _LogGroup([None], [], [], [])
        is_compared = are_objects_looked_at and is_drawn
        later = {leaf: self._last_words.after(leaf) for leaf in group.sealed}
        read = {
            each: read_statement(self._store, self._chain.name, each)
            for each in {*group.sealed, *chained.from_iterable([*group.words, *later.values()])}
        }
        findings = [each for leaf in group.sealed for each in read[leaf].findings]
        if not is_compared:  # otherwise they are looked at with their own seals
            after = {each for leaf in later if _told(read[leaf].statement) for each in later[leaf]}
            findings += [each for leaf in after for each in read[leaf].findings]
        findings += group.overlaps(link)
        for leaf, words in later.items():
            if not any(takes_back(read[word].statement) for word in words):
                findings += _of_outcome(read[leaf].statement)
        if not is_drawn:
            findings = [self._so_far(each, link) for each in findings]
            return _LogGroup([None], [], [], findings)
        sealed = [read[leaf].statement for leaf in group.sealed]
        said = [[read[leaf].statement for leaf in word] for word in group.words]
        stands = [standing(each) for each in said]
        compared = self._compared(stands, said) if is_compared else Compared([], [])
        counts = [each.statement for each in stands]
        findings = [self._so_far(each, link) for each in [*findings, *compared.findings]]
        return _LogGroup(sealed, counts, compared.there, findings)

    def _compared(
        self, stands: Iterable[Standing], words: Iterable[Iterable[Statement | None]]
    ) -> Compared:
        """Compare what counts of a log group's windows with what there is."""
        told, counts = list[Finding](), list[Statement]()
        for each in stands:
            told += each.findings
            counts += each.compared
        said = list(chained.from_iterable(words))
        known = [each for each in said if each is not None]
        compared = compare(self._store, counts, known, are_all=len(known) == len(said))
        return compared._replace(findings=[*told, *compared.findings])


def is_told(sealed: SealedWindows) -> bool:
    """Whether some of what a seal has sealed is told at every level."""
    return not sealed.outcomes.keys() <= _SILENT


def _told(statement: Statement | None) -> bool:
    return statement is not None and statement.outcome not in _SILENT


def _of_outcome(statement: Statement | None) -> Iterator[Finding]:
    """Yield what a statement says itself."""
    if statement is None:
        return
    thing = place(statement)
    if statement.outcome == CONTRADICTED:
        for each in statement.differences or []:
            yield ContradictedError(each.key or thing, f"{each.what}: {each.told}")
    if statement.outcome == DISPOSED:
        count = len(statement.objects or [])
        yield Disposed(thing, f"{count} objects are disposed of by {answered_for(statement)}")
    yield from not_known(statement)


def _up_to_last(found: Iterator[list[Finding]], are_last: deque[bool]) -> Iterator[Finding]:
    """Yield what is found of one seal, which what `check_each` has noted as its last ends."""
    for findings in found:
        yield from findings
        if are_last.popleft():
            return
