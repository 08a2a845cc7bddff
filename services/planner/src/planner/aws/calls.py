"""How AWS is called: how often, for how long, and that an error names the call and its subject."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from planner.errors import AwsError

THREADS = 16
"""How many objects are written or read at once; more are no faster, as each call takes CPU time."""
CLIENT_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=THREADS,
)
"""Every client's: throttles, 5xx and broken connections are tried again for up to 31 s.

The mode is the one without a budget: docs/adr/0029-retries-without-a-budget.md.
"""
FAILURES = (BotoCoreError, ClientError, ResponseParserError)
"""All that a call may raise: an answer that breaks off is none of botocore's own errors."""


@contextmanager
def calling(operation: str, subject: str) -> Iterator[None]:
    """Turn what a call meets into an error such as ``PutObject of s3://...: SlowDown: ...``.

    Args:
        operation: AWS's name of it.
        subject: What it is about, such as an object or a queue.

    Raises:
        AwsError: AWS refused or failed the call, or did not answer.
    """
    try:
        yield
    except ClientError as error:
        message = error.response["Error"].get("Message", "")
        raise AwsError(operation, subject, code_of(error), message) from error
    except FAILURES as error:
        raise AwsError(operation, subject, type(error).__name__, str(error)) from error


def code_of(error: ClientError) -> str:
    """Return AWS's error code."""
    return error.response["Error"]["Code"]
