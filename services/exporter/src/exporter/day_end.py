"""A date waited for until all of its exports have ended, which is then told.

A look stops at the first export that is under way, and an export that has ended is not read again
while the function's environment lives. So the looks at a date cost little more than one read of
each of its records, however many looks there are.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from aws_lambda_powertools import single_metric
from aws_lambda_powertools.metrics import MetricUnit

from exporter import day, waiting
from exporter.delivery import Delivery
from exporter.errors import NotFinishedError
from exporter.telemetry import METRICS_NAMESPACE, SERVICE, count, logger, metrics
from exporter.wiring import Wiring
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.ledger_key import split_key
from logferry_contracts.wire import ContractError

READ_AT_ONCE = 32
"""Records, before it is seen whether one of them is under way."""
OVERDUE = "OverdueSeconds"
MAX_REMEMBERED = 50_000
"""Ended exports, half a kilobyte each, before those of other dates are forgotten."""


@dataclass(frozen=True)
class DayEnd:
    """One date and the delivery that asks for its end."""

    wiring: Wiring
    planned: DayPlanned
    delivery: Delivery

    def announce(self) -> None:
        """Publish that the date's exports have ended. On return its message is done with.

        Raises:
            NotFinishedError: Some have not, or there was no time to see.
        """
        data = self.planned.data
        keys = self.wiring.ledger.keys(data.source, data.windows)
        under_way = self._under_way(keys)
        if under_way is not None:
            self._measure()
            self._wait(under_way)
            return
        remembered = self.wiring.ended
        event = day.day_completed(self.planned, [remembered[key] for key in keys])
        self.wiring.topic.publish(event)
        # Then, so that whoever is cut in between tells it twice, and nobody never.
        self.wiring.ledger.close_day(self.planned)
        for key in keys:
            del remembered[key]
        count("DaysCompleted")
        told = event.data.model_dump(include={"completed", "failed", "skipped", "total_bytes"})
        logger.info("the date is complete", **told)

    def _under_way(self, keys: list[str]) -> str | None:
        """Return an export that has not ended, as far as there is time to look; None for none.

        A date whose end is to be told has records, of what was skipped at least: where there are
        none, the ledger is lost, and what is in the queues writes them anew.
        """
        if not keys:
            return "not known: the ledger has no record of the date"
        remembered = self.wiring.ended
        if len(remembered) > MAX_REMEMBERED:
            for key in remembered.keys() - set(keys):
                del remembered[key]
        names = {split_key(key)[1] for key in keys}
        # A damaged record may have been restored since.
        unread = [key for key in keys if key not in remembered or remembered[key].is_damaged]
        for batch in batched(unread, READ_AT_ONCE, strict=False):
            if self.wiring.clock() >= self.delivery.work_until:
                return "not known: there are more records than there is time to read"
            for key, record in self.wiring.ledger.read_keys(batch):
                if isinstance(record, ContractError):
                    logger.error("a ledger record is damaged", key=key, detail=str(record))
                    count("LedgerRecordsDamaged")
                    remembered[key] = day.damaged(key)
                    continue
                ended = day.ended(record) or day.superseded(record, names)
                if ended is None:
                    return f"{record.export_id} of {record.log_group.name} is {record.state}"
                remembered[key] = ended
        asked = day.missing_tries(remembered[key] for key in keys)
        return f"{min(asked)} was asked for" if asked else None

    def _measure(self) -> None:
        """Measure for how long the date's exports have been asked for.

        Not since the windows' end, so that a date of long ago that somebody asks for is no gap. A
        date that has been told is measured no more: without data there is nothing to wait for.
        """
        asked_for = self.wiring.clock() - datetime.fromisoformat(self.planned.time)
        seconds = asked_for.total_seconds()
        metrics.add_metric(OVERDUE, MetricUnit.Seconds, seconds)
        with single_metric(
            OVERDUE, MetricUnit.Seconds, seconds, namespace=METRICS_NAMESPACE
        ) as metric:
            metric.add_dimension("service", SERVICE)
            metric.add_dimension("profile", self.planned.data.source.profile)

    def _wait(self, under_way: str) -> None:
        """Give the message back, or up.

        Raises:
            NotFinishedError: It is to come back.
        """
        waited = self.wiring.clock() - self.delivery.sent_at
        interval_s = waiting.interval_s(waited.total_seconds(), self.delivery.receive_count)
        if day.is_to_be_given_up(waited, self.wiring.queue.retention, interval_s):
            queue = self.wiring.queue
            self.delivery.dead_letter(queue, "day_not_ended", f"export {under_way}")
            return
        logger.info("given back", waits_for=f"export {under_way}", interval_s=interval_s)
        raise NotFinishedError(interval_s)
