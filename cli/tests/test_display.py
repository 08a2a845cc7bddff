import io
from dataclasses import replace

import pytest
from rich.console import Console
from rich.prompt import Confirm

from logferry.change import Change, Difference
from logferry.display import Display, change_lines
from logferry.errors import DeployError
from logferry.stack import Progress, Proposal, Stack

ARCHIVE = Proposal(
    Stack("logferry-archive", "archive.yaml", {}),
    "arn:change-set",
    is_new=False,
    changes=[
        Change("Modify", "Topic", "AWS::SNS::Topic", replaces=True),
        Change("Add", "Key", "AWS::KMS::Key", replaces=False),
    ],
)


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=terminal, width=100, color_system=None)


def text_of(made: Console) -> str:
    assert isinstance(made.file, io.StringIO)
    return made.file.getvalue()


def test_without_a_terminal_each_end_is_a_line() -> None:
    made = console(terminal=False)
    with Display(made) as display:
        display.watch(Progress("logferry-archive", "CREATE_IN_PROGRESS", "Key (AWS::KMS::Key)"))
        assert text_of(made) == ""
        display.watch(Progress("logferry-archive", "CREATE_COMPLETE", is_final=True))
    assert text_of(made) == "logferry-archive  CREATE_COMPLETE  0.0 s\n"


def test_on_a_terminal_the_resource_that_is_worked_on_is_shown() -> None:
    made = console(terminal=True)
    with Display(made) as display:
        display.watch(Progress("logferry-archive", "CREATE_IN_PROGRESS", "Key (AWS::KMS::Key)"))
    shown = " ".join(text_of(made).split())
    assert "logferry-archive 0 s CREATE_IN_PROGRESS Key (AWS::KMS::Key)" in shown


def test_what_would_change_is_shown_and_what_is_replaced_stands_out() -> None:
    made = console(terminal=False)
    assert Display(made).confirm([ARCHIVE], ask=False)
    assert text_of(made).splitlines() == [
        "logferry-archive",
        "  + Key (AWS::KMS::Key)",
        "  ~ Topic (AWS::SNS::Topic), REPLACED",
    ]


def test_values_that_differ_are_shown_and_long_ones_where_they_differ() -> None:
    parameters = [Difference("Hold", "off", ""), Difference("Input", "x" * 500 + "old", "x" * 500)]
    code = [Difference("Code/S3Key", "a", "b"), Difference("Tags", None, None)]
    function = Change("Modify", "Function", "AWS::Lambda::Function", None, code)
    assert change_lines(replace(ARCHIVE, changes=[function], parameters=parameters)) == [
        "  parameter Hold: off -> (nothing)",
        f"  parameter Input: ...{'x' * 40}old -> ...{'x' * 40}",
        "  ~ Function (AWS::Lambda::Function), perhaps REPLACED",
        "      Code/S3Key: a -> b",
        "      Tags",
    ]


def test_nobody_is_asked_where_nobody_is() -> None:
    with pytest.raises(DeployError, match="not a terminal"):
        Display(console(terminal=False)).confirm([ARCHIVE], ask=True)


@pytest.mark.parametrize("answer", [True, False])
def test_the_answer_decides(monkeypatch: pytest.MonkeyPatch, *, answer: bool) -> None:
    monkeypatch.setattr(Confirm, "ask", lambda *_, **__: answer)
    with Display(console(terminal=True)) as display:
        assert display.confirm([ARCHIVE], ask=True) is answer


def test_a_deletion_is_shown_and_decided_by_whoever_is_there() -> None:
    made = console(terminal=False)
    assert Display(made).confirm_deletion(["logferry-planner"], ask=False)
    assert text_of(made).splitlines() == ["  - logferry-planner"]
    with pytest.raises(DeployError, match=r"add --yes$"):
        Display(made).confirm_deletion(["logferry-planner"], ask=True)
