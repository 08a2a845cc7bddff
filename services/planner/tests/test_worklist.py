import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from services.planner.tests.fakes import log_group

from logferry_contracts.source import SourceName
from logferry_contracts.window import Window
from planner.order import Kind, Place
from planner.plan import Candidate
from planner.retention import FAR_MS
from planner.worklist import scope as module
from planner.worklist.file import Worklist
from planner.worklist.rows import Row, Verdict
from planner.worklist.scope import FoundLogGroup
from planner.worklist.tally import Total

SOURCE = SourceName(profile="dev", account_id="111111111111", region="eu-west-1")
DAYS = [Window(from_ms=day * 1000, to_ms=(day + 1) * 1000) for day in range(5)]
NAMES = ["/a", "/b", "/c"]


@pytest.fixture
def worklist(tmp_path: Path) -> Iterator[Worklist]:
    worklist = Worklist(tmp_path / "file", SOURCE)
    yield worklist
    worklist.close()


def found(*names: str) -> list[FoundLogGroup]:
    return [FoundLogGroup(name, log_group(name)) for name in names]


def begin(worklist: Worklist, *names: str, windows: int = 1) -> None:
    worklist.scope.add_windows((day, f"day-{number}") for number, day in enumerate(DAYS[:windows]))
    worklist.scope.add_log_groups(found(*(names or NAMES)))


def export_id(worklist: Worklist, name: str, generation: int = 1) -> str:
    return worklist.rows.export_id(Candidate(log_group(name), DAYS[0], generation))


def names(rows: list[Row]) -> list[str]:
    return [row.candidate.log_group.name for row in rows]


def ready(worklist: Worklist, window: Window, sizes: dict[str, int | None]) -> None:
    worklist.rows.place(
        (Candidate(log_group(name), window, estimated_bytes=size), Place(FAR_MS, Kind.ACTIVE))
        for name, size in sizes.items()
    )


def test_a_window_has_a_row_for_each_log_group(worklist: Worklist) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.fill(window, reread=False)
    assert names(worklist.rows.take("new", 10)) == NAMES
    assert worklist.scope.found == 3


def test_what_is_known_excluded_or_unreadable_needs_no_further_look(worklist: Worklist) -> None:
    worklist.scope.add_windows([(DAYS[0], "day")])
    worklist.scope.add_log_groups(
        [
            FoundLogGroup("/known", log_group("/known")),
            FoundLogGroup("/known-and-excluded", log_group("/known-and-excluded"), True),
            FoundLogGroup("/excluded", log_group("/excluded"), is_excluded=True),
            FoundLogGroup("/odd", None),
            FoundLogGroup("/new", log_group("/new")),
        ]
    )
    (window,) = worklist.scope.open_windows()
    known = ["/known", "/known-and-excluded"]
    worklist.rows.learn((window, export_id(worklist, name)) for name in known)
    worklist.rows.fill(window, reread=False)
    assert names(worklist.rows.take("new", 10)) == ["/new"]
    assert worklist.rows.take("recorded", 10) == []
    worklist.rows.settle([Verdict(Candidate(log_group("/new"), window), "skipped", "empty")])
    worklist.tally.close_windows(keep=True)
    assert {
        (each["log_group_name"], each["outcome"], each.get("reason"))
        for each in worklist.tally.planned()
    } == {
        ("/known", "already_in_ledger", None),
        ("/known-and-excluded", "already_in_ledger", None),
        ("/excluded", "skipped", "excluded"),
        ("/odd", "refused", "log_group_unreadable"),
        ("/new", "skipped", "empty"),
    }


def test_when_records_are_read_again_known_rows_wait_for_that(worklist: Worklist) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.learn([(window, export_id(worklist, "/b", n)) for n in (1, 2, 3)])
    worklist.rows.fill(window, reread=True)
    (row,) = worklist.rows.take("recorded", 10)
    assert worklist.rows.newest_generation(row.candidate) == 3
    assert names(worklist.rows.take("new", 10)) == ["/a", "/c"]


@pytest.mark.parametrize("there", [(1, 3), (2,), (1, 2, 20)])
def test_a_record_that_somebody_has_removed_hides_no_later_one(
    worklist: Worklist, there: tuple[int, ...]
) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.learn([(window, export_id(worklist, "/b", n)) for n in there])
    worklist.rows.fill(window, reread=True)
    (row,) = worklist.rows.take("recorded", 10)
    assert worklist.rows.newest_generation(row.candidate) == max(there)
    assert names(worklist.rows.take("new", 10)) == ["/a", "/c"]


def test_a_plan_without_dates_exports_nothing_again_whose_first_record_is_gone(
    worklist: Worklist,
) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.learn([(window, export_id(worklist, "/b", 2))])
    worklist.rows.fill(window, reread=False)
    assert worklist.rows.take("recorded", 10) == []
    assert names(worklist.rows.take("new", 10)) == ["/a", "/c"]


def test_what_is_excluded_and_known_is_never_read_again(worklist: Worklist) -> None:
    worklist.scope.add_windows([(DAYS[0], "day")])
    worklist.scope.add_log_groups([FoundLogGroup("/a", log_group("/a"), is_excluded=True)])
    (window,) = worklist.scope.open_windows()
    worklist.rows.learn([(window, export_id(worklist, "/a"))])
    worklist.rows.fill(window, reread=True)
    assert worklist.rows.take("recorded", 10) == worklist.rows.take("new", 10) == []
    worklist.tally.close_windows(keep=False)
    assert [total.outcome for total in worklist.tally.totals] == ["already_in_ledger"]


def test_a_few_exports_of_each_of_the_newest_windows_are_samples(worklist: Worklist) -> None:
    begin(worklist, windows=4)
    worklist.rows.learn((day, f"{day.from_ms + n:032x}") for day in DAYS[:4] for n in range(9))
    some = worklist.rows.known(2, 3)
    assert [window for window, _ in some] == [DAYS[3]] * 3 + [DAYS[2]] * 3
    assert [id_ for _, id_ in some[:3]] == [f"{DAYS[3].from_ms + n:032x}" for n in range(3)]


def test_rows_are_ready_in_the_order_of_deadline_window_kind_and_size(worklist: Worklist) -> None:
    begin(worklist, windows=2)
    for window in worklist.scope.open_windows():
        worklist.rows.fill(window, reread=False)
    old, new = DAYS[:2]
    ready(worklist, old, {"/a": 5, "/b": 3})
    ready(worklist, new, {"/a": 1, "/b": 9})
    worklist.rows.place(
        [
            (Candidate(log_group("/c"), old, estimated_bytes=0), Place(FAR_MS, Kind.SEEMS_EMPTY)),
            (Candidate(log_group("/c"), new, estimated_bytes=99), Place(7, Kind.ACTIVE)),
        ]
    )
    rows = worklist.rows.take("ready", 10)
    assert [(row.candidate.log_group.name, row.candidate.window) for row in rows] == [
        ("/c", new),
        ("/b", old),
        ("/a", old),
        ("/c", old),
        ("/a", new),
        ("/b", new),
    ]


def test_what_is_of_unknown_size_is_taken_for_the_median(worklist: Worklist) -> None:
    begin(worklist, "/a", "/b", "/c", "/d")
    (window,) = worklist.scope.open_windows()
    worklist.rows.fill(window, reread=False)
    ready(worklist, window, {"/a": 30, "/b": None, "/c": 10, "/d": 20})
    worklist.rows.place_unknown()
    rows = worklist.rows.take("ready", 10)
    assert [row.size_bytes for row in rows] == [10, 20, 20, 30]
    assert rows[names(rows).index("/b")].candidate.estimated_bytes is None


def test_without_any_size_all_are_alike(worklist: Worklist) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.fill(window, reread=False)
    ready(worklist, window, dict.fromkeys(NAMES))
    worklist.rows.place_unknown()
    assert [row.size_bytes for row in worklist.rows.take("ready", 10)] == [0, 0, 0]


@pytest.mark.parametrize("reread", [False, True])
def test_what_others_have_recorded_meanwhile_is_caught_up_with(
    worklist: Worklist, *, reread: bool
) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.fill(window, reread=reread)
    ready(worklist, window, {"/b": 1})
    worklist.rows.learn((window, export_id(worklist, name)) for name in ("/a", "/b"))
    worklist.rows.catch_up(reread=reread)
    assert worklist.rows.take("ready", 10) == []
    assert names(worklist.rows.take("new", 10)) == ["/c"]
    assert names(worklist.rows.take("recorded", 10)) == (["/a", "/b"] if reread else [])


def test_a_next_generation_is_not_taken_for_the_one_that_is_known(worklist: Worklist) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.learn([(window, export_id(worklist, "/a"))])
    worklist.rows.fill(window, reread=True)
    worklist.rows.renew([Candidate(log_group("/a"), window, generation=2)])
    worklist.rows.catch_up(reread=True)
    assert names(worklist.rows.take("new", 10)) == NAMES


def test_as_many_windows_are_open_as_fit_in_and_the_oldest_first(
    worklist: Worklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 7)
    begin(worklist, windows=5)
    seen = []
    while windows := worklist.scope.open_windows():
        assert worklist.scope.open_windows() == windows
        seen.append(windows)
        worklist.tally.close_windows(keep=False)
    assert seen == [DAYS[:2], DAYS[2:4], DAYS[4:]]
    assert worklist.scope.windows == DAYS


def test_a_copy_of_the_file_goes_on_where_it_was_made(worklist: Worklist, tmp_path: Path) -> None:
    begin(worklist)
    (window,) = worklist.scope.open_windows()
    worklist.rows.fill(window, reread=False)
    ready(worklist, window, {"/a": 1, "/b": 2, "/c": 3})
    worklist.rows.settle([Verdict(Candidate(log_group("/a"), window), "requested", lane="slot")])
    copied = tmp_path / "copy"
    copied.write_bytes(worklist.path.read_bytes())
    other = Worklist(copied, SOURCE)
    assert other.scope.open_windows() == [window]
    assert names(other.rows.take("ready", 10)) == ["/b", "/c"]
    other.close()


outcomes = st.sampled_from(["requested", "skipped", "refused"])


@given(decided=st.lists(outcomes, min_size=6, max_size=6), known=st.sets(st.sampled_from(NAMES)))
@settings(max_examples=25)
def test_the_rows_of_all_windows_are_all_in_the_totals(
    tmp_path_factory: pytest.TempPathFactory, decided: list[str], known: set[str]
) -> None:
    worklist = Worklist(tmp_path_factory.mktemp("worklist") / "file", SOURCE)
    begin(worklist, windows=2)
    for window in worklist.scope.open_windows():
        worklist.rows.learn(
            (window, worklist.rows.export_id(Candidate(log_group(name), window))) for name in known
        )
        worklist.rows.fill(window, reread=False)
    for outcome in decided:
        for row in worklist.rows.take("new", 1):
            worklist.rows.settle([Verdict(row.candidate, outcome, slot_s=1.5)])  # type: ignore[arg-type]
    assert worklist.rows.take("new", 1) == []
    worklist.tally.close_windows(keep=False)
    totals = worklist.tally.totals
    worklist.close()
    assert sum(total.exports for total in totals) == 2 * len(NAMES)
    assert sum(total.slot_s for total in totals) == 1.5 * 2 * (len(NAMES) - len(known))


def test_totals_tell_days_outcomes_and_estimates_apart(worklist: Worklist) -> None:
    begin(worklist, windows=2)
    for window in worklist.scope.open_windows():
        worklist.rows.fill(window, reread=False)
        ready(worklist, window, {"/a": 100, "/b": None, "/c": 40})
        worklist.rows.settle(
            [
                Verdict(Candidate(log_group("/a"), window), "requested", None, "slot", 2.0),
                Verdict(Candidate(log_group("/b"), window), "requested", None, "slot", 3.0),
                Verdict(Candidate(log_group("/c"), window), "skipped", "empty"),
            ]
        )
    worklist.tally.close_windows(keep=False)
    assert sorted(worklist.tally.totals, key=str) == [
        Total(day, outcome, reason, exports, size, slot_s)  # type: ignore[arg-type]
        for day in ("day-0", "day-1")
        for outcome, reason, exports, size, slot_s in (
            ("requested", None, 2, 100, 5.0),
            ("skipped", "empty", 1, 0, 0.0),
        )
    ]


def peak_bytes(path: Path, groups: int) -> int:
    """Return how much Python memory it takes to bring so many log groups through the steps."""
    worklist = Worklist(path, SOURCE)
    tracemalloc.start()
    worklist.scope.add_windows([(DAYS[0], "day")])
    worklist.scope.add_log_groups(
        FoundLogGroup(f"/app/{number:05}", log_group(f"/app/{number:05}"))
        for number in range(groups)
    )
    (window,) = worklist.scope.open_windows()
    worklist.rows.learn((window, f"{number:032x}") for number in range(groups))
    worklist.rows.fill(window, reread=False)
    while rows := worklist.rows.take("new", 250):
        worklist.rows.place((row.candidate, Place(FAR_MS, Kind.ACTIVE)) for row in rows)
    worklist.rows.place_unknown()
    while rows := worklist.rows.take("ready", 250):
        worklist.rows.settle(Verdict(row.candidate, "skipped", "empty") for row in rows)
    worklist.tally.close_windows(keep=True)
    for _ in worklist.tally.planned():
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    worklist.close()
    return peak


def test_four_times_the_log_groups_take_no_more_memory(tmp_path: Path) -> None:
    few, many = peak_bytes(tmp_path / "few", 1000), peak_bytes(tmp_path / "many", 4000)
    assert many < 1.1 * few
