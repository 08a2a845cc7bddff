"""Verdicts on requests, the record of them, and what AWS calls need."""

import json
from dataclasses import replace

import pytest

from localstack_addons.authorization.actions import (
    Bucket,
    Call,
    Encryption,
    StoredObject,
    UnknownOperationError,
    needs,
)
from localstack_addons.authorization.evaluation import (
    Book,
    Decision,
    Request,
    Verdict,
    decide,
    decisions_from,
    refusal,
)

HUB, OTHER, REGION = "111122223333", "444455556666", "eu-west-1"
ROLE = f"arn:aws:iam::{HUB}:role/exporter"
OTHERS_ROLE = f"arn:aws:iam::{OTHER}:role/source"
KEY = f"arn:aws:kms:{REGION}:{HUB}:key/1"
OBJECT = "arn:aws:s3:::archive/a"
QUEUE = f"arn:aws:sqs:{REGION}:{HUB}:queue"


def statement(effect="Allow", principal=None, action="*", resource="*", **more):
    found = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return found if principal is None else found | {"Principal": principal}


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def request(principal=ROLE, action="s3:PutObject", resource=OBJECT, owner=HUB, **context):
    return Request(
        principal=principal,
        action=action,
        resource=resource,
        owner=owner,
        region=REGION,
        context=tuple(context.items()),
    )


ALL = policy(statement())
EVERYBODY = policy(statement(principal="*"))
NOBODY = policy(statement("Deny", principal="*"))
ACCOUNT = policy(statement(principal={"AWS": f"arn:aws:iam::{HUB}:root"}))


@pytest.mark.parametrize(
    ("asked", "own", "resource_policy", "verdict"),
    [
        (request(), [], None, Verdict(allowed=False)),
        (request(), [ALL], None, Verdict(allowed=True)),
        (request(), [ALL], NOBODY, Verdict(allowed=False, denied=True)),
        (request(), [ALL, policy(statement("Deny"))], None, Verdict(allowed=False, denied=True)),
        (request(), [], EVERYBODY, Verdict(allowed=True)),
        (request(), [], ACCOUNT, Verdict(allowed=False)),
        (request(OTHERS_ROLE), [ALL], None, Verdict(allowed=False)),
        (request(OTHERS_ROLE), [], EVERYBODY, Verdict(allowed=False)),
        (request(OTHERS_ROLE), [ALL], EVERYBODY, Verdict(allowed=True)),
        (request(action="kms:Decrypt", resource=KEY), [ALL], None, Verdict(allowed=False)),
        (request(action="kms:Decrypt", resource=KEY), [ALL], ACCOUNT, Verdict(allowed=True)),
        (request("sns.amazonaws.com"), [], EVERYBODY, Verdict(allowed=True)),
        (request("sns.amazonaws.com"), [], ACCOUNT, Verdict(allowed=False)),
        (request("sns.amazonaws.com"), [], None, Verdict(allowed=False)),
    ],
)
def test_own_and_resource_policies_go_together_as_the_accounts_are(
    asked, own, resource_policy, verdict
):
    assert decide(asked, own, resource_policy) == verdict


PUT = policy(statement(action="s3:PutObject"))


@pytest.mark.parametrize(
    ("own", "resource_policy", "session_policy", "allowed"),
    [
        ([ALL], None, PUT, True),
        ([ALL], None, policy(statement(action="s3:GetObject")), False),
        ([ALL], None, policy(statement("Deny")), False),
        ([], None, PUT, False),
        ([], EVERYBODY, PUT, True),
        ([], EVERYBODY, policy(statement(action="s3:GetObject")), False),
    ],
)
def test_a_sessions_policy_takes_away_and_gives_nothing(
    own, resource_policy, session_policy, allowed
):
    assert decide(request(), own, resource_policy, session_policy).allowed == allowed


@pytest.mark.parametrize(
    ("condition", "context", "allowed"),
    [
        ({"StringEquals": {"aws:PrincipalArn": ROLE}}, {}, True),
        ({"StringEquals": {"aws:PrincipalAccount": OTHER}}, {}, False),
        ({"StringEquals": {"aws:RequestedRegion": REGION}}, {}, True),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, {}, False),
        ({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, {"aws:PrincipalOrgID": "o-1"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {}, False),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "false"}, True),
        ({"StringLike": {"s3:prefix": "shop/*"}}, {"s3:prefix": "shop/a"}, True),
        ({"StringLike": {"s3:prefix": "shop/*"}}, {"s3:prefix": "Shop/a"}, False),
        ({"StringLike": {"s3:prefix": "shop/*"}}, {}, False),
        ({"StringEqualsIfExists": {"s3:object-lock-legal-hold": "ON"}}, {}, True),
        (
            {"StringEqualsIfExists": {"s3:object-lock-legal-hold": "ON"}},
            {"s3:object-lock-legal-hold": "OFF"},
            False,
        ),
        ({"StringEquals": {"AWS:RequestTag/Owner": "x"}}, {"aws:requesttag/owner": "x"}, True),
    ],
)
def test_conditions_read_what_the_request_carries(condition, context, allowed):
    own = policy(statement(Condition=condition))
    assert decide(request(**context), [own], None).allowed is allowed


def test_a_refusal_says_who_what_and_where_as_aws_does():
    session = f"arn:aws:sts::{HUB}:assumed-role/exporter/one"
    assert refusal(request(), session, Verdict(allowed=False)) == (
        f"User: {session} is not authorized to perform: s3:PutObject on resource: {OBJECT} "
        "because no policy allows the s3:PutObject action"
    )
    assert refusal(request(), session, Verdict(allowed=False, denied=True)).endswith(
        f"on resource: {OBJECT} with an explicit deny"
    )


def test_a_book_gives_back_what_was_decided_once_and_by_which_policies():
    book = Book()
    decision = Decision(
        request=request(**{"s3:x-amz-acl": "private"}),
        operation="s3.PutObject",
        allowed=True,
        own=(("p", ALL), ("q", EVERYBODY)),
        resource_policy=EVERYBODY,
    )
    other = replace(decision, own=(), resource_policy=None, allowed=False)
    for each in (decision, decision, other):
        book.record(each)
    book.record_unknown("s3.PutBucketAcl")

    document = json.loads(json.dumps(book.as_document()))

    assert decisions_from(document) == [decision, other]
    assert document["unknown"] == ["s3.PutBucketAcl"]
    book.forget()
    assert not any(book.as_document().values())


class World:
    """A bucket and a queue under a key of KMS, and one object that is locked and has tags."""

    def bucket(self, name):
        key = Encryption(key_arn=KEY, bucket_key=True)
        return Bucket(owner=HUB, region=REGION, default=key) if name == "archive" else None

    def stored_object(self, bucket, key, version_id):
        if key != "there":
            return None
        return StoredObject(
            encryption=Encryption(key_arn=KEY, bucket_key=False),
            has_tags=True,
            has_retention=True,
        )

    def upload(self, bucket, key, upload_id):
        return StoredObject(encryption=Encryption(key_arn=KEY))

    def key_of(self, resource_arn):
        return KEY

    def key_arn(self, key_id, account_id, region):
        return KEY

    def tags(self, resource_arn):
        return {"owner": "planner"}

    def mapped_function(self, mapping_id, account_id, region):
        return f"arn:aws:lambda:{REGION}:{HUB}:function:f"


def needed(operation, **parameters):
    return needs(
        Call(operation=operation, parameters=parameters, account_id=HUB, region=REGION), World()
    )


def actions(operation, **parameters):
    return [need.action for need in needed(operation, **parameters)]


THERE = {"Bucket": "archive", "Key": "there"}
MISSING = {"Bucket": "archive", "Key": "missing"}


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("s3.GetObject", MISSING, ["s3:GetObject", "s3:ListBucket"]),
        ("s3.GetObject", THERE, ["s3:GetObject", "s3:GetObjectRetention", "kms:Decrypt"]),
        ("s3.HeadObject", THERE, ["s3:GetObject", "s3:GetObjectRetention"]),
        (
            "s3.HeadObject",
            THERE | {"VersionId": "1", "ChecksumMode": "ENABLED"},
            ["s3:GetObjectVersion", "s3:GetObjectRetention", "kms:Decrypt"],
        ),
        ("s3.PutObject", MISSING, ["s3:PutObject", "kms:GenerateDataKey"]),
        ("s3.PutObject", MISSING | {"ServerSideEncryption": "AES256"}, ["s3:PutObject"]),
        (
            "s3.PutObject",
            MISSING
            | {
                "ServerSideEncryption": "AES256",
                "IfMatch": "etag",
                "Tagging": "a=b",
                "ObjectLockMode": "GOVERNANCE",
                "ObjectLockLegalHoldStatus": "ON",
            },
            [
                "s3:PutObject",
                "s3:GetObject",
                "s3:PutObjectTagging",
                "s3:PutObjectRetention",
                "s3:PutObjectLegalHold",
            ],
        ),
        (
            "s3.CopyObject",
            MISSING | {"CopySource": {"Bucket": "archive", "Key": "there", "VersionId": "1"}},
            [
                "s3:GetObjectVersion",
                "s3:GetObjectRetention",
                "kms:Decrypt",
                "s3:GetObjectVersionTagging",
                "s3:PutObjectTagging",
                "s3:PutObject",
                "kms:GenerateDataKey",
            ],
        ),
        ("s3.DeleteObject", THERE, ["s3:DeleteObject"]),
        (
            "s3.DeleteObject",
            THERE | {"VersionId": "1", "BypassGovernanceRetention": True},
            ["s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"],
        ),
        (
            "s3.DeleteObjects",
            {
                "Bucket": "archive",
                "Delete": {"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": "1"}]},
            },
            ["s3:DeleteObject", "s3:DeleteObjectVersion"],
        ),
        (
            "sqs.SendMessageBatch",
            {"QueueUrl": f"http://127.0.0.1:4566/queue/{REGION}/{HUB}/queue"},
            ["sqs:SendMessage", "kms:GenerateDataKey", "kms:Decrypt"],
        ),
        (
            "lambda.CreateFunction",
            {
                "FunctionName": "f",
                "Role": ROLE,
                "Tags": {"owner": "planner"},
                "Layers": [f"arn:aws:lambda:{REGION}:{HUB}:layer:l:1"],
                "Code": {"S3Bucket": "code", "S3Key": "zip", "S3ObjectVersion": "1"},
            },
            [
                "lambda:CreateFunction",
                "lambda:TagResource",
                "s3:GetObjectVersion",
                "s3:ListBucket",
                "iam:PassRole",
                "lambda:GetLayerVersion",
            ],
        ),
        (
            "logs.CreateExportTask",
            {"logGroupName": "g", "destination": "archive", "destinationPrefix": "p"},
            ["logs:CreateExportTask", "s3:PutObject", "kms:GenerateDataKey", "kms:Decrypt"],
        ),
        ("sts.GetCallerIdentity", {}, []),
    ],
)
def test_a_call_needs_its_actions_and_those_behind_it(operation, parameters, expected):
    assert actions(operation, **parameters) == expected


def test_what_s3_asks_of_kms_says_for_which_object():
    [_, put] = needed("s3.PutObject", **MISSING)
    [*_, get] = needed("s3.GetObject", **THERE)
    assert put.context == {
        "kms:ViaService": f"s3.{REGION}.amazonaws.com",
        "kms:EncryptionContext:aws:s3:arn": "arn:aws:s3:::archive",
    }
    assert get.context["kms:EncryptionContext:aws:s3:arn"] == "arn:aws:s3:::archive/there"


def test_an_objects_lock_is_hidden_and_not_refused():
    hidden = {need.action: need.hides for need in needed("s3.HeadObject", **THERE) if need.hides}
    assert hidden == {
        "s3:GetObjectRetention": ("x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date")
    }


def test_a_queue_is_named_by_its_url_and_brings_its_tags():
    [need, *_] = needed("sqs.ReceiveMessage", QueueUrl=f"http://host/{OTHER}/queue")
    assert need.resource == f"arn:aws:sqs:{REGION}:{OTHER}:queue"
    assert (need.owner, need.context) == (OTHER, {"aws:ResourceTag/owner": "planner"})


def test_an_unknown_operation_is_named():
    with pytest.raises(UnknownOperationError, match=r"^s3\.PutBucketAcl$"):
        needed("s3.PutBucketAcl", Bucket="archive")
