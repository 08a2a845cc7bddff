import gzip
import itertools
import json
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from localstack_addons.export_tasks.settings import SettingsBook
from localstack_addons.export_tasks.tasks import (
    AccountRegion,
    Bucket,
    Event,
    ExportError,
    ExportTasks,
    LogGroup,
    Task,
    run_in_thread,
)

HERE = AccountRegion("111111111111", "eu-west-1")
ELSEWHERE = AccountRegion("111111111111", "us-east-1")
NEIGHBOUR = AccountRegion("222222222222", "eu-west-1")
NO_SUCH_ID = "00000000-0000-0000-0000-000000000000"
NOT_GRANTED = (
    "Please check if CloudWatch Logs has been granted permission to perform this operation."
)
OPEN_DOOR = {
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "logs.amazonaws.com"},
        "Action": ["s3:GetBucketAcl", "s3:PutObject"],
        "Resource": ["arn:aws:s3:::archive", "arn:aws:s3:::archive/*"],
    }
}


class Cloud:
    """Log groups `/app` and buckets in memory."""

    def __init__(self) -> None:
        self.group: LogGroup | None = LogGroup()
        self.streams: dict[str, list[Event]] = {}
        self.buckets = {"archive": Bucket(region="eu-west-1", policy=OPEN_DOOR)}
        self.objects: dict[str, bytes] = {}

    def log_group(self, where: AccountRegion, name: str) -> LogGroup | None:
        return self.group if name == "/app" else None

    def stream_names(self, where: AccountRegion, log_group_name: str) -> Iterable[str]:
        return list(self.streams)

    def events(
        self, where: AccountRegion, log_group_name: str, stream_name: str
    ) -> Iterable[Event]:
        return self.streams[stream_name]

    def bucket(self, name: str) -> Bucket | None:
        return self.buckets.get(name)

    def put_object(
        self, where: AccountRegion, log_group_name: str, bucket: str, key: str, body: bytes
    ) -> None:
        self.objects[f"{bucket}/{key}"] = body


class Stand:
    """Export tasks whose steps a test takes by hand, and a clock that a test sets."""

    def __init__(self) -> None:
        self.cloud = Cloud()
        self.settings = SettingsBook()
        self.now_ms = 10_000
        self.steps: dict[str, Iterator[float]] = {}
        self.tasks = ExportTasks(
            self.cloud, self.settings, start=self._keep, now_ms=lambda: self.now_ms
        )

    def _keep(self, task: Task, steps: Iterator[float]) -> None:
        self.steps[task.task_id] = steps

    def create(self, where: AccountRegion = HERE, **changes: Any) -> str:
        parameters = {"logGroupName": "/app", "from": 0, "to": 9999, "destination": "archive"}
        return self.tasks.create(where, parameters | changes)

    def finish(self, task_id: str) -> list[float]:
        return list(self.steps[task_id])

    def export(self, **changes: Any) -> dict[str, str]:
        """Run a task to its end: its objects' texts by their key after the task id."""
        task_id = self.create(**changes)
        self.finish(task_id)
        marker = f"/{task_id}/"
        return {
            key.partition(marker)[2]: gzip.decompress(body).decode()
            for key, body in self.cloud.objects.items()
            if marker in key
        }

    def one(self, task_id: str, where: AccountRegion = HERE) -> dict[str, Any]:
        task: dict[str, Any]
        (task,) = self.tasks.describe(where, task_id=task_id)["exportTasks"]
        return task

    def status(self, task_id: str) -> str:
        return str(self.one(task_id)["status"]["code"])


@pytest.fixture
def stand() -> Stand:
    return Stand()


def refused(code: str, message: str = ""):
    return pytest.raises(ExportError, check=lambda e: e.code == code and message in e.message)


# The life of a task


def test_a_task_is_pending_then_running_then_completed(stand: Stand):
    stand.settings.change({"pending_s": 3, "running_s": 5})
    task_id = stand.create()
    steps = stand.steps[task_id]
    assert (next(steps), stand.status(task_id)) == (3, "PENDING")
    assert (next(steps), stand.status(task_id)) == (5, "RUNNING")
    assert next(steps, "over") == "over"
    assert stand.one(task_id)["status"] == {
        "code": "COMPLETED",
        "message": "Completed successfully",
    }


def test_a_task_is_described_as_it_was_asked_for(stand: Stand):
    task_id = stand.create(
        taskName="mine", destinationPrefix="a/b", logStreamNamePrefix="web", to=8000
    )
    stand.now_ms = 12_000
    stand.finish(task_id)
    assert stand.one(task_id) == {
        "taskId": task_id,
        "taskName": "mine",
        "logGroupName": "/app",
        "from": 0,
        "to": 8000,
        "destination": "archive",
        "destinationPrefix": "a/b",
        "status": {"code": "COMPLETED", "message": "Completed successfully"},
        "executionInfo": {"creationTime": 10_000, "completionTime": 12_000},
    }


def test_an_active_task_has_no_completion_time_and_no_name_unless_given(stand: Stand):
    task = stand.one(stand.create())
    assert task["executionInfo"] == {"creationTime": 10_000}
    assert "taskName" not in task


def test_more_bytes_take_more_time(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "x" * 75)], "b": [Event(2000, "x" * 175)]}
    stand.settings.change({"pending_s": 1, "running_s": 2, "bytes_per_second": 100})
    # A line is 26 bytes longer than its message.
    assert stand.finish(stand.create()) == [1, 2, 1.01, 2.01]


def test_a_task_keeps_the_settings_it_was_made_under(stand: Stand):
    stand.settings.change({"pending_s": 1, "running_s": 2})
    task_id = stand.create()
    stand.settings.change({"running_s": 99})
    assert stand.finish(task_id) == [1, 2]


# One active task


def test_a_second_task_is_refused_while_the_first_is_active(stand: Stand):
    steps = stand.steps[stand.create()]
    for _ in range(2):
        next(steps)
        with refused("LimitExceededException", "Resource limit exceeded."):
            stand.create()


def test_a_task_being_cancelled_still_holds_the_place(stand: Stand):
    stand.tasks.cancel(HERE, stand.create())
    with refused("LimitExceededException"):
        stand.create()


def test_an_ended_task_gives_the_place_free(stand: Stand):
    stand.finish(stand.create())
    assert stand.create()


def test_accounts_and_regions_have_places_of_their_own(stand: Stand):
    stand.cloud.buckets["archive"] = Bucket("us-east-1", OPEN_DOOR)
    stand.create(ELSEWHERE)
    stand.cloud.buckets["archive"] = Bucket("eu-west-1", OPEN_DOOR)
    stand.create(HERE)
    stand.create(NEIGHBOUR)
    for where in (ELSEWHERE, HERE, NEIGHBOUR):
        assert len(stand.tasks.describe(where)["exportTasks"]) == 1


def test_of_twelve_creations_at_once_one_wins(stand: Stand):
    together = threading.Barrier(12)

    def attempt(_: int) -> str:
        together.wait()
        try:
            stand.create()
        except ExportError as error:
            return error.code
        return "won"

    with ThreadPoolExecutor(12) as pool:
        outcomes = sorted(pool.map(attempt, range(12)))
    assert outcomes == ["LimitExceededException"] * 11 + ["won"]


def test_a_refused_destination_leaves_no_task_and_no_place_taken(stand: Stand):
    with refused("InvalidParameterException"):
        stand.create(destination="nowhere")
    assert stand.tasks.describe(HERE) == {"exportTasks": []}
    assert stand.create()


# Cancelling


def test_a_pending_task_is_cancelled_without_exporting(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "m")]}
    stand.settings.change({"pending_s": 3, "cancel_s": 4})
    task_id = stand.create()
    steps = stand.steps[task_id]
    next(steps)
    stand.tasks.cancel(HERE, task_id)
    assert stand.status(task_id) == "PENDING_CANCEL"
    assert list(steps) == [4]
    assert stand.one(task_id)["status"] == {"code": "CANCELLED", "message": "Cancelled by user"}
    assert stand.one(task_id)["executionInfo"]["completionTime"] == 10_000
    assert list(stand.cloud.objects) == ["archive/aws-logs-write-test"]


def test_a_running_task_keeps_what_it_had_exported_when_cancelled(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "m")], "b": [Event(2000, "m")]}
    task_id = stand.create()
    steps = stand.steps[task_id]
    for _ in range(4):  # pending, running, before a, before b
        next(steps)
    stand.tasks.cancel(HERE, task_id)
    list(steps)
    assert stand.status(task_id) == "CANCELLED"
    assert [key for key in stand.cloud.objects if key.endswith(".gz")] == [
        f"archive/exportedlogs/{task_id}/a/000000.gz"
    ]


def test_a_task_is_not_cancelled_twice(stand: Stand):
    task_id = stand.create()
    stand.tasks.cancel(HERE, task_id)
    with refused("InvalidOperationException"):
        stand.tasks.cancel(HERE, task_id)


def test_an_ended_task_is_not_cancelled(stand: Stand):
    task_id = stand.create()
    stand.finish(task_id)
    with refused("InvalidOperationException"):
        stand.tasks.cancel(HERE, task_id)


def test_a_task_unknown_here_is_not_cancelled(stand: Stand):
    task_id = stand.create()
    with refused("ResourceNotFoundException"):
        stand.tasks.cancel(NEIGHBOUR, task_id)


def test_a_cancellation_cuts_the_pause_at_hand_short(stand: Stand):
    ended = threading.Event()

    def start(task: Task, steps: Iterator[float]) -> None:
        def then_tell() -> Iterator[float]:
            yield from steps
            ended.set()

        run_in_thread(task, then_tell())

    stand.settings.change({"pending_s": 3600, "cancel_s": 0})
    tasks = ExportTasks(stand.cloud, stand.settings, start=start)
    task_id = tasks.create(
        HERE, {"logGroupName": "/app", "from": 0, "to": 9999, "destination": "archive"}
    )
    tasks.cancel(HERE, task_id)
    assert ended.wait(10)
    assert tasks.describe(HERE)["exportTasks"][0]["status"]["code"] == "CANCELLED"


# Failing


def test_a_task_that_has_to_fail_leaves_part_of_its_objects(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "m")], "b": [Event(2000, "m")]}
    stand.settings.change({"fail_pattern": "^/app$", "fail_count": 1})
    assert list(stand.export()) == ["a/000000.gz"]
    assert stand.tasks.describe(HERE)["exportTasks"][0]["status"]["code"] == "FAILED"
    assert list(stand.export()) == ["a/000000.gz", "b/000000.gz"]


def test_a_task_with_nothing_to_export_can_fail_too(stand: Stand):
    stand.settings.change({"fail_pattern": "app"})
    task_id = stand.create()
    stand.finish(task_id)
    assert stand.status(task_id) == "FAILED"
    assert stand.one(task_id)["executionInfo"]["completionTime"] == 10_000


def test_a_bucket_that_goes_away_fails_the_task_and_gives_the_place_free(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "m")]}
    task_id = stand.create()
    archive = stand.cloud.buckets.pop("archive")
    stand.finish(task_id)
    assert stand.status(task_id) == "FAILED"
    assert "bucket does not exist" in stand.one(task_id)["status"]["message"]
    stand.cloud.buckets["archive"] = archive
    assert stand.create()


def test_a_log_group_that_goes_away_fails_the_task(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "m")]}
    task_id = stand.create()
    stand.cloud.stream_names = lambda *_: ["gone"]  # type: ignore[method-assign]
    stand.finish(task_id)
    assert stand.status(task_id) == "FAILED"


# What is exported


def test_both_ends_of_the_range_are_exported(stand: Stand):
    stand.cloud.streams = {"a": [Event(ms, f"at {ms}") for ms in (1999, 2000, 3000, 3001)]}
    exported = stand.export(**{"from": 2000, "to": 3000})
    assert exported == {
        "a/000000.gz": "1970-01-01T00:00:02.000Z at 2000\n1970-01-01T00:00:03.000Z at 3000\n"
    }


def test_a_range_of_one_millisecond_is_a_range(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "m")]}
    assert list(stand.export(**{"from": 2000, "to": 2000})) == ["a/000000.gz"]


def test_a_stream_without_events_in_the_range_gives_no_object(stand: Stand):
    stand.cloud.streams = {"a": [], "b": [Event(5000, "m")], "c": [Event(2000, "m")]}
    assert list(stand.export(to=3000)) == ["c/000000.gz"]


def test_a_message_of_many_lines_keeps_them(stand: Stand):
    stand.cloud.streams = {"a": [Event(1_795_305_600_123, "one\n  two\n\tü")]}
    assert stand.export(to=1_800_000_000_000)["a/000000.gz"] == (
        "2026-11-22T00:00:00.123Z one\n  two\n\tü\n"
    )


def test_only_streams_with_the_prefix_are_exported(stand: Stand):
    stand.cloud.streams = {name: [Event(2000, "m")] for name in ("web/1", "web/2", "cron")}
    assert list(stand.export(logStreamNamePrefix="web/")) == ["web-1/000000.gz", "web-2/000000.gz"]


@pytest.mark.parametrize(
    ("stream_name", "folder"),
    [
        ("2026/11/22/[$LATEST]0f", "2026-11-22-[$LATEST]0f"),
        ("a b%2Fc+d", "a b%2Fc+d"),
        ("журнал/日志", "журнал-日志"),
    ],
)
def test_of_a_streams_name_only_slashes_change_in_the_key(
    stand: Stand, stream_name: str, folder: str
):
    stand.cloud.streams = {stream_name: [Event(2000, "m")]}
    assert list(stand.export()) == [f"{folder}/000000.gz"]


def test_a_long_stream_becomes_numbered_parts_that_lose_nothing(stand: Stand):
    stand.settings.change({"part_bytes": 100})
    events = [Event(2000 + i, f"{i:014}") for i in range(7)]  # lines of 40 bytes
    stand.cloud.streams = {"a": events}
    exported = stand.export()
    assert list(exported) == ["a/000000.gz", "a/000001.gz", "a/000002.gz"]
    assert [text.count("\n") for text in exported.values()] == [3, 3, 1]
    lines = "".join(exported.values()).splitlines()
    assert [line[25:] for line in lines] == [e.message for e in events]


def test_a_part_that_is_just_full_is_followed_by_no_empty_one(stand: Stand):
    stand.settings.change({"part_bytes": 80})
    stand.cloud.streams = {"a": [Event(2000 + i, f"{i:014}") for i in range(2)]}
    assert list(stand.export()) == ["a/000000.gz"]
    stand.cloud.streams["a"].append(Event(2002, "m"))
    assert [text.count("\n") for text in stand.export().values()] == [2, 1]


def test_streams_that_share_a_folder_overwrite_nothing(stand: Stand):
    stand.cloud.streams = {"a/b": [Event(2000, "slash")], "a-b": [Event(2000, "hyphen")]}
    exported = stand.export()
    assert sorted(exported) == ["a-b/000000.gz", "a-b/000001.gz"]
    assert {text.split()[1] for text in exported.values()} == {"slash", "hyphen"}


def test_no_part_is_read_before_the_one_before_is_written(stand: Stand):
    read: list[int] = []

    def events(*_: Any) -> Iterator[Event]:
        for i in range(3):
            read.append(len(stand.cloud.objects))
            yield Event(2000 + i, "m")

    stand.settings.change({"part_bytes": 1})
    stand.cloud.streams = {"a": []}
    stand.cloud.events = events  # type: ignore[method-assign,assignment]
    assert len(stand.export()) == 3
    assert read == [1, 2, 3]  # the write test, then one part more each time


def test_the_write_test_is_written_when_a_task_is_created(stand: Stand):
    stand.create(destinationPrefix="a/b")
    assert stand.cloud.objects == {
        "archive/a/b/aws-logs-write-test": b"Permission Check Successful"
    }


@pytest.mark.parametrize("given", [{}, {"destinationPrefix": None}, {"destinationPrefix": ""}])
def test_without_a_prefix_there_is_a_default(stand: Stand, given: dict[str, Any]):
    task_id = stand.create(**given)
    assert stand.one(task_id)["destinationPrefix"] == "exportedlogs"


def test_the_same_events_give_the_same_bytes(stand: Stand):
    stand.cloud.streams = {"a": [Event(2000, "m")]}
    for _ in range(2):
        stand.export()
    assert len({body for key, body in stand.cloud.objects.items() if key.endswith(".gz")}) == 1


def test_an_infrequent_access_log_group_is_exported(stand: Stand):
    stand.cloud.group = LogGroup("INFREQUENT_ACCESS")
    stand.cloud.streams = {"a": [Event(2000, "m")]}
    assert stand.export()


# Refusals


@pytest.mark.parametrize(
    "changes",
    [
        {"from": -1},
        {"from": None},
        {"to": None},
        {"to": "9999"},
        {"from": 3000, "to": 2999},
        {"logGroupName": ""},
        {"logGroupName": "a b"},
        {"logGroupName": "x" * 513},
        {"destination": ""},
        {"destination": None},
        {"taskName": ""},
        {"taskName": "x" * 513},
        {"logStreamNamePrefix": "a:b"},
        {"logStreamNamePrefix": "a*"},
        {"logStreamNamePrefix": ""},
        {"destinationPrefix": "x" * 976},
        {"destinationPrefix": "ü" * 488},
    ],
)
def test_a_parameter_outside_its_limits_is_refused(stand: Stand, changes: dict[str, Any]):
    with refused("InvalidParameterException"):
        stand.create(**changes)
    assert stand.cloud.objects == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"to": 1000},
        {"taskName": "x" * 512},
        {"logStreamNamePrefix": "[$LATEST]"},
        {"destinationPrefix": "x" * 975},
    ],
)
def test_a_parameter_at_its_limit_is_taken(stand: Stand, changes: dict[str, Any]):
    assert stand.create(**changes)


def test_a_key_that_only_a_streams_name_makes_too_long_fails_the_task(stand: Stand):
    stand.cloud.streams = {"long-stream": [Event(2000, "m")]}
    task_id = stand.create(destinationPrefix="x" * 975)
    stand.finish(task_id)
    assert stand.status(task_id) == "FAILED"


def test_an_unknown_log_group_is_refused(stand: Stand):
    with refused("ResourceNotFoundException"):
        stand.create(logGroupName="/other")


def test_a_delivery_log_group_is_refused(stand: Stand):
    stand.cloud.group = LogGroup("DELIVERY")
    with refused("InvalidParameterException", "DELIVERY"):
        stand.create()


@pytest.mark.parametrize(
    ("bucket", "message"),
    [
        (Bucket("eu-west-1", None), f"GetBucketAcl call on the given bucket failed. {NOT_GRANTED}"),
        (Bucket("us-east-1", OPEN_DOOR), NOT_GRANTED),
        (Bucket("eu-west-1", OPEN_DOOR, "aws:kms:dsse"), "DSSE-KMS is not supported"),
    ],
)
def test_a_bucket_that_cannot_take_exports_is_refused(stand: Stand, bucket: Bucket, message: str):
    stand.cloud.buckets["archive"] = bucket
    with refused("InvalidParameterException", message):
        stand.create()
    assert stand.cloud.objects == {}


def test_a_policy_without_writing_is_refused_for_writing(stand: Stand):
    policy = json.loads(json.dumps(OPEN_DOOR))
    policy["Statement"]["Action"] = "s3:GetBucketAcl"
    stand.cloud.buckets["archive"] = Bucket("eu-west-1", policy)
    with refused(
        "InvalidParameterException", f"PutObject call on the given bucket failed. {NOT_GRANTED}"
    ):
        stand.create()


def test_a_policy_for_one_prefix_admits_that_prefix_alone(stand: Stand):
    policy = json.loads(json.dumps(OPEN_DOOR))
    policy["Statement"]["Resource"] = ["arn:aws:s3:::archive", "arn:aws:s3:::archive/mine/*"]
    stand.cloud.buckets["archive"] = Bucket("eu-west-1", policy)
    stand.cloud.streams = {"a": [Event(2000, "m")]}
    assert stand.export(destinationPrefix="mine")
    with refused("InvalidParameterException", "PutObject"):
        stand.create(destinationPrefix="yours")


def test_the_organisation_is_the_one_of_the_settings(stand: Stand):
    policy = json.loads(json.dumps(OPEN_DOOR))
    policy["Statement"]["Condition"] = {"StringEquals": {"aws:SourceOrgID": "o-mine000000"}}
    stand.cloud.buckets["archive"] = Bucket("eu-west-1", policy)
    with refused("InvalidParameterException"):
        stand.create()
    stand.settings.change({"organization_id": "o-mine000000"}, HERE.account_id)
    assert stand.create()


# Describing


def made(stand: Stand, count: int) -> list[str]:
    """Ended tasks, oldest first."""
    task_ids = []
    for _ in range(count):
        task_ids.append(stand.create())
        stand.finish(task_ids[-1])
    return task_ids


def ids(page: dict[str, Any]) -> list[str]:
    return [task["taskId"] for task in page["exportTasks"]]


def test_the_newest_task_comes_first(stand: Stand):
    task_ids = made(stand, 3)
    assert ids(stand.tasks.describe(HERE)) == task_ids[::-1]


def test_an_unknown_task_id_finds_no_task_and_is_no_error(stand: Stand):
    made(stand, 1)
    assert stand.tasks.describe(HERE, task_id=NO_SUCH_ID) == {"exportTasks": []}


def test_a_task_of_another_account_is_not_found(stand: Stand):
    (task_id,) = made(stand, 1)
    assert stand.tasks.describe(NEIGHBOUR, task_id=task_id) == {"exportTasks": []}


def test_a_status_finds_its_tasks(stand: Stand):
    made(stand, 2)
    running = stand.create()
    next(stand.steps[running])
    next(stand.steps[running])
    assert ids(stand.tasks.describe(HERE, status_code="RUNNING")) == [running]
    assert len(ids(stand.tasks.describe(HERE, status_code="COMPLETED"))) == 2


def test_pages_give_every_task_once(stand: Stand):
    task_ids = made(stand, 5)
    seen, token = [], None
    while True:
        page = stand.tasks.describe(HERE, limit=2, next_token=token)
        seen.append(ids(page))
        token = page.get("nextToken")
        if token is None:
            break
    assert [len(page) for page in seen] == [2, 2, 1]
    assert list(itertools.chain(*seen)) == task_ids[::-1]


def test_a_full_last_page_has_no_token(stand: Stand):
    made(stand, 2)
    assert "nextToken" not in stand.tasks.describe(HERE, limit=2)


def test_a_task_made_between_two_pages_moves_nothing(stand: Stand):
    task_ids = made(stand, 4)
    first = stand.tasks.describe(HERE, limit=2)
    made(stand, 1)
    second = stand.tasks.describe(HERE, limit=2, next_token=first["nextToken"])
    assert ids(first) + ids(second) == task_ids[::-1]


def test_a_page_is_fifty_tasks_unless_less_is_asked_for(stand: Stand):
    made(stand, 51)
    assert len(ids(stand.tasks.describe(HERE))) == 50
    assert len(ids(stand.tasks.describe(HERE, limit=50))) == 50
    assert len(ids(stand.tasks.describe(HERE, limit=1))) == 1


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 51},
        {"limit": 0},
        {"status_code": "DONE"},
        {"next_token": "2"},
        {"next_token": "ÿ"},
    ],
)
def test_describing_outside_the_limits_is_refused(stand: Stand, parameters: dict[str, Any]):
    with refused("InvalidParameterException"):
        stand.tasks.describe(HERE, **parameters)


def test_only_so_many_tasks_are_remembered(stand: Stand):
    stand.settings.change({"history": 2})
    task_ids = made(stand, 4)
    assert ids(stand.tasks.describe(HERE)) == task_ids[:1:-1]
