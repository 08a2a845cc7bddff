"""HTML out of plain text: whatever a cell says, it is only ever text."""

import html
from collections.abc import Iterable, Iterator, Sequence

type Cell = str | int | None
"""Text, a number, or nothing."""

_SHORT = 26
"""Characters that are not broken: an account and Region has hardly more."""
_LONGEST = 2000
"""Characters of a cell: more is what nobody reads."""
_MANY = 12
"""Columns that take the smallest letters on paper."""

NOTHING = "–"  # noqa: RUF001  (a dash, in the place of a number)


def visible(text: str) -> str:
    """Return a text in which what would be obeyed, and not shown, is escaped.

    Keys are whatever somebody has called them. Control characters and those that turn the
    direction of what follows are written as in a Python string.
    """
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def escaped(text: str) -> str:
    """Return a text as HTML."""
    return html.escape(visible(text))


def isolated(text: str) -> str:
    """Return a text as HTML whose direction is its own, and not that of what is beside it."""
    return f"<bdi>{escaped(text)}</bdi>"


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]], note: str = ""
) -> Iterator[str]:
    """Yield a table. The first cell of each row is what the others are about.

    Args:
        caption: What it shows.
        columns: A heading for each.
        rows: As many cells each, and no more of them than a page has room for.
        note: Said below it, such as how many rows there are more.
    """
    shown = list(rows)
    first = shown[0] if shown else [""] * len(columns)
    size = ' class="many"' if len(columns) > _MANY else ""
    yield f'<div class="table" role="region" aria-label="{escaped(caption)}" tabindex="0">'
    yield f"<table{size}><caption>{escaped(caption)}</caption><thead><tr>"
    for name, cell in zip(columns, first, strict=True):
        yield f'<th scope="col"{_kind(cell)}>{escaped(name)}</th>'
    yield "</tr></thead><tbody>\n"
    for row in shown:
        cells = "".join(f"<td{_kind(cell)}>{_text(cell)}</td>" for cell in row[1:])
        yield f'<tr><th scope="row"{_kind(row[0])}>{_text(row[0])}</th>{cells}</tr>\n'
    yield "</tbody></table></div>\n"
    if note:
        yield f'<p class="note">{escaped(note)}</p>\n'


def facts(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a list of names and what they are."""
    yield "<dl>\n"
    for name, value in pairs:
        yield f"<div><dt>{escaped(name)}</dt><dd>{isolated(value)}</dd></div>\n"
    yield "</dl>\n"


def _kind(cell: Cell) -> str:
    if not isinstance(cell, str):
        return ' class="number"'
    return ' class="short"' if len(cell) <= _SHORT else ""


def _text(cell: Cell) -> str:
    if cell is None:
        return NOTHING
    if isinstance(cell, int):
        return f"{cell:,}"
    rest = len(cell) - _LONGEST
    return (
        isolated(cell) if rest <= 0 else f"{isolated(cell[:_LONGEST])} … {rest:,} characters more"
    )
