"""Mistakes that people make with one source of a deployed hub.

Each is a method without arguments that says whether there was anything to make it with.
"""

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError

from devstack.suite import Suite
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import Completed, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.source import SourceName
from logferry_contracts.wire import ContractError, emit, parse

NOBODY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "sts:AssumeRole"}],
}
NO_TASK = "00000000-0000-4000-8000-000000000000"


@dataclass
class Place:
    """One source of a hub, and who may do everything there.

    Attributes:
        other: The profile of another source of the same hub.
        refused: The reasons of requests that the planner has refused so far.
        taken_back: What allows again what they have forbidden.
    """

    rng: random.Random
    suite: Suite
    profile: str
    other: str
    refused: list[str] = field(default_factory=list)
    taken_back: list[Callable[[], object]] = field(default_factory=list)

    @property
    def source(self) -> SourceName:
        """The source."""
        return self.suite.source(self.profile)

    @property
    def s3(self) -> Any:
        """A client of the hub's account."""
        return self.suite.client("s3")

    @property
    def control(self) -> str:
        """The bucket that the ledger is in."""
        return self.suite.config.control_bucket

    def records(self) -> list[LedgerRecord]:
        """Return the source's records that can be read."""
        bodies = [
            self.s3.get_object(Bucket=self.control, Key=key)["Body"].read()
            for key in self.ledger_keys()
        ]
        return [record for record in map(_record, bodies) if record is not None]

    def ledger_keys(self) -> list[str]:
        """Return the keys of the account's records."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.control, Prefix=f"ledger/{self.source.account_id}/"
        )
        return [found["Key"] for page in pages for found in page.get("Contents", [])]


def _record(body: bytes) -> LedgerRecord | None:
    try:
        return parse(LedgerRecord, body)
    except ContractError:
        return None


@dataclass
class WithQueues:
    """Purged, or deleted: a deployment makes them again."""

    place: Place

    def purge_the_slots_queue(self) -> bool:
        return self._purge(self.place.source.queue_name)

    def purge_the_direct_lanes_queue(self) -> bool:
        return self._purge(self.place.source.direct_queue_name)

    def _purge(self, name: str) -> bool:
        suite = self.place.suite
        try:
            if suite.waiting(name) == 0:
                return False
            suite.client("sqs").purge_queue(QueueUrl=suite.queue_url(name))
        except suite.client("sqs").exceptions.QueueDoesNotExist:
            return False
        return True

    def delete_the_slots_queue(self) -> bool:
        return self._delete(self.place.source.queue_name)

    def delete_the_direct_lanes_queue(self) -> bool:
        return self._delete(self.place.source.direct_queue_name)

    def _delete(self, name: str) -> bool:
        suite = self.place.suite
        suite.client("sqs").delete_queue(QueueUrl=suite.queue_url(name))
        return True


@dataclass
class WithTheLedger:
    """Records cut off, falsified, deleted."""

    place: Place

    def cut_off_a_record(self) -> bool:
        keys = self.place.ledger_keys()
        if not keys:
            return False
        key = self.place.rng.choice(keys)
        body = self.place.s3.get_object(Bucket=self.place.control, Key=key)["Body"].read()
        self._put(key, body[: len(body) // 2])
        return True

    def delete_a_record(self) -> bool:
        keys = self.place.ledger_keys()
        if not keys:
            return False
        self.place.s3.delete_object(Bucket=self.place.control, Key=self.place.rng.choice(keys))
        return True

    def say_that_an_empty_export_was_completed(self) -> bool:
        return self._falsify(lambda _: [], is_told=False)

    def say_that_what_is_not_there_was_announced(self) -> bool:
        return self._falsify(
            lambda record: [
                ArchivedObject(
                    key=f"{record.destination.prefix}/{NO_TASK}/web-1/000000.gz",
                    version_id="x" * 32,
                    size_bytes=9,
                    etag="none",
                )
            ],
            is_told=True,
        )

    def _falsify(
        self, objects_of: Callable[[LedgerRecord], list[ArchivedObject]], *, is_told: bool
    ) -> bool:
        """Say of an export that is asked for that it was completed."""
        requested = [each for each in self.place.records() if each.state == "requested"]
        if not requested:
            return False
        record = self.place.rng.choice(requested)
        objects, now = objects_of(record), timestamp(datetime.now(UTC))
        manifest = Manifest(
            object_count=len(objects),
            stream_count=len(objects),
            total_bytes=sum(each.size_bytes for each in objects),
            objects=objects,
        )
        completed = Completed(at=now, manifest=manifest, published_at=now if is_told else None)
        self._put(record.key, emit(record.as_completed(completed)).encode())
        return True

    def _put(self, key: str, body: bytes) -> None:
        self.place.s3.put_object(Bucket=self.place.control, Key=key, Body=body)


@dataclass
class WithTheArchive:
    """Objects removed, before and after they are in a manifest."""

    place: Place

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
        self.place.s3.delete_object(
            Bucket=self.place.suite.archive_bucket, Key=self.place.rng.choice(unnamed)
        )
        return True

    def delete_a_version(self) -> bool:
        """Delete an object's version that is in a manifest and not on hold yet."""
        named = self._named()
        self.place.rng.shuffle(named)
        for key, version_id in named:
            try:
                self.place.s3.delete_object(
                    Bucket=self.place.suite.archive_bucket, Key=key, VersionId=version_id
                )
            except ClientError:
                continue  # it is held
            return True
        return False

    def _named(self) -> list[tuple[str, str]]:
        return [
            (each.key, each.version_id)
            for record in self.place.records()
            if record.completed is not None
            for each in record.completed.manifest.objects or []
        ]

    def _versions(self) -> list[dict[str, Any]]:
        found = self.place.s3.list_object_versions(
            Bucket=self.place.suite.archive_bucket, Prefix=f"{self.place.profile}/"
        )
        return [each for each in found.get("Versions", []) if each["Key"].endswith(".gz")]


@dataclass
class WithRequests:
    """Requests for the other source's profile, with this one's account, or for another time."""

    place: Place

    def ask_for_a_plan_of_another_profile(self) -> bool:
        request = self.place.suite.plan_request(self.place.profile, include=["*"])
        request["data"]["source"]["profile"] = self.place.other
        return self._is_refused(request)

    def ask_by_variables_with_a_wrong_prefix(self) -> bool:
        variables = {
            "loggingBucketName": self.place.suite.archive_bucket,
            "roleArn": self.place.suite.reachable(self.place.profile).role_arn,
            "Prefix": self.place.other,
        }
        return self._is_refused(variables)

    def _is_refused(self, event: dict[str, Any]) -> bool:
        try:
            answer = self.place.suite.invoke_planner(event)
        except RuntimeError:
            return False  # The planner was killed, or AWS did not answer.
        assert answer.get("status") == "dead_lettered", answer
        self.place.refused.append(answer["reason"])
        return True

    def write_another_profile_into_the_schedule(self) -> bool:
        """It fires in the night: a deployment puts back what it says."""
        scheduler = self.place.suite.client("scheduler")
        known = scheduler.get_schedule(Name=f"{self.place.suite.name}-{self.place.profile}")
        kept = ("Name", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow")
        said = known["Target"]["Input"]
        wrong = said.replace(f'"{self.place.profile}"', f'"{self.place.other}"')
        assert wrong != said
        target = known["Target"] | {"Input": wrong}
        scheduler.update_schedule(**{name: known[name] for name in kept}, Target=target)
        return True

    def send_a_request_of_another_profile(self) -> bool:
        """Put a message into the source's queue, as up to 0.2.0 a plan could."""
        suite = self.place.suite
        right = suite.export_request(self.place.profile, "/somebody-elses")
        wrong = right.source.model_copy(update={"profile": self.place.other})
        return self._send(right.model_copy(update={"source": wrong}))

    def send_a_request_for_next_month(self) -> bool:
        """Ask for an export that nobody may begin before."""
        suite, next_month = self.place.suite, datetime.now(UTC) + timedelta(days=30)
        asked = suite.export_request(self.place.profile, "/slot/0")
        return self._send(asked.model_copy(update={"not_before": timestamp(next_month)}))

    def _send(self, asked: ExportRequestedData) -> bool:
        """Put a message into the source's queue, if there is one."""
        suite, source = self.place.suite, self.place.source
        event = ExportRequested.of(
            asked, id=asked.export_id, source="urn:somebody", time=datetime.now(UTC)
        )
        try:
            url = suite.queue_url(source.queue_name)
        except suite.client("sqs").exceptions.QueueDoesNotExist:
            return False
        suite.client("sqs").send_message(
            QueueUrl=url,
            MessageBody=emit(event),
            MessageGroupId=source.slot,
            MessageDeduplicationId=uuid.uuid4().hex,
        )
        return True


@dataclass
class WithTheDeployment:
    """What is around: a deployment puts back all that is the hub's.

    Attributes:
        doomed: A log group that somebody deletes.
        on_new_topic: Called once a topic of the same name has been made again.
    """

    place: Place
    doomed: str
    on_new_topic: Callable[[], object]

    def forbid_the_role(self) -> bool:
        """Let nobody assume the source's role."""
        suite = self.place.suite
        iam, name = suite.client("iam", self.place.source.account_id), f"{suite.name}-source"
        before = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(NOBODY))
        self.place.taken_back.append(
            lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(before))
        )
        return True

    def unsubscribe_the_enforcer(self) -> bool:
        """Remove the enforcer's subscription to the topic."""
        sns = self.place.suite.client("sns")
        found = sns.list_subscriptions_by_topic(TopicArn=self.place.suite.config.topic_arn)
        for each in found["Subscriptions"]:
            if each["Endpoint"].endswith("-sse-enforcer"):
                sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])
        return True

    def make_the_topic_again(self) -> bool:
        """Delete the topic, and make one of its name: nobody is subscribed to that."""
        sns, arn = self.place.suite.client("sns"), self.place.suite.config.topic_arn
        sns.delete_topic(TopicArn=arn)
        sns.create_topic(Name=arn.rpartition(":")[2])
        self.on_new_topic()
        return True

    def delete_the_rule(self) -> bool:
        """Delete the rule by which the enforcer hears of new objects."""
        events, prefix = self.place.suite.client("events"), self.place.suite.name
        for rule in events.list_rules(NamePrefix=prefix)["Rules"]:
            targets = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
            events.remove_targets(Rule=rule["Name"], Ids=[each["Id"] for each in targets])
            events.delete_rule(Name=rule["Name"])
        return True

    def disable_the_mapping(self) -> bool:
        """Let nobody take messages out of the slot's queue."""
        functions = self.place.suite.client("lambda")
        [mapping] = functions.list_event_source_mappings(
            FunctionName=self.place.source.exporter_function_name
        )["EventSourceMappings"]
        refusals = functions.exceptions
        try:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        except (refusals.ResourceInUseException, refusals.InvalidParameterValueException):
            return False  # It is still being updated, or its queue is gone.
        return True

    def delete_a_log_group(self) -> bool:
        logs = self.place.suite.client("logs", self.place.source.account_id)
        logs.delete_log_group(logGroupName=self.doomed)
        return True
