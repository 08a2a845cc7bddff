"""What runs have made and is still there, found by its tag, kind by kind."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from logferry.acceptance.bench import code_of
from logferry.acceptance.run import PREFIX, TAG
from logferry.hub_stacks import KEPT

ABSENT = frozenset(
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


class Things:
    """What runs have made in one account and Region."""

    def __init__(self, client: Callable[[str], Any], run: str = "") -> None:
        """Look for one run alone, or for all where none is named.

        Args:
            client: Returns a service's, of the account and the Region.
            run: Its name.
        """
        self._client = client
        self._run = run

    def kinds(self) -> Sequence[Callable[[], Iterator[Thing]]]:
        """Return the ways to find what is there; tasks end by themselves."""
        return (
            self.first_stacks,
            self.last_stacks,
            self.mappings,
            self.functions,
            self.queues,
            self.groups,
            self.buckets,
            self.keys,
        )

    def first_stacks(self) -> Iterator[Thing]:
        """Yield the stacks that no other one needs."""
        return (each for each in self._all_stacks() if not each.id.endswith(KEPT))

    def last_stacks(self) -> Iterator[Thing]:
        """Yield the stacks that the others need."""
        return (each for each in self._all_stacks() if each.id.endswith(KEPT))

    def functions(self) -> Iterator[Thing]:
        """Yield the functions, those of the stacks too."""
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

    def mappings(self) -> Iterator[Thing]:
        """Yield the functions' mappings, but those that are being deleted."""
        functions = self._client("lambda")
        for function in list(self.functions()):
            pages = functions.get_paginator("list_event_source_mappings").paginate(
                FunctionName=function.id
            )
            for found in [each for page in pages for each in page["EventSourceMappings"]]:
                if found["State"] != "Deleting":
                    yield Thing("mapping", found["UUID"], function.run)

    def queues(self) -> Iterator[Thing]:
        """Yield the queues whose names begin as runs do, by their URLs."""
        sqs = self._client("sqs")
        pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix=PREFIX)
        for url in [url for page in pages for url in page.get("QueueUrls", [])]:
            yield from self._of("queue", url, partial(self._queue_tags, url))

    def groups(self) -> Iterator[Thing]:
        """Yield the log groups that are no function's: those are in stacks."""
        logs = self._client("logs")
        pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=f"/{PREFIX}")
        for found in [each for page in pages for each in page["logGroups"]]:
            arn = found["arn"].removesuffix(":*")
            yield from self._of(
                "log group",
                found["logGroupName"],
                partial(self._group_tags, arn),
            )

    def tasks(self) -> Iterator[Thing]:
        """Yield the export tasks that still write into one of the buckets."""
        buckets = {thing.id: thing.run for thing in self.buckets()}
        for status in ("PENDING", "RUNNING") if buckets else ():
            pages = (
                self._client("logs")
                .get_paginator("describe_export_tasks")
                .paginate(statusCode=status)
            )
            for task in [task for page in pages for task in page["exportTasks"]]:
                if run := buckets.get(task.get("destination", "")):
                    yield Thing("export task", task["taskId"], run)

    def buckets(self) -> Iterator[Thing]:
        """Yield the buckets."""
        s3 = self._client("s3")
        for found in s3.list_buckets()["Buckets"]:
            name = found["Name"]
            if name.startswith(PREFIX):
                yield from self._of(
                    "bucket",
                    name,
                    partial(self._bucket_tags, name),
                )

    def keys(self, *, pending: bool = False) -> Iterator[Thing]:
        """Yield the KMS keys that are there, or those whose deletion is scheduled."""
        kms = self._client("kms")
        pages = kms.get_paginator("list_keys").paginate()
        for key_id in [each["KeyId"] for page in pages for each in page["Keys"]]:
            described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
            is_pending = described["KeyState"] == "PendingDeletion"
            if described["KeyManager"] == "CUSTOMER" and is_pending == pending:
                yield from self._of("key", key_id, partial(self._key_tags, key_id))

    def _all_stacks(self) -> Iterator[Thing]:
        pages = self._client("cloudformation").get_paginator("describe_stacks").paginate()
        for stack in [stack for page in pages for stack in page["Stacks"]]:
            if stack["StackStatus"] != "DELETE_COMPLETE":
                tags = _pairs(stack.get("Tags", []))
                yield from self._of("stack", stack["StackName"], partial(dict, tags))

    def _is_ours(self, tags: dict[str, str]) -> str | None:
        """Return the name of the run that something is of; None for somebody else's."""
        run = tags.get(TAG, "")
        return run if run.startswith(PREFIX) and run.startswith(self._run) else None

    def _of(self, kind: str, id_: str, tags: Callable[[], dict[str, str]]) -> Iterator[Thing]:
        try:
            run = self._is_ours(tags())
        except ClientError as error:
            if code_of(error) not in ABSENT:
                raise
            return
        if run is not None:
            yield Thing(kind, id_, run)

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


def _pairs(tags: Sequence[dict[str, str]]) -> dict[str, str]:
    return {each["Key"]: each["Value"] for each in tags}
