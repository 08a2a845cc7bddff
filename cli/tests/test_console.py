"""What all commands print with: names, keys and reasons come out as they are."""

import contextlib
import io

import pytest
from rich.box import SIMPLE_HEAD
from rich.table import Table

from logferry.commands import console
from logferry_ledger.errors import LogferryError

# A reason with a link, a Lambda function's log stream, and what is a picture elsewhere.
WRITTEN = "[/wiki/ops] 2026/11/22/[$LATEST]abc [red]no style[/red] :key:"


@pytest.fixture(params=["results", "tables", "messages"])
def printed(request, monkeypatch):
    """One of the consoles, and what it has printed."""
    one = getattr(console, request.param)
    out = io.StringIO()
    monkeypatch.setattr(one, "_file", out)
    return one, out


def test_brackets_are_printed_as_they_are(printed):
    one, out = printed
    shown = Table(box=SIMPLE_HEAD, title=WRITTEN)
    shown.add_column("why", no_wrap=True)
    shown.add_row(WRITTEN)
    one.print(WRITTEN)
    one.print(shown, width=1000)

    assert out.getvalue().count(WRITTEN) == 3


def test_what_is_under_way_is_told_as_it_is():
    """On a terminal, where rich would take a text for markup whatever the console says."""
    status = console.messages.status(WRITTEN)

    assert str(status.renderable.text) == WRITTEN


def test_a_question_is_asked_as_it_is(monkeypatch):
    asked = io.StringIO()
    monkeypatch.setattr(console.messages, "_file", asked)
    monkeypatch.setattr(console.messages, "_force_terminal", True)
    monkeypatch.setattr("builtins.input", lambda prompt="": "y")
    console.agree(WRITTEN, refused=LogferryError, otherwise="no")

    assert WRITTEN in asked.getvalue()


def test_json_is_taken_by_what_has_no_encoding() -> None:
    taken = io.StringIO()
    with contextlib.redirect_stdout(taken):
        console.show_json({"name": "アンナ"})
    assert "アンナ" in taken.getvalue()
