import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.export import Destination
from logferry_contracts.ledger_record import LEDGER_SCHEMA, Completed, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import Manifest
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.activity import (
    DEFAULT_FIXED_S,
    DEFAULT_S_PER_BYTE,
    EVENT_BYTES,
    METRICS_KEPT,
    MIN_SAMPLES,
    POINTS_PER_METRIC,
    Fit,
    Sample,
    estimated_bytes,
    ingested_from,
    metric_question,
    sample_of,
)

NOW = datetime(2026, 11, 23, 6, 30, 12, 345_678, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
NOW_MS = int(NOW.timestamp() * 1000)


def window(*, days_ago: float, days: float = 1) -> Window:
    from_ms = NOW_MS - round(days_ago * DAY_MS)
    return Window(from_ms=from_ms, to_ms=from_ms + round(days * DAY_MS))


def log_group(**values: object) -> LogGroup:
    return LogGroup.model_validate(
        {
            "name": "/app/web",
            "arn": "arn:aws:logs:eu-west-1:111111111111:log-group:/app/web",
            "log_group_class": "STANDARD",
            "created_ms": NOW_MS - 100 * DAY_MS,
            **values,
        }
    )


# --- what to ask


@given(
    until=st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  (UTC by timezones)
    length=st.timedeltas(timedelta(microseconds=1), METRICS_KEPT),
)
def test_a_question_covers_the_range_and_fits_into_one_answer(
    until: datetime, length: timedelta
) -> None:
    since = until - length
    question = metric_question(since, until)
    assert question is not None
    period = timedelta(seconds=question.period_s)
    assert question.start <= since < until <= question.end
    assert since - question.start < period
    assert question.end - until < period
    assert (question.end - question.start) / period <= POINTS_PER_METRIC
    # Multiples of an hour are allowed at any age, and points begin at multiples of the period.
    assert question.period_s % 3600 == 0
    assert (question.start - EPOCH) % period == timedelta()
    assert (question.end - EPOCH) % period == timedelta()


def test_a_day_is_asked_for_by_the_hour() -> None:
    question = metric_question(NOW - timedelta(hours=50), NOW)
    assert question is not None
    assert question.period_s == 3600
    assert question.start == datetime(2026, 11, 21, 4, tzinfo=UTC)
    assert question.end == datetime(2026, 11, 23, 7, tzinfo=UTC)


def test_nothing_is_asked_about_a_time_of_which_metrics_are_gone() -> None:
    assert metric_question(NOW - METRICS_KEPT - timedelta(seconds=1), NOW) is None


def test_nothing_is_asked_about_no_time() -> None:
    assert metric_question(NOW, NOW) is None


def test_events_may_come_in_two_hours_before_their_time() -> None:
    assert ingested_from(window(days_ago=2)) == datetime.fromtimestamp(
        (NOW_MS - 2 * DAY_MS - 2 * HOUR_MS) / 1000, UTC
    )


# --- how much


def test_a_window_has_its_share_of_the_events_that_came_in_since() -> None:
    # A day of the two days and two hours that were asked for.
    size = estimated_bytes(log_group(), window(days_ago=2), 50_000, now=NOW)
    assert size == round(50_000 * EVENT_BYTES * 24 / 50)


def test_no_events_are_no_bytes() -> None:
    stored = log_group(stored_bytes=10**9)
    assert estimated_bytes(stored, window(days_ago=2), 0, now=NOW) == 0


def test_without_a_count_a_window_has_its_share_of_what_the_group_stores() -> None:
    stored = log_group(stored_bytes=10**9)
    assert estimated_bytes(stored, window(days_ago=2), None, now=NOW) == 10**7


def test_a_group_stores_no_longer_than_its_retention() -> None:
    stored = log_group(stored_bytes=10**9, retention_days=10)
    assert estimated_bytes(stored, window(days_ago=2), None, now=NOW) == 10**8


def test_a_group_that_is_younger_than_the_window_has_all_it_stores_in_it() -> None:
    for age_ms in (HOUR_MS, 0, -HOUR_MS):  # clocks differ
        young = log_group(stored_bytes=500, created_ms=NOW_MS - age_ms)
        assert estimated_bytes(young, window(days_ago=2), None, now=NOW) == 500


def test_where_nothing_tells_nothing_is_guessed() -> None:
    assert estimated_bytes(log_group(), window(days_ago=2), None, now=NOW) is None


@given(
    st.none() | st.integers(0, 10**12),
    st.none() | st.integers(0, 10**15),
    st.none() | st.integers(1, 3653),
    st.floats(0.01, 400),
    st.floats(0.01, 30),
)
def test_an_estimate_is_never_negative_nor_more_than_all(
    events: int | None,
    stored_bytes: int | None,
    retention_days: int | None,
    days_ago: float,
    days: float,
) -> None:
    group = log_group(stored_bytes=stored_bytes, retention_days=retention_days)
    size = estimated_bytes(group, window(days_ago=days_ago, days=days), events, now=NOW)
    if events is not None:
        assert size is not None
        assert 0 <= size <= events * EVENT_BYTES
    elif stored_bytes is not None:
        assert size is not None
        assert 0 <= size <= stored_bytes
    else:
        assert size is None


# --- how long


def record(**values: object) -> LedgerRecord:
    export_id = "0" * 32
    return LedgerRecord.model_validate(
        {
            "schema": LEDGER_SCHEMA,
            "revision": 3,
            "state": "completed",
            "export_id": export_id,
            "generation": 1,
            "source": SourceName(profile="dev", account_id="111111111111", region="eu-west-1"),
            "log_group": log_group(),
            "window": window(days_ago=2),
            "destination": Destination(bucket="acme-log-archive", prefix="dev/app/web"),
            "lane": "slot",
            "requested_at": "2026-11-23T06:00:00.000Z",
            "estimated_bytes": 5_000_000,
            "completed": Completed(
                at="2026-11-23T07:00:00.000Z",
                manifest=Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[]),
                task_created_ms=1_000_000,
                task_completed_ms=1_012_500,
            ),
            **values,
        }
    )


def test_a_completed_task_is_a_sample() -> None:
    assert sample_of(record()) == Sample(5_000_000, 12.5)


def timed(created_ms: int | None, completed_ms: int | None) -> Completed:
    return Completed(
        at="2026-11-23T07:00:00.000Z",
        manifest=Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[]),
        task_created_ms=created_ms,
        task_completed_ms=completed_ms,
    )


@pytest.mark.parametrize(
    "values",
    [
        {"state": "requested", "completed": None},
        {"estimated_bytes": None},
        {"completed": timed(None, None)},
        {"completed": timed(1000, None)},
        {"completed": timed(1000, 1000)},
        {
            "split": {
                "at": "2026-11-23T07:00:00.000Z",
                "halves": [
                    {"export_id": "1" * 32, "window": {"from_ms": 0, "to_ms": 1}},
                    {"export_id": "2" * 32, "window": {"from_ms": 1, "to_ms": 2}},
                ],
            }
        },
    ],
)
def test_a_record_that_does_not_tell_of_one_task_is_no_sample(values: dict[str, object]) -> None:
    assert sample_of(record(**values)) is None


def test_few_samples_say_less_than_the_default() -> None:
    fit = Fit.of([Sample(0, 1000.0)] * (MIN_SAMPLES - 1))
    assert fit == Fit(DEFAULT_FIXED_S, DEFAULT_S_PER_BYTE)
    assert fit.seconds(100_000_000) == pytest.approx(20)


SIZES = st.lists(st.integers(0, 300 * 10**9), min_size=MIN_SAMPLES, max_size=60)
BOUNDED = settings(max_examples=50)


@BOUNDED
@given(SIZES, st.floats(0.5, 120), st.floats(1e-9, 1e-6))
def test_tasks_on_a_line_give_the_line(sizes: list[int], fixed_s: float, s_per_byte: float) -> None:
    fit = Fit.of([Sample(size, fixed_s + s_per_byte * size) for size in sizes])
    for size in sizes:
        assert fit.seconds(size) == pytest.approx(fixed_s + s_per_byte * size, rel=0.02)


@BOUNDED
@given(
    st.lists(
        st.builds(Sample, st.integers(0, 10**12), st.floats(0.001, 86_400)),
        min_size=MIN_SAMPLES,
        max_size=60,
    )
)
def test_no_tasks_make_a_time_negative_or_shorter_for_more(samples: list[Sample]) -> None:
    fit = Fit.of(samples)
    assert fit.fixed_s >= 0
    assert fit.s_per_byte >= 0
    assert fit.seconds(0) <= fit.seconds(10**12) < float("inf")


@pytest.mark.parametrize("factor", [0.01, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_fifth_of_outliers_moves_the_fit_little(seed: int, factor: float) -> None:
    draw = random.Random(seed)  # noqa: S311  (no secret)
    samples = []
    for number in range(300):
        size = round(8e6 * draw.lognormvariate(0, 3.0))
        seconds = 10 * draw.lognormvariate(0, 0.2) + size / 1e7 * draw.lognormvariate(0, 0.2)
        samples.append(Sample(size, seconds * (factor if number % 5 == 0 else 1)))
    fit = Fit.of(samples)
    for size in (0, 10**6, 10**8, 10**10):
        assert 0.6 < fit.seconds(size) / (10 + size / 1e7) < 1.6


def test_only_the_newest_tasks_count() -> None:
    old = [Sample(size, 500.0) for size in range(1000)]
    new = [Sample(size * 10**6, 2 + size / 10) for size in range(1000)]
    assert Fit.of(old + new) == Fit.of(new)


def test_tasks_of_one_size_say_nothing_of_others_but_the_fixed_time() -> None:
    fit = Fit.of([Sample(0, 3.0)] * 30)
    assert fit.fixed_s == pytest.approx(3)
    assert fit.s_per_byte == DEFAULT_S_PER_BYTE
