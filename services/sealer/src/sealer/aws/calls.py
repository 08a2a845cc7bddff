"""How AWS is called: how often a call is tried, and what becomes of one that fails."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from sealer.errors import AwsError

THREADS = 8
"""One boto3 client is bound by its own CPU time beyond that, about 3 ms a call."""

CLIENT_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 6},
    connect_timeout=5,
    read_timeout=60,
    max_pool_connections=2 * THREADS,
)
"""Every client's: throttles, 5xx and broken connections are tried again for up to 31 s.

The mode is the one without a budget: docs/adr/0029-retries-without-a-budget.md.
"""

OVERTAKEN = ("PreconditionFailed", "ConditionalRequestConflict")
"""S3's answers to a conditional write that came too late.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html"""


@contextmanager
def calling(
    operation: str, subject: str, kinds: Mapping[str, type[AwsError]] | None = None
) -> Iterator[None]:
    """Turn what AWS says no by into our errors; every call that is made is made within this.

    Args:
        operation: AWS's name of it, such as ``GetObject``.
        subject: What it is about, as whoever reads the error knows it.
        kinds: The errors of codes that mean something to the caller; `AwsError` for all others.

    Raises:
        AwsError: AWS refuses, or its answer did not come, or not whole.
    """
    try:
        yield
    except ClientError as error:
        said = error.response["Error"]
        code = said.get("Code", "")
        raise (kinds or {}).get(code, AwsError)(
            operation, subject, code, said.get("Message", "")
        ) from error
    # An answer that is cut short, or a proxy's page, is none of botocore's own errors.
    except (BotoCoreError, ResponseParserError) as error:
        raise AwsError(operation, subject, type(error).__name__, str(error)) from error
