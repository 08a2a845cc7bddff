"""What an error of AWS means."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from exporter.errors import ExportRefusedError, LedgerConflictError, SlotBusyError, TransientError
from exporter.patience import Problem
from exporter.refusal import reason_of

_TRANSIENT_CODES = frozenset(
    {
        "BandwidthLimitExceeded",
        "Busy",
        # Somebody else is writing the same object.
        "ConditionalRequestConflict",
        "EC2ThrottledException",
        "ExpiredToken",
        "ExpiredTokenException",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "KMS.ThrottlingException",
        "KMSThrottling",
        "KmsThrottled",
        # Of CreateExportTask, it is a busy slot.
        "LimitExceededException",
        "OperationAborted",
        "OperationAbortedException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestExpired",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "RequestTimeTooSkewed",
        "RequestTimeout",
        "RequestTimeoutException",
        # Of an export task, it can only be one of our own name: the next look finds it.
        "ResourceAlreadyExistsException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    }
)
"""AWS's spellings of being busy, those that botocore tries again by itself among them."""
_TOO_MANY_REQUESTS = 429
_HTTP_SERVER_ERROR = 500
BROKEN = (
    BotocoreConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
)
"""What is raised of an answer that does not come, or not whole."""


@contextmanager
def sorted_errors() -> Iterator[None]:
    """Turn an error of a source's account into what it means for the export."""
    try:
        yield
    except ClientError as error:
        meant = _meaning(error)
        if meant is None:
            raise
        raise meant from error
    except BROKEN as error:
        raise TransientError(str(error)) from error


def _meaning(error: ClientError) -> Exception | None:
    code, message = code_of(error), _words(error)
    if code == "LimitExceededException" and error.operation_name == "CreateExportTask":
        return SlotBusyError(message)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_fault = status >= _HTTP_SERVER_ERROR or status == _TOO_MANY_REQUESTS
    if code in _TRANSIENT_CODES or is_fault:
        return TransientError(message)
    reason = reason_of(code, message)
    return None if reason is None else ExportRefusedError(reason, message)


def problem_of(error: Exception) -> Problem:
    """Return what an error is when it is the end of an export, and whether it passes by waiting."""
    meant = (_meaning(error) if isinstance(error, ClientError) else None) or error
    if isinstance(meant, (TransientError, LedgerConflictError, SlotBusyError, *BROKEN)):
        return Problem(reason="aws_unavailable", message=str(meant), is_passing=True)
    if isinstance(meant, ExportRefusedError):
        return Problem(reason=meant.reason, message=str(meant), is_passing=False)
    if isinstance(meant, ClientError):
        return Problem(reason="unknown_refusal", message=_words(meant), is_passing=False)
    message = f"{type(error).__name__}: {error}"
    return Problem(reason="unexpected_error", message=message, is_passing=False)


def _words(error: ClientError) -> str:
    text = error.response["Error"].get("Message", "")
    return f"{error.operation_name}: {code_of(error)}: {text}"


def code_of(error: ClientError) -> str:
    """Return AWS's error code."""
    return error.response["Error"]["Code"]
