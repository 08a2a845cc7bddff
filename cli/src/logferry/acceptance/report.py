"""What a run has found, for people, for machines, and to be sent to somebody else."""

import json
import re
from collections.abc import Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table

from logferry.acceptance.run import Run

_HIDDEN = (
    (re.compile(r"arn:aws[a-z-]*:[^\s\"',;)\]]+"), "<arn>"),
    (re.compile(r"https?://[^\s\"',;)\]]+"), "<address>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"(?<![0-9])[0-9]{12}(?![0-9])"), "<account>"),
)


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


def shareable(run: Run, answers: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the answers without account ids, names or ARNs, for somebody else to read."""
    text = json.dumps(list(answers), ensure_ascii=False)
    for hidden in (run.name, run.profile, run.id):
        text = text.replace(hidden, "<run>")
    text = text.replace(run.account_id, "<account>")
    for pattern, instead in _HIDDEN:
        text = pattern.sub(instead, text)
    return {"region": run.region, "day": run.day.isoformat(), "answers": json.loads(text)}
