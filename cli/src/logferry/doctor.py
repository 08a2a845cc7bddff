"""Whether a hub and its sources are as they should be, before go-live and on any day after.

Nothing is changed. A source is tried by the deployed planner's dry run, which assumes the source's
role and reads there what a plan reads; what is deployed is compared with what its templates say.
What cannot be seen with the credentials that are given is said to be not checked.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from logferry import __version__, drift
from logferry import plan as planning
from logferry.aws_errors import AWS_ERRORS
from logferry.checkout import TEMPLATES
from logferry.config import Config, SourceConfig
from logferry.credentials import account_of
from logferry.drift_resource import comparable
from logferry.errors import DeployError, PlanError
from logferry.hub import stacks_of
from logferry.hub_stacks import hub_stacks, source_account_stack
from logferry.ledger import CLIENT_CONFIG as MANY_READERS
from logferry.ledger import Ledger
from logferry.package import Zip
from logferry.services import NAMES
from logferry.source_limits import reads_per_second, tasks_of_others
from logferry.stack import CLIENT_CONFIG, Stack
from logferry.template import load_template
from logferry_contracts.open_exports import whole_key

if TYPE_CHECKING:
    import boto3
    from rich.console import RenderableType

AT_ONCE = 8
"""Stacks, and then sources, that are looked at side by side."""
MOST_SKEW = timedelta(minutes=1)
"""Of this machine's clock: AWS refuses what is signed five minutes off.

https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
"""
EXECUTIONS_OF_A_SOURCE = 4
"""That run at a time: each lane's one, by its message group, and looks at two dates' ends."""
EXECUTIONS_OF_ALL = 22
"""That may besides: ten each of sse-enforcer and sealer, a plan and a sweep."""

_NO_ZIPS = {name: Zip(name, "arm64", Path(name), "", 0, "") for name in NAMES}
"""In place of those that have been deployed: what is compared has nothing of them."""
_OWN_ROLES = "docs/source-accounts.md"
_OF_ZIPS = ("CodeKey", "Architecture")
_MARKS = {"ok": "[green]✔[/]", "wrong": "[red]✘[/]", "not checked": "[yellow]?[/]"}

type Verdict = Literal["ok", "wrong", "not checked"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one thing.

    Attributes:
        check: What was looked at, such as ``stack``.
        subject: Of what, such as a stack's name or a profile.
        why: What is wrong, or why it was not checked; empty for what is as it should be.
        mend: The commands or statements that mend it.
    """

    check: str
    subject: str
    verdict: Verdict
    why: str = ""
    mend: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON document."""
        return asdict(self) | {"mend": list(self.mend)}


@dataclass(frozen=True)
class Doctor:
    """Looks at a hub, or at a source's account: whose the credentials are.

    Attributes:
        session: Of the hub's account, or of a source's.
        config: What is deployed.
        sources: Of the configuration; these alone are looked at.
        file: The configuration's, as it was typed.
        now: Aware.
    """

    session: "boto3.Session"
    config: Config
    sources: Sequence[SourceConfig]
    file: str
    now: Callable[[], datetime]

    def findings(self) -> Iterator[Finding]:
        """Yield what was found, of the credentials first.

        Nothing else is looked at with credentials of an account that has no part in it.
        """
        try:
            account_id = account_of(self.session, self.config)
        except DeployError as error:
            yield Finding(check="credentials", subject="", verdict="wrong", why=str(error))
            return
        own = [source for source in self.sources if source.account_id == account_id]
        if account_id != self.config.hub_account_id and not own:
            why = f"of no source, nor of the hub, which is {self.config.hub_account_id}"
            yield _wrong("credentials", account_id, why)
            return
        yield _ok("credentials", account_id)
        yield from self._looked_at("clock", "this machine", self._clock)
        if account_id == self.config.hub_account_id:
            yield from self._hub()
        else:
            for source in own:
                yield from self._source_account(source)
                yield from self._account_limits(source)

    def _hub(self) -> Iterator[Finding]:
        stacks = [stack for step in hub_stacks(self.config, _NO_ZIPS) for stack in step]
        yield from self._side_by_side(self._stack, stacks)
        yield from self._looked_at("key", self.config.name, self._key)
        yield from self._looked_at("settings", self.file, self._alarm_settings)
        yield from self._looked_at("alarms", self.config.name, self._alarms)
        yield from self._looked_at("concurrency", self.config.region, self._concurrency)
        yield from self._side_by_side(self._source, self.sources)
        yield from self._looked_at("organisation", "accounts", self._organization)

    def _side_by_side[T](
        self, look: Callable[[T], list[Finding]], on: Iterable[T]
    ) -> Iterator[Finding]:
        with ThreadPoolExecutor(AT_ONCE) as threads:
            for found in threads.map(look, on):
                yield from found

    def _looked_at(
        self, check: str, subject: str, look: Callable[[], Iterable[Finding]]
    ) -> list[Finding]:
        """Return what a look finds, or that AWS did not let it."""
        try:
            return list(look()) or [_ok(check, subject)]
        except (*AWS_ERRORS, DeployError) as error:
            return [_unchecked(check, subject, str(error))]

    def _client(self, service: str) -> Any:
        return self.session.client(
            service,  # type: ignore[call-overload]  # any service
            region_name=self.config.region,
            config=CLIENT_CONFIG,
        )

    def _clock(self) -> Iterator[Finding]:
        answer = self._client("sts").get_caller_identity()
        said = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        off = self.now() - said
        if abs(off) > MOST_SKEW:
            why = f"{off.total_seconds():+.0f} s from AWS's, which refuses what is signed 300 s off"
            yield _wrong("clock", "this machine", why, "sudo timedatectl set-ntp true")

    # What is deployed

    def _stack(self, wanted: Stack) -> list[Finding]:
        only = wanted.name.removeprefix(f"{self.config.name}-")
        mend = self._command("deploy", "--only", only)
        return self._looked_at("stack", wanted.name, lambda: self._as_deployed(wanted, mend))

    def _source_account(self, source: SourceConfig) -> list[Finding]:
        if source.role_arn is not None:
            why = f"{source.role_arn} is not of logferry's making: {_OWN_ROLES}"
            return [_unchecked("stack", source.profile, why)]
        wanted = source_account_stack(self.config, source)
        mend = self._command("deploy-source-account", "--profile", source.profile)
        return self._looked_at("stack", wanted.name, lambda: self._as_deployed(wanted, mend))

    def _account_limits(self, source: SourceConfig) -> list[Finding]:
        profile, wanted = source.profile, self.config.direct_lane.calls_per_second
        return [
            *self._looked_at("tasks", profile, lambda: _tasks(self._client("logs"), profile)),
            *self._looked_at(
                "reads",
                profile,
                lambda: _reads(self._client("service-quotas"), profile, wanted, self.file),
            ),
        ]

    def _as_deployed(self, wanted: Stack, mend: str) -> Iterator[Finding]:
        """Yield how a stack differs from configuration, checkout and its own template."""
        there = stacks_of(self.session, self.config).deployed(wanted.name)
        if there is None:
            yield _wrong("stack", wanted.name, "not deployed", mend)
            return
        if comparable(load_template(there.template)) != comparable(
            load_template((TEMPLATES / wanted.template).read_text(encoding="utf-8"))
        ):
            why = f"deployed by another release than this checkout, {__version__}"
            yield _wrong("stack", wanted.name, why, mend)
        for name, value in wanted.parameters.items():
            actual = there.parameters.get(name)
            is_found_out = value.startswith(f"/{self.config.name}/") or name in _OF_ZIPS
            if actual is not None and actual != value and not is_found_out:
                why = f"{name} is {actual or 'empty'}, and {value or 'empty'} in {self.file}"
                yield _wrong("stack", wanted.name, why, mend)
        clients = drift.clients_of(self.session, self.config.region)
        for change in drift.find(clients, there):
            parts = ", ".join(each.name for each in change.differences)
            why = f"changed by hand: {change.resource_type}: {parts}"
            yield _wrong("resource", f"{wanted.name} {change.logical_id}", why, mend)

    def _key(self) -> Iterator[Finding]:
        alias = f"alias/{self.config.name}"
        key = self._client("kms").describe_key(KeyId=alias)["KeyMetadata"]
        if key["KeyState"] != "Enabled":
            key_id, region = key["KeyId"], self.config.region
            mend = [f"aws kms enable-key --region {region} --key-id {key_id}"]
            if key["KeyState"] == "PendingDeletion":
                mend.insert(0, f"aws kms cancel-key-deletion --region {region} --key-id {key_id}")
            why = f"{key['KeyState']}: nothing can be read or archived"
            yield _wrong("key", alias, why, *mend)

    # Who is told

    def _alarm_settings(self) -> Iterator[Finding]:
        if self.config.alarm_action_arn is None and not self.config.observability.page_action_arn:
            why = "no alarm tells anybody: set alarm_action_arn to the ARN of an SNS topic"
            yield _wrong("settings", self.file, why, self._command("deploy"))

    def _alarms(self) -> Iterator[Finding]:
        """Yield the alarms that are switched off, or tell nobody though they should."""
        pages = self._client("cloudwatch").get_paginator("describe_alarms")
        of_hub = pages.paginate(AlarmNamePrefix=f"{self.config.name}-")
        for page in of_hub:
            for alarm in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])):
                if not alarm["ActionsEnabled"]:
                    name = alarm["AlarmName"]
                    yield _wrong(
                        "alarms",
                        name,
                        "its actions are switched off",
                        f"aws cloudwatch enable-alarm-actions --region {self.config.region} "
                        f"--alarm-names {shlex.quote(name)}",
                    )

    def _concurrency(self) -> Iterator[Finding]:
        free = self._limits()["UnreservedConcurrentExecutions"]
        wanted = EXECUTIONS_OF_ALL + EXECUTIONS_OF_A_SOURCE * len(self.config.sources)
        if free < wanted:
            why = f"{free:,} Lambda functions may run at a time, and {wanted:,} are wanted"
            quota = "--service-code lambda --quota-code L-B99A9384"
            yield _wrong(
                "concurrency",
                self.config.region,
                why,
                f"aws service-quotas request-service-quota-increase --region {self.config.region} "
                f"{quota} --desired-value {max(1000, wanted)}",
            )

    def _limits(self) -> Mapping[str, int]:
        limits: Mapping[str, int] = self._client("lambda").get_account_settings()["AccountLimit"]
        return limits

    # The sources

    def _source(self, source: SourceConfig) -> list[Finding]:
        return [
            *self._looked_at("plan", source.profile, lambda: self._tried(source)),
            *self._looked_at("index", source.profile, lambda: self._indexed(source)),
            _unchecked(
                "role",
                source.profile,
                f"what its exporter may do in {source.account_id} only credentials of that account "
                f"show: {self._command('doctor', '--profile', source.profile)}",
            ),
        ]

    def _tried(self, source: SourceConfig) -> Iterator[Finding]:
        """Let the planner try a day that is due, and ask for nothing."""
        due = self.now() - timedelta(days=2, minutes=self.config.settle_minutes)
        on = str(due.date())
        request = planning.plan_request(
            self.config, source.profile, first=on, last=on, dry_run=True
        )
        try:
            planning.plan(self.session, self.config, request)
        except PlanError as error:
            if isinstance(error.__cause__, AWS_ERRORS):
                yield _unchecked("plan", source.profile, str(error))
                return
            if source.role_arn is not None:
                yield _wrong("plan", source.profile, f"{error}; {source.role_arn}: {_OWN_ROLES}")
                return
            why = f"{error}; with credentials of {source.account_id}:"
            mend = self._command("deploy-source-account", "--profile", source.profile)
            yield _wrong("plan", source.profile, why, mend)

    def _indexed(self, source: SourceConfig) -> Iterator[Finding]:
        s3 = self.session.client("s3", region_name=self.config.region, config=MANY_READERS)
        key = whole_key(self.config.source_name(source))
        if Ledger(s3, self.config.control_bucket).note(key) is None:
            why = "not all that is open has a note, so that status reads the whole ledger"
            mend = self._command("index rebuild", "--profile", source.profile)
            yield _wrong("index", source.profile, why, mend)

    def _organization(self) -> Iterator[Finding]:
        pages = self._client("organizations").get_paginator("list_accounts").paginate()
        known = {source.account_id for source in self.config.sources} | {self.config.hub_account_id}
        others = [
            f"{account['Id']} ({account.get('Name', 'without a name')})"
            for page in pages
            for account in page["Accounts"]
            if account["Status"] == "ACTIVE" and account["Id"] not in known
        ]
        why = f"of the organisation, and no source: {', '.join(others)}" if others else ""
        yield Finding(check="organisation", subject="accounts", verdict="ok", why=why)

    def _command(self, command: str, *options: str) -> str:
        name, *rest = command.split()
        return shlex.join(["logferry", name, *rest, self.file, *options])


def table(found: Iterable[Finding]) -> "RenderableType":
    """Return what was found as a table."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "check", "subject"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("why, and what mends it", overflow="fold")
    for each in found:
        mark = _MARKS[each.verdict]
        lines = [escape(each.why), *(f"  $ {escape(mend)}" for mend in each.mend)]
        shown.add_row(mark, each.check, escape(each.subject), "\n".join(filter(None, lines)))
    return shown


def _tasks(logs: Any, profile: str) -> Iterator[Finding]:
    """Tell of export tasks that nobody here asked for: no fault, and the slot waits for them."""
    others = tasks_of_others(logs)
    why = f"others' export tasks, for which the slot waits: {', '.join(others)}" if others else ""
    yield Finding(check="tasks", subject=profile, verdict="ok", why=why)


def _reads(quotas: Any, profile: str, wanted: int, file: str) -> Iterator[Finding]:
    """Yield that the direct lane reads more often than the account's quota allows."""
    allowed = reads_per_second(quotas)
    if allowed is None:
        yield _unchecked("reads", profile, "Service Quotas names none of FilterLogEvents")
    elif allowed < wanted:
        why = (
            f"FilterLogEvents may be called {allowed:g} times a second, which AWS does not raise: "
            f"set direct_lane.calls_per_second, {wanted}, to that or less in {file}"
        )
        yield _wrong("reads", profile, why, shlex.join(["logferry", "deploy", file]))


def _ok(check: str, subject: str) -> Finding:
    return Finding(check=check, subject=subject, verdict="ok")


def _wrong(check: str, subject: str, why: str, *mend: str) -> Finding:
    return Finding(check=check, subject=subject, verdict="wrong", why=why, mend=mend)


def _unchecked(check: str, subject: str, why: str) -> Finding:
    return Finding(check=check, subject=subject, verdict="not checked", why=why)
