"""The services' cold starts beside a naive handler's, each in fresh processes, in turns.

A process does what Lambda does with a function that nobody has called for a while: it imports the
handler out of the unpacked zip and hands it a first message. It ends where the first call to AWS
would go out, so clients, settings and models are made as far as that message needs them, and
there is no network. The naive handler, ``cold/naive_handler.py``, is beside its packages as they
are published: once as wheels are unpacked, which have no bytecode, and once compiled.

The time is the CPU's, user and system: a cold start waits for little else, and what else the
machine does changes it least.
"""

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import IO, cast

from rich.console import Console
from rich.table import Table

from logferry.checkout import LOCK, ROOT, uv
from logferry.package import build_zips
from logferry.services import NAMES, named

ROUNDS = 15
"""Of each handler once, in turns; what the machine does meanwhile is the same for all."""
INVOKE = Path(__file__).parent / "cold" / "invoke.py"
NAIVE_HANDLER = INVOKE.with_name("naive_handler.py")
NAIVE_PACKAGES = ("boto3", "aws-lambda-powertools[tracer]", "pydantic")
EXAMPLES = ROOT / "contracts" / "examples"

NAIVE, NAIVE_COMPILED = "naive", "naive with bytecode"
LIMITS = {f"cold_start_over_naive.{name.replace('-', '_')}": 0.40 for name in NAMES}

BUCKET = "amzn-s3-demo-log-archive-eu-central-1"
QUEUES = "https://sqs.eu-central-1.amazonaws.com/999988887777"
SIGNING_KEY = "arn:aws:kms:eu-central-1:999988887777:key/12345678-1234-1234-1234-123456789012"
ENVIRONMENT = {
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    # By these two the tracer knows that it is in Lambda.
    "LAMBDA_TASK_ROOT": "/var/task",
    "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8",
    "ARCHIVE_BUCKET": BUCKET,
    "CONTROL_BUCKET": "amzn-s3-demo-control",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:999988887777:log-export-events",
    "QUEUE_URL": f"{QUEUES}/collect.fifo",
    "POWERTOOLS_SERVICE_NAME": "cold-start",
    "POWERTOOLS_METRICS_NAMESPACE": "logferry",
}


@dataclass(frozen=True)
class Function:
    """What is started cold.

    Attributes:
        event: What it is invoked with, as JSON.
    """

    folder: Path
    module: str
    event: str
    environment: Mapping[str, str]


@dataclass
class Measured:
    """The processes of one function, each round's, in seconds."""

    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)

    def over(self, other: "Measured") -> list[float]:
        """Return this one's CPU time ÷ the other's of the same round."""
        return [ours / theirs for ours, theirs in zip(self.cpu_s, other.cpu_s, strict=True)]


def run() -> dict[str, float]:
    """Print how long cold starts take, and their ratios to the naive handler's."""
    console = Console()
    with TemporaryDirectory() as scratch, console.status("Building zips") as status:
        functions = {**_naive(Path(scratch)), **_services(Path(scratch))}
        measured = {name: Measured() for name in functions}
        for number in range(ROUNDS):
            status.update(f"Starting functions, round {number + 1} of {ROUNDS}")
            for name, function in functions.items():
                cpu_s, wall_s = _start(function)
                measured[name].cpu_s.append(cpu_s)
                measured[name].wall_s.append(wall_s)
    console.print(_table(measured))
    return {
        f"cold_start_over_{naive.replace(' ', '_')}.{service.replace('-', '_')}": median(
            measured[service].over(measured[naive])
        )
        for naive in (NAIVE, NAIVE_COMPILED)
        for service in NAMES
    }


def _services(scratch: Path) -> dict[str, Function]:
    functions = {}
    for built in build_zips(scratch):
        folder = scratch / built.service
        with zipfile.ZipFile(built.path) as archive:
            archive.extractall(folder)
        handler = f"{named(built.service).module}.handler"
        event, environment = first_messages()[built.service]
        functions[built.service] = Function(folder, handler, event, ENVIRONMENT | environment)
    return functions


def first_messages() -> dict[str, tuple[str, dict[str, str]]]:
    """Return what each service is invoked with, and what else its environment has."""
    standard = {"DEAD_LETTER_QUEUE_URL": f"{QUEUES}/dead"}
    plan = (EXAMPLES / "plan-request/1.0/accept/day-of-an-account.json").read_text()
    created = _batch("object-created/1.0/accept/put-object.json")
    return {
        "planner": (plan, standard),
        "exporter": (_request(), {"DEAD_LETTER_QUEUE_URL": f"{QUEUES}/dead.fifo"}),
        "sse-enforcer": (created, standard | {"QUEUE_URL": f"{QUEUES}/created"}),
        "recounter": (
            (EXAMPLES / "recount-request/1.0/accept/by-the-schedule.json").read_text(),
            {
                "PROFILE": "shop-prod",
                "SOURCE_ACCOUNT_ID": "111122223333",
                "SOURCE_REGION": "eu-central-1",
                "SOURCE_ROLE_ARN": "arn:aws:iam::111122223333:role/logferry-source",
            },
        ),
        "sealer": (
            _batch("day-completed/1.0/accept/all-in-the-archive.json"),
            standard | {"QUEUE_URL": f"{QUEUES}/seals", "SIGNING_KEY_ARN": SIGNING_KEY},
        ),
    }


def _naive(scratch: Path) -> dict[str, Function]:
    folders = {NAIVE: scratch / "unpacked", NAIVE_COMPILED: scratch / "compiled"}
    subprocess.run(
        [
            *(str(uv()), "pip", "install", "--quiet", "--python", sys.executable),
            *("--target", str(folders[NAIVE]), "--constraint", str(LOCK), *NAIVE_PACKAGES),
        ],
        check=True,
    )
    shutil.copy(NAIVE_HANDLER, folders[NAIVE])
    shutil.copytree(folders[NAIVE], folders[NAIVE_COMPILED])
    compile_all = [sys.executable, "-m", "compileall", "-qq", str(folders[NAIVE_COMPILED])]
    subprocess.run(compile_all, check=True)
    return {
        name: Function(folder, NAIVE_HANDLER.stem, _request(), ENVIRONMENT)
        for name, folder in folders.items()
    }


def _request() -> str:
    return _batch("export-requested/1.0/accept/standard-day.json")


def _batch(example: str) -> str:
    """Return what Lambda reads from a queue with one message."""
    record = {
        "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
        "receiptHandle": "handle",
        "body": (EXAMPLES / example).read_text(),
        "attributes": {
            "ApproximateReceiveCount": "1",
            "ApproximateFirstReceiveTimestamp": "1795417440000",
            "SentTimestamp": "1795417440000",
            "MessageGroupId": "slot",
        },
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-central-1:999988887777:collect.fifo",
    }
    return json.dumps({"Records": [record]})


def _start(function: Function) -> tuple[float, float]:
    """Start a function cold; return the process's CPU seconds, and those on the clock."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", "-B", str(INVOKE)),
            *(str(function.folder), function.module, function.event),
        ],
        env=function.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process, cast("IO[str]", process.stdout) as stdout:
        output = stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    *_, last = ["", *output.splitlines()]
    if process.returncode or not last.startswith("https://"):
        raise RuntimeError(f"{function.module} made no call to AWS: {output!r}")
    return usage.ru_utime + usage.ru_stime, wall_s


def _table(measured: Mapping[str, Measured]) -> Table:
    table = Table(title=f"Cold starts, the median of {ROUNDS}", box=None)
    table.add_column("")
    for column in ("CPU ms", "ms", f"÷ {NAIVE}", f"÷ {NAIVE_COMPILED}"):
        table.add_column(column, justify="right")
    for name, one in measured.items():
        ratios = [one.over(measured[other]) for other in (NAIVE, NAIVE_COMPILED)]
        table.add_row(
            name,
            f"{median(one.cpu_s) * 1000:.0f}",
            f"{median(one.wall_s) * 1000:.0f}",
            *map(_spread, ratios),
        )
    return table


def _spread(ratios: list[float]) -> str:
    """Return a median and its quartiles, such as ``0.21 (0.20 to 0.22)``."""
    low, middle, high = quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"
