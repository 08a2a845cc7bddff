"""What EventBridge Scheduler takes, by one table for the command, Terraform and the emulator."""

import re
import tomllib
from pathlib import Path

import pytest

from localstack_addons.scheduler.times import ScheduleError, check
from logferry.checkout import TEMPLATES
from logferry.schedule import MAX_CHARACTERS, PATTERN, problem_of

PARTS = tomllib.loads(Path(__file__).with_name("schedules.toml").read_text("utf-8"))["part"]
ACCEPTED = [each for part in PARTS for each in part["accepted"]]
REFUSED = [each for part in PARTS for each in part["refused"]]
BEYOND = [each for part in PARTS for each in part.get("refused_beyond_the_pattern", [])]


@pytest.mark.parametrize("expression", ACCEPTED)
def test_what_aws_documents_is_taken(expression: str) -> None:
    assert problem_of(expression) is None
    assert re.fullmatch(PATTERN, expression)
    check(expression)


@pytest.mark.parametrize("expression", REFUSED)
def test_what_cannot_work_is_refused(expression: str) -> None:
    assert problem_of(expression)
    assert not re.fullmatch(PATTERN, expression)
    with pytest.raises(ScheduleError):
        check(expression)


@pytest.mark.parametrize("expression", BEYOND)
def test_what_no_pattern_sees_is_refused(expression: str) -> None:
    assert problem_of(expression)
    assert re.fullmatch(PATTERN, expression)
    with pytest.raises(ScheduleError):
        check(expression)


def test_an_expression_has_room_for_256_characters() -> None:
    longest = "cron(0 3 * * ? *)".replace("0 3", f"0{' ' * 240}3")
    assert len(longest) == MAX_CHARACTERS
    assert problem_of(longest) is None
    check(longest)
    assert problem_of(longest.replace("3 ", "3  ")) == "longer than 256 characters"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("cron(0 3 ? * 8 *)", "cron has no day of week 8"),
        ("cron(0 3 * * * *)", "cron needs a ? for the day of month or the day of week"),
        ("cron(0 3 30 2 ? *)", "cron's day 30 never comes in month 2"),
        ("cron(0 22-2 * * ? *)", "cron's hours 22-2 ends before it begins"),
        ("rate(0 minutes)", "not rate(<whole number from 1>"),
        ("at(2026-02-29T03:10:00)", "not a date: day"),
        ("at(2026-11-24T03:10:00Z)", "not at(yyyy-mm-ddThh:mm:ss)"),
    ],
)
def test_the_problem_is_told(expression: str, told: str) -> None:
    assert told in (problem_of(expression) or "")


def test_the_terraform_module_has_the_same_pattern() -> None:
    text = (TEMPLATES / "terraform" / "hub" / "variables.tf").read_text("utf-8")
    assert '"' + PATTERN.replace("\\", "\\\\") + '", source.schedule)' in text
