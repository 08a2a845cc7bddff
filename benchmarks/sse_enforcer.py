"""The sse-enforcer beside a bare boto3 client that makes the same calls, on the same LocalStack.

Objects a second say as much of the emulator as of the enforcer: what counts is how the two compare.
They take turns, so that whatever else the machine does hits both, and each works in as many
processes as Lambda would run side by side.
"""

import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import batched
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.config import Config
from rich.console import Console
from rich.table import Table

from devstack.localstack import running
from sse_enforcer.delivery import process
from sse_enforcer.settings import Settings
from sse_enforcer.wiring import wire

WORKERS = (1, 8, 32)
OBJECTS = 96
ROUNDS = 10
"""Turns of each of the two, short ones; the ratio is the median of its rounds."""
BATCH = 10
"""Messages that an invocation gets."""
OBJECT_BYTES = 100_000
LIMITS = {"sse_enforcer.bare_client_over_rate.w8": 1.25}
"""The enforcer makes at least 0.8 of the bare client's objects a second."""

BIG_PART_BYTES = 256 * 1024**2
BIG_PARTS = 21
"""5.25 GiB together: more than CopyObject takes."""
TIMEOUT_S = 300
STDOUT = 1
WORKERS_OF_ONE = 8
"""Threads that one invocation works with at most."""

REGION = "eu-west-1"
ACCOUNT = "123456789012"
ARCHIVE, CONTROL = "archive-bench", "control-bench"
PARAMETER = "/bench/kms/arn"
PREFIX = "shop/aws/lambda/orders/2026/11/21/00/direct"
MOVES_BYTES = frozenset({"CopyObject", "GetObject", "PutObject", "UploadPart", "UploadPartCopy"})

type Items = Sequence[tuple[str, str]]
"""Keys and version ids."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the benchmark runs.

    Attributes:
        keys: The ARNs of two KMS keys: the enforcer brings objects under the first, the bare client
            under the second, so that each finds what the other has left.
    """

    endpoint: str
    topic_arn: str
    dead_letter_queue_url: str
    keys: tuple[str, str]

    def client(self, service: str, calls: Counter[str] | None = None) -> Any:
        """Return a client as the function makes it; its calls are counted by operation."""
        client = boto3.client(  # type: ignore[call-overload]  # any service
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="any",  # noqa: S106  (LocalStack reads only the id)
            config=Config(
                retries={"mode": "legacy", "total_max_attempts": 6},
                read_timeout=TIMEOUT_S,
                max_pool_connections=WORKERS_OF_ONE,
                proxies={},
            ),
        )
        if calls is not None:

            def count(model: Any, **_: Any) -> None:
                calls[model.name] += 1

            client.meta.events.register("before-call", count)
        return client


@dataclass
class Measured:
    """Objects a second, round by round."""

    ours: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def bare_over_ours(self) -> float:
        """The bare client's rate ÷ ours."""
        return median(bare / ours for bare, ours in zip(self.bare, self.ours, strict=True))


class Ours:
    """The enforcer's handler, as Lambda invokes it with messages about new objects."""

    def __init__(self, place: Place, calls: Counter[str] | None = None) -> None:
        """Put the service together, and let it find out about its key."""
        settings = Settings.from_env(
            {
                "ARCHIVE_BUCKET": ARCHIVE,
                "CONTROL_BUCKET": CONTROL,
                "TOPIC_ARN": place.topic_arn,
                "DEAD_LETTER_QUEUE_URL": place.dead_letter_queue_url,
                "KMS_KEY_PARAMETER": PARAMETER,
                "KMS_KEY_TTL_SECONDS": "99999",
            }
        )
        self._service = wire(settings, lambda name: place.client(name, calls))
        self._service.key.key_arn("")

    def __call__(self, items: Items) -> None:
        """Deal with one message for each item."""
        for some in batched(items, BATCH, strict=False):
            self._invoke([_created(key, version_id) for key, version_id in some])

    def _invoke(self, bodies: list[str]) -> None:
        began_s = time.monotonic()
        context = SimpleNamespace(
            get_remaining_time_in_millis=lambda: (began_s + TIMEOUT_S - time.monotonic()) * 1000
        )
        records = [
            {
                "messageId": str(number),
                "receiptHandle": str(number),
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1"},
            }
            for number, body in enumerate(bodies)
        ]
        answer = process(self._service, {"Records": records}, context)  # type: ignore[arg-type]  # what it needs of it
        if answer["batchItemFailures"]:
            raise RuntimeError(f"{len(answer['batchItemFailures'])} of {len(bodies)} failed")


class Bare:
    """A client that makes the same calls, and nothing else."""

    def __init__(self, place: Place) -> None:
        """Make the clients."""
        self._s3 = place.client("s3")
        self._sns = place.client("sns")
        self._topic_arn = place.topic_arn
        self._key_arn = place.keys[1]

    def mend(self, items: Items) -> None:
        """Look, encrypt in place, look again, tell: what an object under a wrong key takes."""
        for key, version_id in items:
            self._head(key, version_id)
            self._s3.update_object_encryption(
                Bucket=ARCHIVE,
                Key=key,
                VersionId=version_id,
                ObjectEncryption={"SSEKMS": {"KMSKeyArn": self._key_arn, "BucketKeyEnabled": True}},
            )
            self._head(key, version_id)
            self._sns.publish(
                TopicArn=self._topic_arn,
                Message="x" * 700,
                MessageAttributes={"type": {"DataType": "String", "StringValue": "bench"}},
            )

    def look(self, items: Items) -> None:
        """Look: what an object that is right takes."""
        for key, version_id in items:
            self._head(key, version_id)

    def _head(self, key: str, version_id: str) -> None:
        self._s3.head_object(Bucket=ARCHIVE, Key=key, VersionId=version_id, ChecksumMode="ENABLED")


MENDED = ["HeadObject", "UpdateObjectEncryption", "HeadObject", "Publish"]
LOOKED = ["HeadObject"]


def run() -> dict[str, float]:
    """Run the benchmark, print its tables, and return its numbers."""
    console = Console()
    numbers: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, _place(Path(folder)) as place:
        items = _fill(place)
        numbers |= _calls(place, items, console)
        for what in ("mended", "right"):
            measured = {
                workers: _measured(place, items, workers, what, console) for workers in WORKERS
            }
            _show(what, measured, console)
            suffix = "" if what == "mended" else ".right_objects"
            for workers, found in measured.items():
                name = f"sse_enforcer.bare_client_over_rate{suffix}.w{workers}"
                numbers[name] = found.bare_over_ours
        numbers |= _big(place, console)
    return numbers


@contextmanager
def _place(folder: Path) -> Iterator[Place]:
    """A LocalStack with two buckets, two keys, a topic and a queue."""
    os.environ |= {
        "POWERTOOLS_SERVICE_NAME": "sse-enforcer",
        "POWERTOOLS_METRICS_NAMESPACE": "logferry",
    }
    with running(folder) as localstack:
        empty = Place(
            endpoint=localstack.endpoint,
            topic_arn="",
            dead_letter_queue_url="",
            keys=("", ""),
        )
        s3, kms = empty.client("s3"), empty.client("kms")
        for name, locked in ((ARCHIVE, True), (CONTROL, False)):
            s3.create_bucket(
                Bucket=name,
                CreateBucketConfiguration={"LocationConstraint": REGION},
                ObjectLockEnabledForBucket=locked,
            )
        first, second = (kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2))
        empty.client("ssm").put_parameter(Name=PARAMETER, Value=first, Type="String")
        yield Place(
            endpoint=localstack.endpoint,
            topic_arn=empty.client("sns").create_topic(Name="log-export-events")["TopicArn"],
            dead_letter_queue_url=empty.client("sqs").create_queue(QueueName="dead")["QueueUrl"],
            keys=(first, second),
        )


def _fill(place: Place) -> list[tuple[str, str]]:
    s3, body = place.client("s3"), os.urandom(OBJECT_BYTES)
    keys = [f"{PREFIX}/stream-{n:04}/000000.gz" for n in range(OBJECTS)]
    return [(key, s3.put_object(Bucket=ARCHIVE, Key=key, Body=body)["VersionId"]) for key in keys]


def _calls(place: Place, items: Items, console: Console) -> dict[str, float]:
    """Count calls, and see that encryption in place moves no bytes."""
    s3 = place.client("s3")
    calls: Counter[str] = Counter()
    before = [_state(s3, *item) for item in items[:BATCH]]
    with _silence():
        ours = Ours(place, calls)
        calls.clear()
        ours(items[:BATCH])
        mending = calls.copy()
        calls.clear()
        ours(items[:BATCH])
        looking = calls.copy()
    expected = {"mended": (MENDED, mending), "right": (LOOKED, looking)}
    for what, (names, made) in expected.items():
        if made != Counter(names * BATCH):
            raise RuntimeError(f"an object that is {what} takes other calls than the bare client")
    if [_state(s3, *item) for item in items[:BATCH]] != before:
        raise RuntimeError("encryption in place changed more than the key")
    moving = sum(count for name, count in mending.items() if name in MOVES_BYTES)
    table = Table("per object", title="Calls")
    table.add_column("calls", justify="right")
    table.add_row("already right", f"{looking.total() / BATCH:g}")
    table.add_row("mended in place", f"{mending.total() / BATCH:g}")
    table.add_row("  of them such that move its bytes", f"{moving / BATCH:g}")
    console.print(table)
    return {
        "sse_enforcer.calls_per_right_object": looking.total() / BATCH,
        "sse_enforcer.calls_per_mended_object": mending.total() / BATCH,
        "sse_enforcer.calls_that_move_bytes_per_mended_object": moving / BATCH,
    }


def _state(s3: Any, key: str, version_id: str) -> tuple[Any, ...]:
    """Return what a change of key leaves as it was."""
    head = s3.head_object(Bucket=ARCHIVE, Key=key, VersionId=version_id)
    listed = s3.list_object_versions(Bucket=ARCHIVE, Prefix=key)["Versions"]
    return head["ETag"], head["LastModified"], head["ContentLength"], len(listed)


def _measured(place: Place, items: Items, workers: int, what: str, console: Console) -> Measured:
    measured = Measured()
    console.print(f"{len(items)} objects, {what}, {workers} workers", style="dim")
    with _pool(place, workers) as pool:
        pool("ours", items)  # all under our key, and every connection open
        pool("look", items)
        for number in range(ROUNDS):
            if what == "mended":
                measured.bare.append(len(items) / pool("mend", items))
                measured.ours.append(len(items) / pool("ours", items))
            elif number % 2:
                measured.bare.append(len(items) / pool("look", items))
                measured.ours.append(len(items) / pool("ours", items))
            else:
                measured.ours.append(len(items) / pool("ours", items))
                measured.bare.append(len(items) / pool("look", items))
    return measured


@contextmanager
def _pool(place: Place, workers: int) -> Iterator[Callable[[str, Items], float]]:
    """Give a function that has items dealt with by so many processes, and returns the seconds."""
    context = get_context("fork")
    with ExitStack() as stack:
        pipes = []
        for _ in range(workers):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, place), daemon=True)
            process.start()
            stack.callback(process.join)
            # Not by closing the pipe: processes that came later have its end, too.
            stack.callback(ours.send, None)
            pipes.append(ours)
        for pipe in pipes:
            pipe.recv()

        def work(how: str, items: Items) -> float:
            began_s = time.perf_counter()
            for number, pipe in enumerate(pipes):
                pipe.send((how, items[number::workers]))
            failures = [failure for pipe in pipes if (failure := pipe.recv())]
            if failures:
                raise RuntimeError(failures[0])
            return time.perf_counter() - began_s

        yield work


def _work(pipe: Connection, place: Place) -> None:
    """Work in a process of its own until told to end."""
    with _silence():
        bare = Bare(place)
        ways: dict[str, Callable[[Items], None]] = {
            "ours": Ours(place),
            "mend": bare.mend,
            "look": bare.look,
        }
        pipe.send(None)
        while order := pipe.recv():
            how, items = order
            try:
                ways[how](items)
                pipe.send(None)
            except Exception as error:  # noqa: BLE001  (told to the process that waits)
                pipe.send(f"{type(error).__name__}: {error}")


@contextmanager
def _silence() -> Iterator[None]:
    """Write the function's log nowhere: written it is, since that takes time."""
    with Path(os.devnull).open("w") as nowhere:
        kept = os.dup(STDOUT)
        os.dup2(nowhere.fileno(), STDOUT)
        try:
            yield
        finally:
            os.dup2(kept, STDOUT)
            os.close(kept)


def _show(what: str, measured: dict[int, Measured], console: Console) -> None:
    table = Table("workers", title=f"Objects a second, {what}")
    for column in ("sse-enforcer", "bare client", "bare ÷ ours"):
        table.add_column(column, justify="right")
    for workers, found in measured.items():
        table.add_row(
            str(workers),
            f"{median(found.ours):.0f}",
            f"{median(found.bare):.0f}",
            f"{found.bare_over_ours:.2f}",
        )
    console.print(table)


def _big(place: Place, console: Console) -> dict[str, float]:
    """Copy one object of more than 5 GB, which is locked and cannot be encrypted in place."""
    s3, key = place.client("s3"), f"{PREFIX}/big/000000.gz"
    console.print("an object of 5.25 GiB is made, and copied in parts", style="dim")
    version_id = _make_big(s3, key)
    calls: Counter[str] = Counter()
    began_s = time.perf_counter()
    with _silence():
        Ours(place, calls)([(key, version_id)])
    seconds = time.perf_counter() - began_s
    heads = [
        s3.head_object(Bucket=ARCHIVE, Key=key, ChecksumMode="ENABLED", **which)
        for which in ({"VersionId": version_id}, {})
    ]
    original, copy = ((head["ContentLength"], head["ChecksumCRC64NVME"]) for head in heads)
    if (original, heads[1]["SSEKMSKeyId"]) != (copy, place.keys[0]):
        raise RuntimeError(f"{key} is {original}, its copy {copy}")
    console.print(
        f"One locked object of {copy[0]:,} bytes was copied in {calls['UploadPartCopy']} parts in "
        f"{seconds:.0f} s: same checksum, right key, and the original is there."
    )
    return {"sse_enforcer.calls_per_object_of_5_gib": calls.total()}


def _make_big(s3: Any, key: str) -> str:
    """Put it together on the server, out of one part that is sent."""
    s3.put_object(Bucket=CONTROL, Key="part", Body=bytes(BIG_PART_BYTES))
    upload_id = s3.create_multipart_upload(
        Bucket=ARCHIVE,
        Key=key,
        ChecksumAlgorithm="CRC64NVME",
        ChecksumType="FULL_OBJECT",
        ObjectLockMode="GOVERNANCE",
        ObjectLockRetainUntilDate=datetime.now(UTC) + timedelta(days=1),
    )["UploadId"]
    parts = []
    for number in range(1, BIG_PARTS + 1):
        copied = s3.upload_part_copy(
            Bucket=ARCHIVE,
            Key=key,
            UploadId=upload_id,
            PartNumber=number,
            CopySource={"Bucket": CONTROL, "Key": "part"},
        )["CopyPartResult"]
        checksum = {"ChecksumCRC64NVME": copied["ChecksumCRC64NVME"]}
        parts.append({"PartNumber": number, "ETag": copied["ETag"], **checksum})
    made = s3.complete_multipart_upload(
        Bucket=ARCHIVE, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
    )
    return str(made["VersionId"])


def _created(key: str, version_id: str) -> str:
    return json.dumps(
        {
            "version": "0",
            "id": "bench",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "account": ACCOUNT,
            "time": datetime.now(UTC).isoformat(),
            "region": REGION,
            "resources": [f"arn:aws:s3:::{ARCHIVE}"],
            "detail": {
                "version": "0",
                "bucket": {"name": ARCHIVE},
                "object": {"key": key, "size": OBJECT_BYTES, "version-id": version_id},
                "reason": "PutObject",
            },
        }
    )
