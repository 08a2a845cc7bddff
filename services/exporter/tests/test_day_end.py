"""A date that is waited for, against an AWS of plain Python."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exporter import day_end, waiting
from exporter.errors import TransientError
from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import Skipped
from logferry_contracts.message import epoch_ms
from logferry_contracts.window import Window

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]

OTHER = "/aws/lambda/payments"


def is_day(letter: Any) -> bool:
    return ".day." in letter.group_id


def skip(cloud: "Cloud", data: ExportRequestedData) -> None:
    """Record of an export that it need not run, as the planner does."""
    skipped = Skipped(reason="empty", at="2026-11-23T05:00:00.000Z")
    first = data.first_record(cloud.now)
    cloud.put_record(first.model_copy(update={"state": "skipped", "skipped": skipped}))


def test_a_date_is_told_after_its_last_export(cloud: "Cloud", request_for: RequestFor) -> None:
    cloud.request()
    cloud.request(request_for(OTHER))
    day_id = cloud.request_day()

    cloud.run(batch_size=10)

    (event,) = cloud.day_events()
    assert cloud.events.index(event) == 2
    assert (event.id, event.source) == (day_id, "urn:logferry:exporter:shop")
    assert (event.data.completed, event.data.failed, event.data.skipped) == (2, 0, {})
    assert (event.data.object_count, event.data.total_bytes) == (6, 600)
    assert event.data.completed_at == max(
        each.data.completed_at for each in cloud.completed_events()
    )


def test_a_date_is_open_until_it_is_told(cloud: "Cloud") -> None:
    told: list[tuple[str, int]] = []
    cloud.on_closed_day = lambda planned: told.append((planned.id, len(cloud.day_events())))
    cloud.request()
    day_id = cloud.request_day()
    cloud.run(batch_size=10)
    assert told == [(day_id, 1)]


def test_a_date_whose_teller_is_cut_before_it_is_closed_is_told_again_and_closed(
    cloud: "Cloud",
) -> None:
    told: list[int] = []
    cloud.on_closed_day = lambda _: told.append(len(cloud.day_events()))
    cloud.request()
    cloud.request_day()
    cut = "ledger.close_day"

    def interrupt(name: str) -> None:
        nonlocal cut
        if name == cut:
            cut = ""
            raise TransientError("the answer is lost")

    cloud.interrupt = interrupt
    cloud.run(batch_size=10)
    first, second = cloud.day_events()
    assert first == second
    assert told == [2]


def test_a_failed_export_is_counted_and_not_waited_for(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor, emitted: Any
) -> None:
    cloud.plans[OTHER] = plan(outcomes=("FAILED",))
    cloud.request()
    cloud.request(request_for(OTHER))
    cloud.request_day()

    cloud.run(batch_size=10)

    (event,) = cloud.day_events()
    assert (event.data.completed, event.data.failed) == (1, 1)
    assert len(cloud.failed_events()) == 3
    assert emitted("DaysCompleted") == [1]


def test_a_next_generation_is_waited_for_and_counts_instead_of_the_failed_one(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans["/aws/lambda/orders"] = plan(outcomes=("FAILED", "COMPLETED"))
    cloud.request()
    cloud.request_day()

    cloud.run(batch_size=10)

    (event,) = cloud.day_events()
    assert (event.data.completed, event.data.failed) == (1, 0)


@pytest.mark.parametrize("state", ["failed and not told", "submitted"])
def test_a_try_that_was_followed_and_whose_message_is_gone_does_not_hold_up_its_date(
    cloud: "Cloud", plan: "type[Plan]", state: str
) -> None:
    cloud.plans["/aws/lambda/orders"] = plan(outcomes=("FAILED", "COMPLETED"))
    cloud.request()
    cloud.run()
    first = cloud.record()
    assert first.failed is not None
    # Purged between any two of the steps that make the next generation and tell of this one.
    purged = {
        "failed and not told": {"failed": first.failed.model_copy(update={"published_at": None})},
        "submitted": {"state": "submitted", "failed": None},
    }
    cloud.put_record(first.model_copy(update=purged[state]))  # type: ignore[arg-type]
    cloud.request_day()

    cloud.run()

    (event,) = cloud.day_events()
    assert (event.data.completed, event.data.failed) == (1, 0)


def test_an_export_that_was_split_counts_once(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans["/aws/lambda/orders"] = plan(running_s=100_000)
    cloud.request()
    cloud.request_day()

    cloud.run(batch_size=10)

    assert len(cloud.records()) == 3
    (event,) = cloud.day_events()
    assert (event.data.completed, event.data.failed) == (1, 0)


def test_a_date_on_which_everything_was_skipped_is_told_at_once(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    skip(cloud, request_for())
    cloud.request_day()

    assert cloud.run() == 1
    (event,) = cloud.day_events()
    assert (event.data.completed, event.data.skipped) == (0, {"empty": 1})


def test_a_date_of_which_the_ledger_has_lost_all_records_is_not_told(cloud: "Cloud") -> None:
    cloud.request()
    cloud.request_day()
    request = cloud.letters.pop(0)
    cloud.ledger.clear()
    for _ in range(3):
        cloud.deliver()
    assert cloud.day_events() == []

    cloud.letters.insert(0, request)  # it writes its record anew
    cloud.run(batch_size=10)

    (event,) = cloud.day_events()
    assert event.data.completed == 1


def test_a_date_that_is_not_over_is_no_plans(cloud: "Cloud") -> None:
    ahead = epoch_ms(cloud.now + timedelta(days=30))
    cloud.request_day(Window(from_ms=ahead, to_ms=ahead + 86_400_000))
    cloud.run()
    (letter,) = cloud.dead_letters
    assert letter.reason == "contract"
    assert "is longer than a plan's, or not over" in letter.detail
    assert cloud.day_events() == []


def test_all_hours_of_a_date_are_waited_for(cloud: "Cloud", request_for: RequestFor) -> None:
    day = request_for().window
    hours = [
        Window(from_ms=day.from_ms + n * 3_600_000, to_ms=day.from_ms + (n + 1) * 3_600_000)
        for n in range(3)
    ]
    for window in hours[:2]:
        data = request_for()
        name = export_id(data.source, data.log_group.name, window, 1)
        cloud.request(data.model_copy(update={"window": window, "export_id": name}))
    cloud.request_day(*hours)

    cloud.run(batch_size=10)

    (event,) = cloud.day_events()
    assert event.data.completed == 2
    assert event.data.windows == hours


def test_a_message_that_comes_twice_is_told_with_the_same_id(cloud: "Cloud") -> None:
    cloud.request()
    cloud.is_everything_sent_twice = True
    cloud.request_day()

    cloud.run(batch_size=10)

    first, second = cloud.day_events()
    assert first == second


def test_a_date_that_waits_neither_holds_up_exports_nor_sends_them_back(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.request_day()
    cloud.request(request_for(OTHER))

    answer = cloud.deliver(batch_size=2)

    [given_back] = answer["batchItemFailures"]
    assert [given_back["itemIdentifier"]] == [each.message_id for each in cloud.letters]
    assert is_day(cloud.letters[0])
    assert len(cloud.completed_events()) == 1


def test_an_export_that_waits_sends_its_slot_back_and_no_date(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans["/aws/lambda/orders"] = plan(running_s=5_000)
    cloud.request()
    cloud.request(request_for(OTHER))
    window = Window(from_ms=0, to_ms=1)
    skip(cloud, request_for().model_copy(update={"window": window}))
    cloud.request_day(window)

    cloud.deliver(batch_size=3)

    assert [is_day(letter) for letter in cloud.letters] == [False, False]
    assert len(cloud.day_events()) == 1
    assert len({letter.visible_at for letter in cloud.letters}) == 1
    assert len(cloud.jobs) == 1


def test_messages_of_different_groups_come_back_each_at_its_own_time(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans["/aws/lambda/orders"] = plan(running_s=50_000)
    cloud.request()
    for _ in range(60):
        cloud.deliver()
    cloud.request_day()

    cloud.deliver(batch_size=2)

    export, date = cloud.letters
    assert export.visible_at - cloud.now > timedelta(seconds=25)
    assert date.visible_at - cloud.now < timedelta(seconds=10)


def test_a_look_stops_at_an_export_that_is_under_way_and_reads_no_record_twice(
    cloud: "Cloud", request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_end, "READ_AT_ONCE", 2)
    for n in range(9):
        cloud.request(request_for(f"/app/{n}"))
    exports = list(cloud.letters)
    cloud.request_day()
    day = [letter for letter in cloud.letters if is_day(letter)]
    cloud.warm = cloud.wiring()
    cloud.letters = day

    cloud.deliver()
    assert len(cloud.keys_read) == 2  # and not all nine

    cloud.letters = exports
    cloud.run()
    cloud.letters = day
    cloud.run()
    assert len(cloud.keys_read) <= 2 + 9
    assert len(cloud.day_events()) == 1


def test_more_records_than_there_is_time_for_are_read_in_several_looks(
    cloud: "Cloud", request_for: RequestFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_end, "READ_AT_ONCE", 1)
    for n in range(5):
        cloud.request(request_for(f"/app/{n}"))
    cloud.run()
    cloud.request_day()
    cloud.warm = cloud.wiring()

    cloud.deliver(remaining_ms=100)  # of which 50 are kept back, and each call takes 20
    assert cloud.day_events() == []
    read = len(cloud.keys_read)
    assert 0 < read < 5

    cloud.run()
    assert len(cloud.keys_read) == 5
    assert len(cloud.day_events()) == 1


@pytest.mark.parametrize("days", [1, pytest.param(14, marks=pytest.mark.deep)])
def test_a_date_that_does_not_end_is_given_up_with_its_reason_before_its_queue_drops_it(
    cloud: "Cloud", days: int
) -> None:
    name = cloud.request()
    cloud.letters.clear()  # its message is lost
    cloud.request_day()
    cloud.retention = timedelta(days=days)
    sent_at = cloud.now

    deliveries = cloud.run()

    assert deliveries < waiting.MAX_RECEIVES
    (letter,) = cloud.dead_letters
    assert letter.reason == "day_not_ended"
    assert name in letter.detail
    assert letter.group_id == "111122223333.eu-west-1.day.2026-11-21"
    retention = timedelta(days=days)
    assert 0.95 * retention < cloud.now - sent_at < retention


def test_a_date_given_up_is_told_once_it_has_ended_and_its_dead_letter_is_put_back(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    request = cloud.letters.pop()
    cloud.request_day()
    cloud.run()
    cloud.letters.append(request)
    cloud.run()
    assert cloud.day_events() == []

    cloud.redrive()
    cloud.run()

    assert len(cloud.day_events()) == 1


@pytest.mark.parametrize("body", ["{}", '{"schema": ', '{"schema": "urn:x:ledger-record:2.0"}'])
def test_a_damaged_record_is_told_as_failed_and_costs_no_other_export(
    cloud: "Cloud", request_for: RequestFor, body: str, emitted: Any
) -> None:
    cloud.request()
    cloud.letters.clear()
    (key,) = cloud.ledger
    cloud.ledger[key] = (body, '"1"')
    cloud.request(request_for(OTHER))
    cloud.request_day()

    cloud.run(batch_size=10)

    assert cloud.dead_letters == []
    (event,) = cloud.day_events()
    assert (event.data.completed, event.data.failed) == (1, 1)
    assert sum(emitted("LedgerRecordsDamaged")) > 0


def test_the_next_generation_counts_instead_of_a_damaged_record(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    cloud.letters.clear()
    (key,) = cloud.ledger
    cloud.ledger[key] = ("{}", '"1"')
    first = request_for()
    name = export_id(first.source, first.log_group.name, first.window, 2)
    cloud.request(first.model_copy(update={"generation": 2, "export_id": name}))
    cloud.request_day()

    cloud.run(batch_size=10)

    (event,) = cloud.day_events()
    assert (event.data.completed, event.data.failed) == (1, 0)


def test_a_crash_anywhere_tells_the_date_all_the_same(
    new_cloud: Callable[..., "Cloud"],
) -> None:
    for place in range(1, 6):
        for how in ("before", "after", "lost"):
            cloud = new_cloud()
            cloud.request()
            cloud.run()
            cloud.request_day()
            at = len(cloud.calls) + place
            cloud.crash = lambda n, h, at=at, how=how: (n, h) == (at, how)  # type: ignore[misc]
            cloud.run()
            assert {event.id for event in cloud.day_events()} == {"run-1-2026-11-21"}, (place, how)


def test_an_error_of_the_topic_brings_the_message_back(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    cloud.request_day()

    def away(name: str) -> None:
        if name == "topic.publish":
            raise TransientError(name)

    cloud.interrupt = away
    assert cloud.deliver()["batchItemFailures"]
    cloud.interrupt = lambda _name: None
    cloud.run()

    assert len(cloud.day_events()) == 1


def test_lines_of_the_log_name_the_date_and_what_it_waits_for(
    cloud: "Cloud", logged: Callable[[], list[dict[str, Any]]], request_for: RequestFor
) -> None:
    name = cloud.request()
    cloud.letters.clear()
    cloud.request_day()
    cloud.deliver()
    cloud.request(request_for(OTHER))
    cloud.letters.reverse()
    cloud.deliver()

    waiting, *others = logged()
    assert (waiting["date"], waiting["waits_for"]) == (
        "2026-11-21",
        f"export {name} of /aws/lambda/orders is requested",
    )
    assert all("date" not in line for line in others)


def overdue_hours(output: str, **dimensions: str) -> list[float]:
    """Values of the metric that has these dimensions and no other."""
    documents = [json.loads(line) for line in output.splitlines()]
    return [
        document["OverdueSeconds"][0] / 3600
        for document in documents
        if "OverdueSeconds" in document
        and document["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == [["service", *dimensions]]
        and dimensions.items() <= document.items()
    ]


def test_each_look_at_a_date_measures_for_how_long_it_has_been_asked_for(
    cloud: "Cloud", plan: "type[Plan]", capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.plans["/aws/lambda/orders"] = plan(running_s=40_000)
    cloud.request()
    cloud.request_day()

    cloud.run(batch_size=10)

    assert len(cloud.day_events()) == 1
    output = capsys.readouterr().out
    looks = overdue_hours(output, profile="shop")
    assert looks == overdue_hours(output)
    assert looks == sorted(looks)
    assert looks[0] < 0.01
    assert 40_000 / 3600 - 0.2 < looks[-1] < 40_000 / 3600 + 0.2
    # No hour without data, in which an alarm would take the export for ended.
    assert {int(each) for each in looks} == set(range(12))


def test_a_date_whose_exports_have_ended_is_not_measured(
    cloud: "Cloud", request_for: RequestFor, capsys: pytest.CaptureFixture[str]
) -> None:
    skip(cloud, request_for())
    cloud.request_day()
    cloud.run()
    assert len(cloud.day_events()) == 1
    assert "OverdueSeconds" not in capsys.readouterr().out
