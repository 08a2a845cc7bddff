"""A worklist: a run's scope, its rows and what has become of them, all in one file."""

from pathlib import Path

from logferry_contracts.source import SourceName
from planner.worklist.database import Database
from planner.worklist.rows import Rows
from planner.worklist.scope import Scope
from planner.worklist.tally import Tally


class Worklist:
    """The file of one run.

    There is a row for each log group in each window, for as many windows at a time as fit in.

    Attributes:
        path: The file.
        scope: The log groups and the windows.
        rows: What is still to decide of each log group in each open window.
        tally: What has become of all rows of the windows that are done with.
    """

    def __init__(self, path: Path, source: SourceName) -> None:
        """Open the file, or begin it. It is complete whenever no method runs."""
        database = Database(path, source)
        self.path = path
        self.scope = Scope(database)
        self.rows = Rows(database, source)
        self.tally = Tally(database)
        self.close = database.close
