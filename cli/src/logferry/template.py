"""A CloudFormation template: read, and what its intrinsic functions come to."""

import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import yaml
from botocore.session import get_session

try:
    from yaml import CSafeLoader as _Parser  # ten times as fast: its wheels have libyaml
except ImportError:
    from yaml import SafeLoader as _Parser  # type: ignore[assignment]

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


class TemplateLoader(_Parser):
    """YAML with CloudFormation's short forms."""


def _long_form(loader: TemplateLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    match node:
        case yaml.ScalarNode():
            value = loader.construct_scalar(node)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


TemplateLoader.add_multi_constructor("!", _long_form)


def load_template(text: str) -> dict[str, Any]:
    """Return a template's text as it is written, ``!Sub x`` as ``{"Fn::Sub": "x"}``."""
    document: dict[str, Any] = yaml.load(text, Loader=TemplateLoader)  # noqa: S506  a SafeLoader
    return document


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
        template: Mapping[str, Any],
        given: Mapping[str, str],
        *,
        account_id: str = "111122223333",
        region: str = "ap-northeast-2",
        physical_ids: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Work them out.

        Args:
            template: Where they are, with ``!Sub x`` as ``{"Fn::Sub": "x"}``.
            given: Values of parameters and of pseudo parameters; defaults stand for the rest, also
                for parameters that are names of SSM parameters.
            account_id: Where the stack would be.
            region: The same.
            physical_ids: Of the resources that are there, by their logical ids.
        """
        parameters = template.get("Parameters", {})
        self._conditions = template.get("Conditions", {})
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
        self._written = template["Resources"]
        self._physical_ids = physical_ids
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::If": lambda of: self.value(of[1] if self.holds(of[0]) else of[2]),
            "Fn::Not": lambda of: not self.value(of[0]),
            "Fn::Equals": lambda of: str(self.value(of[0])) == str(self.value(of[1])),
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
        if name in self._physical_ids:
            return self._physical_ids[name]
        if self._written[name]["Type"] in _BY_ARN:
            return self._attribute([name, "Arn"])
        named = _ARNS.get(self._written[name]["Type"])
        return self.value(self._written[name]["Properties"][named[0]]) if named else name

    def _attribute(self, of: list[str]) -> str:
        name, attribute = of
        resource = self._written[name]
        if resource["Type"] == "AWS::KMS::Key":
            return f"{self._sub('arn:${AWS::Partition}:kms:${Here}:key/')}{self._ref(name)}"
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
