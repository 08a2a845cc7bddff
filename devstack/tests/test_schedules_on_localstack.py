import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

pytestmark = pytest.mark.localstack

INPUT = {
    "schedule": "<aws.scheduler.schedule-arn>",
    "time": "<aws.scheduler.scheduled-time>",
    "attempt": "<aws.scheduler.attempt-number>",
    "execution": "<aws.scheduler.execution-id>",
}


@pytest.fixture
def schedule(aws: Callable[..., Any], account: str) -> Callable[..., tuple[str, str]]:
    """Makes a schedule, and returns its name and ARN."""
    client = aws("scheduler")

    def schedule(expression: str, target_arn: str, **options: Any) -> tuple[str, str]:
        name = f"test-{uuid4().hex[:8]}"
        target = {"Arn": target_arn, "RoleArn": f"arn:aws:iam::{account}:role/any"}
        made = client.create_schedule(
            Name=name,
            ScheduleExpression=expression,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target=target | options.pop("Target", {}),
            **options,
        )
        return name, made["ScheduleArn"]

    return schedule


def at(moment: datetime) -> str:
    return f"at({moment.strftime('%Y-%m-%dT%H:%M:%S')})"


def soon() -> datetime:
    """A moment that is not over before the schedule is made: one that is over never comes."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)


def test_a_function_is_invoked_with_the_input_and_its_keywords_replaced(
    aws: Callable[..., Any], deploy, schedule, wait_for
):
    name = deploy("import json\ndef handler(event, _): print('got', json.dumps(event))")
    due = soon()
    arn = f"arn:aws:lambda:eu-west-1:{aws('sts').get_caller_identity()['Account']}:function:{name}"
    _, schedule_arn = schedule(at(due), arn, Target={"Input": json.dumps(INPUT)})
    logs = aws("logs")

    def received() -> Any:
        try:
            found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        lines = [event["message"] for event in found]
        return next((json.loads(line[4:]) for line in lines if line.startswith("got ")), None)

    event = wait_for(received)
    assert len(event.pop("execution")) == 16
    assert event == {
        "schedule": schedule_arn,
        "time": due.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "attempt": "1",
    }


def test_a_schedule_is_fired_on_time_in_its_zone_and_goes_away(
    aws: Callable[..., Any], queue, schedule, wait_for
):
    inbox = queue()
    due = soon()
    name, _ = schedule(
        at(due + timedelta(hours=9)),
        inbox.arn,
        ScheduleExpressionTimezone="Asia/Tokyo",
        ActionAfterCompletion="DELETE",
        Target={"Input": "now"},
    )
    [message] = wait_for(inbox.take)
    sent = datetime.fromtimestamp(int(message["Attributes"]["SentTimestamp"]) / 1000, UTC)
    # Within half a second on an idle machine, later on a busy one; never early on any.
    assert timedelta() <= sent - due < timedelta(seconds=15)
    assert name not in [each["Name"] for each in aws("scheduler").list_schedules()["Schedules"]]


def test_a_message_reaches_a_fifo_queue_s_group(queue, schedule, wait_for):
    inbox = queue(FifoQueue="true", ContentBasedDeduplication="true")
    target = {"Input": "plan", "SqsParameters": {"MessageGroupId": "slot"}}
    schedule("rate(1 hour)", inbox.arn, Target=target)
    [message] = wait_for(inbox.take)
    assert message["Body"] == "plan"
    assert message["Attributes"]["MessageGroupId"] == "slot"


def test_a_topic_gets_aws_s_own_event_where_no_input_is_given(
    aws: Callable[..., Any], account: str, queue, schedule, wait_for
):
    inbox = queue()
    topic = aws("sns").create_topic(Name="test")["TopicArn"]
    aws("sns").subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=inbox.arn,
        Attributes={"RawMessageDelivery": "true"},
    )
    _, schedule_arn = schedule("rate(1 hour)", topic)
    [message] = wait_for(inbox.take)
    event = json.loads(message["Body"])
    assert (event["source"], event["detail-type"]) == ("aws.scheduler", "Scheduled Event")
    assert (event["account"], event["resources"]) == (account, [schedule_arn])


def test_what_cannot_be_delivered_goes_to_the_dead_letter_queue(
    account: str, queue, schedule, wait_for
):
    inbox = queue()
    missing = f"arn:aws:lambda:eu-west-1:{account}:function:missing"
    _, schedule_arn = schedule(
        "rate(1 hour)", missing, Target={"Input": "plan", "DeadLetterConfig": {"Arn": inbox.arn}}
    )
    [message] = wait_for(inbox.take)
    attributes = {
        name: value["StringValue"] for name, value in message["MessageAttributes"].items()
    }
    assert json.loads(message["Body"]) == {
        "FunctionName": missing,
        "InvocationType": "Event",
        "Payload": "plan",
    }
    assert attributes["ERROR_CODE"] == "ResourceNotFoundException"
    assert attributes["SCHEDULE_ARN"] == schedule_arn
    assert attributes["TARGET_ARN"] == "arn:aws:scheduler:::aws-sdk:lambda:invoke"
    assert attributes["RETRY_ATTEMPTS"] == "0"


def test_deleted_disabled_and_ended_schedules_are_not_fired(
    aws: Callable[..., Any], queue, schedule, wait_for
):
    inbox = queue()
    scheduler, due = aws("scheduler"), soon()
    for body in ("first", "deleted", "disabled"):
        state = "DISABLED" if body == "disabled" else "ENABLED"
        name, _ = schedule(at(due), inbox.arn, State=state, Target={"Input": body})
        if body == "deleted":
            scheduler.delete_schedule(Name=name)
    schedule(at(due), inbox.arn, EndDate=due - timedelta(seconds=1), Target={"Input": "ended"})
    schedule(at(due + timedelta(seconds=1)), inbox.arn, Target={"Input": "last"})
    found: list[str] = []

    def all_but_last() -> bool:
        found.extend(inbox.take_bodies())
        return "last" in found

    wait_for(all_but_last)
    assert found == ["first", "last"]


@pytest.mark.parametrize(
    "expression", ["rate(0 minutes)", "cron(0 3 ? * 8 *)", "cron(0 3 30 2 ? *)"]
)
def test_an_expression_that_aws_does_not_take_is_refused(
    aws: Callable[..., Any], schedule, expression
):
    with pytest.raises(aws("scheduler").exceptions.ValidationException, match="Invalid Schedule"):
        schedule(expression, "arn:aws:sqs:eu-west-1:111122223333:any")
