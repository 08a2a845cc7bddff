"""The page of ways back knows every alarm there is, and leads on from each."""

import re

from logferry.checkout import ROOT, TEMPLATES

PAGE = (ROOT / "docs" / "ways-back.md").read_text()


def test_the_page_leads_on_from_each_alarm_of_the_templates() -> None:
    names = {
        name.replace("${LowercaseProfile}", "<profile>").replace("${Name}-", "…-")
        for path in TEMPLATES.glob("*.yaml")
        for name in re.findall(r'AlarmName: !Sub "([^"]+)"', path.read_text())
    }
    shown = set(re.findall(r"`(…-[^`]+)`", PAGE.split("\n## ")[1]))
    assert shown == names


def test_the_page_leads_on_from_each_reason_that_an_exporter_gives() -> None:
    service = ROOT / "services" / "exporter"
    code = (service / "src" / "exporter" / "refusal.py").read_text()
    reasons = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', code))
    others = {"day_not_ended", "unknown_refusal", "wrong_source", "contract"}
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE.split("\n## ")[1], re.MULTILINE)
    shown = {reason for row in rows for reason in re.findall(r"`([a-z_]+)`", row)}
    assert reasons | others <= shown
    assert len(reasons) > len(others)


def test_what_the_page_leads_to_is_on_it() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert set(re.findall(r"\(#([^)]+)\)", PAGE)) <= anchors
