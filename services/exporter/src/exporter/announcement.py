"""What is told of an export that has failed: rules only. The same record gives the same event."""

from exporter import refusal
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.ledger_record import LedgerRecord


def failed(record: LedgerRecord, role_arn: str) -> ExportFailed:
    """Return the event of a failed export, with what mends it.

    Args:
        record: The export's.
        role_arn: The role in the source's account.
    """
    return ExportFailed.of_record(record, refusal.mend(record, role_arn))
