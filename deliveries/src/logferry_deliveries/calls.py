"""How AWS is called: how often a call is tried, and what becomes of one that fails."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from logferry_deliveries.errors import AwsError, KmsKeyError

CLIENT_CONFIG = Config(
    retries={"mode": "legacy", "total_max_attempts": 6}, connect_timeout=5, read_timeout=60
)
"""Every client's: throttles, 5xx and broken connections are tried again for up to 31 s.

The mode is the one without a budget: docs/adr/0029-retries-without-a-budget.md.
"""


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
        KmsKeyError: AWS passes on that KMS refuses.
        AwsError: AWS refuses for another reason, or its answer did not come, or not whole.
    """
    try:
        yield
    except ClientError as error:
        said = error.response["Error"]
        code, message = said.get("Code", ""), said.get("Message", "")
        if code.startswith("KMS."):
            raise KmsKeyError(f"{operation} of {subject}: {code}: {message}") from error
        raise (kinds or {}).get(code, AwsError)(operation, subject, code, message) from error
    # An answer that is cut short, or a proxy's page, is none of botocore's own errors.
    except (BotoCoreError, ResponseParserError) as error:
        raise AwsError(operation, subject, type(error).__name__, str(error)) from error
