"""Ten random schedules with the real adapters, on LocalStack's export tasks, buckets and ledger.

The queue stays in memory, so that a message that is given back can be delivered at once.
"""

import gzip
import itertools
import json
import os
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from exporter.aws.archive import Archive
from exporter.aws.ledger import Ledger
from exporter.aws.source_account import SourceAccount
from exporter.errors import TransientError
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_failed import ExportFailed
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.window import Window
from logferry_contracts.wire import parse

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud

    from devstack.pytest_backends import Backend

SCHEDULES = 10
LINES = ["first", "second", "third"]

type CloudFactory = Callable[..., "Cloud"]
type RequestFor = Callable[..., ExportRequestedData]


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing after it happens."""


class Fault(NamedTuple):
    """What happens at one of the calls of a delivery."""

    call: int
    what: Literal["killed", "throttled", "answer lost", "killed after"]


faults = st.none() | st.builds(
    Fault,
    st.integers(1, 12),
    st.sampled_from(["killed", "throttled", "answer lost", "killed after"]),
)


class Counted:
    """An adapter whose calls are counted, and may go wrong, as the fakes' do."""

    def __init__(self, cloud: "Cloud", adapter: Any) -> None:
        self.cloud = cloud
        self.adapter = adapter

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.adapter, name)

        def call(*arguments: Any, **named: Any) -> Any:
            with self.cloud.call(name):
                return method(*arguments, **named)

        return call


class Emulated:
    """An account on LocalStack."""

    def __init__(self, backend: "Backend") -> None:
        self.account_id = backend.account_id
        self.region = backend.region
        self.s3 = backend.client("s3")
        self.logs = backend.client("logs")
        self.archive = f"archive-{self.account_id}"
        self.control = f"control-{self.account_id}"
        for bucket in (self.archive, self.control):
            self.s3.create_bucket(
                Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.region}
            )
        self.s3.put_bucket_versioning(
            Bucket=self.archive, VersioningConfiguration={"Status": "Enabled"}
        )
        self.let_logs_in()
        self.pace(pending_s=0.02, running_s=0.03, cancel_s=0)

    def pace(self, **changes: Any) -> None:
        """Change how export tasks go here."""
        asked = urllib.request.Request(  # noqa: S310  (loopback http)
            f"{os.environ['AWS_ENDPOINT_URL']}/_devstack/exports",
            data=json.dumps({"account": self.account_id, **changes}).encode(),
            headers={"Content-Type": "application/json"},
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(asked, timeout=60):
            pass

    def let_logs_in(self) -> None:
        statements = [
            {
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{self.region}.amazonaws.com"},
                "Action": action,
                "Resource": resource,
            }
            for action, resource in (
                ("s3:GetBucketAcl", f"arn:aws:s3:::{self.archive}"),
                ("s3:PutObject", f"arn:aws:s3:::{self.archive}/*"),
            )
        ]
        policy = {"Version": "2012-10-17", "Statement": statements}
        self.s3.put_bucket_policy(Bucket=self.archive, Policy=json.dumps(policy))

    def log_group(self, name: str) -> None:
        self.logs.create_log_group(logGroupName=name)
        self.logs.create_log_stream(logGroupName=name, logStreamName="web/1")
        now_ms = int(time.time() * 1000)
        self.logs.put_log_events(
            logGroupName=name,
            logStreamName="web/1",
            logEvents=[{"timestamp": now_ms, "message": line} for line in LINES],
        )

    def adapters(self, cloud: "Cloud") -> dict[str, Any]:
        account = Counted(cloud, SourceAccount(self.logs, self.logs))
        return {
            "accounts": Assumed(account),
            "archive": Counted(cloud, Archive(lambda _region: self.s3)),
            "ledger": Counted(cloud, Ledger(self.s3, self.control)),
            "topic": Recorder(cloud),
            "clock": lambda: datetime.now(UTC),
            "sleep": lambda seconds: time.sleep(min(seconds, 0.05)),
        }

    def records(self, window: Window) -> list[LedgerRecord]:
        found = self.s3.list_objects_v2(Bucket=self.control).get("Contents", [])
        bodies = [self.s3.get_object(Bucket=self.control, Key=f["Key"])["Body"] for f in found]
        records = [parse(LedgerRecord, body.read()) for body in bodies]
        return [record for record in records if record.window == window]

    def keys(self, record: LedgerRecord) -> set[str]:
        """What is in the archive of all tries of a window."""
        found = self.s3.list_objects_v2(Bucket=self.archive, Prefix=record.destination.prefix)
        keys = {each["Key"] for each in found.get("Contents", [])}
        return {key for key in keys if not key.endswith("/aws-logs-write-test")}

    def lines(self, record: LedgerRecord) -> list[str]:
        assert record.completed is not None
        bodies = [
            self.s3.get_object(Bucket=self.archive, Key=each.key, VersionId=each.version_id)["Body"]
            for each in record.completed.manifest.objects or []
        ]
        return [
            line.partition(" ")[2]
            for body in bodies
            for line in gzip.decompress(body.read()).decode().splitlines()
        ]


class Assumed:
    """The source's role, assumed already."""

    def __init__(self, account: Counted) -> None:
        self.assumed = account

    def account(self, _source: object, _now: datetime) -> Counted:
        return self.assumed


class Recorder:
    """The topic."""

    def __init__(self, cloud: "Cloud") -> None:
        self.cloud = cloud

    def publish(self, event: ExportCompleted | ExportFailed) -> None:
        with self.cloud.call("topic.publish"):
            self.cloud.events.append(event)


def request_on(
    emulated: Emulated, template: ExportRequestedData, window: Window
) -> ExportRequestedData:
    source = template.source.model_copy(
        update={"account_id": emulated.account_id, "region": emulated.region}
    )
    name = template.log_group.name
    return template.model_copy(
        update={
            "source": source,
            "window": window,
            "export_id": export_id(source, name, window, 1),
            "destination": Destination(
                bucket=emulated.archive, prefix=f"shop{name}/{window.to_ms}"
            ),
        }
    )


def armed(cloud: "Cloud", fault: Fault | None) -> Callable[[int, str], bool]:
    first = len(cloud.calls)

    def at(number: int, side: str) -> bool:
        if fault is not None and number == first + fault.call:
            match side, fault.what:
                case ("before", "killed") | ("after", "killed after"):
                    raise Killed
                case ("before", "throttled") | ("after", "answer lost"):
                    raise TransientError(fault.what)
        return False

    return at


def check(emulated: Emulated, cloud: "Cloud", records: list[LedgerRecord]) -> None:
    for record in records:
        outcome = record.completed or record.failed
        assert outcome is not None
        assert outcome.published_at is not None
        completed = [each for each in records if each.completed and shares_group(each, record)]
        assert len(completed) <= 1
        archived = {
            each.key
            for one in completed
            if one.completed is not None
            for each in one.completed.manifest.objects or []
        }
        assert emulated.keys(record) == archived, "a duplicate, or what a failed task left"
        for one in completed:
            assert emulated.lines(one) == LINES
    texts: defaultdict[str, set[str]] = defaultdict(set)
    for event in cloud.events:
        texts[event.id].add(event.model_dump_json())
    assert set(texts) == {record.export_id for record in records}
    assert all(len(versions) == 1 for versions in texts.values())


def shares_group(one: LedgerRecord, other: LedgerRecord) -> bool:
    return one.log_group.name == other.log_group.name


@pytest.mark.localstack
@pytest.mark.parametrize("backend", ["localstack"], indirect=True)
def test_random_schedules_on_localstack_end_like_those_in_memory(
    backend: "Backend", new_cloud: CloudFactory, request_for: RequestFor
) -> None:
    emulated = Emulated(backend)
    groups = ["/whole", "/broken"]
    for name in groups:
        emulated.log_group(name)
    began_ms = int(time.time() * 1000)
    ends_ms = itertools.count(began_ms + 3_600_000)

    @settings(
        max_examples=SCHEDULES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
    )
    @given(failures=st.sampled_from([0, 1, 3]), deliveries=st.lists(faults, min_size=1, max_size=4))
    def run(failures: int, deliveries: list[Fault | None]) -> None:
        cloud = new_cloud(retry_backoff=timedelta(0))
        cloud.now = datetime.now(UTC)
        cloud.wiring = partial(cloud.wiring, **emulated.adapters(cloud))  # type: ignore[method-assign]
        window = Window(from_ms=began_ms - 3_600_000, to_ms=next(ends_ms))
        emulated.pace(fail_pattern="^/broken$", fail_count=failures)
        for name in groups:
            cloud.request(request_on(emulated, request_for(name), window), is_planned=False)
        for fault in deliveries:
            if cloud.letters:
                cloud.crash = armed(cloud, fault)
                with suppress(Killed, TransientError):
                    cloud.deliver()
        cloud.crash = armed(cloud, None)
        cloud.run()
        check(emulated, cloud, emulated.records(window))

    with redirect_stdout(None):
        run()
