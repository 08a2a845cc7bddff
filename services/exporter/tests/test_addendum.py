"""What CloudWatch Logs has more of than the archive is added: that alone, once, whatever breaks."""

import gzip
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import addendum, adding, direct, missing
from exporter.comparison import EVENTS_AT_ONCE, Comparison
from exporter.direct import Event
from exporter.errors import ExportRefusedError, OutOfTimeError, TransientError
from logferry_contracts.addendum import Addendum, addendum_folder, folder_in_key
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_requested import ExportRequested, ExportRequestedData
from logferry_contracts.ledger_record import Disposed, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.wire import emit

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud

type RequestFor = Callable[..., ExportRequestedData]

LOG_GROUP = "/aws/lambda/orders"
FROM, TO = 1_795_215_600_000, 1_795_302_000_000
FIRST, SECOND = "2026-11-26T02:12:00.000Z", "2026-12-07T02:12:00.000Z"
KNOWN = [Event("web/1", FROM, "first"), Event("web/2", FROM + 5, "second")]
LATE = [Event("web/1", FROM + 3, "late"), Event("agent", TO - 1, "was offline")]


@pytest.fixture
def wanted(request_for: RequestFor) -> ExportRequestedData:
    return request_for(lane="direct")


@pytest.fixture
def archived(cloud: "Cloud", wanted: ExportRequestedData) -> "Cloud":
    """A cloud that has exported what there was."""
    return exported(cloud, wanted)


def exported(cloud: "Cloud", wanted: ExportRequestedData) -> "Cloud":
    cloud.pages[LOG_GROUP] = [KNOWN]
    cloud.request(wanted)
    cloud.run()
    return cloud


def put(cloud: "Cloud", *events: Event) -> None:
    """Put events into CloudWatch Logs, which has them in the order of time then."""
    (page,) = cloud.pages[LOG_GROUP]
    cloud.pages[LOG_GROUP] = [sorted([*page, *events], key=lambda each: each.timestamp_ms)]


def ask(
    cloud: "Cloud",
    wanted: ExportRequestedData,
    recounted_at: str = FIRST,
    streams: list[str] | None = None,
) -> None:
    """Ask for what is missing, as the recounter does."""
    data = wanted.model_copy(update={"recounted_at": recounted_at, "streams": streams})
    event = ExportRequested.of(
        data, id=data.export_id, source="urn:logferry:recounter:shop", time=cloud.now
    )
    lane = data.source.direct_slot if data.lane == "direct" else data.source.slot
    cloud.enqueue(emit(event), lane)


def add(cloud: "Cloud", wanted: ExportRequestedData, recounted_at: str = FIRST) -> None:
    ask(cloud, wanted, recounted_at)
    cloud.run()


def lines(cloud: "Cloud", manifest: Manifest) -> Counter[tuple[str, bytes]]:
    """How often each line of a manifest's objects is there, with its stream."""
    bodies = {each.version_id: each.body for each in cloud.archive}
    return Counter(
        (each.key.split("/")[-2], line)
        for each in manifest.objects or []
        for line in gzip.decompress(bodies[each.version_id]).splitlines()
    )


def lines_there(cloud: "Cloud") -> Counter[tuple[str, bytes]]:
    """What who reads the archive by its keys finds, whatever a manifest says."""
    newest = {version.key: version for version in cloud.archive}
    return Counter(
        (key.split("/")[-2], line)
        for key, version in newest.items()
        for line in gzip.decompress(version.body).splitlines()
    )


def lines_of(*events: Event) -> Counter[tuple[str, bytes]]:
    return Counter(
        (each.stream_name.replace("/", "-"), line)
        for each in events
        for line in direct.lines([each])[each.stream_name].splitlines()
    )


def recorded(cloud: "Cloud", wanted: ExportRequestedData) -> Manifest:
    completed = cloud.record(wanted).completed
    assert completed is not None
    return completed.manifest


def added(cloud: "Cloud") -> list[ExportCompleted]:
    return [each for each in cloud.completed_events() if each.data.addendum is not None]


def test_what_came_in_late_is_added_alone_and_told_by_an_event_of_its_own(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    before = recorded(archived, wanted)
    put(archived, *LATE)
    add(archived, wanted)
    (event,) = added(archived)
    folder = addendum_folder(wanted.export_id, 1)
    assert (event.id, event.data.export_id, event.data.addendum) == (folder, wanted.export_id, 1)
    assert {folder_in_key(each.key) for each in event.data.manifest.objects or []} == {folder}
    assert lines(archived, event.data.manifest) == lines_of(*LATE)
    whole = recorded(archived, wanted)
    assert lines(archived, whole) == lines_of(*KNOWN, *LATE)
    assert {each.key for each in before.objects or []} < {each.key for each in whole.objects or []}
    record = archived.record(wanted)
    (addendum,) = record.addenda or []
    assert (addendum.recounted_at, record.state, record.secured) == (FIRST, "completed", None)
    assert addendum.published_at is not None
    assert "addendum" in event.attributes


def test_of_some_streams_what_is_missing_is_added_and_of_no_others(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    """What CloudWatch Logs has deleted of another stream is none of it."""
    archived.pages[LOG_GROUP] = [[KNOWN[0], *LATE]]
    for streams, events in ((["agent"], LATE[1:]), (["web/1"], LATE[:1])):
        ask(archived, wanted, FIRST if events == LATE[1:] else SECOND, streams)
        archived.run()
        assert lines(archived, added(archived)[-1].data.manifest) == lines_of(*events)
    assert lines(archived, recorded(archived, wanted)) == lines_of(*KNOWN, *LATE)
    ask(archived, wanted, "2026-12-08T02:12:00.000Z", ["web/2"])
    archived.run()
    assert len(added(archived)) == 2


def test_what_one_of_two_streams_lacks_that_share_a_folder_is_added_where_both_are_named(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    known = [Event("a-b", FROM, "of both"), Event("a/b", FROM, "of both"), Event("a-b", FROM, "x")]
    cloud.pages[LOG_GROUP] = [known]
    cloud.request(wanted)
    cloud.run()
    late = [Event("a/b", FROM + 1, "late"), Event("a/b", FROM, "of both")]
    put(cloud, *late, Event("other", FROM, "of nobody who is named"))
    ask(cloud, wanted, FIRST, ["a/b"])  # whose events are not all that the folder has
    cloud.run()
    assert added(cloud) == []
    ask(cloud, wanted, SECOND, ["a-b", "a/b"])
    cloud.run()
    (event,) = added(cloud)
    assert lines(cloud, event.data.manifest) == lines_of(*late)


def test_more_streams_than_one_call_takes_are_compared_each_once(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    late = [Event(f"agent-{n}", FROM + n, "late") for n in range(250)]
    put(archived, *late)
    ask(archived, wanted, FIRST, [f"agent-{n}" for n in range(250)])
    archived.run()
    (event,) = added(archived)
    assert lines(archived, event.data.manifest) == lines_of(*late)


def test_a_reader_by_prefix_counts_no_event_twice(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    put(archived, *LATE)
    add(archived, wanted)
    below = Manifest.of(
        ArchivedObject(key=each.key, version_id=each.version_id, size_bytes=1, etag="e")
        for each in archived.archive
        if each.key.startswith(f"{wanted.destination.prefix}/")
    )
    assert lines(archived, below) == lines_of(*KNOWN, *LATE)


def test_each_witness_adds_once_and_only_what_is_new_to_it(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    put(archived, LATE[0])
    add(archived, wanted)
    put(archived, LATE[1])
    add(archived, wanted)  # of the same witness, delivered once more
    assert [each.data.addendum for each in added(archived)] == [1]
    add(archived, wanted, SECOND)
    assert [each.data.addendum for each in added(archived)] == [1, 2]
    assert lines(archived, added(archived)[1].data.manifest) == lines_of(LATE[1])
    assert lines(archived, recorded(archived, wanted)) == lines_of(*KNOWN, *LATE)


def test_where_nothing_is_missing_nothing_is_written(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    before, record = list(archived.archive), archived.record(wanted)
    add(archived, wanted)
    assert (archived.archive, archived.record(wanted), added(archived)) == (before, record, [])


def test_an_empty_window_that_filled_later_is_added_whole(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.pages[LOG_GROUP] = [[]]
    cloud.request(wanted)
    cloud.run()
    put(cloud, *LATE)
    add(cloud, wanted)
    assert lines(cloud, recorded(cloud, wanted)) == lines_of(*LATE)


@pytest.mark.parametrize(
    "gone",
    [KNOWN[1:], [Event("web/1", FROM, "written otherwise"), KNOWN[1]]],
    ids=["expired", "other"],
)
def test_where_cloudwatch_has_not_all_that_the_archive_has_nothing_is_added(
    archived: "Cloud", wanted: ExportRequestedData, gone: list[Event]
) -> None:
    before = list(archived.archive)
    archived.pages[LOG_GROUP] = [gone]
    put(archived, *LATE)
    add(archived, wanted)
    assert (archived.archive, added(archived), archived.dead_letters) == (before, [], [])


def test_what_happened_at_the_windows_end_belongs_to_the_next_one(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    cloud.pages[LOG_GROUP] = [[*KNOWN, Event("web/1", TO, "edge")]]
    cloud.request(wanted)
    cloud.run()
    put(cloud, Event("web/1", TO, "edge of another"), LATE[0])
    add(cloud, wanted)
    (event,) = added(cloud)
    assert lines(cloud, event.data.manifest) == lines_of(LATE[0])


def test_the_slots_exports_are_added_to_as_well(cloud: "Cloud", request_for: RequestFor) -> None:
    wanted = request_for()
    cloud.request(wanted)
    cloud.run()
    texts = {"stream-a/000000.gz": [KNOWN[0]], "stream-b/000000.gz": [KNOWN[1]]}
    for each in cloud.archive:
        name = "/".join(each.key.split("/")[-2:])
        known = b"".join(direct.lines([event])[event.stream_name] for event in texts.get(name, []))
        each.body = gzip.compress(known)
    ours = [Event("stream-a", FROM, "first"), Event("stream-b", FROM + 5, "second")]
    cloud.pages[LOG_GROUP] = [ours]
    put(cloud, Event("stream-b", FROM + 7, "late"))
    add(cloud, wanted.model_copy(update={"lane": "direct"}))
    (event,) = added(cloud)
    assert (event.data.lane, event.data.task_id) == ("slot", None)
    assert lines(cloud, event.data.manifest) == lines_of(Event("stream-b", FROM + 7, "late"))
    cloud.request(wanted, is_planned=False)  # its own message comes once more
    cloud.run()
    assert cloud.record(wanted).failed is None


def test_an_export_that_was_added_to_is_not_contradicted_by_its_own_message(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    put(archived, *LATE)
    add(archived, wanted)
    archived.request(wanted, is_planned=False)
    archived.run()
    assert (archived.record(wanted).failed, archived.failed_events()) == (None, [])


def _class(record: LedgerRecord) -> LedgerRecord:
    log_group = record.log_group.model_copy(update={"log_group_class": "INFREQUENT_ACCESS"})
    return record.model_copy(update={"log_group": log_group})


def _unannounced(record: LedgerRecord) -> LedgerRecord:
    assert record.completed is not None
    completed = record.completed.model_copy(update={"published_at": None})
    return record.model_copy(update={"completed": completed})


def _disposed(record: LedgerRecord) -> LedgerRecord:
    disposed = Disposed(at=FIRST, by="ana", reason="erasure", statement="0" * 64)
    return record.as_disposed(disposed)


@pytest.mark.parametrize("changed", [_class, _unannounced, _disposed])
def test_what_cannot_be_added_to_stays_as_it_is(
    archived: "Cloud",
    wanted: ExportRequestedData,
    changed: Callable[[LedgerRecord], LedgerRecord],
) -> None:
    archived.put_record(changed(archived.record(wanted)))
    before = list(archived.archive)
    put(archived, *LATE)
    add(archived, wanted)
    assert (archived.archive, added(archived), archived.dead_letters) == (before, [], [])


def test_what_is_disposed_of_while_it_is_read_does_not_come_back(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    before = list(archived.archive)

    def interrupt(call: str) -> None:
        if call == "logs.events":
            archived.interrupt = lambda _call: None
            archived.put_record(_disposed(archived.record(wanted)))

    put(archived, *LATE)
    archived.interrupt = interrupt
    add(archived, wanted)
    assert (archived.archive, added(archived), archived.dead_letters) == (before, [], [])


def test_what_the_ledger_does_not_have_is_not_made_up(
    cloud: "Cloud", wanted: ExportRequestedData
) -> None:
    add(cloud, wanted)
    assert (cloud.ledger, cloud.archive, cloud.events) == ({}, [], [])


def test_a_window_that_is_too_much_is_left_to_a_person(
    archived: "Cloud", wanted: ExportRequestedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logferry_contracts.addendum.ALWAYS_READ_BYTES", 1000)
    before = list(archived.archive)
    put(archived, Event("web/1", FROM + 1, "x" * 10_000))
    add(archived, wanted)
    assert (archived.archive, added(archived), archived.dead_letters) == (before, [], [])


def test_of_a_window_that_was_guessed_to_be_large_twice_as_much_is_read(
    archived: "Cloud", wanted: ExportRequestedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("logferry_contracts.addendum.ALWAYS_READ_BYTES", 1000)
    archived.put_record(archived.record(wanted).model_copy(update={"estimated_bytes": 1000}))
    late = Event("web/1", FROM + 1, "x" * 1500)
    put(archived, late)
    add(archived, wanted)
    assert lines(archived, recorded(archived, wanted)) == lines_of(*KNOWN, late)
    put(archived, late)
    add(archived, wanted, SECOND)
    assert len(added(archived)) == 1


def test_late_events_of_more_log_streams_than_a_message_names_are_added(
    archived: "Cloud", wanted: ExportRequestedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "WRITING_S", 0.01)  # the clock stands still meanwhile
    late = [Event(f"lambda/{n}", FROM + n, "late") for n in range(direct.MAX_STREAMS + 100)]
    put(archived, *late)
    add(archived, wanted)
    assert lines(archived, recorded(archived, wanted)) == lines_of(*KNOWN, *late)


def test_nothing_is_written_of_what_is_of_too_many_log_streams(
    archived: "Cloud", wanted: ExportRequestedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "MOST_STREAMS", 2)
    before = list(archived.archive)
    put(archived, *LATE)
    add(archived, wanted)
    assert (archived.archive, added(archived), archived.dead_letters) == (before, [], [])


def test_nothing_is_written_where_there_is_never_time_for_all_of_it(
    archived: "Cloud",
    wanted: ExportRequestedData,
    monkeypatch: pytest.MonkeyPatch,
    emitted: Callable[[str], list[float]],
) -> None:
    """It is tried for a while, and told then: by whoever has counted, and by a metric."""
    monkeypatch.setattr(adding, "WRITING_S", 3600)
    before, begun_at = list(archived.archive), archived.now
    put(archived, *LATE)
    add(archived, wanted)
    assert (archived.archive, added(archived), archived.dead_letters) == (before, [], [])
    assert addendum.TRIED_FOR < archived.now - begun_at < 2 * addendum.TRIED_FOR
    assert emitted("AddendaRefused") == [1]


@pytest.mark.parametrize("call", ["ledger.note_reading", "logs.events", "archive.texts"])
def test_what_runs_out_of_an_invocations_time_is_added_minutes_later(
    archived: "Cloud", wanted: ExportRequestedData, call: str
) -> None:
    """Others' calls may have taken the time, or their windows, which were read before."""
    put(archived, *LATE)
    ask(archived, wanted)
    begun_at, slow = archived.now, iter([60, 60])

    def interrupt(name: str) -> None:
        archived.sleep(next(slow, 0) if name == call else 0)

    archived.interrupt = interrupt
    archived.run()
    assert lines(archived, recorded(archived, wanted)) == lines_of(*KNOWN, *LATE)
    assert archived.now - begun_at < timedelta(minutes=10)


def test_a_refusal_is_a_dead_letter_and_leaves_the_export_alone(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    put(archived, *LATE)
    archived.unwritable = ExportRefusedError("bucket_policy", "no")
    add(archived, wanted)
    (letter,) = archived.dead_letters
    assert (letter.reason, archived.record(wanted).failed) == ("bucket_policy", None)
    archived.unwritable = None
    archived.redrive()
    archived.run()
    assert lines(archived, recorded(archived, wanted)) == lines_of(*KNOWN, *LATE)


def test_what_errs_for_too_long_ends_as_a_dead_letter_and_not_in_the_slot(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    archived.warm = archived.wiring()
    archived.unreadable = TransientError("busy")
    add(archived, wanted)
    assert [each.group_id for each in archived.dead_letters] == [wanted.source.direct_slot]
    assert archived.record(wanted).failed is None


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("how", ["before", "after", "lost"])
def test_a_crash_at_any_call_ends_as_if_there_had_been_none(
    new_cloud: Callable[..., "Cloud"],
    wanted: ExportRequestedData,
    how: Literal["before", "after", "lost"],
) -> None:
    undisturbed = exported(new_cloud(), wanted)
    put(undisturbed, *LATE)
    begun = len(undisturbed.calls)
    add(undisturbed, wanted)
    for number in range(begun + 1, len(undisturbed.calls) + 1):
        cloud = exported(new_cloud(), wanted)
        put(cloud, *LATE)
        cloud.crash = crash_at(number, how)
        add(cloud, wanted)
        assert lines(cloud, recorded(cloud, wanted)) == lines_of(*KNOWN, *LATE), number
        assert {each.id for each in added(cloud)} == {addendum_folder(wanted.export_id, 1)}
        (addendum,) = cloud.record(wanted).addenda or []
        assert addendum.published_at is not None
        assert cloud.dead_letters == []


def left_untold(cloud: "Cloud", wanted: ExportRequestedData) -> None:
    """Add, as whoever was cut before it told of that, and whose message was purged."""
    put(cloud, *LATE)
    add(cloud, wanted)
    record = cloud.record(wanted)
    addenda = [each.model_copy(update={"published_at": None}) for each in record.addenda or []]
    cloud.put_record(record.model_copy(update={"addenda": addenda}))
    cloud.events.clear()


@pytest.mark.parametrize("lane", ["direct", "slot"])
def test_what_was_added_and_not_announced_is_announced_once_its_export_is_asked_for_again(
    archived: "Cloud", wanted: ExportRequestedData, lane: Literal["direct", "slot"]
) -> None:
    left_untold(archived, wanted)
    archived.request(wanted.model_copy(update={"lane": lane}), is_planned=False)
    archived.run()
    (event,) = archived.completed_events()
    assert (event.data.addendum, lines(archived, event.data.manifest)) == (1, lines_of(*LATE))
    (addendum,) = archived.record(wanted).addenda or []
    assert addendum.published_at is not None
    archived.request(wanted, is_planned=False)
    archived.run()
    assert archived.completed_events() == [event]


def test_what_was_added_and_not_announced_is_announced_before_more_is_added(
    archived: "Cloud", wanted: ExportRequestedData
) -> None:
    left_untold(archived, wanted)
    put(archived, Event("web/1", FROM + 9, "later still"))
    add(archived, wanted, SECOND)
    assert [each.data.addendum for each in added(archived)] == [1, 2]
    assert all(each.published_at for each in archived.record(wanted).addenda or [])


def _without_objects(record: LedgerRecord) -> LedgerRecord:
    """Say that more was added than the manifest has."""
    invented = Addendum(number=2, recounted_at=SECOND, at=SECOND)
    return record.model_copy(update={"addenda": [*(record.addenda or []), invented]})


def _with_others(record: LedgerRecord) -> LedgerRecord:
    """Say that something was added that nobody has written."""
    folder = addendum_folder(record.export_id, 2)
    key = f"{record.destination.prefix}/{folder}/web-1/000000.gz"
    invented = ArchivedObject(key=key, version_id="v", size_bytes=7, etag="e")
    return record.as_added([invented], Addendum(number=2, recounted_at=SECOND, at=SECOND))


@pytest.mark.parametrize("falsify", [_without_objects, _with_others])
def test_an_addendum_that_is_not_in_the_archive_is_not_announced(
    archived: "Cloud",
    wanted: ExportRequestedData,
    falsify: Callable[[LedgerRecord], LedgerRecord],
) -> None:
    put(archived, *LATE)
    add(archived, wanted)
    told = archived.completed_events()
    archived.put_record(falsify(archived.record(wanted)))
    archived.request(wanted, is_planned=False)
    ask(archived, wanted, SECOND)
    archived.run()
    assert archived.completed_events() == told


def crash_at(number: int, how: str) -> Any:
    return lambda call, when: call == number and when == how


@pytest.mark.usefixtures("quiet")
def test_what_comes_in_between_two_tries_is_there_once(
    new_cloud: Callable[..., "Cloud"], wanted: ExportRequestedData
) -> None:
    more = Event("web/1", FROM + 4, "later still")
    for number in range(1, 12):
        cloud = exported(new_cloud(), wanted)
        put(cloud, *LATE)
        cloud.crash = crash_at(len(cloud.calls) + number, "after")
        ask(cloud, wanted)
        try:
            cloud.deliver()
        except BaseException:  # noqa: BLE001  (the process is gone)
            put(cloud, more)
        cloud.now += timedelta(hours=1)
        cloud.run()
        add(cloud, wanted, SECOND)
        there = {more} & {event for page in cloud.pages[LOG_GROUP] for event in page}
        assert lines(cloud, recorded(cloud, wanted)) == lines_of(*KNOWN, *LATE, *there), number


@pytest.mark.usefixtures("quiet")
def test_two_at_once_add_once(
    new_cloud: Callable[..., "Cloud"], wanted: ExportRequestedData
) -> None:
    for name in ("logs.events", "archive.put", "archive.objects", "ledger.completed"):
        cloud = exported(new_cloud(), wanted)
        put(cloud, *LATE)
        ask(cloud, wanted)
        cloud.interrupt = meanwhile(cloud, name)
        cloud.run()
        assert lines(cloud, recorded(cloud, wanted)) == lines_of(*KNOWN, *LATE), name
        assert {each.id for each in added(cloud)} == {addendum_folder(wanted.export_id, 1)}


def meanwhile(cloud: "Cloud", name: str) -> Callable[[str], None]:
    """Let somebody else work on the same message at a call."""

    def interrupt(call: str) -> None:
        if call == name:
            cloud.interrupt = lambda _: None
            cloud.invoke(cloud.letters[:1])

    return interrupt


def random_events(chance: random.Random) -> Iterator[Event]:
    for _ in range(chance.randint(0, 12)):
        inside = f"2026-11-21T00:00:00.{chance.randint(0, 3):03d}Z x"
        yield Event(
            chance.choice(["a/b", "a-b", "c"]),
            chance.choice([FROM, FROM + 1, FROM + 2, TO - 1]),
            chance.choice(["x", "y\nz", f"y\n{inside}", inside, "", "\n", "x\n", "ü\r\n\n"]),
        )


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("seed", range(40))
def test_archive_and_addenda_are_what_cloudwatch_has_whatever_messages_hold(
    cloud: "Cloud", wanted: ExportRequestedData, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311  (reproducible, and no secret)
    cloud.pages[LOG_GROUP] = [[]]
    put(cloud, *random_events(chance))
    cloud.request(wanted)
    cloud.run()
    for recounted_at in (FIRST, SECOND):
        put(cloud, *random_events(chance))
        add(cloud, wanted, recounted_at)
    assert beginnings(lines(cloud, recorded(cloud, wanted))) == beginnings(
        lines_of(*cloud.pages[LOG_GROUP][0])
    )
    assert cloud.dead_letters == []


def beginnings(some: Counter[tuple[str, bytes]]) -> Counter[tuple[str, bytes]]:
    """Leave out empty lines: whether a message ends with a newline is not compared."""
    return Counter({each: count for each, count in some.items() if each[1]})


TEXT = st.lists(
    st.sampled_from(
        [
            b"2026-11-21T00:00:00.000Z a",
            b"2026-11-21T00:00:00.001Z ",
            b"goes on",
            b"",
            b"2026-11-31T00:00:00.000Z no day",
        ]
    ),
    max_size=8,
).map(lambda some: b"".join(each + b"\n" for each in [b"2026-11-21T00:00:00.000Z b", *some]))


@given(TEXT, st.integers(1, 40))
def test_events_are_the_same_however_their_text_comes_in_pieces(text: bytes, size: int) -> None:
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    whole = list(missing.events([text]))
    assert list(missing.events(pieces)) == whole
    assert b"".join(each + b"\n" for each in whole) == text


def test_of_several_alike_as_many_are_missing_as_there_are_more(tmp_path: Path) -> None:
    alike = [missing.digest(b"2026-11-21T00:00:00.000Z a")] * 3
    comparison = Comparison(tmp_path, 100)
    comparison.put_there(alike[:2])
    numbers, left = comparison.missing(alike)
    assert ([each in numbers for each in range(3)], left) == ([False, False, True], 0)


def test_a_comparison_ends_where_there_is_no_time_left(tmp_path: Path) -> None:
    digests = [missing.digest(str(each).encode()) for each in range(10)]
    comparison = Comparison(tmp_path, 3 * EVENTS_AT_ONCE * 26)
    comparison.put_there(digests)
    looks: list[int] = []

    def check_time() -> None:
        looks.append(1)
        if len(looks) == 2:
            raise OutOfTimeError("late")

    with pytest.raises(OutOfTimeError):
        comparison.missing(digests, check_time)


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)), st.integers(0, 2000))
def test_what_is_missing_is_the_same_in_however_many_files_it_is_compared(
    read: list[int], there: list[int], files: int
) -> None:
    digests = [missing.digest(str(each).encode()) for each in range(10)]
    size_bytes = files * EVENTS_AT_ONCE * 26
    with TemporaryDirectory() as name:
        comparison = Comparison(Path(name), size_bytes)
        comparison.put_there(digests[each] for each in there)
        numbers, left = comparison.missing(digests[each] for each in read)
    found = Counter(each for number, each in enumerate(read) if number in numbers)
    more = Counter(there) - Counter(read)
    if len(there) > len(read):
        assert (found, left) == (Counter(), len(there) - len(read))
    else:
        assert (found, left) == (Counter(read) - Counter(there), more.total())


@pytest.mark.usefixtures("quiet")
def test_two_that_are_asked_for_at_once_put_no_event_into_both_folders(
    new_cloud: Callable[[], "Cloud"], wanted: ExportRequestedData
) -> None:
    """The second one's message is taken up while the first one has written half of what it has."""
    cloud = exported(new_cloud(), wanted)
    cloud.warm = cloud.wiring()
    put(cloud, *LATE)
    ask(cloud, wanted, FIRST)
    ask(cloud, wanted, SECOND, ["agent"])
    writes: list[str] = []

    def interrupt(call: str) -> None:
        writes.extend([call] if call == "archive.put" else [])
        if len(writes) == 2:
            cloud.interrupt = lambda _call: None
            cloud.invoke(cloud.letters[1:2])

    cloud.interrupt = interrupt
    cloud.run()

    assert lines_there(cloud) == lines_of(*KNOWN, *LATE)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("group", ["direct", "slot"])
def test_one_that_a_person_has_put_into_the_slots_queue_is_added_by_the_direct_lane_alone(
    new_cloud: Callable[[], "Cloud"], wanted: ExportRequestedData, group: Literal["direct", "slot"]
) -> None:
    """The slot's function is another process, that knows nothing of what the lane is adding."""
    cloud = exported(new_cloud(), wanted)
    cloud.warm = lane = cloud.wiring()
    put(cloud, *LATE)
    ask(cloud, wanted, FIRST)
    ask(cloud, wanted.model_copy(update={"lane": group}), SECOND, ["agent"])
    moved = cloud.letters.pop()
    moved.is_moved = True
    writes: list[str] = []

    def interrupt(call: str) -> None:
        writes.extend([call] if call == "archive.put" else [])
        if len(writes) == 2:
            cloud.interrupt, cloud.warm = lambda _call: None, cloud.wiring()
            cloud.invoke([moved])
            cloud.warm = lane

    cloud.interrupt = interrupt
    cloud.run()

    assert lines_there(cloud) == lines_of(*KNOWN, *LATE)
    assert cloud.calls.count("queue.send_beside") == 1
