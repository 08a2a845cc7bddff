"""docs/events.html is what the contracts make of it, and nothing on it leads nowhere."""

import re
from collections import Counter
from html.parser import HTMLParser

import pytest
from contracts.tests.documents import CONTRACTS, examples
from contracts.tools.events_page import page

from logferry_contracts.catalogue import MESSAGES
from logferry_contracts.message import CloudEvent

DOCS = CONTRACTS.parent / "docs"
PAGE = DOCS / "events.html"
VOID = {"meta", "br"}


class Read(HTMLParser):
    """A page as a browser would take it in: ids, links, and the text of what is shown as code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: Counter[str] = Counter()
        self.links: list[str] = []
        self.tags: Counter[str] = Counter()
        self.unbalanced: list[str] = []
        self.shown: dict[str, str] = {}
        self._open: list[str] = []
        self._example = ""
        self.feed(text)
        self.close()
        self.unbalanced += self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags[tag] += 1
        if tag not in VOID:
            self._open.append(tag)
        if identity := given.get("id"):
            self.ids[identity] += 1
        if tag == "details":
            self._example = given.get("id") or ""
            self.shown[self._example] = ""
        if link := given.get("href") or given.get("src"):
            self.links.append(link)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.unbalanced.append(tag)

    def handle_data(self, data: str) -> None:
        if self._open[-2:] == ["pre", "code"]:
            self.shown[self._example] += data


def test_no_name_of_a_message_is_broken_where_the_page_is_narrow() -> None:
    text = page()
    of_messages = [f'href="#{message}"' for message in MESSAGES]
    links = re.findall(r"<a [^>]*>", text)
    found = [each for each in links if any(href in each for href in of_messages)]
    headings = re.findall(r"<h2[^>]*>(.*?)</h2>", text)
    names = {model.__name__ for model in MESSAGES.values()}
    assert found
    assert all('class="message"' in each for each in found)
    assert set(re.findall(r'<h2 class="message">(.*?)</h2>', text)) == names & set(headings)
    assert ".message { white-space: nowrap; }" in text


def test_what_is_longer_than_a_name_breaks_where_the_page_is_narrow() -> None:
    """A channel's title that does not break makes the whole page wider than a phone."""
    kept_together = re.findall(r"<(\w+) class=\"message\"[^>]*>(.*?)</\1>", page())
    assert kept_together
    assert [words for _, words in kept_together if " " in words] == []
    assert "nowrap" not in page().replace(".message { white-space: nowrap; }", "")


@pytest.fixture(scope="module")
def read() -> Read:
    return Read(PAGE.read_text("utf-8"))


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run make docs"


def test_every_element_is_closed_and_every_id_is_its_own(read: Read) -> None:
    assert read.unbalanced == []
    assert [name for name, count in read.ids.items() if count > 1] == []


def test_every_link_leads_somewhere(read: Read) -> None:
    anchors = {link.removeprefix("#") for link in read.links if link.startswith("#")}
    files = {link for link in read.links if not link.startswith(("#", "https://"))}

    assert anchors - read.ids.keys() == set()
    assert [file for file in files if not (DOCS / file).is_file()] == []
    assert len(files) > len(examples("reject"))


def test_every_message_has_a_section_and_every_type_is_named(read: Read) -> None:
    text = PAGE.read_text("utf-8")

    assert read.ids.keys() >= set(MESSAGES)
    for model in MESSAGES.values():
        if issubclass(model, CloudEvent):
            assert f"<code>{model.TYPE}</code>" in text


def test_every_example_is_shown_as_it_is(read: Read) -> None:
    expected = {f"{each.message}-{each.reason}": each.text.rstrip() for each in examples("accept")}

    assert read.shown == expected


def test_nothing_on_it_runs_and_nothing_is_fetched(read: Read) -> None:
    assert read.tags.keys() & {"script", "link", "img", "iframe", "object"} == set()
    assert "@import" not in PAGE.read_text("utf-8")


def test_a_page_that_is_broken_is_noticed() -> None:
    broken = Read('<p id="a"><a href="#b">x</p><details id="a"></details>')

    assert broken.unbalanced != []
    assert broken.ids["a"] == 2
