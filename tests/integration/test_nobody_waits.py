"""What cannot be done now makes room for the others of its source, as deployed."""

import pytest

pytestmark = pytest.mark.localstack

PROFILE = "beta"
TRIES_AT_THE_HEAD = 4
"""Of an error that nobody knows; then the request goes to the tail for five minutes."""


def test_an_export_that_aws_refuses_by_a_code_that_nobody_knows_lets_the_next_go_on(
    suite, tap, name, plan, records, some_logs, request_of, write, send
):
    refused, following = f"{name}/refused", f"{name}/following"
    some_logs(PROFILE, refused, following)
    source = suite.source(PROFILE)
    suite.control(
        "faults",
        {
            "function": source.exporter_function_name,
            "operation": "logs.CreateExportTask",
            "error": {"code": "QuotaPolicyException", "message": "Not in this account."},
            "times": TRIES_AT_THE_HEAD,
        },
    )
    for each in (refused, following):
        write(request_of(PROFILE, each))
        send(request_of(PROFILE, each))
    tap.until(lambda: [r.state for r in records(following)] == ["secured"])
    assert [r.state for r in records(refused)] == ["requested"]

    # Not to be waited for by the tests that come next.
    suite.client("sqs").purge_queue(QueueUrl=suite.queue_url(source.queue_name))
    plan(PROFILE, refused, by_date=True)
    tap.until(lambda: [r.state for r in records(refused)] == ["secured"])
