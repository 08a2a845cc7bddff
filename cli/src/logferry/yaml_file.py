"""A YAML file that somebody writes by hand: what it says, or what is wrong with it."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from logferry.errors import ConfigError

EXAMPLE = "deploy/examples/organization.yaml"
QUOTE_IT = (
    "put a value into quotes that has a colon and a blank in it, or begins with one of "
    "@ ` % & * ! | > [ { ' \""
)
_OF_UNQUOTED_VALUES = (
    "mapping values are not allowed here",
    "cannot start any token",
    "expected alphabetic or numeric character",
    "undefined alias",
    "expected the node content",
    "expected chomping or indentation indicators",
    "could not determine a constructor for the tag",
    "expected <block end>",
)
"""What PyYAML says where a value was to be in quotes, among other things."""


def mapping_in(path: Path) -> dict[str, Any]:
    """Return the mapping that a file is.

    Raises:
        ConfigError: It cannot be read, or is none.
    """
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _EachKeyOnce)  # noqa: S506  (safe)
    except yaml.YAMLError as error:
        raise ConfigError(str(path), [f"{error}{_what_to_quote(error)}"]) from error
    except OSError as error:
        raise ConfigError(str(path), [error.strerror or str(error)]) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), [str(error)]) from error
    except RecursionError as error:
        raise ConfigError(str(path), ["it has brackets in brackets without end"]) from error
    if document is None:
        raise ConfigError(str(path), [f"it is empty: begin with {EXAMPLE}"])
    if not isinstance(document, dict):
        told = f"it is no mapping of names to values, such as region: eu-west-1: see {EXAMPLE}"
        raise ConfigError(str(path), [told])
    return document


class _EachKeyOnce(yaml.SafeLoader):
    """YAML as its specification has it: PyYAML keeps the last of two values, silently.

    And what is none, such as the date 2026-13-45, is an error with its place: PyYAML lets whatever
    its parts meet go by.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  (PyYAML's)
        try:
            return super().construct_object(node, deep)
        except (ArithmeticError, AttributeError, LookupError, ValueError) as error:
            kind = node.tag.rpartition(":")[2]
            problem = f"this is no {kind}, as YAML takes it for without quotes: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  (PyYAML's)
        keys = (key for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        names = Counter(key.value for key in keys)
        if twice := [name for name, count in names.items() if count > 1]:
            problem = f"{', '.join(map(repr, twice))} more than once"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return super().construct_mapping(node, deep)


def _what_to_quote(error: yaml.YAMLError) -> str:
    """Return what helps where a value has a character that means something to YAML."""
    problem = getattr(error, "problem", None) or ""
    helps = any(words in problem for words in _OF_UNQUOTED_VALUES)
    return f"\n  {QUOTE_IT}" if helps else ""
