"""What was found of one thing that was looked at, and how it is shown."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from logferry.aws_errors import AWS_ERRORS
from logferry_ledger.errors import LogferryError

if TYPE_CHECKING:
    from rich.console import RenderableType

_MARKS = {"ok": "[green]✔[/]", "wrong": "[red]✘[/]", "not checked": "[yellow]?[/]"}

type Verdict = Literal["ok", "wrong", "not checked"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one thing.

    Attributes:
        check: What was looked at, such as ``stack``.
        subject: Of what, such as a stack's name or a profile.
        why: What is wrong, or why it was not checked; empty for what is as it should be.
        mend: The commands or statements that mend it.
    """

    check: str
    subject: str
    verdict: Verdict
    why: str = ""
    mend: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return asdict(self) | {"mend": list(self.mend)}


def table(found: Iterable[Finding]) -> "RenderableType":
    """Return what was found as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "check", "subject"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("why, and what mends it", overflow="fold")
    for each in found:
        mark = _MARKS[each.verdict]
        lines = [escape(each.why), *(f"  $ {escape(mend)}" for mend in each.mend)]
        shown.add_row(mark, each.check, escape(each.subject), "\n".join(filter(None, lines)))
    return shown


def ok(check: str, subject: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check=check, subject=subject, verdict="ok")


def wrong(check: str, subject: str, why: str, *mend: str) -> Finding:
    """Return what is wrong with something, and what mends it."""
    return Finding(check=check, subject=subject, verdict="wrong", why=why, mend=mend)


def unchecked(check: str, subject: str, why: str) -> Finding:
    """Return why something was not looked at."""
    return Finding(check=check, subject=subject, verdict="not checked", why=why)


def looked_at(check: str, subject: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a look finds, or that AWS did not let it."""
    try:
        return list(look()) or [ok(check, subject)]
    except (*AWS_ERRORS, LogferryError) as error:
        return [unchecked(check, subject, str(error))]
