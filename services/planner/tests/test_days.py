"""Which dates a run has the exporter tell the end of, through crashes and continuations."""

from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from services.planner.tests.fakes import World, log_group, plan_request

from logferry_contracts.ledger_record import Failed
from planner import handler, plan
from planner.errors import MessagesNotSentError

if TYPE_CHECKING:
    from collections.abc import Sequence

HOURS = {"unit": "hour", "time_zone": "Europe/Berlin", "settle_minutes": 0, "lookback_days": 1}


def dates(world: World) -> list[str]:
    return [event.data.date for event in world.queues.days]


def unsent(world: World) -> list[str]:
    return [name for name in world.day_notes.notes if not name.endswith(".sent.json")]


def away(_events: "Sequence[object]") -> None:
    raise MessagesNotSentError("away")


def test_a_date_is_sent_after_all_of_its_requests(world: World) -> None:
    def all_are_sent(_events: object) -> None:
        assert world.sent_groups == ["/app/a", "/app/b"]
        assert world.topic.published == []

    world.queues.before_days = all_are_sent
    answer = world.run(plan_request())

    (day,) = world.queues.days
    assert day.id == f"{answer['id']}-2026-11-21"
    assert (day.data.date, day.data.time_zone) == ("2026-11-21", "Europe/Berlin")
    assert [window.model_dump() for window in day.data.windows] == answer["data"]["windows"]
    assert list(world.day_notes.notes) == [f"days/{day.id}.sent.json"]


def test_the_end_of_a_date_waits_in_the_slots_queue_for_what_is_read_directly_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # So the age of that queue is on for both; see docs/adr/0073-alarms-that-a-source-needs.md.
    world = World(DIRECT_LANE_MAX_BYTES="1000")
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.queues.has_direct_lane = True
    world.account.incoming = {log_group("/app/a").name: 1, log_group("/app/b").name: 1}
    world.run(plan_request())

    asked = {queue for queue, log_groups in world.queues.by_queue.items() if log_groups}
    assert asked == {"log-sqs-dev-direct.fifo"}
    assert (dates(world), world.queues.days_to) == (["2026-11-21"], {"log-sqs-dev-collect.fifo"})


def test_a_date_after_a_change_of_the_zone_has_the_windows_that_begin_on_it(world: World) -> None:
    def days_of(time_zone: str) -> dict[str, Any]:
        return {"unit": "day", "time_zone": time_zone, "settle_minutes": 0, "lookback_days": 2}

    world.run(plan_request(window_rule=days_of("Asia/Seoul")))
    world.queues.days.clear()
    world.now += timedelta(days=1)
    answer = world.run(plan_request(window_rule=days_of("Europe/Berlin")), request_id="request-2")

    sent = {
        event.data.date: [(window.from_ms, window.to_ms) for window in event.data.windows]
        for event in world.queues.days
    }
    windows = [(each["from_ms"], each["to_ms"]) for each in answer["data"]["windows"]]
    assert all(earlier[1] == later[0] for earlier, later in pairwise(windows))
    assert windows[-2:] == sent["2026-11-22"] + sent.get("2026-11-23", [])
    assert answer["data"]["requested"] == 2 * len(windows[-2:])


def test_a_run_that_requests_nothing_sends_no_date(world: World) -> None:
    world.run(plan_request())
    world.now += timedelta(hours=1)
    world.run(plan_request(), request_id="request-2")

    assert dates(world) == ["2026-11-21"]


def test_a_dry_run_sends_no_date_and_notes_none(world: World) -> None:
    world.run(plan_request(dry_run=True))

    assert (world.queues.days, world.day_notes.notes) == ([], {})


def test_each_date_of_a_range_is_sent_once(world: World) -> None:
    world.run(plan_request(collect_from="2026-11-18", collect_to="2026-11-20"))

    assert dates(world) == ["2026-11-18", "2026-11-19", "2026-11-20"]


def test_a_date_on_which_everything_is_skipped_is_sent_by_the_first_run_alone(
    world: World,
) -> None:
    world.account.incoming_otherwise = 0
    world.run(plan_request())
    assert world.queues.sent == []
    assert dates(world) == ["2026-11-21"]

    world.run(plan_request(), request_id="request-2")
    assert dates(world) == ["2026-11-21"]


def test_a_log_group_that_is_created_later_does_not_send_earlier_dates_again(
    world: World,
) -> None:
    world.run(plan_request())
    now_ms = round(world.now.timestamp() * 1000)
    world.account.groups = [*world.account.groups, log_group("/app/new", created_ms=now_ms)]

    answer = world.run(plan_request(), request_id="request-2")

    assert answer["data"]["skipped"] == {"empty": 1}
    assert dates(world) == ["2026-11-21"]


def test_a_date_that_is_added_to_is_sent_again_as_another_event(world: World) -> None:
    world.run(plan_request(selection={"include": ["/app/a"]}))
    world.run(plan_request(), request_id="request-2")

    assert dates(world) == ["2026-11-21", "2026-11-21"]
    assert len({event.id for event in world.queues.days}) == 2


def test_a_date_whose_failed_exports_are_asked_for_again_is_sent_again(world: World) -> None:
    world.run(plan_request())
    failed = Failed(reason="bucket_policy", message="", at="2026-11-23T06:10:00Z")
    record = world.record("/app/a").as_submitted("task-1", at=world.now)
    world.ledger.objects[record.key] = record.as_failed(failed)

    world.run(plan_request(collect_date="2026-11-21"), request_id="request-2")

    assert dates(world) == ["2026-11-21", "2026-11-21"]


def test_what_can_never_be_exported_sends_no_date(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PREFIX_LIMIT_BYTES", 5)

    answer = world.run(plan_request())

    assert answer["data"]["skipped"] == {"destination_prefix_too_long": 2}
    assert world.queues.days == []


@pytest.mark.parametrize("cut", ["requests", "date"])
def test_a_run_that_was_cut_sends_the_date_with_the_same_id_when_it_is_tried_again(
    world: World, cut: str
) -> None:
    if cut == "requests":
        world.queues.before_send = away
    else:
        world.queues.before_days = away
    with pytest.raises(MessagesNotSentError):
        world.run(plan_request())
    assert (world.queues.days, world.topic.published) == ([], [])

    world.queues.before_send = world.queues.before_days = lambda _events: None  # type: ignore[assignment]
    answer = world.run(plan_request())

    assert answer["data"]["requested"] == 0  # the ledger has it all
    assert [event.id for event in world.queues.days] == [f"{answer['id']}-2026-11-21"]


def test_the_date_of_a_run_that_is_dead_is_sent_by_the_next_days_run_and_not_before(
    world: World,
) -> None:
    world.queues.before_days = away
    with pytest.raises(MessagesNotSentError):
        world.run(plan_request())
    world.queues.before_days = lambda _events: None
    (noted,) = unsent(world)

    world.now += timedelta(hours=1)
    world.run(plan_request(), request_id="request-2")
    assert dates(world) == []

    world.now += timedelta(hours=23)
    world.run(plan_request(), request_id="request-3")
    assert dates(world) == ["2026-11-21", "2026-11-22"]
    assert noted == f"days/{world.queues.days[0].id}.json"
    assert unsent(world) == []


def test_the_note_of_another_source_in_the_same_place_is_left_to_it(world: World) -> None:
    world.queues.before_days = away
    with pytest.raises(MessagesNotSentError):
        world.run(plan_request())
    world.queues.before_days = lambda _events: None
    world.now += timedelta(hours=20)
    other = plan_request()["data"]["source"] | {"profile": "other"}
    world.queues.is_others = True

    world.run(plan_request(source=other), request_id="request-2")

    assert dates(world) == ["2026-11-22"]
    assert len(unsent(world)) == 1


def test_a_plan_of_several_parts_sends_its_dates_once_at_the_end(world: World) -> None:
    world.timeout_s = 0.3
    world.account.groups = [log_group(f"/app/{number:04}") for number in range(1500)]

    answer = world.run_to_the_end(plan_request())

    assert len(world.queues.sent) == 1500
    assert [event.id for event in world.queues.days] == [f"{answer['id']}-2026-11-21"]
    assert len(world.topic.published) == 1


def test_hours_send_their_date_when_the_last_one_is_planned(world: World) -> None:
    sent_at: list[tuple[int, list[str]]] = []
    for hour in range(20):  # from 07:00 in Berlin to 02:00 of the next date
        before = len(world.queues.days)
        world.run(plan_request(window_rule=HOURS), request_id=f"request-{hour}")
        if found := dates(world)[before:]:
            sent_at.append((hour, found))
        world.now = world.now.replace(minute=0, second=5) + timedelta(hours=1)

    assert sent_at == [(0, ["2026-11-22"]), (17, ["2026-11-23"])]
    assert [len(event.data.windows) for event in world.queues.days] == [24, 24]


def test_a_date_of_hours_is_sent_also_when_the_last_one_is_empty(world: World) -> None:
    world.now = world.now.replace(hour=22, minute=30)  # 23:30 in Berlin
    world.run(plan_request(window_rule=HOURS))
    world.queues.days.clear()
    world.account.incoming_otherwise = 0
    world.now += timedelta(hours=1)

    answer: dict[str, Any] = world.run(plan_request(window_rule=HOURS), request_id="request-2")

    assert answer["data"]["requested"] == 0
    assert dates(world) == ["2026-11-23"]
