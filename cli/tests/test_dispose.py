"""Sealed objects that somebody has ordered to be removed: said in the ledger, on moto."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import boto3
import pytest
from contracts.tests.sealed_archive import HOUR_MS, Archive
from moto import mock_aws
from rich.prompt import Confirm
from tests.attacks.places import S3Bucket

from logferry.bucket_store import BucketStore
from logferry.command import main
from logferry.commands import console
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.dispose import dispose, find
from logferry.errors import DisposeError
from logferry.replay import find as find_completions
from logferry.status import status
from logferry_contracts.addendum import Addendum, addendum_folder
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord, Skipped
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.seal_request import SealRequest
from logferry_contracts.source import SourceName
from logferry_contracts.statement import Statement
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from logferry_ledger.ledger import Ledger

SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
ON = date(2026, 11, 21)
"""Of the archive's first window, in Seoul, which is the configuration's time zone."""
AT = datetime(2027, 3, 2, 10, tzinfo=UTC)


@pytest.fixture
def session(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The hub's account with an empty ledger, and the sealer's queue."""
    monkeypatch.setenv("MOTO_ACCOUNT_ID", config.hub_account_id)
    session = boto3.Session("any", "any", region_name=config.region)
    monkeypatch.setattr(boto3, "Session", lambda: session)
    with mock_aws():
        session.client("s3").create_bucket(
            Bucket=config.control_bucket,
            CreateBucketConfiguration={"LocationConstraint": config.region},
        )
        session.client("sqs").create_queue(QueueName="logferry-sealer")
        yield session


@pytest.fixture
def archive(session: boto3.Session, config: Config) -> Archive:
    bucket = S3Bucket(session.client("s3"), config.archive_bucket, config.region)
    return Archive(bucket, source=SHOP)


def keep(session: boto3.Session, config: Config, record: LedgerRecord) -> LedgerRecord:
    session.client("s3").put_object(
        Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode()
    )
    return record


def recorded(
    session: boto3.Session, config: Config, archive: Archive, name: str, window: Window
) -> LedgerRecord:
    """Say in the ledger that an export is secured."""
    export = archive.export(name, window)
    group = {
        "name": name,
        "arn": f"arn:aws:logs:eu-west-1:444455556666:log-group:{name}",
        "log_group_class": "STANDARD",
        "created_ms": 1,
        "stored_bytes": 1,
    }
    manifest = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])
    at = timestamp(window.end)
    record = LedgerRecord.first(
        requested_at=window.end,
        export_id=export.export_id,
        generation=1,
        source=SHOP,
        log_group=LogGroup.model_validate(group),
        window=window,
        destination=export.destination,
        lane="slot",
    )
    submitted = record.as_submitted(export.task_ids[0], at=window.end)
    done = submitted.as_completed(Completed(at=at, manifest=manifest, published_at=at))
    return keep(session, config, done.as_secured(at=window.end))


@pytest.fixture
def sealed(session: boto3.Session, config: Config, archive: Archive) -> Statement:
    """A date of a log group that is archived and sealed, and in the ledger."""
    window = archive.window()
    statement = archive.archived("/app/personal", window, streams=2)
    recorded(session, config, archive, "/app/personal", window)
    archive.day([statement], window)
    return statement


@pytest.fixture
def arguments(path: str) -> tuple[str, ...]:
    return (
        *(path, "--profile", "shop", "--log-group", "/app/personal"),
        *("--date", str(ON), "--reason", "Erasure.", "--ticket", " PRIVACY-4711 "),
    )


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(("dispose", *arguments))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def record(session: boto3.Session, config: Config) -> LedgerRecord:
    ledger = Ledger(session.client("s3"), config.control_bucket)
    [(prefix, _)] = ledger.windows(SHOP)
    [(_, found)] = ledger.records(prefix)
    assert isinstance(found, LedgerRecord)
    return found


def asked(session: boto3.Session) -> list[Any]:
    sqs = session.client("sqs")
    url = sqs.get_queue_url(QueueName="logferry-sealer")["QueueUrl"]
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    return [parse(SealRequest, each["Body"]).data for each in found]


def test_the_ledger_says_who_has_ordered_what_and_the_sealer_is_asked(
    session: boto3.Session, config: Config, sealed: Statement, arguments: tuple[str, ...]
) -> None:
    assert run(*arguments, "--yes") == DONE

    found = record(session, config)
    disposed = found.disposed
    assert disposed is not None
    by = session.client("sts").get_caller_identity()["Arn"]
    assert (disposed.by, disposed.reason, disposed.ticket) == (by, "Erasure.", "PRIVACY-4711")
    assert found.state == "secured"
    keys = session.client("s3").list_objects_v2(Bucket=config.archive_bucket)["Contents"]
    assert any(f"{disposed.statement}.json" in each["Key"] for each in keys)
    assert {each.key for each in sealed.objects or []} <= {each["Key"] for each in keys}
    [request] = asked(session)
    assert (request.seal_from, request.seal_to) == (str(ON), str(ON))
    assert (str(request.chain), request.log_group_name) == (
        "444455556666/eu-west-1",
        "/app/personal",
    )


def test_what_is_not_sealed_yet_cannot_be_disposed_of(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    recorded(session, config, archive, "/app/personal", archive.window())

    with pytest.raises(DisposeError, match="wait for the seal of its date"):
        find(session, config, config.source("shop"), ["/app/personal"], ON, ON)


def added(sealed: Statement, before: LedgerRecord) -> LedgerRecord:
    """Return a record that says since its seal that an object was added."""
    objects = [
        ArchivedObject(key=each.key, version_id=each.version_id, size_bytes=1, etag="any")
        for each in sealed.objects or []
    ]
    assert before.completed is not None
    completed = before.completed.model_copy(update={"manifest": Manifest.of(objects)})
    folder = addendum_folder(before.export_id, 1)
    late = objects[0].model_copy(
        update={"key": f"{before.destination.prefix}/{folder}/late/000000.gz"}
    )
    at = timestamp(AT)
    addendum = Addendum(number=1, recounted_at=at, at=at, published_at=at)
    return before.model_copy(update={"completed": completed}).as_added([late], addendum)


def test_what_has_objects_that_no_seal_has_yet_cannot_be_disposed_of(
    session: boto3.Session, config: Config, sealed: Statement, arguments: tuple[str, ...]
) -> None:
    whole = keep(session, config, added(sealed, record(session, config)))

    with pytest.raises(DisposeError, match="more in the archive than any seal says"):
        find(session, config, config.source("shop"), ["/app/personal"], ON, ON)
    assert run(*arguments, "--yes") == FAILED
    assert record(session, config) == whole


def test_what_was_exported_anew_and_is_not_sealed_yet_cannot_be_disposed_of(
    session: boto3.Session, config: Config, archive: Archive, sealed: Statement
) -> None:
    first = record(session, config)
    other = archive.export("/app/personal", first.window, generation=2)
    assert first.completed is not None
    objects = [
        ArchivedObject(key=f"{other.folders[0]}s/000000.gz", version_id="v", size_bytes=1, etag="e")
    ]
    completed = first.completed.model_copy(update={"manifest": Manifest.of(objects)})
    named = {"export_id": other.export_id, "generation": 2, "completed": completed}
    keep(session, config, first.model_copy(update=named))

    with pytest.raises(DisposeError, match="more in the archive than any seal says"):
        find(session, config, config.source("shop"), ["/app/personal"], ON, ON)


def test_what_is_added_while_somebody_thinks_about_it_is_not_disposed_of(
    session: boto3.Session, config: Config, sealed: Statement
) -> None:
    found = find(session, config, config.source("shop"), ["/app/personal"], ON, ON)
    whole = keep(session, config, added(sealed, record(session, config)))

    with pytest.raises(DisposeError, match="more in the archive than any seal says"):
        dispose(session, config, found, "Erasure.", None, now=AT)

    assert record(session, config) == whole
    assert asked(session) == []


def test_what_was_sealed_as_failed_cannot_be_disposed_of(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    window = archive.window()
    recorded(session, config, archive, "/app/personal", window)
    archive.day([archive.statement("/app/personal", window, "failed")], window)

    with pytest.raises(DisposeError, match="wait for the seal of its date"):
        find(session, config, config.source("shop"), ["/app/personal"], ON, ON)


def test_what_never_came_into_the_archive_is_to_be_waived_instead(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    secured = recorded(session, config, archive, "/app/personal", archive.window())
    failed = Failed(reason="task_failed", message="no", at=timestamp(AT))
    gone = {"state": "failed", "failed": failed, "completed": None, "secured": None}
    keep(session, config, secured.model_copy(update=gone))

    told = r"(?s)not in the archive: .*: failed; .*\n  logferry waive organization.yaml --profile "
    with pytest.raises(DisposeError, match=told):
        find(session, config, config.source("shop"), ["/app/personal"], ON, ON)


def test_what_is_lost_already_can_be_answered_for(
    session: boto3.Session, config: Config, archive: Archive, sealed: Statement
) -> None:
    lost = record(session, config).as_lost(
        Failed(reason="object_missing", message="gone", at=timestamp(AT))
    )
    keep(session, config, lost)
    for each in sealed.objects or []:
        archive.bucket.remove(each.key)

    [found] = find(session, config, config.source("shop"), ["/app/personal"], ON, ON)
    dispose(session, config, [found], "Erasure.", None, now=AT)

    assert (found.still_there, found.objects) == (0, 2)
    [state] = status(
        session, config, [config.source("shop")], newest=1, now=datetime(2026, 11, 22, tzinfo=UTC)
    )
    assert (dict(state.windows[0].states), state.problems) == ({"disposed": 1}, [])
    assert state.as_json()["windows"][0]["disposed"] == {"/app/personal": "Erasure."}


def test_what_somebody_has_ordered_stays_as_they_said_it(
    session: boto3.Session, config: Config, sealed: Statement, arguments: tuple[str, ...]
) -> None:
    run(*arguments, "--yes")
    before = record(session, config)

    assert run(*arguments[:-3], "Another reason.", "--ticket", "X") == DONE

    assert record(session, config) == before
    assert len(asked(session)) == 2, "the sealer is asked again, in case it was not"


def test_nobody_hears_again_of_what_was_disposed_of(
    session: boto3.Session, config: Config, sealed: Statement, arguments: tuple[str, ...]
) -> None:
    assert list(find_completions(session, config, [config.source("shop")], ON, ON))

    run(*arguments, "--yes")

    assert list(find_completions(session, config, [config.source("shop")], ON, ON)) == []


def test_a_list_of_leaves_is_read_once_for_all_windows_of_a_date(
    session: boto3.Session,
    config: Config,
    archive: Archive,
    arguments: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    covers = archive.window()
    hours = [archive.window(HOUR_MS, covers.from_ms + n * HOUR_MS) for n in range(24)]
    for each in hours:
        recorded(session, config, archive, "/app/personal", each)
    archive.day([archive.archived("/app/personal", each) for each in hours], covers)
    for _ in range(3):
        archive.day([], archive.window())
    opened: list[str] = []
    real = BucketStore.open
    monkeypatch.setattr(
        BucketStore, "open", lambda *it: opened.append(it[1].split("/")[3]) or real(*it)
    )

    assert run(*arguments, "--dry-run", "--json") == DONE

    read, windows = Counter(opened), json.loads(capsys.readouterr().out)
    assert (read["seals"], read["statements"], len(windows)) == (4, 16, 16)
    assert read["leaves"] <= 2, "once to see whether it is the one that was sealed, once to read it"


def test_a_dry_run_shows_it_and_writes_nothing(
    session: boto3.Session,
    config: Config,
    sealed: Statement,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = record(session, config)

    assert run(*arguments, "--dry-run", "--json") == DONE

    [window] = json.loads(capsys.readouterr().out)
    assert (window["objects"], window["still_there"], window["disposed"]) == (2, 2, None)
    assert (record(session, config), asked(session)) == (before, [])


def test_nobody_answers_for_it_unasked(
    session: boto3.Session,
    config: Config,
    sealed: Statement,
    arguments: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert run(*arguments) == FAILED
    assert "add --yes or --dry-run" in capsys.readouterr().err
    monkeypatch.setattr(type(console.messages), "is_terminal", True)
    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: False)
    assert run(*arguments) == FAILED
    assert "nothing was disposed of" in capsys.readouterr().err
    assert record(session, config).disposed is None


def test_a_ticket_that_nobody_can_read_is_refused(
    session: boto3.Session, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments[:-1], " ") == BAD_INPUT
    assert "--ticket: 0 characters" in capsys.readouterr().err


def three_dates(session: boto3.Session, config: Config, archive: Archive) -> None:
    """Seal three dates of three log groups; one was empty on the second of them."""
    for number in range(3):
        window = archive.window()
        statements = []
        for name in ("/app/a", "/app/b", "/app/c"):
            done = recorded(session, config, archive, name, window)
            if (number, name) == (1, "/app/b"):
                skipped = Skipped(reason="empty", at=timestamp(AT))
                empty = {"state": "skipped", "skipped": skipped, "completed": None, "secured": None}
                keep(session, config, done.model_copy(update=empty))
                statements.append(archive.statement(name, window, "skipped", reason="empty"))
            else:
                statements.append(archive.archived(name, window))
        archive.day(statements, window)


SPAN = ("--from", str(ON), "--to", "2026-11-23", "--reason", "Kept for long enough.")


def test_dates_of_several_log_groups_are_disposed_of_at_once(
    session: boto3.Session,
    config: Config,
    archive: Archive,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    three_dates(session, config, archive)
    opened: list[str] = []
    real = BucketStore.open
    monkeypatch.setattr(
        BucketStore, "open", lambda *it: opened.append(it[1].split("/")[3]) or real(*it)
    )
    named = ("--log-group", "/app/a", "--log-group", "/app/b")

    assert run(path, "--profile", "shop", *named, *SPAN, "--yes", "--json") == DONE

    windows = json.loads(capsys.readouterr().out)
    assert Counter(each["log_group"] for each in windows) == {"/app/a": 3, "/app/b": 2}
    assert {each["disposed"]["reason"] for each in windows} == {"Kept for long enough."}
    read = Counter(opened)
    assert (read["seals"], read["statements"]) == (3, 5), "each once, whatever is disposed of"
    assert read["leaves"] <= 2 * 3
    ledger = Ledger(session.client("s3"), config.control_bucket)
    records = [record for prefix, _ in ledger.windows(SHOP) for _, record in ledger.records(prefix)]
    said = [each for each in records if isinstance(each, LedgerRecord) and each.disposed]
    assert Counter(each.log_group.name for each in said) == {"/app/a": 3, "/app/b": 2}
    [request] = asked(session)
    assert (request.seal_from, request.seal_to) == (str(ON), "2026-11-23")
    assert request.log_group_name is None


def test_what_was_skipped_is_refused_where_its_date_is_named(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    three_dates(session, config, archive)
    second = date(2026, 11, 22)

    with pytest.raises(
        DisposeError, match=r"/app/b on 2026-11-22: not in the archive: .*: skipped"
    ):
        find(session, config, config.source("shop"), ["/app/a", "/app/b"], second, second)


def test_what_may_still_come_into_the_archive_keeps_a_span_from_being_disposed_of(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    three_dates(session, config, archive)
    window = archive.window()
    done = recorded(session, config, archive, "/app/a", window)
    under_way = {"state": "submitted", "completed": None, "secured": None}
    keep(session, config, done.model_copy(update=under_way))

    with pytest.raises(
        DisposeError, match=r"/app/a on 2026-11-24: not in the archive: .*submitted"
    ):
        find(session, config, config.source("shop"), ["/app/a"], ON, date(2026, 11, 24))


def test_a_log_group_that_no_date_has_is_named(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    three_dates(session, config, archive)

    with pytest.raises(
        DisposeError, match=r"shop: /app/x from 2026-11-21 to 2026-11-23: .* nothing"
    ):
        find(session, config, config.source("shop"), ["/app/a", "/app/x"], ON, date(2026, 11, 23))


def test_a_table_has_a_row_for_each_log_group(
    session: boto3.Session,
    config: Config,
    archive: Archive,
    path: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    three_dates(session, config, archive)
    named = ("--log-group", "/app/a", "--log-group", "/app/b")

    assert run(path, "--profile", "shop", *named, *SPAN, "--dry-run") == DONE

    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "/app/" in line]
    assert [(row[1], row[7]) for row in rows] == [("/app/a", "3"), ("/app/b", "2")]
    assert rows[0][2:7] == ["2026-11-20", "23:00", "to", "2026-11-23", "23:00"]


@pytest.mark.parametrize(
    "given",
    [
        (),
        ("--from", "2026-11-21"),
        ("--to", "2026-11-21"),
        ("--date", "2026-11-21", "--to", "2026-11-22"),
    ],
)
def test_which_dates_they_are_is_said_in_one_way(
    session: boto3.Session, path: str, given: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    named = ("--profile", "shop", "--log-group", "/app/a", "--reason", "Erasure.")
    assert run(path, *named, *given) == BAD_INPUT
    assert "either --date, or --from and --to" in capsys.readouterr().err
