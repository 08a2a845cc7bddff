"""The commands about seals: what is asked for, given up, and made again from them."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter

from logferry import dispose as disposing
from logferry import rebuild as rebuilding
from logferry import seal as sealing
from logferry import waive as waiving
from logferry.commands.console import DONE, FAILED, Flag, Json, agree, exit_code, messages, tables
from logferry.config import load
from logferry.credentials import check_hubs
from logferry.errors import ConfigError, DisposeError, RebuildError
from logferry.given import date_given, span_given, words_given
from logferry.trusted import trusted_keys


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
        now, chosen = datetime.now(UTC), load(config).chosen([profile])
        found = [
            (hub, sealing.asking(hub, source, first=first, last=last, now=now))
            for hub, sources in chosen
            for source in sources
        ]
        session = boto3.Session()
        if not dry_run:
            check_hubs(session, chosen)
        for hub, asked in () if dry_run else found:
            sealing.ask(session, hub, asked)
        if as_json:
            return [asked.as_json() for _, asked in found]
        return [{"told": asked.told(dry_run=dry_run)} for _, asked in found]

    return exit_code(run, as_json=as_json)


def dispose(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: str,
    log_group: Annotated[tuple[str, ...], Parameter(negative="")],
    on: Annotated[str | None, Parameter(name="--date", show_default=False)] = None,
    first: Annotated[str | None, Parameter(name="--from", show_default=False)] = None,
    last: Annotated[str | None, Parameter(name="--to", show_default=False)] = None,
    reason: str,
    ticket: Annotated[str | None, Parameter(show_default=False)] = None,
    dry_run: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Answer for it that log groups' archived dates are removed, lawfully, from the archive.

    `logferry dispose organization.yaml --profile shop --log-group /app/personal --date 2026-11-21
    --reason "Erasure of a person's data" --ticket PRIVACY-4711 --dry-run`

    `logferry dispose organization.yaml --profile shop --log-group /app/a --log-group /app/b
    --from 2025-01-01 --to 2025-12-31 --reason "Kept for long enough"`

    Removes nothing. The ledger then says who has ordered it, when, why and where that was decided,
    of which sealed objects; the sealer seals that, and `logferry verify` tells of it, with their
    hashes, and misses them no more. Then lift their holds and delete them: docs/verify.md. What is
    gone already without such an order is missing until somebody answers for it. What was never in
    the archive is waived instead, with `logferry waive`.

    Args:
        config: What is deployed; see deploy/examples.
        profile: The source's, as in the configuration.
        log_group: Its whole name; may be given again.
        on: The date, in the source's time zone.
        first: Instead of it, the first date of several. What was skipped or waived on one of them
            is passed over.
        last: The last of them, inclusive.
        reason: Why, for whoever will ask; at most 1,024 characters.
        ticket: Where it was decided, such as the number of a case.
        dry_run: Show what would be disposed of, and write nothing.
        yes: Do not ask.
        as_json: Print a JSON array of the windows.
    """

    def run() -> list[dict[str, Any]]:
        since, until = _dates_of(on, first, last)
        said = words_given("--reason", "the reason", reason, waiving.LONGEST_REASON)
        decided = ticket
        if ticket is not None:
            longest = disposing.LONGEST_TICKET
            decided = words_given("--ticket", "the ticket", ticket, longest)
        session, names = boto3.Session(), tuple(dict.fromkeys(log_group))
        chosen = load(config).chosen([profile])
        check_hubs(session, chosen)
        by_hub = [
            (hub, disposing.find(session, hub, source, names, since, until))
            for hub, sources in chosen
            for source in sources
        ]
        found = [each for _, of_hub in by_hub for each in of_hub]
        if not dry_run:
            if not yes and any(each.disposed is None for each in found):
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


def _dates_of(on: str | None, first: str | None, last: str | None) -> tuple[date, date]:
    """Return the first and the last date of what is disposed of."""
    if on is not None and (first, last) == (None, None):
        return date_given("--date", on), date_given("--date", on)
    since, until = span_given(first, last)
    if on is not None or since is None or until is None:
        raise ConfigError("the dates", ["either --date, or --from and --to"])
    return since, until


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
        believed = rebuilding.Believed(keys=trusted_keys(key), unsealed=unsealed)
        if not (believed.keys or unsealed):
            told = (
                "--key is missing: without it nothing is sealed; --unsealed takes it all the same"
            )
            raise ConfigError("the keys", [told])
        chosen, session = load(config).chosen(profile), boto3.Session()
        check_hubs(session, chosen)
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
                        session, hub, sources, believed, dry_run=dry_run, watch=shown.update
                    )
                )
        if as_json:
            return [each.as_json() for each in reports]
        tables.print(rebuilding.table(reports))
        return [{"window": window, "why": why} for each in reports for window, why in each.left]

    code = exit_code(run, as_json=as_json)
    return FAILED if code == DONE and any(each.left for each in reports) else code
