import json
import shlex

import pytest

from logferry.command import _app
from logferry_contracts.addendum import Addendum, addendum_folder
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.ledger_record import Disposed, Failed
from logferry_contracts.manifest import ArchivedObject
from logferry_contracts.wire import emit
from sse_enforcer.settings import Hold

ASKED_AGAIN = "logferry retry CONFIG --profile shop-prod --log-group /aws/lambda/cart --reason"


def reasons(world):
    return [attributes["reason"] for _, attributes in world.dead_letters]


def put_many(world, count, **properties):
    keys = [f"{world.PREFIX}/direct/stream-{number:04}/000000.gz" for number in range(count)]
    for key in keys:
        world.put(key, **properties)
    return keys


def test_every_object_is_encrypted_then_held_then_published_then_the_record_is_secured(
    world, metrics
):
    message = world.completed(*put_many(world, 1))

    assert world.deliver(message) == []
    assert [name for name in world.calls if name != "head_object"] == [
        "get_parameter",
        "get_parameters_by_path",
        "describe_key",
        "get_object",
        "update_object_encryption",
        "put_object_legal_hold",
        "publish",
        "get_object",
        "put_object",
    ]
    assert world.ledger_state() == ("secured", 5)
    assert metrics() == {"ObjectsUpdated": 1, "ObjectsHeld": 1}
    (event,) = world.published
    assert event["data"]["export_id"] == json.loads(message)["data"]["export_id"]
    assert (event["data"]["encryption"], event["data"]["legal_hold"]) == ("updated_in_place", "ON")


def test_all_of_many_objects_are_secured(world, metrics):
    keys = put_many(world, 50)

    assert world.deliver(world.completed(*keys)) == []
    assert all(world.only(key).hold for key in keys)
    assert len({event["id"] for event in world.published}) == 50
    assert metrics() == {"ObjectsUpdated": 50, "ObjectsHeld": 50}


def test_objects_that_the_event_has_no_room_for_are_found_in_the_control_bucket(world):
    keys = put_many(world, 3)

    assert world.deliver(world.completed(*keys, elsewhere=True)) == []
    assert all(world.only(key).hold for key in keys)
    assert world.ledger_state()[0] == "secured"


def test_an_export_without_objects_is_secured(world):
    assert world.deliver(world.completed()) == []
    assert world.ledger_state()[0] == "secured"


@pytest.mark.parametrize("are_gone", [False, True])
def test_the_event_of_what_was_disposed_of_since_holds_nothing_and_misses_nothing(
    world, metrics, are_gone
):
    (key,) = keys = put_many(world, 1)
    message = world.completed(*keys)
    said = {"at": "2026-11-24T00:00:00.000Z", "by": "arn:aws:iam::1:role/o", "reason": "art. 17"}
    disposed = Disposed.model_validate({**said, "statement": "a" * 64})
    world.put_ledger_record(world.ledger_record().as_disposed(disposed))
    if are_gone:
        world.at(key).clear()

    assert world.deliver(message) == []
    assert (world.dead_letters, metrics(), world.ledger_state()[0]) == ([], {}, "completed")
    assert are_gone or not world.only(key).hold


def test_without_holds_objects_are_encrypted_and_published(world):
    world.restart(hold=Hold.OFF)
    (key,) = keys = put_many(world, 1)

    assert world.deliver(world.completed(*keys)) == []
    assert not world.only(key).hold
    assert world.published[0]["data"]["legal_hold"] == "OFF"
    assert world.ledger_state()[0] == "secured"


def test_each_object_of_an_export_has_the_key_of_its_own_prefix(world):
    keys = put_many(world, 2)
    folder = keys[0].rsplit("/", 1)[0]
    world.parameters[f"{world.KEY_PARAMETER}/{folder}"] = world.OTHER_KEY_ARN

    assert world.deliver(world.completed(*keys)) == []
    assert [world.only(key).kms_key_arn for key in keys] == [world.OTHER_KEY_ARN, world.KEY_ARN]
    assert world.ledger_state()[0] == "secured"


def test_an_object_already_right_costs_one_look_and_one_hold(world):
    keys = put_many(world, 20, encryption="aws:kms", kms_key_arn=world.KEY_ARN)

    assert world.deliver(world.completed(*keys)) == []
    assert world.calls.count("head_object") == 20
    assert world.changes() == ["put_object_legal_hold"] * 20


def test_an_object_on_hold_costs_one_look(world):
    keys = put_many(world, 1, encryption="aws:kms", kms_key_arn=world.KEY_ARN, hold=True)

    assert world.deliver(world.completed(*keys)) == []
    assert world.calls.count("head_object") == 1
    assert world.changes() == []


def test_a_secured_export_is_not_touched_again(world):
    keys = put_many(world, 1)
    message = world.completed(*keys, state="secured")

    assert world.deliver(message) == []
    assert world.changes() == []
    assert world.published == []


def test_an_event_of_a_secured_export_that_is_replayed_changes_nothing(world):
    keys = put_many(world, 1)
    event = json.loads(world.completed(*keys, state="secured"))
    event["dataschema"] = "urn:logferry:schema:export-completed:1.1"
    event["data"]["replayed_at"] = "2026-12-01T09:30:00.000Z"

    assert world.deliver(json.dumps(event)) == []
    assert world.changes() == []
    assert world.published == []
    assert world.ledger_state()[0] == "secured"


def test_what_a_failed_task_left_behind_is_not_held(world):
    (key,) = put_many(world, 1)
    left = key.replace("/direct/", f"/{world.TASK_ID}/")
    world.put(left)
    message = world.completed(key)

    assert world.deliver(*world.events, message) == []
    assert world.only(key).hold
    assert not world.only(left).hold


def test_the_log_names_bucket_key_and_version_of_each_object(world, log):
    keys = put_many(world, 20)

    world.deliver(world.completed(*keys))

    secured = [entry for entry in log() if entry["message"] == "secured"]
    assert {entry["object_key"] for entry in secured} == set(keys)
    assert {(entry["bucket"], entry["version_id"]) for entry in secured} == {(world.ARCHIVE, "v1")}


# Versions that are gone


def test_the_hold_goes_on_the_copy_that_replaced_the_manifests_version(world):
    (key,) = keys = put_many(world, 1, encryption="aws:kms:dsse")
    message = world.completed(*keys)
    world.deliver(world.events[0])
    assert [version.id for version in world.at(key)] == ["v2"]

    assert world.deliver(message) == []
    assert world.only(key).hold
    assert world.ledger_state()[0] == "secured"
    assert world.published[-1]["data"]["replaced_version_id"] == "v1"
    assert world.published[-1]["data"]["encryption"] == "copied"


def test_the_hold_goes_on_the_copy_of_a_retained_version(world):
    (key,) = keys = put_many(
        world, 1, lock_mode="GOVERNANCE", retain_until=world.NEXT_YEAR, encryption="AES256"
    )
    message = world.completed(*keys)
    world.deliver(*world.events)

    assert world.deliver(message) == []
    assert [(version.id, version.hold) for version in world.at(key)] == [
        ("v1", False),
        ("v2", True),
    ]


def test_a_missing_object_is_reported_loudly_and_the_export_is_not_secured(world, metrics):
    lost, kept = keys = put_many(world, 2)
    message = world.completed(*keys)
    world.versions[world.ARCHIVE, lost].clear()

    assert world.deliver(message) == []
    assert reasons(world) == ["object_missing"]
    assert lost in world.dead_letters[0][1]["detail"]
    assert world.ledger_state() == ("failed", 6)
    assert world.only(kept).hold
    assert metrics() == {"ObjectsUpdated": 1, "ObjectsHeld": 1, "ObjectsMissing": 1, "Refused": 1}


def failures(world):
    return [event for event in world.published if event["type"] == "logferry.export.failed.v1"]


def test_who_was_told_of_an_export_is_told_that_an_object_of_it_is_missing(world):
    lost, _ = keys = put_many(world, 2)
    message = world.completed(*keys)
    world.versions[world.ARCHIVE, lost].clear()

    world.deliver(message)

    told = json.loads(message)
    (event,) = failures(world)
    assert event["source"] == told["source"]
    assert event["id"] == f"{told['id']}-lost"
    assert event["data"]["export_id"] == told["data"]["export_id"]
    assert event["data"]["reason"] == "object_missing"
    assert lost in event["data"]["message"]
    _, again = event["data"]["mend"].split(": ")
    assert again == f"{ASKED_AGAIN} object_missing"
    _app(are_listed=False).parse_args(shlex.split(again)[1:], exit_on_error=False)
    record = world.ledger_record()
    assert record.failed.published_at is not None
    assert record.completed is not None


def test_a_dead_letter_of_a_lost_export_is_refused_until_it_was_asked_for_again(world):
    lost, _ = keys = put_many(world, 2)
    message = world.completed(*keys)
    world.versions[world.ARCHIVE, lost].clear()
    world.deliver(message)

    assert world.deliver(message) == []
    assert reasons(world) == ["object_missing", "object_missing"]
    assert world.dead_letters[1][1]["detail"].endswith(f": {ASKED_AGAIN} object_missing")
    assert len(failures(world)) == 1

    world.next_generation()
    assert world.deliver(message) == []
    assert len(world.dead_letters) == 2
    assert len(failures(world)) == 1


def test_a_lost_export_is_told_of_wherever_the_function_is_cut_off(world):
    lost, _ = keys = put_many(world, 2)
    message = world.completed(*keys)
    world.versions[world.ARCHIVE, lost].clear()
    for failure in (["put_object"], ["publish"]):
        world.failures = {name: ["SlowDown"] for name in failure}
        world.published.clear()
        assert len(world.deliver(message)) == 1
        assert world.dead_letters == []

    world.deliver(message)
    assert len(failures(world)) == 1
    assert reasons(world) == ["object_missing"]
    assert world.ledger_record().failed.published_at is not None


def test_an_export_that_has_failed_before_it_was_completed_is_not_secured(world):
    message = world.completed(*put_many(world, 1))
    record = world.ledger_record()
    failed = Failed(reason="not_as_recorded", message="", at="2026-11-23T06:30:00.000Z")
    world.put_ledger_record(record.as_failed(failed))

    world.deliver(message)
    assert reasons(world) == ["not_completed"]


def test_an_equal_object_at_the_key_is_not_taken_for_the_missing_one(world):
    (key,) = keys = put_many(world, 1)
    message = world.completed(*keys)
    world.versions[world.ARCHIVE, key].clear()
    world.put(key)

    assert world.deliver(message) == []
    assert reasons(world) == ["object_missing"]
    assert not world.only(key).hold


def test_a_copy_that_is_gone_too_is_missing(world):
    (key,) = keys = put_many(world, 1, encryption="aws:kms:dsse")
    message = world.completed(*keys)
    world.deliver(world.events[0])
    world.versions[world.ARCHIVE, key].clear()

    world.deliver(message)

    assert reasons(world) == ["object_missing"]


# Failures


def test_an_object_that_fails_does_not_keep_the_others_from_being_secured(world):
    keys = put_many(world, 20)
    message = world.completed(*keys)
    world.failures = {"put_object_legal_hold": ["SlowDown"]}

    assert world.deliver(message) == [message]
    assert sum(world.only(key).hold for key in keys) == 19
    assert world.ledger_state() == ("completed", 4)

    assert world.deliver(message, receive_count=2) == []
    assert all(world.only(key).hold for key in keys)
    assert world.ledger_state()[0] == "secured"


def test_a_refused_object_is_reported_and_the_others_are_secured(world):
    keys = put_many(world, 3)
    offline = f"{world.PREFIX}/direct/offline/000000.gz"
    world.put(offline, storage_class="GLACIER", hold=True)
    message = world.completed(*keys, offline)
    before = world.only(offline)

    assert world.deliver(message) == []
    assert reasons(world) == ["offline"]
    assert all(world.only(key).hold for key in keys)
    assert world.only(offline) == before
    assert world.ledger_state()[0] == "completed"


def test_trying_again_comes_before_giving_up(world):
    keys = put_many(world, 2)
    message = world.completed(*keys)
    world.versions[world.ARCHIVE, keys[0]].clear()
    world.failures = {"put_object_legal_hold": ["SlowDown"]}

    assert world.deliver(message) == [message]
    assert world.dead_letters == []


def test_what_is_left_when_the_time_is_up_is_done_next_time(world):
    keys = put_many(world, 30)
    message = world.completed(*keys)
    time = [60_000] * 11 + [0] * 100

    assert world.deliver(message, remaining_ms=time) == [message]
    assert sum(world.only(key).hold for key in keys) == 10
    assert world.ledger_state()[0] == "completed"

    assert world.deliver(message, receive_count=2) == []
    assert all(world.only(key).hold for key in keys)
    assert {event["data"]["key"] for event in world.published[10:]} == set(keys)


def test_an_exporter_that_writes_the_record_meanwhile_is_not_overwritten(world):
    message = world.completed(*put_many(world, 1))

    def exporter_notes_its_publication():
        ((key, (version,)),) = [
            (key, versions)
            for (bucket, key), versions in world.versions.items()
            if bucket == world.CONTROL and versions
        ]
        record = json.loads(version.body)
        record["revision"] += 1
        record["completed"]["published_at"] = "2026-11-23T06:05:00.000Z"
        world.control_object(key, json.dumps(record).encode())

    world.before["put_object"] = exporter_notes_its_publication

    assert world.deliver(message) == []
    assert world.ledger_state() == ("secured", 6)
    assert world.calls.count("put_object") == 2


def test_a_record_that_changes_all_the_time_returns_the_message(world):
    message = world.completed(*put_many(world, 1))
    world.failures = {"put_object": ["ConditionalRequestConflict"] * 5}

    assert world.deliver(message) == [message]
    assert world.deliver(message, receive_count=2) == []
    assert world.ledger_state()[0] == "secured"


def test_a_second_worker_that_was_faster_is_no_failure(world):
    message = world.completed(*put_many(world, 1))
    world.before["put_object"] = lambda: world.deliver(message)

    assert world.deliver(message) == []
    assert world.ledger_state() == ("secured", 5)


def test_without_a_key_no_object_is_held(world, metrics):
    message = world.completed(*put_many(world, 2))
    del world.parameters[world.KEY_PARAMETER]

    assert world.deliver(message) == [message]
    assert world.changes() == []
    assert metrics() == {"KeyProblem": 1}


# Messages that cannot be right


@pytest.mark.parametrize("state", ["requested", "failed"])
def test_objects_of_an_export_that_the_ledger_does_not_call_completed_are_not_held(world, state):
    message = world.completed(*put_many(world, 1))
    ((key, (version,)),) = [
        (key, versions)
        for (bucket, key), versions in world.versions.items()
        if bucket == "control-bucket"
    ]
    record = json.loads(version.body) | {
        "state": state,
        "failed": {"reason": "cancelled", "message": "m", "at": "2026-11-23T06:05:00.000Z"},
    }
    world.control_object(key, json.dumps(record).encode())

    assert world.deliver(message) == []
    assert world.changes() == []
    assert reasons(world) == ["not_completed"]


def test_an_export_without_a_record_is_dead_lettered(world):
    message = world.completed(*put_many(world, 1))
    for bucket, key in list(world.versions):
        if bucket == world.CONTROL:
            world.versions[bucket, key].clear()

    assert world.deliver(message) == []
    assert world.changes() == []
    assert reasons(world) == ["not_in_ledger"]


@pytest.mark.parametrize("elsewhere", [False, True])
def test_an_event_with_other_objects_than_the_ledger_has_secures_nothing(world, elsewhere):
    keys = put_many(world, 2)
    told_otherwise = world.completed(*keys[:1], elsewhere=elsewhere)
    ((record_key, _),) = [
        each for each in world.versions.items() if each[0][1].startswith("ledger/")
    ]
    world.versions[record_key].clear()
    world.completed(*keys)

    assert world.deliver(told_otherwise) == []
    assert world.changes() == []
    assert reasons(world) == ["not_as_recorded"]
    assert world.ledger_state()[0] == "completed"


def test_an_event_with_another_prefix_than_the_ledger_has_secures_nothing(world):
    message = json.loads(world.completed())
    message["data"]["destination"]["prefix"] = "shop/another/2026/11/21/00"

    assert world.deliver(json.dumps(message)) == []
    assert reasons(world) == ["not_as_recorded"]
    assert world.ledger_state()[0] == "completed"


def test_an_export_to_another_bucket_is_dead_lettered(world):
    message = world.completed(*put_many(world, 1), bucket="somebody-elses-bucket")

    assert world.deliver(message) == []
    assert world.calls == ["send_message"]
    assert reasons(world) == ["wrong_bucket"]


@pytest.mark.parametrize(
    "key", ["manual/upload.txt", "other-prod/group/2026/11/21/00/direct/s/000000.gz"]
)
def test_an_object_outside_the_exports_prefix_keeps_the_whole_export_untouched(world, key):
    keys = put_many(world, 2)
    world.put(key)

    assert world.deliver(world.completed(*keys, key)) == []
    assert not any(world.at(each)[0].hold for each in (*keys, key))
    assert reasons(world) == ["unknown_key"]


def test_an_export_whose_record_names_what_no_export_has_made_has_failed_and_can_be_planned(world):
    world.put("manual/upload.txt")
    message = world.completed("manual/upload.txt")

    world.deliver(message)
    assert world.ledger_state()[0] == "failed"
    (event,) = failures(world)
    assert event["data"]["reason"] == "not_as_recorded"

    assert world.deliver(message) == []
    assert reasons(world) == ["unknown_key", "not_as_recorded"]
    world.next_generation()
    world.deliver(message)
    assert len(world.dead_letters) == 2


def test_an_event_that_names_what_its_record_does_not_takes_nothing_back(world):
    message = json.loads(world.completed(*put_many(world, 1)))
    message["data"]["manifest"]["objects"][0]["key"] = "manual/upload.txt"

    world.deliver(json.dumps(message))
    assert reasons(world) == ["unknown_key"]
    assert world.changes() == []


def test_a_manifest_in_another_bucket_is_not_read(world):
    message = json.loads(world.completed(*put_many(world, 1), elsewhere=True))
    message["data"]["manifest"]["location"]["bucket"] = "somebody-elses-bucket"

    assert world.deliver(json.dumps(message)) == []
    assert reasons(world) == ["wrong_bucket"]
    assert world.changes() == []


@pytest.mark.parametrize("body", [b"{}", b"", None])
def test_a_manifest_that_is_not_what_the_event_says_is_not_believed(world, body):
    message = world.completed(*put_many(world, 1), elsewhere=True)
    if body is None:
        world.versions[world.CONTROL, "manifest/long.json"].clear()
    else:
        world.control_object("manifest/long.json", body)

    assert world.deliver(message) == []
    assert reasons(world) == ["manifest"]
    assert world.changes() == []


def test_an_export_event_that_breaks_its_contract_is_dead_lettered(world):
    message = json.loads(world.completed(*put_many(world, 1)))
    del message["data"]["manifest"]

    assert world.deliver(json.dumps(message)) == []
    assert reasons(world) == ["contract"]
    assert world.changes() == []


def added_to(world, *, told=True):
    """Add an object to the one export in the ledger; return the event of that, and its key."""
    record = world.ledger_record()
    folder = addendum_folder(record.export_id, 1)
    key = f"{world.PREFIX}/{folder}/stream-0000/000000.gz"
    world.put(key)
    added = ArchivedObject(key=key, version_id=world.only(key).id, size_bytes=1, etag="etag")
    at = "2026-11-26T02:12:00.000Z"
    addendum = Addendum(number=1, recounted_at=at, at=at, published_at=at if told else None)
    record = record.as_added([added], addendum)
    world.put_ledger_record(record)
    return emit(ExportCompleted.of_addendum(record, record.addenda[0])), key


def recorded(world):
    return world.ledger_record().completed.manifest.objects


@pytest.mark.parametrize("state", ["completed", "secured"])
def test_what_was_added_to_an_export_is_secured_and_so_is_all_else_of_it(world, state):
    keys = put_many(world, 2)
    world.completed(*keys, state=state)
    event, added = added_to(world, told=False)  # its exporter may not have noted that yet

    assert world.deliver(event) == []
    assert all(world.only(key).hold for key in [*keys, added])
    assert world.ledger_state()[0] == "secured"


def test_the_event_of_before_something_was_added_secures_that_as_well(world):
    keys = put_many(world, 2)
    message = world.completed(*keys)
    _, added = added_to(world)

    assert world.deliver(message) == []
    assert all(world.only(key).hold for key in [*keys, added])
    assert world.ledger_state()[0] == "secured"


def test_what_was_added_and_not_announced_is_held_and_keeps_the_record_from_secured(world):
    """Its own event is to come; should it not, the sweep tells."""
    keys = put_many(world, 2)
    message = world.completed(*keys)
    event, added = added_to(world, told=False)

    assert world.deliver(message) == []
    assert all(world.only(key).hold for key in [*keys, added])
    assert world.ledger_state()[0] == "completed"
    assert world.deliver(event) == []
    assert world.ledger_state()[0] == "secured"


def test_what_is_added_while_the_others_are_secured_is_not_taken_for_secured(world):
    (key,) = put_many(world, 1)
    message = world.completed(key)
    world.before["put_object_legal_hold"] = lambda: added_to(world)

    assert len(world.deliver(message)) == 1
    assert world.ledger_state()[0] == "completed"
    assert world.deliver(message) == []
    assert all(world.only(each.key).hold for each in recorded(world))
    assert world.ledger_state()[0] == "secured"


def test_an_addendum_that_the_ledger_does_not_have_secures_nothing(world):
    keys = put_many(world, 2)
    world.completed(*keys)
    event, added = added_to(world)
    forged = json.loads(event)
    forged["data"]["manifest"]["objects"][0]["version_id"] = "forged"

    assert world.deliver(json.dumps(forged)) == []
    assert reasons(world) == ["not_as_recorded"]
    assert not world.only(added).hold
