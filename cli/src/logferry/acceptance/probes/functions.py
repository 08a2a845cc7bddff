"""Lambda and SQS: what is refused while something is changing."""

import io
import secrets
import zipfile
from contextlib import suppress
from functools import partial
from typing import Any

from botocore.exceptions import ClientError

from logferry.acceptance.answer import Question
from logferry.acceptance.bench import Bench, code_of, refusal, words_of
from logferry.acceptance.probe import Probe, Seen

TIMEOUT_S = 30
_CODE = "def handle(event, context):\n    return None\n"


def _zip(comment: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("probe.py", f"# {comment}\n{_CODE}")
    return made.getvalue()


def created(bench: Bench, name: str, **how: Any) -> str:
    """Make a function, or take the one that is there; return its name."""
    functions, full = bench.client("lambda"), f"{bench.run.name}-{name}"
    role = f"role/{bench.run.name}-probe"

    def made() -> bool | None:
        try:
            functions.create_function(
                FunctionName=full,
                Runtime="python3.13",
                Role=f"arn:{bench.run.config.partition}:iam::{bench.run.account_id}:{role}",
                Tags=bench.run.tags,
                **how,
            )
        except functions.exceptions.ResourceConflictException:
            return True
        except functions.exceptions.InvalidParameterValueException as error:
            # A role that was made a moment ago cannot be assumed everywhere yet.
            if "role" not in str(error):
                raise
            return None
        return True

    bench.until("a function of the probes' role", made)
    return full


def _function(bench: Bench, name: str, *, timeout_s: int = TIMEOUT_S) -> str:
    """Make a function that does nothing."""
    code = {"ZipFile": _zip(name)}
    return created(bench, name, Code=code, Handler="probe.handle", Timeout=timeout_s)


def active(bench: Bench, function: str) -> None:
    """Wait until a function can be invoked."""

    def state() -> bool | None:
        found = bench.client("lambda").get_function_configuration(FunctionName=function)
        return True if found.get("State") == "Active" else None

    bench.until(f"function {function}", state)


def _update(bench: Bench) -> Seen:
    """Update a function's code as soon as it is made, or another update has begun."""
    function = _function(bench, "update")
    functions = bench.client("lambda")
    for n in range(5):
        refused = refusal(
            partial(
                functions.update_function_code, FunctionName=function, ZipFile=_zip(f"update {n}")
            )
        )
        if refused is not None:
            return code_of(refused), words_of(refused)
    return "accepted", {}


def queue_arn(bench: Bench) -> str:
    """Return the ARN of the probes' FIFO queue."""
    sqs, url = bench.client("sqs"), bench.resource("Fifo")
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    arn: str = found["Attributes"]["QueueArn"]
    return arn


def _visibility(bench: Bench) -> Seen:
    """Map a queue whose messages come back before the function's timeout."""
    function = _function(bench, "timeout", timeout_s=90)
    active(bench, function)
    functions, arn = bench.client("lambda"), queue_arn(bench)
    try:
        mapping = functions.create_event_source_mapping(
            EventSourceArn=arn, FunctionName=function, Enabled=False
        )
    except ClientError as error:
        return code_of(error), words_of(error)
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    return "accepted", {}


def _mapping(bench: Bench) -> Seen:
    """Update a mapping as soon as it is made."""
    function = _function(bench, "mapping")
    active(bench, function)
    functions, arn = bench.client("lambda"), queue_arn(bench)
    made = functions.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=function, BatchSize=1
    )
    refused = refusal(lambda: functions.update_event_source_mapping(UUID=made["UUID"], BatchSize=2))

    def settled() -> bool | None:
        state = functions.get_event_source_mapping(UUID=made["UUID"])["State"]
        return None if state.endswith("ing") else True

    bench.until("the mapping", settled)
    functions.delete_event_source_mapping(UUID=made["UUID"])
    return ("accepted" if refused is None else code_of(refused)), words_of(refused)


def _queue_name(bench: Bench) -> Seen:
    """Make a queue again whose name was deleted a moment ago."""
    sqs, name = bench.client("sqs"), f"{bench.run.name}-{secrets.token_hex(4)}"
    url = sqs.create_queue(QueueName=name, tags=bench.run.tags)["QueueUrl"]
    sqs.delete_queue(QueueUrl=url)
    refused = refusal(lambda: sqs.create_queue(QueueName=name, tags=bench.run.tags))
    if refused is None:
        with suppress(sqs.exceptions.QueueDoesNotExist):
            sqs.delete_queue(QueueUrl=url)
        return "accepted", {}
    return code_of(refused), words_of(refused)


PROBES = (
    Probe(
        Question(
            name="function-changing",
            question="What does Lambda say to an update of a function that is changing?",
            expected="ResourceConflictException",
            relies="services/planner/src/planner/aws/exporter_functions.py",
            means="With provisioning, the planner fails instead of waiting: plan again. Report it.",
        ),
        _update,
    ),
    Probe(
        Question(
            name="mapping-changing",
            question="What does Lambda say to an update of a mapping that is being made?",
            expected="ResourceInUseException",
            relies="services/planner/src/planner/aws/exporter_functions.py",
            means="With provisioning, the planner fails instead of waiting: plan again. Report it.",
        ),
        _mapping,
    ),
    Probe(
        Question(
            name="mapping-visibility",
            question="May a queue's messages come back before its function's timeout?",
            expected="InvalidParameterValueException",
            relies="services/planner/src/planner/aws/infrastructure.py",
            means="Nothing: the planner refuses it by itself.",
        ),
        _visibility,
    ),
    Probe(
        Question(
            name="queue-name-again",
            question="What does SQS say to the name of a queue that was deleted a moment ago?",
            expected="AWS.SimpleQueueService.QueueDeletedRecently",
            relies="services/planner/src/planner/aws/infrastructure.py",
            means="Where it is accepted, nothing waits for 60 seconds any more. With another code, "
            "the planner and deploy fail within that minute: do it again.",
        ),
        _queue_name,
    ),
)
