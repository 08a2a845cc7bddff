"""The control bucket and the handler on an emulation of S3 that is not ours."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from services.recounter.tests.conftest import NOW, WINDOW, at, record

from logferry_contracts.documents import examples
from logferry_contracts.ledger_key import recount_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.open_exports import note_of, whole_key
from logferry_contracts.recount import Recount, Recounted
from logferry_contracts.wire import ContractError, emit
from recounter import budget, handler
from recounter.aws.bucket import Bucket
from recounter.aws.control import FIRST, Control
from recounter.book import Book
from recounter.errors import OvertakenError
from recounter.note import Charge, Note
from recounter.turn import Turn

BUCKET = "control-bucket"
MADE = record("/a")
SOURCE = MADE.source


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", SOURCE.region)
    with mock_aws():
        client = boto3.client("s3")
        where: Any = {"LocationConstraint": SOURCE.region}
        client.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
        yield client


@pytest.fixture
def control(s3: Any) -> Control:
    return Control(Bucket(s3, BUCKET), SOURCE)


def put(s3: Any, made: LedgerRecord) -> None:
    s3.put_object(Bucket=BUCKET, Key=made.key, Body=emit(made).encode())


def recount(made: LedgerRecord, events: int) -> Recount:
    said = {"by": "filter", "at": at(NOW), "events": events}
    return Recount.of(
        source=made.source, window=made.window, export_id=made.export_id, recount=said
    )


def test_windows_are_listed_with_their_exports_and_read(s3: Any, control: Control) -> None:
    other = record("/b")
    for each in (MADE, other):
        put(s3, each)
    s3.put_object(Bucket=BUCKET, Key=f"{MADE.key.rpartition('/')[0]}-odd/x.json", Body=b"")
    listed = list(control.windows(WINDOW.from_ms))
    assert listed == [(WINDOW, sorted([MADE.export_id, other.export_id]))]
    assert list(control.windows(WINDOW.from_ms + 1)) == []
    assert control.record(WINDOW, MADE.export_id) == MADE
    assert control.record(WINDOW, "0" * 32) is None
    s3.put_object(Bucket=BUCKET, Key=MADE.key, Body=b"{}")
    assert control.record(WINDOW, MADE.export_id) is None


def test_a_window_is_open_as_long_as_one_of_its_exports_has_a_note(
    s3: Any, control: Control
) -> None:
    s3.put_object(Bucket=BUCKET, Key=whole_key(SOURCE), Body=b"")
    assert control.open_windows() == set()
    s3.put_object(Bucket=BUCKET, Key=note_of(MADE.key), Body=b"")
    assert control.open_windows() == {control.prefix(WINDOW)}


def test_a_recount_is_written_once_and_stays(s3: Any, control: Control) -> None:
    assert control.counted(WINDOW, FIRST) == set()
    control.put(recount(MADE, 3), FIRST)
    control.put(recount(MADE, 4), FIRST)
    control.keep(WINDOW, FIRST, Note(), None)
    assert control.counted(WINDOW, FIRST) == {MADE.export_id}
    (key,) = [
        each["Key"]
        for each in s3.list_objects_v2(Bucket=BUCKET, Prefix="recounts/")["Contents"]
        if "!" not in each["Key"]
    ]
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == recount(MADE, 3).text()


@pytest.mark.parametrize(
    ("events", "only_more", "stays"),
    [(3, False, 3), (4, False, 4), (2, False, 3), (4, True, 4), (2, True, 3)],
)
def test_a_later_look_is_kept_by_itself_and_corrects_what_the_first_one_said(
    s3: Any,
    control: Control,
    events: int,
    only_more: bool,  # noqa: FBT001  (a parameter of the test)
    stays: int,
) -> None:
    control.put(recount(MADE, 3), FIRST)
    assert control.correct(recount(MADE, events), only_more=only_more) == (stays != 3)
    control.put(recount(MADE, events), 14)
    control.keep(WINDOW, 14, Note(spent=1), None)
    assert control.counted(WINDOW, FIRST) == control.counted(WINDOW, 14) == {MADE.export_id}
    assert control.counted(WINDOW, 3) == set()
    assert control.note(WINDOW, FIRST) == (Note(), None)
    key = recount_key(SOURCE, WINDOW, MADE.export_id)
    found = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert found == recount(MADE, stays).text()


def test_a_later_look_has_the_word_where_the_first_one_came_to_none(control: Control) -> None:
    assert not control.correct(recount(MADE, 3), only_more=True)
    assert control.recount(WINDOW, MADE.export_id) is None
    assert not control.correct(recount(MADE, 3), only_more=False)  # there was nothing to correct
    assert control.recount(WINDOW, MADE.export_id) == recount(MADE, 3)


def test_what_nobody_could_count_is_corrected_by_whoever_can(control: Control) -> None:
    nobody = recount(MADE, 3).model_copy(
        update={"recount": Recounted(by="no", at=at(NOW), reason="budget")}
    )
    control.put(nobody, FIRST)
    assert not control.correct(nobody, only_more=False)
    assert not control.correct(recount(MADE, 3), only_more=True)
    assert control.correct(recount(MADE, 3), only_more=False)


def test_of_two_that_note_something_one_is_overtaken(control: Control) -> None:
    charge = Charge(cost=5, export_ids=[MADE.export_id], at=at(NOW))
    etag = control.keep(WINDOW, FIRST, Note(spent=5, running=[charge]), None)
    with pytest.raises(OvertakenError):
        control.keep(WINDOW, FIRST, Note(), None)
    assert control.note(WINDOW, FIRST) == (Note(spent=5, running=[charge]), etag)
    control.keep(WINDOW, FIRST, Note(spent=6), etag)
    with pytest.raises(OvertakenError):
        control.keep(WINDOW, FIRST, Note(), etag)


@pytest.mark.parametrize("text", [b"{}x", b'{"spent": -1}', b"", b"\xff"])
def test_a_note_that_cannot_be_read_costs_its_look_all_that_it_might_have_spent(
    s3: Any, text: bytes
) -> None:
    bucket = Bucket(s3, BUCKET)
    control = Control(bucket, SOURCE)
    control.keep(WINDOW, FIRST, Note(), None)
    [entry] = s3.list_objects_v2(Bucket=BUCKET, Prefix="recounts/")["Contents"]
    s3.put_object(Bucket=BUCKET, Key=entry["Key"], Body=text)
    turn = Turn(clock=lambda: NOW, has_time=lambda: True, sleep=lambda _: None)
    book = Book(control, WINDOW, FIRST, [MADE], turn, 1000)
    assert budget.chosen(book.candidates, book.left)[0] == []
    assert bucket.damaged == {entry["Key"]}
    book.close("0" * 64, {}, is_open=False)
    assert control.note(WINDOW, FIRST)[0].listing_sha256 == "0" * 64


def test_the_handler_looks_at_its_source_and_takes_nothing_but_its_request(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "CONTROL_BUCKET": BUCKET,
        "PROFILE": SOURCE.profile,
        "SOURCE_ACCOUNT_ID": SOURCE.account_id,
        "SOURCE_REGION": SOURCE.region,
        "SOURCE_ROLE_ARN": f"arn:aws:iam::{SOURCE.account_id}:role/logferry-source",
    }.items():
        monkeypatch.setenv(name, value)
    handler._made.cache_clear()
    context: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 900_000)
    for each in examples("accept", "recount-request"):
        handler.handle(each.document, context)
    for each in examples("reject", "recount-request"):
        with pytest.raises(ContractError):
            handler.handle(each.document, context)
    handler._made.cache_clear()
