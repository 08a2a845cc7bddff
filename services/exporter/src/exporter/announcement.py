"""What is told of an export that has failed: rules only. The same record gives the same event."""

from datetime import datetime

from exporter import refusal
from logferry_contracts.export_failed import ExportFailed, ExportFailedData
from logferry_contracts.ledger_record import LedgerRecord


def failed(record: LedgerRecord, role_arn: str) -> ExportFailed:
    """Return the event of a failed export, with what mends it.

    Args:
        record: The export's.
        role_arn: The role in the source's account.
    """
    assert record.failed is not None  # noqa: S101  (only asked of a failed export)
    data = ExportFailedData(
        export_id=record.export_id,
        generation=record.generation,
        source=record.source,
        log_group_name=record.log_group.name,
        window=record.window,
        destination=record.destination,
        reason=record.failed.reason,
        message=record.failed.message,
        mend=refusal.mend(record, role_arn),
        will_be_retried=record.failed.next_export_id is not None,
        failed_at=record.failed.at,
    )
    return ExportFailed.of(
        data,
        id=record.export_id,
        source=record.source.exporter_urn,
        time=datetime.fromisoformat(record.failed.at),
    )
