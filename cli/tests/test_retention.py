"""The command `logferry retention` over what is deployed."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.tests.conftest import Run
from cli.tests.in_s3 import SHOP, OnMoto, buckets_on_moto
from contracts.tests.sealed_archive import DAY_MS, START_MS, Archive, SealingKey

from logferry.commands import retention as commands
from logferry.config import Config
from logferry.log_retention import BACKDATED_MS
from logferry_contracts.inventory import ListedLogGroup
from logferry_contracts.ledger_key import inventories_from
from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import from_epoch_ms, timestamp
from logferry_contracts.window import Window

DATES = 34
NOW = from_epoch_ms(START_MS + (DATES + 1) * DAY_MS)
NAMES = ("/app/a", "/app/b")
TERABYTE = 10**12


class Now(datetime):
    """The clock of the command."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return NOW


@pytest.fixture
def run(logferry: Run, monkeypatch: pytest.MonkeyPatch, path: str) -> Run:
    monkeypatch.setattr(commands, "datetime", Now)
    return partial(logferry, "retention", path, "--profile", "shop")


@pytest.fixture
def s3(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with buckets_on_moto(config, monkeypatch) as s3:
        yield s3


def listed(name: str, stored_bytes: int = TERABYTE, **more: Any) -> ListedLogGroup:
    found: dict[str, Any] = {
        "name": name,
        "arn": f"arn:aws:logs:eu-west-1:444455556666:log-group:{name}",
        "log_group_class": "STANDARD",
        "created_ms": START_MS + BACKDATED_MS + 1,
        "stored_bytes": stored_bytes,
    }
    return ListedLogGroup.of(
        source=SHOP,
        log_group=LogGroup(**found | more),
        verdict="selected",
        planned_at=timestamp(NOW),
    )


def put_inventory(s3: Any, config: Config, lines: Sequence[ListedLogGroup]) -> None:
    key = f"{inventories_from(SHOP, START_MS + DATES * DAY_MS)}-plan.jsonl"
    body = b"".join(each.line() for each in lines)
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=body)


@pytest.fixture
def sealed(s3: Any, config: Config) -> Archive:
    """Dates of two log groups; of the second one, a date in the middle has failed."""
    archive = Archive(OnMoto(config.archive_bucket), source=SHOP)
    for day in range(DATES):
        window = Window(from_ms=START_MS + day * DAY_MS, to_ms=START_MS + (day + 1) * DAY_MS)
        statements = [
            archive.statement(name, window, "failed", reason="bucket_policy")
            if (name, day) == ("/app/b", 20)
            else archive.archived(name, window)
            for name in NAMES
        ]
        archive.day(statements, window, time_zone="Etc/UTC")
    put_inventory(s3, config, [listed(name) for name in NAMES])
    return archive


def test_what_is_safe_and_what_it_saves_is_said_and_nothing_is_written(
    run: Run, sealed: Archive, s3: Any, config: Config
) -> None:
    before = objects_of(s3, config)
    code, out, _ = run("--json")
    [shop] = json.loads(out)
    assert (code, shop["problem"], shop["findings"], shop["too_small"]) == (0, None, [], 0)
    safe, other = shop["log_groups"]
    assert safe == {
        "profile": "shop",
        "log_group": "/app/a",
        "kept_days": None,
        "could_be_days": 30,
        "saves_dollars": shop["saves_dollars"],
        "why": "",
        "archived": 34,
        "counted": 0,
    }
    assert (other["log_group"], other["could_be_days"]) == ("/app/b", None)
    assert other["why"].startswith("1 window failed (bucket_policy), from 2026-12-10")
    # 5 of 34 dates are more than 30 days old, and cost $30 together with the others.
    assert shop["saves_dollars"] == pytest.approx(30 * 5 / 34, rel=0.02)
    assert objects_of(s3, config) == before


def objects_of(s3: Any, config: Config) -> list[tuple[str, str]]:
    return [
        (each["Key"], each["VersionId"])
        for bucket in (config.archive_bucket, config.control_bucket)
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
        for each in page.get("Versions", [])
    ]


def test_people_see_a_table_and_the_sum(run: Run, sealed: Archive) -> None:
    [shop] = json.loads(run("--json")[1])
    saves = f"${shop['saves_dollars']:.2f}"
    code, out, err = run()
    assert code == 0
    assert f"At most {saves} a month. Nothing was changed." in out
    [row] = [line for line in out.splitlines() if "/app/a" in line]
    assert row.split() == [*("shop", "/app/a", "ever", "30", "days"), saves, *("0", "of", "34")]
    assert "--key" in err


def test_the_key_that_has_signed_is_trusted_and_no_other(
    run: Run, sealed: Archive, tmp_path: Path
) -> None:
    right, wrong = tmp_path / "right.pem", tmp_path / "wrong.pem"
    right.write_text(sealed.key.pem)
    wrong.write_text(SealingKey().pem)
    code, out, err = run("--key", str(right), "--json")
    assert (code, json.loads(out)[0]["saves_dollars"] > 0) == (0, True)
    assert "--key" not in err
    code, out, _ = run("--key", str(wrong), "--json")
    [shop] = json.loads(out)
    assert (code, shop["saves_dollars"]) == (1, 0)
    assert {each["could_be_days"] for each in shop["log_groups"]} == {None}


def test_nothing_is_safe_where_a_statement_was_changed(
    run: Run, sealed: Archive, s3: Any, config: Config
) -> None:
    listing = s3.list_objects_v2(Bucket=config.archive_bucket, Prefix="!seals/")["Contents"]
    key = next(e["Key"] for e in listing if "/statements/" in e["Key"] and "/app/a/" in e["Key"])
    [version] = s3.list_object_versions(Bucket=config.archive_bucket, Prefix=key)["Versions"]
    s3.delete_object(Bucket=config.archive_bucket, Key=key, VersionId=version["VersionId"])
    s3.put_object(Bucket=config.archive_bucket, Key=key, Body=b"{}")
    code, out, _ = run("--json")
    [shop] = json.loads(out)
    assert (code, shop["saves_dollars"]) == (1, 0)
    assert shop["findings"]
    assert {each["could_be_days"] for each in shop["log_groups"]} == {None}


def test_a_later_seal_has_the_last_word(run: Run, sealed: Archive) -> None:
    window = Window(from_ms=START_MS + 20 * DAY_MS, to_ms=START_MS + 21 * DAY_MS)
    sealed.later([sealed.archived("/app/b", window, generation=2)], window)
    _, out, _ = run("--json")
    [shop] = json.loads(out)
    assert {each["could_be_days"] for each in shop["log_groups"]} == {30}


def test_what_is_excluded_small_or_kept_for_no_longer_is_not_looked_at(
    run: Run, sealed: Archive, s3: Any, config: Config, path: str, document: dict[str, Any]
) -> None:
    document["log_retention"] = {"exclude": ["/audit/*"]}
    Path(path).write_text(yaml.safe_dump(document))
    lines = [
        listed("/app/a", stored_bytes=10**9),
        listed("/app/b", retention_days=30),
        listed("/audit/c"),
    ]
    put_inventory(s3, config, lines)
    code, out, _ = run("--json")
    [shop] = json.loads(out)
    assert (code, shop["log_groups"], shop["too_small"]) == (0, [], 1)


def test_a_source_that_no_plan_has_listed_is_a_problem(run: Run, s3: Any) -> None:
    code, out, err = run()
    assert code == 1
    assert "shop: nothing in the ledger: has it been planned?" in err
    assert "At most $0.00 a month" in out


def test_an_inventory_that_is_none_is_named(
    run: Run, sealed: Archive, s3: Any, config: Config
) -> None:
    key = f"{inventories_from(SHOP, START_MS + DATES * DAY_MS)}-plan.jsonl"
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"{}\n")
    code, _, err = run()
    assert code == 1
    assert f"{config.control_bucket}/{key}" in err
