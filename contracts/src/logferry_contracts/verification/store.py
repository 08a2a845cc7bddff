"""Where an archive is, such as a bucket, or a folder that it was copied into."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from logferry_contracts.archive import Readable


class Missing(LookupError):  # noqa: N818  (what is missing is found, and no error of ours)
    """There is no such key, or no such version of it."""


class Unreadable(Exception):  # noqa: N818  (the same)
    """It is there, but cannot be read now, such as an object in GLACIER. Says why."""


class Denied(Unreadable):
    """Whoever reads may not read it."""


class Frozen(Unreadable):
    """It is in GLACIER or DEEP_ARCHIVE, and can be read once it was restored."""


class Version(NamedTuple):
    """A version of a key, or a delete marker.

    Attributes:
        version_id: None where there are no versions, as in a folder.
        is_latest: Whether it is what is got by the key alone.
        size_bytes: 0 for a delete marker.
    """

    key: str
    version_id: str | None
    is_latest: bool
    is_delete_marker: bool
    size_bytes: int


class Store(Protocol):
    """An archive that is only read. Each method may be called by several threads."""

    def versions(self, prefix: str) -> Iterable[Version]:
        """Yield all versions and delete markers of the keys that begin so.

        In the order of the keys as bytes of UTF-8; those of one key after each other, the newest
        first.

        Raises:
            Unreadable: They cannot be listed.
        """

    def open(self, key: str, version_id: str | None) -> Readable:
        """Open a version; None for the latest.

        Raises:
            Missing: It is not there; or the latest is a delete marker.
            Unreadable: It is, but cannot be read.
        """

    def is_held(self, key: str, version_id: str | None) -> bool | None:
        """Return whether a version is on legal hold; None where there are no holds.

        Raises:
            Missing: It is not there.
            Unreadable: It is, but its hold cannot be read.
        """


class Mapped(Protocol):
    """What ``map`` does, perhaps with several threads: in order, and only a few things ahead."""

    def __call__[T, R](self, work: Callable[[T], R], on: Iterable[T], /) -> Iterable[R]:
        """Yield what the work returns of each thing; raise what it raises."""
