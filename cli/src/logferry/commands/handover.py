"""The command that writes what is handed over."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from logferry import prove as proving
from logferry.archives import archives_of
from logferry.commands.console import (
    DONE,
    Json,
    code_of,
    messages,
    results,
    show_json,
    told,
    told_errors,
)
from logferry_contracts import check_proof
from logferry_contracts.message import timestamp
from logferry_ledger.markup import visible


def prove(  # noqa: PLR0913  (an option each)
    archive: Path,
    /,
    *,
    log_group: str,
    date: str,
    output: Annotated[Path, Parameter(name=("--output", "-o"))],
    profile: Annotated[str | None, Parameter(show_default=False)] = None,
    chain: Annotated[str | None, Parameter(show_default=False)] = None,
    witness: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    as_json: Json = False,
) -> int:
    """Write a proof of what became of one log group on one date, to be handed over.

    `logferry prove organization.yaml --profile shop --log-group /aws/lambda/orders
    --date 2026-11-22 -o orders.json`

    `logferry prove /mnt/copy --log-group /ecs/shop --date 2026-11-22 --witness heads -o shop.json`

    `python -m logferry_contracts check-proof orders.json --key seals.pem`

    One file that is checked without the archive, by the last of these commands or by what somebody
    has written from docs/seal-format.md. It shows what counts of each window and what else was
    said of it; or, of a log group that the date's seals have no leaf of, that they have none. No
    other log group is named in it. Exit code 1 where what it needs is damaged: see
    `logferry verify`.

    Args:
        archive: A configuration of what is deployed, or the folder of a copy.
        log_group: The name of the log group.
        date: The date, as the seals have it: in the source's time zone.
        output: The file to write, which may not be there.
        profile: The source, where several have seals of this date.
        chain: The account and Region, such as 111122223333/eu-central-1, where one source has
            several.
        witness: The note of a witness on the newest seal, as a file, a folder, or a URL; may be
            given again. Whoever is handed the proof can then tell up to when it is whole.
        as_json: Print what it shows as a JSON document.
    """
    try:
        asked = proving.Asked(
            log_group_name=log_group,
            date=date,
            made_at=timestamp(datetime.now(UTC)),
            chain=chain,
            witness=witness,
        )
        with messages.status(f"Reading {archive}"):
            proven = proving.make(archives_of(archive, profile, set()), asked, output)
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json:
        show_json(check_proof.as_json(proven))
    else:
        lines = [f"{output}: written", *check_proof.in_words(proven)]
        results.out("\n".join(map(visible, lines)))
    return DONE
