"""What DuckDB makes of events, where it is installed: a Parquet file, or the answer to a query."""

import glob
from pathlib import Path
from typing import TYPE_CHECKING

from logferry.errors import ConfigError

if TYPE_CHECKING:
    import duckdb

_MEMORY = "200MB"
_COLUMNS = (
    "account_id",
    "region",
    "profile",
    "log_group",
    "stream",
    "message",
    "key",
    "version_id",
    "sha256",
)
_TABLE = f"CREATE TABLE events (at_utc TIMESTAMP, {' VARCHAR, '.join(_COLUMNS)} VARCHAR)"


def check(option: str) -> None:
    """Make sure that DuckDB is there.

    Args:
        option: What needs it.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import duckdb  # noqa: F401, PLC0415  (not everybody has it)
    except ImportError as error:
        told = "it is done by DuckDB, which is not installed: pip install duckdb"
        raise ConfigError(option, [told]) from error


def check_query(query: str) -> None:
    """Make sure that something can be asked of events.

    Raises:
        ConfigError: It is no query of theirs; says what is wrong with it.
    """
    import duckdb  # noqa: PLC0415  (not everybody has it)

    try:
        with duckdb.connect() as connection:
            connection.execute(_TABLE)
            connection.sql(query)
    except duckdb.Error as error:
        raise ConfigError("--sql", [str(error)]) from error


def write_parquet(lines: Path, path: Path) -> None:
    """Write JSON lines, as fetched, as a Parquet file of the same order.

    Args:
        lines: The events, one on each line, with the time as ``at``.
        path: Of the file to write.

    Raises:
        ConfigError: There is no room for it, or DuckDB cannot write it.
    """
    import duckdb  # noqa: PLC0415  (not everybody has it)

    try:
        with _connected(lines) as connection:
            _events(connection, lines).write_parquet(str(path), compression="zstd")
    except duckdb.Error as error:
        raise ConfigError(str(path), [str(error)]) from error


def write_answer(lines: Path, query: str, path: Path) -> None:
    """Write what a query of the table ``events`` gives as CSV, with a header.

    Args:
        lines: The events, as `write_parquet` takes them.
        query: In DuckDB's SQL.
        path: Of the file to write.

    Raises:
        ConfigError: It cannot be answered.
    """
    import duckdb  # noqa: PLC0415  (not everybody has it)

    try:
        with _connected(lines) as connection:
            _events(connection, lines).create_view("events")
            answer = connection.sql(query)
            if answer is None:
                raise ConfigError("--sql", ["it gives no rows: begin with SELECT"])
            answer.write_csv(str(path), header=True)
    except duckdb.Error as error:
        raise ConfigError("--sql", [str(error)]) from error


def _connected(lines: Path) -> "duckdb.DuckDBPyConnection":
    """Return a database in memory, with room for more beside the lines."""
    import duckdb  # noqa: PLC0415  (not everybody has it)

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": f"{lines}.duckdb",
    }
    connection = duckdb.connect(config=settings)
    # at_utc has no zone: compared with a time that has one, it counts as a time of the session's.
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _events(connection: "duckdb.DuckDBPyConnection", lines: Path) -> "duckdb.DuckDBPyRelation":
    columns = dict.fromkeys(("at", *_COLUMNS), "VARCHAR")
    # What stands for many names in a glob stands for itself in a folder's name, and a folder that
    # is called `stream=web` says nothing about the events in it.
    read = connection.read_json(
        glob.escape(str(lines)),
        columns=columns,
        format="newline_delimited",
        hive_partitioning=False,
    )
    at_utc = """CAST(rtrim("at", 'Z') AS TIMESTAMP) AS at_utc"""
    return read.project(", ".join((at_utc, *_COLUMNS)))
