"""The command `logferry search` over a folder, what is deployed, and a bucket alone."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from cli.tests.conftest import Run
from cli.tests.copies import Copy
from cli.tests.in_s3 import (
    SHOP,
    OnMoto,
    buckets_on_moto,
    calls_counted,
    in_utc,
    record_of,
    three_dates,
)
from contracts.tests.retrieving import lines
from contracts.tests.sealed_archive import DAY_MS, HOUR_MS, START_MS, Archive, SealingKey, gz

from logferry.config import Config
from logferry_contracts.chain import ChainName
from logferry_contracts.export import export_id
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

WINDOWS = 60
NAME = "/app/a"


@pytest.fixture
def run(logferry: Run) -> Run:
    return partial(logferry, "search")


@pytest.fixture
def copy(tmp_path: Path) -> Archive:
    """Four dates of two log groups, sealed, in a folder: from 2026-11-21 in Berlin on."""
    archive = Archive(Copy(tmp_path / "copy"))
    archive.days(4)
    return archive


@pytest.fixture
def folder(tmp_path: Path, copy: Archive) -> str:
    (tmp_path / "seals.pem").write_text(copy.key.pem)
    return str(tmp_path / "copy")


def test_a_folder_is_searched_without_aws(
    run: Run, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("asked for AWS")

    monkeypatch.setattr(boto3, "Session", refuse)
    dates = ("--from", "2026-11-21", "--to", "2026-11-22")
    code, out, err = run("/app/a 0", folder, "--log-group", NAME, *dates)
    assert code == 0
    assert out.splitlines() == [
        f"{at} /app/a stream-0 /app/a 0"
        for at in (
            "2026-11-22T22:59:59.999Z",
            "2026-11-21T23:00:00.001Z",
            "2026-11-21T23:00:00.000Z",
            "2026-11-21T22:59:59.999Z",
            "2026-11-20T23:00:00.001Z",
            "2026-11-20T23:00:00.000Z",
        )
    ]
    told = err.splitlines()
    assert told[0].startswith("1 log group, 2026-11-20T23:00:00.000Z to 2026-11-22T23:00:00.000Z: ")
    assert "6 events in 2 of 2 objects" in err
    assert "every byte that was read is what was archived" in err
    assert "--key" in told[-1]


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        ("2026-11-21", "2026-11-21", 3),
        ("2026-11-21T00:00:00.001", "2026-11-21T23:59:59.999", 1),
        ("2026-11-20T23:00:00.001Z", "2026-11-22T00:00", 2),
        ("2026-11-21T08:00+09:00", "2026-11-21T08:00:00.001+09:00", 1),
    ],
)
def test_times_are_of_the_sources_zone_unless_it_is_said(
    run: Run, folder: str, since: str, until: str, found: int
) -> None:
    code, out, _ = run("", folder, "--log-group", NAME, "--from", since, "--to", until)
    assert (code, len(out.splitlines())) == (0, found)


def test_another_zone_has_other_days(run: Run, folder: str) -> None:
    zone = ("--time-zone", "Asia/Seoul")
    dates = ("--from", "2026-11-22", "--to", "2026-11-22")
    _, out, _ = run("", folder, "--log-group", NAME, *dates, *zone)
    assert [line[:24] for line in out.splitlines()] == [
        "2026-11-21T23:00:00.001Z",
        "2026-11-21T23:00:00.000Z",
        "2026-11-21T22:59:59.999Z",
    ][:3]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--from", "tomorrow"], "--from tomorrow: "),
        (["--from", "-999999w"], "--from -999999w: date value out of range"),
        (["--from", "2026-11-21", "--context", str(10**21)], "Must be <= 100000"),
        (["--from", "2026-11-22", "--to", "2026-11-20"], "is not before --to 2026-11-20"),
        (["--from", "2026-11-21", "--time-zone", "Berlin"], "'Berlin' is not an IANA time zone"),
        (["--from", "2026-11-21", "--to", "2026-11-21", "--profile", "pay"], "the profile pay"),
        (["--from", "2026-11-21", "--source", "1/eu"], "account and Region, such as"),
    ],
)
def test_bad_input_is_refused(run: Run, folder: str, options: list[str], told: str) -> None:
    code, out, err = run("", folder, "--log-group", NAME, *options)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("(", "'(' is no regular expression"),
        ("a{99999999999999999999}", "is no regular expression: the repetition number is too large"),
        ("(" * 5000 + ")" * 5000, "is no regular expression: maximum recursion depth exceeded"),
        (os.fsdecode(b"\xff"), r"'\udcff' is no UTF-8"),
    ],
)
def test_an_expression_that_is_none_is_refused(
    run: Run, folder: str, pattern: str, told: str
) -> None:
    code, _, err = run(pattern, folder, "--regex", "--log-group", NAME, "--from", "2026-11-21")
    assert code == 2
    assert told in err


def test_words_that_are_no_text_are_refused(run: Run, folder: str) -> None:
    dates = ("--from", "2026-11-21")
    code, _, err = run(os.fsdecode(b"\xff"), folder, "--log-group", NAME, *dates)
    assert (code, r"'\udcff' is no UTF-8" in err) == (2, True)


def test_a_log_group_that_there_is_none_of_is_refused(run: Run, folder: str) -> None:
    dates = ("--from", "2026-11-21", "--to", "2026-11-21")
    code, _, err = run("", folder, "--log-group", "/app/z", *dates)
    assert code == 2
    assert "/app/z: no log group of this name" in err


def test_a_name_that_is_not_whole_is_told_what_finds_it(run: Run, folder: str) -> None:
    dates = ("--from", "2026-11-21", "--to", "2026-11-21")
    code, _, err = run("", folder, "--log-group", "a", *dates)
    assert code == 2
    assert "it takes whole names, or globs in quotes, such as '*a*'" in err
    assert run("", folder, "--log-group", "*a*", *dates)[0] == 0


def test_a_log_group_of_a_time_of_which_nothing_is_there_is_told_so(run: Run, folder: str) -> None:
    dates = ("--from", "2026-12-24", "--to", "2026-12-24")
    code, _, err = run("", folder, "--log-group", NAME, *dates)
    assert code == 2
    time = "2026-12-23T23:00:00.000Z to 2026-12-24T23:00:00.000Z"
    of = f"of 111122223333/eu-central-1 {time} no log group is known"
    assert f"{of}: nothing says what became of it" in err


def test_a_time_of_which_nothing_is_there_is_told_of_each_source(
    run: Run, folder: str, copy: Archive
) -> None:
    other = copy.source.model_copy(update={"profile": "other", "account_id": "444455556666"})
    Archive(copy.bucket, source=other).days(4)
    times = ("--from", "2026-11-20", "--to", "2026-11-21")
    code, _, err = run("", folder, "--log-group", "*", *times)
    before = "2026-11-19T23:00:00.000Z to 2026-11-20T23:00:00.000Z"
    told = [f"{account}/eu-central-1 {before}" for account in ("111122223333", "444455556666")]
    assert code == 3
    assert f"(nothing says what became of it): {'; '.join(told)}" in err


def test_a_stream_that_there_is_none_of_is_told(run: Run, folder: str) -> None:
    dates = ("--from", "2026-11-21", "--to", "2026-11-21", "--stream")
    code, out, err = run("", folder, "--log-group", NAME, *dates, "stream-9")
    assert (code, out) == (0, "")
    assert "nothing is there of a log stream stream-9" in err
    assert "nothing is there" not in run("", folder, "--log-group", NAME, *dates, "stream-0")[2]


def test_events_that_were_found_and_not_shown_are_told(run: Run, folder: str) -> None:
    dates = ("--from", "2026-11-21", "--to", "2026-11-21")
    code, out, err = run("", folder, "--log-group", NAME, *dates, "--limit", "1")
    assert (code, len(out.splitlines())) == (0, 1)
    assert "Shown of these events: 1, by --limit." in err


def test_seals_of_a_key_that_is_not_trusted_make_what_is_found_no_evidence(
    run: Run, folder: str, tmp_path: Path
) -> None:
    key = tmp_path / "other.pem"
    key.write_text(SealingKey().pem)
    dates = ("--from", "2026-11-21", "--to", "2026-11-21", "--key", str(key))
    code, _, err = run("", folder, "--log-group", NAME, *dates)
    assert code == 1
    assert "it is signed by the key" in err
    assert "what was archived" not in err
    code, _, err = run("", folder, "--log-group", NAME, *dates, "--dry-run")
    assert code == 1


def test_how_long_ago_is_counted_back_from_now(run: Run, folder: str) -> None:
    code, out, err = run("", folder, "--log-group", "*", "--from", "-99999w")
    assert (code, len(out.splitlines())) == (3, 24)
    assert "MISSING: 1 window unknown" in err
    assert "not there: 1 window not_yet" in err


def test_json_is_a_line_for_each_event_and_one_at_the_end(
    run: Run, folder: str, copy: Archive
) -> None:
    options = ("--from", "2026-11-21", "--to", "2026-11-21", "--json", "--limit", "1")
    _, out, _ = run("", folder, "--log-group", NAME, *options, "--key", f"{folder}/../seals.pem")
    event, last = map(json.loads, out.splitlines())
    [key] = [each for each in copy.object_keys() if "/app/a/2026/11/21/" in each] or [event["key"]]
    assert event == {
        "at": "2026-11-21T22:59:59.999Z",
        "account_id": "111122223333",
        "region": "eu-central-1",
        "profile": "shop-prod",
        "log_group": NAME,
        "stream": "stream-0",
        "message": "/app/a 0",
        "key": key,
        "version_id": "a-version",
        "sha256": event["sha256"],
    }
    assert last["read"]["is_whole"] is True
    assert last["read"]["are_signatures_checked"] is True


def test_what_would_be_read_is_said_and_nothing_is_read(
    run: Run, folder: str, tmp_path: Path
) -> None:
    for path in (tmp_path / "copy/shop-prod").rglob("*.gz"):
        path.unlink()
    options = ("--from", "2026-11-21", "--to", "2026-11-22", "--dry-run", "--json")
    code, out, _ = run("", folder, "--log-group", NAME, *options)
    plan = json.loads(out)
    assert code == 0
    assert (plan["objects"], plan["log_groups"], plan["is_whole"]) == (2, [NAME], True)


def test_an_object_that_is_not_what_was_archived_is_named(run: Run, folder: str) -> None:
    path = min(Path(folder, "shop-prod/app/a").rglob("*.gz"))
    path.write_bytes(gz([START_MS], "forged"))
    dates = ("--from", "2026-11-21", "--to", "2026-11-22")
    code, out, err = run("", folder, "--log-group", NAME, *dates)
    assert (code, len(out.splitlines())) == (1, 3)
    assert "forged" not in out
    assert f"{path.relative_to(folder)}: its SHA-256 is " in err


def test_an_object_that_is_gone_is_named(run: Run, folder: str) -> None:
    path = min(Path(folder, "shop-prod/app/a").rglob("*.gz"))
    path.unlink()
    code, out, err = run(
        "", folder, "--log-group", NAME, "--from", "2026-11-21", "--to", "2026-11-22"
    )
    assert (code, len(out.splitlines())) == (1, 3)
    assert f"{path.relative_to(folder)}: it is not there" in err


@pytest.mark.parametrize(
    "options",
    [
        ("/app/a 0",),
        ("app/. 0", "--regex"),
        ("APP/A 0", "--ignore-case", "--oldest-first"),
        ("/app/a 0", "--context", "1", "--json"),
        ("", "--limit", "3"),
    ],
)
def test_what_is_much_is_searched_by_processes_and_is_the_same(
    run: Run, folder: str, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from logferry.commands import side_by_side as command  # noqa: PLC0415

    pattern, *rest = options
    arguments = (pattern, folder, "--log-group", "*", "--from", "2026-11-21", *rest)
    few = run(*arguments)
    monkeypatch.setattr(command, "_MUCH_BYTES", 0)
    code, out, _ = run(*arguments)
    assert (code, out) == few[:2]
    path = max(Path(folder, "shop-prod/app").rglob("*.gz"))
    path.unlink()
    code, _, err = run(*arguments)
    if "--limit" not in options:
        assert code == 1
        assert f"{path.relative_to(folder)}: it is not there" in err


def test_who_reads_only_the_beginning_ends_the_search(folder: str) -> None:
    command = f"{sys.executable} -m logferry search '' {folder} --log-group '*' --from 2026-11-21"
    done = subprocess.run(
        ["bash", "-c", f"{command} --to 2026-11-24 | head -1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Traceback" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_what_was_found_is_kept_where_somebody_stops(
    run: Run, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logferry.commands import search as command  # noqa: PLC0415

    printed = command._Searching._print
    seen: list[Any] = []

    def stop(self: Any, match: Any) -> None:
        printed(self, match)
        seen.append(match)
        if len(seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(command._Searching, "_print", stop)
    code, out, err = run(
        "", folder, "--log-group", "*", "--from", "2026-11-21", "--to", "2026-11-24"
    )
    assert code == 130
    assert 2 <= len(out.splitlines()) <= 24
    assert "stopped: the rest was not looked at" in err


@pytest.fixture
def s3(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with buckets_on_moto(config, monkeypatch) as s3:
        yield s3


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    return calls_counted(monkeypatch)


@pytest.fixture
def deployed(s3: Any, config: Config) -> Archive:
    return three_dates(OnMoto(config.archive_bucket))


def test_an_hour_that_is_sealed_lists_nothing_and_asks_no_ledger(
    run: Run, path: str, deployed: Archive, config: Config, calls: list[tuple[str, str, str]]
) -> None:
    hour = START_MS + DAY_MS + 5 * HOUR_MS
    time = ("--from", in_utc(hour), "--to", in_utc(hour + HOUR_MS))
    code, out, _ = run("an hour", path, "--profile", "shop", "--log-group", NAME, *time)
    assert (code, len(out.splitlines())) == (0, 1)
    assert {name for name, *_ in calls} == {"GetObject"}
    assert {bucket for _, bucket, _ in calls} == {config.archive_bucket}
    assert sum(key.endswith(".gz") for *_, key in calls) == 1


def test_an_account_that_is_no_source_any_more_is_searched_by_its_name(
    run: Run, path: str, s3: Any, deployed: Archive, config: Config
) -> None:
    fresh = START_MS + 3 * DAY_MS
    hour = Window(from_ms=fresh, to_ms=fresh + HOUR_MS)
    record = record_of(deployed, config, hour)
    s3.put_object(Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode())
    document = yaml.safe_load(Path(path).read_text())
    document["sources"] = [each for each in document["sources"] if each["profile"] != "shop"]
    Path(path).write_text(yaml.safe_dump(document))
    of = ("--source", str(ChainName.of(SHOP)), "--log-group", NAME)
    time = ("--from", in_utc(fresh - HOUR_MS), "--to", in_utc(fresh + HOUR_MS))
    code, out, err = run("", path, *of, *time)
    assert (code, len(out.splitlines())) == (0, 2), err
    assert "1 of them are not sealed yet" in err


def test_an_hour_that_is_not_sealed_yet_costs_three_calls_of_the_ledger(
    run: Run,
    path: str,
    s3: Any,
    deployed: Archive,
    config: Config,
    calls: list[tuple[str, str, str]],
) -> None:
    fresh = START_MS + 3 * DAY_MS + 5 * HOUR_MS
    hour = Window(from_ms=fresh, to_ms=fresh + HOUR_MS)
    record = record_of(deployed, config, hour)
    s3.put_object(Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode())
    for number in range(-WINDOWS // 2, WINDOWS // 2):
        start = fresh + number * HOUR_MS
        other = Window(from_ms=start, to_ms=start + HOUR_MS)
        key = ledger_key(SHOP, other, export_id(SHOP, "/other", other, 1))
        s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"{}")
    time = ("--from", in_utc(fresh), "--to", in_utc(fresh + HOUR_MS))
    code, out, err = run("fresh", path, "--profile", "shop", "--log-group", NAME, *time)
    assert (code, len(out.splitlines())) == (0, 1)
    assert "1 of them are not sealed yet" in err
    assert [name for name, bucket, _ in calls if bucket == config.control_bucket] == [
        "ListObjectsV2",
        "ListObjectsV2",
        "GetObject",
    ]
    assert {name for name, bucket, _ in calls if bucket == config.archive_bucket} == {"GetObject"}


def test_a_try_is_found_where_the_one_before_was_removed(
    run: Run, path: str, s3: Any, deployed: Archive, config: Config
) -> None:
    fresh = START_MS + 3 * DAY_MS
    hour = Window(from_ms=fresh, to_ms=fresh + HOUR_MS)
    first = record_of(deployed, config, hour)
    again = {"generation": 3, "export_id": export_id(SHOP, NAME, hour, 3)}
    third = first.model_copy(update=again)
    s3.put_object(Bucket=config.control_bucket, Key=third.key, Body=emit(third).encode())
    time = ("--from", in_utc(fresh), "--to", in_utc(fresh + HOUR_MS))
    code, out, _ = run("fresh", path, "--profile", "shop", "--log-group", NAME, *time)
    assert code == 0
    assert out


def test_a_glob_finds_what_the_ledger_has_of_a_date_that_is_not_sealed(
    run: Run, path: str, s3: Any, deployed: Archive, config: Config
) -> None:
    fresh = START_MS + 3 * DAY_MS
    hour = Window(from_ms=fresh, to_ms=fresh + HOUR_MS)
    for name in ("/app/a", "/app/b", "/ecs/c"):
        record = record_of(deployed, config, hour, name)
        s3.put_object(Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode())
    time = ("--from", in_utc(fresh), "--to", in_utc(fresh + 2 * HOUR_MS))
    code, out, err = run("", path, "--profile", "shop", "--log-group", "/app/*", *time, "--json")
    *found, last = map(json.loads, out.splitlines())
    assert code == 3
    assert {each["log_group"] for each in found} == {"/app/a", "/app/b"}
    assert not any("sha256" in each for each in found)
    assert last["read"]["missing"] == ["unknown"]
    assert "nothing says what became of it" in err


def test_a_delete_marker_and_a_new_version_change_nothing(
    run: Run, path: str, s3: Any, deployed: Archive, config: Config
) -> None:
    keys = [
        each["Key"]
        for each in s3.list_objects_v2(Bucket=config.archive_bucket, Prefix="shop/")["Contents"]
    ]
    s3.delete_object(Bucket=config.archive_bucket, Key=keys[0])
    s3.put_object(Bucket=config.archive_bucket, Key=keys[1], Body=lines((START_MS, "forged")))
    time = ("--from", in_utc(START_MS), "--to", in_utc(START_MS + DAY_MS))
    code, out, _ = run("", path, "--profile", "shop", "--log-group", NAME, *time)
    assert (code, len(out.splitlines())) == (0, 24)
    assert "forged" not in out


def test_who_may_read_no_seals_finds_by_the_statements_below_a_prefix(
    run: Run, deployed: Archive, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    from logferry.bucket_store import BucketStore  # noqa: PLC0415
    from logferry_contracts.verification.store import Denied  # noqa: PLC0415

    opened = BucketStore.open

    def denied(self: BucketStore, key: str, version_id: str | None) -> Any:
        if "/seals/" in key or "/leaves/" in key:
            raise Denied(f"{key}: AccessDenied")
        return opened(self, key, version_id)

    monkeypatch.setattr(BucketStore, "open", denied)
    chain = str(ChainName.of(SHOP))
    hour = START_MS + DAY_MS + 5 * HOUR_MS
    time = ("--from", in_utc(hour), "--to", in_utc(hour + 2 * HOUR_MS))
    bucket = (f"s3://{config.archive_bucket}", "--source", chain)
    for glob in (NAME, "/app/*", "*"):
        code, out, err = run("an hour", *bucket, "--log-group", glob, *time)
        assert (code, len(out.splitlines())) == (0, 2)
        assert f"by statements alone: you may not read the seals of {chain}" in err
    code, _, err = run("an hour", *bucket, "--log-group", "/nobody", *time)
    assert code == 2
    assert "/nobody: no log group of this name" in err


@pytest.mark.parametrize(("pattern", "found"), [("/app/a 0", 6), ("not there", 0)])
def test_sql_is_asked_of_what_was_found_alone(
    run: Run, folder: str, pattern: str, found: int
) -> None:
    query = (
        "SELECT count(*) AS events, min(at_utc) AS first, any_value(log_group) AS name FROM events"
    )
    dates = ("--from", "2026-11-21", "--to", "2026-11-22")
    code, out, err = run(pattern, folder, "--log-group", "*", *dates, "--sql", query)
    first, name = ("2026-11-20 23:00:00", NAME) if found else ("", "")
    assert (code, out.splitlines()) == (0, ["events,first,name", f"{found},{first},{name}"])
    assert f"{found} events in 4 of 4 objects" in err


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--sql", "SELECT colour FROM events"), "colour"),
        (("--sql", "SELECT 1 FROM events", "--json"), "an answer to --sql is CSV"),
    ],
)
def test_a_query_that_cannot_be_answered_reads_nothing(
    run: Run, folder: str, options: tuple[str, ...], told: str
) -> None:
    code, out, err = run("", folder, "--log-group", "*", "--from", "2026-11-21", *options)
    assert code == 2
    assert told in out + err
    assert "objects" not in err
