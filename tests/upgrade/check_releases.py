"""Releases deployed over each other while exports are under way, on LocalStack.

Every test brings the hub to where it begins by itself; what is there already does not change.
"""

from collections import Counter

import pytest

from devstack.suite import yesterday as yesterday_window
from logferry.plan import plan as ask_for_plan
from logferry.plan import plan_request

pytestmark = pytest.mark.localstack

ENFORCER = "logferry-sse-enforcer"
IN_FLIGHT_S = 5
"""How long a task runs that is to be under way while stacks change."""


@pytest.fixture(scope="module")
def suite(hub, previous):
    previous()
    return hub


def test_what_the_previous_release_has_under_way_ends_after_an_upgrade(
    previous, current, tap, plan, pause, exports, yesterday
):
    previous()
    exports.put("alpha", "not-yet-held", "running", "waiting-1", "waiting-2")
    slot = exports.hub.source("alpha").exporter_function_name
    with pause(ENFORCER):
        plan("alpha", exports.named("not-yet-held"))
        tap.until(lambda: exports.announced(tap) == ["not-yet-held"])
        exports.run_for(IN_FLIGHT_S)
        plan("alpha", exports.named("running"))
        tap.until(lambda: exports.states()["running"] == "submitted")
        with pause(slot):
            exports.run_for(0.2)
            plan("alpha", exports.named("waiting-*"))
            assert exports.states() == {
                "not-yet-held": "completed",
                "running": "submitted",
                "waiting-1": "requested",
                "waiting-2": "requested",
            }
            current()
    tap.until(lambda: exports.are("secured") and tap.idle())

    assert exports.announced(tap) == ["not-yet-held", "running", "waiting-1", "waiting-2"]
    assert exports.archived() == exports.events
    assert exports.dead_letters() == {}
    assert plan("alpha", exports.named("*"), by_date=True)["data"]["requested"] == 0

    # The sealer came with the upgrade: it begins with the date that the release before exported.
    tap.until(lambda: exports.sealed() == dict.fromkeys(exports.states(), "archived"))
    first = exports.chain().links[0].sealed
    assert (first.date, first.covers.from_ms) == (yesterday, yesterday_window().from_ms)


def test_log_groups_that_shared_a_prefix_are_told_apart_after_an_upgrade(
    previous, current, tap, plan, exports, without_slash
):
    previous()
    for each in (exports, without_slash):
        each.put("alpha", "before")
        plan("alpha", each.named("before"))
    tap.until(lambda: exports.are("secured") and without_slash.are("secured") and tap.idle())
    assert exports.prefixes("before") == without_slash.prefixes("before")
    before = exports.archived()

    current()
    for each in (exports, without_slash):
        each.put("alpha", "after")
        answer = plan("alpha", each.named("*"))
        assert answer["data"]["requested"] == 1
    tap.until(lambda: exports.are("secured") and without_slash.are("secured") and tap.idle())

    # What was there is where the ledger says, of both; what is new is of its log group alone.
    assert exports.prefixes("before") == without_slash.prefixes("before")
    assert exports.prefixes("after").isdisjoint(without_slash.prefixes("after"))
    assert before == Counter({event: 2 * count for event, count in exports.of("before").items()})
    assert exports.archived() == before + exports.of("after")
    assert without_slash.archived() == without_slash.of("after")
    assert exports.dead_letters() == {}


def test_what_the_previous_release_skipped_without_a_look_is_exported_after_an_upgrade(
    previous, current, tap, plan, exports
):
    previous()
    exports.put("alpha", "by-date", "looked-back", are_younger=True)
    exports.put("alpha", "read-by-date", "read-looked-back", lane="direct", are_younger=True)
    answer = plan("alpha", exports.named("*"))
    assert answer["data"]["skipped"]["created_after_window"] == 4
    assert exports.are("skipped")

    current()
    plan("alpha", exports.named("*by-date"), by_date=True)
    plan("alpha", exports.named("*looked-back"))
    tap.until(lambda: exports.are("secured") and tap.idle())

    assert exports.archived() == exports.events
    assert exports.dead_letters() == {}
    assert plan("alpha", exports.named("*"))["data"]["requested"] == 0


def test_what_is_under_way_ends_after_a_rollback_and_is_known_after_the_next_upgrade(
    session, previous, current, tap, plan, pause, exports, yesterday
):
    current()
    hub, source = exports.hub, exports.hub.source("alpha")
    exports.put("alpha", "not-yet-held", "running", "waiting")
    exports.put("alpha", "direct-1", "direct-2", lane="direct")
    with pause(ENFORCER):
        plan("alpha", exports.named("not-yet-held"))
        tap.until(lambda: exports.announced(tap) == ["not-yet-held"])
        exports.run_for(IN_FLIGHT_S)
        plan("alpha", exports.named("running"))
        tap.until(lambda: exports.states()["running"] == "submitted")
        with pause(source.exporter_function_name), pause(source.direct_function_name):
            exports.run_for(0.2)
            plan("alpha", exports.named("*"))
            previous()
    tap.until(lambda: exports.are("secured") and exports.days(tap) and tap.idle())

    everything = ["direct-1", "direct-2", "not-yet-held", "running", "waiting"]
    assert exports.announced(tap) == everything
    assert exports.archived() == exports.events
    assert exports.dead_letters() == {}

    current()
    request = plan_request(hub.config, "alpha", first=yesterday, last=yesterday, dry_run=False)
    ask_for_plan(session, hub.config, request)
    tap.until(tap.idle)
    assert exports.announced(tap) == everything
    assert exports.are("secured")


@pytest.mark.parametrize("behind", ["sse-enforcer", "exporter-alpha", "planner"])
def test_a_service_of_the_previous_release_works_with_the_others_of_this_one(
    previous, current, tap, plan, exports, behind
):
    current()
    previous(only=[behind])
    exports.put("alpha", "task")
    exports.put("alpha", "small", lane="direct")
    plan("alpha", exports.named("*"))
    tap.until(lambda: exports.are("secured") and tap.idle())

    assert exports.announced(tap) == ["small", "task"]
    assert exports.archived() == exports.events
    assert exports.dead_letters() == {}


@pytest.mark.parametrize("which", ["slot", "direct"])
def test_exporters_of_both_releases_share_what_both_lanes_are_asked_for(
    current, behind, tap, pause, exports, which
):
    current()
    source = exports.hub.source("alpha")
    functions = [source.exporter_function_name, source.direct_function_name]
    older, newer = functions if which == "slot" else functions[::-1]
    # Ten events are too much for one reading of the direct lane.
    with behind(older, newer, DIRECT_LANE_MAX_BYTES="50"):
        exports.run_for(2)
        with pause(older), pause(newer):
            exports.offer(*"abc")
        tap.until(lambda: len(exports.announced_by_id(tap)) >= 3 and tap.idle())
    exports.run_for(0.2)

    # The lane that finds an export completed and not yet announced announces it as well.
    assert exports.announced_by_id(tap) == [*"abc"]
    assert exports.in_manifests() == exports.events
    assert exports.dead_letters() == {}
