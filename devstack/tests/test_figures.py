import gzip
from collections import Counter
from dataclasses import replace

import pytest

from devstack.archive import ObjectVersion, _events, as_archived
from devstack.figures import Figures, figures
from devstack.organisation import Account, LogGroup, LogStream
from devstack.seals import Seals
from logferry_contracts.window import Window

WINDOW = Window(from_ms=1_000, to_ms=2_000)
KEY = "arn:aws:kms:eu-west-1:111122223333:key/0123"
SHOP = Account(
    "shop",
    "444455556666",
    [LogGroup("/app/web", 0, [LogStream("a/b", [(999, "x"), (1_000, "y"), (2_000, "z")])])],
)


def an_object(*events, kms_key_arn=KEY, legal_hold=True, key="shop/app/web/k.gz"):
    return ObjectVersion(key, "v1", True, kms_key_arn, legal_hold, Counter(events))


SEALS = Seals(days=1, are_valid=True, log_groups=1, objects=1, events=1, findings=[])


def run(*archive, told=frozenset(), days=1, ledger=(), seals=SEALS, accounts=(SHOP,)) -> Figures:
    return figures(
        accounts=list(accounts),
        window=WINDOW,
        ledger=list(ledger),
        archive=list(archive),
        kms_key_arn=KEY,
        completion_event_ids=set(told),
        days_announced=days,
        seals=seals,
        exporter_kills=0,
        seconds=1.0,
    )


Y = as_archived("shop", "/app/web", "a/b", 1_000, "y")
Z = as_archived("shop", "/app/web", "a/b", 2_000, "z")


def test_an_event_on_the_boundary_millisecond_is_neither_missing_nor_outside():
    found = run(an_object(Y, Z))
    assert (found.events_put_in_window, found.events_archived_in_window) == (1, 1)
    assert found.events_archived_on_boundary_millisecond == 1
    assert (found.events_archived_outside_window, found.events_surplus) == (0, 0)


@pytest.mark.parametrize(
    ("archive", "problem"),
    [
        ([an_object()], "1 events missing"),
        ([an_object(Y, Y)], "1 events more than were put in"),
        ([an_object((*Y[:4], "other"))], "1 events missing"),
        ([an_object(Y, (*Y[:3], 999, "x"))], "1 events from outside the window"),
        ([an_object(Y, kms_key_arn=None)], "0 of 1 objects under the right key"),
        ([an_object(Y, legal_hold=False)], "0 of 1 objects on legal hold"),
        ([an_object(Y), an_object(key="p/aws-logs-write-test")], "1 write-test objects left"),
    ],
)
def test_what_is_wrong_with_the_archive_is_said(archive, problem):
    assert problem in run(*archive).problems


def test_a_run_that_requested_nothing_is_a_problem():
    assert "no export was requested" in run(an_object(Y)).problems


def test_completion_events_without_a_completed_export_are_a_problem():
    assert "1 completion events for 0 completed exports" in run(an_object(Y), told={"e"}).problems


def test_a_day_that_nobody_announced_is_a_problem():
    told = "0 of 1 accounts' days announced as complete"
    assert told in run(an_object(Y), days=0).problems
    assert told not in run(an_object(Y), days=1).problems


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"days": 0}, "0 of 1 accounts' days sealed"),
        ({"are_valid": False}, "the seals are not valid: logferry verify says what is not"),
        ({"log_groups": 2}, "2 of 1 log groups in the seals"),
        ({"objects": 0}, "0 of 1 objects in the seals"),
        ({"events": 2}, "2 of 1 events in the seals"),
    ],
)
def test_seals_that_say_something_else_than_the_archive_are_a_problem(wrong, problem):
    assert problem in run(an_object(Y), seals=replace(SEALS, **wrong)).problems
    assert problem not in run(an_object(Y)).problems


def test_what_came_in_late_is_to_be_there_once_as_all_else_and_by_an_addendum():
    late = replace(SHOP, late=[LogGroup("/app/web", 0, [LogStream("a/b", [(1_001, "late")])])])
    found = run(an_object(Y), accounts=[late])
    assert (found.events_put_in_window, found.events_late) == (2, 1)
    assert {"1 events missing", "0 addenda of 1 late events"} <= set(found.problems)
    there = as_archived("shop", "/app/web", "a/b", 1_001, "late")
    assert run(an_object(Y, there), accounts=[late]).events_missing == 0
    twice = run(an_object(Y, there, there), accounts=[late])
    assert "1 events more than were put in" in twice.problems


def test_lines_that_go_on_belong_to_the_event_before_them():
    body = gzip.compress(
        b"2026-11-22T00:00:00.001Z first\n\tat Main.java:1\n\n2026-11-22T00:00:00.002Z second\n"
    )
    key = "shop/app/web/2026/11/22/00/6f1e/a-b/000000.gz"
    assert list(_events(key, body)) == [
        ("shop", "/app/web", "a-b", 1_795_305_600_001, "first\n\tat Main.java:1\n"),
        ("shop", "/app/web", "a-b", 1_795_305_600_002, "second"),
    ]
