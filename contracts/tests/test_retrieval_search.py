"""What is found in an archive: exactly the events that are in it, by the bytes that were sealed."""

import gzip
import io

import pytest
from contracts.tests.corpus import MESSAGES, WITH_CR
from contracts.tests.corpus import messages as some_messages
from contracts.tests.retrieving import (
    NAME,
    Unlisted,
    archived,
    asked,
    lines,
    messages,
    planned,
    sealed,
    searched,
    window,
)
from contracts.tests.sealed_archive import DAY_MS, HOUR_MS, SOURCE, START_MS, Archive
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from logferry_contracts.archive import events_of_object
from logferry_contracts.retrieval.pattern import Pattern
from logferry_contracts.retrieval.plan import Plan
from logferry_contracts.retrieval.sealed import Seals, add_sealed
from logferry_contracts.retrieval.search import Search
from logferry_contracts.window import Window

ALIKE = settings(derandomize=True, deadline=None, database=None, max_examples=150)


def test_nothing_is_listed_to_find_what_is_sealed() -> None:
    archive = Archive(Unlisted())
    archive.days(20)
    found, report = searched(archive, "/app/a", asked(window(7)))
    assert [each.at_ms for each in found] == [START_MS + 7 * DAY_MS + n for n in (0, 1, DAY_MS - 1)]
    assert (report.objects, report.hashed, report.is_whole) == (2, 2, True)


def test_only_the_seals_from_a_date_on_are_read() -> None:
    archive = Archive(Unlisted())
    keys = archive.days(64)
    archive.bucket.opened.clear()
    planned(archive, asked(window(62)))
    # To find the newest one, those of the numbers 7 and 15 are looked for.
    assert [key for key in keys[4:30] if archive.bucket.opened[key]] == [keys[6], keys[14]]


def test_dates_that_were_sealed_late_hide_none_that_was_sealed_before() -> None:
    archive = Archive()
    for day in range(20):
        archive.day([archive.archived("/app/a", window(day))], window(day))
    archive.day([archive.archived("/app/a", window(-1))], window(-1), is_late=True)
    plan = planned(archive, asked(window(1)))
    assert (plan.is_whole, plan.objects) == (True, 1)


def test_log_groups_and_streams_are_chosen_by_globs() -> None:
    archive = Archive()
    bodies = {"web-1/000000": lines((START_MS, "1")), "worker/000000": lines((START_MS, "2"))}
    statements = [
        archived(archive, window(), bodies, name) for name in ("/aws/lambda/a", "/ecs/a", "x")
    ]
    archive.day(statements, window())
    found, _ = searched(archive, "", asked(log_groups=("/aws/*", "x"), streams=("web/*",)))
    assert {(each.log_group_name, each.event.stream) for each in found} == {
        ("/aws/lambda/a", "web-1"),
        ("x", "web-1"),
    }


@pytest.mark.parametrize(
    "stream",
    [
        "2026/11/22/[$LATEST]0a1b",
        "2026-11-22-[$LATEST]0a1b",
        "2026/11/22/[$LATEST]*",
        "*]0a1b",
        "2026-11-2[12]-?$LATEST]0a1b",
    ],
)
def test_a_name_of_lambdas_finds_its_stream(stream: str) -> None:
    chosen = asked(log_groups=("*",), streams=(stream,))
    assert chosen.has_stream("2026-11-22-[$LATEST]0a1b")
    assert not chosen.has_stream("2026-11-22-[1]9b8a")


def test_a_time_is_exact_to_the_millisecond_at_both_ends() -> None:
    archive = sealed({"web/000000": lines(*((START_MS + n, str(n)) for n in range(10)))})
    wanted = asked(Window(from_ms=START_MS + 3, to_ms=START_MS + 6))
    assert messages(searched(archive, "", wanted)[0]) == ["3", "4", "5"]


def test_the_millisecond_between_two_windows_comes_once() -> None:
    archive, edge = Archive(), START_MS + DAY_MS
    for day in (0, 1):
        body = lines((edge - 1 + 2 * day, "beside"), (edge, "on the edge"))
        archive.day([archived(archive, window(day), {"web/000000": body})], window(day))
    for wanted in (
        asked(window(0, 2)),
        asked(window(1)),
        asked(Window(from_ms=edge, to_ms=edge + 1)),
    ):
        assert messages(searched(archive, "edge", wanted)[0]) == ["on the edge"]
    assert searched(archive, "edge", asked(window(0)))[0] == []


def test_the_last_millisecond_is_found_where_no_next_window_is_archived() -> None:
    archive, edge = Archive(), START_MS + DAY_MS
    body = lines((edge - 1, "before"), (edge, "on the edge"))
    archive.day([archived(archive, window(), {"web/000000": body})], window())
    archive.day([archive.statement(NAME, window(1), "skipped", reason="empty")], window(1))
    for wanted in (asked(window(0, 2)), asked(window(1))):
        assert messages(searched(archive, "edge", wanted)[0]) == ["on the edge"]


def test_another_accounts_log_group_of_the_same_name_is_no_next_window() -> None:
    archive, edge = Archive(), START_MS + DAY_MS
    west = SOURCE.model_copy(update={"profile": "shop-west", "region": "eu-west-1"})
    other = Archive(archive.bucket, archive.key, west)
    body = lines((edge - 1, "before"), (edge, "on the edge"))
    archive.day([archived(archive, window(), {"web/000000": body})], window())
    for day in (0, 1):
        body = lines((START_MS + day * DAY_MS + 1, "elsewhere"))
        other.day([archived(other, window(day), {"web/000000": body})], window(day))
    plan = Plan(asked(window(0, 2)))
    for each in (archive, other):
        seals = Seals.read(each.bucket, each.chain, [each.key.trusted], START_MS)
        add_sealed(plan, each.bucket, seals)
    plan.finish()
    found = Search(archive.bucket, plan, Pattern(""), newest_first=False)
    assert messages(found) == ["elsewhere", "before", "on the edge", "elsewhere"]


def test_objects_of_another_time_are_not_opened() -> None:
    hours = {f"s{n}/000000": lines((START_MS + n * HOUR_MS, f"hour {n}")) for n in range(24)}
    archive = sealed(hours)
    archive.bucket.opened.clear()
    wanted = asked(Window(from_ms=START_MS + 5 * HOUR_MS, to_ms=START_MS + 6 * HOUR_MS))
    found, report = searched(archive, "hour", wanted)
    assert messages(found) == ["hour 5"]
    assert report.objects == 1
    assert sum(key.endswith(".gz") for key in archive.bucket.opened) == 1


def test_an_event_goes_on_in_the_next_object_of_its_stream() -> None:
    head, tail = lines((START_MS, "one"), (START_MS + 1, "two\n  begins")), b"  goes on\n"
    body = {
        "web/000000": head,
        "web/000001": gzip.compress(tail),
        "web/000002": lines((START_MS + 2, "three")),
    }
    found, _ = searched(sealed(body), "goes on")
    assert messages(found) == ["two\n  begins\n  goes on"]
    assert messages(searched(sealed(body), "")[0]) == ["one", "two\n  begins\n  goes on", "three"]


def test_what_goes_on_with_an_event_of_another_time_is_left_out() -> None:
    late = START_MS + HOUR_MS
    after = gzip.compress(b"  of the first\n" + gzip.decompress(lines((late, "second"))))
    archive = sealed({"web/000000": lines((START_MS, "first")), "web/000001": after})
    found, report = searched(archive, "", asked(Window(from_ms=late, to_ms=late + 1)))
    assert (messages(found), report.objects, report.is_whole) == (["second"], 1, True)


def test_what_goes_on_with_an_object_that_is_left_out_is_put_to_no_other_event() -> None:
    of_second = gzip.compress(
        b"  of the second\n" + gzip.decompress(lines((START_MS + 2, "third")))
    )
    archive = sealed(
        {
            "web/000000": lines((START_MS, "first")),
            "web/000001": lines((START_MS + HOUR_MS, "second")),
            "web/000002": of_second,
        }
    )
    found, report = searched(archive, "", asked(Window(from_ms=START_MS, to_ms=START_MS + 9)))
    assert (messages(found), report.objects) == (["first", "third"], 2)


def test_lines_before_the_first_event_are_told() -> None:
    body = gzip.compress(b"no time\n" + gzip.decompress(lines((START_MS, "time"))))
    _, report = searched(sealed({"web/000000": body}), "time")
    assert "its first line has no time" in str(report.findings[0])


def test_a_time_that_a_line_begins_with_is_no_part_of_its_message() -> None:
    archive = sealed({"web/000000": lines((START_MS, "a"), (START_MS + 1, "at 2026-11-2"))})
    assert messages(searched(archive, "2026-11-2")[0]) == ["at 2026-11-2"]


@pytest.mark.parametrize("newest_first", [True, False])
def test_what_is_found_in_many_streams_comes_in_the_order_of_time(newest_first: bool) -> None:  # noqa: FBT001  (parametrized)
    bodies = {
        f"s{n}/000000": lines(*((START_MS + (n * 7 + k * 13) % 97, f"{n} {k}") for k in range(20)))
        for n in range(9)
    }
    found, _ = searched(sealed(bodies), "", newest_first=newest_first)
    times = [each.at_ms for each in found]
    assert len(times) == 180
    assert times == sorted(times, reverse=newest_first)


def test_the_first_results_come_before_everything_is_read() -> None:
    bodies = {f"s{n}/000000": lines((START_MS + n * HOUR_MS, f"hour {n}")) for n in range(9)}
    archive, opened = sealed(bodies), []
    search = Search(archive.bucket, planned(archive, asked()), Pattern("hour"))
    for match in search:
        found_after = search.report.objects
        opened.append((match.event.message, found_after))
    assert opened[:3] == [("hour 8", 1), ("hour 7", 2), ("hour 6", 3)]


def test_context_is_what_was_written_around_it_in_its_stream() -> None:
    events = [(START_MS + n, "hit" if n in (3, 4, 9) else str(n)) for n in range(10)]
    cut = lines(*events[:5]), lines(*events[5:])
    archive = sealed(
        {"web/000000": cut[0], "web/000001": cut[1], "x/000000": lines((START_MS, "other"))}
    )
    found, _ = searched(archive, "hit", context=2)
    around = [([e.message for e in each.before], [e.message for e in each.after]) for each in found]
    assert around == [(["1", "2"], ["hit", "5"]), (["2", "hit"], ["5", "6"]), (["7", "8"], [])]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (Pattern("ORDER"), []),
        (Pattern("ORDER", ignores_case=True), ["order=7 Ünä"]),
        (Pattern("ÜNÄ", ignores_case=True), ["order=7 Ünä"]),
        (Pattern(r"order=\d", is_regex=True), ["order=7 Ünä"]),
        (Pattern(r"^a.b$", is_regex=True), ["a.b"]),
        (Pattern("a.b"), ["a.b"]),
        (Pattern("two\nlines"), ["two\nlines"]),
        (Pattern("lines"), ["two\nlines"]),
        (Pattern(""), ["order=7 Ünä", "a.b", "two\nlines"]),
    ],
)
def test_what_a_pattern_finds(pattern: Pattern, found: list[str]) -> None:
    events = [(START_MS + n, text) for n, text in enumerate(("order=7 Ünä", "a.b", "two\nlines"))]
    assert messages(searched(sealed({"web/000000": lines(*events)}), pattern)[0]) == found


def test_what_is_no_regular_expression_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'\(' is no regular expression: missing \)"):
        Pattern("(", is_regex=True)


@ALIKE
@given(
    st.lists(
        st.one_of(st.sampled_from((*MESSAGES[:-1], *WITH_CR)), some_messages()),
        min_size=1,
        max_size=8,
    ),
    st.data(),
)
def test_words_are_found_in_just_the_events_that_the_reader_has(
    told: list[str], data: st.DataObject
) -> None:
    body = lines(*((START_MS + n, message) for n, message in enumerate(told)))
    text = data.draw(st.sampled_from(told))
    begin = data.draw(st.integers(0, len(text)))
    words = text[begin : begin + data.draw(st.integers(1, 5))]
    key = "p/g/2026/11/21/00/direct/web/000000.gz"
    expected = [e.message for e in events_of_object(key, io.BytesIO(body)) if words in e.message]
    assume(all(each.at_ms >= 0 for each in events_of_object(key, io.BytesIO(body))))
    wanted = asked(Window(from_ms=0, to_ms=10**14))
    assert messages(searched(sealed({"web/000000": body}), words, wanted)[0]) == expected
    everything = [e.message for e in events_of_object(key, io.BytesIO(body))]
    assert sorted(messages(searched(sealed({"web/000000": body}), "", wanted)[0])) == sorted(
        everything
    )
