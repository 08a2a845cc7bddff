"""People's mistakes with one source of a deployed hub, mixed with kills and faults of AWS.

The other source goes on meanwhile. Then what was forbidden is allowed again, and the hub deployed,
the date planned and the archive swept as operators do it: each window is in the archive with all of
its events, held and announced, or failed with a reason, and an alarm is on.
"""

import random
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import boto3
import pytest
from tests.alarms import Alarms
from tests.chaos.mistakes import Place
from tests.chaos.people import People
from tests.chaos.storm import Storm
from tests.chaos.unrest import described

from devstack import archive
from devstack.clocks import ahead
from devstack.organisation import LogGroup, LogStream
from devstack.suite import REGION, Suite, date_of, yesterday
from devstack.watch import Watch
from logferry.diff import diff
from logferry.package import Zip
from logferry.sweep import sweep
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.open_exports import is_open, next_export_id
from logferry_contracts.window import Window
from logferry_contracts.wire import emit

pytestmark = pytest.mark.localstack

STORM_S = 60
PATIENCE_S = 90
"""For how long one plan's exports are waited for while none of them gets anywhere.

An exporter waits up to a minute after an error, and a killed one's message is hidden for some more.
"""
MOST_PLANS = 6
"""Each is another try for what has failed."""
SLOT_GROUPS = [f"/slot/{number}" for number in range(5)]
DIRECT_GROUPS = [f"/direct/{number}" for number in range(3)]
DOOMED = "/slot/doomed"
"""Somebody deletes it, before or after it was exported. Plans do not see it any more; what a queue
has lost of it is asked for again by the next day's."""
NEXT_DAY = timedelta(hours=21)
"""An hour early."""
BY_PROFILE = {
    "alpha": [*SLOT_GROUPS, *DIRECT_GROUPS, DOOMED],
    "beta": [*SLOT_GROUPS[:2], *DIRECT_GROUPS[:1]],
}
ENDED = {"secured", "skipped", "failed"}
ARCHIVED = {"completed", "secured"}


class Scene:
    """A hub with two sources, what was put into their log groups, and what is heard of it."""

    def __init__(self, suite: Suite, zips: list[Zip], window: Window, rng: random.Random) -> None:
        self.suite = suite
        self.zips = zips
        self.date = str(date_of(window))
        self.watch = Watch()
        self.queue_url = self._listen()
        self.storm = Storm(rng, suite, list(BY_PROFILE))
        self.storm.hurry()
        self.place = Place(rng, suite, "alpha", "beta")
        self.people = People(self.place, DOOMED, self._listen)
        self.put: dict[tuple[str, str], Counter[archive.Event]] = {}
        for profile, names in BY_PROFILE.items():
            groups = [self._log_group(profile, name, window) for name in names]
            suite.put_logs(suite.source(profile).account_id, groups)

    def _log_group(self, profile: str, name: str, window: Window) -> LogGroup:
        streams = [
            LogStream(
                stream, [(window.from_ms + n * 1000, f"{profile} {name} {n}") for n in range(10)]
            )
            for stream in ("web/1", "web/2")
        ]
        self.put[profile, name] = Counter(
            archive.as_archived(profile, name, stream.name, *event)
            for stream in streams
            for event in stream.events
        )
        log_class = "STANDARD" if name in DIRECT_GROUPS else "INFREQUENT_ACCESS"
        return LogGroup(name, window.from_ms - 1, streams, log_class)

    def _listen(self) -> str:
        return self.suite.subscribe("tap")

    def take_in(self) -> None:
        for body in self.suite.receive(self.queue_url, wait_s=0):
            self.watch.take(body)

    def records(self, profile: str) -> list[LedgerRecord]:
        """Return all records of a source's account that can be read."""
        return Place(self.place.rng, self.suite, profile, profile).records()

    def last(self, profile: str) -> dict[str, LedgerRecord]:
        """Return the newest record of each log group of a source."""
        records = [each for each in self.records(profile) if each.parent_export_id is None]
        return {
            record.log_group.name: record
            for record in sorted(records, key=lambda record: record.generation)
        }

    def until(self, profile: str, states: set[str], names: Sequence[str] = ()) -> bool:
        """Wait for log groups, by default all that plans see; return whether they came to that."""
        names = names or [each for each in BY_PROFILE[profile] if each != DOOMED]
        seen: object = None
        moved = time.monotonic()
        while time.monotonic() - moved < PATIENCE_S:
            self.take_in()
            last = self.last(profile)
            if all(name in last and last[name].state in states for name in names):
                return True
            now = {name: (record.state, record.generation) for name, record in last.items()}
            if now != seen:
                seen, moved = now, time.monotonic()
            time.sleep(0.5)
        return False

    def described(self, profile: str) -> str:
        """Return what a source has to do still, to be read when that does not end."""
        source = self.suite.source(profile)
        records = [emit(record) for record in self.last(profile).values()]
        queues = [source.queue_name, source.direct_queue_name]
        functions = [source.exporter_function_name, source.direct_function_name]
        return "\n".join([*records, described(self.suite, queues, functions), *self.people.done])

    def plan(self, profile: str, *, by_date: bool, include: str = "*") -> None:
        self.suite.invoke_planner(
            self.suite.plan_request(
                profile, include=[include], collect_date=self.date if by_date else None
            )
        )

    @property
    def operator(self) -> boto3.Session:
        """Who deploys and sweeps, in the hub's account."""
        return boto3.Session(
            aws_access_key_id=self.suite.hub_account_id,
            aws_secret_access_key="any",
            region_name=REGION,
        )

    def deploy(self) -> None:
        """Bring back what is not any more as it was deployed."""
        self.suite.deploy(self.zips)
        stacks = diff(self.operator, self.suite.config, self.zips)
        assert [each.as_text() for each in stacks if each.state != "same"] == []

    def sweep(self) -> None:
        functions, name = self.suite.client("lambda"), f"{self.suite.name}-sse-enforcer-sweep"
        environment = functions.get_function_configuration(FunctionName=name)["Environment"]
        environment["Variables"]["SWEEP_GRACE_MINUTES"] = "0"
        functions.update_function_configuration(FunctionName=name, Environment=environment)
        functions.get_waiter("function_updated_v2").wait(FunctionName=name)
        sweep(self.operator, self.suite.config, dry_run=False, full=True)

    def dead_letters(self, profile: str) -> list[str]:
        name = self.suite.source(profile).dead_letter_queue_name
        return list(self.suite.receive(self.suite.queue_url(name)))


@pytest.fixture
def scene(
    localstack: str, zips: list[Zip], rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    monkeypatch.setenv("AWS_ENDPOINT_URL", localstack)
    suite = Suite(
        localstack,
        hub_account_id=str(2 * 10**11 + secrets.randbelow(10**11)),
        accounts={profile: str(10**11 + secrets.randbelow(10**11)) for profile in BY_PROFILE},
    )
    suite.enforce_permissions()
    suite.deploy(zips)
    return Scene(suite, zips, yesterday(), rng)


def let_it_storm(scene: Scene, rng: random.Random) -> None:
    until = time.monotonic() + STORM_S
    while time.monotonic() < until:
        scene.storm.plan(scene.date, rng.sample(BY_PROFILE["alpha"], rng.randint(1, 3)))
        for _ in range(rng.randint(0, 2)):
            rng.choice([scene.storm.kill, scene.storm.fault])()
        for _ in range(rng.randint(0, 2)):
            scene.people.make_a_mistake()
        scene.take_in()


def come_to_rest(scene: Scene) -> None:
    """Do what operators do, until everything has ended."""
    scene.people.take_back()
    scene.deploy()
    for _ in range(MOST_PLANS):
        with ThreadPoolExecutor() as plans:
            list(plans.map(partial(scene.plan, by_date=True), BY_PROFILE))
        ended = [scene.until(profile, ENDED | ARCHIVED) for profile in BY_PROFILE]
        scene.sweep()
        if all(ended) and not unsettled(scene):
            break
    if is_doomed_open(scene):
        with ahead(scene.suite.client("lambda"), f"{scene.suite.name}-planner", NEXT_DAY):
            scene.plan("alpha", by_date=False, include="/nothing")
        scene.until("alpha", ENDED, names=[DOOMED])
        scene.sweep()
    scene.take_in()


def is_doomed_open(scene: Scene) -> bool:
    record = scene.last("alpha").get(DOOMED)
    if record is None:
        return False
    if record.failed is not None and record.failed.next_export_id is not None:
        return next_key(record) not in scene.place.ledger_keys()
    return record.state != "failed" and is_open(record)


def next_key(record: LedgerRecord) -> str:
    """Return the key of the record of the next try, which may be damaged."""
    return ledger_key(record.source, record.window, next_export_id(record))


def unsettled(scene: Scene) -> list[str]:
    """Return what is not in the archive and held, but for the log group that is gone."""
    last = {profile: scene.last(profile) for profile in BY_PROFILE}
    return [
        f"{profile} {name} is {emit(last[profile][name]) if name in last[profile] else 'nowhere'}"
        for profile, names in BY_PROFILE.items()
        for name in names
        if name != DOOMED and (name not in last[profile] or last[profile][name].state != "secured")
    ]


def announced_and_gone(
    scene: Scene, there: dict[tuple[str, str], archive.ObjectVersion]
) -> list[str]:
    """Return what was announced, is not there, and was not taken back either."""
    records = {
        record.export_id: record for profile in BY_PROFILE for record in scene.records(profile)
    }
    return [
        f"{event.data.log_group_name}: {each.key} of {name}"
        for name, event in scene.watch.completed.items()
        if name in records and records[name].state != "failed"
        for each in event.data.manifest.objects or []
        if (each.key, each.version_id) not in there
    ]


def check_archived(
    scene: Scene,
    profile: str,
    record: LedgerRecord,
    there: dict[tuple[str, str], archive.ObjectVersion],
) -> None:
    assert record.completed is not None
    objects = record.completed.manifest.objects or []
    found = [there[each.key, each.version_id] for each in objects]
    events = sum((each.events for each in found), Counter())
    told = "\n".join([emit(record), *scene.people.done])
    assert events == scene.put[profile, record.log_group.name], told
    assert {(each.kms_key_arn, each.legal_hold) for each in found} == {
        (scene.suite.kms_key_arn, True)
    }
    assert record.export_id in scene.watch.completed


def check_failed(scene: Scene, profile: str, record: LedgerRecord, alarms: Alarms) -> None:
    """Somebody hears of it, and nobody can export it any more: its log group is gone."""
    told = "\n".join([emit(record), *scene.people.done])
    assert record.log_group.name == DOOMED, told
    assert record.failed is not None
    if record.failed.next_export_id is not None:  # somebody has damaged that one's record
        assert next_key(record) in scene.place.ledger_keys(), told
    elif record.failed.reason == "log_group_deleted":
        assert alarms.is_on("exports-failed"), told
        assert alarms.is_on(f"exporter-{profile}-dead-letters"), told
        assert record.export_id in "".join(scene.dead_letters(profile)), told
    else:  # it was announced, and taken back since
        on = {
            "object_missing": ["objects-missing"],
            "not_as_recorded": ["sweep-findings", "dead-letters"],
        }[record.failed.reason]
        by_enforcer = (f"sse-enforcer-{name}" for name in on)
        assert any(map(alarms.is_on, ["exports-failed", *by_enforcer])), told


def check_refused(scene: Scene, alarms: Alarms) -> None:
    """Requests of people for one source with the account of another have come to nothing."""
    assert set(scene.place.refused) <= {"refused_profile"}
    assert alarms.is_on("planner-dead-letters") or not scene.place.refused
    for profile in BY_PROFILE:
        assert {each.source.profile for each in scene.records(profile)} == {profile}


def test_whatever_people_do_each_window_ends_whole_or_failed_and_no_source_waits_for_another(
    scene: Scene, rng: random.Random
) -> None:
    let_it_storm(scene, rng)
    scene.storm.end()
    scene.plan("beta", by_date=False)
    assert scene.until("beta", ARCHIVED), scene.described("beta")
    come_to_rest(scene)

    assert unsettled(scene) == [], " ".join(scene.people.done)
    assert not is_doomed_open(scene), " ".join(scene.people.done)
    versions = archive.read(scene.suite.client("s3"), scene.suite.archive_bucket)
    there = {(each.key, each.version_id): each for each in versions}
    alarms = Alarms(scene.suite)
    check_refused(scene, alarms)
    for profile in BY_PROFILE:
        for record in scene.last(profile).values():
            if record.state == "secured":
                check_archived(scene, profile, record, there)
            elif record.state == "failed":
                check_failed(scene, profile, record, alarms)
    assert announced_and_gone(scene, there) == []
