"""What `logferry retry --dead-letters` does: letters shown, and given back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import boto3

from logferry.commands.console import agree, exit_code, messages, tables
from logferry.config import Config, load
from logferry.credentials import check_hubs
from logferry.dead_letters import Box, Chosen, Letter, Mail, boxes, table
from logferry.errors import RetryError

AT_ONCE = 16
"""Dead-letter queues that are looked into side by side."""

type Service = Literal["exporter", "planner", "sse-enforcer", "sealer"]


def give_back(config: Path, chosen: Chosen, *, dry_run: bool, yes: bool, as_json: bool) -> int:
    """Show dead letters, ask, and give them back; return the exit code."""

    def run() -> list[dict[str, Any]]:
        before = datetime.now(UTC)
        looked, seen = _look(load(config), chosen)
        found = [letter for letters in seen for letter in letters]
        if not found:
            messages.print("no dead letters to be given back")
            return []
        if not as_json:
            tables.print(table(found))
        if dry_run:
            return [each.as_json() for each in found] if as_json else []
        if not yes:
            agree(
                f"Give back {len(found):,} letters?",
                refused=RetryError,
                otherwise="nothing was given back",
            )
        told = []
        for (mail, box), letters in zip(looked, seen, strict=True):
            for each in _given(mail, box, letters, chosen, before):
                said = {"told": f"given back: {each.box.service} {each.about}"}
                told.append(each.as_json() if as_json else said)
        return told

    return exit_code(run, as_json=as_json)


def _look(config: Config, chosen: Chosen) -> tuple[list[tuple[Mail, Box]], list[list[Letter]]]:
    """Return the queues, and of each the letters that are wanted."""
    session, hubs = boto3.Session(), config.chosen(chosen.profiles)
    check_hubs(session, hubs)
    looked = [
        (Mail(session, hub), box) for hub, sources in hubs for box in boxes(hub, sources, chosen)
    ]
    with messages.status("Looking"), ThreadPoolExecutor(AT_ONCE) as threads:
        seen = list(threads.map(lambda each: each[0].find(each[1], chosen), looked))
    for (_, box), (_, others) in zip(looked, seen, strict=True):
        if others:
            where = "others, or behind these" if box.source else "others, which are left"
            messages.print(f"{box.name}: {others:,} {where}")
    return looked, [letters for letters, _ in seen]


def _given(
    mail: Mail, box: Box, letters: list[Letter], chosen: Chosen, before: datetime
) -> list[Letter]:
    """Give a queue's letters back, of which these were shown.

    Raises:
        RetryError: Not all were seen again.
    """
    given = mail.give_back(box, chosen, before) if letters else []
    missed = len({each.id for each in letters} - {each.id for each in given})
    if missed:
        raise RetryError(
            f"{box.name}: {len(given):,} were given back, {missed:,} not seen again: somebody else "
            "has them; look once more in two minutes"
        )
    return given
