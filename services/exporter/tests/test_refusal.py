"""AWS's words for a refusal, and ours for what mends it."""

import json
import re
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.session import get_session
from botocore.stub import Stubber

from exporter import direct, errors, refusal
from exporter.aws.archive import Archive
from exporter.aws.source_account import SourceAccount, SourceAccounts
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import Failed

NOT_GRANTED = (
    "GetBucketAcl call on the given bucket failed. Please check if CloudWatch Logs has been "
    "granted permission to perform this operation."
)
PARTITIONS = get_session().get_data("endpoints")["partitions"]

type RequestFor = Callable[..., ExportRequestedData]

SEEN = tomllib.loads((Path(__file__).parent / "refusals.toml").read_text())["refusal"]
"""What AWS was seen to say, by whom, and what it means."""


def create(logs: Any, data: ExportRequestedData, _path: Path) -> None:
    SourceAccount(logs, logs).create_task(data.first_record(datetime.now(UTC)))


def describe(logs: Any, _data: ExportRequestedData, _path: Path) -> None:
    SourceAccount(logs, logs).newest_tasks(datetime.now(UTC))


def read(logs: Any, data: ExportRequestedData, _path: Path) -> None:
    record = data.first_record(datetime.now(UTC))
    SourceAccount(logs, logs).events(record, direct.Slice(0, 1), None)


def assume(sts: Any, data: ExportRequestedData, _path: Path) -> None:
    SourceAccounts(sts).account(data.source, datetime.now(UTC))


def put(s3: Any, data: ExportRequestedData, path: Path) -> None:
    Archive(lambda _region: s3).put("eu-west-1", data.destination.bucket, "key", path)


CALLS = {
    "CreateExportTask": ("logs", "create_export_task", create),
    "DescribeExportTasks": ("logs", "describe_export_tasks", describe),
    "FilterLogEvents": ("logs", "filter_log_events", read),
    "AssumeRole": ("sts", "assume_role", assume),
    "PutObject": ("s3", "put_object", put),
}


@pytest.mark.parametrize(
    "seen", SEEN, ids=[f"{seen['operation']}-{seen['code']}-{seen['text'][:30]}" for seen in SEEN]
)
def test_what_aws_was_seen_to_say_is_understood(
    seen: dict[str, str], request_for: RequestFor, tmp_path: Path
) -> None:
    service, method, call = CALLS[seen["operation"]]
    client = boto3.client(
        service,  # type: ignore[call-overload]  # one overload for each service
        region_name="eu-west-1",
        aws_access_key_id="a",
        aws_secret_access_key="b",
    )
    body = tmp_path / "body"
    body.write_bytes(b"")
    with Stubber(client) as stubber:
        stubber.add_client_error(method, seen["code"], seen["text"], http_status_code=400)
        with pytest.raises(getattr(errors, seen.get("becomes", "ExportRefusedError"))) as caught:
            call(client, request_for(), body)
    assert getattr(caught.value, "reason", None) == seen.get("reason")
    assert seen["text"] in str(caught.value)


def test_every_text_has_its_source() -> None:
    assert len(SEEN) == len({(seen["operation"], seen["code"], seen["text"]) for seen in SEEN})
    assert all(seen["source"] for seen in SEEN)


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (
            "ResourceNotFoundException",
            "The specified log group does not exist.",
            "log_group_deleted",
        ),
        ("InvalidParameterException", "The given bucket does not exist.", "bucket_missing"),
        ("InvalidParameterException", NOT_GRANTED, "bucket_policy"),
        ("AccessDeniedException", NOT_GRANTED, "bucket_policy"),
        ("InvalidParameterException", "The bucket is in a different region.", "bucket_region"),
        ("InvalidParameterException", "buckets encrypted with DSSE-KMS", "bucket_encryption"),
        (
            "InvalidParameterException",
            "The specified end time is earlier than the log group's creation time.",
            "created_after_window",
        ),
        ("InvalidParameterException", "words that nobody has seen", "invalid_parameter"),
        (
            "AccessDeniedException",
            "not authorized to perform: logs:CreateExportTask on log-group:/aws/kms/bucket-region",
            "access_denied",
        ),
        ("AccessDenied", "not authorized to perform: sts:AssumeRole", "access_denied"),
        ("NoSuchBucket", "The specified bucket does not exist", "bucket_missing"),
        ("KMS.DisabledException", "arn:aws:kms:... is disabled", "bucket_encryption"),
        ("PermanentRedirect", "must be addressed using the specified endpoint", "bucket_region"),
        ("SomethingNew", NOT_GRANTED, None),
    ],
)
def test_a_refusal_gets_its_reason_code(code: str, message: str, reason: str | None) -> None:
    assert refusal.reason_of(code, message) == reason


def test_the_log_groups_name_is_not_read_as_a_word_of_awss(request_for: RequestFor) -> None:
    logs = boto3.client(
        "logs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    record = request_for("/aws/kms/bucket-of-a-region").first_record(datetime.now(UTC))
    with Stubber(logs) as stubber:
        stubber.add_client_error("create_export_task", "InvalidParameterException", "Something.")
        with pytest.raises(errors.ExportRefusedError) as caught:
            SourceAccount(logs, logs).create_task(record)
    assert caught.value.reason == "invalid_parameter"
    assert "/aws/kms/bucket-of-a-region" in str(caught.value)


def mended(
    request_for: RequestFor,
    reason: str,
    message: str = "",
    next_export_id: str | None = None,
    role_arn: str = "arn:aws:iam::111122223333:role/logferry-source",
    region: str = "eu-west-1",
) -> str:
    at = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
    failed = Failed(
        reason=reason, message=message, at="2026-11-23T06:00:00Z", next_export_id=next_export_id
    )
    request = request_for()
    source = request.source.model_copy(update={"region": region})
    record = request.model_copy(update={"source": source}).first_record(at)
    return refusal.mend(record.as_failed(failed), role_arn)


def test_a_missing_bucket_policy_is_written_out_with_the_sources_names(
    request_for: RequestFor,
) -> None:
    words = mended(request_for, "bucket_policy")
    statements, _ = json.JSONDecoder().raw_decode(words[words.index("[") :])
    acl, service_put, role_put = statements
    assert acl["Resource"] == "arn:aws:s3:::amzn-s3-demo-archive"
    assert acl["Action"] == "s3:GetBucketAcl"
    assert service_put["Resource"] == "arn:aws:s3:::amzn-s3-demo-archive/*"
    for statement in (acl, service_put):
        assert statement["Principal"] == {"Service": "logs.eu-west-1.amazonaws.com"}
        condition = statement["Condition"]
        assert condition["StringEquals"]["aws:SourceAccount"] == ["111122223333"]
        assert condition["ArnLike"]["aws:SourceArn"] == [
            "arn:aws:logs:eu-west-1:111122223333:log-group:*"
        ]
    assert role_put["Principal"] == {"AWS": "arn:aws:iam::111122223333:role/logferry-source"}
    for statement in (service_put, role_put):
        acl_condition = statement["Condition"]["StringEquals"]["s3:x-amz-acl"]
        assert acl_condition == "bucket-owner-full-control"


def test_a_bucket_policy_alone_may_not_be_enough(request_for: RequestFor) -> None:
    words = mended(request_for, "bucket_policy")
    assert (
        "And s3:PutObject on arn:aws:s3:::amzn-s3-demo-archive/* has to be in the role's own "
        "policy, that of arn:aws:iam::111122223333:role/logferry-source." in words
    )


def test_a_text_that_nobody_knows_names_what_each_side_has_to_allow(
    request_for: RequestFor,
) -> None:
    words = mended(request_for, "invalid_parameter", "CreateExportTask: words of tomorrow")
    decode = json.JSONDecoder().raw_decode
    role, bucket, key = (
        decode(words, words.index("[", words.index(of)))[0]
        for of in ("the policy of arn:", "the policy of bucket", "the policy of the key")
    )
    allowed = {str(statement["Action"]): statement["Resource"] for statement in role}
    assert allowed == {
        "logs:CreateExportTask": request_for().log_group.arn,
        "s3:PutObject": "arn:aws:s3:::amzn-s3-demo-archive/*",
        "['kms:GenerateDataKey', 'kms:Decrypt']": "*",
    }
    assert [each["Action"] for each in bucket] == [
        "s3:GetBucketAcl",
        "s3:PutObject",
        "s3:PutObject",
    ]
    assert key[0]["Principal"] == {
        "Service": "logs.eu-west-1.amazonaws.com",
        "AWS": "arn:aws:iam::111122223333:role/logferry-source",
    }
    assert "CreateExportTask: words of tomorrow" in words


def test_arns_are_of_the_roles_partition(request_for: RequestFor) -> None:
    role_arn = "arn:aws-us-gov:iam::111122223333:role/logferry-source"
    words = mended(request_for, "bucket_policy", role_arn=role_arn)
    assert "arn:aws-us-gov:s3:::amzn-s3-demo-archive/*" in words
    assert "arn:aws:" not in words


@pytest.mark.parametrize("partition", PARTITIONS, ids=lambda partition: partition["partition"])
@pytest.mark.parametrize("reason", ["bucket_policy", "bucket_encryption", "invalid_parameter"])
def test_the_service_is_called_as_its_partition_calls_it(
    request_for: RequestFor, partition: dict[str, Any], reason: str
) -> None:
    role_arn = f"arn:{partition['partition']}:iam::111122223333:role/logferry-source"
    for region in partition["regions"]:
        words = mended(request_for, reason, role_arn=role_arn, region=region)
        services = re.findall(rf"logs\.{region}\.[a-z0-9.-]*[a-z]", words)
        assert set(services) == {f"logs.{region}.{partition['dnsSuffix']}"}


@pytest.mark.parametrize(
    ("reason", "message", "part"),
    [
        ("bucket_missing", "", "Create bucket amzn-s3-demo-archive in eu-west-1"),
        ("bucket_region", "", "Plan with a bucket in eu-west-1"),
        ("region_disabled", "", "Enable eu-west-1 in account 111122223333"),
        ("bucket_encryption", "", "kms:GenerateDataKey and kms:Decrypt"),
        (
            "access_denied",
            "CreateExportTask of /aws/lambda/orders: AccessDeniedException: no",
            "CreateExportTask on arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/orders",
        ),
        (
            "access_denied",
            "AssumeRole of arn:aws:iam::111122223333:role/logferry-source: AccessDenied: no",
            "trust policy of arn:aws:iam::1111",
        ),
        # As 0.2.0 has left it in the ledger.
        ("access_denied", "AssumeRole: AccessDenied: no", "trust policy of arn:aws:iam::1111"),
        (
            "access_denied",
            "PutObject of s3://archive/key: AccessDenied: not authorized to perform kms:Decrypt",
            "s3:GetObject on arn:aws:s3:::amzn-s3-demo-archive/shop/aws/lambda/orders/",
        ),
        ("task_failed", "Internal {failure}", "end with: Internal {failure}"),
        ("task_cancelled", "", "who cancels export tasks"),
        ("task_lost", "", "s3://amzn-s3-demo-archive/shop/aws/lambda/orders/2026/11/21/00/"),
        ("window_indivisible", "It took 79200.0 s", "take so long: It took 79200.0 s"),
        ("a_reason_of_later", "what AWS said", "what AWS said"),
    ],
)
def test_every_reason_has_words_that_name_the_things(
    request_for: RequestFor, reason: str, message: str, part: str
) -> None:
    words = mended(request_for, reason, message)
    assert part in words
    assert words.endswith(
        " Then put the dead letter back into its queue, or plan this date again (collect_date)."
    )


@pytest.mark.parametrize("reason", ["log_group_deleted", "created_after_window"])
def test_what_cannot_be_exported_is_not_to_be_requested_again(
    request_for: RequestFor, reason: str
) -> None:
    words = mended(request_for, reason)
    assert "again" not in words
    assert "Nothing is missing" not in words


def test_an_export_that_is_tried_again_needs_nobody(request_for: RequestFor) -> None:
    words = mended(request_for, "task_failed", next_export_id="0" * 32)
    assert words == "Nothing: the next generation has been asked for."


def test_the_words_stay_within_the_contract(request_for: RequestFor) -> None:
    words = mended(request_for, "invalid_parameter", "x" * 4096)
    assert len(words) == 4096
    assert words.endswith("or plan this date again (collect_date).")


@pytest.mark.parametrize("reason", ["bucket_policy", "invalid_parameter"])
def test_a_wrong_region_may_hide_behind_other_words(reason: str) -> None:
    assert refusal.may_be_the_region(reason)
    assert not refusal.may_be_the_region("log_group_deleted")
