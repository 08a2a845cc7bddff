"""Two verifiers come to one verdict on archives and proofs of all sorts, damaged at random."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from contracts.tests import frozen_proofs
from contracts.tests.sealed_archive import AT, HOUR_MS, Archive, SealingKey
from tests.attacks.conftest import Attacked, second_verdict
from tests.attacks.places import Folder

from logferry_contracts.check_proof import Asked, BadInputError, judge
from logferry_contracts.statement import ARCHIVED, Statement, Waiver
from logferry_contracts.window import Window

NAMES = ("/app/a", "/app/a/b", "app/a", "//x", "/x", "/app/./c", "#")
ENDED = ("failed", "excluded", "skipped", "open", "refused", "waived")
LEVELS = ("seals", "objects", "bytes", "events")
SOMEBODY = Waiver(by="somebody", why="a reason", at=AT)
COPIES = 12

type Damage = Callable[[random.Random, Path, Path], object]
"""Does something to one file of a copy, or beside it; the other file is of the same copy."""


def _flip(rng: random.Random, path: Path, _: Path) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    path.write_bytes(data)


def _plant(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"planted")


DAMAGES: tuple[Damage, ...] = (
    _flip,
    lambda _, path, __: path.unlink(),
    lambda _, path, __: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    lambda _, path, __: path.write_bytes(path.read_bytes() + b"\n"),
    lambda _, path, other: path.write_bytes(other.read_bytes()),
    lambda _, path, __: _plant(path.with_name(f"z{path.name}")),
    lambda _, path, __: _plant(path.parents[1] / "planted" / "000001.gz"),
)


def stated(archive: Archive, rng: random.Random, name: str, window: Window) -> Statement:
    """Return a statement of any outcome."""
    if rng.random() < 0.5:
        leftovers = rng.choice([[], None])
        tries = rng.choice([1, 2])
        return archive.archived(name, window, rng.choice([0, 1, 2]), tries, leftovers)
    outcome = rng.choice(ENDED)
    exports = [archive.export(name, window)] if rng.random() < 0.5 else []
    waiver = SOMEBODY if outcome == "waived" else None
    return archive.statement(name, window, outcome, exports=exports, waiver=waiver)


def sealed(rng: random.Random, root: Path) -> Attacked:
    """Seal some dates, with later words on some of them and keys that are replaced."""
    archive = Archive(Folder(root))
    pinned = archive.key
    for _ in range(4):
        day = archive.window(rng.choice([23, 24, 25]) * HOUR_MS)
        noon_ms = day.from_ms + 12 * HOUR_MS
        halves = [
            day.model_copy(update={"to_ms": noon_ms}),
            Window(from_ms=noon_ms, to_ms=day.to_ms),
        ]
        windows = rng.choice([[day], halves])
        names = rng.sample(NAMES, rng.randint(0, 5))
        said = [stated(archive, rng, name, each) for name in names for each in windows]
        archive.day(said, day)
        if rng.random() < 0.3:
            archive.rotate(SealingKey())
        if said and rng.random() < 0.6:
            archive.later([_later(archive, rng, rng.choice(said))], day)
    return Attacked(archive, root, Folder(root), [pinned])


def _later(archive: Archive, rng: random.Random, before: Statement) -> Statement:
    name, window = before.log_group.name, before.window
    if before.outcome != ARCHIVED or rng.random() < 0.5:
        return archive.archived(name, window, generation=rng.choice([2, 3]))
    objects = before.objects if rng.random() < 0.8 else []
    gone = {"objects": objects, "exports": before.exports, "leftovers": [], "waiver": SOMEBODY}
    return archive.statement(name, window, "disposed", **gone)


@pytest.fixture(autouse=True)
def is_asked_for():
    assert "SECOND_VERIFIER" in os.environ, "run it by make second-verifier-check"


@pytest.mark.parametrize("seed", range(8))
def test_two_verifiers_agree_on_archives(verify, tmp_path, seed):
    """That they do is what `verify` makes sure of, see conftest."""
    rng = random.Random(seed)  # noqa: S311  (the same each time)
    whole = sealed(rng, tmp_path / "whole")
    codes = {verify(whole, level).code for level in LEVELS}
    for number in range(COPIES):
        root = shutil.copytree(whole.where, tmp_path / f"{number}")
        files = sorted(path for path in root.rglob("*") if path.is_file())
        for _ in range(rng.choice([1, 1, 2])):
            path, other = rng.choice(files), rng.choice(files)
            if path.exists() and other.exists():
                rng.choice(DAMAGES)(rng, path, other)
        damaged = Attacked(whole.archive, root, Folder(root), whole.pinned)
        codes.add(verify(damaged, rng.choice(LEVELS)).code)
    assert 1 in codes


def damaged(rng: random.Random, document: Any) -> None:
    """Change one value of a JSON document, wherever it is."""
    parent: Any = None
    place: Any = None
    node = document
    while isinstance(node, dict | list) and node:
        parent = node
        place = rng.choice(list(node) if isinstance(node, dict) else range(len(node)))
        node = parent[place]
    if rng.random() < 0.2:
        del parent[place]
    elif isinstance(node, str):
        at = rng.randrange(len(node))
        parent[place] = f"{node[:at]}{rng.choice('0123456789abcdef')}{node[at + 1 :]}"
    elif isinstance(node, int):
        parent[place] = max(0, node + rng.choice([-1, 1]))


@pytest.mark.parametrize("path", frozen_proofs.PROOFS, ids=lambda path: path.stem)
def test_two_checkers_agree_on_proofs(tmp_path, path):
    rng = random.Random(path.stem)  # noqa: S311  (the same each time)
    file, verdicts = tmp_path / "proof.json", set()
    for number in range(COPIES):
        document = json.loads(path.read_text("utf-8"))
        if number:
            damaged(rng, document)
        file.write_text(json.dumps(document))
        try:
            judged = judge(Asked(proof=file, keys=[frozen_proofs.KEY]))
        except BadInputError:
            continue  # it breaks the schema: whoever checks refuses it
        second = second_verdict("proof", file, "--key", str(frozen_proofs.KEY))
        code = {"valid": 0, "invalid": 1}[judged.verdict]
        assert second.returncode == code, f"{list(judged.lines())}\n{second.stdout}{second.stderr}"
        verdicts.add(judged.verdict)
    assert verdicts == {"valid", "invalid"}
