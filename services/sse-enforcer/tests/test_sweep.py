"""Sweeps of an archive in memory: what they find, what they mend, and what stops them."""
# ruff: noqa: N803  boto3's own parameter names

import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus

import pytest

from logferry_contracts.addendum import Addendum, addendum_folder
from logferry_contracts.environment import SettingsError
from logferry_contracts.ledger_record import Disposed, Failed, LedgerRecord
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.wire import emit, parse
from logferry_deliveries.errors import AwsError, KmsKeyError, RefusedError
from sse_enforcer.errors import OvertakenError
from sse_enforcer.settings import Hold, Settings
from sse_enforcer.sweep.invocation import sweep_by
from sse_enforcer.sweep.pace import Pace
from sse_enforcer.sweep.passes import sweep
from sse_enforcer.sweep.report import AGAIN_LIMIT, UNHELD_LIMIT, Example, Report, SweepRequest
from sse_enforcer.sweep.slice import Time
from sse_enforcer.wiring import wire_sweep

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=400)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FOREVER = Time(lambda: True, lambda: True)


class Sweeping:
    """The world of the other tests, with listings, and sweeps of it."""

    def __init__(self, world, as_aws):
        self.world, self.s3 = world, as_aws("s3", self)
        self.modified = {}
        """When versions, by key and id, and ledger records, by key, were changed; long ago else."""
        self.page_size = 1000
        self.seconds = -1
        self.restart()

    def restart(self, **settings):
        self.world.restart(**settings)
        pace = Pace(9999, lambda: 0.0, lambda _: None)
        self.wiring = wire_sweep(self.world._service, self.s3, pace)

    def sweep(self, *, now=None, time=FOREVER, counts=None, **request):
        """Go on once, by default with a new pass that mends; return the report."""
        self.seconds += 1
        now = now or NOW + timedelta(seconds=self.seconds)
        asked = {"run": "now", "dry_run": False} | request
        if asked["run"] == "schedule":
            del asked["dry_run"]
        wiring = wire_sweep(self.world._service, self.s3, Pace(9999, float, lambda _: None))
        counts = Counter() if counts is None else counts
        report = sweep(
            wiring, SweepRequest.model_validate(asked), now=now, time=time, counts=counts
        )
        assert not self.world.violations
        return report

    def stored(self):
        """Return the newest report as it is stored."""
        bucket = self.world.CONTROL
        keys = [key for each, key in self.world.versions if each == bucket]
        key = max(key for key in keys if key.startswith("sweeps/2"))
        return Report.model_validate_json(self.world.at(key, bucket)[0].body)

    def record(self, **changes):
        """Change the one ledger record; return its key."""
        ((key, (version,)),) = [
            (key, versions)
            for (bucket, key), versions in self.world.versions.items()
            if bucket == self.world.CONTROL and key.startswith("ledger/")
        ]
        record = parse(LedgerRecord, version.body).model_copy(update=changes)
        self.world.control_object(key, emit(record).encode())
        return key

    # What S3 lists

    def __getattr__(self, name):
        return getattr(self.world, name)

    def list_object_versions(
        self, *, Bucket, MaxKeys=1000, Prefix="", KeyMarker="", VersionIdMarker=None
    ):
        with self.world._call("list_object_versions"):
            everything = [
                {
                    "Key": key,
                    "VersionId": version.id,
                    "IsLatest": version is versions[-1],
                    "LastModified": self.modified.get((key, version.id), LONG_AGO),
                    "marker": version.is_delete_marker,
                }
                for (bucket, key), versions in sorted(self.world.versions.items())
                if bucket == Bucket and key.startswith(Prefix)
                for version in reversed(versions)
            ]
            rest = [entry for entry in everything if entry["Key"] > KeyMarker]
            if VersionIdMarker is not None:
                own = [entry for entry in everything if entry["Key"] == KeyMarker]
                ids = [entry["VersionId"] for entry in own]
                rest = own[ids.index(VersionIdMarker) + 1 :] + rest
            page = rest[: min(MaxKeys, self.page_size)]
            return {
                "Versions": [entry for entry in page if not entry["marker"]],
                "DeleteMarkers": [entry for entry in page if entry["marker"]],
                "IsTruncated": len(page) < len(rest),
                "NextVersionIdMarker": page[-1]["VersionId"] if page else None,
            }

    def list_objects_v2(self, *, Bucket, Prefix, StartAfter, MaxKeys):
        with self.world._call("list_objects_v2"):
            keys = sorted(
                key
                for (bucket, key), versions in self.world.versions.items()
                if bucket == Bucket and key.startswith(Prefix) and key > StartAfter and versions
            )
            page = keys[: min(MaxKeys, self.page_size)]
            return {
                "Contents": [
                    {"Key": key, "LastModified": self.modified.get(key, LONG_AGO)} for key in page
                ],
                "IsTruncated": len(page) < len(keys),
            }

    def list_multipart_uploads(self, *, Bucket, EncodingType, MaxUploads, **_):
        with self.world._call("list_multipart_uploads"):
            uploads = self.world.uploads.items()
            return {
                "EncodingType": EncodingType,
                "IsTruncated": False,
                "Uploads": [
                    {
                        "Key": quote_plus(upload.key),
                        "UploadId": id_,
                        "Initiated": self.modified.get(id_, LONG_AGO),
                    }
                    for id_, upload in uploads
                ],
            }


@pytest.fixture
def sweeping(world, as_aws):
    return Sweeping(world, as_aws)


def keys(world, count):
    return [f"{world.PREFIX}/direct/stream-{n:03}/000000.gz" for n in range(count)]


def right(world):
    return {"encryption": "aws:kms", "kms_key_arn": world.KEY_ARN, "hold": True}


def begin_upload(world, key):
    return world.create_multipart_upload(Bucket=world.ARCHIVE, Key=key)["UploadId"]


def fill(world):
    """Put one of everything that can be wrong into the archive, and something right."""
    fine, sse_s3, other, unheld, plain = keys(world, 5)
    world.put(fine, **right(world))
    world.put(sse_s3)
    world.put(sse_s3, **right(world))
    world.put(other, encryption="aws:kms", kms_key_arn=world.OTHER_KEY_ARN)
    world.put(unheld, **right(world) | {"hold": False})
    world.put(plain, encryption=None)
    world.put(world.WRITE_TEST, b"Permission Check Successful")
    world.put("manual/upload.txt")
    world.completed(unheld)
    begin_upload(world, fine)
    begin_upload(world, "manual/upload.txt")


EVERYTHING = {
    "wrong_key": 2,
    "not_encrypted": 1,
    "write_test": 1,
    "not_secured": 1,
    "abandoned_upload": 1,
}


def found(report, action):
    return {
        finding.value: actions[action]
        for finding, actions in report.found.items()
        if action in actions
    }


# What is found and mended


def test_a_dry_run_finds_everything_and_changes_nothing(sweeping, world):
    fill(world)
    before = world.state()

    report = sweeping.sweep(dry_run=True)

    assert found(report, "would_mend") == EVERYTHING
    assert found(report, "left_alone") == {"unknown_key": 1, "abandoned_upload": 1}
    assert report.open_count == sum(EVERYTHING.values())
    assert report.is_complete
    assert (world.state(), world.changes(), world.published) == (
        before,
        ["create_multipart_upload"] * 2,
        [],
    )
    assert world.ledger_state()[0] == "completed"


def test_what_a_dry_run_finds_is_mended(sweeping, world):
    fill(world)

    report = sweeping.sweep()

    assert found(report, "mended") == EVERYTHING
    assert report.open_count == 0
    for key in keys(world, 5):
        assert {version.kms_key_arn for version in world.at(key)} == {world.KEY_ARN}
    assert world.at(world.WRITE_TEST) == []
    assert [upload.key for upload in world.uploads.values()] == ["manual/upload.txt"]
    assert world.only("manual/upload.txt").encryption == "AES256"
    assert world.ledger_state()[0] == "secured"
    assert world.only(keys(world, 5)[3]).hold


def test_a_second_sweep_finds_nothing_more_to_mend(sweeping, world):
    fill(world)
    sweeping.sweep()
    before, changes = world.state(), world.changes()

    report = sweeping.sweep(full=True, now=NOW + HOUR)

    assert set(report.found) == {"unknown_key", "abandoned_upload"}
    assert (world.state(), world.changes()) == (before, changes)


def test_what_lies_over_a_held_object_is_an_open_finding_and_stays(sweeping, world):
    for name, over in (("covered", right(world)), ("copied", right(world) | {"hold": False})):
        key = f"{world.PREFIX}/direct/{name}/000000.gz"
        world.put(key, **right(world))
        world.put(key, b"other lines", **over)
    before = world.state()

    report = sweeping.sweep()

    assert found(report, "refused") == {"overwritten": 2}
    assert [each.version_id for each in report.examples] == ["v2", "v2"]
    assert report.open_count == 2
    assert world.state() == before


def test_what_lies_over_a_held_object_may_be_a_copy_while_it_is_young(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    world.put(world.LOG_FILE, **right(world))
    sweeping.modified[world.LOG_FILE, "v2"] = NOW

    assert found(sweeping.sweep(), "refused") == {}
    assert found(sweeping.sweep(full=True, now=NOW + DAY), "refused") == {"overwritten": 1}


def test_a_copy_of_ours_over_a_held_object_is_no_finding(sweeping, world):
    lock = {"lock_mode": "COMPLIANCE", "retain_until": world.NEXT_YEAR, "hold": True}
    world.put(world.LOG_FILE, **lock)
    sweeping.sweep()
    assert len(world.at()) == 2

    assert "overwritten" not in sweeping.sweep(full=True, now=NOW + DAY).found


@pytest.mark.parametrize("full", [True, False])
def test_what_is_too_young_to_be_looked_at_is_counted(sweeping, world, full):
    for number, key in enumerate(keys(world, 3)):
        world.put(key)
        if number:
            sweeping.modified[key, world.at(key)[0].id] = NOW

    report = sweeping.sweep(full=full)

    assert (report.listed_versions, report.looked_at, report.too_young) == (3, 1, 2)
    assert report.answer()["too_young"] == 2


def test_what_is_open_gets_the_note_that_it_lacks(sweeping, world):
    """Such as of a record that a release without notes has written."""
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE)
    failed = Failed(reason="task_failed", message="no", at="2026-11-23T06:00:00.000Z")
    key = sweeping.record(state="failed", failed=failed, completed=None)
    note = f"open/{key.removeprefix('ledger/')}"

    sweeping.sweep(dry_run=True)
    assert (world.CONTROL, note) not in world.versions
    report = sweeping.sweep(now=NOW + HOUR)

    assert len(world.at(note, world.CONTROL)) == 1
    assert report.open_count == 0


def test_the_report_names_what_was_found(sweeping, world):
    world.put(world.LOG_FILE)

    answer = sweeping.sweep().answer()

    assert answer["examples"] == [
        {
            "finding": "wrong_key",
            "action": "mended",
            "bucket": world.ARCHIVE,
            "key": world.LOG_FILE,
            "version_id": "v1",
            "detail": "updated_in_place",
        }
    ]
    assert (answer["listed_versions"], answer["looked_at"], answer["open_count"]) == (1, 1, 0)
    assert answer["done"] == {"ObjectsUpdated": 1}
    assert answer["report_key"].startswith("sweeps/2")
    json.dumps(answer)


def test_what_is_changed_is_announced(sweeping, world):
    world.put(world.LOG_FILE)
    sweeping.sweep()

    (event,) = world.published
    assert event["data"]["version_id"] == "v1"


def test_an_object_that_is_right_costs_one_head(sweeping, world):
    for key in keys(world, 30):
        world.put(key, **right(world))
    sweeping.sweep()

    in_archive = [name for name in world.calls if name not in ("get_object", "put_object")]
    assert Counter(in_archive) == {
        "head_object": 30,
        "get_parameter": 1,
        "get_parameters_by_path": 1,
        "describe_key": 1,
        "list_multipart_uploads": 1,
        "list_object_versions": 1,
        "list_objects_v2": 1,
    }


def test_each_object_is_held_to_the_key_of_its_prefix(sweeping, world):
    world.parameters[f"{world.KEY_PARAMETER}/shop-prod"] = world.OTHER_KEY_ARN
    world.put(world.LOG_FILE, encryption="aws:kms", kms_key_arn=world.OTHER_KEY_ARN, hold=True)

    assert sweeping.sweep().found == {}


def test_what_cannot_be_mended_is_refused_and_stays(sweeping, world):
    world.put(world.LOG_FILE, encryption=None, storage_class="GLACIER")
    before = world.state()

    for dry_run in (True, False):
        report = sweeping.sweep(dry_run=dry_run)

        assert found(report, "refused") == {"not_encrypted": 1}
        assert report.examples[0].detail.startswith("offline: ")
        assert report.open_count == 1
    assert world.state() == before


def test_a_copy_that_proves_nothing_is_not_made_twice(sweeping, world):
    world.put(world.LOG_FILE, encryption=None, checksums={})
    world.spoil = {"checksums": {}, "kms_key_arn": world.OTHER_KEY_ARN, "encryption": None}

    for day in range(3):
        report = sweeping.sweep(now=NOW + day * DAY)
    assert report.open_count == 2
    assert world.calls.count("copy_object") == 1
    assert {version.body for version in world.at()} == {b"log lines"}


def test_a_locked_original_with_a_verified_copy_is_kept_and_no_open_finding(sweeping, world):
    lock = {"lock_mode": "COMPLIANCE", "retain_until": world.NEXT_YEAR}
    world.put(world.LOG_FILE, **lock)

    first = sweeping.sweep()
    calls = len(world.changes())
    second = sweeping.sweep(now=NOW + DAY)

    for report in (first, second):
        assert (found(report, "kept"), report.open_count) == ({"wrong_key": 1}, 0)
    assert len(world.at()) == 2
    assert len(world.changes()) == calls


def test_a_kept_original_is_removed_once_its_retention_has_ended(sweeping, world):
    world.put(world.LOG_FILE, lock_mode="GOVERNANCE", retain_until=world.NEXT_YEAR)
    sweeping.sweep()
    original, _ = world.at()
    world._change(world.ARCHIVE, world.LOG_FILE, original, retain_until=world.LAST_YEAR)

    report = sweeping.sweep(now=NOW + DAY)

    assert found(report, "mended") == {"wrong_key": 1}
    assert world.only().kms_key_arn == world.KEY_ARN


def test_a_locked_write_test_is_left(sweeping, world):
    world.put(world.WRITE_TEST, b"x", hold=True)

    report = sweeping.sweep()

    assert found(report, "left_alone") == {"write_test": 1}
    assert world.only(world.WRITE_TEST)


def test_a_log_file_under_a_delete_marker_is_an_open_finding_until_it_is_read_again(
    sweeping, world
):
    world.put(world.LOG_FILE, **right(world))
    world.put(world.LOG_FILE, is_delete_marker=True)

    for days in range(2):  # the second one looks at what is new
        report = sweeping.sweep(now=NOW + days * DAY)
        assert found(report, "refused") == {"hidden": 1}
        assert report.open_count == 1
    assert len(world.at()) == 2

    world.at().pop()
    assert sweeping.sweep(now=NOW + 2 * DAY).open_count == 0


def test_a_hidden_log_file_that_is_not_held_is_left_alone(sweeping, world):
    """Such as of an export that has failed, as somebody has deleted it."""
    world.put(world.LOG_FILE, **right(world) | {"hold": False})
    world.put(world.LOG_FILE, is_delete_marker=True)

    report = sweeping.sweep()

    assert found(report, "left_alone") == {"hidden": 1}
    assert report.open_count == 0


def test_a_delete_marker_that_covers_nothing_is_no_finding(sweeping, world):
    world.put(world.LOG_FILE, is_delete_marker=True)

    assert sweeping.sweep().found == {}


def test_what_the_sealer_writes_is_neither_looked_at_nor_found(sweeping, world):
    world.put("!seals/111122223333/eu-west-1/seals/0000000001.json", b"{}", encryption="AES256")
    before = world.state()

    report = sweeping.sweep(full=True)

    assert (report.found, report.listed_versions, report.looked_at) == ({}, 1, 0)
    assert world.state() == before


def test_what_is_young_is_left_to_its_messages(sweeping, world):
    fill(world)
    for (_, key), versions in world.versions.items():
        sweeping.modified[key] = NOW
        sweeping.modified |= {(key, version.id): NOW for version in versions}
    sweeping.modified |= dict.fromkeys(world.uploads, NOW)

    report = sweeping.sweep()

    assert set(report.found) == {"unknown_key"}


def test_an_object_that_cannot_be_read_is_reported_and_the_rest_is_mended(sweeping, world):
    first, second = keys(world, 2)
    world.put(first, customer_key=True)
    world.put(second)

    report = sweeping.sweep()

    assert found(report, "refused") == {"unreadable": 1}
    assert found(report, "mended") == {"wrong_key": 1}


# Holds


def test_an_object_of_an_export_that_is_not_completed_is_not_held(sweeping, world):
    known, unknown = keys(world, 2)
    for key in (known, unknown):
        world.put(key, **right(world) | {"hold": False})
    world.completed(known)
    sweeping.record(state="submitted", completed=None)

    report = sweeping.sweep()

    assert (report.records_read, report.found) == (1, {})
    assert not world.only(known).hold
    assert not world.only(unknown).hold


@pytest.mark.parametrize("long", [False, True])
def test_a_lifted_hold_of_a_secured_export_is_placed_again(sweeping, world, long):
    first, second = keys(world, 2)
    world.put(first, **right(world))
    world.put(second, **right(world) | {"hold": False})
    world.completed(first, second, state="secured", elsewhere=long)

    dry = sweeping.sweep(dry_run=True)
    wet = sweeping.sweep()

    assert found(dry, "would_mend") == found(wet, "mended") == {"not_held": 1}
    assert world.only(second).hold
    (event,) = world.published
    assert event["data"]["export_id"] is not None
    assert sweeping.sweep(full=True).found == {}


def test_the_hold_is_on_the_copy_that_replaced_an_objects_version(sweeping, world):
    world.put(world.LOG_FILE, encryption=None)
    world.completed(world.LOG_FILE, state="secured")

    report = sweeping.sweep()

    assert found(report, "mended") == {"not_encrypted": 1, "not_held": 1}
    assert world.only().hold
    assert sweeping.sweep(full=True, dry_run=True).found == {}


def test_an_object_of_a_secured_export_that_is_gone_is_reported(sweeping, world):
    first, second = keys(world, 2)
    world.put(first, **right(world) | {"hold": False})
    world.put(second, **right(world))
    world.completed(first, second, state="secured")
    world.versions[world.ARCHIVE, second].clear()
    counts = Counter()

    report = sweeping.sweep(counts=counts)

    assert found(report, "refused") == found(report, "mended") == {"not_held": 1}
    assert counts["ObjectsMissing"] == 1


@pytest.mark.parametrize("state", ["completed", "secured"])
def test_an_export_with_a_missing_object_has_failed_and_is_reported_and_told_once(
    sweeping, world, state
):
    unheld, lost = keys(world, 2)
    world.put(unheld, **right(world) | {"hold": False})
    world.put(lost, **right(world))
    world.completed(unheld, lost, state=state)
    world.versions[world.ARCHIVE, lost].clear()
    finding = "not_secured" if state == "completed" else "not_held"

    for day, missing in enumerate((1, 0)):
        counts = Counter()
        report = sweeping.sweep(full=True, now=NOW + day * DAY, counts=counts)
        assert found(report, "refused") == ({finding: 1} if missing else {})
        assert counts["ObjectsMissing"] == missing
    assert world.ledger_state()[0] == "failed"
    told = [event["type"] for event in world.published]
    assert told.count("logferry.export.failed.v1") == 1


@pytest.mark.parametrize("has_object", [True, False])
def test_what_nobody_announced_is_held_and_does_not_become_secured(sweeping, world, has_object):
    """Its exporter may yet see that it is untrue, and what is secured is sealed."""
    if has_object:
        world.put(world.LOG_FILE, **right(world) | {"hold": False})
    world.completed(*([world.LOG_FILE] if has_object else []))
    record = world.ledger_record()
    untold = record.completed.model_copy(update={"published_at": None})
    world.put_ledger_record(record.model_copy(update={"completed": untold}))

    report = sweeping.sweep(full=True)

    assert found(report, "refused") == {"not_secured": 1}
    assert found(report, "mended") == ({"not_held": 1} if has_object else {})
    told = f"`logferry explain CONFIG --profile shop-prod --event {record.export_id}`"
    assert any(told in (each.detail or "") for each in report.examples)
    assert world.ledger_state()[0] == "completed"
    world.put_ledger_record(record)
    assert found(sweeping.sweep(full=True), "mended") == {"not_secured": 1}
    assert world.ledger_state()[0] == "secured"


def test_what_was_added_and_not_announced_is_held_and_does_not_become_secured(sweeping, world):
    """Its exporter was cut before it told, and the message of that is gone."""
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE)
    record = world.ledger_record()
    folder = addendum_folder(record.export_id, 1)
    key = f"{world.PREFIX}/{folder}/stream/000000.gz"
    world.put(key, **right(world) | {"hold": False})
    added = ArchivedObject(key=key, version_id=world.only(key).id, size_bytes=1, etag="etag")
    at = "2026-11-26T02:12:00.000Z"
    addendum = Addendum(number=1, recounted_at=at, at=at)
    record = record.as_added([added], addendum)
    world.put_ledger_record(record)

    report = sweeping.sweep(full=True)

    assert found(report, "refused") == {"not_secured": 1}
    assert found(report, "mended") == {"not_held": 1}
    assert (world.ledger_state()[0], world.only(key).hold) == ("completed", True)
    world.put_ledger_record(record.as_told(addendum, at=NOW))
    assert found(sweeping.sweep(full=True), "mended") == {"not_secured": 1}
    assert world.ledger_state()[0] == "secured"


@pytest.mark.parametrize("note", [b"{", b"{}", b"[]", b"\xff"])
@pytest.mark.parametrize("what", ["replaced", "copying"])
def test_a_damaged_note_of_a_copy_costs_its_own_object_and_no_sweep(sweeping, world, what, note):
    other = keys(world, 2)[1]
    world.put(world.LOG_FILE, **right(world) | {"hold": True, "kms_key_arn": world.OTHER_KEY_ARN})
    first = world.only(world.LOG_FILE).id
    world.put(world.LOG_FILE, **right(world) | {"hold": True, "kms_key_arn": world.OTHER_KEY_ARN})
    world.put(other, encryption="AES256")
    of_version = hashlib.sha256(f"{world.ARCHIVE}\n{first}\n{world.LOG_FILE}".encode())
    of_key = hashlib.sha256(f"{world.ARCHIVE}\n{world.LOG_FILE}".encode())
    name = (of_version if what == "replaced" else of_key).hexdigest()
    world.control_object(f"{what}/{name}.json", note)

    report = sweeping.sweep(full=True)

    assert report.is_complete
    assert found(report, "mended")["wrong_key"] == 1
    details = [each.detail for each in report.examples if each.key == world.LOG_FILE]
    assert any(f"{what}/{name}.json" in (each or "") for each in details)


def test_a_record_that_says_untruly_that_objects_were_secured_has_failed_after_one_sweep(
    sweeping, world
):
    sweeping.sweep(full=True)
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE, state="secured")
    world.versions[world.ARCHIVE, world.LOG_FILE].clear()
    sweeping.modified[sweeping.record()] = NOW - HOUR / 2
    counts = Counter()

    report = sweeping.sweep(now=NOW + DAY, counts=counts)

    assert not report.about.is_full
    assert found(report, "refused") == {"not_held": 1}
    assert (world.ledger_state()[0], counts["ObjectsMissing"]) == ("failed", 1)
    (event,) = world.published
    assert (event["type"], event["data"]["reason"]) == (
        "logferry.export.failed.v1",
        "object_missing",
    )
    assert sweeping.sweep(now=NOW + 2 * DAY).open_count == 0


def test_a_full_sweep_misses_the_only_object_of_an_old_export(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE, state="secured")
    sweeping.sweep(full=True)
    world.versions[world.ARCHIVE, world.LOG_FILE].clear()

    assert sweeping.sweep(now=NOW + DAY).found == {}
    assert found(sweeping.sweep(full=True, now=NOW + DAY), "refused") == {"not_held": 1}
    assert world.ledger_state()[0] == "failed"


def test_the_objects_of_a_secured_export_are_looked_for_once_by_one_call(sweeping, world):
    some = keys(world, 5)
    for key in some:
        world.put(key, **right(world))
    world.completed(*some, state="secured")
    sweeping.sweep(full=True)
    sweeping.modified[sweeping.record()] = NOW

    calls = []
    for day in (1, 2):
        before = world.calls.count("list_object_versions")
        assert sweeping.sweep(now=NOW + day * DAY).found == {}
        calls.append(world.calls.count("list_object_versions") - before)
    assert calls == [2, 1]  # one is the listing of the whole archive


def test_without_holds_old_objects_may_go_and_new_ones_may_not(sweeping, world):
    world.put(world.LOG_FILE, **right(world) | {"hold": False})
    world.completed(world.LOG_FILE, state="secured")
    sweeping.restart(hold=Hold.OFF)
    sweeping.sweep(full=True)
    world.versions[world.ARCHIVE, world.LOG_FILE].clear()

    assert sweeping.sweep(full=True, now=NOW + DAY).found == {}
    sweeping.modified[sweeping.record()] = NOW + DAY
    assert found(sweeping.sweep(now=NOW + 2 * DAY), "refused") == {"not_held": 1}


def test_looking_for_objects_goes_on_in_the_next_invocation_when_the_time_is_up(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE, state="secured")
    world.versions[world.ARCHIVE, world.LOG_FILE].clear()

    first = sweeping.sweep(time=Time(lambda: True, lambda: False))
    assert not first.is_complete
    assert world.ledger_state()[0] == "secured"
    second = sweeping.sweep(report_key=first.about.report_key)

    assert second.is_complete
    assert world.ledger_state()[0] == "failed"


def test_a_dry_run_fails_no_export(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE, state="secured")
    world.versions[world.ARCHIVE, world.LOG_FILE].clear()

    sweeping.sweep(full=True, dry_run=True)

    assert world.ledger_state()[0] == "secured"
    assert world.published == []


def test_a_lost_export_that_nobody_was_told_of_is_told_of(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE, state="secured")
    failed = Failed(reason="object_missing", message="gone", at="2026-11-23T06:30:00.000Z")
    world.put_ledger_record(world.ledger_record().as_lost(failed))

    for _ in range(2):
        sweeping.sweep(full=True)

    assert [event["data"]["message"] for event in world.published] == ["gone"]


DISPOSED = Disposed(
    at="2027-03-02T10:00:00.000Z", by="arn:aws:iam::1:user/x", reason="why", statement="0" * 64
)


def test_what_somebody_has_had_removed_is_neither_held_again_nor_lost(sweeping, world):
    freed, gone = keys(world, 2)
    world.put(freed, **right(world) | {"hold": False})
    world.put(gone, **right(world))
    world.completed(freed, gone, state="secured")
    world.put_ledger_record(world.ledger_record().as_disposed(DISPOSED))
    world.versions[world.ARCHIVE, gone].clear()
    counts = Counter()

    sweeping.sweep(full=True, counts=counts)

    assert world.ledger_state()[0] == "secured"
    assert (counts["ObjectsMissing"], world.published) == (0, [])
    assert not world.versions[world.ARCHIVE, freed][-1].hold


def dispose(world, *objects, elsewhere=False):
    """Have a secured export with these objects disposed of."""
    world.completed(*objects, state="secured", elsewhere=elsewhere)
    world.put_ledger_record(world.ledger_record().as_disposed(DISPOSED))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_where_all_is_held_what_somebody_has_had_removed_is_not_held_again(
    sweeping, world, elsewhere
):
    freed, covered, beside = keys(world, 3)
    old = right(world) | {"hold": False, "last_modified": world.LAST_YEAR}
    for key in (freed, covered, covered, beside):
        world.put(key, **old)
    dispose(world, freed, covered, elsewhere=elsewhere)
    sweeping.restart(hold=Hold.ON_CREATION)

    reports = [sweeping.sweep(full=True), sweeping.sweep()]

    assert [found(each, "mended") for each in reports] == [{"not_held": 1}, {}]
    assert not world.only(freed).hold
    assert not world.at(covered)[0].hold
    assert world.only(beside).hold


def test_what_is_disposed_of_is_still_put_under_the_key(sweeping, world):
    world.put(world.LOG_FILE, last_modified=world.LAST_YEAR)
    dispose(world, world.LOG_FILE)
    sweeping.restart(hold=Hold.ON_CREATION)

    assert found(sweeping.sweep(full=True), "mended") == {"wrong_key": 1}
    assert (world.only().kms_key_arn, world.only().hold) == (world.KEY_ARN, False)


def test_a_copy_of_what_was_disposed_of_is_not_held_by_a_sweep_that_comes_soon(sweeping, world):
    world.put(world.LOG_FILE, last_modified=world.LAST_YEAR)
    dispose(world, world.LOG_FILE)
    sweeping.restart(hold=Hold.ON_CREATION)
    world.failures = {"update_object_encryption": ["NotImplemented"]}

    assert found(sweeping.sweep(full=True), "mended") == {"wrong_key": 1}
    assert found(sweeping.sweep(full=True), "mended") == {}
    assert (world.only().kms_key_arn, world.only().hold) == (world.KEY_ARN, False)
    assert "copy_object" in world.calls


@pytest.mark.parametrize("said", [None, b"{cut"])
def test_where_nobody_says_that_it_was_disposed_of_all_is_held(sweeping, world, said):
    world.put(world.LOG_FILE, **right(world) | {"hold": False, "last_modified": world.LAST_YEAR})
    world.completed(world.LOG_FILE, state="secured")
    if said is not None:
        world.control_object(world.ledger_record().key, said)
    world.control_object("ledger/stray/folder/note.json", b"{}")
    sweeping.restart(hold=Hold.ON_CREATION)

    assert found(sweeping.sweep(full=True), "mended") == {"not_held": 1}


def test_one_half_of_an_export_is_left_to_the_whole(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE)
    sweeping.record(parent_export_id="0" * 32)

    assert sweeping.sweep().found == {}
    assert world.ledger_state()[0] == "completed"


def test_without_holds_none_is_missed(sweeping, world):
    world.put(world.LOG_FILE, **right(world) | {"hold": False})
    world.completed(world.LOG_FILE, state="secured")
    sweeping.restart(hold=Hold.OFF)

    assert sweeping.sweep().found == {}


def test_holds_on_creation_are_placed_on_every_log_file(sweeping, world):
    world.put(world.LOG_FILE, **right(world) | {"hold": False})
    sweeping.restart(hold=Hold.ON_CREATION)

    assert found(sweeping.sweep(), "mended") == {"not_held": 1}
    assert world.only().hold


@pytest.mark.parametrize("state", ["completed", "secured"])
@pytest.mark.parametrize(
    "key", ["manual/upload.txt", "other/group/2026/11/21/00/direct/s/000000.gz"]
)
def test_a_record_that_names_what_no_export_has_made_is_reported_once_and_has_failed(
    sweeping, world, state, key
):
    world.put(key, **right(world))
    world.completed(key, state=state)
    finding = "not_secured" if state == "completed" else "not_held"
    before = world.at(key)

    for day, refused in enumerate(({finding: 1}, {}, {})):
        report = sweeping.sweep(full=True, now=NOW + day * DAY)
        assert found(report, "refused") == refused
    assert world.ledger_state()[0] == "failed"
    assert world.at(key) == before
    (event,) = world.published
    assert event["type"] == "logferry.export.failed.v1"
    assert event["data"]["reason"] == "not_as_recorded"
    assert key in event["data"]["message"]
    assert event["data"]["mend"].endswith(" --reason not_as_recorded")


def test_a_dry_run_takes_nothing_back_that_a_record_says_untruly(sweeping, world):
    world.put("manual/upload.txt", **right(world))
    world.completed("manual/upload.txt", state="secured")
    before = world.state()

    assert found(sweeping.sweep(dry_run=True), "refused") == {"not_held": 1}
    assert world.state() == before
    assert world.published == []


def test_a_copy_of_a_record_is_reported_and_does_nothing(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE, state="secured")
    record = world.ledger_record()
    world.control_object(f"{record.key}.copy", emit(record).encode())

    report = sweeping.sweep(full=True)

    assert found(report, "refused") == {"unreadable": 1}
    (example,) = report.examples
    assert f"it is a copy of {record.key}: put its former version back" in example.detail


def test_a_record_that_breaks_its_contract_is_reported_and_the_next_is_read(sweeping, world):
    world.control_object("ledger/000000000000/broken.json", b"{}")
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE)

    report = sweeping.sweep()

    assert found(report, "refused") == {"unreadable": 1}
    assert found(report, "mended") == {"not_secured": 1}


@pytest.mark.parametrize("text", [b"{cut", b"{}", b"[1]", b"\xff"])
@pytest.mark.parametrize("of", ["schedule", "report"])
def test_a_sweep_goes_on_where_somebody_has_damaged_what_it_keeps(sweeping, world, of, text):
    world.put(world.LOG_FILE)
    world.completed(world.LOG_FILE)
    looks = iter([True, True])
    sweeping.sweep(run="schedule", time=Time(lambda: next(looks, False), lambda: False))
    kept = [key for bucket, key in list(world.versions) if key.startswith("sweeps/")]
    [damaged] = [key for key in kept if key.endswith("schedule.json") is (of == "schedule")]
    world.control_object(damaged, text)

    report = sweeping.sweep(run="schedule", now=NOW + DAY)

    assert report.is_complete
    assert world.ledger_state()[0] == "secured"
    assert sweeping.sweep(run="schedule", now=NOW + 3 * DAY).open_count == 0


# Which pass, and what it looks at


def test_the_first_sweep_looks_at_everything_and_the_next_at_what_has_changed(sweeping, world):
    old, new = keys(world, 2)
    world.put(old, **right(world) | {"hold": False})
    assert sweeping.sweep(run="schedule").looked_at == 1
    world.put(new)
    sweeping.modified[new, "v1"] = NOW
    world._change(world.ARCHIVE, old, world.only(old), kms_key_arn=world.OTHER_KEY_ARN)

    report = sweeping.sweep(run="schedule", now=NOW + 2 * DAY)

    assert (report.listed_versions, report.looked_at) == (2, 1)
    assert world.only(new).kms_key_arn == world.KEY_ARN
    assert world.only(old).kms_key_arn == world.OTHER_KEY_ARN  # in place: its age says nothing
    assert found(sweeping.sweep(full=True, now=NOW + 3 * DAY), "mended") == {"wrong_key": 1}


def test_an_object_uploaded_in_parts_over_days_is_not_missed(sweeping, world):
    sweeping.sweep(run="schedule")
    world.put(world.LOG_FILE)
    sweeping.modified[world.LOG_FILE, "v1"] = NOW - 7 * DAY  # when the upload began

    assert sweeping.sweep(run="schedule", now=NOW + DAY).looked_at == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.world.parameters.update({s.world.KEY_PARAMETER: s.world.OTHER_KEY_ARN}),
        lambda s: s.restart(hold=Hold.OFF),
        lambda s: s.restart(sweep_full_every=DAY),
    ],
    ids=["another key", "another hold", "long ago"],
)
def test_everything_is_looked_at_again_after(sweeping, world, change):
    world.put(world.LOG_FILE, **right(world))
    sweeping.sweep(run="schedule")
    change(sweeping)
    sweeping.restart()

    assert sweeping.sweep(run="schedule", now=NOW + DAY).looked_at == 1


def test_what_stays_open_is_looked_at_in_every_pass(sweeping, world):
    fine, offline = keys(world, 2)
    world.put(fine, **right(world))
    world.put(offline, encryption=None, storage_class="GLACIER")
    sweeping.sweep(run="schedule")

    for day in (1, 2):
        report = sweeping.sweep(run="schedule", now=NOW + day * DAY)
        assert (report.looked_at, report.open_count) == (1, 1)

    world._change(world.ARCHIVE, offline, world.only(offline), storage_class="STANDARD")
    report = sweeping.sweep(run="schedule", now=NOW + 3 * DAY)
    assert found(report, "mended") == {"not_encrypted": 1}


def test_a_sweep_that_is_not_due_does_nothing(sweeping, world):
    assert sweeping.sweep(run="schedule").is_complete
    calls = len(world.calls)

    assert sweeping.sweep(run="schedule", now=NOW + 23 * HOUR) is None
    assert not {"list_object_versions", "head_object", "put_object"} & set(world.calls[calls:])


def test_a_dry_run_does_not_count_as_a_sweep(sweeping, world):
    world.put(world.LOG_FILE, **right(world))
    sweeping.sweep(dry_run=True)

    assert sweeping.sweep(run="schedule", now=NOW + HOUR).looked_at == 1


def test_a_pass_that_is_overtaken_by_a_later_one_does_not_hide_what_that_left_open(sweeping, world):
    world.put(world.LOG_FILE, encryption=None, storage_class="GLACIER")
    sweeping.sweep(run="schedule")
    short = Time(lambda: False, lambda: True)
    early = sweeping.sweep(now=NOW + HOUR, time=short)
    sweeping.sweep(run="schedule", now=NOW + DAY)

    sweeping.sweep(report_key=early.about.report_key, now=NOW + DAY + HOUR)

    schedule = sweeping.wiring.reports.schedule()
    assert schedule.last_started_at == NOW + DAY


def test_too_many_open_findings_make_the_next_pass_look_at_everything(sweeping, world):
    report = sweeping.sweep(run="schedule")
    stored = sweeping.stored()
    for n in range(AGAIN_LIMIT + 1):
        stored.note(Example(finding="wrong_key", action="failed", bucket="b", key=f"k{n}"), f"k{n}")
    assert stored.is_again_full
    assert len(stored.again) == AGAIN_LIMIT
    world.control_object(report.about.report_key, stored.model_dump_json().encode())
    world.put(world.LOG_FILE, **right(world))

    assert sweeping.sweep(run="schedule", now=NOW + DAY).looked_at == 1


def test_too_many_unheld_exports_are_all_looked_at(sweeping, world):
    world.put(world.LOG_FILE, **right(world) | {"hold": False})
    report = sweeping.sweep(dry_run=True)
    for n in range(UNHELD_LIMIT + 1):
        report.note_unheld(f"prefix-{n}")

    assert report.may_be_unheld("anything")
    assert len(report.unheld) == UNHELD_LIMIT


# In many invocations


def ticks(count):
    """Return a time that is enough for ``count`` looks at it."""
    remaining = iter([True] * count)
    return Time(lambda: next(remaining, False), lambda: True)


def test_a_sweep_of_many_invocations_finds_what_one_of_a_single_one_does(world, as_aws):
    reports = []
    for page_size, count in ((1000, 1000), (2, 3)):
        sweeping = Sweeping(type(world)(), as_aws)
        fill(sweeping.world)
        sweeping.page_size = page_size
        report = sweeping.sweep(run="schedule", time=ticks(count))
        for _ in range(50):
            if report.is_complete:
                break
            report = sweeping.sweep(run="schedule", time=ticks(count), now=NOW + HOUR)
        assert report.is_complete
        reports.append(report)
    one, many = reports

    assert many.revision > one.revision
    assert many.found == one.found
    assert (many.listed_versions, many.looked_at) == (one.listed_versions, one.looked_at)
    assert many.done == one.done


def test_a_key_with_more_versions_than_a_page_is_gone_through_in_pieces(sweeping, world):
    before, key, after = keys(world, 3)
    world.put(before)
    for _ in range(7):
        world.put(key)
    world.put(after)
    sweeping.page_size = 3

    report = sweeping.sweep()

    assert found(report, "mended") == {"wrong_key": 9}


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_sweep_cut_after_any_call_ends_like_one_that_was_not(world, as_aws, dry_run):
    def new():
        sweeping = Sweeping(type(world)(), as_aws)
        fill(sweeping.world)
        return sweeping

    whole = new()
    first = len(whole.world.calls)
    run = {"run": "schedule"} if not dry_run else {"run": "now", "dry_run": True}
    expected = whole.sweep(**run)
    for number in range(first, len(whole.world.calls) + 1):
        cut = new()
        cut.world.cut_after = number
        try:
            report = cut.sweep(**run)
        except cut.world.Cut:
            cut.world.cut_after = None
            cut.restart()
            report = cut.sweep(**run, now=NOW + DAY)
        assert report.is_complete, number
        assert cut.world.state() == whole.world.state(), number
        assert cut.world.ledger_state()[0] == whole.world.ledger_state()[0]
        if dry_run:
            assert report.found == expected.found


def test_two_invocations_at_the_same_pass_do_not_both_go_on(sweeping, world):
    fill(world)
    report = sweeping.sweep(run="schedule", time=Time(lambda: False, lambda: True))

    def meanwhile():
        sweeping.sweep(report_key=report.about.report_key)

    world.before = {"list_multipart_uploads": meanwhile}
    with pytest.raises(OvertakenError):
        sweeping.sweep(report_key=report.about.report_key)

    assert sweeping.stored().is_complete
    assert sweeping.sweep(full=True, dry_run=True, now=NOW + DAY).open_count == 0


def kill(world, operation):
    """Let every invocation die just before this operation."""

    def die():
        world.before[operation] = die
        raise world.Cut

    world.before[operation] = die


def sweep_until_complete(sweeping, world, time=FOREVER):
    """Invoke the function, which may be killed, until the pass is complete; return its report."""
    for number in range(12):
        try:
            report = sweeping.sweep(run="schedule", now=NOW + number * HOUR, time=time)
        except world.Cut:
            sweeping.restart()
            continue
        if report.is_complete:
            return report
    pytest.fail("the sweep does not end")


def test_what_kills_every_invocation_is_passed_by_and_reported(sweeping, world):
    # More than are dealt with between two looks at the time, so that others come first.
    some = keys(world, 150)
    for key in some:
        world.put(key)
    world.versions[world.ARCHIVE, some[120]].clear()
    world.put(some[120], encryption=None)
    kill(world, "copy_object")

    report = sweep_until_complete(sweeping, world)

    assert found(report, "failed")["not_encrypted"] == 1
    world.before.clear()
    report = sweeping.sweep(run="schedule", now=NOW + 2 * DAY)
    assert not report.about.is_full
    assert report.open_count == 0
    assert {world.only(key).kms_key_arn for key in some} == {world.KEY_ARN}


def test_an_export_that_kills_every_invocation_is_passed_by_and_reported(sweeping, world):
    world.put(world.LOG_FILE, **right(world) | {"hold": False})
    world.completed(world.LOG_FILE)
    kill(world, "put_object_legal_hold")

    report = sweep_until_complete(sweeping, world)

    assert found(report, "failed") == {"not_secured": 1}
    assert world.ledger_state()[0] == "completed"


def test_an_export_that_never_fits_an_invocation_is_passed_by_and_reported(sweeping, world):
    some = keys(world, 3)
    for key in some:
        world.put(key, **right(world) | {"hold": False})
    world.completed(*some, state="secured")

    report = sweep_until_complete(sweeping, world, Time(lambda: True, lambda: False))

    assert found(report, "failed") == {"not_held": 3}


def test_a_hold_that_could_not_be_placed_is_placed_by_the_next_sweep(sweeping, world):
    world.put(world.LOG_FILE, **right(world) | {"hold": False})
    world.completed(world.LOG_FILE, state="secured")
    world.failures = {"put_object_legal_hold": ["SlowDown"]}
    assert found(sweeping.sweep(run="schedule"), "failed") == {"not_held": 1}

    report = sweeping.sweep(run="schedule", now=NOW + DAY)

    assert not report.about.is_full
    assert found(report, "mended") == {"not_held": 1}
    assert world.only().hold


def test_a_copy_that_takes_longer_than_an_invocation_goes_on_in_the_next(sweeping, world):
    sweeping.restart(copy_limit_bytes=10, copy_part_bytes=5)
    before, large, after = keys(world, 3)
    world.put(before)
    world.put(large, b"0123456789" * 3, encryption=None)
    world.put(after)
    left = iter([True, True])
    slow = Time(lambda: True, lambda: next(left, False))

    report = sweeping.sweep(run="schedule", time=slow)
    assert not report.is_complete
    assert report.place.key == before
    report = sweeping.sweep(run="schedule", now=NOW + 7 * HOUR)

    assert report.is_complete
    assert found(report, "mended") == {"wrong_key": 2, "not_encrypted": 1}
    assert world.only(large).body == b"0123456789" * 3


def test_an_export_that_takes_longer_than_an_invocation_goes_on_in_the_next(sweeping, world):
    some = keys(world, 4)
    for key in some:
        world.put(key, **right(world) | {"hold": False})
    world.completed(*some)
    left = iter([True, True])
    slow = Time(lambda: True, lambda: next(left, False))

    assert not sweeping.sweep(run="schedule", time=slow).is_complete
    assert sum(world.only(key).hold for key in some) == 2
    report = sweeping.sweep(run="schedule", now=NOW + HOUR)

    assert report.is_complete
    assert found(report, "mended") == {"not_secured": 1}
    assert report.done["ObjectsHeld"] == 4


def test_when_everything_fails_the_sweep_waits_for_better_times(sweeping, world):
    for key in keys(world, 12):
        world.put(key)
    world.failures = {"head_object": ["ServiceUnavailable"] * 12}

    with pytest.raises(AwsError, match="ServiceUnavailable"):
        sweeping.sweep(run="schedule")
    report = sweeping.sweep(run="schedule", now=NOW + HOUR)

    assert found(report, "mended") == {"wrong_key": 12}
    assert report.open_count == 0


def test_what_fails_for_long_is_reported_and_the_sweep_goes_on(sweeping, world):
    for key in keys(world, 12):
        world.put(key)
    world.failures = {"head_object": ["ServiceUnavailable"] * 48}

    for number in range(3):
        with pytest.raises(AwsError):
            sweeping.sweep(run="schedule", now=NOW + number * HOUR)
    report = sweeping.sweep(run="schedule", now=NOW + 4 * HOUR)

    assert found(report, "failed") == {"unreadable": 12}
    assert found(sweeping.sweep(run="schedule", now=NOW + DAY), "mended") == {"wrong_key": 12}


def test_without_a_key_nothing_is_swept(sweeping, world):
    world.put(world.LOG_FILE)
    world.parameters.clear()

    with pytest.raises(KmsKeyError, match="is missing"):
        sweeping.sweep()
    assert world.only().encryption == "AES256"


def test_a_disabled_key_of_one_prefix_stops_only_that(sweeping, world):
    other = world.LOG_FILE.replace("shop-prod", "pay-prod")
    world.parameters[f"{world.KEY_PARAMETER}/shop-prod"] = world.OTHER_KEY_ARN
    world.key_states[world.OTHER_KEY_ARN] = "Disabled"
    world.put(world.LOG_FILE)
    world.put(other)
    counts = Counter()

    report = sweeping.sweep(counts=counts)

    assert found(report, "failed") == {"unreadable": 1}
    assert found(report, "mended") == {"wrong_key": 1}
    assert counts["KeyProblem"] == 1


def test_a_report_that_is_not_there_cannot_be_gone_on_with(sweeping):
    with pytest.raises(RefusedError, match="no_report"):
        sweeping.sweep(report_key="sweeps/2026-01-01T00-00-00.000000Z.json")


def test_a_complete_pass_is_not_begun_again(sweeping, world):
    report = sweeping.sweep()
    world.put(world.LOG_FILE)

    again = sweeping.sweep(report_key=report.about.report_key)

    assert again.revision == report.revision
    assert world.only().encryption == "AES256"


# As Lambda invokes it


def test_a_slice_ends_when_its_limit_is_reached_and_says_where(sweeping, world, metrics):
    fill(world)
    remaining = iter([840_000, 840_000, 819_000, *[600_000] * 9])
    request = SweepRequest(run="now", dry_run=False, limit_s=20)

    answer = sweep_by(sweeping.wiring, request, lambda: next(remaining))

    assert not answer["is_complete"]
    assert answer["place"]["phase"] == "versions"
    request = SweepRequest(run="now", report_key=answer["report_key"])
    answer = sweep_by(sweeping.wiring, request, lambda: 840_000)
    assert answer["is_complete"]
    emitted = metrics()
    assert emitted["SweepsCompleted"] == 1
    assert emitted["SweepFindingsOpen"] == 0
    assert emitted["ObjectsUpdated"] == 2


def test_a_sweep_says_what_events_should_have_had_done(sweeping, world, metrics):
    world.put(world.LOG_FILE, **right(world))
    world.completed(world.LOG_FILE)

    sweep_by(sweeping.wiring, SweepRequest(run="schedule"), lambda: 840_000)

    assert metrics()["SweepStoodIn"] == 1


def test_a_key_problem_is_a_metric(sweeping, world, metrics):
    world.parameters.clear()

    with pytest.raises(KmsKeyError):
        sweep_by(sweeping.wiring, SweepRequest(run="schedule"), lambda: 840_000)
    assert metrics()["KeyProblem"] == 1


def test_nothing_due_is_said(sweeping):
    sweep_by(sweeping.wiring, SweepRequest(run="schedule"), lambda: 840_000)

    answer = sweep_by(sweeping.wiring, SweepRequest(run="schedule"), lambda: 840_000)

    assert answer == {"is_due": False}


@pytest.mark.parametrize(
    "event", [{}, {"run": "soon"}, {"run": "now", "apply": True}, {"run": "now", "limit_s": 0}]
)
def test_an_event_that_is_no_request_is_refused(event):
    with pytest.raises(ValueError, match="SweepRequest"):
        SweepRequest.model_validate(event)


def test_the_pace_spaces_turns_evenly_and_never_catches_up():
    now, slept = [100.0], []
    pace = Pace(10, lambda: now[0], slept.append)

    pace.take()
    pace.take()
    pace.take()
    assert slept == pytest.approx([0.1, 0.2])
    now[0] = 200.0
    pace.take()
    pace.take()
    assert slept == pytest.approx([0.1, 0.2, 0.1])


def test_an_upload_is_never_abandoned_while_an_export_task_may_still_run():
    required = {
        "ARCHIVE_BUCKET": "archive-bucket",
        "CONTROL_BUCKET": "control-bucket",
        "TOPIC_ARN": "arn:aws:sns:eu-west-1:111122223333:log-export-events",
        "DEAD_LETTER_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/dead",
    }
    assert Settings.from_env(required | {"SWEEP_UPLOAD_HOURS": "24"}).sweep_upload_age == DAY
    with pytest.raises(SettingsError, match="SWEEP_UPLOAD_HOURS is not a number from 24"):
        Settings.from_env(required | {"SWEEP_UPLOAD_HOURS": "23"})
