"""What becomes of a message that succeeds or fails, at its first try and at its last."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from logferry_contracts.wire import ContractError
from logferry_deliveries.delivery import (
    LONGEST_PAUSE_S,
    MAX_RECEIVES,
    TIME_RESERVE_S,
    Consumer,
    Delivery,
    pause_s,
    work_off,
)
from logferry_deliveries.errors import AwsError, OutOfTimeError, RefusedError, RetryError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@dataclass
class Queues:
    """The queue and its dead letters."""

    given_back: list[tuple[str, int]] = field(default_factory=list)
    letters: list[tuple[str, str]] = field(default_factory=list)
    refuses: bool = False

    def give_back(self, receipt_handle: str, wait_s: int) -> None:
        if self.refuses:
            raise AwsError("ChangeMessageVisibility", "queue", "AccessDenied", "no")
        self.given_back.append((receipt_handle, wait_s))

    def send(self, body: str, *, reason: str, detail: str) -> None:
        self.letters.append((body, reason))


@pytest.fixture
def queues(monkeypatch: pytest.MonkeyPatch) -> Queues:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "any")
    return Queues()


def deliver(
    queues: Any, deal_with: Callable[[Delivery], None], receive_count: int = 1, left_s: float = 900
) -> bool:
    """Return whether the message is done."""
    record = {
        "messageId": "m",
        "receiptHandle": "handle",
        "body": "{}",
        "attributes": {"ApproximateReceiveCount": str(receive_count)},
        "eventSource": "aws:sqs",
    }
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: left_s * 1000)
    consumer = Consumer(
        deal_with=deal_with, queue=queues, dead_letters=queues, dead_metric="DeadLettered"
    )
    return not work_off(consumer, {"Records": [record]}, context, lambda: NOW)["batchItemFailures"]


def failing(error: Exception) -> Callable[[Delivery], None]:
    def deal_with(_: Delivery) -> None:
        raise error

    return deal_with


def test_a_message_is_done_when_nothing_is_raised(queues: Queues) -> None:
    seen: list[Delivery] = []
    assert deliver(queues, seen.append)
    assert (seen[0].now, seen[0].is_first) == (NOW, True)
    assert (queues.given_back, queues.letters) == ([], [])


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RefusedError("wrong_bucket", "b"), "wrong_bucket"),
        (ContractError("EXPORT", ["bad"]), "contract"),
    ],
)
def test_what_no_try_mends_is_a_dead_letter_at_once(
    queues: Queues, error: Exception, reason: str
) -> None:
    assert deliver(queues, failing(error))
    assert queues.letters == [("{}", reason)]


@pytest.mark.parametrize(
    ("error", "wait_s"),
    [(OutOfTimeError("up"), 1), (RetryError("later"), 60), (KeyError("bug"), 60)],
    ids=["out of time", "later", "unexpected"],
)
def test_what_may_pass_comes_back_after_its_pause(
    queues: Queues, error: Exception, wait_s: int
) -> None:
    assert not deliver(queues, failing(error), receive_count=2)
    assert (queues.given_back, queues.letters) == ([("handle", wait_s)], [])


@pytest.mark.parametrize(
    ("error", "reason"),
    [(RetryError("later"), "not_done"), (KeyError("bug"), "unexpected_error")],
    ids=["later", "unexpected"],
)
def test_the_last_try_is_a_dead_letter_with_its_reason(
    queues: Queues, error: Exception, reason: str
) -> None:
    assert deliver(queues, failing(error), receive_count=MAX_RECEIVES)
    assert (queues.given_back, queues.letters) == ([], [("{}", reason)])


def test_where_no_pause_can_be_set_the_queues_own_counts(queues: Queues) -> None:
    queues.refuses = True
    assert not deliver(queues, failing(RetryError("later")))


def test_nothing_is_begun_in_the_invocations_last_seconds(queues: Queues) -> None:
    assert not deliver(queues, Delivery.check_time, left_s=TIME_RESERVE_S)
    assert queues.given_back == [("handle", 1)]
    assert deliver(queues, Delivery.check_time, left_s=TIME_RESERVE_S + 0.001)


def test_a_pause_doubles_up_to_three_hours() -> None:
    pauses = [pause_s(count) for count in range(1, MAX_RECEIVES + 1)]
    assert pauses[:3] == [30, 60, 120]
    assert pauses[-1] == pause_s(10**6) == LONGEST_PAUSE_S
    assert sum(pauses) > 24 * 60 * 60
