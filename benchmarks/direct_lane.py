"""The direct lane's CPU, from an answer's bytes to the gzip file, beside 0.2.0's in the same run.

AWS is a function that returns the pages' bytes, so TLS and sockets are in neither. Both write the
same lines, which is asserted.
"""

import gzip
import hashlib
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from rich.console import Console
from rich.table import Table

from benchmarks.baselines import direct_lane_0_2_0 as former
from benchmarks.simulation.exporter_run import LINE_START_BYTES, SOURCE, WINDOW
from exporter.aws.source_account import SourceAccount
from exporter.direct import Slice
from exporter.spool import Spool
from logferry_contracts.documents import examples
from logferry_contracts.ledger_record import LedgerRecord

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

ROUNDS = 7
"""Of each once, in turns."""
PAGES = 24
PAGE_BYTES = 1_000_000
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_FilterLogEvents.html"""
STREAMS = 8
MESSAGE_BYTES = (74, 200, 1000)
SHOWN_MESSAGE_BYTES = 200
LIMITS = {"exporter.direct_cpu_over_0_2_0": 0.20}
WORDS = ("customer", "paid", "stock", "reserved", "cart", "updated", "payment", "shipped", "items")
RECORD = LedgerRecord.model_validate(examples("accept", "ledger-record")[0].document)
"""An export; nothing of it is looked at but its log group's name."""


class Lane(Protocol):
    """A direct lane at work in an empty folder."""

    def read(self) -> None:
        """Take in all pages, and write their lines."""

    def compressed(self) -> Iterator[Path]:
        """Yield each log stream's gzip file, which stays until the next."""


class Took(NamedTuple):
    """CPU seconds, and what came of them.

    Attributes:
        read_s: From the answers to the lines on disk.
        pack_s: From there to the gzip files.
        packed_bytes: Of all gzip files.
        lines_bytes: Of the lines in them.
        lines_sha256: Of each log stream's lines.
    """

    read_s: float
    pack_s: float
    packed_bytes: int
    lines_bytes: int
    lines_sha256: frozenset[bytes]

    @property
    def all_s(self) -> float:
        """From the answers to the gzip files."""
        return self.read_s + self.pack_s


class Today:
    """The exporter's own."""

    def __init__(self, pages: list[bytes], folder: Path) -> None:
        """Read these pages."""
        logs = _logs(pages)
        self._account, self._pages, self._spool = SourceAccount(logs, logs), pages, Spool(folder)

    def read(self) -> None:
        """See ``Lane``."""
        for _ in self._pages:
            self._spool.add(self._account.events(RECORD, Slice(0, 1), None)[0])

    def compressed(self) -> Iterator[Path]:
        """See ``Lane``."""
        return map(self._spool.compressed, self._spool.stream_names)


class Former:
    """0.2.0's."""

    def __init__(self, pages: list[bytes], folder: Path) -> None:
        """Read these pages."""
        self._logs, self._pages, self._spool = _logs(pages), pages, former.Spool(folder)

    def read(self) -> None:
        """See ``Lane``."""
        for _ in self._pages:
            self._spool.add(former.events(self._logs))

    def compressed(self) -> Iterator[Path]:
        """See ``Lane``."""
        return self._spool.compressed()


def run() -> dict[str, float]:
    """Print the table, and return CPU per MB of lines against 0.2.0's."""
    table = Table("message", title="CPU of a whole vCPU, and 0.2.0's behind the slash")
    for column in ("page, ms", "pack, ns a byte", "all, ms a MB", "ratio", "gzip files, ratio"):
        table.add_column(column, justify="right")
    ratios = {}
    for message_bytes in MESSAGE_BYTES:
        pages = [_page(message_bytes, number) for number in range(PAGES)]
        rounds = [(_took(Today, pages), _took(Former, pages)) for _ in range(ROUNDS)]
        ratio = ratios[message_bytes] = median(ours.all_s / its.all_s for ours, its in rounds)
        both = [min(each, key=lambda took: took.all_s) for each in zip(*rounds, strict=True)]
        if len({each.lines_sha256 for each in both}) > 1:
            raise AssertionError("the lines differ")
        table.add_row(
            f"{message_bytes} bytes",
            " / ".join(f"{each.read_s / PAGES * 1e3:.1f}" for each in both),
            " / ".join(f"{each.pack_s / each.lines_bytes * 1e9:.1f}" for each in both),
            " / ".join(f"{each.all_s / each.lines_bytes * 1e9:.1f}" for each in both),
            f"{ratio:.2f}",
            f"{both[0].packed_bytes / both[1].packed_bytes:.3f}",
        )
    Console().print(table)
    return {
        "exporter.direct_cpu_over_0_2_0": ratios[SHOWN_MESSAGE_BYTES],
        "exporter.direct_cpu_over_0_2_0.worst": max(ratios.values()),
    }


def _took(lane_of: Callable[[list[bytes], Path], Lane], pages: list[bytes]) -> Took:
    with TemporaryDirectory() as folder:
        lane = lane_of(pages, Path(folder))
        began_s = time.process_time()
        lane.read()
        read_s = time.process_time() - began_s
        pack_s, packed_bytes, lines_bytes, digests = 0.0, 0, 0, set()
        paths = lane.compressed()
        while True:
            began_s = time.process_time()
            path = next(paths, None)
            pack_s += time.process_time() - began_s
            if path is None:
                break
            packed = path.read_bytes()
            lines = gzip.decompress(packed)
            packed_bytes += len(packed)
            lines_bytes += len(lines)
            digests.add(hashlib.sha256(lines).digest())
    return Took(read_s, pack_s, packed_bytes, lines_bytes, frozenset(digests))


def _page(message_bytes: int, number: int) -> bytes:
    """Return an answer of FilterLogEvents with a page's worth of what a service might log."""
    rng = random.Random(number)  # noqa: S311  (reproducible, and no secret)
    at_ms, size = WINDOW.from_ms + number * 60_000, 0
    events: list[dict[str, object]] = []
    while size < PAGE_BYTES:
        at_ms += rng.randrange(20)
        message = f"INFO order {rng.getrandbits(64):016x} took {rng.random() * 900:.2f} ms:"
        while len(message) < message_bytes:
            message += f" {rng.choice(WORDS)} {rng.randrange(10**6)}"
        size += message_bytes + LINE_START_BYTES
        events.append(
            {
                "logStreamName": f"2026/11/22/[$LATEST]{len(events) % STREAMS:032x}",
                "timestamp": at_ms,
                "message": message[:message_bytes],
                "ingestionTime": at_ms + 1500,
                "eventId": f"{36542 * 10**50 + len(events)}",
            }
        )
    return json.dumps({"events": events, "searchedLogStreams": [], "nextToken": "more"}).encode()


def _logs(pages: list[bytes]) -> "CloudWatchLogsClient":
    """Return a client that is answered with the pages, one after the other."""
    logs = boto3.client(
        "logs",
        region_name=SOURCE.region,
        aws_access_key_id="key",
        aws_secret_access_key="secret",  # noqa: S106  (nobody is asked)
    )
    left = iter(pages)

    def answer(request: AWSPreparedRequest, **_: object) -> Any:
        answered: Any = AWSResponse(request.url, 200, HTTPHeaders(), None)
        answered._content = next(left)  # noqa: SLF001  (the body, read already)
        return answered

    logs.meta.events.register("before-send.cloudwatch-logs.FilterLogEvents", answer)
    return logs
