"""A source's recounter as it is deployed, and the sealer that takes its word into a seal."""

import gzip
import time
from datetime import UTC, datetime

import pytest
from tests.sealed_account import Account

from devstack import organisation
from devstack.suite import yesterday
from logferry.bucket_store import BucketStore
from logferry_contracts.addendum import split_manifest
from logferry_contracts.documents import examples
from logferry_contracts.ledger_key import LACKING_NOTES, recount_key, seal_note_key
from logferry_contracts.message import timestamp
from logferry_contracts.recount import Recount
from logferry_contracts.verification.findings import Note
from logferry_contracts.verification.verifier import Verifier
from logferry_contracts.wire import parse

pytestmark = pytest.mark.localstack

PATIENCE_S = 300


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

    def is_added(record):
        return bool(record.addenda) and record.state == "secured"

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
