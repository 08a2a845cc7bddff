"""The command that gets back all log events of a time."""

import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter

from logferry import by_duckdb
from logferry import fetch as fetching
from logferry.bag import Bag, pieces_of, proofs_of
from logferry.commands.chosen import Chosen, code_of_report, planned, tell_report
from logferry.commands.console import (
    NOT_WHOLE,
    STOPPED,
    Flag,
    code_of,
    messages,
    told,
    told_errors,
)
from logferry.errors import ConfigError
from logferry.fetch import Folder, task_of, write_lines
from logferry.fetched_files import Form, written
from logferry.pace import Pace
from logferry.place import Place
from logferry.search import counted
from logferry.watched import Watched
from logferry.workers import Processes, Threads
from logferry_contracts.message import timestamp
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.search import Report
from logferry_contracts.verification.joining import span
from logferry_contracts.verification.store import Mapped, Unreadable

_MUCH_BYTES = 16 * 1024 * 1024
"""As they are stored: sorting them takes longer than processes take to begin."""
_FETCHERS = 4
"""Streams that are sorted side by side, each in some 50 MB."""


def fetch(  # noqa: PLR0913  (an option each)
    archive: str,
    /,
    *,
    chosen: Chosen,
    output: Annotated[Path | None, Parameter(name=("--output", "-o"), show_default=False)] = None,
    form: Annotated[Form, Parameter(name="--format")] = "text",
    sql: Annotated[str | None, Parameter(show_default=False)] = None,
    dry_run: Flag = False,
) -> int:
    """Get back what log groups logged in a time, merged in the order of time.

    `logferry fetch organization.yaml --log-group /aws/lambda/orders --from 2026-11-21T09:12
    --to 2026-11-21T09:20 -o orders.log`

    `logferry fetch /mnt/copy --log-group '*' --from 2026-11-01 --to 2026-11-30 --format json
    --key seals.pem -o november.jsonl`

    Reads what `logferry search` reads, with the same options, plan and exit codes: nothing is
    written of a log stream of which an object is not, to the byte, what was archived. Exact to the
    millisecond at both ends. A fetch that was stopped, or could not read something, goes on with
    the same command: what was read is in the folder FILE.fetching until everything is.

    Args:
        archive: A configuration of what is deployed; a folder that the archive was copied into; or
            s3:// and the name of the archive's bucket.
        chosen: What is got back.
        output: The file to write, which may not be there yet; stdout if left out.
        form: text: lines as they were archived; json: a line for each event with its log group,
            stream, and the object's key, version and SHA-256; csv: the same in columns;
            parquet: the same, by DuckDB, which has to be installed; bag: a folder by RFC 8493 with
            these lines, the objects that they are from, and a proof of each log group and date.
        sql: Give back, as CSV, what DuckDB answers to a query of the table events, which has the
            columns of csv, with the time as at_utc.
        dry_run: Only say what would be read.
    """
    stopped, again = "stopped", ""
    try:
        _check(form, output, sql)
        place = _only(chosen.places(archive))
        threads = Threads(max(os.process_cpu_count() or 1, min(place.store.readers, _FETCHERS)))
        try:
            found = planned(archive, chosen, place, threads)
            if dry_run:
                return found.code
            plan = found.plan
            if output is not None:
                how = ("--output", str(output), "--format", form, *(("--sql", sql) if sql else ()))
                again = chosen.command("fetch", archive, plan.asked, *how)
                stopped = f"stopped; this goes on with what was read: {again}"
            fetching = _Fetching(
                place=place,
                plan=plan,
                output=output,
                form=form if sql is None else "json",
                sql=sql,
            )
            report = fetching.run(threads)
        finally:
            threads.stop()
        tell_report(archive, chosen, plan, report)
        if again and not report.is_whole:
            messages.print(f"Once it can be read, this reads the rest: {again}")
        return code_of_report(plan, report)
    except KeyboardInterrupt:
        messages.print(stopped)
        return STOPPED
    except Unreadable as error:
        return told(error, NOT_WHOLE, as_json=False)
    except told_errors() as error:
        return told(error, code_of(error), as_json=False)


def _check(form: Form, output: Path | None, sql: str | None) -> None:
    if output is not None and not output.name:
        raise ConfigError("--output", [f"{output}: name a file, which is not there yet"])
    if form in {"parquet", "bag"} and output is None:
        raise ConfigError("--output", [f"{form} cannot be written to stdout: name what to write"])
    if sql is not None:
        if form not in {"text", "csv"}:
            raise ConfigError("--format", [f"{form}: an answer to --sql is CSV"])
        by_duckdb.check("--sql")
        by_duckdb.check_query(sql)
    elif form == "parquet":
        by_duckdb.check("--format parquet")


def _only(places: Sequence[Place]) -> Place:
    if len(places) > 1:
        names = ", ".join(str(each.store) for each in places)
        raise ConfigError("--profile", [f"there are several archives, {names}: say whose"])
    return places[0]


@dataclass(frozen=True, kw_only=True)
class _Fetching:
    """A fetch into one file."""

    place: Place
    plan: Plan
    output: Path | None
    form: Form
    sql: str | None

    def run(self, threads: Threads) -> Report:
        """Read everything, write it, and return what came of it."""
        if self.output is None:
            with TemporaryDirectory() as scratch:
                return self._into(Path(scratch) / "fetching", threads)
        beside = self.output.with_name(f"{self.output.name}.fetching")
        if self.output.exists() and not beside.exists():
            raise ConfigError("--output", [f"{self.output} is there already: name another file"])
        return self._into(beside, threads)

    def _into(self, path: Path, threads: Threads) -> Report:
        task = task_of(str(self.place.store), self.plan.asked, self.form)
        folder = Folder(path, task, self.plan)
        is_much = self.form == "text" and self.plan.size_bytes >= _MUCH_BYTES
        processes = Processes.forked(os.process_cpu_count() or 1) if is_much else None
        try:
            report = self._read(folder, threads, processes)
            with messages.status("Writing"):
                self._write(folder, map if processes is None else processes.mapped, threads)
        except BaseException:
            folder.close()
            raise
        finally:
            if processes is not None:
                processes.stop()
        if report.is_whole or self.output is None:
            folder.remove()
        else:
            folder.close()
        return report

    def _read(self, folder: Folder, threads: Threads, processes: Processes | None) -> Report:
        """Read into the folder: what nobody has to wait for, and is much, by processes."""
        fetch = partial(fetching.fetch, plan=self.plan, folder=folder)
        with messages.status("Reading") as shown:
            pace = Pace(self.plan.size_bytes, watch=shown.update, clock=time.monotonic)
            if processes is not None and self.place.store.readers == 1:
                mapped = processes.mapped
                return fetch(self.place.store, is_named=False, mapped=mapped, watch=pace.add)
            store = Watched(self.place.store, "bytes", pace, threads)
            return fetch(store, is_named=self.form != "text", mapped=threads.mapped)

    def _write(self, folder: Folder, mapped: Mapped, threads: Threads) -> None:
        """Write the output, which is there when it is whole."""
        whole = folder.path / "merged"
        if self.output is None and self.sql is None:
            sys.stdout.buffer.writelines(written(folder, self.form))
            sys.stdout.buffer.flush()
            return
        if self.form == "text":
            write_lines(folder, whole, mapped)
        else:
            with whole.open("wb") as file:
                file.writelines(written(folder, self.form))
        if self.form == "bag" and self.output is not None:
            self._write_bag(self.output, folder, whole, threads)
            return
        if self.form == "parquet":
            by_duckdb.write_parquet(whole.rename(folder.path / "lines"), whole)
        if self.sql is not None:
            by_duckdb.write_answer(whole.rename(folder.path / "lines"), self.sql, whole)
        if self.output is None:
            with whole.open("rb") as answer:
                shutil.copyfileobj(answer, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            whole.replace(self.output)

    def _write_bag(self, output: Path, folder: Folder, lines: Path, threads: Threads) -> None:
        """Make a bag, or go on with one."""
        begun = output.with_name(f"{output.name}.begun")
        if output.exists():
            output.rename(begun)
        bag, now = Bag(begun), datetime.now(UTC)
        store, mapped = self.place.store, threads.mapped
        bag.add_events(lines)
        objects = bag.add_objects(store, pieces_of(self.plan, folder.done), mapped=mapped)
        proving = proofs_of(store, self.place.chains, self.plan, mapped=mapped)
        proofs = bag.add_proofs(store, proving, timestamp(now))
        asked = self.plan.asked
        bag.close(
            {
                "Bagging-Date": f"{now:%Y-%m-%d}",
                "Bag-Software-Agent": f"logferry {version('logferry')}",
                "External-Description": f"{', '.join(asked.log_groups)} "
                f"{span(asked.from_ms, asked.to_ms)}",
            }
        )
        begun.rename(output)
        messages.print(f"{output}: {counted(objects, 'object')}, {counted(proofs, 'proof')}")
