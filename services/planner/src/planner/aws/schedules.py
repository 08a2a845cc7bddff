"""The hub's schedules, each of which asks the planner for a source."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from planner.aws.calls import calling

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

_GROUP = "default"
"""The schedule group that is there in each account, as templates name none."""


class Schedules:
    """The schedules of one hub."""

    def __init__(self, scheduler: "EventBridgeSchedulerClient", hub_name: str) -> None:
        """Use those whose names begin as all of the hub's do."""
        self._scheduler = scheduler
        self._hub_name = hub_name

    def of_the_planner(self) -> Iterator[tuple[str, str, bool]]:
        """Yield name and input of each that invokes the planner, and whether it is enabled."""
        pages = self._scheduler.get_paginator("list_schedules").paginate(
            GroupName=_GROUP, NamePrefix=f"{self._hub_name}-"
        )
        with calling("ListSchedules", _GROUP):
            listed = [each for page in pages for each in page["Schedules"]]
        for each in listed:
            if each["Target"]["Arn"].endswith(f":function:{self._hub_name}-planner"):
                with calling("GetSchedule", each["Name"]):
                    found = self._scheduler.get_schedule(GroupName=_GROUP, Name=each["Name"])
                yield each["Name"], found["Target"]["Input"], found["State"] == "ENABLED"
