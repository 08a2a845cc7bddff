"""The main job on an AWS on this machine: deployed, run by a schedule, counted by reading back."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from devstack import archive, localstack, seals
from devstack.comeback import Comeback, ComebackError
from devstack.figures import Figures, figures
from devstack.organisation import Account, organisation
from devstack.suite import REGION, Suite, date_of, yesterday
from devstack.watch import Watch
from logferry.config import Config
from logferry.package import Zip, build_zips
from logferry.stack import Progress as StackProgress
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.window import Window

HUB_ACCOUNT_ID = "111122223333"
DIRECTORY = localstack.REPOSITORY / "build" / "demo"
SUMMARY = "summary.json"
CONFIGURATION = "organization.yaml"
FEWEST_CALLS_BETWEEN_KILLS = 8
"""A new process makes some calls before it can write down that it got anywhere."""
NOT_KEPT = (
    "make demo KEEP=1  the same, and LocalStack goes on running, to look around in it",
    "services/*/README.md  what each service did, and what it does when something fails",
)
_BYTES_OF_ONE_STREAM = 300
"""For each of its events, so that log groups of one stream take the direct lane."""
_LAST_LINES = 8
_ENDED = {"secured", "skipped", "failed"}


class DemoError(Exception):
    """The run did not come to its end; the message says what is missing."""


@dataclass(frozen=True)
class Options:
    """How to run the demo.

    Attributes:
        directory: Where LocalStack's state, the zips and the summary go.
        events_per_stream: How many events each log stream has.
        kill_exporter_every: Kill the exporter's process after every so many AWS calls, at least
            `FEWEST_CALLS_BETWEEN_KILLS`; None never kills it.
        keep: Leave LocalStack running at the end, or use the one that runs already.
        patience: How long to wait for the exports.
        kept: The state folder of the LocalStack that is left running.
    """

    directory: Path
    events_per_stream: int = 60
    kill_exporter_every: int | None = None
    keep: bool = False
    patience: timedelta = timedelta(minutes=4)
    kept: Path = localstack.STATE


def run(options: Options, console: Console) -> Figures:
    """Run the demo and return its figures, which are written to ``summary.json`` too.

    Raises:
        DemoError: The exports did not end in time, or the LocalStack that is kept has had a demo.
        LocalStackError: LocalStack could not be started.
        DeployError: A stack could not be deployed.
    """
    began = time.monotonic()
    window = yesterday()
    accounts = organisation(
        window,
        now_ms=round(time.time() * 1000),
        events_per_stream=options.events_per_stream,
    )
    with _localstack_and_zips(options, console) as (endpoint, zips):
        suite = Suite(
            endpoint,
            hub_account_id=HUB_ACCOUNT_ID,
            accounts={account.profile: account.account_id for account in accounts},
            direct_lane_bytes=options.events_per_stream * _BYTES_OF_ONE_STREAM,
        )
        refuse_another(suite)
        _prepare(suite, accounts, zips, console)
        with ThreadPoolExecutor(1) as deployer:
            late = next(account for account in accounts if account.late)
            recounter = deployer.submit(suite.deploy_recounter, zips, late.profile)
            queue_url = suite.subscribe("a-team-of-yours")
            watch = _follow(suite, accounts, queue_url, options, console)
            _come_back(suite, late, recounter.result(), watch, queue_url, options, console)
        with console.status("Reading the archive back"):
            found = archive.read(suite.client("s3"), suite.archive_bucket)
            result = figures(
                accounts=accounts,
                window=window,
                ledger=suite.ledger(),
                archive=found,
                kms_key_arn=suite.kms_key_arn,
                completion_event_ids=set(watch.completed),
                days_announced=len(watch.days),
                seals=_checked_seals(suite, console),
                exporter_kills=sum(suite.kills(account.profile) for account in accounts),
                seconds=time.monotonic() - began,
            )
    _write(result, options.directory / SUMMARY)
    if options.keep:
        suite.undo_changes()
        keep_configuration(suite.config, options.directory)
    _show(result, window, console)
    console.print("\nWhere to look next:")
    console.print(f"  {_shown(options.directory / SUMMARY)}  the same figures, as JSON")
    there = [*kept(endpoint), *to_try(options.directory, window)]
    for line in there if options.keep else NOT_KEPT:
        console.print(f"  {line}", markup=False)
    return result


@contextmanager
def _localstack_and_zips(options: Options, console: Console) -> Iterator[tuple[str, list[Zip]]]:
    """Start LocalStack and build the zips meanwhile; yield its endpoint and the zips."""
    with ExitStack() as running, ThreadPoolExecutor(1) as builder:
        built = builder.submit(build_zips, options.directory / "zips")
        with console.status("Starting LocalStack, building the Lambda zips"):
            if options.keep:
                started = localstack.status(options.kept) or localstack.start_detached(options.kept)
            else:
                state = options.directory / "localstack"
                started = running.enter_context(localstack.running(state))
            zips = built.result()
        yield started.endpoint, zips


def refuse_another(suite: Suite) -> None:
    """Make sure that no demo was kept there: its dates are archived, and would not be again.

    Raises:
        DemoError: One was; says what to do.
    """
    there = {each["Name"] for each in suite.client("s3").list_buckets()["Buckets"]}
    if suite.config.archive_bucket in there:
        message = (
            f"a demo was kept at {suite.endpoint}: look around in it, or end it first, "
            "make localstack-down"
        )
        raise DemoError(message)


def _prepare(suite: Suite, accounts: list[Account], zips: list[Zip], console: Console) -> None:
    """Deploy the suite and create the accounts' log groups."""
    console.print("Stacks, each from its template and its zip:")
    began = time.monotonic()
    with console.status("Deploying") as status:

        def show(progress: StackProgress) -> None:
            if progress.is_final:
                console.print(
                    f"  {time.monotonic() - began:4.1f} s  {progress.subject}  {progress.status}"
                )
            else:
                status.update(f"Deploying {progress.subject}: {progress.detail}")

        suite.deploy(zips, show)
        console.print("Accounts, with the logs of the last days:")
        for account in accounts:
            suite.put_logs(account.account_id, account.log_groups)
            events = sum(len(each.events) for log in account.log_groups for each in log.streams)
            console.print(
                f"  {account.profile}: {len(account.log_groups)} log groups, {events:,} events"
            )


def _follow(
    suite: Suite, accounts: list[Account], queue_url: str, options: Options, console: Console
) -> Watch:
    """Let the schedules fire and show what happens until every export has ended."""
    profiles = [account.profile for account in accounts]
    for profile in profiles:
        if options.kill_exporter_every:
            suite.kill_exporter(profile, after_call=options.kill_exporter_every, repeat=True)
        at = suite.fire_schedule(profile)
        console.print(f"Schedule of {profile} fires at {at:%H:%M:%S} UTC")
    watch = Watch()
    screen = _Screen(accounts)
    deadline = time.monotonic() + options.patience.total_seconds()
    with Live(screen.view(), console=console, refresh_per_second=8) as live:

        def take_in() -> bool:
            bodies = list(suite.receive(queue_url))
            for body in bodies:
                screen.add(watch.take(body), watch)
                live.update(screen.view())
            return bool(bodies)

        take_in()
        while unfinished := _not_ended(suite, accounts, watch):
            if time.monotonic() > deadline:
                raise DemoError(f"after {options.patience}: {'; '.join(unfinished[:10])}")
            take_in()
        # The last events may have come while the ledger was read.
        while take_in():
            pass
    return watch


def _come_back(  # noqa: PLR0913, PLR0917  (what has happened, and where it is shown)
    suite: Suite,
    account: Account,
    recounter: str,
    watch: Watch,
    queue_url: str,
    options: Options,
    console: Console,
) -> None:
    """Let an agent come back that was offline, and show how its events are found and added."""
    began = time.monotonic()

    def wait(is_so: Callable[[], bool]) -> None:
        while not is_so():
            if time.monotonic() > began + options.patience.total_seconds():
                raise DemoError(f"after {options.patience}: what came in late is not sealed yet")
            for body in suite.receive(queue_url):
                console.print(Text(f"          {watch.take(body)}", style="dim"))

    console.print(f"An agent of {account.profile} was offline:")
    try:
        for line in Comeback(suite, account, recounter, watch, wait).steps():
            console.print(f"  {time.monotonic() - began:4.1f} s  {line}")
    except ComebackError as error:
        raise DemoError(str(error)) from error


def _not_ended(suite: Suite, accounts: list[Account], watch: Watch) -> list[str]:
    """Return what is still to be waited for."""
    unplanned = [a.profile for a in accounts if a.profile not in watch.plans]
    if unplanned:
        return [f"no plan of {profile} yet" for profile in unplanned]
    unfinished = [_line(record) for record in suite.ledger() if record.state not in _ENDED]
    if not unfinished and (events := suite.waiting("logferry-sse-enforcer")):
        return [f"the sse-enforcer has {events} messages to work on"]
    days_of = {day.data.source.profile for day in watch.days.values()}
    not_over = [a.profile for a in accounts if a.profile not in days_of]
    if unfinished or not_over:
        return unfinished or [f"the day of {profile} is not complete" for profile in not_over]
    sealed = {event.data.chain.account_id for event in watch.sealed.values()}
    return [f"the day of {a.profile} is not sealed" for a in accounts if a.account_id not in sealed]


def _checked_seals(suite: Suite, console: Console) -> seals.Seals:
    """Check the seals, and say what is not as they say."""
    found = seals.check(suite)
    for finding in found.findings:
        console.print(f"  {finding}", markup=False)
    return found


def _line(record: LedgerRecord) -> str:
    return f"{record.source.profile} {record.log_group.name} is {record.state}"


class _Screen:
    """A bar for each account, and the last events."""

    def __init__(self, accounts: list[Account]) -> None:
        self._progress = Progress(
            TextColumn("  {task.description:<10}"),
            BarColumn(40),
            MofNCompleteColumn(),
            TextColumn("exports  {task.fields[objects]} objects held"),
        )
        self._bars: dict[str, TaskID] = {
            account.profile: self._progress.add_task(account.profile, total=None, objects=0)
            for account in accounts
        }
        self._lines: list[str] = []

    def add(self, line: str, watch: Watch) -> None:
        """Show one more event."""
        self._lines = [*self._lines, line][-_LAST_LINES:]
        for profile, bar in self._bars.items():
            plan = watch.plans.get(profile)
            self._progress.update(
                bar,
                completed=watch.completed_of(profile),
                total=plan.data.requested if plan else None,
                objects=sum(key.startswith(f"{profile}/") for key, _ in watch.held),
            )

    def view(self) -> Group:
        """Return what the screen shows now."""
        lines = [
            Text(f"  {line}", style="dim", no_wrap=True, overflow="ellipsis")
            for line in self._lines
        ]
        return Group(self._progress, *lines)


def _write(result: Figures, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result.as_json(), indent=2) + "\n")


def _show(result: Figures, window: Window, console: Console) -> None:
    console.print(f"\nThe window [{_utc(window.start)}, {_utc(window.end)})", markup=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("account")
    for name in ("groups", "requested", "completed", "events put in", "archived"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("skipped", justify="right")
    for account in result.per_account:
        table.add_row(
            account.profile,
            str(account.log_groups),
            str(account.requested),
            str(account.completed),
            f"{account.events_put_in_window:,}",
            f"{account.events_archived_in_window:,}",
            str(sum(account.skipped.values())),
        )
    console.print(table)
    skipped = (f"{n} {reason}" for reason, n in sorted(result.skipped.items()))
    facts = {
        "skipped, by reason": ", ".join(skipped) or "none",
        "events missing, surplus, from outside": (
            f"{result.events_missing}, {result.events_surplus}, "
            f"{result.events_archived_outside_window}"
        ),
        "come in late, added by addenda": f"{result.events_late}, {result.addenda}",
        "objects, under the right key, held": (
            f"{result.objects}, {result.objects_under_right_key}, {result.objects_held}"
        ),
        "by export task, read directly": (
            f"{result.exports_by_lane.get('slot', 0)}, {result.exports_by_lane.get('direct', 0)}"
        ),
        "completion events, of exports and days": (
            f"{result.completion_events_received}, {result.days_announced}"
        ),
        "days sealed, valid to the event": (
            f"{result.days_sealed}, {'yes' if result.seals_valid else 'NO'}"
        ),
        "log groups, objects, events in seals": (
            f"{result.log_groups_in_seals}, {result.sealed_objects}, {result.events_in_seals:,}"
        ),
        "exporter processes killed": str(result.exporter_kills),
        "seconds": f"{result.seconds:.0f}",
    }
    for name, value in facts.items():
        console.print(f"  {name:<40}{value}")


def keep_configuration(config: Config, directory: Path) -> None:
    """Write down what is deployed, as the operator's command takes it."""
    text = yaml.safe_dump(config.model_dump(mode="json", exclude_none=True), sort_keys=False)
    (directory / CONFIGURATION).write_text(text)


def kept(endpoint: str) -> tuple[str, ...]:
    """Return what to type first, to look around in a LocalStack that goes on running."""
    return (
        "LocalStack goes on running: make localstack-status, make localstack-down",
        f"export AWS_ENDPOINT_URL={endpoint}",
        f"export AWS_ACCESS_KEY_ID={HUB_ACCOUNT_ID} AWS_SECRET_ACCESS_KEY=any",
        f"export AWS_DEFAULT_REGION={REGION}",
        "source .venv/bin/activate",
        f"aws s3 ls --recursive s3://logferry-archive-{HUB_ACCOUNT_ID}-{REGION}",
        f"aws s3 ls --recursive s3://logferry-control-{HUB_ACCOUNT_ID}-{REGION}/ledger/",
    )


def to_try(directory: Path, window: Window) -> list[str]:
    """Return what to type next, against what was kept."""
    config = _shown(directory / CONFIGURATION)
    day = date_of(window)
    dates = f"--from {day} --to {day}"
    lambdas = "--log-group '/aws/lambda/*'"
    return [
        f"logferry search 'payment captured' {config} {lambdas} {dates} --limit 3",
        f"logferry fetch {config} --log-group /aws/lambda/shop-cart {dates} -o cart.log",
        f"logferry status {config}",
        f"logferry sweep {config} --full",
        f"logferry events replay {config} {dates} --dry-run",
    ]


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
