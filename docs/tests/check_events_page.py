"""The messages' page as a phone shows it: docs/events.html in a Chromium."""

from cli.tests.chromium import browser

from logferry.checkout import ROOT

PHONE = (390, 844)
LINES = """
[...document.querySelectorAll(".message")]
  .map(e => e.getBoundingClientRect().height / parseFloat(getComputedStyle(e).lineHeight))
"""


def test_nothing_is_wider_than_a_phone_and_no_name_of_a_message_breaks() -> None:
    with browser() as page:
        page.sized(*PHONE)
        page.open((ROOT / "docs" / "events.html").as_uri())
        assert page.value("document.documentElement.scrollWidth") == PHONE[0]
        lines = page.value(LINES)
    assert lines
    assert max(lines) < 2
