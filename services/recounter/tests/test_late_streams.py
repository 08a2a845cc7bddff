"""What is too large to be counted again: what came in late is found by the log streams."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import boto3
import pytest
from moto import mock_aws
from services.recounter.tests.conftest import (
    DAY,
    FROM,
    NOW,
    WINDOW,
    Killed,
    World,
    record,
    said,
    skipped,
)
from services.recounter.tests.conftest import look as look_with

from logferry_contracts.open_exports import next_export_id
from logferry_contracts.window import Window
from recounter.aws import source_account
from recounter.aws.source_account import SourceAccount
from recounter.errors import CannotCountError, UndecidedError

SOME = [FROM, FROM + 5]
LATE = FROM + 7
LAG = timedelta(hours=2)
ENDED = NOW - timedelta(days=1) + LAG
LARGE = 30_000_000
look = partial(look_with, revisit_days=(3, 14))


def go(world: World, days: float) -> None:
    """Go to so many days after the window's end."""
    world.now = ENDED + timedelta(days=days)


def after(world: World, days: float, **how: Any) -> Counter[str]:
    """Look so many days after the window's end."""
    go(world, days)
    return look(world, **how)


def counted(**more: Any) -> tuple[World, Any]:
    """A world whose large export was counted by a query."""
    world = World()
    made = world.add(record("/a", lane="slot", size=LARGE, **more), SOME)
    after(world, 1, share=20)
    assert said(world, made) == ("insights", 2)
    return world, made


@pytest.mark.parametrize("log_group_class", ["STANDARD", "INFREQUENT_ACCESS"])
def test_where_no_stream_was_written_to_since_nothing_came_in(log_group_class: str) -> None:
    world, made = counted(log_group_class=log_group_class)
    before = world.recounts[made.export_id]
    pages = world.calls.count("FilterLogEvents")
    after(world, 3)
    looked = world.looks_at[made.export_id, 3]
    assert (looked.recount.by, looked.recount.events, looked.late_streams) == ("streams", 2, None)
    assert world.recounts[made.export_id] is before
    assert (world.calls.count("FilterLogEvents"), world.calls.count("StartQuery")) == (pages, 1)


@pytest.mark.parametrize("events", [1, 100_000])
@pytest.mark.parametrize("late_after", [1.5, 2.9, 3.5, 13.9])
def test_what_came_in_late_is_counted_by_when_it_came_in_and_its_streams_are_named(
    late_after: float, events: int
) -> None:
    world, made = counted()
    for days in (3, 14):
        if days > late_after and "/a" not in world.came:
            go(world, late_after)
            world.late("/a", *[LATE] * events)
            world.late("/a", WINDOW.to_ms, WINDOW.from_ms - 1, stream="of-another-day")
        after(world, days)
        is_found = days > late_after
        assert said(world, made) == (("streams", 2 + events) if is_found else ("insights", 2))
        named = world.recounts[made.export_id].late_streams
        assert named == (["agent"] if is_found else None)
    assert world.calls.count("StartQuery") == 1


def test_streams_whose_events_are_in_the_same_folder_of_the_archive_are_named_together() -> None:
    """Of one of them alone nobody can tell there what is missing."""
    world, made = counted()
    world.streams = ["a-b", "a/b", "a.b"]
    go(world, 2)
    world.late("/a", LATE, stream="a/b")
    after(world, 3)
    assert said(world, made) == ("streams", 3)
    assert world.recounts[made.export_id].late_streams == ["a-b", "a/b"]


def test_none_is_named_where_one_that_shares_a_folder_has_too_much_to_be_read() -> None:
    """The window is compared as a whole then, or told: what is read of named ones has an end."""
    world, made = counted()
    world.streams = ["a-b"]
    world.endless = {"a-b"}
    go(world, 2)
    world.late("/a", LATE, stream="a/b")
    after(world, 3)
    assert said(world, made) == ("streams", 3)
    assert world.recounts[made.export_id].late_streams is None


def test_what_each_look_finds_comes_to_what_was_found_before() -> None:
    world, made = counted()
    for number, (day, stream) in enumerate([(2, "a"), (5, "b")], start=1):
        go(world, day)
        world.late("/a", LATE, stream=stream)
        after(world, 3 if day < 3 else 14)
        assert said(world, made) == ("streams", 2 + number)
    assert world.recounts[made.export_id].late_streams == ["a", "b"]


def test_what_came_in_between_export_and_count_is_named_once_and_counted_no_second_time() -> None:
    world = World()
    made = world.add(record("/a", lane="slot", size=LARGE), SOME)
    go(world, 0.5)
    world.late("/a", LATE)
    after(world, 1)
    assert said(world, made) == ("insights", 3)
    after(world, 3)
    named = world.recounts[made.export_id]
    assert (said(world, made), named.late_streams) == (("streams", 3), ["agent"])
    after(world, 14)
    assert world.recounts[made.export_id] is named


def test_nobody_says_whether_a_query_has_seen_what_came_in_while_it_ran() -> None:
    world = World()
    made = world.add(record("/a", lane="slot", size=LARGE), SOME)
    go(world, 1)
    world.late("/a", LATE)
    look(world)
    after(world, 3)
    looked = world.looks_at[made.export_id, 3].recount
    assert (said(world, made), looked.reason) == (("insights", 3), "budget")
    # So it is compared, whatever was counted.
    assert world.late_notes[made.export_id].late_streams == ["agent"]
    after(world, 14, revisit_share=10)
    assert said(world, made) == ("insights", 3)
    assert world.recounts[made.export_id].late_streams == ["agent"]


def test_a_querys_answer_is_as_old_as_the_query_however_late_it_is_taken() -> None:
    world = World(status=lambda _, __: "Running")
    made = world.add(record("/a", lane="slot", size=LARGE), SOME)
    go(world, 0.5)
    look(world, seconds=2)  # the invocation ends before the query does
    go(world, 0.6)
    world.late("/a", LATE)
    world.status = lambda _, __: "Complete"
    after(world, 1)
    assert said(world, made) == ("insights", 2)
    after(world, 3)
    assert said(world, made) == ("streams", 3)


def test_what_log_streams_did_not_tell_at_once_is_not_taken_for_counted() -> None:
    world, made = counted()
    world.listed_after = timedelta(minutes=50)
    go(world, 3 - 0.02)  # half an hour before
    world.late("/a", LATE)
    after(world, 3)
    assert said(world, made) == ("insights", 2)
    go(world, 5)
    world.late("/a", LATE, stream="another")
    assert world.late_notes == {}
    after(world, 14)
    assert world.recounts[made.export_id].late_streams == ["agent", "another"]
    assert said(world, made) == ("streams", 4)


def test_what_came_in_right_before_a_look_by_log_streams_is_compared_after_the_next() -> None:
    world, made = counted()
    go(world, 2)
    world.late("/a", LATE, stream="first")
    world.listed_after = timedelta(minutes=50)
    go(world, 3 - 0.02)
    world.late("/a", LATE)
    after(world, 3)
    assert said(world, made) == ("streams", 3)
    after(world, 14)
    assert world.late_notes[made.export_id].late_streams == ["agent", "first"]


def test_late_events_of_what_nobody_has_counted_are_compared() -> None:
    """Without money, and where what the direct lane has read was counted by no query."""
    world = World(status=lambda _, __: "Timeout")
    large = world.add(record("/large", lane="slot", size=LARGE), SOME)
    small = world.add(record("/small", size=100), SOME)
    world.add(record("/agrees", size=100), SOME)
    after(world, 1, share=1)
    assert {said(world, each)[0] for each in (large, small)} == {"no"}
    go(world, 2)
    for each in ("/large", "/small"):
        world.late(each, LATE)
    after(world, 3)
    noted = {key: each.late_streams for key, each in world.late_notes.items()}
    assert noted == {large.export_id: ["agent"], small.export_id: ["agent"]}


def test_late_events_are_compared_though_fewer_are_counted_as_others_were_deleted() -> None:
    """By the count nothing is missing: the archive has as many as there were."""
    world, made = counted()
    go(world, 3 - 0.02)
    world.late("/a", LATE)
    after(world, 3, revisit_share=10)
    assert world.late_notes == {}
    go(world, 14 - 0.02)
    world.late("/a", LATE, stream="another")
    world.shorten("/a", SOME[-1] + 1)
    after(world, 14, revisit_share=10)
    looked = world.looks_at[made.export_id, 14].recount
    assert (looked.by, looked.events, said(world, made)[1]) == ("insights", 2, 3)
    assert world.late_notes[made.export_id].late_streams == ["agent", "another"]


def test_the_last_look_comes_once_all_is_listed_that_cloudwatch_takes() -> None:
    world, made = counted()
    after(world, 3)
    world.listed_after = timedelta(hours=1)
    world.now = ENDED - LAG + timedelta(days=14)
    world.late("/a", LATE)
    look(world)
    assert (made.export_id, 14) not in world.looks_at
    after(world, 14)
    assert said(world, made) == ("streams", 3)


@pytest.mark.parametrize("lane", ["slot", "direct"])
def test_what_happened_before_the_log_group_was_created_is_read_where_no_query_takes_it(
    lane: str,
) -> None:
    world = World()
    made = world.add(record("/a", lane=lane, size=100, created_ms=WINDOW.to_ms), SOME)
    after(world, 1)
    assert said(world, made) == (("filter", 2) if lane == "slot" else ("no", "before_creation"))
    go(world, 2)
    world.late("/a", LATE)
    after(world, 3)
    if lane == "slot":
        assert said(world, made) == ("filter", 3)
    assert set(world.late_notes) == ({made.export_id} if lane == "direct" else set())
    assert "StartQuery" not in world.calls


def test_streams_that_cannot_be_read_are_left_to_a_query() -> None:
    world, made = counted(log_group_class="INFREQUENT_ACCESS")
    go(world, 2)
    world.late("/a", LATE)
    after(world, 3)
    assert world.looks_at[made.export_id, 3].recount.reason == "budget"
    after(world, 14, revisit_share=20)
    assert said(world, made) == ("insights", 3)


def test_more_streams_than_are_compared_are_counted_and_not_named() -> None:
    world, made = counted()
    go(world, 2)
    for n in range(501):
        world.late("/a", LATE, stream=f"{n}")
    after(world, 3)
    assert said(world, made) == ("streams", 503)
    assert world.recounts[made.export_id].late_streams is None


@pytest.mark.parametrize(("length", "is_named"), [(200, True), (201, False)])
def test_as_many_streams_are_named_as_a_message_has_room_for(
    length: int,
    is_named: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    world, made = counted()
    go(world, 2)
    names = [f"{n:0{length}}" for n in range(500)]
    for each in names:
        world.late("/a", LATE, stream=each)
    after(world, 3)
    assert world.recounts[made.export_id].late_streams == (names if is_named else None)


# Windows that were empty


@pytest.mark.parametrize("late_after", [0.5, 2.5, 3.5, 13.9])
def test_a_window_that_was_empty_is_exported_once_it_is_not(late_after: float) -> None:
    world = World()
    made = world.add(skipped("/idle"))
    still = world.add(skipped("/still-empty"))
    for days in (1, 3, 3.1, 14, 14.1):
        if days > late_after and "/idle" not in world.came:
            go(world, late_after)
            world.late("/idle", LATE)
        after(world, days)
    assert set(world.filled) == {next_export_id(made)}
    looks = [each for each in (3, 14) if each > late_after]
    assert len(world.filled) == len(looks)
    for each in looks:
        assert world.looks_at[made.export_id, each].recount.events == 1
        assert world.looks_at[still.export_id, each].recount.events == 0
    assert world.recounts == {}


def test_what_was_asked_for_before_is_not_asked_for_again() -> None:
    world = World()
    made = world.add(skipped("/idle"))
    after(world, 1)
    go(world, 2)
    world.late("/idle", LATE)
    after(world, 3)
    done = record("/idle", size=100).model_copy(
        update={"generation": 2, "export_id": next_export_id(made)}
    )
    world.add(done)
    after(world, 14)
    assert world.filled == [next_export_id(made)]


def test_what_was_asked_for_and_lost_is_asked_for_again_until_the_ledger_has_it() -> None:
    world = World()
    made = world.add(skipped("/idle"))
    after(world, 1)
    go(world, 2)
    world.late("/idle", LATE)
    asked = []
    for days in (3, 3.5, 4, 4.5, 5):
        after(world, days)
        asked.append(len(world.filled))
    assert asked == [1, 1, 2, 2, 3]
    done = record("/idle", size=100).model_copy(
        update={"generation": 2, "export_id": next_export_id(made)}
    )
    world.add(done)
    after(world, 5.9)
    assert set(world.filled) == {done.export_id}
    assert len(world.filled) == 3
    assert world.notes[made.window, 3][0].filling == {}


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (skipped("/a", retention_days=1), "expired"),
        (skipped("/many"), "streams"),
    ],
)
def test_why_an_empty_window_was_not_looked_at_is_written_down(made: Any, why: str) -> None:
    world = World(undecided={"/many"})
    world.add(made)
    after(world, 1)
    after(world, 3)
    assert world.looks_at[made.export_id, 3].recount.reason == why
    assert world.filled == []


def test_what_was_skipped_for_another_reason_stays() -> None:
    world = World()
    world.add(skipped("/a", reason="excluded"))
    after(world, 1)
    go(world, 2)
    world.late("/a", LATE)
    after(world, 3)
    assert (world.filled, world.looks_at) == ([], {})


@pytest.mark.parametrize("call", ["SendMessage", "SendMessage done", "PutRecount"])
def test_who_died_asks_for_the_same_export_again(call: str) -> None:
    world = World()
    made = world.add(skipped("/idle"))
    after(world, 1)
    go(world, 2)
    world.late("/idle", LATE)

    def dies(each: str) -> None:
        if each == call:
            raise Killed

    world.before = dies
    with pytest.raises(Killed):
        after(world, 3)
    world.before = lambda _: None
    after(world, 3.1)
    assert set(world.filled) == {next_export_id(made)}


# CloudWatch Logs


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = boto3.client("logs")
        client.create_log_group(logGroupName="/a")
        yield client


def put(logs: Any, stream: str, *events: int) -> None:
    logs.create_log_stream(logGroupName="/a", logStreamName=stream)
    if events:
        some = [{"timestamp": each, "message": "x"} for each in events]
        logs.put_log_events(logGroupName="/a", logStreamName=stream, logEvents=some)


def test_streams_are_listed_by_their_last_ingestion_and_their_events_have_their_own(
    logs: Any,
) -> None:
    now_ms = int(time.time() * 1000)
    window = Window(from_ms=now_ms - DAY, to_ms=now_ms)
    put(logs, "agent", window.from_ms, window.to_ms - 1)
    put(logs, "other", window.from_ms)
    put(logs, "older", window.from_ms - 1)
    put(logs, "empty")
    account = SourceAccount(logs, logs)
    assert sorted(account.streams("/a", window, now_ms).written) == ["agent", "empty", "other"]
    later = account.streams("/a", window, now_ms + DAY)
    assert (later.written, sorted(later.others)) == (["empty"], ["agent", "other"])
    found = list(account.ingested("/a", window, ["agent"], lambda: None))
    assert [stream for stream, _ in found] == ["agent", "agent"]
    assert all(now_ms - 1 <= at_ms <= now_ms + DAY for _, at_ms in found)
    with pytest.raises(CannotCountError):
        account.streams("/gone", window, 0)


def test_more_streams_or_pages_than_are_looked_at_are_not_decided(
    logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_account, "MOST_STREAM_PAGES", 1)
    monkeypatch.setattr(source_account, "MOST_PAGES", 0)
    now_ms = int(time.time() * 1000)
    window = Window(from_ms=now_ms - DAY, to_ms=now_ms)
    put(logs, "agent", window.from_ms)
    account = SourceAccount(logs, logs)
    assert account.streams("/a", window, now_ms).written == ["agent"]
    with pytest.raises(UndecidedError):
        list(account.ingested("/a", window, ["agent"], lambda: None))
    for n in range(50):
        put(logs, f"{n}", window.from_ms - 1)
    assert account.streams("/a", window, now_ms).written == ["agent"]  # what lies behind is older
    for n in range(50, 100):
        put(logs, f"{n}", window.from_ms + 1)
    with pytest.raises(UndecidedError):
        account.streams("/a", window, now_ms)
