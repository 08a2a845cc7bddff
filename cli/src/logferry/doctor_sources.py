"""What doctor looks at of each source: from the hub, and in the source's own account."""

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from logferry import plan as planning
from logferry import role_policy
from logferry.aws_errors import AWS_ERRORS
from logferry.config import DirectLaneConfig, SourceConfig
from logferry.doctor_finding import Finding, looked_at, unchecked, wrong
from logferry.doctor_looking import Looking
from logferry.errors import PlanError
from logferry.hub_stacks import source_account_stack
from logferry.source_limits import reads_per_second, tasks_of_others
from logferry.typed import typed
from logferry_contracts.open_exports import whole_key
from logferry_ledger.ledger import CLIENT_CONFIG as MANY_READERS
from logferry_ledger.ledger import Ledger

_OWN_ROLES = "docs/source-accounts.md"
_LANES = {
    "plan": "to plan",
    "slot": "to export by tasks",
    "direct": "to read what is small directly",
}


@dataclass(frozen=True)
class Sources(Looking):
    """Looks at sources with credentials of the hub's account.

    Attributes:
        is_hub_whole: Whether a plan that fails does so for its source.
    """

    is_hub_whole: bool = True

    @functools.cached_property
    def _ledger(self) -> Ledger:
        with planning.MAKING:
            s3 = self.session.client("s3", region_name=self.config.region, config=MANY_READERS)
        return Ledger(s3, self.config.control_bucket)

    def findings(self, source: SourceConfig) -> list[Finding]:
        """Return what was found of a source."""
        return [
            *looked_at("plan", source.profile, lambda: self._tried(source)),
            *looked_at("index", source.profile, lambda: self._indexed(source)),
            unchecked(
                "role",
                source.profile,
                f"what its exporter may do in {source.account_id} only credentials of that account "
                "show:",
                self.command("doctor", "--profile", source.profile),
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
                yield unchecked("plan", source.profile, str(error))
                return
            if not self.is_hub_whole:
                yield unchecked("plan", source.profile, f"{error}; mend the hub first")
                return
            if source.role_arn is not None and error.reason != "refused_region":
                yield wrong("plan", source.profile, f"{error}; {source.role_arn}: {_OWN_ROLES}")
                return
            why = f"{error}; with credentials of {source.account_id}:"
            mend = self.command("deploy-source-account", "--profile", source.profile)
            if error.reason == "refused_region":
                mend = (
                    f"aws account enable-region --region us-east-1 "
                    f"--region-name {self.config.region}"
                )
            yield wrong("plan", source.profile, why, mend)

    def _indexed(self, source: SourceConfig) -> Iterator[Finding]:
        key = whole_key(self.config.source_name(source))
        if self._ledger.note(key) is None:
            why = "not all that is open has a note, so that status reads the whole ledger"
            mend = self.command("index rebuild", "--profile", source.profile)
            yield wrong("index", source.profile, why, mend)


def policies_of(iam: Any, role_name: str) -> list[Mapping[str, Any]]:
    """Return all policies of a role: its own, and those that are attached to it.

    Args:
        iam: A client with credentials of its account.
        role_name: Of the role, without its path.
    """
    found = [
        iam.get_role_policy(RoleName=role_name, PolicyName=name)["PolicyDocument"]
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=role_name)
        for name in page["PolicyNames"]
    ]
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=role_name):
        for each in page["AttachedPolicies"]:
            version = iam.get_policy(PolicyArn=each["PolicyArn"])["Policy"]["DefaultVersionId"]
            read = iam.get_policy_version(PolicyArn=each["PolicyArn"], VersionId=version)
            found.append(read["PolicyVersion"]["Document"])
    return found


@dataclass(frozen=True)
class SourceAccount(Looking):
    """Looks at a source's account with credentials of it."""

    def findings(self, source: SourceConfig) -> list[Finding]:
        """Return what was found of a source."""
        role = f"{source.profile} {self.config.role_arn(source)}"
        allowed = looked_at("role", role, lambda: self._permissions(source, role))
        told = {mend for each in allowed for mend in each.mend}
        return [
            # That its policies were changed says less than what they do not allow any more.
            *(each for each in self._stack(source) if not told.intersection(each.mend)),
            *allowed,
            *self._limits(source),
        ]

    def _permissions(self, source: SourceConfig, role: str) -> Iterator[Finding]:
        """Yield what the role's policies do not allow, lane by lane."""
        iam, arn = self._client("iam"), self.config.role_arn(source)
        documents = policies_of(iam, arn.rpartition("/")[2])
        wanted = role_policy.needs(
            partition=self.config.partition,
            region=self.config.region,
            account_id=source.account_id,
            hub=self.config.hub_account_id,
            bucket=self.config.archive_bucket,
            profile=source.profile,
        )
        said = {each: role_policy.allowed(documents, each) for each in wanted}
        for lane in dict.fromkeys(each.lane for each in wanted):
            missing = [each for each in wanted if each.lane == lane and said[each] == "denied"]
            if missing:
                actions = ", ".join(each.action for each in missing)
                why = f"{_LANES[lane]}: its policies do not allow {actions}"
                yield wrong("role", role, why, self._mend(source, missing))
        unclear = [each.action for each in wanted if said[each] == "unclear"]
        if unclear:
            yield unchecked("role", role, f"policies say so with conditions: {', '.join(unclear)}")

    def _mend(self, source: SourceConfig, missing: Sequence[role_policy.Need]) -> str:
        if source.role_arn is None:
            return self.command("deploy-source-account", "--profile", source.profile)
        return json.dumps(role_policy.statement_for(missing))

    def _stack(self, source: SourceConfig) -> list[Finding]:
        if source.role_arn is not None:
            why = f"{source.role_arn} is not of logferry's making: {_OWN_ROLES}"
            return [unchecked("stack", source.profile, why)]
        wanted = source_account_stack(self.config, source)
        mend = self.command("deploy-source-account", "--profile", source.profile)
        return looked_at("stack", wanted.name, lambda: self.as_deployed(wanted, mend))

    def _limits(self, source: SourceConfig) -> list[Finding]:
        profile, lane = source.profile, self.config.direct_lane
        return [
            *looked_at("tasks", profile, lambda: _tasks(self._client("logs"), profile)),
            *looked_at(
                "reads",
                profile,
                lambda: _reads(self._client("service-quotas"), profile, lane, self.file),
            ),
        ]


def _tasks(logs: Any, profile: str) -> Iterator[Finding]:
    """Tell of export tasks that nobody here asked for: no fault, and the slot waits for them."""
    others = tasks_of_others(logs)
    why = f"others' export tasks, for which the slot waits: {', '.join(others)}" if others else ""
    yield Finding(check="tasks", subject=profile, verdict="ok", why=why)


def _reads(quotas: Any, profile: str, lane: DirectLaneConfig, file: str) -> Iterator[Finding]:
    """Yield that the direct lane reads more often than what of the account's quota is ours."""
    allowed = reads_per_second(quotas)
    if allowed is None:
        yield unchecked("reads", profile, "Service Quotas names none of FilterLogEvents")
        return
    ours = allowed * lane.quota_percent / 100
    if ours < lane.calls_per_second and lane.calls_per_second > 1:
        share = f", and direct_lane.quota_percent leaves us {ours:g}" if ours < allowed else ""
        why = (
            f"FilterLogEvents may be called {allowed:g} times a second, which AWS does not raise"
            f"{share}: set direct_lane.calls_per_second, {lane.calls_per_second}, to that or less "
            f"in {file}"
        )
        yield wrong("reads", profile, why, typed("deploy", file))
