"""What CloudWatch Logs has of a window and the archive has not: rules only.

Events are compared as they stand in the archive, line by line: so an event whose message holds a
line that begins like one is taken for two on both sides, and both sides together are what they
were, whichever of two alike is taken for the missing one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b

from logferry_contracts.log_line import STAMP_LENGTH, begins_event, stamp
from logferry_contracts.window import Window

_DIGEST_BYTES = 16


def events(texts: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the events of a log stream, each without the newline that ends it.

    Args:
        texts: What its objects unpack to, in pieces, one object after the other.
    """
    rest, event = b"", list[bytes]()
    for text in texts:
        *lines, rest = (rest + text).split(b"\n")
        for line in lines:
            if event and begins_event(line, 0):
                yield b"\n".join(event)
                event.clear()
            event.append(line)
    if rest:
        if event and begins_event(rest, 0):
            yield b"\n".join(event)
            event.clear()
        event.append(rest)
    if event:
        yield b"\n".join(event)


def digests(some: Iterable[bytes], window: Window) -> Iterator[bytes]:
    """Yield the digest of each event of a window that is among some."""
    return map(_digest, _inside(some, window))


def missing(some: Iterable[bytes], there: Counter[bytes], window: Window) -> Iterator[bytes]:
    """Yield those of a window that are not there, in their order.

    Args:
        some: Events, as CloudWatch Logs has them now.
        there: How often each is, by its digest. What was found again is taken out of it.
        window: The export's, half-open.
    """
    for event in _inside(some, window):
        digest = _digest(event)
        if there[digest] > 1:
            there[digest] -= 1
        elif not there.pop(digest, 0):
            yield event


def _inside(some: Iterable[bytes], window: Window) -> Iterator[bytes]:
    begin, end = stamp(window.from_ms), stamp(window.to_ms)
    return (each for each in some if begin <= each[:STAMP_LENGTH] < end)


def _digest(event: bytes) -> bytes:
    """Return what tells one event from another; newlines that end a message do not."""
    return blake2b(event.rstrip(b"\n"), digest_size=_DIGEST_BYTES).digest()
