"""The command that notes what is open, and counts."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import boto3
from cyclopts import Parameter

from logferry import open_index
from logferry.commands.console import Flag, Json, exit_code, messages
from logferry.config import load
from logferry.ledger import CLIENT_CONFIG, Ledger
from logferry.listing import list_keys_and_etags


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
