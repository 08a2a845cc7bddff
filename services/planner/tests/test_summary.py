import pytest

from planner.summary import balanced, summarize
from planner.worklist.tally import Total, Work


def test_everything_is_added_up_by_outcome_reason_and_day() -> None:
    summary = summarize(
        [
            Total("2026-11-21", "requested", None, 3, 700, 50_000.2),
            Total("2026-11-21", "skipped", "empty", 5, 0, 0.0),
            Total("2026-11-22", "requested", None, 1, 7, 86_400.5),
            Total("2026-11-22", "refused", "log_group_unreadable", 2, 0, 0.0),
            Total("2026-11-22", "skipped", "empty", 1, 0, 0.0),
            Total("2026-11-22", "already_in_ledger", None, 4, 0, 0.0),
        ],
        {"2026-11-21": Work(slot_s=50_000.2, direct_s=7.5), "2026-11-22": Work(slot_s=86_400.5)},
    )
    assert (summary.requested, summary.already_in_ledger, summary.refused) == (4, 4, 2)
    assert summary.skipped == {"empty": 6, "log_group_unreadable": 2}
    assert summary.estimated_bytes == 707
    assert (summary.slot_s, summary.direct_s) == (136_401, 8)
    assert summary.overcommitted == {"2026-11-22": 86_401}


def test_a_day_that_fits_into_a_day_is_not_overcommitted() -> None:
    total = Total("2026-11-21", "requested", None, 1, 0, 86_400.0)
    assert summarize([total], {"2026-11-21": Work(slot_s=86_400.0)}).overcommitted == {}


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (Work(), (0, 0)),
        (Work(slot_s=5, direct_s=7), (5, 7)),
        (Work(shared_slot_s=100, shared_direct_s=300), (75, 75)),
        (Work(slot_s=40, direct_s=40, shared_slot_s=100, shared_direct_s=100), (90, 90)),
        (Work(slot_s=500, shared_slot_s=100, shared_direct_s=300), (500, 300)),
        (Work(direct_s=500, shared_slot_s=100, shared_direct_s=300), (100, 500)),
    ],
)
def test_lanes_share_what_both_are_asked_for_until_both_are_done(
    work: Work, expected: tuple[float, float]
) -> None:
    assert balanced(work) == pytest.approx(expected)


def test_nothing_adds_up_to_nothing() -> None:
    summary = summarize([], {})
    assert (summary.requested, summary.skipped, summary.slot_s) == (0, {}, 0)
