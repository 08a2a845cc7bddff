"""A source's recounter as it is deployed, and the sealer that takes its word into a seal."""

import time
from datetime import UTC, datetime

import pytest
from tests.sealed_account import Account

from devstack import organisation
from devstack.suite import yesterday
from logferry.bucket_store import BucketStore
from logferry_contracts.documents import examples
from logferry_contracts.ledger_key import recount_key
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
