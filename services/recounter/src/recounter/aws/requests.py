"""The queue of the exporter's direct lane."""

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.open_exports import next_export_id
from logferry_contracts.recount import Recount
from logferry_contracts.source import Source
from logferry_contracts.wire import emit
from logferry_deliveries.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


class Requests:
    """What a source's exporter is asked for."""

    def __init__(self, sqs: "SQSClient", source: Source) -> None:
        """Ask the exporter of ``source``."""
        self._sqs = sqs
        self._source = source

    def ask(self, record: LedgerRecord, recount: Recount, now: datetime) -> None:
        """Ask to add what is missing of an export, as a witness says. Again does no harm.

        Raises:
            AwsError: The queue did not take it.
        """
        at = recount.recount.at
        self._send(record, now, at, recounted_at=at, streams=recount.late_streams)

    def ask_again(self, record: LedgerRecord, now: datetime) -> None:
        """Ask for the next generation of an export. Again does no harm.

        Raises:
            AwsError: The queue did not take it.
        """
        again = next_export_id(record)
        self._send(record, now, "again", export_id=again, generation=record.generation + 1)

    def _send(self, record: LedgerRecord, now: datetime, which: str, **asked: object) -> None:
        direct = {"lane": "direct", "not_before": None, "offered": None}
        data = ExportRequestedData.of_record(record, self._source).model_copy(update=direct | asked)
        urn = f"urn:logferry:recounter:{self._source.profile}"
        event = ExportRequested.of(data, id=data.export_id, source=urn, time=now)
        with calling("SendMessage", data.export_id):
            self._sqs.send_message(
                QueueUrl=self._url,
                MessageBody=emit(event),
                MessageGroupId=self._source.direct_slot,
                MessageDeduplicationId=f"{data.export_id}-{which}".replace(":", "."),
            )

    @cached_property
    def _url(self) -> str:
        name = self._source.direct_queue_name
        with calling("GetQueueUrl", name):
            return self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
