"""Gives a stack's functions their reserved concurrency and their answer to loops.

LocalStack 4.14 makes and updates functions of stacks without these two, which have calls of their
own.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html
"""

from collections.abc import Callable
from typing import Any

from localstack.services.cloudformation.resource_provider import OperationStatus
from localstack.services.lambda_.resource_providers.aws_lambda_function import (
    LambdaFunctionProvider,
)


def install() -> None:
    """Let what is made and what is updated have them."""
    LambdaFunctionProvider.create = _with_settings(LambdaFunctionProvider.create)
    LambdaFunctionProvider.update = _with_settings(LambdaFunctionProvider.update)


def _with_settings(change: Callable[..., Any]) -> Callable[..., Any]:
    def changed(provider: LambdaFunctionProvider, request: Any) -> Any:
        done = change(provider, request)
        if done.status == OperationStatus.SUCCESS:
            _put(request.aws_client_factory.lambda_, request.desired_state)
        return done

    return changed


def _put(functions: Any, wanted: Any) -> None:
    name = wanted["FunctionName"]
    reserved = wanted.get("ReservedConcurrentExecutions")
    if reserved is None:
        functions.delete_function_concurrency(FunctionName=name)
    else:
        functions.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=int(reserved)
        )
    functions.put_function_recursion_config(
        FunctionName=name, RecursiveLoop=wanted.get("RecursiveLoop", "Terminate")
    )
