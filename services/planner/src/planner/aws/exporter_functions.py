"""The functions of exporters that the planner makes, and what has them read their queues."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from botocore.exceptions import ClientError, WaiterError

from logferry_contracts.execution_variables import ConsumerOptions
from planner.aws.calls import calling, code_of
from planner.aws.exporter_queues import Changed, MadeQueue
from planner.errors import ChangingError, InfrastructureBusyError, PlanRefusedError
from planner.provisioning import (
    CODE_TAG,
    described_function,
    differing,
    in_words,
    with_variables_of,
)

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.literals import ArchitectureType
    from mypy_boto3_lambda.type_defs import (
        FunctionCodeTypeDef,
        GetFunctionResponseTypeDef,
        WaiterConfigTypeDef,
    )
    from mypy_boto3_s3 import S3Client

FUNCTION_CHECKS: "WaiterConfigTypeDef" = {"Delay": 1, "MaxAttempts": 120}
"""How a function is waited for: in seconds, and how often.

https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
"""


@dataclass(frozen=True)
class Code:
    """A function's code.

    Attributes:
        place: Of the object, in Lambda's words; of this very version, where there are any.
        etag: Of the object.
        architecture: What it is built for.
    """

    place: "FunctionCodeTypeDef"
    etag: str
    architecture: "ArchitectureType"


class MadeFunctions:
    """Lambda, as far as functions and their event source mappings are made and mended."""

    def __init__(self, functions: "LambdaClient", s3: "S3Client", changed: Changed) -> None:
        """Use these clients for every call, and tell ``changed`` of each change."""
        self._lambda = functions
        self._s3 = s3
        self._changed = changed

    def described(self, name: str) -> "GetFunctionResponseTypeDef | None":
        """Return what Lambda says of a function; None when there is no such function."""
        with calling("GetFunction", name):
            try:
                return self._lambda.get_function(FunctionName=name)
            except self._lambda.exceptions.ResourceNotFoundException:
                return None

    def code(self, options: ConsumerOptions, architecture: "ArchitectureType") -> Code:
        """Return what is at the object key now.

        Raises:
            PlanRefusedError: Nothing.
        """
        at = f"s3://{options.bucket_name}/{options.object_key}"
        with calling("HeadObject", at):
            try:
                head = self._s3.head_object(Bucket=options.bucket_name, Key=options.object_key)
            except ClientError as error:
                if code_of(error) in {"404", "NoSuchBucket"}:  # HEAD answers have no body
                    raise PlanRefusedError("object_key", at, "does not exist") from error
                raise
        place: FunctionCodeTypeDef = {
            "S3Bucket": options.bucket_name,
            "S3Key": options.object_key,
        }
        if head.get("VersionId", "null") != "null":  # a bucket without versions has none
            place["S3ObjectVersion"] = head["VersionId"]
        return Code(place, head["ETag"].strip('"'), architecture)

    def ensure(
        self, name: str, code: Code, wanted: dict[str, Any], tags: Mapping[str, str]
    ) -> None:
        """Give a function this code and this configuration.

        Raises:
            ChangingError: Somebody else is changing it.
        """
        found = self.described(name)
        if found is None:
            self._create(name, code, wanted, tags)
        else:
            self._mend_code(name, code, found)
            self._mend_configuration(name, wanted, found)

    def ensure_mapping(self, queue: MadeQueue, function_name: str, wanted: dict[str, Any]) -> None:
        """Have a function read a queue in this way.

        Raises:
            ChangingError: Somebody else is changing that.
        """
        with calling("ListEventSourceMappings", queue.name):
            found = self._lambda.list_event_source_mappings(
                EventSourceArn=queue.arn, FunctionName=function_name
            )["EventSourceMappings"]
        if not found:
            with self._changing("CreateEventSourceMapping", queue.name):
                self._lambda.create_event_source_mapping(
                    EventSourceArn=queue.arn, FunctionName=function_name, **wanted
                )
            self._changed("event_source_mapping", queue.name, "created")
            return
        changed = differing(wanted, found[0])
        if changed:
            with self._changing("UpdateEventSourceMapping", queue.name):
                self._lambda.update_event_source_mapping(UUID=found[0]["UUID"], **changed)
            self._changed("event_source_mapping", queue.name, in_words(changed, found[0]))

    def _create(
        self, name: str, code: Code, wanted: dict[str, Any], tags: Mapping[str, str]
    ) -> None:
        with self._changing("CreateFunction", name):
            self._lambda.create_function(
                FunctionName=name,
                Code=code.place,
                Architectures=[code.architecture],
                Tags={**tags, CODE_TAG: code.etag},
                **wanted,
            )
        self._changed("function", name, "created")
        self._await("function_active_v2", name)

    def _mend_code(self, name: str, code: Code, found: "GetFunctionResponseTypeDef") -> None:
        configuration = found["Configuration"]
        if found.get("Tags", {}).get(CODE_TAG) == code.etag and configuration.get(
            "Architectures"
        ) == [code.architecture]:
            return
        with self._changing("UpdateFunctionCode", name):
            self._lambda.update_function_code(
                FunctionName=name, Architectures=[code.architecture], **code.place
            )
        self._await("function_updated_v2", name)
        # Only now: whoever is cut before does it again.
        arn = configuration["FunctionArn"]
        with self._changing("TagResource", name):
            self._lambda.tag_resource(Resource=arn, Tags={CODE_TAG: code.etag})
        place = f"s3://{code.place['S3Bucket']}/{code.place['S3Key']}"
        self._changed("function", name, f"code {code.etag} from {place}")

    def _mend_configuration(
        self, name: str, wanted: dict[str, Any], found: "GetFunctionResponseTypeDef"
    ) -> None:
        actual = described_function(found["Configuration"])
        changed = differing(with_variables_of(actual, wanted), actual)
        if changed:
            with self._changing("UpdateFunctionConfiguration", name):
                self._lambda.update_function_configuration(FunctionName=name, **changed)
            self._await("function_updated_v2", name)
            self._changed("function", name, in_words(changed, actual))

    def _await(
        self, waiter: Literal["function_active_v2", "function_updated_v2"], name: str
    ) -> None:
        waiting = self._lambda.get_waiter(waiter)
        with calling("GetFunction", name):
            try:
                waiting.wait(FunctionName=name, WaiterConfig=FUNCTION_CHECKS)
            except WaiterError as error:
                raise InfrastructureBusyError(f"{name}: {error}") from error

    @contextmanager
    def _changing(self, operation: str, subject: str) -> Iterator[None]:
        """Do as `calling`, and tell when somebody else is changing the same thing."""
        known = self._lambda.exceptions
        with calling(operation, subject):
            try:
                yield
            except (known.ResourceConflictException, known.ResourceInUseException) as error:
                raise ChangingError(f"{operation} of {subject}: {error}") from error
