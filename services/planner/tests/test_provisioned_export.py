"""From execution variables alone to events in the archive: nothing has been deployed before.

On LocalStack, with the exporter's real zip in Lambda. Its permissions are not tested: LocalStack
enforces none.
"""

import gzip
import io
import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

import boto3
import pytest

from devstack.pytest_backends import Backend
from logferry.package import build_zips
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.wire import parse
from planner import handler

pytestmark = [
    pytest.mark.localstack,
    pytest.mark.parametrize("backend", ["localstack"], indirect=True),
]

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
# As in the README of aws-logs-export-to-s3, with its placeholders filled in.
EXECUTION_VARIABLES = """
{
	"loggingBucketName" : "%(archive)s",
	"roleArn"           : "arn:aws:iam::%(source_account_id)s:role/CollectCloudWatchLogsRole",
	"Prefix"            : "Dev",
	"collectDate"       : "%(date)s",
	"QueueOptions"      : {
    	"VisibilityTimeout"             : 120,
    	"MessageRetentionPeriod"        : 86400,
    	"KmsMasterKeyId"                : "alias/log-sqs",
    	"KmsDataKeyReusePeriodSeconds"  : 300,
    	"ConsumerOptions" : {
        	"BucketName"   : "%(artifacts)s",
        	"ObjectKey"    : "Consumer/lambda_function.zip",
        	"LayerArn"     : "%(layer_arn)s",
        	"BatchSize"    : 10
        }
    }
}
"""  # noqa: E101  (word for word)
PATIENCE_S = 60
MESSAGES = [f"order {number}" for number in range(3)]


@dataclass(frozen=True)
class Context:
    """What Lambda says about an invocation."""

    invoked_function_arn: str
    function_name: str = "logferry-planner"
    memory_limit_in_mb: int = 256
    aws_request_id: str = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


@pytest.fixture
def buckets(backend: Backend, source_account_id: str) -> dict[str, str]:
    """The archive, which lets the source's exports in, the ledger's bucket, and the code's."""
    s3 = backend.client("s3")
    names = {name: f"{name}-{backend.account_id}" for name in ("archive", "control", "artifacts")}
    for name in names.values():
        s3.create_bucket(
            Bucket=name,
            CreateBucketConfiguration={"LocationConstraint": backend.region},
            ObjectLockEnabledForBucket=name.startswith("archive"),
        )
    kms = backend.client("kms")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/log-sqs", TargetKeyId=key_id)
    archive = f"arn:aws:s3:::{names['archive']}"
    s3.put_bucket_policy(
        Bucket=names["archive"],
        Policy=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Principal": {"Service": f"logs.{backend.region}.amazonaws.com"},
                        "Action": action,
                        "Resource": resource,
                        "Condition": {"StringEquals": {"aws:SourceAccount": [source_account_id]}},
                    }
                    for action, resource in (
                        ("s3:GetBucketAcl", archive),
                        ("s3:PutObject", f"{archive}/*"),
                    )
                ],
            }
        ),
    )
    return names


@pytest.fixture
def source_account_id(backend: Backend) -> str:
    return str(int(backend.account_id) ^ 1).rjust(12, "0")


@pytest.fixture
def variables(
    backend: Backend,
    buckets: dict[str, str],
    source_account_id: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, Any]:
    """Execution variables for yesterday, with the exporter's zip and a layer where they say."""
    (built,) = build_zips(tmp_path, services=["exporter"])
    monkeypatch.setenv("EXPORTER_ARCHITECTURE", built.architecture)
    backend.client("s3").put_object(
        Bucket=buckets["artifacts"],
        Key="Consumer/lambda_function.zip",
        Body=built.path.read_bytes(),
    )
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("python/CloudWatchLogsExportToS3.py", "")
    layer_arn = backend.client("lambda").publish_layer_version(
        LayerName="CloudWatchLogsExportToS3", Content={"ZipFile": layer.getvalue()}
    )["LayerVersionArn"]
    filled_in: dict[str, Any] = json.loads(
        EXECUTION_VARIABLES
        % {
            **buckets,
            "source_account_id": source_account_id,
            "date": f"{YESTERDAY:%Y-%m-%d}",
            "layer_arn": layer_arn,
        }
    )
    return filled_in


@pytest.fixture
def events(
    backend: Backend, buckets: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The planner's environment; and the URL of a queue that gets what is published."""
    sns, sqs = backend.client("sns"), backend.client("sqs")
    url: str = sqs.create_queue(QueueName="events")["QueueUrl"]
    topic_arn = sns.create_topic(Name="log-export-events")["TopicArn"]
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{backend.region}:{backend.account_id}:events",
        Attributes={
            "RawMessageDelivery": "true",
            "FilterPolicy": json.dumps({"type": [ExportCompleted.TYPE]}),
        },
    )
    for name, value in {
        "AWS_REGION": backend.region,
        "CONTROL_BUCKET": buckets["control"],
        "TOPIC_ARN": topic_arn,
        "DEAD_LETTER_QUEUE_URL": sqs.create_queue(QueueName="planner-dlq")["QueueUrl"],
        "SETTLE_MINUTES": "0",
        "TIME_ZONE": "UTC",
        "DIRECT_LANE_MAX_BYTES": "0",
        "EXPORTER_ROLE_ARN": f"arn:aws:iam::{backend.account_id}:role/exporters",
    }.items():
        monkeypatch.setenv(name, value)
    handler._wiring.cache_clear()
    yield url
    handler._wiring.cache_clear()


def write_yesterday(localstack: str, account_id: str, region: str) -> None:
    """Make a log group that is older than its events, which no API of AWS does."""
    noon_ms = int(YESTERDAY.replace(hour=12).timestamp() * 1000)
    group = {
        "name": "/app/web",
        "created_ms": noon_ms - 10 * 86_400_000,
        "streams": [
            {"name": "web/1", "events": [[noon_ms + n, text] for n, text in enumerate(MESSAGES)]}
        ],
    }
    body = {"account": account_id, "region": region, "log_groups": [group]}
    request = Request(  # noqa: S310  (127.0.0.1)
        f"{localstack}/_devstack/logs",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    with urlopen(request) as answer:  # noqa: S310  (the same)
        assert json.load(answer)["events"] == len(MESSAGES)


def published(backend: Backend, url: str) -> ExportCompleted:
    sqs = backend.client("sqs")
    deadline = time.monotonic() + PATIENCE_S
    while True:
        for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10).get("Messages", []):
            return parse(ExportCompleted, message["Body"])
        assert time.monotonic() < deadline, "nothing was exported"


def test_execution_variables_make_the_exporter_that_carries_them_out(
    backend: Backend,
    localstack: str,
    source_account_id: str,
    variables: dict[str, Any],
    events: str,
) -> None:
    write_yesterday(localstack, source_account_id, backend.region)
    context = Context(f"arn:aws:lambda:{backend.region}:{backend.account_id}:function:planner")

    answer = handler.handle(variables, cast("Any", context))

    changes = answer["data"]["infrastructure_changes"]
    assert [(change["name"], change["change"]) for change in changes] == [
        ("log-sqs-dev-collect-dlq.fifo", "created"),
        ("log-sqs-dev-collect.fifo", "created"),
        ("log-sqs-dev-direct.fifo", "created"),
        ("log-sqs-dev-collect-fifoSQSConsumer", "created"),
        ("log-sqs-dev-collect.fifo", "created"),
        ("log-sqs-dev-direct.fifo", "created"),
    ]
    assert answer["data"]["requested"] == 1
    completed = published(backend, events).data
    assert completed.lane == "slot"
    assert completed.log_group_name == "/app/web"
    objects = completed.manifest.objects
    assert objects is not None
    s3 = boto3.client("s3")
    lines = [
        line
        for each in objects
        for line in gzip.decompress(
            s3.get_object(
                Bucket=completed.destination.bucket, Key=each.key, VersionId=each.version_id
            )["Body"].read()
        )
        .decode()
        .splitlines()
    ]
    assert [line.partition(" ")[2] for line in lines] == MESSAGES

    again = handler.handle(variables, cast("Any", context))

    assert "infrastructure_changes" not in again["data"]
    assert again["data"]["already_in_ledger"] == 1
