"""How long CloudWatch has to keep a log group, by what seals say."""

import re
from typing import Any

import pytest
from botocore.session import get_session
from contracts.tests.sealed_archive import DAY_MS, Archive
from docs.tools.prices import GB, LOGS_STORED
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from logferry.log_retention import BACKDATED_MS, CHOICES, Kept, LogRetentionConfig, Verdict
from logferry_contracts.log_group import LogGroup
from logferry_contracts.recount import Recounted
from logferry_contracts.statement import Statement
from logferry_contracts.window import Window

ARCHIVE = Archive()
NAME = "/app/a"
NOW_MS = 20_000 * DAY_MS
RULES = LogRetentionConfig()
UNSAFE = ("skipped", "excluded", "refused", "failed", "open", "waived", "disposed", "contradicted")


def log_group(
    oldest_days: int = 100, retention_days: int | None = None, stored_bytes: int | None = 10**12
) -> LogGroup:
    """Return a log group whose oldest event, put right after its creation, may be so old."""
    return LogGroup(
        name=NAME,
        arn=f"arn:aws:logs:eu-west-1:444455556666:log-group:{NAME}",
        log_group_class="STANDARD",
        created_ms=NOW_MS - oldest_days * DAY_MS + BACKDATED_MS + 1,
        retention_days=retention_days,
        stored_bytes=stored_bytes,
    )


def days_ago(number: int) -> Window:
    return Window(from_ms=NOW_MS - number * DAY_MS, to_ms=NOW_MS - (number - 1) * DAY_MS)


def stated(outcome: str, of: Window, **more: Any) -> Statement:
    if outcome == "archived":
        return ARCHIVE.archived(NAME, of)
    sections: dict[str, Any] = {
        "waived": {"waiver": {"by": "somebody", "why": "lost", "at": "2026-11-23T06:31:12.004Z"}},
        "contradicted": {"differences": [{"what": "object_missing"}]},
    }
    if outcome == "disposed":
        return ARCHIVE.disposed(ARCHIVE.archived(NAME, of))
    return ARCHIVE.statement(NAME, of, outcome, **sections.get(outcome, {}) | more)


def verdict(
    log_group: LogGroup,
    *,
    since: int = 100,
    until: int = 2,
    but: dict[int, Statement | None] | None = None,
    rules: LogRetentionConfig = RULES,
) -> Verdict:
    """Return what is said where all dates are archived from some days ago until others ago."""
    kept = Kept(log_group, rules, NOW_MS)
    others = but or {}
    for number in range(since, until - 1, -1):
        window = days_ago(number)
        kept.add(window, others.get(number, stated("archived", window)))
    return kept.verdict("shop")


def test_what_is_archived_without_a_gap_can_be_kept_for_as_long_as_is_configured() -> None:
    found = verdict(log_group())
    assert (found.could_be_days, found.why) == (30, "")
    # 70 of 99 dates are more than 30 days old: of a terabyte at $30 a month.
    assert found.saves_dollars == pytest.approx(30 * 70 / 99, abs=0.01)


def test_time_that_cloudwatch_has_already_dropped_need_not_be_archived() -> None:
    assert verdict(log_group(), since=60).could_be_days is None
    assert verdict(log_group(retention_days=60), since=60).could_be_days == 30


@pytest.mark.parametrize(("since", "could_be"), [(100, 30), (99, None)])
def test_events_may_be_older_than_their_log_group(since: int, could_be: int | None) -> None:
    """It was created 86 days ago, and had events of two weeks before."""
    assert verdict(log_group(oldest_days=100), since=since).could_be_days == could_be


@pytest.mark.parametrize("outcome", UNSAFE)
@pytest.mark.parametrize("number", [100, 50, 2])
def test_a_window_that_is_not_in_the_archive_is_in_the_way_of_whatever_age(
    outcome: str, number: int
) -> None:
    found = verdict(log_group(), but={number: stated(outcome, days_ago(number))})
    assert (found.could_be_days, found.saves_dollars) == (None, 0.0)
    assert found.why.startswith(f"1 window {outcome}")


def test_a_statement_that_cannot_be_read_is_in_the_way() -> None:
    found = verdict(log_group(), but={50: None})
    assert found.could_be_days is None
    assert "of which the statement cannot be read" in found.why


def recounted(number: int, *, more: int) -> Statement:
    statement = stated("archived", days_ago(number))
    said = {"by": "insights", "at": "2026-11-23T06:31:12.004Z", "events": statement.events + more}
    return statement.model_copy(update={"recount": Recounted.model_validate(said)})


def test_events_that_cloudwatch_alone_has_are_in_the_way() -> None:
    found = verdict(log_group(), but={50: recounted(50, more=1)})
    assert (found.could_be_days, found.archived, found.counted) == (None, 99, 0)
    assert found.why.startswith("1 window archived with fewer events than CloudWatch has")


def test_it_is_told_how_many_windows_somebody_else_has_counted() -> None:
    """Where the archive has more, it is ambiguous whether it has all: that is not counted."""
    found = verdict(log_group(), but={each: recounted(each, more=50 - each) for each in (50, 51)})
    assert (found.could_be_days, found.archived, found.counted) == (30, 99, 1)


def test_pointers_to_content_that_is_elsewhere_are_in_the_way() -> None:
    statement = stated("archived", days_ago(50))
    objects = [each.model_copy(update={"pointer_lines": 1}) for each in statement.objects or []]
    found = verdict(log_group(), but={50: statement.model_copy(update={"objects": objects})})
    assert found.could_be_days is None
    assert "pointers to content that is elsewhere" in found.why


def test_windows_without_events_are_not_in_the_way() -> None:
    empty = stated("skipped", days_ago(50), reason="empty")
    assert verdict(log_group(), but={50: empty}).could_be_days == 30


def test_a_gap_between_windows_is_in_the_way() -> None:
    kept = Kept(log_group(), RULES, NOW_MS)
    for number in (*range(100, 50, -1), *range(49, 1, -1)):
        kept.add(days_ago(number), stated("archived", days_ago(number)))
    found = kept.verdict("shop")
    assert found.could_be_days is None
    assert found.why.startswith("1 window not sealed, from ")


@pytest.mark.parametrize(("until", "could_be"), [(32, None), (31, 30)])
def test_what_is_older_than_the_retention_has_to_be_sealed(
    until: int, could_be: int | None
) -> None:
    assert verdict(log_group(), until=until).could_be_days == could_be


def test_a_log_group_that_no_seal_knows_is_not_safe() -> None:
    found = Kept(log_group(), RULES, NOW_MS).verdict("shop")
    assert found.could_be_days is None
    assert found.why.startswith("not sealed yet: ")


def test_bytes_in_cloudwatch_and_none_in_the_archive_are_in_the_way() -> None:
    empty = {n: stated("skipped", days_ago(n), reason="empty") for n in range(2, 101)}
    found = verdict(log_group(), but=dict(empty))
    assert found.could_be_days is None
    assert found.why == "CloudWatch has 1,000,000,000,000 bytes, the archive none"


@given(
    kinds=st.lists(st.sampled_from(["archived", "gap", *UNSAFE]), min_size=60, max_size=60),
    age=st.integers(min_value=1, max_value=60),
)
@settings(max_examples=30, derandomize=True, deadline=None)
def test_nothing_could_be_shortened_that_has_a_window_which_is_not_archived(
    kinds: list[str], age: int
) -> None:
    kept = Kept(log_group(oldest_days=age), RULES, NOW_MS)
    for number, kind in zip(range(60, 0, -1), kinds, strict=True):
        if kind != "gap":
            kept.add(days_ago(number), stated(kind, days_ago(number)))
    within = kinds[60 - age :]
    # A gap at the end is what is not sealed yet, which only matters where it would be deleted.
    while within and within[-1] == "gap" and len(within) > age - 30:
        within.pop()
    is_safe = set(within) == {"archived"}
    assert (kept.verdict("shop").could_be_days is not None) == is_safe


@pytest.mark.parametrize(("min_days", "days"), [(15, 30), (30, 30), (31, 60), (3653, 3653)])
def test_a_retention_is_one_that_cloudwatch_takes(min_days: int, days: int) -> None:
    assert LogRetentionConfig(min_days=min_days).days == days


def test_late_events_find_their_date() -> None:
    with pytest.raises(ValidationError):
        LogRetentionConfig(min_days=14)


def test_what_is_kept_for_no_longer_is_left_alone() -> None:
    assert not RULES.is_longer(log_group(retention_days=30))
    assert RULES.is_longer(log_group(retention_days=60))
    assert RULES.is_longer(log_group())


def test_log_groups_are_excluded_by_globs() -> None:
    rules = LogRetentionConfig(exclude=["/audit/*", "/app/b"])
    assert [name for name in ("/audit/x", "/app/a", "/app/b") if rules.excludes(name)] == [
        "/audit/x",
        "/app/b",
    ]


def test_the_price_is_the_one_that_the_page_of_costs_has() -> None:
    assert RULES.dollars_per_gb_month == pytest.approx(LOGS_STORED.dollars * GB)


def test_the_choices_are_those_that_the_sdk_documents() -> None:
    model = get_session().get_service_model("logs")
    request: Any = model.shape_for("PutRetentionPolicyRequest")
    told = request.members["retentionInDays"].documentation
    listed = told.partition("</p>")[0]
    assert tuple(map(int, re.findall(r"\d+", listed))) == CHOICES
