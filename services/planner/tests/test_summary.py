from planner.summary import summarize
from planner.worklist.tally import Total


def test_everything_is_added_up_by_outcome_reason_and_day() -> None:
    summary = summarize(
        [
            Total("2026-11-21", "requested", None, 3, 700, 50_000.2),
            Total("2026-11-21", "skipped", "empty", 5, 0, 0.0),
            Total("2026-11-22", "requested", None, 1, 7, 86_400.5),
            Total("2026-11-22", "refused", "log_group_unreadable", 2, 0, 0.0),
            Total("2026-11-22", "skipped", "empty", 1, 0, 0.0),
            Total("2026-11-22", "already_in_ledger", None, 4, 0, 0.0),
        ]
    )
    assert (summary.requested, summary.already_in_ledger, summary.refused) == (4, 4, 2)
    assert summary.skipped == {"empty": 6, "log_group_unreadable": 2}
    assert summary.estimated_bytes == 707
    assert summary.slot_s == 50_001 + 86_401
    assert summary.overcommitted == {"2026-11-22": 86_401}


def test_a_day_that_fits_into_a_day_is_not_overcommitted() -> None:
    total = Total("2026-11-21", "requested", None, 1, 0, 86_400.0)
    assert summarize([total]).overcommitted == {}


def test_nothing_adds_up_to_nothing() -> None:
    summary = summarize([])
    assert (summary.requested, summary.skipped, summary.slot_s) == (0, {}, 0)
