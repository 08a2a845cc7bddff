"""What policies say of a call, and what they leave open."""

from typing import Any

import pytest

from logferry.role_policy import Need, allowed

NEED = Need(
    lane="direct",
    action="logs:FilterLogEvents",
    resource="arn:aws:logs:eu-west-1:444455556666:log-group:any",
    context={"aws:RequestedRegion": "eu-west-1"},
)


def policy(**changes: Any) -> list[dict[str, Any]]:
    statement = {"Effect": "Allow", "Action": "logs:*", "Resource": "*"} | changes
    return [{"Statement": [{k: v for k, v in statement.items() if v is not None}]}]


@pytest.mark.parametrize(
    ("documents", "verdict"),
    [
        (policy(), "allowed"),
        (policy(Action=["s3:Get*", "LOGS:filterlogevents"]), "allowed"),
        (policy(Resource="arn:aws:logs:eu-west-1:444455556666:log-group:*"), "allowed"),
        (policy(Resource="arn:aws:logs:eu-west-1:444455556666:log-group:*:*"), "allowed"),
        (policy(Resource="arn:aws:logs:eu-west-2:444455556666:log-group:*"), "denied"),
        (policy(Resource="arn:aws:logs:eu-west-1:444455556666:log-group:/team/*"), "unclear"),
        (policy(Action="logs:Describe*"), "denied"),
        ([], "denied"),
        (policy() + policy(Effect="Deny"), "denied"),
        (policy() + policy(Effect="Deny", Action="s3:*"), "allowed"),
        (policy() + policy(Effect="Deny", Action=None, NotAction="iam:*"), "unclear"),
        (policy(Action=None, NotAction="iam:*"), "unclear"),
        (policy(Condition={"StringEquals": {"aws:requestedregion": "eu-west-1"}}), "allowed"),
        (policy(Condition={"StringEquals": {"aws:RequestedRegion": ["us-east-1"]}}), "denied"),
        (policy(Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}), "unclear"),
        (policy(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}), "unclear"),
        (
            policy() + policy(Effect="Deny", Condition={"Bool": {"aws:SecureTransport": "false"}}),
            "unclear",
        ),
    ],
)
def test_a_call_is_allowed_denied_or_left_open(
    documents: list[dict[str, Any]], verdict: str
) -> None:
    assert allowed(documents, NEED) == verdict
