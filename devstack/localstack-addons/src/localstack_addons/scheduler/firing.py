"""Fires EventBridge Scheduler's schedules, which LocalStack keeps and forgets about.

Targets: Lambda functions, SQS queues (FIFO ones with their group) and SNS topics. A target that
throttles or fails inside is tried again as the retry policy says; any other failure, and the last,
goes to the dead-letter queue. Each call is made with the credentials of the schedule's role.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule.html
"""

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from localstack.aws.api.scheduler import ValidationException
from localstack.aws.connect import connect_to
from localstack.services.scheduler import provider
from localstack.utils.aws.arns import sqs_queue_url_for_arn
from moto.scheduler.models import EventBridgeSchedulerBackend, scheduler_backends
from moto.scheduler.models import Schedule as StoredSchedule

from localstack_addons.scheduler.times import Schedule, ScheduleError, Timetable, check

LOG = logging.getLogger(__name__)

TICK_S = 0.25
FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 60.0
CALLS = {
    "lambda": ("lambda_", "invoke", "invoke"),
    "sqs": ("sqs", "send_message", "sendMessage"),
    "sns": ("sns", "publish", "publish"),
}
"""By service: LocalStack's client, its method, and the call's name in a dead letter."""
THROTTLED = {"ThrottlingException", "Throttling", "TooManyRequestsException", "SlowDown"}


@dataclass(frozen=True)
class Firing:
    """One time that a schedule was due."""

    schedule_arn: str
    target: dict[str, Any]
    due: datetime

    @property
    def scheduled_time(self) -> str:
        """As in 2022-03-22T18:59:43Z."""
        return self.due.strftime("%Y-%m-%dT%H:%M:%SZ")

    @property
    def service(self) -> str:
        """Whose target it is, such as `lambda`."""
        service: str = self.target["Arn"].split(":")[2]
        return service

    def call(self, payload: str) -> dict[str, Any]:
        """The parameters of the API call that the target takes."""
        arn = self.target["Arn"]
        match self.service:
            case "lambda":
                return {"FunctionName": arn, "InvocationType": "Event", "Payload": payload}
            case "sqs":
                group = self.target.get("SqsParameters", {})
                return {"MessageBody": payload, "QueueUrl": sqs_queue_url_for_arn(arn), **group}
            case _:
                return {"Message": payload, "TopicArn": arn}

    def payload(self, attempt: int, execution_id: str) -> str:
        """The target's input, with AWS's keywords replaced.

        https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
        """
        payload: str = self.target.get("Input") or self._default_payload()
        keywords = {
            "schedule-arn": self.schedule_arn,
            "scheduled-time": self.scheduled_time,
            "execution-id": execution_id,
            "attempt-number": str(attempt),
        }
        for keyword, value in keywords.items():
            payload = payload.replace(f"<aws.scheduler.{keyword}>", value)
        return payload

    def _default_payload(self) -> str:
        _, _, _, region, account_id, _ = self.schedule_arn.split(":", 5)
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account_id,
            "time": self.scheduled_time,
            "region": region,
            "resources": [self.schedule_arn],
            "detail": "{}",
        }
        return json.dumps(event)


@dataclass(frozen=True)
class Failure:
    """Why a target was not invoked."""

    code: str
    message: str
    retryable: bool


def install() -> None:
    """Start to watch the schedules, and refuse those that AWS refuses."""
    provider._validate_schedule_expression = refuse  # noqa: SLF001
    threading.Thread(target=run, name="logferry-scheduler", daemon=True).start()


def refuse(expression: str) -> None:
    """Refuse an expression that AWS does not take.

    Raises:
        ValidationException: As LocalStack has it, which knows the form alone.
    """
    try:
        check(expression)
    except ScheduleError as error:
        raise ValidationException(f"Invalid Schedule Expression {expression}.") from error


def run() -> None:
    """Fire what is due, as long as LocalStack runs."""
    timetable = Timetable()
    while True:
        time.sleep(TICK_S)
        tick(timetable, datetime.now(UTC))


def tick(timetable: Timetable, now: datetime) -> None:
    """Fire what is due now."""
    stored = {each.arn: (backend, each) for backend, each in _stored_schedules()}
    schedules = [_schedule(each) for _, each in stored.values()]
    for schedule, due in timetable.due(schedules, now):
        backend, found = stored[schedule.arn]
        firing = Firing(schedule.arn, found.target, due)
        threading.Thread(target=fire, args=(firing,), daemon=True).start()
        if found.action_after_completion == "DELETE" and timetable.completed(schedule):
            backend.delete_schedule(found.group_name, found.name)


def fire(firing: Firing) -> None:
    """Invoke the target, again if need be, and give up as the retry policy says."""
    policy = firing.target["RetryPolicy"]
    retries = policy.get("MaximumRetryAttempts", 185)
    give_up = time.monotonic() + policy.get("MaximumEventAgeInSeconds", 86_400)
    pause_s = FIRST_RETRY_S
    attempt = 1
    while failure := invoke(firing, attempt):
        exhausted = _exhausted(failure, attempt > retries, time.monotonic() + pause_s > give_up)
        if exhausted is not None:
            LOG.warning("%s did not reach its target: %s", firing.schedule_arn, failure.message)
            dead_letter(firing, failure, attempt, exhausted)
            return
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_RETRY_S)
        attempt += 1


def invoke(firing: Firing, attempt: int) -> Failure | None:
    """Invoke the target once."""
    if firing.service not in CALLS:
        message = f"not a target here: {firing.target['Arn']}"
        return Failure("UnsupportedTarget", message, retryable=False)
    payload = firing.payload(attempt, uuid.uuid4().hex[:16])
    client, method, _ = CALLS[firing.service]
    try:
        getattr(getattr(_clients(firing, firing.target["Arn"]), client), method)(
            **firing.call(payload)
        )
    except ClientError as error:
        code = error.response["Error"]["Code"]
        failed_inside = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500  # noqa: PLR2004
        return Failure(code, str(error), failed_inside or code in THROTTLED)
    except BotoCoreError as error:
        return Failure(type(error).__name__, str(error), retryable=True)
    return None


def dead_letter(firing: Firing, failure: Failure, attempt: int, exhausted: str) -> None:
    """Send what could not be delivered to the dead-letter queue, if there is one: the call itself.

    AWS's page shows the call to a universal target; that one to a templated target, such as a
    function, looks the same is unverified.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/configuring-schedule-dlq.html
    """
    queue_arn = firing.target.get("DeadLetterConfig", {}).get("Arn")
    if not queue_arn or firing.service not in CALLS:
        return
    execution_id = uuid.uuid4().hex[:16]
    attributes = {
        "ERROR_CODE": failure.code,
        "ERROR_MESSAGE": failure.message,
        "EXECUTION_ID": execution_id,
        "IS_PAYLOAD_TRUNCATED": "false",
        "RETRY_ATTEMPTS": str(attempt - 1),
        "SCHEDULED_TIME": firing.scheduled_time,
        "SCHEDULE_ARN": firing.schedule_arn,
        "TARGET_ARN": f"arn:aws:scheduler:::aws-sdk:{firing.service}:{CALLS[firing.service][2]}",
    }
    if exhausted:
        attributes["EXHAUSTED_RETRY_CONDITION"] = exhausted
    typed = {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }
    try:
        _clients(firing, queue_arn).sqs.send_message(
            QueueUrl=sqs_queue_url_for_arn(queue_arn),
            MessageBody=json.dumps(firing.call(firing.payload(attempt, execution_id))),
            MessageAttributes=typed,
        )
    except ClientError as error:
        LOG.warning("%s: dead-letter queue: %s", firing.schedule_arn, error)


def _exhausted(failure: Failure, no_more_retries: bool, too_old: bool) -> str | None:  # noqa: FBT001
    """AWS's name for why there is no further attempt, empty if it never tries; None to go on."""
    if not failure.retryable:
        return ""
    if no_more_retries:
        return "MaximumRetryAttempts"
    return "MaximumEventAgeInSeconds" if too_old else None


def _clients(firing: Firing, arn: str) -> Any:
    """Clients with the credentials of the schedule's role, in the Region of a resource.

    For whom a role is assumed is told by the schedule's group.
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """
    group_arn = firing.schedule_arn.rpartition("/")[0].replace(":schedule/", ":schedule-group/")
    region, account_id = arn.split(":")[3], firing.schedule_arn.split(":")[4]
    sts = connect_to(aws_access_key_id=account_id, region_name=region).sts.request_metadata(
        service_principal="scheduler", source_arn=group_arn
    )
    credentials = sts.assume_role(
        RoleArn=firing.target["RoleArn"], RoleSessionName=firing.schedule_arn.rpartition("/")[2]
    )["Credentials"]
    return connect_to(
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        region_name=region,
    )


def _stored_schedules() -> Iterator[tuple[EventBridgeSchedulerBackend, StoredSchedule]]:
    # Copies: requests change these while they are read.
    for regions in list(scheduler_backends.values()):
        for backend in list(regions.values()):
            for group in list(backend.schedule_groups.values()):
                for stored in list(group.schedules.values()):
                    yield backend, stored


def _schedule(stored: StoredSchedule) -> Schedule:
    start = stored.start_date or stored.creation_date
    return Schedule(
        arn=stored.arn,
        expression=stored.schedule_expression,
        zone=stored.schedule_expression_timezone,
        modified=_instant(stored.last_modified_date),
        start=_instant(start),
        end=_instant(stored.end_date) if stored.end_date else None,
        enabled=stored.state == "ENABLED",
    )


def _instant(seconds: float | str) -> datetime:
    return datetime.fromtimestamp(float(seconds), UTC)
