"""The commands that write what others are quicker by: what is open, counts, and tokens."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter

from logferry.commands.chosen import Chosen, planned
from logferry.commands.console import (
    DONE,
    FAILED,
    NOT_WHOLE,
    STOPPED,
    Flag,
    Json,
    code_of,
    exit_code,
    messages,
    results,
    told,
    told_errors,
)
from logferry.commands.side_by_side import reading
from logferry.config import load
from logferry.credentials import check_hubs
from logferry.place import Place
from logferry.token_indexes import Kept, Month, kept_at, name_of, tokens_of, write_month
from logferry.workers import Threads
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.streams import Stream
from logferry_contracts.verification.store import Unreadable
from logferry_ledger import open_index
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger
from logferry_ledger.listing import list_keys_and_etags
from logferry_ledger.markup import visible


def rebuild(
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    dry_run: Flag = False,
    as_json: Json = False,
) -> int:
    """Read the whole ledger once: note which exports are open, of any age, and count its windows.

    `logferry index rebuild organization.yaml`

    From then on `logferry status` reads no more than those, and `events replay` and `status --from`
    read records only of windows that have changed. For a ledger that an earlier release has begun:
    deploy all services first. May be done at any time, and again.

    Args:
        config: What is deployed; see deploy/examples.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        dry_run: Only look.
        as_json: Print a JSON array of the sources.
    """

    def run() -> list[dict[str, Any]]:
        chosen, session = load(config).chosen(profile), boto3.Session()
        check_hubs(session, chosen)
        rebuilt = []
        for hub, sources in chosen:
            s3 = session.client("s3", region_name=hub.region, config=CLIENT_CONFIG)
            list_keys_and_etags(s3)
            ledger = Ledger(s3, hub.control_bucket)
            for source in sources:
                with messages.status(f"Reading the ledger of {source.profile}") as shown:
                    rebuilt.append(
                        open_index.rebuild(
                            ledger,
                            hub.source_name(source),
                            dry_run=dry_run,
                            watch=lambda count, shown=shown: shown.update(f"{count:,} records"),  # type: ignore[misc]
                        )
                    )
        if as_json:
            return [asdict(each) for each in rebuilt]
        return [
            {
                "profile": each.profile,
                "told": f"{each.records:,} records, {each.open:,} open; notes: "
                f"{each.added:,} added, {each.removed:,} removed",
            }
            for each in rebuilt
        ]

    return exit_code(run, as_json=as_json)


def tokens(
    archive: str,
    /,
    *,
    index: str,
    chosen: Chosen,
    again: Flag = False,
) -> int:
    """Read archived objects once, and write which long ids each may have, for search --id.

    `logferry index tokens organization.yaml --index s3://my-bucket/tokens --log-group '/ecs/*'
    --from -7d`

    One index for each source and month, of the windows that are sealed and wholly in the time. What
    an index knows is not read again. It may be deleted at any time; the same objects give the same
    bytes. Exit code 0 when all was read, 1 when something is not what was archived, 3 when
    something cannot be read: it is in no index then, and searches open it. What is MISSING from the
    archive, or not sealed yet, is said and changes none of that: no index rules it out.

    Args:
        archive: A configuration of what is deployed; a folder that the archive was copied into; or
            s3:// and the name of the archive's bucket.
        index: The folder, or s3:// with a bucket and a prefix, for the indexes.
        chosen: What is read.
        again: Forget what the indexes know of these months.
    """
    try:
        kept, codes = kept_at(index), [DONE]
        for place in chosen.places(archive):
            with Threads(max(os.process_cpu_count() or 1, place.store.readers)) as threads:
                plan = planned(archive, chosen, place, threads).plan
                # What of the time is not sealed yet is in no index, and does not matter here.
                codes.append(FAILED if plan.is_wrong else NOT_WHOLE if plan.findings else DONE)
                codes += [_tell(each) for each in _months(place, plan, threads, kept, again=again)]
        return next(code for code in (FAILED, NOT_WHOLE, DONE) if code in codes)
    except KeyboardInterrupt:
        messages.print("stopped; the months that were told are written")
        return STOPPED
    except Unreadable as error:
        return told(error, NOT_WHOLE, as_json=False)
    except told_errors() as error:
        return told(error, code_of(error), as_json=False)


def _months(
    place: Place, plan: Plan, threads: Threads, kept: Kept, *, again: bool
) -> Iterator[Month]:
    """Write the index of each month."""
    names = sorted({name_of(each) for each in _whole(plan)})
    with reading(place, plan, threads) as (store, mapped, _):
        for name in names:
            streams = (each for each in _whole(plan) if name_of(each) == name)
            tokens = partial(mapped, partial(tokens_of, store))
            yield write_month(kept, name, streams, tokens, again=again)


def _whole(plan: Plan) -> Iterator[Stream]:
    """Yield the streams whose windows are wholly in the time: of others there may be more."""
    time = plan.asked
    for each in plan.streams():
        if time.from_ms <= each.window.from_ms and each.window.to_ms <= time.to_ms:
            yield each


def _tell(month: Month) -> int:
    for each in (*month.report.notes, *month.report.findings, *month.report.frozen):
        messages.print(visible(str(each)))
    size = "as it was" if month.size_bytes is None else f"{month.size_bytes:,} bytes"
    known = f"{month.added:,} streams read, {month.known:,} known before"
    results.print(f"{month.name}: {known}; {size}")
    if month.report.is_wrong:
        return FAILED
    return DONE if month.report.is_whole else NOT_WHOLE
