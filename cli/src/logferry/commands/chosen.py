"""What somebody wants back of an archive: the options that all who read one have, and its plan."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from cyclopts import Parameter

from logferry import search as searching
from logferry import thaw as thawing
from logferry.commands.console import DONE, FAILED, NOT_WHOLE, messages, under_way
from logferry.place import Place
from logferry.places import places_of
from logferry.thaw import Noting, Winter
from logferry.trusted import trusted_keys
from logferry.typed import typed
from logferry.workers import Threads
from logferry_contracts.message import from_epoch_ms, timestamp
from logferry_contracts.retrieval.asked import Asked
from logferry_contracts.retrieval.plan import Plan, RulesOut
from logferry_contracts.retrieval.search import Report

type Many = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]
type Time = Annotated[str, Parameter(allow_leading_hyphen=True, show_default=False)]
type Name = Annotated[str | None, Parameter(show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What somebody wants back.

    Attributes:
        log_group: A log group's whole name, or a glob of names; may be given again.
        since: A date, a time, today, yesterday, now, or how long ago, such as -2h.
        until: The same. Of a date its end, otherwise exclusive; as far as there is anything if left
            out.
        time_zone: Whose days and clock, such as Europe/Berlin; the source's if left out.
        profile: Only this source.
        source: Only this account and Region, such as 111122223333/eu-central-1.
        stream: A log stream's name, or a glob of names; may be given again.
        key: A public key in PEM by which seals have to be signed; may be given again.
    """

    log_group: Many
    since: Annotated[Time, Parameter(name="--from")]
    until: Annotated[Time | None, Parameter(name="--to", show_default=False)] = None
    time_zone: Name = None
    profile: Name = None
    source: Name = None
    stream: Many = ()
    key: Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)] = ()

    def wanted(self, now: datetime) -> searching.Wanted:
        """Return it as it is planned by.

        Raises:
            ConfigError: A key cannot be read.
        """
        return searching.Wanted(
            log_groups=self.log_group,
            streams=self.stream,
            since=self.since,
            until=self.until,
            time_zone=self.time_zone,
            profile=self.profile,
            keys=trusted_keys(self.key),
            now=now,
        )

    def places(self, archive: str) -> list[Place]:
        """Return where to look.

        Raises:
            ConfigError: There is no such archive, or no such source.
        """
        return places_of(archive, self.profile, self.source)

    def command(self, name: str, archive: str, asked: Asked, *more: str) -> str:
        """Return what to type, at any later time, to have this thawed, or fetched."""
        ends = ("--from", asked.from_ms), ("--to", asked.to_ms)
        options = [
            *(("--log-group", each) for each in self.log_group),
            *(("--stream", each) for each in self.stream),
            *((name, timestamp(from_epoch_ms(at_ms))) for name, at_ms in ends),
            *(
                (name, each)
                for name, each in (("--profile", self.profile), ("--source", self.source))
                if each is not None
            ),
            *(("--key", str(each)) for each in self.key),
        ]
        return typed(name, archive, *(word for option in options for word in option), *more)


class Planned(NamedTuple):
    """What is to be read, and how much of it S3 has to give back first."""

    plan: Plan
    winter: Winter

    @property
    def code(self) -> int:
        """The exit code of a run that only plans."""
        if self.plan.is_wrong:
            return FAILED
        return DONE if self.plan.is_whole and self.winter.is_over else NOT_WHOLE

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        document = searching.plan_as_json(self.plan) | thawing.winter_as_json(self.winter)
        return document | {"is_whole": self.code == DONE}


def planned(
    archive: str,
    chosen: Chosen,
    place: Place,
    threads: Threads,
    rules_out: RulesOut | None = None,
) -> Planned:
    """Return what is to be read of a place, but what is ruled out, and tell it.

    Raises:
        ConfigError: There are no such log groups, or the sources' clocks differ.
        Unreadable: What says which objects there are cannot be read.
    """
    now = datetime.now(UTC)
    winter = Winter()
    noting = Noting(place.store)
    with under_way(f"Looking for what {place.store} has"):
        # What does not wait needs no threads, and without any this process may fork.
        mapped = map if place.store.readers == 1 else threads.mapped
        noted = place._replace(store=noting)
        plan = searching.planned(noted, chosen.wanted(now), rules_out, mapped=mapped)
        if place.glacier is not None:
            winter = thawing.winter_of(place.glacier, plan, now, mapped=threads.mapped)
    for line in (*searching.plan_lines(plan), *thawing.winter_lines(winter)):
        messages.print(line)
    if winter.frozen or noting.frozen:
        messages.print(f"  thaw first: {chosen.command('thaw', archive, plan.asked)}")
    return Planned(plan, winter)


def tell_report(archive: str, chosen: Chosen, plan: Plan, report: Report) -> None:
    """Tell what came of reading a plan."""
    for line in _told(archive, chosen, plan, report):
        messages.print(line)


def _told(archive: str, chosen: Chosen, plan: Plan, report: Report) -> Iterator[str]:
    yield from searching.report_lines(plan, report, are_signed=bool(chosen.key))
    if report.frozen:
        yield f"Not all could be read. Thaw it: {chosen.command('thaw', archive, plan.asked)}"


def code_of_report(plan: Plan, report: Report) -> int:
    """Return the exit code of what came of a plan."""
    if plan.is_wrong or report.is_wrong:
        return FAILED
    return DONE if plan.is_whole and report.is_whole else NOT_WHOLE
