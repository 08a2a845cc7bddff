"""The adapters, on AWS's doubles; what they do not model is faked where it is tested."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from devstack.pytest_backends import Backend
from logferry_contracts.documents import examples
from logferry_contracts.export import Destination, export_id
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_key import LACKING_NOTES, seal_note_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_completed import PlanCompleted, PlanCompletedData
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from planner.aws.archive import Archive
from planner.aws.calls import CLIENT_CONFIG
from planner.aws.ledger import Ledger
from planner.aws.messages import Continuations, DeadLetters, Topic
from planner.aws.notes import Outbox, PlanFiles
from planner.aws.queues import BATCH_BYTES, RESEND_WAITS_S, ExportQueues
from planner.cloud import DamagedRecord
from planner.errors import (
    AwsError,
    LedgerBusyError,
    LedgerUnreadableError,
    MessagesNotSentError,
    PlanRefusedError,
)

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
WINDOW = Window(from_ms=1_795_186_800_000, to_ms=1_795_273_200_000)


def source_of(account_id: str = "111111111111", **values: object) -> Source:
    return Source.model_validate(
        {
            "profile": "dev",
            "account_id": account_id,
            "region": "eu-west-1",
            "role_arn": f"arn:aws:iam::{account_id}:role/CollectCloudWatchLogsRole",
            **values,
        }
    )


SOURCE = source_of()


def log_group(name: str) -> LogGroup:
    return LogGroup(
        name=name,
        arn=f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}",
        log_group_class="STANDARD",
        created_ms=0,
    )


def record(name: str = "/app/web", window: Window = WINDOW) -> LedgerRecord:
    return LedgerRecord.first(
        requested_at=NOW,
        export_id=export_id(SOURCE, name, window, 1),
        generation=1,
        source=SOURCE.name,
        log_group=log_group(name),
        window=window,
        destination=Destination(bucket="acme-log-archive", prefix="dev/app/web"),
        lane="slot",
    )


def message(name: str = "/app/web") -> ExportRequested:
    return ExportRequested.of(
        ExportRequestedData.of_record(record(name), SOURCE),
        id=record(name).export_id,
        source="urn:logferry:planner",
        time=NOW,
    )


def client_error(operation: str, code: str, text: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, operation)


# --- archive bucket


def test_a_bucket_of_the_sources_region_passes(backend: Backend, bucket: str) -> None:
    Archive(backend.client("s3")).check(bucket, backend.region)


def test_a_bucket_of_another_region_is_refused(backend: Backend, bucket: str) -> None:
    with pytest.raises(PlanRefusedError, match=f"is in {backend.region}; exports from us-east-1"):
        Archive(backend.client("s3")).check(bucket, "us-east-1")


def test_a_bucket_that_does_not_exist_is_refused(backend: Backend) -> None:
    with pytest.raises(PlanRefusedError, match="bucket no-such-bucket-1 does not exist") as refused:
        Archive(backend.client("s3")).check("no-such-bucket-1", backend.region)
    assert refused.value.reason == "refused_bucket"


@pytest.mark.parametrize(("code", "raised"), [("403", None), ("503", AwsError)])
def test_a_bucket_that_denies_the_look_passes_and_other_errors_do_not(
    code: str, raised: type[Exception] | None
) -> None:
    def head_bucket(**_asked: Any) -> None:
        raise client_error("HeadBucket", code)

    archive = Archive(cast("Any", SimpleNamespace(head_bucket=head_bucket)))
    if raised is None:
        archive.check("acme-log-archive", "eu-west-1")
    else:
        with pytest.raises(raised):
            archive.check("acme-log-archive", "eu-west-1")


# --- ledger


def ledger_in(backend: Backend, bucket: str) -> Ledger:
    return Ledger(backend.client("s3", config=CLIENT_CONFIG), bucket)


def test_records_that_were_created_are_known_and_read_back_in_order(
    backend: Backend, bucket: str
) -> None:
    ledger = ledger_in(backend, bucket)
    new = [record(f"/app/{number:02}") for number in range(20)]
    assert ledger.create(new) == new
    assert sorted(ledger.known(SOURCE, [WINDOW]), key=str) == sorted(
        ((WINDOW, each.export_id) for each in new), key=str
    )
    assert ledger.read([*(each.key for each in new), f"{new[0].key}.no"]) == [*new, None]
    body = backend.client("s3").get_object(Bucket=bucket, Key=new[0].key)["Body"].read()
    assert parse(LedgerRecord, body) == new[0]


def test_another_ones_record_under_a_key_is_a_damaged_one(backend: Backend, bucket: str) -> None:
    ledger = ledger_in(backend, bucket)
    mine, other = record("/app/a"), record("/app/b")
    ledger.create([other])
    s3 = backend.client("s3")
    body = s3.get_object(Bucket=bucket, Key=other.key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=mine.key, Body=body)
    [found] = ledger.read([mine.key])
    assert isinstance(found, DamagedRecord)
    assert f"{mine.key} is a copy of {other.key}: put its former version back" in found.problem


def test_what_somebody_has_put_into_a_window_hides_none_of_its_records(
    backend: Backend, bucket: str
) -> None:
    ledger = ledger_in(backend, bucket)
    new = [record(f"/app/{number:02}") for number in range(3)]
    ledger.create(new)
    folder = new[0].key.rpartition("/")[0]
    for stray in ("", "0/", "0/copy.json", "!/a.json"):
        backend.client("s3").put_object(Bucket=bucket, Key=f"{folder}/{stray}", Body=b"")
    found = {export_id for _, export_id in ledger.known(SOURCE, [WINDOW])}
    assert found >= {each.export_id for each in new}
    assert list(ledger.known(SOURCE, [])) == []


def test_the_first_record_stays_and_the_second_writer_is_told_what_it_says(
    backend: Backend, bucket: str
) -> None:
    ledger = ledger_in(backend, bucket)
    first, other = record().as_submitted("task-1", at=NOW), record("/other")
    ledger.create([first])
    assert ledger.create([other, record()]) == [other, first]
    assert ledger.read([first.key]) == [first]


def windows_from(first: Window, count: int) -> list[Window]:
    length = first.to_ms - first.from_ms
    return [
        Window(from_ms=first.from_ms + number * length, to_ms=first.to_ms + number * length)
        for number in range(count)
    ]


def test_only_records_of_the_asked_windows_are_known_and_all_come_in_one_sweep(
    backend: Backend, bucket: str
) -> None:
    ledger = ledger_in(backend, bucket)
    before, first, second, third, after = windows_from(WINDOW, 5)
    an_hour = Window(from_ms=second.from_ms, to_ms=second.from_ms + 3_600_000)
    ledger.create(record("/a", window) for window in (before, first, third, after, an_hour))
    calls = []
    ledger._control._s3.meta.events.register(
        "before-call.s3.ListObjectsV2", lambda **call: calls.append(call)
    )
    known = list(ledger.known(SOURCE, [first, second, third]))
    assert known == [(window, record("/a", window).export_id) for window in (first, third)]
    assert len(calls) == 1


def test_the_windows_that_have_records_are_listed_without_the_records(
    backend: Backend, bucket: str
) -> None:
    ledger = ledger_in(backend, bucket)
    long_before, before, first, second, after = windows_from(WINDOW, 5)
    long_before = windows_from(long_before, 1)[0].model_copy(
        update={"from_ms": first.from_ms - 5 * 86_400_000, "to_ms": first.from_ms - 4 * 86_400_000}
    )
    half = Window(from_ms=second.from_ms, to_ms=second.from_ms + 3_600_000)
    written = (long_before, before, first, second, half, after)
    ledger.create(record(name, window) for window in written for name in ("/a", "/b"))
    calls = []
    ledger._control._s3.meta.events.register(
        "before-call.s3.ListObjectsV2", lambda **call: calls.append(call)
    )
    assert ledger.windows(SOURCE, [first, second]) == [before, first, half, second]
    assert ledger.windows(SOURCE, []) == []
    assert len(calls) == 1


LATER = b'{"schema": "urn:logferry:schema:ledger-record:2.0", "state": "dissolved"}'


def test_a_record_that_breaks_its_contract_is_named(backend: Backend, bucket: str) -> None:
    key = record().key
    backend.client("s3").put_object(Bucket=bucket, Key=key, Body=b'{"state": "lost"}')
    backend.client("s3").put_object(Bucket=bucket, Key="ledger/later.json", Body=LATER)
    backend.client("s3").put_object(Bucket=bucket, Key="ledger/cut.json", Body=LATER[:-9])
    ledger = ledger_in(backend, bucket)
    found = ledger.read([key, "ledger/later.json", "ledger/cut.json", "ledger/none.json"])
    damaged = [each for each in found if isinstance(each, DamagedRecord)]
    assert [each.is_later for each in damaged] == [False, True, True]
    assert damaged[0].problem.startswith(f"s3://{bucket}/{key} is not a valid")
    assert found[-1] is None


def test_a_damaged_record_in_the_way_of_a_new_one_is_returned(
    backend: Backend, bucket: str
) -> None:
    backend.client("s3").put_object(Bucket=bucket, Key=record().key, Body=b"")
    [there] = ledger_in(backend, bucket).create([record()])
    assert isinstance(there, DamagedRecord)


class ContestedS3:
    """Two writers at once: S3 answers 409 until one of them is done. No double does so.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
    """

    def __init__(
        self,
        *answers: str | None,
        there: bytes | None = None,
        get_error: str = "NoSuchKey",
    ) -> None:
        self.answers = list(answers)
        self.there = there
        self.get_error = get_error

    def put_object(self, **asked: Any) -> None:
        if "IfNoneMatch" not in asked:
            return  # the note that it is open
        answer = self.answers.pop(0)
        if answer:
            raise client_error("PutObject", answer)

    def get_object(self, **_asked: Any) -> dict[str, Any]:
        if self.there is None:
            raise client_error("GetObject", self.get_error)
        there = self.there
        return {"Body": SimpleNamespace(read=lambda: there)}


def test_a_conflict_whose_other_writer_failed_is_tried_again() -> None:
    s3 = ContestedS3("ConditionalRequestConflict", None)
    assert Ledger(cast("Any", s3), "control").create([record()]) == [record()]
    assert s3.answers == []


def test_a_conflict_whose_other_writer_was_done_gives_its_record() -> None:
    other = record().as_submitted("task-1", at=NOW)
    s3 = ContestedS3("ConditionalRequestConflict", there=emit(other).encode())
    assert Ledger(cast("Any", s3), "control").create([record()]) == [other]


def test_a_conflict_without_end_is_an_error() -> None:
    s3 = ContestedS3(*["ConditionalRequestConflict"] * 3)
    with pytest.raises(LedgerBusyError, match="was in conflict 3 times"):
        Ledger(cast("Any", s3), "control").create([record()])


def test_another_error_of_s3_is_not_taken_for_a_conflict_nor_for_an_absent_record() -> None:
    with pytest.raises(AwsError, match="SlowDown"):
        Ledger(cast("Any", ContestedS3("SlowDown")), "control").create([record()])
    denied = ContestedS3("PreconditionFailed", get_error="AccessDenied")
    with pytest.raises(AwsError, match="AccessDenied"):
        Ledger(cast("Any", denied), "control").create([record()])


# --- outbox and files


def test_a_note_is_there_until_it_is_removed_and_only_its_sources(
    backend: Backend, bucket: str
) -> None:
    outbox = Outbox(backend.client("s3"), bucket)
    keys = [record(f"/app/{number}").key for number in range(3)]
    other_source = SOURCE.model_copy(update={"region": "eu-west-2"})
    first, second = outbox.put(SOURCE, keys), outbox.put(SOURCE, keys)
    outbox.put(other_source, keys)
    notes = outbox.notes(SOURCE)
    assert {note.key for note in notes} == {first, second}
    assert all(abs((datetime.now(UTC) - note.written_at).total_seconds()) < 3600 for note in notes)
    assert outbox.read(first) == keys

    outbox.remove(first)
    outbox.remove(first)
    assert [note.key for note in outbox.notes(SOURCE)] == [second]
    assert outbox.read(first) == []


def test_a_note_that_cannot_be_read_is_named(backend: Backend, bucket: str) -> None:
    backend.client("s3").put_object(Bucket=bucket, Key="outbox/1", Body=b"[]")
    with pytest.raises(LedgerUnreadableError, match=f"s3://{bucket}/outbox/1 is not a valid Note"):
        Outbox(backend.client("s3"), bucket).read("outbox/1")


def test_a_note_that_may_not_be_read_is_not_taken_for_a_removed_one() -> None:
    denied = Outbox(cast("Any", ContestedS3(get_error="AccessDenied")), "control")
    with pytest.raises(AwsError, match="AccessDenied"):
        denied.read("outbox/1")
    files = PlanFiles(cast("Any", ContestedS3(get_error="AccessDenied")), "control")
    with pytest.raises(AwsError, match="AccessDenied"):
        files.get("plans/1", Path("never written"))


def test_a_plans_file_comes_back_as_it_was_until_it_is_removed(
    backend: Backend, bucket: str, tmp_path: Path
) -> None:
    files = PlanFiles(backend.client("s3"), bucket)
    kept, fetched = tmp_path / "kept", tmp_path / "fetched"
    kept.write_bytes(bytes(range(256)) * 5000)
    files.put(kept, "plans/1")
    assert files.get("plans/1", fetched)
    assert fetched.read_bytes() == kept.read_bytes()
    files.remove("plans/1")
    assert not files.get("plans/1", fetched)


def test_a_continuation_is_left_to_lambda_to_deliver() -> None:
    asked = []
    functions = SimpleNamespace(invoke=lambda **request: asked.append(request))
    (example,) = examples("accept", "plan-continued")[:1]
    event = parse(PlanContinued, example.text)
    Continuations(cast("Any", functions)).send("arn:aws:lambda:eu-west-1:1:function:x", event)
    (request,) = asked
    assert request["FunctionName"] == "arn:aws:lambda:eu-west-1:1:function:x"
    assert request["InvocationType"] == "Event"
    assert parse(PlanContinued, request["Payload"]) == event


# --- queues and topic


def create_queue(backend: Backend, name: str) -> str:
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    url: str = backend.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


type Take = Callable[..., list[Any]]


def test_messages_arrive_in_order_in_the_slots_group(backend: Backend, take: Take) -> None:
    create_queue(backend, SOURCE.queue_name)
    queues = ExportQueues(backend.client("sqs"))
    sent = [message(f"/app/{number:02}") for number in range(23)]
    url = queues.urls(SOURCE, direct=True)["slot"]
    queues.send(url, sent)
    messages = take(url, expected=len(sent))
    assert [parse(ExportRequested, taken["Body"]) for taken in messages] == sent
    for taken, event in zip(messages, sent, strict=True):
        assert taken["Attributes"]["MessageGroupId"] == "111111111111.eu-west-1"
        assert taken["Attributes"]["MessageDeduplicationId"] == event.id


def test_a_message_that_is_sent_twice_at_once_arrives_once(backend: Backend, take: Take) -> None:
    url = create_queue(backend, SOURCE.queue_name)
    queues = ExportQueues(backend.client("sqs"))
    queues.send(url, [message()])
    queues.send(url, [message()])
    assert len(take(url, expected=1)) == 1


def test_a_message_that_is_not_there_any_more_arrives_again_at_once_where_it_is_to(
    backend: Backend, take: Take
) -> None:
    url = create_queue(backend, SOURCE.queue_name)
    queues = ExportQueues(backend.client("sqs"))
    queues.send(url, [message()])
    [lost] = take(url, expected=1)
    backend.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=lost["ReceiptHandle"])

    queues.send(url, [message()], again_by="request-2")

    [found] = take(url, expected=1)
    assert found["Body"] == lost["Body"]


def test_a_queue_that_does_not_exist_is_refused_by_name(backend: Backend) -> None:
    with pytest.raises(PlanRefusedError) as refused:
        ExportQueues(backend.client("sqs")).urls(SOURCE, direct=True)
    assert str(refused.value) == "queue log-sqs-dev-collect.fifo does not exist"
    assert refused.value.reason == "refused_queue"


@pytest.mark.parametrize(
    "tags",
    [
        {"team": "red"},
        {"profile": "dev"},
        {"profile": "dev", "logferry:slot": "111111111111.eu-west-1"},
    ],
)
def test_a_queue_that_says_nothing_else_is_the_sources(
    backend: Backend, tags: dict[str, str]
) -> None:
    queues = ExportQueues(backend.client("sqs"))
    queues.check(SOURCE)  # there is none yet
    url = create_queue(backend, SOURCE.queue_name)
    backend.client("sqs").tag_queue(QueueUrl=url, Tags=tags)
    queues.check(SOURCE)


@pytest.mark.parametrize(
    ("tags", "is_its"),
    [
        (None, False),
        ({"team": "red"}, None),
        ({"profile": "dev"}, None),
        ({"profile": "Dev", "logferry:slot": "111111111111.eu-west-1"}, False),
        ({"profile": "dev", "logferry:slot": "222222222222.eu-west-1"}, False),
        ({"profile": "dev", "logferry:slot": "111111111111.eu-west-1"}, True),
    ],
)
def test_whose_a_queue_is_its_tags_say_and_one_that_is_gone_is_nobodys(
    backend: Backend, tags: dict[str, str] | None, *, is_its: bool | None
) -> None:
    if tags is not None:
        url = create_queue(backend, SOURCE.queue_name)
        backend.client("sqs").tag_queue(QueueUrl=url, Tags=tags)
    assert ExportQueues(backend.client("sqs")).is_of(SOURCE.name) is is_its


@pytest.mark.parametrize(
    ("tags", "owner"),
    [
        ({"profile": "Dev"}, "profile Dev, account and Region ?"),
        (
            {"profile": "dev", "logferry:slot": "222222222222.eu-west-1"},
            "profile dev, account and Region 222222222222.eu-west-1",
        ),
        (
            {"profile": "dev", "logferry:slot": "111111111111.eu-central-1"},
            "profile dev, account and Region 111111111111.eu-central-1",
        ),
    ],
)
def test_the_queue_of_another_source_is_refused_by_name(
    backend: Backend, tags: dict[str, str], owner: str
) -> None:
    url = create_queue(backend, SOURCE.queue_name)
    backend.client("sqs").tag_queue(QueueUrl=url, Tags=tags)
    with pytest.raises(PlanRefusedError) as refused:
        ExportQueues(backend.client("sqs")).check(SOURCE)
    assert refused.value.reason == "refused_profile"
    assert str(refused.value) == (
        "profile dev of 111111111111.eu-west-1 cannot be: the queue log-sqs-dev-collect.fifo is of "
        f"{owner}"
    )


def test_a_record_is_taken_over_once_and_only_as_it_was_read(backend: Backend, bucket: str) -> None:
    ledger = Ledger(backend.client("s3"), bucket)
    there = record()
    ledger.create([there])
    mine = there.as_of(SOURCE.name.model_copy(update={"profile": "mine"}), there.destination)
    assert ledger.take_over(there, mine)
    assert not ledger.take_over(there, mine)
    assert ledger.read([there.key]) == [mine]


def test_notes_of_windows_that_lack_events_are_counted_until_they_are_empty(
    backend: Backend, bucket: str
) -> None:
    s3, ledger = backend.client("s3"), Ledger(backend.client("s3"), bucket)
    assert ledger.lacking(SOURCE) == 0
    for name, said in (("/a", b"/a"), ("/b", b"/b"), ("/over", b"")):
        where = (SOURCE.account_id, SOURCE.region, record().window, name)
        s3.put_object(Bucket=bucket, Key=seal_note_key(LACKING_NOTES, *where), Body=said)
        other = seal_note_key("contradicted", *where)
        s3.put_object(Bucket=bucket, Key=other, Body=name.encode())
    assert ledger.lacking(SOURCE) == 2


def test_the_direct_lane_has_a_queue_and_a_group_of_its_own_where_there_is_one(
    backend: Backend, take: Take
) -> None:
    slot_url = create_queue(backend, SOURCE.queue_name)
    queues = ExportQueues(backend.client("sqs"))
    assert queues.urls(SOURCE, direct=True) == {"slot": slot_url}
    direct_url = create_queue(backend, SOURCE.direct_queue_name)
    assert queues.urls(SOURCE, direct=False) == {"slot": slot_url}
    assert queues.urls(SOURCE, direct=True) == {"slot": slot_url, "direct": direct_url}

    data = message().data.model_copy(update={"lane": "direct"})
    queues.send(direct_url, [message().model_copy(update={"data": data})])
    (taken,) = take(direct_url, expected=1)
    assert taken["Attributes"]["MessageGroupId"] == "111111111111.eu-west-1.direct"


def test_a_dead_letter_says_why_it_is_there(backend: Backend, take: Take) -> None:
    url = create_queue(backend, "logferry-planner-dlq")
    detail = "line one\nline\x00two " + "x" * 2000
    DeadLetters(backend.client("sqs"), url).put('{"a": 1}', reason="refused_queue", detail=detail)
    (letter,) = take(url, expected=1)
    assert letter["Body"] == '{"a": 1}'
    attributes = {name: value["StringValue"] for name, value in letter["MessageAttributes"].items()}
    assert attributes == {
        "reason": "refused_queue",
        "detail": ("line one line two " + "x" * 2000)[:1000],
        "service": "planner",
    }


def test_an_event_is_published_with_the_attributes_that_filters_read(
    backend: Backend, take: Take
) -> None:
    sns = backend.client("sns")
    topic_arn = sns.create_topic(Name="log-export-events")["TopicArn"]
    url = create_queue(backend, "team")
    sns.subscribe(
        TopicArn=topic_arn,
        Protocol="sqs",
        Endpoint=f"arn:aws:sqs:{backend.region}:{backend.account_id}:team",
        Attributes={
            "RawMessageDelivery": "true",
            "FilterPolicy": json.dumps({"type": ["logferry.plan.completed.v1"]}),
        },
    )
    event = PlanCompleted.of(
        PlanCompletedData(
            source=SOURCE.name,
            windows=[WINDOW],
            found=1,
            requested=0,
            already_in_ledger=0,
            skipped={"excluded": 1},
        ),
        id="0" * 32,
        source="urn:logferry:planner",
        time=NOW,
    )
    Topic(sns, topic_arn).publish(event)
    (taken,) = take(url, expected=1)
    assert parse(PlanCompleted, taken["Body"]) == event
    attributes = {name: value["StringValue"] for name, value in taken["MessageAttributes"].items()}
    assert attributes == event.attributes


class FailingSqs:
    """SendMessageBatch that takes a part of a batch only. No double does so.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_BatchResultErrorEntry.html
    """

    def __init__(self, failures: Sequence[dict[str, bool]] = ()) -> None:
        """Take ``failures``, one per call: SenderFault by entry id."""
        self.failures = list(failures)
        self.taken: list[str] = []
        self.batches: list[list[dict[str, str]]] = []

    def send_message_batch(self, **asked: Any) -> dict[str, Any]:
        entries = asked["Entries"]
        self.batches.append(entries)
        failures = self.failures.pop(0) if self.failures else {}
        failed = [
            {"Id": id_, "SenderFault": fault, "Code": "InternalError", "Message": "try again"}
            for id_, fault in failures.items()
        ]
        self.taken += [entry["Id"] for entry in entries if entry["Id"] not in failures]
        return {"Successful": [], **({"Failed": failed} if failed else {})}


EVENTS = [message(f"/app/{number:02}") for number in range(23)]
IDS = [event.id for event in EVENTS]


def send(sqs: FailingSqs, events: Sequence[ExportRequested] = EVENTS) -> list[float]:
    """Send, and return the waits that were asked for."""
    waits: list[float] = []
    ExportQueues(cast("Any", sqs), waits.append).send("url", events)
    return waits


def test_a_batch_has_at_most_ten_messages() -> None:
    sqs = FailingSqs()
    assert send(sqs) == []
    assert [len(batch) for batch in sqs.batches] == [10, 10, 3]
    assert sqs.taken == IDS


def test_no_message_makes_no_call() -> None:
    sqs = FailingSqs()
    send(sqs, [])
    assert sqs.batches == []


def test_a_batch_has_at_most_one_mebibyte() -> None:
    # Far longer than the contract allows, so that three of them are too many for one batch.
    long = [event.model_copy(update={"source": "x" * 400_000}) for event in EVENTS[:5]]
    sqs = FailingSqs()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.aws.queues.emit", lambda event: event.model_dump_json())
        send(sqs, long)
    assert [len(batch) for batch in sqs.batches] == [2, 2, 1]
    for batch in sqs.batches:
        assert sum(len(entry["MessageBody"].encode()) for entry in batch) <= BATCH_BYTES


def test_only_the_messages_that_were_not_taken_are_sent_again() -> None:
    sqs = FailingSqs([{IDS[1]: False, IDS[4]: False}, {IDS[4]: False}])
    waits = send(sqs)
    assert [[entry["Id"] for entry in batch] for batch in sqs.batches[:3]] == [
        IDS[:10],
        [IDS[1], IDS[4]],
        [IDS[4]],
    ]
    assert waits == list(RESEND_WAITS_S[:2])
    assert sorted(sqs.taken) == sorted(IDS)


def test_messages_that_are_never_taken_end_in_an_error_that_names_them() -> None:
    sqs = FailingSqs([{IDS[0]: False}] * 5)
    waits: list[float] = []
    with pytest.raises(MessagesNotSentError, match=f"message {IDS[0]}: InternalError try again"):
        ExportQueues(cast("Any", sqs), waits.append).send("url", EVENTS)
    assert waits == list(RESEND_WAITS_S)


def test_a_message_at_fault_is_named_and_not_sent_again_while_the_others_go_out() -> None:
    sqs = FailingSqs([{IDS[0]: True, IDS[1]: False}])
    with pytest.raises(MessagesNotSentError, match=f"refuses message {IDS[0]}: InternalError"):
        send(sqs)
    assert sorted(sqs.taken) == sorted(IDS[1:])
    assert sum(entry["Id"] == IDS[0] for batch in sqs.batches for entry in batch) == 1
