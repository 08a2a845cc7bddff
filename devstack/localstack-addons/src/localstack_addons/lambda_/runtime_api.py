"""The Lambda Runtime API that one Lambda process talks to.

The protocol is AWS's, version 2018-06-01: the process asks for the next event, answers it, and asks
again. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

import json
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"
PREFIX = "/2018-06-01/runtime"


@dataclass(frozen=True)
class Event:
    """One invocation: `payload` is JSON, `deadline_ms` a Unix time in milliseconds."""

    request_id: str
    payload: bytes
    deadline_ms: int
    function_arn: str
    trace_id: str

    def headers(self) -> dict[str, str]:
        """The headers that carry everything but the payload."""
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": self.function_arn,
            "Lambda-Runtime-Trace-Id": self.trace_id,
        }


@dataclass(frozen=True)
class Answer:
    """What an invocation, or the initialisation, came to; `payload` is JSON."""

    payload: bytes
    error_type: str | None = None

    @property
    def is_error(self) -> bool:
        """Whether the function failed."""
        return self.error_type is not None


def failure(error_type: str, message: str) -> Answer:
    """The answer AWS gives in the place of a function that could not give its own."""
    payload = json.dumps({"errorType": error_type, "errorMessage": message})
    return Answer(payload.encode(), error_type)


class RuntimeApi:
    """Hands events to one process, one at a time, and takes its answers.

    `initialised` is done when the process asks for its first event (None) or when it could not
    start (the error). An answer counts only if `may_answer` says so when it arrives.
    """

    def __init__(self, may_answer: Callable[[], bool] = lambda: True) -> None:
        self.initialised: Future[Answer | None] = Future()
        self._may_answer = may_answer
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._lock = threading.Lock()
        self._pending: tuple[str, Future[Answer]] | None = None
        self._ended: Answer | None = None
        self._server = _Server(self)
        self.address = f"{HOST}:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()

    def send(self, event: Event) -> Future[Answer]:
        """Give the process its next event; the future is its answer, or the reason it ended."""
        answer: Future[Answer] = Future()
        with self._lock:
            if self._ended:
                answer.set_result(self._ended)
                return answer
            self._pending = (event.request_id, answer)
        self._events.put(event)
        return answer

    def process_ended(self, reason: Answer) -> None:
        """Answer whatever is still waited for with `reason`, now and from now on, and close."""
        with self._lock:
            self._ended = reason
            _settle(self.initialised, reason)
            if self._pending:
                _settle(self._pending[1], reason)
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def next_event(self) -> Event | None:
        """Wait for the next event; None when there will be no more."""
        _settle(self.initialised, None)
        return self._events.get()

    def take_init_error(self, answer: Answer) -> None:
        """The process says that it could not start."""
        _settle(self.initialised, answer)

    def take_answer(self, request_id: str, answer: Answer) -> bool:
        """The process answers an event. False when nobody waits for this answer."""
        if not self._may_answer():
            return False
        with self._lock:
            if self._pending is None or self._pending[0] != request_id:
                return False
            return _settle(self._pending[1], answer)


def _settle[T](future: Future[T], value: T) -> bool:
    if future.done():
        return False
    future.set_result(value)
    return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, api: RuntimeApi) -> None:
        self.api = api
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        # A process that is gone is noticed where it is waited for.
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one segment, at once: otherwise each answer waits for a delayed ACK.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        if self.path != f"{PREFIX}/invocation/next":
            self._reply(HTTPStatus.NOT_FOUND)
            return
        event = self.server.api.next_event()
        if event is None:
            self.close_connection = True
            return
        self._reply(HTTPStatus.OK, event.payload, event.headers())

    def do_POST(self) -> None:
        payload = self.rfile.read(int(self.headers["Content-Length"]))
        match self.path.removeprefix(PREFIX).split("/")[1:]:
            case ["init", "error"]:
                self.server.api.take_init_error(Answer(payload, self._error_type()))
                taken = True
            case ["invocation", request_id, "response"]:
                taken = self.server.api.take_answer(request_id, Answer(payload))
            case ["invocation", request_id, "error"]:
                answer = Answer(payload, self._error_type())
                taken = self.server.api.take_answer(request_id, answer)
            case _:
                self._reply(HTTPStatus.NOT_FOUND)
                return
        self._reply(HTTPStatus.ACCEPTED if taken else HTTPStatus.BAD_REQUEST)

    def _error_type(self) -> str:
        return self.headers.get("Lambda-Runtime-Function-Error-Type", "Runtime.Unknown")

    def _reply(
        self, status: HTTPStatus, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet: LocalStack's log is not the place for every event."""
