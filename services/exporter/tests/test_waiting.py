"""The rules of waiting, and what they come to over a whole task."""

from collections.abc import Sequence

import pytest

from exporter import waiting

DAY_S = 86_400
QUEUE_RETENTION_S = 14 * DAY_S
VISIBILITY_LIMIT_S = DAY_S / 2
IN_INVOCATION_S = 2
TASKS_S = (1, 3, 10, 30, 60, 100, 600, 3600, DAY_S)


QUICK = [waiting.Ended(0, 8.0 + number % 5) for number in range(50)]
"""Tasks of some ten seconds."""
HOURS = [waiting.Ended(40_000_000_000, 4000.0)] * 10
"""Of 10 MB a second."""


def looks_until(
    task_s: float, estimated_bytes: int = 0, ended: Sequence[waiting.Ended] = ()
) -> tuple[int, int, float]:
    """Looks and receives that a task needs, and how long after its end it is found."""
    expected = waiting.outlook(estimated_bytes, ended)
    now = 0.0
    looks = 0
    receives = 0
    while True:
        receives += 1
        invocation_ends = now + IN_INVOCATION_S
        while True:
            if now > 0:
                looks += 1
                if now >= task_s:
                    return looks, receives, now - task_s
            pause = waiting.pause_s(now, expected)
            if now + pause > invocation_ends:
                break
            now += pause
        now += waiting.interval_s(now, receives, expected)


@pytest.mark.parametrize("ended", [(), QUICK, HOURS])
@pytest.mark.parametrize("estimated_bytes", [0, 10**9, 10**12])
def test_a_task_of_a_day_takes_far_fewer_receives_than_sqs_allows(
    estimated_bytes: int, ended: Sequence[waiting.Ended]
) -> None:
    """Whatever was expected; from the 600th on a message waits by the hour."""
    _, receives, _ = looks_until(DAY_S, estimated_bytes, ended)
    assert receives < 500 < waiting.LATE_RECEIVES


@pytest.mark.parametrize("ended", [(), QUICK])
@pytest.mark.parametrize("task_s", TASKS_S)
def test_a_task_that_nobody_has_foreseen_is_found_with_little_delay(
    task_s: int, ended: Sequence[waiting.Ended]
) -> None:
    _, _, delay_s = looks_until(task_s, 0, ended)
    assert delay_s <= 8 + 0.05 * task_s


def test_a_task_that_has_far_less_than_was_thought_is_found_in_some_minutes() -> None:
    _, _, delay_s = looks_until(1, 10**13)
    assert delay_s <= waiting.LOOK_CEILING_S


def test_a_task_that_cannot_have_ended_for_minutes_is_not_looked_at_meanwhile() -> None:
    ended = [waiting.Ended(8 * 10**9, 800.0)] * 10
    assert waiting.outlook(8 * 10**9, ended).next_look_s(0) > waiting.INTERVAL_CEILING_S


def test_tasks_that_are_as_others_before_have_as_many_looks_as_they_should() -> None:
    found = [looks_until(each.took_s, 0, QUICK) for each in QUICK]
    assert sum(looks for looks, _, _ in found) <= waiting.LOOKS * len(QUICK)
    assert max(delay_s for _, _, delay_s in found) <= 1.5


def test_the_bytes_of_tasks_of_late_say_how_long_the_next_one_takes() -> None:
    ended = [waiting.Ended(size, 30 + size / 20e6) for size in (0, 1, 2, 10**10, 2 * 10**10, 10**9)]
    expected = waiting.outlook(5 * 10**9, ended)
    assert expected.median_s == pytest.approx(280, rel=0.1)
    assert expected.spread < waiting.outlook(5 * 10**9).spread


def test_long_tasks_alone_do_not_say_that_each_task_takes_long_whatever_its_bytes() -> None:
    ended = [waiting.Ended(size, 10 + size / 8e6) for size in (4 * 10**9, 5 * 10**9, 6 * 10**9)]
    assert waiting.outlook(10**9, ended).median_s == pytest.approx(135, rel=0.2)


def test_a_task_of_which_no_bytes_are_known_is_expected_to_take_what_others_took() -> None:
    ended = [waiting.Ended(10**9, took_s) for took_s in (90.0, 100.0, 110.0)]
    assert waiting.outlook(0, ended).median_s == pytest.approx(100, rel=0.1)


def test_tasks_of_unknown_bytes_say_what_a_task_takes_at_least() -> None:
    assert waiting.outlook(0, (), [20.0, 5000.0, 25.0, 30.0, 9000.0]).median_s == 25.0
    assert waiting.outlook(0, (), [20.0]).median_s == waiting.FIXED_S


def test_the_more_tasks_differ_the_earlier_and_the_longer_is_looked() -> None:
    alike = waiting.outlook(0, [waiting.Ended(0, 100.0)] * 20)
    unlike = waiting.outlook(0, [waiting.Ended(0, took_s) for took_s in (20.0, 100.0, 500.0)] * 7)
    assert unlike.next_look_s(0) < alike.next_look_s(0)
    assert unlike.next_look_s(150) > alike.next_look_s(150)


def test_looks_come_where_a_task_is_likely_to_end() -> None:
    expected = waiting.outlook(0, QUICK)
    assert expected.next_look_s(0) > 3 * expected.next_look_s(expected.median_s)


def test_where_most_tasks_are_short_a_long_one_is_looked_at_more_often() -> None:
    long = waiting.Ended(0, 1000.0)
    most_s = waiting.outlook(0, [long] * 9).cost_s
    assert most_s == pytest.approx(waiting.MOST_COST * 1000**0.5)
    assert waiting.outlook(0, QUICK).cost_s < most_s / 2
    middling = waiting.outlook(0, [*QUICK, long]).cost_s
    assert waiting.outlook(0, QUICK).cost_s < middling < most_s


def test_a_tiny_task_ends_within_one_receive_where_no_other_was_seen() -> None:
    _, receives, delay_s = looks_until(1.1)
    assert receives == 1
    assert delay_s < 1


@pytest.mark.parametrize("receive_count", [1, 500, 599, 600, 999])
@pytest.mark.parametrize("age_s", [None, 0.0, 60.0, float(DAY_S)])
def test_no_message_is_given_back_for_longer_than_it_may_be_invisible(
    age_s: float | None, receive_count: int
) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html"""
    expected = waiting.outlook(10**15)
    assert waiting.interval_s(age_s, receive_count, expected) < VISIBILITY_LIMIT_S


@pytest.mark.parametrize("age_s", [None, 0.0, 30.0])
def test_a_slot_that_is_never_free_does_not_use_up_the_receives(age_s: float | None) -> None:
    for expected in (None, waiting.outlook(0, QUICK)):
        waited_s = sum(
            waiting.interval_s(age_s, receive_count, expected)
            for receive_count in range(1, waiting.MAX_RECEIVES)
        )
        assert waited_s > QUEUE_RETENTION_S


def test_an_error_that_stays_does_not_use_up_the_receives() -> None:
    waited_s = sum(waiting.error_interval_s(count) for count in range(1, waiting.MAX_RECEIVES))
    assert waited_s > QUEUE_RETENTION_S


@pytest.mark.parametrize(
    ("age_s", "interval_s"),
    [(0, 1), (2, 1), (9, 3), (100, 10), (900, 30), (6000, 77), (2 * DAY_S, 300)],
)
def test_somebody_elses_task_is_looked_at_after_the_root_of_its_age_within_bounds(
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
