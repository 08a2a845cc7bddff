"""What an operator is told of the archive: from the ledger and the queues, on moto."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from rich.console import Console

from logferry.command import main
from logferry.commands import status as commands
from logferry.commands.console import DONE, FAILED
from logferry.config import Config
from logferry.status import status, table
from logferry_contracts.export import export_id
from logferry_contracts.ledger_key import (
    CONTRADICTED_NOTES,
    LACKING_NOTES,
    chain_note_key,
    seal_note_key,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from logferry_contracts.zones import zone_named

EXAMPLES = Path(__file__).parents[2] / "contracts" / "examples" / "ledger-record"
DAY_MS = 86_400_000
FIRST_MS = 1_795_215_600_000
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
DEAD_LETTERS = "log-sqs-shop-collect-dlq.fifo"

type Put = Callable[..., None]


@pytest.fixture
def session(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The hub's account with an empty ledger and the queues of one source."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    monkeypatch.setenv("MOTO_ACCOUNT_ID", config.hub_account_id)
    monkeypatch.setattr(commands, "datetime", Now)
    with mock_aws():
        session = boto3.Session(region_name=config.region)
        session.client("s3").create_bucket(
            Bucket=config.control_bucket,
            CreateBucketConfiguration={"LocationConstraint": config.region},
        )
        for name in (SHOP.queue_name, SHOP.direct_queue_name, DEAD_LETTERS):
            session.client("sqs").create_queue(QueueName=name, Attributes={"FifoQueue": "true"})
        yield session


@pytest.fixture
def put(session: boto3.Session, config: Config) -> Put:
    """Put a ledger record, made from one of the contract's examples."""

    def put(example: str, group: str, *, day: int = 0, **changes: Any) -> None:
        [path] = EXAMPLES.glob(f"*/accept/{example}.json")
        record = json.loads(path.read_text())
        window = {"from_ms": FIRST_MS + day * DAY_MS, "to_ms": FIRST_MS + (day + 1) * DAY_MS}
        record |= {"source": SHOP.model_dump(), "window": window} | changes
        record["log_group"]["name"] = group
        generation = record["generation"]
        record["export_id"] = export_id(SHOP, group, Window(**window), generation)
        wanted = parse(LedgerRecord, json.dumps(record))
        session.client("s3").put_object(
            Bucket=config.control_bucket, Key=wanted.key, Body=emit(wanted).encode()
        )

    return put


class Now(datetime):
    """The command's clock."""

    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return NOW.astimezone(tz)


def of_shop(session: boto3.Session, config: Config, newest: int = 3) -> Any:
    [found] = status(session, config, [config.source("shop")], newest=newest, now=NOW)
    return found


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_each_log_group_counts_once_by_its_last_try(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("failed-with-next-generation", "/again", generation=1)
    put("secured", "/again", generation=2)
    put("skipped", "/idle")
    put("submitted", "/long")

    [window] = of_shop(session, config).windows

    assert window.states == {"secured": 1, "skipped": 1, "submitted": 1}
    assert window.failed == {}


def test_a_last_try_that_failed_is_named_with_its_reason(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("failed-before-a-task", "/broken")
    put("secured", "/fine")

    found = of_shop(session, config)

    reason = found.windows[0].failed["/broken"]
    assert reason
    assert found.problems == ["1 exports failed"]


def test_only_the_newest_windows_are_read_and_a_gap_before_them_is_seen(
    session: boto3.Session, config: Config, put: Put
) -> None:
    for day in (-2, 0, 1):
        put("secured", "/a", day=day)

    found = of_shop(session, config, newest=1)

    assert [each.window.from_ms for each in found.windows] == [FIRST_MS + DAY_MS]
    assert [gap.from_ms for gap in found.gaps] == [FIRST_MS - DAY_MS]
    assert found.problems == ["nothing from 2026-11-19 23:00 to 2026-11-20 23:00"]
    assert found.as_json()["complete_until"] == "2026-11-19T23:00:00.000Z"


def test_the_halves_of_a_window_take_no_place_among_the_newest_windows(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("secured", "/big")
    middle_ms = FIRST_MS + DAY_MS // 2
    for start_ms, end_ms in ((FIRST_MS, middle_ms), (middle_ms, FIRST_MS + DAY_MS)):
        put("half-of-a-window", "/big", window={"from_ms": start_ms, "to_ms": end_ms})

    found = of_shop(session, config, newest=1)

    assert [each.window.from_ms for each in found.windows] == [FIRST_MS]


def test_the_halves_of_a_window_are_neither_exports_of_their_own_nor_a_gap(
    session: boto3.Session, config: Config, put: Put
) -> None:
    half = {"from_ms": FIRST_MS, "to_ms": FIRST_MS + DAY_MS // 2}
    put("secured", "/big")
    put("half-of-a-window", "/big", window=half)
    put("secured", "/big", day=1)

    found = of_shop(session, config)

    assert [dict(each.states) for each in found.windows] == [{"secured": 1}, {"secured": 1}]
    assert found.problems == []


def test_messages_of_both_lanes_wait_and_dead_letters_are_a_problem(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("requested", "/a")
    sqs = session.client("sqs")
    for name in (SHOP.queue_name, SHOP.direct_queue_name, DEAD_LETTERS):
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        sqs.send_message(
            QueueUrl=url, MessageBody="{}", MessageGroupId="a", MessageDeduplicationId=name
        )

    found = of_shop(session, config)

    assert (found.waiting, found.dead_letters) == (2, 1)
    assert found.problems == ["1 dead letters"]


@pytest.mark.parametrize("state", ["requested", "submitted"])
@pytest.mark.parametrize(("hours", "late"), [(25, []), (26, ["/long"])])
def test_an_export_under_way_for_longer_than_it_may_is_a_problem(
    session: boto3.Session, config: Config, put: Put, state: str, hours: int, late: list[str]
) -> None:
    asked_at = NOW - timedelta(hours=hours)
    put(state, "/long", requested_at=asked_at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
    put("secured", "/done", requested_at="2026-11-01T00:00:00.000Z")

    found = of_shop(session, config)

    assert found.windows[0].late == late
    assert found.problems == ["1 exports under way for longer than they may"] * len(late)


def test_a_source_that_was_never_planned_is_a_problem(
    session: boto3.Session, config: Config
) -> None:
    [found] = status(session, config, [config.source("Pay_ments")], newest=3, now=NOW)

    assert found.problems == ["nothing in the ledger: has it been planned?"]


def test_a_damaged_record_is_named_and_hides_no_other(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("secured", "/a")
    s3 = session.client("s3")
    [found] = s3.list_objects_v2(Bucket=config.control_bucket)["Contents"]
    s3.put_object(Bucket=config.control_bucket, Key=found["Key"], Body=b"{}")
    put("secured", "/b")

    status_ = of_shop(session, config)

    [window] = status_.windows
    assert window.states == {"secured": 1}
    [problem] = status_.problems
    where = f"s3://{config.control_bucket}/{found['Key']}"
    assert problem.startswith(f"a ledger record is damaged: {where} is not")


def test_a_copy_of_a_record_beside_it_is_named_and_counts_for_nothing(
    session: boto3.Session, config: Config, put: Put
) -> None:
    """Such as of before somebody has edited it."""
    put("failed-before-a-task", "/a")
    s3, bucket = session.client("s3"), config.control_bucket
    [found] = s3.list_objects_v2(Bucket=bucket, Prefix="ledger/")["Contents"]
    copied = f"{bucket}/{found['Key']}"
    s3.copy_object(Bucket=bucket, Key=f"{found['Key']}.bak", CopySource=copied)
    put("secured", "/a")

    status_ = of_shop(session, config)

    assert status_.windows[0].states == {"secured": 1}
    [problem] = status_.problems
    mend = "put its former version back; where it has none, remove it"
    assert problem.endswith(f"{found['Key']}.bak is a copy of {found['Key']}: {mend}")


def test_the_exit_code_tells_a_healthy_source_from_one_with_problems(
    session: boto3.Session, put: Put, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    put("secured", "/a")
    assert run("status", path, "--profile", "shop", "--windows", "3") == DONE
    assert "2026-11-21 2026-11-20 23:00" in capsys.readouterr().out
    put("failed-before-a-task", "/b")

    assert run("status", path, "--profile", "shop", "--windows", "3", "--json") == FAILED

    [found] = json.loads(capsys.readouterr().out)
    assert found["problems"] == ["1 exports failed"]
    assert found["windows"][0]["states"] == {"secured": 1, "failed": 1}


def test_the_table_has_dates_beside_utc_and_is_80_wide(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("secured", "/a")
    [window] = of_shop(session, config, newest=1).windows
    window.states.update(dict.fromkeys(("secured", "skipped", "failed", "waived"), 12_345))
    found = replace(of_shop(session, config), windows=[window])

    console = Console(file=StringIO(), width=1000)
    console.print(table(found))

    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    assert max(map(len, lines)) == 80
    assert lines[0] == f"shop, dates of {config.time_zone_of(config.source('shop'))}"
    zone = zone_named(config.time_zone_of(config.source("shop")))
    start = window.window.start
    assert lines[-1].startswith(f"{start.astimezone(zone):%Y-%m-%d} {start:%Y-%m-%d %H:%M}")


def test_where_the_ledger_has_no_window_of_the_dates_it_is_said_in_place_of_a_table(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("secured", "/a")
    found = replace(of_shop(session, config), windows=[])

    console = Console(file=StringIO(), width=1000)
    console.print(table(found))

    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said == "shop: the ledger has no window of that time\n"


@pytest.mark.parametrize(
    ("what", "problem", "need"),
    [
        (CONTRADICTED_NOTES, "1 exports sealed as contradicted", "sealed as contradicted"),
        (LACKING_NOTES, "CloudWatch has more events of 1 exports", "more in CloudWatch"),
    ],
)
def test_what_a_seal_has_amiss_is_a_problem_until_it_is_sealed_otherwise(
    session: boto3.Session,
    config: Config,
    put: Put,
    path: str,
    capsys: pytest.CaptureFixture[str],
    what: str,
    problem: str,
    need: str,
) -> None:
    put("secured", "/a")
    name = config.source_name(config.source("shop"))
    window = Window(from_ms=FIRST_MS, to_ms=FIRST_MS + DAY_MS)
    key = seal_note_key(what, name.account_id, name.region, window, "/a")
    s3 = session.client("s3")
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"/a")

    found = of_shop(session, config)
    assert found.as_json()[what] == [{"log_group": "/a", "window": window.model_dump()}]
    assert problem in found.problems
    assert run("status", path, "--profile", "shop") == FAILED
    assert f"shop: {need}" in capsys.readouterr().out

    s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"")
    assert of_shop(session, config).problems == []


@pytest.mark.parametrize("body", [b"", b'{"published": 1, "da', b"[]", b'{"dates": [{}]}', b"\xff"])
def test_what_the_sealer_has_noted_and_nobody_can_read_hides_no_status(
    session: boto3.Session, config: Config, put: Put, body: bytes
) -> None:
    """The sealer writes it anew."""
    put("secured", "/a")
    name = config.source_name(config.source("shop"))
    window = Window(from_ms=FIRST_MS, to_ms=FIRST_MS + DAY_MS)
    noted = seal_note_key(LACKING_NOTES, name.account_id, name.region, window, "/a")
    stray = f"{noted.rsplit('/', 2)[0]}/stray.json"
    chain = chain_note_key(name.account_id, name.region)
    for key, text in ((chain, body), (noted, b"/a\xff"), (stray, b"/b")):
        session.client("s3").put_object(Bucket=config.control_bucket, Key=key, Body=text)

    assert of_shop(session, config).problems == ["CloudWatch has more events of 1 exports"]


@pytest.mark.parametrize(
    ("from_ms", "to_ms"),
    [
        (FIRST_MS, 253402300799999),
        (FIRST_MS + 900 * DAY_MS, FIRST_MS + 901 * DAY_MS),
        (253402300799998, 253402300799999),
    ],
)
def test_a_key_that_looks_like_a_window_of_no_plan_is_named_and_hides_no_gap(
    session: boto3.Session, config: Config, put: Put, from_ms: int, to_ms: int
) -> None:
    for day in (-1, 1):
        put("secured", "/a", day=day)
    before = of_shop(session, config)
    key = f"ledger/444455556666/eu-west-1/{from_ms:015d}-{to_ms:015d}/x"
    session.client("s3").put_object(Bucket=config.control_bucket, Key=key, Body=b"")

    found = of_shop(session, config)

    assert [gap.from_ms for gap in found.gaps] == [FIRST_MS]
    told = f"{key.removesuffix('x')} is no window of a plan: remove it"
    others = [each for each in found.problems if "a ledger record is damaged" not in each]
    assert others == [*before.problems, told]
    assert found.as_json()["complete_until"] == before.as_json()["complete_until"]
    assert found.windows == before.windows
