"""Late events of days of any length, to the millisecond of their ends, in both lanes, and many."""

import gzip
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import pytest
from services.exporter.tests.test_addendum import (
    FIRST,
    LOG_GROUP,
    SECOND,
    add,
    lines,
    lines_of,
    put,
    recorded,
)

from exporter.direct import Event
from logferry_contracts.export import export_id
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.window import Window

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud

type RequestFor = Callable[..., ExportRequestedData]

BERLIN = ZoneInfo("Europe/Berlin")
SHORT, LONG, USUAL = datetime(2026, 3, 29), datetime(2026, 10, 25), datetime(2026, 11, 21)  # noqa: DTZ001  (in Berlin)


def day(date: datetime, later: int = 0) -> Window:
    """A day in Berlin, or so many later."""
    ends = [
        round(date.replace(day=date.day + later + n, tzinfo=BERLIN).timestamp() * 1000)
        for n in (0, 1)
    ]
    return Window(from_ms=ends[0], to_ms=ends[1])


def of(asked: ExportRequestedData, window: Window) -> ExportRequestedData:
    name = export_id(asked.source, LOG_GROUP, window, 1)
    prefix = f"{asked.destination.prefix}-{window.from_ms}"
    return asked.model_copy(
        update={
            "window": window,
            "export_id": name,
            "destination": asked.destination.model_copy(update={"prefix": prefix}),
        }
    )


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("lane", ["direct", "slot"])
@pytest.mark.parametrize(("date", "hours"), [(SHORT, 23), (USUAL, 24), (LONG, 25)])
def test_what_came_in_late_on_either_side_of_midnight_is_in_its_own_day_once(
    cloud: "Cloud",
    request_for: RequestFor,
    lane: Literal["direct", "slot"],
    date: datetime,
    hours: int,
) -> None:
    first, second = (of(request_for(lane=lane), day(date, later)) for later in (0, 1))
    assert first.window.to_ms - first.window.from_ms == hours * 3_600_000
    cloud.pages[LOG_GROUP] = [[]]
    for each in (first, second):
        cloud.request(each)
        cloud.run()
    for version in cloud.archive:  # of an export task: there was nothing yet
        version.body = gzip.compress(b"")
    late = {
        each.export_id: [
            Event("agent", at_ms, f"{n}")
            for n, at_ms in enumerate([each.window.from_ms, each.window.to_ms - 1])
        ]
        for each in (first, second)
    }
    for each in (first, second):
        put(cloud, *late[each.export_id])
    for each in (first, second):
        for recounted_at in (FIRST, SECOND, SECOND):
            add(cloud, each.model_copy(update={"lane": "direct"}), recounted_at)
        found = lines(cloud, recorded(cloud, each))
        assert found == lines_of(*late[each.export_id])


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("number", [1, 1_000, pytest.param(100_000, marks=pytest.mark.deep)])
def test_as_many_as_come_in_late_are_there_once(
    cloud: "Cloud", request_for: RequestFor, number: int
) -> None:
    wanted = request_for(lane="direct")
    window = wanted.window
    cloud.pages[LOG_GROUP] = [[Event("web", window.from_ms, "first")]]
    cloud.request(wanted)
    cloud.run()
    late = [
        Event(f"agent-{n % 7}", window.from_ms + n % 86_400_000, f"late {n % 50}")
        for n in range(number)
    ]
    put(cloud, *late[: number // 2])
    add(cloud, wanted)
    put(cloud, *late[number // 2 :])
    add(cloud, wanted, SECOND)
    first = Event("web", window.from_ms, "first")
    assert lines(cloud, recorded(cloud, wanted)) == lines_of(first, *late)
