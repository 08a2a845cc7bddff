"""Whole runs under an account-level retention policy: ten years of events, cut to 30 days."""

from datetime import timedelta
from typing import Any

import pytest
from services.planner.tests.fakes import NOW, World, log_group, plan_request

from logferry_contracts.message import epoch_ms
from planner.order import SOON
from planner.retention import DAY_MS, RetentionPolicy

SLOT_S = 10
"""What an export of these sizes takes at least, as long as nothing else is known."""


def put_policy(world: World, days: int) -> None:
    """Put an account-level retention policy for everything but the applications' own log groups."""
    policy = RetentionPolicy(
        days=days, prefixes=("/audit/",), is_for_new=False, updated_ms=epoch_ms(world.now)
    )
    world.account.policies = (policy,)


def test_a_backlog_of_ten_years_that_is_about_to_be_cut_to_30_days_goes_first(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("/app/a", "/audit/long", "/audit/short")
    kept = {"/app/a": 3653, "/audit/long": 3653, "/audit/short": 30}
    world.account.groups = [log_group(name, retention_days=kept[name]) for name in names]
    put_policy(world, 30)

    answer = world.run(plan_request(collect_from="2026-10-01", collect_to="2026-11-20"))

    sent = [(event.data.log_group.name, event.data.window.from_ms) for event in world.queues.sent]
    month_ago_ms = epoch_ms(NOW + SOON) - 30 * DAY_MS
    cut = [each for each in sent if each[0].startswith("/audit/") and each[1] <= month_ago_ms]
    assert sent[: len(cut)] == cut
    by_age = [from_ms for name, from_ms in cut if name == "/audit/long"]
    assert by_age == sorted(by_age)
    assert answer["data"]["retention_cliff"] == {
        "at": "2026-11-24T06:00:00.000Z",
        "log_groups": 1,  # the other one keeps its events no longer as it is
        "retention_days": 30,
        "exports": len(cut),
        "slot_seconds": pytest.approx(len(cut) * SLOT_S, rel=0.1),
    }
    assert '"RetentionCliffLogGroups":[1.0]' in capsys.readouterr().out


def test_what_a_policy_has_let_expire_is_exported_for_as_long_as_it_may_be_there(
    world: World,
) -> None:
    asked_for: dict[str, Any] = {"collect_from": "2026-10-01", "collect_to": "2026-10-03"}
    world.account.groups = [log_group("/audit/a", retention_days=3653)]
    put_policy(world, 30)
    for hours, reason in ((12, None), (25, None), (95, None), (97, "retention_passed")):
        world.now = NOW + timedelta(hours=hours)
        if hours > 24:  # DescribeLogGroups then tells the policy's
            world.account.groups = [log_group("/audit/a", retention_days=30)]
        answer = world.run(plan_request(**asked_for, dry_run=True))
        assert {each.get("reason") for each in answer["data"]["planned"]} == {reason}


def test_a_plan_without_a_shortening_tells_of_none(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.account.groups = [log_group("/audit/a", retention_days=7)]
    put_policy(world, 30)
    answer = world.run(plan_request())
    assert "retention_cliff" not in answer["data"]
    assert '"RetentionCliffLogGroups":[0.0]' in capsys.readouterr().out


def test_a_shortening_is_told_of_by_the_last_part_of_a_long_plan(world: World) -> None:
    world.account.groups = [log_group(f"/audit/{n:03}", retention_days=3653) for n in range(600)]
    put_policy(world, 30)
    world.timeout_s = 1.0
    world.run_to_the_end(plan_request(collect_from="2026-10-01", collect_to="2026-10-02"))
    [completed] = world.topic.published
    cliff = completed.data.retention_cliff
    assert cliff is not None
    assert (cliff.log_groups, cliff.exports) == (600, 1200)
