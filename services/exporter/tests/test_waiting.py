"""The rules of waiting, and what they come to over a whole task."""

import pytest

from exporter import waiting

DAY_S = 86_400
QUEUE_RETENTION_S = 14 * DAY_S
IN_INVOCATION_S = 20


def looks_until(task_s: float) -> tuple[int, float]:
    """Receives that a task needs, and how long after its end it is found, at worst."""
    now = 0.0
    receives = 0
    while True:
        receives += 1
        invocation_ends = now + IN_INVOCATION_S
        while True:
            if now >= task_s:
                return receives, now - task_s
            pause = waiting.pause_s(now)
            if now + pause > invocation_ends:
                break
            now += pause
        now += waiting.interval_s(now, receives)


def test_a_task_of_a_day_takes_far_fewer_receives_than_sqs_allows() -> None:
    receives, _ = looks_until(DAY_S)
    assert receives < 500 < waiting.MAX_RECEIVES


@pytest.mark.parametrize("task_s", [10, 60, 600, 3600])
def test_the_end_of_a_task_is_found_with_little_delay(task_s: int) -> None:
    _, delay_s = looks_until(task_s)
    assert delay_s <= 0.3 + task_s * 0.06 + 1


def test_a_tiny_task_ends_within_one_receive() -> None:
    receives, delay_s = looks_until(1.5)
    assert receives == 1
    assert delay_s < 0.5


@pytest.mark.parametrize("age_s", [None, 0.0, 30.0])
def test_a_slot_that_is_never_free_does_not_use_up_the_receives(age_s: float | None) -> None:
    waited_s = sum(
        waiting.interval_s(age_s, receive_count) for receive_count in range(1, waiting.MAX_RECEIVES)
    )
    assert waited_s > QUEUE_RETENTION_S


def test_an_error_that_stays_does_not_use_up_the_receives() -> None:
    waited_s = sum(waiting.error_interval_s(count) for count in range(1, waiting.MAX_RECEIVES))
    assert waited_s > QUEUE_RETENTION_S


@pytest.mark.parametrize(
    ("age_s", "interval_s"), [(0, 1), (19, 1), (60, 3), (600, 30), (6000, 300), (DAY_S, 300)]
)
def test_the_interval_is_a_twentieth_of_the_age_within_bounds(age_s: int, interval_s: int) -> None:
    assert waiting.interval_s(age_s, 1) == interval_s


def test_the_pause_grows_with_the_age() -> None:
    assert waiting.pause_s(0) == 0.3
    assert waiting.pause_s(10) == pytest.approx(0.8)


def test_a_clock_that_is_behind_shortens_no_pause() -> None:
    assert waiting.pause_s(-5) == 0.3
    assert waiting.interval_s(-5, 1) == 1


def test_a_holder_of_the_slot_that_cannot_be_seen_is_looked_for_every_second() -> None:
    assert waiting.pause_s(None) == 1.0


@pytest.mark.parametrize(("receive_count", "interval_s"), [(1, 1), (2, 2), (5, 16), (9, 60)])
def test_errors_wait_twice_as_long_each_time_up_to_a_minute(
    receive_count: int, interval_s: int
) -> None:
    assert waiting.error_interval_s(receive_count) == interval_s
