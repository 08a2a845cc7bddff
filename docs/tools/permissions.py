"""The page docs/permissions.md: who may do what on which conditions, read from the templates.

    python -m docs.tools.permissions docs/permissions.md

`make docs` writes it. Why a statement is there is the comment above it in its template.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from devstack.templates import Policy, Template, as_list, policies
from logferry.checkout import TEMPLATES
from logferry.services import SERVICES
from logferry.template import Resolved

TITLES = {
    "archive": "The archive, its key and its topic",
    "artifacts": "The bucket for zips",
    **{service.name: service.title for service in SERVICES},
    "source-account": "A source's role, in its account",
    "reader": "A team that reads",
    "retention": "Who shortens retentions, in a source's account",
}
"""The templates with policies, in the order of the page."""

PLACEHOLDERS = {
    "AWS::AccountId": "<hub>",
    "AWS::Region": "<region>",
    "Here": "<region>:<hub>",
    "Name": "<name>",
    "ArchiveBucketName": "<archive>",
    "ArtifactBucketName": "<artifacts>",
    "ControlBucketName": "<control>",
    "KeyArn": "<key>",
    "SigningKeyArn": "<signing key>",
    "ArchiveKeyArn": "<the archive's key>",
    "TopicArn": "<topic>",
    "Profile": "<profile>",
    "LowercaseProfile": "<profile>",
    "SourceAccountId": "<source>",
    "SourceAccountIds": "<each source>",
    "SourceRoleArn": "<the source's role>",
    "SourceRoleArnPatterns": "<each source's role>",
    "HubAccountId": "<hub>",
    "OrganizationId": "<organisation>",
    "ExternalId": "<external id>",
    "QueueKeyArn": "<the queues' key>",
    "Provisioning": "ENABLED",
    "ProvisionedExporter": "ENABLED",
    "Team": "<team>",
    "TeamRoleArn": "arn:aws:iam::<team's account>:role/<team's role>",
    "ArchivePrefix": "<prefix>",
    "OperatorArns": "<people of the hub>",
}
IN_SOURCE = {"AWS::AccountId": "<source>", "Here": "<region>:<source>"}
"""What differs in the templates of a source's own account."""
OF_SOURCES = frozenset({"source-account", "retention"})
"""These templates."""

_INTRODUCTION = """\
# Permissions

Every policy of the [templates](../deploy/README.md), with every optional part switched on. `make
docs` writes this page from the templates: what is here is what is deployed. How it is proved that
no role has more than it uses: [iam.md](iam.md). What that means for an attacker:
[threat-model.md](threat-model.md).

ARNs are shortened: `arn:aws:` is left out. `<hub>` and `<source>` are account ids, `<archive>` and
`<control>` the buckets, `<key>` and `<topic>` the ARNs of the hub's key and topic.
"""


def page() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for stem, title in TITLES.items():
        template = Template(TEMPLATES / f"{stem}.yaml")
        given = PLACEHOLDERS | (IN_SOURCE if stem in OF_SOURCES else {})
        resolved = Resolved(template.document, given)
        parts += [f"## {title}\n", f"[`{stem}.yaml`](../deploy/{stem}.yaml)\n"]
        for policy in policies(template, resolved):
            parts += _section(policy, resolved.resources[policy.logical_id])
    return "\n".join(parts).rstrip() + "\n"


def _section(policy: Policy, resource: dict[str, Any]) -> Iterator[str]:
    properties = resource["Properties"]
    if policy.kind == "trust":
        yield f"### Role `{properties['RoleName']}`\n"
        for statement in policy.statements:
            yield f"Assumed by {_principal(statement)}{_conditions(statement, ', if ')}.\n"
        if shared := properties.get("ManagedPolicyArns"):
            names = ", ".join(f"`{arn.rpartition('/')[2]}`" for arn in shared)
            yield f"It has the policy {names}, and:\n"
        return
    if policy.kind == "resource":
        yield f"### Policy of {_subject(resource)}\n"
    elif resource["Type"] == "AWS::IAM::ManagedPolicy":
        yield f"### Policy `{properties['ManagedPolicyName']}`\n"
    elif resource["Type"] == "AWS::IAM::Policy":
        yield f"### More of role `{properties['Roles'][0]}`, where the planner makes exporters\n"
    is_resource = policy.kind == "resource"
    head = ["statement", "who"] if is_resource else ["statement"]
    head += ["may", "on", "if", "why"]
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for statement in policy.statements:
        sid = statement.get("Sid", "")
        cells = [f"`{sid}`" + (" **denies**" if statement["Effect"] == "Deny" else "")]
        if is_resource:
            cells.append(_principal(statement))
        cells += [
            _listed(statement["Action"]),
            _listed(statement["Resource"]),
            _conditions(statement),
            policy.comments.get(sid, ""),
        ]
        yield f"| {' | '.join(cell.replace('|', '\\\\|') for cell in cells)} |"
    yield ""


def _subject(resource: dict[str, Any]) -> str:
    """Return what a resource policy is of."""
    kind, properties = resource["Type"], resource["Properties"]
    if kind == "AWS::KMS::Key":
        return "the key for signing" if "KeyUsage" in properties else "the key"
    if kind == "AWS::SNS::TopicPolicy":
        return f"topic `{_short(properties['Topics'][0])}`"
    if kind == "AWS::SQS::QueuePolicy":
        return f"queue `{properties['Queues'][0]}`"
    return f"bucket `{properties['Bucket']}`"


def _principal(statement: dict[str, Any]) -> str:
    principal = statement["Principal"]
    if principal == "*":
        return "anybody"
    return "<br>".join(
        f"`{_short(each)}`" for named in principal.values() for each in as_list(named)
    )


def _conditions(statement: dict[str, Any], before: str = "") -> str:
    tests = [
        f"{operator} `{key}` {_listed(values, ' or ')}"
        for operator, keys in statement.get("Condition", {}).items()
        for key, values in keys.items()
    ]
    joint = " and " if before else "<br>"
    return before + joint.join(tests) if tests else ""


def _listed(values: Any, joint: str = "<br>") -> str:
    return joint.join(f"`{_short(value)}`" for value in as_list(values))


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text.removeprefix("arn:aws:")


def main(path: Path) -> None:
    """Write the page."""
    path.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
