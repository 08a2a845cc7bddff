"""What the planner cannot learn by a call is exported, whatever AWS has answered."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.parsers import ResponseParserError
from services.exporter.tests.aws_errors import codes_of, error
from services.planner.tests.test_calls import NOW, RECORD, WINDOW, Broken, account

from planner.aws.source_account import SourceAccount

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
        aws = Broken(lambda _, failure=failure: failure)
        assert call(account(aws)) == in_doubt, failure
        assert aws.called
