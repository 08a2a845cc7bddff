from typing import Any

import pytest

from localstack_addons.export_tasks import bucket_policy

ACCOUNT = "111111111111"
BUCKET = "arn:aws:s3:::archive"


def asked(**changes: Any) -> bucket_policy.LogsRequest:
    members = {
        "action": "s3:PutObject",
        "resource_arn": f"{BUCKET}/a/key",
        "account_id": ACCOUNT,
        "region": "eu-west-1",
        "log_group_name": "/app/web",
        "organization_id": "o-exampleorgid",
    }
    return bucket_policy.LogsRequest(**members | changes)


def statement(**changes: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": "logs.eu-west-1.amazonaws.com"},
        "Action": "s3:PutObject",
        "Resource": f"{BUCKET}/*",
    } | changes


def allows(*statements: dict[str, Any], **request: Any) -> bool:
    return bucket_policy.allows({"Statement": list(statements)}, asked(**request))


def allows_if(condition: dict[str, Any], **request: Any) -> bool:
    return allows(statement(Condition=condition), **request)


def test_a_bucket_without_a_policy_lets_nobody_in():
    assert not bucket_policy.allows(None, asked())


def test_a_policy_without_statements_lets_nobody_in():
    assert not bucket_policy.allows({"Version": "2012-10-17"}, asked())


def test_the_policy_of_the_aws_guide_lets_both_requests_in():
    source = {
        "StringEquals": {"aws:SourceAccount": [ACCOUNT, "222222222222"]},
        "ArnLike": {"aws:SourceArn": [f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:*"]},
    }
    acl = {"StringEquals": source["StringEquals"] | {"s3:x-amz-acl": "bucket-owner-full-control"}}
    policy = (
        statement(Action="s3:GetBucketAcl", Resource=BUCKET, Condition=source),
        statement(Condition=source | acl),
    )
    assert allows(*policy, action="s3:GetBucketAcl", resource_arn=BUCKET)
    assert allows(*policy)


def test_a_single_statement_need_not_be_a_list():
    assert bucket_policy.allows({"Statement": statement()}, asked())


@pytest.mark.parametrize(
    "principal",
    [
        {"Service": "logs.amazonaws.com"},
        {"Service": ["delivery.logs.amazonaws.com", "logs.eu-west-1.amazonaws.com"]},
    ],
)
def test_the_service_is_let_in_under_either_name(principal: dict[str, Any]):
    assert allows(statement(Principal=principal))


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"Service": "*"},
        {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        {"Service": "logs.us-east-1.amazonaws.com"},
        {"Service": "delivery.logs.amazonaws.com"},
    ],
)
def test_nothing_but_the_service_of_the_region_is_let_in(principal: Any):
    assert not allows(statement(Principal=principal))


@pytest.mark.parametrize("action", ["s3:PutObject", "s3:putobject", "s3:Put*", "s3:*", "*"])
def test_an_action_matches_with_wildcards_and_in_any_case(action: str):
    assert allows(statement(Action=["s3:GetObject", action]))


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObjectAcl", "s3:PutObjec"])
def test_another_action_is_not_let_in(action: str):
    assert not allows(statement(Action=action))


@pytest.mark.parametrize("resource", ["*", f"{BUCKET}/a/*", f"{BUCKET}/?/key", f"{BUCKET}/a/key"])
def test_a_resource_matches_with_wildcards(resource: str):
    assert allows(statement(Resource=resource))


@pytest.mark.parametrize(
    "resource", [BUCKET, f"{BUCKET}/b/*", f"{BUCKET}/A/*", "arn:aws:s3:::other/*"]
)
def test_another_resource_is_not_let_in(resource: str):
    assert not allows(statement(Resource=resource))


def test_brackets_in_a_resource_are_not_wildcards():
    assert not allows(statement(Resource=f"{BUCKET}/[a]/key"))
    assert allows(statement(Resource=f"{BUCKET}/[a]/*"), resource_arn=f"{BUCKET}/[a]/key")


def test_the_not_forms_turn_a_match_round():
    refusing, allowing = statement(), statement()
    del refusing["Action"], allowing["Action"]
    assert not allows(refusing | {"NotAction": "s3:Put*"})
    assert allows(allowing | {"NotAction": "s3:Get*"})


def test_a_statement_without_an_action_applies_to_nothing():
    without = statement()
    del without["Action"]
    assert not allows(without)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"StringEquals": {"AWS:sourceaccount": ["222222222222", ACCOUNT]}},
        {"StringNotEquals": {"aws:SourceAccount": "222222222222"}},
        {"StringEqualsIgnoreCase": {"s3:x-amz-acl": "Bucket-Owner-Full-Control"}},
        {"StringNotEqualsIgnoreCase": {"s3:x-amz-acl": "PRIVATE"}},
        {"StringLike": {"aws:SourceAccount": "1111*"}},
        {"StringNotLike": {"aws:SourceAccount": "2222*"}},
        {"ArnLike": {"aws:SourceArn": f"arn:aws:logs:*:{ACCOUNT}:*"}},
        {"ArnEquals": {"aws:SourceArn": f"arn:aws:logs:eu-west-1:{ACCOUNT}:log-group:/app/*"}},
        {"ArnLike": {"aws:SourceArn": [f"arn:aws:logs:*:{a}:*" for a in ("2" * 12, ACCOUNT)]}},
        {"ArnNotLike": {"aws:SourceArn": "arn:aws:logs:*:222222222222:*"}},
        {"Bool": {"aws:SecureTransport": "true"}},
        {"Bool": {"aws:SecureTransport": True}},
        {"Bool": {"aws:SecureTransport": "True"}},
        {"StringEquals": {"aws:SourceOrgID": "o-exampleorgid"}},
        {"Null": {"aws:SourceAccount": "false"}},
        {"Null": {"aws:PrincipalOrgID": "true"}},
        {"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-exampleorgid"}},
        {"StringNotEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}},
    ],
)
def test_a_condition_that_holds_lets_the_request_in(condition: dict[str, Any]):
    assert allows_if(condition)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"aws:SourceAccount": "222222222222"}},
        {"StringEquals": {"aws:SourceAccount": "1111*"}},
        {"StringNotEquals": {"aws:SourceAccount": ["222222222222", ACCOUNT]}},
        {"StringEquals": {"s3:x-amz-acl": "Bucket-Owner-Full-Control"}},
        {"StringLike": {"aws:SourceAccount": "2222*"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:logs:eu-west-1:222222222222:log-group:*"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:logs:*"}},
        {"ArnLike": {"aws:SourceArn": "arn:aws:logs:eu-west-*:log-group:*:x"}},
        {"Bool": {"aws:SecureTransport": "false"}},
        {"StringEquals": {"aws:SourceOrgID": "o-another00000"}},
        {"StringEquals": {"aws:PrincipalOrgID": "o-exampleorgid"}},
        {"Null": {"aws:SourceAccount": "true"}},
        {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": "arn:aws:logs:us-east-1:*:*"},
        },
    ],
)
def test_a_condition_that_does_not_hold_keeps_the_request_out(condition: dict[str, Any]):
    assert not allows_if(condition)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
        {"NumericLessThan": {"aws:SourceAccount": "9"}},
        {"ForAnyValue:StringEquals": {"aws:SourceAccount": ACCOUNT}},
        {"StringEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}},
        {"StringNotEquals": {"aws:SourceAccount": "${aws:PrincipalAccount}"}},
    ],
)
def test_what_is_not_understood_keeps_an_allow_from_applying(condition: dict[str, Any]):
    assert not allows_if(condition)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
        {"NumericLessThan": {"aws:SourceAccount": "9"}},
    ],
)
def test_what_is_not_understood_makes_a_deny_apply(condition: dict[str, Any]):
    assert not allows(statement(), statement(Effect="Deny", Condition=condition))


def test_a_statement_with_an_unknown_element_is_not_understood():
    assert not allows(statement(Unless="later"))


def test_a_deny_beats_an_allow():
    assert not allows(statement(), statement(Effect="Deny"))


@pytest.mark.parametrize("principal", ["*", {"AWS": "*"}, {"Service": "*"}])
def test_a_deny_for_everybody_means_the_service_too(principal: Any):
    assert not allows(statement(), statement(Effect="Deny", Principal=principal))


def test_a_deny_of_plain_http_does_no_harm():
    tls_only = statement(
        Effect="Deny",
        Principal="*",
        Action="s3:*",
        Condition={"Bool": {"aws:SecureTransport": "false"}},
    )
    assert allows(statement(), tls_only)


def test_a_deny_that_spares_services_does_no_harm():
    people_only = statement(
        Effect="Deny",
        Principal="*",
        Condition={
            "StringNotEquals": {"aws:SourceVpce": "vpce-1"},
            "Bool": {"aws:PrincipalIsAWSService": "false"},
        },
    )
    assert allows(statement(), people_only)


def test_a_deny_of_everybody_but_the_service_does_no_harm():
    others = statement(Effect="Deny")
    others["NotPrincipal"] = others.pop("Principal")
    assert allows(statement(), others)


def test_the_acl_belongs_to_writing_alone():
    policy = statement(
        Action="s3:GetBucketAcl",
        Resource=BUCKET,
        Condition={"StringEquals": {"s3:x-amz-acl": "bucket-owner-full-control"}},
    )
    assert not allows(policy, action="s3:GetBucketAcl", resource_arn=BUCKET)


def test_an_account_outside_any_organisation_has_no_organisation_id():
    condition = {"StringEquals": {"aws:SourceOrgID": "o-exampleorgid"}}
    assert not allows_if(condition, organization_id=None)
