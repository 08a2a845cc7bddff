"""The tries before the newest one of an export, for a ledger that is made again."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import LEDGER_SCHEMA, Failed, LedgerRecord
from logferry_contracts.statement import StatedExport


def tries_before(record: LedgerRecord, stated: Sequence[StatedExport]) -> Iterator[LedgerRecord]:
    """Yield a record of each generation before one, the first one first.

    Whoever looks for an export begins with the first generation and goes on as long as there is
    one: the planner would ask for the window anew.

    Args:
        record: Of the newest one.
        stated: What its statement tells of all of them; of one that it does not, nobody knows.
    """
    told = {each.generation: each for each in stated}
    name, window = record.log_group.name, record.window
    ids = [
        told[each].export_id if each in told else export_id(record.source, name, window, each)
        for each in range(1, record.generation)
    ]
    for generation, (this, following) in enumerate(pairwise([*ids, record.export_id]), start=1):
        export = told.get(generation)
        at = record.requested_at if export is None else export.ended_at or export.requested_at
        failed = Failed(
            reason="unknown",
            message="The ledger was made again from what was sealed, which does not say why.",
            at=at,
            next_export_id=following,
            published_at=at,
        )
        yield LedgerRecord.model_validate(
            {
                "schema": LEDGER_SCHEMA,
                "revision": 1,
                "state": "failed",
                "export_id": this,
                "generation": generation,
                "source": record.source,
                "log_group": record.log_group,
                "window": window,
                "destination": record.destination if export is None else export.destination,
                "lane": record.lane if export is None else export.lane,
                "requested_at": record.requested_at if export is None else export.requested_at,
                "failed": failed,
            }
        )
