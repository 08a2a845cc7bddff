"""Ten years of one source, as its seals have them: of its statements only the names."""

import random
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from contracts.tests.sealed_archive import Archive, SealingKey

from benchmarks.sealed.folder import Folder
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.merkle import RootHash
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.seal_key import leaves_key
from logferry_contracts.seal_leaf import leaf_data, name_sha256
from logferry_contracts.window import Window


@dataclass(frozen=True)
class Years:
    """What was made.

    Attributes:
        key: The file with the public key.
        stored_bytes: Of all files.
    """

    root: Path
    key: Path
    seals: int
    leaves: int
    stored_bytes: int


def make(root: Path, seals: int, leaves: int) -> Years:
    """Write the seals of so many days, each with so many leaves, and their lists."""
    drawn = random.Random(7)  # noqa: S311  (no secret)
    archive = Archive(Folder(root), SealingKey())
    names = [f"/aws/lambda/team-{n % 20:02d}/service-{n:04d}" for n in range(leaves)]
    stored_bytes = 0
    for _ in range(seals):
        window = archive.window()
        text, sealed = _day(archive, window, names, drawn)
        archive.bucket.put(leaves_key(archive.chain, sealed.leaves_sha256), text)
        archive.write(archive.next_seal("day", sealed=sealed))
        archive.reached_ms = window.to_ms
        stored_bytes += len(text)
    key = root.with_suffix(".pem")
    key.write_text(archive.key.pem)
    return Years(root, key, seals, seals * leaves, stored_bytes)


def _day(
    archive: Archive, window: Window, names: list[str], drawn: random.Random
) -> tuple[bytes, SealedWindows]:
    salt = drawn.randbytes(16).hex()
    hashed = sorted((name_sha256(salt, name), name[1:]) for name in names)
    statements = drawn.randbytes(32 * len(names)).hex()
    edges = f"{window.from_ms:015d}-{window.to_ms:015d}"
    lines, root = [], RootHash()
    for number, (at, folder) in enumerate(hashed):
        statement = statements[number * 64 : number * 64 + 64]
        lines.append(f'{{"statement":"{folder}/{edges}/{statement}.json"}}\n')
        root.add(leaf_data(at, statement))
    text = "".join(lines).encode()
    return text, SealedWindows(
        date=f"{from_epoch_ms(window.from_ms):%Y-%m-%d}",
        time_zone="Etc/UTC",
        covers=window,
        profiles=[archive.source.profile],
        is_late=False,
        name_salt=salt,
        leaf_count=len(names),
        root_sha256=root.digest().hex(),
        leaves_sha256=sha256(text).hexdigest(),
        outcomes={"archived": len(names)},
        objects=len(names),
        events=1000 * len(names),
        stored_bytes=10_000 * len(names),
    )
