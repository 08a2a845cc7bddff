"""Lambda functions through LocalStack's API; test_lambda_process has what a process does."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.localstack

type Aws = Callable[..., Any]
type Deploy = Callable[..., str]


@pytest.fixture
def invoke(aws: Aws) -> Callable[..., tuple[str | None, Any, str]]:
    client = aws("lambda")

    def invoke(name: str, event: object = None) -> tuple[str | None, Any, str]:
        response = client.invoke(
            FunctionName=name, Payload=json.dumps(event).encode(), LogType="Tail"
        )
        logs = base64.b64decode(response["LogResult"]).decode()
        return response.get("FunctionError"), json.load(response["Payload"]), logs

    return invoke


def test_a_function_runs_from_its_zip_and_its_layer(aws: Aws, deploy: Deploy, invoke, zipped):
    layer = zipped({"python/shared.py": "VALUE = 7"})
    published = aws("lambda").publish_layer_version(LayerName="shared", Content={"ZipFile": layer})
    name = deploy(
        "import os, shared\ndef handler(event, context):\n"
        "    return [event, shared.VALUE, context.function_name, os.environ['STAGE']]\n",
        Layers=[published["LayerVersionArn"]],
        Environment={"Variables": {"STAGE": "test"}},
    )
    assert invoke(name, {"a": 1})[:2] == (None, [{"a": 1}, 7, name, "test"])


@pytest.mark.parametrize(
    ("source", "error_type"),
    [
        ("def handler(event, context): raise ValueError('bad')", "ValueError"),
        ("import boto3", "Runtime.ImportModuleError"),
        ("import os\ndef handler(event, context): os._exit(1)", "Runtime.ExitError"),
        ("import time\ndef handler(event, context): time.sleep(60)", "Sandbox.Timedout"),
    ],
)
def test_a_failure_is_answered_as_aws_does(deploy: Deploy, invoke, source, error_type):
    error, report, _ = invoke(deploy(source, Timeout=1))
    assert (error, report["errorType"]) == ("Unhandled", error_type)


def test_nothing_is_importable_but_the_zip(deploy: Deploy, invoke):
    name = deploy(
        "from importlib.util import find_spec\n"
        "def handler(names, context): return [name for name in names if find_spec(name)]\n"
    )
    assert invoke(name, ["app", "json", "boto3", "localstack", "localstack_addons"])[1] == [
        "app",
        "json",
    ]


def test_the_function_reaches_localstack_as_aws(deploy: Deploy, invoke, localstack: str):
    name = deploy(
        "import os\ndef handler(*_):\n"
        "    return [os.environ['AWS_ENDPOINT_URL'], os.environ['AWS_SDK_UA_APP_ID']]\n"
    )
    assert invoke(name)[1] == [localstack, name]


SAYS_WHERE_IT_IS = (
    "import os, pydantic\n"
    "def handler(event, context):\n"
    "    if event: os._exit(1)\n"
    "    return [os.environ['LAMBDA_TASK_ROOT'], pydantic.PID, os.getpid()]\n"
)


def test_functions_of_the_same_zip_share_its_files_and_outlive_each_other(
    aws: Aws, deploy: Deploy, invoke
):
    files = {"pydantic/__init__.py": "import os\nPID = os.getpid()\n"}
    first, second = deploy(SAYS_WHERE_IT_IS, files=files), deploy(SAYS_WHERE_IT_IS, files=files)
    folder, imported_in, _ = invoke(first)[1]
    aws("lambda").delete_function(FunctionName=first)
    error, _, _ = invoke(second, "end")
    assert error == "Unhandled"
    again = invoke(second)[1]
    assert again[:2] == [folder, imported_in]
    assert again[2] != imported_in


@pytest.mark.parametrize("source", ["def handler(*_): print('said')", "print('said')\nimport none"])
def test_what_a_function_prints_is_in_cloudwatch_logs(
    aws: Aws, deploy: Deploy, invoke, wait_for, source
):
    name, logs = deploy(source), aws("logs")
    invoke(name)
    streams = wait_for(lambda: logs_of(logs, name))
    assert any(line == "said\n" for line in streams)
    assert any(line.startswith("START RequestId: ") for line in streams)
    assert any(line.startswith("REPORT RequestId: ") for line in streams)


def logs_of(logs: Any, name: str) -> list[str]:
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [event["message"] for event in found["events"]]


def test_another_python_is_refused(aws: Aws, account: str, zipped, wait_for):
    client = aws("lambda")
    client.create_function(
        FunctionName="old",
        Runtime="python3.12",
        Handler="app.handler",
        Role=f"arn:aws:iam::{account}:role/any",
        Code={"ZipFile": zipped({"app.py": "def handler(*_): pass"})},
    )

    def failed() -> Any:
        found = client.get_function_configuration(FunctionName="old")
        return found if found["State"] == "Failed" else None

    reason = wait_for(failed)["StateReason"]
    assert "the local executor runs python3.13, not python3.12" in reason


def test_only_the_failing_message_of_a_batch_returns_to_the_queue(
    aws: Aws, deploy: Deploy, queue, wait_for
):
    dead_letters = queue()
    redrive = {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": 2}
    source = queue(VisibilityTimeout="1", RedrivePolicy=json.dumps(redrive))
    name = deploy(
        "def handler(event, context):\n"
        "    failed = [r['messageId'] for r in event['Records'] if r['body'] == 'bad']\n"
        "    print('batch', sorted(r['body'] for r in event['Records']))\n"
        "    return {'batchItemFailures': [{'itemIdentifier': each} for each in failed]}\n",
        Timeout=1,
    )
    entries = [{"Id": body, "MessageBody": body} for body in ("bad", "good")]
    aws("sqs").send_message_batch(QueueUrl=source.url, Entries=entries)
    mapping = aws("lambda").create_event_source_mapping(
        FunctionName=name,
        EventSourceArn=source.arn,
        BatchSize=10,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    assert wait_for(dead_letters.take_bodies) == ["bad"]
    aws("lambda").delete_event_source_mapping(UUID=mapping["UUID"])
    lines = wait_for(lambda: logs_of(aws("logs"), name))
    bodies = "".join(line for line in lines if line.startswith("batch"))
    assert (bodies.count("good"), bodies.count("bad")) == (1, 2)
