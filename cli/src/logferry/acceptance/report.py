"""What a run has found, for people, for machines, and to be sent to somebody else."""

import re
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from logferry import __version__
from logferry.acceptance.run import Run

_HIDDEN = (
    # To the next blank or quote: names of roles and sessions may have commas, dots and @.
    (re.compile(r"arn:aws[a-z-]*:[^\s\"'<>]+"), "<arn>"),
    (re.compile(r"[a-z][a-z0-9+]*://[^\s\"'<>]+"), "<address>"),
    (re.compile(r"[^\s\"'<>(]+@[^\s\"'<>)]+"), "<address>"),
    (re.compile(r"\b[\w-]+(?:\.[\w-]+)*\.(?:amazonaws\.com(?:\.cn)?|internal)\b"), "<host>"),
    (re.compile(r"\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b"), "<host>"),
    (re.compile(r"(?<![\w/.<>-])~?/[^\s\"'<>:,]*[\w]"), "<path>"),
    (re.compile(r"\b(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b"), "<id>"),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"), "<id>"),
    (
        re.compile(r"\b(?:o-[a-z0-9]{10,32}|ou-[a-z0-9]{4,32}-[a-z0-9]{8,32}|p-[a-z0-9]{8,})\b"),
        "<id>",
    ),
    (re.compile(r"(?<![0-9])[0-9]{4}-?[0-9]{4}-?[0-9]{4}(?![0-9])"), "<account>"),
)
_KINDS = {"assumed-role", "federated-user", "role", "root", "user"}
_SHORTEST = 3
"""A shorter name would take other words with it."""


def table(answers: Sequence[dict[str, Any]]) -> RenderableType:
    """Return what was expected and seen, and, where they differ, what that means."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "expected", "seen", ""):
        shown.add_column(name, overflow="fold", max_width=60)
    for each in answers:
        shown.add_row(each["name"], each["expected"], each["seen"], each["verdict"])
        if each["means"]:
            shown.add_row("", f"{each['means']} ({each['relies']})")
        for name, value in each["details"].items() if each["means"] else ():
            shown.add_row("", f"{name}: {value}")
    return shown


def counts(answers: Sequence[dict[str, Any]]) -> dict[str, int]:
    """Return how many answers there are of each kind."""
    verdicts = [each["verdict"] for each in answers]
    return {verdict: verdicts.count(verdict) for verdict in dict.fromkeys(verdicts)}


def document(run: Run, answers: Sequence[dict[str, Any]], left: Sequence[str]) -> dict[str, Any]:
    """Return everything as a JSON document."""
    return {
        "run": run.name,
        "account_id": run.account_id,
        "region": run.region,
        "day": run.day.isoformat(),
        "answers": list(answers),
        "left": list(left),
    }


def names_in(arn: str) -> set[str]:
    """Return the names in a caller's ARN, such as those of a role and its session."""
    found = set(arn.split(":", 5)[-1].split("/")) - _KINDS
    return {name for name in found if len(name) >= _SHORTEST}


def _without_names(text: str, *, names: Collection[str], run: Run) -> str:
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    for name in sorted(names, key=len, reverse=True):
        text = re.sub(rf"(?<!\w){re.escape(name)}(?!\w)", "<name>", text)
    for name in (run.name, run.profile, run.id):
        text = text.replace(name, "<run>")
    return text


def shareable(
    run: Run, answers: Sequence[dict[str, Any]], names: Collection[str] = ()
) -> dict[str, Any]:
    """Return the answers without account ids, names or ARNs, for somebody else to read.

    Args:
        run: Its own names.
        answers: As they are shown to whoever ran it.
        names: More that are hidden, such as the caller's.
    """
    told = partial(_without_names, names=names, run=run)
    shared = [
        {
            **each,
            "seen": told(each["seen"]),
            "details": {told(name): told(value) for name, value in each["details"].items()},
        }
        for each in answers
    ]
    return {
        "version": __version__,
        "region": run.region,
        "day": run.day.isoformat(),
        "is_across_accounts": run.other_account_id is not None,
        "answers": shared,
    }
