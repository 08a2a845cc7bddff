"""What all commands have in common: where they print, what ends them, and their exit codes."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from rich.console import Console, RenderableType
from rich.prompt import Confirm
from rich.text import Text

from logferry.errors import ConfigError
from logferry_ledger.errors import LogferryError
from logferry_ledger.markup import visible

if TYPE_CHECKING:
    from rich.status import Status

DONE = 0
FAILED = 1
BAD_INPUT = 2
NOT_WHOLE = 3
"""What was looked at is in order, and not all of it could be looked at."""
STOPPED = 130
"""By Ctrl-C, as shells have it."""


class Output(Console):
    """The standard output, which somebody may read only the beginning of, as ``head`` does."""

    def on_broken_pipe(self) -> None:
        """Throw the rest away and go on: the exit code is that of the command, and no failure."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Messages(Console):
    """The standard error, with what is under way in its last line where it is a terminal."""

    def status(self, status: RenderableType, **options: Any) -> "Status":
        """Show what is under way; of a text no bracket is a style."""
        return super().status(Text(status) if isinstance(status, str) else status, **options)


# Names and reasons are printed as they are: ``:key:`` is no picture, and ``[web]`` is no style.
results = Output(highlight=False, soft_wrap=True, emoji=False, markup=False)
# Whole, also where that is wider than the terminal: names are often told apart by their ends.
tables = Output(highlight=False, width=1000, emoji=False, markup=False)
messages = Messages(stderr=True, highlight=False, soft_wrap=True, emoji=False, markup=False)

type Json = Annotated[bool, Parameter(name="--json", negative="", show_default=False)]
type Flag = Annotated[bool, Parameter(negative="", show_default=False)]


@contextmanager
def under_way(told: str) -> Iterator[Callable[[str], None]]:
    """Show what is under way as long as it is, and what is told instead of it, on a terminal.

    Elsewhere nobody would see it, or wait for the import of what draws it.
    """
    if not messages.is_terminal:
        yield _told_to_nobody
        return
    with messages.status(told) as shown:
        yield shown.update


def _told_to_nobody(told: str) -> None:
    del told


def told_errors() -> tuple[type[Exception], ...]:
    """Return what ends a command with a sentence: errors that name a call of AWS, or a file.

    So do a disk that is full of what is kept outside of memory, and a process that was ended for
    want of that. Asked once something is raised: what needs no AWS does not wait for the import of
    its SDK.
    """
    import sqlite3  # noqa: PLC0415  (see above)
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415  (see above)

    from logferry.aws_errors import AWS_ERRORS  # noqa: PLC0415  (see above)

    return (LogferryError, *AWS_ERRORS, OSError, sqlite3.Error, BrokenExecutor)


def code_of(error: Exception) -> int:
    """Return the exit code of what has ended a command."""
    is_file = isinstance(error, OSError) and error.filename is not None
    return BAD_INPUT if isinstance(error, ConfigError) or is_file else FAILED


def sentence(error: Exception) -> str:
    """Return what has ended a command, in words."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415  (only once something is raised)

    if isinstance(error, BrokenExecutor):
        return "a process that helps was ended from outside, such as for want of memory"
    return str(error)


def told(error: Exception, code: int, *, as_json: bool) -> int:
    """Print what is wrong, and return the exit code."""
    messages.print("\n".join(map(visible, sentence(error).split("\n"))), style="red")
    if as_json:
        show_json({"error": sentence(error)})
    return code


def exit_code(run: Callable[[], list[dict[str, Any]]], *, as_json: bool) -> int:
    """Run a command and print its result, or what is wrong."""
    try:
        result = run()
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        show_json(result)
    else:
        for entry in result:
            results.print("  ".join(str(value) for value in entry.values()))
    return DONE


def agree(
    question: str,
    *,
    refused: type[LogferryError],
    otherwise: str,
    shown: RenderableType | None = None,
) -> None:
    """Ask a person whether to go on.

    Args:
        question: Which yes or no answers.
        refused: What ends the command if not.
        otherwise: What it says then, such as ``nothing was done``.
        shown: What it is about, printed before the question.

    Raises:
        LogferryError: ``refused``: somebody said no, or there is nobody to ask.
    """
    if not messages.is_terminal:
        raise refused("not a terminal, so nobody can be asked: add --yes or --dry-run")
    if shown is not None:
        messages.print(shown)
    if not Confirm.ask(Text(question), console=messages, default=False):
        raise refused(otherwise)


def one_or_all(documents: Sequence[Any]) -> Any:
    """Return a hub's document, or the array of several hubs'."""
    return documents[0] if len(documents) == 1 else documents


def show_json(document: Any) -> None:
    """Print a JSON document, indented; in colours on a terminal alone.

    Whatever reads it elsewhere wants no colours, and finding out where they would be takes longer
    than all the rest.
    """
    from logferry_contracts.printing import json_document  # noqa: PLC0415  (--help prints none)

    text = json_document(document, default=str)
    if results.is_terminal:
        results.print_json(text)
        return
    try:
        results.file.write(f"{text}\n")
        results.file.flush()
    except BrokenPipeError:
        results.on_broken_pipe()
