"""How soon CloudWatch counts what came in."""

import secrets
import time
from datetime import UTC, datetime, timedelta

from logferry.acceptance.answer import Question
from logferry.acceptance.bench import Bench
from logferry.acceptance.probe import Probe, Seen

EVENTS = 20
HOUR = timedelta(hours=1)


def _delay(bench: Bench) -> Seen:
    """Put events with yesterday's time, and wait for IncomingLogEvents to count them today."""
    group = bench.make_group(bench.run.probe_group(f"metric-{secrets.token_hex(4)}"))
    start_ms = bench.run.window.from_ms
    began, clock = datetime.now(UTC), time.monotonic()
    bench.put_events(group, "a", [(start_ms + n, f"event {n}") for n in range(EVENTS)])

    def counted() -> tuple[float, float] | None:
        sums = bench.client("cloudwatch").get_metric_data(
            StartTime=began.replace(minute=0, second=0, microsecond=0),
            EndTime=began.replace(minute=0, second=0, microsecond=0) + 2 * HOUR,
            MetricDataQueries=[
                {
                    "Id": "events",
                    "MetricStat": {
                        "Metric": {
                            "Namespace": "AWS/Logs",
                            "MetricName": "IncomingLogEvents",
                            "Dimensions": [{"Name": "LogGroupName", "Value": group}],
                        },
                        "Period": 3600,
                        "Stat": "Sum",
                    },
                }
            ],
        )["MetricDataResults"][0]["Values"]
        return (sum(sums), time.monotonic() - clock) if sum(sums) else None

    total, took_s = bench.until("a data point of IncomingLogEvents", counted)
    seen = "when they came in, all" if total >= EVENTS else "when they came in, some"
    return seen, {"counted": f"{total:.0f} of {EVENTS}", "after_s": f"{took_s:.0f}"}


PROBES = (
    Probe(
        Question(
            name="metric-delay",
            question="When does IncomingLogEvents count events that are older than a day?",
            expected="when they came in, all",
            relies="services/planner/src/planner/activity.py",
            means="The planner guesses the size of windows wrong. What seems empty is looked at "
            "before it is skipped, so nothing is lost; more goes by the slot.",
        ),
        _delay,
    ),
)
