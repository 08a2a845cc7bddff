"""Every template, deployed on LocalStack and read back: a stack that is complete proves nothing.

LocalStack 4.14 drops some properties of some resources and says nothing: LifecycleConfiguration of
buckets, RetentionInDays of log groups. test_templates.py has those.
"""

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config as ClientConfig

from logferry import stack
from logferry.checkout import TEMPLATES
from logferry.config import Config
from logferry.diff import diff
from logferry.doctor import Doctor
from logferry.errors import DeployError
from logferry.hub import deploy_hub, deploy_source_account
from logferry.hub_stacks import code_key
from logferry.package import Zip
from logferry.stack import Stack, deploy_stack
from logferry.sweep import sweep
from logferry.template import load_template
from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.seal_request import SealRequest
from logferry_contracts.wire import parse

pytestmark = pytest.mark.localstack

REGION = "eu-west-1"
TIME = "2026-11-23T06:00:00Z"
ORGANIZATION = "o-a1b2c3d4e5"


@dataclass(frozen=True)
class Deployed:
    """A hub with the sources ``shop`` and ``Pay_ments``."""

    config: Config
    zips: dict[str, Zip]
    client: Callable[..., Any]

    @property
    def hub(self) -> str:
        return self.config.hub_account_id

    @property
    def archive(self) -> str:
        return f"logferry-archive-{self.hub}-{REGION}"

    @property
    def control(self) -> str:
        return f"logferry-control-{self.hub}-{REGION}"

    @property
    def topic_arn(self) -> str:
        return f"arn:aws:sns:{REGION}:{self.hub}:log-export-events"

    @property
    def key_arn(self) -> str:
        arn: str = self.client("kms").describe_key(KeyId="alias/logferry")["KeyMetadata"]["Arn"]
        return arn

    def queue(self, name: str) -> dict[str, str]:
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return {**found, "QueueUrl": url}

    def function(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client("lambda").get_function_configuration(FunctionName=name)
        return found

    def role(self, name: str, account_id: str | None = None) -> dict[str, dict[str, Any]]:
        """A role's permissions by their ids, and who may assume it as ``trust``."""
        iam = self.client("iam", account_id)
        (trust,) = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
        (policy,) = iam.list_role_policies(RoleName=name)["PolicyNames"]
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        permissions = by_sid(document)
        for shared in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            arn = shared["PolicyArn"]
            version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
            document = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]
            permissions |= by_sid(document["Document"])
        return {"trust": trust} | permissions


def by_sid(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: statement for statement in document["Statement"]}


@pytest.fixture(scope="module")
def session(localstack: str) -> Iterator[Callable[[str], boto3.Session]]:
    """Sessions by account id, whose clients go to LocalStack as an operator's would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", localstack)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield lambda account_id: boto3.Session(
            aws_access_key_id=account_id, aws_secret_access_key="any", region_name=REGION
        )


@pytest.fixture(scope="module")
def deployed(
    session: Callable[[str], boto3.Session], built_zips: dict[str, Zip]
) -> Iterator[Deployed]:
    hub, shop, payments = (str(n * 10**11 + secrets.randbelow(10**11)) for n in (1, 2, 3))
    config = Config.model_validate(
        {
            "region": REGION,
            "hub_account_id": hub,
            "organization_id": ORGANIZATION,
            "external_id": "between-us",
            "settle_minutes": 0,
            "sources": [
                {
                    "profile": "shop",
                    "account_id": shop,
                    "schedule": "cron(10 3 1 1 ? 2099)",
                    "schedule_time_zone": "Asia/Seoul",
                },
                {
                    "profile": "Pay_ments",
                    "account_id": payments,
                    "schedule": "at(2099-01-01T03:10:00)",
                    "state": "DISABLED",
                },
            ],
        }
    )
    for source in config.sources:
        deploy_source_account(session(source.account_id), config, source.profile)
    deploy_hub(session(hub), config, list(built_zips.values()))
    with ExitStack() as clients:

        def client(service: str, account_id: str | None = None) -> Any:
            made = session(account_id or hub).client(
                service,  # type: ignore[call-overload]  # any service
                config=ClientConfig(proxies={}),
            )
            return clients.enter_context(closing(made))

        yield Deployed(config, built_zips, client)


@pytest.mark.parametrize("kind", ["archive", "control", "artifacts"])
def test_buckets_are_versioned_private_and_owned(deployed: Deployed, kind: str) -> None:
    s3, bucket = deployed.client("s3"), f"logferry-{kind}-{deployed.hub}-{REGION}"
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert list(block.values()) == [True] * 4
    (rule,) = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rule == {"ObjectOwnership": "BucketOwnerEnforced"}
    policy = by_sid(json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]))
    assert policy["TlsOnly"]["Effect"] == "Deny"
    assert policy["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert policy["TlsOnly"]["Resource"] == [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    tags = s3.get_bucket_tagging(Bucket=bucket)["TagSet"]
    assert tags == [{"Key": "application", "Value": "logferry"}]


@pytest.mark.parametrize("kind", ["archive", "control"])
def test_objects_are_encrypted_under_the_key_from_the_start(deployed: Deployed, kind: str) -> None:
    s3, bucket = deployed.client("s3"), getattr(deployed, kind)
    put = s3.put_object(Bucket=bucket, Key="any", Body=b"any")
    assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", deployed.key_arn)
    assert put["BucketKeyEnabled"] is True


def test_the_archive_is_locked_without_a_default_retention_and_tells_eventbridge(
    deployed: Deployed,
) -> None:
    s3 = deployed.client("s3")
    lock = s3.get_object_lock_configuration(Bucket=deployed.archive)["ObjectLockConfiguration"]
    assert lock == {"ObjectLockEnabled": "Enabled"}
    told = s3.get_bucket_notification_configuration(Bucket=deployed.archive)
    assert "EventBridgeConfiguration" in told


def test_a_default_retention_locks_every_new_object(
    account: str, session: Callable[[str], boto3.Session], aws: Callable[..., Any]
) -> None:
    wanted = Stack(
        "retaining",
        "archive.yaml",
        {
            "Name": "retaining",
            "SourceAccountIds": "444455556666",
            "SourceRoleArnPatterns": "arn:aws:iam::*:role/logferry-source",
            "DefaultRetentionMode": "GOVERNANCE",
            "DefaultRetentionDays": "7",
        },
    )
    deploy_stack(session(account), wanted, region=REGION)
    s3, bucket = aws("s3"), f"retaining-archive-{account}-{REGION}"
    put = s3.put_object(Bucket=bucket, Key="any", Body=b"any")
    found = s3.head_object(Bucket=bucket, Key="any", VersionId=put["VersionId"])
    assert found["ObjectLockMode"] == "GOVERNANCE"
    assert (found["ObjectLockRetainUntilDate"] - found["LastModified"]).days in {6, 7}
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="any", VersionId=put["VersionId"])


def test_the_control_bucket_has_no_object_lock(deployed: Deployed) -> None:
    s3 = deployed.client("s3")
    with pytest.raises(s3.exceptions.ClientError, match="ObjectLockConfigurationNotFound"):
        s3.get_object_lock_configuration(Bucket=deployed.control)


def test_the_archives_policy_has_the_statements_that_cloudwatch_logs_asks_for(
    deployed: Deployed,
) -> None:
    policy = deployed.client("s3").get_bucket_policy(Bucket=deployed.archive)["Policy"]
    statements = by_sid(json.loads(policy))
    accounts = [source.account_id for source in deployed.config.sources]
    acl = {"s3:x-amz-acl": "bucket-owner-full-control"}
    logs = statements["LogsExport"]
    assert logs["Principal"] == {"Service": f"logs.{REGION}.amazonaws.com"}
    assert logs["Action"] == ["s3:GetBucketAcl", "s3:PutObject"]
    assert logs["Resource"] == [f"arn:aws:s3:::{deployed.archive}{rest}" for rest in ("", "/*")]
    assert logs["Condition"] == {
        "StringEquals": {"aws:SourceAccount": accounts},
        "ArnLike": {"aws:SourceArn": f"arn:aws:logs:{REGION}:*:log-group:*"},
    }
    owned = statements["LogsPutForTheOwner"]
    assert (owned["Effect"], owned["Principal"]) == ("Deny", logs["Principal"])
    assert (owned["Action"], owned["Resource"]) == ("s3:PutObject", logs["Resource"][1])
    assert owned["Condition"] == {"StringNotEquals": acl}
    members = {"aws:PrincipalOrgID": ORGANIZATION, "aws:PrincipalAccount": accounts}
    assert statements["SourceRolesPut"]["Principal"] == "*"
    assert statements["SourceRolesPut"]["Condition"] == {
        "StringEquals": acl | members,
        "ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/logferry-source"]},
    }


def test_a_source_may_export_to_the_archive_and_nobody_else(deployed: Deployed) -> None:
    def export_from(account_id: str) -> str:
        logs = deployed.client("logs", account_id)
        logs.create_log_group(logGroupName="/app")
        created = logs.create_export_task(
            logGroupName="/app",
            fromTime=0,
            to=4_102_444_800_000,
            destination=deployed.archive,
            destinationPrefix="shop/app",
        )
        task_id: str = created["taskId"]
        return task_id

    assert export_from(deployed.config.sources[0].account_id)
    stranger = str(9 * 10**11 + secrets.randbelow(10**11))
    with pytest.raises(Exception, match="InvalidParameterException"):
        export_from(stranger)


def test_the_key_rotates_and_serves_only_the_archive_and_the_services_queues(
    deployed: Deployed,
) -> None:
    kms = deployed.client("kms")
    assert kms.get_key_rotation_status(KeyId=deployed.key_arn)["KeyRotationEnabled"]
    policy = kms.get_key_policy(KeyId=deployed.key_arn, PolicyName="default")["Policy"]
    statements = by_sid(json.loads(policy))
    bucket = f"arn:aws:s3:::{deployed.archive}"
    for_archive = {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]}
    logs = statements["CloudWatchLogsWritesToTheArchive"]
    assert logs["Principal"] == {"Service": f"logs.{REGION}.amazonaws.com"}
    assert logs["Action"] == ["kms:GenerateDataKey", "kms:Decrypt"]
    assert logs["Condition"] == {"StringLike": for_archive}
    accounts = [source.account_id for source in deployed.config.sources]
    assert statements["SourceRolesWriteToTheArchive"]["Condition"] == {
        "StringLike": for_archive,
        "StringEquals": {"aws:PrincipalOrgID": ORGANIZATION, "aws:PrincipalAccount": accounts},
        "ArnLike": {"aws:PrincipalArn": ["arn:aws:iam::*:role/logferry-source"]},
    }
    events = statements["EventsGoToTheServicesQueues"]
    assert events["Principal"]["Service"] == ["events.amazonaws.com", "sns.amazonaws.com"]
    arn = f"arn:aws:sqs:{REGION}:{deployed.hub}:logferry"
    queues = [f"{arn}-sse-enforcer*", f"{arn}-sealer*"]
    assert events["Condition"] == {"StringLike": {"kms:EncryptionContext:aws:sqs:arn": queues}}


def test_the_key_for_seals_signs_for_the_sealer_alone(deployed: Deployed) -> None:
    kms, ssm = deployed.client("kms"), deployed.client("ssm")
    arn = ssm.get_parameter(Name="/logferry/seals/key-arn")["Parameter"]["Value"]
    key = kms.describe_key(KeyId=arn)["KeyMetadata"]
    assert (key["KeySpec"], key["KeyUsage"]) == ("ECC_NIST_P256", "SIGN_VERIFY")
    policy = kms.get_key_policy(KeyId=arn, PolicyName="default")["Policy"]
    denied = by_sid(json.loads(policy))["SealerAloneSigns"]
    assert (denied["Effect"], denied["Action"], denied["Principal"]) == ("Deny", "kms:Sign", "*")
    sealer = f"arn:aws:iam::{deployed.hub}:role/logferry-sealer"
    assert denied["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": sealer}}


def test_stacks_find_each_others_values_in_parameters(deployed: Deployed) -> None:
    ssm = deployed.client("ssm")
    expected = {
        "/logferry/artifacts/bucket": f"logferry-artifacts-{deployed.hub}-{REGION}",
        "/logferry/archive/bucket": deployed.archive,
        "/logferry/control/bucket": deployed.control,
        "/logferry/kms/key-arn": deployed.key_arn,
        "/logferry/topic/arn": deployed.topic_arn,
        "/app/cloudwatch/log/export/s3/kms/arn": deployed.key_arn,
    }
    found = ssm.get_parameters(Names=list(expected))["Parameters"]
    assert {parameter["Name"]: parameter["Value"] for parameter in found} == expected


def test_the_topic_is_encrypted_and_open_to_the_organization(deployed: Deployed) -> None:
    sns = deployed.client("sns")
    topic = sns.get_topic_attributes(TopicArn=deployed.topic_arn)["Attributes"]
    assert topic["KmsMasterKeyId"] == deployed.key_arn
    statements = by_sid(json.loads(topic["Policy"]))
    assert statements["MembersOfTheOrganizationSubscribe"]["Action"] == "sns:Subscribe"
    assert statements["MembersOfTheOrganizationSubscribe"]["Condition"] == {
        "StringEquals": {
            "aws:PrincipalOrgID": ORGANIZATION,
            "sns:Protocol": ["sqs", "lambda", "firehose"],
        }
    }


@pytest.mark.parametrize(
    ("name", "dead_letters", "receives", "visibility_s"),
    [
        ("log-sqs-shop-collect.fifo", "log-sqs-shop-collect-dlq.fifo", 1000, "720"),
        ("log-sqs-shop-direct.fifo", "log-sqs-shop-collect-dlq.fifo", 1000, "1800"),
        ("log-sqs-pay_ments-collect.fifo", "log-sqs-pay_ments-collect-dlq.fifo", 1000, "720"),
        ("logferry-sse-enforcer", "logferry-sse-enforcer-dlq", 20, "600"),
        ("logferry-sealer", "logferry-sealer-dlq", 20, "1800"),
    ],
)
def test_queues_are_encrypted_and_patient(
    deployed: Deployed, name: str, dead_letters: str, receives: int, visibility_s: str
) -> None:
    queue, dead = deployed.queue(name), deployed.queue(dead_letters)
    assert json.loads(queue["RedrivePolicy"]) == {
        "deadLetterTargetArn": dead["QueueArn"],
        "maxReceiveCount": receives,
    }
    assert queue["VisibilityTimeout"] == visibility_s
    for one in (queue, dead):
        assert one["KmsMasterKeyId"] == deployed.key_arn
        assert one["MessageRetentionPeriod"] == "1209600"
        assert (one.get("FifoQueue") == "true") is name.endswith(".fifo")
        assert one.get("ContentBasedDeduplication", "false") == "false"


def test_the_planners_dead_letter_queue_is_encrypted_and_no_fifo(deployed: Deployed) -> None:
    queue = deployed.queue("logferry-planner-dlq")
    assert queue["KmsMasterKeyId"] == deployed.key_arn
    assert "FifoQueue" not in queue


@pytest.mark.parametrize(
    ("queue", "function", "batch_size", "concurrency"),
    [
        ("log-sqs-shop-collect.fifo", "log-sqs-shop-collect-fifoSQSConsumer", 1, None),
        ("log-sqs-shop-direct.fifo", "log-sqs-shop-direct-fifoSQSConsumer", 10, None),
        ("logferry-sse-enforcer", "logferry-sse-enforcer", 10, 10),
        ("logferry-sealer", "logferry-sealer", 1, 10),
    ],
)
def test_mappings_report_single_failures(
    deployed: Deployed, queue: str, function: str, batch_size: int, concurrency: int | None
) -> None:
    (mapping,) = deployed.client("lambda").list_event_source_mappings(
        FunctionName=function, EventSourceArn=deployed.queue(queue)["QueueArn"]
    )["EventSourceMappings"]
    assert mapping["BatchSize"] == batch_size
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    limit = {} if concurrency is None else {"MaximumConcurrency": concurrency}
    assert mapping.get("ScalingConfig", {}) == limit
    assert mapping["State"] == "Enabled"


@pytest.mark.parametrize(
    ("service", "name", "module", "timeout_s"),
    [
        ("planner", "logferry-planner", "planner", 900),
        ("exporter", "log-sqs-shop-collect-fifoSQSConsumer", "exporter", 120),
        ("exporter", "log-sqs-pay_ments-collect-fifoSQSConsumer", "exporter", 120),
        ("exporter", "log-sqs-shop-direct-fifoSQSConsumer", "exporter", 900),
        ("sse-enforcer", "logferry-sse-enforcer", "sse_enforcer", 300),
        ("sealer", "logferry-sealer", "sealer", 900),
    ],
)
def test_functions_run_the_zips(
    deployed: Deployed, service: str, name: str, module: str, timeout_s: int
) -> None:
    function, built = deployed.function(name), deployed.zips[service]
    assert function["Runtime"] == "python3.13"
    assert function["Handler"] == f"{module}.handler.handle"
    assert function["Architectures"] == [built.architecture]
    assert function["Timeout"] == timeout_s
    assert function["CodeSize"] == built.size_bytes
    assert function["LoggingConfig"]["LogGroup"] == f"/aws/lambda/{name}"
    variables = function["Environment"]["Variables"]
    assert variables["POWERTOOLS_SERVICE_NAME"] == service
    assert variables["POWERTOOLS_METRICS_NAMESPACE"] == "logferry"
    bucket = f"logferry-artifacts-{deployed.hub}-{REGION}"
    kept = deployed.client("s3").get_object(Bucket=bucket, Key=code_key(built))["Body"].read()
    assert kept == built.path.read_bytes()


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("planner", "logferry-planner"),
        ("exporter", "log-sqs-shop-collect-fifoSQSConsumer"),
        ("exporter", "log-sqs-shop-direct-fifoSQSConsumer"),
        ("sse-enforcer", "logferry-sse-enforcer"),
        ("sse-enforcer", "logferry-sse-enforcer-sweep"),
        ("sealer", "logferry-sealer"),
    ],
)
def test_functions_say_which_artifact_they_run(deployed: Deployed, service: str, name: str) -> None:
    built = deployed.zips[service]
    key = f"{service}/{built.version}-{built.sha256}.zip"
    function = deployed.function(name)
    tags = deployed.client("lambda").list_tags(Resource=function["FunctionArn"])["Tags"]
    assert tags["artifact"] == key
    assert function["Environment"]["Variables"]["ARTIFACT"] == key


def test_functions_are_told_where_everything_is(deployed: Deployed) -> None:
    def variables(name: str) -> dict[str, str]:
        found: dict[str, str] = deployed.function(name)["Environment"]["Variables"]
        return {
            k: v for k, v in found.items() if not k.startswith("POWERTOOLS_") and k != "ARTIFACT"
        }

    shop = deployed.config.sources[0]
    everywhere = {"CONTROL_BUCKET": deployed.control, "TOPIC_ARN": deployed.topic_arn}
    assert variables("logferry-planner") == everywhere | {
        "DEAD_LETTER_QUEUE_URL": deployed.queue("logferry-planner-dlq")["QueueUrl"],
        "SETTLE_MINUTES": "0",
        "LOOKBACK_DAYS": "14",
        "DIRECT_LANE_MAX_BYTES": "1000000000000",
        "DIRECT_LANE_CALLS_PER_SECOND": "5",
        "TIME_ZONE": "Asia/Seoul",
        "EXTERNAL_ID": "between-us",
        "EXPORTER_ROLE_ARN": "",
        "EXPORTER_ARCHITECTURE": deployed.zips["planner"].architecture,
    }
    for name in ("log-sqs-shop-collect-fifoSQSConsumer", "log-sqs-shop-direct-fifoSQSConsumer"):
        assert variables(name) == everywhere | {
            "QUEUE_URL": deployed.queue("log-sqs-shop-collect.fifo")["QueueUrl"],
            "DEAD_LETTER_QUEUE_URL": deployed.queue("log-sqs-shop-collect-dlq.fifo")["QueueUrl"],
            "RETRY_BACKOFF_SECONDS": "60",
            "SPLIT_AFTER_HOURS": "22",
            "DIRECT_LANE_MAX_BYTES": "1000000000",
            "DIRECT_LANE_CALLS_PER_SECOND": "5",
            "PROFILE": "shop",
            "SLOT": f"{shop.account_id}.{REGION}",
            "SOURCE_ROLE_ARN": deployed.config.role_arn(shop),
        }
    pace = {"EVERY_HOURS": "24", "FULL_EVERY_DAYS": "90", "OBJECTS_PER_SECOND": "100"}
    assert variables("logferry-sse-enforcer-sweep") == everywhere | {
        "ARCHIVE_BUCKET": deployed.archive,
        "DEAD_LETTER_QUEUE_URL": deployed.queue("logferry-sse-enforcer-dlq")["QueueUrl"],
        "HOLD": "on_completion",
        **{f"SWEEP_{name}": value for name, value in pace.items()},
    }
    assert variables("logferry-sse-enforcer") == everywhere | {
        "ARCHIVE_BUCKET": deployed.archive,
        "QUEUE_URL": deployed.queue("logferry-sse-enforcer")["QueueUrl"],
        "DEAD_LETTER_QUEUE_URL": deployed.queue("logferry-sse-enforcer-dlq")["QueueUrl"],
        "HOLD": "on_completion",
    }
    ssm = deployed.client("ssm")
    signing = ssm.get_parameter(Name="/logferry/seals/key-arn")["Parameter"]["Value"]
    assert variables("logferry-sealer") == everywhere | {
        "ARCHIVE_BUCKET": deployed.archive,
        "QUEUE_URL": deployed.queue("logferry-sealer")["QueueUrl"],
        "DEAD_LETTER_QUEUE_URL": deployed.queue("logferry-sealer-dlq")["QueueUrl"],
        "SIGNING_KEY_ARN": signing,
        "TIME_ZONE": "Asia/Seoul",
        "SEAL_AFTER_HOURS": "24",
        "SETTLE_MINUTES": "0",
        "OPEN_AFTER_DAYS": "3",
        "LOOK_BACK_DAYS": "35",
        "RECOUNT_WITHIN_HOURS": "0",
    }


def test_a_schedule_asks_the_planner_for_its_source(deployed: Deployed) -> None:
    found = deployed.client("scheduler").get_schedule(Name="logferry-shop")
    assert found["ScheduleExpression"] == "cron(10 3 1 1 ? 2099)"
    assert found["ScheduleExpressionTimezone"] == "Asia/Seoul"
    assert found["State"] == "ENABLED"
    target = found["Target"]
    assert target["Arn"] == deployed.function("logferry-planner")["FunctionArn"]
    assert target["RoleArn"] == f"arn:aws:iam::{deployed.hub}:role/logferry-schedule-shop"
    dead_letters = deployed.queue("logferry-planner-dlq")["QueueArn"]
    assert target["DeadLetterConfig"] == {"Arn": dead_letters}
    variables = parse(ExecutionVariables, target["Input"])
    assert variables.prefix == "shop"
    assert variables.logging_bucket_name == deployed.archive
    role = deployed.role("logferry-schedule-shop")
    assert role["AskForAPlan"]["Resource"] == target["Arn"]
    assert role["DeadLetter"]["Resource"] == dead_letters


def test_schedules_that_come_again_are_spread_and_a_moment_is_kept(deployed: Deployed) -> None:
    scheduler = deployed.client("scheduler")
    again = scheduler.get_schedule(Name="logferry-shop")["FlexibleTimeWindow"]
    assert again == {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}
    moment = scheduler.get_schedule(Name="logferry-Pay_ments")["FlexibleTimeWindow"]
    assert moment == {"Mode": "OFF"}


def test_what_a_schedule_cannot_ask_for_ends_in_the_planners_dead_letter_queue(
    deployed: Deployed,
) -> None:
    scheduler, sqs = deployed.client("scheduler"), deployed.client("sqs")
    known = scheduler.get_schedule(Name="logferry-Pay_ments")
    missing = f"{known['Target']['Arn']}-missing"
    scheduler.create_schedule(
        Name="logferry-nobody",
        ScheduleExpression="rate(1 day)",  # for the first time at once
        FlexibleTimeWindow=known["FlexibleTimeWindow"],
        Target=known["Target"] | {"Arn": missing},
    )
    url = deployed.queue("logferry-planner-dlq")["QueueUrl"]
    try:
        (message,) = sqs.receive_message(
            QueueUrl=url, WaitTimeSeconds=20, MessageAttributeNames=["All"]
        )["Messages"]
    finally:
        scheduler.delete_schedule(Name="logferry-nobody")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    # What else a letter holds AWS's page shows of a universal target only, not of a function.
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "ResourceNotFoundException"


def test_a_planner_that_fails_leaves_the_request_in_its_dead_letter_queue(
    deployed: Deployed,
) -> None:
    found = deployed.client("lambda").get_function_event_invoke_config(
        FunctionName="logferry-planner"
    )
    assert found["MaximumRetryAttempts"] == 2
    on_failure = found["DestinationConfig"]["OnFailure"]
    assert on_failure == {"Destination": deployed.queue("logferry-planner-dlq")["QueueArn"]}


def subscription_of(deployed: Deployed, queue_arn: str) -> dict[str, Any]:
    sns = deployed.client("sns")
    found = sns.list_subscriptions_by_topic(TopicArn=deployed.topic_arn)["Subscriptions"]
    (arn,) = [each["SubscriptionArn"] for each in found if each["Endpoint"] == queue_arn]
    attributes: dict[str, Any] = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
    return attributes


def test_the_sealer_hears_of_what_has_ended_and_of_a_clock(deployed: Deployed) -> None:
    queue = deployed.queue("logferry-sealer")
    attributes = subscription_of(deployed, queue["QueueArn"])
    assert attributes["RawMessageDelivery"] == "true"
    types = [f"logferry.{each}.completed.v1" for each in ("export", "day", "plan")]
    assert json.loads(attributes["FilterPolicy"]) == {"type": types}
    schedule = deployed.client("scheduler").get_schedule(Name="logferry-sealer")
    assert schedule["State"] == "ENABLED"
    assert schedule["Target"]["Arn"] == queue["QueueArn"]
    asked = schedule["Target"]["Input"].replace("<aws.scheduler.scheduled-time>", TIME)
    assert parse(SealRequest, asked).data.chain is None


def test_the_sealer_signs_and_writes_seals_and_nothing_else(deployed: Deployed) -> None:
    role = deployed.role("logferry-sealer")
    seals, notes = f"arn:aws:s3:::{deployed.archive}/!seals/*", f"{deployed.control}/seals/*"
    assert role["WriteSeals"]["Resource"] == role["HoldSeals"]["Resource"] == seals
    assert role["KeepNotes"]["Resource"] == f"arn:aws:s3:::{notes}"
    writing = {
        name
        for name, each in role.items()
        if each["Effect"] == "Allow" and re.search("s3:(Put|Delete|Update)", str(each["Action"]))
    }
    assert writing == {"WriteSeals", "HoldSeals", "KeepNotes"}
    assert role["Sign"]["Action"] == ["kms:Sign", "kms:GetPublicKey"]


def test_the_enforcer_hears_of_new_objects_and_of_completed_exports(deployed: Deployed) -> None:
    queue, dead = (
        deployed.queue("logferry-sse-enforcer"),
        deployed.queue("logferry-sse-enforcer-dlq"),
    )
    events = deployed.client("events")
    rule = events.describe_rule(Name="logferry-object-created")
    assert json.loads(rule["EventPattern"]) == {
        "source": ["aws.s3"],
        "detail-type": ["Object Created"],
        "detail": {
            "bucket": {"name": [deployed.archive]},
            "object": {"key": [{"anything-but": {"prefix": "!seals/"}}]},
        },
    }
    (target,) = events.list_targets_by_rule(Rule="logferry-object-created")["Targets"]
    assert target["Arn"] == queue["QueueArn"]
    assert target["DeadLetterConfig"] == {"Arn": dead["QueueArn"]}
    attributes = subscription_of(deployed, queue["QueueArn"])
    assert attributes["RawMessageDelivery"] == "true"
    assert attributes["FilterPolicyScope"] == "MessageAttributes"
    assert json.loads(attributes["FilterPolicy"]) == {"type": ["logferry.export.completed.v1"]}
    assert json.loads(attributes["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"]}
    for one in (queue, dead):
        policy = by_sid(json.loads(one["Policy"]))
        assert policy["CreatedObjects"]["Condition"] == {
            "ArnEquals": {"aws:SourceArn": rule["Arn"]}
        }
        assert policy["CompletedExports"]["Condition"] == {
            "ArnEquals": {"aws:SourceArn": deployed.topic_arn}
        }


def test_an_exporter_reaches_its_own_source_and_removes_nothing_else(deployed: Deployed) -> None:
    source = deployed.config.source("Pay_ments")
    role = deployed.role("logferry-exporter-pay_ments")
    assert role["trust"]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert role["ReachTheSource"]["Resource"] == deployed.config.role_arn(source)
    bucket = f"arn:aws:s3:::{deployed.archive}"
    assert role["RemoveTheSourcesPartialObjects"]["Resource"] == f"{bucket}/Pay_ments/*"
    assert role["ListTheSourcesObjects"]["Condition"] == {
        "StringLike": {"s3:prefix": "Pay_ments/*"}
    }
    ledger = f"arn:aws:s3:::{deployed.control}/ledger/{source.account_id}/{REGION}/*"
    assert ledger in role["ReadAndWriteLedger"]["Resource"]
    for statement in ("WriteWhatWasReadDirectly", "ReadChecksums"):
        assert role[statement]["Resource"] == f"{bucket}/Pay_ments/*"
    queues = f"arn:aws:sqs:{REGION}:{deployed.hub}:log-sqs-pay_ments"
    assert role["WorkOnTheQueue"]["Resource"] == f"{queues}-collect.fifo"
    assert role["WorkOnTheDirectQueue"]["Resource"] == f"{queues}-direct.fifo"


def test_the_enforcer_places_holds_and_removes_by_separate_statements(deployed: Deployed) -> None:
    role = deployed.role("logferry-sse-enforcer")
    objects = f"arn:aws:s3:::{deployed.archive}/*"
    assert role["PlaceHolds"]["Action"] == "s3:PutObjectLegalHold"
    assert role["PlaceHolds"]["Condition"] == {
        "StringEqualsIfExists": {"s3:object-lock-legal-hold": "ON"}
    }
    assert role["RemoveReplaced"]["Action"] == "s3:DeleteObjectVersion"
    assert role["PlaceHolds"]["Resource"] == role["RemoveReplaced"]["Resource"] == objects
    assert role["NeverBypassRetention"]["Effect"] == "Deny"
    assert role["NeverBypassRetention"]["Action"] == "s3:BypassGovernanceRetention"
    assert role["NeverLiftHolds"]["Effect"] == "Deny"
    assert role["NeverLiftHolds"]["Condition"] == {
        "StringEquals": {"s3:object-lock-legal-hold": "OFF"}
    }
    allowed = json.dumps([s["Action"] for s in role.values() if s["Effect"] == "Allow"])
    assert '"s3:DeleteObject"' not in allowed  # that would put a delete marker over an object
    assert "s3:ListBucketVersions" not in allowed
    # The sweep may do the same to objects, and no more.
    sweeping = deployed.role("logferry-sse-enforcer-sweep")
    assert sweeping.keys() - role.keys() == {"ListTheArchive", "KeepReports"}
    assert role.keys() - sweeping.keys() == {"WorkOnTheQueue", "DeadLetter"}
    assert sweeping["ListTheArchive"]["Resource"] == f"arn:aws:s3:::{deployed.archive}"
    assert sweeping["KeepReports"]["Resource"] == f"arn:aws:s3:::{deployed.control}/sweeps/*"


def test_the_sweep_is_gone_on_with_every_quarter_of_an_hour(deployed: Deployed) -> None:
    name = "logferry-sse-enforcer-sweep"
    function = deployed.function(name)
    found = deployed.client("scheduler").get_schedule(Name=name)
    assert (found["ScheduleExpression"], found["State"]) == ("rate(15 minutes)", "ENABLED")
    assert found["Target"]["Arn"] == function["FunctionArn"]
    assert json.loads(found["Target"]["Input"]) == {"run": "schedule"}
    role = deployed.role("logferry-schedule-sweep")
    assert role["GoOnWithTheSweep"]["Resource"] == function["FunctionArn"]
    assert function["Handler"] == "sse_enforcer.handler.sweep"
    assert function["Timeout"] == 840
    invocations = deployed.client("lambda").get_function_event_invoke_config(FunctionName=name)
    assert invocations["MaximumRetryAttempts"] == 0


def test_the_deployed_sweep_finds_what_no_event_was_about_and_mends_it(
    deployed: Deployed, session: Callable[[str], boto3.Session]
) -> None:
    s3, functions = deployed.client("s3"), deployed.client("lambda")
    name = "logferry-sse-enforcer-sweep"
    events = s3.get_bucket_notification_configuration(Bucket=deployed.archive)
    del events["ResponseMetadata"]
    s3.put_bucket_notification_configuration(Bucket=deployed.archive, NotificationConfiguration={})
    environment = functions.get_function_configuration(FunctionName=name)["Environment"]
    environment["Variables"]["SWEEP_GRACE_MINUTES"] = "0"
    functions.update_function_configuration(FunctionName=name, Environment=environment)
    functions.get_waiter("function_updated_v2").wait(FunctionName=name)
    prefix = "shop/aws/lambda/orders/2026/11/21/00"
    log_file, write_test = (
        f"{prefix}/direct/[$LATEST]a b/000000.gz",
        f"{prefix}/aws-logs-write-test",
    )
    for key in (log_file, write_test):
        s3.put_object(Bucket=deployed.archive, Key=key, Body=b"x", ServerSideEncryption="AES256")

    found, _ = sweep(session(deployed.hub), deployed.config, dry_run=True, full=False)
    assert s3.head_object(Bucket=deployed.archive, Key=log_file)["ServerSideEncryption"] == "AES256"
    mended, _ = sweep(session(deployed.hub), deployed.config, dry_run=False, full=False)
    nothing, _ = sweep(session(deployed.hub), deployed.config, dry_run=True, full=True)

    ours = {"wrong_key": 1, "write_test": 1}
    for report, action in ((found, "would_mend"), (mended, "mended")):
        assert {what: report.found[what] for what in ours} == {
            what: {action: count} for what, count in ours.items()
        }
    assert nothing.open_count == 0
    assert s3.head_object(Bucket=deployed.archive, Key=log_file)["SSEKMSKeyId"] == deployed.key_arn
    s3.put_bucket_notification_configuration(
        Bucket=deployed.archive, NotificationConfiguration=events
    )


def test_a_planner_reaches_only_roles_of_sources(deployed: Deployed) -> None:
    role = deployed.role("logferry-planner")
    assert role["ReachSources"]["Resource"] == ["arn:aws:iam::*:role/logferry-source"]
    assert role["FindArchive"]["Action"] == "s3:ListBucket"


def test_a_planner_may_go_on_in_a_next_invocation_and_keeps_what_that_needs(
    deployed: Deployed,
) -> None:
    role, function = deployed.role("logferry-planner"), deployed.function("logferry-planner")
    assert role["GoOnWithAPlan"]["Resource"] == function["FunctionArn"]
    assert role["KeepNotesAndPlans"]["Resource"] == [
        f"arn:aws:s3:::{deployed.control}/outbox/*",
        f"arn:aws:s3:::{deployed.control}/plans/*",
    ]


def test_a_planner_makes_no_infrastructure_unless_it_is_told_to(deployed: Deployed) -> None:
    permissions = json.dumps(list(deployed.role("logferry-planner").values()))
    for action in ("sqs:CreateQueue", "lambda:CreateFunction", "iam:PassRole"):
        assert action not in permissions
    roles = {role["RoleName"] for role in deployed.client("iam").list_roles()["Roles"]}
    assert "logferry-planner" in roles
    assert "logferry-exporter-provisioned" not in roles


def test_a_sources_role_lets_in_the_hubs_planner_and_its_own_exporter_and_recounter(
    deployed: Deployed,
) -> None:
    source = deployed.config.source("Pay_ments")
    role = deployed.role("logferry-source", source.account_id)
    assert role["trust"]["Principal"] == {"AWS": f"arn:aws:iam::{deployed.hub}:root"}
    assert role["trust"]["Condition"] == {
        "ArnEquals": {
            "aws:PrincipalArn": [
                f"arn:aws:iam::{deployed.hub}:role/logferry-planner",
                f"arn:aws:iam::{deployed.hub}:role/logferry-exporter-pay_ments",
                f"arn:aws:iam::{deployed.hub}:role/logferry-recounter-pay_ments",
            ]
        },
        "StringEquals": {
            "aws:PrincipalAccount": deployed.hub,
            "aws:PrincipalOrgID": ORGANIZATION,
            "sts:ExternalId": "between-us",
        },
    }
    bucket = f"arn:aws:s3:::{deployed.archive}"
    assert role["WriteToTheArchive"]["Resource"] == f"{bucket}/Pay_ments/*"
    assert set(role) == {
        "trust",
        "FindLogGroups",
        "ReadEvents",
        "FindLateStreams",
        "CountEvents",
        "StopQueries",
        "CountEventsAndFindTags",
        "SeeRetentionPolicies",
        "Export",
        "FollowExports",
        "WriteToTheArchive",
        "EncryptInTheArchive",
        "ReadEncryptedLogGroups",
    }


def test_a_sources_role_that_was_deleted_by_hand_is_made_again(
    deployed: Deployed, session: Callable[[str], boto3.Session]
) -> None:
    source = deployed.config.source("shop")
    whole = deployed.role("logferry-source", source.account_id)
    as_source = session(source.account_id)
    assert deploy_source_account(as_source, deployed.config, "shop").status == "unchanged"
    iam = deployed.client("iam", source.account_id)
    iam.delete_role_policy(RoleName="logferry-source", PolicyName="export")
    iam.delete_role(RoleName="logferry-source")

    assert deploy_source_account(as_source, deployed.config, "shop").status == "mended"

    assert deployed.role("logferry-source", source.account_id) == whole


def test_alarms_watch_dead_letters_ages_and_errors(deployed: Deployed) -> None:
    found = deployed.client("cloudwatch").describe_alarms(AlarmNamePrefix="logferry-")
    watched = {
        alarm["AlarmName"]: (alarm["MetricName"], alarm["Dimensions"][0]["Value"])
        for alarm in found["MetricAlarms"]
        if "MetricName" in alarm
    }
    depth, age = "ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"
    assert watched == {
        "logferry-planner-errors": ("Errors", "logferry-planner"),
        "logferry-planner-coverage-errors": ("Errors", "logferry-planner-coverage"),
        "logferry-planner-dead-letters": (depth, "logferry-planner-dlq"),
        "logferry-planner-slot-overcommitted": ("SlotOvercommitted", "planner"),
        "logferry-planner-exports-refused": ("ExportsRefused", "planner"),
        "logferry-planner-windows-passed-over": ("LedgerWindowsPassedOver", "planner"),
        "logferry-planner-retention-cliff": ("RetentionCliffLogGroups", "planner"),
        "logferry-planner-exports-asked-again": ("DatesAskedAgain", "planner"),
        "logferry-sse-enforcer-errors": ("Errors", "logferry-sse-enforcer"),
        "logferry-sse-enforcer-queue-age": (age, "logferry-sse-enforcer"),
        "logferry-sse-enforcer-dead-letters": (depth, "logferry-sse-enforcer-dlq"),
        "logferry-sse-enforcer-key-problem": ("KeyProblem", "sse-enforcer"),
        "logferry-sse-enforcer-objects-missing": ("ObjectsMissing", "sse-enforcer"),
        "logferry-sse-enforcer-sweep-findings": ("SweepFindingsOpen", "sse-enforcer"),
        "logferry-sse-enforcer-sweep-stood-in": ("SweepStoodIn", "sse-enforcer"),
        "logferry-sse-enforcer-sweep-errors": ("Errors", "logferry-sse-enforcer-sweep"),
        "logferry-sealer-errors": ("Errors", "logferry-sealer"),
        "logferry-sealer-queue-age": (age, "logferry-sealer"),
        "logferry-sealer-dead-letters": (depth, "logferry-sealer-dlq"),
        "logferry-sealer-contradicted": ("Contradicted", "sealer"),
        "logferry-sealer-recounts-differ": ("RecountsDiffering", "sealer"),
        "logferry-sealer-tampered": ("SealsTampered", "sealer"),
        "logferry-exporter-shop-queue-age": (age, "log-sqs-shop-collect.fifo"),
        "logferry-exporter-shop-dead-letters": (depth, "log-sqs-shop-collect-dlq.fifo"),
        "logferry-exporter-pay_ments-queue-age": (age, "log-sqs-pay_ments-collect.fifo"),
        "logferry-exporter-pay_ments-dead-letters": (depth, "log-sqs-pay_ments-collect-dlq.fifo"),
        "logferry-enforcer-refusals": ("Refused", "sse-enforcer"),
        "logferry-no-plans": ("OverdueSeconds", "planner"),
        # Pay_ments' schedule is disabled, so that no plan of it is missed.
        "logferry-exporter-shop-no-plan": ("OverdueSeconds", "planner"),
    }


def test_alarms_on_several_metrics_calculate_with_all_of_them(deployed: Deployed) -> None:
    found = deployed.client("cloudwatch").describe_alarms(AlarmNamePrefix="logferry-")
    calculated = {
        alarm["AlarmName"]: (
            {
                metric["MetricStat"]["Stat"]: metric["MetricStat"]["Metric"]["MetricName"]
                for metric in alarm["Metrics"]
                if "MetricStat" in metric
            },
            len(alarm["Metrics"]),
            alarm["Threshold"],
            alarm["TreatMissingData"],
        )
        for alarm in found["MetricAlarms"]
        if "Metrics" in alarm
    }
    gap = ({"Maximum": "OverdueSeconds"}, 3, 25, "notBreaching")
    assert calculated == {
        "logferry-gap": gap,
        "logferry-exports-failed": ({"Sum": "DeadLetters"}, 4, 0, "notBreaching"),
        "logferry-sealer-records-damaged": ({"Sum": "NotesDamaged"}, 4, 0, "notBreaching"),
        "logferry-sealer-late-events-not-added": ({"Sum": "AddendaRefused"}, 3, 0, "notBreaching"),
    }


def test_the_alarm_to_page_on_is_over_alarms_that_are_there(deployed: Deployed) -> None:
    cloudwatch = deployed.client("cloudwatch")
    [at_risk] = cloudwatch.describe_alarms(
        AlarmNames=["logferry-archive-at-risk"], AlarmTypes=["CompositeAlarm"]
    )["CompositeAlarms"]
    children = re.findall(r'ALARM\("([^"]+)"\)', at_risk["AlarmRule"])
    assert at_risk["AlarmRule"] == " OR ".join(f'ALARM("{name}")' for name in children)
    assert {"logferry-gap", "logferry-no-plans", "logferry-planner-dead-letters"} <= set(children)
    found = cloudwatch.describe_alarms(AlarmNames=children)["MetricAlarms"]
    assert len(found) == len(children)


def test_the_dashboard_is_one_that_cloudwatch_takes(deployed: Deployed) -> None:
    # LocalStack's CloudFormation makes no dashboard and says nothing: its CloudWatch is given it.
    cloudwatch = deployed.client("cloudwatch")
    template = load_template((TEMPLATES / "observability.yaml").read_text())
    body = template["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    values = {
        "Name": "logferry",
        "GapHours": "25",
        "AWS::Region": REGION,
        "AWS::AccountId": deployed.hub,
        "AWS::Partition": "aws",
    }
    for name, value in values.items():
        body = body.replace("${" + name + "}", value)
    put = cloudwatch.put_dashboard(DashboardName="logferry", DashboardBody=body)
    assert put.get("DashboardValidationMessages", []) == []
    there = cloudwatch.get_dashboard(DashboardName="logferry")["DashboardBody"]
    widgets = json.loads(there)["widgets"]
    [shown] = [each["properties"]["alarms"] for each in widgets if each["type"] == "alarm"]
    names = [arn.rpartition(":")[2] for arn in shown]
    found = cloudwatch.describe_alarms(
        AlarmNames=names, AlarmTypes=["MetricAlarm", "CompositeAlarm"]
    )
    arns = [
        alarm["AlarmArn"] for kind in ("MetricAlarms", "CompositeAlarms") for alarm in found[kind]
    ]
    assert sorted(arns) == sorted(shown)


def test_the_deployed_planner_plans(deployed: Deployed) -> None:
    schedule = deployed.client("scheduler").get_schedule(Name="logferry-shop")
    answer = deployed.client("lambda").invoke(
        FunctionName="logferry-planner", Payload=schedule["Target"]["Input"]
    )
    body = answer["Payload"].read()
    assert "FunctionError" not in answer, body
    assert parse(PlanCompleted, body).data.source.profile == "shop"


def test_only_what_differs_is_deployed_again(
    deployed: Deployed, session: Callable[[str], boto3.Session]
) -> None:
    zips = list(deployed.zips.values())
    document = deployed.config.model_dump(exclude_none=True)
    document["sse_enforcer"]["visibility_timeout_s"] = 900
    changed = Config.model_validate(document)
    for config, seconds in ((changed, "900"), (deployed.config, "600")):
        outcomes = deploy_hub(session(deployed.hub), config, zips)
        differ = [o.stack_name for o in outcomes if o.status == "changed"]
        assert differ == ["logferry-sse-enforcer"]
        assert deployed.queue("logferry-sse-enforcer")["VisibilityTimeout"] == seconds


def test_what_would_change_is_told_and_nothing_is_left_of_the_question(
    deployed: Deployed, session: Callable[[str], boto3.Session]
) -> None:
    document = deployed.config.model_dump(exclude_none=True)
    document |= {"settle_minutes": 60, "external_id": "another-word"}
    new = {"profile": "new", "account_id": "400000000000", "schedule": "rate(1 day)"}
    document["sources"] = [document["sources"][0], new]
    wanted = Config.model_validate(document)
    code = dict(deployed.zips)
    code["exporter"] = replace(code["exporter"], sha256="0" * 64)

    found = {
        each.stack_name: each
        for each in diff(session(deployed.hub), wanted, list(code.values()), templates=True)
    }

    assert {name.removeprefix("logferry-"): each.state for name, each in found.items()} == {
        "artifacts": "same",
        "archive": "differs",  # lets other accounts in
        "planner": "differs",
        "sealer": "differs",  # waits as long as the planner
        "sse-enforcer": "same",
        "exporter-shop": "differs",
        "exporter-new": "new",
        "observability": "same",
        "exporter-pay-ments": "left_over",
    }, "\n".join(each.as_text() for each in found.values())
    assert {each.template for each in found.values()} == {""}
    planner = found["logferry-planner"].as_json()
    assert planner["parameters"] == [
        {"name": "ExternalId", "before": "****", "after": "****"},
        {"name": "SettleMinutes", "before": "0", "after": "60"},
    ]
    (function,) = (each for each in planner["resources"] if each["logical_id"] == "Function")
    assert (function["action"], function["replaces"]) == ("Modify", False)
    minutes = {"name": "Environment/Variables/SETTLE_MINUTES", "before": "0", "after": "60"}
    assert minutes in function["differences"]
    assert not found["logferry-planner"].code_differs
    assert found["logferry-exporter-shop"].code_differs
    assert "another-word" not in json.dumps([each.as_json() for each in found.values()])
    there = deployed.client("cloudformation").list_stacks()["StackSummaries"]
    known = {each["StackName"] for each in there if each["StackStatus"] != "DELETE_COMPLETE"}
    assert "logferry-exporter-new" not in known


def test_what_people_have_changed_is_told_by_diff_and_mended_by_deploy(
    deployed: Deployed,
    session: Callable[[str], boto3.Session],
    free_queue_names: Callable[[str], None],
) -> None:
    broken = broken_by_people(deployed)
    free_queue_names(deployed.hub)  # a minute later, as SQS wants it
    zips = list(deployed.zips.values())
    found = diff(session(deployed.hub), deployed.config, zips)
    told = {
        (each.stack_name.removeprefix("logferry-"), change.logical_id)
        for each in found
        for change in (each.proposal.drift if each.proposal else ())
    }
    assert told == broken, "\n".join(each.as_text() for each in found)
    doctor = Doctor(
        session(deployed.hub),
        deployed.config,
        deployed.config.sources,
        "organization.yaml",
        lambda: datetime.now(UTC),
    )
    wrong = [each for each in doctor.findings() if each.check == "resource"]
    assert {tuple(each.subject.removeprefix("logferry-").split()) for each in wrong} == broken
    commands = {each.mend[0] for each in wrong}
    assert commands == {
        f"logferry deploy organization.yaml --only {name}" for name in {name for name, _ in broken}
    }
    assert {each.state for each in found if each.proposal} == {"differs"}
    outcomes = deploy_hub(session(deployed.hub), deployed.config, zips)
    assert {outcome.stack_name for outcome in outcomes if outcome.status == "mended"} == {
        f"logferry-{name}" for name, _ in broken
    }
    again = diff(session(deployed.hub), deployed.config, zips)
    assert {each.state for each in again} == {"same"}
    wrong = [each for each in doctor.findings() if each.verdict == "wrong"]
    # It was deployed without anybody who is told, and no plan has run yet.
    assert {each.check for each in wrong} == {"settings", "index"}, wrong
    assert "a-secret" not in json.dumps([each.as_json() for each in found])
    # What is not compared: that they are the same resources to their stacks and to each other.
    arns = {sub["Endpoint"] for sub in deployed.client("sns").list_subscriptions()["Subscriptions"]}
    queues = ("logferry-sse-enforcer", "logferry-sealer")
    assert arns == {deployed.queue(each)["QueueArn"] for each in queues}
    assert deployed.queue("log-sqs-shop-direct.fifo")["FifoQueue"] == "true"


def broken_by_people(deployed: Deployed) -> set[tuple[str, str]]:
    """Break one resource of each type, and some in more ways; return those that are not whole."""
    sns, sqs, events, s3 = (deployed.client(name) for name in ("sns", "sqs", "events", "s3"))
    lambda_, scheduler = deployed.client("lambda"), deployed.client("scheduler")
    # As somebody who cleans up and makes it anew.
    sns.delete_topic(TopicArn=deployed.topic_arn)
    sns.create_topic(Name="log-export-events")
    events.disable_rule(Name="logferry-object-created")
    (target,) = events.list_targets_by_rule(Rule="logferry-object-created")["Targets"]
    events.remove_targets(Rule="logferry-object-created", Ids=[target["Id"]])
    enforcer = deployed.queue("logferry-sse-enforcer")["QueueUrl"]
    sqs.set_queue_attributes(
        QueueUrl=enforcer, Attributes={"VisibilityTimeout": "30", "RedrivePolicy": "", "Policy": ""}
    )
    sqs.delete_queue(QueueUrl=deployed.queue("log-sqs-shop-direct.fifo")["QueueUrl"])
    shop, payments = (
        lambda_.list_event_source_mappings(FunctionName=f"log-sqs-{name}-collect-fifoSQSConsumer")[
            "EventSourceMappings"
        ][0]["UUID"]
        for name in ("shop", "pay_ments")
    )
    lambda_.update_event_source_mapping(UUID=shop, Enabled=False)
    lambda_.delete_event_source_mapping(UUID=payments)
    scheduler.delete_schedule(Name="logferry-shop")
    sweep = scheduler.get_schedule(Name="logferry-sse-enforcer-sweep")
    kept = {"Target", "FlexibleTimeWindow", "ScheduleExpression", "Name"}
    scheduler.update_schedule(
        **{name: value for name, value in sweep.items() if name in kept}, State="DISABLED"
    )
    s3.put_bucket_notification_configuration(Bucket=deployed.archive, NotificationConfiguration={})
    s3.delete_public_access_block(Bucket=deployed.archive)
    s3.put_bucket_encryption(
        Bucket=deployed.control,
        ServerSideEncryptionConfiguration={
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        },
    )
    s3.delete_bucket_ownership_controls(Bucket=deployed.control)
    s3.put_bucket_versioning(
        Bucket=deployed.control, VersioningConfiguration={"Status": "Suspended"}
    )
    s3.delete_bucket_policy(Bucket=deployed.archive)
    of_one_day = {"ID": "cheaper", "Status": "Enabled", "Filter": {"Prefix": ""}}
    s3.put_bucket_lifecycle_configuration(
        Bucket=deployed.archive,
        LifecycleConfiguration={"Rules": [of_one_day | {"Expiration": {"Days": 1}}]},
    )
    s3.delete_bucket_lifecycle(Bucket=f"logferry-artifacts-{deployed.hub}-{REGION}")
    for alias, lost in (
        ("logferry", "CloudWatchLogsWritesToTheArchive"),
        ("logferry-seals", "SealerAloneSigns"),
    ):
        take_from_key_policy(deployed, alias, lost)
    return change_functions_and_roles(deployed) | {
        ("archive", "Key"),
        ("archive", "SigningKey"),
        ("archive", "Topic"),
        ("archive", "TopicPolicy"),
        ("archive", "Archive"),
        ("archive", "ArchivePolicy"),
        ("archive", "Control"),
        ("artifacts", "Bucket"),
        ("sealer", "Events"),
        ("sse-enforcer", "CompletedExports"),
        ("sse-enforcer", "ObjectCreated"),
        ("sse-enforcer", "Queue"),
        ("sse-enforcer", "QueuePolicy"),
        ("sse-enforcer", "SweepSchedule"),
        ("exporter-shop", "DirectQueue"),
        ("exporter-shop", "Mapping"),
        ("exporter-shop", "Schedule"),
        ("exporter-pay-ments", "Mapping"),
    }


def take_from_key_policy(deployed: Deployed, alias: str, sid: str) -> None:
    kms = deployed.client("kms")
    key_id = kms.describe_key(KeyId=f"alias/{alias}")["KeyMetadata"]["KeyId"]
    policy = json.loads(kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"])
    left = [each for each in policy["Statement"] if each["Sid"] != sid]
    assert len(left) < len(policy["Statement"])
    text = json.dumps(policy | {"Statement": left})
    kms.put_key_policy(KeyId=key_id, PolicyName="default", Policy=text)


def change_functions_and_roles(deployed: Deployed) -> set[tuple[str, str]]:
    """Change functions, and what roles may, in each way; return what is not whole any more."""
    lambda_, iam = deployed.client("lambda"), deployed.client("iam")
    shop, direct = (f"log-sqs-shop-{lane}-fifoSQSConsumer" for lane in ("collect", "direct"))
    variables = deployed.function(shop)["Environment"]["Variables"]
    variables |= {"DIRECT_LANE_MAX_BYTES": "1", "TOKEN_OF_OTHERS": "a-secret"}
    lambda_.update_function_configuration(
        FunctionName=shop, Environment={"Variables": variables}, Timeout=3
    )
    lambda_.delete_function(FunctionName=direct)
    lambda_.update_function_code(
        FunctionName="logferry-planner", ZipFile=deployed.zips["exporter"].path.read_bytes()
    )
    lambda_.put_function_recursion_config(
        FunctionName="logferry-planner", RecursiveLoop="Terminate"
    )
    lambda_.delete_function_event_invoke_config(FunctionName="logferry-planner")
    lambda_.put_function_concurrency(
        FunctionName="logferry-sse-enforcer", ReservedConcurrentExecutions=0
    )
    lambda_.put_function_event_invoke_config(
        FunctionName="logferry-sse-enforcer-sweep", MaximumRetryAttempts=2
    )
    statement = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
    little = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    nobody = {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": "*"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [nobody]})
    everything = iam.create_policy(PolicyName="everything", PolicyDocument=little)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="logferry-planner", PolicyArn=everything)
    iam.put_role_policy(RoleName="logferry-sse-enforcer", PolicyName="more", PolicyDocument=little)
    iam.update_assume_role_policy(RoleName="logferry-sse-enforcer-sweep", PolicyDocument=trust)
    remove_role(iam, "logferry-schedule-sweep")
    for _ in range(4):
        iam.create_policy_version(
            PolicyArn=f"arn:aws:iam::{deployed.hub}:policy/logferry-sse-enforcer-archive",
            PolicyDocument=little,
            SetAsDefault=True,
        )
    return {
        ("planner", "Function"),
        ("planner", "AsynchronousInvocations"),
        ("planner", "Role"),
        ("sse-enforcer", "Function"),
        ("sse-enforcer", "SweepInvocations"),
        ("sse-enforcer", "EnforcerPolicy"),
        ("sse-enforcer", "Role"),
        ("sse-enforcer", "SweepRole"),
        ("sse-enforcer", "SweepScheduleRole"),
        ("exporter-shop", "Function"),
        ("exporter-shop", "DirectFunction"),
    }


def remove_role(iam: Any, name: str) -> None:
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def test_a_stack_that_failed_is_told_and_can_be_deployed_once_it_is_mended(
    account: str,
    session: Callable[[str], boto3.Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stack, "TEMPLATES", tmp_path)
    template = tmp_path / "mapping.yaml"
    template.write_text(
        "Resources: {Mapping: {Type: 'AWS::Lambda::EventSourceMapping', Properties: "
        "{FunctionName: nobody, EventSourceArn: 'arn:aws:sqs:eu-west-1:1:q'}}}"
    )
    wanted = Stack("mending", "mapping.yaml", {})
    with pytest.raises(DeployError) as caught:
        deploy_stack(session(account), wanted, region=REGION)
    assert "Mapping (AWS::Lambda::EventSourceMapping): CREATE_FAILED: " in str(caught.value)
    assert "Function does not exist" in str(caught.value)
    template.write_text("Resources: {Topic: {Type: 'AWS::SNS::Topic'}}")
    deploy_stack(session(account), wanted, region=REGION)
