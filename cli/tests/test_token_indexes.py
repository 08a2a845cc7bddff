"""`logferry index tokens`, and `logferry search --id` by what it has written."""

import gzip
from pathlib import Path

import boto3
import pytest
from cli.tests.conftest import Run
from cli.tests.copies import Copy
from contracts.tests.retrieving import archived, lines, window
from contracts.tests.sealed_archive import DAY_MS, START_MS, Archive
from moto import mock_aws

from logferry.commands import side_by_side
from logferry_contracts.statement import CONTRADICTED, Difference
from logferry_contracts.window import Window

ID = "7f3a0c11-2b34-4c5d-8e9f-0123456789ab"
DAYS = 3
TIME = ("--log-group", "*", "--from", "2026-11-21", "--to", "2026-11-23")


@pytest.fixture
def copy(tmp_path: Path) -> Archive:
    """Three dates with two streams each; the id is in one of them."""
    archive = Archive(Copy(tmp_path / "copy"))
    for day in range(DAYS):
        at_ms = START_MS + day * DAY_MS
        other = f"request {day}a9999999-2b34-4c5d-8e9f-00000000000{day} from 10.0.0.{day}"
        bodies = {
            "web/000000": lines((at_ms, other), (at_ms + 1, "plain")),
            "job/000000": lines((at_ms, f"job {ID if day == 1 else other}"), (at_ms + 1, other)),
        }
        archive.day([archived(archive, window(day), bodies)], window(day))
    return archive


@pytest.fixture
def folder(tmp_path: Path, copy: Archive) -> str:
    del copy
    return str(tmp_path / "copy")


def indexed(logferry: Run, folder: str, index: str, *more: str) -> list[str]:
    code, out, err = logferry("index", "tokens", folder, "--index", index, *(more or TIME))
    assert code == 0, err
    return out.splitlines()


def test_an_id_is_found_in_what_the_index_leaves(
    logferry: Run, folder: str, tmp_path: Path
) -> None:
    index = str(tmp_path / "index")
    [told] = indexed(logferry, folder, index)
    assert told.startswith("111122223333/eu-central-1/2026-11.tokens: 6 streams read, 0 known")
    code, out, err = logferry("search", ID, folder, *TIME, "--id", "--index", index)
    assert (code, out.count(ID)) == (0, 1)
    assert "5 other objects cannot have it" in err
    assert "in 1 of 1 object" in err
    code, out, err = logferry("search", "10.0.0.2", folder, *TIME, "--id", "--index", index)
    assert (code, out.count("10.0.0.2\n")) == (0, 3)
    assert "4 other objects cannot have it" in err


def test_what_the_index_does_not_know_is_opened(logferry: Run, folder: str, tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    indexed(
        logferry, folder, index, "--log-group", "*", "--from", "2026-11-21", "--to", "2026-11-21"
    )
    code, out, err = logferry("search", ID, folder, *TIME, "--id", "--index", index)
    assert (code, out.count(ID)) == (0, 1)
    assert "in 4 of 4 objects" in err
    [told] = indexed(logferry, folder, index)
    assert "4 streams read, 2 known before" in told
    assert "0 streams read, 6 known before; as it was" in indexed(logferry, folder, index)[0]


def test_the_same_objects_give_the_same_index(logferry: Run, folder: str, tmp_path: Path) -> None:
    at_once, bit_by_bit = tmp_path / "a", tmp_path / "b"
    indexed(logferry, folder, str(at_once))
    for date in ("2026-11-23", "2026-11-21", "2026-11-22"):
        indexed(logferry, folder, str(bit_by_bit), "--log-group", "*", "--from", date, "--to", date)
    name = "111122223333/eu-central-1/2026-11.tokens"
    assert (at_once / name).read_bytes() == (bit_by_bit / name).read_bytes()
    (at_once / name).write_bytes(b"forged")
    indexed(logferry, folder, str(at_once), *TIME, "--again")
    assert (at_once / name).read_bytes() == (bit_by_bit / name).read_bytes()


def test_an_index_by_processes_is_the_same(
    logferry: Run, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, much = tmp_path / "few", tmp_path / "much"
    indexed(logferry, folder, str(few))
    monkeypatch.setattr(side_by_side, "_MUCH_BYTES", 0)
    indexed(logferry, folder, str(much))
    name = "111122223333/eu-central-1/2026-11.tokens"
    assert (few / name).read_bytes() == (much / name).read_bytes()


def test_an_index_that_cannot_be_used_is_named_and_all_is_opened(
    logferry: Run, folder: str, tmp_path: Path
) -> None:
    index = tmp_path / "index"
    indexed(logferry, folder, str(index))
    name = "111122223333/eu-central-1/2026-11.tokens"
    (index / name).write_bytes((index / name).read_bytes()[:-1])
    for data in (b"", b"logferry tokens9" + bytes(99)):
        (index / name).write_bytes(data)
        code, out, err = logferry("search", ID, folder, *TIME, "--id", "--index", str(index))
        assert (code, out.count(ID)) == (0, 1)
        assert f"{name} is not used" in err
        assert "in 6 of 6 objects" in err


def test_what_is_too_short_for_an_index_is_searched_for_everywhere(
    logferry: Run, folder: str, tmp_path: Path
) -> None:
    index = str(tmp_path / "index")
    indexed(logferry, folder, index)
    code, out, err = logferry("search", "plain", folder, *TIME, "--id", "--index", index)
    assert (code, len(out.splitlines())) == (0, DAYS)
    assert "no index helps" in err


def test_an_object_that_is_not_what_was_archived_is_in_no_index(
    logferry: Run, folder: str, tmp_path: Path
) -> None:
    changed = next(Path(folder).rglob("*.gz"))
    changed.write_bytes(changed.read_bytes()[:-1])
    key, index = str(changed.relative_to(folder)), str(tmp_path / "index")
    code, _, err = logferry("index", "tokens", folder, "--index", index, *TIME)
    assert (code, key in err) == (1, True)
    code, _, err = logferry("search", "1b888888888", folder, *TIME, "--id", "--index", index)
    assert (code, key in err) == (1, True)
    assert "5 other objects cannot have it" in err


def test_an_index_without_an_id_is_refused(logferry: Run, folder: str, tmp_path: Path) -> None:
    code, _, err = logferry("search", ID, folder, *TIME, "--index", str(tmp_path))
    assert (code, "--id" in err) == (2, True)


@mock_aws
def test_an_index_lies_in_a_bucket_too(
    logferry: Run, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="indexes")
    index = "s3://indexes/of/tokens"
    indexed(logferry, folder, index)
    code, out, err = logferry("search", ID, folder, *TIME, "--id", "--index", index)
    assert (code, out.count(ID)) == (0, 1)
    assert "5 other objects cannot have it" in err
    code, _, err = logferry("search", ID, folder, *TIME, "--id", "--index", "s3://none/of/tokens")
    assert (code, "is not used" in err) == (0, True)


def test_an_id_that_goes_on_in_the_next_object_is_found(logferry: Run, tmp_path: Path) -> None:
    archive = Archive(Copy(tmp_path / "copy"))
    whole = gzip.decompress(lines((START_MS, f"job {ID} done"), (START_MS + 1, "other")))
    at = whole.index(b"456789ab")
    halves = {
        f"job/00000{n}": gzip.compress(part) for n, part in enumerate((whole[:at], whole[at:]))
    }
    archive.day([archived(archive, window(), halves)], window())
    index, folder = str(tmp_path / "index"), str(tmp_path / "copy")
    assert "1 streams read" in indexed(logferry, folder, index)[0]
    code, out, _ = logferry("search", ID, folder, *TIME, "--id", "--index", index)
    assert (code, out.count(ID)) == (3, 1)
    code, out, _ = logferry("search", "0123456789ac", folder, *TIME, "--id", "--index", index)
    assert (code, out) == (3, "")


def statements_of(folder: str, of: Window) -> list[Path]:
    return list(Path(folder).rglob(f"{of.from_ms:015d}-{of.to_ms:015d}/*.json"))


def test_statements_whose_objects_are_all_ruled_out_are_not_read(
    logferry: Run, folder: str, tmp_path: Path
) -> None:
    index = str(tmp_path / "index")
    indexed(logferry, folder, index)
    by_index = (ID, folder, *TIME, "--id", "--index", index)
    statements = [path for n in range(DAYS) for path in statements_of(folder, window(n))]
    for path in (statements[0], statements[2]):
        path.unlink()
    code, out, err = logferry("search", *by_index)
    assert (code, out.count(ID)) == (0, 1)
    assert "5 other objects cannot have it" in err
    statements[1].unlink()
    code, _, err = logferry("search", *by_index)
    assert (code, str(statements[1].relative_to(folder)) in err) == (1, True)


def test_an_index_of_some_streams_knows_no_statement(
    logferry: Run, folder: str, tmp_path: Path
) -> None:
    index = str(tmp_path / "index")
    indexed(logferry, folder, index, *TIME, "--stream", "web")
    code, out, err = logferry("search", ID, folder, *TIME, "--id", "--index", index)
    assert (code, out.count(ID)) == (0, 1)
    assert "3 other objects cannot have it" in err


def test_what_differs_from_what_was_exported_is_told_with_an_index_too(
    logferry: Run, tmp_path: Path
) -> None:
    archive = Archive(Copy(tmp_path / "copy"))
    whole = archived(archive, window(), {"job/000000": lines((START_MS, "nothing"))})
    told = [Difference(what="object_missing", key="shop/gone.gz")]
    archive.day([whole.model_copy(update={"outcome": CONTRADICTED, "differences": told})], window())
    index, folder = str(tmp_path / "index"), str(tmp_path / "copy")
    indexed(logferry, folder, index)
    code, _, err = logferry("search", ID, folder, *TIME, "--id", "--index", index)
    assert (code, "MISSING: 1 window contradicted (object_missing)" in err) == (3, True)


def test_an_object_that_ends_too_early_is_opened_by_each_search(
    logferry: Run, tmp_path: Path
) -> None:
    archive = Archive(Copy(tmp_path / "copy"))
    body = lines((START_MS, "first"), (START_MS + 1, "second"))[:-4]
    archive.day([archived(archive, window(), {"job/000000": body})], window())
    index, folder = str(tmp_path / "index"), str(tmp_path / "copy")
    time = ("--log-group", "*", "--from", "2026-11-21", "--to", "2026-11-21")
    assert logferry("index", "tokens", folder, "--index", index, *time)[0] == 3
    code, _, err = logferry("search", ID, folder, *time, "--id", "--index", index)
    assert (code, "as it was archived it is cut off" in err) == (3, True)
