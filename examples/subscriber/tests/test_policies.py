"""What the policies let a team do, and no more: LocalStack enforces none of them."""

import re
from pathlib import Path
from typing import Any

import pytest
from examples.subscriber.tests.policies import allowed, resources

from logferry.checkout import TEMPLATES
from logferry.template import load_template

TEMPLATE = Path(__file__).parents[1] / "template.yaml"
HUB, TEAM, SOURCE = "111122223333", "444455556666", "777788889999"
TOPIC = f"arn:aws:sns:eu-west-1:{HUB}:log-export-events"
READER_ROLE = f"arn:aws:iam::{HUB}:role/logferry-reader-orders"
FUNCTION_ROLE = f"arn:aws:iam::{TEAM}:role/line-counter"
KEY = f"arn:aws:kms:eu-west-1:{HUB}:key/1"
MEMBER = {"aws:PrincipalOrgID": "o-a1b2c3d4e5", "aws:SecureTransport": "true"}
THROUGH_S3 = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
CONTEXT = "kms:EncryptionContext:aws:s3:arn"


@pytest.fixture(scope="module")
def team() -> dict[str, Any]:
    """The team's stack."""
    return resources(
        TEMPLATE,
        TopicArn=TOPIC,
        ReaderRoleArn=READER_ROLE,
        SourceAccountId=SOURCE,
        LogGroupPrefix="/aws/lambda/",
    )


def reader_role(**parameters: str) -> Any:
    """The hub's role for a team, with these of its template's parameters."""
    return resources(
        TEMPLATES / "reader.yaml",
        Team="orders",
        TeamRoleArn=FUNCTION_ROLE,
        ArchivePrefix="shop/aws/lambda/",
        SourceAccountId=SOURCE,
        ArchiveBucketName="archive",
        ControlBucketName="control",
        **parameters,
    )["Role"]["Properties"]


@pytest.fixture(scope="module")
def reader() -> Any:
    """The hub's role for the team."""
    return reader_role()


def policy_of(role: Any) -> Any:
    (policy,) = role["Policies"]
    return policy["PolicyDocument"]


@pytest.mark.parametrize(
    ("organization_id", "member_of", "protocol", "verdict"),
    [
        ("o-a1b2c3d4e5", "o-a1b2c3d4e5", "sqs", True),
        ("o-a1b2c3d4e5", "o-a1b2c3d4e5", "lambda", True),
        ("o-a1b2c3d4e5", "o-a1b2c3d4e5", "https", False),
        ("o-a1b2c3d4e5", "o-a1b2c3d4e5", "email", False),
        ("o-a1b2c3d4e5", "o-somebodyelse", "sqs", False),
        ("", "o-a1b2c3d4e5", "sqs", False),
    ],
)
def test_members_of_the_organisation_may_subscribe_queues_and_functions_and_publish_nothing(
    organization_id: str,
    member_of: str,
    protocol: str,
    verdict: bool,  # noqa: FBT001
) -> None:
    archive = resources(
        TEMPLATES / "archive.yaml", OrganizationId=organization_id, SourceAccountIds=SOURCE
    )
    policy = archive["TopicPolicy"]["Properties"]["PolicyDocument"]
    context = {**MEMBER, "aws:PrincipalOrgID": member_of, "sns:Protocol": protocol}

    assert allowed(policy, "sns:Subscribe", "Topic", context) == verdict
    assert not allowed(policy, "sns:Publish", "Topic", context)


@pytest.mark.parametrize("queue", ["Queue.Arn", "DeadLetters.Arn"])
def test_the_teams_queues_take_messages_of_the_topic_and_of_nothing_else(
    team: dict[str, Any], queue: str
) -> None:
    policy = team["QueuePolicy"]["Properties"]["PolicyDocument"]

    assert allowed(policy, "sqs:SendMessage", queue, {"aws:SourceArn": TOPIC})
    assert not allowed(policy, "sqs:SendMessage", queue, {"aws:SourceArn": TOPIC + "-2"})
    assert not allowed(policy, "sqs:ReceiveMessage", queue, {"aws:SourceArn": TOPIC})


def test_the_subscription_selects_one_accounts_log_groups_and_keeps_what_it_cannot_deliver(
    team: dict[str, Any],
) -> None:
    subscription = team["Subscription"]["Properties"]

    assert subscription["FilterPolicy"] == {
        "type": ["logferry.export.completed.v1"],
        "account_id": [SOURCE],
        "log_group": [{"prefix": "/aws/lambda/"}],
    }
    assert subscription["FilterPolicyScope"] == "MessageAttributes"
    assert subscription["RawMessageDelivery"] is True
    assert subscription["RedrivePolicy"] == {"deadLetterTargetArn": "DeadLetters.Arn"}


def test_the_queue_waits_six_times_as_long_as_the_function_may_take(team: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""
    timeout_s = team["Function"]["Properties"]["Timeout"]

    assert team["Queue"]["Properties"]["VisibilityTimeout"] == 6 * timeout_s


def test_only_the_teams_role_may_read_by_the_hubs_role(reader: Any) -> None:
    trust = reader["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]

    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{TEAM}:root"}
    assert allowed(trust, "sts:AssumeRole", "*", {"aws:PrincipalArn": FUNCTION_ROLE})
    assert not allowed(trust, "sts:AssumeRole", "*", {"aws:PrincipalArn": FUNCTION_ROLE + "2"})
    assert reader["RoleName"] == READER_ROLE.rpartition("/")[2]


@pytest.mark.parametrize(
    ("action", "resource", "context", "verdict"),
    [
        ("s3:GetObjectVersion", "archive/shop/aws/lambda/orders/2026/x.gz", {}, True),
        ("s3:GetObject", "archive/shop/aws/lambda/orders/2026/x.gz", {}, True),
        ("s3:GetObject", "archive/shop/ecs/checkout/2026/x.gz", {}, False),
        ("s3:GetObject", "archive/shop-2/aws/lambda/orders/2026/x.gz", {}, False),
        ("s3:DeleteObjectVersion", "archive/shop/aws/lambda/orders/x.gz", {}, False),
        ("s3:PutObjectLegalHold", "archive/shop/aws/lambda/orders/x.gz", {}, False),
        ("s3:GetObject", f"control/manifest/{SOURCE}/eu-west-1/1-2/a.json", {}, True),
        ("s3:GetObject", f"control/manifest/{TEAM}/eu-west-1/1-2/a.json", {}, False),
        ("s3:GetObject", f"control/ledger/{SOURCE}/eu-west-1/1-2/a.json", {}, False),
        ("s3:ListBucket", "archive", {"s3:prefix": "shop/aws/lambda/orders/"}, True),
        ("s3:ListBucket", "archive", {"s3:prefix": "shop/"}, False),
        ("s3:ListBucket", "archive", {}, False),
        ("s3:ListBucket", "control", {"s3:prefix": "shop/aws/lambda/"}, False),
    ],
)
def test_the_hubs_role_reads_its_prefix_and_its_sources_manifests_and_nothing_else(
    reader: Any,
    action: str,
    resource: str,
    context: dict[str, str],
    verdict: bool,  # noqa: FBT001
) -> None:
    arn = f"arn:aws:s3:::{resource}"

    assert allowed(policy_of(reader), action, arn, context) == verdict


STATEMENTS = f"!seals/{SOURCE}/eu-west-1/statements"


@pytest.mark.parametrize(
    ("folder", "action", "key", "verdict"),
    [
        ("aws/lambda/", "s3:GetObject", f"{STATEMENTS}/aws/lambda/orders/1-2/a.json", True),
        ("aws/lambda/", "s3:GetObjectVersion", f"{STATEMENTS}/aws/lambda/orders/1-2/a.json", True),
        ("aws/lambda/", "s3:GetObject", f"{STATEMENTS}/ecs/checkout/1-2/a.json", False),
        ("aws/lambda/", "s3:PutObject", f"{STATEMENTS}/aws/lambda/orders/1-2/a.json", False),
        ("aws/lambda/", "s3:GetObject", f"!seals/{TEAM}/eu-west-1/statements/aws/lambda/a", False),
        ("aws/lambda/", "s3:GetObject", f"!seals/{SOURCE}/eu-west-1/seals/0000000001.json", False),
        ("aws/lambda/", "s3:GetObject", f"!seals/{SOURCE}/eu-west-1/leaves/a.jsonl", False),
        ("*", "s3:GetObject", f"{STATEMENTS}/ecs/checkout/1-2/a.json", True),
        ("*", "s3:GetObject", f"!seals/{SOURCE}/eu-west-1/leaves/a.jsonl", False),
        ("", "s3:GetObject", f"{STATEMENTS}/aws/lambda/orders/1-2/a.json", False),
        ("aws/lambda/", "s3:ListBucketVersions", f"{STATEMENTS}/aws/lambda/orders/", True),
        ("aws/lambda/", "s3:ListBucketVersions", "shop/aws/lambda/orders/2026/x.gz", True),
        ("aws/lambda/", "s3:ListBucketVersions", f"{STATEMENTS}/ecs/", False),
        ("aws/lambda/", "s3:ListBucketVersions", f"!seals/{SOURCE}/eu-west-1/seals/", False),
        ("", "s3:ListBucketVersions", f"{STATEMENTS}/aws/lambda/orders/", False),
    ],
)
def test_a_reader_finds_by_the_statements_of_its_prefix_where_it_is_given_them(
    folder: str,
    action: str,
    key: str,
    verdict: bool,  # noqa: FBT001
) -> None:
    role = reader_role(StatementsPrefix=folder)
    is_list = action == "s3:ListBucketVersions"
    arn = "arn:aws:s3:::archive" if is_list else f"arn:aws:s3:::archive/{key}"
    context = {"s3:prefix": key} if is_list else {}
    assert allowed(policy_of(role), action, arn, context) == verdict


@pytest.mark.parametrize(
    ("may", "action", "key", "verdict"),
    [
        ("true", "s3:RestoreObject", "shop/aws/lambda/orders/2026/x.gz", True),
        ("true", "s3:RestoreObject", f"{STATEMENTS}/aws/lambda/orders/1-2/a.json", True),
        ("true", "s3:RestoreObject", "shop/ecs/checkout/2026/x.gz", False),
        ("true", "s3:RestoreObject", f"!seals/{SOURCE}/eu-west-1/leaves/a.jsonl", False),
        ("true", "s3:PutObject", "shop/aws/lambda/orders/2026/x.gz", False),
        ("false", "s3:RestoreObject", "shop/aws/lambda/orders/2026/x.gz", False),
    ],
)
def test_a_reader_has_its_prefix_restored_where_it_may(
    may: str,
    action: str,
    key: str,
    verdict: bool,  # noqa: FBT001
) -> None:
    role = reader_role(StatementsPrefix="aws/lambda/", MayThaw=may)
    assert allowed(policy_of(role), action, f"arn:aws:s3:::archive/{key}", {}) == verdict


@pytest.mark.parametrize(
    ("prefix", "former", "read", "not_read"),
    [
        ("shop/foo/", "", ["shop/foo/2026/x", "shop/foo/bar/2026/x"], ["shop/foobar/2026/x"]),
        ("shop/!/db/", "", ["shop/!/db/2026/x"], ["shop/db/2026/x", "shop/!/db2/2026/x"]),
        ("shop/db/", "", ["shop/db/2026/x"], ["shop/!/db/2026/x"]),
        ("shop/!/db/", "shop/db/", ["shop/!/db/2026/x", "shop/db/2026/x"], ["shop/db2/2026/x"]),
        ("shop/", "", ["shop/db/2026/x", "shop/!/db/2026/x"], ["shop2/db/2026/x", "shop./x"]),
    ],
)
def test_a_readers_prefix_ends_with_a_folder(
    prefix: str, former: str, read: list[str], not_read: list[str]
) -> None:
    role = resources(
        TEMPLATES / "reader.yaml",
        Team="orders",
        TeamRoleArn=FUNCTION_ROLE,
        ArchivePrefix=prefix,
        FormerArchivePrefix=former,
        ArchiveBucketName="archive",
    )["Role"]["Properties"]

    for key in (*read, *not_read):
        arn, listing = f"arn:aws:s3:::archive/{key}", {"s3:prefix": key}
        assert allowed(policy_of(role), "s3:GetObject", arn, {}) == (key in read)
        assert allowed(policy_of(role), "s3:ListBucket", "arn:aws:s3:::archive", listing) == (
            key in read
        )


@pytest.mark.parametrize(
    ("parameter", "value", "taken"),
    [
        ("ArchivePrefix", "shop/aws/lambda/", True),
        ("ArchivePrefix", "shop/!/RDSOSMetrics/", True),
        ("ArchivePrefix", "shop/!/", True),
        ("ArchivePrefix", "shop/", True),
        ("ArchivePrefix", "shop//x/", True),
        ("ArchivePrefix", "shop", False),
        ("ArchivePrefix", "shop/aws/lambda", False),
        ("ArchivePrefix", "shop/!/RDSOSMetrics", False),
        ("ArchivePrefix", "shop/aws/!/lambda/", False),
        ("ArchivePrefix", "shop/*/", False),
        ("FormerArchivePrefix", "", True),
        ("FormerArchivePrefix", "shop/RDSOSMetrics/", True),
        ("FormerArchivePrefix", "shop/RDSOSMetrics", False),
    ],
)
def test_a_prefix_without_a_slash_at_its_end_is_refused(
    parameter: str,
    value: str,
    taken: bool,  # noqa: FBT001
) -> None:
    pattern = load_template((TEMPLATES / "reader.yaml").read_text())["Parameters"][parameter][
        "AllowedPattern"
    ]

    assert bool(re.search(pattern, value)) == taken


@pytest.mark.parametrize(
    ("context", "verdict"),
    [
        ({**THROUGH_S3, CONTEXT: "arn:aws:s3:::archive"}, True),
        ({**THROUGH_S3, CONTEXT: "arn:aws:s3:::archive/shop/x.gz"}, True),
        ({**THROUGH_S3, CONTEXT: "arn:aws:s3:::control"}, True),
        ({**THROUGH_S3, CONTEXT: "arn:aws:s3:::another"}, False),
        ({CONTEXT: "arn:aws:s3:::archive"}, False),
        (THROUGH_S3, False),
    ],
)
def test_the_hubs_role_decrypts_what_is_in_the_two_buckets_through_s3_alone(
    reader: Any,
    context: dict[str, str],
    verdict: bool,  # noqa: FBT001
) -> None:
    assert allowed(policy_of(reader), "kms:Decrypt", KEY, context) == verdict
    assert not allowed(policy_of(reader), "kms:GenerateDataKey", KEY, context)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sqs:ReceiveMessage", "Queue.Arn"),
        ("sqs:DeleteMessage", "Queue.Arn"),
        ("sqs:SendMessage", "DeadLetters.Arn"),
        ("sts:AssumeRole", READER_ROLE),
        ("s3:PutObject", "Counts.Arn/1.json"),
    ],
)
def test_the_function_may_do_what_it_does(team: dict[str, Any], action: str, resource: str) -> None:
    assert allowed(policy_of(team["Role"]["Properties"]), action, resource, {})
