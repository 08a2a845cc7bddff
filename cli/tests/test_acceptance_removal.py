"""Nothing is left of a run, wherever it was cut off: on moto, with a small stack for the suite."""

import functools
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID

from logferry.acceptance import steps
from logferry.acceptance.bench import Bench
from logferry.acceptance.making import TEMPLATE, probes_stack
from logferry.acceptance.removal import Removal
from logferry.acceptance.run import PREFIX, Run
from logferry.acceptance.state import State
from logferry.stack import deploy_stack
from logferry.template import load_template

REGION = "eu-west-1"
A_FEW = ("CreateChangeSet", "CreateEventSourceMapping")
"""Calls after which a run is cut off: while it makes things, and late among the probes."""
READING = ("Describe", "Filter", "Get", "Head", "List", "Receive")
NOT_IN_MOTO = ("logs.PutDataProtectionPolicy", "s3.UpdateObjectEncryption")
NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
YEARS_LATER = datetime(2100, 1, 1, tzinfo=UTC)


class Cut(BaseException):
    """What Ctrl-C is."""


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)


IN_THE_STACK = ("Events", "Fifo", "FunctionRole", "Seen")


@pytest.fixture
def _small_suite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No suite is deployed and nothing planned; what a stack retains is made beside it.

    moto's CloudFormation makes no tagged key, and deletes what a template retains.
    """
    template = load_template(TEMPLATE.read_text())
    template["Resources"] = {name: template["Resources"][name] for name in IN_THE_STACK}
    path = tmp_path / "probes.json"
    path.write_text(json.dumps(template))
    retained: dict[str, str] = {}
    of_the_stack = Bench.resource

    def make(bench: Bench, _zips: object, _watch: object) -> None:
        retained.update(make_what_is_retained(bench.run))
        stack = replace(probes_stack(bench.run), template=str(path))
        deploy_stack(bench.session, stack, region=REGION)

    def resource(bench: Bench, logical_id: str) -> str:
        return retained.get(logical_id) or of_the_stack(bench, logical_id)

    monkeypatch.setattr(Bench, "resource", resource)
    monkeypatch.setattr(steps, "make", make)
    monkeypatch.setattr(steps, "_FLOW", ())


@functools.cache
def unwatched(service: str) -> Any:
    """Return a client whose calls are none of the run's."""
    session = boto3.Session("test", "test", region_name=REGION)
    return session.client(service)  # type: ignore[call-overload]  # any service


def make_what_is_retained(run: Run) -> dict[str, str]:
    """Make buckets, one with Object Lock, held objects and a policy, and keys; return their ids.

    No run is cut off amid that: where CloudFormation makes them, no tag is missing for a moment.
    """
    s3, kms = unwatched("s3"), unwatched("kms")
    made = {}
    for logical_id, name in (("Bucket", "probes"), ("PolicyBucket", "policy")):
        bucket = made[logical_id] = f"{run.name}-{name}"
        s3.create_bucket(
            Bucket=bucket,
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=logical_id == "Bucket",
        )
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": pairs(run, "Key", "Value")})
    s3.put_object(Bucket=made["Bucket"], Key="held", Body=b"x", ObjectLockLegalHoldStatus="ON")
    s3.delete_object(Bucket=made["Bucket"], Key="held")
    s3.create_multipart_upload(Bucket=made["Bucket"], Key="begun")
    for logical_id in ("Key", "KeyToDisable"):
        created = kms.create_key(Tags=pairs(run, "TagKey", "TagValue"))
        made[logical_id] = created["KeyMetadata"]["KeyId"]
    return made


def pairs(run: Run, name: str, value: str) -> Any:
    return [{name: tag, value: its} for tag, its in run.tags.items()]


class Account:
    """A sandbox on moto, in which every answer of AWS is counted, and one is the last.

    Attributes:
        calls: The names of the current run's.
        cut_at: The number of the answer after which a run is cut off, or the name of a call, after
            its first answer; 0 for none.
    """

    def __init__(self) -> None:
        self.cut_at: int | str = 0
        self.calls: list[str] = []
        self.session = boto3.Session("test", "test", region_name=REGION)
        self.session.events.register("after-call", self._count)
        for call in NOT_IN_MOTO:
            self.session.events.register(f"before-call.{call}", not_implemented)  # type: ignore[arg-type]
        # Each client takes longer to make than it is used for.
        self.session.client = functools.cache(self.session.client)  # type: ignore[method-assign]

    def _count(self, model: Any, **_: Any) -> None:
        self.calls.append(model.name)
        if self.cut_at in {len(self.calls), model.name}:
            self.cut_at = 0
            raise Cut

    def carry_out(self, folder: Path, *, cut_at: int | str = 0, **asked: Any) -> None:
        """Begin a run, and cut it off."""
        self.calls, self.cut_at = [], cut_at
        run = a_run()
        bench = Bench(self.session, run, sleep=lambda _: None, patience_s=1)
        steps.carry_out(bench, State(folder / f"{run.name}.json", run), [], keep=False, **asked)

    def removal(self, run: str = "") -> Removal:
        """Return what finds and removes, and is not cut off."""
        return Removal(self.session.client, run=run)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def _account() -> Account:
    """Of all tests, as its clients take longer to make than a test does."""
    return Account()


@pytest.fixture
def account(_small_suite: None, _account: Account) -> Iterator[Account]:
    with mock_aws():
        yield _account


def not_implemented(**_: Any) -> tuple[AWSResponse, dict[str, Any]]:
    error = {"Code": "NotImplemented", "Message": "not in moto"}
    response = AWSResponse("", 501, {}, None)  # type: ignore[arg-type]
    return response, {"Error": error, "ResponseMetadata": {"HTTPStatusCode": 501}}


def a_run() -> Run:
    return Run.begun(DEFAULT_ACCOUNT_ID, REGION, "x86_64", NOON)


def everything(account: Account) -> list[str]:
    """Return what is in the account, asked otherwise than by tags."""
    client: Any = account.session.client
    kms = client("kms")
    keys = [kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in kms.list_keys()["Keys"]]
    lists: Sequence[Sequence[Any]] = (
        client("s3").list_buckets()["Buckets"],
        [key for key in keys if key["KeyState"] != "PendingDeletion"],
        client("logs").describe_log_groups()["logGroups"],
        client("sqs").list_queues().get("QueueUrls", []),
        client("lambda").list_functions()["Functions"],
        client("lambda").list_event_source_mappings()["EventSourceMappings"],
        client("iam").list_roles()["Roles"],
        client("events").list_rules()["Rules"],
        client("cloudformation").describe_stacks()["Stacks"],
    )
    return [str(each) for some in lists for each in some]


def calls_before_removal(account: Account, folder: Path, **asked: Any) -> list[str]:
    """Return the calls that a run makes before it begins to remove everything."""
    made: list[str] = []

    def remove(_removals: Sequence[Removal]) -> list[str]:
        made.extend(account.calls)
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "remove", remove)
        account.carry_out(folder, **asked)
    assert steps.remove([account.removal()]) == []
    return made


def places_to_cut(calls: Sequence[str]) -> list[int]:
    """Return the numbers of the calls that change something: after any other all is as before.

    Of several of one name the last one: then the most is there to be removed.
    """
    last = {name: n for n, name in enumerate(calls, 1) if not name.startswith(READING)}
    return sorted(last.values())


def look_that_nothing_is_left(account: Account, folder: Path, places: Iterable[int | str]) -> None:
    for place in places:
        with pytest.raises(Cut):
            account.carry_out(folder, cut_at=place)
        assert everything(account) == [], f"cut off after {place}"


def test_nothing_is_left_of_a_run_wherever_it_was_cut_off(account: Account, tmp_path: Path) -> None:
    look_that_nothing_is_left(account, tmp_path, A_FEW)


@pytest.mark.deep
def test_nothing_is_left_of_a_run_after_any_call_that_changes_something(
    account: Account, tmp_path: Path
) -> None:
    places = places_to_cut(calls_before_removal(account, tmp_path))
    assert len(places) > 20  # operations
    look_that_nothing_is_left(account, tmp_path, places)


def test_what_a_removal_that_was_cut_off_has_left_is_found_by_its_tag(
    account: Account, tmp_path: Path
) -> None:
    with pytest.raises(Cut):
        account.carry_out(tmp_path, cut_at="DeleteStack", probes=())
    assert {thing.kind for thing in account.removal().left()} >= {"bucket", "key"}

    assert steps.remove([account.removal()]) == []

    assert everything(account) == []


def test_what_has_another_tag_or_none_is_left_alone(account: Account) -> None:
    client: Any = account.session.client
    client("s3").create_bucket(
        Bucket=f"{PREFIX}1a2b3c", CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    client("kms").create_key(Tags=[{"TagKey": "application", "TagValue": "logferry"}])
    client("logs").create_log_group(logGroupName=f"/{PREFIX}notes")
    client("sqs").create_queue(QueueName=f"{PREFIX}1a2b3c", tags={"application": "logferry"})
    before = everything(account)

    assert account.removal().left() == []
    assert steps.remove([account.removal()]) == []

    assert everything(account) == before


def test_one_run_is_removed_without_another(account: Account) -> None:
    mine, other = a_run(), a_run()
    for run in (mine, other):
        make_what_is_retained(run)

    assert steps.remove([account.removal(mine.name)]) == []

    assert {thing.run for thing in account.removal().left()} == {other.name}
    assert len(account.removal(mine.name).scheduled()) == 2


def test_what_cannot_be_removed_is_named_and_keeps_nothing_else(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_what_is_retained(a_run())

    def refused(_removal: Removal, bucket: str) -> None:
        raise RuntimeError(f"no way for {bucket}")

    monkeypatch.setattr(Removal, "_delete_bucket", refused)

    left = steps.remove([account.removal()])

    buckets = sorted((made["Bucket"], made["PolicyBucket"]))
    assert sorted(left) == sorted(
        [
            *(f"bucket {bucket}" for bucket in buckets),
            *(f"bucket {bucket}: no way for {bucket}" for bucket in buckets),
        ]
    )
    assert len(account.removal().scheduled()) == 2


def test_why_an_object_cannot_be_removed_is_said_of_its_bucket(account: Account) -> None:
    bucket = make_what_is_retained(a_run())["Bucket"]
    until = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": YEARS_LATER}
    unwatched("s3").put_object(Bucket=bucket, Key="locked", Body=b"x", **until)

    left = steps.remove([account.removal()])

    (why,) = (each for each in left if each.startswith(f"bucket {bucket}: "))
    assert "locked: AccessDenied" in why
