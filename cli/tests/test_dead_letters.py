"""Dead letters of all services, listed and given back: on moto."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from cli.tests.conftest import Run
from cli.tests.ledgers import hub_on_moto

from logferry import dead_letters
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry_contracts.message_attributes import dead_letter_attributes, text_attributes
from logferry_contracts.source import SourceName

SHOP = SourceName(profile="shop", account_id="444455556666", region="eu-west-1")
OF_HUB = ("logferry-planner", "logferry-sse-enforcer", "logferry-sealer")
PLAN = {"type": "logferry.plan.requested.v1", "data": {"source": SHOP.model_dump()}}
EXPORT = {
    "type": "logferry.export.requested.v1",
    "data": {"source": SHOP.model_dump(), "log_group": {"name": "/ecs/shop"}},
}
COMPLETED = {
    "type": "logferry.export.completed.v1",
    "data": {"source": SHOP.model_dump(), "log_group_name": "/ecs/shop"},
}
CREATED = {"detail-type": "Object Created", "detail": {"object": {"key": "shop/a/1.gz"}}}


class World:
    """The queues of a hub, and what its planner was asked."""

    def __init__(self, session: boto3.Session) -> None:
        self.sqs = session.client("sqs")
        self.asked: list[Any] = []
        for name in OF_HUB:
            self.sqs.create_queue(QueueName=name)
            self.sqs.create_queue(QueueName=f"{name}-dlq")
        fifo: Any = {"FifoQueue": "true"}
        for name in (SHOP.queue_name, SHOP.direct_queue_name, SHOP.dead_letter_queue_name):
            self.sqs.create_queue(QueueName=name, Attributes=fifo)

    def put(self, name: str, body: Any, *, reason: str = "", group: str = "") -> str:
        more: Any = (
            {"MessageGroupId": group, "MessageDeduplicationId": body["type"]} if group else {}
        )
        if reason:
            attributes = dead_letter_attributes(reason=reason, detail="in words", service="any")
            more["MessageAttributes"] = attributes
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        return self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body), **more)[
            "MessageId"
        ]

    def lies(self, name: str) -> list[Any]:
        """Return what lies in a queue, and let it lie."""
        url = self.sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found = self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
            VisibilityTimeout=0,
        )
        return list(found.get("Messages", []))


@pytest.fixture
def world(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with hub_on_moto(config, monkeypatch) as session:
        world = World(session)
        asked = world.asked
        monkeypatch.setattr(
            dead_letters.Mail, "_ask_planner", lambda _, body: asked.append(json.loads(body))
        )
        # Nobody else puts anything into these queues: there is nothing to be waited for.
        monkeypatch.setattr(dead_letters, "WAITED_S", 0)
        yield world


type Retry = Callable[..., tuple[int, str]]


@pytest.fixture
def retry(path: str, logferry: Run) -> Retry:
    """Runs the command; returns its exit code and what it printed."""

    def retry(*options: str) -> tuple[int, str]:
        code, out, err = logferry("retry", path, "--dead-letters", *options)
        return code, out + err

    return retry


def test_letters_of_every_service_are_shown_and_left_by_a_dry_run(
    world: World, retry: Retry
) -> None:
    world.put("logferry-planner-dlq", PLAN, reason="refused_role_arn")
    world.put("logferry-sse-enforcer-dlq", CREATED)
    world.put("logferry-sealer-dlq", COMPLETED, reason="unexpected_error")
    world.put(SHOP.dead_letter_queue_name, EXPORT, reason="contract", group="x")

    code, out = retry("--dry-run", "--json")

    assert code == DONE
    told = {(e["service"], e["reason"], e["profile"], e["about"]) for e in json.loads(out)}
    assert told == {
        ("exporter", "contract", "shop", "/ecs/shop"),
        ("planner", "refused_role_arn", "shop", "logferry.plan.requested.v1"),
        ("sealer", "unexpected_error", "shop", "/ecs/shop"),
        ("sse-enforcer", "given_up", "shop", "shop/a/1.gz"),
    }
    for name in (*(f"{each}-dlq" for each in OF_HUB), SHOP.dead_letter_queue_name):
        assert len(world.lies(name)) == 1, name
    assert world.asked == []


def test_each_goes_to_whom_it_was_for_as_it_was(world: World, retry: Retry) -> None:
    world.put("logferry-planner-dlq", PLAN, reason="refused_role_arn")
    world.put("logferry-sse-enforcer-dlq", CREATED)
    world.put("logferry-sealer-dlq", COMPLETED, reason="unexpected_error")
    slot = world.put(SHOP.dead_letter_queue_name, EXPORT, reason="contract", group=SHOP.slot)

    assert retry("--yes")[0] == DONE

    assert world.asked == [PLAN]
    for name, body in (("logferry-sse-enforcer", CREATED), ("logferry-sealer", COMPLETED)):
        assert [json.loads(each["Body"]) for each in world.lies(name)] == [body]
        assert world.lies(f"{name}-dlq") == []
    [given] = world.lies(SHOP.queue_name)
    assert json.loads(given["Body"]) == EXPORT
    assert given["MessageAttributes"]["reason"]["StringValue"] == "contract"
    assert given["Attributes"]["MessageGroupId"] == SHOP.slot
    assert given["Attributes"]["MessageDeduplicationId"] == slot
    assert world.lies(SHOP.dead_letter_queue_name) == []
    assert "no dead letters" in retry("--yes")[1]


def test_what_the_direct_lane_could_not_do_goes_back_to_it(world: World, retry: Retry) -> None:
    world.put(SHOP.dead_letter_queue_name, EXPORT, group=SHOP.direct_slot)

    assert retry("--yes")[0] == DONE

    assert len(world.lies(SHOP.direct_queue_name)) == 1
    assert world.lies(SHOP.queue_name) == []


def test_a_plan_that_failed_whenever_it_was_tried_is_asked_for_again(
    world: World, retry: Retry
) -> None:
    """As Lambda records an asynchronous invocation that has failed."""
    record = {
        "requestContext": {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        "requestPayload": PLAN,
        "responsePayload": {"errorMessage": "2026-11-22 Task timed out after 900.00 seconds"},
    }
    world.put("logferry-planner-dlq", record)

    code, out = retry("--dry-run", "--json")
    [letter] = json.loads(out)
    assert (code, letter["reason"], letter["profile"]) == (DONE, "RetriesExhausted", "shop")
    assert "timed out" in letter["detail"]
    assert retry("--yes")[0] == DONE
    assert world.asked == [PLAN]


def test_what_no_schedule_could_deliver_has_its_code_for_a_reason(
    world: World, retry: Retry
) -> None:
    url = world.sqs.get_queue_url(QueueName="logferry-planner-dlq")["QueueUrl"]
    said = text_attributes({"ERROR_CODE": "ThrottlingException", "ERROR_MESSAGE": "Rate exceeded"})
    world.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(PLAN), MessageAttributes=said)

    [letter] = json.loads(retry("--dry-run", "--json")[1])

    assert (letter["reason"], letter["detail"]) == ("ThrottlingException", "Rate exceeded")


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--service", "sealer"], {"planner", "sse-enforcer"}),
        (["--reason", "refused_*"], {"sealer", "sse-enforcer"}),
        (["--log-group", "/ecs/*"], {"planner", "sse-enforcer"}),
        (["--profile", "Pay_ments"], {"planner", "sealer", "sse-enforcer"}),
    ],
)
def test_filters_choose_and_the_others_are_left_and_said_to_be(
    world: World, retry: Retry, options: list[str], left: set[str]
) -> None:
    world.put("logferry-planner-dlq", PLAN, reason="refused_role_arn")
    world.put("logferry-sse-enforcer-dlq", CREATED)
    world.put("logferry-sealer-dlq", COMPLETED, reason="unexpected_error")

    code, out = retry("--yes", *options)

    assert code == DONE
    names = [each.removeprefix("logferry-") for each in OF_HUB]
    assert {name for name in names if world.lies(f"logferry-{name}-dlq")} == left
    if options[0] == "--reason":
        assert "1 others, which are left" in out


def test_more_than_a_call_gives_are_all_given_back(world: World, retry: Retry) -> None:
    for _ in range(25):
        world.put("logferry-sealer-dlq", COMPLETED)

    assert retry("--yes")[1].count("given back: sealer /ecs/shop") == 25
    assert world.lies("logferry-sealer-dlq") == []


def test_what_fails_again_at_once_is_not_tried_again_by_the_same_run(
    world: World, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = ["a letter that comes back"]

    def refuse(_: object, body: str) -> None:
        refused.append(body)
        assert len(refused) < 9, "for ever"
        world.put("logferry-planner-dlq", json.loads(body), reason="refused_role_arn")

    world.put("logferry-planner-dlq", PLAN, reason="refused_role_arn")
    monkeypatch.setattr(dead_letters.Mail, "_ask_planner", refuse)

    assert retry("--yes")[0] == DONE
    assert len(refused) == 2
    assert len(world.lies("logferry-planner-dlq")) == 1


def test_one_that_could_not_be_given_back_is_still_there(
    world: World, retry: Retry, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.sqs.delete_queue(
        QueueUrl=world.sqs.get_queue_url(QueueName="logferry-sealer")["QueueUrl"]
    )
    world.put("logferry-sealer-dlq", COMPLETED)

    code, out = retry("--yes")

    assert code == FAILED
    assert "logferry-sealer-dlq: " in out
    assert "0 were given back before" in out
    assert len(world.lies("logferry-sealer-dlq")) == 1


def test_a_letter_that_is_no_json_is_shown_and_given_back(world: World, retry: Retry) -> None:
    url = world.sqs.get_queue_url(QueueName="logferry-sealer-dlq")["QueueUrl"]
    world.sqs.send_message(QueueUrl=url, MessageBody="[half of")

    assert retry("--yes")[0] == DONE
    assert [each["Body"] for each in world.lies("logferry-sealer")] == ["[half of"]


def test_nothing_is_given_back_without_somebodys_consent(world: World, retry: Retry) -> None:
    world.put("logferry-sealer-dlq", COMPLETED)

    code, out = retry()

    assert code == FAILED
    assert "not a terminal" in out
    assert len(world.lies("logferry-sealer-dlq")) == 1


@pytest.mark.parametrize("options", [["--from", "2026-11-21"], ["--waived"]])
def test_what_is_of_the_ledger_alone_is_bad_input(
    world: World, retry: Retry, options: list[str]
) -> None:
    assert retry(*options)[0] == BAD_INPUT


def test_a_service_without_dead_letters_is_bad_input(
    world: World, path: str, logferry: Run
) -> None:
    assert logferry("retry", path, "--service", "planner")[0] == BAD_INPUT
