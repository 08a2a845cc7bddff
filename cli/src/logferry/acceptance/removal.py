"""Everything that runs have made, removed."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from logferry.acceptance.bench import code_of
from logferry.acceptance.things import ABSENT, Thing, Things
from logferry.errors import DeployError
from logferry.stack import Stacks, Watch
from logferry.workers import READERS

KEY_DAYS = 7
"""The shortest time after which KMS deletes a key.

https://docs.aws.amazon.com/kms/latest/APIReference/API_ScheduleKeyDeletion.html
"""
OBJECTS_PER_CALL = 1000


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
        self._things = Things(client, run)
        self._stacks = Stacks(client("cloudformation"), watch)

    def left(self) -> list[Thing]:
        """Return what is there, by its tag; keys whose deletion is scheduled have gone."""
        return [thing for kind in self._things.kinds() for thing in kind()]

    def scheduled(self) -> list[str]:
        """Return the ids of the keys whose deletion is scheduled, of this run or all."""
        return [thing.id for thing in self._things.keys(pending=True)]

    def remove(self) -> list[str]:
        """Remove everything, whatever fails; return what failed, in words."""
        problems: list[str] = []
        removers: tuple[tuple[Callable[[], Iterator[Thing]], Callable[[str], object]], ...] = (
            (self._things.mappings, self._delete_mapping),
            (self._things.functions, self._delete_function),
            (self._things.first_stacks, self._stacks.remove),
            (self._things.last_stacks, self._stacks.remove),
            (self._things.queues, lambda url: self._client("sqs").delete_queue(QueueUrl=url)),
            (self._things.tasks, lambda task: self._client("logs").cancel_export_task(taskId=task)),
            (
                self._things.groups,
                lambda name: self._client("logs").delete_log_group(logGroupName=name),
            ),
            (self._things.buckets, self._delete_bucket),
            (self._things.keys, self._schedule_deletion),
        )
        for find, remove in removers:
            problems += _all_of(find, remove)
        return problems

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
        refused: list[dict[str, str]] = []
        for page in pages:
            held = [(each["Key"], each["VersionId"]) for each in page.get("Versions", [])]
            with ThreadPoolExecutor(READERS) as pool:
                list(pool.map(lambda which: _free(s3, bucket, *which), held))
            gone = held + [
                (each["Key"], each["VersionId"]) for each in page.get("DeleteMarkers", [])
            ]
            if gone:
                objects = [{"Key": key, "VersionId": version} for key, version in gone]
                answer = s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": objects, "Quiet": True}
                )
                refused += answer.get("Errors", [])
        if refused:
            # DeleteBucket would say that the bucket is not empty, and not why.
            first = ": ".join(refused[0].get(name, "?") for name in ("Key", "Code", "Message"))
            raise DeployError(f"{len(refused)} versions were not deleted, among them {first}")
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
            if code_of(error) not in ABSENT:
                problems.append(f"{thing.kind} {thing.id}: {error}")
        except Exception as error:  # noqa: BLE001  (the same)
            problems.append(f"{thing.kind} {thing.id}: {error}")
    return problems
