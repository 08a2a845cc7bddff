"""Where a run works: clients of one account and Region, the probes' stack, and patience."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from logferry.acceptance.answer import NotYet
from logferry.acceptance.run import Run
from logferry_contracts.source import signed_with
from logferry_ledger.ledger import CLIENT_CONFIG

if TYPE_CHECKING:
    import boto3

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
PATIENCE_S = 900.0
"""For what AWS does within minutes."""
ENDED = ("COMPLETED", "CANCELLED", "FAILED")


@dataclass(frozen=True)
class Exported:
    """An export task that has ended.

    Attributes:
        keys: Of what it wrote, but for the object by which CloudWatch Logs tries the bucket.
    """

    task_id: str
    status: str
    keys: list[str]


class Bench:
    """Where a run works.

    Attributes:
        source: The same in the source's account; itself where that is the same one.
    """

    def __init__(
        self,
        session: "boto3.Session",
        run: Run,
        *,
        source_session: "boto3.Session | None" = None,
        sleep: Callable[[float], None] = time.sleep,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Use the credentials of an account for trials, and those of a second one."""
        self.session = session
        self.run = run
        self.pause = sleep
        self._patience_s = patience_s
        self.source: Bench = (
            Bench(source_session, run, sleep=sleep, patience_s=patience_s)
            if source_session
            else self
        )
        self._clients: dict[str, Any] = {}

    @property
    def accounts(self) -> "list[Bench]":
        """Itself, and the source's where that is another account."""
        return [self] if self.source is self else [self, self.source]

    def client(self, service: str) -> Any:
        """Return the client of a service, the same each time."""
        if service not in self._clients:
            self._clients[service] = self.session.client(  # type: ignore[call-overload]  # any service
                service, region_name=self.run.region, config=CLIENT_CONFIG
            )
        return self._clients[service]

    def client_of(self, service: str, given: Mapping[str, Any]) -> Any:
        """Return a client with the credentials of a role that was assumed."""
        return self.session.client(  # type: ignore[call-overload]  # any service
            service,
            region_name=self.run.region,
            config=CLIENT_CONFIG,
            **signed_with(given),
        )

    def until[T](self, what: str, look: Callable[[], T | None]) -> T:
        """Look again and again, until there is something.

        Raises:
            NotYet: There is nothing after so long.
        """
        waited_s, pause_s = 0.0, FIRST_PAUSE_S
        while (found := look()) is None:
            if waited_s >= self._patience_s:
                raise NotYet(f"{what}: not after {waited_s:.0f} s")
            self.pause(pause_s)
            waited_s += pause_s
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
        return found

    def resource(self, logical_id: str) -> str:
        """Return the physical id of a resource of the probes' stack."""
        described = self.client("cloudformation").describe_stack_resource(
            StackName=f"{self.run.name}-probes", LogicalResourceId=logical_id
        )
        found: str = described["StackResourceDetail"]["PhysicalResourceId"]
        return found

    def make_group(self, name: str, log_group_class: str = "STANDARD") -> str:
        """Make a log group, or go on with the one that is there; return its name."""
        logs = self.client("logs")
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            logs.create_log_group(
                logGroupName=name, tags=self.run.tags, logGroupClass=log_group_class
            )
        return name

    def put_events(self, group: str, stream: str, events: list[tuple[int, str]]) -> None:
        """Put events into a stream, which is made; where it is there, they are in it already."""
        logs = self.client("logs")
        try:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        except logs.exceptions.ResourceAlreadyExistsException:
            return
        logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": at_ms, "message": message} for at_ms, message in events],
        )

    def create_task(self, group: str, from_ms: int, to_ms: int) -> str:
        """Create an export task into the probes' bucket, once the slot is free; return its id."""
        logs = self.client("logs")
        bucket = self.resource("Bucket")

        def create() -> str | None:
            try:
                task_id: str = logs.create_export_task(
                    logGroupName=group,
                    fromTime=from_ms,
                    to=to_ms,
                    destination=bucket,
                    destinationPrefix=f"exports/{group.strip('/')}",
                )["taskId"]
            except logs.exceptions.LimitExceededException:
                return None
            return task_id

        return self.until("the account's one export task", create)

    def task(self, task_id: str) -> dict[str, Any]:
        """Return a task as CloudWatch Logs describes it."""
        found = self.client("logs").describe_export_tasks(taskId=task_id)["exportTasks"]
        described: dict[str, Any] = found[0] if found else {"status": {"code": "UNKNOWN"}}
        return described

    def export(self, group: str, from_ms: int, to_ms: int) -> Exported:
        """Export a range of a log group into the probes' bucket, and wait until that has ended."""
        task_id = self.create_task(group, from_ms, to_ms)

        def ended() -> str | None:
            status: str = self.task(task_id)["status"]["code"]
            return status if status in ENDED else None

        status = self.until(f"export task {task_id}", ended)
        pages = (
            self.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(
                Bucket=self.resource("Bucket"), Prefix=f"exports/{group.strip('/')}/{task_id}/"
            )
        )
        keys = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return Exported(task_id, status, keys)


def refusal(call: Callable[[], object]) -> ClientError | None:
    """Return AWS's refusal of a call; None where it was taken."""
    try:
        call()
    except ClientError as error:
        return error
    return None


def code_of(error: ClientError) -> str:
    """Return AWS's code."""
    return str(error.response["Error"].get("Code", ""))


def words_of(error: ClientError | None) -> dict[str, str]:
    """Return AWS's own words, as details of an answer."""
    if error is None:
        return {}
    return {"code": code_of(error), "message": str(error.response["Error"].get("Message", ""))}
