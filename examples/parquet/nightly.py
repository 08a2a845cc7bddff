"""Keep the last dates of an archive as Parquet files, for who asks Athena or DuckDB.

``python nightly.py ARCHIVE FOLDER [--dates N] [options of logferry fetch]``, from any scheduler:
what is there is not fetched again, and what was not whole, such as a window under way, is.
"""

import argparse
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Fetch what is missing; return 0 when all dates are there, and otherwise 3."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dates", type=int, default=7, help="so many before today, in UTC")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    chosen, options = parser.parse_known_args(arguments)
    dates = [chosen.today - timedelta(days=n) for n in range(chosen.dates, 0, -1)]
    there = [_is_there(chosen.archive, chosen.folder, each, options) for each in dates]
    return 0 if all(there) else 3


def _is_there(archive: str, folder: Path, of: date, options: list[str]) -> bool:
    """Fetch a date unless it is there; return whether all of it is."""
    whole = folder / f"date={of}" / "events.parquet"
    if whole.exists():
        return True
    # Athena leaves out what begins with a dot or an underscore.
    begun = whole.with_name(f"_{whole.name}")
    begun.parent.mkdir(parents=True, exist_ok=True)
    time = ("--from", f"{of}", "--to", f"{of}", "--log-group", "*")
    how = ("--format", "parquet", "--output", str(begun))
    command = [str(Path(sys.executable).with_name("logferry")), "fetch", archive, *time, *how]
    if subprocess.run([*command, *options], check=False).returncode == 0:
        begun.replace(whole)
        return True
    # What was read waits beside it for the next time, where something could not be read.
    begun.unlink(missing_ok=True)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
