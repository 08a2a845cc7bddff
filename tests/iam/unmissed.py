"""Permissions that no run here can miss, or seldom one does, each with the reason."""

_CONTROL = "arn:aws:s3:::logferry-control-<hub>-eu-west-1"
_LONG = (
    "only an export of more objects than fit into an event has its list apart: more than such a "
    "run can make; services/exporter/tests has them"
)
_SNS = (
    "SNS reaches its queue, unless the machine is too busy to answer; AWS asks for it: "
    "https://docs.aws.amazon.com/sns/latest/dg/sns-configure-dead-letter-queue.html"
)
_ACL = (
    "the add-on looks at the bucket's policy for it without a call; AWS asks for it: "
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html"
)

UNMISSED: dict[tuple[str, str, str], str] = {
    ("bucket logferry-archive-<hub>-eu-west-1", "LogsExport", "s3:GetBucketAcl"): _ACL,
    (
        "bucket logferry-archive-<hub>-eu-west-1",
        "LogsExport",
        "arn:aws:s3:::logferry-archive-<hub>-eu-west-1",
    ): _ACL,
    ("key", "CloudWatchLogsWritesToTheArchive", "kms:Decrypt"): (
        "CloudWatch Logs writes each object in one piece here; AWS asks for it: "
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3ExportTasks.html"
    ),
    ("source/export", "ReadEncryptedLogGroups", "kms:Decrypt"): (
        "log groups are not encrypted in LocalStack; AWS asks for it: "
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html"
    ),
    ("queue logferry-sse-enforcer-dlq", "CreatedObjects", "sqs:SendMessage"): (
        "EventBridge has no dead letters in LocalStack; AWS asks for it: "
        "https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html"
    ),
    ("logferry-sse-enforcer-archive", "LookAtObjects", "s3:GetObjectTagging"): (
        "every copy is of a version; CopyObject's page names this action and not the one on "
        "versions: https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html"
    ),
    (
        "logferry-sse-enforcer-archive",
        "FindTheArchivesKey",
        "arn:aws:ssm:eu-west-1:<hub>:parameter/app/cloudwatch/log/export/s3/kms/arn/*",
    ): (
        "AWS's page does not say whether a path or what is below it is the resource: "
        "https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-access.html"
    ),
    ("logferry-sse-enforcer-archive", "UseKeys", "kms:ReEncryptFrom"): (
        "ReadUnderFormerKeys has it for the hub's own keys; an archive's key of another account "
        "needs it"
    ),
    ("logferry-sse-enforcer-archive", "ReadManifests", "s3:GetObject"): _LONG,
    (
        "exporter-<profile>/exporter",
        "ReadAndWriteLedger",
        f"{_CONTROL}/manifest/<source>/eu-west-1/*",
    ): _LONG,
    ("exporter-provisioned/exporter", "ReadAndWriteLedger", f"{_CONTROL}/manifest/*"): _LONG,
    ("sealer/sealer", "ReadTheLedger", f"{_CONTROL}/manifest/*"): (
        "as the exporter's; services/sealer/tests/test_differences.py reads such a list"
    ),
    ("source/export", "StopQueries", "logs:StopQuery"): (
        "only a query that reads twice what was guessed is stopped; services/recounter/tests has it"
    ),
    ("sealer/sealer", "ReadUnderAnyKey", "kms:Decrypt"): (
        "an object has its key by then, unless the sse-enforcer is behind: "
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html"
    ),
}
"""No run misses these: one that does has shown what they are for, and ends their being here."""

SELDOM: dict[tuple[str, str, str], str] = {
    ("queue logferry-sse-enforcer-dlq", "CompletedExports", "sqs:SendMessage"): _SNS,
    ("queue logferry-sealer-dlq", "EventsOfTheTopic", "sqs:SendMessage"): _SNS,
    ("planner-coverage/coverage", "ReadTheLedger", f"{_CONTROL}/inventories/*"): (
        "only of a source whose plans record nothing is the newest inventory read; "
        "cli/tests/test_coverage.py has it"
    ),
    ("exporter-provisioned/exporter", "WriteAndRemovePartialObjects", "s3:GetObject"): (
        "only after a try that was killed; exporters with a stack show it"
    ),
    ("exporter-<profile>/exporter", "WorkOnTheDirectQueue", "sqs:ChangeMessageVisibility"): (
        "only a read that the end of an invocation cuts off gives its message back; "
        "services/exporter/tests/test_direct_lane.py has it"
    ),
}
"""A run misses these where something is cut off or not reached, which no flow here brings about."""
