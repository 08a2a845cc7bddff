"""Which objects hold a time, by the statements below a prefix: for who may read no seals.

What is listed are names of statements, all versions of them, so that nothing hides one. They are
not held against seals: that the sealer wrote them is for the bucket's policy to say.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Protocol

from logferry_contracts.chain import ChainName
from logferry_contracts.log_group import log_group_folder, log_group_of_folder
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.plan import UNKNOWN, Plan
from logferry_contracts.seal_key import StatementName, statements_prefix
from logferry_contracts.seal_leaf import Leaf
from logferry_contracts.verification.standing import standing
from logferry_contracts.verification.statements import read_statement
from logferry_contracts.verification.store import Mapped, Store
from logferry_contracts.window import Window

_WINDOW = re.compile(r"[0-9]{15}-[0-9]{15}/", re.ASCII)
_AWAITED_MS = 8 * 86_400_000
"""So long after its end a window may be without a statement, as most sealers are set up: its export
is waited for."""
type _Stated = tuple[str, list[StatementName]]
_MAGIC = re.compile(r"[*?\[]")


class Listed(Store, Protocol):
    """A store whose folders can be listed."""

    def folders(self, prefix: str) -> list[str]:
        """Return what the keys that begin with a prefix have up to the next slash, with it.

        Raises:
            Unreadable: They cannot be listed.
        """


def add_stated(plan: Plan, store: Listed, name: ChainName, *, mapped: Mapped = map) -> None:
    """Add to a plan what statements of a chain say of what was asked for.

    Of several on one window, those that were written later count as those of later seals do.

    Raises:
        Unreadable: They cannot be listed.
    """
    plan.by_statements.append(name)
    for folder, stated in _windows(store, name, plan.asked):
        windows = [each for each in stated if plan.asked.may_have(each.window)]
        _add_unstated(plan, windows or _that_may_go_on(plan.asked, stated))
        for window in windows:
            names = _names(store, name, f"{folder}{window.window.in_keys}/")
            read = list(
                mapped(lambda leaf: read_statement(store, name, leaf), [_leaf(e) for e in names])
            )
            plan.findings += [each for one in read for each in one.findings]
            known = [each.statement for each in read if each.statement is not None]
            known.sort(key=lambda each: each.stated_at)
            if known:
                of = names[0]
                plan.add_standing(standing(known), of.log_group_name, of.window)


def _add_unstated(plan: Plan, windows: Iterable[StatementName]) -> None:
    """Add the time of a log group of which there is no statement."""
    reached, of = plan.asked.from_ms, ""
    for of, window, _ in windows:
        if reached < window.from_ms:
            missing = Window(from_ms=reached, to_ms=window.from_ms)
            plan.add_absence(UNKNOWN, "there is no statement of it", of, missing)
        reached = max(reached, window.to_ms)
    if of and reached < plan.asked.to_ms:
        plan.add_unknown(of, Window(from_ms=reached, to_ms=plan.asked.to_ms))


def _that_may_go_on(asked: Asked, stated: list[StatementName]) -> list[StatementName]:
    """Return the last window of a log group that may have been there in a time of which none is.

    Who asks for a whole name wants to know. Of a glob's a log group of which nothing was said for
    long, or yet, was not there: otherwise each one that was ever deleted would be missed.
    """
    if stated[0].log_group_name in asked.log_groups:
        return stated[-1:]
    since_ms = asked.from_ms - _AWAITED_MS
    return [each for each in stated if since_ms <= each.window.to_ms <= asked.from_ms][-1:]


def _windows(store: Listed, name: ChainName, asked: Asked) -> Iterator[_Stated]:
    """Yield each log group's folder, and all of its windows, in order."""
    root = statements_prefix(name)
    waiting = sorted({_beginning(glob) for glob in asked.log_groups})
    seen: set[str] = set()
    while waiting:
        folder = waiting.pop()
        if folder in seen:
            continue
        seen.add(folder)
        below = [each.removeprefix(f"{root}{folder}") for each in store.folders(f"{root}{folder}")]
        windows = [each for each in below if _WINDOW.fullmatch(each)]
        waiting += [f"{folder}{each}" for each in below if not _WINDOW.fullmatch(each)]
        of = log_group_of_folder(folder.removesuffix("/")) if folder else ""
        if windows and asked.has_log_group(of):
            yield folder, [_name(folder, each) for each in windows]


def _beginning(glob: str) -> str:
    """Return the folder that all log groups are in whose names a glob matches."""
    found = _MAGIC.search(glob)
    if found is None:
        return f"{log_group_folder(glob)}/"
    if not glob.startswith("/"):
        return "" if found.start() == 0 else "!/"
    folder, slash, _ = glob[1 : found.start()].rpartition("/")
    return folder + slash


def _names(store: Store, name: ChainName, folder: str) -> list[StatementName]:
    """Return the statements of a window, whatever lies over them."""
    root = statements_prefix(name)
    found = groupby(store.versions(f"{root}{folder}"), key=lambda each: each.key)
    return [StatementName.parse(key.removeprefix(root)) for key, _ in found]


def _name(folder: str, window: str) -> StatementName:
    return StatementName.parse(f"{folder}{window}{'0' * 64}.json")


def _leaf(name: StatementName) -> Leaf:
    return Leaf(statement=str(name))
