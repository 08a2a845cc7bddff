"""What needs a person: of which source and log group, why, what to do, and the next command."""

import csv
import io
import shlex
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from itertools import groupby
from typing import Any
from zoneinfo import ZoneInfo

from logferry import typed
from logferry.status import SourceStatus
from logferry.ways_out import AGAIN, GONE, LATE, WAYS_BACK, is_gone
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.window import Window
from logferry_contracts.zones import zone_named
from logferry_ledger.ledger import date_of, in_utc
from logferry_ledger.plans_and_seals import Noted

WIDTH = 80
SHOWN = 5
"""Of one kind and source, and so many sources of one kind. JSON and CSV have all."""
ALL_ROWS = 12
"""Up to so many sources each has a line; of more only those that need a person."""
LONGEST_WHY = 240
"""Characters, on the screen."""
_COLUMNS = ("profile", "what", "log_group", "date", "from", "to", "why", "to_do", "command")


@dataclass(frozen=True, kw_only=True)
class Need:
    """One thing that needs a person.

    Attributes:
        what: In a word, such as ``failed``.
        log_group: None where it is of no one log group.
        window: None where it is of no one window.
        time_zone: Whose dates the source has.
        why: In words.
        to_do: In words.
        commands: The next ones, each as its words.
    """

    profile: str
    what: str
    time_zone: str
    why: str
    to_do: str
    log_group: str | None = None
    window: Window | None = None
    commands: Sequence[Sequence[str]] = ()

    @property
    def on(self) -> date | None:
        """The date on which its window starts, in the source's time zone."""
        return None if self.window is None else date_of(self.window, zone_named(self.time_zone))

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return {
            "what": self.what,
            "log_group": self.log_group,
            "date": None if self.on is None else str(self.on),
            "window": None if self.window is None else self.window.model_dump(),
            "why": self.why,
            "to_do": self.to_do,
            "commands": [shlex.join(each) for each in self.commands],
        }


def needs_of(found: SourceStatus, config: str) -> list[Need]:
    """Return what of a source needs a person, the worst first.

    Args:
        found: The source.
        config: The file, as it was typed.
    """
    return list(_Needing(found, config).all())


def as_csv(needs: Iterable[Need]) -> str:
    """Return needs as CSV, with a head."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(_COLUMNS)
    for each in needs:
        window = each.window
        start, end = ("", "") if window is None else (window.start, window.end)
        rows.writerow(
            [
                *(each.profile, each.what, each.log_group or "", each.on or "", start, end),
                *(each.why, each.to_do, "; ".join(map(shlex.join, each.commands))),
            ]
        )
    return text.getvalue()


def summary(found: Sequence[tuple[SourceStatus, Sequence[Need]]]) -> list[str]:
    """Return the fleet in a few lines.

    Args:
        found: All sources, each with what of it needs a person.
    """
    needing = [each for each, needs in found if needs]
    nothing = [each for each, needs in found if each.has_nothing and not needs]
    counts = {
        "fine": len(found) - len(needing) - len(nothing),
        "with nothing to archive": len(nothing),
        "to be looked at": len(needing),
    }
    told = ", ".join(f"{count:,} {words}" for words, count in counts.items() if count)
    lines = [f"{len(found):,} source{'' if len(found) == 1 else 's'}: {told or 'none'}"]
    shown = [each for each in found if len(found) <= ALL_ROWS or each[1]]
    if shown:
        wide = max(len("source"), *(len(each.profile) for each, _ in shown))
        lines += ["", f"{'source':{wide}}  complete to  until (UTC)       under way  needs you"]
        lines += [_row(each, wide, count=len(needs)) for each, needs in shown]
    return lines


def shown(needs: Sequence[Need]) -> Iterator[str]:
    """Yield what needs a person, line by line, at most `WIDTH` wide where words allow it.

    What is so everywhere, as no planner runs, is shown of the first sources.
    """
    sources = Counter[str]()
    for (profile, what), of_kind in groupby(needs, key=lambda each: (each.profile, each.what)):
        sources[what] += 1
        if sources[what] > SHOWN:
            continue
        some = list(of_kind)
        yield ""
        yield f"{profile}: {what}" + (f" ({len(some):,})" if len(some) > 1 else "")
        for each in some[:SHOWN]:
            yield from _lines(each)
        if len(some) > SHOWN:
            yield f"  and {len(some) - SHOWN:,} more: --json and --csv have all"
    more = {what: count - SHOWN for what, count in sources.items() if count > SHOWN}
    if more:
        yield ""
        yield "The same of more sources, which --profile shows, and --json and --csv:"
        yield from (f"  {what}: {count:,}" for what, count in more.items())


def _row(found: SourceStatus, wide: int, *, count: int) -> str:
    until = found.complete_until
    if until is None:
        complete = f"{'nothing to archive' if found.has_nothing else '-':29}"
    else:
        # The day that has begun by then is not complete.
        on = until.astimezone(zone_named(found.time_zone)).date() - timedelta(days=1)
        complete = f"{on!s:11}  {until.astimezone(UTC):%Y-%m-%d %H:%M}"
    return f"{found.profile:{wide}}  {complete}  {len(found.under_way):9,}  {count or '-':>9}"


def _lines(need: Need) -> Iterator[str]:
    if need.log_group is not None:
        yield f"  {need.log_group}"
    if need.window is not None:
        yield f"    {need.on} ({need.time_zone}), in UTC"
        yield f"    {in_utc(need.window)}"
    why = " ".join(need.why.split())
    yield from _wrapped(why if len(why) <= LONGEST_WHY else f"{why[:LONGEST_WHY]}...")
    yield from _wrapped(f"To do: {need.to_do}")
    for command in need.commands:
        yield from _command_lines(command)


def _wrapped(text: str) -> list[str]:
    indent = "    "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _command_lines(words: Sequence[str]) -> Iterator[str]:
    """Yield a command, broken before options as a shell takes it."""
    line, indent = "    $", "       "
    for part in _with_values(list(map(shlex.quote, words))):
        if len(f"{line} {part} \\") > WIDTH and line.strip():
            yield f"{line} \\"
            line = indent
        line = f"{line} {part}"
    yield line


def _with_values(words: list[str]) -> Iterator[str]:
    """Yield the words, each option with its value."""
    while words:
        word = words.pop(0)
        has_value = word.startswith("--") and words and not words[0].startswith("--")
        yield f"{word} {words.pop(0)}" if has_value else word


@dataclass(frozen=True)
class _Needing:
    """What of one source needs a person."""

    found: SourceStatus
    config: str

    def all(self) -> Iterator[Need]:
        """Yield all of it, the worst first."""
        yield from map(self._failed, _ordered(self.found.failed))
        yield from map(self._late, _ordered(self.found.late))
        yield from map(self._contradicted, self.found.contradicted)
        yield from map(self._lacking, self.found.lacking)
        yield from map(self._damaged, self.found.damaged)
        yield from map(self._gap, self.found.gaps)
        yield from map(self._passed_over, self.found.passed_over)
        if self.found.planned is not None:
            yield self._not_planned(self.found.planned)
        if self.found.sealed_until is not None:
            until = f"{self.found.sealed_until:%Y-%m-%d %H:%M}"
            yield self._not_sealed(f"nothing is sealed since {until} UTC")
        if self.found.dead_letters:
            yield self._dead_letters(self.found.dead_letters)

    def _failed(self, record: LedgerRecord) -> Need:
        assert record.failed is not None  # noqa: S101  (its state says so)
        reason, message = record.failed.reason, record.failed.message
        no_other_try = is_gone(record)
        return self._of_record(
            record,
            "export failed",
            why=f"{reason}: {message}",
            to_do=GONE if no_other_try else AGAIN,
            commands=[self._waive] if no_other_try else [self._plan, self._waive],
        )

    def _late(self, record: LedgerRecord) -> Need:
        return self._of_record(
            record,
            "under way for too long",
            why=f"{record.state}, asked for at {record.requested_at}",
            to_do=LATE,
            commands=[self._plan],
        )

    def _contradicted(self, found: Noted) -> Need:
        return self._of_seal(
            found,
            "sealed as contradicted",
            why="Ledger and archive say different things of it; its statement says which.",
            to_do="See what it is. Put it right in the archive, or export it again: then it is "
            f"sealed otherwise. {WAYS_BACK}, A seal says that something differs.",
        )

    def _passed_over(self, key: str) -> Need:
        return self._of_source(
            "no window of a plan",
            why=f"{key} is no window of a plan: somebody has put it there.",
            to_do="Ask CloudTrail who, and remove it: "
            f"{WAYS_BACK}, A key of the ledger is no window of a plan.",
        )

    def _lacking(self, found: Noted) -> Need:
        return self._of_seal(
            found,
            "more in CloudWatch",
            why="CloudWatch Logs counted more events than the archive has of it.",
            to_do="What is small is added within hours. Of the rest keep a copy while CloudWatch "
            "has it: services/recounter/README.md, Where they differ.",
        )

    def _of_seal(self, found: Noted, what: str, **said: Any) -> Need:
        on = str(date_of(found.window, self._zone))
        of = ("--profile", self.found.profile, "--log-group", found.log_group, "--date", on)
        explain = typed.words_of("explain", self.config, *of)
        return self._of_source(
            what, log_group=found.log_group, window=found.window, commands=[explain], **said
        )

    def _damaged(self, problem: str) -> Need:
        to_do = f"Put its former version back: {WAYS_BACK}, A ledger record is damaged."
        return self._of_source("ledger record damaged", why=problem, to_do=to_do)

    def _gap(self, gap: Window) -> Need:
        return self._of_source(
            "gap",
            window=gap,
            why="The ledger has nothing of this time.",
            to_do="Have it planned.",
            commands=[self._planned(gap)],
        )

    def _not_planned(self, problem: str) -> Need:
        return self._of_source(
            "not planned",
            why=problem,
            to_do=f"Compare the deployment, and look into the planner's dead letters: {WAYS_BACK}.",
            commands=[
                typed.words_of("diff", self.config),
                [*self._letters("planner"), "--profile", self.found.profile, "--dry-run"],
                typed.words_of("plan", self.config, "--profile", self.found.profile),
            ],
        )

    def _not_sealed(self, problem: str) -> Need:
        return self._of_source(
            "not sealed",
            why=problem,
            to_do="Look at the sealer's alarms and dead letters, then ask it again.",
            commands=[
                [*self._letters("sealer"), "--dry-run"],
                typed.words_of("seal", self.config, "--profile", self.found.profile),
            ],
        )

    def _dead_letters(self, count: int) -> Need:
        return self._of_source(
            "dead letters",
            why=f"{count:,} messages that the exporter could not do; each has its reason.",
            to_do=f"Read their reasons, mend them, and give them back: {WAYS_BACK}.",
            commands=[[*self._letters("exporter"), "--profile", self.found.profile, "--dry-run"]],
        )

    def _letters(self, service: str) -> list[str]:
        return typed.words_of("retry", self.config, "--dead-letters", "--service", service)

    def _of_source(self, what: str, **said: Any) -> Need:
        return Need(profile=self.found.profile, what=what, time_zone=self.found.time_zone, **said)

    def _of_record(
        self,
        record: LedgerRecord,
        what: str,
        *,
        commands: Sequence[Callable[[LedgerRecord], list[str]]],
        **said: Any,
    ) -> Need:
        return self._of_source(
            what,
            log_group=record.log_group.name,
            window=record.window,
            commands=[command(record) for command in commands],
            **said,
        )

    def _plan(self, record: LedgerRecord) -> list[str]:
        return self._planned(record.window)

    def _planned(self, window: Window) -> list[str]:
        last = date_of(Window(from_ms=window.to_ms - 1, to_ms=window.to_ms), self._zone)
        dates = ["--from", str(date_of(window, self._zone)), "--to", str(last)]
        return typed.words_of("plan", self.config, "--profile", self.found.profile, *dates)

    def _waive(self, record: LedgerRecord) -> list[str]:
        on = str(date_of(record.window, self._zone))
        what = ("--log-group", record.log_group.name, "--date", on, "--reason", "WHY")
        return typed.words_of("waive", self.config, "--profile", self.found.profile, *what)

    @property
    def _zone(self) -> ZoneInfo:
        return zone_named(self.found.time_zone)


def _ordered(records: Iterable[LedgerRecord]) -> list[LedgerRecord]:
    """Return records by the dates and log groups that a person looks for, oldest first."""
    return sorted(records, key=lambda each: (each.window.from_ms, each.log_group.name))
