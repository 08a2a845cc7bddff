"""A sweep of the archive, asked of the deployed function: what is wrong there, and mending it."""

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.config import Config as ClientConfig
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.box import SIMPLE_HEAD
from rich.console import Group
from rich.table import Table
from rich.text import Text

from logferry.aws_errors import AWS_ERRORS
from logferry.config import Config
from logferry.errors import SweepError
from logferry.typed import typed
from logferry_contracts import json_text

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lambda import LambdaClient
    from rich.console import RenderableType

SLICE_S = 20
"""How long the function works before it answers how far it is. Something long may take longer."""
FUNCTION_SECONDS = 900
"""The longest that a function may run.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
CLIENT_CONFIG = ClientConfig(
    # Asked once and waited for: a second request would work on the same report as the first.
    retries={"mode": "legacy", "total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=FUNCTION_SECONDS + 10,
)
BUSY_PAUSE_S = 5
BUSY_LIMIT_S = 1200
"""A scheduled sweep keeps the function's one place for a quarter of an hour at most."""
WOULD_MEND = "would_mend"


class Found(BaseModel):
    """One thing that a sweep found."""

    model_config = ConfigDict(extra="ignore")

    finding: str
    action: str
    key: str
    version_id: str | None = None
    detail: str | None = None


class About(BaseModel):
    """What a sweep is about.

    Attributes:
        since: It looks at what was changed since then; None looks at everything.
    """

    model_config = ConfigDict(extra="ignore")

    dry_run: bool
    since: datetime | None = None


class Place(BaseModel):
    """How far a sweep is."""

    model_config = ConfigDict(extra="ignore")

    phase: str
    key: str | None = None


class SweepReport(BaseModel):
    """A sweep's report, as far as it is shown here.

    Attributes:
        report_key: Its object key in the control bucket.
        too_young: Versions that were left to the messages about them, and not looked at.
        found: How many, by finding and action.
        examples: The first of each.
        open_count: How many findings are still there.
    """

    model_config = ConfigDict(extra="ignore")

    about: About
    report_key: str
    is_complete: bool
    place: Place
    listed_versions: int
    looked_at: int
    too_young: int = 0
    records_read: int
    found: dict[str, dict[str, int]]
    examples: list[Found]
    open_count: int

    @property
    def to_mend_count(self) -> int:
        """How many findings a sweep that is no dry run would mend."""
        return sum(actions.get(WOULD_MEND, 0) for actions in self.found.values())

    @property
    def progress(self) -> str:
        """How far it is, in a few words."""
        young = f"{self.too_young:,} too young to look at, " if self.too_young else ""
        return (
            f"{self.place.phase}: {self.listed_versions:,} versions listed, "
            f"{self.looked_at:,} looked at, {young}{self.records_read:,} ledger records read"
        )


def sweep(  # noqa: PLR0913  (two to test by)
    session: "boto3.Session",
    config: Config,
    *,
    dry_run: bool,
    full: bool,
    watch: Callable[[str], None] = lambda _: None,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[SweepReport, dict[str, Any]]:
    """Let the deployed function go through the archive, from the start to the end.

    Args:
        session: With credentials of the hub's account.
        config: What is deployed.
        dry_run: Find, and change nothing.
        full: Look at everything, not only at what has changed since the last sweep.
        watch: Told in a line how far it is.
        pause: Waits for some seconds.

    Returns:
        The report, and all of it as the function gave it.

    Raises:
        SweepError: The function could not be asked, is busy for too long, or failed.
    """
    client = session.client("lambda", region_name=config.region, config=CLIENT_CONFIG)
    request: dict[str, Any] = {
        "run": "now",
        "dry_run": dry_run,
        "full": full,
        "limit_s": SLICE_S,
    }
    while True:
        answer = _answer(client, config, request, watch, pause)
        try:
            report = SweepReport.model_validate(answer)
        except ValidationError as error:
            raise SweepError(f"the answer is no report: {json.dumps(answer)[:500]}") from error
        watch(report.progress)
        if report.is_complete:
            return report, answer
        request["report_key"] = report.report_key


def table(report: SweepReport) -> "RenderableType":
    """Return a report as tables: how many findings of each kind, and the first of each."""
    counts = Table(box=SIMPLE_HEAD, pad_edge=False)
    counts.add_column("finding", no_wrap=True)
    counts.add_column("what became of it", no_wrap=True)
    counts.add_column("count", justify="right", no_wrap=True)
    for finding, actions in sorted(report.found.items()):
        for action, count in sorted(actions.items()):
            counts.add_row(finding, action, f"{count:,}")
    examples = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("finding", "what became of it", "key", "version", "detail"):
        examples.add_column(name, overflow="fold")
    for each in report.examples:
        row = (each.finding, each.action, each.key, each.version_id or "", each.detail or "")
        examples.add_row(*row)
    scope = "everything" if report.about.since is None else f"changes since {report.about.since}"
    summary = Text(f"{report.progress}; {scope}; report {report.report_key}")
    return Group(counts, examples, summary) if report.found else summary


def _answer(
    client: "LambdaClient",
    config: Config,
    request: dict[str, Any],
    watch: Callable[[str], None],
    pause: Callable[[float], None],
) -> dict[str, Any]:
    """Invoke the function; where another sweep has it, wait for that."""
    function_name, waited_s = f"{config.name}-sse-enforcer-sweep", 0
    while True:
        try:
            answered = client.invoke(FunctionName=function_name, Payload=json.dumps(request))
            payload: dict[str, Any] = json_text.read(answered["Payload"].read())
        except client.exceptions.TooManyRequestsException as error:
            if waited_s >= BUSY_LIMIT_S:
                raise SweepError(f"{function_name}: busy for {waited_s} s: {error}") from error
            watch("another sweep is at work; waiting for it to pause")
            pause(BUSY_PAUSE_S)
            waited_s += BUSY_PAUSE_S
        except client.exceptions.ResourceNotFoundException as error:
            mend = typed("deploy", config.file, "--only", "sse-enforcer")
            raise SweepError(f"{function_name} is not deployed: {mend}") from error
        except AWS_ERRORS as error:
            raise SweepError(f"{function_name}: {error}") from error
        else:
            if "FunctionError" in answered:
                raise SweepError(f"{function_name}: {payload.get('errorMessage', payload)}")
            return payload
