"""Events as they are compared to find what the archive lacks: rules only.

Events are compared as they stand in the archive, line by line: so an event whose message holds a
line that begins like one is taken for two on both sides, and both sides together are what they
were, whichever of two alike is taken for the missing one.
"""

from collections.abc import Iterable, Iterator
from hashlib import blake2b

from logferry_contracts.log_line import STAMP_LENGTH, begins_event, stamp
from logferry_contracts.window import Window

DIGEST_BYTES = 16


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


def inside(some: Iterable[bytes], window: Window) -> Iterator[bytes]:
    """Yield the events of a window, half-open, that are among some."""
    begin, end = stamp(window.from_ms), stamp(window.to_ms)
    return (each for each in some if begin <= each[:STAMP_LENGTH] < end)


def digest(event: bytes) -> bytes:
    """Return what tells one event from another; newlines that end a message do not."""
    return blake2b(event.rstrip(b"\n"), digest_size=DIGEST_BYTES).digest()
