"""Log events searched for in archives: what to read, what of it is missing, and what was found.

The rules are those of `logferry_contracts.retrieval`. Here is which archives are looked into, and
how what is found is shown.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from glob import has_magic
from typing import Any
from zoneinfo import ZoneInfo

from logferry.errors import ConfigError
from logferry.place import Place
from logferry.times import time_given, zone_given
from logferry_contracts.chain import ChainName
from logferry_contracts.message import epoch_ms, from_epoch_ms, timestamp
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.plan import UNKNOWN, Plan, RulesOut
from logferry_contracts.retrieval.sealed import Seals, add_sealed
from logferry_contracts.retrieval.search import Match, Report
from logferry_contracts.retrieval.stated import add_stated
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.store import Denied, Mapped
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_ledger.markup import visible

_DOLLARS_PER_REQUEST = 0.0004 / 1000
"""https://aws.amazon.com/s3/pricing/ (us-east-1; GET)"""
_DOLLARS_PER_GB_OUT = 0.09
"""The same page: out of AWS; within the Region nothing."""
_GB = 10**9
_OF_WRONG_SEALS = (
    "what was read is what statements say, and these or their seals are wrong: see above"
)
_MOST_SHOWN = 3
_KNOWN_SECONDS = 1024
_ANY_ZONE = timedelta(hours=26)
"""How much earlier a time may be on the clock of another zone, with room for a date."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody wants to have back.

    Attributes:
        since: As it was typed; so is ``until``, None for as far as there is anything.
        time_zone: Whose clock they are on; None for the source's.
        profile: The only source; None: all.
        keys: That are trusted; without any, signatures of seals are not checked.
    """

    log_groups: tuple[str, ...]
    streams: tuple[str, ...] = ()
    since: str
    until: str | None = None
    time_zone: str | None = None
    profile: str | None = None
    keys: tuple[TrustedKey, ...] = ()
    now: datetime

    def asked(self, zone: ZoneInfo) -> Asked:
        """Return it by a zone's clock.

        Raises:
            ConfigError: A time is none, or there is nothing between the two.
        """
        from_ms = time_given("--from", self.since, zone, self.now)
        to_ms = time_given("--to", self.until or "now", zone, self.now)
        if from_ms >= to_ms:
            told = f"--from {self.since} is not before --to {self.until or 'now'}"
            raise ConfigError("the times", [told])
        return Asked(
            log_groups=self.log_groups,
            from_ms=max(from_ms, 0),
            to_ms=to_ms,
            streams=self.streams,
            is_open_ended=self.until is None,
        )


def planned(
    place: Place,
    wanted: Wanted,
    rules_out: RulesOut | None = None,
    *,
    mapped: Mapped = map,
) -> Plan:
    """Return what to read of a place, but what is ruled out.

    Raises:
        ConfigError: There are no such log groups, or the sources' clocks differ.
        Unreadable: What says which objects there are cannot be read.
    """
    earliest = wanted.asked(zone_named("Etc/UTC")).from_ms - int(_ANY_ZONE.total_seconds() * 1000)
    seals = dict[ChainName, Seals | None]()
    for chain in place.chains:
        found = _seals(place, chain, wanted, max(earliest, 0), mapped)
        of_others = found.profiles if found and not place.ledger and wanted.profile else None
        # Whose a chain is of which no seal is there, nobody can say: they may have been removed.
        if not of_others or wanted.profile in of_others:
            seals[chain] = found
    if not seals:
        told = f"there is no seal of the profile {wanted.profile}" if wanted.profile else "no seals"
        raise ConfigError(str(place.store), [told])
    plan = Plan(_asked(place, wanted, seals), rules_out)
    for chain, of in seals.items():
        _add(plan, place, chain, of, mapped)
    plan.finish()
    if plan.log_groups:
        _add_no_log_groups(plan)
    if not plan.log_groups and not plan.findings:
        raise ConfigError("--log-group", list(_no_log_group(plan)))
    return plan


def _add_no_log_groups(plan: Plan) -> None:
    """Add the whole names that there is nothing of, where there is of others."""
    whole = Window(from_ms=plan.asked.from_ms, to_ms=plan.asked.to_ms)
    for name in sorted(set(plan.asked.log_groups) - plan.log_groups):
        if not has_magic(name):
            plan.add_absence(UNKNOWN, "no log group of this name", name, whole)


def _no_log_group(plan: Plan) -> Iterator[str]:
    """Yield why there may be none: the name, or a time of which nothing is there."""
    names, time = plan.asked.log_groups, span(plan.asked.from_ms, plan.asked.to_ms)
    yield f"{', '.join(names)}: no log group of this name from {time}"
    for each in plan.absences.values():
        yield f"of {each.examples[0]} no log group is known: {each.why}"
    if (whole := next((each for each in names if not has_magic(each)), None)) is not None:
        yield f"it takes whole names, or globs in quotes, such as '*{whole.strip('/')}*'"


def _seals(
    place: Place, chain: ChainName, wanted: Wanted, from_ms: int, mapped: Mapped
) -> Seals | None:
    """Return the seals of a chain; None for who may not read them."""
    try:
        now_ms = epoch_ms(wanted.now)
        return Seals.read(place.store, chain, wanted.keys, from_ms, now_ms=now_ms, mapped=mapped)
    except Denied:
        if wanted.keys:
            raise
        return None


def _asked(place: Place, wanted: Wanted, seals: dict[ChainName, Seals | None]) -> Asked:
    if wanted.time_zone is not None:
        return wanted.asked(zone_given(wanted.time_zone))
    zones = {chain: _zone(place, chain, found) for chain, found in seals.items()}
    by_chain = {chain: zone for chain, zone in zones.items() if zone is not None}
    asked = {wanted.asked(zone) for zone in by_chain.values() or [zone_named("Etc/UTC")]}
    if len(asked) > 1:
        told = ", ".join(f"{chain}: {zone}" for chain, zone in by_chain.items())
        raise ConfigError("--time-zone", [f"the clocks of these differ, so say which: {told}"])
    return asked.pop()


def _zone(place: Place, chain: ChainName, seals: Seals | None) -> ZoneInfo | None:
    if place.ledger is not None and (zone := place.ledger.zone_of(chain)) is not None:
        return zone
    name = None if seals is None else seals.time_zone
    return None if name is None else zone_named(name)


def _add(plan: Plan, place: Place, chain: ChainName, seals: Seals | None, mapped: Mapped) -> None:
    if seals is None:
        add_stated(plan, place.store, chain, mapped=mapped)
        return
    add_sealed(plan, place.store, seals, mapped=mapped)
    missing = list(seals.uncovered(plan.asked))
    if place.ledger is not None:
        place.ledger.add_unsealed(plan, chain, missing)
    else:
        for window in missing:
            plan.add_unknown(chain, window)


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what is to be read, and what of it is missing and why, for people."""
    groups, objects = counted(len(plan.log_groups), "log group"), counted(plan.objects, "object")
    time = span(plan.asked.from_ms, plan.asked.to_ms)
    yield f"{groups}, {time}: {objects}, {plan.size_bytes:,} bytes"
    if plan.asked.streams and not plan.objects + plan.ruled_out:
        yield visible(f"  nothing is there of a log stream {', '.join(plan.asked.streams)}")
    if plan.ruled_out:
        yield f"  {counted(plan.ruled_out, 'other object')} cannot have it, as the index says"
    requests, out = _dollars(plan)
    yield f"  costs ${requests:.4f} for their GETs, and ${out:.2f} if they leave AWS's network"
    if plan.unsealed:
        yield f"  {plan.unsealed:,} of them are not sealed yet: the ledger has them, without hashes"
    for each in plan.absences.values():
        windows = counted(each.count, "window")
        some = "; ".join(each.examples[:_MOST_SHOWN]) + ("; …" if each.count > _MOST_SHOWN else "")
        verb = "not there" if each.is_lawful else "MISSING"
        yield visible(f"  {verb}: {windows} {each.outcome} ({each.why}): {some}")
    for chain in plan.by_statements:
        yield f"  by statements alone: you may not read the seals of {chain}"
    yield from (visible(f"  {each}") for each in plan.findings)


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Return what is to be read as a JSON document."""
    requests, out = _dollars(plan)
    return {
        "log_groups": sorted(plan.log_groups),
        "from": _time(plan.asked.from_ms),
        "to": _time(plan.asked.to_ms),
        "objects": plan.objects,
        "stored_bytes": plan.size_bytes,
        "unsealed_objects": plan.unsealed,
        "ruled_out_objects": plan.ruled_out,
        "dollars": {"requests": round(requests, 6), "out_of_aws": round(out, 6)},
        "missing": [
            {
                "outcome": each.outcome,
                "reason": each.why,
                "windows": each.count,
                "examples": each.examples,
                "is_lawful": each.is_lawful,
            }
            for each in plan.absences.values()
        ],
        "findings": list(map(str, plan.findings)),
        "by_statements": list(map(str, plan.by_statements)),
        "is_whole": plan.is_whole,
    }


def _dollars(plan: Plan) -> tuple[float, float]:
    return plan.objects * _DOLLARS_PER_REQUEST, plan.size_bytes / _GB * _DOLLARS_PER_GB_OUT


def report_lines(plan: Plan, report: Report, *, are_signed: bool) -> Iterator[str]:
    """Yield what came of a search, for people: what is wrong first, and the sum last."""
    yield from (visible(f"{each}") for each in (*report.notes, *report.findings))
    for each in report.frozen:
        yield visible(f"thaw first: {each}")
    objects = f"{report.objects:,} of {counted(plan.objects, 'object')}"
    told = _OF_WRONG_SEALS if plan.is_wrong else _as_archived(report)
    read = f"{objects}, {report.size_bytes:,} bytes: {told}"
    yield f"{counted(report.matches, 'event')} in {read}"
    if not are_signed:
        yield "Whether a key that you trust has signed the seals was not checked: --key."


def _as_archived(report: Report) -> str:
    unhashed = report.objects - report.hashed
    told = "every byte that was read is what was archived"
    if unhashed:
        told += f", as far as hashes are sealed: {unhashed:,} objects are not yet"
    return told


def report_as_json(plan: Plan, report: Report, *, are_signed: bool) -> dict[str, Any]:
    """Return what came of a search as a JSON document."""
    return {
        "matches": report.matches,
        "objects": report.objects,
        "of_objects": plan.objects,
        "stored_bytes": report.size_bytes,
        "hashed_objects": report.hashed,
        "are_signatures_checked": are_signed,
        "findings": list(map(str, (*plan.findings, *report.findings))),
        "notes": list(map(str, report.notes)),
        "frozen": report.frozen,
        "missing": [each.outcome for each in plan.absences.values() if not each.is_lawful],
        "is_whole": plan.is_whole and report.is_whole,
    }


def line_of(match: Match, *, shown: Callable[[str], str]) -> str:
    """Return an event and what is around it, each from a line of its own on.

    Args:
        match: What was found.
        shown: Makes each message fit for where it goes to.
    """
    events = (*match.before, match.event, *match.after)
    lines = [
        f"{_time(each.at_ms)} {match.log_group_name} {shown(each.stream)} {shown(each.message)}\n"
        for each in events
    ]
    return "".join(lines if len(lines) == 1 else [*lines, "--\n"])


def match_as_json(match: Match) -> dict[str, Any]:
    """Return an event with where it is in the archive as a JSON document."""
    document = {
        "at": _time(match.at_ms),
        "account_id": match.source.account_id,
        "region": match.source.region,
        "profile": match.source.profile,
        "log_group": match.log_group_name,
        "stream": match.event.stream,
        "message": match.event.message,
        "key": match.event.key,
        "version_id": match.version_id,
    }
    if match.sha256 is not None:
        document["sha256"] = match.sha256
    around = {"before": match.before, "after": match.after}
    return document | {
        name: [{"at": _time(each.at_ms), "message": each.message} for each in events]
        for name, events in around.items()
        if events
    }


def counted(number: int, thing: str) -> str:
    """Return how many there are, in words."""
    return f"1 {thing}" if number == 1 else f"{number:,} {thing}s"


def on_a_terminal(message: str) -> str:
    """Return a message in which all that a terminal obeys is escaped, but newlines and tabs."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in message.split("\n"))


def as_it_is(message: str) -> str:
    """Return a message as it was archived."""
    return message


def _time(at_ms: int) -> str:
    second, ms = divmod(at_ms, 1000)
    return f"{_second(second)}{ms:03d}Z"


@lru_cache(_KNOWN_SECONDS)
def _second(at_s: int) -> str:
    """Return what the times of a second begin with: most have many events, next to each other."""
    return timestamp(from_epoch_ms(at_s * 1000)).removesuffix("000Z")
