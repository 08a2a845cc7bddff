"""CloudWatch's metrics of log groups, as GetMetricData gives them."""

from datetime import UTC, datetime, timedelta

import pytest

pytestmark = pytest.mark.localstack

HOUR = timedelta(hours=1)
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=2)


def incoming(cloudwatch, metric_name, *names, start=NOON - HOUR, end=NOON + 3 * HOUR):
    queries = [
        {
            "Id": f"q{n}",
            "MetricStat": {
                "Metric": {
                    "Namespace": "AWS/Logs",
                    "MetricName": metric_name,
                    "Dimensions": [{"Name": "LogGroupName", "Value": name}],
                },
                "Period": 3600,
                "Stat": "Sum",
            },
        }
        for n, name in enumerate(names)
    ]
    answer = cloudwatch.get_metric_data(MetricDataQueries=queries, StartTime=start, EndTime=end)
    return [
        dict(zip(result["Timestamps"], result["Values"], strict=True))
        for result in answer["MetricDataResults"]
    ]


@pytest.fixture
def put(aws):
    """Put events, given as hours after noon, into a new log group."""
    logs = aws("logs")

    def put(name, *hours, message="ü"):
        logs.create_log_group(logGroupName=name)
        logs.create_log_stream(logGroupName=name, logStreamName="s")
        events = [
            {"timestamp": round((NOON + h * HOUR).timestamp() * 1000), "message": message}
            for h in sorted(hours)
        ]
        logs.put_log_events(logGroupName=name, logStreamName="s", logEvents=events)

    return put


def test_events_count_when_they_came_in_whatever_time_they_bear(aws, put):
    before = datetime.now(UTC)
    put("/late", 0, 0.5, 1)

    at_noon, just_now = (
        incoming(aws("cloudwatch"), "IncomingLogEvents", "/late", start=start, end=start + HOUR)
        for start in (NOON, before.replace(minute=0, second=0, microsecond=0))
    )

    assert at_noon == [{}]
    # The hour may have changed meanwhile.
    assert sum(just_now[0].values()) in {0, 3}
    [since] = incoming(
        aws("cloudwatch"), "IncomingLogEvents", "/late", start=NOON, end=before + 2 * HOUR
    )
    assert sum(since.values()) == 3


def test_each_log_group_has_its_own_sums_by_period(aws, seed):
    at = [round((NOON + n * HOUR).timestamp() * 1000) for n in (0, 1)]
    events = {"/busy": [[at[0], "ab"], [at[0] + 1, "ü"], [at[1], ""]], "/idle": []}
    groups = [
        {"name": name, "streams": [{"name": "s", "events": found}]}
        for name, found in events.items()
    ]
    seed(*groups)

    cloudwatch = aws("cloudwatch")

    assert incoming(cloudwatch, "IncomingLogEvents", "/busy", "/idle", "/none") == [
        {NOON + HOUR: 1.0, NOON: 2.0},
        {},
        {},
    ]
    assert incoming(cloudwatch, "IncomingBytes", "/busy") == [{NOON + HOUR: 26.0, NOON: 56.0}]


def test_the_end_of_the_range_is_exclusive(aws, seed):
    at = round(NOON.timestamp() * 1000)
    group = {"name": "/edge", "streams": [{"name": "s", "events": [[at, "x"]]}]}
    seed(group)

    cloudwatch = aws("cloudwatch")

    assert incoming(cloudwatch, "IncomingLogEvents", "/edge", start=NOON - HOUR, end=NOON) == [{}]
    assert incoming(cloudwatch, "IncomingLogEvents", "/edge", start=NOON, end=NOON + HOUR) == [
        {NOON: 1.0}
    ]
