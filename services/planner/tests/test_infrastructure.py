"""Provisioning, on AWS's doubles; races that they do not lose by themselves are faked."""

import io
import json
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import replace
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier
from typing import Any, cast

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, WaiterError

from devstack.pytest_backends import Backend
from logferry_contracts.execution_variables import ExecutionVariables, QueueOptions
from logferry_contracts.source import Source
from logferry_contracts.wire import parse
from planner.aws.infrastructure import WAITS_S, Infrastructure, _refused_as_options_of
from planner.errors import AwsError, InfrastructureBusyError, PlanRefusedError
from planner.settings import Settings

EXAMPLE = (
    Path(__file__).parents[3]
    / "contracts/examples/execution-variables/1.0/accept/queue-options-complete.json"
)
QUEUE = "log-sqs-dev-collect.fifo"
DIRECT_QUEUE = "log-sqs-dev-direct.fifo"
DEAD_LETTER_QUEUE = "log-sqs-dev-collect-dlq.fifo"
FUNCTION = "log-sqs-dev-collect-fifoSQSConsumer"
ALL_CREATED = [
    ("dead_letter_queue", DEAD_LETTER_QUEUE, "created"),
    ("queue", QUEUE, "created"),
    ("direct_queue", DIRECT_QUEUE, "created"),
    ("function", FUNCTION, "created"),
    ("event_source_mapping", QUEUE, "created"),
    ("event_source_mapping", DIRECT_QUEUE, "created"),
]
SOURCE = Source(
    profile="Dev",
    account_id="111111111111",
    region="eu-west-1",
    role_arn="arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole",
)


ON_MOTO = pytest.mark.parametrize("backend", ["moto"], indirect=True)
ON_LOCALSTACK = pytest.mark.parametrize(
    "backend", [pytest.param("localstack", marks=pytest.mark.localstack)], indirect=True
)
"""moto is not made for threads."""


def zipped(text: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", text)
    return packed.getvalue()


@dataclass
class Hub:
    """The planner's account: an artifact bucket with the exporter's code, a layer, a role."""

    backend: Backend
    settings: Settings
    options: QueueOptions
    waited: list[float]

    def client(self, service: str) -> Any:
        return self.backend.client(service)

    def infrastructure(
        self, meanwhile: Callable[[], None] = lambda: None, **clients: Any
    ) -> Infrastructure:
        def wait(seconds: float) -> None:
            self.waited.append(seconds)
            if seconds:
                meanwhile()

        made = {name: clients.get(name) or self.client(name) for name in ("sqs", "lambda", "s3")}
        return Infrastructure(made["sqs"], made["lambda"], made["s3"], self.settings, wait=wait)

    def ensure(self, **around: Any) -> list[tuple[str, str, str]]:
        changes = self.infrastructure(**around).ensure(SOURCE, self.options)
        return [(change.resource, change.name, change.change) for change in changes]

    def upload(self, text: str) -> None:
        consumer = self.options.consumer_options
        self.client("s3").put_object(
            Bucket=consumer.bucket_name, Key=consumer.object_key, Body=zipped(text)
        )

    def queue(self, name: str = QUEUE) -> dict[str, str]:
        sqs = self.client("sqs")
        found: dict[str, str] = sqs.get_queue_attributes(
            QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], AttributeNames=["All"]
        )["Attributes"]
        return found

    def function(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client("lambda").get_function(FunctionName=FUNCTION)
        return found

    def mappings(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.client("lambda").list_event_source_mappings(
            FunctionName=FUNCTION
        )["EventSourceMappings"]
        return found

    def settle(self) -> None:
        """Wait until every mapping may be changed again; moto's always may."""
        deadline = time.monotonic() + 60
        while {each["State"] for each in self.mappings()} - {"Enabled"}:
            assert time.monotonic() < deadline, self.mappings()
            time.sleep(0.05)

    def reconsider(self, **changes: object) -> None:
        consumer = self.options.consumer_options
        self.options = self.options.model_copy(
            update={"consumer_options": consumer.model_copy(update=changes)}
        )


@pytest.fixture
def hub(backend: Backend) -> Hub:
    role_arn = backend.client("iam").create_role(
        RoleName="exporters",
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}),
    )["Role"]["Arn"]
    layer_arn = backend.client("lambda").publish_layer_version(
        LayerName="CloudWatchLogsExportToS3", Content={"ZipFile": zipped("")}
    )["LayerVersionArn"]
    options = parse(ExecutionVariables, EXAMPLE.read_bytes()).queue_options
    assert options is not None
    hub = Hub(
        backend,
        Settings.from_env(
            {
                "AWS_REGION": backend.region,
                "CONTROL_BUCKET": "acme-log-control",
                "TOPIC_ARN": f"arn:aws:sns:{backend.region}:{backend.account_id}:events",
                "DEAD_LETTER_QUEUE_URL": "https://sqs/dlq",
                "EXPORTER_ROLE_ARN": role_arn,
                "EXPORTER_ARCHITECTURE": "x86_64",
            }
        ),
        options,
        [],
    )
    hub.reconsider(layer_arn=layer_arn, bucket_name=f"artifacts-{backend.account_id}")
    backend.client("s3").create_bucket(
        Bucket=hub.options.consumer_options.bucket_name,
        CreateBucketConfiguration={"LocationConstraint": backend.region},
    )
    hub.upload("def handle(*_): pass")
    return hub


def test_everything_is_made_once_as_the_options_say(hub: Hub) -> None:
    assert hub.ensure() == ALL_CREATED

    letters = hub.queue(DEAD_LETTER_QUEUE)
    assert letters["FifoQueue"] == "true"
    assert letters["MessageRetentionPeriod"] == "1209600"
    for name in (QUEUE, DIRECT_QUEUE):
        queue = hub.queue(name)
        assert queue["FifoQueue"] == "true"
        assert queue["KmsMasterKeyId"] == letters["KmsMasterKeyId"] == hub.options.kms_master_key_id
        assert queue["KmsDataKeyReusePeriodSeconds"] == str(
            hub.options.kms_data_key_reuse_period_seconds
        )
        assert queue["MessageRetentionPeriod"] == str(hub.options.message_retention_period)
        assert int(queue["VisibilityTimeout"]) >= hub.function()["Configuration"]["Timeout"]
        assert json.loads(queue["RedrivePolicy"])["deadLetterTargetArn"] == letters["QueueArn"]
    function = hub.function()
    assert function["Tags"]["logferry:managed-by"] == "planner"
    configuration = function["Configuration"]
    assert configuration["Role"] == hub.settings.exporter_role_arn
    assert configuration["Architectures"] == ["x86_64"]
    assert [layer["Arn"] for layer in configuration["Layers"]] == [
        hub.options.consumer_options.layer_arn
    ]
    sqs = hub.client("sqs")
    variables = configuration["Environment"]["Variables"]
    assert variables["QUEUE_URL"] == sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    assert variables["DIRECT_LANE_MAX_BYTES"] == "100000000"
    assert (
        variables["DEAD_LETTER_QUEUE_URL"]
        == (sqs.get_queue_url(QueueName=DEAD_LETTER_QUEUE)["QueueUrl"])
    )
    assert variables["CONTROL_BUCKET"] == "acme-log-control"
    assert {mapping["EventSourceArn"] for mapping in hub.mappings()} == {
        hub.queue(QUEUE)["QueueArn"],
        hub.queue(DIRECT_QUEUE)["QueueArn"],
    }
    for mapping in hub.mappings():
        assert mapping["BatchSize"] == hub.options.consumer_options.batch_size
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]

    assert hub.ensure() == []


def test_what_somebody_has_changed_is_mended_and_said(hub: Hub) -> None:
    hub.ensure()
    hub.settle()
    sqs, lambda_ = hub.client("sqs"), hub.client("lambda")
    sqs.set_queue_attributes(
        QueueUrl=sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"],
        Attributes={"VisibilityTimeout": "30", "RedrivePolicy": ""},
    )
    variables = hub.function()["Configuration"]["Environment"]["Variables"]
    lambda_.update_function_configuration(
        FunctionName=FUNCTION,
        Timeout=3,
        Environment={"Variables": {**variables, "QUEUE_URL": "x", "MAX_GENERATIONS": "5"}},
    )
    mapping = next(m for m in hub.mappings() if m["EventSourceArn"] == hub.queue()["QueueArn"])
    lambda_.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=1)
    hub.upload("def handle(*_): return 'new'")

    changes = hub.ensure(meanwhile=hub.settle)

    assert [(resource, name) for resource, name, _ in changes] == [
        ("queue", QUEUE),
        ("function", FUNCTION),
        ("function", FUNCTION),
        ("event_source_mapping", QUEUE),
    ]
    queue, code, configuration, batch = (change for _, _, change in changes)
    assert "VisibilityTimeout" in queue
    assert "(was 30)" in queue
    assert "RedrivePolicy" in queue
    assert code.endswith(hub.options.consumer_options.object_key)
    assert configuration == "Timeout 120 (was 3), variables QUEUE_URL"
    assert batch == f"BatchSize {hub.options.consumer_options.batch_size} (was 1)"
    variables = hub.function()["Configuration"]["Environment"]["Variables"]
    assert variables["MAX_GENERATIONS"] == "5"
    assert hub.ensure() == []


@ON_LOCALSTACK
def test_two_planners_at_once_make_everything_once(hub: Hub) -> None:
    start = Barrier(2)

    def planner(_number: int) -> list[tuple[str, str, str]]:
        infrastructure = hub.infrastructure()
        start.wait()
        changes = infrastructure.ensure(SOURCE, hub.options)
        return [(change.resource, change.name, change.change) for change in changes]

    with ThreadPoolExecutor(2) as pool:
        changes = [change for made in pool.map(planner, range(2)) for change in made]
    assert sorted(set(changes)) == sorted(ALL_CREATED)
    assert len(hub.mappings()) == 2
    assert hub.ensure() == []


@ON_MOTO
def test_a_visibility_timeout_that_is_too_short_is_raised_and_said(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.options = hub.options.model_copy(update={"visibility_timeout": 30})
    assert hub.ensure() == ALL_CREATED
    assert hub.queue()["VisibilityTimeout"] == "120"
    (warning,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (vars(warning)["asked_s"], vars(warning)["used_s"]) == (30, 120)
    assert hub.ensure() == []


@ON_MOTO
def test_without_a_role_for_exporters_nothing_is_touched(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    hub.settings = replace(hub.settings, exporter_role_arn=None)  # type: ignore[arg-type]
    assert hub.ensure() == []
    assert "EXPORTER_ROLE_ARN" in caplog.text
    assert hub.client("sqs").list_queues().get("QueueUrls", []) == []


@ON_MOTO
@pytest.mark.parametrize("name", [QUEUE, DIRECT_QUEUE, DEAD_LETTER_QUEUE])
def test_a_queue_that_is_nobodys_is_refused_before_anything_is_made(hub: Hub, name: str) -> None:
    hub.client("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
    with pytest.raises(PlanRefusedError) as refused:
        hub.ensure()
    assert refused.value.reason == "refused_queue_options"
    assert name in str(refused.value)
    assert "logferry:managed-by=planner" in str(refused.value)
    assert len(hub.client("sqs").list_queues()["QueueUrls"]) == 1


def create_function(hub: Hub, tags: dict[str, str]) -> None:
    hub.client("lambda").create_function(
        FunctionName=FUNCTION,
        Runtime="python3.13",
        Role=hub.settings.exporter_role_arn,
        Handler="app.handle",
        Code={"ZipFile": zipped("def handle(*_): pass")},
        Tags=tags,
    )


@ON_MOTO
def test_a_function_that_is_nobodys_is_refused(hub: Hub) -> None:
    create_function(hub, {"team": "red"})
    with pytest.raises(PlanRefusedError, match=f"on {FUNCTION}, which is there and bears no tag"):
        hub.ensure()


@ON_MOTO
def test_what_was_made_for_another_account_is_refused_before_anything_is_changed(hub: Hub) -> None:
    hub.ensure()
    before = hub.function()["Configuration"]
    other = SOURCE.model_copy(update={"account_id": "222222222222"})
    with pytest.raises(PlanRefusedError, match=f"is of account {SOURCE.account_id}"):
        hub.infrastructure().ensure(other, hub.options)
    assert hub.function()["Configuration"] == before


@ON_MOTO
def test_queues_that_do_not_say_whose_they_are_yet_are_tagged(hub: Hub) -> None:
    hub.ensure()
    sqs = hub.client("sqs")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    sqs.untag_queue(QueueUrl=url, TagKeys=["logferry:slot"])
    assert hub.ensure() == []
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"]["logferry:slot"] == SOURCE.slot


@ON_MOTO
def test_what_another_tool_has_deployed_is_left_alone(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    create_function(hub, {"logferry:managed-by": "terraform"})
    before = hub.function()
    assert hub.ensure() == []
    assert hub.function()["Configuration"] == before["Configuration"]
    assert hub.client("sqs").list_queues().get("QueueUrls", []) == []
    assert vars(caplog.records[-1])["names"] == [FUNCTION]


@ON_MOTO
@pytest.mark.parametrize("changes", [{"object_key": "no.zip"}, {"bucket_name": "no-such-bucket-1"}])
def test_code_that_is_not_there_is_refused_before_anything_is_made(
    hub: Hub, changes: dict[str, str]
) -> None:
    hub.reconsider(**changes)
    with pytest.raises(PlanRefusedError, match=r"object_key s3://.* does not exist"):
        hub.ensure()
    assert hub.client("sqs").list_queues().get("QueueUrls", []) == []


# --- what the doubles do not do by themselves


class Interrupted:
    """A client some of whose operations do something first, and maybe fail."""

    def __init__(self, client: Any, **before: list[Callable[[], None]]) -> None:
        self.client = client
        self.before = before

    def __getattr__(self, name: str) -> Any:
        real = getattr(self.client, name)
        if name not in self.before:
            return real

        def call(**asked: Any) -> Any:
            if self.before[name]:
                self.before[name].pop(0)()
            return real(**asked)

        return call


def fails(client: Any, exception: str, operation: str) -> Callable[[], None]:
    def fail() -> None:
        raise getattr(client.exceptions, exception)(
            {"Error": {"Code": exception, "Message": "not now"}}, operation
        )

    return fail


@ON_MOTO
def test_a_queue_name_that_is_not_free_yet_is_waited_for(hub: Hub) -> None:
    sqs = hub.client("sqs")
    deleted = fails(sqs, "QueueDeletedRecently", "CreateQueue")
    assert hub.ensure(sqs=Interrupted(sqs, create_queue=[deleted] * 3)) == ALL_CREATED
    assert sum(hub.waited) >= 1 + 2 + 4


@ON_LOCALSTACK
def test_the_name_of_a_queue_that_was_just_deleted_is_waited_for(
    hub: Hub, free_queue_names: Callable[[str], None]
) -> None:
    """https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html"""
    sqs = hub.client("sqs")
    url = sqs.create_queue(QueueName=QUEUE, Attributes={"FifoQueue": "true"})["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)

    def after_60_seconds() -> None:
        if sum(hub.waited) > 60:
            free_queue_names(hub.backend.account_id)

    assert hub.ensure(meanwhile=after_60_seconds) == ALL_CREATED
    assert sum(hub.waited) > 60


@ON_LOCALSTACK
def test_a_function_that_somebody_else_is_updating_is_waited_for(hub: Hub) -> None:
    # Recorded on AWS: localstack/localstack, tests/aws/services/lambda_/test_lambda_api.py,
    # `test_lambda_concurrent_config_updates`, 2025-11-25.
    hub.ensure()
    lambda_ = hub.client("lambda")
    updated = lambda_.get_waiter("function_updated_v2")

    def settle() -> None:
        updated.wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def others() -> None:
        lambda_.update_function_configuration(FunctionName=FUNCTION, Timeout=3)

    lambda_.update_function_configuration(FunctionName=FUNCTION, Timeout=3)
    settle()
    hub.waited.clear()
    interrupted = Interrupted(lambda_, update_function_configuration=[others])
    changes = hub.ensure(meanwhile=settle, **{"lambda": interrupted})
    assert changes == [("function", FUNCTION, "Timeout 120 (was 3)")]
    assert sum(hub.waited) > 0


@ON_LOCALSTACK
def test_a_mapping_that_somebody_else_is_updating_is_waited_for(hub: Hub) -> None:
    """https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html"""
    hub.ensure()
    lambda_ = hub.client("lambda")
    mapping = next(m for m in hub.mappings() if m["EventSourceArn"] == hub.queue()["QueueArn"])

    def others() -> None:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=1)

    hub.settle()
    others()
    hub.settle()
    hub.waited.clear()
    interrupted = Interrupted(lambda_, update_event_source_mapping=[others])
    ((resource, name, _),) = hub.ensure(meanwhile=hub.settle, **{"lambda": interrupted})
    assert (resource, name) == ("event_source_mapping", QUEUE)
    assert sum(hub.waited) > 0
    assert {m["BatchSize"] for m in hub.mappings()} == {hub.options.consumer_options.batch_size}


@ON_MOTO
def test_a_queue_that_another_planner_makes_in_between_is_mended(hub: Hub) -> None:
    sqs = hub.client("sqs")

    def overtaken() -> None:
        sqs.create_queue(
            QueueName=DEAD_LETTER_QUEUE,
            Attributes={"FifoQueue": "true", "MessageRetentionPeriod": "60"},
        )
        fails(sqs, "QueueNameExists", "CreateQueue")()

    first, *others = hub.ensure(sqs=Interrupted(sqs, create_queue=[overtaken]))
    assert first[:2] == ("dead_letter_queue", DEAD_LETTER_QUEUE)
    assert "MessageRetentionPeriod 1209600 (was 60)" in first[2]
    assert others == ALL_CREATED[1:]


@ON_MOTO
def test_a_function_and_mappings_that_another_planner_makes_in_between_are_taken(
    hub: Hub,
) -> None:
    lambda_ = hub.client("lambda")
    both = [
        fails(lambda_, "ResourceConflictException", "CreateFunction"),
        lambda: None,
    ]
    conflict = fails(lambda_, "ResourceConflictException", "CreateEventSourceMapping")
    interrupted = Interrupted(
        lambda_, create_function=both, create_event_source_mapping=[conflict, conflict]
    )
    assert hub.ensure(**{"lambda": interrupted}) == ALL_CREATED
    assert len(hub.mappings()) == 2


@ON_MOTO
def test_an_update_in_progress_is_waited_for(hub: Hub) -> None:
    hub.ensure()
    lambda_ = hub.client("lambda")
    lambda_.update_function_configuration(FunctionName=FUNCTION, Timeout=3)
    conflict = fails(lambda_, "ResourceConflictException", "UpdateFunctionConfiguration")
    interrupted = Interrupted(lambda_, update_function_configuration=[conflict] * 3)
    assert hub.ensure(**{"lambda": interrupted}) == [("function", FUNCTION, "Timeout 120 (was 3)")]


@ON_MOTO
def test_code_that_was_cut_before_it_was_noted_is_updated_again(hub: Hub) -> None:
    hub.ensure()
    hub.upload("def handle(*_): return 'new'")
    lambda_ = hub.client("lambda")

    def cut() -> None:
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        hub.ensure(**{"lambda": Interrupted(lambda_, tag_resource=[cut])})
    (again,) = hub.ensure()
    assert again[2].startswith("code ")
    assert hub.ensure() == []


@ON_MOTO
def test_a_change_without_end_is_an_error_to_try_again_after(hub: Hub) -> None:
    sqs = hub.client("sqs")
    deleted = fails(sqs, "QueueDeletedRecently", "CreateQueue")
    with pytest.raises(InfrastructureBusyError, match=DEAD_LETTER_QUEUE):
        hub.ensure(sqs=Interrupted(sqs, create_queue=[deleted] * len(WAITS_S)))
    assert sum(hub.waited) > 60


@ON_MOTO
def test_a_function_that_does_not_become_active_is_an_error_to_try_again_after(hub: Hub) -> None:
    class Waiter:
        def wait(self, **_asked: Any) -> None:
            raise WaiterError("FunctionActiveV2", "it failed", {})

    lambda_ = Interrupted(hub.client("lambda"))
    cast("Any", lambda_).get_waiter = lambda _name: Waiter()
    with pytest.raises(InfrastructureBusyError, match=f"{FUNCTION}: .*it failed"):
        hub.ensure(**{"lambda": lambda_})


def spoil(hub: Hub) -> None:
    """Make everything, and then let each part of it be another."""
    hub.ensure()
    sqs, functions = hub.client("sqs"), hub.client("lambda")
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    sqs.untag_queue(QueueUrl=url, TagKeys=["profile"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "900"})
    functions.update_function_configuration(FunctionName=FUNCTION, Timeout=3)
    hub.reconsider(batch_size=hub.options.consumer_options.batch_size + 1)
    hub.upload("def handle(*_): return 1")


@ON_MOTO
@pytest.mark.parametrize(
    ("service", "operation", "subject", "before"),
    [
        ("s3", "HeadObject", "s3://artifacts-", None),
        ("sqs", "GetQueueUrl", QUEUE, None),
        ("sqs", "CreateQueue", DEAD_LETTER_QUEUE, None),
        ("sqs", "ListQueueTags", QUEUE, spoil),
        ("sqs", "TagQueue", QUEUE, spoil),
        ("sqs", "GetQueueAttributes", DEAD_LETTER_QUEUE, None),
        ("sqs", "SetQueueAttributes", QUEUE, spoil),
        ("lambda", "GetFunction", FUNCTION, None),
        ("lambda", "CreateFunction", FUNCTION, None),
        ("lambda", "UpdateFunctionCode", FUNCTION, spoil),
        ("lambda", "TagResource", FUNCTION, spoil),
        ("lambda", "UpdateFunctionConfiguration", FUNCTION, spoil),
        ("lambda", "ListEventSourceMappings", QUEUE, None),
        ("lambda", "CreateEventSourceMapping", QUEUE, None),
        ("lambda", "UpdateEventSourceMapping", QUEUE, spoil),
    ],
    ids=lambda each: each if isinstance(each, str) and each[0].isupper() else "",
)
def test_an_error_names_the_call_and_its_subject(
    hub: Hub, service: str, operation: str, subject: str, before: Callable[[Hub], None] | None
) -> None:
    def fail() -> None:
        error: Any = {"Error": {"Code": "ServiceException", "Message": "not now"}}
        raise ClientError(error, operation)

    if before is not None:
        before(hub)
    failing = Interrupted(hub.client(service), **{xform_name(operation): [fail]})
    with pytest.raises(AwsError) as caught:
        hub.ensure(**{service: failing})
    assert str(caught.value).startswith(f"{operation} of {subject}")
    assert str(caught.value).endswith(": ServiceException: not now")


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("CreateQueue", "sqs:CreateQueue"),
        ("ListQueueTags", "sqs:ListQueueTags"),
        ("CreateFunction", "lambda:CreateFunction"),
        ("HeadObject", "s3:GetObject"),
    ],
)
@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_a_permission_that_the_planner_lacks_is_named(
    code: str, operation: str, action: str
) -> None:
    with pytest.raises(PlanRefusedError) as refused, _refused_as_options_of(SOURCE):
        raise AwsError(operation, FUNCTION, code, "as it is")
    assert f"need {action}, which the planner's role lacks" in str(refused.value)
    assert "Provisioning=ENABLED" in str(refused.value)
    assert refused.value.value == QUEUE


def test_options_that_aws_does_not_take_are_refused_with_what_it_said() -> None:
    with (
        pytest.raises(PlanRefusedError, match=r"are not taken: CreateFunction of .*as it is"),
        _refused_as_options_of(SOURCE),
    ):
        raise AwsError("CreateFunction", FUNCTION, "InvalidParameterValueException", "as it is")


def test_an_error_that_may_pass_is_not_taken_for_a_refusal() -> None:
    with pytest.raises(AwsError), _refused_as_options_of(SOURCE):
        raise AwsError("CreateFunction", FUNCTION, "ServiceException", "as it is")
