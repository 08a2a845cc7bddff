"""The exporter is asked to add what the archive lacks: once for each witness, and not too much."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import boto3
import pytest
from moto import mock_aws
from services.recounter.tests.conftest import DAY, FROM, NOW, WINDOW, at, record, skipped

from logferry_contracts.addendum import Addendum
from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_key import (
    LACKING_NOTES,
    late_key,
    not_added_key,
    recount_key,
    seal_note_key,
)
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.message import timestamp
from logferry_contracts.recount import Recount
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse
from logferry_deliveries.errors import AwsError
from recounter.aws.bucket import Bucket
from recounter.aws.control import Control
from recounter.aws.corrections import Corrections
from recounter.aws.requests import Requests
from recounter.correcting import LONGEST_WAIT, Correcting
from recounter.errors import TooManyDifferError
from recounter.turn import Turn

BUCKET = "control-bucket"
SOURCE = Source(
    **record("/a").source.model_dump(), role_arn="arn:aws:iam::111122223333:role/logferry-source"
)
RECOUNTED = timestamp(NOW - timedelta(hours=3))
AGAIN = timestamp(NOW + timedelta(hours=3))
EXAMPLE = record("/a")


class Hub:
    """The control bucket and the exporter's queue, on an emulation of AWS that is not ours."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3")
        where: Any = {"LocationConstraint": SOURCE.region}
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        self.sqs = boto3.client("sqs")
        self.url = self.sqs.create_queue(
            QueueName=SOURCE.direct_queue_name, Attributes={"FifoQueue": "true"}
        )["QueueUrl"]
        self.now = NOW
        self.damaged: list[str] = []

    def put(
        self,
        made: LedgerRecord,
        *,
        recounted_at: str = RECOUNTED,
        late_streams: list[str] | None = None,
    ) -> LedgerRecord:
        """Put an export into the ledger, with what was counted of it."""
        self.s3.put_object(Bucket=BUCKET, Key=made.key, Body=emit(made).encode())
        said = {"by": "filter", "at": recounted_at, "events": 5}
        told = Recount.of(
            source=made.source,
            window=made.window,
            export_id=made.export_id,
            recount=said,
            late_streams=late_streams,
        )
        key = recount_key(made.source, made.window, made.export_id)
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=told.text())
        return made

    def lacks(self, made: LedgerRecord, text: bytes | None = None, **more: Any) -> LedgerRecord:
        """Let a seal say that an export lacks events."""
        name = made.log_group.name
        where = (SOURCE.account_id, SOURCE.region, made.window, name)
        key = seal_note_key(LACKING_NOTES, *where)
        body = name.encode() if text is None else text
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        return self.put(made, **more)

    def look(self, *, most_bytes: int = 10_000_000, stop_share: int = 20) -> Counter[str]:
        bucket = Bucket(self.s3, BUCKET)
        turn = Turn(clock=lambda: self.now, has_time=lambda: True, sleep=lambda _: None)
        Correcting(
            control=Control(bucket, SOURCE),
            corrections=Corrections(bucket, SOURCE),
            requests=Requests(self.sqs, SOURCE),
            source=SOURCE.name,
            most_bytes=most_bytes,
            stop_share=stop_share,
            since=LONGEST_WAIT,
        ).look(turn)
        self.damaged += bucket.damaged
        return turn.counts

    def asked(self) -> list[ExportRequestedData]:
        """What was asked since the last time."""
        found = []
        while messages := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, AttributeNames=["MessageGroupId"]
        ).get("Messages"):
            for each in messages:
                assert each["Attributes"]["MessageGroupId"] == SOURCE.direct_slot
                found.append(parse(ExportRequested, each["Body"]).data)
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=each["ReceiptHandle"])
        return found


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", SOURCE.region)
    with mock_aws():
        yield Hub()


def test_what_the_archive_lacks_is_asked_for_once_by_each_witness(hub: Hub) -> None:
    made = hub.lacks(record("/a", lane="slot"))
    hub.put(record("/agrees"))
    assert hub.look()["AddendaAsked"] == 1
    (asked,) = hub.asked()
    assert (asked.export_id, asked.recounted_at) == (made.export_id, RECOUNTED)
    assert (asked.lane, asked.source, asked.destination) == ("direct", SOURCE, made.destination)
    assert hub.look()["AddendaAsked"] == 0
    hub.put(made, recounted_at=AGAIN)
    hub.look()
    assert [each.recounted_at for each in hub.asked()] == [AGAIN]


def test_what_was_asked_for_and_lost_is_asked_for_again_and_not_without_an_end(hub: Hub) -> None:
    made = hub.lacks(record("/a", lane="slot"))
    asked = []
    for _ in range(100):
        hub.look()
        asked += [hub.now for _ in hub.asked()]
        hub.now += timedelta(hours=1)
    hours = [(later - at) / timedelta(hours=1) for at, later in pairwise(asked)]
    assert (len(asked), hours) == (3, [21, 21])
    hub.put(made, recounted_at=timestamp(hub.now))
    hub.look()
    assert len(hub.asked()) == 1


def test_a_note_of_asking_that_nobody_can_read_costs_asking_once_more(hub: Hub) -> None:
    made = hub.lacks(record("/a", lane="slot"))
    hub.look()
    keys = hub.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    [note] = [each["Key"] for each in keys if "!asked" in each["Key"]]
    hub.s3.put_object(Bucket=BUCKET, Key=note, Body=b"?")
    assert len(hub.asked()) == 1
    hub.look()
    hub.look()
    assert hub.s3.get_object(Bucket=BUCKET, Key=note)["Body"].read() != b"?"
    assert {each.export_id for each in hub.asked()} <= {made.export_id}


def test_what_one_window_meets_keeps_no_other_from_being_asked_for(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = hub.lacks(record("/a")), hub.lacks(record("/b"))
    real = Control.recount

    def denied(control: Control, window: Window, name: str) -> Recount | None:
        if name == bad.export_id:
            raise AwsError("GetObject", name, "AccessDenied", "not this one")
        return real(control, window, name)

    monkeypatch.setattr(Control, "recount", denied)
    with pytest.raises(AwsError, match="not this one"):
        hub.look()
    assert [each.export_id for each in hub.asked()] == [good.export_id]


def test_a_try_that_somebody_has_removed_hides_no_later_one(hub: Hub) -> None:
    first = record("/a", lane="slot")
    name = export_id(first.source, first.log_group.name, first.window, 2)
    second = hub.lacks(first.model_copy(update={"generation": 2, "export_id": name}))
    hub.s3.put_object(Bucket=BUCKET, Key=f"{second.key}.bak", Body=b"{")
    hub.look()
    assert [each.export_id for each in hub.asked()] == [name]


def test_a_note_that_is_no_name_keeps_no_other_from_being_asked_for(hub: Hub) -> None:
    hub.lacks(record("/a"), text=b"\xff\xfe")
    good = hub.lacks(record("/b"))
    hub.look()
    assert [each.export_id for each in hub.asked()] == [good.export_id]


def test_of_a_large_window_the_log_streams_are_compared_that_are_known(hub: Hub) -> None:
    large = record("/large", lane="slot", size=3_000_000_000)
    hub.lacks(large, late_streams=["agent"])
    hub.lacks(record("/small", size=10), late_streams=["agent"])
    hub.look(most_bytes=110_000_000)
    assert {each.export_id: each.streams for each in hub.asked()}[large.export_id] == ["agent"]
    hub.put(large, recounted_at=AGAIN, late_streams=["agent"])
    hub.look(most_bytes=110_000_000)
    assert hub.asked() == []  # the day's bytes are up


def late(
    hub: Hub, made: LedgerRecord, text: bytes | None = None, streams: Sequence[str] = ("agent",)
) -> Recount:
    """Let a look have seen that events came in late for an export, without counting them."""
    hub.s3.put_object(Bucket=BUCKET, Key=made.key, Body=emit(made).encode())
    told = Recount.of(
        source=made.source,
        window=made.window,
        export_id=made.export_id,
        recount={"by": "no", "at": RECOUNTED, "reason": "budget"},
        late_streams=list(streams) or None,
    )
    Control(Bucket(hub.s3, BUCKET), SOURCE).note_late(told)
    if text is not None:
        key = late_key(SOURCE, made.window, made.export_id)
        hub.s3.put_object(Bucket=BUCKET, Key=key, Body=text)
    return told


def test_what_came_in_late_and_nobody_has_counted_is_compared_once(hub: Hub) -> None:
    made = record("/large", lane="slot", size=3_000_000_000)
    late(hub, made)
    assert hub.look(most_bytes=100_000_000)["AddendaAsked"] == 1
    (asked,) = hub.asked()
    assert (asked.export_id, asked.streams) == (made.export_id, ["agent"])
    assert hub.look(most_bytes=200_000_000)["AddendaAsked"] == 0


def test_what_was_exported_again_since_is_not_compared_for_its_former_try(hub: Hub) -> None:
    first = record("/a")
    late(hub, first)
    name = export_id(first.source, "/a", WINDOW, 2)
    hub.put(first.model_copy(update={"generation": 2, "export_id": name}))
    hub.look()
    assert hub.asked() == []


def test_too_many_late_ones_stop_a_source_as_others_do(hub: Hub) -> None:
    hub.lacks(record("/lacks", size=10))
    for n in range(2):
        late(hub, record(f"/late/{n}", size=10))
    with pytest.raises(TooManyDifferError, match=r"3 of"):
        hub.look()
    assert hub.asked() == []


@pytest.mark.parametrize("is_said", [True, False])
def test_a_note_of_late_events_that_nobody_can_read_is_written_anew_by_what_its_look_has_said(
    hub: Hub,
    is_said: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    made, other = record("/large", size=3_000_000_000), record("/other")
    told = late(hub, made, b"{}")
    late(hub, other)
    if is_said:
        Control(Bucket(hub.s3, BUCKET), SOURCE).put(told, 3)
    hub.look(most_bytes=200_000_000)
    of_look = {made.export_id} if is_said else set()
    assert {each.export_id for each in hub.asked()} == {other.export_id, *of_look}
    key = late_key(SOURCE, made.window, made.export_id)
    there = hub.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert there == (told.text() if is_said else b"")
    hub.look(most_bytes=200_000_000)
    assert (hub.asked(), hub.damaged) == ([], [key])


def test_a_window_of_more_late_streams_than_are_named_is_compared_though_its_note_is_damaged(
    hub: Hub,
) -> None:
    made = record("/a")
    Control(Bucket(hub.s3, BUCKET), SOURCE).put(late(hub, made, b"{}", streams=()), 3)
    hub.look()
    (asked,) = hub.asked()
    assert (asked.export_id, asked.streams) == (made.export_id, None)


NOT_ADDED = [
    (record("/large", size=3_000_000_000), "size"),
    (record("/limit", size=20_000_000), "add_mb_per_day"),
    (record("/class", log_group_class="INFREQUENT_ACCESS"), "log_group_class"),
    (record("/expired", retention_days=1), "expired"),
]


@pytest.mark.parametrize(
    ("made", "why"), [pytest.param(made, why, id=why) for made, why in NOT_ADDED]
)
def test_that_nothing_is_added_of_what_came_in_late_is_told_and_counted_once(
    hub: Hub, caplog: pytest.LogCaptureFixture, made: LedgerRecord, why: str
) -> None:
    told = late(hub, made, streams=())
    assert [hub.look()["LateEventsNotAdded"] for _ in range(3)] == [1, 0, 0]
    assert hub.asked() == []
    said = [each for each in caplog.records if each.message == "late events cannot be added"]
    assert [(vars(each)["export_id"], vars(each)["why"]) for each in said] == 3 * [
        (made.export_id, why)
    ]
    key = not_added_key(SOURCE, made.window, made.export_id, told.recount.at)
    assert json.loads(hub.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())["why"] == why
    hub.s3.put_object(Bucket=BUCKET, Key=key, Body=b"?")
    assert hub.look()["LateEventsNotAdded"] == 1
    if why == "add_mb_per_day":
        hub.look(most_bytes=20_000_000)
        assert [each.export_id for each in hub.asked()] == [made.export_id]


def test_late_ones_that_nobody_can_add_hold_back_no_others(hub: Hub) -> None:
    """They would count as differing for as long as they are remembered."""
    for made, _ in NOT_ADDED:
        late(hub, made, streams=())
    good = record("/good", size=10)
    late(hub, good)
    hub.look()
    assert [each.export_id for each in hub.asked()] == [good.export_id]


def test_what_was_skipped_is_asked_for_as_the_next_generation_and_once(hub: Hub) -> None:
    made = skipped("/idle")
    requests = Requests(hub.sqs, SOURCE)
    requests.ask_again(made, NOW)
    requests.ask_again(made, NOW)
    (asked,) = hub.asked()
    assert asked.export_id == export_id(SOURCE, "/idle", WINDOW, 2)
    assert (asked.generation, asked.lane, asked.recounted_at) == (2, "direct", None)
    assert asked.first_record(NOW).state == "requested"


def test_what_a_later_seal_has_whole_is_not_asked_for(hub: Hub) -> None:
    hub.lacks(record("/a"), text=b"")
    hub.look()
    assert hub.asked() == []


def test_what_was_added_by_the_witness_is_not_asked_for_before_it_is_sealed(hub: Hub) -> None:
    made = hub.lacks(record("/a"))
    done = Addendum(number=1, recounted_at=RECOUNTED, at=at(NOW))
    hub.put(made.model_copy(update={"addenda": [done]}))
    hub.look()
    assert hub.asked() == []


def failed(made: LedgerRecord) -> LedgerRecord:
    document = json.loads(emit(made)) | {
        "state": "failed",
        "failed": {"reason": "test", "message": "no", "at": at(NOW)},
    }
    return parse(LedgerRecord, json.dumps(document))


@pytest.mark.parametrize(
    "made",
    [
        record("/large", size=500_000_001),
        record("/class", log_group_class="INFREQUENT_ACCESS"),
        record("/expired", retention_days=1),
        failed(record("/failed")),
        record("/theirs").model_copy(
            update={"source": EXAMPLE.source.model_copy(update={"profile": "another"})}
        ),
    ],
    ids=lambda made: made.log_group.name,
)
def test_what_cannot_be_added_is_left_to_a_person(hub: Hub, made: LedgerRecord) -> None:
    hub.lacks(made)
    hub.look()
    assert hub.asked() == []


def test_the_last_try_of_a_window_is_added_to(hub: Hub) -> None:
    first = record("/a")
    hub.lacks(failed(first))
    name = export_id(first.source, "/a", WINDOW, 2)
    hub.put(first.model_copy(update={"generation": 2, "export_id": name}))
    hub.look()
    assert [each.export_id for each in hub.asked()] == [name]


def test_a_try_that_nobody_can_read_hides_the_last_one_from_nobody(hub: Hub) -> None:
    first = hub.lacks(record("/a"))
    name = export_id(first.source, "/a", WINDOW, 2)
    last = hub.put(first.model_copy(update={"generation": 2, "export_id": name}))
    hub.s3.put_object(Bucket=BUCKET, Key=first.key, Body=b"{")
    hub.look()
    assert [each.export_id for each in hub.asked()] == [name]
    hub.put(last, recounted_at=AGAIN)
    hub.s3.put_object(Bucket=BUCKET, Key=last.key, Body=b"{")
    hub.look()
    assert hub.asked() == []


def test_no_more_is_read_on_a_day_than_was_said(hub: Hub) -> None:
    for n in range(4):
        window = Window(from_ms=FROM - n * DAY, to_ms=FROM + DAY - n * DAY)
        hub.lacks(record(f"/{n}", size=3_000_000, window=window))
    hub.look(most_bytes=7_000_000)
    hub.look(most_bytes=7_000_000)
    assert len(hub.asked()) == 2
    hub.now += timedelta(days=1)
    hub.look(most_bytes=7_000_000)
    assert len(hub.asked()) == 2
    hub.look(most_bytes=0)
    assert hub.asked() == []


def test_what_is_more_than_a_day_allows_keeps_no_other_waiting(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    large, small = record("/a", size=300_000_000), record("/b", size=200_000_000)
    for each in (large, small):
        hub.lacks(each)
    hub.look(most_bytes=200_000_000)
    assert [each.export_id for each in hub.asked()] == [small.export_id]
    assert "larger than what is added on a day" in caplog.text
    hub.now += timedelta(days=1)
    hub.look(most_bytes=300_000_000)
    assert [each.export_id for each in hub.asked()] == [large.export_id]


def of_a_date(hub: Hub, differing: int, others: int) -> None:
    for n in range(differing):
        hub.lacks(record(f"/lacks/{n}", size=10))
    for n in range(others):
        hub.put(record(f"/agrees/{n}", size=10))


def test_where_too_much_of_a_date_differs_nothing_of_the_source_is_added(hub: Hub) -> None:
    of_a_date(hub, 3, 140)
    before = Window(from_ms=FROM - DAY, to_ms=FROM)
    hub.lacks(record("/another-date", window=before))
    with pytest.raises(TooManyDifferError, match=r"\(3 of 143\).*outage.*another time"):
        hub.look()
    assert hub.asked() == []
    hub.look(stop_share=1000)
    assert len(hub.asked()) == 4


@pytest.mark.parametrize(("differing", "others"), [(2, 0), (3, 147)])
def test_a_few_or_a_small_part_of_a_date_may_differ(hub: Hub, differing: int, others: int) -> None:
    of_a_date(hub, differing, others)
    hub.look()
    assert len(hub.asked()) == differing


@pytest.mark.parametrize(
    ("said", "only_more", "becomes"),
    [
        ({"by": "insights", "events": 7}, False, ("insights", 7, None)),
        ({"by": "no", "reason": "budget"}, False, ("no", None, "budget")),
        ({"by": "filter", "events": 7}, True, ("no", None, "damaged")),
    ],
)
def test_a_recount_that_nobody_can_read_is_written_anew_by_the_next_look_whatever_it_finds(
    hub: Hub,
    said: dict[str, Any],
    only_more: bool,  # noqa: FBT001  (a parameter of the test)
    becomes: tuple[str, int | None, str | None],
) -> None:
    made = hub.put(record("/a"))
    key = recount_key(made.source, made.window, made.export_id)
    hub.s3.put_object(Bucket=BUCKET, Key=key, Body=b'{"schema')
    look = Recount.of(
        source=made.source,
        window=made.window,
        export_id=made.export_id,
        recount={"at": AGAIN, **said},
    )
    bucket = Bucket(hub.s3, BUCKET)
    Control(bucket, SOURCE).correct(look, only_more=only_more)
    found = Control(bucket, SOURCE).recount(made.window, made.export_id)
    assert found is not None
    now = found.recount
    assert ((now.by, now.events, now.reason), bucket.damaged) == (becomes, {key})


def test_a_recount_of_a_later_release_is_kept(hub: Hub) -> None:
    made = hub.put(record("/a"))
    key = recount_key(made.source, made.window, made.export_id)
    body = hub.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    later = body.replace(b"recount:1.", b"recount:2.")
    hub.s3.put_object(Bucket=BUCKET, Key=key, Body=later)
    bucket = Bucket(hub.s3, BUCKET)
    look = Recount.of(
        source=made.source,
        window=made.window,
        export_id=made.export_id,
        recount={"by": "insights", "at": AGAIN, "events": 7},
    )
    assert not Control(bucket, SOURCE).correct(look, only_more=False)
    assert hub.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == later
    assert bucket.damaged == set()


class Killed(BaseException):
    """The process died."""


@pytest.mark.parametrize("call", ["keep_spent", "ask", "note_asked"])
@pytest.mark.parametrize("is_done", [False, True])
def test_who_died_asks_again_and_the_queue_takes_it_once(
    hub: Hub,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    is_done: bool,  # noqa: FBT001  (a parameter of the test)
) -> None:
    made = hub.lacks(record("/a", size=3_000_000))
    where = Requests if call == "ask" else Corrections
    real = getattr(where, call)

    def dies(*arguments: Any) -> None:
        if is_done:
            real(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(where, call, dies)
        with pytest.raises(Killed):
            hub.look()
    hub.look()
    assert [each.export_id for each in hub.asked()] == [made.export_id]
    assert hub.look()["AddendaAsked"] == 0


@pytest.mark.parametrize("text", [b"?", b'{"date": "2026-11-22", "read_by', b'{"spent": {}}'])
def test_a_note_of_what_was_spent_that_nobody_can_read_stops_the_spending_for_its_day(
    hub: Hub, text: bytes
) -> None:
    made = hub.lacks(record("/a"))
    key = f"recounts/{SOURCE.account_id}/{SOURCE.region}/!added.json"
    hub.s3.put_object(Bucket=BUCKET, Key=key, Body=text)
    for _ in range(2):
        hub.look()
    assert (hub.asked(), hub.damaged) == ([], [key])
    hub.now += timedelta(days=1)
    hub.look()
    assert [each.export_id for each in hub.asked()] == [made.export_id]
