"""The stack set that has the role in every source's account: what it is, and what is done to it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from logferry.at_once import at_once
from logferry.checkout import TEMPLATES
from logferry.config import Config, SourceConfig
from logferry.errors import DeployError
from logferry.hub_stacks import source_account_stack
from logferry.stack import Progress, Watch, looks, told_about

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        StackInstanceTypeDef,
        StackSetOperationPreferencesTypeDef,
        StackSetTypeDef,
    )

type CallAs = Literal["SELF", "DELEGATED_ADMIN"]

UNLISTED = "unlisted"
"""The profile of accounts that are no source: no exporter has it, so only the planner gets in."""
OPERATIONS_AT_ONCE = 10
"""As many as the client has connections. Each account's override is an operation of its own."""
_PARAMETERS_OF_A_SOURCE = ("Profile", "LowercaseProfile")
_UNDER_WAY = {"QUEUED", "RUNNING", "STOPPING"}
_ENDED = {"SUCCEEDED", "FAILED", "CANCELLED"}
# All at once: no more are begun at a time than may fail. One account's failure is no other's.
_PREFERENCES: "StackSetOperationPreferencesTypeDef" = {
    "RegionConcurrencyType": "PARALLEL",
    "FailureTolerancePercentage": 100,
    "MaxConcurrentPercentage": 100,
}
_HINTS = {
    "organizations access": (
        "CloudFormation may not work across the organisation yet. In the management account: "
        "aws cloudformation activate-organizations-access"
    ),
    "delegated admin": (
        "use credentials of the organisation's management account; or, with --call-as "
        "DELEGATED_ADMIN, of an account that administers stack sets for it"
    ),
    "is in progress": "when that operation has ended, run this again: it goes on where this ended",
}
"""What helps, by words of AWS's message."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to deploy to source accounts.

    Attributes:
        units: The organizational units, or the root, that have the accounts, directly or not.
        call_as: ``SELF`` in the management account.
        dry_run: Change nothing.
        confirm: Shown what would be done, a line each; says whether to go on.
        watch: Told what happens, by several threads.
        sleep: Waits for some seconds.
    """

    units: Sequence[str]
    call_as: CallAs = "SELF"
    dry_run: bool = False
    confirm: Callable[[Sequence[str]], bool] = lambda _: True
    watch: Watch = lambda _: None
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Instance:
    """An account that the stack set has made a stack in.

    Attributes:
        unit: The organizational unit that made it a target; None where CloudFormation does not say.
        status: ``CURRENT``, ``OUTDATED`` or ``INOPERABLE``.
        reason: Why it is not current.
        profile: As its role has it now.
    """

    account_id: str
    unit: str | None
    status: str
    reason: str
    profile: str


@dataclass(frozen=True)
class Proposal:
    """What would be done.

    Attributes:
        is_new: Whether there is no stack set yet.
        missing: The sources whose accounts have no role yet.
        differences: What of the stack set that is there is not as it should be.
        outdated: The accounts that get a profile, or another try, and the profile.
    """

    is_new: bool
    missing: Sequence[SourceConfig]
    differences: Sequence[str] = ()
    outdated: Sequence[tuple[Instance, str]] = ()

    @property
    def changes_nothing(self) -> bool:
        """Whether all is as it should be."""
        return not (self.is_new or self.differences or self.missing or self.outdated)

    def lines(self, stack_set_name: str) -> list[str]:
        """Return it for people."""
        found = [f"stack set {stack_set_name}{' (new)' if self.is_new else ''}"]
        found += [f"  ~ {name}" for name in self.differences]
        found += [f"  + {source.account_id}  {source.profile}" for source in self.missing]
        for instance, profile in self.outdated:
            why = f"{instance.profile} -> {profile}"
            if instance.profile == profile:
                why = f"{profile}, {instance.status}: tried again"
            found.append(f"  ~ {instance.account_id}  {why}")
        return found


class StackSet:
    """The stack set of source accounts.

    Attributes:
        name: Of the stack set.
        reasons: Why accounts failed, by their ids, as the operations have told so far.
    """

    def __init__(
        self, cloudformation: "CloudFormationClient", config: Config, options: Options
    ) -> None:
        """Use one client for everything; methods may use it in several threads at once."""
        self._cloudformation = cloudformation
        self._config = config
        self._options = options
        self._wanted = _wanted(config)
        self.name = f"{config.name}-source"
        self.reasons: dict[str, str] = {}

    def propose(self, sources: Sequence[SourceConfig]) -> tuple[Proposal, dict[str, Instance]]:
        """Find out what has to be done; return that, and the accounts that have the role.

        Args:
            sources: Those whose accounts are to have the role.

        Raises:
            DeployError: AWS does not say, or there is another stack set of that name.
        """
        there = self._described()
        if there is None:
            return Proposal(is_new=True, missing=sources), {}
        if there.get("PermissionModel") != "SERVICE_MANAGED":
            raise DeployError(f"{self.name}: there is a stack set of that name that is not of ours")
        differences = _differences(there, self._wanted)
        instances = self.instances()
        profiles = {source.account_id: source.profile for source in sources}
        outdated = [
            (each, profiles.get(each.account_id, each.profile))
            for each in instances.values()
            if each.profile != profiles.get(each.account_id, each.profile)
            # An update of the stack set tries these again as well.
            or (each.status == "OUTDATED" and not differences)
        ]
        missing = [source for source in sources if source.account_id not in instances]
        return Proposal(
            is_new=False, missing=missing, differences=differences, outdated=outdated
        ), instances

    def carry_out(self, proposal: Proposal) -> None:
        """Do what was proposed, and wait until it has ended, account by account.

        Raises:
            DeployError: A call failed, or an operation does not end. That an account failed is in
                the state of its instance.
        """
        if proposal.is_new:
            with _told(self.name):
                self._cloudformation.create_stack_set(
                    **self._name, **self._wanted, PermissionModel="SERVICE_MANAGED"
                )
            self._options.watch(Progress(self.name, "created", is_final=True))
        elif proposal.differences:
            with _told(self.name):
                operation = self._cloudformation.update_stack_set(
                    **self._name, **self._wanted, OperationPreferences=_PREFERENCES
                )
                self._follow(operation["OperationId"], self.name)
        at_once(self._add, proposal.missing, OPERATIONS_AT_ONCE)
        at_once(self._override, proposal.outdated, OPERATIONS_AT_ONCE)

    def _add(self, source: SourceConfig) -> None:
        """Make the role in a source's account."""
        with _told(source.account_id):
            operation = self._cloudformation.create_stack_instances(
                **self._one(source.account_id, source.profile, self._options.units)
            )
            self._follow(operation["OperationId"], source.account_id)

    def _override(self, outdated: tuple[Instance, str]) -> None:
        """Give the role in an account its profile, and bring it up to date."""
        instance, profile = outdated
        units = [instance.unit] if instance.unit else self._options.units
        with _told(instance.account_id):
            operation = self._cloudformation.update_stack_instances(
                **self._one(instance.account_id, profile, units)
            )
            self._follow(operation["OperationId"], instance.account_id)

    def _one(self, account_id: str, profile: str, units: Sequence[str]) -> dict[str, Any]:
        """Return a request about one account of some units, and the profile of its role."""
        values = (profile, profile.lower())
        return self._name | {
            "DeploymentTargets": {
                "OrganizationalUnitIds": list(units),
                "Accounts": [account_id],
                "AccountFilterType": "INTERSECTION",
            },
            "Regions": [self._config.region],
            "ParameterOverrides": [
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in zip(_PARAMETERS_OF_A_SOURCE, values, strict=True)
            ],
            "OperationPreferences": _PREFERENCES,
        }

    def instances(self) -> dict[str, Instance]:
        """Return the accounts of the Region that have the role, by their ids.

        Raises:
            DeployError: AWS does not say.
        """
        region = self._config.region
        with _told(self.name):
            pages = self._cloudformation.get_paginator("list_stack_instances").paginate(
                **self._name, StackInstanceRegion=region
            )
            account_ids = [each["Account"] for page in pages for each in page["Summaries"]]
        found: dict[str, Instance] = {}

        def look_at(account_id: str) -> None:
            with _told(f"{self.name} in {account_id}"):
                described = self._cloudformation.describe_stack_instance(
                    **self._name, StackInstanceAccount=account_id, StackInstanceRegion=region
                )
            found[account_id] = _instance(described["StackInstance"])

        at_once(look_at, account_ids, OPERATIONS_AT_ONCE)
        return {account_id: found[account_id] for account_id in account_ids}

    def without_effect(self) -> list[str]:
        """Return those of the units that are no targets.

        Raises:
            DeployError: AWS does not say.
        """
        there = self._described()
        targets = (there or {}).get("OrganizationalUnitIds", self._options.units)
        return [unit for unit in self._options.units if unit not in targets]

    @property
    def _name(self) -> dict[str, Any]:
        return {"StackSetName": self.name, "CallAs": self._options.call_as}

    def _described(self) -> "StackSetTypeDef | None":
        with _told(self.name):
            try:
                return self._cloudformation.describe_stack_set(**self._name)["StackSet"]
            except self._cloudformation.exceptions.StackSetNotFoundException:
                return None

    def _follow(self, operation_id: str, subject: str) -> None:
        """Wait for the end of an operation; tell how far each account is, and how it has ended."""
        told: dict[str, str] = {}
        for _ in looks(subject, self._options.sleep):
            operation = self._cloudformation.describe_stack_set_operation(
                **self._name, OperationId=operation_id
            )["StackSetOperation"]
            self._tell(operation_id, told)
            if operation["Status"] not in _UNDER_WAY:
                break
        if subject not in told:
            detail = operation.get("StatusReason", "")
            self._options.watch(Progress(subject, operation["Status"], detail, is_final=True))

    def _tell(self, operation_id: str, told: dict[str, str]) -> None:
        pages = self._cloudformation.get_paginator("list_stack_set_operation_results").paginate(
            **self._name, OperationId=operation_id
        )
        for result in (result for page in pages for result in page["Summaries"]):
            account_id, status = result["Account"], result["Status"]
            if told.get(account_id) != status:
                told[account_id] = status
                reason = result.get("StatusReason", "")
                self.reasons[account_id] = reason if status == "FAILED" else ""
                has_ended = status in _ENDED
                self._options.watch(Progress(account_id, status, reason, is_final=has_ended))


def _wanted(config: Config) -> dict[str, Any]:
    """Return the stack set as it should be, in the words of CreateStackSet."""
    stack = source_account_stack(config, config.sources[0])
    parameters = {**stack.parameters, **dict.fromkeys(_PARAMETERS_OF_A_SOURCE, UNLISTED)}
    return {
        "Description": f"The role by which logferry in {config.hub_account_id} exports an "
        "account's logs",
        "TemplateBody": (TEMPLATES / stack.template).read_text(encoding="utf-8"),
        "Parameters": [
            {"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()
        ],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [{"Key": name, "Value": value} for name, value in stack.tags.items()],
        # An account that leaves keeps its role: its last days may not be in the archive yet.
        "AutoDeployment": {"Enabled": True, "RetainStacksOnAccountRemoval": True},
        # One operation at a time otherwise: a second one would fail.
        "ManagedExecution": {"Active": True},
    }


def _differences(there: "StackSetTypeDef", wanted: dict[str, Any]) -> list[str]:
    """Return the names of what of a stack set is not as wanted, parameters by their own names."""
    found = [
        name
        for name, value in wanted.items()
        if name not in {"Parameters", "Tags"} and not _is_as(there.get(name), value)
    ]
    parameters, tags = _by_key(there.get("Parameters", [])), _by_key(there.get("Tags", []))
    found += [
        f"parameter {name}"
        for name, value in _by_key(wanted["Parameters"]).items()
        if parameters.get(name) != value
    ]
    return found if tags == _by_key(wanted["Tags"]) else [*found, "Tags"]


def _is_as(found: Any, wanted: Any) -> bool:
    """Return whether something is as wanted; a structure may have more to it."""
    if isinstance(found, dict):
        return bool(found == found | wanted)
    return bool(found == wanted)


def _by_key(pairs: Sequence[Any]) -> dict[str, str]:
    """Return the values of parameters or tags by their keys."""
    return {
        pair.get("ParameterKey", pair.get("Key")): pair.get("ParameterValue", pair.get("Value", ""))
        for pair in pairs
    }


def _instance(described: "StackInstanceTypeDef") -> Instance:
    detailed = described.get("StackInstanceStatus", {}).get("DetailedStatus", "")
    return Instance(
        account_id=described["Account"],
        unit=described.get("OrganizationalUnitId"),
        status=described["Status"],
        reason=described.get("StatusReason") or ("" if detailed == "SUCCEEDED" else detailed),
        profile=_by_key(described.get("ParameterOverrides", [])).get("Profile", UNLISTED),
    )


@contextmanager
def _told(subject: str) -> Iterator[None]:
    """Turn an error of AWS into ours, with what helps."""
    try:
        with told_about(subject):
            yield
    except DeployError as error:
        helps = [hint for words, hint in _HINTS.items() if words in str(error)]
        if not helps:
            raise
        raise DeployError("\n  ".join([str(error), *helps])) from error
