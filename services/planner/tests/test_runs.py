"""Whole runs with fakes: ledger, outbox and queue through crashes, races and continuations."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from typing import Any

import pytest
from services.planner.tests.fakes import MANY, NOW, World, log_group, plan_request

from logferry_contracts.ledger_key import ledger_prefix
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord, Skipped
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import epoch_ms
from logferry_contracts.plan_completed import PlanCompletedData, PlannedExport
from logferry_contracts.window import Window
from planner import handler, run, telling
from planner.cloud import DamagedRecord, UnreadableLogGroup
from planner.errors import MessagesNotSentError
from planner.worklist import scope

DAY_MS = 86_400_000
BACKFILL = {"collect_from": "2026-11-18", "collect_to": "2026-11-20"}


def counts(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: answer["data"][name] for name in ("requested", "already_in_ledger", "skipped")}


def add_up(data: PlanCompletedData) -> bool:
    told = data.requested + data.already_in_ledger + sum(data.skipped.values())
    return data.found * len(data.windows) == told


# --- ledger, outbox, queue


def test_every_group_has_its_note_and_its_record_before_any_message_goes_out(world: World) -> None:
    def noted_and_not_sent(record: LedgerRecord) -> None:
        assert world.queues.sent == []
        assert record.key in [key for keys, _ in world.outbox.there.values() for key in keys]

    world.ledger.before_create = noted_and_not_sent
    world.run(plan_request())
    assert {record.export_id for record in world.ledger.objects.values()} == {
        event.id for event in world.queues.sent
    }
    assert {record.state for record in world.ledger.objects.values()} == {"requested"}
    assert world.outbox.there == {}


def test_after_a_crash_between_ledger_and_queue_the_next_run_sends(world: World) -> None:
    def away(_events: object) -> None:
        raise MessagesNotSentError("away")

    world.queues.before_send = away
    with pytest.raises(MessagesNotSentError):
        world.run(plan_request())
    assert len(world.ledger.objects) == 2
    assert world.topic.published == []

    world.queues.before_send = lambda _events: None
    world.now += timedelta(minutes=1)
    answer = world.run(plan_request())
    assert world.sent_groups == ["/app/a", "/app/b"]
    assert counts(answer) == {"requested": 0, "already_in_ledger": 2, "skipped": {}}
    assert world.outbox.there == {}


def crash_at_b(record: LedgerRecord) -> None:
    if record.log_group.name == "/app/b":
        raise ConnectionError("S3 is away")


def test_after_a_crash_between_two_records_the_next_run_does_the_rest(world: World) -> None:
    world.ledger.before_create = crash_at_b
    with pytest.raises(ConnectionError):
        world.run(plan_request())
    assert world.queues.sent == []

    world.ledger.before_create = lambda _record: None
    answer = world.run(plan_request())
    assert world.sent_groups == ["/app/a", "/app/b"]
    assert counts(answer) == {"requested": 1, "already_in_ledger": 1, "skipped": {}}


def test_the_note_of_a_writer_that_may_live_stays_until_all_its_records_are_there(
    world: World,
) -> None:
    world.ledger.before_create = crash_at_b
    with pytest.raises(ConnectionError):
        world.run(plan_request())
    world.ledger.before_create = lambda _record: None

    world.run(plan_request(selection={"exclude": ["/app/b"]}))  # nobody writes b's record
    assert len(world.outbox.there) == 1
    assert world.sent_groups == ["/app/a"]

    world.now += timedelta(hours=4)
    world.run(plan_request(selection={"exclude": ["/app/b"]}))
    assert world.outbox.there == {}


def test_a_record_that_another_planner_is_about_to_send_is_left_to_it_and_its_note(
    world: World,
) -> None:
    def second_planner(_events: object) -> None:
        world.queues.before_send = lambda _events: None
        answer = world.run(plan_request(), request_id="request-2")
        assert counts(answer)["already_in_ledger"] == 2

    world.queues.before_send = second_planner  # while the first one has recorded and not sent
    world.run(plan_request())
    assert set(world.sent_groups) == {"/app/a", "/app/b"}
    assert len({event.id for event in world.queues.sent}) == 2
    assert world.outbox.there == {}


def test_a_planner_that_comes_second_in_a_race_goes_by_the_record_that_is_there(
    world: World,
) -> None:
    def another_is_faster(record: LedgerRecord) -> None:
        if record.log_group.name == "/app/a":  # and its exporter has begun
            world.ledger.objects[record.key] = record.as_submitted("task-1", at=NOW)
        else:
            world.ledger.objects[record.key] = record.model_copy(
                update={"requested_at": "2026-11-23T05:59:59.000Z"}
            )

    world.ledger.before_create = another_is_faster
    answer = world.run(plan_request())
    assert world.sent_groups == ["/app/b"]
    assert counts(answer) == {"requested": 0, "already_in_ledger": 2, "skipped": {}}


def test_a_finished_plan_that_is_run_again_reads_and_sends_nothing(world: World) -> None:
    world.run(plan_request())
    world.queues.sent.clear()
    creates = world.ledger.creates

    answer = world.run(plan_request())

    assert counts(answer) == {"requested": 0, "already_in_ledger": 2, "skipped": {}}
    assert (world.ledger.reads, world.ledger.creates) == (0, creates)
    assert world.queues.sent == []
    assert world.outbox.written == 1


def test_a_skipped_group_is_recorded_once_and_left_alone_after(world: World) -> None:
    world.account.groups = [log_group("/app/d", log_group_class="DELIVERY")]
    first = world.run(plan_request())
    assert first["data"]["skipped"] == {"class_unsupported": 1}
    (record,) = world.ledger.objects.values()
    assert record.state == "skipped"

    second = world.run(plan_request(), request_id="request-2")
    assert counts(second) == {"requested": 0, "already_in_ledger": 1, "skipped": {}}
    assert world.ledger.objects[record.key] == record
    assert world.queues.sent == []


# --- dates that are asked for


def failed(record: LedgerRecord) -> LedgerRecord:
    return record.as_failed(
        Failed(reason="bucket_policy", message="no", at="2026-11-23T06:00:00.000Z")
    )


def test_a_window_that_failed_is_asked_for_again_by_its_date_only(world: World) -> None:
    world.run(plan_request())
    for key, record in list(world.ledger.objects.items()):
        world.ledger.objects[key] = failed(record.as_submitted("task-1", at=NOW))
    world.queues.sent.clear()

    assert counts(world.run(plan_request()))["already_in_ledger"] == 2
    assert world.queues.sent == []

    answer = world.run(plan_request(collect_date="2026-11-21"))
    assert counts(answer)["requested"] == 2
    assert [event.data.generation for event in world.queues.sent] == [2, 2]

    again = world.run(plan_request(collect_date="2026-11-21"))
    assert counts(again) == {"requested": 0, "already_in_ledger": 2, "skipped": {}}
    assert [event.data.generation for event in world.queues.sent[2:]] == [2, 2]


def test_what_a_date_has_under_way_is_sent_again_and_what_has_ended_is_not(world: World) -> None:
    world.run(plan_request())
    nothing = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])
    ended = Completed(at="2026-11-23T06:00:00.000Z", manifest=nothing)
    for name in ("/app/a", "/app/b"):
        record = world.record(name).as_submitted("task-1", at=NOW)
        if name == "/app/a":
            record = record.as_completed(ended).as_published(at=NOW)
        world.ledger.objects[record.key] = record
    world.queues.sent.clear()

    answer = world.run(plan_request(collect_date="2026-11-21"))
    assert world.sent_groups == ["/app/b"]
    assert counts(answer) == {"requested": 0, "already_in_ledger": 2, "skipped": {}}


def test_a_window_that_failed_and_cannot_be_exported_any_more_stays_failed(world: World) -> None:
    world.account.groups = [log_group("/app/a", retention_days=1)]
    world.run(plan_request())
    record = world.record("/app/a")
    world.ledger.objects[record.key] = failed(record)
    world.now += timedelta(days=9)
    answer = world.run(plan_request(collect_date="2026-11-21"))
    assert counts(answer) == {"requested": 0, "already_in_ledger": 1, "skipped": {}}


def test_a_window_whose_retention_had_passed_is_asked_for_by_date_once_it_is_kept(
    world: World,
) -> None:
    world.account.groups = [log_group("/app/a", retention_days=1)]
    world.now += timedelta(days=9)
    by_date = plan_request(collect_date="2026-11-21")
    assert counts(world.run(by_date))["skipped"] == {"retention_passed": 1}
    again = world.run(by_date, request_id="request-2")
    assert counts(again) == {"requested": 0, "already_in_ledger": 1, "skipped": {}}

    world.account.groups = [log_group("/app/a", retention_days=400)]
    assert counts(world.run(by_date, request_id="request-3"))["requested"] == 1
    assert [event.data.generation for event in world.queues.sent] == [2]


def test_a_range_plans_every_date_of_it_and_the_ledger_lacks(world: World) -> None:
    world.run(plan_request(collect_date="2026-11-19"))
    answer = world.run(plan_request(**BACKFILL))
    assert len(answer["data"]["windows"]) == 3
    assert counts(answer) == {"requested": 4, "already_in_ledger": 2, "skipped": {}}


def test_a_listed_record_that_has_gone_since_is_planned_like_any_new_one(world: World) -> None:
    world.run(plan_request(collect_date="2026-11-21"))
    world.ledger.read = lambda keys: [None for _ in keys]  # type: ignore[method-assign]
    world.queues.sent.clear()
    answer = world.run(plan_request(collect_date="2026-11-21"))
    assert counts(answer)["already_in_ledger"] == 2  # as its creation finds it there after all


# --- damaged records


def damage(world: World, name: str, *, is_later: bool = False) -> None:
    record = world.record(name)
    world.ledger.objects[record.key] = DamagedRecord(f"s3://c/{record.key} is not", is_later)  # type: ignore[assignment]


def test_a_damaged_record_costs_its_own_export_alone(world: World, log: StringIO) -> None:
    world.run(plan_request())
    damage(world, "/app/a")
    world.account.groups = [*world.account.groups, log_group("/app/c")]
    world.queues.sent.clear()

    answer = world.run(plan_request(), request_id="request-2")

    # Its slot time was to be learned from it, as from the others.
    assert counts(answer) == {"requested": 1, "already_in_ledger": 2, "skipped": {}}
    assert world.sent_groups == ["/app/c"]
    assert "ledger_record_damaged" in log.getvalue()


def test_a_date_that_is_planned_again_asks_for_the_export_beside_a_damaged_record(
    world: World, log: StringIO
) -> None:
    world.run(plan_request())
    damage(world, "/app/a")
    world.queues.sent.clear()

    answer = world.run(plan_request(collect_date="2026-11-21"), request_id="request-2")

    assert counts(answer) == {"requested": 1, "already_in_ledger": 1, "skipped": {}}
    generations = {each.data.log_group.name: each.data.generation for each in world.queues.sent}
    assert generations == {"/app/a": 2, "/app/b": 1}
    assert "s3://c/ledger/" in log.getvalue()

    again = world.run(plan_request(collect_date="2026-11-21"), request_id="request-3")
    assert counts(again) == {"requested": 0, "already_in_ledger": 2, "skipped": {}}


@pytest.mark.parametrize("state", ["requested", "completed"])
def test_a_half_of_a_whole_that_is_gone_is_no_export_of_a_window_that_is_planned_by_itself(
    world: World, state: str
) -> None:
    """So it is where records of other halves are damaged as well, and are planned for that."""
    world.run(plan_request())
    whole = world.record("/app/a")
    half = whole.model_copy(update={"parent_export_id": "0" * 32, "state": state})
    world.ledger.objects[half.key] = half
    world.queues.sent.clear()

    answer = world.run(plan_request(collect_date="2026-11-21"), request_id="request-2")

    assert counts(answer) == {"requested": 1, "already_in_ledger": 1, "skipped": {}}
    asked = {each.data.log_group.name: each.data for each in world.queues.sent}
    assert (asked["/app/a"].generation, asked["/app/a"].parent_export_id) == (2, None)


def test_a_record_of_a_later_major_is_left_to_a_later_release(world: World) -> None:
    world.run(plan_request())
    damage(world, "/app/a", is_later=True)
    world.queues.sent.clear()

    answer = world.run(plan_request(collect_date="2026-11-21"), request_id="request-2")

    assert answer["data"]["skipped"] == {"ledger_record_damaged": 1}
    assert world.sent_groups == ["/app/b"]


def test_a_note_that_names_a_damaged_record_is_worked_off(world: World) -> None:
    def away(_events: object) -> None:
        raise MessagesNotSentError("away")

    world.queues.before_send = away
    with pytest.raises(MessagesNotSentError):
        world.run(plan_request())
    damage(world, "/app/a")
    world.queues.before_send = lambda _events: None

    world.run(plan_request(), request_id="request-2")

    assert world.sent_groups == ["/app/b"]
    assert world.outbox.there == {}


# --- log groups that are younger than their events


WINDOW_END = datetime(2026, 11, 21, 23, tzinfo=UTC)
"""Of the newest window that is due: the 21st of November in Berlin."""
CREATED_MS = epoch_ms(WINDOW_END) + 3000


def skipped_unseen(world: World) -> LedgerRecord:
    """Plan a log group that was created three seconds after the window, as 0.2.0 did."""
    world.account.groups = [log_group("/app/new", created_ms=CREATED_MS)]
    world.run(plan_request())
    [record] = world.ledger.objects.values()
    skipped = Skipped(reason="created_after_window", at="2026-11-22T06:00:00.000Z")
    changes: dict[str, Any] = {"state": "skipped", "skipped": skipped, "lane": "slot"}
    world.ledger.objects[record.key] = record.model_copy(update=changes)
    world.queues.sent.clear()
    world.account.looked_into.clear()
    return world.ledger.objects[record.key]


def test_a_log_group_that_was_created_after_the_window_is_exported_if_it_has_an_event_of_it(
    world: World,
) -> None:
    world.account.groups = [
        log_group("/app/auto", created_ms=CREATED_MS),
        log_group("/app/new", created_ms=CREATED_MS),
        log_group("/app/cold", created_ms=CREATED_MS, log_group_class="INFREQUENT_ACCESS"),
        log_group("/app/later", created_ms=CREATED_MS + 14 * DAY_MS),
    ]
    # Metrics know of many events of each, in all.
    world.account.eventful = frozenset({"/app/auto", "/app/cold"})

    answer = world.run(plan_request())

    assert sorted(world.sent_groups) == ["/app/auto", "/app/cold"]
    assert answer["data"]["skipped"] == {"created_after_window": 1, "empty": 1}


@pytest.mark.parametrize("request_", [plan_request(), plan_request(collect_date="2026-11-21")])
def test_what_was_skipped_without_a_look_is_asked_for_by_every_plan_that_reaches_it(
    world: World, request_: dict[str, Any]
) -> None:
    first = skipped_unseen(world)
    world.account.eventful = frozenset({"/app/new"})

    answer = world.run(request_, request_id="request-2")

    assert counts(answer) == {"requested": 1, "already_in_ledger": 0, "skipped": {}}
    [event] = world.queues.sent
    assert (event.data.generation, event.data.window) == (2, first.window)
    assert world.ledger.objects[first.key] == first
    assert len(world.queues.days) == 2  # its date is told again

    again = world.run(plan_request(), request_id="request-3")
    assert counts(again) == {"requested": 0, "already_in_ledger": 1, "skipped": {}}
    assert len(world.queues.sent) == 1


def test_what_was_skipped_without_a_look_and_is_empty_is_looked_at_once(world: World) -> None:
    skipped_unseen(world)

    answer = world.run(plan_request(), request_id="request-2")
    assert counts(answer) == {"requested": 0, "already_in_ledger": 0, "skipped": {"empty": 1}}
    reads = world.ledger.reads

    again = world.run(plan_request(), request_id="request-3")
    assert counts(again) == {"requested": 0, "already_in_ledger": 1, "skipped": {}}
    assert len(world.account.looked_into) == 1
    assert world.ledger.reads == reads


@pytest.mark.parametrize("state", ["requested", "submitted", "failed"])
def test_a_plan_without_dates_leaves_alone_what_else_the_ledger_has_of_a_new_log_group(
    world: World, state: str
) -> None:
    world.account.groups = [log_group("/app/new", created_ms=CREATED_MS)]
    world.account.eventful = frozenset({"/app/new"})
    world.run(plan_request())
    record = world.record("/app/new")
    if state != "requested":
        record = record.as_submitted("task-1", at=NOW)
    world.ledger.objects[record.key] = failed(record) if state == "failed" else record
    world.queues.sent.clear()

    answer = world.run(plan_request(), request_id="request-2")

    assert counts(answer) == {"requested": 0, "already_in_ledger": 1, "skipped": {}}
    assert world.queues.sent == []


# --- emptiness, size and order


def test_a_window_is_skipped_as_empty_when_neither_metrics_nor_events_know_of_any(
    world: World,
) -> None:
    world.account.groups = [log_group(f"/app/{name}") for name in ("busy", "idle", "late", "mute")]
    world.account.groups.append(log_group("/app/cold", log_group_class="INFREQUENT_ACCESS"))
    world.account.incoming = {"/app/idle": 0, "/app/late": 0, "/app/mute": None, "/app/cold": 0}
    world.account.eventful = frozenset({"/app/late", "/app/cold"})

    answer = world.run(plan_request())

    assert answer["data"]["skipped"] == {"empty": 1}
    record = world.record("/app/idle")
    assert record.skipped is not None
    assert record.skipped.reason == "empty"
    # Only where metrics say zero is an event looked for; in doubt there is one.
    assert {name for name, _ in world.account.looked_into} >= {"/app/idle", "/app/late"}
    assert not {name for name, _ in world.account.looked_into} & {"/app/busy", "/app/mute"}
    assert set(world.sent_groups) == {"/app/busy", "/app/late", "/app/mute", "/app/cold"}


def test_metrics_are_asked_from_two_hours_before_the_window_until_now_for_what_is_lacking(
    world: World,
) -> None:
    world.account.groups = [log_group("/app/known")]
    world.run(plan_request())
    world.account.groups = [log_group(f"/app/{number:04}") for number in range(1200)]
    world.account.groups += [
        log_group("/app/known"),
        log_group("/app/no", log_group_class="DELIVERY"),
        log_group("/debug/x"),
    ]
    world.account.metric_questions.clear()

    world.run(plan_request(selection={"exclude": ["/debug/*"]}))

    (window,) = world.topic.published[-1].data.windows
    asked = [name for names, _, _ in world.account.metric_questions for name in names]
    assert asked == [f"/app/{number:04}" for number in range(1200)]
    assert len(world.account.metric_questions) == 3
    for _, since, until in world.account.metric_questions:
        assert since.timestamp() * 1000 == window.from_ms - 2 * 3_600_000
        assert NOW <= until <= world.now


def sizes(**events: int | None) -> dict[str, int | None]:
    return {f"/app/{name}": count for name, count in events.items()}


def test_what_retention_deletes_soon_goes_first_then_the_smallest(world: World) -> None:
    names = ["big", "dying", "idle", "late", "middle", "small", "unknown"]
    world.account.groups = [
        log_group(f"/app/{name}", **({"retention_days": 3} if name == "dying" else {}))
        for name in names
    ]
    world.account.groups.append(log_group("/app/dead-soon", retention_days=2))
    world.account.incoming = sizes(
        big=10**9, dying=10**8, middle=10**6, small=10, unknown=None, late=0, idle=0
    )
    world.account.eventful = frozenset({"/app/late"})
    world.run(plan_request())
    # Two of three known sizes are middle or more, so that the unknown one is beside the middle.
    assert world.sent_groups == [
        "/app/dead-soon",
        "/app/dying",
        "/app/small",
        "/app/middle",
        "/app/unknown",
        "/app/big",
        "/app/late",
    ]


def test_the_oldest_window_goes_first_but_for_what_retention_deletes_soon(world: World) -> None:
    world.account.groups = [log_group("/app/a"), log_group("/app/b", retention_days=5)]
    world.run(plan_request(**BACKFILL))
    sent = [(event.data.log_group.name, event.data.window.from_ms) for event in world.queues.sent]
    days = sorted({from_ms for _, from_ms in sent})
    assert sent == [
        *[("/app/b", day) for day in days],  # the 20th and 5 days: less than 3 days ahead
        *[("/app/a", day) for day in days],
    ]


def test_small_windows_take_the_direct_lane_of_a_source_that_has_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(DIRECT_LANE_MAX_BYTES="1000")
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.queues.has_direct_lane = True
    names = ["small", "big", "unknown", "wrong"]
    world.account.groups = [log_group(f"/app/{name}") for name in names]
    world.account.groups.append(log_group("/app/cold", log_group_class="INFREQUENT_ACCESS"))
    world.account.incoming = sizes(small=1, big=MANY, unknown=None, cold=1, wrong=0)
    world.account.eventful = frozenset({"/app/wrong"})  # where metrics knew of no event

    world.run(plan_request())

    assert world.queues.by_queue["log-sqs-dev-direct.fifo"] == ["/app/small"]
    assert sorted(world.queues.by_queue["log-sqs-dev-collect.fifo"]) == [
        "/app/big",
        "/app/cold",
        "/app/unknown",
        "/app/wrong",
    ]
    assert world.record("/app/small").lane == "direct"
    assert world.record("/app/wrong").estimated_bytes is None


def test_both_lanes_are_asked_for_what_is_no_trifle_from_opposite_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.queues.has_direct_lane = True
    events = {"trifle": 1, "large": 4 * MANY, "some": MANY, "unknown": None, "soon": 2 * MANY}
    world.account.groups = [
        log_group(f"/app/{name}", retention_days=3 if name == "soon" else None) for name in events
    ]
    world.account.incoming = sizes(**events)

    answer = world.run(plan_request())

    direct = ["/app/soon", "/app/trifle", "/app/some", "/app/large"]
    assert world.queues.by_queue["log-sqs-dev-direct.fifo"] == direct
    slot = ["/app/soon", "/app/unknown", "/app/large", "/app/some"]
    assert world.queues.by_queue["log-sqs-dev-collect.fifo"] == slot
    offered = {
        event.data.log_group.name for event in world.queues.sent if event.data.offered is True
    }
    assert offered == {"/app/soon", "/app/large", "/app/some"}
    assert world.record("/app/large").is_untaken
    assert world.record("/app/trifle").offered is None
    data = answer["data"]
    seconds = data["forecast_slot_seconds"], data["forecast_direct_seconds"]
    assert min(seconds) > 0
    lasts = datetime.fromisoformat(data["forecast_end"]) - NOW
    assert lasts == timedelta(seconds=max(seconds))


def test_what_the_slot_alone_is_asked_for_again_does_not_wait_for_the_direct_lane(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.queues.has_direct_lane = True
    world.account.groups = [log_group("/app/a")]
    world.account.incoming_otherwise = MANY
    world.run(plan_request())
    record = world.record("/app/a")
    world.ledger.objects[record.key] = record.as_taken("direct", at=NOW)
    world.queues.has_direct_lane = False
    world.queues.sent.clear()

    world.run(plan_request(collect_date="2026-11-21"))

    asked = [event.data for event in world.queues.sent]
    assert [(each.lane, each.offered) for each in asked] == [("slot", None)]


@pytest.mark.parametrize(("has_direct_lane", "max_bytes"), [(False, "1000"), (True, "0")])
def test_without_a_direct_queue_or_limit_everything_takes_the_slot(
    monkeypatch: pytest.MonkeyPatch, *, has_direct_lane: bool, max_bytes: str
) -> None:
    world = World(DIRECT_LANE_MAX_BYTES=max_bytes)
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.queues.has_direct_lane = has_direct_lane
    world.account.incoming_otherwise = 1
    world.run(plan_request())
    assert list(world.queues.by_queue) == ["log-sqs-dev-collect.fifo"]
    assert world.record("/app/a").lane == "slot"


def test_what_waits_for_a_direct_lane_that_is_gone_is_sent_through_the_slot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(DIRECT_LANE_MAX_BYTES="1000000")
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.queues.has_direct_lane = True
    world.account.incoming_otherwise = 1
    world.run(plan_request())
    world.queues.has_direct_lane = False
    world.queues.by_queue.clear()

    world.run(plan_request(collect_date="2026-11-21"))

    assert list(world.queues.by_queue) == ["log-sqs-dev-collect.fifo"]
    assert {event.data.lane for event in world.queues.sent[2:]} == {"slot"}


def test_what_has_a_task_is_sent_again_to_the_slot_whatever_lane_its_record_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The message in the slot's group is the lock on it; beside that it would be told twice."""
    world = World(DIRECT_LANE_MAX_BYTES="1000000")
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.queues.has_direct_lane = True
    world.account.incoming_otherwise = 1
    world.run(plan_request())
    record = world.record("/app/a")
    world.ledger.objects[record.key] = record.as_submitted("task-1", at=NOW)
    world.queues.by_queue.clear()

    world.run(plan_request(collect_date="2026-11-21"))

    assert world.queues.by_queue == {
        "log-sqs-dev-collect.fifo": ["/app/a"],
        "log-sqs-dev-direct.fifo": ["/app/b"],
    }


# --- forecast


def completed(record: LedgerRecord, seconds: int) -> LedgerRecord:
    return record.as_submitted("task-1", at=NOW).as_completed(
        Completed(
            at="2026-11-23T06:00:00.000Z",
            manifest=Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[]),
            task_created_ms=1_795_300_000_000,
            task_completed_ms=1_795_300_000_000 + seconds * 1000,
        )
    )


def test_the_forecast_follows_how_long_tasks_took(world: World) -> None:
    world.account.groups = [log_group(f"/app/{number:02}") for number in range(40)]
    first = world.run(plan_request())
    for key, record in list(world.ledger.objects.items()):
        world.ledger.objects[key] = completed(record, 60)
    world.now += timedelta(days=1)

    second = world.run(
        plan_request(window_rule={"unit": "day", "time_zone": "Europe/Berlin", "lookback_days": 2})
    )

    assert second["data"]["requested"] == 40
    assert second["data"]["forecast_slot_seconds"] == pytest.approx(40 * 60, rel=0.01)
    assert first["data"]["forecast_slot_seconds"] != second["data"]["forecast_slot_seconds"]


def test_a_day_that_needs_more_than_a_day_of_the_slot_is_warned_of(
    world: World, log: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    world.account.groups = [log_group("/app/huge"), log_group("/app/small")]
    world.account.incoming = sizes(huge=10**11, small=1)
    answer = world.run(plan_request(**BACKFILL))
    lines = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [line["day"] for line in lines if line["level"] == "WARNING"] == [
        "2026-11-18",
        "2026-11-19",
        "2026-11-20",
    ]
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = [line for line in metrics if "SlotOvercommitted" in line]
    assert told["SlotOvercommitted"] == [3]
    assert told["ForecastSlotSeconds"] == [answer["data"]["forecast_slot_seconds"]]


# --- bounded time


def groups_by_the_thousand(count: int) -> list[Any]:
    return [log_group(f"/app/{number:05}") for number in range(count)]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planner.requesting.EXPORTS_AT_ONCE", 10)
    monkeypatch.setattr("planner.requesting.ROWS_AT_ONCE", 20)


@pytest.mark.parametrize("found", [2_000, pytest.param(50_000, marks=pytest.mark.deep)])
def test_thousands_of_groups_are_planned_by_invocations_that_end_in_time(
    world: World, found: int
) -> None:
    world.timeout_s = world.timeout_s * found // 50_000  # a share of the work, and of its time
    idle = {f"/app/{number:05}": 0 for number in range(found) if number % 10}
    world.account.groups = groups_by_the_thousand(found)
    world.account.incoming = idle

    answer = world.run_to_the_end(plan_request())

    (published,) = world.topic.published
    assert answer["id"] == published.id
    assert (published.data.found, published.data.requested) == (found, found // 10)
    assert published.data.skipped == {"empty": found - found // 10}
    assert published.data.already_in_ledger == 0
    assert len(world.ledger.objects) == found
    assert len(world.sent_groups) == len(set(world.sent_groups)) == found // 10
    assert world.account.sweeps == 1
    assert len(world.account.looked_into) == found - found // 10
    assert world.now - NOW > timedelta(seconds=2 * world.timeout_s)
    assert (world.worklists(), world.outbox.there) == ([], {})


@pytest.mark.usefixtures("small_steps")
def test_a_run_of_several_parts_is_published_once_and_its_counts_add_up(world: World) -> None:
    world.account.groups = groups_by_the_thousand(60)
    world.account.groups.append(UnreadableLogGroup("/odd", "too long"))
    world.timeout_s = 0.03
    parts = []
    answer = world.run(plan_request(**BACKFILL, selection={"exclude": ["*7"]}))
    while answer.get("status") == "continued":
        parts.append(answer["part"])
        assert world.topic.published == []
        world.now += timedelta(minutes=1)
        answer = world.run(world.continuations.sent.pop())
    assert parts == list(range(2, len(parts) + 2))
    assert len(parts) > 5
    (published,) = world.topic.published
    assert add_up(published.data)
    assert published.data.requested == 54 * 3
    assert published.data.skipped == {"excluded": 18, "log_group_unreadable": 3}
    times = [event.data.window.from_ms for event in world.queues.sent]
    assert all(one <= other for one, other in pairwise(times))


@pytest.mark.usefixtures("small_steps")
def test_a_continuation_that_is_delivered_twice_asks_for_nothing_twice(world: World) -> None:
    world.account.groups = groups_by_the_thousand(60)
    world.timeout_s = 0.03
    world.run(plan_request())
    (second_part,) = world.continuations.sent
    worklist_of_second_part = dict(world.files.there)
    world.run_to_the_end(second_part)
    world.continuations.sent.clear()

    assert world.run(second_part)["status"] == "done_already"

    world.files.there |= worklist_of_second_part  # as if both had begun at once
    world.timeout_s = 900
    answer = world.run(second_part)
    assert len(world.sent_groups) == len(set(world.sent_groups)) == 60
    assert {event.id for event in world.topic.published} == {answer["id"]}
    assert all(add_up(event.data) for event in world.topic.published)


@pytest.mark.usefixtures("small_steps")
def test_a_part_that_is_cut_after_handing_over_is_tried_again_and_asks_for_nothing_twice(
    world: World,
) -> None:
    world.account.groups = groups_by_the_thousand(60)
    world.timeout_s = 0.03
    world.continuations.error = ConnectionError("Lambda is away")
    with pytest.raises(ConnectionError):
        world.run(plan_request())
    assert world.topic.published == []
    world.continuations.error = None

    world.run_to_the_end(plan_request())

    assert len(world.sent_groups) == len(set(world.sent_groups)) == 60
    (published,) = world.topic.published
    assert add_up(published.data)
    assert published.data.already_in_ledger > 0


def test_a_part_always_takes_the_plan_forward_however_little_time_it_has(world: World) -> None:
    world.timeout_s = 0
    answer = world.run_to_the_end(plan_request())
    assert counts(answer)["requested"] == 2


@pytest.mark.usefixtures("small_steps")
def test_a_plan_of_too_many_parts_is_dead_lettered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "MAX_PARTS", 3)
    world.account.groups = groups_by_the_thousand(100)
    world.timeout_s = 0.001
    answer = world.run_to_the_end(plan_request())
    assert answer["reason"] == "refused_part"
    (letter,) = world.dead_letters.letters
    assert json.loads(letter["body"])["data"]["part"] == 3
    assert "part 3 is the last of a plan" in letter["detail"]


def test_windows_that_do_not_fit_in_at_once_are_worked_on_one_after_another(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "MAX_ROWS", 5)
    answer = world.run(plan_request(collect_from="2026-11-10", collect_to="2026-11-20"))
    assert len(answer["data"]["windows"]) == 11
    assert counts(answer)["requested"] == 22
    times = [event.data.window.from_ms for event in world.queues.sent]
    assert times == sorted(times)


# --- dry run


def test_a_dry_run_writes_sends_and_publishes_nothing_and_says_what_would_become_of_all(
    world: World,
) -> None:
    world.account.groups = [log_group("/app/known")]
    world.run(plan_request())
    before = dict(world.ledger.objects)
    world.queues.sent.clear()
    world.topic.published.clear()
    world.account.groups = [
        log_group("/app/big"),
        log_group("/app/idle"),
        log_group("/app/known"),
        log_group("/app/small"),
        log_group("/debug/x"),
    ]
    world.account.incoming = sizes(big=10**9, small=40, idle=0)

    answer = world.run(plan_request(dry_run=True, selection={"exclude": ["/debug/*"]}))

    planned = [PlannedExport.model_validate(each) for each in answer["data"].pop("planned")]
    assert [(each.log_group_name, each.outcome, each.reason) for each in planned] == [
        ("/app/small", "requested", None),
        ("/app/big", "requested", None),
        ("/app/known", "already_in_ledger", None),
        ("/debug/x", "skipped", "excluded"),
        ("/app/idle", "skipped", "empty"),
    ]
    assert planned[0].lane == "slot"
    assert planned[0].estimated_bytes is not None
    assert answer["data"]["dry_run"] is True
    assert add_up(PlanCompletedData.model_validate_json(json.dumps(answer["data"])))
    assert world.ledger.objects == before
    assert world.outbox.written == 1
    assert (world.queues.sent, world.topic.published, world.worklists()) == ([], [], [])


def test_a_list_that_is_too_long_for_an_answer_is_put_into_the_control_bucket(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "ANSWER_BYTES", 100)
    answer = world.run(plan_request(dry_run=True))
    location = answer["data"]["planned_location"]
    assert "planned" not in answer["data"]
    assert location["bucket"] == "acme-log-control"
    listed = json.loads(world.files.there[location["key"]])
    assert [each["log_group_name"] for each in listed] == ["/app/a", "/app/b"]


def test_a_dry_run_that_runs_low_exports_what_it_cannot_look_into(world: World) -> None:
    world.account.groups = groups_by_the_thousand(100)
    world.account.incoming_otherwise = 0
    world.timeout_s = 4  # 0.05 s for each group
    answer = world.run(plan_request(dry_run=True))
    assert answer["data"]["requested"] > 0
    assert answer["data"]["skipped"]["empty"] > 0
    assert add_up(PlanCompletedData.model_validate_json(json.dumps(answer["data"])))


@pytest.mark.usefixtures("small_steps")
def test_a_dry_run_that_needs_a_second_invocation_is_refused_and_not_continued(
    world: World,
) -> None:
    world.account.groups = groups_by_the_thousand(100)
    world.timeout_s = 0
    answer = world.run(plan_request(dry_run=True))
    assert answer["reason"] == "refused_dry_run"
    assert world.continuations.sent == []


# --- what aws-logs-export-to-s3 does otherwise


def test_the_last_millisecond_of_a_day_is_in_one_window_and_the_next_in_the_following(
    world: World,
) -> None:
    """It ends a day at 23:59:59.000."""
    world.run(plan_request(**BACKFILL))
    windows = sorted({(e.data.window.from_ms, e.data.window.to_ms) for e in world.queues.sent})
    assert all(one[1] == other[0] for one, other in pairwise(windows))
    assert [end - start for start, end in windows] == [DAY_MS] * 3


def test_a_day_is_planned_only_when_its_late_events_can_be_exported(world: World) -> None:
    """It exports ten minutes after midnight; AWS takes up to 12 hours."""
    world.run(plan_request())
    (window,) = world.topic.published[0].data.windows
    assert NOW.timestamp() * 1000 - window.to_ms >= 24 * 3_600_000


def test_foo_bar_and_foobar_are_both_exported(world: World) -> None:
    """It removes hyphens and slashes from what tells messages apart."""
    names = ["/app/foo-bar", "/app/foo/bar", "/app/foobar"]
    world.account.groups = [log_group(name) for name in names]
    world.run(plan_request())
    assert world.sent_groups == names
    assert len({event.id for event in world.queues.sent}) == 3


def test_the_longest_name_is_exported_like_any_other(world: World) -> None:
    """Its deduplication ids are the names and 44 characters; SQS takes 128."""
    name = "/" + "g" * 511
    world.account.groups = [log_group(name)]
    world.run(plan_request())
    (event,) = world.queues.sent
    assert event.data.log_group.name == name
    assert len(event.id) == 32


def test_two_thousand_groups_wait_for_nothing_between_their_batches(world: World) -> None:
    """It sleeps 1.5 seconds after each ten groups, and is cut after 1,200."""
    world.account.groups = groups_by_the_thousand(2_000)
    world.run(plan_request())
    assert len(world.sent_groups) == 2_000
    assert world.now - NOW < timedelta(seconds=0.003 * 2_000)  # the ledger's own time


def test_days_whose_runs_were_missed_are_made_up_by_the_next_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It exports yesterday; a day on which it does not run is lost."""
    world = World(LOOKBACK_DAYS="14")
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.account.groups = [log_group("/app/a")]
    world.run(plan_request())
    world.now += timedelta(days=10)
    answer = world.run(plan_request())
    assert counts(answer) == {"requested": 10, "already_in_ledger": 4, "skipped": {}}
    windows = [event.data.window for event in world.queues.sent]
    assert len(set(windows)) == 24
    # Nobody has exported what the first run asked for.
    assert len(windows) - 24 == answer["data"]["asked_again"] == 14


def test_two_planners_at_once_make_one_record_and_one_message_of_each_window(
    world: World,
) -> None:
    world.account.groups = groups_by_the_thousand(300)
    calls = []

    def another_planner(record: LedgerRecord) -> None:
        calls.append(record)
        if len(calls) == 100:
            world.run(plan_request(), request_id="request-2")

    world.ledger.before_create = another_planner
    world.run(plan_request())
    assert len(world.ledger.objects) == 300
    # SQS drops a message that comes again within five minutes, by its deduplication id.
    assert len({event.id for event in world.queues.sent}) == 300
    assert all(add_up(event.data) for event in world.topic.published)


def test_own_groups_are_left_out_only_where_the_planner_is_at_home(world: World) -> None:
    world.account.groups = [log_group("/aws/lambda/logferry-planner")]
    at_home = plan_request()["data"]["source"] | {
        "account_id": "999999999999",
        "role_arn": "arn:aws:iam::999999999999:role/CollectCloudWatchLogsRole",
    }
    assert world.run(plan_request(source=at_home))["data"]["skipped"] == {"excluded": 1}
    assert world.run(plan_request())["data"]["requested"] == 1


def test_tags_are_looked_for_in_one_sweep(world: World) -> None:
    world.account.tagged_arns = frozenset({log_group("/app/b").arn})
    filters = [{"key": "archive"}, {"key": "team", "values": ["a", "b"]}]
    answer = world.run(plan_request(selection={"tag_filters": filters}))
    assert world.sent_groups == ["/app/b"]
    assert answer["data"]["skipped"] == {"excluded": 1}
    (asked,) = world.account.tag_filters
    assert [(each.key, each.values) for each in asked] == [("archive", None), ("team", ["a", "b"])]


def test_a_message_that_is_sent_again_says_the_same(world: World) -> None:
    world.run(plan_request())
    world.run(plan_request(collect_date="2026-11-21"))
    first, again = world.queues.sent[:2], world.queues.sent[2:]
    assert [event.data for event in first] == [event.data for event in again]


def test_what_there_is_no_time_to_look_into_is_left_to_the_next_invocation(world: World) -> None:
    names = [f"/app/idle-{number:03}" for number in range(100)]
    world.account.groups = [log_group(name) for name in names]
    world.account.incoming_otherwise = 0
    world.account.spend = lambda _: world.spend(10)  # others read as well
    began = world.now

    answer = world.run(plan_request())
    assert answer["status"] == "continued"
    assert world.now < began + timedelta(seconds=world.timeout_s)

    answer = world.run(world.continuations.sent.pop())
    assert answer["data"]["skipped"] == {"empty": 100}
    assert sorted(name for name, _ in world.account.looked_into) == names


@pytest.mark.parametrize("days", [4, 400])
def test_a_key_that_looks_like_a_long_window_keeps_no_date_from_being_planned(
    world: World, log: StringIO, capsys: pytest.CaptureFixture[str], days: int
) -> None:
    world.run(plan_request())
    record = world.record("/app/a")
    start = record.window.to_ms
    long = Window(from_ms=start, to_ms=start + days * DAY_MS)
    other = record.model_copy(update={"window": long, "state": "failed"})
    world.ledger.objects[other.key] = other

    for ahead in range(1, 7):
        world.now += timedelta(days=1)
        answer = world.run(plan_request(), request_id=f"request-{ahead}")
        [window] = answer["data"]["windows"]
        assert window["from_ms"] == start + (ahead - 1) * DAY_MS
        assert answer["data"]["requested"] == 2

    assert f"{long.in_keys}/" in log.getvalue()
    assert '"LedgerWindowsPassedOver":[1.0]' in capsys.readouterr().out


def test_a_key_without_a_record_is_no_window_of_the_ledger(world: World) -> None:
    world.run(plan_request())
    record = world.record("/app/a")
    start = record.window.to_ms
    odd = Window(from_ms=start, to_ms=start + 2 * DAY_MS)
    world.ledger.objects[f"{ledger_prefix(record.source, odd)}notes.txt"] = record

    for ahead in (1, 2, 3):
        world.now += timedelta(days=1)
        answer = world.run(plan_request(), request_id=f"request-{ahead}")
        assert answer["data"]["requested"] == 2
