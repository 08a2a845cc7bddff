"""Search the streams of a plan, several side by side; yield what matches in the order of time."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import tee
from typing import Any, NamedTuple

from logferry_contracts.archive import LogEvent
from logferry_contracts.log_line import STAMP_LENGTH, event_ms, parted
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.pattern import Pattern
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.reading import Events, Outcome, read
from logferry_contracts.retrieval.streams import Piece, Stream
from logferry_contracts.retrieval.timeline import Timeline
from logferry_contracts.source import SourceName
from logferry_contracts.verification.findings import Finding, Note, SealError, Unchecked
from logferry_contracts.verification.store import Mapped, Store

_MESSAGE = STAMP_LENGTH + len(b" ")
_ROUGHLY_BYTES = 400
"""What an event takes in memory beside its message."""


class Match(NamedTuple):
    """An event that was searched for.

    Attributes:
        log_group_name: Whose it is.
        version_id: Of the object, as it was archived.
        sha256: Of the object's stored bytes, which were hashed; None where it is not sealed yet.
        before: Events of the same stream that were written before it, the oldest first.
        after: Those that were written after it.
    """

    event: LogEvent
    source: SourceName
    log_group_name: str
    version_id: str
    sha256: str | None
    before: tuple[LogEvent, ...] = ()
    after: tuple[LogEvent, ...] = ()

    @property
    def at_ms(self) -> int:
        """When it happened, in milliseconds since 1970."""
        return self.event.at_ms

    @property
    def size_bytes(self) -> int:
        """About how much memory it takes."""
        around = sum(len(e.message) + _ROUGHLY_BYTES for e in (*self.before, *self.after))
        return len(self.event.message) + _ROUGHLY_BYTES + around


@dataclass
class Report:
    """What came of reading a plan.

    Attributes:
        streams: How many were read, of those of the plan.
        objects: How many were read to their ends.
        size_bytes: Of them, as they are stored.
        hashed: How many of them are what was archived, by their hashes.
        matches: How many events were found, whether they were wanted or not.
        findings: What is wrong: whatever could not be read, or is not what was archived.
        notes: What was wrong, and is known to change nothing.
        frozen: The objects that have to be restored first.
    """

    streams: int = 0
    objects: int = 0
    size_bytes: int = 0
    hashed: int = 0
    matches: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    frozen: list[str] = field(default_factory=list)

    @property
    def is_wrong(self) -> bool:
        """Whether something is not what was archived."""
        return any(isinstance(each, SealError) for each in self.findings)

    @property
    def unchecked(self) -> list[Unchecked]:
        """What could not be read, of what is there."""
        return [each for each in self.findings if isinstance(each, Unchecked)]

    @property
    def is_whole(self) -> bool:
        """Whether everything was read."""
        return not self.findings and not self.frozen

    def add(self, outcome: Outcome[Any], matches: int) -> None:
        """Take in what came of a stream, and how many events that is."""
        self.streams += 1
        self.objects += outcome.objects
        self.size_bytes += outcome.size_bytes
        self.hashed += outcome.hashed
        self.matches += matches
        self.findings += [each for each in outcome.findings if not isinstance(each, Note)]
        self.notes += [each for each in outcome.findings if isinstance(each, Note)]
        self.frozen += outcome.frozen


@dataclass(frozen=True)
class Searching:
    """Searches one stream.

    Attributes:
        context: How many events of the stream to show before and after each match.
    """

    store: Store
    asked: Asked
    pattern: Pattern
    context: int = 0

    def __call__(self, stream: Stream) -> Outcome[list[Match]]:
        """Return what it has, in the order in which it was written."""
        is_quick = self.pattern.is_quick and not self.context
        scan = self._quickly if is_quick else self._event_by_event
        return read(self.store, stream, lambda events: list(scan(stream, events)))

    def _quickly(self, stream: Stream, some: Iterable[Events]) -> Iterator[Match]:
        for piece, text, *part in some:
            for begin, end in self.pattern.places(text, *part):
                at_ms = event_ms(text, begin)
                if self._is_wanted(stream, at_ms):
                    message = _decoded(text[begin + _MESSAGE : end])
                    yield _match(stream, piece, _event(stream, piece, at_ms, message))

    def _event_by_event(self, stream: Stream, some: Iterable[Events]) -> Iterator[Match]:
        before = deque[LogEvent](maxlen=self.context)
        open_: deque[tuple[Match, list[LogEvent]]] = deque()
        for piece, text, begin, end in some:
            for at_ms, message in _events(text[begin:end]):
                event = _event(stream, piece, at_ms, message)
                for _, after in open_:
                    after.append(event)
                while open_ and len(open_[0][1]) == self.context:
                    yield _closed(open_.popleft())
                if self._is_wanted(stream, at_ms) and self.pattern.has(message):
                    match = _match(stream, piece, event)._replace(before=tuple(before))
                    open_.append((match, []))
                    if not self.context:
                        yield _closed(open_.popleft())
                before.append(event)
        yield from map(_closed, open_)

    def _is_wanted(self, stream: Stream, at_ms: int) -> bool:
        return self.asked.has(at_ms) and at_ms != stream.skipped_ms


class Search:
    """The events of a plan that match, in the order of time.

    Each is yielded as soon as it is known to come next. What cannot be read, or is not what was
    archived, is no exception but in the report.

    Attributes:
        report: What came of it so far; complete when nothing more is yielded.
    """

    def __init__(  # noqa: PLR0913  (each from another place)
        self,
        store: Store,
        plan: Plan,
        pattern: Pattern,
        *,
        newest_first: bool = True,
        context: int = 0,
        mapped: Mapped = map,
    ) -> None:
        """Begin with nothing.

        Args:
            store: The archive; may be read by several threads.
            plan: What to read, which is finished.
            pattern: What to search for.
            newest_first: Or the oldest.
            context: How many events of the same stream to show before and after each.
            mapped: Searches several streams, such as with threads; takes only few of them ahead.
        """
        self.report = Report()
        self._plan = plan
        self._is_newest_first = newest_first
        self._mapped = mapped
        self._searching = Searching(store, plan.asked, pattern, context)
        self._timeline = Timeline[Match](newest_first=newest_first)

    def __iter__(self) -> Iterator[Match]:
        """Search, and yield what is found."""
        streams, given = tee(self._plan.streams(newest_first=self._is_newest_first))
        outcomes = self._mapped(self._searching, given)
        next(streams, None)
        for outcome in outcomes:
            self.report.add(outcome, len(outcome.found or ()))
            self._timeline.add(outcome.found or ())
            following = next(streams, None)
            if following is not None:
                yield from self._timeline.until(self._bound(following))
        yield from self._timeline.until(None)

    def rest(self) -> Iterator[Match]:
        """Yield what was found and not yielded yet, where somebody has stopped the search."""
        return self._timeline.until(None)

    def _bound(self, stream: Stream) -> int:
        """Return the time that nothing of a stream, or of those after it, comes before.

        What is not sealed yet may have events outside of its window.
        """
        return stream.last_ms if self._is_newest_first else stream.first_ms


def _events(text: bytes) -> Iterator[tuple[int, str]]:
    _, times_ms, messages = parted(_decoded(text.removesuffix(b"\n")))
    return zip(times_ms, messages, strict=True)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def _event(stream: Stream, piece: Piece, at_ms: int, message: str) -> LogEvent:
    return LogEvent(at_ms, message, stream.name, piece.key)


def _match(stream: Stream, piece: Piece, event: LogEvent) -> Match:
    head = (event, stream.source, stream.log_group_name)
    return Match(*head, piece.version_id, piece.sha256)


def _closed(found: tuple[Match, list[LogEvent]]) -> Match:
    match, after = found
    return match._replace(after=tuple(after))
