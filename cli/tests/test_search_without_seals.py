"""What a search says of log groups and chains that no seal or statement says anything of."""

from pathlib import Path

import pytest
from cli.tests.conftest import Run
from cli.tests.copies import Copy
from contracts.tests.retrieving import archived, asked, lines, window
from contracts.tests.sealed_archive import DAY_MS, SOURCE, START_MS, Archive

from logferry.folder_store import FolderStore
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.stated import add_stated

LATER = 30
"""Days after which a log group that nothing is said of any more was not there."""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """State /app/b of the first date alone, and /app/a of four, and of one much later."""
    archive = Archive(Copy(tmp_path / "copy"))
    for day in (0, 1, 2, 3, LATER):
        body = {"web/000000": lines((START_MS + day * DAY_MS, f"day {day}"))}
        names = ("/app/a", "/app/b") if day == 0 else ("/app/a",)
        archive.day([archived(archive, window(day), body, name) for name in names], window(day))
    return archive


@pytest.mark.parametrize(
    ("day", "names", "outcome"),
    [
        (2, ("/app/*",), "unknown"),
        (2, ("/app/a", "/app/b"), "unknown"),
        (LATER, ("/app/a", "/app/b"), "unknown"),
        (LATER, ("/app/*",), None),
        (LATER, ("/app/a",), None),
    ],
)
def test_a_log_group_of_which_nothing_is_stated_is_missing_unless_it_is_long_gone(
    archive: Archive, tmp_path: Path, day: int, names: tuple[str, ...], outcome: str | None
) -> None:
    plan = Plan(asked(window(day), log_groups=names))
    add_stated(plan, FolderStore(tmp_path / "copy"), archive.chain)
    plan.finish()
    found = [(each.outcome, each.examples[0].split()[0]) for each in plan.absences.values()]
    assert found == ([] if outcome is None else [(outcome, "/app/b")])
    assert plan.objects == 1


def test_a_whole_name_that_there_is_nothing_of_is_told_beside_others(
    logferry: Run, archive: Archive, tmp_path: Path
) -> None:
    names = ("--log-group", "/app/a", "--log-group", "/app/typo", "--log-group", "/none/*")
    time = ("--from", "2026-11-21", "--to", "2026-11-21")
    code, out, err = logferry("search", "", str(tmp_path / "copy"), *names, *time)
    assert (code, len(out.splitlines())) == (3, 1)
    assert "MISSING: 1 window unknown (no log group of this name): /app/typo 2026-11-20T23" in err


def test_a_chain_of_a_profile_whose_seals_were_removed_is_missing(
    logferry: Run, tmp_path: Path
) -> None:
    root = tmp_path / "copy"
    for region in (SOURCE.region, "us-east-1"):
        archive = Archive(Copy(root), source=SOURCE.model_copy(update={"region": region}))
        body = {"web/000000": lines((START_MS, region))}
        archive.day([archived(archive, window(), body, "/app/a")], window())
    for path in (root / "!seals").rglob("*"):
        if path.is_file() and "us-east-1" in str(path) and "statements" not in str(path):
            path.unlink()
    options = ("--log-group", "/app/*", "--from", "2026-11-21", "--to", "2026-11-21")
    for profile in (("--profile", SOURCE.profile), ()):
        code, out, err = logferry("search", "", str(root), *options, *profile)
        assert (code, out.split()[1:]) == (3, ["/app/a", "web", SOURCE.region])
        assert "MISSING: 1 window unknown (nothing says what became of it)" in err
