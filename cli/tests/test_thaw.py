"""The command `logferry thaw`, and what others say of what is in GLACIER or DEEP_ARCHIVE."""

import json
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cli.tests.conftest import Run
from cli.tests.in_s3 import OnMoto, buckets_on_moto, three_dates
from contracts.tests.retrieving import asked, planned
from contracts.tests.sealed_archive import DAY_MS, HOUR_MS, START_MS, Archive
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import FakeKey, s3_backends

from logferry import thaw as thawing
from logferry.bucket_store import BucketStore
from logferry.cold import Cold, gone_at
from logferry.commands import chosen
from logferry.commands import thawing as command
from logferry.config import Config
from logferry.glacier import Glacier
from logferry.thaw import Share, Winter

NOW = datetime(2026, 11, 28, 9, 12, tzinfo=UTC)
HOURS = (
    "--profile",
    "shop",
    "--log-group",
    "/app/a",
    "--from",
    "2026-11-20T23:00Z",
    "--to",
    "2026-11-21T02:00Z",
)
"""Three of them."""


@pytest.fixture
def document(document: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose objects go into DEEP_ARCHIVE on their first midnight."""
    return document | {
        "archive": {"transition": {"storage_class": "DEEP_ARCHIVE", "after_days": 0}}
    }


@pytest.fixture
def s3(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with buckets_on_moto(config, monkeypatch) as s3:
        yield s3


@pytest.fixture
def deployed(s3: Any, config: Config, monkeypatch: pytest.MonkeyPatch) -> Archive:
    """Three dates with an object an hour; now is a week later."""

    class Now(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return NOW.astimezone(tz)

    monkeypatch.setattr(chosen, "datetime", Now)
    monkeypatch.setattr(command, "LOOKED_S", 0.0)
    return three_dates(OnMoto(config.archive_bucket))


@pytest.fixture
def freeze(config: Config) -> Callable[[str, int], list[str]]:
    """Put the first so many of the keys that begin so into DEEP_ARCHIVE, and return them."""

    def freeze(prefix: str, most: int = 1000) -> list[str]:
        bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[config.archive_bucket]
        keys = sorted(key for key in bucket.keys if key.startswith(prefix))[:most]
        for key in keys:
            bucket.keys[key].set_storage_class("DEEP_ARCHIVE")
        return keys

    return freeze


@pytest.fixture
def restores(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How far restores are: all of them, by the last word."""
    states = ["RESTORED"]
    state = property(lambda _: states[-1], lambda key, value: None)
    monkeypatch.setattr(FakeKey, "status", state)
    return states


def test_a_plan_says_what_is_frozen_and_the_command_for_it(
    logferry: Run, path: str, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("shop/", 2)
    code, _, err = logferry("search", "an hour", path, *HOURS, "--dry-run")
    assert code == 3
    assert "FROZEN: 2 objects, " in err
    assert " bytes in DEEP_ARCHIVE" in err
    [line] = [line for line in err.splitlines() if "thaw first: " in line]
    program, *arguments = shlex.split(line.partition("thaw first: ")[2])
    assert (program, arguments[:2]) == ("logferry", ["thaw", path])
    code, out, _ = logferry(*arguments, "--dry-run", "--json")
    assert (code, json.loads(out)["frozen"]["DEEP_ARCHIVE"]["objects"]) == (3, 2)


def test_a_search_finds_what_is_not_frozen_and_names_the_command_for_the_rest(
    logferry: Run, path: str, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("shop/", 2)
    code, out, err = logferry("search", "an hour", path, *HOURS, "--json")
    *found, last = map(json.loads, out.splitlines())
    assert (code, len(found), len(last["read"]["frozen"])) == (3, 1, 2)
    assert "Not all could be read. Thaw it: logferry thaw " in err
    code, out, err = logferry("fetch", path, *HOURS)
    assert (code, len(out.splitlines())) == (3, 1)
    assert "Not all could be read. Thaw it: logferry thaw " in err


def test_nothing_is_looked_at_that_is_too_young_to_be_frozen(
    s3: Any, config: Config, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("shop/")
    plan = planned(deployed, asked(), BucketStore(s3, config.archive_bucket))
    begun = datetime.fromtimestamp(START_MS / 1000, UTC)
    for after, now, frozen in (
        (None, NOW, 0),
        (timedelta(days=30), NOW, 0),
        (timedelta(days=30), begun + timedelta(days=30, hours=5), 5),
        (timedelta(), NOW, 24),
    ):
        winter = thawing.winter_of(Glacier(s3, config.archive_bucket, after), plan, now)
        assert sum(each.objects for each in winter.frozen.values()) == frozen


def test_thawing_says_what_it_takes_asks_waits_and_then_all_is_found(
    logferry: Run, path: str, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("shop/", 2)
    code, out, err = logferry("thaw", path, *HOURS, "--tier", "Bulk", "--days", "3", "--dry-run")
    assert (code, out) == (3, "")
    assert "Bulk from DEEP_ARCHIVE: up to 48 hours until it can be read, for 3 days" in err
    assert "costs $0.0001: 0.0001 requests, 0.0000 retrieval, 0.0000 copies" in err
    code, _, err = logferry("thaw", path, *HOURS)
    assert code == 1
    assert "not a terminal, so nobody can be asked" in err
    code, out, err = logferry("thaw", path, *HOURS, "--yes", "--json")
    told = json.loads(out)
    assert (code, told["asked"], told["is_done"], told["hours"]) == (0, 2, True, 12)
    assert "everything can be read" in err
    code, out, err = logferry("search", "an hour", path, *HOURS)
    assert (code, len(out.splitlines())) == (0, 3)
    assert "thawed: 2 objects, " in err


def test_who_does_not_wait_is_told_what_is_under_way_and_nothing_is_asked_twice(
    logferry: Run,
    path: str,
    deployed: Archive,
    freeze: Callable[..., list[str]],
    restores: list[str],
) -> None:
    freeze("shop/", 2)
    restores.append("IN_PROGRESS")
    code, out, _ = logferry("thaw", path, *HOURS, "--yes", "--no-wait", "--json")
    assert (code, json.loads(out)["asked"]) == (3, 2)
    code, out, err = logferry("thaw", path, *HOURS, "--yes", "--no-wait", "--json")
    told = json.loads(out)
    assert (code, told["asked"], told["thawing"]["objects"], told["frozen"]) == (3, 0, 2, {})
    assert "being thawed: 2 objects" in err


def test_what_somebody_else_has_asked_for_meanwhile_is_waited_for(
    logferry: Run,
    path: str,
    deployed: Archive,
    freeze: Callable[..., list[str]],
    restores: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freeze("shop/", 2)
    ask = Glacier.thaw

    def asked_before(glacier: Glacier, cold: Cold, tier: Any, days: int) -> bool:
        ask(glacier, cold, tier, days)
        restores.append("IN_PROGRESS")
        return False

    monkeypatch.setattr(Glacier, "thaw", asked_before)
    monkeypatch.setattr(command.time, "sleep", lambda _: restores.append("RESTORED"))
    code, out, err = logferry("thaw", path, *HOURS, "--yes", "--json")
    assert (code, json.loads(out)["asked"]) == (0, 0)
    assert "everything can be read" in err


def test_a_copy_that_goes_too_early_is_asked_for_again(
    logferry: Run, path: str, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("shop/", 1)
    assert logferry("thaw", path, *HOURS, "--yes", "--days", "1")[0] == 0
    code, out, err = logferry("thaw", path, *HOURS, "--yes", "--days", "9", "--json")
    told = json.loads(out)
    assert (code, told["asked"], told["frozen"], told["is_done"]) == (0, 1, {}, True)
    assert "to be there for longer: 1 object" in err


def test_what_says_which_objects_there_are_is_thawed_first(
    logferry: Run, path: str, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("!seals/444455556666/eu-west-1/leaves/")
    freeze("shop/", 2)
    code, _, err = logferry("search", "an hour", path, *HOURS)
    assert code == 3
    assert "leaves/" in err
    assert "thaw first: logferry thaw " in err
    code, _, err = logferry("thaw", path, *HOURS, "--yes")
    assert code == 0
    assert "What says which objects there are is frozen itself" in err
    assert logferry("search", "an hour", path, *HOURS)[0] == 0


def test_who_knows_only_the_bucket_may_thaw_as_well(
    logferry: Run, config: Config, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("shop/", 1)
    bucket = f"s3://{config.archive_bucket}"
    assert logferry("thaw", bucket, *HOURS, "--yes")[0] == 0
    assert logferry("search", "an hour", bucket, *HOURS)[0] == 0


def test_where_nothing_is_frozen_nobody_is_asked(
    logferry: Run, path: str, deployed: Archive
) -> None:
    code, out, err = logferry("thaw", path, *HOURS, "--json")
    assert (code, json.loads(out)["asked"]) == (0, 0)
    assert "nothing is frozen" in err


def test_a_tier_that_there_is_none_of_is_refused(
    logferry: Run, path: str, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    freeze("shop/", 1)
    code, _, err = logferry("thaw", path, *HOURS, "--tier", "Expedited")
    assert code == 2
    assert "Expedited: S3 has none for DEEP_ARCHIVE: Standard or Bulk" in err


def test_waiting_ends_by_ctrl_c_and_nothing_else_does(
    logferry: Run,
    path: str,
    deployed: Archive,
    freeze: Callable[..., list[str]],
    restores: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    freeze("shop/", 2)
    restores.append("IN_PROGRESS")

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    def end(_: float) -> None:
        restores.append("RESTORED")

    monkeypatch.setattr(command.time, "sleep", stop)
    code, _, err = logferry("thaw", path, *HOURS, "--yes")
    assert code == 130
    assert "S3 goes on, and so does the same command" in err
    monkeypatch.setattr(command.time, "sleep", end)
    code, out, _ = logferry("thaw", path, *HOURS, "--yes", "--json")
    assert (code, json.loads(out)["asked"]) == (0, 0)


def test_what_it_costs_is_of_class_tier_and_days() -> None:
    winter = Winter()
    winter.frozen = {
        "GLACIER": Share(2000, 10**9),
        "DEEP_ARCHIVE": Share(1000, 10**10),
    }
    cost = thawing.dollars(winter, "Standard", 30)
    assert cost.requests == pytest.approx(2 * 0.05 + 0.10)
    assert cost.retrieval == pytest.approx(0.01 + 10 * 0.02)
    assert cost.copies == pytest.approx(11 * 0.023)
    assert thawing.dollars(winter, "Bulk", 30).requests == pytest.approx(0.025)


def test_a_copy_goes_at_a_midnight_in_utc() -> None:
    assert gone_at(NOW, 1) == datetime(2026, 11, 30, tzinfo=UTC)
    assert gone_at(datetime(2026, 11, 28, tzinfo=UTC), 1) == datetime(2026, 11, 29, tzinfo=UTC)


def test_what_is_thawed_counts_by_when_it_goes() -> None:
    winter = Winter(lasting=NOW)
    for days in (-1, 1):
        winter.add(Cold("a", None, 7, "GLACIER", False, NOW + timedelta(days=days)))
    assert (winter.thawed.objects, winter.short.objects) == (2, 1)
    assert winter.until == NOW - timedelta(days=1)
    assert winter.is_over


def test_the_hours_of_a_date_are_looked_at_once(
    logferry: Run, path: str, deployed: Archive, freeze: Callable[..., list[str]]
) -> None:
    hour = ("--from", "2026-11-20T23:00Z", "--to", "2026-11-21T23:00Z")
    freeze("shop/", DAY_MS // HOUR_MS)
    code, out, _ = logferry(
        "thaw", path, "--profile", "shop", "--log-group", "*", *hour, "--yes", "--json"
    )
    assert (code, json.loads(out)["asked"]) == (0, 24)
