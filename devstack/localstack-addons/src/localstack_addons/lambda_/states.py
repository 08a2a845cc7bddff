"""Lambda refuses what comes while a function or an event source mapping is changing, as AWS does.

Recorded on AWS: an update of a function while another one is in progress (localstack/localstack,
tests/aws/services/lambda_/test_lambda_api.py, `test_lambda_concurrent_code_updates` and
`test_lambda_concurrent_config_updates`, 2025-11-25).

From documentation: no update while a function is Pending
(https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html); no update or deletion of a
mapping that is Creating or Updating
(https://docs.aws.amazon.com/lambda/latest/api/API_UpdateEventSourceMapping.html,
https://docs.aws.amazon.com/lambda/latest/api/API_DeleteEventSourceMapping.html); a queue's
visibility timeout not below the function's timeout
(https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html).

Seen by others, not documented: the messages of the last three.

Unverified: how long all of it lasts; here a moment, so that nobody needs to wait.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from localstack_addons.refusals import Refusal, refusing
from localstack_addons.sqs.queues import queue_of

CHANGES_S = 0.3
"""How long a mapping is Creating or Updating, and a function Pending or InProgress at least."""
SETTLED_S = 10.0
"""How long CloudFormation waits for a mapping at most."""
_CHANGING = {"Creating", "Updating"}


def check_function(arn: str, state: str | None, last_update: str | None) -> None:
    """Refuse an update of a function that is being made or updated.

    Raises:
        Refusal: ResourceConflictException.
    """
    if state == "Pending":
        why = f"The function is currently in the following state: {state}"
    elif last_update == "InProgress":
        why = f"An update is in progress for resource: {arn}"
    else:
        return
    message = f"The operation cannot be performed at this time. {why}"
    raise Refusal("ResourceConflictException", message, 409)


def check_mapping(state: str | None, verb: str) -> None:
    """Refuse to `verb` a mapping that is being made or updated.

    Raises:
        Refusal: ResourceInUseException.
    """
    if state in _CHANGING:
        message = f"Cannot {verb} the event source mapping because it is in use."
        raise Refusal("ResourceInUseException", message)


def check_visibility(visibility_s: int, timeout_s: int) -> None:
    """Refuse a queue whose messages would come back while they are worked on.

    Raises:
        Refusal: InvalidParameterValueException.
    """
    if visibility_s < timeout_s:
        raise Refusal(
            "InvalidParameterValueException",
            f"Queue visibility timeout: {visibility_s} seconds is less than Function timeout: "
            f"{timeout_s} seconds",
        )


def install() -> None:
    """Put the checks before the operations, and make a mapping's changes last."""
    from localstack.services.lambda_.event_source_mapping.esm_worker import (  # noqa: PLC0415
        EsmWorker,
    )
    from localstack.services.lambda_.invocation.lambda_service import (  # noqa: PLC0415
        LambdaService,
    )
    from localstack.services.lambda_.provider import LambdaProvider  # noqa: PLC0415
    from localstack.services.lambda_.resource_providers import (  # noqa: PLC0415
        aws_lambda_eventsourcemapping as cloudformation,
    )

    provider = LambdaProvider
    for name in ("update_function_code", "update_function_configuration"):
        setattr(provider, name, _on_function(getattr(provider, name)))
    provider.update_event_source_mapping = _replacing(provider.update_event_source_mapping)
    provider.delete_event_source_mapping = _deleting(provider.delete_event_source_mapping)
    provider.validate_event_source_mapping = _comparing(provider.validate_event_source_mapping)
    EsmWorker.poller_loop = _beginning_later(EsmWorker.poller_loop)
    LambdaService.update_version_state = _taking_a_moment(LambdaService.update_version_state)
    resource = cloudformation.LambdaEventSourceMappingProvider
    resource.update = _once_settled(resource.update)
    resource.delete = _once_settled(resource.delete)


def _on_function(operation: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(operation)
    def call(provider: Any, context: Any, request: Any, **rest: Any) -> Any:
        function = _function(context, request["FunctionName"])
        if function is not None:
            latest = function.latest()
            state, update = latest.config.state, latest.config.last_update
            arn = latest.id.unqualified_arn()
            check_function(arn, state and state.state, update and update.status)
        return operation(provider, context, request, **rest)

    return call


def _function(context: Any, name_or_arn: str) -> Any:
    from localstack.services.lambda_ import api_utils  # noqa: PLC0415
    from localstack.services.lambda_.invocation.models import lambda_stores  # noqa: PLC0415

    account_id, region = api_utils.get_account_and_region(name_or_arn, context)
    name, _ = api_utils.get_name_and_qualifier(name_or_arn, None, context)
    return lambda_stores[account_id][region].functions.get(name)


def _replacing(operation: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(operation)
    def call(provider: Any, context: Any, request: Any, **rest: Any) -> Any:
        uuid = request.get("UUID")
        check_mapping(_mapping_state(context, uuid), "update")
        with _silenced(provider.esm_workers.get(uuid)):
            return operation(provider, context, request, **rest)

    return call


@contextmanager
def _silenced(worker: Any) -> Iterator[None]:
    """Let a worker that is being replaced say no more of its mapping: it would call it disabled."""
    if worker is None:
        yield
        return
    worker.update_esm_state_in_store = lambda _state: None
    try:
        yield
    except BaseException:
        del worker.update_esm_state_in_store  # it stays
        raise


def _deleting(operation: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(operation)
    def call(provider: Any, context: Any, uuid: str, **rest: Any) -> Any:
        check_mapping(_mapping_state(context, uuid), "delete")
        return operation(provider, context, uuid, **rest)

    return call


def _comparing(validate: Callable[..., Any]) -> Callable[..., Any]:
    @refusing
    @wraps(validate)
    def call(provider: Any, context: Any, request: Any) -> Any:
        found = validate(provider, context, request)
        visibility_s = _visibility_s(request.get("EventSourceArn") or "")
        if visibility_s is not None:
            check_visibility(visibility_s, found[3].config.timeout)
        return found

    return call


def _visibility_s(queue_arn: str) -> int | None:
    """The visibility timeout of a queue, None of what is no queue."""
    queue = queue_of(queue_arn)
    return None if queue is None else int(queue.attributes["VisibilityTimeout"])


def _mappings(context: Any) -> Any:
    from localstack.services.lambda_.invocation.models import lambda_stores  # noqa: PLC0415

    return lambda_stores[context.account_id][context.region].event_source_mappings


def _mapping_state(context: Any, uuid: str | None) -> str | None:
    return (_mappings(context).get(uuid) or {}).get("State")


def _beginning_later(poller_loop: Callable[..., None]) -> Callable[..., None]:
    @wraps(poller_loop)
    def loop(worker: Any, *arguments: Any, **rest: Any) -> None:
        worker._shutdown_event.wait(CHANGES_S)  # noqa: SLF001  ends it at once
        poller_loop(worker, *arguments, **rest)

    return loop


def _taking_a_moment(update_version_state: Callable[..., None]) -> Callable[..., None]:
    @wraps(update_version_state)
    def update(service: Any, *arguments: Any, **rest: Any) -> None:
        time.sleep(CHANGES_S)  # in the thread that has made the version ready
        update_version_state(service, *arguments, **rest)

    return update


def _once_settled(handle: Callable[..., Any]) -> Callable[..., Any]:
    """Let CloudFormation wait, which LocalStack's does not, until a mapping may be changed."""

    @wraps(handle)
    def call(resource: Any, request: Any) -> Any:
        uuid = (request.previous_state or request.desired_state)["Id"]
        functions = request.aws_client_factory.lambda_
        deadline = time.monotonic() + SETTLED_S
        while time.monotonic() < deadline:
            found = functions.list_event_source_mappings()["EventSourceMappings"]
            if not any(each["UUID"] == uuid and each["State"] in _CHANGING for each in found):
                break
            time.sleep(CHANGES_S / 4)
        return handle(resource, request)

    return call
