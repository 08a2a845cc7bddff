"""What was typed after an option, read and refused in one way."""

from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatchcase

from logferry.errors import ConfigError


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Whether a text matches one of some patterns, such as ``/ecs/*``; any does where none are."""
    return not patterns or any(fnmatchcase(text, each) for each in patterns)


def date_given(option: str, text: str) -> date:
    """Return a date.

    Args:
        option: As it was typed, such as ``--date``.
        text: What was said for it.

    Raises:
        ConfigError: It is none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        rule = "no date such as 2026-11-21" if "isoformat" in str(error) else str(error)
        raise ConfigError("the dates", [f"{option} {text}: {rule}"]) from error


def span_given(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """Return the dates of ``--from`` and ``--to``, inclusive; None for what has no end there.

    Raises:
        ConfigError: One is none, or the last is before the first.
    """
    since = None if first is None else date_given("--from", first)
    until = None if last is None else date_given("--to", last)
    if since is not None and until is not None and until < since:
        raise ConfigError("the dates", [f"--to {last} is before --from {first}"])
    return since, until


def dates_given(first: str | None, last: str | None) -> tuple[date | None, date | None]:
    """Return the same where ``--to`` says how far to go from ``--from``, and nothing alone.

    Raises:
        ConfigError: One is none, or the last is before the first or without it.
    """
    since, until = span_given(first, last)
    if until is not None and since is None:
        raise ConfigError("the dates", [f"--to {last}: --from is missing"])
    return since, until


def words_given(option: str, subject: str, text: str, longest: int) -> str:
    """Return words without the spaces around them.

    Args:
        option: As it was typed, such as ``--reason``.
        subject: What it is, such as ``the reason``.
        text: What was said for it.
        longest: How many characters it may have.

    Raises:
        ConfigError: It is empty, or longer.
    """
    words = text.strip()
    if not 1 <= len(words) <= longest:
        rule = f"{len(words)} characters, where 1 to {longest:,} are said"
        raise ConfigError(subject, [f"{option}: {rule}"])
    return words
