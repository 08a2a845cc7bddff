"""Clocks that go wrong: a deployed function's, by a layer that is put before its handler."""

import io
import textwrap
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

MODULE = "wrong_clock"
CODE = '''
"""The function's own handler, with a clock that is so many seconds ahead."""

import importlib
import os
from datetime import datetime, timedelta

AHEAD = timedelta(seconds=int(os.environ["CLOCK_AHEAD_SECONDS"]))


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + AHEAD


module, _, name = os.environ["CLOCK_HANDLER"].rpartition(".")
own = importlib.import_module(module)
own.datetime = Clock
handle = getattr(own, name)
'''


def put_ahead(functions: Any, function_name: str, seconds: int) -> None:
    """Put a function's clock ahead or back, also anew; ``functions`` is a client of Lambda."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as layer:
        layer.writestr(f"python/{MODULE}.py", textwrap.dedent(CODE))
    arn = functions.publish_layer_version(
        LayerName=MODULE, Content={"ZipFile": code.getvalue()}, CompatibleRuntimes=["python3.13"]
    )["LayerVersionArn"]
    before = functions.get_function_configuration(FunctionName=function_name)
    variables = before["Environment"]["Variables"]
    handler = variables.get("CLOCK_HANDLER", before["Handler"])
    _configure(
        functions,
        function_name,
        Handler=f"{MODULE}.handle",
        Layers=[arn],
        Environment={
            "Variables": variables | {"CLOCK_AHEAD_SECONDS": str(seconds), "CLOCK_HANDLER": handler}
        },
    )


@contextmanager
def ahead(functions: Any, function_name: str, by: timedelta) -> Iterator[None]:
    """Let a function's clock be ahead meanwhile; the function has no layers of its own."""
    before = functions.get_function_configuration(FunctionName=function_name)
    put_ahead(functions, function_name, round(by.total_seconds()))
    yield
    _configure(
        functions,
        function_name,
        Handler=before["Handler"],
        Layers=[],
        Environment=before["Environment"],
    )


def _configure(functions: Any, function_name: str, **changes: Any) -> None:
    functions.update_function_configuration(FunctionName=function_name, **changes)
    functions.get_waiter("function_updated_v2").wait(FunctionName=function_name)
