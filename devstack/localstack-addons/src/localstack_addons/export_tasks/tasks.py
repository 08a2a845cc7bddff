"""CloudWatch Logs export tasks, as AWS documents them, over any store of log groups and buckets.

Three operations
(https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html and
its two neighbours) and the work behind them. This module knows no emulator: `Backend` is what it
needs of one. What is documented and what is not is listed in `api`.
"""

import base64
import binascii
import gzip
import io
import itertools
import re
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from localstack_addons.export_tasks import bucket_policy
from localstack_addons.export_tasks.settings import Settings, SettingsBook
from localstack_addons.refusals import Refusal

DEFAULT_PREFIX = "exportedlogs"
"""`destinationPrefix` where none is given.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateExportTask.html"""

MAX_PAGE = 50
"""Tasks in one page, and the default.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeExportTasks.html"""

MAX_NAME_LENGTH = 512
"""Characters of a task's name and id, a log group's name, a stream prefix, a destination (same
pages)."""

MAX_KEY_BYTES = 1024
"""UTF-8 bytes of an object's key.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""

WRITE_TEST_NAME = "aws-logs-write-test"
WRITE_TEST_BODY = b"Permission Check Successful"

PENDING, RUNNING, PENDING_CANCEL = "PENDING", "RUNNING", "PENDING_CANCEL"
CANCELLED, COMPLETED, FAILED = "CANCELLED", "COMPLETED", "FAILED"
STATUS_CODES = [CANCELLED, COMPLETED, FAILED, PENDING, PENDING_CANCEL, RUNNING]
ACTIVE = {PENDING, RUNNING, PENDING_CANCEL}

_SHORTEST_STREAM_OBJECT = f"{uuid.UUID(int=0)}/-/000000.gz"
_LOG_GROUP_NAME = re.compile(r"[.\-_/#A-Za-z0-9]+")
_STREAM_PREFIX = re.compile(r"[^:*]*")


class ExportError(Refusal):
    """A refusal of an export task."""


class AccountRegion(NamedTuple):
    """Where log groups and tasks live, and what one active task occupies."""

    account_id: str
    region: str


class Event(NamedTuple):
    """One log event."""

    timestamp_ms: int
    message: str


@dataclass(frozen=True)
class LogGroup:
    """What CreateExportTask asks about a log group."""

    log_group_class: str = "STANDARD"


@dataclass(frozen=True)
class Bucket:
    """What CreateExportTask asks about a bucket; `policy` None is a bucket without one."""

    region: str
    policy: Mapping[str, Any] | None
    default_encryption: str = "AES256"


class Backend(Protocol):
    """The log groups and buckets that tasks work on: an emulator's, or a test's in memory."""

    def log_group(self, where: AccountRegion, name: str) -> LogGroup | None:
        """The log group, None where there is none."""

    def stream_names(self, where: AccountRegion, log_group_name: str) -> Iterable[str]:
        """Every stream's name."""

    def events(
        self, where: AccountRegion, log_group_name: str, stream_name: str
    ) -> Iterable[Event]:
        """Every event of a stream, oldest first."""

    def bucket(self, name: str) -> Bucket | None:
        """The bucket of any account, None where there is none."""

    def put_object(
        self, where: AccountRegion, log_group_name: str, bucket: str, key: str, body: bytes
    ) -> None:
        """Write an object for a task of a log group of `where`.

        Raises:
            ExportError: The bucket does not take it.
        """


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """CreateExportTask's parameters, found valid. Both ends of the range are inclusive."""

    log_group_name: str
    from_ms: int
    to_ms: int
    destination: str
    destination_prefix: str
    has_prefix: bool
    task_name: str | None
    stream_name_prefix: str

    @classmethod
    def parse(cls, request: Mapping[str, Any]) -> "ExportRequest":
        """Read `{"logGroupName": "...", "from": 0, "to": 1, "destination": "...", ...}`.

        Raises:
            ExportError: InvalidParameterException, as AWS's parameters have it.
        """
        return cls(
            log_group_name=_name(request, "logGroupName", _LOG_GROUP_NAME),
            **_range(request),
            destination=_name(request, "destination"),
            destination_prefix=_prefix(request),
            has_prefix=bool(request.get("destinationPrefix")),
            task_name=_name(request, "taskName") if request.get("taskName") is not None else None,
            stream_name_prefix=(
                _name(request, "logStreamNamePrefix", _STREAM_PREFIX)
                if request.get("logStreamNamePrefix") is not None
                else ""
            ),
        )


@dataclass(kw_only=True)
class Task:
    """One export task. Its status is read and written under the lock of its `ExportTasks`."""

    task_id: str
    number: int
    where: AccountRegion
    request: ExportRequest
    settings: Settings
    must_fail: bool
    creation_time_ms: int
    completion_time_ms: int | None = None
    status: str = PENDING
    status_message: str | None = None
    wake: threading.Event = field(default_factory=threading.Event)

    def describe(self) -> dict[str, Any]:
        """The task as DescribeExportTasks gives it; the stream prefix is not among its members."""
        request = self.request
        return _without_none(
            {
                "taskId": self.task_id,
                "taskName": request.task_name,
                "logGroupName": request.log_group_name,
                "from": request.from_ms,
                "to": request.to_ms,
                "destination": request.destination,
                "destinationPrefix": request.destination_prefix,
                "status": _without_none({"code": self.status, "message": self.status_message}),
                "executionInfo": _without_none(
                    {
                        "creationTime": self.creation_time_ms - round(self.settings.age_s * 1000),
                        "completionTime": self.completion_time_ms,
                    }
                ),
            }
        )


class Part(NamedTuple):
    """One object of a stream: its key, its compressed body, the bytes it was made of."""

    key: str
    body: bytes
    plain_bytes: int


type Start = Callable[[Task, Iterator[float]], None]
"""Sees to a task's steps: takes pauses (seconds) from the iterator, and waits each one out before
the next."""


def run_in_thread(task: Task, steps: Iterator[float]) -> None:
    """Take a task's steps in a thread of its own; a cancellation ends the pause at hand."""

    def take_steps() -> None:
        for pause_s in steps:
            task.wake.wait(pause_s)

    threading.Thread(target=take_steps, daemon=True, name=f"export-{task.task_id}").start()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class ExportTasks:
    """The export tasks of all accounts and Regions."""

    def __init__(
        self,
        backend: Backend,
        settings: SettingsBook,
        *,
        start: Start = run_in_thread,
        now_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._start = start
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._tasks: defaultdict[AccountRegion, list[Task]] = defaultdict(list)
        self._reserved: set[AccountRegion] = set()

    def create(self, where: AccountRegion, parameters: Mapping[str, Any]) -> str:
        """Start a task and give its id.

        Raises:
            ExportError: InvalidParameterException, ResourceNotFoundException (the log group) or
                LimitExceededException (another task is active in this account and Region).
        """
        request = ExportRequest.parse(parameters)
        self._check_log_group(where, request)
        with self._reserve(where):
            task_id = str(uuid.uuid4())
            self._write_test(where, request)
            task = self._add(where, task_id, request)
        self._start(task, self._run(task))
        return task_id

    def describe(
        self,
        where: AccountRegion,
        *,
        task_id: str | None = None,
        status_code: str | None = None,
        next_token: str | None = None,
        limit: int | None = None,
    ) -> dict[str, Any]:
        """A page of tasks, newest first: `{"exportTasks": [...], "nextToken": "..."}`.

        Raises:
            ExportError: InvalidParameterException.
        """
        size = _page_size(limit)
        if status_code is not None and status_code not in STATUS_CODES:
            raise _unfit(
                "statusCode", status_code, f"Member must satisfy enum value set: {STATUS_CODES}"
            )
        below = _number_in(next_token) if next_token else None
        with self._lock:
            found = [
                task
                for task in reversed(self._tasks[where])
                if (below is None or task.number < below)
                and (task_id is None or task.task_id == task_id)
                and (status_code is None or task.status == status_code)
            ]
            page = {"exportTasks": [task.describe() for task in found[:size]]}
        return page | ({"nextToken": _token_for(found[size - 1])} if len(found) > size else {})

    def cancel(self, where: AccountRegion, task_id: str) -> None:
        """Ask a task to stop.

        Raises:
            ExportError: ResourceNotFoundException, or InvalidOperationException for a task that is
                neither PENDING
                nor RUNNING.
        """
        with self._lock:
            task = next((t for t in self._tasks[where] if t.task_id == task_id), None)
            if task is None:
                raise ExportError(
                    "ResourceNotFoundException", "The specified export task does not exist."
                )
            if task.status not in {PENDING, RUNNING}:
                raise ExportError(
                    "InvalidOperationException", "The specified export task has already finished"
                )
            task.status = PENDING_CANCEL
            task.wake.set()

    def _check_log_group(self, where: AccountRegion, request: ExportRequest) -> None:
        group = self._backend.log_group(where, request.log_group_name)
        if group is None:
            raise ExportError(
                "ResourceNotFoundException", "The specified log group does not exist."
            )
        if group.log_group_class == "DELIVERY":
            raise _invalid("Log groups of the class DELIVERY cannot be exported.")

    @contextmanager
    def _reserve(self, where: AccountRegion) -> Iterator[None]:
        """Hold the one place for an active task while the destination is looked at."""
        with self._lock:
            if where in self._reserved or any(t.status in ACTIVE for t in self._tasks[where]):
                raise ExportError("LimitExceededException", "Resource limit exceeded.")
            self._reserved.add(where)
        try:
            yield
        finally:
            with self._lock:
                self._reserved.remove(where)

    def _write_test(self, where: AccountRegion, request: ExportRequest) -> None:
        folder = f"{request.destination_prefix}/" if request.has_prefix else ""
        key = f"{folder}{WRITE_TEST_NAME}"
        self._check_destination(where, request, key)
        group, bucket = request.log_group_name, request.destination
        self._backend.put_object(where, group, bucket, key, WRITE_TEST_BODY)

    def _add(self, where: AccountRegion, task_id: str, request: ExportRequest) -> Task:
        settings = self._settings.of(where.account_id)
        must_fail = self._settings.take_failure(where.account_id, request.log_group_name)
        with self._lock:
            task = Task(
                task_id=task_id,
                number=next(self._numbers),
                where=where,
                request=request,
                settings=settings,
                must_fail=must_fail,
                creation_time_ms=self._now_ms(),
            )
            tasks = self._tasks[where]
            tasks.append(task)
            # Only the newest task can be active, so what is forgotten here has ended.
            del tasks[: -settings.history]
        return task

    def _check_destination(self, where: AccountRegion, request: ExportRequest, key: str) -> None:
        """Refuse a bucket that AWS would refuse, for an object with this key."""
        bucket = self._backend.bucket(request.destination)
        if bucket is None:
            raise _invalid("The given bucket does not exist. Please make sure the bucket is valid.")
        if bucket.region != where.region:
            raise refused_by_bucket("GetBucketAcl")
        bucket_arn = f"arn:aws:s3:::{request.destination}"
        for action, resource_arn in (
            ("GetBucketAcl", bucket_arn),
            ("PutObject", f"{bucket_arn}/{key}"),
        ):
            asked = bucket_policy.LogsRequest(
                action=f"s3:{action}",
                resource_arn=resource_arn,
                account_id=where.account_id,
                region=where.region,
                log_group_name=request.log_group_name,
                organization_id=self._settings.of(where.account_id).organization_id or None,
            )
            if not bucket_policy.allows(bucket.policy, asked):
                raise refused_by_bucket(action)
        if bucket.default_encryption == "aws:kms:dsse":
            raise _invalid("Exporting to buckets encrypted with DSSE-KMS is not supported.")

    def _run(self, task: Task) -> Iterator[float]:
        """Take a task from PENDING to its end; each value is a pause in seconds to wait out."""
        try:
            for pause_s in self._export(task):
                yield pause_s
                if self._is_cancelled(task):
                    yield task.settings.cancel_s
                    break
            self._end(task, COMPLETED, "Completed successfully")
        except Exception as error:  # noqa: BLE001 - whatever stops a task, its account must not stay blocked
            self._end(task, FAILED, str(error))

    def _export(self, task: Task) -> Iterator[float]:
        yield task.settings.pending_s
        with self._lock:
            if task.status == PENDING:
                task.status = RUNNING
        yield task.settings.running_s
        for part in self._parts(task):
            rate = task.settings.bytes_per_second
            yield part.plain_bytes / rate if rate else 0
            self._check_destination(task.where, task.request, part.key)
            group, bucket = task.request.log_group_name, task.request.destination
            self._backend.put_object(task.where, group, bucket, part.key, part.body)
            if task.must_fail:
                break
        if task.must_fail:
            raise ExportError("InternalFailure", "The export task failed as its settings ask.")

    def _is_cancelled(self, task: Task) -> bool:
        with self._lock:
            # Woken once: the pause that PENDING_CANCEL lasts has to be waited out.
            task.wake.clear()
            return task.status == PENDING_CANCEL

    def _end(self, task: Task, status: str, message: str) -> None:
        with self._lock:
            cancelled = task.status == PENDING_CANCEL and status == COMPLETED
            task.status = CANCELLED if cancelled else status
            task.status_message = "Cancelled by user" if cancelled else message
            task.completion_time_ms = self._now_ms()

    def _parts(self, task: Task) -> Iterator[Part]:
        """The objects of a task, one in memory at a time."""
        where, request = task.where, task.request
        numbers: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
        for stream_name in sorted(self._backend.stream_names(where, request.log_group_name)):
            if not stream_name.startswith(request.stream_name_prefix):
                continue
            folder = f"{request.destination_prefix}/{task.task_id}/{stream_name.replace('/', '-')}"
            events = self._backend.events(where, request.log_group_name, stream_name)
            lines = (_line(e) for e in events if request.from_ms <= e.timestamp_ms <= request.to_ms)
            for body, plain_bytes in _compressed(lines, task.settings.part_bytes):
                # Streams whose names differ by a slash alone share a folder, and its numbers.
                key = f"{folder}/{next(numbers[folder]):06d}.gz"
                yield Part(_checked_key(key), body, plain_bytes)


def _line(event: Event) -> bytes:
    seconds, milliseconds = divmod(event.timestamp_ms, 1000)
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z {event.message}\n".encode()


def _compressed(lines: Iterable[bytes], part_bytes: int) -> Iterator[tuple[bytes, int]]:
    """Pack lines into gzip bodies of `part_bytes` or one line more: (body, uncompressed bytes)."""
    waiting = iter(lines)
    for first in waiting:
        buffer, plain_bytes = io.BytesIO(), 0
        # Without a time in the header, the same events give the same bytes.
        with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as part:
            for line in itertools.chain([first], waiting):
                part.write(line)
                plain_bytes += len(line)
                if plain_bytes >= part_bytes:
                    break
        yield buffer.getvalue(), plain_bytes


def _invalid(message: str) -> ExportError:
    return ExportError("InvalidParameterException", message)


def _unfit(member: str, value: object, constraint: str) -> ExportError:
    return _invalid(
        f"1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: "
        f"{constraint}"
    )


def refused_by_bucket(action: str) -> ExportError:
    """What CreateExportTask says of a bucket that does not let CloudWatch Logs in."""
    return _invalid(
        f"{action} call on the given bucket failed. Please check if CloudWatch Logs has been "
        "granted permission to perform this operation."
    )


def _name(request: Mapping[str, Any], member: str, pattern: re.Pattern[str] | None = None) -> str:
    value = request.get(member)
    if not isinstance(value, str) or not value:
        raise _unfit(member, value, "Member must have length greater than or equal to 1")
    if len(value) > MAX_NAME_LENGTH:
        raise _unfit(
            member, value, f"Member must have length less than or equal to {MAX_NAME_LENGTH}"
        )
    if pattern and not pattern.fullmatch(value):
        raise _unfit(
            member, value, f"Member must satisfy regular expression pattern: {pattern.pattern}"
        )
    return value


def _range(request: Mapping[str, Any]) -> dict[str, int]:
    found = {}
    for member, name in (("from", "from_ms"), ("to", "to_ms")):
        value = request.get(member)
        if not isinstance(value, int) or value < 0:
            raise _unfit(member, value, "Member must have value greater than or equal to 0")
        found[name] = value
    if found["from_ms"] > found["to_ms"]:
        raise _invalid("The specified time range is invalid: from is later than to.")
    return found


def _prefix(request: Mapping[str, Any]) -> str:
    prefix = request.get("destinationPrefix") or DEFAULT_PREFIX
    _checked_key(f"{prefix}/{_SHORTEST_STREAM_OBJECT}")
    return str(prefix)


def _checked_key(key: str) -> str:
    if len(key.encode()) > MAX_KEY_BYTES:
        raise _invalid(f"An object's key would be longer than {MAX_KEY_BYTES} bytes: {key}")
    return key


def _page_size(limit: int | None) -> int:
    size = MAX_PAGE if limit is None else limit
    if size < 1:
        raise _unfit("limit", size, "Member must have value greater than or equal to 1")
    if size > MAX_PAGE:
        raise _unfit("limit", size, f"Member must have value less than or equal to {MAX_PAGE}")
    return size


def _token_for(last: Task) -> str:
    return base64.urlsafe_b64encode(f"before:{last.number}".encode()).decode()


def _number_in(token: str) -> int:
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word == "before":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise _invalid("The specified nextToken is invalid.")


def _without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
