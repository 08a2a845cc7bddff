"""Faults on demand: a function dies right after an AWS call, or AWS answers with an error.

`/_devstack/faults` takes POST (arm one fault), GET (what is armed, what was called) and DELETE
(disarm and forget everything; with `?function=exporter`, once or more, only what is theirs). Every
AWS call counts that a Lambda function makes: it carries `app/<function name>` in its User-Agent.

    {"function": "planner", "kill_after_call": 3}
    {"function": "exporter", "kill_after_call": 1, "operation": "logs.CreateExportTask"}
    {"operation": "s3.PutObject", "error": {"code": "SlowDown", "status": 503}, "times": 2}

`book` has all members. This is the place where a fault meets LocalStack.
"""

import json
import re
from typing import Any

from localstack.aws import handlers
from localstack.aws.api import CommonServiceException, RequestContext
from localstack.aws.chain import HandlerChain
from localstack.aws.handlers.service import ServiceExceptionSerializer
from localstack.http import Request, Response
from localstack.services.edge import ROUTER

from localstack_addons.faults.book import Call, ErrorAnswer, FaultBook, FaultError
from localstack_addons.lambda_.process import all_environments, environments_of

PATH = "/_devstack/faults"

_APP_ID = re.compile(r"(?:^| )app/(\S+)")

_book = FaultBook()


def install() -> None:
    """Watch every AWS call, and serve the control route."""
    handlers.serve_custom_service_request_handlers.append(on_arrival)
    handlers.run_custom_response_handlers.append(on_effect)
    handlers.run_custom_finalizers.append(on_answer)
    ROUTER.add(PATH, control, methods=["GET", "POST", "DELETE"])


def on_arrival(chain: HandlerChain, context: RequestContext, response: Response) -> None:  # noqa: ARG001  LocalStack's signature
    """An AWS call has come in and is not executed yet.

    Raises:
        CommonServiceException: it is not to be executed; LocalStack answers with this.
    """
    call = _call_of(context)
    if call is None:
        return
    if call.function and [each for each in environments_of(call.function) if each.die_if_doomed()]:
        # Nobody is there to read this.
        context.devstack_call = None
        raise CommonServiceException("ServiceUnavailable", "the function is dead", 503)
    context.devstack_call = call
    context.devstack_error = error = _book.error_for(call)
    if error and not error.executed:
        raise _exception(error)


def on_effect(chain: HandlerChain, context: RequestContext, response: Response) -> None:  # noqa: ARG001  the same
    """An AWS call has been executed and its answer made."""
    error = context.get("devstack_error")
    if error and error.executed:
        made = ServiceExceptionSerializer().create_exception_response(_exception(error), context)
        response.update_from(made)


def on_answer(chain: HandlerChain, context: RequestContext, response: Response) -> None:  # noqa: ARG001  the same
    """An AWS call's answer is the next thing to leave."""
    call = context.get("devstack_call")
    kill = _book.kill_after(call) if call else None
    if kill is None:
        return
    for environment in environments_of(kill.function):
        if kill.drop_answer:
            environment.kill()
        else:
            environment.kill_before_next_step()


def control(request: Request) -> Response:
    """Answer the control route."""
    if request.method == "DELETE":
        functions = request.args.getlist("function")
        _book.reset(functions)
        spared = [all_environments()] if not functions else map(environments_of, functions)
        for environments in spared:
            for environment in environments:
                environment.spare()
    if request.method == "POST":
        try:
            _book.arm(_document(request))
        except FaultError as error:
            return _reply({"message": str(error)}, 400)
    return _reply(_book.describe(), 200)


def _document(request: Request) -> dict[str, Any]:
    try:
        document = json.loads(request.get_data())
    except ValueError as error:
        raise FaultError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise FaultError("a fault is a JSON object")
    return document


def _call_of(context: RequestContext) -> Call | None:
    """The AWS call that a client makes; None for LocalStack's own and what is no AWS call."""
    if context.is_internal_call or not context.operation:
        return None
    signed = _APP_ID.search(context.request.headers.get("User-Agent", ""))
    return Call(
        function=signed[1] if signed else None,
        service=context.service.service_name,
        operation=context.operation.name,
    )


def _exception(error: ErrorAnswer) -> CommonServiceException:
    return CommonServiceException(error.code, error.message, status_code=error.status)


def _reply(document: dict[str, Any], status: int) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")
