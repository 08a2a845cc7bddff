"""Mistakes that people make in a deployed hub, with one of its sources."""

import json
import random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from devstack.suite import Suite
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import Manifest
from logferry_contracts.wire import ContractError, emit, parse

if TYPE_CHECKING:
    from collections.abc import Callable

NOBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}],
}
NOTHING = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])


class People:
    """What people do to one source of a hub.

    Attributes:
        done: What they have done, by name, in its order.
        taken_back: What allows again what they have forbidden.
    """

    def __init__(self, rng: random.Random, suite: Suite, profile: str, doomed: str) -> None:
        self.rng = rng
        self.suite = suite
        self.source = suite.source(profile)
        self.s3 = suite.client("s3")
        self.control = suite.config.control_bucket
        self.done: list[str] = []
        self.taken_back: list[Callable[[], object]] = []
        self._doomed = doomed
        self._left = [
            *(self.purge_the_slots_queue, self.purge_the_direct_lanes_queue) * 2,
            *(self.cut_off_a_record, self.falsify_a_record, self.remove_an_object) * 3,
            self.delete_a_version,
            self.forbid_the_role,
            self.unsubscribe_the_enforcer,
            self.delete_a_log_group,
        ]
        rng.shuffle(self._left)

    def make_a_mistake(self) -> None:
        """Do the next thing, if there is anything to do it to."""
        if self._left:
            mistake = self._left.pop()
            if mistake():
                self.done.append(mistake.__name__)
            else:
                self._left.insert(self.rng.randint(0, len(self._left)), mistake)

    def take_back(self) -> None:
        """Allow again what was forbidden."""
        while self.taken_back:
            self.taken_back.pop()()

    # -- queues -------------------------------------------------------------------------------

    def purge_the_slots_queue(self) -> bool:
        return self._purge(self.source.queue_name)

    def purge_the_direct_lanes_queue(self) -> bool:
        return self._purge(self.source.direct_queue_name)

    def _purge(self, name: str) -> bool:
        if self.suite.waiting(name) == 0:
            return False
        self.suite.client("sqs").purge_queue(QueueUrl=self.suite.queue_url(name))
        return True

    # -- the ledger ---------------------------------------------------------------------------

    def cut_off_a_record(self) -> bool:
        keys = self._ledger_keys()
        if not keys:
            return False
        key = self.rng.choice(keys)
        body = self.s3.get_object(Bucket=self.control, Key=key)["Body"].read()
        self.s3.put_object(Bucket=self.control, Key=key, Body=body[: len(body) // 2])
        return True

    def falsify_a_record(self) -> bool:
        """Say of an export that is asked for that it was completed, and is empty."""
        requested = [each for each in self.records() if each.state == "requested"]
        if not requested:
            return False
        record = self.rng.choice(requested)
        completed = Completed(at=record.requested_at, manifest=NOTHING)
        body = emit(record.as_completed(completed))
        self.s3.put_object(Bucket=self.control, Key=record.key, Body=body.encode())
        return True

    def records(self) -> list[LedgerRecord]:
        """Return the source's records that can be read."""
        bodies = [
            self.s3.get_object(Bucket=self.control, Key=key)["Body"].read()
            for key in self._ledger_keys()
        ]
        return [record for record in map(_record, bodies) if record is not None]

    def _ledger_keys(self) -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.control, Prefix="ledger/"
        )
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return [key for key in keys if f"/{self.source.account_id}" in key]

    # -- the archive --------------------------------------------------------------------------

    def remove_an_object(self) -> bool:
        """Delete an object that is in no manifest yet, by its key: a delete marker is over it."""
        named = set(self._named())
        unnamed = [
            each["Key"]
            for each in self._versions()
            if (each["Key"], each["VersionId"]) not in named
        ]
        if not unnamed:
            return False
        self.s3.delete_object(Bucket=self.suite.archive_bucket, Key=self.rng.choice(unnamed))
        return True

    def delete_a_version(self) -> bool:
        """Delete an object's version that is in a manifest and not on hold yet."""
        named = self._named()
        self.rng.shuffle(named)
        for key, version_id in named:
            try:
                self.s3.delete_object(
                    Bucket=self.suite.archive_bucket, Key=key, VersionId=version_id
                )
            except ClientError:
                continue  # it is held
            return True
        return False

    def _named(self) -> list[tuple[str, str]]:
        return [
            (each.key, each.version_id)
            for record in self.records()
            if record.completed is not None
            for each in record.completed.manifest.objects or []
        ]

    def _versions(self) -> list[dict[str, Any]]:
        found = self.s3.list_object_versions(
            Bucket=self.suite.archive_bucket, Prefix=f"{self.source.profile}/"
        )
        return [each for each in found.get("Versions", []) if each["Key"].endswith(".gz")]

    # -- what is around -----------------------------------------------------------------------

    def forbid_the_role(self) -> bool:
        """Let nobody assume the source's role."""
        iam, name = (
            self.suite.client("iam", self.source.account_id),
            f"{self.suite.name}-source",
        )
        before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(NOBODY))
        self.taken_back.append(
            lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))
        )
        return True

    def unsubscribe_the_enforcer(self) -> bool:
        """Remove the enforcer's subscription to the topic: a deployment makes it again."""
        for arn in self.enforcers_subscriptions():
            self.suite.client("sns").unsubscribe(SubscriptionArn=arn)
        return True

    def enforcers_subscriptions(self) -> list[str]:
        """Return the ARNs of the enforcer's subscriptions to the topic."""
        found = self.suite.client("sns").list_subscriptions_by_topic(
            TopicArn=self.suite.config.topic_arn
        )
        return [
            each["SubscriptionArn"]
            for each in found["Subscriptions"]
            if each["Endpoint"].endswith("-sse-enforcer")
        ]

    def delete_a_log_group(self) -> bool:
        logs = self.suite.client("logs", self.source.account_id)
        logs.delete_log_group(logGroupName=self._doomed)
        return True


def _record(body: bytes) -> LedgerRecord | None:
    try:
        return parse(LedgerRecord, body)
    except ContractError:
        return None
