"""Who gets in and who does not, by the templates' own policies."""

import json
from typing import Any

import pytest
from examples.subscriber.tests.policies import resources

from localstack_addons.authorization.evaluation import Request, decide
from logferry.checkout import TEMPLATES

HUB, SOURCE, OTHER_SOURCE, STRANGER = "111122223333", "444455556666", "777788889999", "999900001111"
REGION, ORGANIZATION, EXTERNAL_ID = "eu-west-1", "o-a1b2c3d4e5", "hub-1"
ARCHIVE = f"logferry-archive-{HUB}-{REGION}"
TOPIC = f"arn:aws:sns:{REGION}:{HUB}:log-export-events"
MEMBER = {"aws:PrincipalOrgID": ORGANIZATION}
EVERYTHING = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
"""The principal's own policy, where the question is the resource's."""


def role(account_id: str, name: str) -> str:
    return f"arn:aws:iam::{account_id}:role/{name}"


def may(
    policy: Any,
    principal: str,
    action: str,
    resource: str,
    owner: str = HUB,
    region: str = REGION,
    **context: str,
) -> bool:
    """Return whether a resource's policy lets somebody in who may do everything by their own."""
    request = Request(
        principal=principal,
        action=action,
        resource=resource,
        owner=owner,
        region=region,
        context=tuple(context.items()),
    )
    return decide(request, [EVERYTHING], json.dumps(policy)).allowed


def deployed(template: str, **parameters: Any) -> dict[str, Any]:
    found: dict[str, Any] = resources(TEMPLATES / template, **parameters)
    return {name: each["Properties"] for name, each in found.items()}


@pytest.fixture(scope="module")
def source() -> dict[str, Any]:
    return deployed(
        "source-account.yaml",
        HubAccountId=HUB,
        Profile="shop",
        LowercaseProfile="shop",
        ExternalId=EXTERNAL_ID,
        OrganizationId=ORGANIZATION,
    )["Role"]


@pytest.fixture(scope="module")
def archive() -> dict[str, Any]:
    return deployed(
        "archive.yaml",
        SourceAccountIds=f"{SOURCE},{OTHER_SOURCE}",
        SourceRoleArnPatterns="arn:aws:iam::*:role/logferry-source",
        OrganizationId=ORGANIZATION,
    )


@pytest.fixture(scope="module")
def enforcer() -> dict[str, Any]:
    return deployed("sse-enforcer.yaml", TopicArn=TOPIC)


ASKED = MEMBER | {"sts:ExternalId": EXTERNAL_ID}


@pytest.mark.parametrize(
    ("who", "principal", "context", "verdict"),
    [
        ("planner", role(HUB, "logferry-planner"), ASKED, True),
        ("own exporter", role(HUB, "logferry-exporter-shop"), ASKED, True),
        ("own recounter", role(HUB, "logferry-recounter-shop"), ASKED, True),
        ("other recounter", role(HUB, "logferry-recounter-pay"), ASKED, False),
        ("another source's exporter", role(HUB, "logferry-exporter-payments"), ASKED, False),
        ("provisioned exporter", role(HUB, "logferry-exporter-provisioned"), ASKED, False),
        ("enforcer", role(HUB, "logferry-sse-enforcer"), ASKED, False),
        ("hub's administrator", role(HUB, "admin"), ASKED, False),
        ("another account", role(STRANGER, "logferry-planner"), ASKED, False),
        ("own account", role(SOURCE, "logferry-planner"), ASKED, False),
        (
            "wrong external id",
            role(HUB, "logferry-planner"),
            ASKED | {"sts:ExternalId": "x"},
            False,
        ),
        ("no external id", role(HUB, "logferry-planner"), MEMBER, False),
        (
            "another organisation",
            role(HUB, "logferry-planner"),
            ASKED | {"aws:PrincipalOrgID": "o-somebodyelse"},
            False,
        ),
        ("no organisation", role(HUB, "logferry-planner"), {"sts:ExternalId": EXTERNAL_ID}, False),
        ("Lambda itself", "lambda.amazonaws.com", {}, False),
    ],
)
def test_a_sources_role_is_assumed_by_its_planner_and_exporter_alone(
    source, who, principal, context, verdict
):
    arn = role(SOURCE, "logferry-source")
    trust = source["AssumeRolePolicyDocument"]
    assert may(trust, principal, "sts:AssumeRole", arn, owner=SOURCE, **context) is verdict, who


def logs_of(account_id: str, region: str = REGION) -> dict[str, str]:
    return {
        "aws:SourceAccount": account_id,
        "aws:SourceArn": f"arn:aws:logs:{region}:{account_id}:log-group:/app/web",
    }


LOGS = f"logs.{REGION}.amazonaws.com"
ACL = {"s3:x-amz-acl": "bucket-owner-full-control"}


@pytest.mark.parametrize(
    ("who", "principal", "context", "verdict"),
    [
        ("logs of a source", LOGS, ACL | logs_of(SOURCE), True),
        ("logs of an account that is none", LOGS, ACL | logs_of(STRANGER), False),
        ("logs of another Region", LOGS, ACL | logs_of(SOURCE, "us-east-1"), False),
        ("another Region's service", "logs.us-east-1.amazonaws.com", ACL | logs_of(SOURCE), False),
        ("logs without the ACL", LOGS, logs_of(SOURCE), False),
        ("logs with another ACL", LOGS, {"s3:x-amz-acl": "public-read"} | logs_of(SOURCE), False),
        ("logs that name no source", LOGS, ACL, False),
        ("another service", "firehose.amazonaws.com", ACL | logs_of(SOURCE), False),
        ("a source's role", role(SOURCE, "logferry-source"), ACL | MEMBER, True),
        ("a source's role without the ACL", role(SOURCE, "logferry-source"), MEMBER, False),
        ("another role of a source", role(SOURCE, "web"), ACL | MEMBER, False),
        (
            "such a role of a member that is no source",
            role(STRANGER, "logferry-source"),
            ACL | MEMBER,
            False,
        ),
        (
            "such a role of another organisation",
            role(STRANGER, "logferry-source"),
            ACL | {"aws:PrincipalOrgID": "o-somebodyelse"},
            False,
        ),
        ("such a role of none", role(STRANGER, "logferry-source"), ACL, False),
        (
            "a source's role over plain HTTP",
            role(SOURCE, "logferry-source"),
            ACL | MEMBER | {"aws:SecureTransport": "false"},
            False,
        ),
        (
            "the hub's administrator over plain HTTP",
            role(HUB, "admin"),
            {"aws:SecureTransport": "false"},
            False,
        ),
    ],
)
def test_the_archive_takes_objects_of_its_sources_alone(archive, who, principal, context, verdict):
    policy = archive["ArchivePolicy"]["PolicyDocument"]
    # The template's own resource is known by its logical id here.
    resource = "Archive.Arn/shop/app/000000.gz"
    assert may(policy, principal, "s3:PutObject", resource, **context) is verdict, who


@pytest.mark.parametrize(
    ("who", "principal", "context", "verdict"),
    [
        ("logs of a source", LOGS, logs_of(SOURCE), True),
        ("logs of an account that is none", LOGS, logs_of(STRANGER), False),
        ("logs of another Region", LOGS, logs_of(SOURCE, "us-east-1"), False),
        ("another service", "firehose.amazonaws.com", logs_of(SOURCE), False),
        ("a source's role", role(SOURCE, "logferry-source"), MEMBER, False),
    ],
)
def test_the_archives_acl_is_read_for_its_sources_alone(archive, who, principal, context, verdict):
    policy = archive["ArchivePolicy"]["PolicyDocument"]
    assert may(policy, principal, "s3:GetBucketAcl", "Archive.Arn", **context) is verdict, who


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:DeleteObjectVersion", "s3:PutBucketPolicy"])
@pytest.mark.parametrize("principal", [LOGS, role(SOURCE, "logferry-source")])
def test_whoever_writes_to_the_archive_may_do_nothing_else_there(archive, principal, action):
    policy = archive["ArchivePolicy"]["PolicyDocument"]
    context = ACL | MEMBER | logs_of(SOURCE)
    assert not may(policy, principal, action, "Archive.Arn/shop/app/000000.gz", **context)


IN_S3, IN_SQS = "kms:EncryptionContext:aws:s3:arn", "kms:EncryptionContext:aws:sqs:arn"
ENFORCERS_QUEUE = f"arn:aws:sqs:{REGION}:{HUB}:logferry-sse-enforcer"
ANOTHER_QUEUE = f"arn:aws:sqs:{REGION}:{HUB}:orders"
OTHER_BUCKET = "arn:aws:s3:::somebodys"


@pytest.mark.parametrize(
    ("who", "principal", "context", "verdict"),
    [
        ("logs for the archive", LOGS, {IN_S3: f"arn:aws:s3:::{ARCHIVE}"}, True),
        ("logs for an object of it", LOGS, {IN_S3: f"arn:aws:s3:::{ARCHIVE}/a"}, True),
        ("logs for another bucket", LOGS, {IN_S3: OTHER_BUCKET}, False),
        ("logs for a bucket of a like name", LOGS, {IN_S3: f"arn:aws:s3:::{ARCHIVE}-2"}, False),
        ("logs for nothing", LOGS, {}, False),
        ("a source's role", role(SOURCE, "logferry-source"), MEMBER, False),
        (
            "a source's role for the archive",
            role(SOURCE, "logferry-source"),
            MEMBER | {IN_S3: f"arn:aws:s3:::{ARCHIVE}"},
            True,
        ),
        (
            "another role of a source for the archive",
            role(SOURCE, "web"),
            MEMBER | {IN_S3: f"arn:aws:s3:::{ARCHIVE}"},
            False,
        ),
        (
            "a member's that is no source for the archive",
            role(STRANGER, "logferry-source"),
            MEMBER | {IN_S3: f"arn:aws:s3:::{ARCHIVE}"},
            False,
        ),
        (
            "a stranger's for the archive",
            role(STRANGER, "logferry-source"),
            {IN_S3: f"arn:aws:s3:::{ARCHIVE}"},
            False,
        ),
        ("events for the queue", "events.amazonaws.com", {IN_SQS: ENFORCERS_QUEUE}, True),
        (
            "events for its dead letters",
            "events.amazonaws.com",
            {IN_SQS: f"{ENFORCERS_QUEUE}-dlq"},
            True,
        ),
        ("events for another queue", "events.amazonaws.com", {IN_SQS: ANOTHER_QUEUE}, False),
        ("SNS for the queue", "sns.amazonaws.com", {IN_SQS: ENFORCERS_QUEUE}, True),
        ("SNS for another queue", "sns.amazonaws.com", {IN_SQS: ANOTHER_QUEUE}, False),
        ("another service", "firehose.amazonaws.com", {IN_S3: f"arn:aws:s3:::{ARCHIVE}"}, False),
        ("the account, by its own policies", role(HUB, "admin"), {}, True),
    ],
)
@pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt"])
def test_the_key_serves_the_archive_and_the_enforcers_queues(
    archive, who, principal, context, verdict, action
):
    policy = archive["Key"]["KeyPolicy"]
    key = f"arn:aws:kms:{REGION}:{HUB}:key/1"
    assert may(policy, principal, action, key, **context) is verdict, who


SEALER, PLANNER = role(HUB, "logferry-sealer"), role(HUB, "logferry-planner")
OTHERS = [
    ("a source's role", role(SOURCE, "logferry-source"), MEMBER),
    ("CloudWatch Logs for a source", LOGS, logs_of(SOURCE)),
    ("an exporter", role(HUB, "logferry-exporter-shop"), MEMBER),
    ("an exporter that the planner made", role(HUB, "logferry-exporter-provisioned"), MEMBER),
    ("the sse-enforcer", role(HUB, "logferry-sse-enforcer"), MEMBER),
    ("a role of the sealer's name elsewhere", role(SOURCE, "logferry-sealer"), MEMBER),
    ("the hub's administrator", role(HUB, "admin"), MEMBER),
]
WRITES = ["s3:PutObject", "s3:PutObjectLegalHold", "s3:DeleteObject", "s3:DeleteObjectVersion"]


@pytest.mark.parametrize("action", WRITES)
@pytest.mark.parametrize(
    ("who", "principal", "context"),
    [*OTHERS, ("the planner", PLANNER, MEMBER)],
)
def test_nobody_but_the_sealer_writes_below_the_seals(archive, who, principal, context, action):
    policy = archive["ArchivePolicy"]["PolicyDocument"]
    key = "!seals/111122223333/eu-west-1/seals/0000000001.json"
    asked = context | {"s3:x-amz-acl": "bucket-owner-full-control", "aws:SecureTransport": "true"}
    assert not may(policy, principal, action, f"Archive.Arn/{key}", **asked), who
    assert may(policy, SEALER, "s3:PutObject", f"Archive.Arn/{key}", **asked)


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"])
@pytest.mark.parametrize(
    ("below", "alone", "others"),
    [
        ("seals", SEALER, [*OTHERS, ("the planner", PLANNER, MEMBER)]),
        ("inventories", PLANNER, [*OTHERS, ("the sealer", SEALER, MEMBER)]),
        (
            "recounts",
            role(HUB, "logferry-recounter-shop"),
            [
                *OTHERS,
                *(("the planner", PLANNER, MEMBER), ("the sealer", SEALER, MEMBER)),
                ("who asks recounters", role(HUB, "logferry-recounts-shop"), MEMBER),
                ("another account's", role(STRANGER, "logferry-recounter-shop"), MEMBER),
            ],
        ),
    ],
)
def test_what_seals_are_made_by_is_written_by_one_role_alone(archive, below, alone, others, action):
    policy = archive["ControlPolicy"]["PolicyDocument"]
    key = f"Control.Arn/{below}/111122223333/eu-west-1/x"
    asked = {"aws:SecureTransport": "true"}
    for who, principal, context in others:
        assert not may(policy, principal, action, key, **(context | asked)), who
    assert may(policy, alone, action, key, **(MEMBER | asked))
    ledger = "Control.Arn/ledger/x"
    assert may(policy, role(HUB, "admin"), action, ledger, **asked)


@pytest.mark.parametrize("policy", ["QueuePolicy", "DeadLetterQueuePolicy"])
@pytest.mark.parametrize(
    ("who", "principal", "source_arn", "verdict"),
    [
        ("the rule", "events.amazonaws.com", "ObjectCreated.Arn", True),
        ("another rule", "events.amazonaws.com", f"arn:aws:events:{REGION}:{HUB}:rule/x", False),
        ("the topic", "sns.amazonaws.com", TOPIC, True),
        ("another topic", "sns.amazonaws.com", f"{TOPIC}-2", False),
        ("a stranger's topic", "sns.amazonaws.com", TOPIC.replace(HUB, STRANGER), False),
        ("the topic's ARN from a rule", "events.amazonaws.com", TOPIC, False),
        ("another service", "s3.amazonaws.com", TOPIC, False),
    ],
)
def test_the_enforcers_queues_take_messages_of_its_rule_and_topic(
    enforcer, policy, who, principal, source_arn, verdict
):
    document = enforcer[policy]["PolicyDocument"]
    queue = document["Statement"][0]["Resource"]
    context = {"aws:SourceArn": source_arn}
    assert may(document, principal, "sqs:SendMessage", queue, **context) is verdict, who


@pytest.mark.parametrize(
    ("who", "principal", "action", "context", "verdict"),
    [
        (
            "a member",
            role(STRANGER, "team"),
            "sns:Subscribe",
            MEMBER | {"sns:Protocol": "sqs"},
            True,
        ),
        (
            "by https",
            role(STRANGER, "team"),
            "sns:Subscribe",
            MEMBER | {"sns:Protocol": "https"},
            False,
        ),
        ("a stranger", role(STRANGER, "team"), "sns:Subscribe", {"sns:Protocol": "sqs"}, False),
        ("a member that publishes", role(STRANGER, "team"), "sns:Publish", MEMBER, False),
        ("a service that publishes", "events.amazonaws.com", "sns:Publish", {}, False),
    ],
)
def test_members_of_the_organisation_subscribe_and_publish_nothing(
    archive, who, principal, action, context, verdict
):
    policy = archive["TopicPolicy"]["PolicyDocument"]
    topic = policy["Statement"][0]["Resource"]
    assert may(policy, principal, action, topic, **context) is verdict, who


@pytest.mark.parametrize(
    ("who", "principal", "context", "verdict"),
    [
        ("the hub's schedules", "scheduler.amazonaws.com", {"aws:SourceAccount": HUB}, True),
        (
            "a stranger's schedules",
            "scheduler.amazonaws.com",
            {"aws:SourceAccount": STRANGER},
            False,
        ),
        ("schedules of nobody", "scheduler.amazonaws.com", {}, False),
        ("Lambda", "lambda.amazonaws.com", {"aws:SourceAccount": HUB}, False),
        ("the hub's administrator", role(HUB, "admin"), {}, False),
    ],
)
def test_a_schedules_role_is_for_the_schedules_of_its_account(
    enforcer, who, principal, context, verdict
):
    trust = enforcer["SweepScheduleRole"]["AssumeRolePolicyDocument"]
    arn = role(HUB, "logferry-schedule-sweep")
    assert may(trust, principal, "sts:AssumeRole", arn, **context) is verdict, who


@pytest.mark.parametrize("template", ["planner.yaml", "exporter.yaml", "sse-enforcer.yaml"])
def test_nobody_but_its_own_account_invokes_a_function(template):
    """Without a policy of its own, a function is for those whose role says so, in its account."""
    kinds = {each["Type"] for each in resources(TEMPLATES / template).values()}
    assert "AWS::Lambda::Permission" not in kinds
    arn = f"arn:aws:lambda:{REGION}:{HUB}:function:logferry-planner"
    assert may(None, role(HUB, "logferry-schedule-shop"), "lambda:InvokeFunction", arn)
    assert not may(None, role(STRANGER, "admin"), "lambda:InvokeFunction", arn)
    assert not may(None, "events.amazonaws.com", "lambda:InvokeFunction", arn)


@pytest.mark.parametrize(
    ("who", "principal", "verdict"),
    [
        ("the team's role", role(STRANGER, "analysts"), True),
        ("another role of the team", role(STRANGER, "interns"), False),
        ("a role of that name elsewhere", role(SOURCE, "analysts"), False),
        ("the hub's administrator", role(HUB, "admin"), False),
    ],
)
def test_a_readers_role_is_assumed_by_the_teams_alone(who, principal, verdict):
    reader = deployed(
        "reader.yaml",
        Team="analysts",
        TeamRoleArn=role(STRANGER, "analysts"),
        ArchivePrefix="shop/app/",
        SourceAccountId=SOURCE,
    )["Role"]
    arn = role(HUB, "logferry-reader-analysts")
    trust = reader["AssumeRolePolicyDocument"]
    assert may(trust, principal, "sts:AssumeRole", arn) is verdict, who


RETAINED = f"arn:aws:logs:{REGION}:{SOURCE}:log-group:/ecs/shop"


@pytest.fixture(scope="module")
def keeper() -> dict[str, Any]:
    return deployed(
        "retention.yaml",
        HubAccountId=HUB,
        OperatorArns=[role(HUB, "log-keepers"), role(HUB, "sso/AWSReservedSSO_Keepers_*")],
        ExternalId=EXTERNAL_ID,
        **{"AWS::AccountId": SOURCE},
    )["Role"]


@pytest.mark.parametrize(
    ("who", "principal", "context", "verdict"),
    [
        ("people", role(HUB, "log-keepers"), {"sts:ExternalId": EXTERNAL_ID}, True),
        ("people by a pattern", role(HUB, "sso/AWSReservedSSO_Keepers_0a"), ASKED, True),
        ("without the external id", role(HUB, "log-keepers"), {}, False),
        ("hub's administrator", role(HUB, "admin"), ASKED, False),
        ("exporter", role(HUB, "logferry-exporter-shop"), ASKED, False),
        ("recounter", role(HUB, "logferry-recounter-shop"), ASKED, False),
        ("a role of that name elsewhere", role(STRANGER, "log-keepers"), ASKED, False),
    ],
)
def test_retentions_are_set_by_people_of_the_hub_alone(keeper, who, principal, context, verdict):
    trust, arn = keeper["AssumeRolePolicyDocument"], role(SOURCE, "logferry-retention")
    assert may(trust, principal, "sts:AssumeRole", arn, owner=SOURCE, **context) is verdict, who


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        ("logs:PutRetentionPolicy", True),
        ("logs:DeleteRetentionPolicy", True),
        ("logs:StartQuery", True),
        ("logs:DeleteLogGroup", False),
        ("logs:DeleteLogStream", False),
        ("logs:PutLogEvents", False),
        ("logs:CreateExportTask", False),
        ("logs:PutAccountPolicy", False),
    ],
)
def test_who_sets_retentions_deletes_no_log_group(keeper, action, verdict):
    [own] = [json.dumps(each["PolicyDocument"]) for each in keeper["Policies"]]
    request = Request(
        principal=role(SOURCE, "logferry-retention"),
        action=action,
        resource=RETAINED,
        owner=SOURCE,
        region=REGION,
        context=(),
    )
    assert decide(request, [own], None).allowed is verdict


def test_what_exports_and_counts_sets_no_retention(source):
    [own] = [json.dumps(each["PolicyDocument"]) for each in source["Policies"]]
    for action in ("logs:PutRetentionPolicy", "logs:DeleteRetentionPolicy"):
        request = Request(
            principal=role(SOURCE, "logferry-source"),
            action=action,
            resource=RETAINED,
            owner=SOURCE,
            region=REGION,
            context=(),
        )
        assert not decide(request, [own], None).allowed
