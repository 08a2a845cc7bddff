import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from services.planner.tests.fakes import log_group, plan_request

from logferry_contracts.message import epoch_ms
from logferry_contracts.plan_request import PlanRequest
from logferry_contracts.window import Window
from logferry_contracts.wire import parse
from logferry_contracts.zones import zone_named
from planner.order import SOON, Kind, Place, place
from planner.plan import Candidate, Plan
from planner.retention import FAR_MS, RetentionPolicy

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
FROM = datetime(2026, 11, 21, tzinfo=UTC)
WINDOW = Window(from_ms=epoch_ms(FROM), to_ms=epoch_ms(FROM + timedelta(days=1)))


PLAN = Plan(
    source=parse(PlanRequest, json.dumps(plan_request())).data.source,
    bucket="acme-log-archive",
    zone=zone_named("UTC"),
    direct_lane_max_bytes=0,
    now=NOW,
)


def placed(plan: Plan = PLAN, *, seems_empty: bool = False, **group: object) -> Place:
    return place(plan, Candidate(log_group("/a", **group), WINDOW, seems_empty=seems_empty))


@pytest.mark.parametrize(
    ("retention_days", "deadline_ms"),
    [
        (None, FAR_MS),
        (1, WINDOW.from_ms + 86_400_000),  # past, and not yet deleted
        (5, WINDOW.from_ms + 5 * 86_400_000),
        (6, FAR_MS),  # the 27th, more than three days ahead
    ],
)
def test_a_deadline_counts_when_it_is_soon(retention_days: int | None, deadline_ms: int) -> None:
    assert placed(retention_days=retention_days) == Place(deadline_ms, Kind.ACTIVE)


def test_what_need_not_be_exported_comes_last_whatever_its_retention() -> None:
    assert placed(log_group_class="DELIVERY", retention_days=1) == Place(FAR_MS, Kind.SKIPPED)


def test_what_seems_empty_comes_after_what_is_active_and_before_what_is_skipped() -> None:
    assert sorted(Kind) == [Kind.ACTIVE, Kind.SEEMS_EMPTY, Kind.SKIPPED]


def test_a_deadline_of_this_very_moment_is_soon() -> None:
    soon = epoch_ms(NOW + SOON)
    window = Window(from_ms=soon - 86_400_000, to_ms=soon)
    candidate = Candidate(log_group("/a", retention_days=1), window, seems_empty=False)

    assert place(PLAN, candidate).deadline_ms == soon


def test_only_what_can_be_looked_into_waits_for_it() -> None:
    assert placed(seems_empty=True).kind is Kind.SEEMS_EMPTY
    cold = placed(seems_empty=True, log_group_class="INFREQUENT_ACCESS")
    assert cold.kind is Kind.ACTIVE


@pytest.mark.parametrize(("days", "kept"), [(3653, "own"), (30, "own"), (1, "policy")])
def test_what_a_policy_lets_expire_soon_has_a_deadline(days: int, kept: str) -> None:
    policy = RetentionPolicy(
        days=days, prefixes=None, is_for_new=False, updated_ms=epoch_ms(NOW - timedelta(hours=1))
    )
    placed_ = placed(replace(PLAN, policies=(policy,)), retention_days=3653)
    deadline_ms = {"own": FAR_MS, "policy": policy.effective_ms}[kept]
    assert placed_ == Place(deadline_ms, Kind.ACTIVE)
