"""The KMS keys that objects are to be under: SSM names them, KMS says whether they can be used."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from logferry_deliveries.calls import calling
from logferry_deliveries.errors import KmsKeyError
from sse_enforcer.archive_key import (
    KeyParameter,
    KeyScheme,
    KmsKey,
    check_key,
    check_value,
    parameter_for,
)

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_ssm import SSMClient

FAILURE_TTL_S = 30
"""Our own: how long a bad key is believed to be bad, so that a burst of objects asks once."""


class KmsKeys:
    """Which KMS key an object is to be under, and whether that key can be used."""

    def __init__(
        self,
        ssm: "SSMClient",
        kms: "KMSClient",
        scheme: KeyScheme,
        ttl_seconds: int,
    ) -> None:
        """Believe the scheme's parameters, and what KMS says of keys, for ``ttl_seconds``."""
        self._ssm = ssm
        self._kms = kms
        self._scheme = scheme
        self._name = scheme.parameter
        self._ttl_seconds = ttl_seconds
        self._believed: dict[str, tuple[float, Any]] = {}
        self._lock = threading.Lock()

    def key_arn(self, object_key: str) -> str:
        """Return the ARN of the key that an object is to be under.

        Raises:
            KmsKeyError: There is no such key, or it cannot be used. Says how to mend that.
            AwsError: AWS cannot say at the moment.
        """
        with self._lock:
            parameters = self._believe(self._name, self._parameters)
            parameter = parameter_for(object_key, self._name, parameters)
            check_value(parameter, self._scheme)
            self._believe(parameter.value, lambda: self._check(parameter))
        return parameter.value

    def _believe[T](self, name: str, ask: Callable[[], T]) -> T:
        """Return what ``ask`` says, or raise as it did, without asking again too soon."""
        until_s, answer = self._believed.get(name, (0.0, None))
        if time.monotonic() >= until_s:
            ttl_s = self._ttl_seconds
            try:
                answer = ask()
            except KmsKeyError as error:
                answer, ttl_s = error, min(FAILURE_TTL_S, ttl_s)
            self._believed[name] = (time.monotonic() + ttl_s, answer)
        if isinstance(answer, KmsKeyError):
            # Not the same one again: its traceback would grow with each raise.
            raise KmsKeyError(str(answer)) from answer.__cause__
        return cast("T", answer)

    def _parameters(self) -> dict[str, KeyParameter]:
        """Return the parameter, where there is one, and all below it, by their names.

        https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetParametersByPath.html
        """
        found: list[Any] = []
        with self._reading("GetParameter"):
            try:
                found.append(self._ssm.get_parameter(Name=self._name)["Parameter"])
            except ClientError as error:
                if error.response["Error"]["Code"] != "ParameterNotFound":
                    raise
        with self._reading("GetParametersByPath"):
            pages = self._ssm.get_paginator("get_parameters_by_path")
            for page in pages.paginate(Path=self._name, Recursive=True):
                found.extend(page["Parameters"])
        return {
            each["Name"]: KeyParameter(each["Name"], each["Value"], each["Type"]) for each in found
        }

    def _check(self, parameter: KeyParameter) -> None:
        with calling("DescribeKey", parameter.value):
            try:
                metadata = self._kms.describe_key(KeyId=parameter.value)["KeyMetadata"]
            except ClientError as error:
                match error.response["Error"]["Code"]:
                    case "NotFoundException":
                        key = None
                    case "AccessDeniedException":
                        raise KmsKeyError(
                            f"SSM parameter {parameter.name}: {parameter.value!r} may not be "
                            "looked at; allow kms:DescribeKey on it"
                        ) from error
                    case _:
                        raise
            else:
                key = KmsKey(metadata["KeyState"], metadata["KeySpec"])
        check_key(parameter, key)

    @contextmanager
    def _reading(self, operation: str) -> Iterator[None]:
        with calling(operation, self._name):
            try:
                yield
            except ClientError as error:
                if error.response["Error"]["Code"] == "AccessDeniedException":
                    raise KmsKeyError(
                        f"SSM parameter {self._name} may not be read; allow ssm:{operation} on it"
                    ) from error
                raise
