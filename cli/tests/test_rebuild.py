"""The ledger made again from what the sealer has stated, on moto."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from contracts.tests.sealed_archive import AT, DAY_MS, DISPOSAL, Archive, SealingKey
from moto import mock_aws
from services.planner.tests.fakes import World, plan_request
from tests.attacks.places import S3Bucket

from logferry.command import main
from logferry.config import Config
from logferry.rebuild import Believed, Report, rebuild
from logferry.rebuilt_tries import tries_before
from logferry.replay import find as find_completions
from logferry.status import status
from logferry_contracts.addendum import addendum_folder
from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.manifest import Manifest
from logferry_contracts.open_exports import is_open
from logferry_contracts.source import SourceName
from logferry_contracts.statement import Difference, StatedLogGroup, Statement, Waiver
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_ledger.ledger import Ledger
from planner import handler

PINNED: list[SealingKey] = []
"""The key that is trusted."""
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
LATER = "2027-01-01T00:00:00.000Z"
WAIVER = Waiver(by="arn:aws:iam::111122223333:user/somebody", why="Gone.", at=AT)


@pytest.fixture
def session(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The hub's account with an empty control bucket."""
    session = boto3.Session("any", "any", region_name=config.region)
    monkeypatch.setattr(boto3, "Session", lambda: session)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", config.hub_account_id)
    with mock_aws():
        session.client("s3").create_bucket(
            Bucket=config.control_bucket,
            CreateBucketConfiguration={"LocationConstraint": config.region},
        )
        yield session


@pytest.fixture
def archive(session: boto3.Session, config: Config) -> Archive:
    bucket = S3Bucket(session.client("s3"), config.archive_bucket, config.region)
    made = Archive(bucket, source=SHOP)
    PINNED[:] = [made.key]
    return made


def known(statement: Statement, **changes: Any) -> Statement:
    """Return a statement of a log group of which the ledger has a record."""
    name = statement.log_group.name
    group = StatedLogGroup(
        name=name,
        arn=f"arn:aws:logs:{SHOP.region}:{SHOP.account_id}:log-group:{name}",
        log_group_class="STANDARD",
        created_ms=1,
        retention_days=30,
    )
    return statement.model_copy(update={"log_group": group} | changes)


def sealed(archive: Archive, *statements: Statement, window: Window | None = None) -> None:
    archive.day(statements, window or archive.window())


def run(
    session: boto3.Session, config: Config, *, dry_run: bool = False, unsealed: bool = False
) -> Report:
    sources = [config.source("shop")]
    believed = Believed(keys=tuple(each.trusted for each in PINNED), unsealed=unsealed)
    [report] = rebuild(session, config, sources, believed, dry_run=dry_run, watch=lambda _: None)
    return report


def tries(session: boto3.Session, config: Config) -> dict[str, list[LedgerRecord]]:
    ledger = Ledger(session.client("s3"), config.control_bucket)
    found: dict[str, list[LedgerRecord]] = {}
    for prefix, _ in ledger.windows(SHOP):
        for key, record in ledger.records(prefix):
            assert isinstance(record, LedgerRecord)
            assert key == record.key
            found.setdefault(record.log_group.name, []).append(record)
    return {
        name: sorted(each, key=lambda record: record.generation) for name, each in found.items()
    }


def records(session: boto3.Session, config: Config) -> dict[str, LedgerRecord]:
    """Return the newest record of each log group."""
    return {name: each[-1] for name, each in tries(session, config).items()}


def tried(archive: Archive, name: str, outcome: str, generation: int = 1, **more: Any) -> Statement:
    window = archive.window()
    exports = [archive.export(name, window, each) for each in range(1, generation + 1)]
    return known(archive.statement(name, window, outcome, exports=exports, **more))


def test_what_was_archived_is_completed_and_announced(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    statement = known(archive.archived("/a", archive.window(), streams=2, generation=2))
    sealed(archive, statement)
    report = run(session, config)
    assert (report.made, report.there, report.left) == (1, 0, [])
    record = records(session, config)["/a"]
    export = statement.exports[-1]
    assert record.completed is not None
    assert (record.state, record.revision, record.export_id, record.generation) == (
        "completed",
        1,
        export.export_id,
        2,
    )
    assert (record.destination, record.lane) == (export.destination, export.lane)
    assert record.submitted is not None
    assert [record.submitted.task_id] == export.task_ids
    assert record.log_group == LogGroup(**statement.log_group.model_dump())
    assert record.completed.at == record.completed.published_at == export.ended_at
    manifest = record.completed.manifest
    assert (manifest.object_count, manifest.stream_count) == (2, 2)
    assert manifest.objects is not None
    assert statement.objects is not None
    assert [(each.key, each.version_id, each.size_bytes) for each in manifest.objects] == [
        (each.key, each.version_id, each.size_bytes) for each in statement.objects
    ]


@pytest.mark.parametrize("stated", [[1, 2, 3], [3]], ids=["all", "the last alone"])
def test_the_tries_before_are_there_so_that_nobody_takes_the_window_for_new(
    session: boto3.Session, config: Config, archive: Archive, stated: list[int]
) -> None:
    statement = known(archive.archived("/a", archive.window(), generation=3))
    before = [archive.export("/a", archive.window(), each) for each in (1, 2)]
    exports = [each for each in [*before, statement.exports[-1]] if each.generation in stated]
    sealed(archive, statement.model_copy(update={"exports": exports}))
    assert run(session, config).made == 1

    first, second, last = tries(session, config)["/a"]

    assert [each.state for each in (first, second, last)] == ["failed", "failed", "completed"]
    assert first.failed is not None
    assert second.failed is not None
    assert (first.failed.next_export_id, second.failed.next_export_id) == (
        second.export_id,
        last.export_id,
    )
    assert not any(map(is_open, (first, second, last)))
    ids = [export_id(SHOP, "/a", statement.window, each) for each in (1, 2, 3)]
    assert [each.export_id for each in (first, second, last)] == ids


def test_the_planner_asks_for_nothing_that_was_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    monkeypatch.setattr(handler, "_wiring", world.wiring)
    world.run(plan_request())
    there = list(world.ledger.objects.values())
    assert len(there) == len(world.queues.sent) == 2
    world.ledger.objects.clear()
    for record in there:
        ours = export_id(record.source, record.log_group.name, record.window, 2)
        completed = Completed(at=AT, manifest=Manifest.of([]), published_at=AT)
        second = record.model_copy(update={"generation": 2, "export_id": ours})
        last = second.as_completed(completed)
        for each in [*tries_before(last, []), last]:
            world.ledger.objects[each.key] = each
    on = there[0].window.end.date().isoformat()

    for number, request in enumerate((plan_request(), plan_request(collect_date=on))):
        answer = world.run(request, request_id=f"request-{number + 2}")["data"]
        assert (answer["requested"], answer["already_in_ledger"]) == (0, 2)


def test_an_object_that_was_copied_since_is_named_by_its_copy(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    statement = known(archive.archived("/a", archive.window()))
    sealed(archive, statement)
    assert statement.objects is not None
    key = statement.objects[0].key
    archive.bucket.copy_over(key)
    assert run(session, config).made == 1
    completed = records(session, config)["/a"].completed
    assert completed is not None
    assert completed.manifest.objects is not None
    [copied] = archive.bucket.s3.list_object_versions(  # type: ignore[attr-defined]
        Bucket=config.archive_bucket, Prefix=key
    )["Versions"]
    assert completed.manifest.objects[0].version_id == copied["VersionId"]


@pytest.mark.parametrize("what", ["gone", "other bytes", "another size"])
def test_what_is_not_in_the_archive_as_it_was_sealed_is_left_to_be_exported_again(
    session: boto3.Session, config: Config, archive: Archive, what: str
) -> None:
    broken = known(archive.archived("/a", archive.window()))
    sealed(archive, broken, known(archive.archived("/b", archive.window())))
    assert broken.objects is not None
    key, size_bytes = broken.objects[0].key, broken.objects[0].size_bytes
    archive.bucket.remove(key)
    if what != "gone":
        archive.bucket.put(key, b"x" * (size_bytes if what == "other bytes" else 29))
    report = run(session, config)
    assert report.made == 1
    assert report.left == [
        (
            "/a 2026-11-20 23:00 to 2026-11-21 23:00",
            f"{key} is not there as it was sealed: export it again",
        )
    ]
    assert set(records(session, config)) == {"/b"}


def test_what_is_not_archived_is_as_it_was_stated(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    failed = {"reason": "bucket_policy", "detail": "AWS said no"}
    sealed(
        archive,
        tried(archive, "/skipped", "skipped", reason="empty"),
        tried(archive, "/failed", "failed", 2, **failed),
        tried(archive, "/refused", "refused", reason="log_group_unreadable"),
        tried(archive, "/waived", "waived", reason="bucket_policy", waiver=WAIVER),
    )
    assert run(session, config).made == 4
    found = records(session, config)
    assert {name: each.state for name, each in found.items()} == {
        "/skipped": "skipped",
        "/failed": "failed",
        "/refused": "failed",
        "/waived": "failed",
    }
    assert found["/skipped"].skipped is not None
    assert found["/skipped"].skipped.reason == "empty"
    told = {name: each.failed for name, each in found.items() if each.failed}
    assert {name: (each.reason, each.message) for name, each in told.items()} == {
        "/failed": ("bucket_policy", "AWS said no"),
        "/refused": ("log_group_unreadable", ""),
        "/waived": ("bucket_policy", ""),
    }
    assert all(each.published_at for each in told.values())
    assert found["/failed"].generation == 2
    assert {name for name, each in found.items() if each.waived} == {"/waived"}
    assert found["/waived"].waived is not None
    assert found["/waived"].waived.reason == "Gone."


def test_what_the_ledger_never_had_gets_no_record(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    window = archive.window()
    sealed(
        archive,
        archive.statement("/excluded", window, "excluded"),
        archive.statement("/before", window, "skipped", reason="created_after_window"),
        tried(archive, "/open", "open"),
    )
    report = run(session, config)
    assert (report.made, report.without) == (0, {"excluded": 1, "skipped": 1, "open": 1})
    assert records(session, config) == {}


def test_what_was_contradicted_is_left(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    difference = Difference(what="object_missing", key="shop/a/x.gz")
    sealed(archive, tried(archive, "/a", "contradicted", differences=[difference]))
    [(_, why)] = run(session, config).left
    assert why == "ledger and archive differed when it was sealed: export it again"


def test_a_statement_that_tells_too_little_is_left(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    sealed(archive, archive.archived("/a", archive.window()))
    [(_, why)] = run(session, config).left
    assert why.startswith("its statement does not tell enough of it: log_group.arn: ")


def test_a_statement_that_was_edited_is_not_believed(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    statement = tried(archive, "/a", "skipped", reason="empty")
    sealed(archive, statement)
    [key] = [key for key in archive.bucket.listed("!seals/") if "/statements/" in key]  # type: ignore[attr-defined]
    archive.bucket.replace(key, archive.bucket.data(key).replace(b"empty", b"other"))
    [(_, why)] = run(session, config).left
    assert key in why
    assert records(session, config) == {}


def test_the_last_statement_counts(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    sealed(archive, tried(archive, "/a", "failed", reason="bucket_policy"))
    window = archive.window(from_ms=archive.reached_ms - DAY_MS)
    later = archive.archived("/a", window, generation=2)
    archive.later([known(later, stated_at="2026-12-01T00:00:00.000Z")], window)
    run(session, config)
    record = records(session, config)["/a"]
    assert (record.state, record.generation) == ("completed", 2)


def test_what_was_disposed_of_is_completed_and_says_who_had_it_removed(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    archived = known(archive.archived("/a", archive.window()))
    sealed(archive, archived)
    disposed = known(archive.disposed(archived), log_group=archived.log_group)
    archive.later([disposed], archived.window)
    for each in archived.objects or []:
        archive.bucket.remove(each.key)
    assert run(session, config).left == []
    record = records(session, config)["/a"]
    assert record.state == "completed"
    assert record.disposed is not None
    assert (record.disposed.by, record.disposed.ticket) == (DISPOSAL.by, DISPOSAL.ticket)
    assert f"{record.disposed.statement}.json" in "".join(archive.bucket.listed("!seals/"))  # type: ignore[attr-defined]


def test_a_statement_that_no_seal_has_is_not_believed_and_named(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    statement = known(archive.archived("/a", archive.window()))
    sealed(archive, statement)
    newer = known(tried(archive, "/a", "skipped", reason="empty"), stated_at=LATER)
    archive.write_statement(newer.model_copy(update={"window": statement.window}))
    archive.write_statement(tried(archive, "/never", "skipped", reason="empty"))
    report = run(session, config)
    assert (report.made, report.unsealed) == (1, [])
    assert records(session, config)["/a"].state == "completed"
    [(window, why)] = report.left
    assert window.startswith("/never ")
    assert why == "no seal that the key has signed has it: --unsealed"


def test_what_no_seal_has_is_taken_and_named_where_that_is_asked_for(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    sealed(archive, known(archive.archived("/a", archive.window())))
    older = tried(archive, "/never", "failed", reason="bucket_policy")
    archive.write_statement(older)
    newer = known(tried(archive, "/never", "skipped", reason="empty"), stated_at=LATER)
    archive.write_statement(newer)
    report = run(session, config, unsealed=True)
    assert (report.made, report.left) == (2, [])
    assert [each.split()[0] for each in report.unsealed] == ["/never"]
    assert records(session, config)["/never"].state == "skipped"


def test_what_another_key_has_signed_is_not_believed(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    archive.key = SealingKey()
    sealed(archive, known(archive.archived("/a", archive.window())))
    report = run(session, config)
    assert (report.made, records(session, config)) == (0, {})
    told = " ".join(why for _, why in report.left)
    assert "it is signed by the key" in told
    assert "no seal that the key has signed has it" in told


def test_a_later_seal_of_another_key_does_not_have_the_last_word(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    statement = known(archive.archived("/a", archive.window()))
    sealed(archive, statement)
    archive.key = SealingKey()
    forged = known(tried(archive, "/a", "skipped", reason="empty"), window=statement.window)
    archive.later([forged], statement.window)
    report = run(session, config)
    assert records(session, config)["/a"].state == "completed"
    assert any("it is signed by the key" in why for _, why in report.left)


def test_without_a_key_nothing_is_made(
    session: boto3.Session, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "rebuild", path, "--yes"])
    assert ended.value.code == 2
    assert "--key is missing" in capsys.readouterr().err


def test_what_is_there_is_never_changed(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    sealed(archive, known(archive.archived("/a", archive.window())))
    run(session, config)
    secured = records(session, config)["/a"].as_secured(at=datetime.now(UTC))
    session.client("s3").put_object(
        Bucket=config.control_bucket, Key=secured.key, Body=emit(secured).encode()
    )
    report = run(session, config)
    assert (report.made, report.there) == (0, 1)
    assert records(session, config)["/a"] == secured


def test_a_dry_run_says_the_same_and_makes_nothing(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    sealed(
        archive,
        known(archive.archived("/a", archive.window())),
        archive.archived("/b", archive.window()),
    )
    dry = run(session, config, dry_run=True)
    assert records(session, config) == {}
    assert run(session, config) == dry
    again = run(session, config, dry_run=True)
    assert (again.made, again.there) == (0, 1)


def test_a_split_and_the_direct_lane_are_completed_without_a_task(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    split, direct = (known(archive.archived(name, archive.window())) for name in ("/s", "/d"))
    tasks = [*split.exports[0].task_ids, "another"]
    sealed(
        archive,
        split.model_copy(
            update={"exports": [split.exports[0].model_copy(update={"task_ids": tasks})]}
        ),
        direct.model_copy(
            update={"exports": [direct.exports[0].model_copy(update={"lane": "direct"})]}
        ),
    )
    run(session, config)
    found = records(session, config)
    assert [(found[name].submitted, found[name].lane) for name in ("/s", "/d")] == [
        (None, "slot"),
        (None, "direct"),
    ]


def test_an_export_that_was_added_to_is_completed_by_its_task_and_has_its_addendum(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    statement = known(archive.archived("/a", archive.window()))
    (export,) = statement.exports
    (task,) = export.task_ids
    both = [task, addendum_folder(export.export_id, 1)]
    added = export.model_copy(update={"task_ids": both})
    sealed(archive, statement.model_copy(update={"exports": [added]}))
    run(session, config)
    made = records(session, config)["/a"]
    assert made.submitted is not None
    assert made.submitted.task_id == task
    assert [each.number for each in made.addenda or []] == [1]


def test_the_commands_know_the_ledger_again(
    session: boto3.Session, config: Config, archive: Archive
) -> None:
    sealed(archive, known(archive.archived("/a", archive.window())))
    run(session, config)
    now = datetime(2026, 11, 25, tzinfo=UTC)
    [found] = status(session, config, [config.source("shop")], newest=3, now=now)
    assert dict(found.windows[0].states) == {"completed": 1}
    first, last = datetime(2026, 11, 21).date(), datetime(2026, 11, 22).date()  # noqa: DTZ001
    completions = list(find_completions(session, config, [config.source("shop")], first, last))
    assert [each.announced.object_count for each in completions] == [1]


def test_the_command_asks_and_tells_what_is_left(
    session: boto3.Session,
    config: Config,
    archive: Archive,
    path: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "seals.pem").write_text(archive.key.pem)
    sealed(
        archive,
        known(archive.archived("/a", archive.window())),
        archive.archived("/b", archive.window()),
    )

    rebuilds = ["ledger", "rebuild", path, "--profile", "shop"]

    def command(*options: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([*rebuilds, "--key", str(tmp_path / "seals.pem"), *options])
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    code, _, err = command()
    assert (code, "add --yes or --dry-run" in err) == (1, True)
    code, out, _ = command("--dry-run", "--json")
    assert records(session, config) == {}
    [report] = json.loads(out)
    assert (code, report["made"], len(report["left"])) == (1, 1, 1)
    code, out, _ = command("--yes")
    assert code == 1
    assert "/b 2026-11-20 23:00 to 2026-11-21 23:00  its statement does not tell" in out
    assert set(records(session, config)) == {"/a"}


def test_what_aws_refuses_ends_it_and_is_named(
    session: boto3.Session, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "rebuild", path, "--profile", "shop", "--unsealed", "--yes"])
    assert ended.value.code == 1
    assert "NoSuchBucket" in capsys.readouterr().err
