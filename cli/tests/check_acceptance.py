"""The acceptance kit as a whole, against the embedded LocalStack; then each answer falsified.

`make acceptance-check` runs it.
"""

import io
import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.response import StreamingBody

from devstack.suite import REGION, Suite
from logferry.acceptance import flow, report
from logferry.acceptance.answer import Answer
from logferry.acceptance.bench import Bench
from logferry.acceptance.probes import PROBES
from logferry.acceptance.run import Run
from logferry.acceptance.state import State
from logferry.acceptance.steps import Outcome, carry_out
from logferry.package import Zip

pytestmark = pytest.mark.localstack

NOT_HERE = {"written-masked", "policy-of-an-organization"}
"""What LocalStack cannot answer: it masks nothing, and blocks no public policy."""
PATIENCE_S = 60
TASKS = {"running_s": 0.5, "cancel_s": 1.0, "part_bytes": 1_000_000}
"""Long enough to be asked for another one, and to be cancelled; a stream of 3 MB has 3 objects."""
PARTS_MB = 3

type Falsify = Callable[[boto3.Session], None]


@pytest.fixture(scope="module")
def account_ids(localstack: str) -> Iterator[tuple[str, str]]:
    """Two sandboxes, in which roles may do what their policies allow."""
    first = 10**11 + secrets.randbelow(8 * 10**11)
    account_ids = str(first), str(first + 1)
    suite = Suite(localstack, hub_account_id=account_ids[0], accounts={})
    for account_id in account_ids:
        suite.control("exports", {"account": account_id, **TASKS})
        suite.control("authorization", {"account": account_id, "enforced": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", localstack)
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield account_ids


@pytest.fixture(scope="module")
def state(
    account_ids: tuple[str, str], zips: list[Zip], tmp_path_factory: pytest.TempPathFactory
) -> State:
    run = Run.begun(account_ids[0], REGION, zips[0].architecture, datetime.now(UTC))
    run = replace(run, other_account_id=account_ids[1], parts_mb=PARTS_MB)
    return State(tmp_path_factory.mktemp("acceptance") / "state.json", run)


def bench_of(run: Run, falsify: Falsify = lambda _: None) -> Bench:
    hub, source = (
        boto3.Session(
            aws_access_key_id=account_id,  # LocalStack takes the access key for the account
            aws_secret_access_key="any",  # and does not look at this
            region_name=REGION,
        )
        for account_id in (run.account_id, run.source_account_id)
    )
    falsify(hub)
    if run.other_account_id:
        falsify(source)
    return Bench(
        hub, run, source_session=source if run.other_account_id else None, patience_s=PATIENCE_S
    )


@pytest.fixture(scope="module")
def kept(state: State, zips: list[Zip]) -> Outcome:
    """A run of everything, which is kept."""
    return carry_out(bench_of(state.run), state, zips, keep=True)


def test_everything_is_as_expected_or_cannot_be_answered_here(kept: Outcome) -> None:
    by_verdict: dict[str, set[str]] = {}
    for answer in kept.answers:
        by_verdict.setdefault(answer["verdict"], set()).add(answer["name"])
    flow_names = {"flow-planned", "flow-secured", "flow-sealed", "flow-searched", "flow-events"}
    probes = {probe.question.name for probe in PROBES}
    assert by_verdict == {
        "as expected": flow_names | probes - NOT_HERE,
        "cannot be answered here": NOT_HERE,
    }, kept.answers


def test_what_is_to_be_sent_has_no_account_id_name_or_arn(kept: Outcome, state: State) -> None:
    text = json.dumps(report.shareable(state.run, kept.answers))
    run = state.run
    for hidden in (run.account_id, run.source_account_id, run.id, "arn:aws", "127.0.0.1"):
        assert hidden not in text
    assert "MalformedPolicy" in text


def refuse(operation: str, code: str, *, from_call: int = 1) -> Falsify:
    """AWS refuses a call, with another code than expected, from its n-th time on."""
    return instead(operation, 400, {"Error": {"Code": code, "Message": "falsified"}}, from_call)


def refuse_after(first: str, operation: str, code: str) -> Falsify:
    """AWS refuses a call with another code than expected, once another call has been made."""
    made = [False]
    answer = {"Error": {"Code": code, "Message": "falsified"}, "ResponseMetadata": {}}

    def before(**_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        return (AWSResponse("", 400, {}, None), answer) if made[0] else None  # type: ignore[arg-type]

    def register(session: boto3.Session) -> None:
        session.events.register(f"after-call.{first}", lambda **_: made.__setitem__(0, True))
        session.events.register(f"before-call.{operation}", before)  # type: ignore[arg-type]

    return register


def accept(operation: str, answer: dict[str, Any] | None = None, *, from_call: int = 1) -> Falsify:
    """AWS takes a call that it would have refused, and does nothing."""
    return instead(operation, 200, answer or {}, from_call)


def instead(operation: str, status: int, answer: dict[str, Any], from_call: int) -> Falsify:
    calls = [0]

    def before(**_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        calls[0] += 1
        if calls[0] < from_call:
            return None
        parsed = {**answer, "ResponseMetadata": {"HTTPStatusCode": status}}
        return AWSResponse("", status, {}, None), parsed  # type: ignore[arg-type]

    return lambda session: session.events.register(f"before-call.{operation}", before)  # type: ignore[arg-type]


def changed(operation: str, change: Callable[[dict[str, Any]], None]) -> Falsify:
    """AWS answers something else."""

    def after(parsed: dict[str, Any], **_: Any) -> None:
        change(parsed)

    return lambda session: session.events.register(f"after-call.{operation}", after)


def asked_otherwise(operation: str, change: Callable[[dict[str, Any]], None]) -> Falsify:
    def before(params: dict[str, Any], **_: Any) -> None:
        change(params)

    return lambda session: session.events.register(f"provide-client-params.{operation}", before)


def all_of(*falsifiers: Falsify) -> Falsify:
    def register(session: boto3.Session) -> None:
        for each in falsifiers:
            each(session)

    return register


def by_ingestion_time(params: dict[str, Any]) -> None:
    """Give an export of today what is yesterday's, and the other way round."""
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    day_ms = 86_400_000
    is_today = params["to"] > now_ms - 3_600_000
    midnight_ms = now_ms // day_ms * day_ms
    from_ms, to_ms = (midnight_ms - day_ms, midnight_ms) if is_today else (now_ms - 1000, now_ms)
    params["fromTime"], params["to"] = from_ms, to_ms


def ended_as(status: str) -> Callable[[dict[str, Any]], None]:
    def change(parsed: dict[str, Any]) -> None:
        for task in parsed["exportTasks"]:
            if task["status"]["code"] in {"COMPLETED", "CANCELLED"}:
                task["status"]["code"] = status

    return change


def without_the_first(parsed: dict[str, Any]) -> None:
    parsed["Contents"] = [
        each for each in parsed.get("Contents", []) if not each["Key"].endswith("000000.gz")
    ]


def body_of(parsed: dict[str, Any], change: Callable[[bytes], bytes]) -> None:
    if "Body" in parsed:
        content = change(parsed["Body"].read())
        parsed["Body"] = StreamingBody(io.BytesIO(content), len(content))


def doubled(parsed: dict[str, Any]) -> None:
    """Gzip files that follow each other are one file of both."""
    body_of(parsed, lambda content: content * 2 if content[:2] == b"\x1f\x8b" else content)


def in_the_slot(parsed: dict[str, Any]) -> None:
    body_of(parsed, lambda text: text.replace(b'"lane":"direct"', b'"lane":"slot"'))


def without_checksum(parsed: dict[str, Any]) -> None:
    for name in [name for name in parsed if name.startswith("Checksum")]:
        del parsed[name]


def another_etag(parsed: dict[str, Any]) -> None:
    parsed["ETag"] = f'"{secrets.token_hex(16)}"'


def events_say(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def rewrite(parsed: dict[str, Any]) -> None:
        for message in parsed.get("Messages", []):
            body = json.loads(message["Body"])
            change(body["detail"])
            message["Body"] = json.dumps(body)

    return rewrite


def quoted_key(detail: dict[str, Any]) -> None:
    detail["object"]["key"] = quote(detail["object"]["key"])


def another_reason(detail: dict[str, Any]) -> None:
    detail["reason"] = "ReplaceObject"


def told_later(parsed: dict[str, Any]) -> None:
    """Stretch the time between deliveries."""
    for message in parsed.get("Messages", []):
        told = json.loads(message["Body"])
        told["at"] *= 60
        message["Body"] = json.dumps(told)


def halved(parsed: dict[str, Any]) -> None:
    for result in parsed["MetricDataResults"]:
        result["Values"] = [value / 2 for value in result["Values"]]


def masked(parsed: dict[str, Any]) -> None:
    for event in parsed["events"]:
        event["message"] = "mail to *******************"


FALSIFIED: dict[str, Falsify] = {
    "export-range": asked_otherwise("logs.CreateExportTask", by_ingestion_time),
    "export-before-creation": refuse("logs.CreateExportTask", "InvalidParameterException"),
    "export-empty": changed("logs.DescribeExportTasks", ended_as("FAILED")),
    "export-second-task": refuse("logs.CreateExportTask", "ConflictException", from_call=2),
    "export-cancelling": refuse_after(
        "logs.CancelExportTask", "logs.CreateExportTask", "ConflictException"
    ),
    "export-cancelled": changed("logs.DescribeExportTasks", ended_as("FAILED")),
    "export-order": changed(
        "logs.DescribeExportTasks", lambda parsed: parsed["exportTasks"].reverse()
    ),
    "written-lines": changed("s3.GetObject", doubled),
    "written-checksum": changed("s3.HeadObject", without_checksum),
    "written-masked": all_of(
        accept("logs.PutDataProtectionPolicy"), changed("logs.FilterLogEvents", masked)
    ),
    "written-parts": changed("s3.ListObjectsV2", without_the_first),
    "object-encrypted-in-place": changed("s3.HeadObject", another_etag),
    "object-under-a-disabled-key": refuse("s3.GetObject", "AccessDenied"),
    "event-keys": changed("sqs.ReceiveMessage", events_say(quoted_key)),
    "event-reason": changed("sqs.ReceiveMessage", events_say(another_reason)),
    "policy-names-nobody": accept("s3.PutBucketPolicy"),
    "policy-names-a-closed-account": accept("kms.PutKeyPolicy"),
    "policy-size": accept("s3.PutBucketPolicy"),
    "policy-of-an-organization": refuse("s3.PutBucketPolicy", "AccessDenied"),
    "metric-delay": changed("cloudwatch.GetMetricData", halved),
    "function-changing": accept("lambda.UpdateFunctionCode"),
    "mapping-changing": accept("lambda.UpdateEventSourceMapping"),
    "mapping-visibility": refuse("lambda.CreateEventSourceMapping", "ResourceConflictException"),
    "queue-name-again": accept("sqs.CreateQueue", {"QueueUrl": "gone"}, from_call=2),
    "message-given-back": changed("sqs.ReceiveMessage", told_later),
    "export-permissions": refuse("logs.CreateExportTask", "AccessDeniedException"),
}
"""AWS's answers as they would be if AWS did otherwise than our code expects, by the probe."""


def test_every_probe_is_falsified() -> None:
    assert list(FALSIFIED) == [probe.question.name for probe in PROBES]


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.question.name)
def test_a_false_answer_is_a_difference(probe: Any, kept: Outcome, state: State) -> None:
    answer = probe.answer(bench_of(state.run, FALSIFIED[probe.question.name]))
    assert answer.verdict == "differs", answer


@pytest.mark.parametrize(
    ("take", "falsify"),
    [
        (flow.plan, changed("s3.GetObject", in_the_slot)),
        (flow.verify, changed("s3.GetObject", doubled)),
        (flow.search, changed("s3.GetObject", doubled)),
        (flow.compare, changed("s3.GetObject", doubled)),
    ],
)
def test_a_false_archive_is_a_difference(
    take: Callable[[Bench], Answer], falsify: Falsify, kept: Outcome, state: State
) -> None:
    assert take(bench_of(state.run, falsify)).verdict == "differs"


def no_object(parsed: dict[str, Any]) -> None:
    parsed.pop("Contents", None)


def test_what_had_no_answer_is_asked_again_when_a_run_is_resumed(
    kept: Outcome, state: State, zips: list[Zip], tmp_path: Path
) -> None:
    (probe,) = [each for each in PROBES if each.question.name == "export-range"]
    told: list[str] = []
    earlier = State(tmp_path / "state.json", state.run, list(state.done), dict(state.answers))
    # Log data may take 12 hours to be there for export.
    earlier.add(probe.answer(bench_of(state.run, changed("s3.ListObjectsV2", no_object))))
    assert earlier.answers["export-range"]["verdict"] == "not answered"

    later = State.load(earlier.path)
    outcome = carry_out(bench_of(later.run), later, zips, keep=True, tell=told.append)

    assert told == ["export-range"]
    assert {each["name"]: each["verdict"] for each in outcome.answers} == {
        each["name"]: each["verdict"] for each in kept.answers
    }


def test_a_run_that_was_kept_is_gone_on_with_and_removed(
    kept: Outcome, state: State, zips: list[Zip]
) -> None:
    told: list[str] = []

    outcome = carry_out(
        bench_of(state.run), State.load(state.path), zips, keep=False, tell=told.append
    )

    # Everything had its answer.
    assert told == ["remove", "left: keys that KMS deletes in 7 days: 4"]
    assert outcome.answers == kept.answers
    assert outcome.left == []
    for each in bench_of(state.run).accounts:
        assert everything_in(each) == []


def everything_in(bench: Bench) -> list[str]:
    """What is in the account, asked otherwise than by tags."""
    kms, iam = bench.client("kms"), bench.client("iam")
    stacks = bench.client("cloudformation").describe_stacks()["Stacks"]
    keys = [kms.describe_key(KeyId=key["KeyId"]) for key in kms.list_keys()["Keys"]]
    lists: tuple[list[Any], ...] = (
        bench.client("s3").list_buckets()["Buckets"],
        [key for key in keys if key["KeyMetadata"]["KeyState"] != "PendingDeletion"],
        bench.client("logs").describe_log_groups()["logGroups"],
        bench.client("sqs").list_queues().get("QueueUrls", []),
        bench.client("sns").list_topics()["Topics"],
        bench.client("lambda").list_functions()["Functions"],
        bench.client("lambda").list_event_source_mappings()["EventSourceMappings"],
        iam.list_roles()["Roles"],
        bench.client("events").list_rules()["Rules"],
        bench.client("ssm").describe_parameters()["Parameters"],
        bench.client("scheduler").list_schedules()["Schedules"],
        [stack for stack in stacks if stack["StackStatus"] != "DELETE_COMPLETE"],
    )
    return [str(each) for some in lists for each in some]
