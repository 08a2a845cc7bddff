"""The tables of docs/costs.md: what logferry costs a month, by component and number of accounts.

    python -m docs.tools.costs docs/costs.md

How often the exporter calls what comes from running its own code in the benchmarks' simulation. How
many alarms there are comes from the templates. All the rest is a constant here, with its reason.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from benchmarks.exporter import DIRECT, SKIPPING, STRATEGIES
from benchmarks.simulation.usage import Usage
from benchmarks.simulation.workload import active, log_groups
from docs.tools import prices
from docs.tools.prices import GB, STORAGE, Price

from logferry.checkout import TEMPLATES
from logferry.template import load_template

DAYS = 30
"""Of a month."""
HOURS = DAYS * 24
ACCOUNTS = (1, 10, 100, 500)
FIXED_TASK_S = 10.0
"""What an export task takes without data: the middle of the benchmarks' three."""
COMPRESSION = 7
"""How much smaller lines are in the archive; see benchmarks/simulation/exporter_run.py."""
LOOKBACK_DAYS = 14

POLLS_A_MONTH = 3 * 60 * HOURS
"""Of one of those who poll a queue that is empty: long polls of 20 s each."""
POLLERS = {"source": 2, "hub": 5}
"""Of a mapping.

AWS says five batches at once, and as few as two where there is little to do, but not where a
maximum concurrency is set, as it is for the hub's. Users see 15 receives a minute for five. AWS
says both of standard queues, and nothing else of FIFO queues.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""

FILTERS_A_SECOND = 5
"""Of FilterLogEvents, by which the planner looks into what seems empty: AWS's lowest quota."""
PLAN_S = 10
"""What a plan takes beside that: start, lists, metrics, ledger."""
READING_NOTES_EVERY_S = 11.25
"""A list of who reads every 15 seconds, and a note of one's own every 45."""
PLANNER_GB = 1.0
NOTED_AT_ONCE = 250
SAMPLED_RECORDS = 300
"""Read by each plan for its forecast, at most; see services/planner/README.md."""

DAY_LOOKS = 20
"""At a date whose end is waited for; see services/exporter/README.md."""
EXPORTER_GB = 0.5

ENFORCER_GB_S_PER_OBJECT = 0.1
"""Two messages' share of its time: 0.1 s each of 512 MB."""
SWEEP_GB = 1.0
SWEEP_INVOCATIONS = 4 * 24
SWEEP_IDLE_S = 0.3
SWEEP_OBJECTS_A_SECOND = 100
FEED_INVOCATIONS = 4 * 24
FEED_IDLE_S = 0.1
"""Of the planner where there is no backfill: one LIST."""
PAGE_READS = 2
"""Of each record, by the coverage page of a night: while it changes, and once that is over."""
PAGE_LISTS = 12
"""Of a source: its windows, open exports, counts and plans, and what is in the newest windows."""
PAGE_S_PER_READ = 0.0015
PAGE_GB = 1.0
SWEEP_DAYS_BACK = 9
"""A sweep looks at what is a day old, and at the 8 days before; see docs/sweep.md."""
FULL_SWEEP_DAYS = 90

SEALER_GB = 1.77
SEALER_BYTES_A_SECOND = 45_000_000
"""Packed: unpacked and counted by one CPU; benchmarks/sealer.py measures it."""
SEALER_S_PER_LOG_GROUP = 0.02
"""A record, a statement, and the statement read back."""
SEALER_DAYS_BACK = 35
"""Whose records it lists at each look."""
SEALER_LOOKS = 10
"""At a source's dates: every three hours, after its plan, and after its date."""

HOURLY = "IsPlannedByTheHour"
"""The condition of what only those sources have whose windows are hours: none here."""
QUEUES = {"source": 2, "hub": 2}
"""With a mapping: those of each source's lanes, and those of sse-enforcer and sealer."""
KEYS = 2
"""The archive's, and the one that signs."""
KEY_REUSE_S = 3600
KMS_PER_QUEUE = DAYS * 86_400 // KEY_REUSE_S * 3
"""AWS's estimate for one sender and one receiver.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
"""
KMS_SHARE_OF_S3 = 0.01
"""With bucket keys AWS says "up to 99 percent" less.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
"""

LOG_BYTES_PER_INVOCATION = 2000
"""A line of metrics, and one or two of decisions."""
LOG_BYTES_PER_DECISION = 500
"""One line of the planner for each log group, one of the sse-enforcer for each object."""
LOG_MONTHS = 3
"""How long they are kept: LogRetentionDays."""

HUB_METRICS = 46
"""Names times dimensions that come up from day to day, of all services."""
SOURCE_METRICS = 2
"""For how long a source is overdue: the planner's, and the exporter's."""
METRIC_HOURS = 2
"""In so many hours of a day a source is planned and exported; each at a time of its own."""


@dataclass(frozen=True)
class Account:
    """A source, as its own log groups make it.

    Attributes:
        log_groups: Of them 80 % are idle on a day; the sizes of the others have a heavy tail.
        objects_per_export: One for each log stream, at least.
        archived_days: How old the archive is, which the sweep lists.
        has_direct_lane: Whether what is small is read beside the slot.
    """

    log_groups: int = 200
    objects_per_export: int = 10
    archived_days: int = 365
    has_direct_lane: bool = True

    @property
    def active(self) -> int:
        """The log groups that are exported each day."""
        return len(active(log_groups(self.log_groups, t0_s=FIXED_TASK_S, seed=0)))

    @property
    def bytes_a_day(self) -> int:
        """Of lines."""
        groups = log_groups(self.log_groups, t0_s=FIXED_TASK_S, seed=0)
        return sum(group.size_bytes for group in groups)

    @property
    def objects_a_day(self) -> int:
        """In the archive."""
        return self.active * self.objects_per_export


@dataclass(frozen=True)
class Hub:
    """What is deployed once, and how.

    Attributes:
        sweeps_a_day: The setting ``every_hours``, the other way round.
        log_months: How long the functions' own logs are kept.
    """

    sweeps_a_day: float = 1.0
    log_months: int = LOG_MONTHS


TYPICAL = Account()
HEAVY = Account(log_groups=1000, objects_per_export=30)

POLLING = "SQS: mappings that poll"
ALARMS = "Alarms and dashboard"
COMPONENTS = (
    POLLING,
    ALARMS,
    "Lambda",
    "S3: archive, requests",
    "S3: ledger, requests",
    "CloudWatch: GetMetricData",
    "CloudWatch: own metrics",
    "CloudWatch: own logs",
    "KMS",
    "SQS: messages",
    "EventBridge",
    "SNS",
)
"""What costs most in an organisation comes first."""

type Costs = Mapping[str, float]
"""Dollars a month, by component."""


@cache
def exporter_usage(groups: int, *, has_direct_lane: bool) -> Usage:
    """Return what one day of an account takes of its exporter, by running that."""
    strategy = STRATEGIES[DIRECT if has_direct_lane else SKIPPING]
    return strategy(log_groups(groups, t0_s=FIXED_TASK_S, seed=0), 0)


@cache
def alarm_metrics(template: str) -> int:
    """Return how many metrics a template's alarms watch, where a plan a day is made; 0 for none."""
    path = TEMPLATES / f"{template}.yaml"
    if not path.exists():
        return 0
    alarms = _resources(path, "AWS::CloudWatch::Alarm", but=HOURLY)
    return sum(len(_stats(alarm)) or 1 for alarm in alarms)


@cache
def dashboards() -> int:
    """Return how many dashboards the templates make."""
    return sum(
        len(_resources(path, "AWS::CloudWatch::Dashboard")) for path in TEMPLATES.glob("*.yaml")
    )


def _stats(alarm: Any) -> list[Any]:
    return [each for each in alarm.get("Metrics", ()) if "MetricStat" in each]


def _resources(path: Path, kind: str, *, but: str | None = None) -> list[Any]:
    resources = load_template(path.read_text("utf-8"))["Resources"].values()
    return [
        each["Properties"]
        for each in resources
        if each["Type"] == kind and (but is None or each.get("Condition") != but)
    ]


def monthly(accounts: int, account: Account = TYPICAL, hub: Hub = Hub()) -> dict[str, float]:
    """Return the dollars a month of a hub and of its sources, which are all alike."""
    once, each = _of_hub(hub, accounts), _of_source(account, hub)
    return {name: once.get(name, 0.0) + each.get(name, 0.0) * accounts for name in COMPONENTS}


def idle(accounts: int, account: Account = TYPICAL) -> float:
    """Return the dollars a month and account of polling and alarms, which no log changes."""
    all_of_them = monthly(accounts, account)
    return (all_of_them[POLLING] + all_of_them[ALARMS]) / accounts


def _of_hub(hub: Hub, accounts: int) -> Costs:
    alarms = sum(
        alarm_metrics(path.stem) for path in TEMPLATES.glob("*.yaml") if path.stem != "exporter"
    )
    gb_s = SWEEP_INVOCATIONS * SWEEP_IDLE_S * SWEEP_GB + FEED_INVOCATIONS * FEED_IDLE_S * PLANNER_GB
    invocations = (SWEEP_INVOCATIONS + FEED_INVOCATIONS) * DAYS
    metric_hours = min(24, METRIC_HOURS * accounts)
    return {
        ALARMS: alarms * prices.ALARM.dollars + dashboards() * prices.DASHBOARD.dollars,
        POLLING: _polled("hub", prices.SQS_STANDARD),
        "Lambda": _of_lambda(gb_s * DAYS, invocations),
        "S3: ledger, requests": FEED_INVOCATIONS * DAYS * prices.S3_WRITE.dollars,
        "CloudWatch: own metrics": HUB_METRICS * prices.METRIC.dollars * metric_hours / 24,
        "CloudWatch: own logs": _of_logs(SWEEP_INVOCATIONS * DAYS * LOG_BYTES_PER_INVOCATION, hub),
        "EventBridge": invocations * prices.SCHEDULE.dollars,
        "KMS": 2 * prices.KMS_KEY.dollars
        + QUEUES["hub"] * KMS_PER_QUEUE * prices.KMS_REQUEST.dollars,
    }


@dataclass(frozen=True)
class Sealing:
    """What sealing a day of a source takes."""

    gb_s: float
    invocations: int
    archive_writes: int
    archive_reads: int
    ledger_writes: int
    ledger_reads: int

    @classmethod
    def of(cls, account: Account) -> "Sealing":
        """Return it for an account."""
        groups, active = account.log_groups, account.active
        measured_s = account.bytes_a_day / COMPRESSION / SEALER_BYTES_A_SECOND
        return cls(
            gb_s=(measured_s + groups * SEALER_S_PER_LOG_GROUP) * SEALER_GB,
            invocations=active + SEALER_LOOKS,
            # A statement of each, and what lies beside an export's objects.
            archive_writes=groups + active + SEALER_LOOKS,
            archive_reads=account.objects_a_day + groups,  # each measured, each read back
            ledger_writes=active + SEALER_LOOKS * ceil(SEALER_DAYS_BACK * groups / 1000),
            ledger_reads=groups + 2 * active,
        )

    @property
    def dollars(self) -> float:
        """What it costs."""
        writes = self.archive_writes + self.ledger_writes
        reads = self.archive_reads + self.ledger_reads
        requests = writes * prices.S3_WRITE.dollars + reads * prices.S3_READ.dollars
        return requests + _of_lambda(self.gb_s, self.invocations)


def _of_source(account: Account, hub: Hub) -> Costs:
    usage = exporter_usage(account.log_groups, has_direct_lane=account.has_direct_lane)
    calls, objects, groups = usage.calls, account.objects_a_day, account.log_groups
    sealing = Sealing.of(account)
    tasks = calls["logs.CreateExportTask"]
    idle = groups - account.active
    read_directly = account.active - tasks
    events = objects + tasks  # each task writes a write-test

    planner_s = PLAN_S + idle / FILTERS_A_SECOND
    archived = objects * account.archived_days
    swept = (SWEEP_DAYS_BACK * objects) * hub.sweeps_a_day + archived / FULL_SWEEP_DAYS
    # Once after it was recorded, and in each full sweep, an export's objects are looked for.
    looked_for = account.active * (1 + account.archived_days / FULL_SWEEP_DAYS)
    gb_s = (
        planner_s * PLANNER_GB
        + usage.gb_s
        + DAY_LOOKS * EXPORTER_GB
        + events * ENFORCER_GB_S_PER_OBJECT
        + (swept + looked_for) / SWEEP_OBJECTS_A_SECOND * SWEEP_GB
        + PAGE_READS * groups * PAGE_S_PER_READ * PAGE_GB
        + sealing.gb_s
    )
    invocations = 1 + calls["lambda.Invoke"] + DAY_LOOKS + events + account.active
    invocations += sealing.invocations

    archive_writes = (
        events
        + objects  # the holds
        + calls["s3.ListObjectVersions"]
        + archived / 1000 * hub.sweeps_a_day
        + looked_for
        + sealing.archive_writes
    )
    archive_reads = events + objects + tasks * account.objects_per_export + swept
    archive_reads += sealing.archive_reads
    ledger_writes = (
        groups  # a record of each, whatever becomes of it
        + calls["s3.PutObject"]
        + calls["s3.ListObjectsV2"]
        + planner_s / READING_NOTES_EVERY_S
        - read_directly  # the simulation's one object of each, which is an event above
        + account.active  # the sse-enforcer's mark
        + account.active  # the notes that they are open
        + ceil(groups / NOTED_AT_ONCE)
        + ceil(LOOKBACK_DAYS * groups / 1000)
        + DAY_LOOKS
        + PAGE_LISTS
        + sealing.ledger_writes
    )
    # One of the three is the planner's look whether the date's exports have ended.
    ledger_reads = calls["s3.GetObject"] + SAMPLED_RECORDS + 3 * groups + SWEEP_DAYS_BACK * groups
    ledger_reads += sealing.ledger_reads + PAGE_READS * groups

    fifo = (
        sum(calls[f"sqs.{name}"] for name in ("ReceiveMessage", "DeleteMessage", "SendMessage"))
        + calls["sqs.ChangeMessageVisibility"]
        + ceil(account.active / 10)
        + 2 * DAY_LOOKS
    )
    standard = 3 * (events + 2 * account.active + SEALER_LOOKS)  # sent, received, deleted
    logged = (invocations * LOG_BYTES_PER_INVOCATION) + (groups + events) * LOG_BYTES_PER_DECISION

    def month(times: float, price: Price) -> float:
        return times * DAYS * price.dollars

    return {
        ALARMS: alarm_metrics("exporter") * prices.ALARM.dollars,
        POLLING: _polled("source", prices.SQS_FIFO),
        "SQS: messages": month(fifo, prices.SQS_FIFO) + month(standard, prices.SQS_STANDARD),
        "S3: archive, requests": month(archive_writes, prices.S3_WRITE)
        + month(archive_reads, prices.S3_READ),
        "S3: ledger, requests": month(ledger_writes, prices.S3_WRITE)
        + month(ledger_reads, prices.S3_READ),
        "Lambda": _of_lambda(gb_s * DAYS, invocations * DAYS),
        "CloudWatch: GetMetricData": month(groups, prices.METRIC_ASKED_FOR),
        "CloudWatch: own metrics": SOURCE_METRICS * prices.METRIC.dollars * METRIC_HOURS / 24,
        "CloudWatch: own logs": _of_logs(logged * DAYS, hub),
        "SNS": month(objects + account.active + 2, prices.SNS_PUBLISH),
        "EventBridge": month(events, prices.S3_EVENT) + month(1, prices.SCHEDULE),
        "KMS": QUEUES["source"] * KMS_PER_QUEUE * prices.KMS_REQUEST.dollars
        + month(
            (archive_writes + archive_reads + ledger_writes + ledger_reads) * KMS_SHARE_OF_S3,
            prices.KMS_REQUEST,
        ),
    }


def _polled(whose: str, price: Price) -> float:
    return QUEUES[whose] * POLLERS[whose] * POLLS_A_MONTH * price.dollars


def _of_lambda(gb_s: float, invocations: float) -> float:
    return gb_s * prices.LAMBDA_GB_S.dollars + invocations * prices.LAMBDA_INVOCATION.dollars


def _of_logs(logged_bytes: float, hub: Hub) -> float:
    stored = hub.log_months * prices.LOGS_STORED.dollars / COMPRESSION
    return logged_bytes * (prices.LOGS_INGESTED.dollars + stored)


def firehose(account: Account, *, compressed: bool) -> float:
    """Return what Firehose asks a month for an account's bytes.

    CloudWatch Logs sends records compressed with gzip; Firehose counts what it is sent.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html
    """
    sent = account.bytes_a_day / (COMPRESSION if compressed else 1)
    return sent * DAYS * prices.FIREHOSE_GB.dollars


# -- the tables ---------------------------------------------------------------------------------


def by_component() -> str:
    """Return what each component costs for each number of accounts."""
    columns = [monthly(accounts) for accounts in ACCOUNTS]
    rows = [(name, *(_dollars(each[name]) for each in columns)) for name in COMPONENTS]
    totals = [sum(each.values()) for each in columns]
    rows.append(("**Total**", *(f"**{_dollars(total)}**" for total in totals)))
    each_one = zip(ACCOUNTS, totals, strict=True)
    rows.append(("For an account", *(_dollars(total / number) for number, total in each_one)))
    headings = [f"{number} account{'s' if number > 1 else ''}" for number in ACCOUNTS]
    return _table(("dollars a month", *headings), rows)


def assumed() -> str:
    """Return what the accounts of the tables are like."""
    kinds = {"typical": TYPICAL, "twice the log groups": _twice(TYPICAL), "heavy": HEAVY}
    rows: list[tuple[str, ...]] = []
    described: Sequence[tuple[str, Callable[[Account], str]]] = (
        ("log groups", lambda each: f"{each.log_groups:,}"),
        ("exported on a day", lambda each: f"{each.active:,}"),
        ("of them by an export task", lambda each: f"{_tasks(each):,}"),
        ("lines a day", lambda each: f"{each.bytes_a_day / GB:,.0f} GB"),
        ("objects a day", lambda each: f"{each.objects_a_day:,}"),
        ("archived a month", lambda each: f"{_archived_gb(each):,.0f} GB"),
        (
            "dollars a month: logferry, each of 100 such accounts",
            lambda each: _dollars(_each(each)),
        ),
        (
            "what CloudWatch Logs has asked for taking them in",
            lambda each: _dollars(each.bytes_a_day * DAYS * prices.LOGS_INGESTED.dollars),
        ),
        (
            "Firehose, if it counts compressed bytes",
            lambda each: _dollars(firehose(each, compressed=True)),
        ),
        (
            "Firehose, if it counts lines",
            lambda each: _dollars(firehose(each, compressed=False)),
        ),
    )
    for name, describe in described:
        rows.append((name, *(describe(account) for account in kinds.values())))
    return _table(("", *kinds), rows)


def settings() -> str:
    """Return what a setting, or the world, changes for 100 typical accounts."""
    now = sum(monthly(100).values())
    others: Sequence[tuple[str, Account, Hub]] = (
        ("twice the log groups", _twice(TYPICAL), Hub()),
        ("twice the log streams, and so objects", replace(TYPICAL, objects_per_export=20), Hub()),
        ("an archive of seven years", replace(TYPICAL, archived_days=7 * 365), Hub()),
        ("no direct lane", replace(TYPICAL, has_direct_lane=False), Hub()),
        ("a sweep every week", TYPICAL, Hub(sweeps_a_day=1 / 7)),
        ("own logs kept for a month", TYPICAL, Hub(log_months=1)),
    )
    rows = []
    for name, account, hub in others:
        changed = sum(monthly(100, account, hub).values())
        rows.append((name, _dollars(changed), f"{(changed - now) / now:+.0%}"))
    return _table(("100 accounts", "dollars a month", ""), [("as above", _dollars(now), ""), *rows])


def checking(account: Account, level: str) -> float:
    """Return what one check of a year of an account's archive asks for, in the archive's Region."""
    days, groups, objects = 365, account.log_groups, account.objects_a_day
    reads = 3 * days  # a seal, and its list twice
    lists = 0
    if level != "seals":
        reads += (groups + objects) * days  # each statement, and each object's hold
        lists += groups * days
    if level == "bytes":
        reads += objects * days
    return reads * prices.S3_READ.dollars + lists * prices.S3_WRITE.dollars


def proving() -> str:
    """Return what sealing costs, and what it costs to check what was sealed."""
    taken_out = _archived_gb(TYPICAL) * 365 / DAYS * prices.DATA_OUT.dollars
    of_one = (
        ("sealing, a month", Sealing.of(TYPICAL).dollars * DAYS),
        ("checking a year, level seals", checking(TYPICAL, "seals")),
        ("checking a year, level objects", checking(TYPICAL, "objects")),
        ("checking a year, level bytes or events", checking(TYPICAL, "bytes")),
        ("reading a year out of AWS once, such as by copying it", taken_out),
    )
    rows = [(name, *(_dollars(cost * number) for number in ACCOUNTS)) for name, cost in of_one]
    headings = [f"{number} account{'s' if number > 1 else ''}" for number in ACCOUNTS]
    return _table(("dollars", *headings), rows)


def storage() -> str:
    """Return what a TB costs in each storage class, and what to get it there costs."""
    object_bytes = _archived_gb(TYPICAL) * GB / (TYPICAL.objects_a_day * DAYS)
    objects_per_tb = 1000 * GB / object_bytes
    rows = [
        (
            each.name,
            _dollars(each.gb_month * 1000),
            _dollars(each.transition * objects_per_tb) if each.transition else "",
            each.retrieval,
        )
        for each in STORAGE
    ]
    return _table(("class", "a TB, a month", "to move a TB there, once", "to read"), rows)


def grown() -> str:
    """Return what storing a year of archive costs."""
    rows = []
    for number in ACCOUNTS:
        tb = _archived_gb(TYPICAL) * 365 / DAYS * number / 1000
        standard, deep = STORAGE[0], STORAGE[-1]
        rows.append(
            (
                f"{number:,}",
                f"{tb:,.1f} TB",
                _dollars(tb * 1000 * standard.gb_month),
                _dollars(tb * 1000 * deep.gb_month),
            )
        )
    heading = ("accounts", "archived in a year", "a month in S3 Standard", "in Deep Archive")
    return _table(heading, rows)


def priced() -> str:
    """Return all prices."""
    known = [each for each in vars(prices).values() if isinstance(each, Price)]
    rows = [(each.per, f"[page]({each.page})", each.note) for each in known]
    return _table(("price", "AWS's", ""), rows)


def _twice(account: Account) -> Account:
    return replace(account, log_groups=2 * account.log_groups)


def _tasks(account: Account) -> int:
    usage = exporter_usage(account.log_groups, has_direct_lane=account.has_direct_lane)
    return len(usage.tasks)


def _archived_gb(account: Account) -> float:
    return account.bytes_a_day * DAYS / COMPRESSION / GB


def _each(account: Account) -> float:
    return sum(monthly(100, account).values()) / 100


def _dollars(amount: float) -> str:
    """Return an amount to the cent, or to the dollar where there are many."""
    return f"{amount:,.2f}" if amount < 100 else f"{amount:,.0f}"  # noqa: PLR2004  (as it reads)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---", *(["--:"] * (len(headings) - 1))], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


TABLES = (by_component, assumed, settings, proving, storage, grown, priced)


def written(document: str, tables: Sequence[Callable[[], str]] = TABLES) -> str:
    """Return a document with tables as they are now, each between its markers.

    Raises:
        ValueError: A table has no place in the document.
    """
    for table in tables:
        name = table.__name__.replace("_", "-")
        before, begin, rest = document.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"<!-- /{name} -->")
        if not end:
            raise ValueError(f"there is no place for {name}")
        document = f"{before}{begin}{table()}{end}{after}"
    return document


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(written(path.read_text("utf-8")), "utf-8")
