"""What a source's exporter is made of where its schedule carries QueueOptions.

Everything here is in AWS's own parameter names, so that what is wanted can be compared with what
AWS describes, and what differs can be sent as it is.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal

from logferry_contracts.execution_variables import QueueOptions
from logferry_contracts.source import PROFILE_TAG, SLOT_TAG, Source, SourceName
from planner.settings import Settings

OWNER_TAG = "logferry:managed-by"
OWNER = "planner"
"""What is tagged otherwise, or not at all, is not the planner's to change."""
STACK_TAG = "aws:cloudformation:stack-name"
"""CloudFormation's own, on everything that it makes.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html
"""
CODE_TAG = "logferry:code"
"""The ETag of the object that a function's code came from."""

FUNCTION_TIMEOUT_S = 120
FUNCTION_MEMORY_MB = 512
DIRECT_LANE_MAX_BYTES = 100_000_000
"""What that reads in such a time: at once with the slot's work, more would seldom be done in time,
and the exporter hands over to the slot what is guessed to have more.
"""
RUNTIME = "python3.13"
HANDLER = "exporter.handler.handle"
MAX_RECEIVE_COUNT = 1000
"""Every look at a running export task is a receive, so the count says nothing of poison: SQS's
greatest. What cannot be done, the exporter puts into the dead-letter queue itself.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue.html
"""
DEAD_LETTERS_KEPT_S = 1_209_600
"""As long as SQS keeps any message.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
"""
CHANGE_CHARACTERS = 1024
"""The longest description of a change that the contract takes."""

type Owner = Literal["planner", "others", "unknown"]


def owner_of(tags: Mapping[str, str]) -> Owner:
    """Return whose a resource is: ``others`` say so by their tag, ``unknown`` say nothing."""
    named = tags.get(OWNER_TAG)
    if named is None:
        return "others" if STACK_TAG in tags else "unknown"
    return "planner" if named == OWNER else "others"


def tags_of(source: Source) -> dict[str, str]:
    """Return the tags of everything that is made for a source."""
    return {OWNER_TAG: OWNER, **source.tags}


def differing_owner(tags: Mapping[str, str], source: SourceName) -> str | None:
    """Return whose a queue is by its tags when it is another source's; None when nothing says so.

    Queues that were made up to 0.2.0 say their profile alone.
    """
    others = {
        name: tags[name]
        for name in source.tags
        if tags.get(name, source.tags[name]) != source.tags[name]
    }
    if not others:
        return None
    return f"profile {tags.get(PROFILE_TAG, '?')}, account and Region {tags.get(SLOT_TAG, '?')}"


def dead_letter_queue_attributes(options: QueueOptions) -> dict[str, str]:
    """Return the dead-letter queue's attributes, apart from that it is a FIFO queue."""
    return {**_encryption(options), "MessageRetentionPeriod": str(DEAD_LETTERS_KEPT_S)}


def queue_attributes(options: QueueOptions, dead_letter_queue_arn: str) -> dict[str, str]:
    """Return the queue's attributes, apart from that it is a FIFO queue.

    The visibility timeout is never shorter than the function may run: Lambda refuses to poll such
    a queue, and a message would come back while it is still worked on.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
    """
    return {
        **_encryption(options),
        "MessageRetentionPeriod": str(options.message_retention_period),
        "VisibilityTimeout": str(max(options.visibility_timeout, FUNCTION_TIMEOUT_S)),
        "RedrivePolicy": _redrive_policy(dead_letter_queue_arn, MAX_RECEIVE_COUNT),
    }


def described_queue(attributes: Mapping[Any, str]) -> dict[Any, str]:
    """Return a queue's attributes as AWS gives them, spelt like those that are wanted."""
    described = dict(attributes)
    if "RedrivePolicy" in described:
        policy = json.loads(described["RedrivePolicy"])
        described["RedrivePolicy"] = _redrive_policy(
            policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])
        )
    return described


def exporter_variables(
    source: Source, settings: Settings, *, queue_url: str, dead_letter_queue_url: str
) -> dict[str, str]:
    """Return the environment variables of a source's exporter."""
    return {
        "CONTROL_BUCKET": settings.control_bucket,
        "TOPIC_ARN": settings.topic_arn,
        "QUEUE_URL": queue_url,
        "DEAD_LETTER_QUEUE_URL": dead_letter_queue_url,
        "DIRECT_LANE_MAX_BYTES": str(DIRECT_LANE_MAX_BYTES),
        "PROFILE": source.profile,
        "SLOT": source.slot,
        "SOURCE_ROLE_ARN": source.role_arn,
        "POWERTOOLS_SERVICE_NAME": "exporter",
        "POWERTOOLS_METRICS_NAMESPACE": "logferry",
    }


def function_configuration(
    source: Source, options: QueueOptions, *, role_arn: str, variables: Mapping[str, str]
) -> dict[str, Any]:
    """Return the function's configuration, with these environment variables."""
    return {
        "Description": f"Runs the export tasks of {source.profile}, account {source.account_id}",
        "Runtime": RUNTIME,
        "Handler": HANDLER,
        "Role": role_arn,
        "Timeout": FUNCTION_TIMEOUT_S,
        "MemorySize": FUNCTION_MEMORY_MB,
        "Layers": [options.consumer_options.layer_arn],
        "Environment": {"Variables": dict(variables)},
    }


def described_function(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return a function's configuration as AWS gives it, spelt like the one that is wanted."""
    return {
        **configuration,
        "Layers": [layer["Arn"] for layer in configuration.get("Layers", [])],
        "Environment": {"Variables": configuration.get("Environment", {}).get("Variables", {})},
    }


def with_variables_of(actual: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the wanted configuration with the variables that others have added."""
    variables = {**actual["Environment"]["Variables"], **wanted["Environment"]["Variables"]}
    return {**wanted, "Environment": {"Variables": variables}}


def mapping_configuration(options: QueueOptions) -> dict[str, Any]:
    """Return the event source mapping's configuration.

    Whether it is enabled is left alone: to disable it is how an exporter is stopped.
    """
    return {
        "BatchSize": options.consumer_options.batch_size,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }


def differing[K](wanted: Mapping[K, Any], actual: Mapping[K, Any]) -> dict[K, Any]:
    """Return what of the wanted is missing or another."""
    return {name: value for name, value in wanted.items() if actual.get(name) != value}


def in_words(changed: Mapping[Any, Any], actual: Mapping[Any, Any]) -> str:
    """Return what was changed, such as ``BatchSize 10 (was 1)``.

    Of variables it is the names: others than ours may have secrets for values.
    """
    words = ", ".join(
        f"variables {', '.join(differing(value['Variables'], actual[name]['Variables']))}"
        if name == "Environment"
        else f"{name} {value}" + (f" (was {actual[name]})" if name in actual else "")
        for name, value in changed.items()
    )
    return words if len(words) <= CHANGE_CHARACTERS else f"{words[: CHANGE_CHARACTERS - 1]}…"


def _encryption(options: QueueOptions) -> dict[str, str]:
    return {
        "KmsMasterKeyId": options.kms_master_key_id,
        "KmsDataKeyReusePeriodSeconds": str(options.kms_data_key_reuse_period_seconds),
    }


def _redrive_policy(dead_letter_queue_arn: str, max_receive_count: int) -> str:
    return json.dumps(
        {"deadLetterTargetArn": dead_letter_queue_arn, "maxReceiveCount": max_receive_count}
    )
