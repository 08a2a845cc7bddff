"""One stack: what is asked of CloudFormation, and what is made of its answers."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from logferry import stack
from logferry.change import Change, Difference
from logferry.errors import DeployError
from logferry.stack import Progress, Proposal, Stack, Stacks

QUEUE = """
Parameters: {Age: {Type: Number, Default: 60}}
Resources:
  Queue: {Type: "AWS::SQS::Queue", Properties: {QueueName: q, MessageRetentionPeriod: !Ref Age}}
"""
WANTED = Stack("s", "queue.yaml", {"Age": "120"}, {"application": "logferry"})
ADDED = Change("Add", "Queue", "AWS::SQS::Queue", replaces=False)


@pytest.fixture(autouse=True)
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "queue.yaml").write_text(QUEUE)
    monkeypatch.setattr(stack, "TEMPLATES", tmp_path)


class FakeCloudFormation:
    """One stack, in which changes happen as scripted.

    Attributes:
        status: Of the stack; None when there is none.
        script: For each look after a change was begun: the status, and new events.
        change_set: The answers to looks at the change set.
        parameters: Of the stack, as it was deployed.
        change: The resource that the change set changes.
        calls: What was asked, but for looks.
    """

    def __init__(self, status: str | None = None) -> None:
        self.status = status
        self.reason: str | None = None
        self.events: list[dict[str, Any]] = []
        self.script: list[tuple[str | None, list[dict[str, Any]]]] = []
        self.change_set: list[dict[str, Any]] = [{"Status": "CREATE_COMPLETE"}]
        self.parameters: list[dict[str, Any]] = []
        self.change: dict[str, Any] = {"Action": "Add"}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._begun = False

    def asked(self) -> list[str]:
        return [name for name, _ in self.calls]

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803
        if self._begun and self.script:
            self.status, events = self.script.pop(0)
            self.events = [*reversed(events), *self.events]
        if self.status is None:
            raise self.error("DescribeStacks", f"Stack with id {StackName} does not exist")
        found = {"StackName": StackName, "StackStatus": self.status, "Parameters": self.parameters}
        return {"Stacks": [found | ({"StackStatusReason": self.reason} if self.reason else {})]}

    def create_change_set(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("create_change_set", request))
        self.status = self.status or "REVIEW_IN_PROGRESS"
        return {"Id": "arn:change-set"}

    def describe_change_set(self, ChangeSetName: str) -> dict[str, Any]:  # noqa: N803
        assert ChangeSetName == "arn:change-set"
        return self.change_set.pop(0) if len(self.change_set) > 1 else self.change_set[0]

    def delete_change_set(self, **request: Any) -> None:
        self.calls.append(("delete_change_set", request))

    def delete_stack(self, **request: Any) -> None:
        self.calls.append(("delete_stack", request))
        self.status = None

    def execute_change_set(self, **request: Any) -> None:
        self.calls.append(("execute_change_set", request))
        self._begun = True

    def get_paginator(self, operation: str) -> "FakeCloudFormation":
        self._operation = operation
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        if self._operation == "describe_stack_events":
            assert request == {"StackName": "s"}
            yield {"StackEvents": self.events[:2]}
            yield {"StackEvents": self.events[2:]}
        elif self._operation == "list_stacks":
            yield {"StackSummaries": [{"StackName": "s", "StackStatus": self.status}]}
            yield {"StackSummaries": [{"StackName": "gone", "StackStatus": "DELETE_COMPLETE"}]}
            yield {"StackSummaries": [{"StackName": "never", "StackStatus": "REVIEW_IN_PROGRESS"}]}
        else:
            assert request == {"ChangeSetName": "arn:change-set", "IncludePropertyValues": True}
            yield {"Changes": []}
            queue = {"LogicalResourceId": "Queue", "ResourceType": "AWS::SQS::Queue"}
            yield {"Changes": [{"ResourceChange": queue | self.change}]}

    @staticmethod
    def error(operation: str, message: str) -> ClientError:
        return ClientError({"Error": {"Code": "ValidationError", "Message": message}}, operation)


def event(status: str, reason: str | None = None, logical_id: str = "Queue") -> dict[str, Any]:
    """A stack event; those of ``s`` are the stack's own."""
    return {
        "EventId": f"{logical_id} {status}",
        "StackId": "arn:s",
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": "arn:s" if logical_id == "s" else "url:q",
        "ResourceType": "AWS::CloudFormation::Stack" if logical_id == "s" else "AWS::SQS::Queue",
        "ResourceStatus": status,
        **({"ResourceStatusReason": reason} if reason else {}),
    }


def stacks(fake: FakeCloudFormation, seen: list[Progress] | None = None) -> Stacks:
    watch = (lambda _: None) if seen is None else seen.append
    return Stacks(fake, watch, sleep=lambda _: None)  # type: ignore[arg-type]  # as far as used


def test_a_new_stack_is_proposed_with_its_template_parameters_and_tags() -> None:
    fake = FakeCloudFormation()
    fake.change_set = [{"Status": "CREATE_PENDING"}, {"Status": "CREATE_COMPLETE"}]
    assert stacks(fake).propose(WANTED) == Proposal(WANTED, "arn:change-set", True, [ADDED])
    ((_, request),) = fake.calls
    assert request["ChangeSetType"] == "CREATE"
    assert request["TemplateBody"] == QUEUE
    assert request["Parameters"] == [{"ParameterKey": "Age", "ParameterValue": "120"}]
    assert request["Tags"] == [{"Key": "application", "Value": "logferry"}]
    assert request["Capabilities"] == ["CAPABILITY_NAMED_IAM"]


def test_an_existing_stack_is_proposed_as_an_update() -> None:
    fake = FakeCloudFormation("UPDATE_COMPLETE")
    assert not stacks(fake).propose(WANTED).is_new
    assert fake.calls[0][1]["ChangeSetType"] == "UPDATE"


def test_a_stack_that_was_only_ever_proposed_is_still_new() -> None:
    fake = FakeCloudFormation("REVIEW_IN_PROGRESS")
    assert stacks(fake).propose(WANTED).is_new
    assert fake.calls[0][1]["ChangeSetType"] == "CREATE"


def test_what_a_failed_first_creation_left_is_deleted_first() -> None:
    fake = FakeCloudFormation("ROLLBACK_COMPLETE")
    assert stacks(fake).propose(WANTED).is_new
    assert fake.asked() == ["delete_stack", "create_change_set"]


@pytest.mark.parametrize(
    "reason",
    [
        "The submitted information didn't contain changes. Submit different information to ...",
        "No updates are to be performed.",
    ],
)
def test_nothing_to_change_leaves_no_change_set_behind(reason: str) -> None:
    fake = FakeCloudFormation("CREATE_COMPLETE")
    fake.change_set = [{"Status": "FAILED", "StatusReason": reason}]
    seen: list[Progress] = []
    found = stacks(fake, seen)
    proposal = found.propose(WANTED)
    assert proposal.change_set is None
    assert fake.asked() == ["create_change_set", "delete_change_set"]
    assert seen == [Progress("s", "unchanged", is_final=True)]
    found.carry_out(proposal)
    found.discard(proposal)
    assert fake.asked() == ["create_change_set", "delete_change_set"]


def test_a_change_set_that_fails_is_told_with_its_reason_and_leaves_nothing_behind() -> None:
    fake = FakeCloudFormation()
    fake.change_set = [{"Status": "FAILED", "StatusReason": "Template error: no such parameter"}]
    with pytest.raises(DeployError, match="s: Template error: no such parameter"):
        stacks(fake).propose(WANTED)
    assert fake.asked() == ["create_change_set", "delete_change_set", "delete_stack"]


def test_a_dry_run_does_not_clear_away_what_a_failed_first_creation_left() -> None:
    fake = FakeCloudFormation("ROLLBACK_COMPLETE")
    with pytest.raises(DeployError, match="s: ROLLBACK_COMPLETE: its first creation failed"):
        stacks(fake).propose(WANTED, dry_run=True)
    assert fake.asked() == []


def test_parameters_that_differ_are_told_with_both_values() -> None:
    fake = FakeCloudFormation("UPDATE_COMPLETE")
    fake.parameters = [
        {"ParameterKey": "Age", "ParameterValue": "60"},
        {"ParameterKey": "Same", "ParameterValue": "a"},
        {"ParameterKey": "Topic", "ParameterValue": "/topic", "ResolvedValue": "arn:old"},
        {"ParameterKey": "Went", "ParameterValue": "x"},
    ]
    after = [
        {"ParameterKey": "Age", "ParameterValue": "120"},
        {"ParameterKey": "Came", "ParameterValue": "y"},
        {"ParameterKey": "Same", "ParameterValue": "a"},
        {"ParameterKey": "Topic", "ParameterValue": "/topic", "ResolvedValue": "arn:new"},
    ]
    fake.change_set = [{"Status": "CREATE_COMPLETE", "Parameters": after}]
    assert stacks(fake).propose(WANTED).parameters == [
        Difference("Age", "60", "120"),
        Difference("Came", None, "y"),
        Difference("Topic", "arn:old", "arn:new"),
        Difference("Went", "x", None),
    ]


def test_a_new_stack_has_no_parameters_that_differ() -> None:
    fake = FakeCloudFormation()
    parameters = [{"ParameterKey": "Age", "ParameterValue": "120"}]
    fake.change_set = [{"Status": "CREATE_COMPLETE", "Parameters": parameters}]
    assert stacks(fake).propose(WANTED).parameters == ()


def test_properties_that_differ_are_told_as_the_change_sets_details_have_them() -> None:
    fake = FakeCloudFormation("UPDATE_COMPLETE")
    variable = {"Attribute": "Properties", "Name": "Environment"}
    variable["Path"] = "/Properties/Environment/Variables/HOLD"
    fake.change = {
        "Action": "Modify",
        "Replacement": "Conditional",
        "Details": [
            {"Target": variable | {"BeforeValue": "off", "AfterValue": "on_completion"}},
            {"Target": variable},  # caused by a parameter, and by a resource that has it
            {"Target": {"Attribute": "Properties", "Name": "Code"}},
            {"Target": {"Attribute": "Tags"}},
        ],
    }
    (change,) = stacks(fake).propose(WANTED).changes
    assert change.replaces is None
    assert change.differences == [
        Difference("Code", None, None),
        Difference("Environment/Variables/HOLD", "off", "on_completion"),
        Difference("Tags", None, None),
    ]


def test_where_details_are_missing_the_contexts_are_compared() -> None:
    fake = FakeCloudFormation("UPDATE_COMPLETE")
    before = {"Delay": 60, "Name": "q", "Tags": [{"Key": "a"}, {"Key": "b"}]}
    after = {"Delay": "60", "Name": "p", "Tags": [{"Key": "a"}]}
    fake.change = {
        "Action": "Modify",
        "Replacement": "True",
        "BeforeContext": json.dumps({"Properties": before}),
        "AfterContext": json.dumps({"Properties": after}),
    }
    (change,) = stacks(fake).propose(WANTED).changes
    assert change.replaces is True
    assert change.differences == [Difference("Name", "q", "p"), Difference("Tags/1/Key", "b", None)]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("ExternalId", "word", "****"),
        ("Environment/Variables/EXTERNAL_ID", "word", "****"),
        (
            "Environment",
            '{"EXTERNAL_ID":"word","HOLD":"off"}',
            '{"EXTERNAL_ID":"****","HOLD":"off"}',
        ),
        ("ScheduleInput", '{"external_id": "word", "x": 1}', '{"external_id": "****", "x": 1}'),
        (
            "Target",
            r'{"Input":"{\"external_id\": \"word\"}"}',
            r'{"Input":"{\"external_id\": \"****\"}"}',
        ),
        ("AssumeRolePolicyDocument", '{"sts:ExternalId":"word"}', '{"sts:ExternalId":"****"}'),
    ],
)
def test_what_sources_roles_ask_for_is_not_shown(name: str, value: str, shown: str) -> None:
    fake = FakeCloudFormation("UPDATE_COMPLETE")
    fake.change = {"Action": "Modify", "Details": [{"Target": {"Name": name, "AfterValue": value}}]}
    (change,) = stacks(fake).propose(WANTED).changes
    assert change.differences == [Difference(name, None, shown)]


def test_stacks_that_are_gone_or_were_only_ever_proposed_are_not_there() -> None:
    assert stacks(FakeCloudFormation("UPDATE_ROLLBACK_COMPLETE")).names() == ["s"]


def test_discarding_the_proposal_of_a_new_stack_removes_the_empty_stack() -> None:
    fake = FakeCloudFormation()
    found = stacks(fake)
    found.discard(found.propose(WANTED))
    assert fake.asked() == ["create_change_set", "delete_change_set", "delete_stack"]


def test_discarding_the_proposal_of_an_existing_stack_leaves_the_stack() -> None:
    fake = FakeCloudFormation("CREATE_COMPLETE")
    found = stacks(fake)
    found.discard(found.propose(WANTED))
    assert fake.asked() == ["create_change_set", "delete_change_set"]


def test_a_change_is_told_resource_by_resource_until_its_end() -> None:
    fake = FakeCloudFormation("CREATE_COMPLETE")
    fake.events = [event("CREATE_COMPLETE", logical_id="s"), event("CREATE_COMPLETE")]
    fake.script = [
        ("UPDATE_IN_PROGRESS", [event("UPDATE_IN_PROGRESS", logical_id="s")]),
        ("UPDATE_IN_PROGRESS", [event("UPDATE_IN_PROGRESS"), event("UPDATE_COMPLETE")]),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", []),
        ("UPDATE_COMPLETE", [event("UPDATE_COMPLETE", logical_id="s")]),
    ]
    seen: list[Progress] = []
    found = stacks(fake, seen)
    found.carry_out(found.propose(WANTED))
    assert [(p.status, p.detail) for p in seen] == [
        ("UPDATE_IN_PROGRESS", "s (AWS::CloudFormation::Stack)"),
        ("UPDATE_IN_PROGRESS", "Queue (AWS::SQS::Queue)"),
        ("UPDATE_COMPLETE", "Queue (AWS::SQS::Queue)"),
        ("UPDATE_COMPLETE", "s (AWS::CloudFormation::Stack)"),
        ("UPDATE_COMPLETE", ""),
    ]
    assert [p.is_final for p in seen] == [False] * 4 + [True]


def test_the_status_of_the_last_change_is_not_taken_for_this_ones() -> None:
    fake = FakeCloudFormation("UPDATE_ROLLBACK_COMPLETE")
    fake.events = [event("UPDATE_ROLLBACK_COMPLETE", logical_id="s")]
    fake.script = [
        ("UPDATE_ROLLBACK_COMPLETE", []),  # AWS has not begun yet
        ("UPDATE_IN_PROGRESS", [event("UPDATE_IN_PROGRESS", logical_id="s")]),
        ("UPDATE_COMPLETE", [event("UPDATE_COMPLETE", logical_id="s")]),
    ]
    found = stacks(fake)
    found.carry_out(found.propose(WANTED))
    assert fake.script == []


def test_a_failure_names_each_resource_that_failed_by_itself_and_why() -> None:
    fake = FakeCloudFormation()
    fake.script = [
        (
            "ROLLBACK_COMPLETE",
            [
                event("CREATE_FAILED", "Queue q already exists"),
                event("CREATE_FAILED", "Resource creation cancelled", logical_id="Other"),
                event("ROLLBACK_IN_PROGRESS", "[Queue, Other] failed", logical_id="s"),
                event("CREATE_FAILED", "[Queue, Other] failed", logical_id="s"),
            ],
        ),
    ]
    found = stacks(fake)
    with pytest.raises(DeployError) as caught:
        found.carry_out(found.propose(WANTED))
    assert str(caught.value) == (
        "s: ROLLBACK_COMPLETE\n  Queue (AWS::SQS::Queue): CREATE_FAILED: Queue q already exists"
    )


def test_a_failure_that_no_resource_caused_is_told_with_the_stacks_reason() -> None:
    fake = FakeCloudFormation()
    fake.reason = "Role arn:aws:iam::1:role/x is invalid or cannot be assumed"
    fake.script = [("CREATE_FAILED", [event("CREATE_FAILED", logical_id="s")])]
    found = stacks(fake)
    with pytest.raises(DeployError, match=r"CREATE_FAILED\n  Role .* cannot be assumed"):
        found.carry_out(found.propose(WANTED))


def test_a_stack_that_somebody_deletes_meanwhile_is_a_failure() -> None:
    fake = FakeCloudFormation("CREATE_COMPLETE")
    fake.script = [("DELETE_IN_PROGRESS", [event("DELETE_IN_PROGRESS")]), (None, [])]
    found = stacks(fake)
    with pytest.raises(DeployError, match="DELETE_COMPLETE"):
        found.carry_out(found.propose(WANTED))


def test_patience_ends() -> None:
    fake = FakeCloudFormation("CREATE_COMPLETE")
    fake.script = [("UPDATE_IN_PROGRESS", [event("UPDATE_IN_PROGRESS")])]
    slept: list[float] = []
    found = Stacks(fake, sleep=slept.append)  # type: ignore[arg-type]  # as far as used
    with pytest.raises(DeployError, match="no end after 60 minutes"):
        found.carry_out(found.propose(WANTED))
    assert sum(slept) == pytest.approx(stack.PATIENCE_S, abs=stack.LONGEST_LOOK_S)
    assert slept[:3] == pytest.approx([0.2, 0.3, 0.45])


def test_what_aws_refuses_is_told_with_the_stack_and_the_operation() -> None:
    fake = FakeCloudFormation()

    def refuse(**_: Any) -> None:
        raise fake.error("CreateChangeSet", "Unable to fetch parameters [/logferry/topic/arn]")

    fake.create_change_set = refuse  # type: ignore[method-assign, assignment]
    with pytest.raises(DeployError, match=r"s: CreateChangeSet: Unable to fetch parameters \[/log"):
        stacks(fake).propose(WANTED)


def test_no_way_to_aws_is_told_with_the_stack() -> None:
    fake = FakeCloudFormation()

    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://cloudformation.eu-west-1.example")

    fake.describe_stacks = unreachable  # type: ignore[method-assign, assignment]
    with pytest.raises(DeployError, match="s: Could not connect to the endpoint URL"):
        stacks(fake).propose(WANTED)


def test_a_stack_is_removed_once_it_is_gone() -> None:
    fake, seen = FakeCloudFormation("UPDATE_COMPLETE"), list[Progress]()
    assert stacks(fake, seen).remove("s")
    assert fake.asked() == ["delete_stack"]
    assert [(p.status, p.is_final) for p in seen] == [
        ("DELETE_IN_PROGRESS", False),
        ("DELETE_COMPLETE", True),
    ]


def test_a_stack_that_is_not_there_need_not_be_removed() -> None:
    fake = FakeCloudFormation()
    assert not stacks(fake).remove("s")
    assert fake.asked() == []


def test_a_stack_that_cannot_be_removed_names_what_holds_it() -> None:
    fake = FakeCloudFormation("UPDATE_COMPLETE")
    fake.delete_stack = lambda **_: setattr(fake, "status", "DELETE_FAILED")  # type: ignore[method-assign]
    fake.reason = "The following resource(s) failed to delete: [Queue]."
    fake.events = [event("DELETE_FAILED", "in use")]
    with pytest.raises(DeployError, match=r"s: DELETE_FAILED\n.*\[Queue\]\.\n  Queue .*: in use"):
        stacks(fake).remove("s")
