"""Keep the last dates of an archive as Parquet files, for who asks Athena or DuckDB.

``python nightly.py ARCHIVE FOLDER [--dates N] [options of logferry fetch]``, from any scheduler:
what was not whole, such as a window under way, is fetched again, and what is there is so once late
events may have been added to it.
"""

import argparse
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

LATE = (5, 17)
"""So many days after a date all is in the archive that a recounter has found 3 and 14 days after
its end: see services/recounter/README.md."""


def main(arguments: list[str]) -> int:
    """Fetch what is missing; return 0 when all dates are there, and otherwise 3."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dates", type=int, default=7, help="so many before today, in UTC")
    parser.add_argument("--today", type=date.fromisoformat, default=datetime.now(UTC).date())
    chosen, options = parser.parse_known_args(arguments)
    there = [
        _is_there(chosen, chosen.today - timedelta(days=n), options)
        for n in range(max(chosen.dates, *LATE), 0, -1)
        if n <= chosen.dates or _file(chosen, chosen.today - timedelta(days=n)).exists()
    ]
    return 0 if all(there) else 3


def _file(chosen: argparse.Namespace, of: date) -> Path:
    folder: Path = chosen.folder
    return folder / f"date={of}" / "events.parquet"


def is_to_stay(file: Path, of: date, today: date) -> bool:
    """Whether a date's file is there, and no late events can have been added since."""
    if not file.exists():
        return False
    written = datetime.fromtimestamp(file.stat().st_mtime, UTC).date()
    return not any(written < of + timedelta(days=n) <= today for n in LATE)


def _is_there(chosen: argparse.Namespace, of: date, options: list[str]) -> bool:
    """Fetch a date unless it is there; return whether all of it is."""
    whole = _file(chosen, of)
    if is_to_stay(whole, of, chosen.today):
        return True
    # Athena leaves out what begins with a dot or an underscore.
    begun = whole.with_name(f"_{whole.name}")
    begun.parent.mkdir(parents=True, exist_ok=True)
    time = ("--from", f"{of}", "--to", f"{of}", "--log-group", "*")
    how = ("--format", "parquet", "--output", str(begun))
    logferry = str(Path(sys.executable).with_name("logferry"))
    command = [logferry, "fetch", chosen.archive, *time, *how]
    if subprocess.run([*command, *options], check=False).returncode == 0:
        begun.replace(whole)
        return True
    # What was read waits beside it for the next time, where something could not be read.
    begun.unlink(missing_ok=True)
    return False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
