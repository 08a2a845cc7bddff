"""What was found of one thing that was looked at, and how it is shown."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from rich.text import Text

from logferry.aws_errors import AWS_ERRORS
from logferry_ledger.errors import LogferryError

type Verdict = Literal["ok", "wrong", "not checked"]

WIDTH = 80
ALL_LINES = 12
"""Up to so many of a check each has its lines, as sources have in ``status``."""
SHOWN = 5
"""Of more that were not checked. JSON has all."""
AS_WRITTEN: Any = {"break_long_words": False, "break_on_hyphens": False}
"""What can be copied stays whole."""
_MARKS: dict[Verdict, tuple[str, str]] = {
    "ok": ("✔", "green"),
    "wrong": ("✘", "red"),
    "not checked": ("?", "yellow"),
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


def lines(found: Sequence[Finding]) -> Iterator[str | Text]:
    """Yield what was found, marked in colours: as wide as `WIDTH`, but for commands and names.

    Of more than `ALL_LINES` of a check what is in order is counted, and of what was not checked the
    first are shown: what is to be mended would be lost among them.
    """
    wide = max((len(each.check) for each in found), default=0)
    alike = Counter(_kind(each) for each in found if _is_counted(each))
    told = Counter[tuple[str, Verdict]]()
    for each in found:
        kind = _kind(each)
        if not _is_counted(each) or alike[kind] <= ALL_LINES:
            yield from _lines(each, wide)
            continue
        told[kind] += 1
        if each.verdict == "ok":
            if told[kind] == 1:
                yield _marked(each, wide, f"{alike[kind]:,} in order")
        elif told[kind] <= SHOWN:
            yield from _lines(each, wide)
        elif told[kind] == alike[kind]:
            yield _marked(each, wide, f"and {alike[kind] - SHOWN:,} more: --json has all")
    counts = Counter(each.verdict for each in found)
    summed = (f"{counts[each]:,} {_IN_WORDS[each]}" for each in _MARKS if counts[each])
    yield ""
    yield f"{len(found):,} looked at: {', '.join(summed)}"


def _is_counted(finding: Finding) -> bool:
    """Whether one that is like others may be told by their number alone."""
    return finding.verdict == "not checked" or (finding.verdict == "ok" and not finding.why)


def _kind(finding: Finding) -> tuple[str, Verdict]:
    return finding.check, finding.verdict


def _lines(finding: Finding, wide: int) -> Iterator[str | Text]:
    """Yield one of them, what is checked in a column of this width."""
    yield _marked(finding, wide, finding.subject)
    indent = " " * (wide + 4)
    yield from textwrap.wrap(
        finding.why, WIDTH, initial_indent=indent, subsequent_indent=indent, **AS_WRITTEN
    )
    yield from (f"{indent}$ {mend}" for mend in finding.mend)


def _marked(finding: Finding, wide: int, what: str) -> Text:
    return Text.assemble(_MARKS[finding.verdict], f" {finding.check:{wide}}  {what}".rstrip())


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
