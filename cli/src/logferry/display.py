"""What the operator sees while stacks are deployed: a line for each, alive on a terminal."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.prompt import Confirm
from rich.table import Table
from rich.text import Text

from logferry.change import Difference
from logferry.errors import DeployError
from logferry.stack import Progress, Proposal

_SIGNS = {"Add": "+", "Modify": "~", "Remove": "-"}
_REPLACES = {True: ", REPLACED", None: ", perhaps REPLACED", False: ""}
_SHOWN_CHARACTERS = 160
"""Of a value; as JSON it is whole."""


@dataclass
class _Row:
    began: float
    last: Progress
    seconds: float | None = None


class Display:
    """Shows progress. Used as a context manager; told by `watch`, from any thread."""

    def __init__(self, console: Console) -> None:
        """Show it on ``console``: as a live table on a terminal, else a line for each end."""
        self._console = console
        self._rows: dict[str, _Row] = {}
        self._lock = threading.Lock()
        self._live = Live(console=console, get_renderable=self._table, refresh_per_second=8)

    def __enter__(self) -> Self:
        """Begin to show."""
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the last state on the screen."""
        self._live.stop()

    def watch(self, progress: Progress) -> None:
        """Take in what is known now."""
        with self._lock:
            now = time.monotonic()
            row = self._rows.setdefault(progress.subject, _Row(now, progress))
            row.last = progress
            if progress.is_final:
                row.seconds = now - row.began
                if not self._console.is_terminal:
                    self._console.print(_line(progress.subject, row))

    def confirm(self, proposals: Sequence[Proposal], *, ask: bool) -> bool:
        """Show what would change, and ask whether to go on.

        Raises:
            DeployError: There is nobody to ask.
        """
        self._live.stop()
        for proposal in proposals:
            new = " (new)" if proposal.is_new else ""
            lines = [f"{proposal.stack.name}{new}", *change_lines(proposal)]
            self._console.print("\n".join(lines))
        return self._agreed("Change this?", ask=ask, instead="--yes or --dry-run")

    def confirm_lines(self, lines: Sequence[str], *, ask: bool) -> bool:
        """Show what would change, a line each, and ask whether to go on.

        Raises:
            DeployError: There is nobody to ask.
        """
        self._live.stop()
        self._console.print("\n".join(lines))
        return self._agreed("Change this?", ask=ask, instead="--yes or --dry-run")

    def confirm_deletion(self, names: Sequence[str], *, ask: bool) -> bool:
        """Show which stacks would be deleted, and ask whether to go on.

        Raises:
            DeployError: There is nobody to ask.
        """
        self._live.stop()
        self._console.print("\n".join(f"  - {name}" for name in names))
        question = "Delete these stacks? Buckets and keys stay."
        return self._agreed(question, ask=ask, instead="--yes")

    def _agreed(self, question: str, *, ask: bool, instead: str) -> bool:
        if ask and not self._console.is_terminal:
            raise DeployError(f"not a terminal, so nobody can be asked: add {instead}")
        agreed = not ask or Confirm.ask(Text(question), console=self._console, default=False)
        if self._console.is_terminal:
            self._rows.clear()  # what they did is above
            self._live.start()
        return agreed

    def _table(self) -> Table:
        with self._lock:
            table = Table.grid(padding=(0, 2))
            for _ in ("subject", "seconds", "status"):
                table.add_column(no_wrap=True)
            table.add_column()  # gives way on a narrow terminal
            for subject, row in self._rows.items():
                seconds = time.monotonic() - row.began if row.seconds is None else row.seconds
                detail = Text(row.last.detail, style="dim", no_wrap=True, overflow="ellipsis")
                table.add_row(subject, f"{seconds:.0f} s", row.last.status, detail)
            return table


def _line(subject: str, row: _Row) -> str:
    return f"{subject}  {row.last.status}  {row.seconds or 0:.1f} s"


def change_lines(proposal: Proposal) -> list[str]:
    """Return what would change in a stack, a line for each resource and each value."""
    lines = [f"  parameter {_values(each)}" for each in proposal.parameters]
    for change in sorted(proposal.changes, key=lambda change: change.logical_id):
        sign = _SIGNS.get(change.action, change.action)
        replaces = _REPLACES[change.replaces]
        lines.append(f"  {sign} {change.logical_id} ({change.resource_type}){replaces}")
        lines += [f"      {_values(each)}" for each in change.differences]
    for change in sorted(proposal.drift, key=lambda change: change.logical_id):
        lines.append(f"  ! {change.logical_id} ({change.resource_type}): changed behind the stack")
        lines += [f"      {_values(each)}" for each in change.differences]
    return lines


def _values(difference: Difference) -> str:
    before, after = difference.before, difference.after
    if before is None and after is None:
        return difference.name
    pairs = zip(before or "", after or "", strict=False)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return f"{difference.name}: {_shown(before, same)} -> {_shown(after, same)}"


def _shown(value: str | None, same: int) -> str:
    """Return a value on one line; of a long one that part in which it differs.

    Args:
        value: Or None.
        same: How many of its first characters do not differ.
    """
    if not value:
        return "(nothing)"
    start = max(0, same - _SHOWN_CHARACTERS // 4) if len(value) > _SHOWN_CHARACTERS else 0
    end = start + _SHOWN_CHARACTERS
    short = f"{'...' if start else ''}{value[start:end]}{'...' if end < len(value) else ''}"
    return " ".join(short.split())
