"""Which names of exports are looked for, and how much of the ledger is kept in memory."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from logferry_contracts.message import epoch_ms
from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from sse_enforcer import disposals, ledger_listing
from sse_enforcer.disposals import Disposals
from sse_enforcer.ledger_listing import LedgerListing

NOW = datetime(2026, 11, 30, tzinfo=UTC)
DAY = 86_400_000


class Keys:
    """A ledger with one source, and one record of another log group in each window."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.listed = 0

    def sources(self, profile):
        return [SourceName(profile=profile, account_id="1" * 12, region="eu-west-1")]

    def windows(self, _, from_ms, until_ms):
        self.asked.append((from_ms, until_ms))
        return [Window(from_ms=from_ms, to_ms=from_ms + DAY)]

    def export_ids(self, *_):
        self.listed += 1
        return frozenset({"0" * 32})


class Control:
    """A control bucket that is never asked: no record is of the log group."""


def key(day, hour="00"):
    return f"shop/app/2026/11/{day:02}/{hour}/direct/s/000000.gz"


@pytest.fixture
def keys():
    return Keys()


@pytest.fixture
def listing(keys):
    return LedgerListing(keys)


@pytest.fixture
def looks(listing):
    control: Any = Control()
    return Disposals(listing, control)


@pytest.fixture
def has(looks, version_of):
    def ask(name, minutes=0):
        version = version_of(key=name, last_modified=NOW - timedelta(days=99))
        return looks.has(version, NOW + timedelta(minutes=minutes), may_be_new=True)

    return ask


def test_little_of_the_ledger_is_kept(has, looks, listing, monkeypatch):
    monkeypatch.setattr(ledger_listing, "WINDOWS_KEPT", 30)
    monkeypatch.setattr(ledger_listing, "NAMES_KEPT", 40)
    for day in range(1, 29):
        for hour in range(8):
            assert not has(key(day, f"{hour:02}"))

    assert (len(listing._windows), len(listing._names)) == (15, 20)
    assert len(looks._disposed) == disposals.HOURS_KEPT


def test_lists_without_a_window_count_as_well(has, keys, listing, monkeypatch):
    monkeypatch.setattr(ledger_listing, "WINDOWS_KEPT", 30)
    monkeypatch.setattr(keys, "windows", lambda *_: [])
    for day in range(1, 29):
        for hour in range(8):
            assert not has(key(day, f"{hour:02}"))

    assert len(listing._windows) == 30


def test_each_window_is_listed_once_an_hour_whatever_order_objects_come_in(has, keys):
    for minutes in range(0, 60, 5):
        for day in (21, 3, 27, 9, 15):
            has(key(day), minutes)
    assert (len(keys.asked), keys.listed) == (5, 5)

    has(key(21), 61)
    assert (len(keys.asked), keys.listed) == (6, 6)


def test_windows_are_looked_for_in_each_zone_that_there_is(has, keys):
    has(key(21))

    at = epoch_ms(datetime(2026, 11, 21, tzinfo=UTC))
    assert keys.asked == [(at - 14 * 3_600_000, at + 13 * 3_600_000)]
