"""Every permission of the roles is needed: the whole flow under them, and then without each.

Run by `make iam-check` together with the tests across services, whose calls count as well. What
those do not do is done here; the last test judges all of it.
"""

import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from localstack_client.session import Session
from tests.iam.mutations import Permission, Run
from tests.iam.unmissed import SELDOM, UNMISSED

from devstack.organisation import LogGroup, LogStream
from devstack.suite import EXTERNAL_ID, REGION, Suite, yesterday
from logferry.checkout import ROOT, TEMPLATES
from logferry.package import build_zips
from logferry.services import NAMES
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_record import Completed
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.wire import emit

pytestmark = pytest.mark.localstack

CONTRACTS = ROOT / "contracts"
PREFIX = "alpha/test/2026/11/22/00/direct"
TAGGED = {"Tagging": "team=web&keep=7y"}
RETAINED = {
    "ObjectLockMode": "GOVERNANCE",
    "ObjectLockRetainUntilDate": datetime(2099, 1, 1, tzinfo=UTC),
}
PART_BYTES = 5 * 1024**2
PATIENCE_S = 300


def eventually(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@contextmanager
def configured(suite: Suite, function: str, **changes: Any) -> Iterator[None]:
    """Let a function have other settings; those of its environment are given as `variables`."""
    functions = suite.client("lambda")
    before = functions.get_function_configuration(FunctionName=function)
    variables = before["Environment"]["Variables"]

    def configure(**settings: Any) -> None:
        functions.update_function_configuration(FunctionName=function, **settings)
        functions.get_waiter("function_updated_v2").wait(FunctionName=function)

    more = changes.pop("variables", {})
    configure(Environment={"Variables": variables | more}, **changes)
    try:
        yield
    finally:
        configure(Environment={"Variables": variables}, **{name: before[name] for name in changes})


@contextmanager
def without(suite: Suite, role: str, policy: str, action: str) -> Iterator[None]:
    """Take an action out of a role's policy."""
    iam = suite.client("iam")
    where = {"RoleName": role, "PolicyName": policy}
    document = iam.get_role_policy(**where)["PolicyDocument"]
    statements = [statement for statement in document["Statement"] if statement["Action"] != action]
    assert len(statements) < len(document["Statement"])
    left = json.dumps({**document, "Statement": statements})
    iam.put_role_policy(**where, PolicyDocument=left)
    try:
        yield
    finally:
        iam.put_role_policy(**where, PolicyDocument=json.dumps(document))


def secured(tap: Any, key: str) -> bool:
    return any(event["data"].get("key") == key for event in tap.events)


def planned(tap: Any) -> bool:
    return any(event["type"] == "logferry.plan.completed.v1" for event in tap.events)


def test_a_locked_object_with_tags_is_copied_with_them(suite, tap):
    s3, bucket, key = suite.client("s3"), suite.archive_bucket, f"{PREFIX}/tagged/000000.gz"
    put = {"Body": b"x", "ServerSideEncryption": "AES256", **RETAINED, **TAGGED}
    s3.put_object(Bucket=bucket, Key=key, **put)
    tap.until(lambda: secured(tap, key))

    tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
    assert {tag["Key"]: tag["Value"] for tag in tags} == {"team": "web", "keep": "7y"}


def test_an_object_under_a_former_key_is_put_under_the_archives(suite, tap):
    s3, bucket = suite.client("s3"), suite.archive_bucket
    former = suite.client("kms").create_key()["KeyMetadata"]["Arn"]
    keys = {f"{PREFIX}/former {lock}/000000.gz": lock for lock in ("free", "retained")}
    for key, lock in keys.items():
        s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=b"x",
            ServerSideEncryption="aws:kms",
            SSEKMSKeyId=former,
            **(RETAINED if lock == "retained" else {}),
        )
    tap.until(lambda: all(secured(tap, key) for key in keys))

    for key in keys:
        head = s3.head_object(Bucket=bucket, Key=key)
        assert head["SSEKMSKeyId"] == suite.kms_key_arn


def test_a_copy_in_parts_that_fails_is_aborted_and_begins_anew(suite, tap):
    s3, bucket, name = suite.client("s3"), suite.archive_bucket, "logferry-sse-enforcer"
    key = f"{PREFIX}/parts/000000.gz"
    limits = {"COPY_LIMIT_BYTES": str(PART_BYTES), "COPY_PART_BYTES": str(PART_BYTES)}
    refused = {"code": "AccessDenied", "status": 403}
    with configured(suite, name, variables=limits):
        suite.control("faults", {"operation": "s3.UploadPartCopy", "error": refused})
        put = {"Body": bytes(2 * PART_BYTES + 1), "ServerSideEncryption": "AES256"}
        s3.put_object(Bucket=bucket, Key=key, **put, **RETAINED, **TAGGED)
        tap.until(lambda: secured(tap, key))
    suite.reset_faults()

    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
    assert len(s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]) == 2


def test_an_object_that_is_gone_is_no_concern_of_the_enforcer(suite):
    sqs, name = suite.client("sqs"), "logferry-sse-enforcer"
    example = next((CONTRACTS / "examples/object-created").glob("*/accept/put-object.json"))
    event = json.loads(example.read_text())
    event["detail"]["bucket"]["name"] = suite.archive_bucket
    sqs.send_message(QueueUrl=suite.queue_url(name), MessageBody=json.dumps(event))
    eventually(lambda: suite.waiting(name) == 0)

    assert suite.waiting(f"{name}-dlq") == 0


def test_a_sweep_mends_what_no_event_reported(suite):
    function = "logferry-sse-enforcer-sweep"
    with configured(suite, function, variables={"SWEEP_GRACE_MINUTES": "0"}):
        for dry_run in (True, False):
            request = {"run": "now", "dry_run": dry_run, "full": True, "limit_s": 20}
            report: dict[str, Any] = {"is_complete": False}
            while not report["is_complete"]:
                answer = suite.client("lambda").invoke(
                    FunctionName=function, Payload=json.dumps(request)
                )
                report = json.load(answer["Payload"])
                assert "FunctionError" not in answer, report
                request["report_key"] = report["report_key"]
            still = [each for each in report["examples"] if each["action"] in {"refused", "failed"}]
            assert report["open_count"] == 0 or dry_run, still


def test_an_object_that_is_gone_when_its_export_is_measured_is_told_from_a_forbidden_one(
    suite, name, request_of, write, some_logs
):
    some_logs("alpha", name)
    request = request_of("alpha", name)
    key = f"{request.destination.prefix}/7c1b6a0e-3f5d-4c0a-9b1e-2d8f4a6c9e10/web/000000.gz"
    gone = ArchivedObject(key=key, version_id="v1", size_bytes=9, etag="e")
    manifest = Manifest(object_count=1, stream_count=1, total_bytes=9, objects=[gone])
    at = timestamp(datetime.now(UTC))
    done = Completed(at=at, manifest=manifest, published_at=at)
    record = write(request, state="completed", completed=done)
    # To the sealer alone: whoever else is told looks for the object, too, and fails the export.
    suite.client("sqs").send_message(
        QueueUrl=suite.queue_url("logferry-sealer"),
        MessageBody=emit(ExportCompleted.of_record(record)),
    )
    source = record.source
    note = f"seals/{source.account_id}/{source.region}/measured/{record.export_id}.json"
    s3, control = suite.client("s3"), suite.parameter("/logferry/control/bucket")
    eventually(lambda: s3.list_objects_v2(Bucket=control, Prefix=note)["KeyCount"])

    read = json.load(s3.get_object(Bucket=control, Key=note)["Body"])
    assert [each["what"] for each in read["differences"]] == ["object_missing"]


def test_log_groups_are_selected_by_their_tags(suite, name, some_logs, records):
    some_logs("alpha", name)
    request = suite.plan_request("alpha", include=[name])
    request["data"]["selection"]["tag_filters"] = [{"key": "team", "values": ["nobody"]}]

    assert suite.invoke_planner(request)["data"]["requested"] == 0


def test_an_object_of_a_try_that_was_killed_is_compared(suite, tap, name, plan, some_logs):
    some_logs("alpha", name, lane="direct")
    # After the record that it begins with, and its first object.
    kill = {"kill_after_call": 2, "operation": "s3.PutObject"}
    suite.control("faults", kill | {"function": suite.source("alpha").direct_function_name})
    plan("alpha", name)
    tap.until(lambda: tap.of("export.completed", name))

    assert suite.kills("alpha") == 1


def test_a_task_that_takes_too_long_is_cancelled_and_its_window_split(
    suite, tap, name, plan, records, some_logs
):
    account_id = suite.source("alpha").account_id
    some_logs("alpha", name)
    suite.control("exports", {"account": account_id, "running_s": 3600, "age_s": 23 * 3600})
    try:
        plan("alpha", name)
        eventually(lambda: suite.export_tasks("alpha", name=records(name)[0].export_id))
    finally:
        # The task keeps what it was made with.
        suite.control("exports", {"account": account_id, "running_s": 0.2, "age_s": 0})
    tap.until(lambda: tap.of("export.completed", name))

    assert len({(r.window.from_ms, r.window.to_ms) for r in records(name)}) == 3
    assert "logs.CancelExportTask" in suite.calls("alpha")


def test_a_schedule_asks_for_a_plan(suite, tap):
    suite.fire_schedule("beta")
    tap.until(lambda: planned(tap))


def test_without_its_permission_a_schedule_ends_in_the_dead_letter_queue(suite):
    role, function = "logferry-schedule-beta", "lambda:InvokeFunction"
    with without(suite, role, "schedule", function):
        suite.fire_schedule("beta")
        sqs, url = suite.client("sqs"), suite.queue_url("logferry-planner-dlq")
        found: list[dict[str, Any]] = []
        while not found:
            answer = sqs.receive_message(
                QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=20
            )
            found = answer.get("Messages", [])
    [letter] = found
    sqs.delete_message(QueueUrl=url, ReceiptHandle=letter["ReceiptHandle"])

    attributes = letter["MessageAttributes"]
    assert attributes["ERROR_CODE"]["StringValue"] == "AccessDeniedException"
    assert f"{role}/" in attributes["ERROR_MESSAGE"]["StringValue"]
    assert (
        f"is not authorized to perform: {function} on" in attributes["ERROR_MESSAGE"]["StringValue"]
    )


@pytest.fixture
def gamma(suite: Suite, tmp_path: Any) -> str:
    """A source whose exporter the planner makes; returns its account's id."""
    account_id = str(int(suite.hub_account_id) + 1)
    suite.control("authorization", {"account": account_id, "enforced": True})
    _deploy(
        suite.client("cloudformation", account_id),
        "source-account.yaml",
        HubAccountId=suite.hub_account_id,
        Profile="gamma",
        LowercaseProfile="gamma",
        ExternalId=EXTERNAL_ID,
        ProvisionedExporter="ENABLED",
    )
    s3 = suite.client("s3")
    [built] = build_zips(tmp_path, services=["exporter"])
    s3.put_object(
        Bucket=suite.parameter("/logferry/artifacts/bucket"),
        Key="provisioned/exporter.zip",
        Body=built.path.read_bytes(),
    )
    _let_in(suite, account_id)
    return account_id


def _let_in(suite: Suite, account_id: str) -> None:
    """Let the archive's policies know one more source, as its stack would."""
    s3, kms = suite.client("s3"), suite.client("kms")
    bucket = {"Bucket": suite.archive_bucket}
    policy = _with_account(s3.get_bucket_policy(**bucket)["Policy"], account_id)
    s3.put_bucket_policy(**bucket, Policy=policy)
    key = {"KeyId": suite.kms_key_arn, "PolicyName": "default"}
    policy = _with_account(kms.get_key_policy(**key)["Policy"], account_id)
    kms.put_key_policy(**key, Policy=policy)


def _with_account(policy: str, account_id: str) -> str:
    document = json.loads(policy)
    for statement in document["Statement"]:
        equals = statement.get("Condition", {}).get("StringEquals", {})
        for listed in equals.keys() & {"aws:SourceAccount", "aws:PrincipalAccount"}:
            equals[listed].append(account_id)
    return json.dumps(document)


def _deploy(cloudformation: Any, template: str, **parameters: str) -> None:
    name = template.removesuffix(".yaml")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(TEMPLATES / template).read_text(),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
    )
    cloudformation.get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1}
    )


def test_the_planner_makes_and_mends_an_exporter_that_does_its_work(suite, tap, name, gamma):
    s3, sqs = suite.client("s3"), suite.client("sqs")
    consumer = {
        "BucketName": suite.parameter("/logferry/artifacts/bucket"),
        "ObjectKey": "provisioned/exporter.zip",
        "LayerArn": _layer(suite, b"one"),
        "BatchSize": 1,
    }
    options = {
        "VisibilityTimeout": 120,
        "MessageRetentionPeriod": 86_400,
        "KmsMasterKeyId": suite.kms_key_arn,
        "KmsDataKeyReusePeriodSeconds": 300,
        "ConsumerOptions": consumer,
    }
    variables = {
        "loggingBucketName": suite.archive_bucket,
        "roleArn": f"arn:aws:iam::{gamma}:role/logferry-source",
        "Prefix": "gamma",
        "QueueOptions": options,
    }
    made = suite.invoke_planner(variables)["data"]["infrastructure_changes"]
    assert {change["change"] for change in made} == {"created"}

    # Another zip and another layer, from a bucket as aws-logs-export-to-s3 names it.
    where = {"Bucket": consumer["BucketName"], "Key": consumer["ObjectKey"]}
    code = BytesIO(s3.get_object(**where)["Body"].read())
    with zipfile.ZipFile(code, "a") as archive:
        archive.writestr("another", "")
    bucket = f"{suite.hub_account_id}-s3-logs-collector-lambda"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=bucket, Key=consumer["ObjectKey"], Body=code.getvalue())
    consumer |= {"BucketName": bucket, "LayerArn": _layer(suite, b"two"), "BatchSize": 2}
    options["VisibilityTimeout"] = 121
    _put_logs(suite, gamma, name)
    suite.control("exports", {"account": gamma, "fail_pattern": f"^{name}/slot$", "fail_count": 1})
    mended = suite.invoke_planner(variables)["data"]["infrastructure_changes"]
    assert {change["resource"] for change in mended} >= {"queue", "function"}
    lanes = [f"{name}/{lane}" for lane in ("slot", "direct")]
    tap.until(lambda: all(tap.of("export.completed", each) for each in lanes))

    sqs.send_message(
        QueueUrl=suite.queue_url("log-sqs-gamma-collect.fifo"),
        MessageBody="{}",
        MessageGroupId="any",
        MessageDeduplicationId="any",
    )
    eventually(lambda: suite.waiting("log-sqs-gamma-collect-dlq.fifo") == 1)

    for missing in (bucket, suite.parameter("/logferry/artifacts/bucket")):
        consumer |= {"BucketName": missing, "ObjectKey": "missing.zip"}
        refused = suite.invoke_planner(variables)
        assert (refused["status"], refused["reason"]) == ("dead_lettered", "refused_object_key")
    sqs.purge_queue(QueueUrl=suite.queue_url("logferry-planner-dlq"))


def _layer(suite: Suite, content: bytes) -> str:
    """Publish a version of a layer; return its ARN."""
    layer = BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("python/unused.txt", content)
    published = suite.client("lambda").publish_layer_version(
        LayerName="collector", Content={"ZipFile": layer.getvalue()}
    )
    arn: str = published["LayerVersionArn"]
    return arn


def _put_logs(suite: Suite, account_id: str, name: str) -> None:
    """Let an account have logs of the previous day, for each lane."""
    window = yesterday()
    streams = [LogStream("web", [(window.from_ms, "event")])]
    classes = {"slot": "INFREQUENT_ACCESS", "direct": "STANDARD"}
    groups = [
        LogGroup(f"{name}/{lane}", window.from_ms - 1, streams, log_group_class)
        for lane, log_group_class in classes.items()
    ]
    suite.put_logs(account_id, groups)


def test_a_team_reads_its_part_of_the_archive(suite, tap, name, plan, records, some_logs):
    some_logs("alpha", name)
    plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])
    team = str(int(suite.hub_account_id) + 2)
    role_arn = f"arn:aws:iam::{team}:role/analysts"
    iam = suite.client("iam", team)
    suite.control("authorization", {"account": team, "enforced": True})
    trust = {"Effect": "Allow", "Principal": {"AWS": team}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="analysts", AssumeRolePolicyDocument=_document(trust))
    reader_arn = f"arn:aws:iam::{suite.hub_account_id}:role/logferry-reader-analysts"
    topic_arn = suite.parameter("/logferry/topic/arn")
    use = [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": reader_arn},
        {"Effect": "Allow", "Action": "sns:Subscribe", "Resource": topic_arn},
    ]
    iam.put_role_policy(RoleName="analysts", PolicyName="use", PolicyDocument=_document(*use))
    _deploy(
        suite.client("cloudformation"),
        "reader.yaml",
        Team="analysts",
        TeamRoleArn=role_arn,
        ArchivePrefix="alpha/test/",
        SourceAccountId=suite.source("alpha").account_id,
    )
    analyst = _assumed(suite, suite.client("sts", team), role_arn)
    queue_arn = f"arn:aws:sqs:{REGION}:{team}:events"
    suite.client("sqs", team).create_queue(QueueName="events")
    analyst("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=queue_arn)
    s3 = _assumed(suite, analyst("sts"), reader_arn)("s3")

    [completed] = tap.of("export.completed", name)
    found = completed["manifest"]["objects"][0]
    listed = s3.list_objects_v2(Bucket=suite.archive_bucket, Prefix=found["key"])["Contents"]
    assert [each["Key"] for each in listed] == [found["key"]]
    for version in ({}, {"VersionId": found["version_id"]}):
        body = s3.get_object(Bucket=suite.archive_bucket, Key=found["key"], **version)["Body"]
        assert len(body.read()) == found["size_bytes"]
    manifest = {
        "Bucket": suite.parameter("/logferry/control/bucket"),
        "Key": f"manifest/{suite.source('alpha').account_id}/any.json",
    }
    suite.client("s3").put_object(**manifest, Body=b"[]")
    assert s3.get_object(**manifest)["Body"].read() == b"[]"
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.get_object(Bucket=suite.archive_bucket, Key="beta/anything")


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _assumed(suite: Suite, sts: Any, role_arn: str) -> Any:
    """Return what makes clients with a role's credentials."""
    credentials = sts.assume_role(RoleArn=role_arn, RoleSessionName="analyst")["Credentials"]
    session = Session(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=REGION,
        localstack_host=suite.endpoint.removeprefix("http://"),
    )
    return session.client


def test_a_long_plan_goes_on_in_a_next_invocation(suite, tap, name):
    window = yesterday()
    # Each is skipped for its class, so all that it takes is a record: too many for half the time,
    # and the other half is for whatever else the machine has to do.
    groups = [LogGroup(f"{name}/{n}", window.from_ms, [], "DELIVERY") for n in range(1600)]
    suite.put_logs(suite.source("alpha").account_id, groups)
    request = suite.plan_request("alpha", include=[f"{name}/*"])
    suite.reset_faults()
    with configured(suite, "logferry-planner", Timeout=6):
        # Not asynchronously: what is queued just after a change of settings, LocalStack loses.
        suite.invoke_planner(request)
        tap.until(lambda: planned(tap))

    calls = suite.control("faults")["functions"]["logferry-planner"]["calls"]
    assert "Invoke" in {call["operation"] for call in calls}


def test_the_sealers_clock_gives_each_account_its_turn_and_what_is_spoilt_is_put_aside(suite):
    sqs, name = suite.client("sqs"), "logferry-sealer"
    example = next((CONTRACTS / "examples/seal-request").glob("*/accept/what-is-due.json"))
    refused = {"code": "AccessDenied", "status": 403}
    suite.control(
        "faults", {"function": name, "operation": "s3.ListObjectVersions", "error": refused}
    )
    for body in (example.read_text(), "{}"):
        sqs.send_message(QueueUrl=suite.queue_url(name), MessageBody=body)

    def calls() -> set[str]:
        functions = suite.control("faults")["functions"]
        return {call["operation"] for call in functions.get(name, {"calls": []})["calls"]}

    eventually(lambda: suite.waiting(f"{name}-dlq") == 1)
    eventually(lambda: calls() >= {"SendMessage", "ChangeMessageVisibility"})
    suite.reset_faults()


REFUSED = {
    # Where it is, S3 says in a header of the refusal.
    ("exporter-<profile>", "s3.HeadBucket", "s3:ListBucket"),
    # The tests': a schedule without its permission, and a team that reads what is not its own.
    ("schedule-<profile>", "lambda.Invoke", "lambda:InvokeFunction"),
    ("reader-analysts", "s3.GetObject", "s3:GetObject"),
    # The tests' again: the archive has no policy for a while, and a team's queue none at all.
    ("source", "logs.CreateExportTask", "s3:PutObject"),
    ("sns.amazonaws.com", "sqs.SendMessage", "sqs:SendMessage"),
    # Of a lock it writes nothing, so it need not see it.
    ("sealer", "s3.GetObject", "s3:GetObjectLegalHold"),
    ("exporter-<profile>", "s3.GetObject", "s3:GetObjectLegalHold"),
    ("exporter-<profile>", "s3.HeadObject", "s3:GetObjectLegalHold"),
    ("exporter-<profile>", "s3.HeadObject", "s3:GetObjectRetention"),
    ("reader-analysts", "s3.GetObject", "s3:GetObjectLegalHold"),
}
"""What the flow meets and goes on from."""


def test_every_permission_is_missed_when_it_is_taken_out(suite):
    profiles = {suite.source(profile).account_id: "<source>" for profile in ("alpha", "beta")}
    names = {
        str(int(suite.hub_account_id) + 1): "<source>",
        suite.hub_account_id: "<hub>",
        suite.kms_key_arn.rpartition("/")[2]: "<key>",
        **profiles,
        "alpha": "<profile>",
        "beta": "<profile>",
        "gamma": "<profile>",
    }
    run = Run(suite.control("authorization"), names, optional=frozenset({"provisioning"}))
    missed = run.missed()
    for permission, operations in sorted(missed.items()):
        columns = (permission.policy, permission.statement, permission.entry)
        print(*columns, ", ".join(sorted(operations)) or "NOTHING", sep=" | ")  # noqa: T201

    policies = [permission.policy.removeprefix("logferry-") for permission in missed]
    for service in NAMES:
        assert any(policy.startswith(service) for policy in policies), (
            f"{service} has asked nothing"
        )
    assert run.unknown == []
    assert run.judged_as_then()
    assert run.refused() <= REFUSED
    unmissed = {permission for permission, operations in missed.items() if not operations}
    never, seldom = ({Permission(*each) for each in listed} for listed in (UNMISSED, SELDOM))
    assert unmissed - seldom == never
