"""Everything that runs have made: found by its tag, and removed."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from logferry.acceptance.bench import code_of
from logferry.acceptance.run import PREFIX, TAG
from logferry.hub_stacks import KEPT
from logferry.ledger import READERS
from logferry.stack import Stacks, Watch

KEY_DAYS = 7
"""The shortest time after which KMS deletes a key.

https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
"""
OBJECTS_PER_CALL = 1000
_ABSENT = frozenset(
    {
        "NoSuchBucket",
        "NoSuchTagSet",
        "NotFoundException",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "QueueDoesNotExist",
    }
)
"""What is said of what has gone meanwhile, or has no tag."""


@dataclass(frozen=True, order=True)
class Thing:
    """Something that a run has made and that is still there.

    Attributes:
        kind: Such as ``bucket``.
        id: What AWS calls it.
        run: The name of the run.
    """

    kind: str
    id: str
    run: str


class Removal:
    """Finds and removes what runs have made in one account and Region."""

    def __init__(
        self, client: Callable[[str], Any], watch: Watch = lambda _: None, run: str = ""
    ) -> None:
        """Look for one run alone, or for all where none is named.

        Args:
            client: Returns a service's, of the account and the Region.
            watch: Told of stacks.
            run: Its name.
        """
        self._client = client
        self._stacks = Stacks(self._client("cloudformation"), watch)
        self._run = run

    def left(self) -> list[Thing]:
        """Return what is there, by its tag; keys whose deletion is scheduled have gone."""
        return [thing for kind in self._kinds() for thing in kind()]

    def remove(self) -> list[str]:
        """Remove everything, whatever fails; return what failed, in words."""
        problems: list[str] = []
        removers: tuple[tuple[Callable[[], Iterator[Thing]], Callable[[str], object]], ...] = (
            (self._mappings, self._delete_mapping),
            (self._functions, self._delete_function),
            (self._first_stacks, self._stacks.remove),
            (self._last_stacks, self._stacks.remove),
            (self._queues, lambda url: self._client("sqs").delete_queue(QueueUrl=url)),
            (self._tasks, lambda task: self._client("logs").cancel_export_task(taskId=task)),
            (self._groups, lambda name: self._client("logs").delete_log_group(logGroupName=name)),
            (self._buckets, self._delete_bucket),
            (self._keys, self._schedule_deletion),
        )
        for find, remove in removers:
            problems += _all_of(find, remove)
        return problems

    def _kinds(self) -> Sequence[Callable[[], Iterator[Thing]]]:
        return (
            self._first_stacks,
            self._last_stacks,
            self._mappings,
            self._functions,
            self._queues,
            self._groups,
            self._buckets,
            self._keys,
        )

    def _is_ours(self, tags: dict[str, str]) -> str | None:
        """Return the name of the run that something is of; None for somebody else's."""
        run = tags.get(TAG, "")
        return run if run.startswith(PREFIX) and run.startswith(self._run) else None

    def _of(self, kind: str, id_: str, tags: Callable[[], dict[str, str]]) -> Iterator[Thing]:
        try:
            run = self._is_ours(tags())
        except ClientError as error:
            if code_of(error) not in _ABSENT:
                raise
            return
        if run is not None:
            yield Thing(kind, id_, run)

    def _all_stacks(self) -> Iterator[Thing]:
        pages = self._client("cloudformation").get_paginator("describe_stacks").paginate()
        for stack in [stack for page in pages for stack in page["Stacks"]]:
            if stack["StackStatus"] != "DELETE_COMPLETE":
                tags = _pairs(stack.get("Tags", []))
                yield from self._of("stack", stack["StackName"], partial(dict, tags))

    def _first_stacks(self) -> Iterator[Thing]:
        return (each for each in self._all_stacks() if not each.id.endswith(KEPT))

    def _last_stacks(self) -> Iterator[Thing]:
        """Those that the others need."""
        return (each for each in self._all_stacks() if each.id.endswith(KEPT))

    def _functions(self) -> Iterator[Thing]:
        functions = self._client("lambda")
        pages = functions.get_paginator("list_functions").paginate()
        for found in [each for page in pages for each in page["Functions"]]:
            if found["FunctionName"].startswith(PREFIX):
                arn = found["FunctionArn"]
                yield from self._of(
                    "function",
                    found["FunctionName"],
                    partial(self._function_tags, arn),
                )

    def _mappings(self) -> Iterator[Thing]:
        functions = self._client("lambda")
        for function in list(self._functions()):
            pages = functions.get_paginator("list_event_source_mappings").paginate(
                FunctionName=function.id
            )
            for found in [each for page in pages for each in page["EventSourceMappings"]]:
                if found["State"] != "Deleting":
                    yield Thing("mapping", found["UUID"], function.run)

    def _queues(self) -> Iterator[Thing]:
        sqs = self._client("sqs")
        pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=PREFIX)
        for url in [url for page in pages for url in page.get("QueueUrls", [])]:
            yield from self._of("queue", url, partial(self._queue_tags, url))

    def _groups(self) -> Iterator[Thing]:
        logs = self._client("logs")
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/{PREFIX}")
        for found in [each for page in pages for each in page["logGroups"]]:
            arn = found["arn"].removesuffix(":*")
            yield from self._of(
                "log group",
                found["logGroupName"],
                partial(self._group_tags, arn),
            )

    def _tasks(self) -> Iterator[Thing]:
        """Yield the export tasks that still write into one of the buckets."""
        buckets = {thing.id: thing.run for thing in self._buckets()}
        for status in ("PENDING", "RUNNING") if buckets else ():
            pages = (
                self._client("logs")
                .get_paginator("describe_export_tasks")
                .paginate(statusCode=status)
            )
            for task in [task for page in pages for task in page["exportTasks"]]:
                if run := buckets.get(task.get("destination", "")):
                    yield Thing("export task", task["taskId"], run)

    def _buckets(self) -> Iterator[Thing]:
        s3 = self._client("s3")
        for found in s3.list_buckets()["Buckets"]:
            name = found["Name"]
            if name.startswith(PREFIX):
                yield from self._of(
                    "bucket",
                    name,
                    partial(self._bucket_tags, name),
                )

    def scheduled(self) -> list[str]:
        """Return the ids of the keys whose deletion is scheduled, of this run or all."""
        return [thing.id for thing in self._keys(pending=True)]

    def _keys(self, *, pending: bool = False) -> Iterator[Thing]:
        kms = self._client("kms")
        pages = kms.get_paginator("list_keys").paginate()
        for key_id in [each["KeyId"] for page in pages for each in page["Keys"]]:
            described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
            is_pending = described["KeyState"] == "PendingDeletion"
            if described["KeyManager"] == "CUSTOMER" and is_pending == pending:
                yield from self._of("key", key_id, partial(self._key_tags, key_id))

    def _function_tags(self, arn: str) -> dict[str, str]:
        tags: dict[str, str] = self._client("lambda").list_tags(Resource=arn)["Tags"]
        return tags

    def _queue_tags(self, url: str) -> dict[str, str]:
        tags: dict[str, str] = self._client("sqs").list_queue_tags(QueueUrl=url).get("Tags", {})
        return tags

    def _group_tags(self, arn: str) -> dict[str, str]:
        logs = self._client("logs")
        tags: dict[str, str] = logs.list_tags_for_resource(resourceArn=arn)["tags"]
        return tags

    def _bucket_tags(self, name: str) -> dict[str, str]:
        return _pairs(self._client("s3").get_bucket_tagging(Bucket=name)["TagSet"])

    def _key_tags(self, key_id: str) -> dict[str, str]:
        tags = self._client("kms").list_resource_tags(KeyId=key_id)["Tags"]
        return {each["TagKey"]: each["TagValue"] for each in tags}

    def _delete_mapping(self, uuid: str) -> None:
        self._client("lambda").delete_event_source_mapping(UUID=uuid)

    def _delete_function(self, name: str) -> None:
        self._client("lambda").delete_function(FunctionName=name)

    def _schedule_deletion(self, key_id: str) -> None:
        self._client("kms").schedule_key_deletion(KeyId=key_id, PendingWindowInDays=KEY_DAYS)

    def _delete_bucket(self, bucket: str) -> None:
        s3 = self._client("s3")
        # The archive's denies even an administrator to remove a seal.
        s3.delete_bucket_policy(Bucket=bucket)
        for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
        pages = s3.get_paginator("list_object_versions").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": OBJECTS_PER_CALL}
        )
        for page in pages:
            held = [(each["Key"], each["VersionId"]) for each in page.get("Versions", [])]
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(lambda which: _free(s3, bucket, *which), held))
            gone = held + [
                (each["Key"], each["VersionId"]) for each in page.get("DeleteMarkers", [])
            ]
            if gone:
                objects = [{"Key": key, "VersionId": version} for key, version in gone]
                s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        s3.delete_bucket(Bucket=bucket)


def _free(s3: Any, bucket: str, key: str, version_id: str) -> None:
    """Lift a version's legal hold, if it has one."""
    which = {"Bucket": bucket, "Key": key, "VersionId": version_id}
    try:
        if s3.get_object_legal_hold(**which)["LegalHold"].get("Status") == "ON":
            s3.put_object_legal_hold(**which, LegalHold={"Status": "OFF"})
    except ClientError:
        return  # none, or no Object Lock: what cannot be deleted then is said by its deletion


def _all_of(find: Callable[[], Iterator[Thing]], remove: Callable[[str], object]) -> list[str]:
    """Find and remove things of one kind; return what failed, in words."""
    problems: list[str] = []
    try:
        found = list(find())
    except Exception as error:  # noqa: BLE001  (what else there is is removed all the same)
        return [f"{type(error).__name__}: {error}"]
    for thing in found:
        try:
            remove(thing.id)
        except ClientError as error:
            if code_of(error) not in _ABSENT:
                problems.append(f"{thing.kind} {thing.id}: {error}")
        except Exception as error:  # noqa: BLE001  (the same)
            problems.append(f"{thing.kind} {thing.id}: {error}")
    return problems


def _pairs(tags: Sequence[dict[str, str]]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in tags}
