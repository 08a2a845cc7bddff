"""Exports that fail: the pause before the next try, what is left behind, dead letters put back."""

from collections.abc import Callable
from copy import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from exporter import task
from exporter.aws import source_account
from exporter.errors import ExportRefusedError, SlotBusyError, TransientError
from exporter.task import AskAgain, Create, Done, Postpone, Publish, Retry, Task, decide
from logferry_contracts.export_requested import ExportRequestedData
from logferry_contracts.ledger_record import Completed, Failed, LedgerRecord
from logferry_contracts.manifest import ArchivedObject, Manifest
from logferry_contracts.message import timestamp

if TYPE_CHECKING:
    from services.exporter.tests.conftest import Cloud, Plan

type RequestFor = Callable[..., ExportRequestedData]

LOG_GROUP = "/aws/lambda/orders"
NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
THREE_FAILURES = ("FAILED", "FAILED", "FAILED", "COMPLETED")


# -- the pause between two generations ---------------------------------------------------------


@pytest.mark.parametrize(
    ("first_s", "generation", "pause_s"),
    [(60, 1, 60), (60, 2, 120), (60, 3, 240), (60, 9, 900), (60, 1000, 900), (0, 5, 0)],
)
def test_the_pause_doubles_with_each_generation_and_has_an_end(
    first_s: int, generation: int, pause_s: int
) -> None:
    pause = task.backoff(timedelta(seconds=first_s), generation, "task_failed")
    assert pause == timedelta(seconds=pause_s)


def test_a_next_generation_does_not_begin_before_its_time(request_for: RequestFor) -> None:
    record = request_for().first_record(NOW)
    later = NOW + timedelta(seconds=60)
    paused = record.model_copy(update={"not_before": timestamp(later)})
    assert decide(paused, [], now=NOW, max_generations=3) == Postpone(later)
    assert decide(paused, [], now=later, max_generations=3) == Create()


def test_tries_of_a_window_are_a_minute_and_two_minutes_apart(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "FAILED", "COMPLETED"))
    cloud.request()
    cloud.run()
    first, second, third = cloud.jobs
    assert timedelta(seconds=60) <= second.created - first.ends < timedelta(seconds=63)
    assert timedelta(seconds=120) <= third.created - second.ends < timedelta(seconds=123)


def test_without_a_pause_the_next_try_follows_at_once(
    new_cloud: Callable[..., "Cloud"], plan: "type[Plan]"
) -> None:
    cloud = new_cloud(retry_backoff=timedelta(0))
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "COMPLETED"))
    cloud.request()
    cloud.run()
    first, second = cloud.jobs
    assert second.created - first.ends < timedelta(seconds=3)


def test_other_exports_go_first_while_a_next_generation_pauses(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=("FAILED", "COMPLETED"))
    cloud.request()
    cloud.request(request_for("/other"))
    cloud.run()
    assert [event.data.log_group_name for event in cloud.completed_events()] == [
        "/other",
        LOG_GROUP,
    ]


def test_a_message_that_is_early_by_a_minute_is_given_back_until_its_time(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    later = timestamp(cloud.now + timedelta(minutes=1))
    cloud.request(request_for().model_copy(update={"not_before": later}), is_planned=False)
    assert cloud.deliver()["batchItemFailures"]
    assert cloud.letters[0].visible_at - cloud.now == timedelta(minutes=1)
    cloud.run()
    assert cloud.jobs[0].created >= datetime.fromisoformat(later)
    assert cloud.record().state == "completed"


# -- what a failed task leaves behind ----------------------------------------------------------


def submitted(request: ExportRequestedData) -> LedgerRecord:
    return request.first_record(NOW).as_submitted("task-1", at=NOW)


def a_failed_task(record: LedgerRecord, name: str | None) -> Task:
    now_ms = int(NOW.timestamp() * 1000)
    return Task(
        task_id="task-1",
        name=name,
        bucket=record.destination.bucket,
        prefix=record.destination.prefix,
        status="FAILED",
        message="",
        created_ms=now_ms,
        completed_ms=now_ms + 1,
    )


def test_only_a_task_that_aws_says_is_the_exports_has_its_objects_removed(
    request_for: RequestFor,
) -> None:
    record = submitted(request_for())
    for name, task_id in ((record.export_id, "task-1"), ("nightly", None), (None, None)):
        step = decide(record, [a_failed_task(record, name)], now=NOW, max_generations=3)
        assert isinstance(step, Retry)
        assert step.task_id == task_id


def test_objects_that_a_manifest_names_are_never_removed(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    """A task fails, and the ledger has a completed export with objects in its folder all the same:
    nothing should lead there, a ledger that was put back from a copy, say."""
    cloud.plans[LOG_GROUP] = plan(running_s=60, outcomes=("FAILED", "COMPLETED"))
    cloud.request()
    cloud.deliver()
    (job,) = cloud.jobs
    key = f"{job.prefix}/{job.task_id}/stream-a/000000.gz"
    named = ArchivedObject(key=key, version_id="v", size_bytes=1, etag="e")
    completed = Completed(
        at=timestamp(cloud.now),
        manifest=Manifest.of([named]),
        published_at=timestamp(cloud.now),
    )
    other = request_for(generation=2).first_record(cloud.now)
    cloud.put_record(other.as_submitted("task-9", at=cloud.now).as_completed(completed))
    cloud.run()
    assert key in [version.key for version in cloud.archive]
    assert cloud.record().state == "failed"


def test_a_task_that_is_only_known_by_what_it_wrote_is_adopted(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    """Of hundreds of later tasks the list of the newest ones shows no more of it."""
    cloud.request()
    job = cloud.start_job(request_for(), running_s=1)
    job.is_out_of_the_list = True
    cloud.now += timedelta(hours=1)
    cloud.letters[0].receive_count = 1
    cloud.run()
    assert cloud.jobs == [job]
    record = cloud.record()
    assert record.state == "completed"
    assert record.submitted is not None
    assert record.submitted.task_id == job.task_id


def test_what_nobody_knows_the_worth_of_is_exported_again_and_left(
    cloud: "Cloud", request_for: RequestFor
) -> None:
    cloud.request()
    job = cloud.start_job(request_for(), running_s=1)
    job.is_lost = True
    cloud.now += timedelta(hours=1)
    cloud.letters[0].receive_count = 1
    cloud.run()
    other, own = cloud.jobs
    assert other is job
    (event,) = cloud.completed_events()
    assert event.data.task_id == own.task_id
    assert sum(f"/{job.task_id}/" in version.key for version in cloud.archive) == 3


def test_a_folder_that_is_no_tasks_is_no_failure(cloud: "Cloud", request_for: RequestFor) -> None:
    cloud.request()
    cloud.start_job(request_for(), running_s=0.0).is_out_of_the_list = True
    cloud.now += timedelta(hours=1)
    cloud.letters[0].receive_count = 1
    names = iter(["logs.task"])

    def refuse(name: str) -> None:
        if name == "logs.task" and next(names, None):
            raise ExportRefusedError("invalid_parameter", "DescribeExportTasks: no such task id")

    cloud.interrupt = refuse
    cloud.run()
    assert cloud.record().state == "completed"
    assert not cloud.failed_events()


def test_a_first_delivery_looks_for_no_leftovers(cloud: "Cloud") -> None:
    cloud.request()
    cloud.run()
    assert "archive.folders" not in cloud.calls


# -- dead letters that somebody puts back ------------------------------------------------------


def fail_for_good(cloud: "Cloud", plan: "type[Plan]") -> None:
    cloud.plans[LOG_GROUP] = plan(outcomes=THREE_FAILURES)
    cloud.request()
    cloud.run()
    assert len(cloud.dead_letters) == 1


def test_a_dead_letter_put_back_is_exported_as_the_next_generation(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    fail_for_good(cloud, plan)
    cloud.redrive()
    cloud.run()
    third, fourth = (cloud.record(request_for(generation=n)) for n in (3, 4))
    assert third.failed is not None
    assert third.failed.next_export_id == fourth.export_id
    assert fourth.state == "completed"
    assert [event.id for event in cloud.completed_events()] == [fourth.export_id]
    assert not cloud.dead_letters


def test_a_refusal_that_was_mended_is_exported_when_its_dead_letter_comes_back(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans[LOG_GROUP] = plan(refusal=("bucket_policy", "GetBucketAcl call failed"))
    cloud.request()
    cloud.run()
    cloud.plans[LOG_GROUP] = plan()
    cloud.redrive()
    cloud.run()
    assert cloud.record(request_for(generation=2)).state == "completed"
    assert len(cloud.jobs) == 1


def test_a_dead_letter_put_back_in_vain_is_dead_lettered_again(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    cloud.plans[LOG_GROUP] = plan(refusal=("log_group_deleted", "gone"))
    cloud.request()
    cloud.run()
    for generation in (2, 3, 4, 5):
        cloud.redrive()
        cloud.run()
        (letter,) = cloud.dead_letters
        assert letter.reason == "log_group_deleted"
        assert cloud.record(request_for(generation=generation)).state == "failed"
    assert len(cloud.failed_events()) == 5


def test_copies_of_a_dead_letter_ask_for_one_next_generation(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    fail_for_good(cloud, plan)
    cloud.dead_letters *= 3
    cloud.redrive()
    cloud.run()
    assert len(cloud.jobs) == 4
    assert len(cloud.completed_events()) == 1


def test_the_same_dead_letter_put_back_much_later_asks_for_nothing_more(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    fail_for_good(cloud, plan)
    letter = cloud.dead_letters[0]
    cloud.redrive()
    cloud.run()
    cloud.now += timedelta(days=1)
    cloud.dead_letters.append(letter)
    cloud.redrive()
    cloud.run()
    assert len(cloud.jobs) == 4
    assert len(cloud.completed_events()) == 1


def test_a_dead_letter_of_a_completed_export_is_acknowledged(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.request()
    body = cloud.letters[0].body
    cloud.run()
    cloud.enqueue(body, attributes={"reason": "task_failed"})
    assert cloud.run() == 1
    assert len(cloud.events) == len(cloud.jobs) == 1


def test_a_dead_letter_that_breaks_its_contract_is_dead_lettered_again(cloud: "Cloud") -> None:
    cloud.enqueue("not JSON")
    cloud.run()
    cloud.redrive()
    cloud.run()
    (letter,) = cloud.dead_letters
    assert (letter.reason, letter.body) == ("contract", "not JSON")


def test_a_plain_duplicate_of_a_failed_export_asks_for_nothing(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    fail_for_good(cloud, plan)
    cloud.request(request_for(generation=3), is_planned=False)
    cloud.run()
    assert len(cloud.jobs) == 3
    assert len(cloud.dead_letters) == 1


def test_a_next_generation_that_was_planned_meanwhile_is_the_one_that_counts(
    cloud: "Cloud", plan: "type[Plan]", request_for: RequestFor
) -> None:
    fail_for_good(cloud, plan)
    cloud.request(request_for(generation=4))
    cloud.redrive()
    cloud.run()
    assert len(cloud.jobs) == 4
    assert cloud.record(request_for(generation=4)).state == "completed"
    assert len(cloud.completed_events()) == 1


def test_only_a_failure_that_was_published_and_has_no_next_generation_is_asked_for_again(
    request_for: RequestFor,
) -> None:
    over = submitted(request_for()).as_failed(
        Failed(reason="task_failed", message="", at=timestamp(NOW))
    )

    def step(record: LedgerRecord) -> task.Step:
        return decide(record, [], now=NOW, max_generations=3, is_redriven=True)

    assert step(over) == Publish()
    published = over.as_published(at=NOW)
    assert step(published) == AskAgain()
    assert step(published.as_asked_again("0" * 32)) == Done("failed and published")
    assert step(submitted(request_for())) != AskAgain()


# -- calls that fail ---------------------------------------------------------------------------


def test_a_throttled_look_at_a_task_makes_no_second_task(
    cloud: "Cloud", plan: "type[Plan]"
) -> None:
    cloud.plans[LOG_GROUP] = plan(running_s=300)
    cloud.request()
    looks = iter(range(1_000))

    def throttle(name: str) -> None:
        if name == "logs.newest_tasks" and next(looks) % 2 == 0:
            raise TransientError("DescribeExportTasks: ThrottlingException: Rate exceeded")

    cloud.interrupt = throttle
    cloud.run()
    assert len(cloud.jobs) == 1
    assert cloud.record().state == "completed"


def test_a_slot_that_stays_busy_costs_few_calls_and_no_failure(cloud: "Cloud") -> None:
    """Somebody's task that the list does not show, so that only CreateExportTask tells of it."""
    cloud.request()

    def busy(name: str) -> None:
        if name == "logs.create_task" and cloud.now < NOW + timedelta(hours=2):
            raise SlotBusyError("LimitExceededException: Resource limit exceeded.")

    cloud.interrupt = busy
    deliveries = cloud.run()
    assert deliveries < 500
    assert cloud.record().state == "completed"
    assert not cloud.failed_events()
    assert not cloud.dead_letters


def test_a_role_that_may_not_cancel_is_no_failure(cloud: "Cloud", plan: "type[Plan]") -> None:
    cloud.settings = replace(cloud.settings, split_after=task.CLOCK_SKEW + timedelta(seconds=20))  # type: ignore[arg-type]
    cloud.plans[LOG_GROUP] = plan(running_s=60)
    cloud.request()

    def refuse(name: str) -> None:
        if name == "logs.cancel_task":
            raise ExportRefusedError("access_denied", "CancelExportTask: AccessDenied")

    cloud.interrupt = refuse
    cloud.run()
    assert [job.outcome for job in cloud.jobs] == ["COMPLETED"]
    assert not cloud.failed_events()


class Session:
    """The account as credentials show it that end at some time."""

    def __init__(self, cloud: "Cloud", account: Any, ends_at: datetime) -> None:
        self._cloud = cloud
        self._account = account
        self._ends_at = ends_at

    def __getattr__(self, name: str) -> Any:
        assert self._cloud.now < self._ends_at, f"{name}: ExpiredTokenException"
        return getattr(self._account, name)


class Sts:
    """AssumeRole by role chaining: an hour at the most."""

    def __init__(self, cloud: "Cloud") -> None:
        self.cloud = cloud
        self.calls = 0

    def assume_role(self, **_: Any) -> dict[str, Any]:
        self.calls += 1
        ends_at = self.cloud.now + timedelta(hours=1)
        keys = {"AccessKeyId": "a", "SecretAccessKey": "b"}
        return {"Credentials": keys | {"SessionToken": ends_at.isoformat(), "Expiration": ends_at}}


@pytest.mark.parametrize("wait_s", [0, 20, 840])
def test_sessions_that_end_while_a_task_runs_change_nothing(
    new_cloud: Callable[..., "Cloud"],
    plan: "type[Plan]",
    request_for: RequestFor,
    monkeypatch: pytest.MonkeyPatch,
    wait_s: int,
) -> None:
    """Also within one invocation that waits for longer than the reserve of a session."""
    cloud = new_cloud(wait_in_invocation_s=wait_s)
    sts: Any = Sts(cloud)
    account = cloud.wiring().accounts.account(request_for().source, cloud.now)
    monkeypatch.setattr(
        source_account.boto3, "client", lambda *_, aws_session_token, **__: aws_session_token
    )
    monkeypatch.setattr(
        source_account,
        "SourceAccount",
        lambda token, _: Session(cloud, account, datetime.fromisoformat(token)),
    )
    wiring = cloud.wiring(accounts=source_account.SourceAccounts(sts))
    monkeypatch.setattr(cloud, "wiring", lambda: wiring)
    cloud.plans[LOG_GROUP] = plan(running_s=5 * 3600)
    cloud.request()
    for _ in range(1_000):
        if not cloud.letters:
            break
        cloud.deliver(remaining_ms=900_000)
    assert cloud.record().state == "completed"
    assert len(cloud.jobs) == 1
    assert 5 <= sts.calls <= 8
