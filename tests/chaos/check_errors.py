"""Planner, sse-enforcer and sealer meet errors of any code that AWS may answer, at any call.

Calls fail some times, or until they are mended; functions are killed, and people remove the
sealer's notes. Dead letters are then put back, as operators do it.
"""

import importlib
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, ClassVar

import pytest
from services.sealer.tests.cloud import Cut
from services.sealer.tests.conftest import CONTROL, DAY, FIRST, HOUR, World, day
from tests.chaos.errors import Trouble

from logferry_contracts.source import SourceName

enforcers = importlib.import_module("services.sse-enforcer.tests.conftest")
Enforcer, operation_of = enforcers.World, enforcers.operation_of

SCHEDULES = 40
STEPS = 25
DATES = 3
MOST_RECEIVES = 20
"""After so many SQS, or the function itself, makes a message a dead letter."""
MOST_DELIVERIES = 100
OTHER = SourceName(profile="other", account_id="444455556666", region="eu-west-1")
SEALERS_CALLS = {
    "GetObject": "s3",
    "PutObject": "s3",
    "ListObjectsV2": "s3",
    "ListObjectVersions": "s3",
    "GetPublicKey": "kms",
    "Sign": "kms",
    "Publish": "sns",
    "SendMessage": "sqs",
    "ChangeMessageVisibility": "sqs",
}
ENFORCERS_CALLS = {
    "head_object": "s3",
    "update_object_encryption": "s3",
    "copy_object": "s3",
    "create_multipart_upload": "s3",
    "upload_part_copy": "s3",
    "complete_multipart_upload": "s3",
    "abort_multipart_upload": "s3",
    "list_parts": "s3",
    "get_bucket_versioning": "s3",
    "get_object_tagging": "s3",
    "delete_object": "s3",
    "put_object_legal_hold": "s3",
    "get_object": "s3",
    "put_object": "s3",
    "publish": "sns",
    "send_message": "sqs",
    "change_message_visibility": "sqs",
    "get_parameter": "ssm",
    "get_parameters_by_path": "ssm",
    "describe_key": "kms",
}


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nobody reads the log lines and metrics of hundreds of schedules."""
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "chaos")
    with redirect_stdout(None):
        yield


class Sources:
    """Two sources of one sealer, of which one meets errors."""

    def __init__(self, rng: random.Random, folder: Path) -> None:
        self.rng = rng
        self.trouble = Trouble(rng)
        self.is_bads_turn = False
        self.bad = World(folder)
        self.good = World(folder, source=OTHER, cloud=self.bad.cloud)
        self.cloud = self.bad.cloud
        self.events: list[str] = []
        self.expected = {each.source: self._fill(each) for each in (self.bad, self.good)}
        days = [self.bad.day_event(number) for number in range(DATES)]
        self.waiting = Counter([*self.events, *days, self.bad.asked()])
        self.cloud.before_call = self._before_call
        for world in (self.bad, self.good):
            world.now = FIRST + DATES * DAY + 2 * HOUR

    def _fill(self, world: World) -> dict[str, dict[str, str]]:
        """Let there be dates to seal; return what has to be said of each, by log group."""
        said = {}
        for number in range(DATES):
            window, outcomes = day(number), dict[str, str]()
            for name in ("/a", "/b", "/c"):
                outcomes[name] = outcome = self.rng.choice(["archived", "skipped", "failed"])
                if outcome == "archived":
                    record = world.exported(name, window)
                    if world is self.bad:
                        self.events.append(world.export_event(record))
                elif outcome == "skipped":
                    world.skipped(name, window)
                else:
                    world.failed(world.record(name, window))
            world.inventory("/a", "/b", "/c", at=window.end + HOUR)
            said[str(window.start.date())] = outcomes
        return said

    def _before_call(self, name: str, what: str) -> None:
        if OTHER.account_id not in what and OTHER.profile not in what and self.is_bads_turn:
            self.trouble.meet(name)

    # -- what happens -------------------------------------------------------------------------

    def run(self) -> None:
        for _ in range(STEPS):
            self.rng.choice(
                [
                    self.deliver,
                    self.deliver,
                    self.deliver,
                    self.break_a_call,
                    self.kill,
                    self.remove_a_note,
                    self.mend,
                ]
            )()

    def deliver(self) -> None:
        """Deliver a message, which is a dead letter in the end."""
        if not self.waiting:
            return
        body = self.rng.choice(sorted(self.waiting))
        self.waiting[body] += 1
        self.bad.receives = min(self.waiting[body], MOST_RECEIVES)
        self.is_bads_turn = True
        try:
            if self.bad.deliver(body):
                del self.waiting[body]
        except Cut:
            self.bad.restart()
        finally:
            self.is_bads_turn = False

    def break_a_call(self) -> None:
        call = self.rng.choice(sorted(SEALERS_CALLS))
        self.trouble.begin(call, SEALERS_CALLS[call], call)

    def kill(self) -> None:
        self.cloud.cut_after = len(self.cloud.calls) + self.rng.randint(1, 30)

    def remove_a_note(self) -> None:
        """Let somebody remove a note that the sealer keeps for itself."""
        notes = self.cloud.below(CONTROL, "seals/")
        if notes:
            self.cloud.objects.pop((CONTROL, self.rng.choice(notes)))

    def mend(self) -> None:
        self.trouble.mend()

    # -- the end ------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """Let AWS answer, put the dead letters back, and let the clock ask for what is due."""
        self.mend()
        self.bad.restart()
        self.waiting |= Counter({body: 1 for body, _ in self.cloud.dead_letters})
        self.waiting[self.bad.asked()] = 1
        for _ in range(MOST_DELIVERIES):
            self.deliver()
        assert not self.waiting

    def check(self, world: World) -> None:
        """See that all dates are sealed, once, and that what is said last of each is so.

        What could not be read may have been open before.
        """
        said: dict[str, dict[str, str]] = {}
        for seal in world.check():
            assert seal.sealed is not None
            assert (seal.kind == "day") is (seal.sealed.date not in said)
            outcomes = {name: outcome for name, outcome, _ in world.outcomes(seal)}
            said.setdefault(seal.sealed.date, {}).update(outcomes)
            wrong = outcomes.items() - self.expected[world.source][seal.sealed.date].items()
            assert {outcome for _, outcome in wrong} <= {"open"}, self.trouble.told
        assert said == self.expected[world.source], self.trouble.told


class Objects:
    """An export's objects of several kinds, and one that is nobody's, before one sse-enforcer."""

    KINDS: tuple[dict[str, Any], ...] = (
        {"encryption": "AES256"},
        {"encryption": "aws:kms:dsse"},
        {"encryption": None},
        {"encryption": "aws:kms:dsse", "body": b"too large"},
    )
    SMALL: ClassVar = {"copy_limit_bytes": 8, "copy_part_bytes": 4}
    """Over 8 bytes is copied in parts of 4."""
    CALLS: ClassVar = ENFORCERS_CALLS
    """Which may meet an error, with the service of each."""
    STEPS = STEPS

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.trouble = Trouble(rng)
        self.world = world = Enforcer()
        folder = f"{world.PREFIX}/{world.TASK_ID}"
        self.keys = [f"{folder}/stream/{number:06}.gz" for number in range(3)]
        self.begin()
        self.bodies = {key: self.world.only(key).body for key in self.keys}
        for method in self.CALLS:
            self._arm(method)

    def begin(self) -> None:
        """Put the objects there, of which nobody has heard yet."""
        world, rng = self.world, self.rng
        world.restart(**self.SMALL)
        events = [
            world.put(key, **{"body": b"lines"} | rng.choice(self.KINDS)) for key in self.keys
        ]
        self.waiting = Counter([*events, world.completed(*self.keys)])

    def _arm(self, method: str) -> None:
        """Let a method meet what is drawn for it, whenever it is called."""

        def meet() -> None:
            self.world.before[method] = meet
            self.trouble.meet(method)

        self.world.before[method] = meet

    def run(self) -> None:
        for _ in range(self.STEPS):
            self.rng.choice([self.work, self.work, self.break_a_call, self.mend])()

    def work(self) -> None:
        """Deliver some messages, later than before."""
        bodies = self.rng.sample(sorted(self.waiting), min(len(self.waiting), 2))
        if not bodies:
            return
        self.waiting.update(bodies)
        receives = min(max(self.waiting[body] for body in bodies), MOST_RECEIVES)
        self.world.later += HOUR
        given_back = self.world.deliver(*bodies, receive_count=receives)
        for body in set(bodies) - set(given_back):
            del self.waiting[body]

    def break_a_call(self) -> None:
        method = self.rng.choice(sorted(self.CALLS))
        service = self.CALLS[method]
        self.trouble.begin(method, service, operation_of(service, method).name)

    def mend(self) -> None:
        self.trouble.mend()

    def come_to_rest(self) -> None:
        """Let AWS answer, start the function anew, and put the dead letters back."""
        self.mend()
        self.world.restart()
        assert all(why["reason"] for _, why in self.world.dead_letters)
        self.waiting |= Counter(dict.fromkeys([body for body, _ in self.world.dead_letters], 1))
        for _ in range(MOST_DELIVERIES):
            self.work()
        assert not self.waiting, self.trouble.told

    def check(self) -> None:
        """See that each object is there, as it was, encrypted and held, and recorded as that."""
        for key in self.keys:
            newest = self.world.at(key)[-1]
            assert newest.body == self.bodies[key]
            assert (newest.kms_key_arn, newest.hold) == (self.world.KEY_ARN, True), (
                key,
                self.trouble.told,
                self.world.at(key),
                self.world.ledger_record().state,
                self.world.dead_letters,
            )
        assert self.world.ledger_record().state == "secured", self.trouble.told


def test_whatever_errors_meet_objects_they_are_encrypted_held_and_recorded_in_the_end(
    rng: random.Random,
) -> None:
    seed, met = rng.random(), 0
    for number in range(SCHEDULES):
        objects = Objects(random.Random(f"{seed} {number}"))  # noqa: S311  (to be repeatable)
        objects.run()
        objects.come_to_rest()
        objects.check()
        met += objects.trouble.met
    assert met > SCHEDULES // 4


def test_dates_whose_sealing_meets_errors_are_sealed_in_the_end_and_no_other_source_waits(
    rng: random.Random, tmp_path: Path
) -> None:
    seed, met = rng.random(), 0
    for number in range(SCHEDULES):
        sources = Sources(random.Random(f"{seed} {number}"), tmp_path)  # noqa: S311  (repeatable)
        sources.run()
        sources.cloud.cut_after = None
        sources.good.restart()
        assert sources.good.look(), sources.trouble.told
        sources.check(sources.good)
        assert all(why["reason"] for _, why in sources.cloud.dead_letters)
        sources.come_to_rest()
        sources.check(sources.bad)
        met += sources.trouble.met
    assert met > SCHEDULES // 2
