from datetime import datetime

import pytest

from devstack.organisation import organisation, previous_day
from logferry_contracts.zones import zone_named

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=zone_named("Asia/Seoul"))
WINDOW = previous_day(NOW)
NOW_MS = round(NOW.timestamp() * 1000)
ACCOUNTS = organisation(WINDOW, now_ms=NOW_MS)


def test_the_previous_day_ends_where_today_begins():
    assert WINDOW.to_ms == datetime(2026, 11, 23, tzinfo=NOW.tzinfo).timestamp() * 1000
    assert WINDOW.to_ms - WINDOW.from_ms == 86_400_000


def test_the_same_window_gives_the_same_logs():
    assert organisation(WINDOW, now_ms=NOW_MS) == ACCOUNTS


@pytest.mark.parametrize("account", ACCOUNTS, ids=lambda account: account.profile)
def test_every_stream_has_events_on_the_windows_edges_and_just_outside(account):
    edges = {WINDOW.from_ms - 1, WINDOW.from_ms, WINDOW.to_ms - 1, WINDOW.to_ms, WINDOW.to_ms + 1}
    for group in account.log_groups:
        for stream in group.streams:
            if group.created_ms < WINDOW.to_ms:
                assert edges <= {timestamp_ms for timestamp_ms, _ in stream.events}


def test_the_company_has_what_is_awkward_to_export():
    groups = [group for account in ACCOUNTS for group in account.log_groups]
    streams = {stream.name for group in groups for stream in group.streams}
    assert any(not group.streams for group in groups)
    assert {"STANDARD", "INFREQUENT_ACCESS", "DELIVERY"} == {g.log_group_class for g in groups}
    assert any(group.created_ms > WINDOW.to_ms for group in groups)
    assert any("[$LATEST]" in stream for stream in streams)
    assert any(" " in stream for stream in streams)
    assert any("%" in stream for stream in streams)
    assert any(not stream.isascii() for stream in streams)


def test_an_agent_that_was_offline_has_events_of_the_windows_end_in_a_stream_that_is_there():
    (account,) = [account for account in ACCOUNTS if account.late]
    (group,) = account.late
    (stream,) = group.streams
    (known,) = [each for each in account.log_groups if each.name == group.name]
    there = next(each for each in known.streams if each.name == stream.name)
    assert not set(stream.events) & set(there.events)
    times = [at for at, _ in stream.events]
    assert times == sorted(times)
    assert WINDOW.from_ms < times[0] < times[-1] == WINDOW.to_ms - 1


def test_no_event_is_in_the_future():
    assert max(event[2] for account in ACCOUNTS for event in account.events()) <= NOW_MS


def test_just_after_midnight_a_new_log_group_is_still_younger_than_the_window():
    midnight = NOW.replace(hour=0, minute=0, second=1)
    window = previous_day(midnight)
    accounts = organisation(window, now_ms=round(midnight.timestamp() * 1000))
    groups = {group.name: group for account in accounts for group in account.log_groups}
    launched = groups["/aws/lambda/shop-launched-today"]
    assert launched.created_ms > window.to_ms > launched.streams[0].events[0][0]
