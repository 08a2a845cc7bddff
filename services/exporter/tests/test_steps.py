"""Each step that the rules may decide has one function that does it, and takes just that step."""

import inspect
from typing import get_args, get_type_hints

import pytest

from exporter import export, split, task

DECIDED = {*get_args(task.Step.__value__), *get_args(split.SplitStep.__value__)}


def test_every_step_that_may_be_decided_is_done() -> None:
    assert set(export.STEPS) == DECIDED


@pytest.mark.parametrize("step", export.STEPS, ids=lambda step: step.__name__)
def test_a_step_is_done_by_what_takes_it(step: type) -> None:
    *_, parameter = inspect.signature(export.STEPS[step]).parameters
    assert get_type_hints(export.STEPS[step])[parameter] is step
