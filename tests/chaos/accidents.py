"""What happens to a simulated source: people's mistakes, and what AWS does.

Each is a method without arguments that returns what it was about, to be read when a schedule fails.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError
from services.exporter.tests.aws_errors import OPERATIONS, codes, error_of, raise_as_adapters_do
from services.exporter.tests.conftest import Plan, export_request
from services.planner.tests.fakes import plan_request
from tests.chaos.errors import Trouble
from tests.chaos.simulated import Groups, Planner, SharedLedger

from logferry_contracts.export import Lane
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.ledger_record import Completed
from logferry_contracts.manifest import Manifest
from logferry_contracts.message import timestamp
from logferry_contracts.wire import emit
from planner.aws.calls import calling, code_of
from planner.errors import PlanRefusedError

DATE = "2026-11-21"
OTHER = "other"
"""A profile of another account."""
PLANNERS_CALLS = {
    "accounts.open": ("sts", "AssumeRole"),
    "account.log_groups": ("logs", "DescribeLogGroups"),
    "archive.check": ("s3", "HeadBucket"),
    "ledger.known": ("s3", "ListObjectsV2"),
    "ledger.windows": ("s3", "ListObjectsV2"),
    "ledger.read": ("s3", "GetObject"),
    "ledger.create": ("s3", "PutObject"),
    "ledger.take_over": ("s3", "PutObject"),
    "outbox.put": ("s3", "PutObject"),
    "outbox.notes": ("s3", "ListObjectsV2"),
    "outbox.read": ("s3", "GetObject"),
    "outbox.remove": ("s3", "DeleteObject"),
    "backfills.there": ("s3", "ListObjectsV2"),
    "backfills.asked": ("s3", "GetObject"),
    "backfills.fed": ("s3", "GetObject"),
    "backfills.write": ("s3", "PutObject"),
    "open_notes.there": ("s3", "ListObjectsV2"),
    "day_notes.put": ("s3", "PutObject"),
    "day_notes.there": ("s3", "ListObjectsV2"),
    "day_notes.read": ("s3", "GetObject"),
    "day_notes.remove": ("s3", "DeleteObject"),
    "files.put": ("s3", "PutObject"),
    "files.get": ("s3", "GetObject"),
    "files.remove": ("s3", "DeleteObject"),
    "inventories.is_there": ("s3", "ListObjectsV2"),
    "inventories.put": ("s3", "PutObject"),
    "queues.check": ("sqs", "ListQueueTags"),
    "queues.is_of": ("sqs", "ListQueueTags"),
    "queues.urls": ("sqs", "GetQueueUrl"),
    "queues.send": ("sqs", "SendMessageBatch"),
    "topic.publish": ("sns", "Publish"),
    "continuations.send": ("lambda", "Invoke"),
    "dead_letters.put": ("sqs", "SendMessage"),
}
"""What the planner's simulated calls are of AWS's; others it does without."""
REFUSED = {"accounts.open": "role_arn", "account.log_groups": "role_arn"}
"""Calls of which a person has to mend what the role lacks, or trusts."""
BUSY = ("logs.create_task", "LimitExceededException")
"""Which says that a task is active: no error."""
NOTHING = Manifest(object_count=0, stream_count=0, total_bytes=0, objects=[])


def request_for_date(profile: str | None = None, date: str = DATE) -> dict[str, Any]:
    """Return a request for a date, of the source's own profile or of another."""
    source = export_request().source.model_dump(mode="json", exclude_none=True)
    return plan_request(
        source=source | ({"profile": profile} if profile else {}), collect_date=date
    )


class Mistakes:
    """What people do.

    Attributes:
        names: The source's log groups.
        run_plan: Runs a plan request to its end.
    """

    def __init__(
        self,
        rng: random.Random,
        cloud: Groups,
        names: list[str],
        run_plan: Callable[[dict[str, Any]], object],
    ) -> None:
        self.rng = rng
        self.cloud = cloud
        self.names = names
        self.run_plan = run_plan
        self.ledger = SharedLedger(cloud)

    def purge_a_queue(self) -> str:
        lane = self._lane()
        self.cloud.purge(lane)
        return lane

    def make_a_queue_again(self) -> str:
        lane = self._lane()
        self.cloud.make_queue_again(lane)
        return lane

    def delete_a_record(self) -> str:
        key = self._key()
        self.cloud.ledger.pop(key, None)
        return key

    def damage_a_record(self) -> str:
        """Cut off a record."""
        key = self._key()
        if key:
            body, etag = self.cloud.ledger[key]
            self.cloud.ledger[key] = (body[: self.rng.randint(0, len(body) // 2)], f"{etag}-cut")
        return key

    def falsify_a_record(self) -> str:
        """Write over a record that its export was completed, without objects."""
        requested = [each for each in self.ledger.readable() if each.state == "requested"]
        if not requested:
            return ""
        record = self.rng.choice(requested)
        completed = Completed(at=timestamp(self.cloud.now), manifest=NOTHING)
        self.cloud.put_record(record.as_completed(completed))
        return record.key

    def remove_an_object(self) -> str:
        """Delete an object that is in no manifest yet; a delete marker is over it."""
        named = {
            each.key
            for record in self.ledger.readable()
            if record.completed is not None
            for each in record.completed.manifest.objects or []
        }
        unnamed = [version for version in self.cloud.archive if version.key not in named]
        if not unnamed:
            return ""
        version = self.rng.choice(unnamed)
        version.is_hidden = True
        return version.key

    def ask_for_another_profile(self) -> str:
        """Fire a schedule with one wrong word: another profile, and this source's account."""
        self.run_plan(request_for_date(OTHER))
        return OTHER

    def send_a_request_of_another_profile(self) -> str:
        """Put a message with another profile and this source's account into its queue."""
        data = export_request(self.rng.choice(self.names), profile=OTHER)
        event = ExportRequested.of(data, id=data.export_id, source="urn:o", time=self.cloud.now)
        self.cloud.enqueue(emit(event), data.source.slot)
        return data.log_group.name

    def leave_it_to_another_profile(self) -> str:
        """Let a record say another profile, as up to 0.2.0 a schedule with a wrong word could."""
        name = self.rng.choice(self.names)
        record = export_request(name, profile=OTHER).first_record(self.cloud.now)
        if record.key in self.cloud.ledger:
            return ""
        self.cloud.put_record(record)
        return name

    def _lane(self) -> Lane:
        return "direct" if self.rng.random() < 0.3 else "slot"

    def _key(self) -> str:
        return self.rng.choice(sorted(self.cloud.ledger)) if self.cloud.ledger else ""

    def all(self) -> list[Callable[[], str]]:
        """Return them, to draw one of."""
        return [
            self.purge_a_queue,
            self.make_a_queue_again,
            self.delete_a_record,
            self.damage_a_record,
            self.falsify_a_record,
            self.remove_an_object,
            self.ask_for_another_profile,
            self.send_a_request_of_another_profile,
            self.leave_it_to_another_profile,
        ]


class Faults:
    """What AWS does, or lets others do."""

    def __init__(
        self, rng: random.Random, cloud: Groups, planner: Planner, names: list[str]
    ) -> None:
        self.rng = rng
        self.cloud = cloud
        self.planner = planner
        self.names = names
        self.trouble = Trouble(rng)
        planner.meet = self._meet

    def break_an_operation(self) -> str:
        """From now on AWS answers an operation with an error, of any code that it may have."""
        broken = self.rng.choice(sorted(OPERATIONS))
        code = self.rng.choice([each for each in codes(broken) if (broken, each) != BUSY])
        error = error_of(broken, code)

        def fail(operation: str) -> None:
            if operation == broken:
                raise_as_adapters_do(broken, "it", error)

        self.cloud.broken, self.cloud.interrupt = broken, fail
        return f"{broken} {code}"

    def break_a_call_of_the_planner(self) -> str:
        """From now on AWS answers a call of the planner with an error, some times or always."""
        call = self.rng.choice(sorted(PLANNERS_CALLS))
        self.trouble.begin(call, *PLANNERS_CALLS[call])
        return self.trouble.told[-1]

    def _meet(self, call: str) -> None:
        def raise_as_adapters_do(error: ClientError) -> None:
            field = REFUSED.get(call)
            if field is not None and code_of(error) in {"AccessDenied", "AccessDeniedException"}:
                raise PlanRefusedError(field, "it", str(error)) from error
            with calling(PLANNERS_CALLS[call][1], "it"):
                raise error

        self.trouble.meet(call, raise_as_adapters_do)

    def refuse_a_log_group(self) -> str:
        """Let AWS refuse one log group's tasks, as a policy does."""
        name = self.rng.choice(self.names)
        refusal = self.rng.choice(["bucket_policy", "access_denied"])
        plan = self.cloud.plans.setdefault(name, Plan())
        plan.refusal = (refusal, "CreateExportTask: what AWS says")
        return f"{name} {refusal}"

    def mend(self) -> str:
        """Let AWS answer, and refuse nothing."""
        self.trouble.mend()
        self.cloud.broken, self.cloud.interrupt = None, lambda _name: None
        for plan in self.cloud.plans.values():
            plan.refusal = None
        return ""

    def put_dead_letters_back(self) -> str:
        self.cloud.redrive()
        return ""

    def send_again(self) -> str:
        if self.cloud.letters:
            letter = self.rng.choice(self.cloud.letters)
            self.cloud.enqueue(letter.body, letter.group_id)
        return ""

    def use_the_slot(self) -> str:
        """Let somebody else's task be active."""
        if not self.cloud.active():
            self.cloud.start_job(running_s=self.rng.choice([1.0, 300.0]))
        return ""

    def lose_the_task(self) -> str:
        """Let AWS know nothing any more of the task that is active."""
        for job in self.cloud.active():
            job.is_lost = job.name is not None
        return ""

    def wait(self) -> str:
        self.cloud.now += timedelta(seconds=self.rng.choice([1, 60, 3600]))
        return ""

    def all(self) -> list[Callable[[], str]]:
        """Return them, to draw one of."""
        return [
            self.break_an_operation,
            *(self.break_a_call_of_the_planner,) * 2,
            self.refuse_a_log_group,
            self.mend,
            self.put_dead_letters_back,
            self.send_again,
            self.use_the_slot,
            self.lose_the_task,
            self.wait,
        ]
