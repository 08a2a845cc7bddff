"""The coverage page as a person uses it: clicked, filtered, by keyboard, in the dark, on paper.

Shots of it are left in build/coverage-page, to be looked at.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli.tests.check_report import OVERFLOWING, WEAK
from cli.tests.chromium import Page, browser
from cli.tests.test_coverage import fleet

from logferry_ledger.coverage_page import page as written

SHOTS = Path(__file__).parents[2] / "build" / "coverage-page"
OPEN_S = 2
"""Until a fleet of 500 × 400 is drawn, on the machine that measures."""  # noqa: RUF001
NOW = datetime(2026, 11, 28, 3, tzinfo=UTC)
CLICK = """
(() => {
  const map = document.getElementById("map");
  map.scrollLeft = 0;
  const box = map.getBoundingClientRect();
  map.dispatchEvent(new MouseEvent("click", {
    clientX: box.left + 1 + label() + %d * SIDE + 5 - map.scrollLeft,
    clientY: box.top + 1 + HEAD + %d * SIDE + 5 - map.scrollTop,
  }));
  return document.getElementById("cell").innerText;
})()
"""
PIXEL = """
(() => {
  draw();
  const pen = document.querySelector("canvas").getContext("2d");
  const data = pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height).data;
  return new Set(new Uint32Array(data.buffer)).size;
})()
"""
LAST_OF_LEGEND = 'by("legend").lastElementChild.innerText.trim()'
SHOWN = """
["legend", "where", "map", "cell", "keys", "open"].filter(id => by(id).checkVisibility())
"""
TORN = """
[...document.querySelectorAll("th, td:not(:last-child)")].flatMap(cell => {
  const text = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT).nextNode();
  return [...text.data.matchAll(/[^\\s-]+/g)].filter(({0: word, index}) => {
    const range = document.createRange();
    range.setStart(text, index);
    range.setEnd(text, index + word.length);
    return range.getClientRects().length > 1;
  }).map(word => word[0]);
})
"""
"""Words of short columns that go on in the next line."""


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    SHOTS.mkdir(parents=True, exist_ok=True)
    with browser() as page:
        yield page


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "small.html"
    some = fleet(40, 120)
    for source in some[1:]:
        first, *_, last = source.days.values()
        first.state, last.state = "before", "not yet due"
    path.write_text("".join(written(some, "organization.yaml", "archive", now=NOW)))
    return path


def shown(page: Page, path: Path, size: tuple[int, int] = (1280, 900), **media: str) -> None:
    page.sized(*size)
    page.media(**{"media": "screen", **media})
    page.open(path.as_uri())


def press(page: Page, key: str) -> None:
    page.call("Input.dispatchKeyEvent", type="keyDown", key=key)
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key)


def test_it_asks_for_nothing_and_says_nothing_to_the_console(page: Page, small: Path) -> None:
    shown(page, small)
    page.screenshot(SHOTS / "small.png", whole=True)
    asked = [each["request"]["url"] for each in page.told("Network.requestWillBeSent")]
    assert asked == [small.as_uri()]
    assert page.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
    assert page.value(PIXEL) > 5


def test_a_date_that_failed_is_clicked_and_told_with_its_log_groups_and_commands(
    page: Page, small: Path
) -> None:
    shown(page, small)
    told = page.value(CLICK % (26, 2))
    assert "team-002" in told
    assert "failed" in told
    assert "/aws/lambda/<b>2-0: failed, access_denied" in told
    assert "$ logferry plan organization.yaml --profile team-002 --from 2025-11-20" in told
    assert "--log-group '/aws/lambda/<b>2-0' --date 2025-11-20" in told
    page.screenshot(SHOTS / "clicked.png", whole=True)


def test_a_date_that_is_whole_is_told_with_its_counts_and_the_command_that_lists_it(
    page: Page, small: Path
) -> None:
    shown(page, small)
    told = page.value(CLICK % (30, 2))
    assert "archived and sealed" in told
    assert "372 archived, 32 skipped" in told
    assert "$ logferry status organization.yaml --profile team-002 --from 2025-11-24" in told


def test_filters_leave_what_was_asked_for(page: Page, small: Path) -> None:
    shown(page, small)
    found = page.value(
        'by("words").value = "team-01"; by("words").dispatchEvent(new Event("input")); '
        'by("shown").innerText'
    )
    assert found == "10 sources"
    gaps = page.value(
        'by("state").value = "g"; by("state").dispatchEvent(new Event("change")); '
        'by("shown").innerText'
    )
    assert gaps == "0 sources"
    assert page.value('by("cell").innerText') == "Nothing matches."


def test_the_keyboard_moves_goes_into_a_source_and_back(page: Page, small: Path) -> None:
    shown(page, small)
    page.value('by("map").focus()')
    for key in ("Home", "ArrowDown", "ArrowRight"):
        press(page, key)
    assert "team-001" in page.value('by("cell").innerText')
    assert "2025-10-26" in page.value('by("cell").innerText')
    press(page, "Enter")
    assert page.value('by("where").innerText') == "team-001"
    assert page.value('by("shown").innerText') == "20 log groups that are not wholly archived"
    assert page.value(LAST_OF_LEGEND) == "wholly archived, or not asked"
    assert "Of all its log groups: " in page.value('by("cell").innerText')
    page.screenshot(SHOTS / "log-groups.png", whole=True)
    press(page, "Escape")
    assert page.value(LAST_OF_LEGEND) == "before the first plan"
    assert page.value('by("where").innerText') == "All sources"
    assert "team-001" in page.value('by("cell").innerText')


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_can_be_read(page: Page, small: Path, scheme: str) -> None:
    shown(page, small, scheme=scheme)
    page.screenshot(SHOTS / f"{scheme}.png")
    assert page.value(WEAK) == []


def test_nothing_is_wider_than_a_phone(page: Page, small: Path) -> None:
    shown(page, small, (390, 844))
    page.screenshot(SHOTS / "phone.png")
    assert page.value("document.documentElement.scrollWidth") == 390
    inside = OVERFLOWING.replace('".table"', '".table, #map"')
    assert page.value(inside) == []


def test_states_are_told_apart_without_colours(page: Page, small: Path) -> None:
    shown(page, small)
    page.call("Emulation.setEmulatedVisionDeficiency", type="achromatopsia")
    page.screenshot(SHOTS / "grey.png")
    page.call("Emulation.setEmulatedVisionDeficiency", type="none")
    marks = page.value('[...document.querySelectorAll("#legend span")].map(e => e.innerText)')
    assert [each for each in marks if each] == ["w", "…", "×", "?", "·"]  # noqa: RUF001


def test_on_paper_there_is_what_needs_a_look(page: Page, small: Path) -> None:
    shown(page, small, (1017, 687), media="print", scheme="dark")
    assert page.value("document.documentElement.scrollWidth") == 1017
    assert page.value(SHOWN) == ["open"]
    assert page.value(TORN) == []
    assert page.value('document.querySelectorAll("tbody tr").length') == 40
    page.media("")
    page.pdf(SHOTS / "paper.pdf")
    assert (SHOTS / "paper.pdf").read_bytes().startswith(b"%PDF")


def test_500_sources_and_400_dates_are_drawn_in_two_seconds(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "large.html"
    path.write_text("".join(written(fleet(500, 400), "organization.yaml", "archive", now=NOW)))
    shown(page, path)
    took_s = page.value("draw(); performance.now() / 1000")
    page.screenshot(SHOTS / "large.png")
    (SHOTS / "large.txt").write_text(f"{took_s:.2f} s, {path.stat().st_size} bytes\n")
    assert page.value(PIXEL) > 5
    assert took_s < OPEN_S
