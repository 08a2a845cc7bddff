"""Functions run as real processes here, by the runtime client that LocalStack uses too."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import pytest

from devstack.localstack import command_lines
from localstack_addons.lambda_.children import Program, end_fork_servers, libraries_in
from localstack_addons.lambda_.process import (
    ExecutionEnvironment,
    Function,
    Outcome,
    environments_of,
    exit_reason,
)

ARN = "arn:aws:lambda:eu-west-1:111111111111:function:hello"
PYTHON = f"{sys.base_prefix}/bin/python3.13"

type Start = Callable[..., ExecutionEnvironment]


EITHER_WAY = pytest.mark.parametrize("libraries", [(), ("json",)], ids=["by itself", "forked"])
"""Holds of a process whichever way it was started."""


@pytest.fixture
def libraries() -> tuple[str, ...]:
    """What processes have imported before they are forked: nothing, so they are not."""
    return ()


@pytest.fixture
def start(tmp_path: Path, libraries: tuple[str, ...]) -> Iterator[Start]:
    started: list[ExecutionEnvironment] = []

    def start(
        source: str,
        *,
        timeout_s: int = 20,
        modules: dict[str, str] | None = None,
        layers: dict[str, str] | None = None,
        handler: str = "app.handler",
        **variables: str,
    ) -> ExecutionEnvironment:
        code = tmp_path / "code"
        code.mkdir(exist_ok=True)
        for module, text in {"app": source, **(modules or {})}.items():
            (code / f"{module}.py").write_text(text)
        folders = []
        for name, layer_source in (layers or {}).items():
            (tmp_path / name / "python").mkdir(parents=True)
            (tmp_path / name / "python" / "shared.py").write_text(layer_source)
            folders.append(tmp_path / name)
        function = Function(
            name="hello",
            version="$LATEST",
            program=Program(PYTHON, handler, code, tuple(folders), libraries),
            timeout_s=timeout_s,
            memory_mb=128,
            environment={
                "AWS_LAMBDA_FUNCTION_NAME": "hello",
                "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
                "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/hello",
                "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
                **variables,
            },
        )
        environment = ExecutionEnvironment(function, tmp_path / f"environment-{len(started)}")
        started.append(environment)
        environment.start()
        return environment

    yield start
    for environment in started:
        environment.stop()
    end_fork_servers()


def invoke(
    environment: ExecutionEnvironment, event: object = None, request_id: str = "id-1"
) -> Outcome:
    return environment.invoke(request_id, json.dumps(event).encode(), ARN, "Root=1-2")


def value_of(outcome: Outcome):
    assert not outcome.answer.is_error, outcome
    return json.loads(outcome.answer.payload)


def error_of(outcome: Outcome) -> tuple[str, str]:
    assert outcome.answer.is_error, outcome
    report = json.loads(outcome.answer.payload)
    return report["errorType"], report["errorMessage"]


def is_running(pid: int) -> bool:
    return bool(command_lines().get(pid))


def wait_until(condition: Callable[[], bool], limit_s: float = 5) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@EITHER_WAY
def test_the_handler_gets_event_and_context_and_its_result_is_the_answer(start):
    environment = start(
        "def handler(event, context):\n"
        "    left = context.get_remaining_time_in_millis()\n"
        "    return [event, context.aws_request_id, context.function_name,\n"
        "            context.invoked_function_arn, 10_000 < left <= 20_000]\n"
    )
    assert value_of(invoke(environment, {"a": "ä"})) == [{"a": "ä"}, "id-1", "hello", ARN, True]


def test_one_process_serves_one_invocation_after_the_other(start):
    environment = start(
        "import os\ncalls = 0\ndef handler(event, context):\n"
        "    global calls; calls += 1\n    return [os.getpid(), calls]\n"
    )
    (pid, first), (same_pid, second) = value_of(invoke(environment)), value_of(invoke(environment))
    assert (pid, first, second) == (same_pid, 1, 2)


def test_a_decimal_is_answered_as_a_number(start):
    environment = start("import decimal\ndef handler(*_):\n    return decimal.Decimal('1.5')\n")
    assert value_of(invoke(environment)) == 1.5


@EITHER_WAY
def test_an_exception_is_answered_with_its_type_message_and_stack(start):
    environment = start("def handler(event, context):\n    raise ValueError('bad')\n")
    outcome = invoke(environment)
    assert error_of(outcome) == ("ValueError", "bad")
    stack = json.loads(outcome.answer.payload)["stackTrace"]
    assert len(stack) == 1
    assert "app.py" in stack[0]
    assert "[ERROR] ValueError: bad\nTraceback (most recent call last):\n" in outcome.logs


def test_the_process_goes_on_after_an_exception(start):
    environment = start(
        "import os\ndef handler(event, context):\n"
        "    if event: raise ValueError(os.getpid())\n    return os.getpid()\n"
    )
    _, pid = error_of(invoke(environment, "fail"))
    assert value_of(invoke(environment)) == int(pid)


@pytest.mark.parametrize(
    ("source", "handler", "error_type", "message"),
    [
        (
            "import boto3\n",
            "app.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'app': No module named 'boto3'",
        ),
        (
            "",
            "other.handler",
            "Runtime.ImportModuleError",
            "Unable to import module 'other': No module named 'other'",
        ),
        (
            "",
            "app.handler",
            "Runtime.HandlerNotFound",
            "Handler 'handler' missing on module 'app'",
        ),
        ("", "handler", "Runtime.MalformedHandlerName", "Bad handler 'handler'"),
        ("raise KeyError('SETTING')\n", "app.handler", "KeyError", "'SETTING'"),
    ],
)
def test_what_keeps_the_handler_from_being_loaded_is_the_answer(
    start, source, handler, error_type, message
):
    environment = start(source, handler=handler)
    assert error_of(invoke(environment)) == (error_type, message)


def test_a_syntax_error_is_named_as_such(start):
    error_type, message = error_of(invoke(start("def handler(:\n")))
    assert error_type == "Runtime.UserCodeSyntaxError"
    assert message.startswith("Syntax error in module 'app'")


def test_the_initialisation_is_tried_again_for_the_next_invocation(start, tmp_path):
    environment = start("import settings\ndef handler(*_):\n    return settings.VALUE\n")
    assert error_of(invoke(environment))[0] == "Runtime.ImportModuleError"
    (tmp_path / "code" / "settings.py").write_text("VALUE = 7\n")
    assert value_of(invoke(environment)) == 7


def test_a_result_that_is_no_json_is_an_error(start):
    environment = start("def handler(*_):\n    return object()\n")
    assert error_of(invoke(environment)) == (
        "Runtime.MarshalError",
        "Unable to marshal response: Object of type object is not JSON serializable",
    )


def test_a_result_over_six_megabytes_is_refused(start):
    environment = start("def handler(size, _):\n    return 'x' * size\n")
    assert len(value_of(invoke(environment, 6 * 1024 * 1024 + 98))) == 6 * 1024 * 1024 + 98
    assert error_of(invoke(environment, 6 * 1024 * 1024 + 99)) == (
        "Function.ResponseSizeTooLarge",
        "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    )


@EITHER_WAY
def test_a_handler_that_takes_too_long_is_ended(start):
    environment = start(
        "import os, time\ndef handler(event, _):\n"
        "    print('pid', os.getpid())\n    time.sleep(event)\n    return 'awake'\n",
        timeout_s=1,
    )
    outcome = invoke(environment, 60)
    assert error_of(outcome) == (
        "Sandbox.Timedout",
        "RequestId: id-1 Error: Task timed out after 1.00 seconds",
    )
    assert outcome.logs.endswith("Status: timeout\n")
    pid = next(int(line[4:]) for line in outcome.logs.splitlines() if line.startswith("pid "))
    assert not is_running(pid)
    assert value_of(invoke(environment, 0)) == "awake"


@EITHER_WAY
@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("sys.exit(7)", "Runtime exited with error: exit status 7"),
        ("exit(1)", "Runtime exited with error: exit status 1"),
        ("os._exit(0)", "Runtime exited without providing a reason"),
        ("os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
    ],
)
def test_the_end_of_the_process_is_the_answer(start, statement, reason):
    environment = start(
        f"import os, sys\ndef handler(event, _):\n    if event: {statement}\n    return 'fresh'\n"
    )
    outcome = invoke(environment, "go")
    assert error_of(outcome) == ("Runtime.ExitError", f"RequestId: id-1 Error: {reason}")
    assert outcome.logs.endswith("Status: error\tError Type: Runtime.ExitError\n")
    assert value_of(invoke(environment)) == "fresh"


def test_exit_reasons_name_the_signal():
    assert exit_reason(-11) == "Runtime exited with error: signal: segmentation fault"


@EITHER_WAY
def test_nothing_is_importable_but_the_zip_and_the_standard_library(start):
    environment = start(
        "import importlib.util, sys\n"
        "def handler(names, _):\n"
        "    return [name for name in names if importlib.util.find_spec(name)]\n"
    )
    names = ["json", "app", "pip", "pytest", "boto3", "runtime", "localstack_addons"]
    assert value_of(invoke(environment, names)) == ["json", "app"]


@EITHER_WAY
def test_only_the_function_s_own_variables_are_in_its_environment(start, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "the-engineer-s")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    environment = start("import os\ndef handler(*_):\n    return dict(os.environ)\n")
    variables = value_of(invoke(environment))
    assert "AWS_PROFILE" not in variables
    assert "HTTP_PROXY" not in variables
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "hello"
    assert variables["AWS_SDK_UA_APP_ID"] == "hello"
    assert variables["_X_AMZN_TRACE_ID"] == "Root=1-2"


def test_the_function_signs_with_at_most_fifty_characters_of_its_name():
    function = Function("f" * 64, "1", Program(PYTHON, "a.b", Path()), 1, 128, {})
    assert function.app_id == "f" * 50


@EITHER_WAY
def test_the_last_layer_wins(start):
    environment = start(
        "import shared\ndef handler(*_):\n    return shared.LAYER\n",
        layers={"first": "LAYER = 1\n", "second": "LAYER = 2\n"},
    )
    assert value_of(invoke(environment)) == 2


@EITHER_WAY
def test_the_log_has_start_the_function_s_lines_end_and_report(start):
    environment = start(
        "import logging, sys\nprint('at import')\n"
        "def handler(*_):\n"
        "    print('to stdout')\n    print('to stderr', file=sys.stderr)\n"
        "    logging.getLogger().warning('careful')\n    logging.getLogger().info('not shown')\n"
    )
    first, second = invoke(environment).logs.splitlines(), invoke(environment).logs.splitlines()
    assert first[:4] == [
        "at import",
        "START RequestId: id-1 Version: $LATEST",
        "to stdout",
        "to stderr",
    ]
    assert first[4].startswith("[WARNING]\t20")
    assert first[4].endswith("Z\tid-1\tcareful")
    assert first[5] == "END RequestId: id-1"
    assert first[6].startswith("REPORT RequestId: id-1\tDuration: ")
    assert "\tMemory Size: 128 MB\tMax Memory Used: " in first[6]
    assert "\tInit Duration: " in first[6]
    assert second[0].startswith("START")
    assert "Init Duration" not in second[-1]


def test_a_line_of_the_log_ends_where_the_function_ended_it(start):
    environment = start("def handler(*_):\n    print('one\\u2028line')\n")
    assert "one\u2028line" in invoke(environment).logs.split("\n")


@EITHER_WAY
def test_a_killed_function_answers_that_it_was_killed(start):
    environment = start("import time\ndef handler(*_):\n    print('busy'); time.sleep(60)\n")
    outcomes: list[Outcome] = []
    thread = Thread(target=lambda: outcomes.append(invoke(environment)))
    thread.start()
    wait_until(lambda: "busy" in environment.output())
    environment.kill()
    thread.join(5)
    assert error_of(outcomes[0]) == (
        "Runtime.ExitError",
        "RequestId: id-1 Error: Runtime exited with error: signal: killed",
    )


@EITHER_WAY
def test_what_the_function_started_dies_with_it(start):
    environment = start(
        "import os, subprocess\ndef handler(*_):\n"
        "    return [os.getpid(), subprocess.Popen(['sleep', '60']).pid]\n"
    )
    pids = value_of(invoke(environment))
    wait_until(lambda: all(is_running(pid) for pid in pids))
    environment.kill()
    wait_until(lambda: not any(is_running(pid) for pid in pids))


@EITHER_WAY
def test_a_child_that_the_function_leaves_behind_dies_with_it(start):
    environment = start(
        "import os, subprocess\ndef handler(*_):\n"
        "    print('child', subprocess.Popen(['sleep', '60']).pid)\n    os._exit(3)\n"
    )
    logs = invoke(environment).logs
    child = next(int(line[6:]) for line in logs.splitlines() if line.startswith("child "))
    wait_until(lambda: not is_running(child))


@EITHER_WAY
def test_the_process_dies_when_its_starter_is_gone(tmp_path, libraries):
    (tmp_path / "app.py").write_text("def handler(*_): pass\n")
    starter = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from localstack_addons.lambda_.children import Program\n"
        "from localstack_addons.lambda_.process import ExecutionEnvironment, Function\n"
        f"code = Path({str(tmp_path)!r})\n"
        f"program = Program({PYTHON!r}, 'app.handler', code, (), {libraries!r})\n"
        "function = Function('f', '1', program, 60, 128, {})\n"
        "environment = ExecutionEnvironment(function, code / 'e')\n"
        "environment.start()\n"
        "print(environment._process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    read, write = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", starter],
        os.environ | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")},
        file_actions=[(os.POSIX_SPAWN_DUP2, write, 1)],
    )
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as output:
        lambda_pid = int(output.readline())
    wait_until(lambda: not is_running(lambda_pid))


@EITHER_WAY
def test_a_process_has_a_group_a_folder_and_files_of_its_own(start, tmp_path):
    environment = start(
        "import gc, os, signal, time\n"
        "def is_open(number):\n"
        "    try: return bool(os.fstat(number))\n"
        "    except OSError: return False\n"
        "def handler(*_):\n"
        "    return [os.getpgrp() == os.getpid(), os.getcwd(), gc.isenabled(), time.timezone,\n"
        "            signal.getsignal(signal.SIGCHLD), sum(map(is_open, range(3, 100)))]\n",
        TZ="Asia/Seoul",
    )
    own_files = len(["what ends it with LocalStack", "the connection to its Runtime API"])
    assert value_of(invoke(environment)) == [
        *(True, str(tmp_path / "code"), True, -9 * 3600, signal.SIG_DFL, own_files)
    ]


FORKED = pytest.mark.parametrize("libraries", [("library",)])
PIDS = "import library, os\nPID = os.getpid()\ndef handler(*_): return [library.PID, PID]\n"


@FORKED
def test_libraries_are_imported_before_the_fork_and_the_function_after_it(start):
    source = {"modules": {"library": "import os\nPID = os.getpid()\n"}}
    first, second = start(PIDS, **source), start(PIDS, **source)
    (server, pid), (same_server, other_pid) = value_of(invoke(first)), value_of(invoke(second))
    assert (server, pid) == (same_server, first._process.pid)
    assert other_pid == second._process.pid
    assert len({server, pid, other_pid}) == 3


@FORKED
def test_one_fork_is_killed_and_the_other_goes_on(start):
    source = {"modules": {"library": "PID = 0\n"}}
    killed, other = start(PIDS, **source), start(PIDS, **source)
    pid = value_of(invoke(other))
    killed.kill()
    assert value_of(invoke(other)) == pid
    assert value_of(invoke(killed))[1] == killed._process.pid


@FORKED
def test_forks_die_with_their_server_and_another_one_is_begun(start):
    environment = start(
        "import library, os, time\n"
        "def handler(event, _):\n"
        "    if event: os.kill(library.PID, 9); time.sleep(60)\n"
        "    return library.PID\n",
        modules={"library": "import os\nPID = os.getpid()\n"},
    )
    server = value_of(invoke(environment))
    assert error_of(invoke(environment, "kill the server"))[0] == "Runtime.ExitError"
    assert value_of(invoke(environment)) not in {server, os.getpid()}


@FORKED
def test_a_library_that_cannot_be_imported_is_the_function_s_error(start):
    environment = start(PIDS, modules={"library": "raise KeyError('SETTING')\n"})
    assert error_of(invoke(environment)) == ("KeyError", "'SETTING'")


def test_libraries_are_those_that_the_zip_has(tmp_path, monkeypatch):
    assert libraries_in(tmp_path) == ()
    for name in ("boto3", "app"):
        (tmp_path / name).mkdir()
    assert libraries_in(tmp_path) == ("boto3",)
    monkeypatch.setenv("LAMBDA_LOCAL_COLD", "1")
    assert libraries_in(tmp_path) == ()


WAITS_FOR_A_FILE = (
    "import os, time\ndef handler(path, _):\n"
    "    print('busy')\n"
    "    while not os.path.exists(path): time.sleep(0.01)\n"
    "    return 'done'\n"
)


@pytest.fixture
def busy(start, tmp_path: Path) -> Iterator[tuple[ExecutionEnvironment, Callable[[], Outcome]]]:
    """An environment in the middle of an invocation, and what lets that go on to its end."""
    environment, go_on = start(WAITS_FOR_A_FILE), tmp_path / "go on"
    with ThreadPoolExecutor(1) as pool:
        outcome = pool.submit(invoke, environment, str(go_on))
        wait_until(lambda: "busy" in environment.output())

        def finish() -> Outcome:
            go_on.touch()
            return outcome.result(5)

        yield environment, finish


def test_a_doomed_function_dies_instead_of_answering(busy, tmp_path):
    environment, finish = busy
    environment.kill_before_next_step()
    assert error_of(finish())[0] == "Runtime.ExitError"
    assert value_of(invoke(environment, str(tmp_path))) == "done"


def test_a_doomed_function_dies_at_its_next_call(busy):
    environment, finish = busy
    environment.kill_before_next_step()
    assert environment.die_if_doomed()
    assert not environment.die_if_doomed()
    assert error_of(finish())[0] == "Runtime.ExitError"


def test_a_spared_function_answers(busy):
    environment, finish = busy
    environment.kill_before_next_step()
    environment.spare()
    assert value_of(finish()) == "done"


def test_an_idle_function_is_not_doomed(start, tmp_path):
    environment = start(WAITS_FOR_A_FILE)
    environment.kill_before_next_step()
    assert not environment.die_if_doomed()
    assert value_of(invoke(environment, str(tmp_path))) == "done"


def test_an_environment_is_found_by_what_it_signs_with_until_it_is_stopped(start):
    environment = start("def handler(*_):\n    return 'done'\n")
    assert environments_of("hello") == [environment]
    environment.stop()
    assert environments_of("hello") == []


def test_stopping_removes_the_environment_s_files(start, tmp_path):
    environment = start(
        "import pathlib, tempfile\n"
        "def handler(*_): pathlib.Path(tempfile.gettempdir(), 'x').touch()\n"
    )
    invoke(environment)
    assert (tmp_path / "environment-0" / "tmp" / "x").exists()
    environment.stop()
    assert not (tmp_path / "environment-0").exists()
