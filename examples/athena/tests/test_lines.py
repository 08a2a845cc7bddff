"""Athena's rows are the archive's lines, by a model of how Athena reads a table like this one.

Athena is built on Trino. The model is of Trino's `TextLineReader` and `RegexDeserializer`, "bug for
bug compatible with Hive" by its own words, and of its `HiveFileIterator`, which leaves out what is
hidden. https://github.com/trinodb/trino, lib/trino-hive-formats and plugin/trino-hive
"""

import re
from pathlib import Path
from typing import Any

import pytest
from contracts.tests.corpus import (
    LOG_GROUP_NAMES,
    MESSAGES,
    STREAM_NAMES,
    WITH_CR,
    log_group_names,
    messages,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry.template import load_template
from logferry_contracts.archive import stream_in_key
from logferry_contracts.log_group import log_group_folder

TEMPLATE: Any = load_template((Path(__file__).parents[1] / "template.yaml").read_text())
README = (Path(__file__).parents[1] / "README.md").read_text()
LOG_LINES = TEMPLATE["Resources"]["LogLines"]["Properties"]["TableInput"]
REGEX = LOG_LINES["StorageDescriptor"]["SerdeInfo"]["Parameters"]["input.regex"]
AT = "2026-11-22T06:00:00.000Z"


def rows(text: str) -> list[tuple[str | None, str | None]]:
    """Return what Athena makes of a file: a row for each line, all NULL where nothing matches."""
    lines = re.split("\r\n|\r|\n", text)
    if not lines[-1]:
        lines.pop()
    matches = [re.fullmatch(REGEX, line, re.DOTALL) for line in lines]
    return [(found[1], found[2]) if found else (None, None) for found in matches]


def as_lines(found: list[tuple[str | None, str | None]]) -> list[str]:
    return [f"{at} {line}" if at else f"{line}" for at, line in found]


@settings(derandomize=True, database=None, max_examples=300)
@given(st.lists(messages(cr=False)))
def test_a_row_is_a_line_whatever_is_logged(said: list[str]) -> None:
    text = "".join(f"{AT} {each}\n" for each in (*said, *MESSAGES))

    assert as_lines(rows(text)) == text.removesuffix("\n").split("\n")


@pytest.mark.parametrize("message", WITH_CR)
def test_a_carriage_return_is_a_newline_and_the_readme_says_so(message: str) -> None:
    found = as_lines(rows(f"{AT} {message}\n"))

    assert found == f"{AT} {message}\n".replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    assert "A carriage return ends a line" in README


def hidden(stream: str) -> bool:
    """Return whether Trino leaves out what is below a folder of this name."""
    return stream_in_key(stream).startswith(("_", "."))


def test_the_readme_says_which_streams_athena_leaves_out() -> None:
    assert [name for name in STREAM_NAMES if hidden(name)] == ["_internal", ".hidden", ".."]
    assert "begins with `_` or `.`" in README


def refused(parameter: str, value: str) -> bool:
    return not re.search(TEMPLATE["Parameters"][parameter]["AllowedPattern"], value)


@settings(derandomize=True, database=None, max_examples=300)
@given(log_group_names() | st.sampled_from(LOG_GROUP_NAMES))
def test_a_folder_that_athena_would_look_for_elsewhere_is_refused(name: str) -> None:
    """Athena takes ``//`` of a location for ``/``.

    https://docs.aws.amazon.com/athena/latest/ug/tables-location-format.html
    """
    folder = log_group_folder(name)

    assert refused("LogGroup", folder) == ("" in folder.split("/"))
