"""The story of a log group's date, by the versions of its ledger records: on moto."""

import json
import shlex
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError
from cli.tests.conftest import Run
from cli.tests.ledgers import EXAMPLES, hub_on_moto, record_like

from logferry.command import _app
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.explain import UNTOLD
from logferry.ways_out import GONE, LATE
from logferry_contracts.addendum import Addendum, addendum_folder
from logferry_contracts.ledger_key import (
    LACKING_NOTES,
    asked_key,
    late_key,
    looks_prefix,
    not_added_key,
    recount_key,
    seal_note_key,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import Recount
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import emit
from logferry_contracts.zones import zone_named

DAY_MS = 86_400_000
SEOUL_MS = 1_795_186_800_000
"""2026-11-21T00:00 in Seoul, which is the configuration's time zone."""
SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
WHOLE = Window(from_ms=SEOUL_MS, to_ms=SEOUL_MS + DAY_MS)
FIRST_HALF = Window(from_ms=SEOUL_MS, to_ms=SEOUL_MS + DAY_MS // 2)


class World:
    """A hub's ledger, with all versions."""

    def __init__(self, session: boto3.Session, config: Config) -> None:
        self.s3, self.bucket = session.client("s3"), config.control_bucket
        self.s3.put_bucket_versioning(
            Bucket=self.bucket, VersioningConfiguration={"Status": "Enabled"}
        )

    def put(
        self,
        example: str,
        *,
        generation: int = 1,
        window: Window = WHOLE,
        **changes: Any,
    ) -> LedgerRecord:
        made = record_like(example, SHOP, "/a", window, generation=generation, **changes)
        self.s3.put_object(Bucket=self.bucket, Key=made.key, Body=emit(made).encode())
        return made


@pytest.fixture
def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with hub_on_moto(config, monkeypatch) as session:
        yield World(session, config)


type Explain = Callable[..., tuple[int, str]]


@pytest.fixture
def explain(path: str, logferry: Run) -> Explain:
    """Runs the command for a date; returns its exit code and what it printed."""

    def explain(*options: str, on: str = "2026-11-21") -> tuple[int, str]:
        of = ("--profile", "shop", "--log-group", "/a", "--date", on)
        code, out, err = logferry("explain", path, *of, *options)
        return code, out + err

    return explain


def told(story: dict[str, Any]) -> list[list[str]]:
    """Return what each version told, try by try."""
    return [[fact for each in one["versions"] for fact in each["told"]] for one in story["tries"]]


def test_each_version_tells_what_is_new(world: World, explain: Explain) -> None:
    for example in ("requested", "submitted", "completed", "secured"):
        record = world.put(example)

    code, out = explain()
    assert code == DONE
    story = json.loads(explain("--json")[1])

    [facts] = told(story)
    assert record.submitted is not None
    assert record.completed is not None
    count = record.completed.manifest.object_count
    assert facts[0].startswith("requested, for the ")
    assert f"export task {record.submitted.task_id}" in facts
    assert any(each.startswith(f"in the archive: {count:,} object") for each in facts)
    assert facts[-1] == "encrypted and held"
    assert all(fact in out for fact in facts)
    assert "To do: Nothing: it is in the archive." in out
    assert "  $ logferry fetch " in out


def test_versions_of_one_second_are_told_in_their_order(world: World, explain: Explain) -> None:
    """S3 tells their times to the second, in which an exporter writes two."""
    completed = record_like("completed", SHOP, "/a", WHOLE).completed
    assert completed is not None
    untold = completed.model_dump(exclude_none=True, exclude={"published_at"})
    world.put("requested", revision=1)
    world.put("completed", completed=untold, revision=3)
    world.put("completed", revision=4)
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def at_once(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        found = call(client, operation, asked)
        if operation == "ListObjectVersions":
            found["Versions"] = [
                each | {"LastModified": datetime(2026, 11, 23, tzinfo=UTC)}
                for each in reversed(found.get("Versions", []))
            ]
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", at_once)
        [facts] = told(json.loads(explain("--json")[1]))

    assert facts[-1] == "announced"
    assert facts[0].startswith("requested")


def test_a_try_is_told_where_the_one_before_never_was(world: World, explain: Explain) -> None:
    world.put("requested")
    world.put("secured", generation=3)

    story = json.loads(explain("--json")[1])

    assert [each[0].partition(",")[0] for each in told(story)] == ["requested", "requested"]
    assert told(story)[-1][-1] == "encrypted and held"


def test_every_try_is_told_and_the_last_one_counts(world: World, explain: Explain) -> None:
    world.put("requested")
    failed = world.put("failed-before-a-task")
    world.put("submitted", generation=2, requested_at=timestamp(datetime.now(UTC)))

    code, out = explain()

    assert code == DONE
    assert failed.failed is not None
    assert f"failed: {failed.failed.reason}: {failed.failed.message}" in out
    assert "try 1" in out
    assert "try 2" in out
    assert "To do: Wait until it has ended." in out


def test_what_has_not_ended_for_too_long_is_not_waited_for(
    world: World, explain: Explain, path: str
) -> None:
    long_ago = timestamp(datetime.now(UTC) - timedelta(days=4))
    world.put("requested", requested_at=long_ago)

    story = json.loads(explain("--json")[1])

    assert story["to_do"] == LATE
    assert story["commands"] == [
        f"logferry plan {path} --profile shop --from 2026-11-21 --to 2026-11-21"
    ]


def test_what_nobody_has_announced_is_to_be_planned(world: World, explain: Explain) -> None:
    """Its exporter was cut before it told: whoever asks for it again has it tell."""
    record = world.put("completed", requested_at=timestamp(datetime.now(UTC)))
    assert record.completed is not None
    untold = record.completed.model_dump(exclude_none=True, exclude={"published_at"})
    world.put("completed", requested_at=record.requested_at, completed=untold)

    story = json.loads(explain("--json")[1])

    assert story["to_do"] == UNTOLD
    assert story["commands"][0].startswith("logferry plan ")


def test_what_no_other_try_can_do_is_to_be_answered_for(world: World, explain: Explain) -> None:
    """As status says it, of the same export."""
    failed = world.put("failed-before-a-task").failed
    assert failed is not None
    gone = failed.model_dump(exclude_none=True) | {"reason": "log_group_deleted"}
    world.put("failed-before-a-task", failed=gone)

    story = json.loads(explain("--json")[1])

    assert story["to_do"] == GONE
    assert [each.split()[1] for each in story["commands"]] == ["waive"]


def test_a_failure_is_told_with_both_ways_out_of_it(
    world: World, explain: Explain, path: str
) -> None:
    world.put("failed-before-a-task")

    story = json.loads(explain("--json")[1])

    assert story["commands"] == [
        f"logferry plan {path} --profile shop --from 2026-11-21 --to 2026-11-21",
        f"logferry waive {path} --profile shop --log-group /a --date 2026-11-21 --reason WHY",
    ]


def test_halves_are_told_with_their_whole(world: World, explain: Explain) -> None:
    half = world.put(
        "completed", window=FIRST_HALF, parent_export_id=world.put("completed").export_id
    )
    last = Window(from_ms=FIRST_HALF.to_ms, to_ms=WHOLE.to_ms)
    halves = [
        {"export_id": half.export_id, "window": FIRST_HALF.model_dump()},
        {"export_id": "2" * 32, "window": last.model_dump()},
    ]
    [path] = EXAMPLES.glob("*/accept/split-in-halves.json")
    split = json.loads(path.read_text())["split"] | {"halves": halves}
    whole = world.put("completed", split=split)

    story = json.loads(explain("--json")[1])

    assert [each["record"]["export_id"] for each in story["tries"]] == [
        whole.export_id,
        half.export_id,
    ]
    assert "its window given to two halves" in told(story)[0]


@pytest.mark.parametrize("days", [1, 400])
def test_what_is_not_over_in_its_zone_is_waited_for(
    world: World, explain: Explain, config: Config, days: int
) -> None:
    zone = zone_named(config.time_zone_of(config.source("shop")))
    today = datetime.now(zone).date()

    code, out = explain(on=str(today + timedelta(days=days)))
    assert code == DONE
    assert f"To do: Wait until it is over in {zone.key}" in out
    assert "$ logferry" not in out


def test_what_the_ledger_has_nothing_of_is_to_be_planned(world: World, explain: Explain) -> None:
    world.put("secured")

    code, out = explain(on="2026-11-22")

    assert code == DONE
    assert "To do: The ledger has nothing of it. Ask for it." in out
    assert "--from 2026-11-22 --to 2026-11-22" in out


@pytest.mark.parametrize("how", ["damaged", "removed"])
def test_a_record_that_is_damaged_or_gone_keeps_its_story(
    world: World, explain: Explain, how: str
) -> None:
    record = world.put("secured")
    if how == "damaged":
        world.s3.put_object(Bucket=world.bucket, Key=record.key, Body=b"{")
    else:
        world.s3.delete_object(Bucket=world.bucket, Key=record.key)
        world.put(
            "skipped",
            window=Window(from_ms=SEOUL_MS, to_ms=SEOUL_MS + DAY_MS),
            log_group={**record.log_group.model_dump(exclude_none=True), "name": "/b"},
            export_id="1" * 32,
        )

    code, out = explain()

    assert code == DONE
    assert "encrypted and held" in out
    assert "To do: A record is damaged, or gone: docs/ways-back.md." in out


def test_a_copy_that_somebody_has_made_beside_a_record_is_no_version_of_it(
    world: World, explain: Explain
) -> None:
    record = world.put("secured")
    story = explain()
    for name in (f"{record.key}.bak", f"{record.key} (copy)"):
        world.s3.put_object(Bucket=world.bucket, Key=name, Body=b"{")

    assert explain() == story


@pytest.mark.parametrize("example", ["requested", "secured", "failed-before-a-task", None])
def test_every_command_that_is_shown_is_one(
    world: World, explain: Explain, example: str | None
) -> None:
    if example is not None:
        world.put(example)

    commands = json.loads(explain("--json")[1])["commands"]

    assert commands
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "logferry"
        _app(are_listed=False).parse_args(words, exit_on_error=False, print_error=False)


def test_what_cannot_be_read_and_dates_that_are_none_are_told(
    world: World, explain: Explain
) -> None:
    assert explain(on="yesterday")[0] == BAD_INPUT
    world.s3.delete_bucket(Bucket=world.bucket)
    code, out = explain()
    assert code == FAILED
    assert "shop: " in out
    assert "NoSuchBucket" in out


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"by": "insights", "events": 1234}, "counted in CloudWatch (insights): 1,234 events"),
        ({"by": "no", "reason": "budget"}, "not counted in CloudWatch: budget"),
    ],
)
def test_it_is_told_what_cloudwatch_itself_counted(
    world: World, explain: Explain, said: dict[str, Any], words: str
) -> None:
    record = world.put("secured")
    counted = {"at": "2026-11-23T06:31:12.004Z", **said}
    recount = Recount.of(source=SHOP, window=WHOLE, export_id=record.export_id, recount=counted)
    key = recount_key(SHOP, WHOLE, record.export_id)
    world.s3.put_object(Bucket=world.bucket, Key=key, Body=recount.text())

    _, shown = explain()
    assert f"2026-11-23 06:31:12  {words}" in shown
    _, story = explain("--json")
    assert json.loads(story)["tries"][0]["recount"] == {"events": None, "reason": None, **counted}


def test_it_is_told_what_later_looks_have_found_and_which_nobody_has_counted(
    world: World, explain: Explain
) -> None:
    record = world.put("secured")
    found: dict[int, dict[str, Any]] = {
        14: {"by": "no", "reason": "budget"},
        3: {"by": "streams", "events": 1235},
    }
    for days, said in found.items():
        at = f"2026-11-{20 + days // 2}T06:31:12.004Z"
        told = Recount.of(
            source=SHOP, window=WHOLE, export_id=record.export_id, recount={"at": at, **said}
        )
        key = f"{looks_prefix(SHOP, WHOLE, days)}{record.export_id}.json"
        world.s3.put_object(Bucket=world.bucket, Key=key, Body=told.text())
    asked = asked_key(SHOP, WHOLE, record.export_id, "2026-11-21T06:31:12.004Z")
    world.s3.put_object(Bucket=world.bucket, Key=asked, Body=b"{}")
    _, shown = explain()
    lines = [line.strip() for line in shown.splitlines() if "looked at again" in line]
    assert lines[0] == (
        "2026-11-21 06:31:12  looked at again after 3 days: "
        "counted in CloudWatch (streams): 1,235 events"
    )
    assert lines[1].startswith(
        "2026-11-27 06:31:12  looked at again after 14 days: not counted in CloudWatch: budget ("
    )
    _, story = explain("--json")
    assert list(json.loads(story)["tries"][0]["looks"]) == ["3", "14"]


BECAME: dict[str, tuple[str, dict[str, Any] | None]] = {
    "not asked": ("not asked for yet", None),
    "asked": ("the exporter was asked to add them, the last time 2026-11-24 05:00:00", None),
    "not added": ("nobody can add them: the window is too large", {"why": "size"}),
    "why to come": ("nobody can add them: why_to_come", {"why": "why_to_come"}),
    "damaged": ("what became of them is noted, and damaged", {"why": 7}),
    "added": ("what was missing was added: 2026-11-24 06:00:00", None),
}


STREAMS = (["agent", "web/1"], [f"agent-{n}" for n in range(7)], None)


@pytest.mark.parametrize(
    ("became", "streams"),
    [
        # Each in make test, and all with all else: one is told beside the other.
        pytest.param(became, streams, marks=[] if n % len(STREAMS) == m else pytest.mark.deep)
        for n, became in enumerate(BECAME)
        for m, streams in enumerate(STREAMS)
    ],
)
def test_a_looks_late_streams_and_what_became_of_them_are_told(
    world: World, explain: Explain, became: str, streams: list[str] | None
) -> None:
    record, at = world.put("secured"), "2026-11-24T04:00:00.000Z"
    words, why = BECAME[became]
    told = Recount.of(
        source=SHOP,
        window=WHOLE,
        export_id=record.export_id,
        recount={"by": "no", "reason": "budget", "at": at},
        late_streams=streams,
    )
    of = SHOP, WHOLE, record.export_id
    put = {
        f"{looks_prefix(SHOP, WHOLE, 3)}{record.export_id}.json": told.text(),
        late_key(*of): told.text(),
    }
    if became == "asked":
        put[asked_key(*of, at)] = b'{"at": "2026-11-24T05:00:00.000Z", "times": 2}'
    if why is not None:
        put[not_added_key(*of, at)] = json.dumps({"at": at, **why}).encode()
    if became == "added":
        addendum = Addendum(number=1, recounted_at=at, at="2026-11-24T06:00:00.000Z")
        added = record.model_copy(update={"addenda": [addendum]})
        put[record.key] = emit(added).encode()
    for key, body in put.items():
        world.s3.put_object(Bucket=world.bucket, Key=key, Body=body)
    shown = " ".join(explain()[1].split())
    named = {
        None: "late events in more log streams than are named",
        2: "late events in agent, web/1",
        7: "late events in agent-0, agent-1, agent-2, agent-3, agent-4 and 2 more",
    }
    assert f"{named[None if streams is None else len(streams)]} {words}" in shown
    [late] = json.loads(explain("--json")[1])["tries"][0]["late"].values()
    assert late["streams"] == streams
    assert late["became"].startswith(words)


def test_where_cloudwatch_has_more_there_is_something_to_do(world: World, explain: Explain) -> None:
    world.put("secured")
    for window, name in ((WHOLE, "/a"), (WHOLE, "/b"), (FIRST_HALF, "/a")):
        key = seal_note_key(LACKING_NOTES, SHOP.account_id, SHOP.region, window, name)
        world.s3.put_object(Bucket=world.bucket, Key=key, Body=name.encode())

    code, shown = explain()

    assert code == DONE
    assert shown.count("CloudWatch has more events than the archive") == 1
    assert "Keep a copy of what CloudWatch has" in shown


def by_event(logferry: Run, path: str, event: str, *options: str) -> tuple[int, str]:
    """Run the command for an event; return its exit code and what it printed."""
    code, out, err = logferry("explain", path, "--event", event, *options)
    return code, out + err


def test_an_event_leads_to_its_log_groups_date(
    world: World, explain: Explain, logferry: Run, path: str
) -> None:
    world.put("failed-before-a-task")
    second = world.put("completed", generation=2)

    for event in (second.export_id, f"{second.export_id}-lost"):
        assert by_event(logferry, path, event) == explain()
    assert by_event(logferry, path, second.export_id, "--profile", "shop") == explain()


def test_the_event_of_an_addendum_leads_to_its_exports_date(
    world: World, explain: Explain, logferry: Run, path: str
) -> None:
    second = world.put("completed", generation=2)

    assert by_event(logferry, path, addendum_folder(second.export_id, 2)) == explain()


@pytest.mark.parametrize("where", ["file", "stdin"])
def test_a_dead_letter_leads_to_its_log_groups_date(
    world: World,
    explain: Explain,
    logferry: Run,
    path: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    where: str,
) -> None:
    record = world.put("completed")
    body = json.dumps(
        {"type": "logferry.export.requested.v1", "data": {"export_id": record.export_id}}
    )
    letter = tmp_path / "letter.json"
    letter.write_text(body)
    monkeypatch.setattr("sys.stdin", StringIO(body))

    told = logferry("explain", path, "--message", str(letter) if where == "file" else "-")

    assert (told[0], told[1] + told[2]) == explain()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "no JSON"),
        ("[]", "no event, which is about no export"),
        ('{"type": "logferry.plan.requested.v1", "data": {}}', "logferry.plan.requested.v1"),
        (None, "No such file"),
    ],
)
def test_a_message_of_no_export_is_named(
    logferry: Run, path: str, tmp_path: Path, body: str | None, words: str
) -> None:
    letter = tmp_path / "letter.json"
    if body is not None:
        letter.write_text(body)

    code, _, err = logferry("explain", path, "--message", str(letter))

    assert (code, words in err) == (BAD_INPUT, True)


def test_an_event_of_no_export_is_named(world: World, logferry: Run, path: str) -> None:
    world.put("completed")

    code, out = by_event(logferry, path, "0" * 32)

    assert code == BAD_INPUT
    assert f"--event {'0' * 32}: no source's ledger has such an export" in out


def test_an_event_whose_record_is_damaged_names_the_record(
    world: World, logferry: Run, path: str
) -> None:
    record = world.put("completed")
    world.s3.put_object(Bucket=world.bucket, Key=record.key, Body=b"{}")

    code, out = by_event(logferry, path, record.export_id)

    assert code == FAILED
    assert record.key in out


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--profile", "shop"),
        ("--profile", "shop", "--log-group", "/a"),
        ("--log-group", "/a", "--date", "2026-11-21"),
        ("--event", "0" * 32, "--log-group", "/a"),
        ("--event", "0" * 32, "--date", "2026-11-21"),
        ("--event", "0" * 32, "--message", "letter.json"),
    ],
)
def test_too_little_or_too_much_is_refused(
    options: tuple[str, ...], world: World, logferry: Run, path: str
) -> None:
    del world
    code, _, err = logferry("explain", path, *options)

    assert code == BAD_INPUT
    assert "what to explain" in err


SLOT_LOG = "/aws/lambda/log-sqs-shop-collect-fifoSQSConsumer"


def log(config: Config, group: str, *said: dict[str, Any]) -> None:
    """Let an exporter have logged something a minute ago, and nothing of it be too old."""
    logs: Any = boto3.client("logs", region_name=config.region)
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="one")
    at_ms = int(datetime.now(UTC).timestamp() * 1000) - 60_000
    events = [{"timestamp": at_ms + n, "message": json.dumps(line)} for n, line in enumerate(said)]
    logs.put_log_events(logGroupName=group, logStreamName="one", logEvents=events)


def test_what_the_exporters_have_logged_of_it_is_told(
    world: World, explain: Explain, config: Config
) -> None:
    failed = world.put("failed-before-a-task")
    log(
        config,
        SLOT_LOG,
        {"message": "failed", "reason": "access_denied", "export_id": failed.export_id},
        {"message": "of another export", "export_id": "f" * 64},
    )

    code, out = explain()

    assert code == DONE
    assert "failed: access_denied" in out
    assert "of another export" not in out
    [told_of] = json.loads(explain("--json")[1])["tries"]
    assert [each["message"] for each in told_of["logged"]] == ["failed"]


def test_lines_of_other_exports_are_not_told_where_aws_gives_them(
    world: World, explain: Explain, config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LocalStack gives every line, Lambda's own among them."""
    failed = world.put("failed-before-a-task")
    log(config, SLOT_LOG, {"message": "failed", "export_id": failed.export_id})
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def given(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        found = call(client, operation, asked)
        if operation == "FilterLogEvents":
            line = {"timestamp": 0, "message": "START RequestId: 1 Version: $LATEST"}
            found["events"].append(line)
        return found

    monkeypatch.setattr(BaseClient, "_make_api_call", given)

    [told_of] = json.loads(explain("--json")[1])["tries"]

    assert [each["message"] for each in told_of["logged"]] == ["failed"]


def test_how_much_waits_before_it_is_told_while_it_is_under_way(
    world: World, explain: Explain, config: Config
) -> None:
    sqs = boto3.client("sqs", region_name=config.region)
    fifo: Any = {"FifoQueue": "true", "ContentBasedDeduplication": "true"}
    url = sqs.create_queue(QueueName="log-sqs-shop-collect.fifo", Attributes=fifo)["QueueUrl"]
    for n in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=f"{n}", MessageGroupId="slot")
    world.put("requested", lane="slot")

    assert "3 requests wait in its lane" in explain()[1]


def test_logs_that_nobody_may_read_keep_nothing_else_from_being_told(
    world: World, explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("failed-before-a-task")
    error: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no"}}
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def deny(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
        if operation == "FilterLogEvents":
            raise ClientError(error, operation)
        return call(client, operation, asked)

    monkeypatch.setattr(BaseClient, "_make_api_call", deny)

    code, out = explain()

    assert (code, "failed: " in out, f"{SLOT_LOG} was not read" in out) == (DONE, True, True)


def task_of(world: World) -> str:
    """Have a log group and a task of it in the source's account, and a record of that task."""
    world.put("requested")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MOTO_ACCOUNT_ID", SHOP.account_id)
        logs = boto3.client("logs", region_name=SHOP.region)
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="of-the-task")
        logs.create_log_group(logGroupName="/a")
        asked: Any = {"logGroupName": "/a", "fromTime": WHOLE.from_ms, "to": WHOLE.to_ms}
        return logs.create_export_task(**asked, destination="of-the-task")["taskId"]


def in_the_source(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let moto have the source's account where its tasks are asked for; return assumed roles."""
    call, assumed = BaseClient._make_api_call, list[str]()  # type: ignore[attr-defined]

    def called(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "AssumeRole":
            assumed.append(arguments["RoleArn"])
        if operation != "DescribeExportTasks":
            return call(client, operation, arguments)
        assert assumed, "asked without the source's role"
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("MOTO_ACCOUNT_ID", SHOP.account_id)
            return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", called)
    return assumed


def test_what_aws_says_of_a_task_is_asked_by_the_sources_role_once(
    world: World, explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = task_of(world)
    submitted = {"task_id": task_id, "at": "2026-11-22T06:00:00.000Z"}
    world.put("submitted", submitted=submitted)
    world.put("submitted", submitted=submitted, generation=2)
    assumed = in_the_source(monkeypatch)

    found = json.loads(explain("--json")[1])["tries"]

    assert len(found) == 2
    for each in found:
        assert each["task"].startswith(("COMPLETED", "RUNNING", "PENDING")), each["task"]
    assert assumed == [f"arn:aws:iam::{SHOP.account_id}:role/logferry-source"]


def test_a_task_that_aws_has_forgotten_is_said_to_be(
    world: World, explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("submitted")
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def forgotten(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "DescribeExportTasks":
            return {"exportTasks": []}
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", forgotten)

    assert "as AWS has it now: unknown" in explain()[1]


def test_a_task_that_nobody_here_may_look_at_is_not_checked(
    world: World, explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = {"Error": {"Code": "AccessDenied", "Message": "not authorized: sts:AssumeRole"}}
    call = BaseClient._make_api_call  # type: ignore[attr-defined]

    def refuse(client: Any, operation: str, arguments: Any) -> Any:
        if operation == "AssumeRole":
            raise ClientError(refused, operation)  # type: ignore[arg-type]
        return call(client, operation, arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", refuse)
    world.put("submitted")

    code, out = explain()

    assert code == DONE
    assert "its task, as AWS has it now: not checked: " in out
    assert "sts:AssumeRole" in " ".join(out.split())


def test_where_there_was_no_task_no_role_is_assumed(
    world: World, explain: Explain, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put("requested")
    monkeypatch.setattr("logferry.explain_tasks.Tasks.told", lambda *_: pytest.fail("asked"))

    assert json.loads(explain("--json")[1])["tries"][0]["task"] is None
