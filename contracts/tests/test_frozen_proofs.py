"""Proofs of version 1.0 that were handed out once verify for ever, and show what they showed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from contracts.tests import frozen_proofs
from contracts.tests.documents import CONTRACTS

from logferry_contracts.check_proof import Asked, judge
from logferry_contracts.command import main

SHOWN: dict[str, Any] = json.loads((frozen_proofs.FOLDER / "shown.json").read_text("utf-8"))


def test_no_file_of_them_has_been_touched() -> None:
    sums = (frozen_proofs.FOLDER / "SHA256SUMS").read_text("utf-8").splitlines()
    listed = dict(reversed(line.split("  ", 1)) for line in sums)  # type: ignore[arg-type]

    assert {
        name: hashlib.sha256((CONTRACTS / name).read_bytes()).hexdigest() for name in listed
    } == listed
    assert {path.stem for path in frozen_proofs.PROOFS} == SHOWN.keys()


def _of_before(now: Any, before: Any) -> Any:
    """Return what is shown, without the fields that it did not have: readers let these be."""
    if isinstance(now, dict) and isinstance(before, dict):
        return {name: _of_before(now[name], before[name]) for name in before if name in now}
    if isinstance(now, list) and isinstance(before, list) and len(now) == len(before):
        return [_of_before(one, other) for one, other in zip(now, before, strict=True)]
    return now


@pytest.mark.parametrize("path", frozen_proofs.PROOFS, ids=lambda path: path.stem)
def test_it_shows_what_it_has_shown(path: Path) -> None:
    is_witnessed = "witness_notes" in json.loads(path.read_text("utf-8"))
    witnesses = [frozen_proofs.WITNESS_KEY] if is_witnessed else []

    judged = judge(Asked(proof=path, keys=[frozen_proofs.KEY], witness_keys=witnesses))

    assert judged.verdict == "valid"
    assert _of_before(judged.as_json(), SHOWN[path.stem]) == SHOWN[path.stem]


@pytest.mark.parametrize("path", frozen_proofs.PROOFS, ids=lambda path: path.stem)
def test_the_command_calls_it_valid(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-proof", str(path), "--key", str(frozen_proofs.KEY)]) == 0

    assert capsys.readouterr().out.startswith(f"{path}: valid\n")


@pytest.mark.parametrize("path", frozen_proofs.PROOFS, ids=lambda path: path.stem)
def test_written_anew_as_json_it_is_the_same_proof(path: Path, tmp_path: Path) -> None:
    anew = tmp_path / "proof.json"
    anew.write_text(json.dumps(json.loads(path.read_text("utf-8")), sort_keys=True))

    judged = judge(Asked(proof=anew, keys=[frozen_proofs.KEY]))

    assert judged.verdict == "valid"


@pytest.mark.parametrize("path", frozen_proofs.PROOFS, ids=lambda path: path.stem)
def test_no_other_log_group_is_named_in_it(path: Path) -> None:
    proof = json.loads(path.read_text("utf-8"))
    others = frozen_proofs.LOG_GROUPS - {proof["log_group_name"]}

    text = path.read_text("utf-8")
    payloads = [frozen_proofs.payload(each) for each in (*proof["seals"], *proof["rotations"])]

    assert len(others) >= 4
    for name in others:
        assert name not in text
        assert all(name not in each for each in payloads)
