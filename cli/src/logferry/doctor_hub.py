"""What doctor looks at in the hub's account."""

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from logferry.backfill import Backfills
from logferry.doctor_finding import Finding, looked_at, wrong
from logferry.doctor_looking import Looking
from logferry.errors import BackfillError
from logferry.hub_stacks import hub_stacks
from logferry.package import Zip
from logferry.services import NAMES
from logferry.stack import Stack

EXECUTIONS_OF_A_SOURCE = 4
"""That run at a time: each lane's one, by its message group, and looks at two dates' ends."""
EXECUTIONS_OF_ALL = 24
"""That may besides: ten each of sse-enforcer and sealer, a plan, a sweep, a feed and a page."""

_NO_ZIPS = {name: Zip(name, "arm64", Path(name), "", 0, "") for name in NAMES}
"""In place of those that have been deployed: what is compared has nothing of them."""


@dataclass(frozen=True)
class Hub(Looking):
    """Looks at the hub itself."""

    def stacks(self) -> list[Stack]:
        """Return what is to be deployed, each of which is looked at by itself."""
        return [stack for step in hub_stacks(self.config, _NO_ZIPS) for stack in step]

    def stack(self, wanted: Stack) -> list[Finding]:
        """Return how a stack differs."""
        only = wanted.name.removeprefix(f"{self.config.name}-")
        mend = self.command("deploy", "--only", only)
        return looked_at("stack", wanted.name, lambda: self.as_deployed(wanted, mend))

    def findings(self) -> Iterator[Finding]:
        """Yield what was found of everything but the stacks and the sources."""
        config = self.config
        yield from looked_at("key", config.name, self._key)
        yield from looked_at("settings", self.file, self._alarm_settings)
        yield from looked_at("alarms", config.name, self._alarms)
        yield from looked_at("concurrency", config.region, self._concurrency)
        yield from looked_at("backfills", config.name, self._backfills)

    def organization(self) -> list[Finding]:
        """Return which accounts are no source."""
        return looked_at("organisation", "accounts", self._organization)

    def _key(self) -> Iterator[Finding]:
        alias = f"alias/{self.config.name}"
        key = self._client("kms").describe_key(KeyId=alias)["KeyMetadata"]
        if key["KeyState"] != "Enabled":
            key_id, region = key["KeyId"], self.config.region
            mend = [f"aws kms enable-key --region {region} --key-id {key_id}"]
            if key["KeyState"] == "PendingDeletion":
                mend.insert(0, f"aws kms cancel-key-deletion --region {region} --key-id {key_id}")
            why = f"{key['KeyState']}: nothing can be read or archived"
            yield wrong("key", alias, why, *mend)

    def _alarm_settings(self) -> Iterator[Finding]:
        if self.config.alarm_action_arn is None and not self.config.observability.page_action_arn:
            why = "no alarm tells anybody: set alarm_action_arn to the ARN of an SNS topic"
            yield wrong("settings", self.file, why, self.command("deploy"))

    def _alarms(self) -> Iterator[Finding]:
        """Yield the alarms that are switched off, or tell nobody though they should."""
        pages = self._client("cloudwatch").get_paginator("describe_alarms")
        of_hub = pages.paginate(
            AlarmNamePrefix=f"{self.config.name}-",
            # Without it AWS answers with metric alarms alone, LocalStack with both.
            AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        )
        for page in of_hub:
            for alarm in (*page.get("MetricAlarms", []), *page.get("CompositeAlarms", [])):
                if not alarm["ActionsEnabled"]:
                    name = alarm["AlarmName"]
                    yield wrong(
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
            yield wrong(
                "concurrency",
                self.config.region,
                why,
                f"aws service-quotas request-service-quota-increase --region {self.config.region} "
                f"{quota} --desired-value {max(1000, wanted)}",
            )

    def _backfills(self) -> Iterator[Finding]:
        """Yield what is fed though nobody has its source in the configuration any more."""
        backfills = Backfills(self.session, self.config)
        for source in backfills.sources():
            try:
                there = backfills.find(source, self.now())
            except BackfillError as error:
                mend = self.command("backfill", "--status", "--profile", source.profile)
                yield wrong("backfills", source.profile, str(error), mend)
                continue
            if there is None or there.is_configured or there.problem is None:
                continue
            mend = self.command("backfill", "--cancel", "--profile", source.profile)
            yield wrong("backfills", source.profile, there.problem, mend)

    def _limits(self) -> Mapping[str, int]:
        limits: Mapping[str, int] = self._client("lambda").get_account_settings()["AccountLimit"]
        return limits

    def _organization(self) -> Iterator[Finding]:
        organizations = self._client("organizations")
        pages = organizations.get_paginator("list_accounts").paginate()
        known = {source.account_id for source in self.config.sources} | {self.config.hub_account_id}
        try:
            others = [
                f"{account['Id']} ({account.get('Name', 'without a name')})"
                for page in pages
                for account in page["Accounts"]
                if account["Status"] == "ACTIVE" and account["Id"] not in known
            ]
        except organizations.exceptions.AWSOrganizationsNotInUseException:
            others = []
        why = f"of the organisation, and no source: {', '.join(others)}" if others else ""
        yield Finding(check="organisation", subject="accounts", verdict="ok", why=why)
