from datetime import UTC, datetime, timedelta

import pytest
from services.planner.tests.fakes import log_group

from logferry_contracts.window import Window
from planner.order import FAR_MS, Kind, Place, place
from planner.plan import Candidate
from planner.windows import epoch_ms

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
FROM = datetime(2026, 11, 21, tzinfo=UTC)
WINDOW = Window(from_ms=epoch_ms(FROM), to_ms=epoch_ms(FROM + timedelta(days=1)))


def placed(*, seems_empty: bool = False, **group: object) -> Place:
    return place(Candidate(log_group("/a", **group), WINDOW, seems_empty=seems_empty), now=NOW)


@pytest.mark.parametrize(
    ("retention_days", "deadline_ms"),
    [
        (None, FAR_MS),
        (1, WINDOW.from_ms + 86_400_000),  # past, and not yet deleted
        (5, WINDOW.from_ms + 5 * 86_400_000),
        (6, FAR_MS),  # the 27th, more than three days ahead
    ],
)
def test_a_deadline_counts_when_it_is_soon(retention_days: int | None, deadline_ms: int) -> None:
    assert placed(retention_days=retention_days) == Place(deadline_ms, Kind.ACTIVE)


def test_what_need_not_be_exported_comes_last_whatever_its_retention() -> None:
    assert placed(log_group_class="DELIVERY", retention_days=1) == Place(FAR_MS, Kind.SKIPPED)


def test_only_what_can_be_looked_into_waits_for_it() -> None:
    assert placed(seems_empty=True).kind is Kind.SEEMS_EMPTY
    cold = placed(seems_empty=True, log_group_class="INFREQUENT_ACCESS")
    assert cold.kind is Kind.ACTIVE
