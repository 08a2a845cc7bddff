"""Every error has an end: which it is, when it comes, and that nobody else waits for it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import islice, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.retries import standard
from hypothesis import given, settings
from hypothesis import strategies as st
from services.exporter.tests import aws_errors
from services.exporter.tests.aws_errors import INVENTED, OPERATIONS, codes, error_of

from exporter import patience, waiting
from exporter.errors import ExportRefusedError, NotForDirectLaneError
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.message import timestamp
from logferry_contracts.window import Window

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]

BAD, GOOD = "/bad", "/good"
HOUR = timedelta(hours=1)


def raise_as_adapters_do(call: str, error: Exception) -> None:
    aws_errors.raise_as_adapters_do(call, BAD, error)


def met(call: str, error: Exception) -> Exception:
    """What an adapter makes of an error that a call meets."""
    with pytest.raises(Exception) as made:  # noqa: PT011  (whatever it is)
        raise_as_adapters_do(call, error)
    return made.value


def worked_on(cloud: "Cloud") -> str:
    """The log group of the message that is at the head."""
    return cloud.letters[0].body.split('"log_group":{"name":"')[1].split('"')[0]


def meet(cloud: "Cloud", call: str, error: Exception, *, log_group: str = BAD) -> list[datetime]:
    """Let a call for a log group meet an error from now on; return the times at which it does."""
    times: list[datetime] = []

    def interrupt(name: str) -> None:
        if name == call and worked_on(cloud) == log_group:
            times.append(cloud.now)
            raise_as_adapters_do(call, error)

    cloud.interrupt = interrupt
    return times


@pytest.fixture
def warm(cloud: "Cloud") -> "Cloud":
    """A function whose environment lives."""
    cloud.warm = cloud.wiring()
    return cloud


@pytest.fixture
def both(warm: "Cloud", request_for: RequestFor) -> "Cloud":
    """An export that will meet errors, and another one behind it."""
    warm.request(request_for(BAD))
    warm.request(request_for(GOOD))
    return warm


def ended(cloud: "Cloud", data: ExportRequestedData) -> datetime:
    record = cloud.record(data)
    outcome = record.completed or record.failed
    assert outcome is not None, record.state
    return datetime.fromisoformat(outcome.at)


# -- an error that nobody knows ----------------------------------------------------------------


@pytest.mark.parametrize("call", ["logs.newest_tasks", "logs.create_task", "archive.objects"])
def test_a_refusal_that_nobody_knows_ends_after_hours_with_awss_words(
    both: "Cloud", request_for: RequestFor, call: str
) -> None:
    began, times = both.now, meet(both, call, error_of(call, INVENTED))
    both.run()
    failed = both.record(request_for(BAD)).failed
    assert failed is not None
    assert failed.reason == "unknown_refusal"
    assert failed.message == f"{OPERATIONS[call][1]} of {BAD}: {INVENTED}: What AWS says."
    assert timedelta(hours=3) < ended(both, request_for(BAD)) - began < timedelta(hours=5)
    assert len({(time - began) // timedelta(minutes=4) for time in times}) == 4
    (event,) = both.failed_events()
    assert INVENTED in event.data.message
    assert "the policy of bucket" in event.data.mend
    (letter,) = both.dead_letters
    assert (letter.reason, letter.detail) == ("unknown_refusal", failed.message)


def test_the_export_behind_it_does_not_wait_for_a_minute(
    both: "Cloud", request_for: RequestFor
) -> None:
    began = both.now
    meet(both, "logs.create_task", error_of("logs.create_task", INVENTED))
    both.run()
    assert both.record(request_for(GOOD)).state == "completed"
    assert ended(both, request_for(GOOD)) - began < timedelta(minutes=1)


def test_what_passes_meanwhile_is_exported_as_if_nothing_had_been(
    both: "Cloud", request_for: RequestFor, emitted: Callable[[str], list[float]]
) -> None:
    times = meet(both, "logs.create_task", error_of("logs.create_task", INVENTED))
    while len(times) <= patience.RECEIVES:
        both.deliver()
    both.interrupt = lambda _name: None
    both.run()
    assert both.record(request_for(BAD)).state == "completed"
    assert not both.failed_events()
    assert not both.dead_letters
    assert emitted("ExportsPutOff") == [1]


def test_a_task_that_was_created_before_the_errors_is_found_at_the_tail(
    both: "Cloud", request_for: RequestFor
) -> None:
    """The answer is no sign that there is no task: one of the export's name is looked for."""
    bad = request_for(BAD)
    made = iter([None])

    def create_and_fail(name: str) -> None:
        if name == "logs.create_task" and worked_on(both) == BAD:
            for _ in made:
                both.start_job(bad, running_s=1)
            raise_as_adapters_do(name, error_of(name, INVENTED))

    both.interrupt = create_and_fail
    both.run()
    assert len(both.tasks_of(bad)) == 1
    assert both.record(bad).state == "completed"


@pytest.mark.usefixtures("quiet")
def test_a_half_that_ends_by_an_error_ends_its_parent(
    both: "Cloud", request_for: RequestFor, plan: "type[Plan]"
) -> None:
    both.plans[BAD] = plan(running_s=90_000)

    def fail_halves(name: str) -> None:
        is_half = '"parent_export_id"' in both.letters[0].body
        if name == "logs.create_task" and worked_on(both) == BAD and is_half:
            raise_as_adapters_do(name, error_of(name, INVENTED))

    both.interrupt = fail_halves
    both.run()
    parent = both.record(request_for(BAD))
    assert parent.split is not None
    assert parent.failed is not None
    assert parent.failed.reason == "unknown_refusal"
    assert both.record(request_for(GOOD)).state == "completed"


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.deep)])
def test_a_cut_after_any_call_loses_no_export_that_goes_to_the_tail(
    new_cloud: Callable[..., "Cloud"], request_for: RequestFor, step: int
) -> None:
    def run(point: tuple[int, str] | None) -> "Cloud":
        cloud = new_cloud()
        errors = iter([error_of("logs.create_task", INVENTED)] * (patience.RECEIVES + 1))

        def interrupt(name: str) -> None:
            if name == "logs.create_task" and worked_on(cloud) == BAD:
                for error in errors:
                    raise_as_adapters_do(name, error)

        cloud.interrupt = interrupt
        cloud.crash = lambda *here: here == point
        cloud.request(request_for(BAD))
        cloud.request(request_for(GOOD))
        cloud.run()
        return cloud

    points = product(range(1, len(run(None).calls) + 1), ("after", "lost"))
    for point in islice(points, None, None, step):
        cloud = run(point)
        assert {record.state for record in cloud.records()} == {"completed"}
        assert len(cloud.tasks_of(request_for(BAD))) == 1
        assert not cloud.dead_letters


# -- errors that pass --------------------------------------------------------------------------


PASSING = {
    "throttled": error_of("logs.create_task", "ThrottlingException"),
    "5xx": error_of("logs.create_task", INVENTED, status=503),
    "429": error_of("logs.create_task", INVENTED, status=429),
    "network": ReadTimeoutError(endpoint_url="https://logs.eu-west-1.amazonaws.com"),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING)
def test_what_may_pass_is_known_by_its_code_its_status_or_no_answer(error: Exception) -> None:
    problem = patience.problem_of(met("logs.create_task", error))
    assert (problem.reason, problem.is_passing) == ("aws_unavailable", True)


@pytest.mark.usefixtures("quiet")
def test_what_passes_is_tried_for_almost_a_day_and_for_minutes_at_the_head(
    both: "Cloud", request_for: RequestFor
) -> None:
    began = both.now
    meet(both, "logs.create_task", PASSING["throttled"])
    both.run(deliveries=4000)
    good, bad = request_for(GOOD), request_for(BAD)
    assert timedelta(minutes=10) <= ended(both, good) - began < timedelta(minutes=12)
    failed = both.record(bad).failed
    assert failed is not None
    assert failed.reason == "aws_unavailable"
    assert timedelta(hours=20) < ended(both, bad) - began < timedelta(hours=26)
    assert [letter.reason for letter in both.dead_letters] == ["aws_unavailable"]


def test_one_throttle_after_hours_of_waiting_sends_nobody_to_the_tail(
    both: "Cloud", request_for: RequestFor, plan: "type[Plan]"
) -> None:
    both.plans[BAD] = plan(running_s=36_000)
    errors = iter([error_of("logs.newest_tasks", "ThrottlingException")] * 3)

    def throttle_late(name: str) -> None:
        is_look = name == "logs.newest_tasks" and bool(both.jobs)
        if is_look and both.now - both.jobs[0].created > 5 * HOUR:
            for error in errors:
                raise_as_adapters_do(name, error)

    both.interrupt = throttle_late
    both.run()
    assert next(errors, None) is None
    assert "queue.send_to_the_tail" not in both.calls
    assert [event.data.log_group_name for event in both.completed_events()] == [BAD, GOOD]


@pytest.mark.usefixtures("quiet")
def test_a_busy_slot_is_waited_for_without_an_end(both: "Cloud", request_for: RequestFor) -> None:
    both.start_job(running_s=3 * 86_400)
    both.run()
    assert not both.failed_events()
    assert "queue.send_to_the_tail" not in both.calls
    assert both.record(request_for(BAD)).state == "completed"


@pytest.mark.usefixtures("quiet")
def test_only_creation_means_the_slot_by_a_limit(both: "Cloud", request_for: RequestFor) -> None:
    meet(both, "logs.newest_tasks", error_of("logs.newest_tasks", "LimitExceededException"))
    both.run(deliveries=4000)
    failed = both.record(request_for(BAD)).failed
    assert failed is not None
    assert failed.reason == "aws_unavailable"


# -- what cannot be recorded, told or read -----------------------------------------------------


def test_a_ledger_that_may_not_be_read_ends_in_the_dead_letter_queue(
    both: "Cloud", request_for: RequestFor
) -> None:
    meet(both, "ledger.read", error_of("ledger.read", "AccessDenied", status=403))
    both.run()
    (letter,) = both.dead_letters
    assert (letter.reason, letter.detail) == (
        "access_denied",
        f"GetObject of {BAD}: AccessDenied: What AWS says.",
    )
    assert both.record(request_for(BAD)).state == "requested"
    assert both.record(request_for(GOOD)).state == "completed"
    both.interrupt = lambda _name: None
    both.redrive()
    both.run()
    assert both.record(request_for(BAD)).state == "completed"


def test_a_ledger_that_may_not_be_written_ends_in_the_dead_letter_queue(
    both: "Cloud", request_for: RequestFor
) -> None:
    def deny(name: str) -> None:
        writes = {"ledger.submitted", "ledger.failed", "ledger.requested"}
        if name in writes and worked_on(both) == BAD:
            raise_as_adapters_do(
                "ledger.submitted", error_of("ledger.submitted", "AccessDenied", status=403)
            )

    both.interrupt = deny
    both.run()
    assert [letter.reason for letter in both.dead_letters] == ["access_denied"]
    assert both.record(request_for(GOOD)).state == "completed"
    assert len(both.tasks_of(request_for(BAD))) == 1


def test_what_cannot_be_told_is_told_when_its_dead_letter_comes_back(
    both: "Cloud", request_for: RequestFor
) -> None:
    meet(both, "topic.publish", error_of("topic.publish", "AuthorizationError", status=403))
    both.run()
    assert [letter.reason for letter in both.dead_letters] == ["unknown_refusal"]
    assert both.record(request_for(BAD)).state == "completed"
    both.interrupt = lambda _name: None
    both.redrive()
    both.run()
    told = [event.data.log_group_name for event in both.completed_events()]
    assert sorted(told) == [BAD, GOOD]


@pytest.mark.usefixtures("quiet")
def test_a_split_export_is_left_to_its_halves(
    warm: "Cloud", request_for: RequestFor, plan: "type[Plan]"
) -> None:
    warm.plans[BAD] = plan(running_s=90_000)
    warm.request(request_for(BAD))
    while warm.record(request_for(BAD)).split is None:
        warm.deliver()
    halves, warm.letters = warm.letters, []
    warm.request(request_for(BAD), is_planned=False)
    reads = iter(range(10_000))

    def deny(name: str) -> None:
        if name == "ledger.read" and next(reads) % 3 == 1:  # the first half, and not what gives up
            raise_as_adapters_do("ledger.read", error_of("ledger.read", "AccessDenied", status=403))

    warm.interrupt = deny
    warm.run()
    assert [letter.reason for letter in warm.dead_letters] == ["access_denied"]
    assert warm.record(request_for(BAD)).state == "submitted"
    warm.interrupt, warm.letters = (lambda _name: None), halves
    warm.run()
    assert warm.record(request_for(BAD)).state == "completed"


@pytest.mark.parametrize("tries", ["many", "-1", "", "9" * 5000])
def test_an_attribute_that_is_no_number_holds_nobody_up(
    warm: "Cloud", request_for: RequestFor, tries: str
) -> None:
    warm.request(request_for(GOOD))
    warm.letters[0].attributes = {"tries": tries}
    warm.run()
    assert warm.record(request_for(GOOD)).state == "completed"


def test_an_error_of_our_own_ends_as_well(both: "Cloud", request_for: RequestFor) -> None:
    meet(both, "archive.objects", KeyError("VersionId"))
    both.run()
    failed = both.record(request_for(BAD)).failed
    assert failed is not None
    assert (failed.reason, failed.message) == ("unexpected_error", "KeyError: 'VersionId'")
    assert both.record(request_for(GOOD)).state == "completed"


@pytest.mark.usefixtures("quiet")
def test_a_date_that_meets_nothing_but_errors_ends_after_a_day(
    warm: "Cloud",
) -> None:
    began = warm.now
    warm.request_day(Window(from_ms=1_795_215_600_000, to_ms=1_795_302_000_000))

    def deny(name: str) -> None:
        if name == "ledger.keys":
            raise_as_adapters_do("ledger.read", error_of("ledger.read", "AccessDenied", status=403))

    warm.interrupt = deny
    warm.run(deliveries=3000)
    assert [letter.reason for letter in warm.dead_letters] == ["access_denied"]
    assert timedelta(days=1) <= warm.now - began < timedelta(days=1, hours=1)


def test_a_dead_letter_queue_that_takes_nothing_keeps_the_message(
    warm: "Cloud", request_for: RequestFor
) -> None:
    warm.request(request_for(BAD))

    def deny(name: str) -> None:
        if name in {"queue.dead_letter", "queue.send_to_the_tail"}:
            raise_as_adapters_do("queue.dead_letter", error_of("queue.dead_letter", "KmsDisabled"))
        if name == "logs.create_task":
            raise_as_adapters_do("logs.create_task", error_of("logs.create_task", INVENTED))

    warm.interrupt = deny
    for _ in range(100):
        assert warm.deliver()["batchItemFailures"]
    warm.interrupt = lambda _name: None
    warm.run()
    assert warm.record(request_for(BAD)).state == "completed"


# -- a time that has not come ------------------------------------------------------------------


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("away", [timedelta(minutes=5), timedelta(hours=6)])
def test_a_time_in_the_future_holds_nobody_up(
    warm: "Cloud", request_for: RequestFor, away: timedelta
) -> None:
    """Five minutes are the first pause of what has met an error."""
    began, later = warm.now, warm.now + away
    early = request_for(BAD).model_copy(update={"not_before": timestamp(later)})
    warm.request(early)
    for number in range(5):
        warm.request(request_for(f"{GOOD}/{number}"))
    deliveries = warm.run(deliveries=4000)
    for number in range(5):
        assert ended(warm, request_for(f"{GOOD}/{number}")) - began < timedelta(minutes=2)
    assert warm.tasks_of(early)[0].created >= later
    assert deliveries < 2 * away / timedelta(minutes=1) + 50, "no more than once a minute"


def test_a_message_at_the_tail_is_a_new_one_for_sqs(warm: "Cloud", request_for: RequestFor) -> None:
    """The same id within five minutes would be dropped, and the export with it."""
    later = timestamp(warm.now + timedelta(minutes=11))
    warm.request(request_for(BAD).model_copy(update={"not_before": later}))
    warm.run()
    assert warm.calls.count("queue.send_to_the_tail") >= 3
    assert warm.record(request_for(BAD)).state == "completed"


@pytest.mark.parametrize(
    ("left_s", "age_s", "receive_count", "interval_s"),
    [
        (59.5, 0, 1, 60),
        (59.5, 0, 2, 60),
        (299, 0, 1, 60),
        (299, 0, 2, None),
        (301, 0, 1, 60),
        (301, 45, 1, 15),
        (301, 9_000, 1, 5),
        (301, 0, 2, None),
        (301, -5, 1, 60),
    ],
)
def test_an_early_message_goes_round_once_a_minute_or_makes_room_at_once(
    left_s: float, age_s: float, receive_count: int, interval_s: int | None
) -> None:
    assert waiting.early_interval_s(left_s, age_s, receive_count) == interval_s


# -- what an error is --------------------------------------------------------------------------


def test_what_botocore_tries_again_passes() -> None:
    botocores = {
        *standard.ThrottledRetryableChecker._THROTTLED_ERROR_CODES,  # type: ignore[attr-defined]
        *standard.TransientRetryableChecker._TRANSIENT_ERROR_CODES,  # type: ignore[attr-defined]
    }
    for code in botocores:
        assert patience.problem_of(
            met("archive.objects", error_of("archive.objects", code))
        ).is_passing, code


def test_every_call_that_is_simulated_may_meet_an_error() -> None:
    simulation = Path(__file__).with_name("conftest.py").read_text()
    calls = set(re.findall(r'\.call\("([a-z_.]+)"\)', simulation))
    states = {f"ledger.{state}" for state in ("requested", "submitted", "completed", "failed")}
    assert set(OPERATIONS) == calls | states


@pytest.mark.parametrize("call", OPERATIONS)
def test_every_code_of_every_operation_has_an_end(call: str) -> None:
    for code in codes(call):
        made = met(call, error_of(call, code))
        if isinstance(made, NotForDirectLaneError):
            continue  # The slot takes it.
        problem = patience.problem_of(made)
        assert problem.reason != "unexpected_error", code
        assert code in problem.message
        pauses = [patience.pause(problem, tries) for tries in range(20)]
        assert sum(filter(None, pauses), timedelta(0)) < timedelta(days=1)
        assert pauses[-1] is None


def test_a_refusal_keeps_its_reason() -> None:
    problem = patience.problem_of(ExportRefusedError("bucket_policy", "What AWS says."))
    assert (problem.reason, problem.is_passing) == ("bucket_policy", False)


# -- schedules ---------------------------------------------------------------------------------


FOR_EVER = 10_000
HOLDS_ANY_MESSAGE = {"queue.send_to_the_tail", "queue.dead_letter"}
"""Without these two no message can be moved, so they fail for a while only."""


@st.composite
def faults(draw: st.DrawFn) -> tuple[str, str, int, int, int]:
    """A call, what it meets, the status, and how often before it is met and while it is."""
    call = draw(st.sampled_from(sorted(OPERATIONS)))
    code = draw(st.sampled_from(codes(call)))
    is_busy_slot = (call, code) == ("logs.create_task", "LimitExceededException")
    lasts = 8 if call in HOLDS_ANY_MESSAGE or is_busy_slot else FOR_EVER
    status = draw(st.sampled_from([400, 403, 429, 500, 503]))
    return call, code, status, draw(st.integers(0, 3)), draw(st.sampled_from([1, 5, 40, lasts]))


def worked_off(
    cloud: "Cloud",
    requests: list[ExportRequestedData],
    met: dict[str, list[tuple[str, str, int, int, int]]],
) -> "Cloud":
    """Work a queue off while some log groups meet faults."""
    cloud.warm = cloud.wiring()
    for data in requests:
        cloud.request(data)
    seen: dict[tuple[str, str], int] = {}

    def interrupt(name: str) -> None:
        log_group = worked_on(cloud)
        for call, code, status, before, lasts in met.get(log_group, []):
            if call == name:
                number = seen[log_group, call] = seen.get((log_group, call), 0) + 1
                if before < number <= before + min(lasts, FOR_EVER):
                    raise_as_adapters_do(call, error_of(call, code, status))

    cloud.interrupt = interrupt
    cloud.run(deliveries=20_000)
    return cloud


def check_end(cloud: "Cloud", data: ExportRequestedData) -> None:
    """An export that met errors is completed and told, or failed and told, or a dead letter."""
    told = {event.id for event in cloud.events}
    letters = "".join(letter.body for letter in cloud.dead_letters)
    record: Any = cloud.record(data)
    while record.failed is not None and record.failed.next_export_id is not None:
        generation = record.generation + 1
        record = cloud.record(
            data.model_copy(
                update={"export_id": record.failed.next_export_id, "generation": generation}
            )
        )
    is_told = record.export_id in told and record.state in {"completed", "failed"}
    assert is_told or record.export_id in letters, record.state
    assert record.state != "failed" or record.export_id in letters


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("schedules", [10, pytest.param(60, marks=pytest.mark.deep)])
def test_an_export_that_meets_errors_costs_the_others_no_hour(
    new_cloud: Callable[..., "Cloud"],
    request_for: RequestFor,
    plan: "type[Plan]",
    schedules: int,
) -> None:
    @settings(max_examples=schedules, derandomize=True, database=None)
    @given(
        bad=st.lists(st.lists(faults(), min_size=1, max_size=2), min_size=1, max_size=3),
        good_count=st.integers(1, 3),
        fails_first=st.booleans(),
    )
    def run(
        bad: list[list[tuple[str, str, int, int, int]]], good_count: int, *, fails_first: bool
    ) -> None:
        met = {f"{BAD}/{number}": some for number, some in enumerate(bad)}
        good = [request_for(f"{GOOD}/{number}") for number in range(good_count)]
        requests = [*(request_for(name) for name in met), *good]
        clouds = new_cloud(), new_cloud()
        for cloud in clouds:
            if fails_first:
                cloud.plans = {name: plan(outcomes=("FAILED", "COMPLETED")) for name in met}
        alone, cloud = worked_off(clouds[0], requests, {}), worked_off(clouds[1], requests, met)
        for data in good:
            assert cloud.record(data).state == "completed"
            delay = ended(cloud, data) - ended(alone, data)
            assert delay < len(bad) * HOUR, (delay, met)
        for data in requests:
            check_end(cloud, data)
        assert cloud.now - datetime(2026, 11, 23, 6, tzinfo=UTC) < timedelta(days=4)

    run()
