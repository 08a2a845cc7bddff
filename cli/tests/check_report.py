"""The auditor's page as a browser shows and prints it.

Shots of it are left in build/report, to be looked at.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.tests.audited import organisation
from cli.tests.chromium import Page, browser
from cli.tests.test_report import ABOUT, long_audit, verify
from contracts.tests.sealed_archive import SOURCE

from logferry.audit_page import page as written

SHOTS = Path(__file__).parents[2] / "build" / "report"

SCREENS = [(1280, 900), (390, 844)]
PAPER = (1017, 687)
"""A4 across, less its margins, in pixels of CSS."""

OVERFLOWING = """
[...document.querySelectorAll("body *")]
  .filter(e => !e.closest(".table") && e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => e.outerHTML.slice(0, 120))
"""

WIDER_THAN_THEIR_PLACE = """
[...document.querySelectorAll(".table")]
  .filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.innerText.slice(0, 120))
"""

WEAK = """
(() => {
  const channels = colour => colour.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = colour => {
    const [r, g, b] = channels(colour).map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = e => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
  };
  const contrast = e => {
    const [a, b] = [light(getComputedStyle(e).color), light(paper(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  return [...document.querySelectorAll("body *")]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .filter(e => contrast(e) < 4.5)
    .map(e => `${contrast(e)} ${e.outerHTML.slice(0, 120)}`);
})()
"""
"""What is told from its ground by less than WCAG's AA asks for: https://www.w3.org/TR/WCAG22/"""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    with browser() as page:
        yield page


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports by what they say: one each of a valid archive, one that is not, and a long one."""
    root = tmp_path_factory.mktemp("reports")
    (root / "seals.pem").write_text(organisation(root / "copy").pem)
    found = {name: root / f"{name}.html" for name in ("valid", "invalid", "unchecked", "long")}
    pay = ("--profile", "pay", "--key", root / "seals.pem")
    assert verify(root / "copy", *pay, "--report", found["valid"]) == 0
    assert verify(root / "copy", "--report", found["unchecked"], "--profile", "pay") == 3
    min((root / "copy" / SOURCE.profile).rglob("*.gz")).unlink()
    key = ("--key", root / "seals.pem")
    assert verify(root / "copy", *key, "--report", found["invalid"]) == 1
    found["long"].write_text("".join(written(long_audit(3650), ABOUT, "long.jsonl")))
    return found


@pytest.fixture(params=["valid", "invalid", "unchecked", "long"])
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def shown(page: Page, path: Path, size: tuple[int, int], **media: str) -> None:
    page.sized(*size)
    page.media(**{"media": "screen", **media})
    page.open(path.as_uri())


@pytest.mark.parametrize("size", SCREENS)
def test_it_asks_for_nothing_and_says_nothing_to_the_console(
    page: Page, reports: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    shown(page, reports[name], size)
    page.screenshot(SHOTS / f"{name}-{size[0]}.png")
    asked = [each["request"]["url"] for each in page.told("Network.requestWillBeSent")]
    assert asked == [reports[name].as_uri()]
    assert page.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []


@pytest.mark.parametrize("size", SCREENS)
def test_nothing_is_wider_than_the_screen(
    page: Page, reports: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    shown(page, reports[name], size)
    assert page.value("document.documentElement.scrollWidth") == size[0]
    assert page.value(OVERFLOWING) == []


@pytest.mark.parametrize("size", SCREENS)
def test_the_verdict_is_seen_at_once(
    page: Page, reports: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    shown(page, reports[name], size)
    verdict = 'document.querySelector(".verdict")'
    assert page.value(f"{verdict}.getBoundingClientRect().bottom") < size[1]
    assert page.value(f"{verdict}.checkVisibility()")
    words = {"valid": "Valid", "unchecked": "Not everything could be checked"}
    assert page.value(f"{verdict}.innerText").startswith(words.get(name, "Not valid"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(
    page: Page, reports: dict[str, Path], name: str, scheme: str
) -> None:
    shown(page, reports[name], SCREENS[0], scheme=scheme)
    page.screenshot(SHOTS / f"{name}-{scheme}.png", whole=True)
    assert page.value(WEAK) == []


def test_nothing_is_cut_off_on_paper(page: Page, reports: dict[str, Path], name: str) -> None:
    shown(page, reports[name], PAPER, media="print", scheme="dark")
    assert page.value("document.documentElement.scrollWidth") == PAPER[0]
    assert page.value(OVERFLOWING) == []
    assert page.value(WIDER_THAN_THEIR_PLACE) == []
    assert page.value(WEAK) == []


def test_it_prints_across_on_a_few_pages(page: Page, reports: dict[str, Path], name: str) -> None:
    shown(page, reports[name], SCREENS[0], media="")
    printed = SHOTS / f"{name}.pdf"
    page.pdf(printed)
    text = printed.read_bytes()
    boxes = set(re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", text))
    [(width, height)] = boxes
    assert float(width) > float(height)
    assert len(re.findall(rb"/Type /Page\b", text)) < 60


def test_what_the_archive_says_runs_nowhere(page: Page, reports: dict[str, Path]) -> None:
    shown(page, reports["invalid"], SCREENS[0])
    assert page.value("document.scripts.length + document.images.length") == 0
    assert page.value("document.body.innerText.includes('<script>alert(1)</script>')")
    # Even what is put in afterwards may not run: the page's policy lets nothing.
    page.value(
        "document.body.append(Object.assign(document.createElement('script'), "
        "{textContent: 'window.ran = 1'}))"
    )
    assert page.value("window.ran === undefined")


def test_a_screen_reader_is_told_what_everything_is(
    page: Page, reports: dict[str, Path], name: str
) -> None:
    shown(page, reports[name], SCREENS[0])
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    by_role: dict[str, list[str]] = {}
    for each in nodes:
        if not each["ignored"]:
            by_role.setdefault(each["role"]["value"], []).append(_name(each))
    assert {"banner", "main", "navigation"} <= set(by_role)
    assert by_role["table"] == page.value(
        "[...document.querySelectorAll('caption')].map(e => e.innerText)"
    )
    assert all(by_role["heading"])
    assert all(by_role["columnheader"])


def _name(node: dict[str, Any]) -> str:
    name: str = node.get("name", {}).get("value", "")
    return name
