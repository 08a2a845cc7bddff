"""What AWS says when it refuses, and how LocalStack's operations are made to say it."""

from collections.abc import Callable
from functools import wraps


class Refusal(Exception):  # noqa: N818  what AWS says, not a fault
    """A refusal with AWS's error code and HTTP status: the caller of the API gets it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


def refusing[**P, R](operation: Callable[P, R]) -> Callable[P, R]:
    """Let an operation of LocalStack's answer with a `Refusal` that is raised in it."""

    @wraps(operation)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        from localstack.aws.api import CommonServiceException  # noqa: PLC0415

        try:
            return operation(*args, **kwargs)
        except Refusal as refusal:
            raise CommonServiceException(
                refusal.code, refusal.message, status_code=refusal.status
            ) from refusal

    return call
