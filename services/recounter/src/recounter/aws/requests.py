"""The queue of the exporter's direct lane."""

from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.recount import Recounted
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

    def ask(self, record: LedgerRecord, recounted: Recounted, now: datetime) -> None:
        """Ask to add what is missing of an export, as a witness says. Again does no harm.

        Raises:
            AwsError: The queue did not take it.
        """
        data = ExportRequestedData.of_record(record, self._source).model_copy(
            update={
                "lane": "direct",
                "not_before": None,
                "offered": None,
                "recounted_at": recounted.at,
            }
        )
        urn = f"urn:logferry:recounter:{self._source.profile}"
        event = ExportRequested.of(data, id=record.export_id, source=urn, time=now)
        with calling("SendMessage", record.export_id):
            self._sqs.send_message(
                QueueUrl=self._url,
                MessageBody=emit(event),
                MessageGroupId=self._source.direct_slot,
                MessageDeduplicationId=f"{record.export_id}-{recounted.at}".replace(":", "."),
            )

    @cached_property
    def _url(self) -> str:
        name = self._source.direct_queue_name
        with calling("GetQueueUrl", name):
            return self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
