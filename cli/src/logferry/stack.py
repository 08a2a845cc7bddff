"""One CloudFormation stack: what would change, and the change, watched to its end."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.config import Config as ClientConfig
from botocore.exceptions import ClientError

from logferry.aws_errors import AWS_ERRORS
from logferry.change import Change, Difference, change_of, differences
from logferry.checkout import TEMPLATES
from logferry.errors import DeployError
from logferry.template import load_template

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import (
        ParameterTypeDef,
        StackEventTypeDef,
        StackTypeDef,
    )

CLIENT_CONFIG = ClientConfig(retries={"mode": "legacy", "total_max_attempts": 8})
"""Stacks are deployed side by side, and CloudFormation throttles."""

FIRST_LOOK_S = 0.2
LONGEST_LOOK_S = 3.0
PATIENCE_S = 3600.0
"""CloudFormation ends by itself long before: Lambda and IAM take minutes at most."""

_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
"""A change set without changes fails, with one of these in its reason."""
_CANCELLED = "cancelled"
"""In the reason of resources that failed only because another one did."""
_NO_REASON = "no reason given"
_SUCCEEDED = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
_IN_REVIEW = "REVIEW_IN_PROGRESS"
"""A stack that was only ever proposed."""
_NOTHING_IN_IT = {"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}
"""A first creation that failed: such a stack can only be deleted."""


@dataclass(frozen=True)
class Stack:
    """A stack as it should be.

    Attributes:
        name: Of the stack.
        template: The name of its file in ``deploy/``.
        parameters: Those that are not to be the template's defaults.
        tags: Of the stack, and by it of its resources.
    """

    name: str
    template: str
    parameters: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal:
    """What would happen to a stack.

    Attributes:
        change_set: The ARN of its change set; None when there is nothing to change.
        is_new: Whether the stack is not there yet.
        parameters: Those of a stack that is there whose values differ.
        drift: What is not any more as the stack has made it, whatever is to change.
    """

    stack: Stack
    change_set: str | None
    is_new: bool
    changes: Sequence[Change] = ()
    parameters: Sequence[Difference] = ()
    drift: Sequence[Change] = ()


@dataclass(frozen=True)
class Deployed:
    """A stack as it was deployed last.

    Attributes:
        template: Its text.
        parameters: Their values; of one that names an SSM parameter, that one's.
        physical_ids: Of its resources, by their logical ids.
    """

    name: str
    template: str
    parameters: Mapping[str, str]
    physical_ids: Mapping[str, str]
    account_id: str
    region: str


@dataclass(frozen=True)
class Progress:
    """What is known now of a stack, or of something else that takes time.

    Attributes:
        subject: Such as the stack's name.
        status: In CloudFormation's words, or a word of ours.
        detail: The resource that it is about, where it is about one.
        is_final: Whether nothing more comes of this subject.
    """

    subject: str
    status: str
    detail: str = ""
    is_final: bool = False


type Watch = Callable[[Progress], None]


class Stacks:
    """The stacks of one account and Region. Its methods may run in several threads at once."""

    def __init__(
        self,
        cloudformation: "CloudFormationClient",
        watch: Watch = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Use one client for everything; tell ``watch`` what happens."""
        self._cloudformation = cloudformation
        self._watch = watch
        self._sleep = sleep

    def propose(self, stack: Stack, *, dry_run: bool = False) -> Proposal:
        """Find out what has to change; nothing changes yet.

        Args:
            stack: As it should be.
            dry_run: Do not even clear away what a first creation that failed has left.

        Raises:
            DeployError: CloudFormation does not take the template or its parameters, or the
                stack is busy, or has to be cleared away first.
        """
        with told_about(stack.name):
            found = self._stack(stack.name)
            if found is not None and found["StackStatus"] in _NOTHING_IN_IT:
                if dry_run:
                    raise DeployError(
                        f"{stack.name}: {found['StackStatus']}: its first creation failed, and "
                        "nothing can be proposed before a deployment has cleared that away"
                    )
                self._delete(stack.name)
                found = None
            is_new = found is None or found["StackStatus"] == _IN_REVIEW
            change_set = self._cloudformation.create_change_set(
                StackName=stack.name,
                ChangeSetName=f"logferry-{uuid.uuid4().hex}",
                ChangeSetType="CREATE" if is_new else "UPDATE",
                TemplateBody=(TEMPLATES / stack.template).read_text(encoding="utf-8"),
                Parameters=[
                    {"ParameterKey": name, "ParameterValue": value}
                    for name, value in stack.parameters.items()
                ],
                Capabilities=["CAPABILITY_NAMED_IAM"],
                Tags=[{"Key": name, "Value": value} for name, value in stack.tags.items()],
            )["Id"]
            for _ in looks(stack.name, self._sleep):
                described = self._cloudformation.describe_change_set(ChangeSetName=change_set)
                if described["Status"] not in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}:
                    break
            proposal = Proposal(stack, change_set, is_new)
            if described["Status"] == "FAILED":
                self.discard(proposal)
                reason = described.get("StatusReason", _NO_REASON)
                if any(words in reason for words in _NO_CHANGES):
                    self._watch(Progress(stack.name, "unchanged", is_final=True))
                    return Proposal(stack, None, is_new)
                raise DeployError(f"{stack.name}: {reason}")
            changes = list(self._changes(change_set))
            if found is None or is_new:
                return Proposal(stack, change_set, is_new, changes)
            before, after = (_values(each.get("Parameters", [])) for each in (found, described))
            return Proposal(stack, change_set, is_new, changes, differences(before, after))

    def discard(self, proposal: Proposal) -> None:
        """Forget a proposal, and the empty stack that it made if the stack is new."""
        if proposal.change_set is None:
            return
        with told_about(proposal.stack.name):
            self._cloudformation.delete_change_set(ChangeSetName=proposal.change_set)
            if proposal.is_new:
                self._delete(proposal.stack.name)

    def carry_out(self, proposal: Proposal) -> None:
        """Change the stack as proposed, and wait until that has ended.

        Raises:
            DeployError: It failed, and CloudFormation has undone it; names each resource that
                failed, and why.
        """
        name = proposal.stack.name
        if proposal.change_set is None:
            return
        with told_about(name):
            before = {event["EventId"] for event in self._new_events(name, set())}
            self._cloudformation.execute_change_set(ChangeSetName=proposal.change_set)
            status, problems = self._follow(name, before)
        self._watch(Progress(name, status, is_final=True))
        if status not in _SUCCEEDED:
            raise DeployError("\n  ".join([f"{name}: {status}", *problems]))

    def names(self) -> list[str]:
        """Return the names of the stacks that are there.

        Raises:
            DeployError: They cannot be listed.
        """
        with told_about("the list of stacks"):
            pages = self._cloudformation.get_paginator("list_stacks").paginate()
            found = [summary for page in pages for summary in page["StackSummaries"]]
        gone = {"DELETE_COMPLETE", _IN_REVIEW}
        return sorted(each["StackName"] for each in found if each["StackStatus"] not in gone)

    def template(self, name: str) -> str:
        """Return the text of a stack's template as it was deployed.

        Raises:
            DeployError: It cannot be read.
        """
        with told_about(name):
            # The SDK reads a template that is JSON, and leaves YAML as it is.
            body: Any = self._cloudformation.get_template(StackName=name)["TemplateBody"]
        return body if isinstance(body, str) else json.dumps(body, indent=2)

    def deployed(self, name: str) -> Deployed | None:
        """Return a stack as it was deployed last; None for one that is not there, or is changing.

        Raises:
            DeployError: CloudFormation does not say.
        """
        with told_about(name):
            found = self._stack(name)
            if found is None or found["StackStatus"] in _NOTHING_IN_IT | {_IN_REVIEW}:
                return None
            pages = self._cloudformation.get_paginator("list_stack_resources").paginate(
                StackName=name
            )
            resources = [each for page in pages for each in page["StackResourceSummaries"]]
        _, _, _, region, account_id, _ = found["StackId"].split(":", 5)
        return Deployed(
            name,
            self.template(name),
            _values(found.get("Parameters", [])),
            {
                each["LogicalResourceId"]: each["PhysicalResourceId"]
                for each in resources
                if each.get("PhysicalResourceId")
            },
            account_id,
            region,
        )

    def make_again(self, deployed: Deployed, logical_ids: Sequence[str]) -> None:
        """Take resources that are gone out of a stack, and let it make them anew.

        Raises:
            DeployError: CloudFormation has undone the one or the other.
        """
        without = load_template(deployed.template)
        for logical_id in logical_ids:
            del without["Resources"][logical_id]
        for body in (json.dumps(without), deployed.template):
            with told_about(deployed.name):
                before = {event["EventId"] for event in self._new_events(deployed.name, set())}
                self._cloudformation.update_stack(
                    StackName=deployed.name,
                    TemplateBody=body,
                    Parameters=[
                        {"ParameterKey": name, "UsePreviousValue": True}
                        for name in deployed.parameters
                    ],
                    Capabilities=["CAPABILITY_NAMED_IAM"],
                )
                status, problems = self._follow(deployed.name, before)
            if status not in _SUCCEEDED:
                raise DeployError("\n  ".join([f"{deployed.name}: {status}", *problems]))

    def remove(self, name: str) -> bool:
        """Delete a stack, but for what its template retains; return whether it was there.

        Raises:
            DeployError: It could not be deleted; names each resource that could not, and why.
        """
        with told_about(name):
            if self._stack(name) is None:
                self._watch(Progress(name, "not there", is_final=True))
                return False
            self._watch(Progress(name, "DELETE_IN_PROGRESS"))
            self._delete(name)
        self._watch(Progress(name, "DELETE_COMPLETE", is_final=True))
        return True

    def _follow(self, name: str, seen: set[str]) -> tuple[str, list[str]]:
        """Return the stack's status once it has ended, and why resources failed.

        Args:
            name: Of the stack.
            seen: The ids of its events so far. Until there is a new one, the change has not begun
                and the status is still that of the last change.
        """
        seen = set(seen)
        failures: list[str] = []
        has_begun = False
        for _ in looks(name, self._sleep):
            found = self._stack(name)
            for event in self._new_events(name, seen):
                has_begun = True
                seen.add(event["EventId"])
                failures += _failure(event)
                self._tell(name, event)
            status = found["StackStatus"] if found else "DELETE_COMPLETE"
            if has_begun and not status.endswith("_IN_PROGRESS"):
                break
        reason = found.get("StackStatusReason", _NO_REASON) if found else _NO_REASON
        return status, failures or [reason]

    def _stack(self, name: str) -> "StackTypeDef | None":
        try:
            return self._cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise

    def _delete(self, name: str) -> None:
        self._cloudformation.delete_stack(StackName=name)
        for _ in looks(name, self._sleep):
            found = self._stack(name)
            if found is None or found["StackStatus"] == "DELETE_COMPLETE":
                return
            if found["StackStatus"] == "DELETE_FAILED":
                reasons = [found.get("StackStatusReason", _NO_REASON)]
                for event in self._new_events(name, set()):
                    reasons += _failure(event)
                raise DeployError("\n  ".join([f"{name}: DELETE_FAILED", *reasons]))

    def _changes(self, change_set: str) -> Iterator[Change]:
        pages = self._cloudformation.get_paginator("describe_change_set").paginate(
            ChangeSetName=change_set, IncludePropertyValues=True
        )
        for change in (change for page in pages for change in page["Changes"]):
            yield change_of(change["ResourceChange"])

    def _new_events(self, name: str, seen: set[str]) -> list["StackEventTypeDef"]:
        """Return the events that are not known yet, oldest first."""
        new = []
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=name)
        for event in (event for page in pages for event in page["StackEvents"]):
            if event["EventId"] in seen:
                break
            new.append(event)
        return new[::-1]

    def _tell(self, name: str, event: "StackEventTypeDef") -> None:
        self._watch(Progress(name, event["ResourceStatus"], _about(event)))


def looks(subject: str, sleep: Callable[[float], None]) -> Iterator[None]:
    """Wait a little before each look at something but the first, longer and longer.

    Raises:
        DeployError: Patience has ended.
    """
    waited_s, next_s = 0.0, FIRST_LOOK_S
    while waited_s < PATIENCE_S:
        yield
        sleep(next_s)
        waited_s += next_s
        next_s = min(next_s * 1.5, LONGEST_LOOK_S)
    raise DeployError(f"{subject}: no end after {PATIENCE_S / 60:.0f} minutes")


def deploy_stack(
    session: "boto3.Session", stack: Stack, *, region: str, watch: Watch = lambda _: None
) -> None:
    """Bring a stack to what its template and parameters say; nothing to change is no error.

    Raises:
        DeployError: It failed; names each resource that failed, and why.
    """
    client = session.client("cloudformation", region_name=region, config=CLIENT_CONFIG)
    stacks = Stacks(client, watch)
    stacks.carry_out(stacks.propose(stack))


def _values(parameters: "Sequence[ParameterTypeDef]") -> dict[str, str]:
    """Return parameters' values; of one that names an SSM parameter, that one's."""
    return {
        each["ParameterKey"]: each.get("ResolvedValue") or each.get("ParameterValue") or ""
        for each in parameters
    }


def _about(event: "StackEventTypeDef") -> str:
    return f"{event['LogicalResourceId']} ({event['ResourceType']})"


def _failure(event: "StackEventTypeDef") -> list[str]:
    status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", _NO_REASON)
    is_stack = event.get("PhysicalResourceId") == event["StackId"]  # which says what failed in it
    if is_stack or not status.endswith("_FAILED") or _CANCELLED in reason:
        return []
    return [f"{_about(event)}: {status}: {reason}"]


@contextmanager
def told_about(name: str) -> Iterator[None]:
    """Turn an error of AWS, or of the way to it, into ours with the stack's name."""
    try:
        yield
    except ClientError as error:
        message = error.response["Error"]["Message"]
        raise DeployError(f"{name}: {error.operation_name}: {message}") from error
    except AWS_ERRORS as error:
        raise DeployError(f"{name}: {error}") from error
