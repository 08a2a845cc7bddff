"""The CloudFormation templates, and what their intrinsic functions come to."""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.session import get_session
from cfnlint.decode.cfn_yaml import load  # type: ignore[import-untyped]

NO_VALUE = object()

_ARNS = {
    "AWS::Events::Rule": ("Name", "arn:${AWS::Partition}:events:${Here}:rule/"),
    "AWS::IAM::ManagedPolicy": (
        "ManagedPolicyName",
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/",
    ),
    "AWS::IAM::Role": ("RoleName", "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/"),
    "AWS::Lambda::Function": ("FunctionName", "arn:${AWS::Partition}:lambda:${Here}:function:"),
    "AWS::Logs::LogGroup": ("LogGroupName", "arn:${AWS::Partition}:logs:${Here}:log-group:"),
    "AWS::S3::Bucket": ("BucketName", "arn:${AWS::Partition}:s3:::"),
    "AWS::SNS::Topic": ("TopicName", "arn:${AWS::Partition}:sns:${Here}:"),
    "AWS::SQS::Queue": ("QueueName", "arn:${AWS::Partition}:sqs:${Here}:"),
}
"""By type: the property with a resource's name, and its ARN without that."""
_BY_ARN = {"AWS::IAM::ManagedPolicy", "AWS::SNS::Topic"}
"""Types of which Ref is the ARN."""


class Template:
    """One template, read.

    Attributes:
        path: Of its file.
        document: As YAML has it, ``!Sub x`` as ``{"Fn::Sub": "x"}``.
    """

    def __init__(self, path: Path) -> None:
        """Read it."""
        self.path = path
        self.document: dict[str, Any] = load(str(path))
        self._lines = path.read_text(encoding="utf-8").splitlines()

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Its resources, as they are written."""
        resources: dict[str, dict[str, Any]] = self.document["Resources"]
        return resources

    def comment(self, node: Any) -> str:
        """Return the comment right above a part of it, in one line; empty where there is none."""
        last = node.start_mark.line - 1
        first = last
        while self._lines[first].lstrip().startswith("#"):
            first -= 1
        return " ".join(line.lstrip(" #") for line in self._lines[first + 1 : last + 1])


@functools.cache
def _partition(region: str) -> tuple[str, str]:
    """Return the partition that a Region is in, and its domain."""
    session = get_session()
    partition = session.get_partition_for_region(region)
    suffixes = {p["partition"]: p["dnsSuffix"] for p in session.get_data("endpoints")["partitions"]}
    return partition, suffixes[partition]


class Resolved:
    """A template's resources as CloudFormation would make them with given parameters.

    Attributes:
        resources: Only those whose condition holds.
    """

    def __init__(
        self,
        template: Template,
        given: Mapping[str, str],
        *,
        account_id: str = "111122223333",
        region: str = "ap-northeast-2",
    ) -> None:
        """Work them out.

        Args:
            template: Where they are.
            given: Values of parameters and of pseudo parameters; defaults stand for the rest, also
                for parameters that are names of SSM parameters.
            account_id: Where the stack would be.
            region: The same.
        """
        parameters = template.document["Parameters"]
        self._conditions = template.document.get("Conditions", {})
        self._lists = {n for n, p in parameters.items() if p["Type"] == "CommaDelimitedList"}
        partition, url_suffix = _partition(region)
        self._values = {
            "AWS::AccountId": account_id,
            "AWS::Region": region,
            "AWS::Partition": partition,
            "AWS::URLSuffix": url_suffix,
            "Here": f"{region}:{account_id}",
            **{name: str(parameter.get("Default", name)) for name, parameter in parameters.items()},
            **given,
        }
        self._written = template.resources
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::If": lambda of: self.value(of[1] if self.holds(of[0]) else of[2]),
            "Fn::Not": lambda of: not self.value(of[0]),
            "Fn::Equals": lambda of: self.value(of[0]) == self.value(of[1]),
            "Fn::Split": lambda of: self.value(of[1]).split(of[0]),
            "Fn::Join": lambda of: of[0].join(self.value(of[1])),
            "Fn::Select": lambda of: self.value(of[1])[int(of[0])],
            "Fn::Sub": self._sub,
            "Fn::GetAtt": self._attribute,
        }
        self.resources: dict[str, dict[str, Any]] = {
            name: self.value(resource)
            for name, resource in self._written.items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    def holds(self, condition: str) -> bool:
        """Return whether a condition of the template is true."""
        return bool(self.value(self._conditions[condition]))

    def value(self, node: Any) -> Any:
        """Return a part of the template with everything worked out."""
        if isinstance(node, list):
            return [found for found in map(self.value, node) if found is not NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1 and next(iter(node)) in self._functions:
            (name, of) = next(iter(node.items()))
            return self._functions[name](of)
        worked_out = {name: self.value(item) for name, item in node.items()}
        return {name: item for name, item in worked_out.items() if item is not NO_VALUE}

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        if name not in self._written:
            value = self._values[name]
            return value.split(",") if name in self._lists else value
        if self._written[name]["Type"] in _BY_ARN:
            return self._attribute([name, "Arn"])
        named = _ARNS.get(self._written[name]["Type"])
        return self.value(self._written[name]["Properties"][named[0]]) if named else name

    def _attribute(self, of: list[str]) -> str:
        name, attribute = of
        resource = self._written[name]
        if resource["Type"] == "AWS::KMS::Key":
            return self._sub("arn:${AWS::Partition}:kms:${Here}:key/" + name)
        named, before = _ARNS[resource["Type"]]
        own_name = self.value(resource["Properties"][named])
        if attribute != "Arn":
            return str(own_name)
        # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-logs-loggroup.html
        after = ":*" if resource["Type"] == "AWS::Logs::LogGroup" else ""
        return f"{self._sub(before)}{own_name}{after}"

    def _sub(self, of: Any) -> str:
        text, more = of if isinstance(of, list) else (of, {})
        values = {**self._values, **{name: self.value(value) for name, value in more.items()}}
        for name, value in values.items():
            text = text.replace("${" + name + "}", str(value))
        for name in self._written:
            if "${" + name + "}" in text:
                text = text.replace("${" + name + "}", str(self._ref(name)))
            if "${" + name + ".Arn}" in text:
                text = text.replace("${" + name + ".Arn}", self._attribute([name, "Arn"]))
        return str(text)


@dataclass(frozen=True)
class Policy:
    """One policy document of a template.

    Attributes:
        logical_id: Of the resource that it is a part of.
        kind: ``identity``, ``trust`` or ``resource``.
        document: Worked out.
        comments: What the template says above a statement, by its Sid.
    """

    logical_id: str
    kind: str
    document: dict[str, Any]
    comments: Mapping[str, str]

    @property
    def statements(self) -> list[dict[str, Any]]:
        """Its statements."""
        statements: list[dict[str, Any]] = self.document["Statement"]
        return statements


def policies(template: Template, resolved: Resolved) -> Iterator[Policy]:
    """Yield every policy document of a template: of roles, buckets, keys, queues and topics."""
    for logical_id, resource in resolved.resources.items():
        is_identity = resource["Type"].startswith("AWS::IAM::")
        for keys, document in _documents(resource["Properties"]):
            written = template.resources[logical_id]["Properties"]
            for key in keys:
                written = written[key]
            is_trust = keys[-1] == "AssumeRolePolicyDocument"
            yield Policy(
                logical_id,
                "trust" if is_trust else "identity" if is_identity else "resource",
                document,
                {
                    statement.get("Sid", ""): template.comment(statement)
                    for statement in _statements(written["Statement"])
                },
            )


def _statements(node: Any) -> Iterator[dict[str, Any]]:
    """Yield statements as they are written, those of an Fn::If included."""
    if isinstance(node, list):
        for item in node:
            yield from _statements(item)
    elif isinstance(node, dict):
        if "Effect" in node:
            yield node
        else:
            yield from _statements(list(node.values()))


def _documents(node: Any, *keys: Any) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Yield what has statements below a part of a template, with the way to it."""
    if isinstance(node, dict):
        if "Statement" in node:
            yield keys, node
        else:
            for key, item in node.items():
                yield from _documents(item, *keys, key)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _documents(item, *keys, index)


def as_list(value: Any) -> list[Any]:
    """Return a list: policies have one thing, or a list of things."""
    return value if isinstance(value, list) else [value]
