"""Every log group has a folder of its own in the archive, and a folder says whose it is."""

import re

import pytest
from contracts.tests.corpus import LOG_GROUP_NAMES, log_group_names
from hypothesis import given, settings

from logferry_contracts.log_group import log_group_folder, log_group_of_folder


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("/aws/lambda/orders", "aws/lambda/orders"),
        ("aws/lambda/orders", "!/aws/lambda/orders"),
        ("RDSOSMetrics", "!/RDSOSMetrics"),
        ("/", ""),
        ("//", "/"),
        ("//x", "/x"),
        ("x/", "!/x/"),
        ("/x/", "x/"),
        ("a//b", "!/a//b"),
        (".", "!/."),
        ("..", "!/.."),
        ("/..", ".."),
    ],
)
def test_only_names_without_a_slash_before_them_get_another_folder(name: str, folder: str) -> None:
    assert log_group_folder(name) == folder
    assert log_group_of_folder(folder) == name


def test_names_that_differ_by_a_leading_slash_have_two_folders() -> None:
    folders = {log_group_folder(name) for name in LOG_GROUP_NAMES}

    assert len(folders) == len(set(LOG_GROUP_NAMES))


@settings(derandomize=True, database=None, max_examples=500)
@given(log_group_names())
def test_a_folder_is_of_one_log_group_alone(name: str) -> None:
    folder = log_group_folder(name)

    assert log_group_of_folder(folder) == name
    assert re.fullmatch(r"(!/)?[.\-_/#A-Za-z0-9]*", folder)
