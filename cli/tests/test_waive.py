"""What is not in the archive, and somebody answers for: in the ledger, on moto."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest
from cli.tests.ledgers import EXAMPLES, hub_on_moto
from rich.prompt import Confirm

from logferry import waive as waiving
from logferry.command import main
from logferry.commands import console
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import WaiveError
from logferry.status import status
from logferry.waive import find, waive
from logferry_contracts.ledger_record import LedgerRecord, Waived
from logferry_contracts.source import SourceName
from logferry_contracts.wire import emit, parse
from logferry_ledger import ledger as ledgers
from logferry_ledger.errors import LedgerError
from logferry_ledger.ledger import Ledger

HOUR_MS = 3_600_000
SEOUL_MS = 1_795_186_800_000
"""2026-11-21T00:00 in Seoul, which is the configuration's time zone."""
ON = date(2026, 11, 21)
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
AT = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)

type Put = Callable[..., LedgerRecord]


@pytest.fixture
def session(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The hub's account with an empty ledger."""
    with hub_on_moto(config, monkeypatch) as session:
        yield session


@pytest.fixture
def put(session: boto3.Session, config: Config) -> Put:
    """Put a ledger record, made from one of the contract's examples, of an hour of the date."""

    def put(example: str, group: str, *, hour: int = 0, **changes: Any) -> LedgerRecord:
        [path] = EXAMPLES.glob(f"*/accept/{example}.json")
        start_ms = SEOUL_MS + hour * HOUR_MS
        record = json.loads(path.read_text()) | {
            "source": SHOP.model_dump(),
            "window": {"from_ms": start_ms, "to_ms": start_ms + HOUR_MS},
        }
        record["log_group"]["name"] = group
        wanted = parse(LedgerRecord, json.dumps(record | changes))
        session.client("s3").put_object(
            Bucket=config.control_bucket, Key=wanted.key, Body=emit(wanted).encode()
        )
        return wanted

    return put


def read(session: boto3.Session, config: Config, record: LedgerRecord) -> LedgerRecord:
    return Ledger(session.client("s3"), config.control_bucket).read(record.key)


def test_a_date_that_is_not_over_is_waited_for(session: boto3.Session, config: Config) -> None:
    """Whose own planner refuses it: what it is in the source's zone, Asia/Seoul, counts."""
    over_in = datetime(2026, 11, 21, 15, tzinfo=UTC)
    shop = config.source("shop")
    with pytest.raises(WaiveError, match=r"Wait until it is over in Asia/Seoul"):
        find(session, config, shop, "/a", ON, now=over_in - timedelta(seconds=1))
    with pytest.raises(WaiveError, match=r"ask for it:\n  logferry plan "):
        find(session, config, shop, "/a", ON, now=over_in)


def waived(session: boto3.Session, config: Config, group: str, reason: str = "Gone.") -> None:
    found = find(session, config, config.source("shop"), group, ON, now=AT)
    waive(session, config, found, reason, now=AT)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(("waive", *arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("example", ["failed-before-a-task", "lost-after-secured", "skipped"])
def test_the_ledger_says_who_answers_for_what_is_not_in_the_archive(
    session: boto3.Session, config: Config, put: Put, example: str
) -> None:
    record = put(example, "/old")

    waived(session, config, "/old")

    after = read(session, config, record)
    by = session.client("sts").get_caller_identity()["Arn"]
    assert after.waived == Waived(at="2026-12-01T09:30:00.000Z", by=by, reason="Gone.")
    assert (after.state, after.revision) == (record.state, record.revision + 1)


def test_each_window_of_the_date_is_waived_and_no_other(
    session: boto3.Session, config: Config, put: Put
) -> None:
    of_date = [put("failed-before-a-task", "/old", hour=hour) for hour in (0, 23)]
    others = [
        put("failed-before-a-task", "/old", hour=-1),
        put("failed-before-a-task", "/old", hour=24),
        put("failed-before-a-task", "/older", export_id="0" * 32),
    ]

    waived(session, config, "/old")

    assert all(read(session, config, each).waived for each in of_date)
    assert not any(read(session, config, each).waived for each in others)


def test_only_the_last_try_of_the_whole_window_counts(
    session: boto3.Session, config: Config, put: Put
) -> None:
    first = put("failed-with-next-generation", "/old", export_id="1" * 32)
    last = put("failed-before-a-task", "/old", export_id="2" * 32, generation=2)
    half = put("failed-before-a-task", "/old", export_id="3" * 32, parent_export_id="2" * 32)

    waived(session, config, "/old")

    assert [read(session, config, each).waived is None for each in (first, last, half)] == [
        True,
        False,
        True,
    ]


@pytest.mark.parametrize("example", ["requested", "submitted", "completed", "secured"])
def test_what_is_in_the_archive_or_under_way_is_not_waived(
    session: boto3.Session, config: Config, put: Put, example: str
) -> None:
    put(example, "/a")

    with pytest.raises(WaiveError, match=f"/a on 2026-11-21: nothing to waive: .*: {example}"):
        find(session, config, config.source("shop"), "/a", ON, now=AT)


def test_what_the_ledger_does_not_know_is_to_be_asked_for_instead(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("failed-before-a-task", "/b")

    with pytest.raises(WaiveError) as told:
        find(session, config, config.source("shop"), "/a", ON, now=AT)
    assert str(told.value).endswith(
        "\n  logferry plan organization.yaml --profile shop --from 2026-11-21 --to 2026-11-21"
    )


def test_what_was_completed_since_it_was_shown_is_not_waived(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("failed-before-a-task", "/a")
    found = find(session, config, config.source("shop"), "/a", ON, now=AT)
    name = found[0].record.export_id
    completed = put("completed", "/a", export_id=name)

    with pytest.raises(WaiveError, match=f"{name} is completed, not to be waived"):
        waive(session, config, found, "Gone.", now=AT)

    assert read(session, config, completed) == completed


def test_what_somebody_has_waived_stays_as_they_said_it(
    session: boto3.Session, config: Config, put: Put
) -> None:
    record = put("failed-before-a-task", "/a")
    waived(session, config, "/a", "The first reason.")
    before = read(session, config, record)

    waived(session, config, "/a", "Another one.")

    assert read(session, config, record).waived == before.waived


def test_a_record_that_is_changed_meanwhile_is_read_again(
    session: boto3.Session, config: Config, put: Put
) -> None:
    record = put("failed-before-a-task", "/a")
    ledger = Ledger(session.client("s3"), config.control_bucket)
    others = iter([record.as_asked_again("4" * 32)])

    def changed(read: LedgerRecord) -> LedgerRecord:
        for other in others:
            session.client("s3").put_object(
                Bucket=config.control_bucket, Key=record.key, Body=emit(other).encode()
            )
        return read.as_waived(Waived(at="2026-12-01T09:30:00.000Z", by="me", reason="Gone."))

    after = ledger.change(record.key, changed)

    assert after.failed is not None
    assert (after.failed.next_export_id, after.waived is None) == ("4" * 32, False)
    assert ledger.read(record.key) == after


def test_a_record_that_others_change_without_end_is_named(
    session: boto3.Session, config: Config, put: Put
) -> None:
    record = put("failed-before-a-task", "/a")
    ledger = Ledger(session.client("s3"), config.control_bucket)

    def changed(read: LedgerRecord) -> LedgerRecord:
        other = read.as_asked_again("4" * 32)
        session.client("s3").put_object(
            Bucket=config.control_bucket, Key=record.key, Body=emit(other).encode()
        )
        return other

    with pytest.raises(LedgerError, match=f"{record.export_id}.json was changed by others 5 times"):
        ledger.change(record.key, changed)
    assert ledger.read(record.key).revision == record.revision + ledgers.WRITES


def test_what_is_waived_is_no_problem_any_more(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("failed-before-a-task", "/old")
    put("secured", "/fine")

    waived(session, config, "/old")

    [found] = status(
        session, config, [config.source("shop")], newest=1, now=datetime(2026, 11, 22, tzinfo=UTC)
    )
    assert found.problems == []
    [window] = found.windows
    assert (dict(window.states), window.failed) == ({"waived": 1, "secured": 1}, {})
    assert found.as_json()["windows"][0]["waived"] == {"/old": "Gone."}


@pytest.fixture
def arguments(path: str) -> tuple[str, ...]:
    return (path, "--profile", "shop", "--log-group", "/old", "--date", "2026-11-21")


def test_a_dry_run_shows_it_and_writes_nothing(
    session: boto3.Session,
    config: Config,
    put: Put,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = put("failed-before-a-task", "/old")

    assert run(*arguments, "--reason", "Gone.", "--dry-run") == DONE

    assert "failed: bucket_policy" in capsys.readouterr().out
    assert read(session, config, record) == record


def test_nobody_answers_for_it_unasked(
    session: boto3.Session,
    config: Config,
    put: Put,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = put("failed-before-a-task", "/old")

    assert run(*arguments, "--reason", "Gone.") == FAILED
    assert "add --yes or --dry-run" in capsys.readouterr().err
    monkeypatch.setattr(type(console.messages), "is_terminal", True)
    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: False)
    assert run(*arguments, "--reason", "Gone.") == FAILED
    assert "nothing was waived" in capsys.readouterr().err
    assert read(session, config, record) == record

    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: True)
    assert run(*arguments, "--reason", "Gone.") == DONE
    assert read(session, config, record).waived is not None


def test_the_command_prints_the_windows_as_json(
    session: boto3.Session,
    config: Config,
    put: Put,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = put("failed-before-a-task", "/old")

    assert run(*arguments, "--reason", " Gone. ", "--yes", "--json") == DONE

    [window] = json.loads(capsys.readouterr().out)
    assert (window["log_group"], window["export_id"]) == ("/old", record.export_id)
    assert window["outcome"] == "failed: bucket_policy"
    assert window["waived"]["reason"] == "Gone."
    assert window["waived"] == read(session, config, record).model_dump()["waived"]


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("--date", "2026-11-31", "--date 2026-11-31"),
        ("--reason", "  ", "--reason: 0 characters"),
        ("--reason", "a" * (waiving.LONGEST_REASON + 1), "--reason: 1025 characters"),
        ("--profile", "nobody", "nobody"),
    ],
)
def test_bad_input_is_named_before_anything_is_asked_of_aws(
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    option: str,
    value: str,
    says: str,
) -> None:
    given = dict(zip(arguments[1::2], arguments[2::2], strict=True)) | {"--reason": "Gone."}
    given[option] = value

    assert run(arguments[0], *(each for pair in given.items() for each in pair)) == BAD_INPUT

    assert says in capsys.readouterr().err
