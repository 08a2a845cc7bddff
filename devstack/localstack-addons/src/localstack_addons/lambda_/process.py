"""Lambda's execution environments as local processes: initialise, invoke, limit, log, kill.

https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
"""

import json
import os
import shutil
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from localstack_addons.lambda_.children import RUNTIME_CLIENT, Program, start
from localstack_addons.lambda_.runtime_api import Answer, Event, RuntimeApi, failure

INIT_LIMIT_S = 10.0
"""The Init phase may take this long; then it is run again within the first invocation's time.
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib"""

RESPONSE_LIMIT_BYTES = 6 * 1024 * 1024 + 100
"""The largest result of a synchronous invocation, as AWS's error message gives it (6291556).
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

APP_ID_LIMIT_CHARACTERS = 50
"""The SDKs' limit for an application id.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-appid.html"""


@dataclass(frozen=True)
class Function:
    """What it takes to run one version of a function.

    `environment` are the variables AWS or the user gave it.
    """

    name: str
    version: str
    program: Program
    timeout_s: int
    memory_mb: int
    environment: dict[str, str]

    @property
    def app_id(self) -> str:
        """How the function signs its AWS calls: `app/<app id>` in their User-Agent."""
        return self.name[:APP_ID_LIMIT_CHARACTERS]


@dataclass(frozen=True)
class Outcome:
    """An invocation's answer and what CloudWatch Logs gets of it."""

    answer: Answer
    logs: str


class LambdaProcess:
    """One running process and its Runtime API."""

    def __init__(
        self,
        program: Program,
        folder: Path,
        environment: dict[str, str],
        log: Path,
        may_answer: Callable[[], bool],
    ) -> None:
        self.api = RuntimeApi(may_answer)
        self._ended = threading.Event()
        variables = environment | {"AWS_LAMBDA_RUNTIME_API": self.api.address}
        with log.open("ab") as output:
            self._child = start(program, folder, variables, output)
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id, which is its group's id too."""
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it can still take an event."""
        return not self._ended.is_set()

    def kill(self) -> None:
        """End the process and everything it started. Returns when it has ended."""
        self._child.kill()
        self._ended.wait()

    def _watch(self) -> None:
        status = self._child.wait()
        self._ended.set()
        self.api.process_ended(failure("Runtime.ExitError", exit_reason(status)))


_environments: defaultdict[str, set["ExecutionEnvironment"]] = defaultdict(set)


def environments_of(app_id: str) -> list["ExecutionEnvironment"]:
    """The execution environments of the functions that sign their AWS calls with `app_id`."""
    return list(_environments[app_id])


def all_environments() -> list["ExecutionEnvironment"]:
    """The execution environments of all functions."""
    return [environment for group in list(_environments.values()) for environment in list(group)]


class ExecutionEnvironment:
    """Runs the invocations of one function, one at a time, in one process.

    A process that timed out or ended is replaced by a new one for the next invocation.
    """

    def __init__(self, function: Function, folder: Path) -> None:
        self.function = function
        self._folder = folder
        self._log = folder / "log"
        self._log_read_bytes = 0
        self._lock = threading.Lock()
        self._process: LambdaProcess | None = None
        self._init_error: Answer | None = None
        self._init_ms: float | None = None
        self._doomed = False

    def start(self) -> None:
        """The Init phase. Its error, if any, is the first invocation's answer."""
        (self._folder / "tmp").mkdir(parents=True)
        self._log.touch()
        _environments[self.function.app_id].add(self)
        with self._lock:
            ready = self._initialise(INIT_LIMIT_S)
            if isinstance(ready, Answer) and ready.error_type != "Sandbox.Timedout":
                self._init_error = ready

    def stop(self) -> None:
        """End the process, and with it a running invocation, and remove its files."""
        _environments[self.function.app_id].discard(self)
        self.kill()
        with self._lock:
            # The invocation may have been about to start another.
            self.kill()
            shutil.rmtree(self._folder, ignore_errors=True)

    def kill(self) -> None:
        """End the process now, in the middle of whatever it does. Returns when it has ended."""
        if process := self._process:
            process.kill()

    def kill_before_next_step(self) -> None:
        """End the process when the invocation it is in makes an AWS call or is answered."""
        self._doomed = self._lock.locked()

    def spare(self) -> None:
        """Take back `kill_before_next_step`."""
        self._doomed = False

    def die_if_doomed(self) -> bool:
        """Do what `kill_before_next_step` announced, if it did; True if so."""
        doomed, self._doomed = self._doomed, False
        if doomed:
            self.kill()
        return doomed

    def output(self) -> str:
        """Everything the function ever printed."""
        return self._log.read_text(errors="replace")

    def invoke(self, request_id: str, payload: bytes, function_arn: str, trace_id: str) -> Outcome:
        """Run the handler on one event, within the function's timeout."""
        with self._lock:
            before = self._unread_output()
            started = time.monotonic()
            event = Event(
                request_id=request_id,
                payload=payload,
                deadline_ms=int((time.time() + self.function.timeout_s) * 1000),
                function_arn=function_arn,
                trace_id=trace_id,
            )
            answer = _with_request_id(self._answer(event), request_id)
            duration_ms = (time.monotonic() - started) * 1000
            report = self._report(request_id, answer, duration_ms)
            return Outcome(answer, self._frame(before, request_id, answer, report))

    def _answer(self, event: Event) -> Answer:
        process = self._ready_process(_seconds_until(event.deadline_ms))
        if isinstance(process, Answer):
            return process
        answer = self._wait(process.api.send(event), _seconds_until(event.deadline_ms))
        if len(answer.payload) > RESPONSE_LIMIT_BYTES:
            message = (
                f"Response payload size exceeded maximum allowed payload size "
                f"({RESPONSE_LIMIT_BYTES} bytes)."
            )
            return failure("Function.ResponseSizeTooLarge", message)
        return answer

    def _ready_process(self, limit_s: float) -> LambdaProcess | Answer:
        init_error, self._init_error = self._init_error, None
        if init_error:
            return init_error
        if self._process and self._process.alive:
            return self._process
        return self._initialise(limit_s)

    def _initialise(self, limit_s: float) -> LambdaProcess | Answer:
        started = time.monotonic()
        self._doomed = False
        self._process = process = LambdaProcess(
            self.function.program,
            self._folder,
            self._environment(),
            self._log,
            may_answer=lambda: not self.die_if_doomed(),
        )
        error = self._wait(process.api.initialised, limit_s)
        self._init_ms = (time.monotonic() - started) * 1000
        if error is None:
            return process
        process.kill()
        return error

    def _wait[T](self, future: Future[T], limit_s: float) -> T | Answer:
        try:
            return future.result(timeout=limit_s)
        except TimeoutError:
            self.kill()
            message = f"Task timed out after {self.function.timeout_s:.2f} seconds"
            return failure("Sandbox.Timedout", message)

    def _environment(self) -> dict[str, str]:
        """The process's variables: nothing comes from LocalStack's own, save where programs are."""
        return {
            "PATH": os.environ["PATH"],
            "LANG": "en_US.UTF-8",
            # Not this user's folder, whose ~/.aws would take part; not this machine's proxies.
            "HOME": str(self._folder),
            "NO_PROXY": "127.0.0.1,localhost",
            "TMPDIR": str(self._folder / "tmp"),
            **self.function.environment,
            "LAMBDA_TASK_ROOT": str(self.function.program.code),
            "LAMBDA_RUNTIME_DIR": str(RUNTIME_CLIENT.parent),
            "AWS_SDK_UA_APP_ID": self.function.app_id,
        }

    def _unread_output(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_read_bytes)
            output = log.read()
        self._log_read_bytes += len(output)
        return output.decode(errors="replace")

    def _report(self, request_id: str, answer: Answer, duration_ms: float) -> str:
        fields = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {duration_ms:.2f} ms",
            f"Billed Duration: {int(duration_ms) + 1} ms",
            f"Memory Size: {self.function.memory_mb} MB",
            f"Max Memory Used: {_peak_memory_mb(self._process)} MB",
        ]
        if self._init_ms is not None:
            fields.append(f"Init Duration: {self._init_ms:.2f} ms")
            self._init_ms = None
        if answer.error_type == "Sandbox.Timedout":
            fields.append("Status: timeout")
        elif answer.error_type == "Runtime.ExitError":
            fields += ["Status: error", f"Error Type: {answer.error_type}"]
        return "\t".join(fields)

    def _frame(self, before: str, request_id: str, answer: Answer, report: str) -> str:
        """What CloudWatch Logs gets: AWS's lines around the function's own.

        https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html
        """
        lines = [
            *_lines(before),
            f"START RequestId: {request_id} Version: {self.function.version}",
            *_lines(self._unread_output()),
        ]
        if answer.error_type in {"Sandbox.Timedout", "Runtime.ExitError"}:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            lines.append(f"{now} {json.loads(answer.payload)['errorMessage']}")
        lines += [f"END RequestId: {request_id}", report]
        return "\n".join(lines) + "\n"


def exit_reason(status: int) -> str:
    """AWS's words for the way a process ended; `status` as `Popen.returncode` has it."""
    if status == 0:
        return "Runtime exited without providing a reason"
    if status < 0:
        words = signal.strsignal(-status) or f"signal {-status}"
        return f"Runtime exited with error: signal: {words.lower()}"
    return f"Runtime exited with error: exit status {status}"


def _lines(output: str) -> list[str]:
    # Not splitlines: it also splits at characters that a line of JSON may hold.
    return output.removesuffix("\n").split("\n") if output else []


def _with_request_id(answer: Answer, request_id: str) -> Answer:
    """AWS puts the request's id before the messages that are its own."""
    if answer.error_type not in {"Sandbox.Timedout", "Runtime.ExitError"}:
        return answer
    message = json.loads(answer.payload)["errorMessage"]
    return failure(answer.error_type, f"RequestId: {request_id} Error: {message}")


def _seconds_until(deadline_ms: int) -> float:
    return max(0.0, deadline_ms / 1000 - time.time())


def _peak_memory_mb(process: LambdaProcess | None) -> int:
    """The most memory the process ever had; 0 where that is not known (it ended, or no Linux)."""
    try:
        status = Path(f"/proc/{process.pid if process else 0}/status").read_text()
    except OSError:
        return 0
    # One that has ended and nobody has waited for has no such line.
    found = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(next(found, 0)) // 1024
