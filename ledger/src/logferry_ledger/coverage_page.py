"""What there is of each source and date as one HTML page, which fetches nothing."""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from importlib.resources import files
from itertools import groupby

from logferry_ledger.coverage import WHOLE, Day, Missing, SourceCoverage, State
from logferry_ledger.markup import escaped, table

LETTERS: dict[State, tuple[str, str]] = {
    "sealed": ("s", "--sealed"),
    "archived": ("a", "--archived"),
    "empty": ("e", "--empty"),
    "skipped": ("k", "--skipped"),
    "waived": ("w", "--waived"),
    "under way": ("u", "--underway"),
    "failed": ("f", "--failed"),
    "gap": ("g", "--gap"),
    "not yet due": ("n", "--due"),
    "before": (".", "--before"),
}
"""A letter in the page's data, and a colour of its style, for each state."""
IN_WORDS: dict[State, str] = {
    "sealed": "archived and sealed",
    "archived": "archived",
    "empty": "nothing was logged",
    "skipped": "skipped",
    "waived": "waived: somebody answers for it",
    "under way": "under way",
    "failed": "failed",
    "gap": "gap: not planned",
    "not yet due": "not yet due",
    "before": "before the first plan",
}
MARKS: dict[State, str] = {
    "waived": "w",
    "under way": "…",
    "failed": "×",  # noqa: RUF001
    "gap": "?",
    "not yet due": "·",
}
"""Beside their colours, for whom these are alike."""
COUNTED = ("archived", "skipped", "waived", "failed", "under way", "disposed")
"""In the order of the page's numbers."""
OF_A_DATE = 100
"""Log groups that are named of one source and date."""
OF_THE_PAGE = 15_000
"""Log groups that are named of all dates together."""
LISTED = 500
"""Lines of the table. What is more, the map and `logferry status` have."""


def page(
    found: Sequence[SourceCoverage], config: str, title: str, *, now: datetime
) -> Iterator[str]:
    """Yield the page, piece by piece.

    Args:
        found: All sources, with as many dates each.
        config: The file, as it was typed, for the commands that are shown.
        title: Of which archive it is.
        now: When it was looked at.
    """
    style = files("logferry_ledger").joinpath("coverage_page.css").read_text("utf-8")
    script = files("logferry_ledger").joinpath("coverage_page.js").read_text("utf-8")
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    # Nothing is fetched, and nothing runs but the page's own script.
    yield '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
    yield f"style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{allowed}'\">\n"
    yield '<meta name="referrer" content="no-referrer">\n<link rel="icon" href="data:,">\n'
    yield f"<title>Coverage of {escaped(title)}</title>\n"
    yield f"<style>\n{style}</style>\n</head>\n<body>\n"
    yield f"<header><h1>Coverage of {escaped(title)}</h1>\n"
    yield f"<p>{escaped(_in_words(found))} As of {now:%Y-%m-%d %H:%M} UTC.</p></header>\n<main>\n"
    yield from _map()
    yield '<h2 id="open">What is not wholly archived</h2>\n'
    yield from _listed(found)
    yield '</main>\n<script type="application/json" id="data">'
    # What a log group is called ends no script.
    yield json.dumps(_data(found, config), separators=(",", ":")).replace("<", "\\u003c")
    yield f"</script>\n<script>{script}</script>\n</body>\n</html>\n"


def _in_words(found: Sequence[SourceCoverage]) -> str:
    days = [day for source in found for day in source.days.values()]
    opened = sum(day.state not in WHOLE for day in days)
    due = sum(day.state not in ("not yet due", "before") for day in days)
    told = "Nothing is missing" if not opened else f"{opened:,} are not wholly archived"
    return f"{len(found):,} sources, {due:,} dates of them that are due. {told}."


def _map() -> Iterator[str]:
    states = "".join(
        f'<option value="{letter}">{escaped(IN_WORDS[state])}</option>'
        for state, (letter, _) in LETTERS.items()
    )
    yield '<form role="search" aria-label="Filter">'
    yield '<label>Profile, account, Region or log group<input id="words" type="search"></label>'
    yield '<label>With dates that are<select id="state"><option value="">anything</option>'
    yield f'<option value="!">not wholly archived</option>{states}</select></label>'
    yield '<button id="back" type="button" hidden>Back to all sources</button>'
    yield '<output id="shown"></output></form>\n<ul id="legend">'
    for state, (_, colour) in LETTERS.items():
        mark = escaped(MARKS.get(state, ""))
        yield f'<li><span style="background:var({colour});color:var({_ink(state)})">{mark}</span>'
        yield f"{escaped(IN_WORDS[state])}</li>"
    yield '</ul>\n<p id="keys">Arrow keys, Page Up and Down, Home and End move; Enter shows a '
    yield "source's log groups, Escape goes back.</p>\n"
    yield '<h2 id="where">All sources</h2>\n<div id="map" tabindex="0" role="application" '
    yield 'aria-labelledby="where" aria-describedby="keys">'
    yield '<canvas></canvas><div id="space"></div></div>\n'
    yield '<div id="cell" role="status" aria-live="polite"></div>\n'


def _ink(state: State) -> str:
    """Return the colour of a state's mark: of the paper's own where it has no other."""
    return "--ink" if state == "not yet due" else "--mark"


def _listed(found: Sequence[SourceCoverage]) -> Iterator[str]:
    """Yield the spans that are not wholly archived, as a table that prints."""
    rows = [row for source in found for row in _spans(source)]
    if not rows:
        yield "<p>Nothing.</p>\n"
        return
    rest = len(rows) - LISTED
    note = f"{rest:,} more: the map has them, and logferry status." if rest > 0 else ""
    columns = ("source", "account and Region", "dates", "what", "log groups")
    yield from table("Dates that need a look", columns, rows[:LISTED], note)


def _spans(source: SourceCoverage) -> Iterator[tuple[str, str, str, str, str]]:
    """Yield dates that follow each other and have one state, as a line each."""
    place = f"{source.name.account_id} {source.name.region}"
    for state, some in groupby(source.days.items(), key=lambda each: each[1].state):
        if state in WHOLE:
            continue
        days = list(some)
        first, last = days[0][0], days[-1][0]
        names = sorted({each.log_group for _, day in days for each in day.missing})
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")  # noqa: PLR2004
        dates = f"{first}" if first == last else f"{first} to {last}"
        yield source.profile, place, dates, IN_WORDS[state], shown


def _data(found: Sequence[SourceCoverage], config: str) -> dict[str, object]:
    """Return what the script draws: a letter for each date, and the rest where there is any."""
    words = _Words()
    dates = sorted({on for source in found for on in source.days})
    return {
        "config": config,
        "first": str(dates[0] if dates else date.min),
        "days": len(dates),
        "letters": {letter: (IN_WORDS[state], to) for state, (letter, to) in LETTERS.items()},
        "marks": {LETTERS[state][0]: (mark, _ink(state)) for state, mark in MARKS.items()},
        "whole": "".join(LETTERS[state][0] for state in LETTERS if state in WHOLE),
        "rows": [_row(source, dates, words) for source in found],
        "words": words.all,
        "counted": COUNTED,
    }


def _row(source: SourceCoverage, dates: Sequence[date], words: "_Words") -> dict[str, object]:
    before = Day(state="before")
    days = [source.days.get(on, before) for on in dates]
    return {
        "profile": source.profile,
        "account": source.name.account_id,
        "region": source.name.region,
        "zone": source.time_zone,
        "cells": "".join(LETTERS[day.state][0] for day in days),
        "counts": ",".join(map(_counts, days)),
        "missing": {
            number: [
                (words.number(each.log_group), LETTERS[each.state][0], words.number(each.why))
                for each in words.room_for(day)
            ]
            for number, day in enumerate(days)
            if day.missing
        },
    }


def _counts(day: Day) -> str:
    """Return the numbers of `COUNTED` with points between, without the zeros at the end."""
    numbers = ".".join(str(day.counts[name] or "") for name in COUNTED)
    return numbers.rstrip(".")


class _Words:
    """Words that are said often, each once, and how many log groups there is still room for."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._room = OF_THE_PAGE

    @property
    def all(self) -> list[str]:
        return list(self._numbers)

    def number(self, word: str) -> int:
        return self._numbers.setdefault(word, len(self._numbers))

    def room_for(self, day: Day) -> list[Missing]:
        some = day.missing[: min(OF_A_DATE, self._room)]
        self._room -= len(some)
        return some
