"""Events as one Parquet file, in the order of time: written by DuckDB, where it is installed."""

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


def check() -> None:
    """Make sure that Parquet can be written.

    Raises:
        ConfigError: DuckDB is not installed.
    """
    try:
        import duckdb  # noqa: F401, PLC0415  (not everybody has it)
    except ImportError as error:
        told = "parquet is written by DuckDB, which is not installed: pip install duckdb"
        raise ConfigError("--format", [told]) from error


def write_parquet(lines: Path, path: Path) -> None:
    """Write JSON lines, as fetched, as a Parquet file of the same order.

    Args:
        lines: The events, one on each line, with the time as ``at``.
        path: Of the file to write.

    Raises:
        ConfigError: There is no room for it, or DuckDB cannot write it.
    """
    import duckdb  # noqa: PLC0415  (not everybody has it)

    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": _MEMORY,
        "temp_directory": f"{lines}.duckdb",
    }
    try:
        with duckdb.connect(config=settings) as connection:
            _events(connection, lines).write_parquet(str(path), compression="zstd")
    except duckdb.Error as error:
        raise ConfigError(str(path), [str(error)]) from error


def _events(connection: "duckdb.DuckDBPyConnection", lines: Path) -> "duckdb.DuckDBPyRelation":
    columns = dict.fromkeys(("at", *_COLUMNS), "VARCHAR")
    # What stands for many names in a glob stands for itself in a folder's name.
    read = connection.read_json(
        glob.escape(str(lines)), columns=columns, format="newline_delimited"
    )
    at_utc = """CAST(rtrim("at", 'Z') AS TIMESTAMP) AS at_utc"""
    return read.project(", ".join((at_utc, *_COLUMNS)))
