"""What somebody wants to have back: of which log groups and streams, of which time."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from logferry_contracts.archive import stream_in_key
from logferry_contracts.message import EpochMs
from logferry_contracts.window import Window


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A time of some log groups.

    Attributes:
        log_groups: Globs of whole names, of which one has to match, case-sensitively.
        from_ms: Inclusive start, in milliseconds since 1970.
        to_ms: Exclusive end, later than the start.
        streams: Globs of log streams; without any, all. A bracket also stands for itself: it is in
            most names of Lambda's, ``2026/11/22/[$LATEST]0a1b``.
        is_open_ended: Whether nobody has said where the end is, so that what comes after all that
            is known is not missing.
    """

    log_groups: tuple[str, ...]
    from_ms: EpochMs
    to_ms: EpochMs
    streams: tuple[str, ...] = ()
    is_open_ended: bool = False

    def has_log_group(self, name: str) -> bool:
        """Whether a log group is among them."""
        return any(fnmatchcase(name, glob) for glob in self.log_groups)

    def has_stream(self, name_in_key: str) -> bool:
        """Whether a log stream is among them, by its name as keys have it."""
        if not self.streams:
            return True
        names = [stream_in_key(each) for each in self.streams]
        globs = (*names, *(each.replace("[", "[[]") for each in names))
        return any(fnmatchcase(name_in_key, glob) for glob in globs)

    def may_have(self, window: Window) -> bool:
        """Whether a window's objects may have events of this time.

        Those of its end may have been exported with it, and with the next one.
        """
        return window.from_ms < self.to_ms and window.to_ms >= self.from_ms

    def has(self, at_ms: int) -> bool:
        """Whether an event of then is of this time."""
        return self.from_ms <= at_ms < self.to_ms
