"""docs/costs.md is what the tool makes of the code as it is, and its sums add up."""

import re
from collections.abc import Callable, Sequence

import pytest
from docs.tools.costs import (
    ACCOUNTS,
    COMPONENTS,
    TABLES,
    TYPICAL,
    Account,
    Hub,
    alarm_metrics,
    assumed,
    idle,
    monthly,
    settings,
    storage,
    written,
)

from logferry.checkout import ROOT, TEMPLATES

DOCS = ROOT / "docs"
PAGE = (DOCS / "costs.md").read_text("utf-8")
SMALL = Account(log_groups=50)
OF_LARGE_ACCOUNTS = (assumed, settings)
"""Tables for which days of accounts with up to a thousand log groups are exported."""


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param([each for each in TABLES if each not in OF_LARGE_ACCOUNTS], id="most"),
        pytest.param(OF_LARGE_ACCOUNTS, marks=pytest.mark.deep, id="of large accounts"),
    ],
)
def test_the_page_has_the_tables_as_the_code_is_now(tables: Sequence[Callable[[], str]]) -> None:
    assert written(PAGE, tables) == PAGE, "make docs"


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no place for storage"):
        written(PAGE.replace("<!-- storage -->", ""), [storage])


def test_the_quick_start_names_what_one_account_costs() -> None:
    (named,) = re.findall(r"about \$(\d+) a month", (DOCS / "quick-start.md").read_text("utf-8"))
    assert int(named) == round(sum(monthly(1).values()))


def test_every_alarm_of_a_template_is_counted_once() -> None:
    counted = {path.stem: alarm_metrics(path.stem) for path in TEMPLATES.glob("*.yaml")}
    there = {
        path.stem: path.read_text("utf-8").count("Type: AWS::CloudWatch::Alarm\n    Properties")
        + path.read_text("utf-8").count("Type: AWS::CloudWatch::Alarm\n    Condition: IsScheduled")
        for path in TEMPLATES.glob("*.yaml")
    }
    # An alarm on an expression of metrics counts for each of them.
    assert all(counted[name] >= there[name] for name in there)
    assert {name for name, number in counted.items() if number} == {
        name for name, number in there.items() if number
    }


def test_what_no_log_changes_is_half_of_what_it_was() -> None:
    assert idle(500, SMALL) <= 0.63  # 0.2.0: 1.26


@pytest.mark.parametrize("accounts", ACCOUNTS)
def test_accounts_that_are_alike_cost_alike_beside_what_the_hub_costs(accounts: int) -> None:
    one, two, many = (sum(monthly(n, SMALL).values()) for n in (100, 101, 100 + accounts))
    assert many - one == pytest.approx((two - one) * accounts)


def test_no_cost_is_left_out_of_the_components() -> None:
    assert tuple(monthly(1, SMALL)) == COMPONENTS
    assert all(monthly(1, SMALL).values())


def test_fewer_sweeps_cost_less_and_an_older_archive_more() -> None:
    now = sum(monthly(10, SMALL).values())
    assert sum(monthly(10, SMALL, Hub(sweeps_a_day=1 / 7)).values()) < now
    older = Account(log_groups=50, archived_days=TYPICAL.archived_days * 2)
    assert sum(monthly(10, older).values()) > now
