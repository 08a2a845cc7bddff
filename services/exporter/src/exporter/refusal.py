"""Why AWS refuses an export, in a word, and what mends it, in words.

AWS has one error code for most of it, so its texts have to be read. They are not documented; those
that were seen are in ``tests/refusals.toml``, with who saw them. A text that is not known becomes
``invalid_parameter``, with AWS's own words and what both sides have to allow.
"""

import json
import re

from logferry_contracts.ledger_record import Failed, LedgerRecord

UNKNOWN_REFUSAL = "unknown_refusal"
"""The reason where AWS's code says none."""
LOG_GROUP_DELETED = "log_group_deleted"
"""The reason where a log group, or that of its name that had the events, is not there any more."""
MEND_CHARACTERS = 4096
"""The contract's limit."""

_NO_GRANT = (
    re.compile(r"given bucket failed|been granted (?:permission|s3:PutObject)", re.IGNORECASE),
    "bucket_policy",
)
_TEXTS: dict[str, tuple[tuple[re.Pattern[str], str], ...]] = {
    "AccessDenied": (_NO_GRANT,),
    "AccessDeniedException": (_NO_GRANT,),
    "InvalidParameterException": (
        (re.compile(r"bucket does not exist", re.IGNORECASE), "bucket_missing"),
        (re.compile(r"\bkms\b|dsse", re.IGNORECASE), "bucket_encryption"),
        _NO_GRANT,
        (re.compile(r"bucket.*\bregion", re.IGNORECASE), "bucket_region"),
        (re.compile(r"creation time|was created", re.IGNORECASE), "created_after_window"),
    ),
    "ResourceNotFoundException": (),
    # What an account says in a Region that it has not enabled, and STS where it is not activated.
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_temp_enable-regions.html
    "InvalidClientTokenId": (),
    "OptInRequired": (),
    "RegionDisabledException": (),
    "UnrecognizedClientException": (),
    # S3's, of what the direct lane writes.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
    "AuthorizationHeaderMalformed": (),
    "IllegalLocationConstraintException": (),
    "KMS.DisabledException": (),
    "KMS.KMSInvalidStateException": (),
    "KMS.NotFoundException": (),
    "NoSuchBucket": (),
    "PermanentRedirect": (),
}
_OTHERWISE = {
    "AccessDenied": "access_denied",
    "AccessDeniedException": "access_denied",
    "InvalidParameterException": "invalid_parameter",
    "ResourceNotFoundException": LOG_GROUP_DELETED,
    "InvalidClientTokenId": "region_disabled",
    "OptInRequired": "region_disabled",
    "RegionDisabledException": "region_disabled",
    "UnrecognizedClientException": "region_disabled",
    "AuthorizationHeaderMalformed": "bucket_region",
    "IllegalLocationConstraintException": "bucket_region",
    "KMS.DisabledException": "bucket_encryption",
    "KMS.KMSInvalidStateException": "bucket_encryption",
    "KMS.NotFoundException": "bucket_encryption",
    "NoSuchBucket": "bucket_missing",
    "PermanentRedirect": "bucket_region",
}
_KEY_ACTIONS = ["kms:GenerateDataKey", "kms:Decrypt"]
_MAY_HIDE_THE_REGION = {"bucket_policy", "invalid_parameter"}
_NOTHING_TO_REPEAT = {LOG_GROUP_DELETED, "created_after_window"}


_WORDS = {
    "aws_unavailable": "Wait until AWS's services in {region} answer again: {message}",
    "access_denied": "Let {role_arn} call logs:CreateExportTask on {log_group_arn}, "
    "logs:DescribeExportTasks and logs:CancelExportTask on *, s3:PutObject on {bucket_arn}/*, and "
    "kms:GenerateDataKey and kms:Decrypt on the key that the bucket encrypts with by default.",
    "bucket_encryption": "Let the policy of the KMS key that bucket {bucket} encrypts with by "
    "default allow kms:GenerateDataKey and kms:Decrypt to the service {service} "
    "and to {role_arn}. DSSE-KMS cannot be used.",
    "bucket_missing": "Create bucket {bucket} in {region}, or plan with a bucket that is there.",
    "bucket_policy": "Add these statements to the policy of bucket {bucket}: {bucket_policy} And "
    "s3:PutObject on {bucket_arn}/* has to be in the role's own policy, that of {role_arn}.",
    "bucket_region": "Plan with a bucket in {region}: CloudWatch Logs of {region} cannot export to "
    "bucket {bucket}, which is in another Region.",
    "created_after_window": "AWS does not export windows that ended before log group "
    "{log_group_arn} was created, and this one has events that are older than it: read them with "
    "FilterLogEvents before its retention deletes them.",
    LOG_GROUP_DELETED: "Nothing can be exported any more: log group {log_group_arn} is gone. If "
    "it should be there, look in CloudTrail who deleted it.",
    "region_disabled": "Enable {region} in account {account_id} and in the exporter's account, and "
    "activate STS there.",
    "ledger_record_damaged": "Find out in CloudTrail's data events who has written or removed the "
    "ledger record: {message}",
    "not_as_recorded": "Find out who has written the ledger record of this export, by its former "
    "versions and CloudTrail's data events.",
    "object_missing": "Find out in CloudTrail's data events who removes objects below "
    "s3://{bucket}/{prefix}/.",
    "parent_unknown": "Find out in CloudTrail's data events who has removed the ledger record of "
    "the export of which this is a half.",
    "task_cancelled": "Find out in account {account_id}, {region}, who cancels export tasks.",
    "task_empty": "Ask AWS Support why export tasks of {log_group_arn} complete without objects "
    "although FilterLogEvents shows events: {message}",
    "task_failed": "Find out in account {account_id}, {region}, why export tasks of "
    "{log_group_arn} end with: {message}",
    "task_lost": "Look below s3://{bucket}/{prefix}/ for what the task has written: it was left "
    "there.",
    "unexpected_error": "Look up the traceback in the log of the exporter for {account_id}: "
    "{message}",
    "window_indivisible": "Find out in account {account_id}, {region}, why export tasks of "
    "{log_group_arn} take so long: {message}",
}
_DENIED_WORDS = {
    "AssumeRole": "Let the trust policy of {role_arn} allow sts:AssumeRole to the exporter's role, "
    "with the external id that the source has, and let the exporter's role call sts:AssumeRole on "
    "{role_arn}.",
    "PutObject": "Let the exporter's role call s3:PutObject and s3:GetObject on "
    "{bucket_arn}/{prefix}/*, and kms:GenerateDataKey and kms:Decrypt on the key that the bucket "
    "encrypts with by default.",
}
"""Of an operation that was denied, where it is not CreateExportTask."""
_DNS_SUFFIXES = {
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-iso": "c2s.ic.gov",
    "aws-iso-b": "sc2s.sgov.gov",
    "aws-iso-e": "cloud.adc-e.uk",
    "aws-iso-f": "csp.hci.ic.gov",
}
"""By the partitions that have one of their own, as botocore's data has it."""
_OTHER_WORDS = (
    "AWS does not name what is missing. Each of these has to allow the export of {log_group_arn}: "
    "the policy of {role_arn}, {role_policy}; the policy of bucket {bucket}, {bucket_policy}; and "
    "the policy of the key that the bucket encrypts with by default, {key_policy}. If they do, ask "
    "AWS Support about: {message}"
)


def reason_of(code: str, message: str) -> str | None:
    """Return the reason code of a refusal, or None for an error that is none."""
    if code not in _TEXTS:
        return None
    return next(
        (reason for pattern, reason in _TEXTS[code] if pattern.search(message)), _OTHERWISE[code]
    )


def may_be_the_region(reason: str) -> bool:
    """Return whether the bucket's Region may be what AWS means by this refusal."""
    return reason in _MAY_HIDE_THE_REGION


def mend(record: LedgerRecord, role_arn: str) -> str:
    """Return what somebody has to do about a failed export.

    Args:
        record: The failed export's.
        role_arn: The role in the source's account.
    """
    assert record.failed is not None  # noqa: S101  (only asked of a failed export)
    if record.failed.next_export_id is not None:
        return "Nothing: the next generation has been asked for."
    words = _words(record.failed).format(
        bucket=record.destination.bucket,
        bucket_arn=_bucket_arn(record, role_arn),
        bucket_policy=_bucket_policy(record, role_arn),
        role_policy=_role_policy(record, role_arn),
        key_policy=_key_policy(record, role_arn),
        prefix=record.destination.prefix,
        account_id=record.source.account_id,
        region=record.source.region,
        service=_service(record, role_arn),
        log_group_arn=record.log_group.arn,
        role_arn=role_arn,
        message=record.failed.message or "(nothing)",
    )
    if record.failed.reason in _NOTHING_TO_REPEAT:
        return words
    again = " Then put the dead letter back into its queue, or plan this date again (collect_date)."
    return words[: MEND_CHARACTERS - len(again)] + again


def _words(failed: Failed) -> str:
    # Up to 0.2.0 without what the call was about: `AssumeRole: AccessDenied: ...`
    operation, *_ = re.split("[ :]", failed.message, maxsplit=1)
    if failed.reason == "access_denied" and operation in _DENIED_WORDS:
        return _DENIED_WORDS[operation]
    return _WORDS.get(failed.reason, _OTHER_WORDS)


def _bucket_policy(record: LedgerRecord, role_arn: str) -> str:
    """Return the statements that AWS asks for, with this source's names in.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
    """
    bucket_arn = _bucket_arn(record, role_arn)
    partition = role_arn.split(":")[1]
    account_id, region = record.source.account_id, record.source.region
    service = {"Service": _service(record, role_arn)}
    from_source = {
        "StringEquals": {"aws:SourceAccount": [account_id]},
        "ArnLike": {"aws:SourceArn": [f"arn:{partition}:logs:{region}:{account_id}:log-group:*"]},
    }
    owner_has_control = {"s3:x-amz-acl": "bucket-owner-full-control"}
    statements = [
        _allow("s3:GetBucketAcl", bucket_arn, service, from_source),
        _allow(
            "s3:PutObject",
            f"{bucket_arn}/*",
            service,
            {
                "StringEquals": {**from_source["StringEquals"], **owner_has_control},
                "ArnLike": from_source["ArnLike"],
            },
        ),
        _allow(
            "s3:PutObject",
            f"{bucket_arn}/*",
            {"AWS": role_arn},
            {"StringEquals": owner_has_control},
        ),
    ]
    return json.dumps(statements)


def _role_policy(record: LedgerRecord, role_arn: str) -> str:
    """Return what the source's role has to be allowed by its own policy."""
    actions = {
        "logs:CreateExportTask": record.log_group.arn,
        "s3:PutObject": f"{_bucket_arn(record, role_arn)}/*",
    }
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": resource}
        for action, resource in actions.items()
    ]
    return json.dumps([*statements, {"Effect": "Allow", "Action": _KEY_ACTIONS, "Resource": "*"}])


def _key_policy(record: LedgerRecord, role_arn: str) -> str:
    """Return what a bucket's KMS key has to allow, to CloudWatch Logs and to its caller.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html
    """
    principal = {"Service": _service(record, role_arn), "AWS": role_arn}
    statement = {"Effect": "Allow", "Principal": principal, "Action": _KEY_ACTIONS, "Resource": "*"}
    return json.dumps([statement])


def _allow(
    action: str, resource: str, principal: dict[str, str], condition: object
) -> dict[str, object]:
    return {
        "Effect": "Allow",
        "Principal": principal,
        "Action": action,
        "Resource": resource,
        "Condition": condition,
    }


def _service(record: LedgerRecord, role_arn: str) -> str:
    """Return what policies call CloudWatch Logs: by its Region, and its partition's domain."""
    partition = role_arn.split(":")[1]
    return f"logs.{record.source.region}.{_DNS_SUFFIXES.get(partition, 'amazonaws.com')}"


def _bucket_arn(record: LedgerRecord, role_arn: str) -> str:
    return f"arn:{role_arn.split(':')[1]}:s3:::{record.destination.bucket}"
