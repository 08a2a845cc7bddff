"""Which permissions a run has needed: each is taken out of its policy, and the run judged anew.

A run is the document of `/_devstack/authorization`: every request that was made, and the policies
that it was judged by.
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from localstack_addons.authorization import Request, decide, policy_holder, request_from


@dataclass(frozen=True, order=True)
class Permission:
    """An action, or an entry of Resource, of one statement.

    Attributes:
        policy: A role and the policy's name, such as ``planner/provisioning``; for a policy of a
            resource, or a role's trust, the resource, such as ``bucket archive``.
        statement: Its Sid; empty without one.
        entry: Such as ``s3:GetObject``, or an ARN.
    """

    policy: str
    statement: str
    entry: str


@dataclass(frozen=True)
class Decision:
    """A request, the operation that made it, and what came of it."""

    request: Request
    operation: str
    allowed: bool


class Run:
    """What a run asked for.

    ``names`` are parts of ARNs that differ from run to run, and what stands for them.
    """

    def __init__(self, document: Mapping[str, Any], names: Mapping[str, str]) -> None:
        self.decisions = [
            Decision(request_from(each), each["operation"], each["allowed"])
            for each in document["decisions"]
        ]
        self.unknown: list[str] = document["unknown"]
        self._own: Mapping[str, Mapping[str, str]] = document["own"]
        self._resources: Mapping[str, str] = document["resources"]
        self._names = names

    def refused(self) -> set[tuple[str, str, str]]:
        """Return who was refused what, as role, operation and action."""
        return {
            (self._name(each.request.principal), each.operation, each.request.action)
            for each in self.decisions
            if not each.allowed
        }

    def judged_as_then(self) -> bool:
        """Return whether every decision comes out here as it did in the run."""
        return all(
            decide(each.request, self._policies(each.request), self._policy(each.request)).allowed
            == each.allowed
            for each in self.decisions
        )

    def missed(self) -> dict[Permission, set[str]]:
        """Return by which operations each permission is missed when it is taken out.

        Policies of one kind count as one: what one source's exporter needs, exporters need.
        """
        found: dict[Permission, set[str]] = defaultdict(set)
        for permission, operations in [*self._missed_of_roles(), *self._missed_of_resources()]:
            found[permission] |= operations
        return dict(found)

    def _missed_of_roles(self) -> Iterator[tuple[Permission, set[str]]]:
        for principal, own in self._own.items():
            asked = [d for d in self._granted() if d.request.principal == principal]
            for name, document in own.items():
                for statement, entry, mutant in _mutants(json.loads(document)):
                    others = [text for other, text in own.items() if other != name]
                    label = (
                        name if name.startswith("logferry-") else f"{self._name(principal)}/{name}"
                    )
                    yield (
                        Permission(self._named(label), statement, self._named(entry)),
                        {
                            d.operation
                            for d in _touched(asked, entry)
                            if not decide(
                                d.request, [*others, mutant], self._policy(d.request)
                            ).allowed
                        },
                    )

    def _missed_of_resources(self) -> Iterator[tuple[Permission, set[str]]]:
        for arn, document in self._resources.items():
            asked = [d for d in self._granted() if policy_holder(d.request) == arn]
            for statement, entry, mutant in _mutants(json.loads(document)):
                yield (
                    Permission(self._name(arn), statement, self._named(entry)),
                    {
                        d.operation
                        for d in _touched(asked, entry)
                        if not decide(d.request, self._policies(d.request), mutant).allowed
                    },
                )

    def _granted(self) -> list[Decision]:
        return [each for each in self.decisions if each.allowed]

    def _policies(self, request: Request) -> list[str]:
        return list(self._own.get(request.principal, {}).values())

    def _policy(self, request: Request) -> str | None:
        return self._resources.get(policy_holder(request))

    def _name(self, arn: str) -> str:
        """Return a role's or a resource's name without what differs from run to run."""
        if not arn.startswith("arn:"):
            return self._named(arn)
        service, resource = arn.split(":")[2], arn.split(":", 5)[5]
        kind = {"s3": "bucket ", "sqs": "queue ", "sns": "topic ", "kms": ""}.get(service, "")
        return kind + self._named(re.sub(r"^role/logferry-|^role/|key/.*", _kept, resource))

    def _named(self, text: str) -> str:
        for part, name in self._names.items():
            text = text.replace(part, name)
        return text


def _kept(found: re.Match[str]) -> str:
    return "key" if found[0].startswith("key/") else ""


def _mutants(document: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each statement's Sid, each action or resource of it, and the document without that.

    A statement's only resource goes with its actions.
    """
    for number, statement in enumerate(document["Statement"]):
        if statement["Effect"] != "Allow":
            continue
        for element in ("Action", "Resource"):
            entries = statement.get(element, [])
            entries = entries if isinstance(entries, list) else [entries]
            if element == "Resource" and len(entries) == 1:
                continue
            for entry in entries:
                left = [each for each in entries if each != entry]
                without = [*document["Statement"]]
                without[number : number + 1] = [{**statement, element: left}] if left else []
                mutant = json.dumps({**document, "Statement": without})
                yield statement.get("Sid", ""), entry, mutant


def _touched(decisions: list[Decision], entry: str) -> list[Decision]:
    """Return the decisions that an action or a resource can have to do with."""
    return [
        each
        for each in decisions
        if fnmatchcase(
            each.request.resource if entry.startswith("arn:") else each.request.action, entry
        )
    ]
