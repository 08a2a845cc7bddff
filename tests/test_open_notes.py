"""No open export is without its note, whichever call its writer is cut at."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from moto import mock_aws

from exporter.aws.ledger import Ledger as ExportersLedger
from logferry_contracts.export import export_id
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord, Waived
from logferry_contracts.manifest import Manifest
from logferry_contracts.open_exports import is_open, note_key
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from logferry_contracts.wire import parse
from logferry_ledger.ledger import Ledger as CommandsLedger
from planner.aws.ledger import Ledger as PlannersLedger
from sse_enforcer.aws.control import ControlBucket

BUCKET = "control"
AT = datetime(2026, 11, 23, 6, tzinfo=UTC)
TEXT = "2026-11-23T06:00:00.000Z"
SOURCE = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
WINDOW = Window(from_ms=1_795_215_600_000, to_ms=1_795_302_000_000)
MANIFEST = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])
FAILED = Failed(reason="task_failed", message="no", at=TEXT)


class Cut(BaseException):
    """The process is killed."""


class CutAt:
    """An S3 client whose process is killed right before, or right after, one of its writes."""

    def __init__(self, s3: Any, number: int, *, after: bool) -> None:
        self._s3, self._left, self._after = s3, number, after
        self.exceptions = s3.exceptions

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._s3, name)
        return self._counted(call) if name in {"put_object", "delete_object"} else call

    def _counted(self, call: Any) -> Any:
        def counted(**arguments: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise Cut
            answer = call(**arguments)
            if self._left == 0:
                raise Cut
            return answer

        return counted


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        made = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="k", aws_secret_access_key="s"
        )
        made.create_bucket(Bucket=BUCKET)
        yield made


def asked(generation: int = 1) -> LedgerRecord:
    return LedgerRecord.first(
        requested_at=AT,
        export_id=export_id(SOURCE, "/a", WINDOW, generation),
        generation=generation,
        source=SOURCE,
        log_group={
            "name": "/a",
            "arn": "arn:aws:logs:eu-west-1:444455556666:log-group:/a",
            "log_group_class": "STANDARD",
            "created_ms": 0,
        },
        window=WINDOW,
        destination={"bucket": "archive", "prefix": "shop/a/2026/11/21/00"},
        lane="slot",
    )


def completes(s3: Any) -> None:
    [record] = PlannersLedger(s3, BUCKET).create([asked()])
    assert isinstance(record, LedgerRecord)
    ledger = ExportersLedger(s3, BUCKET)
    entry = ledger.read(SOURCE, WINDOW, record.export_id)
    assert entry is not None
    entry = ledger.replace(entry, entry.record.as_submitted("task", at=AT))
    entry = ledger.replace(entry, entry.record.as_completed(Completed(at=TEXT, manifest=MANIFEST)))
    ledger.replace(entry, entry.record.as_published(at=AT))


def is_lost_and_waived(s3: Any) -> None:
    completes(s3)
    enforcers = ControlBucket(s3, BUCKET)
    found = enforcers.ledger_record(asked().key)
    assert found is not None
    assert enforcers.replace_ledger_record(found[0].as_lost(FAILED), found[1])
    said = Waived(at=TEXT, by="arn:aws:iam::1:root", reason="gone")
    CommandsLedger(s3, BUCKET).change(asked().key, lambda record: record.as_waived(said))


def is_lost_and_planned_again(s3: Any) -> None:
    completes(s3)
    ledger = ExportersLedger(s3, BUCKET)
    entry = ledger.read(SOURCE, WINDOW, asked().export_id)
    assert entry is not None
    ledger.replace(entry, entry.record.as_lost(FAILED))
    PlannersLedger(s3, BUCKET).create([asked(2)])


def fails_and_is_tried_again(s3: Any) -> None:
    ledger = ExportersLedger(s3, BUCKET)
    entry = ledger.create(asked())
    ledger.create(asked(2))
    next_id = asked(2).export_id
    failed = FAILED.model_copy(update={"next_export_id": next_id})
    ledger.replace(entry, entry.record.as_failed(failed))


def fails_for_good(s3: Any) -> None:
    ledger = ExportersLedger(s3, BUCKET)
    ledger.replace(ledger.create(asked()), asked().as_failed(FAILED))


LIVES = {
    completes: 0,
    is_lost_and_waived: 0,
    is_lost_and_planned_again: 1,
    fails_and_is_tried_again: 1,
    fails_for_good: 1,
}
"""With how many notes each ends."""


def noted(s3: Any) -> set[str]:
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="open/").get("Contents", [])
    return {each["Key"] for each in found}


def check(s3: Any) -> None:
    """What is open, and is the last try of its window, has a note."""
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="ledger/").get("Contents", [])
    records = [
        parse(LedgerRecord, s3.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read())
        for each in found
    ]
    last = max(records, key=lambda record: record.generation, default=None)
    if last is not None and is_open(last):
        assert note_key(last) in noted(s3)


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.deep)])
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.__name__)
def test_every_open_export_has_its_note_wherever_its_writer_is_cut(
    s3: Any, life: Callable[[Any], None], step: int, *, after: bool
) -> None:
    # What one life leaves out, another has.
    first = 1 + (list(LIVES).index(life) + after) % step  # type: ignore[arg-type]
    for number in range(first, 100, step):
        for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=each["Key"])
        cut = CutAt(s3, number, after=after)
        with suppress(Cut):
            life(cut)
            break
        check(s3)
    check(s3)
    assert number > 3


@pytest.mark.parametrize(("life", "count"), LIVES.items(), ids=[each.__name__ for each in LIVES])
def test_what_is_not_open_any_more_has_no_note(
    s3: Any, life: Callable[[Any], None], count: int
) -> None:
    life(s3)
    assert len(noted(s3)) == count


def test_whoever_is_late_to_close_an_export_does_not_hide_that_it_was_lost(s3: Any) -> None:
    """The exporter has recorded that it was announced, and is slow to remove the note."""
    removed: list[dict[str, Any]] = []

    class Slow(CutAt):
        def delete_object(self, **arguments: Any) -> None:
            removed.append(arguments)

    slow = Slow(s3, -1, after=False)
    completes(slow)
    enforcers = ControlBucket(s3, BUCKET)
    found = enforcers.ledger_record(asked().key)
    assert found is not None
    enforcers.replace_ledger_record(found[0].as_lost(FAILED), found[1])
    for arguments in removed:
        s3.delete_object(**arguments)

    check(s3)
    assert len(noted(s3)) == 1
