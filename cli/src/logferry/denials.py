"""Which policy has denied a call, where AWS's words of a denial have an authorization id.

https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied-authorization-id.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from logferry.aws_errors import AWS_ERRORS
from logferry.stack import CLIENT_CONFIG

if TYPE_CHECKING:
    import boto3

_ID = re.compile(r"region=([a-z0-9-]+)#/authorization-details/([0-9a-z]+)")
"""Of the link to the console that AWS puts into its words."""


def explained(session: "boto3.Session", text: str) -> str:
    """Return AWS's words, and what has denied each action; the words alone where nobody says.

    Args:
        session: With credentials of the account, or the organisation, that was refused.
        text: What AWS said.
    """
    found = _ID.search(text)
    if found is None:
        return text
    region, authorization_id = found.groups()
    try:
        toolbox = session.client(
            "iam-toolbox",
            region_name=region,
            config=CLIENT_CONFIG,
        )
        pages = toolbox.get_paginator("get_request_authorization_details").paginate(
            authorizationId=authorization_id
        )
        denied = list(_denied(each for page in pages for each in page["evaluations"]))
    except AWS_ERRORS:  # it is kept for a day, and shown to who may ask
        return text
    return "; ".join([text, *dict.fromkeys(denied)])


def _denied(evaluations: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what denies each action, such as ``s3:PutObject: denied by RESOURCE arn:... (Sid)``."""
    for each in evaluations:
        for check in each.get("checks", []):
            kind = check["checkType"]
            if check["evaluatedEffect"] == "EXPLICIT_DENY":
                policies = ", ".join(_named(policy) for policy in check.get("matchedPolicies", []))
                yield f"{each['action']}: denied by {kind} {policies}".rstrip()
            elif check["evaluatedEffect"] == "IMPLICIT_DENY":
                yield f"{each['action']}: allowed by no policy of {kind}"


def _named(policy: Mapping[str, Any]) -> str:
    sids = [each["sid"] for each in policy.get("matchedStatements", []) if each.get("sid")]
    return f"{policy['uri']} ({', '.join(sids)})" if sids else str(policy["uri"])
