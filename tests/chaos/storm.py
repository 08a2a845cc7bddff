"""What befalls a deployed hub at random: kills, faults of AWS, spoilt messages, plans."""

import json
import random
import uuid
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from typing import Any

from tests.chaos import mutated

from devstack.suite import Suite
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.object_created import ObjectCreated

ERRORS = (
    ("ThrottlingException", 400),
    ("TooManyRequestsException", 429),
    ("SlowDown", 503),
    ("ServiceUnavailable", 503),
    ("InternalFailure", 500),
)
OPERATIONS = (
    "logs.CreateExportTask",
    "logs.DescribeExportTasks",
    "logs.FilterLogEvents",
    "s3.GetObject",
    "s3.PutObject",
    "s3.ListObjectVersions",
    "s3.PutObjectLegalHold",
    "s3.HeadObject",
    "sns.Publish",
    "sqs.SendMessage",
    "sts.AssumeRole",
)
LONGEST_CALLS = 15
"""Of an export, or a plan."""
LONGEST_BODY = 200_000
"""Of a message that SQS takes."""
VISIBILITY_S = 8
PLAN_S = 2
"""For how long a plan is waited for before more is done to it."""
NOT_TAKEN = frozenset("\0\N{BYTE ORDER MARK}")
"""Characters that no message of SQS has."""


def as_polled(body: str) -> str:
    """Return what LocalStack's poller hands on: JSON is read and written anew, a text unquoted.

    AWS's leaves a body as it is. (``SqsPoller.handle_messages``)
    """
    try:
        found = json.loads(body)
    except ValueError:
        return body
    return found if isinstance(found, str) else json.dumps(found)


class Storm:
    """All that is done to one hub.

    Attributes:
        kills: How many kills were armed.
        seal_notes_removed: How many of the sealer's notes were removed.
        sent: The bodies of no contract that were sent, by the dead-letter queue that has to get
            them.
    """

    def __init__(self, rng: random.Random, suite: Suite, profiles: list[str]) -> None:
        self.rng = rng
        self.suite = suite
        self.profiles = profiles
        self.kills = 0
        self.seal_notes_removed = 0
        self.sent: defaultdict[str, set[str]] = defaultdict(set)
        self._bodies = iter(self._unreadable())
        self._planning = ThreadPoolExecutor(1)
        self._plan: Future[dict[str, Any]] | None = None

    @property
    def exporters(self) -> list[str]:
        """The functions of all sources' exporters."""
        sources = [self.suite.source(profile) for profile in self.profiles]
        return [
            name
            for source in sources
            for name in (source.exporter_function_name, source.direct_function_name)
        ]

    @property
    def functions(self) -> list[str]:
        """All functions of the hub that messages reach."""
        name = self.suite.name
        return [*self.exporters, f"{name}-planner", f"{name}-sse-enforcer"]

    @property
    def sealer(self) -> str:
        """The function that seals; what it cannot do it tries again after half a minute."""
        return f"{self.suite.name}-sealer"

    def hurry(self) -> None:
        """Let what enforcer and sealer had come back soon after their functions were killed."""
        for service in ("sse-enforcer", "sealer"):
            self.suite.client("sqs").set_queue_attributes(
                QueueUrl=self.suite.queue_url(f"{self.suite.name}-{service}"),
                Attributes={"VisibilityTimeout": str(VISIBILITY_S)},
            )

    def all(self) -> list[Callable[[], None]]:
        """Return what must change nothing, to draw one of."""
        usual = [self.kill, self.fault, self.spoilt_message]
        return [*usual * 3, self.remove_a_seal_note]

    def kill(self) -> None:
        """Kill a function after one of its next calls."""
        self.kills += 1
        self.suite.control(
            "faults",
            {
                "function": self.rng.choice([*self.functions, self.sealer]),
                "kill_after_call": self.rng.randint(1, LONGEST_CALLS),
                "drop_answer": self.rng.random() < 0.7,
            },
        )

    def remove_a_seal_note(self) -> None:
        """Remove a note that the sealer keeps for itself, if it has one."""
        s3, bucket = self.suite.client("s3"), self.suite.config.control_bucket
        found = s3.list_objects_v2(Bucket=bucket, Prefix="seals/").get("Contents", [])
        if found:
            s3.delete_object(Bucket=bucket, Key=self.rng.choice(found)["Key"])
            self.seal_notes_removed += 1

    def fault(self) -> None:
        """Let AWS answer some of a function's next calls with an error."""
        code, status = self.rng.choice(ERRORS)
        self.suite.control(
            "faults",
            {
                "function": self.rng.choice(self.functions),
                "operation": self.rng.choice(OPERATIONS),
                "error": {"code": code, "status": status},
                "times": self.rng.randint(1, 6),
                "executed": self.rng.random() < 0.3,
            },
        )

    def spoilt_message(self) -> None:
        """Send what is no message of the receiver's, also into the slot's own message group."""
        source = self.suite.source(self.rng.choice(self.profiles))
        queues = {
            source.queue_name: (source.slot, source.dead_letter_queue_name),
            source.direct_queue_name: (source.direct_slot, source.dead_letter_queue_name),
            f"{self.suite.name}-sse-enforcer": (None, f"{self.suite.name}-sse-enforcer-dlq"),
        }
        queue_name, (group, letters) = self.rng.choice(list(queues.items()))
        group_id = group and self.rng.choice([group, "somebody"])
        fifo = {"MessageGroupId": group_id, "MessageDeduplicationId": uuid.uuid4().hex}
        body = next(self._bodies)
        self.suite.client("sqs").send_message(
            QueueUrl=self.suite.queue_url(queue_name),
            MessageBody=body,
            **(fifo if group_id else {}),
        )
        self.sent[letters].add(as_polled(body))

    def _unreadable(self) -> list[str]:
        """Return bodies that are of no contract which is read here, and that SQS takes.

        Twice: what LocalStack's poller has made of one has to be what SQS takes as a dead letter.
        """
        contracts = (ExportRequested, DayPlanned, ObjectCreated, ExportCompleted)
        bodies = [
            body
            for body in mutated.some(self.rng, 40)
            if _is_taken(body)
            and _is_taken(as_polled(body))
            and not any(mutated.keeps(contract, as_polled(body)) for contract in contracts)
        ]
        self.rng.shuffle(bodies)
        return bodies

    def plan(self, date: str, names: list[str]) -> None:
        """Have log groups of a source planned by their date, unless the last plan goes on still.

        One that finds others reading waits for most of a minute before it looks at anything: the
        storm goes on meanwhile.
        """
        profile = self.rng.choice(self.profiles)
        if self._plan is None or self._plan.done():
            request = self.suite.plan_request(profile, include=names, collect_date=date)
            self._plan = self._planning.submit(self.suite.invoke_planner, request)
        wait([self._plan], PLAN_S)

    def end(self) -> None:
        """Wait for the last plan, and let nothing befall anybody any more."""
        with suppress(RuntimeError):  # the planner did not live
            if self._plan is not None:
                self._plan.result()
        self._planning.shutdown()
        self.suite.reset_faults()


def _is_taken(body: str) -> bool:
    return 0 < len(body.strip()) <= len(body) < LONGEST_BODY and not NOT_TAKEN & set(body)
