"""What people, AWS and keys say stands in tables as they said it, brackets and all."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from logferry import dead_letters, dispose, retention, retry, waive
from logferry_contracts.window import Window

WORDS = "see [/wiki/ops] and [$LATEST] [red]"
WINDOW = Window(from_ms=0, to_ms=86_400_000)
AT = datetime(2026, 11, 30, tzinfo=UTC)


def _waived() -> Any:
    named = {"source": SimpleNamespace(profile="shop"), "log_group": SimpleNamespace(name="/a")}
    said = SimpleNamespace(by="me", reason=WORDS)
    record = SimpleNamespace(**named, window=WINDOW, waived=said)
    found: Any = SimpleNamespace(record=record, outcome="failed")
    return waive.table([found])


def _disposed() -> Any:
    said = SimpleNamespace(by="me", reason=WORDS, ticket=None)
    counts = {"objects": 1, "stored_bytes": 1, "still_there": 0}
    found: Any = SimpleNamespace(
        profile="shop", log_group="/a", window=WINDOW, disposed=said, **counts
    )
    return dispose.table([found])


def _letter() -> Any:
    box = SimpleNamespace(service="exporter")
    letter: Any = SimpleNamespace(
        box=box, profile="shop", sent_at=AT, reason="odd", about="/a", detail=WORDS
    )
    return dead_letters.table([letter])


def _outcome() -> Any:
    outcome: Any = SimpleNamespace(
        log_group="/a", former_days=1, days=1, events=0, windows=0, why=WORDS, outcome="left"
    )
    return retention.outcomes_table([("shop", [outcome])])


def _asked_again(patch: pytest.MonkeyPatch) -> Any:
    patch.setattr(retry, "_told", lambda _: {"why": WORDS, "log_group": "/a"})
    source = SimpleNamespace(profile="shop")
    record = SimpleNamespace(window=WINDOW)
    again: Any = SimpleNamespace(source=source, first=1, last=1, wanted=[record], others=[])
    return retry.table([again])


@pytest.mark.parametrize("table", [_waived, _disposed, _letter, _outcome])
def test_words_with_brackets_are_shown_as_they_are(table: Callable[[], Any]) -> None:
    assert WORDS in _printed(table())


def test_words_of_aws_in_a_retry_are_shown_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WORDS in _printed(_asked_again(monkeypatch))


def _printed(table: Any) -> str:
    printed = io.StringIO()
    Console(file=printed, width=1000).print(table)
    return printed.getvalue()
