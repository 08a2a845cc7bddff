"""The example: dates are fetched once, and again until they are whole."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from cli.tests.copies import Copy
from contracts.tests.sealed_archive import Archive
from examples.parquet import nightly

TODAY = ("--today", "2026-11-23", "--dates", "2")


@pytest.fixture
def copy(tmp_path: Path) -> Archive:
    """Two dates of two log groups, sealed, in a folder: from 2026-11-21 in Berlin on."""
    archive = Archive(Copy(tmp_path / "copy"))
    archive.days(2)
    return archive


@pytest.mark.usefixtures("copy")
def test_each_date_is_a_file_that_is_fetched_once(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "copy"), str(tmp_path / "events"), *TODAY]
    assert nightly.main(arguments) == 0
    files = sorted((tmp_path / "events").rglob("*.parquet"))
    assert [str(path.relative_to(tmp_path)) for path in files] == [
        "events/date=2026-11-21/events.parquet",
        "events/date=2026-11-22/events.parquet",
    ]
    rows = duckdb.read_parquet(str(files[0])).aggregate("log_group, count(*)").order("log_group")
    assert rows.fetchall() == [("/app/a", 3), ("/app/b", 3)]
    written = [path.stat().st_mtime_ns for path in files]
    assert nightly.main(arguments) == 0
    assert [path.stat().st_mtime_ns for path in files] == written


def test_a_date_is_fetched_again_once_late_events_may_have_been_added(tmp_path: Path) -> None:
    file = tmp_path / "events.parquet"
    of = date(2026, 11, 20)
    stays = nightly.is_to_stay
    assert not stays(file, of, date(2026, 11, 21))
    for written, kept_until, again in ((21, 24, 25), (25, 36, 37), (37, 99, None)):
        file.touch()
        then = (datetime(2026, 11, 1, 3, tzinfo=UTC) + timedelta(days=written - 1)).timestamp()
        os.utime(file, (then, then))
        assert stays(file, of, date(2026, 11, 1) + timedelta(days=kept_until - 1))
        if again is not None:
            assert not stays(file, of, date(2026, 11, 1) + timedelta(days=again - 1))


@pytest.mark.deep
@pytest.mark.usefixtures("copy")
def test_a_date_that_is_not_whole_is_tried_again(tmp_path: Path) -> None:
    path = next((tmp_path / "copy").rglob("*.gz"))
    data = path.read_bytes()
    path.unlink()
    arguments = [str(tmp_path / "copy"), str(tmp_path / "events"), *TODAY]
    assert nightly.main(arguments) == 3
    assert len(list((tmp_path / "events").rglob("events.parquet"))) == 1
    path.write_bytes(data)
    assert nightly.main(arguments) == 0
    assert len(list((tmp_path / "events").rglob("events.parquet"))) == 2
