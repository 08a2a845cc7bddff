"""What was asked for and has not ended is asked for again, by later plans and by plans by date."""

from datetime import timedelta
from typing import Any

import pytest
from services.planner.tests.fakes import NOW, World, plan_request

from logferry_contracts.addendum import Addendum
from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import Completed, Failed, Half, LedgerRecord, Waived
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.window import Window
from planner.errors import LedgerUnreadableError, MessagesNotSentError

A_DAY_LATER = timedelta(hours=24)
TOLD = timestamp(NOW)
LOOKBACK = {
    "unit": "day",
    "time_zone": "Europe/Berlin",
    "settle_minutes": 1440,
    "lookback_days": 1,
}


def plan(world: World, after: timedelta, request_id: str, **options: Any) -> dict[str, Any]:
    world.now += after
    world.queues.sent.clear()
    world.queues.days.clear()
    world.queues.again.clear()
    return world.run(plan_request(window_rule=LOOKBACK, **options), request_id=request_id)


def purged(world: World) -> list[str]:
    """Ask for a day, lose all its messages, and return the exports' ids."""
    world.run(plan_request(window_rule=LOOKBACK))
    return sorted({event.id for event in world.queues.sent})


def end(world: World, record: LedgerRecord) -> None:
    ended = record.model_copy(
        update={
            "state": "completed",
            "completed": Completed(
                at=TOLD,
                manifest=Manifest(object_count=0, total_bytes=0, stream_count=0, objects=[]),
                published_at=TOLD,
            ),
        }
    )
    world.ledger.objects[record.key] = ended


def end_all(world: World) -> None:
    for record in list(world.ledger.objects.values()):
        end(world, record)


def tell_all(world: World) -> None:
    """End all exports, and have the ends of their dates told."""
    end_all(world)
    for day in list(world.queues.days):
        world.day_notes.close(day)


@pytest.mark.parametrize("lanes", [1, 2])
def test_the_next_days_plan_asks_again_for_what_a_purged_queue_had(
    world: World, capsys: pytest.CaptureFixture[str], lanes: int
) -> None:
    world.queues.has_direct_lane = lanes > 1
    lost = purged(world)
    first_queue = set(world.queues.by_queue)
    world.queues.by_queue.clear()

    answer = plan(world, A_DAY_LATER, "request-2")

    again = [event for event in world.queues.sent if event.id in lost]
    assert sorted(event.id for event in again) == lost
    assert first_queue <= set(world.queues.by_queue)
    assert set(lost) <= set(world.queues.again)
    assert "2026-11-21" in [event.data.date for event in world.queues.days]
    assert answer["data"]["asked_again"] == 2
    told = capsys.readouterr().out
    assert '"ExportsAskedAgain":[2.0]' in told
    assert '"DatesAskedAgain":[1.0]' in told


def test_a_plan_says_how_many_windows_lack_events_and_nothing_where_none_does(
    world: World,
) -> None:
    assert "lacking" not in plan(world, A_DAY_LATER, "request-1")["data"]
    world.ledger.lacks = 3
    assert plan(world, A_DAY_LATER, "request-2")["data"]["lacking"] == 3


def test_they_are_asked_for_once_a_day_until_they_have_ended(world: World) -> None:
    lost = purged(world)
    plan(world, A_DAY_LATER, "request-2")
    assert "asked_again" not in plan(world, timedelta(hours=1), "request-3")["data"]
    third = plan(world, timedelta(hours=23), "request-4")
    assert third["data"]["asked_again"] == 4  # and those of the day after
    assert set(lost) <= {event.id for event in world.queues.sent}

    tell_all(world)
    assert "asked_again" not in plan(world, A_DAY_LATER, "request-5")["data"]
    assert not [name for name in world.day_notes.notes if "2026-11-21" in name]


def test_the_end_of_a_date_is_asked_for_again_until_it_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    purged(world)
    (lost,) = world.queues.days
    end_all(world)
    for number in range(2, 5):
        answer = plan(world, A_DAY_LATER, f"request-{number}")
        assert lost in world.queues.days
        assert lost.id in world.queues.again
        assert "asked_again" not in answer["data"]
        assert f'"DatesAskedAgain":[{number - 1}.0]' in capsys.readouterr().out
        assert not {event.data.window for event in world.queues.sent} & set(lost.data.windows)
        end_all(world)
    world.day_notes.close(lost)
    plan(world, A_DAY_LATER, "request-5")
    assert lost not in world.queues.days


def test_the_end_of_a_date_that_is_told_and_not_closed_is_asked_for_two_weeks_long(
    world: World,
) -> None:
    purged(world)
    (told,) = world.queues.days
    end_all(world)
    days = 0
    while True:
        plan(world, A_DAY_LATER, f"request-{days + 2}")
        end_all(world)
        if told not in world.queues.days:
            break
        days += 1
    assert days == 13  # on the fourteenth it is older than two weeks
    assert f"days/{told.id}.sent.json" not in world.day_notes.notes


def test_of_a_date_some_of_whose_exports_have_ended_the_others_are_asked_for(world: World) -> None:
    purged(world)
    end(world, world.record("/app/a"))
    answer = plan(world, A_DAY_LATER, "request-2")
    assert answer["data"]["asked_again"] == 1
    assert next(event.data.log_group.name for event in world.queues.sent) == "/app/b"


def fail_with_a_next_try(world: World, name: str) -> LedgerRecord:
    """Fail an export whose next try was asked for; return its record."""
    record = world.record(name)
    asked = export_id(record.source, name, record.window, record.generation + 1)
    outcome = Failed(reason="task_failed", message="AWS said so", at=TOLD, next_export_id=asked)
    failed = record.as_failed(outcome).as_published(at=NOW)
    world.ledger.objects[record.key] = failed
    return failed


def test_a_next_try_whose_record_and_message_are_gone_is_asked_for_again(world: World) -> None:
    purged(world)
    end(world, world.record("/app/b"))
    failed = fail_with_a_next_try(world, "/app/a")
    assert failed.failed is not None

    answer = plan(world, A_DAY_LATER, "request-2")

    assert answer["data"]["asked_again"] == 1
    sent = next(event.data for event in world.queues.sent if event.data.window == failed.window)
    assert sent.export_id == failed.failed.next_export_id
    assert (sent.generation, sent.lane, sent.destination) == (2, "slot", failed.destination)
    known = {each.export_id: each for each in world.ledger.objects.values()}
    assert (known[sent.export_id].state, known[sent.export_id].generation) == ("requested", 2)
    third = plan(world, A_DAY_LATER, "request-3")  # it is asked for as any other from then on
    assert third["data"]["asked_again"] == 3


def test_a_next_try_that_is_gone_is_left_alone_where_somebody_answers_for_its_window(
    world: World,
) -> None:
    purged(world)
    end(world, world.record("/app/b"))
    failed = fail_with_a_next_try(world, "/app/a")
    waived = Waived(by="somebody", reason="known", at=TOLD)
    world.ledger.objects[failed.key] = failed.as_waived(waived)
    plan(world, A_DAY_LATER, "request-2")
    assert failed.window not in {event.data.window for event in world.queues.sent}


def test_no_record_is_read_before_that_nor_of_dates_that_have_ended(world: World) -> None:
    purged(world)
    world.ledger.reads = 0
    plan(world, timedelta(hours=12), "request-2")
    assert (world.ledger.reads, world.queues.sent) == (0, [])

    tell_all(world)
    plan(world, timedelta(hours=12), "request-3")
    reads = world.ledger.reads
    tell_all(world)
    plan(world, timedelta(hours=1), "request-4")
    assert world.ledger.reads == reads


def test_a_dry_run_asks_for_nothing_again(world: World) -> None:
    purged(world)
    answer = plan(world, A_DAY_LATER, "request-2", dry_run=True)
    assert (answer["data"].get("asked_again"), world.queues.sent) == (None, [])


def test_another_sources_dates_are_left_to_its_own_plan(world: World) -> None:
    purged(world)
    world.queues.is_others = True
    before = dict(world.day_notes.notes)
    world.ledger.objects.clear()
    event = plan_request(window_rule=LOOKBACK)
    event["data"]["source"]["profile"] = "other"
    world.now += A_DAY_LATER
    assert "asked_again" not in world.run(event, request_id="request-2")["data"]
    assert before.items() <= world.day_notes.notes.items()


def test_halves_of_a_split_window_are_asked_for_with_their_whole(world: World) -> None:
    purged(world)
    whole = world.record("/app/a")
    middle = (whole.window.from_ms + whole.window.to_ms) // 2
    windows = [
        Window(from_ms=whole.window.from_ms, to_ms=middle),
        Window(from_ms=middle, to_ms=whole.window.to_ms),
    ]
    halves = [
        whole.model_copy(
            update={
                "export_id": f"{number}" * 32,
                "window": window,
                "parent_export_id": whole.export_id,
            }
        )
        for number, window in enumerate(windows, 1)
    ]
    for half in halves:
        world.ledger.objects[half.key] = half
    end(world, halves[0])
    submitted = whole.as_submitted("task-1", at=NOW)
    split = submitted.as_split(
        tuple(Half(export_id=half.export_id, window=half.window) for half in halves),  # type: ignore[arg-type]
        at=NOW,
    )
    world.ledger.objects[whole.key] = split

    plan(world, A_DAY_LATER, "request-2")
    asked = {event.id: event.data.parent_export_id for event in world.queues.sent}
    assert asked[halves[1].export_id] == whole.export_id
    assert whole.export_id in asked
    assert halves[0].export_id not in asked


def test_a_window_of_which_only_halves_of_halves_are_left_is_asked_for_as_a_whole(
    world: World,
) -> None:
    purged(world)
    wholes = sorted(world.ledger.objects.values(), key=lambda each: each.export_id)
    window = wholes[0].window
    quarter_ms = (window.to_ms - window.from_ms) // 4
    world.ledger.objects.clear()
    edges = [(0, 2), (2, 4), *((n, n + 1) for n in range(4))]
    for whole in wholes:
        for number, (start, end_) in enumerate(edges, 1):
            part = Window(
                from_ms=window.from_ms + start * quarter_ms,
                to_ms=window.from_ms + end_ * quarter_ms,
            )
            of = {"export_id": f"{number}{whole.export_id[1:]}", "window": part}
            half = whole.model_copy(update={**of, "parent_export_id": whole.export_id})
            end(world, half)

    told = plan(world, A_DAY_LATER, "request-2", collect_date="2026-11-21")["data"]
    assert [each["from_ms"] for each in told["windows"]] == [window.from_ms]
    assert sorted({event.id for event in world.queues.sent}) == [each.export_id for each in wholes]


def test_a_plan_by_date_sends_again_so_that_it_arrives_within_five_minutes(world: World) -> None:
    lost = purged(world)
    plan(world, timedelta(minutes=1), "request-2", collect_date="2026-11-21")
    assert sorted(event.id for event in world.queues.sent) == lost
    assert sorted(set(world.queues.again)) == lost


@pytest.mark.parametrize("was_told", [True, False])
def test_a_plan_by_date_asks_again_for_what_was_added_and_not_announced(
    world: World, *, was_told: bool
) -> None:
    lost = purged(world)
    end_all(world)
    addendum = Addendum(
        number=1, recounted_at=TOLD, at=TOLD, published_at=TOLD if was_told else None
    )
    for record in list(world.ledger.objects.values()):
        world.ledger.objects[record.key] = record.model_copy(update={"addenda": [addendum]})
    plan(world, timedelta(minutes=1), "request-2", collect_date="2026-11-21")
    assert sorted(event.id for event in world.queues.sent) == ([] if was_told else lost)


def test_what_a_crash_may_not_have_sent_is_not_sent_twice_within_five_minutes(
    world: World,
) -> None:
    def away(_events: object) -> None:
        raise ConnectionError("away")

    world.queues.before_send = away
    with pytest.raises(ConnectionError):
        world.run(plan_request())
    world.queues.before_send = lambda _events: None
    world.run(plan_request())
    assert len(world.queues.sent) == 2
    assert world.queues.again == []


def test_a_damaged_note_of_what_was_sent_costs_no_plan_and_what_it_named_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_events: object) -> None:
        raise MessagesNotSentError("away")

    def damaged(key: str) -> list[str]:
        raise LedgerUnreadableError(f"{key} is not valid", b"{")

    world.queues.before_send = away
    with pytest.raises(MessagesNotSentError):
        world.run(plan_request())
    world.queues.before_send = lambda _events: None
    monkeypatch.setattr(world.outbox, "read", damaged)

    world.run(plan_request(), request_id="request-2")

    assert world.sent_groups == ["/app/a", "/app/b"]
    assert len(world.outbox.there) == 1  # a person has damaged it, and removes it


def test_a_damaged_note_of_a_date_costs_no_plan(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    lost = purged(world)
    written_at = world.now
    world.day_notes.notes["days/1-2026-11-20.sent.json"] = ("{", written_at)
    world.day_notes.notes["days/2-2026-11-20.json"] = ("{", written_at)
    answer = plan(world, A_DAY_LATER, "request-2")
    assert answer["data"]["asked_again"] == len(lost)
    assert caplog.messages.count("a note of a date is left out") == 2
