"""Thousands of mutated messages of every contract, straight to each handler that could meet them.

What breaks a contract is dead-lettered at once and changes nothing. What keeps to it, however odd,
is worked on to its end. None raises, and none comes back for ever.
"""

import importlib
import json
import random
from typing import Any

import pytest
from services.exporter.tests.conftest import Cloud, export_request
from services.planner.tests.fakes import World as Planner
from tests.chaos import mutated

from exporter.telemetry import logger as exporter_logger
from logferry_contracts.day_planned import DayPlanned
from logferry_contracts.execution_variables import ExecutionVariables
from logferry_contracts.export_completed import ExportCompleted
from logferry_contracts.export_requested import ExportRequested
from logferry_contracts.feed_request import FeedRequest
from logferry_contracts.ledger_key import ledger_key
from logferry_contracts.ledger_record import LedgerRecord
from logferry_contracts.object_created import ObjectCreated
from logferry_contracts.plan_continued import PlanContinued
from logferry_contracts.plan_request import PlanRequest
from planner import handler as planner_handler

Enforcer = importlib.import_module("services.sse-enforcer.tests.conftest").World

OF_EACH = 200
"""Of each contract, for each handler."""


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "logferry")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "chaos")


def keeps_one_of(body: str, *contracts: Any) -> bool:
    return any(mutated.keeps(contract, body) for contract in contracts)


def test_the_exporter_ends_every_message(
    rng: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    unexpected: list[object] = []
    monkeypatch.setattr(exporter_logger, "exception", lambda *said, **_: unexpected.append(said))
    for body in mutated.some(rng, OF_EACH):
        cloud = Cloud(wait_in_invocation_s=100)
        cloud.enqueue(body)
        cloud.run()
        if not keeps_one_of(body, ExportRequested, DayPlanned):
            assert [(each.body, each.reason) for each in cloud.dead_letters] == [(body, "contract")]
            assert cloud.calls == ["queue.dead_letter"]
        assert unexpected == [], body


def test_the_planner_ends_every_event(rng: random.Random, monkeypatch: pytest.MonkeyPatch) -> None:
    for body in mutated.some(rng, OF_EACH):
        try:
            event = json.loads(body)
        except ValueError:
            continue  # Lambda itself refuses what is no JSON.
        planner = Planner()
        monkeypatch.setattr(planner_handler, "_wiring", planner.wiring)
        answer = planner.run(event)
        if not keeps_one_of(body, PlanRequest, ExecutionVariables, PlanContinued, FeedRequest):
            [letter] = planner.dead_letters.letters
            assert (letter["body"], letter["reason"]) == (json.dumps(event), "contract")
            assert answer["status"] == "dead_lettered"
            assert planner.ledger.objects == {}


def test_the_enforcer_ends_every_message(rng: random.Random) -> None:
    for body in mutated.some(rng, OF_EACH):
        world = Enforcer()
        world.put()
        before = world.state()
        given_back = world.deliver(body)
        if not keeps_one_of(body, ObjectCreated, ExportCompleted):
            assert [(each, why["reason"]) for each, why in world.dead_letters] == [
                (body, "contract")
            ]
            assert given_back == []
            assert world.state() == before


def test_a_damaged_ledger_record_costs_its_own_export_alone(rng: random.Random) -> None:
    damaged = [
        body
        for body in [*rng.sample(mutated.spoilt("ledger-record"), 3 * OF_EACH), *mutated.TEXTS]
        if not mutated.keeps(LedgerRecord, body)
    ]
    assert len(damaged) > OF_EACH
    for body in damaged:
        cloud, request = Cloud(wait_in_invocation_s=100), export_request("/damaged")
        cloud.request(request)
        cloud.ledger[ledger_key(request.source, request.window, request.export_id)] = (body, '"1"')
        cloud.request(export_request("/next"))
        cloud.run()
        assert [each.data.log_group_name for each in cloud.completed_events()] == ["/next"]
        assert [each.reason for each in cloud.dead_letters] == ["contract"]
