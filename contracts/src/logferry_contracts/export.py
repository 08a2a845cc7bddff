"""An export: one log group, one window, one generation."""

import hashlib
from collections.abc import Container, Iterator
from typing import Annotated, Literal

from pydantic import Field

from logferry_contracts.message import Message
from logferry_contracts.source import BucketName, SourceName
from logferry_contracts.window import Window

ExportId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
LAST_GENERATION = 1000
Generation = Annotated[int, Field(ge=1, le=LAST_GENERATION)]
"""1 for the first try of a window, one more for each new try after a failed one."""

Lane = Literal["slot", "direct"]
"""``slot``: by the account's one export task; ``direct``: read with FilterLogEvents."""

TaskId = Annotated[str, Field(min_length=1, max_length=512)]
"""The id that CloudWatch Logs gives an export task."""

ReasonCode = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$")]
"""A reason in a word, such as ``bucket_policy``; new ones may appear in any version."""

DestinationPrefix = Annotated[str, Field(min_length=1, max_length=900)]
"""``destinationPrefix`` of CreateExportTask.

It leaves room for the task id, the stream and the file name in a key of at most 1,024 bytes.
"""

MISSING_TRIES = 20
"""After how many tries without a record in a row none is looked for any more.

A try comes after one that has a record. So many are missing only where somebody has removed them.
"""


class Destination(Message):
    """Where an export's objects go: below ``s3://<bucket>/<prefix>/``."""

    bucket: BucketName
    prefix: DestinationPrefix


def export_id(source: SourceName, log_group_name: str, window: Window, generation: int) -> str:
    """Return the name of an export, the same for the same export wherever it is computed.

    It is the ledger key, the export task's ``taskName``, the FIFO deduplication id and the
    CloudEvents id. The parts are joined by a character that none of them can hold, so that no
    two exports share a name.
    """
    parts = (
        source.account_id,
        source.region,
        log_group_name,
        str(window.from_ms),
        str(window.to_ms),
        str(generation),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def export_ids(source: SourceName, log_group_name: str, window: Window) -> Iterator[str]:
    """Yield the names of all tries that there may be of a log group's window, in their order.

    Of those that there are, one between may be missing, as what somebody has removed.
    """
    for generation in range(1, LAST_GENERATION + 1):
        yield export_id(source, log_group_name, window, generation)


def tries_there(
    there: Container[str], source: SourceName, log_group_name: str, window: Window
) -> Iterator[tuple[int, str]]:
    """Yield the generation and the name of each try that is there, in their order.

    Some between may be missing, as what somebody has removed; not `MISSING_TRIES` in a row.

    Args:
        there: The names that are.
        source: Whose log group it is.
        log_group_name: Of the log group.
        window: Of the tries.
    """
    missing = 0
    for generation, name in enumerate(export_ids(source, log_group_name, window), start=1):
        if name in there:
            missing = 0
            yield generation, name
        elif (missing := missing + 1) == MISSING_TRIES:
            return
