"""Keeps what a template retains except on create, once its stack or its entry goes.

LocalStack 4.14 knows `Retain` only, and deletes the rest; where a key is to be deleted already, the
stack then fails. What cannot be created is not concerned: it has no former state to be removed.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from localstack.services.cloudformation.engine.v2.change_set_model_preproc import (
    DeletionPolicy,
    PreprocResource,
)


def install() -> None:
    """Take the one policy for the other."""
    PreprocResource.__init__ = _retaining(PreprocResource.__init__)


def _retaining(make: Callable[..., None]) -> Callable[..., None]:
    @wraps(make)
    def making(resource: PreprocResource, *given: Any, **named: Any) -> None:
        make(resource, *given, **named)
        if resource.deletion_policy == DeletionPolicy.RetainExceptOnCreate:
            resource.deletion_policy = DeletionPolicy.Retain

    return making
