"""The command that searches an archive for log events."""

import json
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from logferry import by_duckdb
from logferry import search as searching
from logferry.commands.chosen import Chosen, code_of_report, planned, tell_report
from logferry.commands.console import (
    DONE,
    FAILED,
    NOT_WHOLE,
    STOPPED,
    Flag,
    Json,
    code_of,
    messages,
    told,
    told_errors,
)
from logferry.commands.side_by_side import reading
from logferry.commands.whole import whole
from logferry.errors import ConfigError
from logferry.place import Place
from logferry.workers import Threads
from logferry_contracts.retrieval.pattern import Pattern
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.search import Match, Report, Search
from logferry_contracts.verification.store import Unreadable

if TYPE_CHECKING:
    from logferry.token_indexes import RulingOut

_MOST_AROUND = 100_000
"""Events before each one are in memory."""


def search(  # noqa: PLR0913  (an option each)
    pattern: str,
    archive: str,
    /,
    *,
    chosen: Chosen,
    regex: Flag = False,
    ignore_case: Flag = False,
    is_id: Annotated[bool, Parameter(name="--id", negative="", show_default=False)] = False,
    index: Annotated[str | None, Parameter(show_default=False)] = None,
    context: Annotated[int, whole(0, _MOST_AROUND)] = 0,
    oldest_first: Flag = False,
    limit: Annotated[int | None, whole(1), Parameter(show_default=False)] = None,
    sql: Annotated[str | None, Parameter(show_default=False)] = None,
    dry_run: Flag = False,
    as_json: Json = False,
) -> int:
    r"""Search the archive for what log groups logged, by the bytes that were sealed.

    `logferry search timeout organization.yaml --profile shop --log-group /aws/lambda/orders
    --from 2026-11-21T09:12 --to 2026-11-21T09:20`

    `logferry search 'status=5\d\d' organization.yaml --regex --log-group '/ecs/*' --from -7d`

    `logferry search 7f3a0c /mnt/copy --log-group '*' --from 2026-11-01 --to 2026-11-30
    --key seals.pem --json`

    `logferry search timeout s3://my-archive --source 111122223333/eu-central-1
    --log-group '/aws/lambda/*' --from yesterday`

    What will be read, what it costs, and what of the time is not in the archive and why, comes
    first. Then each event as it is found, the newest first. Only the version of an object that was
    archived is read, whatever lies over it, and nothing is shown of one that is not, to the byte,
    what was archived. Exit code 0 when everything was looked at, whether anything was found or
    not; 1 when something is not what was archived, 2 for bad input, 3 when something is missing or
    cannot be read, such as what is in GLACIER; 130 when it was stopped by Ctrl-C, which keeps what
    was found.

    Args:
        pattern: Words that a message has, as they are.
        archive: A configuration of what is deployed; a folder that the archive was copied into; or
            s3:// and the name of the archive's bucket, for who may read no ledger.
        chosen: What is looked at.
        regex: The pattern is a regular expression of Python's.
        ignore_case: Take small and capital letters for the same.
        is_id: The pattern is an id: no letter or digit is before or after it.
        index: Where logferry index tokens has written: with --id, what it rules out is not opened.
        context: So many events of the same stream before and after each, too.
        oldest_first: In this order.
        limit: End after so many.
        sql: Print, as CSV, what DuckDB answers to a query of the table events, which has those that
            were found: at_utc, account_id, region, profile, log_group, stream, message, key,
            version_id and sha256.
        dry_run: Only say what would be read.
        as_json: Print JSON lines: each event, and at the end what came of it; or the plan.
    """
    try:
        words = _pattern(pattern, is_regex=regex, ignores_case=ignore_case, is_id=is_id)
        _check(sql, as_json=as_json)
        if index is not None and not is_id:
            raise ConfigError("--index", ["it helps to find an id alone: --id"])
        run = _Searching(
            archive=archive,
            chosen=chosen,
            pattern=words,
            index=index,
            context=context,
            is_newest_first=not oldest_first,
            limit=limit,
            is_dry_run=dry_run,
            as_json=as_json,
        )
        places = chosen.places(archive)
        return run.all(places) if sql is None or dry_run else _answered(run, places, sql)
    except Unreadable as error:
        return told(error, NOT_WHOLE, as_json=as_json)
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)


def _pattern(text: str, *, is_regex: bool, ignores_case: bool, is_id: bool) -> Pattern:
    try:
        return Pattern(text, is_regex=is_regex, ignores_case=ignores_case, is_id=is_id)
    except ValueError as error:
        raise ConfigError("the pattern", [str(error)]) from error


def _check(sql: str | None, *, as_json: bool) -> None:
    if sql is not None:
        if as_json:
            raise ConfigError("--json", ["an answer to --sql is CSV"])
        by_duckdb.check("--sql")
        by_duckdb.check_query(sql)


def _answered(run: "_Searching", places: Iterable[Place], sql: str) -> int:
    """Search, print what a query of what was found gives, and return the exit code."""
    with TemporaryDirectory() as scratch:
        lines, answer = Path(scratch) / "lines", Path(scratch) / "answer"
        with lines.open("w", encoding="utf-8") as file:
            code = replace(run, lines=file).all(places)
        by_duckdb.write_answer(lines, sql, answer)
        _write(answer.read_text(encoding="utf-8"))
        sys.stdout.flush()
    return code


@dataclass(frozen=True, kw_only=True)
class _Searching:
    """A search of archives, told as it goes on.

    Attributes:
        lines: Gets what is found, as JSON; None: it is printed.
    """

    archive: str
    chosen: Chosen
    pattern: Pattern
    index: str | None
    context: int
    is_newest_first: bool
    limit: int | None
    is_dry_run: bool
    as_json: bool
    lines: IO[str] | None = None

    def all(self, places: Iterable[Place]) -> int:
        """Search everywhere, and return the exit code: the worst of all."""
        codes = [DONE]
        left = self.limit
        for place in places:
            with Threads(max(os.process_cpu_count() or 1, place.store.readers)) as threads:
                code, found = self._at(place, threads, left)
            codes.append(code)
            left = None if left is None else left - found
            if code == STOPPED or left == 0:
                break
        return next(code for code in (STOPPED, FAILED, NOT_WHOLE, DONE) if code in codes)

    def _at(self, place: Place, threads: Threads, limit: int | None) -> tuple[int, int]:
        """Search one place; return the exit code, and how many events were shown."""
        rules_out = None if self.index is None else self._ruling_out(self.index)
        found = planned(self.archive, self.chosen, place, threads, rules_out)
        if self.is_dry_run:
            if self.as_json:
                _write(f"{json.dumps(found.as_json())}\n")
            return found.code, 0
        plan = found.plan
        with reading(place, plan, threads) as (store, mapped, stop):
            search = Search(
                store,
                plan,
                self.pattern,
                newest_first=self.is_newest_first,
                context=self.context,
                mapped=mapped,
            )
            stopped, count = self._show(search, stop, limit)
        return self._end(plan, search.report, count, is_stopped=stopped), count

    def _ruling_out(self, index: str) -> "RulingOut":
        # Who has no index does not wait for what reads one.
        from logferry.token_indexes import RulingOut, kept_at  # noqa: PLC0415

        return RulingOut(kept_at(index), self.pattern.text, messages.print)

    def _show(
        self, search: Search, stop: Callable[[], None], limit: int | None
    ) -> tuple[bool, int]:
        """Print what is found; return whether somebody has stopped it, and how much it was."""
        count = 0
        try:
            for match in search:
                self._print(match)
                count += 1
                if count == limit:
                    stop()
                    break
        except KeyboardInterrupt:
            stop()
            for match in search.rest():
                self._print(match)
                count += 1
            return True, count
        finally:
            sys.stdout.flush()
        return False, count

    def _print(self, match: Match) -> None:
        if self.lines is not None:
            self.lines.write(f"{json.dumps(searching.match_as_json(match))}\n")
            return
        if self.as_json:
            _write(f"{json.dumps(searching.match_as_json(match))}\n")
            return
        shown = searching.on_a_terminal if sys.stdout.isatty() else searching.as_it_is
        _write(searching.line_of(match, shown=shown))

    def _end(self, plan: Plan, report: Report, count: int, *, is_stopped: bool) -> int:
        """Say what came of it, and return the exit code."""
        if self.as_json:
            are_signed = bool(self.chosen.key)
            document: dict[str, Any] = searching.report_as_json(plan, report, are_signed=are_signed)
            _write(f"{json.dumps({'read': document})}\n")
            sys.stdout.flush()
        if is_stopped:
            messages.print("stopped: the rest was not looked at")
        tell_report(self.archive, self.chosen, plan, report)
        if count < report.matches:
            messages.print(f"Shown of these events: {count:,}, by --limit.")
        return STOPPED if is_stopped else code_of_report(plan, report)


def _write(text: str) -> None:
    """Print a text as it is: what nothing can be made of in the terminal's encoding is escaped."""
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError as error:
        sys.stdout.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
