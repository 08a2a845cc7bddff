"""What a deployment would change: which stacks, how it is told, and the exit code."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from logferry import diff
from logferry.change import Change, Difference
from logferry.checkout import TEMPLATES
from logferry.command import main
from logferry.commands import deployment
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.errors import ConfigError, DeployError
from logferry.hub import Options, Outcome
from logferry.package import Zip
from logferry.stack import Proposal, Stack

ARCHIVE = "logferry-archive"
PLANNER = "logferry-planner"
SHOP = "logferry-exporter-shop"
OLD = "logferry-exporter-old"


class Hub:
    """What a dry run finds, and which stacks are there.

    Attributes:
        outcomes: Of the dry run.
        proposals: What would change.
        there: The names of the stacks that are there.
        asked: The options of the dry run.
    """

    def __init__(self) -> None:
        self.outcomes = [Outcome(ARCHIVE, "unchanged")]
        self.proposals: list[Proposal] = []
        self.there = [ARCHIVE]
        self.asked: list[Options] = []
        self.error: Exception | None = None

    def deploy_hub(self, *arguments: Any) -> list[Outcome]:
        *_, options = arguments
        self.asked.append(options)
        if self.error:
            raise self.error
        assert options.dry_run
        if self.proposals:
            assert options.confirm(self.proposals)
        return self.outcomes

    def names(self) -> list[str]:
        return self.there

    @staticmethod
    def template(name: str) -> str:
        deployed = (TEMPLATES / f"{name.removeprefix('logferry-')}.yaml").read_text()
        return deployed.replace("AWSTemplateFormatVersion", "# Older\nAWSTemplateFormatVersion", 1)


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch, some_zips: list[Zip]) -> Hub:
    made = Hub()
    monkeypatch.setattr(deployment, "build_zips", lambda *_, **__: some_zips)
    monkeypatch.setattr(diff, "deploy_hub", made.deploy_hub)
    monkeypatch.setattr(diff, "stacks_of", lambda *_: made)
    return made


@pytest.fixture
def run(path: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs the command; returns its exit code and what it printed to stdout."""

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["diff", path, *arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code, capsys.readouterr().out

    return run


def proposal(
    name: str, *, is_new: bool = False, differences: Sequence[Difference] = ()
) -> Proposal:
    stack = Stack(name, "planner.yaml", {"CodeKey": "planner/b.zip"})
    change = Change("Add" if is_new else "Modify", "Function", "AWS::Lambda::Function", False)
    return Proposal(stack, "arn:change-set", is_new, [change], differences)


def test_nothing_that_differs_is_exit_code_0(deployed: Hub, run: Callable[..., Any]) -> None:
    assert run() == (DONE, f"{ARCHIVE}  the same\n")


def test_a_stack_that_differs_is_shown_with_its_values(
    deployed: Hub, run: Callable[..., Any]
) -> None:
    deployed.outcomes.append(Outcome(PLANNER, "proposed"))
    deployed.there.append(PLANNER)
    deployed.proposals = [
        proposal(PLANNER, differences=[Difference("SettleMinutes", "1440", "60")])
    ]
    code, out = run()
    assert code == FAILED
    assert out.splitlines()[1:] == [
        f"{PLANNER}  differs",
        "  parameter SettleMinutes: 1440 -> 60",
        "  ~ Function (AWS::Lambda::Function)",
    ]


def test_a_zip_that_differs_is_told(deployed: Hub, run: Callable[..., Any]) -> None:
    deployed.outcomes.append(Outcome(PLANNER, "proposed"))
    deployed.there.append(PLANNER)
    deployed.proposals = [
        proposal(PLANNER, differences=[Difference("CodeKey", "planner/a.zip", "planner/b.zip")])
    ]
    _, out = run("--json")
    same, differs = json.loads(out)
    assert (same["code_differs"], differs["code_differs"]) == (False, True)
    assert f"{PLANNER}  differs, its zip too\n" in run()[1]


def test_what_is_not_there_yet_is_told_and_what_needs_it_is_not_looked_at(
    deployed: Hub, run: Callable[..., Any]
) -> None:
    deployed.outcomes = [
        Outcome(ARCHIVE, "proposed"),
        Outcome(PLANNER, "not_looked_at"),
        Outcome(SHOP, "not_looked_at"),
    ]
    deployed.proposals = [proposal(ARCHIVE, is_new=True)]
    deployed.there = [SHOP]
    code, out = run("--json")
    assert code == FAILED
    found = json.loads(out)
    assert [(each["stack_name"], each["state"]) for each in found] == [
        (ARCHIVE, "new"),
        (PLANNER, "new"),
        (SHOP, "needs_a_new_stack"),
    ]
    assert [len(each["resources"]) for each in found] == [1, 0, 0]


def test_a_stack_that_is_left_over_differs_and_is_told_with_the_command_that_deletes_it(
    deployed: Hub, run: Callable[..., Any]
) -> None:
    deployed.outcomes.append(Outcome(OLD, "left_over"))
    code, out = run("--json")
    assert code == FAILED
    assert json.loads(out)[1] == {
        "stack_name": OLD,
        "state": "left_over",
        "code_differs": False,
        "parameters": [],
        "resources": [],
        "drift": [],
        "delete": f"aws cloudformation delete-stack --region eu-west-1 --stack-name {OLD}",
    }


def test_texts_of_templates_are_compared_when_asked_for(
    deployed: Hub, run: Callable[..., Any]
) -> None:
    code, out = run("--templates", "--json")
    assert code == DONE  # a comment changes nothing that is deployed
    (found,) = json.loads(out)
    lines = found["template"].splitlines()
    assert lines[:2] == ["--- deployed", "+++ deploy/archive.yaml"]
    assert [line for line in lines[2:] if line[0] in "+-"] == ["-# Older"]
    assert "template" not in json.loads(run("--json")[1])[0]


@pytest.mark.parametrize(
    "error",
    [DeployError("logferry-planner: CreateChangeSet: no"), ConfigError("only", ["x: none of y"])],
)
def test_what_cannot_be_found_out_is_exit_code_2(
    deployed: Hub, run: Callable[..., Any], error: Exception
) -> None:
    deployed.error = error
    code, out = run("--json")
    assert code == BAD_INPUT
    assert json.loads(out) == {"error": str(error)}


def test_a_configuration_that_cannot_be_read_is_exit_code_2(
    deployed: Hub, run: Callable[..., Any], path: str
) -> None:
    Path(path).write_text("region: [")
    assert run()[0] == BAD_INPUT
    assert deployed.asked == []


def test_patterns_reach_the_dry_run(deployed: Hub, run: Callable[..., Any]) -> None:
    run("--only", "archive", "--only", "exporter-*")
    (asked,) = deployed.asked
    assert asked.only == ("archive", "exporter-*")
