"""The commands about seals: what is checked by them, asked for, and made again from them."""

import json
import secrets
import shlex
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter
from rich.status import Status

from logferry import dispose as disposing
from logferry import rebuild as rebuilding
from logferry import seal as sealing
from logferry import verify as verifying
from logferry import waive as waiving
from logferry import witness as witnessing
from logferry import work
from logferry.audit import About, Audit
from logferry.audit_files import ReportFiles
from logferry.audit_page import page
from logferry.bucket_store import BucketStore
from logferry.commands.console import (
    BAD_INPUT,
    DONE,
    FAILED,
    TOLD,
    Flag,
    Json,
    agree,
    code_of,
    exit_code,
    messages,
    results,
    tables,
    told,
)
from logferry.config import load
from logferry.errors import ConfigError, DisposeError, RebuildError
from logferry.folder_store import FolderStore
from logferry.given import date_given, span_given, words_given
from logferry.ledger import CLIENT_CONFIG
from logferry.resuming import Progress, Task
from logferry_contracts.chain import ChainName
from logferry_contracts.verification.findings import Finding, Verdict
from logferry_contracts.verification.objects import Level

NOT_WHOLE = 3
"""What is there is in order, or may be: it could not all be checked."""
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

    `logferry verify organization.yaml --key seals.pem --resume november.jsonl`

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
        asked = verifying.Asked(
            keys=verifying.trusted_keys(key),
            level=level,
            first=since,
            last=until,
            sample=verifying.percentage(sample),
            now=datetime.now(UTC),
            witnessed=witnessing.notes(witness, witnessing.trusted_witnesses(witness_key)),
        )
        found = archives_of(archive, profile, asked.witnessed_chains)
        where = [archive.resolve()] if archive.is_dir() else [store for store, _ in found]
        task = Task(", ".join(map(str, where)), level, asked.sample)
        progress = Progress(resume, task, secrets.token_hex(8))
        files = None if report is None else ReportFiles(report)
    except TOLD as error:
        return _ended_by(error, as_json=as_json)
    with files or nullcontext():
        checking = _Checking(asked, found, progress, files, as_json=as_json)
        code = checking.run()
        if files is None:
            return code
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
            command=shlex.join(["logferry", *map(witnessing.without_query, sys.argv[1:])]),
            version=version("logferry"),
            began=began,
            ended=datetime.now(UTC),
            stopped=checking.stopped,
        )
        try:
            files.finish(page(checking.audit, about, files.lists))
        except TOLD as error:
            return _ended_by(error, as_json=as_json)
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
                with messages.status(f"Checking {store}") as shown:
                    reports += verifying.check(
                        store,
                        names,
                        self.asked,
                        self.progress,
                        self.audit,
                        tell=self._tell,
                        watch=_shown_by(shown),
                    )
        except KeyboardInterrupt:
            going_on = (
                "the same command"
                if self.progress.is_kept
                else "--resume FILE, from the beginning on"
            )
            messages.print(f"stopped; it goes on with {going_on}")
            self.stopped = "it was stopped by hand"
            return NOT_WHOLE
        except TOLD as error:
            self.stopped = str(error)
            return _ended_by(error, as_json=self.as_json)
        finally:
            self.audit.end(is_whole=False)
        return self._verdict(reports)

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
        results.out(json.dumps({"error": str(error)}))
    code = code_of(error)
    return told(error, code if code == BAD_INPUT else NOT_WHOLE, as_json=False)


def _shown_by(shown: Status) -> Callable[[str], None]:
    return shown.update


def archives_of(
    path: Path, profile: str | None, witnessed: set[ChainName]
) -> list[tuple[verifying.Archive, list[ChainName]]]:
    """Return each archive with the chains to be checked: what has a seal, or should have.

    What a witness has seen, and no archive has, should be in the first.

    Raises:
        ConfigError: There is no such archive, or nothing of this profile.
    """
    if path.is_dir():
        folder = FolderStore(path)
        return [(folder, verifying.chains_of(folder, profile, witnessed))]
    session = boto3.Session()
    found: list[tuple[verifying.Archive, list[ChainName]]] = []
    for hub, sources in load(path).chosen([] if profile is None else [profile]):
        s3 = session.client("s3", region_name=hub.region, config=CLIENT_CONFIG)
        holds = hub.sse_enforcer.hold != "off"
        bucket = BucketStore(s3, hub.archive_bucket, are_logs_held=holds)
        names = [ChainName.of(hub.source_name(source)) for source in sources]
        names += [] if profile else bucket.chains()
        found.append((bucket, sorted(set(names), key=str)))
    gone = witnessed.difference(*(names for _, names in found))
    if found and not profile:
        found[0][1].extend(sorted(gone, key=str))
    return found


def seal(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: str,
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    dry_run: Flag = False,
    as_json: Json = False,
) -> int:
    """Ask the sealer to seal a source's dates now, such as those before there were seals.

    `logferry seal organization.yaml --profile shop`

    `logferry seal organization.yaml --profile shop --from 2026-01-01 --to 2026-06-30 --dry-run`

    Without dates it seals what is due. With dates it seals what the ledger has of them, marked as
    sealed late. Each seal is told by `logferry.day.sealed.v1`.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        first: The first date, in the source's time zone.
        last: The last date, inclusive; up to the first seal if left out.
        dry_run: Show what would be asked, and ask nothing.
        as_json: Print a JSON array of what is asked.
    """

    def run() -> list[dict[str, Any]]:
        now = datetime.now(UTC)
        found = [
            (hub, sealing.asking(hub, source, first=first, last=last, now=now))
            for hub, sources in load(config).chosen([profile])
            for source in sources
        ]
        session = boto3.Session()
        for hub, asked in () if dry_run else found:
            sealing.ask(session, hub, asked)
        return [asked.as_json() for _, asked in found]

    return exit_code(run, as_json=as_json)


def dispose(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: str,
    log_group: str,
    on: Annotated[str, Parameter(name="--date")],
    reason: str,
    ticket: Annotated[str | None, Parameter(show_default=False)] = None,
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Answer for it that a log group's archived date is removed, lawfully, from the archive.

    `logferry dispose organization.yaml --profile shop --log-group /app/personal --date 2026-11-21
    --reason "Erasure of a person's data" --ticket PRIVACY-4711 --dry-run`

    Removes nothing. The ledger then says who has ordered it, when, why and where that was decided,
    of which sealed objects; the sealer seals that, and `logferry verify` tells of it, with their
    hashes, and misses them no more. Then lift their holds and delete them: docs/verify.md. What is
    gone already without such an order is missing until somebody answers for it. What was never in
    the archive is waived instead, with `logferry waive`.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        log_group: Its whole name.
        on: The date, in the source's time zone.
        reason: Why, for whoever will ask; at most 1,024 characters.
        ticket: Where it was decided, such as the number of a case.
        dry_run: Show what would be disposed of, and write nothing.
        yes: Do not ask.
        as_json: Print a JSON array of the windows.
    """

    def run() -> list[dict[str, Any]]:
        day = date_given("--date", on)
        said = words_given("--reason", "the reason", reason, waiving.LONGEST_REASON)
        decided = ticket
        if ticket is not None:
            longest = disposing.LONGEST_TICKET
            decided = words_given("--ticket", "the ticket", ticket, longest)
        session = boto3.Session()
        by_hub = [
            (hub, disposing.find(session, hub, source, log_group, day))
            for hub, sources in load(config).chosen([profile])
            for source in sources
        ]
        found = [each for _, of_hub in by_hub for each in of_hub]
        if not dry_run:
            if not yes and any(each.record.disposed is None for each in found):
                agree(
                    "Answer for it, in your name, that these objects are removed from the archive?",
                    refused=DisposeError,
                    otherwise="nothing was disposed of",
                    shown=disposing.table(found),
                )
            now = datetime.now(UTC)
            found = [
                each
                for hub, of_hub in by_hub
                for each in disposing.dispose(session, hub, of_hub, said, decided, now=now)
            ]
        if not as_json:
            tables.print(disposing.table(found))
        return [each.as_json() for each in found] if as_json else []

    return exit_code(run, as_json=as_json)


def rebuild(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    key: Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)] = (),
    unsealed: Flag = False,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Make the ledger again from the statements in the archive, after the control bucket is lost.

    `logferry ledger rebuild organization.yaml --key seals.pem --dry-run`

    `logferry ledger rebuild organization.yaml --key seals.pem --profile shop --yes`

    It makes the records that are not there, of what was archived, skipped, waived, disposed of or
    has failed by the last seal that a `--key` has signed, and changes none that is there. What was
    archived counts as announced. What no such seal has is left and named; with `--unsealed` the
    newest statement of it counts. Exit code 1 where a window should have a record and none can be
    made: export those again with `logferry plan --from --to`; or where something is wrong with a
    seal: look at it with `logferry verify`.

    Args:
        config: What is deployed; see deploy/examples.
        key: A public key in PEM that you trust, from elsewhere than the archive; may be given
            again.
        unsealed: Take also statements that no seal has: anybody may have written them.
        profile: Only this source; may be given again.
        dry_run: Show what would be made, and make nothing.
        yes: Do not ask.
        as_json: Print a JSON array of the accounts and Regions.
    """
    reports: list[rebuilding.Report] = []

    def run() -> list[dict[str, Any]]:
        believed = rebuilding.Believed(keys=verifying.trusted_keys(key), unsealed=unsealed)
        if not (believed.keys or unsealed):
            told = (
                "--key is missing: without it nothing is sealed; --unsealed takes it all the same"
            )
            raise ConfigError("the keys", [told])
        chosen, session = load(config).chosen(profile), boto3.Session()
        if not (dry_run or yes):
            buckets = ", ".join(hub.control_bucket for hub, _ in chosen)
            agree(
                f"Make the records that are missing in {buckets}?",
                refused=RebuildError,
                otherwise="nothing was made",
            )
        for hub, sources in chosen:
            with messages.status("Reading statements") as shown:
                reports.extend(
                    rebuilding.rebuild(
                        session, hub, sources, believed, dry_run=dry_run, watch=_shown_by(shown)
                    )
                )
        if as_json:
            return [each.as_json() for each in reports]
        tables.print(rebuilding.table(reports))
        return [{"window": window, "why": why} for each in reports for window, why in each.left]

    code = exit_code(run, as_json=as_json)
    return FAILED if code == DONE and any(each.left for each in reports) else code
