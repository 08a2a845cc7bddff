"""The planner beside its own API calls made by bare clients, and what it remembers meanwhile.

Five thousand log groups on LocalStack are planned by the planner's handler. Each of its API calls
is written down, and a bare boto3 client then makes the same ones again, in the same order and as
many at a time, with another bucket and queue. How long LocalStack takes for a call cancels out.

The memory is that of a process of its own for each number of log groups, with an account in memory
that yields them one by one and forgets what it is given.
"""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import StringIO
from itertools import batched, groupby
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Literal, cast
from unittest.mock import patch

import boto3
from botocore import xform_name
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from devstack.localstack import running
from devstack.memory import own_peak_bytes
from devstack.organisation import previous_day
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_request import PlanRequestData
from logferry_contracts.window import Window
from planner import handler
from planner.aws.calls import CLIENT_CONFIG, THREADS
from planner.planning import begin
from planner.requesting import READERS
from planner.settings import Settings
from planner.telemetry import logger
from planner.wiring import Control, Invocation, Messages, Wiring

LOG_GROUPS = 5000
ACTIVE = 3500
"""Of them; the others have to be looked into, one by one."""
ROUNDS = 2
"""Of the planner and the bare clients, in turns; the ratio is the median."""
LIMITS = {f"planner.calls_over_bound.n{LOG_GROUPS}": 1.0}
PER_PAGE, PER_METRICS_CALL, PER_BATCH = 50, 500, 10

REMEMBERED = (500, 5000, 50_000)
"""Log groups of the memory table."""

SLEEP_S = 1.5
"""Of aws-logs-export-to-s3 after each ten log groups."""
SLEPT_THROUGH = 50
"""Log groups for which its loop is really run; the rest is scaled, as it sleeps alike each time."""

REGION: Literal["eu-west-1"] = "eu-west-1"
ACCOUNT = "111122223333"
SOURCE_ACCOUNT = "222233334444"
ARCHIVE = "archive-bench"
ROLE_ARN = f"arn:aws:iam::{SOURCE_ACCOUNT}:role/logferry-source"


@dataclass
class Call:
    """One API call.

    Attributes:
        in_parallel: Whether one of several threads made it.
        failed: Whether the answer was an error, such as that there is no such queue.
    """

    client: BaseClient
    operation: str
    parameters: dict[str, Any]
    in_parallel: bool
    failed: bool = False


@dataclass
class Measured:
    """What the rounds took, in seconds."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    again: Counter[str] = field(default_factory=Counter)

    @property
    def over_bare(self) -> float:
        """The planner's time ÷ the bare clients'."""
        return median(ours / bare for ours, bare in zip(self.ours, self.bare, strict=True))


def run() -> dict[str, float]:
    """Print how long planning takes, with how many calls and how much memory."""
    console = Console()
    with console.status(f"Planning {LOG_GROUPS} log groups on LocalStack"):
        measured, slept_s = _on_localstack()
    bounds = _bounds(measured)
    console.print(_times(measured, slept_s))
    console.print(_calls(measured, bounds))
    with console.status("Planning log groups in memory"):
        peaks = {number: _peak_mib(number) for number in REMEMBERED}
    console.print(_memory(peaks))
    few, *_, many = peaks.values()
    return {
        f"planner.time_over_bare_calls.n{LOG_GROUPS}": measured.over_bare,
        f"planner.time_over_aws_logs_export_to_s3.n{LOG_GROUPS}": median(measured.ours) / slept_s,
        f"planner.calls_over_bound.n{LOG_GROUPS}": sum(
            measured.calls[operation] for operation in bounds
        )
        / sum(bounds.values()),
        f"planner.lists_of_a_second_run.n{LOG_GROUPS}": measured.again["ListObjectsV2"],
        f"planner.peak_memory_over_n{REMEMBERED[0]}.n{REMEMBERED[-1]}": many / few,
    }


def _bounds(measured: Measured) -> dict[str, int]:
    """Return how many calls a plan may make, by operation; the ledger's own come on top."""
    return {
        "DescribeLogGroups": ceil(LOG_GROUPS / PER_PAGE),
        "GetMetricData": ceil(LOG_GROUPS / PER_METRICS_CALL),
        "FilterLogEvents": LOG_GROUPS - ACTIVE,
        # And one that tells that all of the date is sent.
        "SendMessageBatch": ceil(measured.sent / PER_BATCH) + 1,
    }


def _times(measured: Measured, slept_s: float) -> Table:
    table = Table(title=f"{LOG_GROUPS} log groups, {ACTIVE} of them with events", box=None)
    for column in ("", "seconds", "÷ bare calls"):
        table.add_column(column, justify="left" if not column else "right")
    bare_s = median(measured.bare)
    for name, seconds in {
        "the same calls by bare clients": bare_s,
        "the planner": median(measured.ours),
        "aws-logs-export-to-s3 (scaled)": slept_s,
    }.items():
        table.add_row(name, f"{seconds:.1f}", f"{seconds / bare_s:.2f}")
    return table


def _calls(measured: Measured, bounds: Mapping[str, int]) -> Table:
    table = Table(title="API calls", box=None)
    for column in ("operation", "calls", "bound", "run again"):
        table.add_column(column, justify="left" if column == "operation" else "right")
    for operation, count in sorted(measured.calls.items()):
        bound = str(bounds[operation]) if operation in bounds else ""
        table.add_row(operation, str(count), bound, str(measured.again[operation] or ""))
    return table


def _memory(peaks: Mapping[int, float]) -> Table:
    table = Table(title="Peak memory of the whole process", box=None)
    table.add_column("log groups", justify="right")
    table.add_column("MiB", justify="right")
    for number, mib in peaks.items():
        table.add_row(f"{number:,}", f"{mib:.0f}")
    return table


# --- on LocalStack


def _on_localstack() -> tuple[Measured, float]:
    """Return what was measured, and the seconds that aws-logs-export-to-s3 would take."""
    with (
        TemporaryDirectory(prefix="logferry-bench-") as folder,
        running(Path(folder)) as started,
        _environment(started.endpoint),
    ):
        _seed(started.endpoint)
        _create_bucket(ARCHIVE)
        measured = Measured()
        for number in range(ROUNDS):
            _round(number, measured)
        return measured, _slept_s()


@contextmanager
def _environment(endpoint: str) -> Iterator[None]:
    variables = {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "any",
        "NO_PROXY": "127.0.0.1",
    }
    level = logger.log_level
    logger.setLevel("CRITICAL")
    with patch.dict(os.environ, variables):
        yield
    logger.setLevel(level)


def _window() -> Window:
    return previous_day(datetime.now(UTC))


def _seed(endpoint: str) -> None:
    window = _window()
    groups = [
        {
            "name": f"/bench/{number:05}",
            "created_ms": window.from_ms - 1,
            "streams": [{"name": "main", "events": [[window.from_ms, "x" * (number % 97)]]}]
            if number < ACTIVE
            else [],
        }
        for number in range(LOG_GROUPS)
    ]
    for some in batched(groups, 500, strict=False):
        document = {"account": SOURCE_ACCOUNT, "region": REGION, "log_groups": some}
        request = urllib.request.Request(  # noqa: S310  (loopback http)
            f"{endpoint}/_devstack/logs",
            json.dumps(document).encode(),
            {"Content-Type": "application/json"},
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(request, timeout=120).close()


def _round(number: int, measured: Measured) -> None:
    """Plan with a ledger and a queue of its own, and have the same calls made to others."""
    queue_url = _make_empty(f"control-{number}")
    calls: list[Call] = []
    with _written_down(calls):
        took_s, answer = _plan(f"control-{number}")
    measured.ours.append(took_s)
    measured.calls = Counter(call.operation for call in calls)
    measured.sent = answer["data"]["requested"]
    if (measured.sent, answer["data"]["skipped"]) != (ACTIVE, {"empty": LOG_GROUPS - ACTIVE}):
        raise RuntimeError(f"not what was seeded: {answer}")
    again: list[Call] = []
    with _written_down(again):
        _plan(f"control-{number}")
    measured.again = Counter(call.operation for call in again)
    bare_queue_url = _make_empty(f"bare-{number}")
    replaced = {f"control-{number}": f"bare-{number}", queue_url: bare_queue_url}
    measured.bare.append(_replayed_s(calls, replaced))


def _make_empty(bucket: str) -> str:
    """Make a control bucket and a new queue; return the queue's URL."""
    _create_bucket(bucket)
    # Each round is of a profile of its own: a queue's name cannot be taken again within a minute.
    name = f"log-sqs-{bucket}-collect.fifo"
    url: str = boto3.client("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})[
        "QueueUrl"
    ]
    return url


def _create_bucket(name: str) -> None:
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION}
    )


def _plan(bucket: str) -> tuple[float, dict[str, Any]]:
    """Invoke the handler in this process; return its seconds and its answer."""
    topic_arn = boto3.client("sns").create_topic(Name="log-export-events")["TopicArn"]
    settings = {
        "CONTROL_BUCKET": bucket,
        "TOPIC_ARN": topic_arn,
        "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/planner-dlq",
        "SETTLE_MINUTES": "0",
        "LOOKBACK_DAYS": "1",
    }
    event = {
        "specversion": "1.0",
        "id": "bench",
        "source": "urn:bench",
        "type": "logferry.plan.requested.v1",
        "time": "2026-11-23T06:00:00Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:logferry:schema:plan-request:1.1",
        "data": {
            "source": {
                "profile": bucket,
                "account_id": SOURCE_ACCOUNT,
                "region": REGION,
                "role_arn": ROLE_ARN,
            },
            "bucket": ARCHIVE,
            "window_rule": {"unit": "day", "time_zone": "UTC"},
        },
    }
    context = SimpleNamespace(
        invoked_function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:logferry-planner",
        aws_request_id="bench",
        function_name="logferry-planner",
        memory_limit_in_mb=512,
        get_remaining_time_in_millis=lambda: 900_000,
    )
    with patch.dict(os.environ, settings):
        handler._wiring.cache_clear()  # noqa: SLF001  (a new Lambda environment)
        handler._wiring()  # noqa: SLF001  (made at the cold start)
        began_s = time.perf_counter()
        with redirect_stdout(StringIO()):  # of its metrics
            answer = handler.handle(event, cast("Any", context))
        return time.perf_counter() - began_s, answer


@contextmanager
def _written_down(calls: list[Call]) -> Iterator[None]:
    """Write down every API call that any client makes."""
    make = BaseClient._make_api_call  # type: ignore[attr-defined]  # noqa: SLF001

    def writing_down(client: BaseClient, operation: str, parameters: dict[str, Any]) -> Any:
        in_parallel = threading.current_thread() is not threading.main_thread()
        call = Call(client, operation, parameters, in_parallel)
        calls.append(call)
        try:
            return make(client, operation, parameters)
        except ClientError:
            call.failed = True
            raise

    with patch.object(BaseClient, "_make_api_call", writing_down):
        yield


def _replayed_s(calls: Sequence[Call], replaced: Mapping[str, str]) -> float:
    """Make calls again, with other names of bucket and queue; return how long it takes."""
    used = {id(call.client): call.client for call in calls}
    clients = {number: _bare(client) for number, client in used.items()}
    threads = {"FilterLogEvents": READERS}

    def make(call: Call) -> None:
        parameters = {
            name: replaced.get(value, value) if isinstance(value, str) else value
            for name, value in call.parameters.items()
        }
        with suppress(*([ClientError] if call.failed else [])):
            getattr(clients[id(call.client)], xform_name(call.operation))(**parameters)

    began_s = time.perf_counter()
    for (in_parallel, operation), some in groupby(
        calls, lambda call: (call.in_parallel, call.operation)
    ):
        if in_parallel:
            with ThreadPoolExecutor(threads.get(operation, THREADS)) as pool:
                list(pool.map(make, some))
        else:
            for call in some:
                make(call)
    return time.perf_counter() - began_s


def _bare(client: BaseClient) -> Any:
    """Return another client of the same service and account."""
    credentials = client._get_credentials()  # type: ignore[attr-defined]  # noqa: SLF001
    session = boto3.Session(
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.token,
        region_name=REGION,
    )
    return session.client(cast("Any", client.meta.service_model.service_name), config=CLIENT_CONFIG)


def _slept_s() -> float:
    """Return what a planner takes that sends ten, sleeps, and sends the next ten.

    That is how aws-logs-export-to-s3 does it, without ledger, metrics or a look at the answer.
    """
    began_s = time.perf_counter()
    pages = _source_logs().get_paginator("describe_log_groups").paginate()
    names = [group["logGroupName"] for page in pages for group in page["logGroups"]]
    listed_s = time.perf_counter() - began_s
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="slept.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    began_s = time.perf_counter()
    for some in batched(names[:SLEPT_THROUGH], PER_BATCH, strict=False):
        entries = [
            {
                "Id": str(number),
                "MessageBody": name,
                "MessageGroupId": "slot",
                "MessageDeduplicationId": str(hash(name)),
            }
            for number, name in enumerate(some)
        ]
        sqs.send_message_batch(QueueUrl=url, Entries=cast("Any", entries))
        time.sleep(SLEEP_S)
    return listed_s + (time.perf_counter() - began_s) * len(names) / SLEPT_THROUGH


def _source_logs() -> Any:
    credentials = boto3.client("sts").assume_role(RoleArn=ROLE_ARN, RoleSessionName="bench")[
        "Credentials"
    ]
    return boto3.client(
        "logs",
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
    )


# --- in memory


class _Account:
    """A source's account whose log groups come one by one; of five, four are idle."""

    def __init__(self, log_groups: int) -> None:
        self._log_groups = log_groups

    def open(self, _source: Any) -> "_Account":
        return self

    def leave(self) -> None:
        """Nobody shares the calls with this one."""

    def log_groups(self) -> Iterator[LogGroup]:
        for number in range(self._log_groups):
            name = f"/aws/lambda/some-service-with-a-name-{number:06}"
            yield LogGroup(
                name=name,
                arn=f"arn:aws:logs:{REGION}:{SOURCE_ACCOUNT}:log-group:{name}",
                log_group_class="STANDARD",
                created_ms=0,
                stored_bytes=number,
            )

    def incoming_log_events(self, names: Iterable[str], **_range: Any) -> dict[str, int]:
        return {name: 0 if int(name[-6:]) % 5 else 100 for name in names}

    def has_events(self, *_asked: Any) -> bool:
        return False

    def retention_policies(self) -> tuple[()]:
        return ()


class _Forgetful:
    """A ledger, outbox, queue and topic that take everything and keep nothing."""

    def known(self, *_asked: Any) -> Iterator[tuple[Window, str]]:
        yield from ()

    def create(self, records: Iterable[LedgerRecord]) -> list[LedgerRecord]:
        return list(records)

    def notes(self, *_asked: Any) -> list[Any]:
        return []

    def put(self, *_given: Any, **_more: Any) -> str:
        return "note"

    def there(self, *_asked: Any) -> list[Any]:
        return []

    def windows(self, *_asked: Any) -> list[Any]:
        return []

    def is_empty(self, *_asked: Any) -> bool:
        return False

    def is_there(self, *_asked: Any, **_more: Any) -> bool:
        return False

    def urls(self, *_asked: Any, **_more: Any) -> dict[str, str]:
        return {"slot": "queue"}

    def get(self, *_asked: Any) -> bool:
        return False

    def read(self, keys: Iterable[str]) -> list[None]:
        return [None for _ in keys]

    def ignore(self, *_given: Any, **_more: Any) -> None:
        """Take anything."""

    check = send = remove = publish = ignore


def _plan_in_memory(log_groups: int) -> None:
    source = {
        "profile": "bench",
        "account_id": SOURCE_ACCOUNT,
        "region": REGION,
        "role_arn": ROLE_ARN,
    }
    request = {
        "source": source,
        "bucket": ARCHIVE,
        "window_rule": {"unit": "day", "time_zone": "UTC"},
    }
    settings = Settings.from_env(
        {
            "AWS_REGION": REGION,
            "CONTROL_BUCKET": "control",
            "TOPIC_ARN": f"arn:aws:sns:{REGION}:{ACCOUNT}:log-export-events",
            "DEAD_LETTER_QUEUE_URL": "http://127.0.0.1/planner-dlq",
            "LOOKBACK_DAYS": "1",
        }
    )
    forgetful = cast("Any", _Forgetful())
    wiring = Wiring(
        settings=settings,
        accounts=cast("Any", _Account(log_groups)),
        infrastructure=forgetful,
        archive=forgetful,
        control=Control(
            ledger=forgetful,
            outbox=forgetful,
            day_notes=forgetful,
            part_notes=forgetful,
            open_notes=forgetful,
            files=forgetful,
            inventories=forgetful,
            backfills=forgetful,
        ),
        messages=Messages(
            queues=forgetful, topic=forgetful, continuations=forgetful, dead_letters=forgetful
        ),
        clock=lambda: datetime(2026, 11, 23, 6, tzinfo=UTC),
        pause=time.sleep,
    )
    invocation = Invocation(
        function_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:logferry-planner",
        request_id="bench",
        remaining_ms=lambda: 900_000,
    )
    asked = PlanRequestData.model_validate_json(json.dumps(request))
    answer = begin(wiring, asked, None, invocation)
    if answer["data"]["found"] != log_groups:
        raise RuntimeError(f"not what is there: {answer}")


def _peak_mib(log_groups: int) -> float:
    """Plan in a process of its own, and return its peak memory."""
    variables = {**os.environ, "POWERTOOLS_LOG_LEVEL": "CRITICAL"}
    variables["POWERTOOLS_METRICS_DISABLED"] = "true"
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.planner", str(log_groups)],
        check=True,
        capture_output=True,
        env=variables,
        cwd=Path(__file__).parents[1],
    )
    return float(ended.stdout.split()[-1])


if __name__ == "__main__":
    _plan_in_memory(int(sys.argv[1]))
    print(own_peak_bytes() / 1024**2)  # noqa: T201  (for the parent)
