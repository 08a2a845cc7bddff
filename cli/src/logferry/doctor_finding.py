"""What was found of one thing that was looked at, and how it is shown."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.markup import escape

from logferry.aws_errors import AWS_ERRORS
from logferry_ledger.errors import LogferryError

type Verdict = Literal["ok", "wrong", "not checked"]

WIDTH = 80
AS_WRITTEN: Any = {"break_long_words": False, "break_on_hyphens": False}
"""What can be copied stays whole."""
_MARKS: dict[Verdict, str] = {
    "ok": "[green]✔[/]",
    "wrong": "[red]✘[/]",
    "not checked": "[yellow]?[/]",
}
_IN_WORDS = {"ok": "in order", "wrong": "to be mended", "not checked": "not checked"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one thing.

    Attributes:
        check: What was looked at, such as ``stack``.
        subject: Of what, such as a stack's name or a profile.
        why: What is wrong, or why it was not checked; empty for what is as it should be.
        mend: The commands or statements that mend it, or that look at what was not checked.
    """

    check: str
    subject: str
    verdict: Verdict
    why: str = ""
    mend: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return asdict(self) | {"mend": list(self.mend)}


def lines(found: Sequence[Finding]) -> Iterator[str]:
    """Yield what was found, with markup: as wide as `WIDTH`, but for commands and names."""
    wide = max((len(each.check) for each in found), default=0)
    for each in found:
        yield f"{_MARKS[each.verdict]} {each.check:{wide}}  {escape(each.subject)}".rstrip()
        indent = " " * (wide + 4)
        for line in textwrap.wrap(
            each.why, WIDTH, initial_indent=indent, subsequent_indent=indent, **AS_WRITTEN
        ):
            yield escape(line)
        yield from (f"{indent}$ {escape(mend)}" for mend in each.mend)
    counts = Counter(each.verdict for each in found)
    told = (f"{counts[each]:,} {_IN_WORDS[each]}" for each in _MARKS if counts[each])
    yield ""
    yield f"{len(found):,} looked at: {', '.join(told)}"


def ok(check: str, subject: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(check=check, subject=subject, verdict="ok")


def wrong(check: str, subject: str, why: str, *mend: str) -> Finding:
    """Return what is wrong with something, and what mends it."""
    return Finding(check=check, subject=subject, verdict="wrong", why=why, mend=mend)


def unchecked(check: str, subject: str, why: str, *see: str) -> Finding:
    """Return why something was not looked at, and what looks at it."""
    return Finding(check=check, subject=subject, verdict="not checked", why=why, mend=see)


def looked_at(check: str, subject: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a look finds, or that AWS did not let it."""
    try:
        return list(look()) or [ok(check, subject)]
    except (*AWS_ERRORS, LogferryError) as error:
        return [unchecked(check, subject, str(error))]
