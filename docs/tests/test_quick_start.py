"""The quick start types what the acceptance kit does, step by step."""

import re

from devstack.document import blocks
from logferry.acceptance.steps import STEPS
from logferry.checkout import ROOT

ACCEPTANCE = (ROOT / "docs" / "acceptance.md").read_text()
PAGE = (ROOT / "docs" / "quick-start.md").read_text()
TYPED = "\n".join(blocks(PAGE, "bash"))
LATER = ("seal", "verify", "search")
"""Of no use within ten minutes: a date is sealed a day after it has ended."""


def test_the_quick_start_types_the_steps_of_the_acceptance_kit() -> None:
    typed = dict.fromkeys(re.findall(r"^logferry ([a-z-]+) ", TYPED, re.MULTILINE))
    commands = [command for step in STEPS for command in step.commands]
    assert list(typed) == [command for command in commands if command not in LATER]
    for command in LATER:
        assert command in commands
        assert f"`logferry {command}`" in PAGE


def test_the_page_of_the_acceptance_kit_has_its_steps() -> None:
    rows = [
        f"| `{step.name}` | {step.does} | "
        + "".join(f"{', ' if n else ''}`logferry {name}`" for n, name in enumerate(step.commands))
        for step in STEPS
    ]
    shown = [line for line in ACCEPTANCE.splitlines() if re.match(r"\| `[a-z]+` \| .* \|$", line)]
    assert [line.removesuffix("|").rstrip() for line in shown] == [row.rstrip() for row in rows]
