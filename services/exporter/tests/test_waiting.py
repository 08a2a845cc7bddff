"""The rules of waiting, and what they come to over a whole task."""

import pytest

from exporter import waiting

DAY_S = 86_400
QUEUE_RETENTION_S = 14 * DAY_S
VISIBILITY_LIMIT_S = DAY_S / 2
IN_INVOCATION_S = 2
TASKS_S = (1, 3, 10, 30, 60, 100, 600, 3600, DAY_S)


def looks_until(task_s: float, first_look_s: float = 0.0) -> tuple[int, int, float]:
    """Looks and receives that a task needs, and how long after its end it is found."""
    now = 0.0
    looks = 0
    receives = 0
    while True:
        receives += 1
        invocation_ends = now + IN_INVOCATION_S
        while True:
            if now > 0:
                looks += 1
                first_look_s = 0.0
                if now >= task_s:
                    return looks, receives, now - task_s
            pause = waiting.pause_s(now, first_look_s)
            if now + pause > invocation_ends:
                break
            now += pause
        now += waiting.interval_s(now, receives, first_look_s)


def test_a_task_of_a_day_takes_far_fewer_receives_than_sqs_allows() -> None:
    _, receives, _ = looks_until(DAY_S)
    assert receives < 500 < waiting.MAX_RECEIVES


@pytest.mark.parametrize("task_s", TASKS_S)
def test_the_end_of_a_task_is_found_with_little_delay(task_s: int) -> None:
    _, _, delay_s = looks_until(task_s)
    assert delay_s <= 1 + task_s**0.5 * 1.1


@pytest.mark.parametrize("task_s", TASKS_S)
def test_looks_get_rarer_the_longer_a_task_takes(task_s: int) -> None:
    looks, _, _ = looks_until(task_s)
    assert looks <= 2 + min(2 * task_s**0.5, task_s)


@pytest.mark.parametrize("task_s", [10, 60, 100])
def test_a_first_look_that_waits_for_quick_tasks_saves_most_looks(task_s: int) -> None:
    first_look_s = waiting.first_look_s([task_s * 0.8, task_s * 0.9, task_s * 1.5], 0)
    assert looks_until(task_s, first_look_s)[0] * 2 <= looks_until(task_s)[0]


def test_a_tiny_task_ends_within_one_receive() -> None:
    _, receives, delay_s = looks_until(1.1)
    assert receives == 1
    assert delay_s < 0.5


def test_the_first_look_comes_when_a_third_of_the_last_tasks_had_ended() -> None:
    assert waiting.first_look_s([9.0, 1.0, 5.0, 7.0, 3.0, 8.0], 0) == 5.0
    assert waiting.first_look_s([7.0], 0) == 7.0


def test_the_first_look_waits_longer_for_more_bytes() -> None:
    assert waiting.first_look_s([2.0], 300_000_000) == 12.0


def test_a_first_look_without_anything_to_go_by_comes_at_once() -> None:
    assert waiting.first_look_s([], 0) == 0.0
    assert waiting.pause_s(0.0, 0.0) == waiting.PAUSE_FLOOR_S


@pytest.mark.parametrize(("took_s", "estimated_bytes"), [([80_000.0], 0), ([], 10**12)])
def test_no_estimate_puts_the_first_look_off_for_long(
    took_s: list[float], estimated_bytes: int
) -> None:
    first_look_s = waiting.first_look_s(took_s, estimated_bytes)
    assert waiting.interval_s(0.0, 1, first_look_s) == 120


@pytest.mark.parametrize("receive_count", [1, 500, 599, 600, 999])
@pytest.mark.parametrize("age_s", [None, 0.0, 60.0, float(DAY_S)])
def test_no_message_is_given_back_for_longer_than_it_may_be_invisible(
    age_s: float | None, receive_count: int
) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    assert waiting.interval_s(age_s, receive_count, 1e9) < VISIBILITY_LIMIT_S


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
    ("age_s", "interval_s"),
    [(0, 1), (2, 1), (9, 3), (100, 10), (900, 30), (6000, 77), (2 * DAY_S, 300)],
)
def test_the_interval_is_the_square_root_of_the_age_within_bounds(
    age_s: int, interval_s: int
) -> None:
    assert waiting.interval_s(age_s, 1) == interval_s


def test_the_pause_grows_with_the_age() -> None:
    assert waiting.pause_s(0) == 0.5
    assert waiting.pause_s(4) == 2.0


def test_a_clock_that_is_behind_shortens_no_pause() -> None:
    assert waiting.pause_s(-5) == 0.5
    assert waiting.interval_s(-5, 1) == 1


def test_a_holder_of_the_slot_that_cannot_be_seen_is_looked_for_every_second() -> None:
    assert waiting.pause_s(None) == 1.0


@pytest.mark.parametrize(("receive_count", "interval_s"), [(1, 1), (2, 2), (5, 16), (9, 60)])
def test_errors_wait_twice_as_long_each_time_up_to_a_minute(
    receive_count: int, interval_s: int
) -> None:
    assert waiting.error_interval_s(receive_count) == interval_s


def test_a_large_task_is_looked_at_once_it_may_have_ended_by_what_others_took() -> None:
    ended = [waiting.Ended(1_000_000_000, took_s) for took_s in (50.0, 100.0, 400.0)]
    assert waiting.first_look_s([], 10_000_000_000, ended) == pytest.approx(1000 / waiting.FASTER)
    assert waiting.first_look_s([], 10_000_000_000, ended[1:]) == waiting.FIRST_LOOK_CEILING_S
    small = [waiting.Ended(1_000, 10.0)] * 9
    assert waiting.first_look_s([7.0], 300_000_000, small) == 17.0


def test_where_most_tasks_are_short_long_ones_are_looked_at_more_often() -> None:
    short, long = [waiting.Ended(0, 10.0)] * 9, [waiting.Ended(0, 1000.0)] * 9
    assert waiting.look_cost_s([]) == waiting.look_cost_s(long) == waiting.MOST_COST_S
    assert waiting.look_cost_s(short) == waiting.LEAST_COST_S
    middling = waiting.look_cost_s([waiting.Ended(0, 36.0)])
    assert waiting.LEAST_COST_S < middling < waiting.MOST_COST_S
    assert waiting.pause_s(100.0, 0.0, 0.25) == 5.0
    assert waiting.interval_s(100.0, 1, 0.0, 0.25) == 5
