"""A source's recounter as it is deployed, and the sealer that takes its word into a seal."""

import gzip
import secrets
import time
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest
from tests.alarms import Alarms
from tests.sealed_account import Account

from devstack import organisation
from devstack.suite import yesterday
from logferry.bucket_store import BucketStore
from logferry_contracts.addendum import split_manifest
from logferry_contracts.documents import examples
from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_key import LACKING_NOTES, recount_key, seal_note_key
from logferry_contracts.ledger_record import Skipped
from logferry_contracts.message import epoch_ms, timestamp
from logferry_contracts.recount import Recount
from logferry_contracts.verification.findings import Note
from logferry_contracts.verification.verifier import Verifier
from logferry_contracts.window import Window
from logferry_contracts.wire import emit, parse

pytestmark = pytest.mark.localstack

PATIENCE_S = 300
NOT_ADDED = "sealer-late-events-not-added"


def variables(suite, function, **changes):
    """Let a function have other variables in its environment; returns those that it had."""
    functions = suite.client("lambda")
    before = functions.get_function_configuration(FunctionName=function)["Environment"]
    functions.update_function_configuration(
        FunctionName=function, Environment={"Variables": before["Variables"] | changes}
    )
    functions.get_waiter("function_updated_v2").wait(FunctionName=function)
    return before["Variables"]


@pytest.fixture(scope="module")
def recounter(suite, zips):
    """The function of a source's recounter, which counts at once what there is."""
    function = suite.deploy_recounter(zips, "alpha")
    variables(suite, function, LAG_MINUTES="0", OPEN_AFTER_DAYS="0")
    return function


def recount(suite, control, record):
    """What CloudWatch was counted to have of an export; None for nothing."""
    s3 = suite.client("s3")
    key = recount_key(record.source, record.window, record.export_id)
    try:
        found = s3.get_object(Bucket=control, Key=key)["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return parse(Recount, found).recount


def test_what_each_lane_has_exported_is_counted_by_a_call_that_it_was_not_read_by(
    suite, recounter, tap, name, records, some_logs
):
    """An event that came in after the export is among those that CloudWatch has."""
    control, window = suite.parameter("/logferry/control/bucket"), yesterday()
    lanes = {f"{name}/direct": "direct", f"{name}/slot": "slot", f"{name}/cold": "slot"}
    account_id = suite.source("alpha").account_id
    for each, lane in lanes.items():
        log_group_class = "INFREQUENT_ACCESS" if each.endswith("cold") else "STANDARD"
        events = [(window.from_ms + n, "hello") for n in range(5)] + [(window.to_ms, "next")]
        stream = organisation.LogStream("web", events)
        group = organisation.LogGroup(each, window.from_ms - 1, [stream], log_group_class)
        suite.put_logs(account_id, [group])
        suite.send_request(
            suite.export_request("alpha", each, lane=lane, log_group_class=log_group_class)
        )
    tap.until(lambda: all([r.state for r in records(each)] == ["secured"] for each in lanes))
    late = organisation.LogStream("web", [(window.to_ms - 1, "late")])
    for each in lanes:
        suite.put_logs(account_id, [organisation.LogGroup(each, window.from_ms - 1, [late])])

    request = next(e.text for e in examples("accept", "recount-request"))
    done = {each: records(each)[0] for each in lanes}
    deadline = time.monotonic() + PATIENCE_S
    while not all(recount(suite, control, each) for each in done.values()):
        assert time.monotonic() < deadline
        answer = suite.client("lambda").invoke(FunctionName=recounter, Payload=request)
        assert "FunctionError" not in answer, answer["Payload"].read()

    found = {each: recount(suite, control, record) for each, record in done.items()}
    assert {each: (said.by, said.events) for each, said in found.items()} == {
        f"{name}/direct": ("insights", 6),
        f"{name}/slot": ("filter", 6),
        f"{name}/cold": ("insights", 6),
    }


def test_what_came_in_late_is_added_to_what_either_lane_has_archived(
    suite, recounter, tap, name, records, some_logs
):
    """The recounter asks, the exporter reads, compares and writes, the sse-enforcer secures."""
    control, window = suite.parameter("/logferry/control/bucket"), yesterday()
    lanes = {f"{name}/direct": "direct", f"{name}/slot": "slot"}
    account_id = suite.source("alpha").account_id

    def put(each, *events):
        stream = organisation.LogStream("web", list(events))
        suite.put_logs(account_id, [organisation.LogGroup(each, window.from_ms - 1, [stream])])

    for each, lane in lanes.items():
        put(each, (window.from_ms, "hello"), (window.to_ms, "next"))
        suite.send_request(
            suite.export_request("alpha", each, lane=lane, log_group_class="STANDARD")
        )
    tap.until(lambda: all([r.state for r in records(each)] == ["secured"] for each in lanes))
    request = next(e.text for e in examples("accept", "recount-request"))
    for each in lanes:
        put(each, (window.to_ms - 1, "late"))
        (done,) = records(each)
        said = {"by": "filter", "at": timestamp(datetime.now(UTC)), "events": 2}
        told = Recount.of(
            source=done.source, window=done.window, export_id=done.export_id, recount=said
        )
        where = (done.source.account_id, done.source.region, done.window, each)
        for key, body in (
            (recount_key(done.source, done.window, done.export_id), told.text()),
            (seal_note_key(LACKING_NOTES, *where), each.encode()),
        ):
            suite.client("s3").put_object(Bucket=control, Key=key, Body=body)
    answer = suite.client("lambda").invoke(FunctionName=recounter, Payload=request)
    assert "FunctionError" not in answer, answer["Payload"].read()

    tap.until(lambda: all(is_added(each) for name in lanes for each in records(name)))
    for each in lanes:
        (done,) = records(each)
        own, (added,) = split_manifest(done.export_id, done.completed.manifest)
        assert [texts(suite, some) for some in (own, added)] == [["hello"], ["late"]]


def texts(suite, manifest):
    """The messages of a manifest's objects but for those of the window's end."""
    s3 = suite.client("s3")
    bodies = [
        s3.get_object(Bucket=suite.archive_bucket, Key=each.key)["Body"].read()
        for each in manifest.objects
    ]
    lines = [line for body in bodies for line in gzip.decompress(body).decode().splitlines()]
    return [line.split(" ", 1)[1] for line in lines if not line.endswith(" next")]


def test_what_was_added_and_not_told_is_told_once_its_export_is_asked_for_again(
    suite, tap, name, records
):
    """Whoever adds may die before the event of it, and its message may be purged then.

    What asks to add is put into the slot's queue, as a person does with a dead letter.
    """
    window = yesterday()
    put(suite, name, window, "web", (window.from_ms, "hello"))
    asked = suite.export_request("alpha", name, lane="direct", log_group_class="STANDARD")
    suite.send_request(asked)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])
    put(suite, name, window, "web", (window.to_ms - 1, "late"))
    late = asked.model_copy(update={"recounted_at": timestamp(datetime.now(UTC))})
    ask(suite, late, asked.source.queue_name)

    def told():
        return [each for each in tap.of("export.completed", name) if each.get("addendum") == 1]

    tap.until(lambda: told() and all(is_added(each) for each in records(name)))
    (done,) = records(name)
    [addendum] = done.addenda
    untold = [addendum.model_copy(update={"published_at": None})]
    again = done.model_copy(update={"addenda": untold, "state": "completed", "secured": None})
    control = suite.parameter("/logferry/control/bucket")
    suite.client("s3").put_object(Bucket=control, Key=again.key, Body=emit(again).encode())
    tap.events.clear()
    ask(suite, asked)
    tap.until(lambda: told() and all(is_added(each) for each in records(name)))
    (done,) = records(name)
    assert done.addenda[0].published_at is not None


def ask(suite, asked, queue_name=None):
    """Put a request into a queue, the direct lane's by default, whatever came before."""
    event = ExportRequested.of(asked, id=asked.export_id, source="urn:test", time=datetime.now(UTC))
    suite.client("sqs").send_message(
        QueueUrl=suite.queue_url(queue_name or asked.source.direct_queue_name),
        MessageBody=emit(event),
        MessageGroupId=asked.source.direct_slot,
        MessageDeduplicationId=secrets.token_hex(16),
    )


def is_added(record):
    """Whether an export has an addendum, and all of its objects are held."""
    return bool(record.addenda) and record.state == "secured"


def test_a_seal_says_what_was_counted_and_whoever_verifies_it_is_told_of_a_difference(suite, tap):
    function = "logferry-sealer"
    before = variables(suite, function, RECOUNT_WITHIN_HOURS="168")
    account = Account(suite)
    done = account.export("/a")
    said = {"by": "insights", "at": timestamp(datetime.now(UTC)), "events": 3}
    counted = Recount.of(
        source=done.source, window=done.window, export_id=done.export_id, recount=said
    )
    account.put(recount_key(done.source, done.window, done.export_id), counted.text())
    account.inventory("/a", excluded="/b")
    account.ask()
    tap.until(lambda: account.sealed(tap))
    variables(suite, function, RECOUNT_WITHIN_HOURS=before["RECOUNT_WITHIN_HOURS"])

    chain = account.checked()
    store = BucketStore(suite.client("s3"), suite.archive_bucket)
    verifier = Verifier(store, chain, "events")
    [told] = [
        each
        for link in chain.links
        for each in verifier.check(link)
        if isinstance(each, Note) and "CloudWatch" in str(each)
    ]
    assert "CloudWatch Logs had 2 events that are not in the archive" in str(told)


def days_ago(window, days):
    """A window, so many days earlier."""
    earlier = {name: each - days * 86_400_000 for name, each in window.model_dump().items()}
    return Window(**earlier)


def put(suite, name, window, stream, *events):
    """Put events into a log group that is as old as its window."""
    some = organisation.LogStream(stream, list(events))
    group = organisation.LogGroup(name, window.from_ms - 1, [some])
    suite.put_logs(suite.source("alpha").account_id, [group])


def come_in(suite, name, stream, *events):
    """Put events now: what `put` does was ingested when it happened."""
    logs = suite.client("logs", suite.source("alpha").account_id)
    logs.create_log_stream(logGroupName=name, logStreamName=stream)
    logs.put_log_events(
        logGroupName=name,
        logStreamName=stream,
        logEvents=[{"timestamp": at_ms, "message": message} for at_ms, message in events],
    )


def request_at(suite, name, window):
    """The request for another window than the previous day's."""
    asked = suite.export_request("alpha", name, lane="direct", log_group_class="STANDARD")
    log_group = asked.log_group.model_copy(update={"created_ms": window.from_ms - 1})
    of = export_id(asked.source, name, window, 1)
    return asked.model_copy(update={"window": window, "export_id": of, "log_group": log_group})


def invoke(suite, function, revisit_days):
    """Let a recounter look; returns the end of what it has logged."""
    variables(suite, function, REVISIT_DAYS=revisit_days)
    request = next(e.text for e in examples("accept", "recount-request"))
    answer = suite.client("lambda").invoke(FunctionName=function, Payload=request, LogType="Tail")
    assert "FunctionError" not in answer, answer["Payload"].read()
    return b64decode(answer.get("LogResult", "")).decode()


def exported_as_large(suite, tap, name, records, window):
    """Have one event exported as if there were more than what is counted by pages."""
    put(suite, name, window, "web/1", (window.from_ms, "hello"))
    asked = request_at(suite, name, window)
    suite.send_request(asked.model_copy(update={"estimated_bytes": 30_000_000}))
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])
    (done,) = records(name)
    return done


def added_to(suite, tap, name, records):
    """Wait for one addendum, and return the texts of the export's own events and of those added."""
    tap.until(lambda: all(r.addenda and r.state == "secured" for r in records(name)))
    (done,) = records(name)
    own, (added,) = split_manifest(done.export_id, done.completed.manifest)
    return [texts(suite, some) for some in (own, added)]


def test_late_events_of_a_large_window_are_found_by_their_stream_and_added(
    suite, recounter, tap, name, records, some_logs
):
    control, window = suite.parameter("/logferry/control/bucket"), days_ago(yesterday(), 2)
    done = exported_as_large(suite, tap, name, records, window)
    invoke(suite, recounter, "none")
    assert recount(suite, control, done).events == 1
    come_in(suite, name, "web-1", (window.from_ms, "hello"), (window.to_ms - 1, "late"))
    # As if it had been counted hours before the agent came back.
    said = {"by": "insights", "at": timestamp(datetime.now(UTC) - timedelta(hours=3)), "events": 1}
    told = Recount.of(
        source=done.source, window=window, export_id=done.export_id, recount=said
    ).text()
    key = recount_key(done.source, window, done.export_id)
    suite.client("s3").put_object(Bucket=control, Key=key, Body=told)
    answered = invoke(suite, recounter, "1")
    found = suite.client("s3").get_object(Bucket=control, Key=key)["Body"].read()
    late = parse(Recount, found)
    assert (late.recount.by, late.recount.events, late.late_streams) == (
        ("streams", 3, ["web-1", "web/1"])  # their events are in one folder
    ), answered

    where = (done.source.account_id, done.source.region, window, name)
    note = seal_note_key(LACKING_NOTES, *where)
    suite.client("s3").put_object(Bucket=control, Key=note, Body=name.encode())
    invoke(suite, recounter, "none")
    own, added = added_to(suite, tap, name, records)
    assert (own, sorted(added)) == (["hello"], ["hello", "late"])  # of which stream nobody can tell


@pytest.mark.deep
def test_late_events_that_no_look_can_count_are_compared_and_added(
    suite, recounter, tap, name, records, some_logs
):
    """They came in at about the time of the count: nobody knows whether they are in it.

    More than a day allows is told by an alarm, until the setting lets it be added.
    """
    control, window = suite.parameter("/logferry/control/bucket"), days_ago(yesterday(), 2)
    done = exported_as_large(suite, tap, name, records, window)
    invoke(suite, recounter, "none")
    come_in(suite, name, "agent", (window.to_ms - 1, "late"))
    began_ms = epoch_ms(datetime.now(UTC))
    before = variables(suite, recounter, ADD_MB_PER_DAY="29")  # of this window there are 30
    invoke(suite, recounter, "1")
    assert recount(suite, control, done).events == 1  # as it was
    assert not Alarms(suite, since_ms=began_ms).is_on(NOT_ADDED)

    invoke(suite, recounter, "none")
    tap.until(lambda: Alarms(suite, since_ms=began_ms).is_on(NOT_ADDED))
    variables(suite, recounter, ADD_MB_PER_DAY=before["ADD_MB_PER_DAY"])  # as the page says
    healed_ms = epoch_ms(datetime.now(UTC))
    invoke(suite, recounter, "none")
    assert added_to(suite, tap, name, records) == [["hello"], ["late"]]
    assert not Alarms(suite, since_ms=healed_ms).is_on(NOT_ADDED)


@pytest.mark.deep
def test_a_window_that_was_skipped_as_empty_is_exported_once_it_is_not(
    suite, recounter, tap, name, records, some_logs
):
    control, window = suite.parameter("/logferry/control/bucket"), days_ago(yesterday(), 2)
    suite.put_logs(
        suite.source("alpha").account_id, [organisation.LogGroup(name, window.from_ms - 1, [])]
    )
    first = request_at(suite, name, window).first_record(datetime.now(UTC) - timedelta(hours=1))
    skipped = {"reason": "empty", "at": first.requested_at}
    known = first.model_copy(update={"state": "skipped", "skipped": Skipped(**skipped)})
    suite.client("s3").put_object(Bucket=control, Key=known.key, Body=emit(known).encode())
    invoke(suite, recounter, "none")
    come_in(suite, name, "agent", (window.to_ms - 1, "late"))
    invoke(suite, recounter, "1")

    tap.until(lambda: sorted(r.state for r in records(name)) == ["secured", "skipped"])
    (done,) = [each for each in records(name) if each.state == "secured"]
    assert (done.generation, texts(suite, done.completed.manifest)) == (2, ["late"])
