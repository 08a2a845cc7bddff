"""A source's queues and exporter function, made and mended where its schedule asks for them."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from logferry_contracts.execution_variables import QueueOptions
from logferry_contracts.plan_completed import InfrastructureChange
from logferry_contracts.source import Source
from planner.aws.exporter_functions import MadeFunctions
from planner.aws.exporter_queues import MadeQueue, MadeQueues
from planner.errors import AwsError, ChangingError, InfrastructureBusyError, PlanRefusedError
from planner.provisioning import (
    FUNCTION_TIMEOUT_S,
    OWNER,
    OWNER_TAG,
    dead_letter_queue_attributes,
    exporter_variables,
    function_configuration,
    mapping_configuration,
    owner_of,
    queue_attributes,
    tags_of,
)
from planner.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import GetFunctionResponseTypeDef
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

WAITS_S = (0, 1, 2, 4, 8, 15, 15, 15, 15)
"""Before looks at what somebody else is changing. A queue's name is free again 60 seconds after
its deletion, and a new queue is there after one.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
"""
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "403"})
_NOT_AS_ASKED = frozenset(
    {
        "InvalidAttributeName",
        "InvalidAttributeValue",
        "InvalidParameterValue",
        "InvalidParameterValueException",
        "ResourceNotFoundException",
        "ValidationException",
    }
)
"""How AWS's services call a key, a layer or a role that is not there, and a value out of range."""

logger = Logger(service="planner", child=True)


class Infrastructure:
    """The planner's own account, as far as exporters are provisioned in it.

    What execution variables cannot say comes from these settings of the planner:

    - ``EXPORTER_ROLE_ARN`` (``exporter_role_arn``): the role of the functions that it makes. None
      when it makes none: then queue and function have to be there, and QueueOptions are ignored.
    - ``EXPORTER_ARCHITECTURE`` (``exporter_architecture``): what their code is built for.
    - ``CONTROL_BUCKET`` and ``TOPIC_ARN``, which are the exporters' too.

    Two planners may be at it at once: each looks, does what is missing, and looks again where the
    other one was faster.
    """

    def __init__(
        self,
        sqs: "SQSClient",
        lambda_: "LambdaClient",
        s3: "S3Client",
        settings: Settings,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        """Use these clients, and ``wait`` for seconds where others are changing the same thing."""
        self._sqs = sqs
        self._lambda = lambda_
        self._s3 = s3
        self._settings = settings
        self._wait = wait

    def ensure(self, source: Source, options: QueueOptions) -> list[InfrastructureChange]:
        """Make a source's queues, function and event source mapping what its options say.

        Returns:
            Each change, in the order in which they were made; none where all is well, where
            another tool has deployed them, and where the planner is not set up to do so.

        Raises:
            PlanRefusedError: Something is there that is nobody's, or AWS does not take the
                options, or the planner lacks a permission.
            InfrastructureBusyError: Others were changing it all the time.
        """
        role_arn = self._settings.exporter_role_arn
        if role_arn is None:
            logger.warning(
                "QueueOptions are checked and otherwise ignored: queue and exporter must exist, "
                "as EXPORTER_ROLE_ARN says of no role for a new one",
                queue_name=source.queue_name,
                exporter_function_name=source.exporter_function_name,
            )
            return []
        with _refused_as_options_of(source):
            run = _Run(self._sqs, self._lambda, self._s3, self._wait)
            if not _is_the_planners(source, run):
                return []
            if options.visibility_timeout < FUNCTION_TIMEOUT_S:
                logger.warning(
                    "VisibilityTimeout is raised: a message must not come back while it is "
                    "worked on",
                    asked_s=options.visibility_timeout,
                    used_s=FUNCTION_TIMEOUT_S,
                )
            run.ensure(source, options, self._settings, role_arn)
            return run.changes


class _Run:
    """One go at a source's infrastructure, and what it has changed."""

    def __init__(
        self,
        sqs: "SQSClient",
        lambda_: "LambdaClient",
        s3: "S3Client",
        wait: Callable[[float], None],
    ) -> None:
        self.changes: list[InfrastructureChange] = []
        self.queues = MadeQueues(sqs, self._changed)
        self.functions = MadeFunctions(lambda_, s3, self._changed)
        self._wait = wait

    def ensure(
        self, source: Source, options: QueueOptions, settings: Settings, role_arn: str
    ) -> None:
        tags, function_name = tags_of(source), source.exporter_function_name
        # Looked at first: a function without code would leave queues behind that nobody reads.
        code = self.functions.code(options.consumer_options, settings.exporter_architecture)

        def queue(resource: str, name: str, attributes: Mapping[str, str]) -> MadeQueue:
            return self._until_done(
                name, lambda: self.queues.ensure(resource, name, attributes, tags)
            )

        letters = queue(
            "dead_letter_queue",
            source.dead_letter_queue_name,
            dead_letter_queue_attributes(options),
        )
        attributes = queue_attributes(options, letters.arn)
        slot = queue("queue", source.queue_name, attributes)
        direct = queue("direct_queue", source.direct_queue_name, attributes)
        configuration = function_configuration(
            source,
            options,
            role_arn=role_arn,
            variables=exporter_variables(
                source, settings, queue_url=slot.url, dead_letter_queue_url=letters.url
            ),
        )
        self._until_done(
            function_name, lambda: self.functions.ensure(function_name, code, configuration, tags)
        )
        mapping = mapping_configuration(options)
        for read in (slot, direct):
            self._until_done(
                read.name, partial(self.functions.ensure_mapping, read, function_name, mapping)
            )

    def _until_done[T](self, name: str, attempt: Callable[[], T]) -> T:
        for wait_s in WAITS_S:
            self._wait(wait_s)
            with suppress(ChangingError):
                return attempt()
        raise InfrastructureBusyError(f"{name} was being changed for {sum(WAITS_S)} seconds")

    def _changed(self, resource: str, name: str, change: str) -> None:
        logger.info("infrastructure changed", resource=resource, resource_name=name, change=change)
        self.changes.append(InfrastructureChange(resource=resource, name=name, change=change))


def _is_the_planners(source: Source, run: _Run) -> bool:
    """Return whether all of it that is there is the planner's to change.

    Raises:
        PlanRefusedError: Something is there that does not say whose it is.
    """
    queues = (
        source.queue_name,
        source.direct_queue_name,
        source.dead_letter_queue_name,
    )
    found = {name: run.queues.tags(name) for name in queues}
    function_name = source.exporter_function_name
    function = run.functions.described(function_name)
    found[function_name] = None if function is None else function.get("Tags", {})
    owners = {name: owner_of(tags) for name, tags in found.items() if tags is not None}
    if "others" in owners.values():
        logger.info(
            "QueueOptions are checked and otherwise ignored: another tool has deployed these",
            names=[name for name, owner in owners.items() if owner == "others"],
        )
        return False
    for name, owner in owners.items():
        if owner == "unknown":
            rule = f"on {name}, which is there and bears no tag {OWNER_TAG}={OWNER}"
            raise PlanRefusedError(
                "queue_options", source.queue_name, f"would change what is not ours: {rule}"
            )
    if function is not None:
        _check_account(source, function)
    return True


def _check_account(source: Source, function: "GetFunctionResponseTypeDef") -> None:
    """Make sure that a function which the planner has made is the source's.

    Its description says so; up to 0.2.0 nothing else does.

    Raises:
        PlanRefusedError: It is another account's.
    """
    description = function["Configuration"].get("Description", "")
    named = re.search(r", account ([0-9]{12})$", description)
    if named is not None and named[1] != source.account_id:
        rule = (
            f"of {source.slot} cannot be: {source.exporter_function_name} is of account {named[1]}"
        )
        raise PlanRefusedError("profile", source.profile, rule)


@contextmanager
def _refused_as_options_of(source: Source) -> Iterator[None]:
    """Sort out the errors that only a person can mend."""
    try:
        yield
    except AwsError as error:
        if error.code in _DENIED:
            rule = (
                f"need {_action(error.operation)}, which the planner's role lacks; deploy its "
                f"stack with Provisioning=ENABLED: {error}"
            )
        elif error.code in _NOT_AS_ASKED:
            rule = f"are not taken: {error}"
        else:
            raise
        raise PlanRefusedError("queue_options", source.queue_name, rule) from error


def _action(operation_name: str) -> str:
    """Return the permission that an operation takes."""
    if operation_name == "HeadObject":
        return "s3:GetObject"
    return f"{'sqs' if 'Queue' in operation_name else 'lambda'}:{operation_name}"
