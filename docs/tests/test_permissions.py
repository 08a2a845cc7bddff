"""The page of permissions is as the templates are, and no wildcard is without a reason."""

import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from docs.tools.permissions import IN_SOURCE, OF_SOURCES, PLACEHOLDERS, TITLES, page

from devstack.templates import Template, as_list, policies
from logferry.checkout import ROOT, TEMPLATES
from logferry.template import Resolved

OF_MANY = {
    r"arn:aws:s3:::[^*]+/\*": "Objects below one prefix: there are ever more of them.",
    r"arn:aws:s3:::<archive>/<prefix>\*": "The prefix that the team may read, to its end.",
    r"arn:aws:logs:.*:log-group:/aws/lambda/[^*]+:\*": "The streams of a function's own log group.",
    r"arn:aws:sqs:<region>:<hub>:log-sqs-\*[a-z.-]+": "A queue for each source, by its name.",
    r"arn:aws:(lambda|logs):.*log-sqs-\*-collect-fifoSQSConsumer(:\*)?": (
        "A function for each source, by its name."
    ),
}
"""Names that are of many things by nature, and why."""
EXPLAINED = {
    ("archive", "AccountDecidesByItsRolesPolicies", "kms:*"): (
        "Without it the account could lose its key: nobody could change the policy any more. "
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html"
    ),
    **{
        ("archive", sid, "*"): "In a key's policy, the key itself."
        for sid in (
            "AccountDecidesByItsRolesPolicies",
            "CloudWatchLogsWritesToTheArchive",
            "EventsGoToTheServicesQueues",
            "SourceRolesWriteToTheArchive",
        )
    },
    ("planner", "UseLayers", "arn:aws:lambda:<region>:<hub>:layer:*"): (
        "Execution variables name the layer, in the hub's own account."
    ),
    **{
        ("planner", sid, "arn:aws:s3:::*-s3-logs-collector-lambda" + of): (
            "Execution variables name the bucket, which aws-logs-export-to-s3 calls so."
        )
        for sid, of in (("ReadCode", "/*"), ("FindCode", ""))
    },
    ("planner", "MapQueuesToFunctions", "*"): (
        "A mapping that is not there yet has no ARN; the condition says whose it may be."
    ),
    (
        "planner",
        "MendItsMappings",
        "arn:aws:lambda:<region>:<hub>:event-source-mapping:*",
    ): "A mapping's ARN is a random id; the condition says whose it may be.",
    ("planner", "ListMappings", "*"): "It is allowed for all mappings or for none.",
    ("planner", "ListSchedules", "*"): "It is allowed for all schedules or for none.",
    ("planner", "ReadSchedules", "arn:aws:scheduler:<region>:<hub>:schedule/default/<name>-*"): (
        "Each source's schedule: which sources there are is what is to be read."
    ),
    ("source-account", "CountEventsAndFindTags", "*"): "Neither action knows resources.",
    ("source-account", "FollowExports", "*"): "Export tasks are no resources.",
    ("source-account", "StopQueries", "*"): "Queries are no resources.",
    ("source-account", "SeeRetentionPolicies", "*"): "The action knows no resources.",
    **{
        ("source-account", sid, "arn:aws:logs:<region>:<source>:log-group:*"): (
            "Every log group of the account: which ones are exported, the selection says."
        )
        for sid in ("FindLogGroups", "ReadEvents", "FindLateStreams", "CountEvents", "Export")
    },
    ("source-account", "EncryptInTheArchive", "arn:aws:kms:<region>:<hub>:key/*"): (
        "The key's id is not known there; the key's policy and the context say which."
    ),
    ("source-account", "ReadEncryptedLogGroups", "arn:aws:kms:<region>:<source>:key/*"): (
        "Log groups are under any key of their account, through CloudWatch Logs alone."
    ),
    **{
        ("retention", sid, "arn:aws:logs:<region>:<source>:log-group:*"): (
            "Every log group of the account: which ones are shortened, seals and counts say."
        )
        for sid in ("FindLogGroups", "CountEvents", "SetRetention")
    },
    ("retention", "StopQueriesAndSeePolicies", "*"): "Neither action knows resources.",
    ("retention", "ReadEncryptedLogGroups", "arn:aws:kms:<region>:<source>:key/*"): (
        "Log groups are under any key of their account, through CloudWatch Logs alone."
    ),
    ("sse-enforcer", "SeeWhetherKeysCanBeUsed", "arn:aws:kms:<region>:<hub>:key/*"): (
        "SSM parameters name keys for single prefixes; that one exists is no secret."
    ),
    (
        "sse-enforcer",
        "FindTheArchivesKey",
        "arn:aws:ssm:<region>:<hub>:parameter/app/cloudwatch/log/export/s3/kms/arn/*",
    ): "Parameters below the archive's key parameter, one for each prefix.",
    ("sse-enforcer", "ReadUnderFormerKeys", "arn:aws:kms:<region>:<hub>:key/*"): (
        "Objects that arrived under whichever key; only the archive's, and only through S3."
    ),
    ("sealer", "ReadUnderAnyKey", "arn:aws:kms:<region>:<hub>:key/*"): (
        "Objects under whichever key of the account; only the archive's, and only through S3."
    ),
    ("reader", "DecryptThem", "arn:aws:kms:<region>:<hub>:key/*"): (
        "Whichever key it is; only objects of the two buckets, and only through S3."
    ),
    ("planner", "NoteBackfills", "arn:aws:s3:::<control>/backfill/*/fed.json"): (
        "its own note of each source's backfill, not what people have asked for"
    ),
    ("planner", "CloseDays", "arn:aws:s3:::<control>/plans/*/days/*"): (
        "one role for all exporters that the planner makes, each of another account and Region"
    ),
}
"""Every other one: template, statement, value, and why nothing narrower will do."""


def wildcards() -> Iterator[tuple[str, str, str]]:
    """Every action and resource with a wildcard that a statement allows."""
    for stem in TITLES:
        template = Template(TEMPLATES / f"{stem}.yaml")
        given = PLACEHOLDERS | (IN_SOURCE if stem in OF_SOURCES else {})
        for policy in policies(template, Resolved(template.document, given)):
            for statement in policy.statements:
                if statement["Effect"] == "Allow":
                    values = (as_list(statement.get(key, [])) for key in ("Action", "Resource"))
                    for value in chain.from_iterable(values):
                        if "*" in value or "?" in value:
                            yield stem, statement.get("Sid", ""), value


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_template_with_policies_is_on_the_page(path: Path) -> None:
    assert ("PolicyDocument" in path.read_text()) is (path.stem in TITLES)


def test_the_page_is_what_the_templates_say() -> None:
    written = (ROOT / "docs" / "permissions.md").read_text(encoding="utf-8")
    assert written == page(), "make docs writes it anew"


def test_no_wildcard_is_without_a_reason() -> None:
    single = {
        found
        for found in wildcards()
        if not any(re.fullmatch(pattern, found[2]) for pattern in OF_MANY)
    }
    assert single == EXPLAINED.keys(), "narrow it, or say in EXPLAINED why that cannot be"


def test_no_reason_is_without_a_wildcard() -> None:
    values = [value for _, _, value in wildcards()]
    for pattern in OF_MANY:
        assert any(re.fullmatch(pattern, value) for value in values), pattern
