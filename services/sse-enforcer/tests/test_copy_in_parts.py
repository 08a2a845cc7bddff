"""What is too large for CopyObject, sized down: over 8 bytes is large, a part has 4."""

from datetime import timedelta

import pytest

LINES = b"0123456789"
LOCKED = {"hold": True}


@pytest.fixture(autouse=True)
def _small(world):
    world.restart(copy_limit_bytes=8, copy_part_bytes=4)


def reasons(world):
    return [attributes["reason"] for _, attributes in world.dead_letters]


def put_large(world, **properties):
    return world.put(body=LINES, **({"encryption": "aws:kms:dsse"} | properties))


def put_composite(world, of_parts, *bodies, **properties):
    return world.put(
        body=b"".join(bodies),
        encryption=None,
        checksums={"CRC32": of_parts(bodies)},
        checksum_type="COMPOSITE",
        part_sizes=tuple(map(len, bodies)),
        reason="CompleteMultipartUpload",
        **properties,
    )


def test_a_large_object_is_copied_in_parts_and_then_removed(world, metrics):
    event = put_large(
        world,
        encryption=None,
        metadata={"a": "b"},
        tag_count=2,
        headers={"ContentType": "application/x-gzip", "ContentEncoding": "gzip"},
        storage_class="STANDARD_IA",
    )
    before = world.only()

    assert world.deliver(event) == []
    copy = world.only()
    assert (copy.id, copy.body, copy.kms_key_arn) == ("v2", LINES, world.KEY_ARN)
    assert (copy.metadata, copy.tag_count, copy.bucket_key) == ({"a": "b"}, 2, True)
    assert (copy.headers, copy.storage_class) == (before.headers, "STANDARD_IA")
    assert copy.checksums == before.checksums
    assert sorted(copy.part_sizes) == [2, 4, 4]
    assert metrics() == {"ObjectsCopied": 1, "BytesCopied": 10}
    assert world.published[0]["data"]["replaced_version_id"] == "v1"
    assert world.uploads == {}


def test_an_object_of_the_limits_size_is_copied_at_once(world):
    world.deliver(world.put(body=LINES[:8], encryption="aws:kms:dsse"))

    assert "copy_object" in world.calls
    assert "create_multipart_upload" not in world.calls


def test_a_large_object_is_updated_in_place_where_that_is_possible(world, metrics):
    assert world.deliver(world.put(body=LINES)) == []
    assert world.changes() == ["update_object_encryption"]
    assert metrics() == {"ObjectsUpdated": 1}


@pytest.mark.parametrize("mode", ["GOVERNANCE", "COMPLIANCE"])
def test_the_locks_of_a_large_object_are_its_copys_too(world, metrics, mode):
    event = put_large(world, hold=True, lock_mode=mode, retain_until=world.NEXT_YEAR)

    assert world.deliver(event) == []
    original, copy = world.at()
    assert (copy.lock_mode, copy.retain_until, copy.hold) == (mode, world.NEXT_YEAR, True)
    assert (original.id, copy.body) == ("v1", LINES)
    assert metrics()["ReplacedVersionsKept"] == 1
    assert "delete_object" not in world.calls


def test_the_own_multipart_copys_event_changes_nothing(world):
    world.deliver(put_large(world))
    before, world.calls = world.state(), []

    assert world.deliver(world.events[-1]) == []
    assert world.changes() == []
    assert world.state() == before


def test_multipart_copies_that_do_not_help_come_to_an_end(world):
    event = put_large(world, **LOCKED)
    world.spoil = {"kms_key_arn": world.OTHER_KEY_ARN}
    world.deliver(event)

    world.deliver(event, receive_count=2)
    world.deliver(world.events[-1])

    assert reasons(world) == ["copy_differs", "not_current", "copy_of_copy"]
    assert len(world.at()) == 2


@pytest.mark.parametrize(
    "spoil",
    [
        {"checksums": {"CRC64NVME": "other"}},
        {"kms_key_arn": "arn:aws:kms:eu-west-1:111122223333:key/4567-other"},
        {"metadata": {"x": "y"}},
        {"headers": {}},
        {"tag_count": 1},
    ],
    ids=lambda spoil: next(iter(spoil)),
)
def test_a_multipart_copy_that_differs_never_removes_its_original(world, spoil):
    event = put_large(world)
    world.spoil = spoil

    assert world.deliver(event) == []
    assert [version.id for version in world.at()] == ["v1", "v2"]
    assert "delete_object" not in world.calls
    assert reasons(world) == ["copy_differs"]


# What proves the bytes


def test_parts_that_are_not_the_originals_bytes_are_never_put_together(world):
    event = put_large(world)

    def spoil_a_part():
        (upload,) = world.uploads.values()
        upload.parts[1] = (upload.parts[1][0], b"????")

    world.before["complete_multipart_upload"] = spoil_a_part

    assert world.deliver(event) == [event]
    assert world.only().id == "v1"
    assert world.uploads == {}
    assert world.deliver(event, receive_count=2) == []
    assert world.only().body == LINES


@pytest.mark.parametrize("bodies", [(b"ab", b"cd"), (b"abc", b"d"), (b"abcd",), (b"a" * 9, b"b")])
def test_what_was_uploaded_in_parts_is_proven_by_a_copy_cut_alike(world, of_parts, bodies):
    event = put_composite(world, of_parts, *bodies)

    assert world.deliver(event) == []
    assert (world.only().id, world.only().body) == ("v2", b"".join(bodies))
    assert world.only().part_sizes == tuple(map(len, bodies))
    assert world.deliver(world.events[-1]) == []


def test_what_was_uploaded_in_uneven_parts_stays_beside_its_copy(world, of_parts, metrics):
    event = put_composite(world, of_parts, b"abc", b"de", b"fgh")

    assert world.deliver(event) == []
    assert [version.body for version in world.at()] == [b"abcdefgh"] * 2
    assert metrics()["ReplacedVersionsKept"] == 1


def test_a_large_object_without_a_checksum_stays_beside_its_copy(world, metrics):
    event = put_large(world, checksums={})

    assert world.deliver(event) == []
    assert [version.body for version in world.at()] == [LINES, LINES]
    assert metrics()["ReplacedVersionsKept"] == 1


# Failures


@pytest.mark.parametrize(
    "operation", ["create_multipart_upload", "upload_part_copy", "complete_multipart_upload"]
)
@pytest.mark.parametrize("code", ["SlowDown", "AccessDenied", "PreconditionFailed"])
def test_a_multipart_copy_that_fails_is_aborted(world, operation, code):
    event = put_large(world)
    world.failures = {operation: [code]}

    assert world.deliver(event) == [event]
    assert world.uploads == {}
    assert world.only().id == "v1"

    assert world.deliver(event, receive_count=2) == []
    assert world.only().id == "v2"


def test_an_upload_that_cannot_be_aborted_is_left_to_the_lifecycle_rule(world):
    event = put_large(world)
    world.failures = {
        "complete_multipart_upload": ["InternalError"],
        "abort_multipart_upload": ["InternalError"],
    }

    assert world.deliver(event) == [event]
    assert world.deliver(event, receive_count=2) == []
    assert (world.only().id, world.only().body) == ("v2", LINES)


def test_a_version_written_during_a_multipart_copy_is_not_covered_up(world):
    event = put_large(world)
    world.before["complete_multipart_upload"] = lambda: world.put(body=b"newer")

    assert world.deliver(event) == [event]
    assert [version.body for version in world.at()] == [LINES, b"newer"]
    assert world.uploads == {}
    assert world.deliver(event, receive_count=2) == []
    assert reasons(world) == ["not_current"]


def test_a_source_that_is_replaced_by_other_bytes_is_not_mixed_into_the_copy(world):
    event = put_large(world)
    world.before["upload_part_copy"] = lambda: world._change(
        world.ARCHIVE, world.LOG_FILE, world.only(), etag='"other"'
    )

    assert world.deliver(event) == [event]
    assert world.only().id == "v1"
    assert world.uploads == {}


# Time


def out_of_time_after(calls):
    return [60_000] * calls + [0] * 100


def test_a_copy_that_ran_out_of_time_goes_on_where_it_was(world):
    event = put_large(world)

    # 1 for the message, 2 for parts; 8 parts are begun at a time.
    assert world.deliver(event, remaining_ms=out_of_time_after(3)) == [event]
    assert world.pauses == [1]
    (upload,) = world.uploads.values()
    assert len(upload.parts) == 2
    assert world.only().id == "v1"

    assert world.deliver(event, receive_count=2) == []
    assert world.calls.count("create_multipart_upload") == 1
    assert world.calls.count("upload_part_copy") == 3
    assert (world.only().id, world.only().body) == ("v2", LINES)


def test_a_copy_that_was_killed_is_taken_up_when_its_invocation_has_ended_for_sure(world):
    event = put_large(world)
    world.cut_after = world_calls_until(world, event, "upload_part_copy")
    with pytest.raises(world.Cut):
        world.deliver(event)
    world.cut_after = None
    world.restart()

    assert world.deliver(event, receive_count=2) == [event]
    assert 890 < world.pauses[-1] <= 901
    assert world.only().id == "v1"

    world.later = timedelta(minutes=15)
    assert world.deliver(event, receive_count=3) == []
    assert world.calls.count("create_multipart_upload") == 1
    assert (world.only().id, world.only().body) == ("v2", LINES)


def world_calls_until(world, event, operation):
    """Return the number of the call with which an operation is called first."""
    other = type(world)()
    other.restart(copy_limit_bytes=8, copy_part_bytes=4)
    put_large(other)
    other.deliver(event)
    return other.calls.index(operation) + 1


def test_two_messages_at_once_do_not_copy_twice(world):
    event = put_large(world)
    completed = world.completed(world.LOG_FILE)
    returned = []
    world.before["upload_part_copy"] = lambda: returned.extend(world.deliver(completed))

    assert world.deliver(event) == []
    assert returned == [completed]
    assert world.calls.count("create_multipart_upload") == 1
    assert world.only().id == "v2"
    assert world.deliver(completed, receive_count=2) == []
    assert world.only().hold


def test_of_two_that_begin_at_once_one_gives_up_its_upload(world):
    event = put_large(world)
    world.before["create_multipart_upload"] = lambda: world.deliver(event)

    assert world.deliver(event) == [event]
    assert world.uploads == {}
    assert world.deliver(event, receive_count=2) == []
    assert (world.only().id, world.only().body) == ("v2", LINES)


def test_an_upload_that_cannot_be_written_down_is_given_up(world):
    event = put_large(world)
    world.failures = {"put_object": ["InternalError"]}

    assert world.deliver(event) == [event]
    assert world.uploads == {}
    assert "upload_part_copy" not in world.calls


def test_an_upload_begun_under_another_key_is_aborted(world):
    event = put_large(world)
    world.deliver(event, remaining_ms=out_of_time_after(2))
    world.parameters[world.KEY_PARAMETER] = world.OTHER_KEY_ARN
    world.restart()

    assert world.deliver(event, receive_count=2) == []
    assert world.only().kms_key_arn == world.OTHER_KEY_ARN
    assert world.uploads == {}
    assert "abort_multipart_upload" in world.calls


def test_an_upload_that_is_gone_is_begun_again(world):
    event = put_large(world)
    world.deliver(event, remaining_ms=out_of_time_after(2))
    world.uploads.clear()

    assert world.deliver(event, receive_count=2) == []
    assert (world.only().id, world.only().body) == ("v2", LINES)


def test_somebody_elses_upload_to_the_same_key_is_left_alone(world):
    world.create_multipart_upload(Bucket=world.ARCHIVE, Key=world.LOG_FILE, ChecksumAlgorithm="?")

    assert world.deliver(put_large(world)) == []
    assert len(world.uploads) == 1
