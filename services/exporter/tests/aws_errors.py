"""What AWS may answer to the exporter's calls, and what an adapter makes of it."""

from typing import Any

import botocore.session
from botocore.exceptions import ClientError

from exporter.aws.calls import Kinds, calling, is_passing
from exporter.errors import (
    CallRefusedError,
    ExportRefusedError,
    LedgerConflictError,
    NotForDirectLaneError,
    SlotBusyError,
)

OPERATIONS = {
    "archive.folders": ("s3", "ListObjectVersions"),
    "archive.objects": ("s3", "ListObjectVersions"),
    "archive.put": ("s3", "PutObject"),
    "archive.region_of": ("s3", "HeadBucket"),
    "archive.remove": ("s3", "DeleteObjects"),
    "archive.sizes": ("s3", "ListObjectVersions"),
    "archive.texts": ("s3", "GetObject"),
    "ledger.close_day": ("s3", "DeleteObject"),
    "ledger.completed": ("s3", "PutObject"),
    "ledger.failed": ("s3", "PutObject"),
    "ledger.keys": ("s3", "ListObjectsV2"),
    "ledger.note_reading": ("s3", "PutObject"),
    "ledger.put_manifest": ("s3", "PutObject"),
    "ledger.read": ("s3", "GetObject"),
    "ledger.read_keys": ("s3", "GetObject"),
    "ledger.reading": ("s3", "ListObjectsV2"),
    "ledger.requested": ("s3", "PutObject"),
    "ledger.submitted": ("s3", "PutObject"),
    "ledger.windows": ("s3", "ListObjectsV2"),
    "logs.cancel_task": ("logs", "CancelExportTask"),
    "logs.create_task": ("logs", "CreateExportTask"),
    "logs.events": ("logs", "FilterLogEvents"),
    "logs.log_group": ("logs", "DescribeLogGroups"),
    "logs.newest_tasks": ("logs", "DescribeExportTasks"),
    "logs.task": ("logs", "DescribeExportTasks"),
    "queue.dead_letter": ("sqs", "SendMessage"),
    "queue.give_back": ("sqs", "ChangeMessageVisibilityBatch"),
    "queue.retention": ("sqs", "GetQueueAttributes"),
    "queue.send": ("sqs", "SendMessage"),
    "queue.send_beside": ("sqs", "SendMessage"),
    "queue.send_to_the_tail": ("sqs", "SendMessage"),
    "topic.publish": ("sns", "Publish"),
}
"""What the simulated calls are of AWS's. A source's calls may meet AssumeRole's errors as well."""
COMMON_CODES = [
    "AccessDeniedException",
    "IncompleteSignature",
    "InternalFailure",
    "InvalidAction",
    "InvalidClientTokenId",
    "InvalidParameterCombination",
    "InvalidParameterValue",
    "MalformedQueryString",
    "MissingAction",
    "MissingAuthenticationToken",
    "MissingParameter",
    "NotAuthorized",
    "OptInRequired",
    "RequestExpired",
    "ServiceUnavailable",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationError",
]
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/CommonErrors.html"""
S3_CODES = {
    301: (
        "PermanentRedirect",
        "PermanentRedirectControlError",
    ),
    304: ("NotModified",),
    307: (
        "Redirect",
        "TemporaryRedirect",
    ),
    400: (
        "AccessControlListNotSupported",
        "AmbiguousGrantByEmailAddress",
        "AuthorizationHeaderMalformed",
        "AuthorizationQueryParametersError",
        "BadDigest",
        "BucketHasAccessPointsAttached",
        "ConnectionClosedByRequester",
        "CredentialsNotSupported",
        "DeviceNotActiveError",
        "EndpointNotFound",
        "EntityTooLarge",
        "EntityTooSmall",
        "ExpiredToken",
        "IllegalLocationConstraintException",
        "IllegalVersioningConfigurationException",
        "IncompleteBody",
        "IncorrectEndpoint",
        "IncorrectNumberOfFilesInPostRequest",
        "InlineDataTooLarge",
        "InvalidAccessPoint",
        "InvalidAccessPointAliasError",
        "InvalidAddressingHeader",
        "InvalidArgument",
        "InvalidBucketAclWithObjectOwnership",
        "InvalidBucketName",
        "InvalidBucketOwnerAWSAccountID",
        "InvalidDigest",
        "InvalidEncryptionAlgorithmError",
        "InvalidHostHeader",
        "InvalidHttpMethod",
        "InvalidLocationConstraint",
        "InvalidPart",
        "InvalidPartOrder",
        "InvalidPolicyDocument",
        "InvalidRequest",
        "InvalidSOAPRequest",
        "InvalidSessionException",
        "InvalidSignature",
        "InvalidStorageClass",
        "InvalidTag",
        "InvalidTargetBucketForLogging",
        "InvalidToken",
        "InvalidURI",
        "KMS.DisabledException",
        "KMS.InvalidKeyUsageException",
        "KMS.KMSInvalidStateException",
        "KMS.NotFoundException",
        "KeyTooLongError",
        "MalformedACLError",
        "MalformedPOSTRequest",
        "MalformedPolicy",
        "MalformedXML",
        "MaxMessageLengthExceeded",
        "MaxPostPreDataLengthExceededError",
        "MetadataTooLarge",
        "MissingAttachment",
        "MissingRequestBodyError",
        "MissingSecurityElement",
        "MissingSecurityHeader",
        "NoLoggingStatusForKey",
        "NotDeviceOwnerError",
        "RequestHeaderSectionTooLarge",
        "RequestTimeout",
        "RequestTorrentOfBucketError",
        "ResponseInterrupted",
        "ServerSideEncryptionConfigurationNotFoundError",
        "TagPolicyException",
        "TokenCodeInvalidError",
        "TokenRefreshRequired",
        "TooManyAccessPoints",
        "TooManyBuckets",
        "TooManyMultiRegionAccessPointregionsError",
        "TooManyMultiRegionAccessPoints",
        "TooManyTags",
        "UnexpectedContent",
        "UnresolvableGrantByEmailAddress",
        "UnsupportedArgument",
        "UnsupportedSignature",
        "UserKeyMustBeSpecified",
    ),
    403: (
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "CrossLocationLoggingProhibited",
        "InvalidAccessKeyId",
        "InvalidObjectState",
        "InvalidPayer",
        "InvalidRegion",
        "InvalidSecurity",
        "MissingAuthenticationToken",
        "NotSignedUp",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "UnauthorizedAccessError",
        "UnexpectedIPError",
    ),
    404: (
        "NoSuchAccessPoint",
        "NoSuchAsyncRequest",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchCORSConfiguration",
        "NoSuchKey",
        "NoSuchLifecycleConfiguration",
        "NoSuchMultiRegionAccessPoint",
        "NoSuchObjectLockConfiguration",
        "NoSuchResource",
        "NoSuchTagSet",
        "NoSuchUpload",
        "NoSuchVersion",
        "NoSuchWebsiteConfiguration",
        "NoTransformationDefined",
        "ObjectLockConfigurationNotFoundError",
        "OwnershipControlsNotFoundError",
        "ReplicationConfigurationNotFoundError",
    ),
    405: ("MethodNotAllowed",),
    409: (
        "AccessPointAlreadyOwnedByYou",
        "BucketAlreadyExists",
        "BucketAlreadyOwnedByYou",
        "BucketNotEmpty",
        "ClientTokenConflict",
        "ConditionalRequestConflict",
        "InvalidBucketState",
        "OperationAborted",
        "RestoreAlreadyInProgress",
    ),
    411: ("MissingContentLength",),
    412: (
        "PreconditionFailed",
        "RequestIsNotMultiPartContent",
    ),
    416: ("InvalidRange",),
    500: ("InternalError",),
    501: ("NotImplemented",),
    503: (
        "ServiceUnavailable",
        "SlowDown",
    ),
}
"""All codes of S3's lists for buckets and objects, replication and tags, as of 2025-08-11.

By the HTTP status that comes with them; what has none there has 400 here.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""
INVENTED = "AnErrorOfTomorrow"
_STATUSES = {code: status for status, codes in S3_CODES.items() for code in codes}
_ANSWERS = {
    "archive.put": {"PreconditionFailed"},
    "ledger.read": {"NoSuchKey"},
    "ledger.read_keys": {"NoSuchKey"},
    "logs.cancel_task": {"InvalidOperationException", "ResourceNotFoundException"},
}
"""What is an answer to a call, and no error. To HeadBucket all is that does not pass."""
_OVERTAKEN = dict.fromkeys(
    ("PreconditionFailed", "ConditionalRequestConflict"), LedgerConflictError
)
_KINDS: dict[str, Kinds] = {
    "ledger.completed": _OVERTAKEN,
    "ledger.failed": _OVERTAKEN,
    "ledger.requested": _OVERTAKEN,
    "ledger.submitted": _OVERTAKEN,
    "logs.create_task": {"LimitExceededException": SlotBusyError},
    "logs.events": dict.fromkeys(
        ("AccessDeniedException", "InvalidOperationException", "InvalidParameterException"),
        NotForDirectLaneError,
    ),
}


def modelled_codes(service: str, operation: str) -> list[str]:
    """Return the codes that botocore's model has for an operation."""
    model = botocore.session.get_session().get_service_model(service)
    shapes = model.operation_model(operation).error_shapes
    return [shape.metadata.get("error", {}).get("code", shape.name) for shape in shapes]


def codes_of(service: str, operation: str) -> set[str]:
    """Return the codes that an operation may meet: modelled, common, S3's, and one of tomorrow."""
    found = {*modelled_codes(service, operation), *COMMON_CODES, INVENTED}
    return found | set(_STATUSES) if service == "s3" else found


def codes(call: str) -> list[str]:
    """Return the codes that a simulated call may meet."""
    service, operation = OPERATIONS[call]
    found = codes_of(service, operation)
    if service == "logs":
        found |= set(modelled_codes("sts", "AssumeRole"))
    found -= _ANSWERS.get(call, set())
    if operation == "HeadBucket":
        found = {code for code in found if is_passing(error_of(call, code))}
    return sorted(found)


def error_of(call: str, code: str, status: int | None = None) -> ClientError:
    """Return what botocore raises of a code, with S3's status for it if none is given."""
    return error(OPERATIONS[call][1], code, status)


def status_of(code: str) -> int:
    """Return the HTTP status that comes with a code."""
    return _STATUSES.get(code, 400)


def error(operation: str, code: str, status: int | None = None) -> ClientError:
    """Return what botocore raises of a code that an operation meets."""
    metadata: Any = {"HTTPStatusCode": status or status_of(code)}
    return ClientError(
        {"Error": {"Code": code, "Message": "What AWS says."}, "ResponseMetadata": metadata},
        operation,
    )


def raise_as_adapters_do(call: str, subject: str, error: Exception) -> None:
    """Raise what an adapter makes of an error that a call meets."""
    is_of_export = call.startswith("logs.") or call == "archive.put"
    refused = ExportRefusedError if is_of_export else CallRefusedError
    with calling(OPERATIONS[call][1], subject, kinds=_KINDS.get(call, {}), refused=refused):
        raise error
