"""What has failed asked for again by its dates: on moto, with a planner that notes."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from cli.tests.conftest import Run
from cli.tests.ledgers import hub_on_moto, record_like
from rich.prompt import Confirm

from logferry import plan as planning
from logferry.commands import console
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import PlanError
from logferry_contracts.ledger_record import Failed, Waived
from logferry_contracts.message import timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

DAY_MS = 86_400_000
SEOUL_MS = 1_795_186_800_000
"""2026-11-21T00:00 in Seoul, which is the configuration's time zone."""
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
PAYMENTS = SourceName(profile="Pay_ments", account_id="555566667777", region="eu-west-1")
LONG_AGO, LATELY = datetime(2026, 11, 22, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


class World:
    """A hub's ledger, and what its planner was asked for."""

    def __init__(self, session: boto3.Session, config: Config) -> None:
        self.s3, self.bucket = session.client("s3"), config.control_bucket
        self.asked: list[tuple[str, str, str]] = []

    def put(
        self, example: str, group: str, *, day: int = 0, source: SourceName = SHOP, **changes: Any
    ) -> None:
        window = Window(from_ms=SEOUL_MS + day * DAY_MS, to_ms=SEOUL_MS + (day + 1) * DAY_MS)
        made = record_like(example, source, group, window, **changes)
        self.s3.put_object(Bucket=self.bucket, Key=made.key, Body=emit(made).encode())

    def failed(self, group: str, *, reason: str = "access_denied", **more: Any) -> None:
        failed = Failed(reason=reason, message="why", at=timestamp(LONG_AGO))
        said = failed.model_dump(exclude_none=True)
        self.put("failed-before-a-task", group, failed=said, **more)

    def plan(self, _: object, __: object, request: Any) -> Any:
        data = request.data
        assert data.dry_run is None
        self.asked.append((data.source.profile, data.collect_from, data.collect_to))
        return SimpleNamespace(requested=7)


@pytest.fixture
def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with hub_on_moto(config, monkeypatch) as session:
        world = World(session, config)
        monkeypatch.setattr(planning, "plan", world.plan)
        yield world


@pytest.fixture
def retry(path: str, logferry: Run) -> Callable[..., tuple[int, str]]:
    """Runs the command; returns its exit code and what it printed."""

    def retry(*options: str) -> tuple[int, str]:
        code, out, err = logferry("retry", path, *options)
        return code, out + err

    return retry


type Retry = Callable[..., tuple[int, str]]


def test_dates_that_follow_each_other_are_planned_at_once(world: World, retry: Retry) -> None:
    for day in (0, 1, 3):
        world.failed("/a", day=day)
    world.failed("/b", source=PAYMENTS)

    code, out = retry("--yes")

    assert code == DONE
    assert "shop from 2026-11-21 to 2026-11-22: 7 requested" in out
    assert world.asked == [
        ("shop", "2026-11-21", "2026-11-22"),
        ("shop", "2026-11-24", "2026-11-24"),
        ("Pay_ments", "2026-11-21", "2026-11-21"),
    ]


def test_what_is_in_order_is_left_alone(world: World, retry: Retry) -> None:
    world.put("secured", "/a")
    world.put("skipped", "/b")
    world.put("submitted", "/c", requested_at=timestamp(LATELY))
    waived = Waived(at=timestamp(LONG_AGO), by="me", reason="gone").model_dump()
    world.failed("/d", waived=waived)

    assert retry("--yes") == (DONE, "nothing to ask for again\n")
    assert world.asked == []


def test_what_was_waived_is_asked_for_again_by_its_option_alone(world: World, retry: Retry) -> None:
    waived = Waived(at=timestamp(LONG_AGO), by="me", reason="gone").model_dump()
    world.failed("/a", waived=waived)
    world.failed("/b", waived=waived, day=2)
    world.put("skipped", "/c", waived=waived, day=4)
    world.put("secured", "/d", day=6)

    assert retry("--yes")[1] == "nothing to ask for again\n"
    code, out = retry("--waived", "--to", "2026-11-22", "--from", "2026-11-21", "--dry-run")
    assert (code, "/a" in out, "/b" in out) == (DONE, True, False)
    assert retry("--waived", "--yes")[0] == DONE

    assert world.asked == [
        ("shop", "2026-11-21", "2026-11-21"),
        ("shop", "2026-11-23", "2026-11-23"),
    ]


def test_what_has_been_under_way_for_too_long_is_asked_for_again(
    world: World, retry: Retry
) -> None:
    world.put("submitted", "/a", requested_at=timestamp(datetime.now(UTC) - timedelta(hours=26)))

    assert retry("--yes")[0] == DONE
    assert world.asked == [("shop", "2026-11-21", "2026-11-21")]


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        (["--profile", "Pay*"], [("Pay_ments", "2026-11-21", "2026-11-21")]),
        (["--log-group", "/ecs/*"], [("shop", "2026-11-22", "2026-11-22")]),
        (["--reason", "task_failed"], [("shop", "2026-11-23", "2026-11-23")]),
        (["--from", "2026-11-22", "--to", "2026-11-22"], [("shop", "2026-11-22", "2026-11-22")]),
        (["--log-group", "/none"], []),
    ],
)
def test_filters_choose_what_is_asked_for(
    world: World, retry: Retry, options: list[str], asked: list[tuple[str, str, str]]
) -> None:
    world.failed("/a", source=PAYMENTS)
    world.failed("/ecs/b", day=1)
    world.failed("/c", day=2, reason="task_failed")

    assert retry("--yes", *options)[0] == DONE
    assert world.asked == asked


def test_a_dry_run_shows_what_else_of_the_dates_is_open_and_asks_for_nothing(
    world: World, retry: Retry
) -> None:
    world.failed("/a")
    world.failed("/b", reason="task_failed")

    code, out = retry("--dry-run", "--log-group", "/a")
    assert code == DONE
    assert "access_denied " in out
    assert "task_failed (of the same date)" in out
    [again] = json.loads(retry("--dry-run", "--log-group", "/a", "--json")[1])

    assert [each["log_group"] for each in again["exports"]] == ["/a"]
    assert [each["log_group"] for each in again["others"]] == ["/b"]
    assert (again["first"], again["last"]) == ("2026-11-21", "2026-11-21")
    assert world.asked == []


def test_nothing_is_asked_for_without_somebodys_consent(
    world: World, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.failed("/a")

    assert retry()[0] == FAILED
    monkeypatch.setattr(type(console.messages), "is_terminal", True)
    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: False)
    assert "nothing was asked for" in retry()[1]
    assert world.asked == []
    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: True)
    assert retry()[0] == DONE
    assert len(world.asked) == 1


def test_a_planner_that_refuses_is_told(
    world: World, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PlanError("refused: no role")

    monkeypatch.setattr(planning, "plan", refuse)
    world.failed("/a")

    code, out = retry("--yes")

    assert code == FAILED
    assert "refused: no role" in out


def test_dates_that_are_none_are_bad_input(world: World, retry: Retry) -> None:
    assert retry("--from", "yesterday")[0] == BAD_INPUT
