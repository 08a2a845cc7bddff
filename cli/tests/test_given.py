from datetime import date

import pytest

from logferry.errors import ConfigError
from logferry.given import date_given


def test_a_date_is_read() -> None:
    assert date_given("--date", "2026-11-21") == date(2026, 11, 21)


@pytest.mark.parametrize("text", ["", "yesterday", "2026-02-30", "21.11.2026"])
def test_what_is_none_is_told_with_its_option(text: str) -> None:
    with pytest.raises(ConfigError, match=f"--from {text}: "):
        date_given("--from", text)


def test_what_is_no_date_at_all_is_shown_one() -> None:
    with pytest.raises(ConfigError, match="--date yesterday: no date such as 2026-11-21"):
        date_given("--date", "yesterday")
