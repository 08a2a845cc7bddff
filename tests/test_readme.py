"""What the READMEs show and name is there."""

import re
import time
from pathlib import Path

import pytest

from devstack.organisation import organisation
from devstack.suite import yesterday

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
# Whatever else lies in the root is made: environments of 100,000 files, and what is built.
FOLDERS = [each for each in ROOT.glob("[!.]*/") if each.name != "build"]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in folder.rglob("*.md"))]
)


def test_the_shown_run_has_the_demos_log_groups_and_events():
    window = yesterday()
    for account in organisation(window, now_ms=round(time.time() * 1000)):
        events = [e for e in account.events() if window.from_ms <= e[2] < window.to_ms]
        row = re.search(
            rf"^ {account.profile} +(\d+) +(\d+) +(\d+) +([\d,]+) +", README, re.MULTILINE
        )
        assert row is not None, f"no row of {account.profile}"
        assert (row[1], row[4]) == (str(len(account.log_groups)), f"{len(events):,}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_to_a_file_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#:\s]+)\)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_make_command_that_is_named_exists(path):
    commands = set(re.findall(r"(?:`|\$ )make ([a-z-]+)", path.read_text()))
    makefile = (ROOT / "Makefile").read_text()
    assert commands <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
