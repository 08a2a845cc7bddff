"""DuckDB and the package read the same events of the same files, to the byte, or DuckDB refuses."""

import gzip
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest
from contracts.tests.corpus import MESSAGES, STREAM_NAMES, WITH_CR, messages, stream_names
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.archive import ArchiveError, events_of_object, stream_in_key
from logferry_contracts.documents import examples

MACRO = (Path(__file__).parents[1] / "events.sql").read_text()
LEDGER_MACRO = (Path(__file__).parents[1] / "ledger.sql").read_text()
AT = "2026-11-22T06:00:00.000Z"
FOLDER = "shop/aws/lambda/orders/2026/11/22/00/23db5787-2889-4601-873a-99e4fa09456d"

type Row = tuple[int | None, str, str]
"""``(at_ms, message, stream)``."""


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(MACRO)
        yield connection


def write(root: Path, stream: str, said: Sequence[str], number: int = 0) -> Path:
    """Write an object of messages as it would be on this machine."""
    path = root / FOLDER / stream_in_key(stream) / f"{number:06d}.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(f"{AT} {each}\n" for each in said).encode()))
    return path


def is_folder(stream: str) -> bool:
    r"""Return whether a folder of this machine can have the name, and DuckDB finds it.

    DuckDB 2.0.1 takes a backslash in a name for a separator, and leaves out what is there.
    """
    name = stream_in_key(stream)
    return not (name in {".", ".."} or {"\0", "\\"} & set(name) or len(os.fsencode(name)) > 255)


def queried(
    database: duckdb.DuckDBPyConnection, root: Path, arguments: str = ""
) -> list[tuple[Any, ...]]:
    found = database.execute(
        f"SELECT epoch_ms(at_utc), message, stream FROM log_events(?{arguments})",
        [f"{root}/**/*.gz"],
    )
    return sorted(found.fetchall())


def read(root: Path) -> list[tuple[Any, ...]]:
    return sorted(
        (event.at_ms, event.message, event.stream)
        for path in root.rglob("*.gz")
        if path.is_file()
        for event in events_of_object(
            path.relative_to(root).as_posix(), io.BytesIO(path.read_bytes())
        )
    )


def test_every_message_and_every_name_is_read_alike(
    database: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    names = [name for name in STREAM_NAMES if is_folder(name)]
    for name in names:
        write(tmp_path, name, MESSAGES)

    events = queried(database, tmp_path)

    assert events == read(tmp_path)
    assert {stream for _, _, stream in events} == set(map(stream_in_key, names))
    assert {message for _, message, _ in events} >= set(MESSAGES)


@settings(derandomize=True, database=None, max_examples=60)
@given(
    st.dictionaries(
        stream_names().filter(is_folder), st.lists(messages(cr=False)), min_size=1, max_size=3
    )
)
def test_whatever_is_logged_is_read_alike(
    database: duckdb.DuckDBPyConnection, logged: Mapping[str, Sequence[str]]
) -> None:
    with TemporaryDirectory() as folder:
        for stream, said in logged.items():
            write(Path(folder), stream, said)

        assert queried(database, Path(folder)) == read(Path(folder))


@pytest.mark.parametrize("message", WITH_CR)
@pytest.mark.parametrize("asked", ["count(*)", "max(at_utc)", "stream", "1"])
def test_carriage_returns_are_refused_with_the_file_that_has_them(
    database: duckdb.DuckDBPyConnection, tmp_path: Path, message: str, asked: str
) -> None:
    write(tmp_path, "clean", ["before", *MESSAGES])
    path = write(tmp_path, "windows", ["before", message, "after"])

    with pytest.raises(duckdb.Error, match=f"{path} has carriage returns"):
        database.execute(
            f"SELECT {asked} FROM log_events(?) WHERE stream = 'clean'", [f"{tmp_path}/**/*.gz"]
        ).fetchall()


def test_carriage_returns_may_be_taken_for_newlines(
    database: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write(tmp_path, "windows", WITH_CR)

    assert queried(database, tmp_path, ", cr_as_newline := true") == sorted(
        (at_ms, message.replace("\r", "\n"), stream) for at_ms, message, stream in read(tmp_path)
    )


WHOLE = gzip.compress(f"{AT} {os.urandom(2000).hex()}\n{AT} b\n".encode())


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="0 bytes"),
        pytest.param(WHOLE[:5], id="5 bytes"),
        pytest.param(WHOLE[:-9], id="cut off"),
        pytest.param(WHOLE[: len(WHOLE) // 2], id="half"),
        pytest.param(b"Permission Check Successful", id="no gzip"),
    ],
)
def test_what_is_no_whole_object_is_refused_by_both(
    database: duckdb.DuckDBPyConnection, tmp_path: Path, body: bytes
) -> None:
    path = write(tmp_path, "web-1", [])
    path.write_bytes(body)

    with pytest.raises(duckdb.Error, match=str(path)):
        queried(database, tmp_path)
    with pytest.raises(ArchiveError, match=r"web-1/000000\.gz"):
        read(tmp_path)


def test_a_file_that_is_no_utf_8_is_named_and_can_be_left_out(
    database: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    write(tmp_path, "web-1", ["a"])
    path = write(tmp_path, "web-2", ["b"])
    path.write_bytes(gzip.compress(f"{AT} ".encode() + b"\xff\n"))

    with pytest.raises(duckdb.Error, match=re.escape(str(path))):
        queried(database, tmp_path)
    database.execute(
        "SET VARIABLE rest = (SELECT list(file) FROM glob(?) WHERE file NOT LIKE '%/web-2/%')",
        [f"{tmp_path}/**/*.gz"],
    )
    rest = database.execute("SELECT message FROM log_events(getvariable('rest'))").fetchall()
    assert rest == [("a",)]


def test_times_are_compared_in_utc_on_every_machine(tmp_path: Path) -> None:
    write(tmp_path, "web-1", ["a"])
    asked = f"SELECT at_utc = TIMESTAMPTZ '{AT}' FROM log_events('{tmp_path}/**/*.gz')"

    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'Asia/Seoul'")
        database.execute(MACRO)
        assert database.execute(asked).fetchall() == [(True,)]

        database.execute("SET TimeZone = 'Asia/Seoul'")
        with pytest.raises(duckdb.Error, match="SET TimeZone = 'UTC'"):
            database.execute(asked).fetchall()


def test_the_ledgers_times_are_compared_in_utc_on_every_machine(tmp_path: Path) -> None:
    record = next(iter(examples("accept", "ledger-record")))
    (tmp_path / "year=2026").mkdir()
    (tmp_path / "year=2026" / "1.json").write_text(record.text)
    from_ms = record.document["window"]["from_ms"]
    asked = f"SELECT from_utc = to_timestamp({from_ms / 1000}) FROM ledger('{tmp_path}/**/*.json')"

    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'Asia/Seoul'")
        database.execute(LEDGER_MACRO)
        assert database.execute(asked).fetchall() == [(True,)]

        database.execute("SET TimeZone = 'Asia/Seoul'")
        with pytest.raises(duckdb.Error, match="SET TimeZone = 'UTC'"):
            database.execute(asked).fetchall()


@pytest.mark.parametrize("macro", [MACRO, LEDGER_MACRO], ids=["events", "ledger"])
@pytest.mark.parametrize("version", ["v0.10.3", "v1.4.4", "v1.5.6"])
def test_a_duckdb_that_reads_half_of_a_file_is_refused(version: str, macro: str) -> None:
    with duckdb.connect() as database:
        database.execute(f"CREATE MACRO version() AS '{version}'")

        with pytest.raises(duckdb.Error, match=f"needs DuckDB 2 or newer, and this is {version}"):
            database.execute(macro)
