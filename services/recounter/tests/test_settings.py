"""The variables that the stack gives the function."""

import pytest

from logferry_contracts.environment import SettingsError
from recounter.settings import Settings

REQUIRED = {
    "CONTROL_BUCKET": "acme-log-control",
    "PROFILE": "shop",
    "SOURCE_ACCOUNT_ID": "444455556666",
    "SOURCE_REGION": "eu-west-1",
    "SOURCE_ROLE_ARN": "arn:aws:iam::444455556666:role/logferry-source",
}


@pytest.mark.parametrize(
    ("value", "days"), [("3,14", (3, 14)), ("30", (30,)), ("none", ()), ("", (3, 14))]
)
def test_days_are_listed_with_commas(value: str, days: tuple[int, ...]) -> None:
    assert Settings.from_env(REQUIRED | {"REVISIT_DAYS": value}).revisit_days == days


@pytest.mark.parametrize("value", ["0", "31", "3, 14", "3,", ",", "14d", "none,3"])
def test_what_is_no_list_of_days_is_named(value: str) -> None:
    with pytest.raises(SettingsError, match="REVISIT_DAYS is not days from 1 to 30"):
        Settings.from_env(REQUIRED | {"REVISIT_DAYS": value})
