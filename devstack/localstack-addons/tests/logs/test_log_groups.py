import itertools
from types import SimpleNamespace
from typing import Any

import pytest

from localstack_addons.logs.log_groups import (
    MAX_EVENTS,
    LogsError,
    check_readable,
    describe_page,
    page_of,
)


def group(name: str, **changes: Any) -> SimpleNamespace:
    members: dict[str, Any] = {
        "name": name,
        "creation_time": 1000,
        "arn": f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}",
        "streams": {},
        "retention_in_days": None,
        "kms_key_id": None,
    }
    return SimpleNamespace(**members | changes)


def named(*names: str, **changes: Any) -> dict[str, Any]:
    return {name: group(name, **changes) for name in names}


def names(page: dict[str, Any]) -> list[str]:
    return [found["logGroupName"] for found in page["logGroups"]]


def refused(code: str):
    return pytest.raises(LogsError, check=lambda e: e.code == code)


def test_a_log_group_is_described_in_full():
    streams = {"a": SimpleNamespace(stored_bytes=3), "b": SimpleNamespace(stored_bytes=4)}
    groups = named("/app", streams=streams, retention_in_days=30, kms_key_id="arn:aws:kms:x")
    assert describe_page(groups, {}) == {
        "logGroups": [
            {
                "logGroupName": "/app",
                "creationTime": 1000,
                "arn": "arn:aws:logs:eu-west-1:111111111111:log-group:/app:*",
                "logGroupArn": "arn:aws:logs:eu-west-1:111111111111:log-group:/app",
                "logGroupClass": "STANDARD",
                "metricFilterCount": 0,
                "deletionProtectionEnabled": False,
                "storedBytes": 7,
                "retentionInDays": 30,
                "kmsKeyId": "arn:aws:kms:x",
            }
        ]
    }


def test_a_log_group_that_never_expires_has_no_retention():
    assert "retentionInDays" not in describe_page(named("/app"), {})["logGroups"][0]


def test_log_groups_come_in_ascii_order():
    groups = named("b", "a", "B", "_", "/z", "a-b", "a.b", "a/b")
    assert names(describe_page(groups, {})) == ["/z", "B", "_", "a", "a-b", "a.b", "a/b", "b"]


def test_pages_of_fifty_give_every_log_group_once():
    groups = named(*(f"g{i:03}" for i in range(120)))
    seen: list[list[str]] = []
    request: dict[str, Any] = {}
    while True:
        page = describe_page(groups, request)
        seen.append(names(page))
        if "nextToken" not in page:
            break
        request = {"nextToken": page["nextToken"]}
    assert [len(page) for page in seen] == [50, 50, 20]
    assert list(itertools.chain(*seen)) == sorted(groups)


def test_a_full_last_page_has_no_token():
    assert "nextToken" not in describe_page(named(*(f"g{i:02}" for i in range(50))), {})


def test_a_log_group_that_vanishes_between_pages_ends_nothing():
    groups = named("a", "b", "c")
    first = describe_page(groups, {"limit": 1})
    del groups["a"]
    rest = describe_page(groups, {"nextToken": first["nextToken"]})
    assert names(rest) == ["b", "c"]


@pytest.mark.parametrize("limit", [0, 51])
def test_a_page_has_one_to_fifty_log_groups(limit: int):
    with refused("InvalidParameterException"):
        describe_page({}, {"limit": limit})


@pytest.mark.parametrize("token", ["g01", "ÿ", "YmVmb3JlOjE="])
def test_a_token_of_somebody_elses_is_refused(token: str):
    with refused("InvalidParameterException"):
        describe_page({}, {"nextToken": token})


def test_a_prefix_is_found_at_the_start_alone():
    groups = named("/app/a", "/app/b", "/my/app/a")
    assert names(describe_page(groups, {"logGroupNamePrefix": "/app/"})) == ["/app/a", "/app/b"]


def test_a_pattern_is_found_anywhere_in_its_case_and_tells_less():
    groups = named("DataLogs", "aws/DataLogs", "datalogs", "Data/log/s")
    page = describe_page(groups, {"logGroupNamePattern": "DataLogs"})
    assert names(page) == ["DataLogs", "aws/DataLogs"]
    assert page["logGroups"][0].keys() == {
        *("arn", "creationTime", "logGroupArn"),
        *("logGroupClass", "logGroupName", "metricFilterCount"),
    }


def test_a_pattern_has_a_token_on_its_last_page_and_nothing_after_it():
    wanted = {"logGroupNamePattern": "a"}
    page = describe_page(named("a", "b"), wanted)
    assert describe_page(named("a", "b"), wanted | {"nextToken": page["nextToken"]}) == {
        "logGroups": []
    }


def test_prefix_and_pattern_exclude_each_other():
    with refused("InvalidParameterException"):
        describe_page({}, {"logGroupNamePrefix": "a", "logGroupNamePattern": "b"})


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("STANDARD", ["standard"]),
        ("INFREQUENT_ACCESS", ["essentials", "infrequent"]),
        ("ESSENTIALS", ["essentials", "infrequent"]),
        ("DELIVERY", ["delivery"]),
    ],
)
def test_a_class_finds_its_log_groups(wanted: str, found: list[str]):
    groups = (
        named("standard")
        | named("infrequent", log_group_class="INFREQUENT_ACCESS")
        | named("essentials", log_group_class="ESSENTIALS")
        | named("delivery", log_group_class="DELIVERY")
    )
    page = describe_page(groups, {"logGroupClass": wanted})
    assert names(page) == found


def test_an_unknown_class_is_refused():
    with refused("InvalidParameterException"):
        describe_page({}, {"logGroupClass": "COLD"})


def test_identifiers_are_names_or_arns():
    groups = named("/a", "/b", "/c", "/d")
    identifiers = ["/a", groups["/b"].arn, f"{groups['/c'].arn}:*", "/none"]
    assert names(describe_page(groups, {"logGroupIdentifiers": identifiers})) == ["/a", "/b", "/c"]


def test_more_than_fifty_identifiers_are_refused():
    assert describe_page({}, {"logGroupIdentifiers": [f"g{i}" for i in range(50)]})
    with refused("InvalidParameterException"):
        describe_page({}, {"logGroupIdentifiers": [f"g{i}" for i in range(51)]})


def test_events_of_a_standard_log_group_may_be_read():
    check_readable(group("/app"), "FilterLogEvents")


def test_events_of_another_class_are_not_read_through_the_api():
    with refused("InvalidOperationException"):
        check_readable(group("/app", log_group_class="INFREQUENT_ACCESS"), "FilterLogEvents")


def events(count: int, message: str = "") -> list[dict[str, Any]]:
    return [
        {"eventId": f"e{number}", "logStreamName": "a@b", "message": message}
        for number in range(count)
    ]


def test_pages_of_events_leave_none_out():
    first, token = page_of(events(5), 2, None)
    second, token = page_of(events(5), 2, token)
    third, last = page_of(events(5), 2, token)
    assert [*first, *second, *third] == events(5)
    assert last is None


@pytest.mark.parametrize(
    ("message_bytes", "in_a_page"),
    # Of pages of 1,048,576 bytes: an event has 26 beside its message.
    [(0, 10_000), (78, 10_000), (79, 9_986), (1022, 1_000), (1023, 999), (2_000_000, 1)],
)
def test_a_page_has_as_many_events_as_fit_into_a_megabyte(message_bytes: int, in_a_page: int):
    some = events(in_a_page + 1, "x" * message_bytes)
    first, token = page_of(some, MAX_EVENTS, None)
    second, last = page_of(some, MAX_EVENTS, token)
    assert (len(first), [*first, *second], last) == (in_a_page, some, None)


def test_a_message_counts_as_many_bytes_as_it_has_in_utf8():
    first, _ = page_of(events(1_001, "ü" * 511), MAX_EVENTS, None)
    assert len(first) == 1_000


@pytest.mark.parametrize("token", ["unknown", "YWZ0ZXI6ZTk="])
def test_a_token_that_names_no_event_is_refused(token: str):
    with refused("InvalidParameterException"):
        page_of(events(5), 2, token)
