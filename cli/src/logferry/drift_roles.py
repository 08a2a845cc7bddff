"""How roles and their policies are looked at and mended: what else was given them is taken away."""

import json
from collections.abc import Mapping
from typing import Any

from logferry.drift_resource import Clients, Kind, Resource, Values, comparable, some

ROLE = "AWS::IAM::Role"
_POLICY_VERSIONS = 5
"""As many as a managed policy may have.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""


def policies_of(role: str, resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inline policies that a stack gives a role, by name: its own, and those beside it.

    Args:
        role: Its logical id.
        resources: The stack's, with everything worked out.
    """
    properties = resources[role]["Properties"]
    beside = [
        each["Properties"]
        for each in resources.values()
        if each["Type"] == "AWS::IAM::Policy"
        and properties["RoleName"] in each["Properties"]["Roles"]
    ]
    return {
        each["PolicyName"]: each["PolicyDocument"]
        for each in [*properties.get("Policies", []), *beside]
    }


def _role(clients: Clients, resource: Resource) -> Values | None:
    iam, name = clients("iam"), resource.properties["RoleName"]
    found = some(lambda: iam.get_role(RoleName=name))
    if found is None:
        return None
    inline = iam.get_paginator("list_role_policies").paginate(RoleName=name)
    attached = iam.get_paginator("list_attached_role_policies").paginate(RoleName=name)
    return {
        "AssumeRolePolicyDocument": found["Role"]["AssumeRolePolicyDocument"],
        "ManagedPolicyArns": [
            each["PolicyArn"] for page in attached for each in page["AttachedPolicies"]
        ],
        "Policies": {
            policy: iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            for page in inline
            for policy in page["PolicyNames"]
        },
    }


def _put_role(clients: Clients, resource: Resource) -> None:
    iam, wanted = clients("iam"), resource.properties
    trust = json.dumps(wanted["AssumeRolePolicyDocument"])
    role = {"RoleName": wanted["RoleName"]}
    actual = _role(clients, resource)
    if actual is None:
        iam.create_role(
            **role, AssumeRolePolicyDocument=trust, Tags=resource.properties.get("Tags", [])
        )
        actual = {"ManagedPolicyArns": [], "Policies": {}}
    else:
        iam.update_assume_role_policy(**role, PolicyDocument=trust)
    for name, document in wanted["Policies"].items():
        if comparable(actual["Policies"].get(name)) != comparable(document):
            iam.put_role_policy(**role, PolicyName=name, PolicyDocument=json.dumps(document))
    for name in actual["Policies"].keys() - wanted["Policies"].keys():
        iam.delete_role_policy(**role, PolicyName=name)
    attached, to_attach = set(actual["ManagedPolicyArns"]), set(wanted["ManagedPolicyArns"])
    for arn in to_attach - attached:
        iam.attach_role_policy(**role, PolicyArn=arn)
    for arn in attached - to_attach:
        iam.detach_role_policy(**role, PolicyArn=arn)


def _managed_policy(clients: Clients, resource: Resource) -> Values | None:
    iam, arn = clients("iam"), resource.physical_id
    found = some(lambda: iam.get_policy(PolicyArn=arn))
    if found is None:
        return None
    version = iam.get_policy_version(PolicyArn=arn, VersionId=found["Policy"]["DefaultVersionId"])
    return {"PolicyDocument": version["PolicyVersion"]["Document"]}


def _put_managed_policy(clients: Clients, resource: Resource) -> None:
    iam, wanted, arn = clients("iam"), resource.properties, resource.physical_id
    document = json.dumps(wanted["PolicyDocument"])
    if _managed_policy(clients, resource) is None:
        iam.create_policy(
            PolicyName=wanted["ManagedPolicyName"],
            Description=wanted["Description"],
            PolicyDocument=document,
        )
        return
    versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    if len(versions) >= _POLICY_VERSIONS:
        others = [each for each in versions if not each["IsDefaultVersion"]]
        oldest = min(others, key=lambda each: each["CreateDate"])
        iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=document, SetAsDefault=True)


ROLES = {
    "AWS::IAM::ManagedPolicy": Kind(_managed_policy, _put_managed_policy, {}),
    ROLE: Kind(_role, _put_role, {"ManagedPolicyArns": []}),
}
"""By the types of resources, in the order in which they need each other."""
