"""Two hubs on one source, clocks minutes off, kills, faults and spoilt messages, at random.

At the end everything that was put in is in each hub's archive, event by event, as in the demo:
once, under the key, held and announced. Spoilt messages are dead letters, and nothing else is one.
"""

import random
import secrets
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest
from tests.chaos import said
from tests.chaos.storm import Storm
from tests.chaos.unrest import described, strays

from devstack import seals
from devstack.clocks import put_ahead
from devstack.figures import Figures, figures
from devstack.organisation import Account, organisation
from devstack.suite import Suite, date_of, yesterday
from devstack.watch import Watch
from exporter.patience import PAUSES
from logferry.package import Zip
from logferry_contracts.message import timestamp
from logferry_contracts.window import Window

pytestmark = pytest.mark.localstack

ATTACK_S = 45
LONGEST_ATTACK_S = 120
PATIENCE_S = 100
PAUSE_S = round(PAUSES[0].total_seconds())
"""Before the next try of an export that has met nothing but faults: so far the clocks go ahead."""
EVENTS_PER_STREAM = 8
FEWEST_KILLS = 10
CLOCK_AHEAD_S = (-180, 0, 180)
ENDED = {"secured", "skipped", "failed"}


class Hub:
    """One hub, its source, and what is heard of it."""

    def __init__(self, suite: Suite, account: Account, rng: random.Random) -> None:
        self.suite = suite
        self.account = account
        self.profiles = [account.profile]
        self.queue_url = suite.subscribe("tap")
        self.watch = Watch()
        self.storm = Storm(rng, suite, self.profiles)
        self.storm.hurry()
        self._make_clocks_wrong(rng)

    def _make_clocks_wrong(self, rng: random.Random) -> None:
        self.ahead_s = {name: rng.choice(CLOCK_AHEAD_S) for name in self.storm.functions}
        self._set_clocks()

    def _set_clocks(self) -> None:
        functions = self.suite.client("lambda")
        for name, seconds in self.ahead_s.items():
            put_ahead(functions, name, seconds)

    def let_a_pause_pass(self) -> None:
        """Put the exporters' clocks ahead of what is put off."""
        for name in self.storm.exporters:
            self.ahead_s[name] += PAUSE_S
        self._set_clocks()

    def plan(self, date: str) -> None:
        for profile in self.profiles:
            self.suite.invoke_planner(
                self.suite.plan_request(profile, include=["*"], collect_date=date)
            )

    def take_in(self) -> None:
        for body in self.suite.receive(self.queue_url, wait_s=0):
            self.watch.take(body)

    @property
    def queue_names(self) -> list[str]:
        """The queues that have to become empty."""
        sources = [self.suite.source(profile) for profile in self.profiles]
        return [
            *(name for each in sources for name in (each.queue_name, each.direct_queue_name)),
            *(f"{self.suite.name}-{service}" for service in ("sse-enforcer", "sealer")),
        ]

    def not_ended(self) -> list[str]:
        """Return what is still to be waited for."""
        under_way = [
            f"{record.source.profile} {record.log_group.name} is {record.state}"
            for record in self.suite.ledger()
            if record.state not in ENDED
        ]
        waiting = filter(self.suite.waiting, self.queue_names)
        return [*under_way, *(f"{name} has messages" for name in waiting)]

    def ring_the_sealers_clock(self) -> None:
        """Send what the sealer's schedule sends every three hours: a killed sealer goes by it."""
        name = f"{self.suite.name}-sealer"
        schedule = self.suite.client("scheduler").get_schedule(Name=name)
        body = schedule["Target"]["Input"]
        for placeholder, value in (
            ("<aws.scheduler.execution-id>", uuid.uuid4().hex),
            ("<aws.scheduler.scheduled-time>", timestamp(datetime.now(UTC))),
        ):
            body = body.replace(placeholder, value)
        sqs = self.suite.client("sqs")
        sqs.send_message(QueueUrl=self.suite.queue_url(name), MessageBody=body)

    def described(self) -> str:
        """Return what it has to do still, to be read when it does not end."""
        busy = list(filter(self.suite.waiting, self.queue_names))
        return described(self.suite, busy, [*self.storm.functions, self.storm.sealer])

    def figures(self, window: Window) -> Figures:
        """Compare what was put in with what is announced; what tries have left is not."""
        suite = self.suite
        return figures(
            accounts=[self.account],
            window=window,
            ledger=suite.ledger(),
            archive=said.announced(suite),
            kms_key_arn=suite.kms_key_arn,
            completion_event_ids=set(self.watch.completed),
            days_announced=len({day.data.source.profile for day in self.watch.days.values()}),
            seals=seals.check(suite),
            exporter_kills=sum(suite.kills(profile) for profile in self.profiles),
            seconds=0,
        )

    def surprising_dead_letters(self) -> list[str]:
        """Return how dead letters differ from the spoilt messages that were sent."""
        names = [
            *(each.dead_letter_queue_name for each in map(self.suite.source, self.profiles)),
            f"{self.suite.name}-sse-enforcer-dlq",
            f"{self.suite.name}-planner-dlq",
            f"{self.suite.name}-sealer-dlq",
        ]
        found = {name: set(self.suite.receive(self.suite.queue_url(name))) for name in names}
        return [
            f"{what} in {name}: {body[:300]}"
            for name in names
            for what, bodies in (
                ("nobody's", found[name] - self.storm.sent[name]),
                ("missing", self.storm.sent[name] - found[name]),
            )
            for body in bodies
        ]


@pytest.fixture
def window() -> Window:
    return yesterday()


@pytest.fixture
def hubs(localstack: str, zips: list[Zip], window: Window, rng: random.Random) -> list[Hub]:
    """Two hubs that both collect one account."""
    shop, *_ = organisation(
        window, now_ms=round(time.time() * 1000), events_per_stream=EVENTS_PER_STREAM
    )
    made = []
    for name, account in (("logferry", shop), ("second", replace(shop, profile="twin"))):
        suite = Suite(
            localstack,
            hub_account_id=str(2 * 10**11 + secrets.randbelow(10**11)),
            accounts={account.profile: account.account_id},
            name=name,
            direct_lane_bytes=EVENTS_PER_STREAM * 300,
        )
        suite.enforce_permissions()
        suite.deploy(zips)
        made.append(Hub(suite, account, rng))
    made[0].suite.put_logs(shop.account_id, shop.log_groups)
    return made


def attack(hubs: list[Hub], date: str, rng: random.Random) -> None:
    """Do at random what must change nothing, for longer where too little of it has happened."""
    began = time.monotonic()
    while (took_s := time.monotonic() - began) < ATTACK_S or kills(hubs) < FEWEST_KILLS:
        if took_s > LONGEST_ATTACK_S:
            raise AssertionError(f"{kills(hubs)} kills in {LONGEST_ATTACK_S} s")
        hub = rng.choice(hubs)
        for _ in range(rng.randint(1, 4)):
            rng.choice(hub.storm.all())()
        names = [group.name for group in hub.account.log_groups]
        hub.storm.plan(date, rng.sample(names, rng.randint(1, 3)))
        hub.take_in()


def kills(hubs: list[Hub]) -> int:
    """Return how many functions were killed so far."""
    functions = hubs[0].suite.control("faults")["functions"]
    return sum(function["kills"] for function in functions.values())


def come_to_rest(hubs: list[Hub], date: str) -> None:
    """Plan everything once more in peace, and wait until that is done and sealed."""
    for hub in hubs:
        hub.storm.end()
    with ThreadPoolExecutor() as plans:
        list(plans.map(partial(Hub.plan, date=date), hubs))
    wait_for_the_end(hubs)
    for hub in hubs:
        hub.ring_the_sealers_clock()
    wait_for_the_end(hubs)


def wait_for_the_end(hubs: list[Hub]) -> None:
    """Wait until nothing is under way in any hub, at last by clocks that go ahead."""
    if _left_after(hubs, PATIENCE_S):
        for hub in hubs:
            hub.let_a_pause_pass()
        if left := _left_after(hubs, PATIENCE_S):
            raise AssertionError("\n".join([*left, *(hub.described() for hub in hubs)]))


def _left_after(hubs: list[Hub], patience_s: float) -> list[str]:
    until = time.monotonic() + patience_s
    while (left := [each for hub in hubs for each in hub.not_ended()]) and time.monotonic() < until:
        for hub in hubs:
            hub.take_in()
    for hub in hubs:
        hub.take_in()
    return left


def test_whatever_is_done_to_two_hubs_on_one_source_each_archive_has_every_event_once(
    hubs: list[Hub], window: Window, rng: random.Random
) -> None:
    date = str(date_of(window))
    attack(hubs, date, rng)
    come_to_rest(hubs, date)

    for hub in hubs:
        found = hub.figures(window)
        assert found.archive_problems == [], strays(hub.suite)
        # Log groups were planned one by one, and so sealed one after the other.
        sealed = seals.check(hub.suite)
        told = f"{sealed} {strays(hub.suite)} {hub.described()}"
        assert (sealed.days, sealed.are_valid) == (1, True), told
        assert said.by_seals(hub.suite) == said.by_ledger(hub.suite)
        assert hub.surprising_dead_letters() == []
