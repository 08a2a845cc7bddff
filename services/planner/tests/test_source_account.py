"""A source's account, on AWS's doubles; what they do not model is faked where it is tested."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from devstack.pytest_backends import Backend
from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_request import TagFilter
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from planner.aws.source_account import (
    DENIALS,
    EMPTY_PAGES,
    QUERIES_PER_CALL,
    SourceAccount,
    SourceAccounts,
)
from planner.cloud import UnreadableLogGroup
from planner.errors import AwsError, PlanRefusedError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
WINDOW = Window(from_ms=1_795_186_800_000, to_ms=1_795_273_200_000)


def source_of(account_id: str = "111111111111", **values: object) -> Source:
    return Source.model_validate(
        {
            "profile": "dev",
            "account_id": account_id,
            "region": "eu-west-1",
            "role_arn": f"arn:aws:iam::{account_id}:role/CollectCloudWatchLogsRole",
            **values,
        }
    )


SOURCE = source_of()


def log_group(name: str = "/app/web", log_group_class: str = "STANDARD") -> LogGroup:
    return LogGroup(
        name=name,
        arn=f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}",
        log_group_class=log_group_class,
        created_ms=0,
    )


def client_error(operation: str, code: str, text: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": text}}, operation)


class FakeSts:
    """AssumeRole as AWS refuses it; neither double looks at roles or trust policies."""

    def __init__(self, error: str | None = None, now: datetime = NOW) -> None:
        self.error = error
        self.now = now
        self.asked: list[dict[str, Any]] = []
        self.caller = "arn:aws:sts::999999999999:assumed-role/logferry-planner/logferry-planner"

    def assume_role(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked)
        if self.error:
            raise client_error("AssumeRole", self.error, "not authorized")
        number = len(self.asked)
        return {
            "Credentials": {
                "AccessKeyId": f"key-{number}",
                "SecretAccessKey": "secret",
                "SessionToken": f"token-{number}",
                "Expiration": self.now + timedelta(hours=1),
            }
        }

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": self.caller}


class FakeClients:
    """Pages of answers by operation, each an answer or an error; and what was asked for."""

    def __init__(self, **pages: list[Any]) -> None:
        self.pages = pages
        self.asked: list[dict[str, Any]] = []
        self.read = 0

    def client(self, service: str, **_options: Any) -> "FakeClients":
        return self

    def get_paginator(self, operation: str) -> "FakePaginator":
        return FakePaginator(self, operation)

    def filter_log_events(self, **asked: Any) -> Any:
        return self._page("filter_log_events", asked)

    def describe_account_policies(self, **asked: Any) -> Any:
        return self._page("describe_account_policies", asked)

    def _page(self, operation: str, asked: dict[str, Any]) -> Any:
        self.asked.append(asked)
        page = self.pages[operation][self.read]
        if isinstance(page, str):
            raise client_error(operation, page)
        self.read += 1
        return page

    def account(self, source: Source = SOURCE) -> SourceAccount:
        return SourceAccount(cast("Any", self), source)


class FakePaginator:
    def __init__(self, clients: FakeClients, operation: str) -> None:
        self.clients = clients
        self.operation = operation

    def paginate(self, **asked: Any) -> Iterator[Any]:
        self.clients.asked.append(asked)
        for page in self.clients.pages[self.operation]:
            self.clients.read += 1
            if isinstance(page, str):
                raise client_error(self.operation, page)
            yield page


# --- the session


def test_the_role_is_assumed_with_the_external_id_for_an_hour() -> None:
    sts = FakeSts()
    source = source_of(profile="p" * 32, external_id="acme-1")
    SourceAccounts(cast("Any", sts)).open(source)
    assert sts.asked == [
        {
            "RoleArn": source.role_arn,
            "RoleSessionName": f"logferry-planner-{'p' * 32}",
            "DurationSeconds": 3600,
            "ExternalId": "acme-1",
        }
    ]


def test_without_an_external_id_none_is_sent() -> None:
    sts = FakeSts()
    SourceAccounts(cast("Any", sts)).open(SOURCE)
    assert "ExternalId" not in sts.asked[0]


@given(st.from_regex(r"\A[A-Za-z0-9_-]{1,32}\Z"))
def test_every_profile_makes_a_session_name_that_sts_takes(profile: str) -> None:
    for service in ("planner", "exporter", "recounter"):
        name = source_of(profile=profile).assumed_by(service)["RoleSessionName"]
        assert re.fullmatch(r"[\w+=,.@-]{2,64}", name, re.ASCII)


def test_a_session_is_renewed_before_its_hour_is_over() -> None:
    now = NOW
    sts = FakeSts()
    account = SourceAccounts(cast("Any", sts), clock=lambda: now).open(SOURCE)
    credentials = account._session.get_credentials()
    assert credentials is not None

    now = NOW + timedelta(minutes=40)
    assert credentials.get_frozen_credentials().token == "token-1"
    now = NOW + timedelta(minutes=59)
    sts.now = now
    assert credentials.get_frozen_credentials().token == "token-2"
    now = NOW + timedelta(minutes=100)
    assert credentials.get_frozen_credentials().token == "token-2"
    assert len(sts.asked) == 2


def test_a_session_uses_no_credentials_but_the_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-environment")
    account = SourceAccounts(cast("Any", FakeSts()), clock=lambda: NOW).open(SOURCE)
    credentials = account._session.get_credentials()
    assert credentials is not None
    assert credentials.access_key == "key-1"


def test_the_regions_own_sts_is_asked() -> None:
    # https://docs.aws.amazon.com/sdkref/latest/guide/feature-sts-regionalized-endpoints.html
    sts = boto3.client("sts", region_name="eu-west-1")
    assert sts.meta.endpoint_url == "https://sts.eu-west-1.amazonaws.com"


def test_a_role_that_cannot_be_assumed_is_refused_with_the_policies_it_takes() -> None:
    with pytest.raises(PlanRefusedError) as refused:
        SourceAccounts(cast("Any", FakeSts("AccessDenied"))).open(source_of(external_id="acme-1"))
    assert refused.value.reason == "refused_role_arn"
    assert str(refused.value) == (
        "role_arn arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole in account 111111111111 "
        "cannot be assumed; its trust policy needs "
        '{"Effect": "Allow", "Action": "sts:AssumeRole", '
        '"Principal": {"AWS": "arn:aws:iam::999999999999:role/logferry-planner"}, '
        '"Condition": {"StringEquals": {"sts:ExternalId": "acme-1"}}}, '
        "and the policy of arn:aws:iam::999999999999:role/logferry-planner "
        '{"Effect": "Allow", "Action": "sts:AssumeRole", '
        '"Resource": "arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole"}: '
        "An error occurred (AccessDenied) when calling the AssumeRole operation: not authorized"
    )


def test_a_caller_that_is_no_role_is_named_as_it_is() -> None:
    sts = FakeSts("AccessDenied")
    sts.caller = "arn:aws:iam::999999999999:user/alice"
    with pytest.raises(PlanRefusedError, match="and the policy of arn:aws:iam::999999999999:user/"):
        SourceAccounts(cast("Any", sts)).open(SOURCE)


@pytest.mark.parametrize("code", ["RegionDisabledException", "InvalidClientTokenId"])
def test_a_region_without_sts_is_refused_by_its_name(code: str) -> None:
    with pytest.raises(PlanRefusedError, match="STS is not activated there") as refused:
        SourceAccounts(cast("Any", FakeSts(code))).open(SOURCE)
    assert refused.value.reason == "refused_region"


@pytest.mark.parametrize("code", ["Throttling", "ServiceUnavailable"])
def test_an_error_of_sts_that_may_pass_is_not_taken_for_a_refusal(code: str) -> None:
    with pytest.raises(AwsError):
        SourceAccounts(cast("Any", FakeSts(code))).open(SOURCE)


# --- log groups


def opened(backend: Backend) -> tuple[SourceAccount, boto3.Session]:
    """A source's account, and its session to prepare it: both doubles make one by AssumeRole."""
    account_id = str(int(backend.account_id) ^ 1).rjust(12, "0")
    account = SourceAccounts(backend.client("sts")).open(source_of(account_id))
    return account, account._session


def test_every_page_of_the_source_accounts_groups_is_read(backend: Backend) -> None:
    account, session = opened(backend)
    logs = session.client("logs")
    names = [f"/app/group-{number:03}" for number in range(120)]
    for name in names:
        logs.create_log_group(logGroupName=name)
    backend.client("logs").create_log_group(logGroupName="/of-another-account")

    assert [group.name for group in account.log_groups()] == names


def test_a_group_is_described_in_the_contracts_words(backend: Backend) -> None:
    account, session = opened(backend)
    logs = session.client("logs")
    logs.create_log_group(logGroupName="/app/cold", logGroupClass="INFREQUENT_ACCESS")
    logs.put_retention_policy(logGroupName="/app/cold", retentionInDays=7)
    logs.create_log_group(logGroupName="/app/web")

    cold, web = account.log_groups()

    assert isinstance(cold, LogGroup)
    assert isinstance(web, LogGroup)
    if backend.name != "moto":  # moto keeps no class and returns none
        assert cold.log_group_class == "INFREQUENT_ACCESS"
    assert cold.retention_days == 7
    assert cold.arn == f"arn:aws:logs:eu-west-1:{account._source.account_id}:log-group:/app/cold"
    assert cold.created_ms > 0
    assert web.log_group_class == "STANDARD"
    assert web.retention_days is None


def described(name: str, **values: object) -> dict[str, Any]:
    arn = f"arn:aws:logs:eu-west-1:111111111111:log-group:{name}"
    return {"logGroupName": name, "arn": f"{arn}:*", "creationTime": 1, **values}


def test_fifty_thousand_groups_are_read_page_by_page() -> None:
    names = [f"/{number:05}" for number in range(50_000)]
    pages = ({"logGroups": [described(name) for name in names[n : n + 50]]} for n in count(0, 50))
    clients = FakeClients()
    clients.pages["describe_log_groups"] = cast("Any", (next(pages) for _ in range(1000)))
    groups = clients.account().log_groups()

    for _ in range(51):
        next(groups)
    assert clients.read == 2
    assert sum(1 for _ in groups) == 50_000 - 51
    assert clients.asked == [{"PaginationConfig": {"PageSize": 50}}]


def test_a_class_that_is_new_is_kept_and_none_is_standard() -> None:
    page = {"logGroups": [described("/new", logGroupClass="FROZEN"), described("/old")]}
    new, old = FakeClients(describe_log_groups=[page]).account().log_groups()
    assert isinstance(new, LogGroup)
    assert new.log_group_class == "FROZEN"
    assert old == log_group("/old").model_copy(update={"created_ms": 1})


def test_a_group_that_the_contract_has_no_words_for_is_named_and_hides_no_other() -> None:
    page = {
        "logGroups": [described("/new", retentionInDays=36_500), described("/old", storedBytes=0)]
    }
    new, old = FakeClients(describe_log_groups=[page]).account().log_groups()
    assert isinstance(new, UnreadableLogGroup)
    assert new.name == "/new"
    assert "retention_days" in new.problem
    assert isinstance(old, LogGroup)
    assert old.stored_bytes == 0


def test_a_role_that_may_not_list_is_refused_with_what_to_add() -> None:
    account = FakeClients(describe_log_groups=["AccessDeniedException"]).account()
    with pytest.raises(PlanRefusedError) as refused:
        list(account.log_groups())
    assert refused.value.reason == "refused_role_arn"
    assert (
        "in account 111111111111 may not call logs:DescribeLogGroups; add to its policy: "
        '{"Effect": "Allow", "Action": "logs:DescribeLogGroups", "Resource": "*"}: An error'
    ) in str(refused.value)


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "OptInRequired"])
def test_a_region_that_the_account_has_not_enabled_is_refused_by_its_name(code: str) -> None:
    """As AWS was seen to answer in such a Region: https://github.com/epsagon/clear-lambda-storage/issues/9"""
    account = FakeClients(describe_log_groups=[code]).account()
    with pytest.raises(PlanRefusedError) as refused:
        list(account.log_groups())
    assert refused.value.reason == "refused_region"
    assert (
        f"region {SOURCE.region} is not enabled in account 111111111111, or STS is not activated "
        "there; enable it in that account and in the planner's, or take the source out: An error"
    ) in str(refused.value)
    assert code in str(refused.value)


def test_an_error_that_may_pass_is_not_taken_for_a_refusal() -> None:
    with pytest.raises(AwsError, match="ServiceUnavailable"):
        list(FakeClients(describe_log_groups=["ServiceUnavailable"]).account().log_groups())


THROTTLED = (
    400,
    {"x-amzn-errortype": "ThrottlingException"},
    b'{"__type":"ThrottlingException","message":"Rate exceeded"}',
)


class RawBody:
    def __init__(self, body: bytes) -> None:
        self.body = body

    def stream(self, **_options: Any) -> Iterator[bytes]:
        yield self.body


def test_throttles_are_ridden_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    waits: list[float] = []
    monkeypatch.setattr("botocore.endpoint.time.sleep", waits.append)
    throttles = count()

    def throttle(request: Any, **_about: Any) -> AWSResponse | None:
        if next(throttles) >= 7:
            return None
        status, headers, body = THROTTLED
        return AWSResponse(request.url, status, headers, RawBody(body))  # type: ignore[arg-type]

    with mock_aws():
        account = SourceAccounts(boto3.client("sts", region_name="eu-west-1")).open(SOURCE)
        account._session.client("logs", region_name="eu-west-1").create_log_group(
            logGroupName="/app/web"
        )
        account._logs.meta.events.register_first("before-send.logs.DescribeLogGroups", throttle)  # type: ignore[arg-type]
        assert [group.name for group in account.log_groups()] == ["/app/web"]
    assert len(waits) == 7


# --- tags


def test_tagged_groups_are_found_in_one_sweep(backend: Backend) -> None:
    account, session = opened(backend)
    logs = session.client("logs")
    for name, tags in {
        "/a": {"archive": "yes", "team": "red"},
        "/b": {"archive": "yes", "team": "blue"},
        "/c": {"archive": "no", "team": "red"},
        "/d": {"other": "yes"},
    }.items():
        logs.create_log_group(logGroupName=name, tags=tags)
    logs.create_log_group(logGroupName="/e")

    def found(*tag_filters: TagFilter) -> list[str]:
        arns = account.tagged(tag_filters)
        assert arns <= {group.arn for group in account.log_groups() if isinstance(group, LogGroup)}
        return sorted(arn.split(":log-group:")[1] for arn in arns)

    assert found(TagFilter(key="archive", values=["yes"])) == ["/a", "/b"]
    assert found(TagFilter(key="archive")) == ["/a", "/b", "/c"]
    assert found(
        TagFilter(key="archive", values=["yes", "no"]), TagFilter(key="team", values=["red"])
    ) == ["/a", "/c"]
    assert found(TagFilter(key="nobody-has-it")) == []


def test_all_pages_of_tagged_resources_are_read_and_other_resources_left_out() -> None:
    arn = "arn:aws:logs:eu-west-1:111111111111:log-group:/app"
    clients = FakeClients(
        get_resources=[
            {"ResourceTagMappingList": [{"ResourceARN": f"{arn}/{n}"} for n in range(100)]},
            {"ResourceTagMappingList": []},
            {
                "ResourceTagMappingList": [
                    {"ResourceARN": f"{arn}/last:*"},
                    {"ResourceARN": "arn:aws:logs:eu-west-1:111111111111:destination:/app"},
                ]
            },
        ]
    )
    arns = clients.account().tagged([TagFilter(key="archive")])
    assert arns == {f"{arn}/{n}" for n in range(100)} | {f"{arn}/last"}
    assert clients.asked == [
        {
            "ResourceTypeFilters": ["logs"],
            "TagFilters": [{"Key": "archive", "Values": []}],
            "PaginationConfig": {"PageSize": 100},
        }
    ]


def test_a_role_that_may_not_look_for_tags_is_refused_with_what_to_add() -> None:
    account = FakeClients(get_resources=["AccessDeniedException"]).account()
    with pytest.raises(PlanRefusedError, match=r'"Action": "tag:GetResources", "Resource": "\*"'):
        account.tagged([TagFilter(key="archive")])


# --- metrics


def test_events_are_counted_by_group_and_a_group_without_any_has_none(backend: Backend) -> None:
    account, session = opened(backend)
    cloudwatch = session.client("cloudwatch", region_name="eu-west-1")
    now = datetime.now(UTC)
    for name, at, events in [
        ("/a", now - timedelta(hours=30), 1000),
        ("/a", now - timedelta(minutes=5), 7),
        ("/b", now - timedelta(hours=3), 2),
        ("/long-ago", now - timedelta(hours=60), 5),
    ]:
        # Neither double counts events by itself. AWS lets nobody else write to this namespace.
        cloudwatch.put_metric_data(
            Namespace="AWS/Logs",
            MetricData=[
                {
                    "MetricName": "IncomingLogEvents",
                    "Dimensions": [{"Name": "LogGroupName", "Value": name}],
                    "Timestamp": at,
                    "Value": events,
                }
            ],
        )
    counts = account.incoming_log_events(
        ["/a", "/b", "/idle", "/long-ago"], now - timedelta(hours=50), now
    )
    assert counts == {"/a": 1007, "/b": 2, "/idle": 0, "/long-ago": 0}


def result(number: int, values: list[float], status: str = "Complete") -> dict[str, Any]:
    return {"Id": f"q{number}", "Values": values, "StatusCode": status}


def counted(clients: FakeClients, names: list[str]) -> dict[str, int]:
    return dict(clients.account().incoming_log_events(names, NOW - timedelta(days=2), NOW))


def test_five_hundred_groups_are_asked_for_at_once() -> None:
    clients = FakeClients(
        get_metric_data=[
            {"MetricDataResults": [result(n, [1.0]) for n in range(QUERIES_PER_CALL)]},
        ]
    )
    names = [f"/{number}" for number in range(1000)]
    assert counted(clients, names) == dict.fromkeys(names, 1)
    assert [len(asked["MetricDataQueries"]) for asked in clients.asked] == [500, 500]
    first = clients.asked[0]["MetricDataQueries"][0]
    assert first == {
        "Id": "q0",
        "MetricStat": {
            "Metric": {
                "Namespace": "AWS/Logs",
                "MetricName": "IncomingLogEvents",
                "Dimensions": [{"Name": "LogGroupName", "Value": "/0"}],
            },
            "Period": 3600,
            "Stat": "Sum",
        },
    }


def test_the_pages_of_a_metric_are_added_up() -> None:
    clients = FakeClients(
        get_metric_data=[
            {"MetricDataResults": [result(0, [1.0, 2.0], "PartialData"), result(1, [5.0])]},
            {"MetricDataResults": [result(0, [4.0])]},
        ]
    )
    assert counted(clients, ["/a", "/b"]) == {"/a": 7, "/b": 5}


@pytest.mark.parametrize(
    "pages",
    [
        [[result(0, [], "PartialData")]],
        [[result(0, [], "InternalError")]],
        [[result(0, [], "Forbidden")]],
        [[result(0, [], "InternalError")], [result(0, [])]],
        [[]],
    ],
)
def test_a_metric_that_is_not_answered_in_full_is_not_known(pages: list[Any]) -> None:
    page_list = [{"MetricDataResults": results} for results in pages]
    page_list[-1]["MetricDataResults"].append(result(1, [3.0]))
    assert counted(FakeClients(get_metric_data=page_list), ["/a", "/b"]) == {"/b": 3}


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException"])
def test_a_role_that_may_not_read_metrics_knows_nothing_and_says_what_to_add(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    clients = FakeClients(get_metric_data=[code])
    assert counted(clients, [f"/{number}" for number in range(1100)]) == {}
    assert len(clients.asked) == 1
    (warning,) = caplog.records
    assert vars(warning)["reason"] == (
        "role arn:aws:iam::111111111111:role/CollectCloudWatchLogsRole in account 111111111111 "
        "may not call cloudwatch:GetMetricData; add to its policy: "
        '{"Effect": "Allow", "Action": "cloudwatch:GetMetricData", "Resource": "*"}'
    )


def test_metrics_that_fail_are_not_known_and_the_next_are_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clients = FakeClients(get_metric_data=["InternalServiceFault"])
    assert counted(clients, [f"/{number}" for number in range(1100)]) == {}
    assert len(clients.asked) == 3
    assert [vars(record)["reason"] for record in caplog.records] == [
        "cloudwatch:GetMetricData failed"
    ] * 3


def test_metrics_are_not_asked_about_a_time_of_which_they_are_gone() -> None:
    clients = FakeClients(get_metric_data=[])
    account = clients.account()
    assert account.incoming_log_events(["/a"], NOW - timedelta(days=456), NOW) == {}
    assert clients.asked == []


# --- the last word on emptiness


def test_a_group_has_events_only_in_the_windows_in_which_it_has_any(backend: Backend) -> None:
    account, session = opened(backend)
    logs = session.client("logs", region_name="eu-west-1")
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    logs.create_log_group(logGroupName="/app/web")
    logs.create_log_stream(logGroupName="/app/web", logStreamName="s")
    logs.put_log_events(
        logGroupName="/app/web",
        logStreamName="s",
        logEvents=[{"timestamp": now_ms - 5000, "message": "hello"}],
    )
    assert account.has_events(log_group(), Window(from_ms=now_ms - 10_000, to_ms=now_ms))
    assert account.has_events(log_group(), Window(from_ms=now_ms - 5000, to_ms=now_ms))
    assert not account.has_events(log_group(), Window(from_ms=now_ms - 4999, to_ms=now_ms))


def test_empty_pages_are_followed_to_the_last() -> None:
    empty: dict[str, Any] = {"events": [], "nextToken": "more"}
    filled = {"events": [{"message": "late"}], "nextToken": "more"}
    clients = FakeClients(filter_log_events=[empty, empty, filled])
    assert clients.account().has_events(log_group(), WINDOW)
    first = {
        "logGroupName": "/app/web",
        "startTime": WINDOW.from_ms,
        "endTime": WINDOW.to_ms,
        "limit": 1,
    }
    assert clients.asked == [first, *[first | {"nextToken": "more"}] * 2]


@pytest.mark.parametrize("tokens", [[], ["a"], ["a", "b"], ["a", "a"], ["a", "b", "b", "a"]])
@pytest.mark.parametrize("events", [[], [{"message": "late"}]])
def test_the_last_page_is_the_one_without_a_token_whatever_the_others_have(
    tokens: list[str], events: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    """AWS gave the same token twice: boto/boto3#1584, aws/aws-cli#3191."""
    logs = boto3.client(
        "logs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    pages = [{"events": [], "nextToken": token} for token in tokens]
    with Stubber(logs) as stub:
        for page in [*pages, {"events": events}]:
            stub.add_response("filter_log_events", page)  # type: ignore[arg-type]
        account = SourceAccount(cast("Any", SimpleNamespace(client=lambda *_, **__: logs)), SOURCE)
        assert account.has_events(log_group(), WINDOW) is bool(events)
        stub.assert_no_pending_responses()
    assert caplog.records == []


def test_empty_pages_without_end_leave_a_doubt() -> None:
    clients = FakeClients(filter_log_events=[{"events": [], "nextToken": "more"}] * 1000)
    assert clients.account().has_events(log_group(), WINDOW)
    assert clients.read == EMPTY_PAGES


@pytest.mark.parametrize("log_group_class", ["INFREQUENT_ACCESS", "ESSENTIALS", "FROZEN"])
def test_a_class_that_cannot_be_read_may_have_events(log_group_class: str) -> None:
    clients = FakeClients(filter_log_events=[])
    assert clients.account().has_events(log_group(log_group_class=log_group_class), WINDOW)
    assert clients.asked == []


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "ThrottlingException"])
def test_a_group_that_cannot_be_read_may_have_events(
    code: str, caplog: pytest.LogCaptureFixture
) -> None:
    clients = FakeClients(filter_log_events=[code])
    account = clients.account()
    assert all(account.has_events(log_group(), WINDOW) for _ in range(20))
    assert len(clients.asked) == 20
    assert [vars(record)["reason"] for record in caplog.records] == [
        "logs:FilterLogEvents failed"
    ] * 20


def test_a_role_that_may_not_read_events_is_soon_not_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clients = FakeClients(filter_log_events=["AccessDeniedException"])
    account = clients.account()
    assert all(account.has_events(log_group(), WINDOW) for _ in range(100))
    assert len(clients.asked) == DENIALS
    first, last = caplog.records
    assert "add to its policy" in vars(first)["reason"]
    assert vars(last)["log_group"] == "/app/web"


# --- retention policies


def retention_policy(days: int, **changes: str) -> dict[str, Any]:
    document = json.dumps({"retentionInDays": days, "enforcementMode": "RETROACTIVE"})
    return {"policyName": "p", "policyDocument": document, "lastUpdatedTime": 1, **changes}


def test_retention_policies_are_read_to_the_last_page() -> None:
    clients = FakeClients(
        describe_account_policies=[
            {"accountPolicies": [retention_policy(30)], "nextToken": "more"},
            {"accountPolicies": [], "nextToken": "more"},
            {"accountPolicies": [retention_policy(90)]},
        ]
    )
    assert [policy.days for policy in clients.account().retention_policies()] == [30, 90]
    asked = {"policyType": "RETENTION_POLICY"}
    assert clients.asked == [asked, *[asked | {"nextToken": "more"}] * 2]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("AccessDeniedException", "may not call logs:DescribeAccountPolicies; add to its policy"),
        ("InvalidParameterException", "logs:DescribeAccountPolicies failed"),
    ],
)
def test_without_the_policies_a_plan_goes_by_the_log_groups_own_retention(
    code: str, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert FakeClients(describe_account_policies=[code]).account().retention_policies() == ()
    [warning] = caplog.records
    assert warning.message == "retention that will be shortened is not seen"
    assert reason in vars(warning)["reason"]


def test_a_policy_that_is_not_understood_is_named_and_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd = retention_policy(30, policyName="odd", selectionCriteria="LogGroupName LIKE 'a'")
    clients = FakeClients(
        describe_account_policies=[{"accountPolicies": [odd, retention_policy(60)]}]
    )
    assert [policy.days for policy in clients.account().retention_policies()] == [60]
    [warning] = caplog.records
    assert (warning.message, vars(warning)["policy"]) == (
        "a retention policy is not understood",
        "odd",
    )
