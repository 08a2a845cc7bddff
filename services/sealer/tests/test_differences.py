"""What ledger and archive say differently is stated, and keeps nobody else's seal."""

import gzip
import hashlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from services.sealer.tests.cloud import refused
from services.sealer.tests.conftest import ARCHIVE, CONTROL, DAY, FIRST, HOUR, World, day, lines

from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_key import CONTRADICTED_NOTES, seal_note_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Checksum
from logferry_contracts.statement import Statement
from logferry_contracts.wire import emit
from sealer import stock

type Spoil = Callable[[World, LedgerRecord, ArchivedObject], Any]


def only(record: LedgerRecord) -> ArchivedObject:
    assert record.completed is not None
    (archived,) = record.completed.manifest.objects or []
    return archived


def stated(world: World, name: str = "/a") -> Statement:
    (seal,) = world.chain()
    return next(each for each in world.leaves(seal) if each.log_group.name == name)


def slow_look(world: World, seconds: float) -> bool:
    """Look, where each object of the archive takes so many of an invocation's 900 seconds."""
    before = len(world.cloud.calls)

    def left_s() -> float:
        read = [key for _, key in world.cloud.calls[before:] if key.endswith(".gz")]
        return 900 - seconds * len(read)

    world.left_s = left_s
    try:
        return world.look()
    finally:
        world.left_s = lambda: 900


def gone(world: World, _record: LedgerRecord, archived: ArchivedObject) -> None:
    world.cloud.objects.pop((ARCHIVE, archived.key))


def hidden(world: World, _record: LedgerRecord, archived: ArchivedObject) -> None:
    world.cloud.put(ARCHIVE, archived.key, None)


def overlaid(world: World, _record: LedgerRecord, archived: ArchivedObject) -> None:
    world.cloud.put(ARCHIVE, archived.key, gzip.compress(b"29 bytes over an archived log"))


def beside(world: World, _record: LedgerRecord, archived: ArchivedObject) -> None:
    world.cloud.put(ARCHIVE, archived.key.replace("web-1", "planted"), b"x")


def other_bytes(world: World, record: LedgerRecord, archived: ArchivedObject) -> None:
    other = archived.model_copy(
        update={"version_id": world.cloud.put(ARCHIVE, archived.key, b"x" * archived.size_bytes)}
    )
    rewritten(world, record, other)


def of_other_size(world: World, record: LedgerRecord, archived: ArchivedObject) -> None:
    rewritten(world, record, archived.model_copy(update={"size_bytes": 7, "checksum": None}))


def another_checksum(world: World, record: LedgerRecord, archived: ArchivedObject) -> None:
    told = Checksum(algorithm="SHA256", value="bm90IGl0")
    rewritten(world, record, archived.model_copy(update={"checksum": told}))


def rewritten(world: World, record: LedgerRecord, archived: ArchivedObject) -> None:
    """Let the ledger say another thing of the object."""
    fields = record.model_dump(by_alias=True, exclude_none=True)
    said = archived.model_dump(exclude_none=True)
    fields["completed"]["manifest"] |= {"objects": [said], "total_bytes": said["size_bytes"]}
    world.keep(LedgerRecord.model_validate(fields))


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (gone, "object_missing"),
        (hidden, "object_hidden"),
        (overlaid, "object_overlaid"),
        (beside, "object_unlisted"),
        (other_bytes, "checksum"),
        (of_other_size, "size_bytes"),
        (another_checksum, "checksum"),
    ],
)
def test_a_contradiction_is_a_leaf_and_the_others_are_sealed(
    world: World, spoil: Spoil, what: str
) -> None:
    record = world.exported("/a", day(0))
    world.exported("/b", day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    spoil(world, record, only(record))

    assert world.look()

    assert what in [each.what for each in stated(world).differences or []]
    assert stated(world).outcome == "contradicted"
    assert stated(world, "/b").outcome == "archived"


def test_a_contradiction_is_noted_until_a_later_seal_says_otherwise(world: World) -> None:
    record = world.exported("/a", day(0))
    world.exported("/b", day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    gone(world, record, only(record))

    world.look()

    [key] = [each for each in world.cloud.below(CONTROL, "seals/") if "/contradicted/" in each]
    source = record.source
    note = seal_note_key(CONTRADICTED_NOTES, source.account_id, source.region, record.window, "/a")
    assert key == note
    assert world.cloud.body(CONTROL, key) == b"/a"

    world.exported("/a", day(0), generation=2)
    world.look()

    assert len(world.chain()) == 2
    assert world.cloud.body(CONTROL, key) == b""


@pytest.mark.parametrize("is_measured_before", [False, True])
@pytest.mark.parametrize("spoil", [hidden, overlaid, beside])
@pytest.mark.parametrize("asked", [{}, {"seal_from": "2026-11-21", "seal_to": "2026-11-21"}])
def test_what_is_put_right_in_the_archive_alone_is_sealed_otherwise(
    world: World, spoil: Spoil, asked: dict[str, str], *, is_measured_before: bool
) -> None:
    record = world.exported("/a", day(0))
    world.exported("/b", day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)
    was = {key: list(versions) for key, versions in world.cloud.objects.items()}
    spoil(world, record, only(record))
    if is_measured_before:
        world.deliver(emit(ExportCompleted.of_record(record)))
    world.look()
    before = len(world.cloud.calls)
    world.look()
    assert not [key for name, key in world.cloud.calls[before:] if key.endswith(".gz")]
    assert len(world.chain()) == 1
    assert stated(world).outcome == "contradicted"

    for key in [each for each in world.cloud.objects if each[0] == ARCHIVE]:
        if key in was:
            world.cloud.objects[key] = was[key]
        elif "planted" in key[1]:
            del world.cloud.objects[key]
    assert world.look(**asked)

    first, later = world.check()
    assert (first.kind, later.kind) == ("day", "later")
    assert later.sealed is not None
    assert later.sealed.reason == "changed_since"
    assert world.outcomes(later) == [("/a", "archived", None)]
    [note] = [each for each in world.cloud.below(CONTROL, "seals/") if "/contradicted/" in each]
    assert world.cloud.body(CONTROL, note) == b""
    before = len(world.cloud.calls)
    world.look()
    assert not [key for name, key in world.cloud.calls[before:] if key.endswith(".gz")]


def test_what_is_contradicted_is_read_by_as_many_invocations_as_it_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock, "THREADS", 1)
    records = [world.exported(name, day(0)) for name in ("/a", "/b", "/c")]
    world.inventory("/a", "/b", "/c", at=FIRST + DAY + HOUR)

    for count in (1, 2):  # when the date is sealed, and when it is looked back at
        for record in records:
            overlaid(world, record, only(record))
        assert not slow_look(world, 300)
        assert slow_look(world, 300)
        seal = world.chain()[count - 1]
        assert [outcome for _, outcome, _ in world.outcomes(seal)] == ["contradicted"] * 3
        before = len(world.cloud.calls)
        assert world.look()
        assert not [key for name, key in world.cloud.calls[before:] if key.endswith(".gz")]
        assert len(world.chain()) == count


def test_what_is_put_right_while_the_others_are_read_is_read_again(world: World) -> None:
    record = world.exported("/a", day(0), files=dict.fromkeys("12345", lines(day(0))))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    was = {key: list(versions) for key, versions in world.cloud.objects.items()}
    assert record.completed is not None
    for each in record.completed.manifest.objects or []:
        overlaid(world, record, each)
    assert not slow_look(world, 120)

    world.cloud.objects |= was
    assert world.look()

    outcomes = [world.outcomes(seal) for seal in world.check()]
    assert outcomes == [[("/a", "contradicted", None)], [("/a", "archived", None)]]


def test_of_an_object_that_was_overlaid_both_versions_are_named(world: World) -> None:
    record = world.exported("/a", day(0))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    archived = only(record)
    over = gzip.compress(b"29 bytes over an archived log")
    version_id = world.cloud.put(ARCHIVE, archived.key, over)

    assert world.look()

    [told] = [each for each in stated(world).differences or [] if each.what == "object_overlaid"]
    assert told.recorded == f"version {archived.version_id} of {archived.size_bytes} bytes"
    assert told.found == f"version {version_id} of {len(over)} bytes"


def test_what_has_to_be_restored_to_be_read_is_open_and_holds_up_nobody(world: World) -> None:
    archived = only(world.exported("/a", day(0)))
    world.exported("/b", day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)

    def offline(name: str, what: str) -> None:
        if (name, what) == ("GetObject", archived.key):
            raise refused(name, "InvalidObjectState")

    world.cloud.before_call = offline
    world.look()
    assert world.chain() == []
    world.now = FIRST + DAY + 3 * DAY
    world.look()

    (first, *_) = world.chain()
    assert world.outcomes(first) == [("/a", "open", "offline"), ("/b", "archived", None)]


def test_an_enforcers_copy_of_the_same_bytes_is_the_same_object(world: World) -> None:
    archived = only(world.exported("/a", day(0)))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    body = world.cloud.body(ARCHIVE, archived.key)
    world.cloud.objects.pop((ARCHIVE, archived.key))
    copy_id = world.cloud.put(ARCHIVE, archived.key, body)

    world.look()

    assert stated(world).outcome == "archived"
    assert [each.version_id for each in stated(world).objects or []] == [copy_id]


def test_a_copy_over_an_original_that_is_kept_is_the_same_object(world: World) -> None:
    archived = only(world.exported("/a", day(0)))
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.cloud.put(ARCHIVE, archived.key, world.cloud.body(ARCHIVE, archived.key))

    world.look()

    assert stated(world).outcome == "archived"


def test_what_the_direct_lane_left_of_an_earlier_try_is_said_and_is_no_contradiction(
    world: World,
) -> None:
    record = world.record("/a", day(0), lane="direct")
    folder = f"{record.destination.prefix}/{UUID(hex=record.export_id)}"
    objects = [world.archived(f"{folder}/web/000000.gz", lines(day(0)))]
    world.archived(f"{folder}/web/000001.gz", b"")
    world.completed(record, objects, None)
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    assert stated(world).outcome == "archived"
    assert [each.key for each in stated(world).leftovers or []] == [f"{folder}/web/000001.gz"]
    assert world.findings() == []


def test_what_a_task_that_nobody_knows_left_is_said_and_what_comes_later_is_found(
    world: World,
) -> None:
    record = world.exported("/a", day(0))
    left = f"{record.destination.prefix}/of-a-half-that-failed/web/000000.gz"
    world.archived(left, b"")
    world.inventory("/a", at=FIRST + DAY + HOUR)
    world.look()
    assert [each.key for each in stated(world).leftovers or []] == [left]
    assert world.findings() == []

    world.archived(left.replace("web", "planted"), b"")

    (found,) = world.findings()
    assert found.startswith("ObjectAddedError")


def test_an_export_that_is_said_to_be_empty_and_is_not_is_contradicted(world: World) -> None:
    record = world.exported("/a", day(0), files={})
    world.archived(f"{record.destination.prefix}/{record.submitted.task_id}/s/000000.gz", b"x")  # type: ignore[union-attr]
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    assert [each.what for each in stated(world).differences or []] == ["object_unlisted"]


@pytest.mark.parametrize("change", ["bucket", "sha256", "gone"])
def test_a_long_manifest_that_is_not_the_one_that_was_written_is_told(
    world: World, change: str
) -> None:
    record = world.exported("/a", day(0))
    assert record.completed is not None
    body = emit(record.completed.manifest).encode()
    location = {
        "bucket": CONTROL,
        "key": "manifest/m.json",
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    changes = {"bucket": {"bucket": "of-others"}, "sha256": {"sha256": "0" * 64}}
    fields = record.model_dump(by_alias=True, exclude_none=True)
    manifest = fields["completed"]["manifest"]
    manifest["location"] = location | changes.get(change, {})
    del manifest["objects"]
    world.keep(LedgerRecord.model_validate(fields))
    if change != "gone":
        world.cloud.put(CONTROL, "manifest/m.json", body)
    world.inventory("/a", at=FIRST + DAY + HOUR)

    assert world.look()

    assert [each.what for each in stated(world).differences or []] == ["manifest_unreadable"]


def test_a_long_manifest_is_read_from_where_it_is(world: World) -> None:
    record = world.exported("/a", day(0))
    assert record.completed is not None
    body = emit(record.completed.manifest).encode()
    world.cloud.put(CONTROL, "manifest/m.json", body)
    fields = record.model_dump(by_alias=True, exclude_none=True)
    manifest = fields["completed"]["manifest"]
    del manifest["objects"]
    manifest["location"] = {
        "bucket": CONTROL,
        "key": "manifest/m.json",
        "size_bytes": len(body),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    world.keep(LedgerRecord.model_validate(fields))
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    assert len(stated(world).objects or []) == 1
    assert world.check()


def test_a_damaged_line_of_an_inventory_costs_its_own_log_group_alone(world: World) -> None:
    world.exported("/a", day(0))
    world.inventory("/a", excluded=["/c"], at=FIRST + DAY + HOUR)
    (key,) = world.cloud.below(CONTROL, "inventories/")
    body = world.cloud.body(CONTROL, key) or b""
    world.cloud.put(CONTROL, key, body.replace(b'"name":"/c"', b'"nome":"/c"'))

    assert world.look()

    (seal,) = world.check()
    assert world.outcomes(seal) == [("/a", "archived", None)]


def test_an_empty_export_is_archived(world: World) -> None:
    world.exported("/a", day(0), files={})
    world.inventory("/a", at=FIRST + DAY + HOUR)

    world.look()

    assert (stated(world).outcome, stated(world).objects) == ("archived", [])


def test_a_damaged_record_is_a_leaf_of_its_log_group(world: World) -> None:
    record = world.exported("/a", day(0))
    world.cloud.put(CONTROL, record.key, b'{"schema": "cut o')
    world.exported("/b", day(0))
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)

    assert world.look()

    assert stated(world).outcome == "contradicted"
    assert [each.what for each in stated(world).differences or []] == ["record_unreadable"]
    assert stated(world, "/b").outcome == "archived"


@pytest.mark.parametrize("is_in_another_window", [False, True])
def test_a_copy_of_a_record_counts_nowhere_and_is_told(
    world: World, capsys: pytest.CaptureFixture[str], *, is_in_another_window: bool
) -> None:
    record = world.exported("/a", day(0))
    world.exported("/b", day(0))
    key = record.key.replace(record.export_id, "x")
    if is_in_another_window:
        later = day(0).model_copy(update={"from_ms": day(0).from_ms + 1})
        key = record.key.replace(day(0).in_keys, later.in_keys)
    older = record.model_copy(update={"state": "requested", "completed": None, "secured": None})
    world.cloud.put(CONTROL, key, emit(older).encode())
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)

    assert world.look()

    for log_group in ("/a", "/b"):
        assert stated(world, log_group).outcome == "archived"
        assert len(stated(world, log_group).exports) == 1
    assert len(world.leaves(world.chain()[0])) == 2
    assert '"LedgerRecordsDamaged"' in capsys.readouterr().out


def test_another_ones_record_over_a_record_is_a_damaged_one(world: World) -> None:
    record, other = world.exported("/a", day(0)), world.exported("/b", day(0))
    world.cloud.put(CONTROL, record.key, emit(other).encode())
    world.inventory("/a", "/b", at=FIRST + DAY + HOUR)

    assert world.look()

    assert [each.what for each in stated(world).differences or []] == ["record_unreadable"]
    assert stated(world, "/b").outcome == "archived"


def test_a_damaged_record_of_nobody_knows_which_log_group_keeps_no_date(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    record = world.exported("/deleted", day(0))
    world.cloud.put(CONTROL, record.key, b"{")
    world.exported("/b", day(0))
    world.inventory("/b", at=FIRST + DAY + HOUR)

    assert world.look()

    assert len(world.leaves(world.chain()[0])) == 1
    assert '"LedgerRecordsDamaged"' in capsys.readouterr().out
