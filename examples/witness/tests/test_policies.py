"""What the policies let a witness do, and no more: LocalStack enforces none of them."""

from pathlib import Path
from typing import Any

import pytest
from examples.subscriber.tests.policies import allowed, resources

FOLDER = Path(__file__).parents[1]
HUB, WITNESS = "111122223333", "444455556666"
TOPIC = f"arn:aws:sns:eu-west-1:{HUB}:log-export-events"
READER_ROLE = f"arn:aws:iam::{HUB}:role/logferry-witness"
FUNCTION_ROLE = f"arn:aws:iam::{WITNESS}:role/logferry-witness"
SEAL = "archive/!seals/777788889999/eu-west-1/seals/0000000042.json"
STATEMENT = f"archive/!seals/777788889999/eu-west-1/statements/app/seals/1-2/{'0' * 64}.json"
LEAVES = f"archive/!seals/777788889999/eu-west-1/leaves/{'0' * 64}.jsonl"
KEY = f"arn:aws:kms:eu-west-1:{HUB}:key/1"
THROUGH_S3 = {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}
CONTEXT = "kms:EncryptionContext:aws:s3:arn"


@pytest.fixture(scope="module")
def stack() -> dict[str, Any]:
    """The witness's stack, in the account that the policies' tests take for granted."""
    return resources(
        FOLDER / "template.yaml",
        TopicArn=TOPIC,
        ReaderRoleArn=READER_ROLE,
        ArchiveBucketName="archive",
        WitnessName="witness.example.com/logferry",
    )


@pytest.fixture(scope="module")
def reader() -> Any:
    """The hub's role for the witness."""
    template = FOLDER / "hub.yaml"
    found = resources(template, WitnessRoleArn=FUNCTION_ROLE, ArchiveBucketName="archive")
    return found["Role"]["Properties"]


def policy_of(role: Any) -> Any:
    (policy,) = role["Policies"]
    return policy["PolicyDocument"]


def test_only_the_witnesss_role_may_read_by_the_hubs_role(reader: Any) -> None:
    trust = reader["AssumeRolePolicyDocument"]
    (statement,) = trust["Statement"]
    assert statement["Principal"] == {"AWS": f"arn:aws:iam::{WITNESS}:root"}
    assert allowed(trust, "sts:AssumeRole", "*", {"aws:PrincipalArn": FUNCTION_ROLE})
    assert not allowed(trust, "sts:AssumeRole", "*", {"aws:PrincipalArn": f"{FUNCTION_ROLE}2"})
    assert reader["RoleName"] == READER_ROLE.rpartition("/")[2]


@pytest.mark.parametrize(
    ("action", "resource", "context", "verdict"),
    [
        ("s3:GetObject", SEAL, {}, True),
        ("s3:GetObject", STATEMENT, {}, False),
        ("s3:GetObject", LEAVES, {}, False),
        ("s3:GetObject", "archive/shop/aws/lambda/orders/2026/x.gz", {}, False),
        ("s3:PutObject", SEAL, {}, False),
        ("s3:DeleteObject", SEAL, {}, False),
        ("s3:PutObjectLegalHold", SEAL, {}, False),
        ("s3:ListBucket", "archive", {"s3:prefix": "!seals/"}, True),
        ("s3:ListBucket", "archive", {"s3:prefix": "!seals/777788889999/"}, True),
        ("s3:ListBucket", "archive", {"s3:prefix": "!seals/777788889999/eu-west-1/seals/"}, True),
        ("s3:ListBucket", "archive", {"s3:prefix": "shop/"}, False),
        ("s3:ListBucket", "archive", {}, False),
    ],
)
def test_the_hubs_role_reads_seals_and_nothing_else(
    reader: Any,
    action: str,
    resource: str,
    context: dict[str, str],
    verdict: bool,  # noqa: FBT001
) -> None:
    arn = f"arn:aws:s3:::{resource}"
    assert allowed(policy_of(reader), action, arn, context) == verdict


@pytest.mark.parametrize(
    ("context", "verdict"),
    [
        ({**THROUGH_S3, CONTEXT: "arn:aws:s3:::archive"}, True),
        ({**THROUGH_S3, CONTEXT: "arn:aws:s3:::another"}, False),
        ({CONTEXT: "arn:aws:s3:::archive"}, False),
    ],
)
def test_the_hubs_role_decrypts_what_is_in_the_archive_through_s3_alone(
    reader: Any,
    context: dict[str, str],
    verdict: bool,  # noqa: FBT001
) -> None:
    assert allowed(policy_of(reader), "kms:Decrypt", KEY, context) == verdict


@pytest.mark.parametrize(
    ("action", "resource", "context", "verdict"),
    [
        ("sqs:ReceiveMessage", "Queue.Arn", {}, True),
        ("sqs:DeleteMessage", "Queue.Arn", {}, True),
        ("sqs:SendMessage", "DeadLetters.Arn", {}, True),
        ("sts:AssumeRole", READER_ROLE, {}, True),
        ("s3:GetObject", "Notes.Arn/heads/1", {}, True),
        ("s3:PutObject", "Notes.Arn/heads/1", {}, True),
        ("s3:ListBucket", "Notes.Arn", {}, True),
        ("kms:Sign", "Key.Arn", {}, True),
        ("kms:GetPublicKey", "Key.Arn", {}, True),
        ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "logferry-witness"}, True),
        ("cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "logferry"}, False),
        ("s3:DeleteObject", "Notes.Arn/heads/1", {}, False),
        ("s3:DeleteObjectVersion", "Notes.Arn/heads/1", {}, False),
        ("s3:BypassGovernanceRetention", "Notes.Arn/heads/1", {}, False),
        ("s3:PutObjectRetention", "Notes.Arn/heads/1", {}, False),
    ],
)
def test_the_function_may_do_what_it_does_and_remove_nothing(
    stack: dict[str, Any],
    action: str,
    resource: str,
    context: dict[str, str],
    verdict: bool,  # noqa: FBT001
) -> None:
    assert allowed(policy_of(stack["Role"]["Properties"]), action, resource, context) == verdict


@pytest.mark.parametrize("queue", ["Queue.Arn", "DeadLetters.Arn"])
def test_the_queues_take_messages_of_the_topic_and_of_nothing_else(
    stack: dict[str, Any], queue: str
) -> None:
    policy = stack["QueuePolicy"]["Properties"]["PolicyDocument"]
    assert allowed(policy, "sqs:SendMessage", queue, {"aws:SourceArn": TOPIC})
    assert not allowed(policy, "sqs:SendMessage", queue, {"aws:SourceArn": f"{TOPIC}-2"})


def denied_to(policy: Any, action: str) -> str:
    """Return who alone is not denied an action."""
    [statement] = [each for each in policy["Statement"] if each.get("Action") == action]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
    alone: str = statement["Condition"]["ArnNotEquals"]["aws:PrincipalArn"]
    return alone


def test_whoever_else_is_in_the_account_neither_signs_nor_writes_notes(
    stack: dict[str, Any],
) -> None:
    role = "arn:aws:iam::111122223333:role/logferry-witness"
    assert denied_to(stack["Key"]["Properties"]["KeyPolicy"], "kms:Sign") == role
    assert denied_to(stack["NotesPolicy"]["Properties"]["PolicyDocument"], "s3:PutObject") == role


def test_the_queue_waits_six_times_as_long_as_the_function_may_take(stack: dict[str, Any]) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html."""
    timeout_s = stack["Function"]["Properties"]["Timeout"]
    assert stack["Queue"]["Properties"]["VisibilityTimeout"] == 6 * timeout_s


@pytest.mark.parametrize(
    "action", ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"]
)
def test_nobody_hides_or_removes_a_note(stack: dict[str, Any], action: str) -> None:
    statements = stack["NotesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    [denied] = [each for each in statements if action in each["Action"]]
    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    assert "Condition" not in denied


@pytest.mark.parametrize("auditors", ["", "arn:aws:iam::555566667777:root"])
def test_auditors_are_those_that_were_named(auditors: str) -> None:
    found = resources(FOLDER / "template.yaml", AuditorArns=[auditors], TopicArn=TOPIC)
    statements = found["NotesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    allowed_to = [each["Principal"]["AWS"] for each in statements if each["Effect"] == "Allow"]
    assert allowed_to == ([[auditors]] if auditors else [])
