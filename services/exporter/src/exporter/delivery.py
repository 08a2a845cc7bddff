"""One delivery of a message: what SQS says of it, and the time that there is for it."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from exporter.cloud import TRIES, Queue
from exporter.telemetry import count, logger
from exporter.turns import Turn
from logferry_contracts.message import from_epoch_ms
from logferry_contracts.message_attributes import DEAD_LETTER_REASON

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


class Times(NamedTuple):
    """When an invocation began, and until when it may do what; as in `Delivery`."""

    began_at: datetime
    wait_until: datetime
    work_until: datetime


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """One delivery of a message.

    Attributes:
        queue_name: The slot's, or the direct lane's.
        group_id: The slot, the direct lane beside it, or a date.
        receive_count: 1 for the first delivery.
        sent_at: When it was put into its queue.
        began_at: When this invocation began with its batch.
        wait_until: Until when this invocation may wait for a task.
        work_until: Until when it may do anything that can be done again from the start.
        is_redriven: Whether it was a dead letter that somebody has put back.
        tries: How often it was sent to the tail of its slot for an error.
        goes_round: Whether it was sent to the tail at all.
        turn: Among all that this invocation is at in the direct lane.
    """

    body: str
    message_id: str
    queue_name: str
    group_id: str
    receive_count: int
    first_received_at: datetime
    sent_at: datetime
    began_at: datetime
    wait_until: datetime
    work_until: datetime
    is_redriven: bool
    tries: int
    goes_round: bool
    turn: Turn

    @classmethod
    def of(cls, record: "SQSRecord", times: "Times", turn: Turn) -> "Delivery":
        """Return a message as Lambda hands it over."""
        attributes, own = record.attributes, record.get("messageAttributes") or {}
        return cls(
            body=record.body,
            message_id=record.message_id,
            queue_name=record.event_source_arn.rpartition(":")[2],
            group_id=attributes.message_group_id or "",
            receive_count=int(attributes.approximate_receive_count),
            first_received_at=from_epoch_ms(int(attributes.approximate_first_receive_timestamp)),
            sent_at=from_epoch_ms(int(attributes.sent_timestamp)),
            began_at=times.began_at,
            wait_until=times.wait_until,
            work_until=times.work_until,
            is_redriven=DEAD_LETTER_REASON in own,
            tries=_number(own.get(TRIES, {}).get("stringValue")),
            goes_round=TRIES in own,
            turn=turn,
        )

    @property
    def is_first(self) -> bool:
        """Whether no earlier delivery can have created a task."""
        return self.receive_count == 1 and self.tries == 0 and not self.is_redriven

    def is_late(self, now: datetime) -> bool:
        """Return whether more than half of the invocation's time is over."""
        return now - self.began_at > self.work_until - now

    def dead_letter(self, queue: Queue, reason: str, detail: str) -> None:
        """Keep the message where a person will find it, and why.

        Raises:
            Exception: Its queue did not take it. The message is to come back.
        """
        try:
            queue.dead_letter(
                self.body,
                group_id=self.group_id,
                message_id=self.message_id,
                reason=reason,
                detail=detail,
            )
        except Exception:
            logger.exception("not dead-lettered", reason=reason, detail=detail)
            raise
        logger.error("dead-lettered", reason=reason, detail=detail)
        count("DeadLetters")


def _number(text: str | None) -> int:
    """Return an attribute's number; 0 for what somebody else has put there."""
    return int(text) if text is not None and re.fullmatch("[0-9]{1,9}", text) else 0
