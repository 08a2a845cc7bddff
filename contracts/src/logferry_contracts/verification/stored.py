"""Read what is stored under the name of its own hash, whatever lies over it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from io import BufferedReader, FileIO
from typing import NamedTuple

from logferry_contracts import json_text
from logferry_contracts.archive import Readable
from logferry_contracts.canonical_json import NotCanonicalError, canonical_json
from logferry_contracts.verification.findings import (
    CoveredError,
    Finding,
    HiddenError,
    HoldLiftedError,
    ReserialisedError,
    SealError,
    Unread,
)
from logferry_contracts.verification.store import Missing, Store, Unreadable, Version

MAX_FETCHED_BYTES = 256 * 1024 * 1024
"""What is longer is none of our documents: a statement has some 500 bytes for each object."""

_PIECE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Sort:
    """What kind of thing it is that is looked for, and the errors of it."""

    missing: type[SealError]
    changed: type[SealError]


class Found(NamedTuple):
    """Where the right bytes are.

    Attributes:
        is_there: Whether they are anywhere.
        version_id: Of the version that has them; None for the latest.
        findings: What is not as it should be.
    """

    is_there: bool
    version_id: str | None
    findings: list[Finding]


class Reading:
    """A file whose reading fails as `Unreadable`, whatever its opener raises."""

    def __init__(self, file: Readable) -> None:
        self._file = file

    def read(self, amount: int, /) -> bytes:
        """Return up to so many bytes, none at the end."""
        try:
            return self._file.read(amount)
        except Exception as error:  # each SDK has its own for a download that broke
            raise Unreadable(f"it broke off: {type(error).__name__}: {error}") from error

    def pieces(self, piece_bytes: int) -> Iterator[bytes | memoryview]:
        """Yield all in pieces, each of which is overwritten by the next one.

        Those of a local file take turns in one place of memory. To have another one for each takes
        a tenth of the time of hashing them.
        """
        if not isinstance(self._file, FileIO | BufferedReader):
            while piece := self.read(piece_bytes):
                yield piece
            return
        place = memoryview(bytearray(piece_bytes))
        while count := self._read_into(self._file, place):
            yield place[:count]

    def close(self) -> None:
        """Give it up."""
        self._file.close()

    @staticmethod
    def _read_into(file: FileIO | BufferedReader, place: memoryview) -> int:
        try:
            return file.readinto(place)
        except OSError as error:
            raise Unreadable(f"it broke off: {type(error).__name__}: {error}") from error


def read_whole(store: Store, key: str, version_id: str | None, limit_bytes: int) -> bytes:
    """Return the bytes of a version; of a longer one than the limit so much that it shows.

    Raises:
        Missing: It is not there.
        Unreadable: It is, but could not be read to its end.
    """
    read = bytearray()
    for piece in pieces(store, key, version_id):
        read += piece
        if len(read) > limit_bytes:
            break
    return bytes(read)


def pieces(
    store: Store, key: str, version_id: str | None = None, piece_bytes: int = _PIECE_BYTES
) -> Iterator[bytes]:
    """Yield the bytes of a version in pieces; raises as `read_whole`."""
    with closing(store.open(key, version_id)) as file:
        reading = Reading(file)
        while piece := reading.read(piece_bytes):
            yield piece


def hashed(
    store: Store, key: str, version_id: str | None, piece_bytes: int = _PIECE_BYTES
) -> tuple[str, int]:
    """Return the SHA-256 of a version, and how many bytes it has; raises as `read_whole`."""
    found, size_bytes = sha256(), 0
    with closing(store.open(key, version_id)) as file:
        for piece in Reading(file).pieces(piece_bytes):
            found.update(piece)
            size_bytes += len(piece)
    return found.hexdigest(), size_bytes


def lines(store: Store, key: str, version_id: str | None = None) -> Iterator[bytes]:
    """Yield the lines of a version, each with its newline; raises as `read_whole`."""
    rest = b""
    for piece in pieces(store, key, version_id):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line + b"\n"
    if rest:
        yield rest


def locate(store: Store, key: str, digest: str, sort: Sort) -> Found:
    """Return which version of a key has the bytes that it is named for, the latest first."""

    def digest_of(version_id: str | None) -> str:
        return hashed(store, key, version_id)[0]

    return _Search(store, key, digest, sort, digest_of).found()


def fetch(store: Store, key: str, digest: str, sort: Sort) -> tuple[bytes | None, list[Finding]]:
    """Return the bytes that a key is named for, None where no version has them.

    There are no more than `MAX_FETCHED_BYTES`.
    """
    read: list[bytes] = []

    def digest_of(version_id: str | None) -> str:
        read[:] = [*read[:1], read_whole(store, key, version_id, MAX_FETCHED_BYTES)]
        return sha256(read[-1]).hexdigest()

    found = _Search(store, key, digest, sort, digest_of).found()
    if found.is_there:
        return read[-1], found.findings
    if read and _is_reserialised(read[0], digest):
        return None, [ReserialisedError(key, "it is the same JSON, but not the same bytes")]
    return None, found.findings


def unchecked(thing: str, why: Exception) -> Unread:
    """Return what is told of what cannot be read."""
    return Unread(thing, f"cannot be read: {why}", "Make it readable, and check again")


def lifted(
    store: Store, key: str, version_id: str | None, of_bytes: list[Finding]
) -> list[Finding]:
    """Return what was found of a version's bytes, with what is wrong with its legal hold.

    Neither hides the other: a lifted hold is told of what cannot be read, and changed bytes of that
    of which nobody may see the hold. What can be read neither way is told once.

    Raises:
        Missing: It is gone.
    """
    try:
        held = store.is_held(key, version_id)
    except Unreadable as error:
        is_told = any(isinstance(each, Unread) for each in of_bytes)
        return of_bytes if is_told else [unchecked(key, error), *of_bytes]
    told = f"{version_id} is not on legal hold"
    return [HoldLiftedError(key, told), *of_bytes] if held is False else of_bytes


def raise_unread(findings: Iterable[Finding]) -> None:
    """Refuse to go on without what could not be read.

    Raises:
        Unreadable: Something could not.
    """
    for each in findings:
        if isinstance(each, Unread):
            raise Unreadable(f"{each.thing}: {each.why}")


@dataclass(frozen=True)
class _Search:
    """Looks for the version of a key that has a digest.

    Attributes:
        digest_of: Of a version; None for the latest.
    """

    store: Store
    key: str
    digest: str
    sort: Sort
    digest_of: Callable[[str | None], str]

    def found(self) -> Found:
        wrong = None
        try:
            if (wrong := self.digest_of(None)) == self.digest:
                return Found(is_there=True, version_id=None, findings=[])
        except Missing:
            pass
        except Unreadable as error:
            return _nowhere(unchecked(self.key, error))
        try:
            return self._beneath(wrong)
        except (Missing, Unreadable) as error:
            return _nowhere(unchecked(self.key, error))

    def _beneath(self, wrong: str | None) -> Found:
        """Look beneath the latest version, which has the wrong digest or is a delete marker."""
        versions = [each for each in self.store.versions(self.key) if each.key == self.key]
        for each in versions:
            if each.is_latest or each.is_delete_marker:
                continue
            if self.digest_of(each.version_id) == self.digest:
                findings: list[Finding] = [_over(self.key, versions[0])]
                return Found(is_there=True, version_id=each.version_id, findings=findings)
        if wrong is not None:
            told = f"its SHA-256 is {wrong}, not {self.digest}"
            return _nowhere(self.sort.changed(self.key, told))
        is_hidden = bool(versions) and versions[0].is_delete_marker
        told = "it is not there" + (", but for a delete marker" if is_hidden else "")
        return _nowhere(self.sort.missing(self.key, told))


def _nowhere(finding: Finding) -> Found:
    return Found(is_there=False, version_id=None, findings=[finding])


def _over(key: str, latest: Version) -> SealError:
    if latest.is_delete_marker:
        return HiddenError(key, f"the delete marker {latest.version_id} lies over it")
    return CoveredError(key, f"the version {latest.version_id}, of other bytes, lies over it")


def _is_reserialised(data: bytes, digest: str) -> bool:
    """Whether bytes that have another hash would have this one, had they been written by us.

    Only asked of what is refused already, to say why.
    """
    try:
        return sha256(canonical_json(json_text.read(data))).hexdigest() == digest
    except (ValueError, NotCanonicalError):
        return False
