"""One way for every call: its errors name the operation and what it was about.

Their classes say what happens then; whatever is not known to pass by itself is a refusal.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from botocore.exceptions import (
    ClientError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
)
from botocore.exceptions import ConnectionError as BotocoreConnectionError
from botocore.parsers import ResponseParserError

from exporter.errors import CallRefusedError, ExportRefusedError, TransientError
from exporter.refusal import UNKNOWN_REFUSAL, reason_of

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
_BROKEN = (
    BotocoreConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    ResponseParserError,
)
"""What is raised of an answer that does not come, or not whole."""

type Kinds = Mapping[str, Callable[[str], Exception]]
"""What codes mean to one call only: an error of its own, by what is told of it."""


@contextmanager
def calling(
    operation: str,
    subject: str,
    *,
    kinds: Kinds = MappingProxyType({}),
    refused: type[CallRefusedError | ExportRefusedError] = CallRefusedError,
) -> Iterator[None]:
    """Turn what a call meets into an error of ours, such as ``PutObject of <key>: SlowDown: ...``.

    Args:
        operation: AWS's name of it.
        subject: What it is about, such as a log group or an object.
        kinds: Codes that mean something else here than anywhere.
        refused: What a refusal is whose reason is known.

    Raises:
        TransientError: AWS was busy or broken, or did not answer.
        CallRefusedError: It refuses, for a reason that nobody knows, or that is not the export's.
    """
    what = f"{operation} of {subject}"
    try:
        yield
    except ClientError as error:
        code, words = code_of(error), error.response["Error"].get("Message", "")
        message = f"{what}: {code}: {words}"
        if code in kinds:
            raise kinds[code](message) from error
        if is_passing(error):
            raise TransientError(message) from error
        reason = reason_of(code, words)
        if reason is None:
            raise CallRefusedError(UNKNOWN_REFUSAL, message) from error
        raise refused(reason, message) from error
    except _BROKEN as error:
        raise TransientError(f"{what}: {type(error).__name__}: {error}") from error


def code_of(error: ClientError) -> str:
    """Return AWS's error code."""
    return error.response["Error"]["Code"]


def is_passing(error: ClientError) -> bool:
    """Return whether an error passes by waiting: throttling, AWS's own faults."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    is_fault = status >= _HTTP_SERVER_ERROR or status == _TOO_MANY_REQUESTS
    return is_fault or code_of(error) in _TRANSIENT_CODES
