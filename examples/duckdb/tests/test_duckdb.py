"""The README's queries, run on a day as an export wrote it."""

import gzip
import io
import re
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from logferry_contracts.archive import events_of_object
from logferry_contracts.documents import examples

HERE = Path(__file__).parents[1]
(NAMING_FILES,) = re.findall(r"```sql\n(.*?)```", (HERE / "README.md").read_text(), re.DOTALL)
(PYTHON,) = re.findall(r"```python\n(.*?)```", (HERE / "README.md").read_text(), re.DOTALL)
FOLDER = "archive/shop/aws/lambda/orders/2026/11/22/00/23db5787-2889-4601-873a-99e4fa09456d"
ACCOUNT = "ledger/111122223333/eu-central-1"
STREAMS = {
    "web-1/000000.gz": 'one "quoted", and, more\x1f\n|Traceback:\n  File "x"\n\n\tlast|',
    "web-1/000001.gz": "ERROR |\\n\\x01 it's|",
    "[$LATEST]ü 100%/000000.gz": "an error here|",
}
"""Messages, each ended by a bar, a second apart."""


def lines(text: str) -> str:
    messages = text.split("|")[:-1]
    return "".join(f"2026-11-22T06:00:{n:02d}.007Z {each}\n" for n, each in enumerate(messages))


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the macros, a day of logs and a ledger."""
    for name in ("events.sql", "ledger.sql"):
        (tmp_path / name).symlink_to(HERE / name)
    for name, text in STREAMS.items():
        path = tmp_path / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(lines(text).encode()))
    for number, record in enumerate(examples("accept", "ledger-record")):
        path = tmp_path / ACCOUNT / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record.text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows(sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        for name in ("events.sql", "ledger.sql"):
            database.execute(Path(name).read_text())
        return database.sql(sql).fetchall()


def test_a_row_is_an_event_as_the_package_reads_it(day: Path) -> None:
    read = [
        (event.at, event.message, event.stream)
        for name in sorted(STREAMS)
        for event in events_of_object(
            f"{FOLDER}/{name}", io.BytesIO((day / FOLDER / name).read_bytes())
        )
    ]

    queried = rows(f"SELECT at_utc, message, stream FROM log_events('{FOLDER}/**/*.gz')")

    assert len(read) == 5
    assert sorted((at.replace(tzinfo=UTC), *rest) for at, *rest in queried) == sorted(read)


def test_the_columns_are_those_of_the_readme_in_their_order(day: Path) -> None:
    with duckdb.connect() as database:
        database.execute(Path("events.sql").read_text())
        described = database.sql(f"FROM log_events('{FOLDER}/**/*.gz')").columns

    (row,) = re.findall(
        r"`log_events\(files\)` \| an event: (.*) \|", (HERE / "README.md").read_text()
    )
    assert re.findall(r"`(\w+)`", row) == described


def test_a_message_goes_on_in_the_next_file_of_its_stream_and_of_no_other(day: Path) -> None:
    folder = day / FOLDER
    (folder / "web-1" / "000001.gz").write_bytes(gzip.compress(b"it goes on\n"))
    (folder / "web-2").mkdir()
    (folder / "web-2" / "000000.gz").write_bytes(gzip.compress(b"nothing before it\n"))

    queried = rows(
        f"SELECT at_utc, message FROM log_events('{FOLDER}/web-*/*.gz') ORDER BY file, at_utc"
    )

    at = datetime(2026, 11, 22, 6, 0, 1, 7000)  # noqa: DTZ001  (DuckDB's TIMESTAMP has no zone)
    assert queried[1] == (at, 'Traceback:\n  File "x"\n\n\tlast\nit goes on')
    assert queried[2] == (None, "nothing before it")


def test_files_named_as_the_readme_says_are_each_read_once_and_as_they_are_named(day: Path) -> None:
    """DuckDB 2.0.1 takes `jobs-[1]` for a pattern, and reads `jobs-1` instead of it."""
    for stream in ("jobs-1", "jobs-[1]", "jobs-?", "web-2"):
        (day / FOLDER / stream).mkdir()
        (day / FOLDER / stream / "000000.gz").write_bytes(gzip.compress(lines("one|").encode()))

    query = "SELECT stream, count(*) FROM log_events(getvariable('rest')) GROUP BY stream"
    with duckdb.connect() as database:
        database.execute((HERE / "events.sql").read_text())
        database.execute(NAMING_FILES)
        read = dict(database.execute(query).fetchall())

    assert read == {"web-1": 4, "[$LATEST]ü 100%": 1, "jobs-1": 1, "jobs-[1]": 1, "jobs-?": 1}


def test_a_row_of_the_ledger_says_what_became_of_an_export(day: Path) -> None:
    records = [each.document for each in examples("accept", "ledger-record")]

    queried = rows(f"SELECT state, reason, export_id FROM ledger('{ACCOUNT}/**/*.json')")

    assert sorted(queried, key=str) == sorted(
        (
            (
                record["state"],
                (record.get("skipped") or record.get("failed") or {}).get("reason"),
                record["export_id"],
            )
            for record in records
        ),
        key=str,
    )


def test_the_readmes_queries_run_and_answer(day: Path) -> None:
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(PYTHON, {})  # noqa: S102  (the README's own lines)

    table = printed.getvalue()
    assert re.search(r"web-1 +│ +4 │", table)
    assert "an error here" in table
    assert "retention_passed" in table or "skipped" in table
