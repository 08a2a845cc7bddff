"""The function is killed after each of its calls in turn, and started again.

At every moment an intact version of every object must be there, and the end must be the same as if
nothing had happened.
"""

from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from sse_enforcer.settings import Hold

LIMIT_DELIVERIES = 10
"""More than this many is a loop."""


@dataclass(frozen=True)
class Scenario:
    """What is in the archive at first; whether the export's event comes, and when among others."""

    name: str
    objects: tuple[dict[str, Any], ...]
    hold: Hold = Hold.ON_COMPLETION
    order: tuple[int, ...] | None = None
    write_test: bool = False
    large: bool = False


SSE_S3 = {"encryption": "AES256"}
DSSE = {"encryption": "aws:kms:dsse"}
RETAINED = {"encryption": "AES256", "lock_mode": "GOVERNANCE", "retain_until": "next year"}
HELD = {"encryption": "AES256", "hold": True}
COMPOSITE = {"encryption": None, "checksum_type": "COMPOSITE", "reason": "CompleteMultipartUpload"}
UNPROVEN = {"encryption": "aws:kms:dsse", "checksums": {}}

SCENARIOS = [
    Scenario("update", (SSE_S3,)),
    Scenario("update and hold", (SSE_S3,), Hold.ON_CREATION),
    Scenario("copy and remove", (DSSE,)),
    Scenario("copy, remove and hold", (DSSE,), Hold.ON_CREATION),
    Scenario("copy and keep", (RETAINED,)),
    Scenario("copy held", (HELD,), Hold.ON_CREATION),
    Scenario("copy in parts and remove", (DSSE,), large=True),
    Scenario("copy in parts, remove and hold", (DSSE,), Hold.ON_CREATION, large=True),
    Scenario("copy in parts and keep", (RETAINED,), large=True),
    Scenario("copy what was uploaded in parts", (COMPOSITE,)),
    Scenario("export of large objects", (DSSE, SSE_S3), order=(2, 0, 1), large=True),
    Scenario("write test", (), write_test=True),
    *(
        Scenario(f"export, messages in order {order}", (SSE_S3, DSSE), order=order)
        for order in permutations(range(3))
    ),
    Scenario("export of retained objects", (RETAINED, RETAINED), order=(2, 1, 0)),
    Scenario("export without events", (DSSE, SSE_S3), order=(2,)),
]


def set_up(world, scenario, of_parts):
    """Return the messages, in their order, and what must never be lost."""
    limit_bytes = 8 if scenario.large else 1000
    world.restart(hold=scenario.hold, copy_limit_bytes=limit_bytes, copy_part_bytes=40)
    keys = [f"{world.PREFIX}/direct/stream-{n}/000000.gz" for n in range(len(scenario.objects))]
    for key, properties in zip(keys, scenario.objects, strict=True):
        changes = {"retain_until": world.NEXT_YEAR} if "retain_until" in properties else {}
        body = f"lines of {key}".encode()
        if "checksum_type" in properties:
            bodies = [body[:30], body[30:60], body[60:]]
            changes["checksums"] = {"CRC32": of_parts(bodies)}
            changes["part_sizes"] = tuple(map(len, bodies))
        world.put(key, body=body, **(properties | changes))
    if scenario.write_test:
        world.put(world.WRITE_TEST, b"Permission Check Successful")
    messages = list(world.events)
    if scenario.order is not None:
        messages.append(world.completed(*keys))
        messages = [messages[number] for number in scenario.order]

    def nothing_is_lost():
        for key in keys:
            bodies = {version.body for version in world.at(key)}
            assert bodies == {f"lines of {key}".encode()}

    world.after_each_call = nothing_is_lost
    return messages


def run_to_the_end(world, messages):
    """Deliver messages, and the events that come of them, until all are done."""
    waiting, taken = [(message, 1) for message in messages], len(world.events)
    for _ in range(LIMIT_DELIVERIES * (len(messages) + 1)):
        if not waiting:
            return
        message, receive_count = waiting.pop(0)
        try:
            failed = world.deliver(message, receive_count=receive_count)
        except world.Cut:
            world.cut_after = None
            world.restart()
            # What the dead invocation had in hand is free after the longest time that one runs.
            world.later += timedelta(minutes=15)
            failed = [message]
        waiting += [(message, receive_count + 1) for message in failed]
        waiting += [(event, 1) for event in world.events[taken:]]
        taken = len(world.events)
    pytest.fail(f"still waiting: {waiting}")


def announced(world):
    """Return the ids of the events that are about versions as they are in the end."""
    held = {
        (key, version.id): "ON" if version.hold else "OFF"
        for (_, key), versions in world.state().items()
        for version in versions
    }
    return {
        event["id"]
        for event in world.published
        for data in [event["data"]]
        if held.get((data["key"], data["version_id"])) == data["legal_hold"]
    }


@pytest.fixture
def new_world(world):
    return type(world)


@pytest.mark.parametrize("step", [5, pytest.param(1, marks=pytest.mark.deep)])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_run_cut_after_any_call_ends_like_one_that_was_not(new_world, of_parts, scenario, step):
    whole = new_world()
    run_to_the_end(whole, set_up(whole, scenario, of_parts))
    assert whole.dead_letters == []
    assert whole.uploads == {}

    # What is left out of one scenario, another one of the same calls has.
    for number in range(SCENARIOS.index(scenario) % step, len(whole.calls) + 1, step):
        cut = new_world()
        messages = set_up(cut, scenario, of_parts)
        cut.cut_after = number
        run_to_the_end(cut, messages)

        assert cut.dead_letters == [], f"cut after call {number}"
        assert not any(upload.parts for upload in cut.uploads.values()), f"cut after call {number}"
        assert cut.state() == whole.state(), f"cut after call {number}"
        assert announced(cut) >= announced(whole), f"cut after call {number}"
        if scenario.order is not None:
            assert cut.ledger_state()[0] == whole.ledger_state()[0] == "secured"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_messages_delivered_twice_end_like_those_delivered_once(new_world, of_parts, scenario):
    once, twice = new_world(), new_world()
    run_to_the_end(once, set_up(once, scenario, of_parts))
    messages = set_up(twice, scenario, of_parts)
    run_to_the_end(twice, messages + messages)

    assert twice.dead_letters == []
    assert twice.state() == once.state()


def test_an_unproven_copy_that_was_cut_off_is_reported_and_loses_nothing(new_world, of_parts):
    for number in range(12):
        world = new_world()
        messages = set_up(world, Scenario("unproven", (UNPROVEN,)), of_parts)
        world.cut_after = number
        run_to_the_end(world, messages)

        assert {attributes["reason"] for _, attributes in world.dead_letters} <= {"not_current"}
        assert world.state()
