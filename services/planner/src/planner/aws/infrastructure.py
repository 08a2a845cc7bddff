"""A source's queues and exporter function, made and mended where its schedule asks for them."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from logferry_contracts.execution_variables import ConsumerOptions, QueueOptions
from logferry_contracts.plan_completed import InfrastructureChange
from logferry_contracts.source import Source
from planner.aws.calls import code_of, meant
from planner.errors import InfrastructureBusyError, PlanRefusedError
from planner.provisioning import (
    CODE_TAG,
    DIRECT_LANE_MAX_BYTES,
    FUNCTION_TIMEOUT_S,
    OWNER,
    OWNER_TAG,
    dead_letter_queue_attributes,
    described_function,
    described_queue,
    differing,
    function_configuration,
    in_words,
    mapping_configuration,
    owner_of,
    queue_attributes,
    tags_of,
    with_variables_of,
)
from planner.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.literals import ArchitectureType
    from mypy_boto3_lambda.type_defs import (
        FunctionCodeTypeDef,
        GetFunctionResponseTypeDef,
        WaiterConfigTypeDef,
    )
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

WAITS_S = (0, 1, 2, 4, 8, 15, 15, 15, 15)
"""Before looks at what somebody else is changing. A queue's name is free again 60 seconds after
its deletion, and a new queue is there after one.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html
"""
FUNCTION_CHECKS: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 120}
"""How a function is waited for: in seconds, and how often.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
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
            if not self._is_the_planners(source):
                return []
            if options.visibility_timeout < FUNCTION_TIMEOUT_S:
                logger.warning(
                    "VisibilityTimeout is raised: a message must not come back while it is "
                    "worked on",
                    asked_s=options.visibility_timeout,
                    used_s=FUNCTION_TIMEOUT_S,
                )
            run = _Run(self._sqs, self._lambda, self._s3, self._wait)
            run.ensure(source, options, self._settings, role_arn)
            return run.changes

    def _is_the_planners(self, source: Source) -> bool:
        """Return whether all of it that is there is the planner's to change.

        Raises:
            PlanRefusedError: Something is there that does not say whose it is.
        """
        queues = (
            source.queue_name,
            source.direct_queue_name,
            source.dead_letter_queue_name,
        )
        found = {name: self._queue_tags(name) for name in queues}
        function_name = source.exporter_function_name
        function = self._function(function_name)
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

    def _queue_tags(self, name: str) -> Mapping[str, str] | None:
        try:
            url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
            return self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        except self._sqs.exceptions.QueueDoesNotExist:
            return None

    def _function(self, name: str) -> "GetFunctionResponseTypeDef | None":
        try:
            return self._lambda.get_function(FunctionName=name)
        except self._lambda.exceptions.ResourceNotFoundException:
            return None


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


class _Run:
    """One go at a source's infrastructure, and what it has changed."""

    def __init__(
        self,
        sqs: "SQSClient",
        lambda_: "LambdaClient",
        s3: "S3Client",
        wait: Callable[[float], None],
    ) -> None:
        self._sqs = sqs
        self._lambda = lambda_
        self._s3 = s3
        self._wait = wait
        self.changes: list[InfrastructureChange] = []

    def ensure(
        self, source: Source, options: QueueOptions, settings: Settings, role_arn: str
    ) -> None:
        tags = tags_of(source)
        # Looked at first: a function without code would leave queues behind that nobody reads.
        code = self._code(options.consumer_options, settings.exporter_architecture)
        letters = self._ensure_queue(
            "dead_letter_queue",
            source.dead_letter_queue_name,
            dead_letter_queue_attributes(options),
            tags,
        )
        attributes = queue_attributes(options, letters.arn)
        queue = self._ensure_queue("queue", source.queue_name, attributes, tags)
        direct = self._ensure_queue("direct_queue", source.direct_queue_name, attributes, tags)
        variables = {
            "CONTROL_BUCKET": settings.control_bucket,
            "TOPIC_ARN": settings.topic_arn,
            "QUEUE_URL": queue.url,
            "DEAD_LETTER_QUEUE_URL": letters.url,
            "DIRECT_LANE_MAX_BYTES": str(DIRECT_LANE_MAX_BYTES),
            "PROFILE": source.profile,
            "SLOT": source.slot,
            "SOURCE_ROLE_ARN": source.role_arn,
            "POWERTOOLS_SERVICE_NAME": "exporter",
            "POWERTOOLS_METRICS_NAMESPACE": "logferry",
        }
        configuration = function_configuration(
            source, options, role_arn=role_arn, variables=variables
        )
        self._until_done(
            source.exporter_function_name,
            lambda: self._function(source.exporter_function_name, code, configuration, tags),
        )
        for read in (queue, direct):
            self._until_done(
                read.name,
                partial(
                    self._mapping,
                    read,
                    source.exporter_function_name,
                    mapping_configuration(options),
                ),
            )

    def _ensure_queue(
        self, resource: str, name: str, attributes: Mapping[Any, str], tags: Mapping[str, str]
    ) -> "_Queue":
        return self._until_done(name, lambda: self._queue(resource, name, attributes, tags))

    def _until_done[T](self, name: str, attempt: Callable[[], T | None]) -> T:
        """Return what an attempt returns; None says that somebody else is at it."""
        for wait_s in WAITS_S:
            self._wait(wait_s)
            done = attempt()
            if done is not None:
                return done
        raise InfrastructureBusyError(f"{name} was being changed for {sum(WAITS_S)} seconds")

    def _code(self, options: ConsumerOptions, architecture: "ArchitectureType") -> "_Code":
        """Return what is at the object key now.

        Raises:
            PlanRefusedError: Nothing.
        """
        try:
            head = self._s3.head_object(Bucket=options.bucket_name, Key=options.object_key)
        except ClientError as error:
            if code_of(error) in {"404", "NoSuchBucket"}:  # HEAD answers have no body
                at = f"s3://{options.bucket_name}/{options.object_key}"
                raise PlanRefusedError("object_key", at, "does not exist") from error
            raise
        place: FunctionCodeTypeDef = {
            "S3Bucket": options.bucket_name,
            "S3Key": options.object_key,
        }
        if head.get("VersionId", "null") != "null":  # a bucket without versions has none
            place["S3ObjectVersion"] = head["VersionId"]
        return _Code(place, head["ETag"].strip('"'), architecture)

    def _queue(
        self, resource: str, name: str, attributes: Mapping[Any, str], tags: Mapping[str, str]
    ) -> "_Queue | None":
        try:
            url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
            actual = described_queue(
                self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            )
        except self._sqs.exceptions.QueueDoesNotExist:
            with suppress(
                self._sqs.exceptions.QueueNameExists, self._sqs.exceptions.QueueDeletedRecently
            ):
                self._sqs.create_queue(
                    QueueName=name, Attributes={"FifoQueue": "true", **attributes}, tags=tags
                )
                self._changed(resource, name, "created")
            return None  # a new queue is there after a second
        if differing(tags, self._sqs.list_queue_tags(QueueUrl=url).get("Tags", {})):
            self._sqs.tag_queue(QueueUrl=url, Tags=tags)  # made up to 0.2.0
        changed = differing(attributes, actual)
        if changed:
            self._sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
            self._changed(resource, name, in_words(changed, actual))
        return _Queue(name, url, actual["QueueArn"])

    def _function(
        self, name: str, code: "_Code", wanted: dict[str, Any], tags: Mapping[str, str]
    ) -> Literal[True] | None:
        try:
            found = self._lambda.get_function(FunctionName=name)
        except self._lambda.exceptions.ResourceNotFoundException:
            found = None
        try:
            if found is None:
                self._create_function(name, code, wanted, tags)
            else:
                self._mend_code(name, code, found)
                self._mend_configuration(name, wanted, found)
        except self._lambda.exceptions.ResourceConflictException:
            return None
        return True

    def _create_function(
        self, name: str, code: "_Code", wanted: dict[str, Any], tags: Mapping[str, str]
    ) -> None:
        self._lambda.create_function(
            FunctionName=name,
            Code=code.place,
            Architectures=[code.architecture],
            Tags={**tags, CODE_TAG: code.etag},
            **wanted,
        )
        self._changed("function", name, "created")
        self._await("function_active_v2", name)

    def _mend_code(self, name: str, code: "_Code", found: "GetFunctionResponseTypeDef") -> None:
        configuration = found["Configuration"]
        if found.get("Tags", {}).get(CODE_TAG) == code.etag and configuration.get(
            "Architectures"
        ) == [code.architecture]:
            return
        self._lambda.update_function_code(
            FunctionName=name, Architectures=[code.architecture], **code.place
        )
        self._await("function_updated_v2", name)
        # Only now: whoever is cut before does it again.
        self._lambda.tag_resource(Resource=configuration["FunctionArn"], Tags={CODE_TAG: code.etag})
        self._changed(
            "function",
            name,
            f"code {code.etag} from s3://{code.place['S3Bucket']}/{code.place['S3Key']}",
        )

    def _mend_configuration(
        self, name: str, wanted: dict[str, Any], found: "GetFunctionResponseTypeDef"
    ) -> None:
        actual = described_function(found["Configuration"])
        changed = differing(with_variables_of(actual, wanted), actual)
        if changed:
            self._lambda.update_function_configuration(FunctionName=name, **changed)
            self._await("function_updated_v2", name)
            self._changed("function", name, in_words(changed, actual))

    def _await(
        self, waiter: Literal["function_active_v2", "function_updated_v2"], name: str
    ) -> None:
        try:
            self._lambda.get_waiter(waiter).wait(FunctionName=name, WaiterConfig=FUNCTION_CHECKS)
        except WaiterError as error:
            raise InfrastructureBusyError(f"{name}: {error}") from error

    def _mapping(
        self, queue: "_Queue", function_name: str, wanted: dict[str, Any]
    ) -> Literal[True] | None:
        found = self._lambda.list_event_source_mappings(
            EventSourceArn=queue.arn, FunctionName=function_name
        )["EventSourceMappings"]
        try:
            if not found:
                self._lambda.create_event_source_mapping(
                    EventSourceArn=queue.arn, FunctionName=function_name, **wanted
                )
                self._changed("event_source_mapping", queue.name, "created")
                return True
            changed = differing(wanted, found[0])
            if changed:
                self._lambda.update_event_source_mapping(UUID=found[0]["UUID"], **changed)
                self._changed("event_source_mapping", queue.name, in_words(changed, found[0]))
        except (
            self._lambda.exceptions.ResourceConflictException,
            self._lambda.exceptions.ResourceInUseException,
        ):
            return None
        return True

    def _changed(self, resource: str, name: str, change: str) -> None:
        logger.info("infrastructure changed", resource=resource, resource_name=name, change=change)
        self.changes.append(InfrastructureChange(resource=resource, name=name, change=change))


@dataclass(frozen=True)
class _Queue:
    name: str
    url: str
    arn: str


@dataclass(frozen=True)
class _Code:
    """A function's code.

    Attributes:
        place: Of the object, in Lambda's words; of this very version, where there are any.
        etag: Of the object.
        architecture: What it is built for.
    """

    place: "FunctionCodeTypeDef"
    etag: str
    architecture: "ArchitectureType"


@contextmanager
def _refused_as_options_of(source: Source) -> Iterator[None]:
    """Sort out the errors that only a person can mend."""
    try:
        yield
    except ClientError as error:
        code = code_of(error)
        if code in _DENIED:
            rule = (
                f"need {_action(error.operation_name)}, which the planner's role lacks; deploy its "
                f"stack with Provisioning=ENABLED: {error}"
            )
        elif code in _NOT_AS_ASKED:
            rule = f"are not taken: {error}"
        else:
            raise meant(error.operation_name, source.queue_name, error) from error
        raise PlanRefusedError("queue_options", source.queue_name, rule) from error
    except BotoCoreError as error:
        raise meant("a call", source.queue_name, error) from error


def _action(operation_name: str) -> str:
    """Return the permission that an operation takes."""
    if operation_name == "HeadObject":
        return "s3:GetObject"
    return f"{'sqs' if 'Queue' in operation_name else 'lambda'}:{operation_name}"
