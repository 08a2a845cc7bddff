"""A long time archived below the daily work: asked for, paused and looked at, on moto."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
import yaml
from cli.tests.conftest import Run
from cli.tests.ledgers import backfill_of, hub_on_moto
from rich.prompt import Confirm

from logferry import backfill as filling
from logferry import plan as planning
from logferry.backfill import Backfill, sampled_dates
from logferry.commands import console
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import PlanError
from logferry_contracts.backfill import Asked, Fed
from logferry_contracts.message import timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.wire import emit, parse

SPAN = ("--from", "2026-10-01", "--to", "2026-10-30")
SHOP, PAYMENTS = ("backfill/444455556666/eu-west-1/", "backfill/555566667777/eu-west-1/")
SHOP_NAME = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


class World:
    """A hub's control bucket, and a planner that tries dates."""

    def __init__(self, session: boto3.Session, config: Config) -> None:
        self.s3, self.bucket = session.client("s3"), config.control_bucket
        self.tried: list[tuple[str, str, list[str] | None]] = []
        self.refuses = ""

    def plan(self, _: object, __: object, request: Any) -> Any:
        data = request.data
        assert data.dry_run
        if self.refuses == data.source.profile:
            raise PlanError("refused: collect_from is not over")
        self.tried.append((data.source.profile, data.collect_from, data.only))
        return SimpleNamespace(
            requested=100,
            estimated_bytes=10**10,
            forecast_slot_seconds=1800,
            forecast_direct_seconds=1200,
        )

    def asked(self, prefix: str = SHOP) -> Asked:
        found = self.s3.get_object(Bucket=self.bucket, Key=f"{prefix}asked.json")
        return parse(Asked, found["Body"].read())

    def feed(self, prefix: str = SHOP, **changes: Any) -> None:
        fed = {
            "id": self.asked(prefix).id,
            "state": "running",
            "date": "2026-10-11",
            "parts": [],
            "dates": 10,
            "exports": 900,
            "estimated_bytes": 9,
            "date_s": 0,
            "recent_s": [3600] * 10,
            "at": timestamp(datetime.now(UTC)),
        }
        body = emit(Fed.model_validate(fed | changes)).encode()
        self.s3.put_object(Bucket=self.bucket, Key=f"{prefix}fed.json", Body=body)


@pytest.fixture
def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with hub_on_moto(config, monkeypatch) as session:
        world = World(session, config)
        monkeypatch.setattr(planning, "plan", world.plan)
        yield world


@pytest.fixture
def backfill(path: str, logferry: Run) -> Any:
    """Runs the command; returns its exit code and what it printed."""

    def backfill(*options: str) -> tuple[int, str]:
        code, out, err = logferry("backfill", path, *options)
        return code, out + err

    return backfill


def test_hours_of_both_lanes_dollars_and_the_end_come_before_anything_is_begun(
    world: World, backfill: Any
) -> None:
    code, out = backfill(*SPAN, "--profile", "shop", "--dry-run", "--json")

    assert code == DONE
    [told] = json.loads(out)
    assert (told["dates"], told["sampled_dates"], told["exports"]) == (30, 3, 3000)
    assert (told["slot_hours"], told["direct_hours"]) == (15, 10)
    assert told["dollars"] == pytest.approx(3000 * 0.0003 + 10 * 0.024, abs=0.01)
    assert world.tried == [("shop", f"2026-10-{day}", None) for day in ("01", "15", "30")]
    assert "Contents" not in world.s3.list_objects_v2(Bucket=world.bucket, Prefix="backfill/")


def test_for_people_a_line_for_each_source(world: World, backfill: Any) -> None:
    code, out = backfill(*SPAN, "--dry-run")

    assert code == DONE
    assert "Pay_ments" in out
    assert "3,000" in out
    assert "dollars in all" in out


def test_with_a_yes_all_sources_are_begun(world: World, backfill: Any) -> None:
    code, out = backfill(*SPAN, "--log-group", "/ecs/*", "--yes")

    assert (code, "Begun" in out) == (DONE, True)
    request = world.asked().request
    assert (request.collect_from, request.collect_to) == ("2026-10-01", "2026-10-30")
    assert (request.only, request.dry_run) == (["/ecs/*"], None)
    assert world.asked().forecast.slot_s == 30 * 1800
    assert world.asked().wanted == world.asked(PAYMENTS).wanted == "run"
    assert world.asked().by.startswith("arn:")


def test_without_a_yes_nothing_is_begun(
    world: World, backfill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert backfill(*SPAN)[0] == FAILED
    monkeypatch.setattr(console.messages, "_force_terminal", True)
    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: False)
    code, out = backfill(*SPAN)

    assert (code, "nothing was begun" in out) == (FAILED, True)
    assert "Contents" not in world.s3.list_objects_v2(Bucket=world.bucket, Prefix="backfill/")


def test_a_second_one_of_a_source_is_refused_before_any_is_begun(
    world: World, backfill: Any
) -> None:
    backfill(*SPAN, "--profile", "Pay_ments", "--yes")

    code, out = backfill(*SPAN, "--yes")

    assert code == FAILED
    assert "Pay_ments: the backfill of 2026-10-01 to 2026-10-30 is waiting" in out
    assert "there was no backfill" in backfill("--status", "--profile", "shop")[1]


def test_where_one_has_ended_another_one_is_begun(world: World, backfill: Any) -> None:
    backfill(*SPAN, "--profile", "shop", "--yes")
    world.feed(state="completed")
    first = world.asked().id

    assert backfill(*SPAN, "--profile", "shop", "--yes")[0] == DONE
    assert world.asked().id != first
    [told] = json.loads(backfill("--status", "--json")[1])
    assert (told["state"], told["dates_done"]) == ("waiting", 0)


def test_a_source_that_the_planner_refuses_ends_it_before_any_is_begun(
    world: World, backfill: Any
) -> None:
    world.refuses = "Pay_ments"

    code, out = backfill(*SPAN, "--yes")

    assert (code, "collect_from is not over" in out) == (FAILED, True)
    assert "Contents" not in world.s3.list_objects_v2(Bucket=world.bucket, Prefix="backfill/")


def test_paused_resumed_and_cancelled_from_any_terminal(world: World, backfill: Any) -> None:
    backfill(*SPAN, "--profile", "shop", "--yes")
    world.feed()
    states = []
    for option in ("--pause", "--resume", "--cancel"):
        code, out = backfill(option, "--json")
        assert code == DONE
        states.append((world.asked().wanted, json.loads(out)[0]["state"]))

    assert states == [("pause", "pausing"), ("run", "running"), ("cancel", "cancelling")]
    code, out = backfill("--resume")
    assert (code, "being cancelled" in out) == (FAILED, True)
    world.feed(state="cancelled")
    assert backfill("--pause")[1] == "no backfill is under way\n"
    code, out = backfill("--pause", "--profile", "shop")
    assert (code, "no backfill is under way" in out) == (FAILED, True)


@pytest.mark.parametrize(
    ("option", "profiles", "of_first", "word"),
    [
        ("--resume", (), {"state": "running"}, "being cancelled"),
        ("--pause", ("--profile", "*"), {"state": "completed"}, "no backfill is under way"),
    ],
)
def test_a_source_that_cannot_be_changed_keeps_no_other_one_going(
    world: World, backfill: Any, option: str, profiles: tuple[str, ...], of_first: Any, word: str
) -> None:
    backfill(*SPAN, "--yes")
    if option == "--resume":
        backfill("--pause")
        backfill("--cancel", "--profile", "shop")
    world.feed(**of_first)

    code, out = backfill(option, *profiles)

    assert (code, f"shop: {word}" in out or f"shop: it is {word}" in out) == (FAILED, True), out
    assert world.asked(PAYMENTS).wanted == {"--resume": "run", "--pause": "pause"}[option]
    assert "Pay_ments" in out


def without_shop(path: str) -> None:
    """Take a source out of the configuration."""
    document = yaml.safe_load(Path(path).read_text())
    document["sources"] = [each for each in document["sources"] if each["profile"] != "shop"]
    Path(path).write_text(yaml.safe_dump(document))


def test_a_source_that_is_none_any_more_is_named_and_ended(
    world: World, backfill: Any, path: str
) -> None:
    backfill(*SPAN, "--yes")
    without_shop(path)

    assert (
        "shop: is no source of the configuration, and may still be fed" in backfill("--status")[1]
    )
    code, out = backfill("--cancel", "--profile", "shop", "--json")
    assert (code, json.loads(out)[0]["problem"]) == (DONE, None)
    assert (world.asked().wanted, world.asked(PAYMENTS).wanted) == ("cancel", "run")

    world.feed(state="cancelled")
    assert "shop" not in backfill("--status")[1]
    code, out = backfill("--status", "--profile", "nobody")
    assert (code, "nobody: none of Pay_ments" in out) == (BAD_INPUT, True)


def test_a_damaged_note_of_a_source_that_is_none_any_more_hides_no_other_and_is_named(
    world: World, backfill: Any, path: str
) -> None:
    backfill(*SPAN, "--yes")
    without_shop(path)
    for key in (f"{SHOP}asked.json", "backfill/of-nobody/asked.json"):
        world.s3.put_object(Bucket=world.bucket, Key=key, Body=b"{")

    code, out = backfill("--status")

    assert (code, "2026-10-30" in out) == (FAILED, True), out
    assert f"444455556666: {SHOP}asked.json" in " ".join(out.split())
    world.s3.delete_object(Bucket=world.bucket, Key=f"{SHOP}asked.json")
    assert backfill("--status")[0] == DONE


def test_the_status_corrects_its_end_by_the_dates_that_are_done(
    world: World, backfill: Any
) -> None:
    backfill(*SPAN, "--profile", "shop", "--yes")
    foreseen = json.loads(backfill("--status", "--json")[1])[0]
    assert (foreseen["state"], foreseen["seconds_left"]) == ("waiting", 30 * 1800)

    world.feed(dates=10, recent_s=[3600] * 10, date_s=600)
    corrected = json.loads(backfill("--status", "--json")[1])[0]

    assert (corrected["dates_done"], corrected["date"]) == (10, "2026-10-11")
    assert corrected["seconds_left"] == 20 * 3600 - 600
    code, out = backfill("--status")
    assert (code, "10 of 30" in out) == (DONE, True)


def test_what_keeps_it_from_going_on_is_said(world: World, backfill: Any) -> None:
    backfill(*SPAN, "--profile", "shop", "--yes")
    world.feed(problem="role_arn x cannot be assumed")
    assert "shop: role_arn x cannot be assumed" in backfill("--status")[1]

    world.feed(at="2026-11-20T06:00:00.000Z")
    assert "nothing was fed since 2026-11-20 06:00 UTC" in backfill("--status")[1]
    world.feed(at="2026-11-20T06:00:00.000Z", state="completed")
    assert "nothing was fed" not in backfill("--status")[1]


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "2026-10-01"),
        ("--from", "2026-10-02", "--to", "2026-10-01"),
        ("--pause", "--resume"),
        ("--status", "--from", "2026-10-01"),
        ("--cancel", "--log-group", "/a"),
    ],
)
def test_options_that_do_not_go_together_are_refused(backfill: Any, options: list[str]) -> None:
    assert backfill(*options)[0] == BAD_INPUT


def test_few_dates_are_all_tried_and_of_many_the_ends_and_the_middle() -> None:
    first = date(2026, 10, 1)

    assert sampled_dates(first, first) == [first]
    assert sampled_dates(first, date(2026, 10, 2)) == [first, date(2026, 10, 2)]
    assert sampled_dates(first, date(2026, 10, 31)) == [
        first,
        date(2026, 10, 16),
        date(2026, 10, 31),
    ]


def test_somebody_elses_change_is_not_written_over(
    world: World, config: Config, backfill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    backfill(*SPAN, "--profile", "shop", "--yes")
    find = filling.Backfills.find

    def slowly(self: Any, source: Any, now: datetime) -> Backfill | None:
        found = find(self, source, now)
        body = emit(world.asked().model_copy(update={"by": f"other {now}"})).encode()
        monkeypatch.setattr(
            filling.Backfills,
            "_caller",
            lambda _: world.s3.put_object(**there, Body=body) and "me",  # type: ignore[has-type]
        )
        there = {"Bucket": world.bucket, "Key": f"{SHOP}asked.json"}
        return found

    monkeypatch.setattr(filling.Backfills, "find", slowly)

    code, out = backfill("--pause", "--profile", "shop")

    assert (code, "somebody else has changed it" in out) == (FAILED, True)
    assert world.asked().wanted == "run"


def test_paused_it_has_no_end() -> None:
    now = NOW + timedelta(days=1)
    data = json.loads(backfill_of(SHOP_NAME)) | {"wanted": "pause"}

    told = Backfill(
        source=Any,  # type: ignore[arg-type]  # not looked at
        asked=parse(Asked, json.dumps(data)),
        fed=None,
        now=now,
    )

    assert (told.state, told.ends_at, told.problem) == ("pausing", None, None)


def test_a_damaged_note_hides_no_other_source_and_is_named(world: World, backfill: Any) -> None:
    backfill(*SPAN, "--yes")
    world.s3.put_object(Bucket=world.bucket, Key=f"{SHOP}asked.json", Body=b"{")

    code, out = backfill("--status")

    assert code == FAILED
    assert "2026-10-30" in out, out
    assert f"shop: {SHOP}asked.json" in " ".join(out.split())
    other = world.asked(PAYMENTS).request.source.profile
    assert backfill("--pause", "--profile", other)[0] == DONE
    assert world.asked(PAYMENTS).wanted == "pause"
