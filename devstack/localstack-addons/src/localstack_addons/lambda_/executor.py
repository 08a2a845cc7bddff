"""Has LocalStack run Lambda functions as local processes instead of Docker containers.

LocalStack looks a "runtime executor" up by the name in LAMBDA_RUNTIME_EXECUTOR; this one's is
`local`. LAMBDA_LOCAL_PYTHON may name the interpreter that runs the functions, instead of the one
that LocalStack's virtual environment was made from. With LAMBDA_LOCAL_COLD no process is forked
from one that has imported libraries already.
"""

import base64
import functools
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from localstack import config
from localstack.services.lambda_.invocation import runtime_executor
from localstack.services.lambda_.invocation.lambda_models import (
    ArchiveCode,
    FunctionVersion,
    InvocationResult,
)
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import (
    LambdaRuntimeException,
    RuntimeExecutor,
)
from plux import PluginFinder, PluginManager, PluginSpec

from localstack_addons.lambda_.children import Program, libraries_in
from localstack_addons.lambda_.process import ExecutionEnvironment, Function
from localstack_addons.lambda_.runtime_api import HOST


class LocalRuntimeExecutor(RuntimeExecutor):  # type: ignore[misc]  # LocalStack is not typed here
    """One execution environment of a function, as LocalStack asks for it."""

    def __init__(self, id: str, function_version: FunctionVersion) -> None:  # noqa: A002  its name
        super().__init__(id=id, function_version=function_version)
        self._environment: ExecutionEnvironment | None = None

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        """Unpack the code and the layers.

        Raises:
            LambdaRuntimeException: the function is no zip for this interpreter's Python.
        """
        runtime = function_version.config.runtime
        if runtime != python_runtime():
            message = f"the local executor runs {python_runtime()}, not {runtime or 'an image'}"
            raise LambdaRuntimeException(message)
        for archive in [function_version.config.code, *layers_of(function_version)]:
            unpack(archive)

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """Nothing to do: the unpacked code goes with LocalStack's temporary folder."""

    def start(self, env_vars: dict[str, object]) -> None:
        """Initialise the execution environment."""
        folder = Path(tempfile.gettempdir(), "lambda-environments", self.id)
        function = describe(self.function_version, env_vars)
        self._environment = ExecutionEnvironment(function, folder)
        self._environment.start()

    def stop(self) -> None:
        """End it."""
        if self._environment:
            self._environment.stop()

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        """Run one invocation."""
        if self._environment is None:
            raise LambdaRuntimeException("the execution environment was not started")
        outcome = self._environment.invoke(
            request_id=payload["invoke-id"],
            payload=payload["payload"].encode(),
            function_arn=payload["invoked-function-arn"],
            trace_id=payload.get("trace-id", ""),
        )
        return InvocationResult(
            payload["invoke-id"],
            outcome.answer.payload,
            is_error=outcome.answer.is_error,
            logs=outcome.logs,
        )

    def get_logs(self) -> str:
        """Everything the function ever printed."""
        return self._environment.output() if self._environment else ""

    def get_address(self) -> str:
        """Where LocalStack reaches the function."""
        return HOST

    def get_endpoint_from_executor(self) -> str:
        """Where the function reaches LocalStack; makes its AWS_ENDPOINT_URL."""
        return HOST

    def get_runtime_endpoint(self) -> str:
        """Asked for by LocalStack, unused: the function talks to its own Runtime API."""
        return f"http://{HOST}:{config.GATEWAY_LISTEN[0].port}/_localstack_lambda/{self.id}"


class LocalExecutorPlugin(RuntimeExecutorPlugin):  # type: ignore[misc]  # the same
    """The entry that LocalStack finds by the name in LAMBDA_RUNTIME_EXECUTOR."""

    name = "local"

    def load(self, *_: object, **__: object) -> type[LocalRuntimeExecutor]:
        """The class to make executors of."""
        return LocalRuntimeExecutor


class _Finder(PluginFinder):  # type: ignore[misc]  # the same
    def find_plugins(self) -> list[PluginSpec]:
        namespace = LocalExecutorPlugin.namespace
        return [PluginSpec(namespace, LocalExecutorPlugin.name, LocalExecutorPlugin)]


def install() -> None:
    """Make the executor known.

    By hand, since an entry point would need the package installed, which an init hook cannot do.
    """
    runtime_executor.EXECUTOR_PLUGIN_MANAGER = PluginManager(
        LocalExecutorPlugin.namespace, finder=_Finder()
    )


def describe(function_version: FunctionVersion, variables: dict[str, object]) -> Function:
    """What is needed to run a function, from LocalStack's description of it."""
    configuration = function_version.config
    code = unpacked(configuration.code)
    return Function(
        name=function_version.id.function_name,
        version=function_version.id.qualifier,
        program=Program(
            python=python(),
            handler=configuration.handler,
            code=code,
            layers=tuple(unpacked(layer) for layer in layers_of(function_version)),
            # Hot reloading changes the files of a process that goes on.
            libraries=() if configuration.code.is_hot_reloading() else libraries_in(code),
        ),
        timeout_s=configuration.timeout,
        memory_mb=configuration.memory_size,
        environment={name: str(value) for name, value in variables.items()}
        | {"AWS_EXECUTION_ENV": f"AWS_Lambda_{configuration.runtime}"},
    )


_unpacking = threading.Lock()


def unpack(archive: ArchiveCode) -> None:
    """Unpack a zip, unless another function has the same.

    A hub has a thousand files in each of its zips, and the exporter's in two functions a source.
    """
    folder = unpacked(archive)
    with _unpacking:
        if not folder.exists():
            archive.prepare_for_execution()
            folder.parent.mkdir(exist_ok=True)
            archive.get_unzipped_code_location().rename(folder)


def unpacked(archive: ArchiveCode) -> Path:
    """Return where a zip's files are: one folder for all functions of these bytes."""
    if archive.is_hot_reloading():
        return Path(archive.get_unzipped_code_location())
    digest = base64.b64decode(archive.code_sha256).hex()
    return Path(tempfile.gettempdir(), "lambda-code", digest)


def layers_of(function_version: FunctionVersion) -> list[ArchiveCode]:
    """The archives of the function's layers, in order."""
    return [layer.code for layer in function_version.config.layers or []]


def python() -> str:
    """The interpreter that runs the functions."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.base_prefix, "bin", f"python{version}")
    return os.environ.get("LAMBDA_LOCAL_PYTHON") or str(own)


@functools.cache
def python_runtime() -> str:
    """AWS's name for that interpreter's version, such as python3.13."""
    ask = "import sys; print(f'python{sys.version_info.major}.{sys.version_info.minor}')"
    answer = subprocess.run(
        [python(), "-I", "-S", "-c", ask], check=True, capture_output=True, text=True
    )
    return answer.stdout.strip()
