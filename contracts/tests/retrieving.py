"""What is searched for in a sealed archive in memory."""

import gzip
from collections.abc import Iterable, Iterator
from typing import Any

from contracts.tests.sealed_archive import DAY_MS, START_MS, Archive, Bucket

from logferry_contracts.log_line import stamp
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.pattern import Pattern
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.sealed import Seals, add_sealed
from logferry_contracts.retrieval.search import Match, Report, Search
from logferry_contracts.statement import ARCHIVED, StatedObject, Statement
from logferry_contracts.verification.store import Version
from logferry_contracts.window import Window

NAME = "/app/a"


class Unlisted(Bucket):
    """A bucket that must not be listed."""

    def versions(self, prefix: str) -> Iterator[Version]:
        raise AssertionError(f"listed {prefix}")


def lines(*events: tuple[int, str]) -> bytes:
    """Return an object's bytes, packed."""
    text = "".join(f"{stamp(at_ms).decode()} {message}\n" for at_ms, message in events)
    return gzip.compress(text.encode("utf-8", "surrogatepass"), mtime=0)


def window(day: int = 0, days: int = 1) -> Window:
    return Window(from_ms=START_MS + day * DAY_MS, to_ms=START_MS + (day + days) * DAY_MS)


def archived(
    archive: Archive, of: Window, bodies: dict[str, bytes], name: str = NAME, **more: Any
) -> Statement:
    """Export a window of a log group: bodies by stream and number, such as ``web/000000``."""
    export = archive.export(name, of)
    objects: list[StatedObject] = []
    for place, body in sorted(bodies.items()):
        key = f"{export.folders[0]}{place}.gz"
        objects.append(archive.stated(key, archive.bucket.put(key, body), of, body))
    return archive.statement(name, of, ARCHIVED, exports=[export], objects=objects, **more)


def sealed(bodies: dict[str, bytes], bucket: Bucket | None = None) -> Archive:
    """Return an archive of one date with one log group that has these objects."""
    archive = Archive(bucket)
    archive.day([archived(archive, window(), bodies)], window())
    return archive


def asked(of: Window | None = None, **more: Any) -> Asked:
    """Return what is asked for: the first date, if nothing else is said."""
    time = of or window()
    said: dict[str, Any] = {"log_groups": ("*",), "from_ms": time.from_ms, "to_ms": time.to_ms}
    return Asked(**(said | more))


def planned(archive: Archive, wanted: Asked, store: Any = None) -> Plan:
    """Return the plan that seals make, which are trusted."""
    plan, of = Plan(wanted), store or archive.bucket
    seals = Seals.read(of, archive.chain, [archive.key.trusted], wanted.from_ms)
    add_sealed(plan, of, seals)
    for missing in seals.uncovered(wanted):
        plan.add_unknown(archive.chain, missing)
    plan.finish()
    return plan


def searched(
    archive: Archive,
    pattern: str | Pattern = "",
    wanted: Asked | None = None,
    store: Any = None,
    **how: Any,
) -> tuple[list[Match], Report]:
    """Return what is found, the oldest first, and what came of it."""
    plan = planned(archive, wanted or asked(), store)
    words = Pattern(pattern) if isinstance(pattern, str) else pattern
    how = {"newest_first": False, **how}
    search = Search(store or archive.bucket, plan, words, **how)
    return list(search), search.report


def messages(matches: Iterable[Match]) -> list[str]:
    return [each.event.message for each in matches]
