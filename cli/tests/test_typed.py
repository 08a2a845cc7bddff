"""What is told to be typed is a whole command, which the command itself takes."""

import ast
import re
from pathlib import Path

import pytest
from cli.tests.test_each_command import COMMANDS

import logferry
from logferry.typed import typed

SOURCES = sorted(Path(logferry.__file__).parent.rglob("*.py"))
WRITTEN = re.compile(rf"\blogferry ({'|'.join(sorted({each.split()[0] for each in COMMANDS}))})\b")


def _told(path: Path) -> list[str]:
    """Return the texts of a module that name a command, but for docstrings, which are its help."""
    module = ast.parse(path.read_text())
    help_of = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    return [
        f"{path.name}:{node.lineno}: {node.value}"
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if id(node) not in help_of and WRITTEN.search(node.value)
    ]


def test_no_command_is_told_but_by_what_makes_them_whole() -> None:
    """Each that is made so in a test is parsed: `commands_are_taken` of conftest."""
    assert [told for path in SOURCES for told in _told(path)] == []


def test_one_that_the_command_does_not_take_would_be_found() -> None:
    for wrong in (("plan", "file.yaml"), ("status", "file.yaml", "--no-such"), ("nothing",)):
        with pytest.raises(AssertionError, match="is told to be typed"):
            typed(*wrong)


def test_a_file_with_a_space_is_one_word() -> None:
    assert typed("index rebuild", "my hub.yaml") == "logferry index rebuild 'my hub.yaml'"


@pytest.mark.parametrize("name", ["-foo", "--foo"])
def test_a_name_that_begins_with_a_hyphen_is_no_option(name: str) -> None:
    wanted = ("--log-group", name, "--stream", name, "--from", "-2h")
    told = typed("thaw", "organization.yaml", *wanted)
    options = f"--log-group={name} --stream={name} --from -2h"
    assert told == f"logferry thaw organization.yaml {options}"
