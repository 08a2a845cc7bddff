import threading
from pathlib import Path

import pytest
from tools.check import Part, Run, check, make


def ends_with(codes: dict[str, int]) -> Run:
    """A part that says its name and ends with its code."""

    def run(name: str, log: Path) -> int:
        log.write_text(f"this is {name}\n")
        return codes.get(name, 0)

    return run


def test_each_part_is_listed_with_its_time_and_its_last_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, log: Path) -> int:
        log.write_text(f"this is {name}\n" if name == "test" else "")
        return 0

    ended = check(["lint", "test"], 1, tmp_path / "logs", run)
    assert [(part.name, part.code) for part in ended] == [("lint", 0), ("test", 0)]
    assert [str(part).split() for part in ended] == [
        ["lint", "0", "s"],
        ["test", "0", "s", "this", "is", "test"],
    ]
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        str(part).split() for part in ended
    ]


def test_all_that_a_part_has_printed_is_only_shown_if_it_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(_name: str, log: Path) -> int:
        log.write_text("much\n12 passed\n")
        return 0

    check(["test"], 1, tmp_path, run)
    assert "much" not in capsys.readouterr().out


def test_what_a_part_that_fails_has_printed_is_shown_and_no_other_is_begun(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ended = check(["lint", "test", "bench"], 1, tmp_path, ends_with({"test": 2}))
    assert [part.code for part in ended] == [0, 2, 0]
    assert [str(part).split()[1:] for part in ended[1:]] == [["0", "s", "failed"], ["not", "begun"]]
    said = capsys.readouterr().out
    assert said.count("this is test\n") == 1
    assert not (tmp_path / "bench.log").exists()


def test_as_many_parts_as_are_asked_for_run_at_once(tmp_path: Path) -> None:
    both = threading.Barrier(2, timeout=20)

    def run(_name: str, log: Path) -> int:
        log.touch()
        both.wait()
        return 0

    assert [part.code for part in check(["one", "other"], 2, tmp_path, run)] == [0, 0]


def test_a_part_is_a_target_of_the_makefile(tmp_path: Path) -> None:
    log = tmp_path / "part.log"
    assert make("no-such-part", log) != 0
    assert "no-such-part" in log.read_text()
    assert str(Part("lint", log, 0, None)).split() == ["lint", "not", "begun"]
