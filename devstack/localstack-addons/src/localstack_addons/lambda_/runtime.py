"""The runtime client: runs one function's handler, for event after event.

Started by `children` as `python -I -S -u runtime.py <module>.<function>`, or forked by
`fork_server`, with the interpreter's standard library and nothing else, so that a zip which lacks a
module fails here as it would on AWS. It plays the part of https://github.com/aws/aws-lambda-python-runtime-interface-client
and imports nothing of this package: the function must not find that either.
"""

import decimal
import http.client
import importlib
import json
import logging
import os
import signal
import site
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable
from typing import NoReturn, cast

PREFIX = "/2018-06-01/runtime"
type Handler = Callable[[object, "Context"], object]


class RuntimeClientError(Exception):
    """The handler cannot be loaded, or its result not sent; `error_type` is AWS's name for why."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


class Context:
    """What a handler gets as its second argument.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    def __init__(self, headers: http.client.HTTPMessage) -> None:
        environ = os.environ
        self.aws_request_id: str = headers["Lambda-Runtime-Aws-Request-Id"]
        self.invoked_function_arn: str = headers["Lambda-Runtime-Invoked-Function-Arn"]
        self.function_name = environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self.client_context = None
        self.identity = types.SimpleNamespace(
            cognito_identity_id=None, cognito_identity_pool_id=None
        )
        self._deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends this invocation."""
        return max(0, self._deadline_ms - int(time.time() * 1000))


class RuntimeApiClient:
    """Asks for events and answers them, over one connection."""

    def __init__(self, address: str) -> None:
        # No time limit: the next event may be hours away.
        self._connection = http.client.HTTPConnection(address)

    def next_event(self) -> tuple[http.client.HTTPMessage, bytes]:
        """Wait for the next event. Its id, deadline and so on are in the headers."""
        self._connection.request("GET", f"{PREFIX}/invocation/next")
        response = self._connection.getresponse()
        return response.headers, response.read()

    def answer(self, request_id: str, payload: bytes) -> None:
        """Give the handler's result."""
        self._post(f"/invocation/{request_id}/response", payload, {})

    def report_error(self, where: str, report: dict[str, object]) -> None:
        """Give an error; `where` is `/init` or `/invocation/<request id>`."""
        error_type = str(report["errorType"])
        headers = {"Lambda-Runtime-Function-Error-Type": error_type}
        self._post(f"{where}/error", json.dumps(report).encode(), headers)

    def _post(self, path: str, payload: bytes, headers: dict[str, str]) -> None:
        headers = headers | {"Content-Type": "application/json"}
        self._connection.request("POST", PREFIX + path, payload, headers)
        self._connection.getresponse().read()


def end_with_parent() -> None:
    """End this process and its children as soon as LocalStack is gone, however it went.

    Standard input is a pipe that LocalStack holds open and never writes to, so a read returns when
    LocalStack has ended. (Linux's PR_SET_PDEATHSIG follows the thread that started the process, and
    LocalStack's threads come and go.)
    """
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        os.read(pipe, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def make_importable(task_root: str, layers: str) -> None:
    """Put the function's code and its layers before the standard library, as on AWS.

    `layers` are their folders, with what separates paths between them.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # Layers are unpacked over each other, so the last one wins.
    folders = [
        os.path.join(layer, "python", inner)  # noqa: PTH118  pathlib would slow every cold start
        for layer in reversed(layers.split(os.pathsep) if layers else [])
        for inner in (f"lib/{version}/site-packages", "")
    ]
    sys.path[:0] = [task_root, *folders]


def set_up_logging() -> Callable[[str], None]:
    """Give the root logger AWS's handler and format; the result sets the request id it prints."""
    request_id = ""

    def add_request_id(record: logging.LogRecord) -> bool:
        record.aws_request_id = request_id
        return True

    def set_request_id(value: str) -> None:
        nonlocal request_id
        request_id = value

    formatter = logging.Formatter(
        "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
        "%Y-%m-%dT%H:%M:%S",
    )
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    handler.addFilter(add_request_id)
    logging.getLogger().addHandler(handler)
    return set_request_id


def load_handler(name: str) -> Handler:
    """Import `<module>.<function>`; a module's own exceptions pass through.

    Raises:
        RuntimeClientError: the name, the module or the function is wrong.
    """
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        raise RuntimeClientError("Runtime.MalformedHandlerName", f"Bad handler '{name}'")
    module_name = module_name.replace("/", ".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        message = f"Unable to import module '{module_name}': {error}"
        raise RuntimeClientError("Runtime.ImportModuleError", message) from error
    except SyntaxError as error:
        message = f"Syntax error in module '{module_name}': {error}"
        raise RuntimeClientError("Runtime.UserCodeSyntaxError", message) from error
    if not hasattr(module, function_name):
        message = f"Handler '{function_name}' missing on module '{module_name}'"
        raise RuntimeClientError("Runtime.HandlerNotFound", message)
    return cast("Handler", getattr(module, function_name))


def error_report(error: Exception, request_id: str) -> dict[str, object]:
    """AWS's description of an error: errorType, errorMessage, requestId, stackTrace."""
    if isinstance(error, RuntimeClientError):
        error_type, stack = error.error_type, []
    else:
        # Without the frame of this file.
        error_type = type(error).__name__
        stack = traceback.format_list(traceback.extract_tb(error.__traceback__)[1:])
    return {
        "errorMessage": str(error),
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": stack,
    }


def log_error(report: dict[str, object]) -> None:
    """Print an error the way AWS's runtime does."""
    lines = [f"[ERROR] {report['errorType']}: {report['errorMessage']}"]
    if stack := cast("list[str]", report["stackTrace"]):
        lines += ["Traceback (most recent call last):", *(entry.rstrip() for entry in stack)]
    print("\n".join(lines))  # noqa: T201  standard output is the function's log


def _decimal_as_float(value: object) -> float:
    if isinstance(value, decimal.Decimal):
        return float(value)
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def marshal(result: object) -> bytes:
    """The result as JSON.

    Raises:
        RuntimeClientError: it cannot be expressed in JSON.
    """
    try:
        return json.dumps(result, default=_decimal_as_float, ensure_ascii=False).encode()
    except (TypeError, ValueError) as error:
        message = f"Unable to marshal response: {error}"
        raise RuntimeClientError("Runtime.MarshalError", message) from error


def serve(api: RuntimeApiClient, handler: Handler, set_request_id: Callable[[str], None]) -> None:
    """Answer one event."""
    headers, payload = api.next_event()
    context = Context(headers)
    os.environ["_X_AMZN_TRACE_ID"] = headers["Lambda-Runtime-Trace-Id"]
    set_request_id(context.aws_request_id)
    try:
        answer = marshal(handler(json.loads(payload or b"null"), context))
    except Exception as error:  # noqa: BLE001  the handler's own; reported to its caller
        report = error_report(error, context.aws_request_id)
        log_error(report)
        api.report_error(f"/invocation/{context.aws_request_id}", report)
    else:
        api.answer(context.aws_request_id, answer)


def main(handler_name: str) -> NoReturn:
    """Be a program of its own: find the function's code, and run its handler."""
    make_importable(os.environ["LAMBDA_TASK_ROOT"], os.environ.pop("LAMBDA_LOCAL_LAYERS"))
    run(handler_name)


def run(handler_name: str) -> NoReturn:
    """Load the handler, then answer events until the process is ended from outside."""
    end_with_parent()
    # What a plain interpreter has and `-S` takes away: exit() and quit().
    site.setquit()
    set_request_id = set_up_logging()
    api = RuntimeApiClient(os.environ["AWS_LAMBDA_RUNTIME_API"])
    try:
        handler = load_handler(handler_name)
    except Exception as error:  # noqa: BLE001  whatever the module raised while it was imported
        report = error_report(error, "")
        log_error(report)
        api.report_error("/init", report)
        sys.exit(1)
    while True:
        serve(api, handler, set_request_id)


if __name__ == "__main__":
    main(sys.argv[1])
