"""A source's account: its log groups, their tags, and whether they have had events."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cached_property
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

import boto3
import botocore.session
from aws_lambda_powertools import Logger
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    RefreshableCredentials,
)
from botocore.exceptions import ClientError

from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_request import TagFilter
from logferry_contracts.reads import Reads
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from logferry_contracts.wire import ContractError, parse
from planner.activity import MetricQuestion, metric_question
from planner.aws.calls import CLIENT_CONFIG, FAILURES, calling, code_of
from planner.cloud import UnreadableLogGroup
from planner.errors import AwsError, LedgerUnreadableError, PlanRefusedError
from planner.retention import RetentionPolicy

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import AccountPolicyTypeDef, LogGroupTypeDef
    from mypy_boto3_sts import STSClient

SOURCE_CONFIG = CLIENT_CONFIG.merge(Config(retries={"mode": "legacy", "total_max_attempts": 8}))
"""The source account's quotas are shared with all else that runs there, and DescribeLogGroups has
ten a second: a plan that reads a thousand pages waits for its turn more often than others, for up
to two minutes.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
SESSION_SECONDS = 3600
"""The longest that a role may assume another for.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""
LOG_GROUPS_PER_PAGE = 50
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html"""
RESOURCES_PER_PAGE = 100
"""https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html"""
QUERIES_PER_CALL = 500
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html"""
POLICY_PAGES = 100
"""Of an account's policies, which are 20 at most; an end, should AWS repeat a token for ever."""
EMPTY_PAGES = 100
"""How many pages without an event are read before it stays open whether there is one."""
DENIALS = 10
"""How many log groups of an account may refuse to be read before no other is asked."""
DENIED = frozenset({"AccessDenied", "AccessDeniedException"})
"""AWS's services do not spell it alike."""
REGION_DISABLED = frozenset(
    {
        "InvalidClientTokenId",
        "OptInRequired",
        "RegionDisabledException",
        "UnrecognizedClientException",
    }
)
"""What an account says in a Region that it has not enabled, and STS where it is not activated.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
"""

_WRONG_FOR_GOOD = frozenset({"InternalError", "Forbidden"})
"""Status codes of a metric that its other pages do not mend."""

_OPTIONAL = frozenset({"retention_days", "stored_bytes"})
"""What a log group can be described without."""

logger = Logger(service="planner", child=True)


class SourceAccounts:
    """The accounts whose logs are collected."""

    def __init__(
        self,
        sts: "STSClient",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        reads: Callable[[Source], Reads | None] = lambda _source: None,
    ) -> None:
        """Assume the sources' roles with ``sts``, whose endpoint should be the Region's own.

        What ``reads`` returns lets each call of FilterLogEvents wait for its turn.
        """
        self._sts = sts
        self._clock = clock
        self._reads_of = reads
        self._reads: list[Reads] = []

    def open(self, source: Source) -> "SourceAccount":
        """Return a source's account, through a session that renews itself.

        Raises:
            PlanRefusedError: The role cannot be assumed.
        """
        credentials = _assume(self._sts, source)
        refreshable = RefreshableCredentials(
            credentials["access_key"],
            credentials["secret_key"],
            credentials["token"],
            datetime.fromisoformat(credentials["expiry_time"]),
            refresh_using=lambda: _assume(self._sts, source),
            method=_AssumedRole.METHOD,
            time_fetcher=self._clock,
        )
        session = botocore.session.get_session()
        session.register_component(
            "credential_provider", CredentialResolver([_AssumedRole(refreshable)])
        )
        account = boto3.Session(botocore_session=session)
        reads = self._reads_of(source)
        if reads is None:
            return SourceAccount(account, source)
        self._reads.append(reads)
        return SourceAccount(account, source, reads.wait)

    def leave(self) -> None:
        """Say of all accounts that no more events of them are read, as far as S3 lets that be said.

        Who reads then takes the planner's share at once, and not two minutes later.
        """
        while self._reads:
            reads = self._reads.pop()
            with suppress(AwsError, LedgerUnreadableError, PlanRefusedError):
                reads.leave()


class SourceAccount:
    """One account and Region whose logs are collected.

    What a plan cannot do without is refused when its permission is missing. What only makes a
    plan shorter is not: there, each doubt ends in an export, and a warning says what to add.
    """

    def __init__(
        self,
        session: boto3.Session,
        source: Source,
        may_read: Callable[[], None] = lambda: None,
    ) -> None:
        """Use ``session``, whose credentials are of the source's role."""
        self._session = session
        self._may_read = may_read
        self._source = source
        self._options: dict[str, Any] = {"region_name": source.region, "config": SOURCE_CONFIG}
        # Made here, as `has_events` may be called by several threads, and no session makes
        # clients for two at once.
        self._logs: CloudWatchLogsClient = session.client("logs", **self._options)
        self._denials = 0

    def log_groups(self) -> Iterator[LogGroup | UnreadableLogGroup]:
        """Yield every log group of all classes, by name, and keep no more than a page of them.

        Raises:
            PlanRefusedError: The role may not list log groups.
        """
        pages = self._logs.get_paginator("describe_log_groups").paginate(
            PaginationConfig={"PageSize": LOG_GROUPS_PER_PAGE}
        )
        with self._refused_without("logs:DescribeLogGroups"):
            for page in pages:
                yield from map(_log_group, page["logGroups"])

    def tagged(self, tag_filters: Sequence[TagFilter]) -> frozenset[str]:
        """Return the ARNs of the log groups that match every filter, in one sweep.

        A log group is not asked for its tags, and one that never had any is never returned.
        https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html

        Raises:
            PlanRefusedError: The role may not look for tags.
        """
        tagging = self._session.client("resourcegroupstaggingapi", **self._options)
        pages = tagging.get_paginator("get_resources").paginate(
            # All that CloudWatch Logs has of resources; other than log groups there are few.
            ResourceTypeFilters=["logs"],
            TagFilters=[
                {"Key": tag_filter.key, "Values": tag_filter.values or []}
                for tag_filter in tag_filters
            ],
            PaginationConfig={"PageSize": RESOURCES_PER_PAGE},
        )
        with self._refused_without("tag:GetResources"):
            arns = [
                resource["ResourceARN"]
                for page in pages
                for resource in page["ResourceTagMappingList"]
            ]
        return frozenset(arn.removesuffix(":*") for arn in arns if ":log-group:" in arn)

    def incoming_log_events(
        self, names: Iterable[str], since: datetime, until: datetime
    ) -> Mapping[str, int]:
        """Return how many events log groups took in, by name, as far as it is known.

        The counts may include some hours before ``since`` and the hour after ``until``. A group
        without data points took in none, as far as metrics know; one that is not in the mapping
        may have taken in any number.

        Args:
            names: Of log groups; as many as there are.
            since: Aware; inclusive.
            until: Aware; now, or not long ago.
        """
        question = metric_question(since, until)
        if question is None:
            return {}
        known: dict[str, int] = {}
        for some in batched(names, QUERIES_PER_CALL, strict=False):
            try:
                known |= self._incoming(some, question)
            except FAILURES as error:
                # What is not known is exported, and the next call may be answered.
                self._warn("cloudwatch:GetMetricData", error)
                if _is_denied(error):
                    break
        return known

    def has_events(self, log_group: LogGroup, window: Window) -> bool:
        """Return whether a log group has an event in a window, and True when in doubt.

        Only the class STANDARD can be read event by event.
        https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch_Logs_Log_Classes.html
        """
        if log_group.log_group_class != "STANDARD" or self._denials >= DENIALS:
            return True
        # A page may be empty and yet not the last, and AWS was seen to give the token of an empty
        # page twice, for which botocore's paginator stops: only a page without a token is the last.
        # The API calls the end inclusive, which costs an export at worst.
        # https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html
        token: dict[str, Any] = {}
        try:
            for _ in range(EMPTY_PAGES):
                self._may_read()
                page = self._logs.filter_log_events(
                    logGroupName=log_group.name,
                    startTime=window.from_ms,
                    endTime=window.to_ms,
                    limit=1,
                    **token,
                )
                if page["events"]:
                    return True
                if "nextToken" not in page:
                    return False
                token = {"nextToken": page["nextToken"]}
        except FAILURES as error:
            if _is_denied(error):
                self._denials += 1
            if not _is_denied(error) or self._denials in {1, DENIALS}:
                self._warn("logs:FilterLogEvents", error, log_group=log_group.name)
        return True

    def retention_policies(self) -> tuple[RetentionPolicy, ...]:
        """Return the account's retention policies, as far as they can be seen and understood.

        Without them a plan goes by what DescribeLogGroups says, which is what is in effect.
        https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeAccountPolicies.html
        """
        action, token = "logs:DescribeAccountPolicies", dict[str, Any]()
        described: list[AccountPolicyTypeDef] = []
        try:
            for _ in range(POLICY_PAGES):
                page = self._logs.describe_account_policies(
                    policyType=cast("Any", "RETENTION_POLICY"),  # newer than the stubs
                    **token,
                )
                described += page.get("accountPolicies", [])
                if "nextToken" not in page:
                    break
                token = {"nextToken": page["nextToken"]}
        except FAILURES as error:
            self._warn(action, error, message="retention that will be shortened is not seen")
        return tuple(filter(None, map(_retention_policy, described)))

    def _incoming(self, names: Sequence[str], question: MetricQuestion) -> dict[str, int]:
        queries: list[MetricDataQueryTypeDef] = [
            {
                "Id": f"q{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Logs",
                        "MetricName": "IncomingLogEvents",
                        "Dimensions": [{"Name": "LogGroupName", "Value": name}],
                    },
                    "Period": question.period_s,
                    "Stat": "Sum",
                },
            }
            for number, name in enumerate(names)
        ]
        pages = self._cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=question.start, EndTime=question.end
        )
        sums = dict.fromkeys((query["Id"] for query in queries), 0.0)
        # All pages of a metric but the last one are PartialData.
        status: dict[str, str] = {}
        for result in (result for page in pages for result in page["MetricDataResults"]):
            sums[result["Id"]] += sum(result["Values"])
            if status.get(result["Id"]) not in _WRONG_FOR_GOOD:
                status[result["Id"]] = result["StatusCode"]
        return {
            name: round(sums[query["Id"]])
            for name, query in zip(names, queries, strict=True)
            if status.get(query["Id"]) == "Complete"
        }

    @contextmanager
    def _refused_without(self, action: str) -> Iterator[None]:
        with calling(action.partition(":")[2], self._source.slot):
            try:
                yield
            except ClientError as error:
                if _is_denied(error):
                    raise PlanRefusedError(
                        "role_arn", self._source.role_arn, f"{self._lacks(action)}: {error}"
                    ) from error
                _refuse_disabled_region(self._source, error)
                raise

    def _warn(
        self,
        action: str,
        error: Exception,
        log_group: str | None = None,
        message: str = "empty windows may be exported",
    ) -> None:
        logger.warning(
            message,
            reason=f"role {self._source.role_arn} {self._lacks(action)}"
            if _is_denied(error)
            else f"{action} failed",
            detail=str(error),
            log_group=log_group,
        )

    def _lacks(self, action: str) -> str:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return (
            f"in account {self._source.account_id} may not call {action}; "
            f"add to its policy: {json.dumps(statement)}"
        )

    @cached_property
    def _cloudwatch(self) -> "CloudWatchClient":
        return self._session.client("cloudwatch", **self._options)


class _AssumedRole(CredentialProvider):
    """The only credentials that a source's session may use, whatever the environment offers."""

    METHOD = "assume-role"

    def __init__(self, credentials: RefreshableCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> RefreshableCredentials:
        return self._credentials


def _assume(sts: "STSClient", source: Source) -> dict[str, str]:
    """Return new credentials of a source's role, as botocore wants them.

    Raises:
        PlanRefusedError: The role cannot be assumed.
    """
    asked: Any = source.assumed_by("planner")
    with calling("AssumeRole", source.role_arn):
        try:
            credentials = sts.assume_role(**asked, DurationSeconds=SESSION_SECONDS)["Credentials"]
        except ClientError as error:
            if _is_denied(error):
                cannot = f"in account {source.account_id} cannot be assumed"
                rule = f"{cannot}; {_trust(sts, source)}: {error}"
                raise PlanRefusedError("role_arn", source.role_arn, rule) from error
            _refuse_disabled_region(source, error)
            raise
    return {
        "access_key": credentials["AccessKeyId"],
        "secret_key": credentials["SecretAccessKey"],
        "token": credentials["SessionToken"],
        "expiry_time": credentials["Expiration"].isoformat(),
    }


def _refuse_disabled_region(source: Source, error: ClientError) -> None:
    if code_of(error) in REGION_DISABLED:
        rule = (
            f"is not enabled in account {source.account_id}, or STS is not activated there; enable "
            f"it in that account and in the planner's, or take the source out: {error}"
        )
        raise PlanRefusedError("region", source.region, rule) from error


def _trust(sts: "STSClient", source: Source) -> str:
    """Return what has to be in which policy for the role to be assumed."""
    try:
        caller_arn = _role_arn(sts.get_caller_identity()["Arn"])
    except FAILURES:
        caller_arn = "<the planner's role>"
    allow = {"Effect": "Allow", "Action": "sts:AssumeRole"}
    trust: dict[str, Any] = {**allow, "Principal": {"AWS": caller_arn}}
    if source.external_id is not None:
        trust["Condition"] = {"StringEquals": {"sts:ExternalId": source.external_id}}
    permission = {**allow, "Resource": source.role_arn}
    return (
        f"its trust policy needs {json.dumps(trust)}, "
        f"and the policy of {caller_arn} {json.dumps(permission)}"
    )


def _role_arn(caller_arn: str) -> str:
    """Return the role of ``arn:aws:sts::<account>:assumed-role/<name>/<session>``.

    A role's path is not in there; other callers' ARNs come back as they are.
    """
    partition_and_account, _, names = caller_arn.partition(":assumed-role/")
    if not names:
        return caller_arn
    return f"{partition_and_account.replace(':sts:', ':iam:')}:role/{names.split('/')[0]}"


def _log_group(described: "LogGroupTypeDef") -> LogGroup | UnreadableLogGroup:
    values = {
        "name": described["logGroupName"],
        "arn": described.get("logGroupArn") or described["arn"].removesuffix(":*"),
        "log_group_class": described.get("logGroupClass", "STANDARD"),
        "created_ms": described["creationTime"],
        "retention_days": described.get("retentionInDays"),
        "stored_bytes": described.get("storedBytes"),
    }
    told = {name: value for name, value in values.items() if value is not None}
    try:
        return parse(LogGroup, json.dumps(told))
    except ContractError as error:
        needed = {name: value for name, value in told.items() if name not in _OPTIONAL}
        with suppress(ContractError):
            as_far = parse(LogGroup, json.dumps(needed))
            return UnreadableLogGroup(described["logGroupName"], str(error), as_far)
        return UnreadableLogGroup(described["logGroupName"], str(error))


def _retention_policy(described: "AccountPolicyTypeDef") -> RetentionPolicy | None:
    try:
        return RetentionPolicy.of(described)
    except ValueError as error:
        logger.warning(
            "a retention policy is not understood",
            policy=described.get("policyName"),
            detail=str(error),
        )
        return None


def _is_denied(error: Exception) -> bool:
    return isinstance(error, ClientError) and code_of(error) in DENIED
