from datetime import timedelta
from functools import partial

import pytest
from botocore.exceptions import ClientError

from logferry_contracts.ledger_record import Disposed
from sse_enforcer.settings import Hold

RETAINED = {"encryption": "AES256", "lock_mode": "COMPLIANCE"}


def refuse(code, message, *_, **__):
    raise ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}},
        "HeadObject",
    )


def reasons(world):
    return [attributes["reason"] for _, attributes in world.dead_letters]


# Encryption


def test_calls_per_object(world):
    world.deliver(world.put())  # from here on the key is known
    under_key = {"encryption": "aws:kms", "kms_key_arn": world.KEY_ARN}
    another = world.LOG_FILE.replace("stream", "another")
    for properties, calls in [
        (under_key, ["head_object"]),
        ({}, ["head_object", "update_object_encryption", "head_object", "publish"]),
    ]:
        event, world.calls = world.put(another, **properties), []
        world.deliver(event)
        assert world.calls == calls


def test_an_object_under_the_right_key_is_only_looked_at(world, metrics):
    event = world.put(encryption="aws:kms", kms_key_arn=world.KEY_ARN)

    assert world.deliver(event) == []
    assert world.changes() == []
    assert world.published == []
    assert metrics() == {"ObjectsAlreadyRight": 1}


@pytest.mark.parametrize(
    "before",
    [{"encryption": "AES256"}, {"encryption": "aws:kms", "kms_key_arn": "arn:aws:kms:other"}],
    ids=["sse-s3", "another key"],
)
def test_a_wrongly_encrypted_object_is_updated_in_place(world, metrics, before):
    event = world.put(**before)

    assert world.deliver(event) == []
    assert world.changes() == ["update_object_encryption"]
    version = world.only()
    assert (version.id, version.kms_key_arn, version.bucket_key) == ("v1", world.KEY_ARN, True)
    assert metrics() == {"ObjectsUpdated": 1}


def test_a_change_is_published(world):
    world.deliver(world.put())

    (event,) = world.published
    assert event["type"] == "logferry.object.secured.v1"
    assert event["source"] == "urn:logferry:sse-enforcer"
    assert event["data"] == {
        "bucket": world.ARCHIVE,
        "key": world.LOG_FILE,
        "version_id": "v1",
        "size_bytes": 9,
        "kms_key_arn": world.KEY_ARN,
        "legal_hold": "OFF",
        "encryption": "updated_in_place",
    }


def test_a_message_that_was_received_before_is_published_again_with_the_same_id(world):
    event = world.put()
    world.failures = {"publish": ["InternalError"]}

    assert world.deliver(event) == [event]
    world.deliver(event, receive_count=2)
    world.deliver(event, receive_count=3)

    first, again = world.published
    assert first["id"] == again["id"]


def test_the_own_copys_event_changes_nothing(world):
    world.deliver(world.put(encryption="aws:kms:dsse"))
    before, world.calls = world.state(), []

    assert world.deliver(world.events[-1]) == []
    assert world.changes() == []
    assert world.state() == before


def test_every_reason_of_creation_is_dealt_with(world):
    for number, reason in enumerate(["PutObject", "POST Object", "CompleteMultipartUpload"]):
        key = world.LOG_FILE.replace("stream", f"stream-{number}")
        world.put(key)
        world.deliver(world.created(key, "v1", reason=reason))
        assert world.only(key).kms_key_arn == world.KEY_ARN


@pytest.mark.parametrize(
    "stream", ["100% a+b&c=d Köln 注文 [$LATEST]", "%2F+%20", "ü" * 50, "x" * 933]
)
def test_a_key_with_everything_in_it_is_taken_as_it_is(world, stream):
    key = world.LOG_FILE.replace("stream", stream)
    assert len(key.encode()) <= 1024

    assert world.deliver(world.put(key)) == []
    assert world.only(key).kms_key_arn == world.KEY_ARN


def test_a_version_that_is_gone_is_done(world):
    assert world.deliver(world.created(world.LOG_FILE, "v1")) == []
    assert world.dead_letters == world.published == []


def test_a_delete_marker_is_done(world):
    world.put(is_delete_marker=True)

    assert world.deliver(world.created(world.LOG_FILE, "v1")) == []
    assert world.changes() == []


def test_a_noncurrent_version_is_updated_in_place_too(world):
    event = world.put()
    world.put(body=b"newer", encryption="aws:kms", kms_key_arn=world.KEY_ARN)

    assert world.deliver(event) == []
    assert [version.kms_key_arn for version in world.at()] == [world.KEY_ARN] * 2


# Copies


def test_what_cannot_be_updated_in_place_is_copied_and_then_removed(world, metrics):
    event = world.put(encryption=None, metadata={"a": "b"}, tag_count=2)

    assert world.deliver(event) == []
    assert world.changes() == ["copy_object", "delete_object"]
    copy = world.only()
    assert (copy.id, copy.body, copy.kms_key_arn) == ("v2", b"log lines", world.KEY_ARN)
    assert (copy.metadata, copy.tag_count, copy.bucket_key) == ({"a": "b"}, 2, True)
    assert metrics() == {"ObjectsCopied": 1, "BytesCopied": 9}
    (published,) = world.published
    assert published["data"]["replaced_version_id"] == "v1"
    assert published["data"]["encryption"] == "copied"


def test_a_retained_object_is_copied_with_its_retention_and_stays(world, metrics):
    event = world.put(**RETAINED, retain_until=world.NEXT_YEAR, storage_class="STANDARD_IA")

    assert world.deliver(event) == []
    original, copy = world.at()
    assert (original.id, original.encryption) == ("v1", "AES256")
    assert copy.kms_key_arn == world.KEY_ARN
    assert (copy.lock_mode, copy.retain_until) == ("COMPLIANCE", world.NEXT_YEAR)
    assert copy.storage_class == "STANDARD_IA"
    assert "delete_object" not in world.calls
    assert metrics() == {"ObjectsCopied": 1, "BytesCopied": 9, "ReplacedVersionsKept": 1}
    assert "replaced_version_id" not in world.published[0]["data"]


def test_a_kept_original_is_copied_once_however_often_its_event_comes(world):
    event = world.put(**RETAINED, retain_until=world.NEXT_YEAR)

    for receive_count in (1, 2, 3):
        assert world.deliver(event, receive_count=receive_count) == []
    assert world.calls.count("copy_object") == 1
    assert len({published["id"] for published in world.published}) == 1


def test_a_retention_that_has_ended_is_not_copied_and_does_not_keep_the_original(world):
    event = world.put(**RETAINED, retain_until=world.LAST_YEAR)

    assert world.deliver(event) == []
    copy = world.only()
    assert (copy.id, copy.lock_mode, copy.kms_key_arn) == ("v2", None, world.KEY_ARN)


def test_a_held_object_is_copied_with_its_hold_and_stays(world):
    event = world.put(hold=True)

    assert world.deliver(event) == []
    assert [(version.kms_key_arn, version.hold) for version in world.at()] == [
        (None, True),
        (world.KEY_ARN, True),
    ]
    assert world.published[0]["data"]["legal_hold"] == "ON"


def test_a_copy_without_a_checksum_to_compare_does_not_remove_its_original(world, metrics):
    event = world.put(encryption="aws:kms:dsse", checksums={})

    assert world.deliver(event) == []
    assert [version.id for version in world.at()] == ["v1", "v2"]
    assert metrics()["ReplacedVersionsKept"] == 1


@pytest.mark.parametrize(
    ("value", "checksum_type"), [("abc-2", "FULL_OBJECT"), ("abc", "COMPOSITE")]
)
def test_a_checksum_of_parts_proves_nothing(world, value, checksum_type):
    parts = {"checksums": {"CRC64NVME": value}, "checksum_type": checksum_type}

    world.deliver(world.put(encryption="aws:kms:dsse", **parts))

    assert [version.id for version in world.at()] == ["v1", "v2"]
    assert world.dead_letters == []


def test_a_current_version_that_only_looks_alike_is_not_taken_for_the_copy(world):
    event = world.put(encryption="aws:kms:dsse", checksums={})
    world.put(body=b"log LINES", encryption="aws:kms", kms_key_arn=world.KEY_ARN)

    assert world.deliver(event) == []
    assert world.changes() == []
    assert reasons(world) == ["not_current"]


def test_a_recorded_copy_is_found_under_a_newer_version(world):
    event = world.put(**RETAINED, retain_until=world.NEXT_YEAR)
    world.deliver(event)
    world.put(body=b"newer")

    assert world.deliver(event, receive_count=2) == []
    assert world.calls.count("copy_object") == 1
    assert world.dead_letters == []


@pytest.mark.parametrize(
    "spoil",
    [
        {"body": b"log line"},
        {"checksums": {"CRC64NVME": "other"}},
        {"kms_key_arn": "arn:aws:kms:eu-west-1:111122223333:key/4567-other"},
        {"metadata": {"x": "y"}},
        {"headers": {}},
        {"tag_count": 1},
        {"storage_class": "STANDARD_IA"},
    ],
    ids=lambda spoil: next(iter(spoil)),
)
def test_a_copy_that_differs_never_removes_its_original(world, metrics, spoil):
    event = world.put(encryption="aws:kms:dsse")
    world.spoil = spoil

    assert world.deliver(event) == []
    assert [version.id for version in world.at()] == ["v1", "v2"]
    assert "delete_object" not in world.calls
    assert world.published == []
    assert reasons(world) == ["copy_differs"]
    assert metrics()["Refused"] == 1


def test_copies_that_do_not_help_come_to_an_end(world):
    event = world.put(**RETAINED, retain_until=world.NEXT_YEAR)
    world.spoil = {"kms_key_arn": world.OTHER_KEY_ARN}
    world.deliver(event)

    world.deliver(event, receive_count=2)
    world.deliver(world.events[-1])

    assert reasons(world) == ["copy_differs", "not_current", "copy_of_copy"]
    assert len(world.at()) == 2


def test_a_noncurrent_version_is_not_copied_over_the_current_one(world):
    event = world.put(encryption="aws:kms:dsse")
    world.put(body=b"newer")

    assert world.deliver(event) == []
    assert world.changes() == []
    assert reasons(world) == ["not_current"]


def test_a_version_under_a_delete_marker_is_not_copied_back_to_life(world):
    event = world.put(encryption="aws:kms:dsse")
    world.put(is_delete_marker=True)

    assert world.deliver(event) == []
    assert world.changes() == []
    assert reasons(world) == ["not_current"]


def test_a_version_written_just_before_the_copy_is_not_covered_up(world):
    event = world.put(encryption="aws:kms:dsse")
    world.before["copy_object"] = lambda: world.put(body=b"newer")

    assert world.deliver(event) == [event]
    assert [version.body for version in world.at()] == [b"log lines", b"newer"]


def test_a_second_worker_makes_no_second_copy(world):
    event = world.put(encryption="aws:kms:dsse")
    world.before["copy_object"] = lambda: world.deliver(event)

    assert world.deliver(event) == [event]
    assert world.deliver(event, receive_count=2) == []
    assert world.only().id == "v2"


def test_a_hold_placed_meanwhile_by_another_worker_leads_to_no_copy(world):
    event = world.put()
    completed = world.completed(world.LOG_FILE)
    world.before["update_object_encryption"] = lambda: world.deliver(completed)

    assert world.deliver(event) == []
    assert "copy_object" not in world.calls
    assert world.only().hold


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"storage_class": "DEEP_ARCHIVE", "hold": True}, "offline"),
        ({"storage_class": "GLACIER", "encryption": "aws:kms:dsse"}, "offline"),
        (
            {"storage_class": "GLACIER", "hold": True, "restore": 'ongoing-request="true"'},
            "offline",
        ),
        ({"event_hold": True}, "event_hold"),
        ({"metadata": {"x-amz-key-v2": "AQID", "x-amz-iv": "BAUG"}}, "client_side_encrypted"),
        ({"customer_key": True, "encryption": None}, "unreadable"),
    ],
)
def test_what_can_be_neither_updated_nor_copied_is_reported_and_untouched(
    world, properties, reason
):
    event = world.put(**properties)
    before = world.state()

    assert world.deliver(event) == []
    assert world.state() == before
    assert world.changes() == []
    assert reasons(world) == [reason]
    assert world.dead_letters[0][0] == event


def test_an_archived_object_under_a_newer_one_is_reported_for_what_it_is(world):
    event = world.put(storage_class="GLACIER", hold=True)
    world.put(body=b"newer")

    assert world.deliver(event) == []
    assert reasons(world) == ["offline"]


def test_an_archived_object_that_was_copied_before_is_done(world):
    restored = 'ongoing-request="false", expiry-date="..."'
    event = world.put(storage_class="GLACIER", hold=True, restore=restored)
    world.deliver(event)
    world._change(world.ARCHIVE, world.LOG_FILE, world.at()[0], restore=None)

    assert world.deliver(event, receive_count=2) == []
    assert world.dead_letters == []


def test_an_archived_object_that_was_restored_is_copied(world):
    event = world.put(
        storage_class="GLACIER", hold=True, restore='ongoing-request="false", expiry-date="..."'
    )

    assert world.deliver(event) == []
    assert [version.storage_class for version in world.at()] == ["GLACIER", "GLACIER"]


def test_an_archived_object_is_updated_in_place_without_being_restored(world):
    assert world.deliver(world.put(storage_class="DEEP_ARCHIVE")) == []
    assert world.only().kms_key_arn == world.KEY_ARN


def test_an_object_under_two_layers_of_the_right_key_is_left(world, metrics):
    event = world.put(encryption="aws:kms:dsse", kms_key_arn=world.KEY_ARN)

    assert world.deliver(event) == []
    assert world.changes() == []
    assert metrics() == {"ObjectsAlreadyRight": 1}


def test_the_copy_of_an_object_under_two_layers_has_two_layers(world):
    event = world.put(encryption="aws:kms:dsse", kms_key_arn=world.OTHER_KEY_ARN)

    assert world.deliver(event) == []
    copy = world.only()
    assert (copy.encryption, copy.kms_key_arn) == ("aws:kms:dsse", world.KEY_ARN)
    assert not copy.bucket_key


@pytest.mark.parametrize("code", ["InvalidRequest", "NotImplemented", "MethodNotAllowed"])
def test_where_s3_knows_no_update_in_place_a_copy_is_made(world, code):
    event = world.put()
    world.failures = {"update_object_encryption": [code]}

    assert world.deliver(event) == []
    assert (world.only().id, world.only().kms_key_arn) == ("v2", world.KEY_ARN)


def test_an_object_known_to_be_locked_is_not_tried_in_place(world):
    world.deliver(world.put(hold=True))

    assert "update_object_encryption" not in world.calls


def test_an_update_that_changed_the_content_is_not_taken_for_one(world):
    event = world.put()
    world.before["update_object_encryption"] = lambda: world._change(
        world.ARCHIVE, world.LOG_FILE, world.only(), etag='"other"'
    )

    assert world.deliver(event) == [event]
    assert world.published == []


# Copied by somebody else


@pytest.mark.parametrize("reason", ["CopyObject", "CompleteMultipartUpload"])
def test_a_locked_object_that_somebody_copied_here_is_copied_once(world, reason):
    event = world.put(hold=True, reason=reason)

    assert world.deliver(event) == []
    assert [version.kms_key_arn for version in world.at()] == [None, world.KEY_ARN]
    assert world.deliver(world.events[-1]) == []
    assert world.deliver(event, receive_count=2) == []
    assert world.calls.count("copy_object") == 1
    assert world.dead_letters == []


# No versions


@pytest.mark.parametrize("versioning", ["Suspended", None])
@pytest.mark.parametrize("says_null", [True, False])
def test_the_null_version_is_updated_in_place(world, versioning, says_null):
    world.versioning = versioning
    world.put()

    event = world.created(world.LOG_FILE, "null" if says_null else None)
    assert world.deliver(event) == []
    assert (world.only().id, world.only().kms_key_arn) == ("null", world.KEY_ARN)
    assert world.published[0]["data"]["version_id"] == "null"


@pytest.mark.parametrize("versioning", ["Suspended", None])
def test_nothing_is_copied_where_a_copy_would_overwrite(world, versioning):
    world.versioning = versioning
    event = world.put(encryption="aws:kms:dsse")
    before = world.state()

    assert world.deliver(event) == []
    assert world.state() == before
    assert world.changes() == []
    assert reasons(world) == ["not_versioned"]


def test_a_version_from_before_versioning_was_suspended_is_not_copied_over_the_null_version(world):
    world.versioning = "Suspended"
    world.put(body=b"null and older")
    world.versioning = "Enabled"
    event = world.put(encryption="aws:kms:dsse")
    world.versioning = "Suspended"

    assert world.deliver(event) == []
    assert [version.body for version in world.at()] == [b"null and older", b"log lines"]
    assert reasons(world) == ["not_versioned"]


def test_a_null_version_that_was_copied_stays(world, metrics):
    world.versioning = "Suspended"
    event = world.put(encryption="aws:kms:dsse")
    world.versioning = "Enabled"

    assert world.deliver(event) == []
    assert [version.id for version in world.at()] == ["null", "v1"]
    assert metrics()["ReplacedVersionsKept"] == 1


def test_what_the_sealer_writes_is_left_without_a_word(world, metrics):
    key = "!seals/111122223333/eu-west-1/seals/0000000001.json"
    event = world.put(key, b"{}", encryption="AES256")
    before = list(world.calls)

    assert world.deliver(event) == []
    assert (world.calls, world.published, metrics()) == (before, [], {})


def test_a_write_test_that_may_be_overwritten_is_left(world, metrics):
    world.versioning = "Suspended"
    event = world.put(world.WRITE_TEST, b"Permission Check Successful")

    assert world.deliver(event) == []
    assert world.only(world.WRITE_TEST).id == "null"
    assert metrics() == {"ObjectsLeftAlone": 1}


def test_a_large_object_is_updated_in_place(world):
    event = world.put(size=6 * 1024**4)

    assert world.deliver(event) == []
    assert world.only().kms_key_arn == world.KEY_ARN


def test_the_copys_checksum_is_of_the_originals_algorithm(world):
    event = world.put(encryption="aws:kms:dsse", checksums={"SHA256": "?"})
    world.spoil = {"checksums": {"SHA256": "?"}}

    world.deliver(event)

    assert world.only().id == "v2"


# Failures


@pytest.mark.parametrize(
    "operation",
    [
        "head_object",
        "update_object_encryption",
        "copy_object",
        "put_object",
        "delete_object",
        "publish",
    ],
)
@pytest.mark.parametrize("code", ["InternalError", "SlowDown", "AccessDenied"])
def test_a_failing_call_returns_the_message_and_loses_nothing(world, operation, code):
    encryption = "AES256" if operation == "update_object_encryption" else "aws:kms:dsse"
    event = world.put(encryption=encryption)
    world.failures = {operation: [code]}

    assert world.deliver(event) == [event]
    assert world.at()[-1].body == b"log lines"
    assert world.dead_letters == []

    assert world.deliver(event, receive_count=2) == []
    assert world.only().kms_key_arn == world.KEY_ARN


def test_a_throttled_read_of_the_key_touches_nothing(world, metrics):
    event = world.put(encryption="aws:kms:dsse")
    world.failures = {"get_parameter": ["ThrottlingException"]}

    assert world.deliver(event) == [event]
    assert world.changes() == []
    assert metrics() == {}

    assert world.deliver(event, receive_count=2) == []
    assert world.only().kms_key_arn == world.KEY_ARN


def test_a_copy_has_the_very_key_of_its_original(world):
    key = world.LOG_FILE.replace("stream", "a-b c-d")
    world.deliver(world.put(key, encryption="aws:kms:dsse"))

    assert list(world.state()) == [(world.ARCHIVE, key)]


def test_a_copy_that_fails_never_removes_anything(world):
    event = world.put(encryption="aws:kms:dsse")
    world.failures = {"copy_object": ["KMS.DisabledException"]}

    assert world.deliver(event) == [event]
    assert "delete_object" not in world.calls
    assert world.only().id == "v1"


def test_the_tenth_failure_in_a_container_is_handled_like_the_first(world):
    for _ in range(9):
        world.deliver(world.created(world.LOG_FILE, "gone"))
    event = world.put(encryption="aws:kms:dsse")
    world.failures = {"copy_object": ["NoSuchKey"]}

    assert world.deliver(event) == [event]
    assert world.deliver(event, receive_count=2) == []
    assert world.only().id == "v2"


def test_a_refusal_without_a_lock_is_a_missing_permission_and_leads_to_no_copy(world):
    event = world.put()
    world.failures = {"update_object_encryption": ["AccessDenied"] * 2}

    assert world.deliver(event) == [event]
    assert "copy_object" not in world.calls


def test_an_update_that_did_not_happen_is_not_published(world, monkeypatch):
    event = world.put()
    monkeypatch.setattr(world, "update_object_encryption", lambda **_: {})

    assert world.deliver(event) == [event]
    assert world.published == []


def test_only_the_failing_message_returns_to_the_queue(world):
    good, bad = world.put(), world.put(world.LOG_FILE.replace("stream", "other"))
    world.before["head_object"] = lambda: world.failures.update({"head_object": ["SlowDown"]})

    assert world.deliver(bad, good) == [bad]
    assert world.only().kms_key_arn == world.KEY_ARN


# The key


@pytest.mark.parametrize(
    "value",
    ["alias/logs", "arn:aws:kms:eu-west-1:111122223333:key/1234 ", ""],
)
def test_without_the_arn_of_a_key_nothing_is_touched(world, metrics, log, value):
    event = world.put()
    world.parameters[world.KEY_PARAMETER] = value

    assert world.deliver(event) == [event]
    assert world.changes() == []
    assert metrics() == {"KeyProblem": 1}
    (entry,) = log()
    assert f"SSM parameter {world.KEY_PARAMETER}: {value!r} is" in entry["reason"]


@pytest.mark.parametrize("state", ["Disabled", "PendingDeletion", "PendingImport"])
def test_with_a_key_that_cannot_encrypt_nothing_is_touched(world, metrics, log, state):
    event = world.put(encryption="aws:kms:dsse")
    world.key_states[world.KEY_ARN] = state

    assert world.deliver(event) == [event]
    assert world.changes() == []
    assert metrics() == {"KeyProblem": 1}
    assert f"{world.KEY_ARN!r} is a key in state {state}; " in log()[0]["reason"]


def test_a_burst_of_objects_asks_for_a_bad_key_once(world, metrics):
    world.key_states[world.KEY_ARN] = "Disabled"
    events = [world.put(f"{world.PREFIX}/direct/s{number}/000000.gz") for number in range(20)]

    assert world.deliver(*events) == events
    assert world.calls.count("describe_key") == world.calls.count("get_parameter") == 1
    assert metrics() == {"KeyProblem": 20}
    assert all(version.encryption == "AES256" for (version,) in world.state().values())


def test_a_message_that_fails_comes_back_later_each_time(world):
    event = world.put()
    world.key_states[world.KEY_ARN] = "Disabled"

    for receive_count in (1, 2, 3, 18, 19):
        world.deliver(event, receive_count=receive_count)
    assert world.pauses == [30, 60, 120, 10_800, 10_800]


@pytest.mark.parametrize(
    ("failures", "reason", "part"),
    [
        ({"head_object": ["AccessDenied"]}, "aws_refuses", "HeadObject of"),
        ({"head_object": ["AnErrorOfTomorrow"]}, "aws_refuses", "AnErrorOfTomorrow"),
        ({"copy_object": ["KMS.DisabledException"]}, "no_key", "KMS.DisabledException"),
    ],
)
def test_the_last_attempt_ends_in_a_dead_letter_that_says_why(
    world, metrics, failures, reason, part
):
    event = world.put(encryption="aws:kms:dsse")
    world.failures = failures

    assert world.deliver(event, receive_count=20) == []
    ((body, attributes),) = world.dead_letters
    assert (body, attributes["reason"]) == (event, reason)
    assert part in attributes["detail"]
    assert metrics()["Refused"] == 1
    assert world.only().id == "v1"


def test_an_error_of_our_own_ends_in_a_dead_letter_as_well(world, monkeypatch):
    def fail(**_: object) -> None:
        raise KeyError("ETag")

    event = world.put()
    monkeypatch.setattr(world, "head_object", fail)

    assert world.deliver(event, receive_count=19) == [event]
    assert world.pauses == [10_800]
    assert world.deliver(event, receive_count=20) == []
    ((_, attributes),) = world.dead_letters
    assert (attributes["reason"], attributes["detail"]) == ("unexpected_error", "KeyError: 'ETag'")


def test_a_last_attempt_without_time_says_so(world):
    event = world.put()

    assert world.deliver(event, remaining_ms=19_999, receive_count=20) == []
    assert [attributes["reason"] for _, attributes in world.dead_letters] == ["out_of_time"]


def test_the_last_attempt_is_left_to_sqs_when_the_dead_letter_cannot_be_sent(world):
    event = world.put()
    world.failures = {"head_object": ["SlowDown"], "send_message": ["InternalError"]}

    assert world.deliver(event, receive_count=20) == [event]


def test_a_pause_that_cannot_be_set_is_left_to_the_queue(world):
    event = world.put()
    world.failures = {"head_object": ["SlowDown"], "change_message_visibility": ["InternalError"]}

    assert world.deliver(event) == [event]
    assert world.pauses == []


def test_a_prefix_may_have_a_key_of_its_own(world):
    world.parameters[f"{world.KEY_PARAMETER}/shop-prod/aws/lambda"] = world.OTHER_KEY_ARN
    billing = world.LOG_FILE.replace("aws/lambda", "aws/lambda-billing")

    assert world.deliver(world.put(), world.put(billing)) == []
    assert world.only().kms_key_arn == world.OTHER_KEY_ARN
    assert world.only(billing).kms_key_arn == world.KEY_ARN
    assert world.calls.count("get_parameters_by_path") == 1


def test_a_bad_key_of_a_prefix_stops_only_its_objects(world, log):
    name = f"{world.KEY_PARAMETER}/shop-prod/aws/lambda/orders"
    world.parameters[name] = "alias/orders"
    other = world.LOG_FILE.replace("orders", "payments")
    good, bad = world.put(other), world.put()

    assert world.deliver(bad, good) == [bad]
    assert world.only().encryption == "AES256"
    assert world.only(other).kms_key_arn == world.KEY_ARN
    assert f"SSM parameter {name}: 'alias/orders' is an alias" in log()[0]["reason"]


def test_a_missing_key_parameter_is_a_key_problem(world, metrics):
    event = world.put()
    del world.parameters[world.KEY_PARAMETER]

    assert world.deliver(event) == [event]
    assert world.changes() == []
    assert metrics() == {"KeyProblem": 1}


def test_a_key_that_kms_refuses_is_a_key_problem(world, metrics):
    event = world.put()
    world.failures = {"update_object_encryption": ["KMS.DisabledException"]}

    assert world.deliver(event) == [event]
    assert metrics() == {"KeyProblem": 1}


def test_the_key_is_asked_for_once_for_many_objects(world):
    events = [world.put(f"{world.PREFIX}/direct/s{number}/000000.gz") for number in range(20)]

    world.deliver(*events)

    for operation in ("get_parameter", "get_parameters_by_path", "describe_key"):
        assert world.calls.count(operation) == 1


def test_a_changed_key_is_seen_when_the_time_to_live_has_passed(world):
    world.restart(kms_key_ttl_seconds=0)
    world.deliver(world.put())
    world.parameters[world.KEY_PARAMETER] = world.OTHER_KEY_ARN

    world.deliver(world.put())

    assert [version.kms_key_arn for version in world.at()] == [world.KEY_ARN, world.OTHER_KEY_ARN]


# Holds


@pytest.mark.parametrize("hold", [Hold.ON_COMPLETION, Hold.OFF])
def test_no_hold_is_placed_on_creation_unless_asked_for(world, hold):
    world.restart(hold=hold)

    world.deliver(world.put())

    assert not world.only().hold


def test_a_hold_on_creation_comes_after_the_encryption(world, metrics):
    world.restart(hold=Hold.ON_CREATION)

    assert world.deliver(world.put()) == []
    assert world.changes() == ["update_object_encryption", "put_object_legal_hold"]
    assert world.only().hold
    assert world.published[0]["data"]["legal_hold"] == "ON"
    assert metrics() == {"ObjectsUpdated": 1, "ObjectsHeld": 1}


def test_a_hold_alone_is_published_too(world):
    world.restart(hold=Hold.ON_CREATION)

    world.deliver(world.put(encryption="aws:kms", kms_key_arn=world.KEY_ARN))

    assert world.published[0]["data"]["encryption"] == "already_right"


def dispose(world, *objects):
    world.completed(*objects, state="secured")
    said = {"at": "2027-03-02T10:00:00.000Z", "by": "x", "reason": "why", "statement": "0" * 64}
    world.put_ledger_record(world.ledger_record().as_disposed(Disposed.model_validate(said)))


def test_an_object_that_was_disposed_of_is_not_held_by_an_event_that_comes_late(world):
    world.restart(hold=Hold.ON_CREATION)
    event = world.put(
        encryption="aws:kms", kms_key_arn=world.KEY_ARN, last_modified=world.LAST_YEAR
    )
    dispose(world, world.LOG_FILE)

    assert world.deliver(event) == []
    assert world.changes() == []


@pytest.mark.parametrize("note", ["as written", "cut"])
def test_a_copy_of_what_was_disposed_of_is_not_held_either(world, note):
    world.restart(hold=Hold.ON_CREATION)
    event = world.put(last_modified=world.LAST_YEAR)
    dispose(world, world.LOG_FILE)
    world.failures = {"update_object_encryption": ["NotImplemented"]}

    assert world.deliver(event) == []
    if note == "cut":
        (key,) = {key for _, key in world.versions if key.startswith("copying/")}
        world.control_object(key, b"{cut")
    assert world.deliver(world.events[-1]) == []  # the copy's own
    assert (world.only().id, world.only().kms_key_arn) == ("v2", world.KEY_ARN)
    assert not world.only().hold


def test_the_ledger_is_not_listed_anew_for_each_object(world):
    world.restart(hold=Hold.ON_CREATION)
    old = {"encryption": "aws:kms", "kms_key_arn": world.KEY_ARN, "last_modified": world.LAST_YEAR}
    disposed, other = world.LOG_FILE, world.LOG_FILE.replace("/00/", "/01/", 1)
    elsewhere = disposed.replace("shop-prod", "shop-test")
    first = [world.put(key, **old) for key in (disposed, other, elsewhere)]
    dispose(world, disposed)

    assert world.deliver(*first) == []
    listed = world.calls.count("list_objects_v2")
    assert listed == 5  # accounts, their Regions; windows of two hours; a window's exports
    again = [
        world.put(key.replace("stream", "next"), **old) for key in (other, disposed, elsewhere)
    ]
    for minutes in (2, 4):
        world.later = timedelta(minutes=minutes)
        assert world.deliver(*again) == []
    assert world.calls.count("list_objects_v2") == listed

    world.later = timedelta(minutes=6)
    assert world.deliver(world.put(disposed.replace("stream", "last"), **old)) == []
    assert world.calls.count("list_objects_v2") == listed
    assert not world.only(disposed).hold
    assert world.only(other).hold
    assert world.only(elsewhere).hold


@pytest.mark.parametrize("hour", ["0001/01/01/00", "9999/12/31/23"])
def test_an_object_of_any_hour_is_held(world, hour):
    world.restart(hold=Hold.ON_CREATION)
    key = world.LOG_FILE.replace("2026/11/21/00", hour)
    event = world.put(key, last_modified=world.LAST_YEAR)
    world.completed(key)

    assert world.deliver(event) == []
    assert world.only(key).hold


def test_an_object_on_hold_is_not_held_again(world):
    world.restart(hold=Hold.ON_CREATION)

    world.deliver(world.put(encryption="aws:kms", kms_key_arn=world.KEY_ARN, hold=True))

    assert world.changes() == []


# Keys that are not the archive's


@pytest.mark.parametrize(
    "key", ["manual/upload.txt", "athena/result.csv", "manifest/2026/11/21/00/list.json"]
)
def test_an_object_outside_the_layout_is_not_even_looked_at(world, metrics, key):
    event = world.put(key)

    assert world.deliver(event) == []
    assert world.calls == []
    assert world.only(key).encryption == "AES256"
    assert metrics() == {"ObjectsLeftAlone": 1}


def test_a_write_test_is_removed(world, metrics):
    event = world.put(world.WRITE_TEST, b"Permission Check Successful")

    assert world.deliver(event) == []
    assert world.at(world.WRITE_TEST) == []
    assert metrics() == {"WriteTestsRemoved": 1}


def test_only_the_write_tests_own_version_is_removed(world):
    world.put(world.WRITE_TEST, b"first")
    event = world.put(world.WRITE_TEST, b"second")
    world.put(world.WRITE_TEST, b"third")

    world.deliver(event)

    assert [version.body for version in world.at(world.WRITE_TEST)] == [b"first", b"third"]


@pytest.mark.parametrize("lock", ["hold", "retention", "event hold"])
def test_a_locked_write_test_is_left(world, metrics, lock):
    locks = {
        "hold": {"hold": True},
        "retention": {"lock_mode": "GOVERNANCE", "retain_until": world.NEXT_YEAR},
        "event hold": {"event_hold": True},
    }
    event = world.put(world.WRITE_TEST, b"test", **locks[lock])

    assert world.deliver(event) == []
    assert "delete_object" not in world.calls
    assert metrics() == {"ObjectsLeftAlone": 1}


def test_a_write_test_locked_meanwhile_is_left(world):
    event = world.put(world.WRITE_TEST, b"test")
    version = world.only(world.WRITE_TEST)
    world.before["delete_object"] = lambda: world._change(
        world.ARCHIVE, world.WRITE_TEST, version, hold=True
    )

    assert world.deliver(event) == []
    assert world.only(world.WRITE_TEST).hold


def test_a_large_object_in_a_write_tests_place_is_left(world, metrics):
    event = world.put(world.WRITE_TEST, b"x" * 1025)

    assert world.deliver(event) == []
    assert world.only(world.WRITE_TEST).body == b"x" * 1025
    assert metrics() == {"ObjectsLeftAlone": 1}


def test_a_write_test_is_removed_without_any_key(world):
    del world.parameters[world.KEY_PARAMETER]

    assert world.deliver(world.put(world.WRITE_TEST, b"test")) == []
    assert world.at(world.WRITE_TEST) == []


# Messages that cannot be dealt with


def test_an_object_of_another_bucket_is_dead_lettered(world):
    event = world.put(bucket="somebody-elses-bucket")

    assert world.deliver(event) == []
    assert world.calls == ["send_message"]
    assert reasons(world) == ["wrong_bucket"]


def test_an_object_whose_own_key_is_disabled_waits_for_it(world, metrics, monkeypatch):
    event = world.put()
    with monkeypatch.context() as changed:
        # HeadObject's answer has no body to say why in.
        changed.setattr(world, "head_object", partial(refuse, "400", "Bad Request"))
        changed.setattr(world, "get_object", partial(refuse, "KMS.DisabledException", "disabled"))
        assert world.deliver(event) == [event]
    assert world.dead_letters == []
    assert metrics() == {"KeyProblem": 1}

    assert world.deliver(event, receive_count=2) == []
    assert world.only().kms_key_arn == world.KEY_ARN


@pytest.mark.parametrize(
    "body",
    [
        *["", "not JSON", "[]", "null", '"text"', "{}", '{"Records": []}', '{"detail-type": "x"}'],
        pytest.param("[" * 100_000 + "]" * 100_000, id="nested deeply"),
        pytest.param('{"specversion": "1.0", "specversion": "1.0"}', id="a key given twice"),
        pytest.param('{"specversion": "1.0", "size": NaN}', id="NaN"),
    ],
)
def test_a_message_that_is_none_of_ours_is_dead_lettered(world, body):
    assert world.deliver(body) == []
    assert reasons(world) == ["contract"]
    assert world.dead_letters[0][0] == body


def test_a_dead_letter_says_why_in_a_form_that_sqs_takes(world):
    key = world.LOG_FILE.replace("stream", "\x01" + "x" * 900)
    event = world.put(key, event_hold=True)

    world.deliver(event)

    ((body, attributes),) = world.dead_letters
    assert body == event
    assert attributes["service"] == "sse-enforcer"
    assert len(attributes["detail"]) <= 1000
    assert attributes["detail"].isprintable()


def test_a_message_that_cannot_be_dead_lettered_returns_to_the_queue(world):
    world.failures = {"send_message": ["InternalError"]}

    assert world.deliver("not JSON") == ["not JSON"]


def test_nothing_is_begun_when_the_time_is_up(world):
    event = world.put()

    assert world.deliver(event, remaining_ms=19_999) == [event]
    assert world.calls == ["change_message_visibility"]
    assert world.pauses == [1]


def test_the_log_names_the_object(world, log):
    world.deliver(world.put())

    (entry,) = log()
    assert entry["message"] == "secured"
    assert entry["bucket"] == world.ARCHIVE
    assert (entry["object_key"], entry["version_id"]) == (world.LOG_FILE, "v1")


def test_the_log_of_a_message_names_nothing_of_the_one_before(world, log):
    world.deliver(world.created(world.LOG_FILE, "gone"), "not JSON")

    gone, dead = log()
    assert gone["object_key"] == world.LOG_FILE
    assert "object_key" not in dead
