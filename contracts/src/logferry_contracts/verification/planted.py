"""What lies where no seal names anything: below ``!seals/``, and below a source's prefix."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from itertools import groupby
from zoneinfo import ZoneInfo

from logferry_contracts.archive import ArchiveError, LogFile
from logferry_contracts.chain import ChainName
from logferry_contracts.day_seal import SealedWindows
from logferry_contracts.log_group import log_group_folder
from logferry_contracts.message import epoch_ms
from logferry_contracts.on_disk import OnDisk
from logferry_contracts.seal_key import (
    StatementName,
    chain_prefix,
    leaves_key,
    seals_prefix,
    statements_prefix,
)
from logferry_contracts.statement import OPEN, Statement
from logferry_contracts.verification.findings import (
    Finding,
    Note,
    ObjectAddedError,
    SquattedError,
    Unchecked,
)
from logferry_contracts.verification.objects import is_write_test
from logferry_contracts.verification.store import Store, Version
from logferry_contracts.zones import ZONE_DATA, zone_named

_PLACE = re.compile(r"(.+/([0-9]{4}/[0-9]{2}/[0-9]{2})/([0-9]{2}))/", re.ASCII)
"""What begins with an export's prefix: a log group's folder, a date and an hour, by the source's
clock."""

_DATE_PATHS = re.compile(r"/([0-9]{4}/[0-9]{2}/[0-9]{2})/([0-9]{2})(?=/)", re.ASCII)
"""Whatever in a key may be the end of an export's prefix: its date and hour."""

_SHA256 = re.compile(r"[0-9a-f]{64}\.jsonl", re.ASCII)


class Named:
    """What statements name."""

    @cached_property
    def _named(self) -> OnDisk:
        """Made once there is something: a check of seals alone names nothing, and makes many."""
        return OnDisk()

    def add(self, statement: Statement, time_zone: str) -> None:
        """Take in where a window's exports write, and have written.

        Args:
            statement: Of a window.
            time_zone: Of its seal.
        """
        named = {f"{export.destination.prefix}/" for export in statement.exports}
        if statement.outcome == OPEN:  # what it is waited for may be on its way
            date = _on_the_clock(statement.window.start, _zone(time_zone) or UTC)
            folder = log_group_folder(statement.log_group.name)
            named.add(f"{statement.source.profile}/{folder}/{date:%Y/%m/%d}/*/")
        for each in named:
            self._named.add(each)
        self._named.add(f"{statement.source.profile}/{log_group_folder(statement.log_group.name)}")
        for left in statement.leftovers or []:
            self._named.add(f"{left.key} {left.size_bytes}")

    def has_log_group(self, folder: str) -> bool:
        """Whether anything is said of the log group whose exports' prefixes begin with this."""
        return folder in self._named

    def has_left(self, version: Version) -> bool:
        """Whether it is sealed that something lay there which no export that counts has written."""
        return f"{version.key} {version.size_bytes}" in self._named

    def has(self, prefix: str) -> bool:
        """Whether anything names an export's prefix, or is waited for on its date."""
        return f"{prefix}/" in self._named or f"{prefix[:-2]}*/" in self._named


def among_seals(store: Store, chain: ChainName) -> Iterator[Finding]:
    """Yield each key of a chain that is none of its layout; seals are looked at with the chain.

    Raises:
        Unreadable: They cannot be listed.
    """
    for key, versions in groupby(store.versions(chain_prefix(chain)), key=lambda each: each.key):
        if not (_is_of_layout(chain, key) or next(versions).is_delete_marker):
            yield SquattedError(key, "it is the key of nothing that belongs to seals")


def among_objects(
    store: Store, profile: str, named: Named, days: Iterable[SealedWindows]
) -> Iterator[Finding]:
    """Yield what lies below a source's prefix at a time that is sealed, and no statement names.

    What lies where one does is compared with it elsewhere. Of a date in a zone that is not known
    here nobody can say which hours are its own.

    Args:
        store: The archive.
        profile: The prefix's first part.
        named: What all statements of these dates name.
        days: The dates.

    Raises:
        Unreadable: It cannot be listed.
    """
    by_date: dict[str, list[SealedWindows]] = defaultdict(list)
    unknown = set[str]()
    for each in days:
        if _zone(each.time_zone) is None:
            unknown.add(each.time_zone)
        by_date[each.date].append(each)
    for zone in sorted(unknown):
        thing = f"what else lies below {profile}/ on dates in the time zone {zone}"
        why = f"there is no such zone in IANA's data of {ZONE_DATA}, which is what is known here"
        yield Unchecked(thing, why, "Check it with a newer version of the package tzdata")
    listed = (each for each in store.versions(f"{profile}/") if each.is_latest)
    for folder, versions in groupby(listed, key=_folder):
        there = [
            each
            for each in versions
            if not (each.is_delete_marker or is_write_test(each, _parent(each.key)))
        ]
        if there:
            yield from _of_folder(folder, there, named, by_date)


def _of_folder(
    folder: str, there: list[Version], named: Named, days: Mapping[str, Sequence[SealedWindows]]
) -> Iterator[Finding]:
    size_bytes = sum(each.size_bytes for each in there)
    objects = "1 object" if len(there) == 1 else f"{len(there)} objects"
    place = _PLACE.match(folder)
    if place is not None and _is_sealed(place[2], place[3], days) and not named.has(place[1]):
        told = f"{objects} of {size_bytes} bytes, of a log group and a time that no statement names"
        yield ObjectAddedError(folder, told)
    elif _is_planted_below(folder, named, days) and not all(map(named.has_left, there)):
        told = f"{objects} of {size_bytes} bytes, below a time that is sealed, of no log group"
        yield ObjectAddedError(folder, told)
    elif not _is_log_file(there[0].key):
        yield Note(folder, f"{objects} that no export writes: their keys are of another layout")


def _is_planted_below(
    folder: str, named: Named, days: Mapping[str, Sequence[SealedWindows]]
) -> bool:
    """Whether a folder of a time that is not sealed hides below one that is.

    A log group's name may have a date path itself: then something is said of it.
    """
    places = list(_DATE_PATHS.finditer(folder))
    if len(places) == 1 or not any(_is_sealed(each[1], each[2], days) for each in places[:-1]):
        return False
    return not named.has_log_group(folder[: places[-1].start()])


def _is_sealed(date_path: str, hour: str, days: Mapping[str, Sequence[SealedWindows]]) -> bool:
    """Whether what begins with an export's prefix is of a time that is sealed."""
    return any(_covers(day, hour) for day in days.get(date_path.replace("/", "-"), ()))


def _covers(day: SealedWindows, hour: str) -> bool:
    zone = _zone(day.time_zone)
    if zone is None:
        return False
    try:
        at = datetime.fromisoformat(f"{day.date}T{hour}")
    except ValueError:
        return True  # an hour that no date has: no export will ever be called so
    at_ms = epoch_ms(at.replace(tzinfo=zone))
    return day.covers.from_ms <= at_ms < day.covers.to_ms


def _is_log_file(key: str) -> bool:
    try:
        LogFile.of(key)
    except ArchiveError:
        return False
    return True


def _on_the_clock(at: datetime, zone: tzinfo) -> datetime:
    """Return a time in a zone; as it is where that is of no year that there is."""
    try:
        return at.astimezone(zone)
    except OverflowError:
        return at


def _zone(name: str) -> ZoneInfo | None:
    try:
        return zone_named(name)
    except ValueError:
        return None


def _parent(key: str) -> str:
    return key[: key.rfind("/") + 1]


def _folder(version: Version) -> str:
    """Return what a task's objects lie in: all streams of it."""
    key = version.key
    if place := _PLACE.match(key):
        task, is_below, _ = key[place.end() :].partition("/")
        return f"{place[0]}{task}/" if is_below else place[0]
    try:
        of_key = LogFile.of(key)
    except ArchiveError:
        return f"{key.rpartition('/')[0]}/"
    return f"{of_key.prefix}/{of_key.task_id}/"


def _is_of_layout(chain: ChainName, key: str) -> bool:
    statements, leaves = statements_prefix(chain), leaves_key(chain, "").removesuffix(".jsonl")
    if key.startswith(statements):
        try:
            StatementName.parse(key.removeprefix(statements))
        except ValueError:
            return False
        return True
    if key.startswith(leaves):
        return _SHA256.fullmatch(key.removeprefix(leaves)) is not None
    return key.startswith(seals_prefix(chain))
