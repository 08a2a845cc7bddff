"""The program of a fresh process: import a handler and invoke it, until its first call leaves.

``python -I -S invoke.py <folder of a zip's files> <module> <event as JSON>``. It knows no
packages but those of the folder, prints the URL of that first call to AWS as its last line, and
ends where the call would go out: what comes after it is AWS's time.
"""

import importlib
import json
import os
import sys
from types import SimpleNamespace
from typing import Any, NoReturn

CONTEXT = SimpleNamespace(
    function_name="cold-start",
    memory_limit_in_mb=512,
    invoked_function_arn="arn:aws:lambda:eu-central-1:999988887777:function:cold-start",
    aws_request_id="c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
    get_remaining_time_in_millis=lambda: 900_000,
)


def leave(_: Any, request: Any) -> NoReturn:
    """Stand in for what sends a client's request."""
    print(request.url, flush=True)  # noqa: T201  (to the benchmark)
    os._exit(0)  # nothing can catch it, and nothing is torn down


def main(folder: str, module: str, event: str) -> None:
    """Do what Lambda does with a function that nobody has called for a while."""
    sys.path.append(folder)
    httpsession = importlib.import_module("botocore.httpsession")
    httpsession.URLLib3Session.send = leave
    importlib.import_module(module).handle(json.loads(event), CONTEXT)


if __name__ == "__main__":
    main(*sys.argv[1:])
