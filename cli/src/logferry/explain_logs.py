"""What a source's exporters have logged of an export, and how much waits in its lane."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from logferry.config import Config, SourceConfig
from logferry.stack import CLIENT_CONFIG
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import epoch_ms

if TYPE_CHECKING:
    import boto3

NEWEST = 20
"""Lines that are told of an export: a task is looked at every so often, and each look is one."""
_DENIED = "AccessDeniedException"


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A line that an exporter has logged.

    Attributes:
        detail: Why, in AWS's words mostly; empty for nothing.
    """

    at: datetime
    message: str
    detail: str

    def __str__(self) -> str:
        """Return it for people."""
        return (
            f"{self.at:%Y-%m-%d %H:%M:%S}  {': '.join(filter(None, (self.message, self.detail)))}"
        )

    def as_json(self) -> dict[str, str]:
        """Return it as a JSON document."""
        return {"at": self.at.isoformat(), "message": self.message, "detail": self.detail}


class Around:
    """Looks at what is around a source's exports, with credentials of the hub."""

    def __init__(self, session: "boto3.Session", config: Config, source: SourceConfig) -> None:
        """Look at this source."""
        where: Any = {"region_name": config.region, "config": CLIENT_CONFIG}
        self._logs, self._sqs = session.client("logs", **where), session.client("sqs", **where)
        self._name = config.source_name(source)

    def logged(self, record: LedgerRecord) -> list[Logged]:
        """Return the newest lines of both lanes that name an export, oldest first.

        In the place of those that nobody may read is one that says so.
        """
        since_ms = epoch_ms(datetime.fromisoformat(record.requested_at))
        functions = (self._name.exporter_function_name, self._name.direct_function_name)
        found = [
            line
            for each in functions
            for line in self._named(f"/aws/lambda/{each}", record.export_id, since_ms)
        ]
        return sorted(found, key=lambda line: line.at)[-NEWEST:]

    def waiting(self, record: LedgerRecord) -> int | None:
        """Return how many requests wait in an export's lane; None where it has no queue."""
        name = self._name.queue_name if record.lane == "slot" else self._name.direct_queue_name
        try:
            url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist:
            return None
        found = self._sqs.get_queue_attributes(
            QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    def _named(self, group: str, export_id: str, since_ms: int) -> Iterator[Logged]:
        pages = self._logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=since_ms, filterPattern=f'"{export_id}"'
        )
        try:
            for page in pages:
                for each in page["events"]:
                    # LocalStack gives lines that the pattern does not fit, such as Lambda's own.
                    if export_id in each["message"]:
                        yield _line(each["timestamp"], each["message"])
        except self._logs.exceptions.ResourceNotFoundException:
            return  # one that has never run
        except ClientError as error:
            if error.response["Error"]["Code"] != _DENIED:
                raise
            now = datetime.now(UTC)
            yield Logged(at=now, message=f"{group} was not read", detail=str(error))


def _line(at_ms: int, text: str) -> Logged:
    """Return a line, which is a JSON object where it is one of ours."""
    try:
        said = json.loads(text)
    except ValueError:
        said = None
    said = said if isinstance(said, dict) else {"message": text}
    return Logged(
        at=datetime.fromtimestamp(at_ms / 1000, UTC),
        message=str(said.get("message", text)).strip(),
        detail=str(said.get("detail") or said.get("reason") or ""),
    )
