from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from contracts.tests.corpus import LOG_GROUP_NAMES

from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import Completed, Disposed, Failed, LedgerRecord, Skipped
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import epoch_ms
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from logferry_contracts.zones import zone_named
from planner.plan import (
    Candidate,
    Decision,
    Plan,
    decide,
    decide_known,
    destination_prefix,
    export_requested,
    has_ended,
    next_generation,
    run_id,
    skip_reason,
)

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
BERLIN = zone_named("Europe/Berlin")
# The 21st of November in Berlin.
WINDOW = Window(
    from_ms=epoch_ms(datetime(2026, 11, 21, tzinfo=BERLIN)),
    to_ms=epoch_ms(datetime(2026, 11, 22, tzinfo=BERLIN)),
)
SOURCE = Source(
    profile="dev",
    account_id="111111111111",
    region="eu-west-1",
    role_arn="arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole",
    external_id="acme-1",
)
PLAN = Plan(
    source=SOURCE,
    bucket="acme-log-archive",
    zone=BERLIN,
    direct_lane_max_bytes=1000,
    now=NOW,
)


def log_group(name: str = "/aws/lambda/hello", **values: object) -> LogGroup:
    return LogGroup.model_validate(
        {
            "name": name,
            "arn": f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}",
            "log_group_class": "STANDARD",
            "created_ms": 0,
            **values,
        }
    )


def decision(group: LogGroup, *, is_empty: bool = False, **known: Any) -> Decision:
    return decide(PLAN, Candidate(group, WINDOW, **known), is_empty=is_empty)


def requested(name: str = "/aws/lambda/hello") -> LedgerRecord:
    record = decision(log_group(name)).write
    assert record is not None
    return record


def test_a_group_is_requested_with_its_record_and_its_message() -> None:
    made = decision(log_group(retention_days=30, stored_bytes=7), estimated_bytes=5000)
    assert (made.outcome, made.lane) == ("requested", "slot")
    assert made.write == made.send
    assert made.write is not None
    record = made.write
    assert parse(LedgerRecord, emit(record)) == record
    assert record.key.startswith("ledger/111111111111/eu-west-1/")
    assert record.source == SOURCE.name
    assert record.destination.bucket == "acme-log-archive"
    assert record.destination.prefix == "dev/aws/lambda/hello/2026/11/21/00"
    assert record.requested_at == "2026-11-23T06:00:00.000Z"

    event = export_requested(PLAN, record)
    assert parse(ExportRequested, emit(event)) == event
    assert event.id == event.data.export_id == record.export_id
    assert event.source == "urn:logferry:planner"
    assert event.data.source == SOURCE
    assert event.data.log_group == record.log_group
    assert event.data.window == WINDOW
    assert event.data.estimated_bytes == record.estimated_bytes == 5000


def test_the_folder_is_named_by_the_clock_of_the_windows_zone() -> None:
    assert destination_prefix(PLAN, "/a", WINDOW).endswith("/2026/11/21/00")
    utc = replace(PLAN, zone=zone_named("UTC"))
    assert destination_prefix(utc, "/a", WINDOW).endswith("/2026/11/20/23")


def test_only_one_leading_slash_of_the_group_is_left_out() -> None:
    assert destination_prefix(PLAN, "//a/b", WINDOW) == "dev//a/b/2026/11/21/00"


def test_log_groups_whose_names_differ_by_a_leading_slash_share_no_prefix() -> None:
    assert destination_prefix(PLAN, "/var/log/a", WINDOW) == "dev/var/log/a/2026/11/21/00"
    assert destination_prefix(PLAN, "var/log/a", WINDOW) == "dev/!/var/log/a/2026/11/21/00"
    prefixes = [destination_prefix(PLAN, name, WINDOW) for name in LOG_GROUP_NAMES]
    assert len(set(prefixes)) == len(set(LOG_GROUP_NAMES))


def test_groups_whose_names_differ_by_a_hyphen_or_slash_are_different_exports() -> None:
    names = ["/app/foo-bar", "/app/foobar", "/app/foo/bar"]
    records = [requested(name) for name in names]
    assert len({record.export_id for record in records}) == 3
    assert len({record.destination.prefix for record in records}) == 3


def at(now: datetime) -> Plan:
    return replace(PLAN, now=now)


FORTNIGHT_MS = 14 * 86_400_000
"""How old an event may be that PutLogEvents takes: LocalStack's tests/aws/services/logs/
test_logs_events.py has AWS's answers to older ones."""


@pytest.mark.parametrize(
    ("created_ms", "reason"),
    [
        (WINDOW.from_ms, None),
        (WINDOW.to_ms - 1, None),
        (WINDOW.to_ms, None),
        (WINDOW.to_ms + 1, None),
        (WINDOW.to_ms + FORTNIGHT_MS, None),
        (WINDOW.to_ms + FORTNIGHT_MS + 1, "created_after_window"),
    ],
)
def test_a_group_is_skipped_only_when_it_was_created_later_than_an_event_may_be_sent(
    created_ms: int, reason: str | None
) -> None:
    assert skip_reason(at(NOW), log_group(created_ms=created_ms), WINDOW) == reason


RETENTION = timedelta(days=7)
DELETION_LAG = timedelta(hours=72)
WINDOW_END = datetime(2026, 11, 22, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("since_end", "reason"),
    [
        (RETENTION, None),
        (RETENTION + DELETION_LAG - timedelta(milliseconds=1), None),
        (RETENTION + DELETION_LAG, "retention_passed"),
    ],
)
def test_a_window_is_skipped_only_when_all_of_it_must_have_been_deleted(
    since_end: timedelta, reason: str | None
) -> None:
    group = log_group(retention_days=RETENTION.days)
    assert skip_reason(at(WINDOW_END + since_end), group, WINDOW) == reason


def test_a_group_with_a_retention_of_one_day_is_exported_after_a_settle_time_of_a_day() -> None:
    group = log_group(retention_days=1)
    assert skip_reason(at(WINDOW_END + timedelta(days=1)), group, WINDOW) is None


def test_without_a_retention_no_window_is_too_old() -> None:
    assert skip_reason(at(NOW + timedelta(days=9999)), log_group(), WINDOW) is None


@pytest.mark.parametrize(
    ("log_group_class", "reason"),
    [
        ("STANDARD", None),
        ("INFREQUENT_ACCESS", None),
        ("ESSENTIALS", None),
        ("WHATEVER_COMES_NEXT", None),
        ("DELIVERY", "class_unsupported"),
    ],
)
def test_only_the_delivery_class_is_skipped(log_group_class: str, reason: str | None) -> None:
    group = log_group(log_group_class=log_group_class)
    assert skip_reason(at(NOW), group, WINDOW) == reason


def test_a_skipped_group_has_a_record_that_says_why_and_no_message() -> None:
    made = decision(log_group(log_group_class="DELIVERY"))
    assert (made.outcome, made.reason, made.lane) == ("skipped", "class_unsupported", None)
    assert made.send is None
    assert made.write is not None
    record = parse(LedgerRecord, emit(made.write))
    assert record.state == "skipped"
    assert record.skipped is not None
    assert record.skipped.reason == "class_unsupported"


def test_an_empty_window_is_skipped_unless_another_rule_says_more() -> None:
    assert decision(log_group(), is_empty=True).reason == "empty"
    delivery = log_group(log_group_class="DELIVERY")
    assert decision(delivery, is_empty=True).reason == "class_unsupported"


@pytest.mark.parametrize(
    ("log_group_class", "known", "lane"),
    [
        ("STANDARD", {"estimated_bytes": 999}, "direct"),
        ("STANDARD", {"estimated_bytes": 1000}, "slot"),
        ("STANDARD", {}, "slot"),
        ("INFREQUENT_ACCESS", {"estimated_bytes": 1}, "slot"),
        ("STANDARD", {"estimated_bytes": 0, "seems_empty": True}, "slot"),
        ("STANDARD", {"estimated_bytes": 1, "seems_empty": True}, "direct"),
    ],
)
def test_only_what_is_standard_and_known_to_be_small_takes_the_direct_lane(
    log_group_class: str, known: dict[str, Any], lane: str
) -> None:
    assert decision(log_group(log_group_class=log_group_class), **known).lane == lane


def test_without_a_direct_lane_even_an_empty_window_takes_the_slot() -> None:
    plan = replace(PLAN, direct_lane_max_bytes=0)
    candidate = Candidate(log_group(), WINDOW, estimated_bytes=0)
    assert decide(plan, candidate, is_empty=False).lane == "slot"


def test_a_record_that_says_requested_is_sent_again_as_it_is() -> None:
    record = requested()
    made = decide_known(record)
    assert (made.outcome, made.write, made.lane) == ("already_in_ledger", None, None)
    assert made.send == record


def moved_on() -> list[LedgerRecord]:
    submitted = requested().as_submitted("task-1", at=NOW)
    completed = submitted.as_completed(
        Completed(
            at="2026-11-23T06:00:00.000Z",
            manifest=Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[]),
        )
    )
    failed = submitted.as_failed(
        Failed(reason="bucket_policy", message="no", at="2026-11-23T06:00:00.000Z")
    )
    skipped = decision(log_group(log_group_class="DELIVERY")).write
    assert skipped is not None
    return [submitted, completed, completed.as_secured(at=NOW), failed, skipped]


@pytest.mark.parametrize("record", moved_on(), ids=lambda record: record.state)
def test_a_record_that_has_moved_on_is_left_alone(record: LedgerRecord) -> None:
    made = decide_known(record)
    assert made.outcome == "already_in_ledger"
    assert made.write is None
    assert made.send is None


@pytest.mark.parametrize("record", moved_on(), ids=lambda record: record.state)
def test_an_export_has_ended_once_its_end_was_told(record: LedgerRecord) -> None:
    assert has_ended(record) == (record.state == "skipped")
    if record.completed or record.failed:
        assert has_ended(record.as_published(at=NOW))


def test_an_export_that_was_only_asked_for_has_not_ended() -> None:
    assert not has_ended(requested())


@pytest.mark.parametrize("record", moved_on(), ids=lambda record: record.state)
def test_only_a_window_that_failed_has_a_next_generation(record: LedgerRecord) -> None:
    generation = next_generation(at(NOW), record, record.log_group, by_date=True)
    assert generation == (2 if record.state == "failed" else None)
    assert next_generation(at(NOW), record, record.log_group, by_date=False) is None


def test_what_was_lost_and_then_disposed_of_has_no_next_generation() -> None:
    [secured] = [each for each in moved_on() if each.state == "secured"]
    lost = secured.as_lost(Failed(reason="gone", message="", at="2026-11-23T06:00:00.000Z"))
    at_s = "2027-03-02T10:00:00.000Z"
    disposed = lost.as_disposed(Disposed(at=at_s, by="me", reason="why", statement="0" * 64))
    assert next_generation(at(NOW), lost, lost.log_group, by_date=True) == 2
    assert next_generation(at(NOW), disposed, lost.log_group, by_date=True) is None


def failed(record: LedgerRecord) -> LedgerRecord:
    return record.as_failed(
        Failed(reason="bucket_policy", message="no", at="2026-11-23T06:00:00.000Z")
    )


def test_the_next_generation_of_a_window_is_another_export() -> None:
    first = requested()
    made = decision(log_group(), generation=2)
    assert made.write is not None
    assert made.write.generation == 2
    assert made.write.export_id != first.export_id


def test_a_window_that_failed_and_cannot_be_exported_any_more_has_no_next_generation() -> None:
    group = log_group(retention_days=1)
    later = NOW + timedelta(days=30)
    assert next_generation(at(later), failed(requested()), group, by_date=True) is None


@pytest.mark.parametrize("by_date", [True, False])
@pytest.mark.parametrize(("days", "generation"), [(1, 2), (14, 2), (15, None)])
def test_what_was_skipped_as_older_than_its_log_group_has_a_next_generation_if_it_may_have_events(
    days: int, generation: int | None, *, by_date: bool
) -> None:
    group = log_group(created_ms=WINDOW.to_ms + days * 86_400_000)
    skipped = Skipped(reason="created_after_window", at="2026-11-23T06:00:00.000Z")
    record = requested().model_copy(update={"state": "skipped", "skipped": skipped})
    assert next_generation(at(NOW), record, group, by_date=by_date) == generation


def test_a_message_says_what_the_exporter_has_put_into_its_record() -> None:
    later = {"not_before": "2026-11-23T07:00:00.000Z", "parent_export_id": "0" * 32}
    event = export_requested(PLAN, requested().model_copy(update=later))
    assert {name: getattr(event.data, name) for name in later} == later


def test_the_longest_names_make_a_prefix_that_the_contract_takes() -> None:
    source = SOURCE.model_copy(update={"profile": "p" * 32})
    plan = replace(PLAN, source=source)
    for name in ("/" + "g" * 511, "g" * 512):
        made = decide(plan, Candidate(log_group(name), WINDOW), is_empty=False)
        assert made.write is not None
        assert parse(LedgerRecord, emit(made.write)) == made.write


@pytest.mark.parametrize(("letters", "outcome"), [(441, "requested"), (442, "refused")])
def test_a_group_whose_prefix_is_too_long_is_refused_by_itself(letters: int, outcome: str) -> None:
    # Names that CloudWatch Logs does not allow today: longer, and of two bytes a letter.
    name = "/" + "é" * letters
    group = LogGroup.model_construct(**{**vars(log_group()), "name": name})
    assert len(destination_prefix(PLAN, name, WINDOW).encode()) == 18 + 2 * letters
    made = decision(group)
    assert made.outcome == outcome
    assert (made.write is None) == (outcome == "refused")


def test_the_id_of_a_run_is_the_same_for_the_same_invocation_only() -> None:
    ids = {
        run_id(SOURCE, [WINDOW], "request-1"),
        run_id(SOURCE, [WINDOW], "request-1"),
        run_id(SOURCE, [WINDOW], "request-2"),
        run_id(SOURCE, [], "request-1"),
        run_id(SOURCE.model_copy(update={"region": "eu-west-2"}), [WINDOW], "request-1"),
    }
    assert len(ids) == 4
