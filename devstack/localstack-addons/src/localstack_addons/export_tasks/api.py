"""Export tasks on LocalStack: its log groups, its S3, its API, and a route to change the settings.

From documentation
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html,
API_DescribeExportTasks, API_CancelExportTask,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html): one active task per
account and Region, status codes, filters, pages, order, parameters' limits, `from` and `to` as
event timestamps with both ends inclusive, a bucket of the same Region and of any account, the
bucket policy, no DSSE-KMS, the bucket's default encryption and Object Lock honoured, Infrequent
Access exported.

Documented and not so: a `to` before the log group's creation is taken. AWS was seen to take it
(LocalStack's tests/aws/services/logs/test_logs_export_tasks.py, recorded against AWS on 2026-02-05,
and moto's tests/test_logs/test_export_tasks.py, `test_create_export_task_happy_path`, marked
`aws_verified`).

Recorded on AWS: the write test at the bucket's root where no prefix is given (getmoto/moto,
tests/test_logs/test_export_tasks.py, `test_create_export_task_happy_path`, and
localstack/localstack, tests/aws/services/logs/test_logs_export_tasks.py, 2026-02-05).

Seen by others, not documented: the messages of LimitExceededException and of a refused bucket, the
objects' keys (`<prefix>/<task id>/<stream, slashes as hyphens>/000000.gz`), the write test, the
lines' form.

Unverified, chosen here: that PENDING_CANCEL still holds the place; which error wins where several
apply; that DELIVERY log groups are refused; that an empty prefix counts as none; the message of a
bucket in another Region; that two streams of the same folder share its numbers; that a bucket which
shuts its door meanwhile makes a task FAIL; the size of an object; how a message's own line end is
written; how long tasks stay listed.

Not modelled: the caller's own permissions (s3:PutObject on the bucket), key policies of an
encrypted bucket, the time events take to become exportable, AWS's limits on calls a second.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from localstack_addons.export_tasks.bucket_policy import EXPORT_ACL
from localstack_addons.export_tasks.settings import SettingsBook, SettingsError
from localstack_addons.export_tasks.tasks import (
    AccountRegion,
    Bucket,
    Event,
    ExportTasks,
    LogGroup,
    refused_by_bucket,
)
from localstack_addons.logs.log_groups import class_of
from localstack_addons.refusals import refusing

ROUTE = "/_devstack/exports"


class LocalStackBackend:
    """LocalStack's log groups, read in its process, and its S3, written through its API."""

    def log_group(self, where: AccountRegion, name: str) -> LogGroup | None:
        """The log group, None where there is none."""
        group = _log_groups(where).get(name)
        return group and LogGroup(class_of(group))

    def stream_names(self, where: AccountRegion, log_group_name: str) -> Iterable[str]:
        """Every stream's name."""
        return list(_log_groups(where)[log_group_name].streams)

    def events(
        self, where: AccountRegion, log_group_name: str, stream_name: str
    ) -> Iterable[Event]:
        """Every event of a stream, oldest first."""
        stored = list(_log_groups(where)[log_group_name].streams[stream_name].events)
        stored.sort(key=lambda event: event.timestamp)
        return (Event(event.timestamp, event.message) for event in stored)

    def bucket(self, name: str) -> Bucket | None:
        """The bucket of any account, None where there is none."""
        found = _s3_bucket(name)
        if found is None:
            return None
        rule = (found.encryption_rule or {}).get("ApplyServerSideEncryptionByDefault") or {}
        return Bucket(
            region=found.bucket_region,
            policy=json.loads(found.policy) if found.policy else None,
            default_encryption=rule.get("SSEAlgorithm", "AES256"),
        )

    def put_object(
        self, where: AccountRegion, log_group_name: str, bucket: str, key: str, body: bytes
    ) -> None:
        """Write an object as any client would, so that defaults apply and events follow.

        Raises:
            ExportError: S3 does not take it.
        """
        from botocore.exceptions import ClientError  # noqa: PLC0415
        from localstack.aws.connect import connect_to  # noqa: PLC0415

        clients = connect_to(aws_access_key_id=where.account_id, region_name=where.region)
        source_arn = f"arn:aws:logs:{where.region}:{where.account_id}:log-group:{log_group_name}"
        s3 = clients.s3.request_metadata(service_principal="logs", source_arn=source_arn)
        try:
            s3.put_object(Bucket=bucket, Key=key, Body=body, ACL=EXPORT_ACL)
        except ClientError as error:
            raise refused_by_bucket("PutObject") from error


def _log_groups(where: AccountRegion) -> dict[str, Any]:
    from moto.logs.models import logs_backends  # noqa: PLC0415

    groups: dict[str, Any] = logs_backends[where.account_id][where.region].groups
    return groups


def _s3_bucket(name: str) -> Any:
    from localstack.constants import AWS_REGION_US_EAST_1, DEFAULT_AWS_ACCOUNT_ID  # noqa: PLC0415
    from localstack.services.s3.models import s3_stores  # noqa: PLC0415

    # Which account owns which bucket is known to every store alike.
    owners = s3_stores[DEFAULT_AWS_ACCOUNT_ID][AWS_REGION_US_EAST_1].global_bucket_map
    owner = owners.get(name)
    return owner and s3_stores[owner][AWS_REGION_US_EAST_1].buckets.get(name)


def install() -> None:
    """Take over the three operations and open the route."""
    from localstack.services.edge import ROUTER  # noqa: PLC0415
    from localstack.services.logs.provider import LogsProvider  # noqa: PLC0415

    settings = SettingsBook()
    tasks = ExportTasks(LocalStackBackend(), settings)
    for name, operation in _operations(tasks).items():
        setattr(LogsProvider, name, operation)
    ROUTER.add(ROUTE, _settings_route(settings), methods=["GET", "POST"])


def _operations(tasks: ExportTasks) -> dict[str, Callable[..., Any]]:
    @refusing
    def create_export_task(_provider: Any, context: Any, request: Any) -> dict[str, str]:
        return {"taskId": tasks.create(_where(context), request)}

    @refusing
    def describe_export_tasks(
        _provider: Any,
        context: Any,
        task_id: str | None = None,
        status_code: str | None = None,
        next_token: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Any]:
        return tasks.describe(
            _where(context),
            task_id=task_id,
            status_code=status_code,
            next_token=next_token,
            limit=limit,
        )

    @refusing
    def cancel_export_task(_provider: Any, context: Any, task_id: str) -> None:
        tasks.cancel(_where(context), task_id)

    operations = (create_export_task, describe_export_tasks, cancel_export_task)
    return {operation.__name__: operation for operation in operations}


def _where(context: Any) -> AccountRegion:
    return AccountRegion(context.account_id, context.region)


def _settings_route(settings: SettingsBook) -> Callable[..., Any]:
    def answer(request: Any, **_: Any) -> Any:
        """GET tells the settings; POST `{"account": "111111111111", "running_s": 5}` changes them.

        Without `account`, the settings of every account that has none of its own.
        """
        from localstack.http import Response  # noqa: PLC0415

        if request.method == "POST":
            changes = dict(request.get_json(force=True))
            account_id = changes.pop("account", None)
            try:
                settings.change(changes, account_id)
            except SettingsError as error:
                return Response.for_json({"error": str(error)}, status=400)
        return Response.for_json(settings.as_document())

    return answer
