"""What becomes of log groups of which the ledger has no record of a window that it has of others.

While a plan is under way it has come to some log groups, and others it may have refused. Which ones
there were, the inventories of plans say, as they do to the sealer.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache, cached_property
from glob import has_magic
from itertools import chain
from typing import TYPE_CHECKING

from logferry_contracts.chain import ChainName
from logferry_contracts.inventory import EXCLUDED as NOT_SELECTED
from logferry_contracts.inventory import SELECTED, ListedLogGroup
from logferry_contracts.ledger_key import (
    inventories_from,
    inventories_prefix,
    inventory_planned_at,
)
from logferry_contracts.retrieval.plan import UNKNOWN, Plan
from logferry_contracts.source import SourceName
from logferry_contracts.statement import EXCLUDED, REFUSED, SKIPPED
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_LISTED = "not_listed"
_CREATED_AFTER_WINDOW = "created_after_window"
"""As the sealer says it."""

type _Listed = dict[str, ListedLogGroup]


class Unrecorded:
    """Adds to a plan what a source's ledger is silent about."""

    def __init__(
        self, s3: "S3Client", control_bucket: str, plan: Plan, source: SourceName, time: Window
    ) -> None:
        """Look at ``time``: what is asked for, as far as no seal covers it."""
        self._s3 = s3
        self._bucket = control_bucket
        self._plan = plan
        self._source = source
        self._time = time
        names = plan.asked.log_groups
        self._named = {each for each in names if not has_magic(each)}
        self._has_globs = len(self._named) < len(names)
        self._listed = cache(self._read)

    def add(self, windows: Iterable[Window], own: dict[str, list[Window]]) -> None:
        """Add what there is no record of.

        Whoever asks for whole names that have records of all windows reads no inventory.

        Args:
            windows: That the ledger has of that time, of whatever log group.
            own: Those of which each log group has a record.

        Raises:
            ClientError: Inventories may not be read.
        """
        silent: dict[str, list[Window]] = {}
        reached = self._time.from_ms
        for window in sorted(windows, key=lambda each: each.from_ms):
            reached = max(reached, min(window.to_ms, self._time.to_ms))
            if not (self._has_globs or any(self._parts(window, own, e) for e in self._named)):
                continue
            listed = self._listed_after(window.to_ms)
            for name in {*self._named, *own, *(listed or {})}:
                for part in self._parts(window, own, name):
                    if self._is_silent(name, part, listed, is_known=name in own):
                        silent.setdefault(name, []).append(part)
            if listed is None and not _touches(window, chain(own.values(), silent.values())):
                # Whatever lies there, it says nothing of what was asked for.
                silent.setdefault("", []).extend(self._parts(window, own, ""))
        for name, parts in sorted(silent.items()):
            for from_ms, to_ms in _joined(parts):
                # Nothing is known of what comes after the last window either.
                end_ms = self._time.to_ms if to_ms == reached else to_ms
                of = name or ChainName.of(self._source)
                self._plan.add_unknown(of, Window(from_ms=from_ms, to_ms=end_ms))

    def _parts(self, window: Window, own: dict[str, list[Window]], name: str) -> list[Window]:
        """Return of what of a window, and of the time, a log group has no record."""
        from_ms = max(window.from_ms, self._time.from_ms)
        to_ms = min(window.to_ms, self._time.to_ms)
        return _without(Window(from_ms=from_ms, to_ms=to_ms), own.get(name, ()))

    def _is_silent(
        self,
        name: str,
        window: Window,
        listed: _Listed | None,
        *,
        is_known: bool,
    ) -> bool:
        """Whether nothing says what became of a window; add it to the plan where it is known."""
        if listed is None:
            return is_known or name in self._plan.log_groups
        line = listed.get(name)
        if line is None:
            if is_known:  # otherwise there may be no such log group at all
                self._plan.add_absence(SKIPPED, _NOT_LISTED, name, window)
        elif line.verdict == NOT_SELECTED:
            self._plan.add_absence(EXCLUDED, EXCLUDED, name, window)
        elif line.verdict != SELECTED:
            self._plan.add_absence(REFUSED, line.verdict, name, window)
        elif line.log_group.created_ms >= window.to_ms:
            self._plan.add_absence(SKIPPED, _CREATED_AFTER_WINDOW, name, window)
        else:
            return True
        return False

    def _listed_after(self, at_ms: int) -> _Listed | None:
        """Return what the first plan has listed that began then or later; None where none did."""
        at = bisect_left(self._inventories, at_ms, key=lambda each: each[0])
        return self._listed(self._inventories[at][1]) if at < len(self._inventories) else None

    @cached_property
    def _inventories(self) -> list[tuple[int, str]]:
        """When plans began to list since the beginning of the time, with the inventories' keys."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket,
            Prefix=inventories_prefix(self._source),
            StartAfter=inventories_from(self._source, self._time.from_ms),
        )
        keys = (each["Key"] for page in pages for each in page.get("Contents", []))
        times = ((inventory_planned_at(self._source, key), key) for key in keys)
        return [(at_ms, key) for at_ms, key in times if at_ms is not None]

    def _read(self, key: str) -> _Listed:
        """Return the log groups of an inventory that were asked for, by name."""
        listed: _Listed = {}
        for line in self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].iter_lines():
            try:
                found = parse(ListedLogGroup, line)
            except ContractError as error:
                asked = self._plan.asked
                whole = Window(from_ms=asked.from_ms, to_ms=asked.to_ms)
                self._plan.add_absence(
                    UNKNOWN, f"a line of {key} is {error}", ChainName.of(self._source), whole
                )
                continue
            if self._plan.asked.has_log_group(found.log_group.name):
                listed[found.log_group.name] = found
        return listed


def _touches(window: Window, some: Iterable[list[Window]]) -> bool:
    """Whether a window has a time in common with one of others."""
    return any(
        each.from_ms < window.to_ms and window.from_ms < each.to_ms
        for each in chain.from_iterable(some)
    )


def _without(window: Window, own: Iterable[Window]) -> list[Window]:
    """Return what of a window is in none of others."""
    parts, at = [], window.from_ms
    for each in sorted(own, key=lambda each: each.from_ms):
        if at < min(each.from_ms, window.to_ms):
            parts.append(Window(from_ms=at, to_ms=min(each.from_ms, window.to_ms)))
        at = max(at, each.to_ms)
    if at < window.to_ms:
        parts.append(Window(from_ms=at, to_ms=window.to_ms))
    return parts


def _joined(parts: Iterable[Window]) -> Iterator[tuple[int, int]]:
    """Yield from when to when windows are without a gap, which come by their beginnings."""
    reached: tuple[int, int] | None = None
    for each in parts:
        if reached is None or each.from_ms > reached[1]:
            if reached is not None:
                yield reached
            reached = each.from_ms, each.to_ms
        else:
            reached = reached[0], max(reached[1], each.to_ms)
    if reached is not None:
        yield reached
