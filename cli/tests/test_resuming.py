"""What a check that was stopped remembers."""

from pathlib import Path

import pytest

from logferry.errors import ConfigError
from logferry.resuming import Checked, Progress, Task

TASK = Task("s3://an-archive", "bytes", 100.0)
SEAL = Checked("s3://archive", "111122223333/eu-west-1", 1, "a" * 64, None)
NEXT = SEAL._replace(sequence=2, sha256="b" * 64)


def test_what_was_checked_is_known_to_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    Progress(path, TASK, "seed").add(SEAL)
    again = Progress(path, TASK, "another seed")
    assert again.seed == "seed"
    assert [each in again for each in (SEAL, NEXT)] == [True, False]


@pytest.mark.parametrize(
    "other",
    [
        SEAL._replace(chain="222233334444/eu-west-1"),
        SEAL._replace(sequence=2),
        SEAL._replace(sha256="b" * 64),
        SEAL._replace(later_sha256="c" * 64),
    ],
)
def test_another_seal_or_another_last_word_is_checked_again(tmp_path: Path, other: Checked) -> None:
    path = tmp_path / "progress.jsonl"
    Progress(path, TASK, "seed").add(SEAL)
    assert other not in Progress(path, TASK, "seed")


def test_a_line_that_was_cut_off_costs_that_seal_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    progress = Progress(path, TASK, "seed")
    progress.add(SEAL)
    progress.add(NEXT)
    path.write_text(path.read_text()[:-9])
    again = Progress(path, TASK, "seed")
    assert [each in again for each in (SEAL, NEXT)] == [True, False]
    again.add(NEXT)
    assert NEXT in Progress(path, TASK, "seed")


@pytest.mark.parametrize(
    "other",
    [
        Task("s3://another", "bytes", 100.0),
        Task("s3://an-archive", "events", 100.0),
        Task("s3://an-archive", "bytes", 5.0),
    ],
)
def test_a_file_of_another_check_is_refused(tmp_path: Path, other: Task) -> None:
    path = tmp_path / "progress.jsonl"
    Progress(path, TASK, "seed")
    with pytest.raises(ConfigError, match=r"it is of another check, .*s3://an-archive"):
        Progress(path, other, "seed")


@pytest.mark.parametrize("text", ["", "anything", "[1]", '{"task": {}, "seed": ""}'])
def test_another_file_is_refused_and_stays_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"notes\.txt:\n  not a file of --resume"):
        Progress(path, TASK, "seed")
    assert path.read_text() == text


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        Progress(tmp_path / "none" / "progress.jsonl", TASK, "seed")


def test_a_file_that_can_be_written_no_more_is_named(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    progress = Progress(path, TASK, "seed")
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be written"):
        progress.add(SEAL)
