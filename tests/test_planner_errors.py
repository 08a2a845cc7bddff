"""Whatever AWS answers: what the planner cannot learn is exported, what it cannot make is told."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.parsers import ResponseParserError
from services.exporter.tests.aws_errors import codes_of, error
from services.planner.tests.test_calls import NOW, RECORD, SOURCE, WINDOW, Broken, account

from planner.aws.calls import calling
from planner.aws.infrastructure import _refused_as_options_of
from planner.aws.source_account import SourceAccount
from planner.errors import AwsError, PlanRefusedError

TOLERANT: dict[str, tuple[str, str, Callable[[SourceAccount], Any], object]] = {
    "incoming_log_events": (
        "cloudwatch",
        "GetMetricData",
        lambda its: its.incoming_log_events(["/a", "/b"], NOW - timedelta(days=1), NOW),
        {},
    ),
    "has_events": (
        "logs",
        "FilterLogEvents",
        lambda its: its.has_events(RECORD.log_group, WINDOW),
        True,
    ),
    "retention_policies": (
        "logs",
        "DescribeAccountPolicies",
        lambda its: its.retention_policies(),
        (),
    ),
}


@pytest.mark.parametrize("method", TOLERANT)
def test_what_no_code_lets_the_planner_learn_is_exported(method: str) -> None:
    service, operation, call, in_doubt = TOLERANT[method]
    failures = [
        *(error(operation, code) for code in sorted(codes_of(service, operation))),
        EndpointConnectionError(endpoint_url="https://aws"),
        ResponseParserError("Unable to parse response"),
    ]
    assert len(failures) > 10
    for failure in failures:
        aws = Broken(lambda _, failure=failure: failure)  # type: ignore[misc]
        assert call(account(aws)) == in_doubt, failure
        assert aws.called


PROVISIONING = [
    ("s3", "HeadObject"),
    ("sqs", "GetQueueUrl"),
    ("sqs", "CreateQueue"),
    ("sqs", "ListQueueTags"),
    ("sqs", "TagQueue"),
    ("sqs", "GetQueueAttributes"),
    ("sqs", "SetQueueAttributes"),
    ("lambda", "GetFunction"),
    ("lambda", "CreateFunction"),
    ("lambda", "UpdateFunctionCode"),
    ("lambda", "TagResource"),
    ("lambda", "UpdateFunctionConfiguration"),
    ("lambda", "ListEventSourceMappings"),
    ("lambda", "CreateEventSourceMapping"),
    ("lambda", "UpdateEventSourceMapping"),
]
PASSING = {
    "InternalError",
    "InternalFailure",
    "KMSThrottlingException",
    "OverLimit",
    "RequestThrottled",
    "ServiceException",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottlingException",
    "TooManyRequestsException",
}


@pytest.mark.parametrize(
    ("service", "operation"), PROVISIONING, ids=[each for _, each in PROVISIONING]
)
def test_what_no_code_lets_the_planner_make_is_told_with_the_call(
    service: str, operation: str
) -> None:
    for code in sorted(codes_of(service, operation)):
        with (
            pytest.raises((AwsError, PlanRefusedError)) as told,
            _refused_as_options_of(SOURCE),
            calling(operation, "log-sqs-dev-collect.fifo"),
        ):
            raise error(operation, code)
        assert f"{operation} of log-sqs-dev-collect.fifo: {code}: " in str(told.value)
        assert (told.type is AwsError) or code not in PASSING, code
