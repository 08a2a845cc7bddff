"""The suite as it is deployed, from the schedule's request to the completion event."""

import gzip
import json

import pytest

pytestmark = pytest.mark.localstack


def test_a_log_groups_day_ends_in_the_archive_secured_and_announced(
    suite, tap, name, plan, records, some_logs, lines
):
    some_logs("alpha", name)
    answer = plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())

    assert answer["data"]["requested"] == 1
    [completed] = tap.of("export.completed", name)
    assert completed["manifest"]["stream_count"] == 2
    assert len(lines(completed["manifest"])) == 20
    s3 = suite.client("s3")
    for found in completed["manifest"]["objects"]:
        head = s3.head_object(
            Bucket=suite.archive_bucket, Key=found["key"], VersionId=found["version_id"]
        )
        assert (head["SSEKMSKeyId"], head["ObjectLockLegalHoldStatus"]) == (
            suite.kms_key_arn,
            "ON",
        )
    prefix = completed["destination"]["prefix"]
    tap.until(lambda: suite.waiting("logferry-sse-enforcer") == 0)
    versions = s3.list_object_versions(Bucket=suite.archive_bucket, Prefix=prefix)["Versions"]
    assert not [v for v in versions if v["Key"].endswith("aws-logs-write-test")]


def test_planning_a_day_again_requests_nothing(suite, tap, name, plan, records, some_logs):
    some_logs("alpha", name)
    plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())
    before = records(name)

    again = plan("alpha", name)["data"]

    assert again["requested"] == 0
    assert again["already_in_ledger"] >= 1
    tap.until(tap.idle)
    assert records(name) == before
    assert len(tap.of("export.completed", name)) == 1


def test_the_sources_of_two_accounts_are_exported_each_from_its_own(
    suite, tap, name, plan, records, some_logs, lines
):
    some_logs("alpha", name)
    some_logs("beta", name, streams=("only",))
    plan("alpha", name)
    plan("beta", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured", "secured"] and tap.idle())

    by_profile = {e["source"]["profile"]: e for e in tap.of("export.completed", name)}
    assert all("alpha event" in line for line in lines(by_profile["alpha"]["manifest"]))
    assert all("beta event" in line for line in lines(by_profile["beta"]["manifest"]))


def test_a_small_log_group_is_read_directly_and_ends_as_any_other(
    suite, tap, name, plan, records, some_logs, lines
):
    some_logs("alpha", name, lane="direct")
    plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())

    [completed] = tap.of("export.completed", name)
    [record] = records(name)
    assert (completed["lane"], completed["manifest"]["stream_count"]) == ("direct", 2)
    assert len(lines(completed["manifest"])) == 20
    assert suite.export_tasks("alpha", name=record.export_id) == []


def test_a_log_group_without_events_is_skipped(plan, name, records, some_logs):
    # Of the source whose direct lane nobody has used: a planner waits for who reads there.
    some_logs("beta", name, streams=(), lane="direct")

    answer = plan("beta", name)

    assert answer["data"]["skipped"]["empty"] >= 1
    assert [(r.state, r.skipped.reason) for r in records(name)] == [("skipped", "empty")]


def test_what_may_be_empty_and_cannot_be_looked_into_completes_without_objects(
    suite, tap, name, plan, records, some_logs
):
    some_logs("alpha", name, streams=())
    plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())

    [completed] = tap.of("export.completed", name)
    assert completed["manifest"]["objects"] == []


def test_a_message_that_breaks_its_contract_is_dead_lettered_and_the_next_goes_on(
    suite, tap, name, plan, records, some_logs, dead_letter
):
    source = suite.source("alpha")
    suite.client("sqs").send_message(
        QueueUrl=suite.queue_url(source.queue_name),
        MessageBody='{"specversion": "1.0", "data": {"export_id": 7}}',
        MessageGroupId=source.slot,
        MessageDeduplicationId=name.replace("/", "-"),
    )
    some_logs("alpha", name)
    plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])

    letter = dead_letter(source.dead_letter_queue_name, '"export_id": 7')
    assert letter["Body"] == '{"specversion": "1.0", "data": {"export_id": 7}}'
    attributes = {k: v["StringValue"] for k, v in letter["MessageAttributes"].items()}
    assert attributes["reason"] == "contract"
    assert "data.export_id" in attributes["detail"]


def test_a_schedules_input_that_breaks_its_contract_is_dead_lettered(suite, dead_letter):
    suite.invoke_planner({"loggingBucketName": "archive", "Prefix": "../alpha"})

    letter = dead_letter("logferry-planner-dlq", "../alpha")
    assert json.loads(letter["Body"])["Prefix"] == "../alpha"
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "contract"
    assert "roleArn" in letter["MessageAttributes"]["detail"]["StringValue"]


def test_an_event_that_breaks_its_contract_does_not_stop_the_enforcer(
    suite, tap, name, plan, records, some_logs, dead_letter
):
    suite.client("sqs").send_message(
        QueueUrl=suite.queue_url("logferry-sse-enforcer"), MessageBody='{"hello": "world"}'
    )
    some_logs("alpha", name)
    plan("alpha", name)
    tap.until(lambda: [r.state for r in records(name)] == ["secured"])

    letter = dead_letter("logferry-sse-enforcer-dlq", "hello")
    assert letter["Body"] == '{"hello": "world"}'
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "contract"


def test_a_failed_task_is_exported_again_and_leaves_nothing_of_itself(
    suite, tap, name, plan, records, some_logs, lines
):
    source = suite.source("beta")
    suite.control(
        "exports", {"account": source.account_id, "fail_pattern": f"^{name}$", "fail_count": 1}
    )
    some_logs("beta", name)
    plan("beta", name)
    tap.until(lambda: [r.state for r in records(name)] == ["failed", "secured"] and tap.idle())

    [failed], [completed] = tap.of("export.failed", name), tap.of("export.completed", name)
    assert (failed["will_be_retried"], completed["generation"]) == (True, 2)
    prefix = completed["destination"]["prefix"]
    versions = suite.client("s3").list_object_versions(Bucket=suite.archive_bucket, Prefix=prefix)[
        "Versions"
    ]
    assert {v["Key"].split("/")[-3] for v in versions} == {completed["task_id"]}
    assert len(lines(completed["manifest"])) == 20


def test_an_export_waits_for_the_task_of_somebody_else(suite, tap, name, plan, records, some_logs):
    some_logs("beta", name)
    with suite.busy_slot("beta"):
        looks = suite.calls("beta").count("logs.DescribeExportTasks")
        plan("beta", name)
        tap.until(lambda: suite.calls("beta").count("logs.DescribeExportTasks") > looks)
        assert [r.state for r in records(name)] == ["requested"]
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())

    assert len(tap.of("export.completed", name)) == 1
    assert tap.of("export.failed", name) == []


def test_a_log_group_that_is_gone_fails_with_what_to_do_and_the_next_goes_on(
    suite, tap, name, plan, records, some_logs, dead_letter
):
    source = suite.source("beta")
    some_logs("beta", name, f"{name}/next")
    with suite.busy_slot("beta"):
        plan("beta", f"{name}*")
        suite.client("logs", source.account_id).delete_log_group(logGroupName=name)
    tap.until(lambda: tap.of("export.failed", name) and tap.of("export.completed", f"{name}/next"))

    [failed] = tap.of("export.failed", name)
    assert (failed["reason"], failed["will_be_retried"]) == ("log_group_deleted", False)
    letter = dead_letter(source.dead_letter_queue_name, f'"{name}"')
    assert letter["MessageAttributes"]["reason"]["StringValue"] == "log_group_deleted"


def test_a_window_that_failed_is_exported_when_its_date_is_planned_again(
    suite, tap, name, plan, records, some_logs, lines, dead_letter
):
    s3, bucket = suite.client("s3"), suite.archive_bucket
    policy = s3.get_bucket_policy(Bucket=bucket)["Policy"]
    some_logs("beta", name)
    s3.delete_bucket_policy(Bucket=bucket)
    try:
        plan("beta", name)
        tap.until(lambda: tap.of("export.failed", name))
    finally:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    [failed] = tap.of("export.failed", name)
    assert failed["reason"] == "bucket_policy"
    source = suite.source("beta")
    assert f'"aws:SourceAccount": ["{source.account_id}"]' in failed["mend"]
    dead_letter(source.dead_letter_queue_name, f'"{name}"')

    assert plan("beta", name)["data"]["requested"] == 0
    plan("beta", name, by_date=True)
    tap.until(lambda: [r.state for r in records(name)] == ["failed", "secured"] and tap.idle())

    [completed] = tap.of("export.completed", name)
    assert completed["generation"] == 2
    assert len(lines(completed["manifest"])) == 20


def test_an_object_under_another_key_is_put_under_the_archives(suite, tap):
    key = f"alpha/test/2026/11/22/00/{'0' * 8}-0000-4000-8000-{'0' * 12}/web 1+%ü/000000.gz"
    s3 = suite.client("s3")
    put = s3.put_object(
        Bucket=suite.archive_bucket,
        Key=key,
        Body=gzip.compress(b"x"),
        ServerSideEncryption="AES256",
        Metadata={"kept": "yes"},
    )
    tap.until(lambda: [e for e in tap.events if e["data"].get("key") == key])

    [version] = s3.list_object_versions(Bucket=suite.archive_bucket, Prefix=key)["Versions"]
    head = s3.head_object(Bucket=suite.archive_bucket, Key=key)
    assert version["VersionId"] == put["VersionId"]
    assert (head["SSEKMSKeyId"], head["Metadata"]) == (suite.kms_key_arn, {"kept": "yes"})


def test_a_key_outside_the_layout_is_left_alone(suite, tap):
    """The predecessor deleted what it did not understand."""
    s3 = suite.client("s3")
    strange = s3.put_object(
        Bucket=suite.archive_bucket,
        Key="manual/upload.txt",
        Body=b"x",
        ServerSideEncryption="AES256",
    )
    marker = f"alpha/test/2026/11/22/00/{'1' * 8}-1111-4111-8111-{'1' * 12}/s/000000.gz"
    s3.put_object(Bucket=suite.archive_bucket, Key=marker, Body=b"x", ServerSideEncryption="AES256")
    tap.until(lambda: [e for e in tap.events if e["data"].get("key") == marker])
    tap.until(lambda: suite.waiting("logferry-sse-enforcer") == 0)

    head = s3.head_object(
        Bucket=suite.archive_bucket, Key="manual/upload.txt", VersionId=strange["VersionId"]
    )
    assert head["ServerSideEncryption"] == "AES256"
