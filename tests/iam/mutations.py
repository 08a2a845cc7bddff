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

from localstack_addons.authorization.evaluation import (
    Decision,
    decide,
    decisions_from,
    policy_holder,
)


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


class Run:
    """What a run asked for.

    ``names`` are parts of ARNs that differ from run to run, and what stands for them. ``optional``
    are the names of policies that roles need not have: what others allow as well has to be theirs.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        names: Mapping[str, str],
        *,
        optional: frozenset[str] = frozenset(),
    ) -> None:
        self.decisions = decisions_from(document)
        self.unknown: list[str] = document["unknown"]
        self._names = names
        self._optional = optional

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
            decide(each.request, dict(each.own).values(), each.resource_policy).allowed
            == each.allowed
            for each in self.decisions
        )

    def missed(self) -> dict[Permission, set[str]]:
        """Return by which operations each permission is missed when it is taken out.

        Policies of one kind count as one: what one source's exporter needs, exporters need.
        """
        by_own: dict[tuple[str, str, str], list[Decision]] = defaultdict(list)
        by_resource: dict[tuple[str, str], list[Decision]] = defaultdict(list)
        for each in self.decisions:
            if not each.allowed:
                continue
            for name, text in each.own:
                by_own[each.request.principal, name, text].append(each)
            if each.resource_policy:
                by_resource[policy_holder(each.request), each.resource_policy].append(each)
        found: dict[Permission, set[str]] = defaultdict(set)
        for (principal, name, text), decisions in by_own.items():
            label = name if name.startswith("logferry-") else f"{self._name(principal)}/{name}"
            for statement, entry, mutant in _mutants(json.loads(text)):
                found[Permission(label, statement, self._named(entry))] |= {
                    each.operation
                    for each in _touched(decisions, entry)
                    if self._is_missed(each, name, mutant)
                }
        for (arn, text), decisions in by_resource.items():
            for statement, entry, mutant in _mutants(json.loads(text)):
                found[Permission(self._name(arn), statement, self._named(entry))] |= {
                    each.operation
                    for each in _touched(decisions, entry)
                    if not decide(each.request, dict(each.own).values(), mutant).allowed
                }
        return dict(found)

    def _is_missed(self, decision: Decision, name: str, mutant: str) -> bool:
        """Return whether it is refused with another policy of a name, and by that alone."""

        def is_allowed(policies: Mapping[str, str]) -> bool:
            policy = decision.resource_policy
            return decide(decision.request, policies.values(), policy).allowed

        own = dict(decision.own)
        kept = {each: text for each, text in own.items() if each not in self._optional}
        if name in kept and is_allowed(kept):
            own = kept
        return not is_allowed(own | {name: mutant})

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
