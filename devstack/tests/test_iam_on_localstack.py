"""AWS's own policies, in each account by itself."""

import json

import pytest

pytestmark = pytest.mark.localstack

POLICY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
NOBODY = {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": "*"}
TRUST = json.dumps({"Version": "2012-10-17", "Statement": [NOBODY]})


def test_a_policy_of_awss_is_attached_in_one_account_and_in_no_other(aws):
    one, other = aws("iam"), aws("iam", account="200000000001")
    one.create_role(RoleName="reader", AssumeRolePolicyDocument=TRUST)
    one.attach_role_policy(RoleName="reader", PolicyArn=POLICY)

    attached = one.list_attached_role_policies(RoleName="reader")["AttachedPolicies"]
    assert [each["PolicyArn"] for each in attached] == [POLICY]
    counts = [iam.get_policy(PolicyArn=POLICY)["Policy"]["AttachmentCount"] for iam in (one, other)]
    assert counts == [1, 0]
