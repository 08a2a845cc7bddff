"""Reads the AWS provider's schema from the CDK bindings that were generated from it.

The provider itself is in no package registry, its bindings are. What is read is what `terraform
providers schema -json` prints of the same resources, as far as Terraform checks a configuration by
it: names, types, nesting, and what is required, optional or computed.
"""

import json
import re
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

type Type = str | list[Any]
"""As Terraform writes it: ``string``, or ``["set", "string"]``."""
type Block = dict[str, Any]

RESOURCES = {
    "cloudformation-stack": "aws_cloudformation_stack",
    "cloudformation-stack-set": "aws_cloudformation_stack_set",
    "cloudformation-stack-set-instance": "aws_cloudformation_stack_set_instance",
}
"""Those that the modules have, by the bindings' folders."""

_CLASS = re.compile(r"^class (\w+) extends cdktn\.(\w+) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL)
_FUNCTION = re.compile(
    r"^function (\w+)ToHclTerraform\(struct\) \{\n(.*?)^\}\n", re.MULTILINE | re.DOTALL
)
_FIELD = re.compile(
    r"^    // (?P<name>\w+) - computed: (?P<computed>\w+), optional: (?P<optional>\w+), "
    r"required: (?P<required>\w+)\n(?P<code>.*?)(?=^    // \w+ - computed: |\Z)",
    re.MULTILINE | re.DOTALL,
)
_WRITTEN = re.compile(
    r'^ +(?P<name>\w+): \{\n +value: .*\n +isBlock: (?P<is_block>\w+),\n +type: "(?P<kind>\w+)",\n'
    r' +storageClassType: "(?P<of>\w+)",',
    re.MULTILINE,
)
_VERSION = re.compile(r"providerVersion: '([0-9.]+)'")
_PRIMITIVES = {"string": "string", "number": "number", "boolean": "bool"}
_GETTERS: Mapping[str, Type] = {
    "getStringAttribute(": "string",
    "getNumberAttribute(": "number",
    "getBooleanAttribute(": "bool",
    "Fn.tolist(this.getListAttribute(": ["set", "string"],
    "this.getListAttribute(": ["list", "string"],
    "getStringMapAttribute(": ["map", "string"],
    "new cdktn.StringMap(": ["map", "string"],
}
"""What code reads of an attribute by its type, those first that contain others."""


class BindingsError(Exception):
    """The bindings are not as they were when this was written: read them, and mend this."""


@dataclass(frozen=True)
class Written:
    """How a field is written into a configuration.

    Attributes:
        kind: ``simple``, ``list``, ``set``, ``map`` or ``struct``.
        of: What it is made of, such as ``stringList`` or a class's name.
    """

    is_block: bool
    kind: str
    of: str

    @property
    def type(self) -> Type:
        """The type of an attribute."""
        element = _PRIMITIVES[re.sub(r"(List|Map)$", "", self.of)]
        return element if self.kind == "simple" else [self.kind, element]


@dataclass(frozen=True)
class Source:
    """The code of one resource."""

    classes: Mapping[str, tuple[str, str]]
    functions: Mapping[str, str]

    @classmethod
    def of(cls, code: str) -> "Source":
        """Split code into its classes, with what each extends, and its functions."""
        return cls(
            {found[1]: (found[2], found[3]) for found in _CLASS.finditer(code)},
            {found[1].lower(): found[2] for found in _FUNCTION.finditer(code)},
        )

    def block(self, body: str, written: str) -> Block:
        """Return the block of a class, and of what writes it into a configuration."""
        fields = {
            found["name"]: Written(found["is_block"] == "true", found["kind"], found["of"])
            for found in _WRITTEN.finditer(written)
        }
        attributes: dict[str, Any] = {}
        blocks: dict[str, Any] = {}
        for field in _FIELD.finditer(body):
            name = field["name"]
            if name in fields and fields[name].is_block:
                blocks[name] = self._nested(name, fields[name], field)
                continue
            flags = ("computed", "optional", "required")
            attributes[name] = {
                "type": fields[name].type if name in fields else self._read_type(name, field),
                **{flag: True for flag in flags if field[flag] == "true"},
            }
        return {"attributes": attributes} | ({"block_types": blocks} if blocks else {})

    def _nested(self, name: str, written: Written, field: re.Match[str]) -> Block:
        class_name = written.of.removesuffix("List")
        block = {"block": self._inner(class_name)}
        if written.kind == "struct":
            return {"nesting_mode": "single", **block}
        at_most_one = re.search(rf'OutputReference\(this, "{name}"\)', field["code"])
        return {
            "nesting_mode": written.kind,
            **block,
            **({"min_items": 1} if field["required"] == "true" else {}),
            **({"max_items": 1} if at_most_one else {}),
        }

    def _inner(self, class_name: str) -> Block:
        _, body = self.classes[f"{class_name}OutputReference"]
        return self.block(body, self.functions.get(class_name.lower(), ""))

    def _read_type(self, name: str, field: re.Match[str]) -> Type:
        """Return the type of an attribute that no configuration may set."""
        if found := re.search(rf'new (\w+)List\(this, "{name}", (true|false)\)', field["code"]):
            inner = self._inner(found[1])["attributes"]
            types = {name: attribute["type"] for name, attribute in inner.items()}
            return ["set" if found[2] == "true" else "list", ["object", types]]
        for getter, attribute_type in _GETTERS.items():
            if getter in field["code"]:
                return attribute_type
        raise BindingsError(f"{name}: of no type that is known here")


def read_schema(bindings: Path) -> dict[str, Any]:
    """Return the provider's version, its own schema and those of `RESOURCES`.

    The provider's own blocks, such as ``assume_role``, are left out: no configuration here has any.

    Args:
        bindings: A folder in which the package ``cdktn-provider-aws`` is installed.

    Raises:
        BindingsError: They are not as expected.
    """
    code = dict(_modules(bindings))
    version = _VERSION.search(code["provider"])
    if version is None:
        raise BindingsError("the provider's version is nowhere")
    return {
        "provider_version": version[1],
        "provider": _provider(code["provider"]),
        "resource_schemas": {name: _resource(code[folder]) for folder, name in RESOURCES.items()},
    }


def _modules(bindings: Path) -> Iterator[tuple[str, str]]:
    (archive,) = (bindings / "cdktn_provider_aws" / "_jsii").glob("*.tgz")
    wanted = {f"package/lib/{folder}/index.js": folder for folder in ("provider", *RESOURCES)}
    with tarfile.open(archive) as package:
        for member in package:
            if member.name in wanted and (content := package.extractfile(member)):
                yield wanted.pop(member.name), content.read().decode()
    if wanted:
        raise BindingsError(f"{archive} lacks {', '.join(wanted)}")


def _resource(code: str) -> dict[str, Any]:
    source = Source.of(code)
    (body,) = (body for base, body in source.classes.values() if base == "TerraformResource")
    return {"version": 0, "block": source.block(body, body)}


def _provider(code: str) -> dict[str, Any]:
    (body,) = (
        body for base, body in Source.of(code).classes.values() if base == "TerraformProvider"
    )
    attributes = {
        found["name"]: {
            "type": Written(is_block=False, kind=found["kind"], of=found["of"]).type,
            "optional": True,
        }
        for found in _WRITTEN.finditer(body)
        if found["is_block"] == "false" and found["name"] != "alias"  # Terraform's own
    }
    return {"version": 0, "block": {"attributes": attributes}}


def as_text(schema: Mapping[str, Any]) -> str:
    """Return a schema as `provider_schema.json` has it."""
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(as_text(read_schema(Path(sys.argv[1]))))
