"""Events that are published again from the ledger, on moto."""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from cli.tests.ledgers import EXAMPLES, hub_on_moto, record_like
from rich.prompt import Confirm

from logferry.command import main
from logferry.commands import console
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import ReplayError
from logferry.replay import dates, find, publish
from logferry_contracts.addendum import Addendum, addendum_folder
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_key import manifest_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse

DAY_MS = 86_400_000
SEOUL_MS = 1_795_186_800_000
"""2026-11-21T00:00 in Seoul, which is the configuration's time zone."""
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
AT = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)

type Put = Callable[..., LedgerRecord]
type Heard = Callable[[], list[tuple[ExportCompleted, dict[str, str]]]]


@pytest.fixture
def session(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The hub's account with an empty ledger, the topic, and a queue that hears everything."""
    with hub_on_moto(config, monkeypatch) as session:
        sns = session.client("sns")
        assert sns.create_topic(Name="log-export-events")["TopicArn"] == config.topic_arn
        session.client("sqs").create_queue(QueueName="team")
        sns.subscribe(
            TopicArn=config.topic_arn,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{config.region}:{config.hub_account_id}:team",
            Attributes={"RawMessageDelivery": "true"},
        )
        yield session


@pytest.fixture
def put(session: boto3.Session, config: Config) -> Put:
    """Put a ledger record, made from one of the contract's examples."""

    def put(example: str, group: str, *, day: int = 0, **changes: Any) -> LedgerRecord:
        start_ms = SEOUL_MS + day * DAY_MS
        window = Window(from_ms=start_ms, to_ms=start_ms + DAY_MS)
        wanted = record_like(example, SHOP, group, window, **changes)
        session.client("s3").put_object(
            Bucket=config.control_bucket, Key=wanted.key, Body=emit(wanted).encode()
        )
        return wanted

    return put


@pytest.fixture
def heard(session: boto3.Session) -> Heard:
    """Takes every event from the queue, with its message attributes, by its log group's name."""
    sqs = session.client("sqs")
    url = sqs.get_queue_url(QueueName="team")["QueueUrl"]

    def take() -> list[tuple[ExportCompleted, dict[str, str]]]:
        found = []
        while messages := sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                attributes = message["MessageAttributes"].items()
                told = {name: each["StringValue"] for name, each in attributes}
                found.append((parse(ExportCompleted, message["Body"]), told))
        return sorted(found, key=lambda each: each[0].data.log_group_name)

    return take


def replay(session: boto3.Session, config: Config, first: str, last: str) -> list[int]:
    """Replay the dates of one source; return what progress was told."""
    counts: list[int] = []
    found = list(find(session, config, [config.source("shop")], *dates(first, last)))
    publish(session, config, found, now=AT, watch=counts.append)
    return counts


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(("events", "replay", *arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_what_is_in_the_archive_is_published_again_with_its_id_and_a_mark(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    completed, secured = put("completed", "/a"), put("secured", "/b")
    for other in (
        "requested",
        "submitted",
        "skipped",
        "failed-before-a-task",
        "lost-after-secured",
    ):
        put(other, f"/{other}")
    put("half-of-a-window", "/half")

    assert replay(session, config, "2026-11-21", "2026-11-21") == [1, 2]

    for (event, attributes), record in zip(heard(), (completed, secured), strict=True):
        assert event == ExportCompleted.of_record(record, replayed_at=AT)
        assert (event.id, event.data.replayed_at) == (record.export_id, "2026-12-01T09:30:00.000Z")
        assert attributes == {
            "type": "logferry.export.completed.v1",
            "log_group": record.log_group.name,
            **SHOP.attributes,
            "replayed": "true",
        }


def test_what_was_added_is_published_again_by_an_event_of_its_own(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    secured = put("secured", "/a")
    folder = addendum_folder(secured.export_id, 1)
    key = f"{secured.destination.prefix}/{folder}/agent/000000.gz"
    late = ArchivedObject(key=key, version_id="v", size_bytes=9, etag="e")
    at = timestamp(AT)
    addendum = Addendum(number=1, recounted_at=at, at=at, published_at=at)
    record = secured.as_added([late], addendum)
    session.client("s3").put_object(
        Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode()
    )

    assert replay(session, config, "2026-11-21", "2026-11-21") == [1]

    own, added = (event for event, _ in heard())
    assert own == ExportCompleted.of_record(secured, replayed_at=AT)
    assert (added.id, added.data.addendum) == (folder, 1)
    assert [each.key for each in added.data.manifest.objects or ()] == [key]


def test_a_completed_half_is_told_of_by_its_whole_alone(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    whole = put("completed", "/big")
    put("completed", "/big-half", parent_export_id=whole.export_id)

    replay(session, config, "2026-11-21", "2026-11-21")

    assert [event.id for event, _ in heard()] == [whole.export_id]


def test_the_tasks_of_an_export_that_was_split_are_named(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    middle = SEOUL_MS + DAY_MS // 2
    halves = [
        {"from_ms": SEOUL_MS, "to_ms": middle},
        {"from_ms": middle, "to_ms": SEOUL_MS + DAY_MS},
    ]
    names = ["1" * 32, "2" * 32]
    [example] = EXAMPLES.glob("*/accept/split-in-halves.json")
    split = json.loads(example.read_text())["split"] | {
        "halves": [
            {"export_id": name, "window": half} for name, half in zip(names, halves, strict=True)
        ]
    }
    whole = put("completed", "/big", split=split)
    for name, half in zip(names, halves, strict=True):
        task = {"task_id": f"task-{name[0]}", "at": "2026-11-23T06:00:00Z"}
        put(
            "completed",
            "/big",
            window=half,
            export_id=name,
            submitted=task,
            parent_export_id=whole.export_id,
        )

    replay(session, config, "2026-11-21", "2026-11-21")

    [(event, _)] = heard()
    assert (event.data.task_id, event.data.task_ids) == (None, ["task-1", "task-2"])


def test_dates_are_those_of_the_sources_time_zone_and_both_are_included(
    session: boto3.Session, document: dict[str, Any], put: Put, heard: Heard
) -> None:
    for day in range(-1, 3):
        put("completed", f"/day{day}", day=day)
    in_seoul = Config.model_validate(document)
    document["sources"][0]["window_rule"] = {"unit": "day", "time_zone": "UTC"}
    in_utc = Config.model_validate(document)

    replay(session, in_seoul, "2026-11-21", "2026-11-22")
    assert [event.data.log_group_name for event, _ in heard()] == ["/day0", "/day1"]
    replay(session, in_utc, "2026-11-21", "2026-11-22")
    assert [event.data.log_group_name for event, _ in heard()] == ["/day1", "/day2"]


def test_another_sources_exports_in_the_same_account_are_left_out(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    put("completed", "/a", source=SHOP.model_dump() | {"profile": "other"})
    put("completed", "/b")

    replay(session, config, "2026-11-21", "2026-11-21")

    assert [event.data.log_group_name for event, _ in heard()] == ["/b"]


def test_a_damaged_record_is_told_of_and_the_others_are_published(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    damaged = put("completed", "/a")
    session.client("s3").put_object(Bucket=config.control_bucket, Key=damaged.key, Body=b"{")
    put("completed", "/b")

    [found] = find(session, config, [config.source("shop")], *dates("2026-11-21", "2026-11-21"))
    publish(session, config, [found], now=AT, watch=lambda _: None)

    assert [event.data.log_group_name for event, _ in heard()] == ["/b"]
    [problem] = found.damaged
    assert problem.startswith(f"s3://{config.control_bucket}/{damaged.key} is not")


def long_completion(put: Put) -> LedgerRecord:
    objects = [
        ArchivedObject(key=f"{n:0200}", version_id="v", size_bytes=1, etag="e") for n in range(1500)
    ]
    manifest = Manifest(object_count=1500, stream_count=1, total_bytes=1500, objects=objects)
    completed = json.loads(next(EXAMPLES.glob("*/accept/completed.json")).read_text())["completed"]
    return put(
        "completed",
        "/long",
        completed=completed | {"manifest": manifest.model_dump(exclude_none=True)},
    )


def test_a_list_too_long_for_an_event_is_named_where_the_first_event_named_it(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    record = long_completion(put)
    assert record.completed is not None
    key = manifest_key(record.source, record.window, record.export_id)
    body = emit(record.completed.manifest).encode()
    s3 = session.client("s3")

    replay(session, config, "2026-11-21", "2026-11-21")  # nobody has written it yet
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=body)
    replay(session, config, "2026-11-21", "2026-11-21")

    for event, _ in heard():
        location = event.data.manifest.location
        assert event.data.manifest.objects is None
        assert location is not None
        assert (location.key, location.sha256) == (key, hashlib.sha256(body).hexdigest())
    assert s3.get_object(Bucket=config.control_bucket, Key=key)["Body"].read() == body


def test_a_list_that_an_earlier_event_has_named_is_never_overwritten(
    session: boto3.Session, config: Config, put: Put, heard: Heard
) -> None:
    record = long_completion(put)
    key = manifest_key(record.source, record.window, record.export_id)
    s3 = session.client("s3")
    s3.put_object(Bucket=config.control_bucket, Key=key, Body=b"another")

    replay(session, config, "2026-11-21", "2026-11-21")

    [(event, _)] = heard()
    location = event.data.manifest.location
    assert location is not None
    assert location.key != key
    body = s3.get_object(Bucket=config.control_bucket, Key=location.key)["Body"].read()
    assert hashlib.sha256(body).hexdigest() == location.sha256
    assert s3.get_object(Bucket=config.control_bucket, Key=key)["Body"].read() == b"another"


def test_a_topic_that_refuses_is_told_with_the_source(
    session: boto3.Session, config: Config, put: Put
) -> None:
    put("completed", "/a")
    session.client("sns").delete_topic(TopicArn=config.topic_arn)

    with pytest.raises(ReplayError, match=r"shop: .*NotFound"):
        replay(session, config, "2026-11-21", "2026-11-21")


def test_a_dry_run_shows_what_would_be_published_and_publishes_nothing(
    session: boto3.Session,
    put: Put,
    heard: Heard,
    path: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("completed", "/a")
    put("secured", "/b")

    assert run(path, "--from", "2026-11-21", "--to", "2026-11-21", "--dry-run") == DONE
    shown = capsys.readouterr().out
    assert run(path, "--from", "2026-11-21", "--to", "2026-11-21", "--dry-run", "--json") == DONE

    assert "2026-11-20 15:00 to 2026-11-21 15:00" in shown
    [window] = json.loads(capsys.readouterr().out)
    assert window["profile"] == "shop"
    assert window["window"] == Window(from_ms=SEOUL_MS, to_ms=SEOUL_MS + DAY_MS).model_dump()
    assert window["events"] == 2
    assert heard() == []


def test_a_replay_of_nothing_says_so(
    session: boto3.Session, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(path, "--from", "2026-11-21", "--to", "2026-11-22") == DONE
    captured = capsys.readouterr()
    assert "nothing to replay: nothing is completed from 2026-11-21 to 2026-11-22" in captured.err
    assert captured.out == ""


def test_nothing_is_published_without_somebodys_consent(
    session: boto3.Session,
    put: Put,
    heard: Heard,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    put("completed", "/a")
    asked = ["--from", "2026-11-21", "--to", "2026-11-21"]

    assert run(path, *asked) == FAILED
    assert "add --yes or --dry-run" in capsys.readouterr().err
    monkeypatch.setattr(type(console.messages), "is_terminal", True)
    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: False)
    assert run(path, *asked) == FAILED
    assert heard() == []

    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: True)
    assert run(path, *asked) == DONE
    assert run(path, *asked, "--yes", "--profile", "shop") == DONE
    assert len(heard()) == 2


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        ("2026-11-31", "2026-12-01", "--from 2026-11-31: "),
        ("yesterday", "2026-12-01", "--from yesterday: "),
        ("2026-11-22", "2026-11-21", "--to 2026-11-21 is before --from 2026-11-22"),
    ],
)
def test_dates_that_are_none_are_bad_input(
    path: str, first: str, last: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(path, "--from", first, "--to", last) == BAD_INPUT
    assert told in capsys.readouterr().err
