"""The command that checks an archive against its seals."""

import json
import secrets
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from logferry import verify as verifying
from logferry import witness as witnessing
from logferry import work
from logferry.archives import archives_of
from logferry.audit import About, Audit
from logferry.audit_files import ReportFiles, lists_of
from logferry.commands.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    NOT_WHOLE,
    Json,
    code_of,
    messages,
    results,
    sentence,
    tables,
    told,
    told_errors,
)
from logferry.errors import ConfigError
from logferry.given import span_given
from logferry.resuming import Progress, Task
from logferry.trusted import trusted_keys
from logferry_contracts.chain import ChainName
from logferry_contracts.verification.findings import Finding, Verdict
from logferry_contracts.verification.objects import Level

_CODES: dict[Verdict, int] = {"invalid": FAILED, "unchecked": NOT_WHOLE, "valid": DONE}
"""The worst first."""


def verify(  # noqa: PLR0913  (an option each)
    archive: Path,
    /,
    *,
    key: Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)] = (),
    witness: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    witness_key: Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)] = (),
    level: Level = "bytes",
    profile: Annotated[str | None, Parameter(show_default=False)] = None,
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    sample: str = "100%",
    resume: Annotated[Path | None, Parameter(show_default=False)] = None,
    report: Annotated[Path | None, Parameter(show_default=False)] = None,
    as_json: Json = False,
) -> int:
    """Check whether the archive is what was sealed: nothing changed, gone, hidden or added since.

    `logferry verify organization.yaml --key seals.pem`

    `logferry verify /mnt/copy --key seals.pem --key seals-2024.pem --level events`

    `logferry verify organization.yaml --key seals.pem --witness heads --witness-key witness.vkey`

    `logferry verify organization.yaml --key seals.pem --profile shop --from 2026-11-01
    --sample 5% --json`

    `logferry verify organization.yaml --key seals.pem --resume november.resume`

    `logferry verify /mnt/copy --key seals.pem --level events --report november.html`

    Against a folder it needs neither credentials nor a network: copy the whole bucket, such as by
    `aws s3 sync`. Whatever is wrong is listed. Exit code 0 when it is valid, 1 when it is not, 2
    for bad input, 3 when not all of it could be checked: without a `--key`, where an object is in
    GLACIER or cannot be read, or where a witness was asked for and has not seen all. See
    docs/verify.md.

    Args:
        archive: A configuration of what is deployed, or the folder of a copy.
        key: A public key in PEM that you trust, from elsewhere than the archive; may be given
            again.
        witness: A note that a witness has signed, as a file, a folder of them, or a URL; may be
            given again. Only a witness can say that no seals were cut off from the end.
        witness_key: A file with the key of a witness that you trust; may be given again.
        level: How deep to look, each level with all before it. seals: the chain, what it covers,
            and each date's list of log groups; objects: statements, and whether objects are there,
            held, and no others; bytes: the SHA-256 of each object; events: its lines, events and
            times.
        profile: Only this source.
        first: The first date whose log groups are checked. The chain is always checked whole.
        last: The last date, inclusive.
        sample: Of this share of log groups, drawn anew each time, statements and objects.
        resume: A file that remembers which seals were in order, and from which a check that was
            stopped goes on.
        report: An HTML file to be written for people, whatever the verdict; beside it, in a file
            that ends with .jsonl, all that its tables have no room for. Neither may be there.
        as_json: Print JSON lines: each finding as it is found, then each chain.
    """
    began = datetime.now(UTC)
    try:
        since, until = span_given(first, last)
        if witness_key and not witness:
            told = "it checks notes, and none is given: give them with --witness"
            raise ConfigError("--witness-key", [told])
        asked = verifying.Asked(
            keys=trusted_keys(key),
            level=level,
            first=since,
            last=until,
            sample=verifying.percentage(sample),
            now=datetime.now(UTC),
            witnessed=witnessing.notes(witness, witnessing.trusted_witnesses(witness_key)),
        )
        found = archives_of(archive, profile, asked.witnessed_chains)
        where = [archive.resolve()] if archive.is_dir() else [store for store, _ in found]
        if resume and report and lists_of(report).resolve() == resume.resolve():
            told = f"{resume}: there --report {report} writes its lists: give one another name"
            raise ConfigError("--resume", [told])
        task = Task(", ".join(map(str, where)), level, asked.sample)
        progress = Progress(resume, task, secrets.token_hex(8))
        files = None if report is None else ReportFiles(report)
    except told_errors() as error:
        return _ended_by(error, as_json=as_json)
    with files or nullcontext():
        checking = _Checking(asked, found, progress, files, as_json=as_json)
        code = checking.run()
        if files is None:
            return code
        from importlib.metadata import version  # noqa: PLC0415  (few ask for a report)

        from logferry.audit_page import page  # noqa: PLC0415

        about = About(
            archives=[str(store) for store, _ in found],
            profile=profile,
            first=first,
            last=last,
            level=level,
            sample=asked.sample,
            keys=[(str(path), each.id) for path, each in zip(key, asked.keys, strict=True)],
            witnessed=asked.witnessed,
            resumed_from=None if resume is None else str(resume),
            command=shlex.join(["logferry", *map(witnessing.without_queries, sys.argv[1:])]),
            version=version("logferry"),
            began=began,
            ended=datetime.now(UTC),
            stopped=checking.stopped,
        )
        try:
            files.finish(page(checking.audit, about, files.lists))
        except told_errors() as error:
            return checking.or_wrong(_ended_by(error, as_json=as_json))
    return code


@dataclass
class _Checking:
    """A check of archives, told as it goes on.

    Attributes:
        stopped: Why it came to no end; None while it may, and when it did.
    """

    asked: verifying.Asked
    archives: Sequence[tuple[verifying.Archive, list[ChainName]]]
    progress: Progress
    files: ReportFiles | None
    as_json: bool = field(kw_only=True)
    stopped: str | None = None

    def __post_init__(self) -> None:
        write = (lambda _: None) if self.files is None else self.files.write
        is_whole = self.asked.sample >= work.WHOLE
        self.audit = Audit(self.asked.level, is_whole=is_whole, write=write)

    def run(self) -> int:
        """Check everything, and return the exit code."""
        reports: list[verifying.Report] = []
        try:
            for store, names in self.archives:
                processes = work.processes(store)  # before what shows how far it is has a thread
                with messages.status(f"Checking {store}") as shown:
                    reports += verifying.check(
                        store,
                        names,
                        self.asked,
                        self.progress,
                        self.audit,
                        processes=processes,
                        tell=self._tell,
                        watch=shown.update,
                    )
        except KeyboardInterrupt:
            going_on = (
                "the same command"
                if self.progress.is_kept
                else "--resume FILE, from the beginning on"
            )
            messages.print(f"stopped; it goes on with {going_on}")
            self.stopped = "it was stopped by hand"
            return self.or_wrong(NOT_WHOLE)
        except told_errors() as error:
            self.stopped = sentence(error)
            return self.or_wrong(_ended_by(error, as_json=self.as_json))
        finally:
            self.audit.end(is_whole=False)
        return self._verdict(reports)

    def or_wrong(self, code: int) -> int:
        """Return the exit code of a check that came to no end: what is wrong counts more."""
        return FAILED if self.audit.findings.tally.errors else code

    def _tell(self, chain: ChainName, finding: Finding) -> None:
        document = verifying.finding_as_json(chain, finding)
        results.out(json.dumps(document) if self.as_json else verifying.line(finding))
        self.audit.findings.add(chain, finding)
        if self.files is not None:
            self.files.write(document)

    def _verdict(self, reports: Sequence[verifying.Report]) -> int:
        """Print what was found of each chain, and return the exit code."""
        for document in (each.as_json() for each in reports):
            if self.as_json:
                results.out(json.dumps(document))
            if self.files is not None:
                self.files.write(document)
        if not self.as_json:
            tables.print(verifying.table(reports))
            if self.asked.witnessed is None and (unknown := verifying.unwitnessed(reports)):
                results.print(unknown)
        verdicts = {each.verdict for each in reports}
        return next((code for verdict, code in _CODES.items() if verdict in verdicts), NOT_WHOLE)


def _ended_by(error: Exception, *, as_json: bool) -> int:
    """Tell what has ended a check, and return the exit code."""
    if as_json:
        results.out(json.dumps({"error": sentence(error)}))
    code = code_of(error)
    return told(error, code if code == BAD_INPUT else NOT_WHOLE, as_json=False)
