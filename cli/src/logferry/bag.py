"""What was fetched as a BagIt bag: the events, the archived objects that have them, and proofs.

https://www.rfc-editor.org/rfc/rfc8493
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from logferry.errors import ConfigError, ProveError
from logferry.fetch import identity
from logferry_contracts.chain import ChainName
from logferry_contracts.log_group import log_group_folder
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.streams import Piece
from logferry_contracts.verification.chain import Chain, read_chain
from logferry_contracts.verification.findings import (
    ObjectChangedError,
    ObjectMissingError,
    SealError,
)
from logferry_contracts.verification.proofs import check
from logferry_contracts.verification.proving import prove
from logferry_contracts.verification.store import Mapped, Missing, Store, Unreadable
from logferry_contracts.verification.stored import Sort, locate, pieces
from logferry_contracts.wire import emit

EVENTS = "events.jsonl"
_OBJECTS = Sort(ObjectMissingError, ObjectChangedError)
_DECLARED = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_ESCAPED = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
"""What paths in manifests have for what ends their lines."""


class Proof(NamedTuple):
    """What is to be proven: of one log group and date."""

    chain: Chain
    log_group_name: str
    date: str


class Bag:
    """A folder that becomes a bag when it is closed. What it has already is not made again.

    Attributes:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        """Begin, or go on.

        Raises:
            ConfigError: It cannot be written.
        """
        self.root = root
        self._data = root / "data"
        try:
            (self._data / "objects").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError("--output", [f"{root}: {error.strerror}"]) from error

    def add_events(self, lines: Path) -> None:
        """Take over a file of events."""
        lines.replace(self._data / EVENTS)

    def add_objects(self, store: Store, some: Iterable[Piece], *, mapped: Mapped = map) -> int:
        """Copy archived objects, each named by its SHA-256; return how many.

        Raises:
            Unreadable: One cannot be read any more, or not as it was.
        """
        return sum(1 for _ in mapped(lambda piece: self._copy(store, piece), some))

    def _copy(self, store: Store, piece: Piece) -> None:
        known = None if piece.sha256 is None else self._object(piece.sha256)
        if known is not None and known.exists():
            return
        for version_id in dict.fromkeys((piece.version_id, None)):
            try:
                if self._kept(store, piece, version_id):
                    return
            except Missing:
                continue
        if piece.sha256 is not None:
            found = locate(store, piece.key, piece.sha256, _OBJECTS)
            if found.is_there and self._kept(store, piece, found.version_id):
                return
        raise Unreadable(f"{piece.key}: it is not what it was when its events were read")

    def _kept(self, store: Store, piece: Piece, version_id: str | None) -> bool:
        """Whether a version has the archived bytes, which are then in the bag."""
        name = hashlib.sha256(piece.key.encode()).hexdigest()
        part, hashed = self.root / f"{name}.part", hashlib.sha256()
        with part.open("wb") as file:
            for some in pieces(store, piece.key, version_id):
                hashed.update(some)
                file.write(some)
            size_bytes = file.tell()
        if size_bytes != piece.size_bytes or piece.sha256 not in {None, hashed.hexdigest()}:
            part.unlink()
            return False
        part.replace(self._object(hashed.hexdigest()))
        return True

    def _object(self, digest: str) -> Path:
        return self._data / "objects" / f"{digest}.gz"

    def add_proofs(self, store: Store, some: Iterable[Proof], made_at: str) -> int:
        """Write proofs, and return how many.

        Raises:
            ProveError: Something that one needs is not as it was sealed, or cannot be read.
        """
        count = 0
        for chain, name, date in some:
            path = self._data / "proofs" / str(chain.name) / log_group_folder(name) / f"{date}.json"
            try:
                proof = prove(store, chain, name, date=date, made_at=made_at)
                check(proof, ())
            except (SealError, Unreadable) as error:
                raise ProveError(f"no proof of {name} on {date} can be made: {error}") from error
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{emit(proof)}\n", encoding="utf-8")
            count += 1
        return count

    def close(self, info: dict[str, str]) -> None:
        """Write what makes a bag of it.

        Args:
            info: What ``bag-info.txt`` has beside the payload's size.
        """
        for each in self.root.glob("*.part"):
            each.unlink()
        payload = sorted(path for path in self._data.rglob("*") if path.is_file())
        size_bytes = sum(path.stat().st_size for path in payload)
        info |= {"Payload-Oxum": f"{size_bytes}.{len(payload)}"}
        self._write("bagit.txt", _DECLARED)
        self._write("bag-info.txt", "".join(f"{name}: {text}\n" for name, text in info.items()))
        self._write("manifest-sha256.txt", self._manifest(payload))
        tags = sorted(path for path in self.root.glob("*.txt") if "tagmanifest" not in path.name)
        self._write("tagmanifest-sha256.txt", self._manifest(tags))

    def _write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8", newline="\n")

    def _manifest(self, paths: Sequence[Path]) -> str:
        lines = (
            f"{_digest(path)}  {path.relative_to(self.root).as_posix().translate(_ESCAPED)}\n"
            for path in paths
        )
        return "".join(lines)


def pieces_of(plan: Plan, done: Collection[str]) -> Iterator[Piece]:
    """Yield the objects of those streams of a plan that were read, see `fetch.identity`."""
    for stream in plan.streams():
        if identity(stream) in done:
            yield from stream.pieces


def proofs_of(
    store: Store, names: Iterable[ChainName], plan: Plan, *, mapped: Mapped = map
) -> Iterator[Proof]:
    """Yield what can be proven of a plan's log groups: of each date that is sealed.

    Raises:
        Unreadable: Seals cannot be read, such as by somebody who may not.
    """
    streams = {(ChainName.of(each.source), each.log_group_name) for each in plan.streams()}
    archived = {name for _, name in streams}
    for name in names:
        chain = read_chain(store, name, (), mapped=mapped)
        groups = {each for of, each in streams if of == name} | (plan.log_groups - archived)
        for date in _dates(chain, plan.asked):
            yield from (Proof(chain, group, date) for group in sorted(groups))


def _dates(chain: Chain, asked: Asked) -> list[str]:
    sealed = (link.sealed for link in chain.links if link.kind == "day")
    return sorted(
        {
            each.date
            for each in sealed
            if each and each.covers.from_ms < asked.to_ms and each.covers.to_ms > asked.from_ms
        }
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
