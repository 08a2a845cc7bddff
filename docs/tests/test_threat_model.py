"""docs/threat-model.md speaks of statements, alarms and findings that are there."""

import json
import re

import pytest

from devstack.document import blocks
from logferry.checkout import ROOT, TEMPLATES
from sse_enforcer.sweep.findings import Finding

PAGE = (ROOT / "docs" / "threat-model.md").read_text("utf-8")
ALARMS = {
    name.replace("${LowercaseProfile}", "<profile>")
    for template in TEMPLATES.glob("*.yaml")
    for name in re.findall(r'AlarmName: !Sub "\$\{Name\}-(.+)"', template.read_text("utf-8"))
}
SCP_CHARACTERS = 5120
"""https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html"""


def test_every_statement_that_it_names_is_in_its_template() -> None:
    named = set(re.findall(r"`([a-z-]+\.yaml): (\w+)`", PAGE))
    assert named
    assert [
        (template, sid)
        for template, sid in named
        if f"Sid: {sid}\n" not in (TEMPLATES / template).read_text("utf-8")
    ] == []


def test_every_alarm_that_it_names_is_in_a_template() -> None:
    named = {
        name
        for some in re.findall(r"\balarms? ((?:`[a-z<>-]+`(?:, )?)+)", PAGE)
        for name in re.findall(r"`([^`]+)`", some)
    }
    assert named
    assert named <= ALARMS


def test_every_finding_that_it_names_is_one_of_the_sweeps() -> None:
    named = set(re.findall(r"\bfinding `(\w+)`", PAGE))
    assert named
    assert named <= {finding.value for finding in Finding}


@pytest.mark.parametrize("policy", blocks(PAGE, "json"), ids=("hub", "every account"))
def test_the_service_control_policies_only_deny_and_fit(policy: str) -> None:
    document = json.loads(policy)
    assert {each["Effect"] for each in document["Statement"]} == {"Deny"}
    assert len(json.dumps(document, separators=(",", ":"))) <= SCP_CHARACTERS
