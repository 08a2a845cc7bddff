from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import Manifest
from logferry_contracts.plan_request import Selection
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from planner.plan import (
    LogGroups,
    Plan,
    decide,
    decide_all,
    decide_known,
    destination_prefix,
    export_requested,
    run_id,
    skip_reason,
    summarize,
)
from planner.windows import epoch_ms

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
DAY_MS = 86_400_000
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
    selection=Selection(exclude=["/debug/*"]),
    is_own_account=False,
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


def requested(name: str = "/aws/lambda/hello") -> LedgerRecord:
    record = decide(PLAN, WINDOW, log_group(name)).write
    assert record is not None
    return record


def test_a_group_is_requested_with_its_record_and_its_message() -> None:
    decision = decide(PLAN, WINDOW, log_group(retention_days=30, stored_bytes=7))
    assert decision.outcome == "requested"
    assert decision.write == decision.send
    assert decision.write is not None
    record = decision.write
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


def test_the_folder_is_named_by_the_clock_of_the_windows_zone() -> None:
    assert destination_prefix(PLAN, "/a", WINDOW).endswith("/2026/11/21/00")
    utc = replace(PLAN, zone=ZoneInfo("UTC"))
    assert destination_prefix(utc, "/a", WINDOW).endswith("/2026/11/20/23")


def test_only_one_leading_slash_of_the_group_is_left_out() -> None:
    assert destination_prefix(PLAN, "//a/b", WINDOW) == "dev//a/b/2026/11/21/00"


def test_groups_whose_names_differ_by_a_hyphen_or_slash_are_different_exports() -> None:
    names = ["/app/foo-bar", "/app/foobar", "/app/foo/bar"]
    groups = LogGroups([log_group(name) for name in names], {})
    decisions = decide_all(PLAN, WINDOW, groups, {})
    assert [decision.outcome for decision in decisions] == ["requested"] * 3
    records = [decision.send for decision in decisions if decision.send]
    assert len({record.export_id for record in records}) == 3
    assert len({record.destination.prefix for record in records}) == 3


@pytest.mark.parametrize(
    ("created_ms", "reason"),
    [
        (WINDOW.from_ms, None),
        (WINDOW.to_ms - 1, None),
        (WINDOW.to_ms, None),
        (WINDOW.to_ms + 1, "created_after_window"),
    ],
)
def test_a_group_is_skipped_only_when_it_was_created_after_the_end(
    created_ms: int, reason: str | None
) -> None:
    assert skip_reason(log_group(created_ms=created_ms), WINDOW, now=NOW) == reason


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
    assert skip_reason(group, WINDOW, now=WINDOW_END + since_end) == reason


def test_a_group_with_a_retention_of_one_day_is_exported_after_a_settle_time_of_a_day() -> None:
    group = log_group(retention_days=1)
    assert skip_reason(group, WINDOW, now=WINDOW_END + timedelta(days=1)) is None


def test_without_a_retention_no_window_is_too_old() -> None:
    assert skip_reason(log_group(), WINDOW, now=NOW + timedelta(days=9999)) is None


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
    assert skip_reason(group, WINDOW, now=NOW) == reason


def test_a_skipped_group_has_a_record_that_says_why_and_no_message() -> None:
    decision = decide(PLAN, WINDOW, log_group(log_group_class="DELIVERY"))
    assert (decision.outcome, decision.reason) == ("skipped", "class_unsupported")
    assert decision.send is None
    assert decision.write is not None
    record = parse(LedgerRecord, emit(decision.write))
    assert record.state == "skipped"
    assert record.skipped is not None
    assert record.skipped.reason == "class_unsupported"


def test_an_excluded_group_leaves_no_record_so_that_it_can_be_included_later() -> None:
    decision = decide(PLAN, WINDOW, log_group("/debug/x"))
    assert (decision.outcome, decision.reason) == ("skipped", "excluded")
    assert decision.write is None
    assert decision.send is None


def test_a_record_that_says_requested_is_sent_again_as_it_is() -> None:
    record = requested()
    decision = decide_known(record)
    assert decision.outcome == "already_in_ledger"
    assert decision.write is None
    assert decision.send == record


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
    skipped = decide(PLAN, WINDOW, log_group(log_group_class="DELIVERY")).write
    assert skipped is not None
    return [submitted, completed, completed.as_secured(at=NOW), failed, skipped]


@pytest.mark.parametrize("record", moved_on(), ids=lambda record: record.state)
def test_a_record_that_has_moved_on_is_left_alone(record: LedgerRecord) -> None:
    decision = decide_known(record)
    assert decision.outcome == "already_in_ledger"
    assert decision.write is None
    assert decision.send is None


def failed(record: LedgerRecord) -> LedgerRecord:
    return record.as_failed(
        Failed(reason="bucket_policy", message="no", at="2026-11-23T06:00:00.000Z")
    )


def test_a_window_that_failed_is_requested_again_as_the_next_generation() -> None:
    first = failed(requested())
    (decision,) = decide_all(PLAN, WINDOW, LogGroups([log_group()], {}), {first.export_id: first})
    assert decision.outcome == "requested"
    assert decision.write == decision.send
    assert decision.write is not None
    assert decision.write.generation == 2
    assert decision.write.export_id != first.export_id


def test_only_the_newest_generation_of_a_window_counts() -> None:
    first = failed(requested())
    second = decide(PLAN, WINDOW, log_group(), generation=2).write
    assert second is not None
    submitted = second.as_submitted("task-2", at=NOW)
    ledger = {record.export_id: record for record in (first, submitted)}
    (decision,) = decide_all(PLAN, WINDOW, LogGroups([log_group()], {}), ledger)
    assert (decision.outcome, decision.send) == ("already_in_ledger", None)


def test_a_window_that_failed_stays_failed_when_it_cannot_be_exported_any_more() -> None:
    first = failed(requested())
    late = replace(PLAN, now=NOW + timedelta(days=30))
    group = log_group(retention_days=1)
    (decision,) = decide_all(late, WINDOW, LogGroups([group], {}), {first.export_id: first})
    assert (decision.outcome, decision.write) == ("already_in_ledger", None)


def test_what_the_ledger_knows_counts_before_any_rule() -> None:
    record = requested()
    narrower = replace(PLAN, selection=Selection(exclude=["*"]))
    (decision,) = decide_all(
        narrower, WINDOW, LogGroups([log_group()], {}), {record.export_id: record}
    )
    assert decision.outcome == "already_in_ledger"
    assert decision.send == record


def test_the_longest_names_make_a_prefix_that_the_contract_takes() -> None:
    source = SOURCE.model_copy(update={"profile": "p" * 32})
    plan = replace(PLAN, source=source)
    decision = decide(plan, WINDOW, log_group("/" + "g" * 511))
    assert decision.write is not None
    assert parse(LedgerRecord, emit(decision.write)) == decision.write


@pytest.mark.parametrize(("letters", "outcome"), [(441, "requested"), (442, "refused")])
def test_a_group_whose_prefix_is_too_long_is_refused_by_itself(letters: int, outcome: str) -> None:
    # Names that CloudWatch Logs does not allow today: longer, and of two bytes a letter.
    name = "é" * letters
    group = LogGroup.model_construct(**{**vars(log_group()), "name": name})
    assert len(destination_prefix(PLAN, name, WINDOW).encode()) == 18 + 2 * letters
    decisions = decide_all(PLAN, WINDOW, LogGroups([group, log_group()], {}), {})
    assert [decision.outcome for decision in decisions] == [outcome, "requested"]


def test_a_group_that_no_message_can_describe_is_refused_and_counted() -> None:
    groups = LogGroups([log_group()], {"/new": "retention_days: Input should be less"})
    decisions = decide_all(PLAN, WINDOW, groups, {})
    assert [decision.outcome for decision in decisions] == ["requested", "refused"]
    assert decisions[1].detail == "retention_days: Input should be less"
    summary = summarize(PLAN, [WINDOW], groups.found, decisions)
    assert (summary.found, summary.requested) == (2, 1)
    assert summary.skipped == {"log_group_unreadable": 1}


groups_strategy = st.lists(
    st.builds(
        log_group,
        st.sampled_from(["/a", "/b", "/debug/c", "/d-e", "/de"]),
        log_group_class=st.sampled_from(["STANDARD", "DELIVERY", "INFREQUENT_ACCESS"]),
        created_ms=st.sampled_from([0, WINDOW.to_ms, WINDOW.to_ms + 1]),
        retention_days=st.sampled_from([1, 7]),
    ),
    unique_by=lambda group: group.name,
)


@given(
    groups=groups_strategy,
    unreadable=st.dictionaries(st.sampled_from(["/x", "/y"]), st.just("why")),
    known=st.sets(st.sampled_from(["/a", "/b", "/debug/c", "/d-e", "/de"])),
    windows=st.integers(min_value=0, max_value=3),
)
@settings(deadline=None)
def test_the_counts_add_up(
    groups: list[LogGroup], unreadable: dict[str, str], known: set[str], windows: int
) -> None:
    log_groups = LogGroups(groups, unreadable)
    plan = replace(PLAN, now=WINDOW_END + timedelta(days=5))
    anything = replace(plan, selection=None)
    planned = [
        Window(from_ms=WINDOW.from_ms + i * DAY_MS, to_ms=WINDOW.to_ms + i * DAY_MS)
        for i in range(windows)
    ]
    decisions = []
    for window in planned:
        ledger = [decide(anything, window, log_group(name)).write for name in known]
        decisions += decide_all(
            plan, window, log_groups, {record.export_id: record for record in ledger if record}
        )
    summary = summarize(plan, planned, log_groups.found, decisions)
    assert summary.found * len(summary.windows) == (
        summary.requested + summary.already_in_ledger + sum(summary.skipped.values())
    )


def test_the_id_of_a_run_is_the_same_for_the_same_invocation_only() -> None:
    ids = {
        run_id(SOURCE, [WINDOW], "request-1"),
        run_id(SOURCE, [WINDOW], "request-1"),
        run_id(SOURCE, [WINDOW], "request-2"),
        run_id(SOURCE, [], "request-1"),
        run_id(SOURCE.model_copy(update={"region": "eu-west-2"}), [WINDOW], "request-1"),
    }
    assert len(ids) == 4
