"""The suite in the embedded LocalStack: deployed from its templates and zips, used from outside."""

import json
import os
import time
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import urlencode, urlsplit

import boto3
from botocore.config import Config as ClientConfig
from localstack_client.session import Session

from devstack.organisation import LogGroup, previous_day
from logferry import drift
from logferry.config import Config
from logferry.hub import Options, deploy_hub, deploy_source_account, stacks_of
from logferry.package import Target, Zip
from logferry.stack import Watch
from logferry_contracts.export import Destination, Lane, export_id
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_key import LEDGER
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup as ExportedLogGroup
from logferry_contracts.message import timestamp
from logferry_contracts.plan_request import PlanRequest
from logferry_contracts.source import Source, SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from logferry_contracts.zones import zone_named

REGION = "eu-west-1"
ORGANIZATION_ID = "o-exampleorgid"
"""The organisation that the add-ons take all accounts for members of."""
EXTERNAL_ID = "hub-1"
TIME_ZONES = ("Asia/Seoul", "America/Bogota")
"""UTC+9 and UTC-5, both without a summer time: midnight is ten hours away in one of them."""


def far_from_midnight(now: datetime) -> str:
    """Return the zone in which the date stays what it is for the longest, ten hours at least."""

    def left(name: str) -> timedelta:
        local = now.astimezone(zone_named(name)).replace(tzinfo=None)
        return datetime.combine(local.date() + timedelta(days=1), datetime.min.time()) - local

    return max(TIME_ZONES, key=left)


TIME_ZONE = far_from_midnight(datetime.now(UTC))
"""The days that the execution variables mean: a run that begins today does not end tomorrow."""
FIRE_AHEAD = timedelta(seconds=4)


@cache
def yesterday() -> Window:
    """Return the day that a plan is for: whoever asks, and however late in a run."""
    return previous_day(datetime.now(zone_named(TIME_ZONE)))


def date_of(window: Window) -> date:
    """Return the date that a window is, as plans by date name it."""
    return window.start.astimezone(zone_named(TIME_ZONE)).date()


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy is asked for what is on this machine."""


class Suite:
    """The suite of one hub account in one LocalStack.

    Attributes:
        endpoint: LocalStack's URL on this machine.
        hub_account_id: The account that holds the archive and the services.
        accounts: The account id of each source, by its profile.
        name: What the names of its stacks, roles and parameters begin with.
        direct_lane_bytes: Windows that are guessed to have fewer take the direct lane.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        hub_account_id: str,
        accounts: Mapping[str, str],
        name: str = "logferry",
        direct_lane_bytes: int = 10_000_000,
    ) -> None:
        self.endpoint = endpoint
        self.hub_account_id = hub_account_id
        self.name = name
        self._accounts = accounts
        self._direct_lane_bytes = direct_lane_bytes
        self._clients: dict[tuple[str, str], Any] = {}
        self._records: dict[tuple[str, str], LedgerRecord] = {}

    def client(self, service: str, account_id: str | None = None) -> Any:
        """Return a client of the hub, or of another account."""
        account_id = account_id or self.hub_account_id
        if (service, account_id) not in self._clients:
            session = Session(
                aws_access_key_id=account_id,  # LocalStack takes the access key for the account
                region_name=REGION,
                localstack_host=urlsplit(self.endpoint).netloc,
            )
            self._clients[service, account_id] = session.client(
                service, config=ClientConfig(max_pool_connections=16, proxies={})
            )
        return self._clients[service, account_id]

    def enforce_permissions(self) -> None:
        """From now on, refuse every call of a function that its role's policies do not allow."""
        for account_id in (self.hub_account_id, *self._accounts.values()):
            self.control("authorization", {"account": account_id, "enforced": True})

    def deploy(self, zips: Sequence[Zip], watch: Watch = lambda _: None) -> None:
        """Deploy a role into each source's account, and the services into the hub's.

        Raises:
            DeployError: A stack failed; names each resource that failed, and why.
        """
        with self._as_aws():
            for profile, account_id in self._accounts.items():
                named = _named(profile, watch)
                deploy_source_account(_session(account_id), self.config, profile, named)
            deploy_hub(_session(self.hub_account_id), self.config, zips, watch)

    def deploy_recounter(self, zips: Sequence[Zip], profile: str) -> str:
        """Deploy a source's recounter, which not every suite has, and return its function's name.

        The sealer stays as it is: it waits for nobody's count.

        Raises:
            DeployError: Its stack failed.
        """
        document = self.config.model_dump(mode="json", exclude_none=True)
        config = Config.model_validate({**document, "recount": {"state": "ENABLED"}})
        options = Options(only=[f"recounter-{config.source(profile).slug}"])
        with self._as_aws():
            deploy_hub(_session(self.hub_account_id), config, zips, options=options)
        return f"{self.name}-recounter-{config.source(profile).lowercase_profile}"

    @property
    def config(self) -> Config:
        """What is deployed.

        Settle 0, as the logs of yesterday are all there already; yesterday only, as there is a
        run for it alone; and no pause after a failure, as no test waits for the clock.
        """
        return Config.model_validate(
            {
                "name": self.name,
                "region": REGION,
                "hub_account_id": self.hub_account_id,
                "organization_id": ORGANIZATION_ID,
                "external_id": EXTERNAL_ID,
                # Touches nothing where execution variables carry no QueueOptions.
                "provisioning": "ENABLED",
                "settle_minutes": 0,
                "lookback_days": 1,
                "time_zone": TIME_ZONE,
                # A message whose exporter was killed comes back after these.
                "direct_lane": {
                    "planned_bytes": self._direct_lane_bytes,
                    "function_timeout_s": 6,
                    "visibility_timeout_s": 6,
                },
                # A date is sealed as soon as it is whole.
                "sealer": {"seal_after_hours": 0},
                "architecture": Target.of("host").architecture,
                "exporter": {
                    "function_timeout_s": 6,
                    "visibility_timeout_s": 6,
                    "retry_backoff_s": 0,
                },
                "sources": [
                    {"profile": profile, "account_id": account_id, "schedule": "cron(10 3 * * ? *)"}
                    for profile, account_id in self._accounts.items()
                ],
            }
        )

    @contextmanager
    def _as_aws(self) -> Iterator[None]:
        """Let boto3 find LocalStack where it looks for AWS."""
        before = os.environ.get("AWS_ENDPOINT_URL")
        os.environ["AWS_ENDPOINT_URL"] = self.endpoint
        try:
            yield
        finally:
            del os.environ["AWS_ENDPOINT_URL"]
            if before is not None:
                os.environ["AWS_ENDPOINT_URL"] = before

    def parameter(self, name: str) -> str:
        """Return a value that the stacks share."""
        value: str = self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        return value

    @property
    def archive_bucket(self) -> str:
        """The archive bucket."""
        return self.parameter(f"/{self.name}/archive/bucket")

    @property
    def kms_key_arn(self) -> str:
        """The key that every object of the archive has to be under."""
        return self.parameter("/app/cloudwatch/log/export/s3/kms/arn")

    def source(self, profile: str) -> SourceName:
        """Return a deployed source."""
        return SourceName(profile=profile, account_id=self._accounts[profile], region=REGION)

    def put_logs(self, account_id: str, log_groups: Iterable[LogGroup]) -> None:
        """Create log groups, at the age they have, with their events."""
        self.control(
            "logs",
            {
                "account": account_id,
                "region": REGION,
                "log_groups": [
                    {
                        "name": group.name,
                        "created_ms": group.created_ms,
                        "log_group_class": group.log_group_class,
                        **(
                            {"retention_days": group.retention_days} if group.retention_days else {}
                        ),
                        "streams": [asdict(stream) for stream in group.streams],
                    }
                    for group in log_groups
                ],
            },
        )

    def subscribe(self, queue_name: str) -> str:
        """Subscribe a new queue to every event of the suite, as a team would; return its URL."""
        sqs, sns = self.client("sqs"), self.client("sns")
        topic_arn = self.parameter(f"/{self.name}/topic/arn")
        url: str = sqs.create_queue(QueueName=queue_name)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        queue_arn = arn["Attributes"]["QueueArn"]
        allow_topic = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": queue_arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
                }
            ],
        }
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(allow_topic)})
        sns.subscribe(
            TopicArn=topic_arn,
            Protocol="sqs",
            Endpoint=queue_arn,
            Attributes={"RawMessageDelivery": "true"},
        )
        return url

    def unsubscribe(self, queue_name: str) -> None:
        """Delete a queue that was subscribed, and its subscription, which would outlive it."""
        sqs, sns = self.client("sqs"), self.client("sns")
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(
            TopicArn=self.parameter(f"/{self.name}/topic/arn")
        )
        for each in [found for page in pages for found in page["Subscriptions"]]:
            if each["Endpoint"].endswith(f":{queue_name}"):
                sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=self.queue_url(queue_name))

    def receive(self, queue_url: str, *, wait_s: int = 1) -> Iterator[str]:
        """Yield the bodies that are in a queue now, each deleted once it has been taken.

        Only while there is none, it is waited for.
        """
        sqs = self.client("sqs")
        while True:
            got = sqs.receive_message(
                QueueUrl=queue_url, MaxNumberOfMessages=10, WaitTimeSeconds=wait_s
            ).get("Messages", [])
            if not got:
                return
            wait_s = 0
            for message in got:
                yield message["Body"]
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])

    def fire_schedule(self, of: str) -> datetime:
        """Set the schedule of a source, or of ``backfill``, to fire once, in some seconds.

        Returns:
            When.
        """
        scheduler = self.client("scheduler")
        name = f"{self.name}-{of}"
        known = scheduler.get_schedule(Name=name)
        at = datetime.min.replace(tzinfo=UTC)
        # A schedule that is stored when its time has passed never fires.
        while at <= datetime.now(UTC):
            at = datetime.now(UTC).replace(microsecond=0) + FIRE_AHEAD
            scheduler.update_schedule(
                Name=name,
                ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},  # whoever fires it waits for it
                Target=known["Target"],
                State="ENABLED",
            )
        return at

    def undo_changes(self) -> None:
        """Bring back what was changed behind the hub's stacks, such as schedules that have fired.

        Raises:
            DeployError: A service refuses.
        """
        with self._as_aws():
            session = _session(self.hub_account_id)
            clients, stacks = drift.clients_of(session, REGION), stacks_of(session, self.config)
            for name in stacks.names():
                drift.mend(clients, stacks, name, lambda _: None)

    def invoke_planner(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke the planner with an event and return its answer.

        Raises:
            RuntimeError: It raised, with what it said.
        """
        answer = self.client("lambda").invoke(
            FunctionName=f"{self.name}-planner", Payload=json.dumps(event)
        )
        payload: dict[str, Any] = json.load(answer["Payload"])
        if "FunctionError" in answer:
            raise RuntimeError(json.dumps(payload))
        return payload

    def plan_request(
        self, profile: str, *, include: list[str], collect_date: str | None = None
    ) -> dict[str, Any]:
        """Return a PlanRequest for the log groups that match a pattern.

        It is for the previous day, or for a date, which is planned again where it failed.
        """
        rule = {"unit": "day", "time_zone": TIME_ZONE, "settle_minutes": 0, "lookback_days": 1}
        return {
            "specversion": "1.0",
            "id": uuid.uuid4().hex,
            "source": "devstack",
            "type": PlanRequest.TYPE,
            "time": timestamp(datetime.now(UTC)),
            "datacontenttype": "application/json",
            "dataschema": PlanRequest.SCHEMA,
            "data": {
                "source": self.reachable(profile).model_dump(),
                "bucket": self.archive_bucket,
                "window_rule": rule,
                "selection": {"include": include},
                **({"collect_date": collect_date} if collect_date else {}),
            },
        }

    def reachable(self, profile: str) -> Source:
        """Return a source and how to reach it, as requests name it."""
        name = self.source(profile)
        role_arn = f"arn:aws:iam::{name.account_id}:role/{self.name}-source"
        return Source(**name.model_dump(), role_arn=role_arn, external_id=EXTERNAL_ID)

    def export_request(
        self,
        profile: str,
        name: str,
        *,
        generation: int = 1,
        lane: Lane = "slot",
        log_group_class: str = "INFREQUENT_ACCESS",
    ) -> ExportRequestedData:
        """Return the request for the previous day of a log group, as the planner sends it."""
        source, window = self.reachable(profile), yesterday()
        return ExportRequestedData(
            export_id=export_id(source, name, window, generation),
            generation=generation,
            source=source,
            log_group=ExportedLogGroup(
                name=name,
                arn=f"arn:aws:logs:{source.region}:{source.account_id}:log-group:{name}",
                log_group_class=log_group_class,
                created_ms=window.from_ms - 1,
            ),
            window=window,
            destination=Destination(
                bucket=self.archive_bucket, prefix=f"{profile}{name}/2026/11/21/00"
            ),
            lane=lane,
            estimated_bytes=0,
        )

    def send_request(self, request: ExportRequestedData, *, tries: int = 0) -> None:
        """Send a request to its lane, or to its tail once more, as after so many tries."""
        event = ExportRequested.of(
            request, id=request.export_id, source="urn:test", time=datetime.now(UTC)
        )
        source, is_direct = request.source, request.lane == "direct"
        attribute = {"tries": {"DataType": "Number", "StringValue": str(tries)}}
        self.client("sqs").send_message(
            QueueUrl=self.queue_url(source.direct_queue_name if is_direct else source.queue_name),
            MessageBody=emit(event),
            MessageGroupId=source.direct_slot if is_direct else source.slot,
            MessageDeduplicationId=event.id,
            MessageAttributes=attribute if tries else {},
        )

    def write_record(self, request: ExportRequestedData, **changes: Any) -> LedgerRecord:
        """Write a request's ledger record, with changes of its fields, as an administrator can."""
        document = json.loads(emit(request.first_record(datetime.now(UTC)))) | changes
        written = LedgerRecord.model_validate(document)
        self.client("s3").put_object(
            Bucket=self.config.control_bucket, Key=written.key, Body=emit(written).encode()
        )
        return written

    def queue_url(self, name: str) -> str:
        """Return the URL of one of the hub's queues."""
        url: str = self.client("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        return url

    def export_tasks(self, profile: str, *, name: str) -> list[dict[str, Any]]:
        """Return a source's export tasks of a name."""
        logs = self.client("logs", self.source(profile).account_id)
        pages = logs.get_paginator("describe_export_tasks").paginate()
        return [
            task for page in pages for task in page["exportTasks"] if task.get("taskName") == name
        ]

    def waiting(self, queue_name: str) -> int:
        """Return how many messages of one of the hub's queues are not done with."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.client("sqs").get_queue_attributes(
            QueueUrl=self.queue_url(queue_name), AttributeNames=names
        )["Attributes"]
        return sum(int(counts[name]) for name in names)

    @contextmanager
    def busy_slot(self, profile: str) -> Iterator[str]:
        """Let somebody else's export task run in a source's account; yield its id.

        The task is cancelled at the end, if nobody else has.
        """
        source = self.source(profile)
        logs = self.client("logs", source.account_id)
        name = f"/somebody-else/{uuid.uuid4().hex}"
        logs.create_log_group(logGroupName=name)
        now_ms = round(time.time() * 1000)
        self.control("exports", {"account": source.account_id, "running_s": 3600})
        task_id = logs.create_export_task(
            logGroupName=name,
            fromTime=now_ms - 1000,
            to=now_ms,
            destination=self.archive_bucket,
            destinationPrefix="somebody-else",
        )["taskId"]
        self.control("exports", {"account": source.account_id, "running_s": 0.1})
        try:
            yield task_id
        finally:
            with suppress(logs.exceptions.InvalidOperationException):
                logs.cancel_export_task(taskId=task_id)

    def ledger(self) -> list[LedgerRecord]:
        """Return every record of the ledger; one that was read is read again if it differs."""
        s3, bucket = self.client("s3"), self.parameter(f"/{self.name}/control/bucket")
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=LEDGER)
        listed = [
            (found["Key"], found["ETag"]) for page in pages for found in page.get("Contents", [])
        ]
        self._records = {
            (key, etag): self._records.get((key, etag))
            or parse(LedgerRecord, s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            for key, etag in listed
        }
        return list(self._records.values())

    def control(
        self, route: str, body: dict[str, Any] | None = None, *, method: str | None = None
    ) -> Any:
        """Call one of the add-ons' control routes: POST with a body, GET without."""
        request = urllib.request.Request(  # noqa: S310  (loopback http)
            f"{self.endpoint}/_devstack/{route}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with _DIRECT.open(request, timeout=60) as answer:
            return json.load(answer)

    def calls(self, profile: str) -> list[str]:
        """Return the AWS calls of a source's exporter, such as ``logs.CreateExportTask``.

        They are in order for each of its functions: the slot's come first, the direct lane's then.
        """
        return [
            f"{call['service']}.{call['operation']}"
            for faults in self._faults(profile)
            for call in faults["calls"]
        ]

    def kills(self, profile: str) -> int:
        """Return how often a source's exporter was killed."""
        return sum(faults["kills"] for faults in self._faults(profile))

    def kill_exporter(self, profile: str, *, after_call: int, repeat: bool = False) -> None:
        """Kill an exporter's process after its AWS call of this number, the answer being lost.

        Each of its functions counts its own calls.
        """
        for name in self._exporter_functions(profile):
            armed = {"function": name, "kill_after_call": after_call, "repeat": repeat}
            self.control("faults", armed)

    def reset_faults(self, *functions: str) -> None:
        """Disarm the faults of these functions, and forget their calls and kills.

        Of all functions where none is named, which only who has LocalStack for itself may do.
        """
        query = urlencode([("function", name) for name in functions])
        self.control(f"faults?{query}", method="DELETE")

    def spare_exporters(self) -> None:
        """Disarm the faults of the exporters, and forget their calls and kills."""
        names = [name for profile in self._accounts for name in self._exporter_functions(profile)]
        self.reset_faults(*names)

    def _faults(self, profile: str) -> list[dict[str, Any]]:
        seen: dict[str, dict[str, Any]] = self.control("faults")["functions"]
        return [seen[name] for name in self._exporter_functions(profile) if name in seen]

    def _exporter_functions(self, profile: str) -> tuple[str, str]:
        source = self.source(profile)
        return source.exporter_function_name, source.direct_function_name


def _named(profile: str, watch: Watch) -> Watch:
    """Say whose stack it is: those of the source accounts all have the same name."""
    return lambda progress: watch(replace(progress, subject=f"{progress.subject} in {profile}"))


def _session(account_id: str) -> boto3.Session:
    return boto3.Session(
        aws_access_key_id=account_id,  # LocalStack takes the access key for the account
        aws_secret_access_key="any",  # noqa: S106  (and does not look at this)
        region_name=REGION,
    )
