"""Which faults are armed and which AWS calls each function made: knows nothing of LocalStack.

Functions go by what they sign their AWS calls with: the first 50 characters of their name.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from localstack_addons.lambda_.process import APP_ID_LIMIT_CHARACTERS

CALLS_KEPT = 10_000
"""Of each function, the newest so many calls are remembered."""


class FaultError(ValueError):
    """A fault that cannot be armed; the message says what is wrong with its description."""


@dataclass(frozen=True)
class Call:
    """An AWS call, such as logs, CreateExportTask; `function` is None if no function made it."""

    function: str | None
    service: str
    operation: str

    @property
    def name(self) -> str:
        """As in `logs.CreateExportTask`."""
        return f"{self.service}.{self.operation}"


@dataclass(kw_only=True)
class Kill:
    """Kill the function after its `kill_after_call`-th call from now on, and that many again.

    Attributes:
        function: Whose calls are counted, and who is killed.
        kill_after_call: The call after which the function is killed, from 1.
        repeat: Count anew afterwards, instead of doing it once.
        drop_answer: Kill before the call's answer is delivered. Otherwise the function gets it, and
            is killed when it makes its next call, which is not executed, or gives its result.
        operation: Count only calls of this, such as logs.CreateExportTask.
    """

    function: str
    kill_after_call: int
    repeat: bool = False
    drop_answer: bool = True
    operation: str | None = None
    counted: int = 0

    def __post_init__(self) -> None:
        self.function = app_id(self.function)
        if self.kill_after_call < 1:
            raise FaultError("kill_after_call counts from 1")

    @property
    def spent(self) -> bool:
        """Whether it has happened for the last time."""
        return not self.repeat and self.counted == self.kill_after_call

    def happens_after(self, call: Call) -> bool:
        """Count the call; whether it is the one."""
        if self.function != call.function or self.operation not in {None, call.name}:
            return False
        if self.repeat:
            self.counted %= self.kill_after_call
        self.counted += 1
        return self.counted == self.kill_after_call


@dataclass(kw_only=True)
class ErrorAnswer:
    """Answer the next calls of a function, of an operation or of both with an error.

    Attributes:
        code: AWS's code for the error, such as ThrottlingException.
        message: Its message.
        status: Its HTTP status.
        times: How many calls are answered so.
        executed: Execute the call all the same: only its answer is lost.
        function: Only this function's calls.
        operation: Only calls of this, such as logs.CreateExportTask.
    """

    code: str
    message: str = "armed at /_devstack/faults"
    status: int = 400
    times: int = 1
    executed: bool = False
    function: str | None = None
    operation: str | None = None

    def __post_init__(self) -> None:
        if self.function is None and self.operation is None:
            raise FaultError("an error needs a function, an operation or both")
        self.function = self.function and app_id(self.function)

    @property
    def spent(self) -> bool:
        """Whether it has happened for the last time."""
        return self.times < 1

    def takes(self, call: Call) -> bool:
        """Whether this call is to be answered so; if it is, one less is left."""
        matches = self.function in {None, call.function} and self.operation in {None, call.name}
        if matches:
            self.times -= 1
        return matches


@dataclass
class _History:
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=CALLS_KEPT))
    kills: int = 0


class FaultBook:
    """The armed faults and the calls so far; every method may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kills: list[Kill] = []
        self._errors: list[ErrorAnswer] = []
        self._functions: defaultdict[str, _History] = defaultdict(_History)

    def arm(self, document: Mapping[str, Any]) -> None:
        """Arm the fault that a JSON document describes.

        Raises:
            FaultError: it describes none.
        """
        fault = fault_from(document)
        with self._lock:
            if isinstance(fault, Kill):
                self._kills.append(fault)
            else:
                self._errors.append(fault)

    def reset(self, functions: Collection[str] = ()) -> None:
        """Disarm and forget everything, or only the faults and the calls of these functions."""
        names = {app_id(name) for name in functions}
        with self._lock:
            self._kills = [each for each in self._kills if names and each.function not in names]
            self._errors = [each for each in self._errors if names and each.function not in names]
            for name in names or list(self._functions):
                self._functions.pop(name, None)

    def describe(self) -> dict[str, Any]:
        """The faults still armed, and every function's calls and kills since the last reset."""
        with self._lock:
            armed: list[Kill | ErrorAnswer] = [*self._kills, *self._errors]
            return {
                "armed": [asdict(fault) for fault in armed],
                "functions": {
                    name: {
                        "calls": [
                            {"service": call.service, "operation": call.operation}
                            for call in history.calls
                        ],
                        "kills": history.kills,
                    }
                    for name, history in self._functions.items()
                },
            }

    def error_for(self, call: Call) -> ErrorAnswer | None:
        """The error to answer this call with, now that it has arrived."""
        with self._lock:
            found = next((fault for fault in self._errors if fault.takes(call)), None)
            self._errors = [fault for fault in self._errors if not fault.spent]
            return found

    def kill_after(self, call: Call) -> Kill | None:
        """Record a call that has taken effect; the fault that its function is to be killed by."""
        if call.function is None:
            return None
        with self._lock:
            history = self._functions[call.function]
            history.calls.append(call)
            due = [fault for fault in self._kills if fault.happens_after(call)]
            self._kills = [fault for fault in self._kills if not fault.spent]
            history.kills += bool(due)
            return due[0] if due else None


def app_id(function_name: str) -> str:
    """What a function signs its calls with."""
    return function_name[:APP_ID_LIMIT_CHARACTERS]


def fault_from(document: Mapping[str, Any]) -> Kill | ErrorAnswer:
    """Read `{"function", "kill_after_call", ...}` or `{"function", "error": {"code"}, ...}`.

    Raises:
        FaultError: neither, or with members that do not belong there.
    """
    if ("error" in document) == ("kill_after_call" in document):
        raise FaultError("a fault has either kill_after_call or error")
    if "error" not in document:
        return _make(Kill, document)
    error = document["error"]
    if not isinstance(error, Mapping):
        raise FaultError("error is an object with code, message and status")
    return _make(ErrorAnswer, {**document, **error}, ignore="error")


def _make[T: (Kill, ErrorAnswer)](
    kind: type[T], document: Mapping[str, Any], ignore: str = ""
) -> T:
    known: dict[str, Any] = {
        member.name: member.type for member in fields(kind) if member.name != "counted"
    }
    members = {name: value for name, value in document.items() if name != ignore}
    if unknown := sorted(members.keys() - known.keys()):
        raise FaultError(f"not a member of this fault: {', '.join(unknown)}")
    for name, value in members.items():
        # True is an int to Python.
        if not isinstance(value, known[name]) or isinstance(value, bool) != (known[name] is bool):
            raise FaultError(f"{name} cannot be {value!r}")
    try:
        return kind(**members)
    except TypeError as error:
        raise FaultError(str(error)) from error
