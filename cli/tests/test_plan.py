"""A plan that is asked of the deployed planner."""

import io
import json
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest
from botocore.stub import Stubber

from logferry.command import main
from logferry.commands import operation
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import ConfigError, PlanError
from logferry.plan import plan, plan_request
from logferry_contracts.plan_completed import PlanCompleted
from logferry_contracts.plan_request import PlanRequest
from logferry_contracts.wire import emit, parse

EXAMPLES = (
    Path(__file__).parents[2] / "contracts" / "examples" / "plan-completed" / "1.1" / "accept"
)
DRY_RUN = json.loads((EXAMPLES / "dry-run.json").read_text())
ELSEWHERE = json.loads((EXAMPLES / "dry-run-too-long-for-an-answer.json").read_text())


class Aws:
    """A session whose one function gives one answer, and whose bucket has one object."""

    account_id = "111122223333"

    def __init__(self, answer: dict[str, Any], *, error: str = "", listed: Any = None) -> None:
        self._answer = {"StatusCode": 200, **({"FunctionError": error} if error else {})}
        self._payload = answer
        self._listed = listed
        self.notes: list[dict[str, Any]] = []
        self.asked: list[dict[str, Any]] = []

    def client(self, service: str, *, region_name: str, config: Any = None) -> Any:
        return self

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        self.asked.append({"function": FunctionName, **json.loads(Payload)})
        return {**self._answer, "Payload": io.BytesIO(json.dumps(self._payload).encode())}

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": self.account_id, "Arn": f"arn:aws:iam::{self.account_id}:user/x"}

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803
        return {"Contents": [each for each in self.notes if each["Key"].startswith(Prefix)]}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO(json.dumps(self._listed).encode())}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Aws:
    aws = Aws(DRY_RUN)
    monkeypatch.setattr(boto3, "Session", lambda: aws)
    return aws


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_the_planner_is_asked_what_the_source_is_configured_for(
    document: dict[str, Any],
) -> None:
    document["external_id"] = "between-us"
    document["sources"][0] |= {
        "selection": {"exclude": ["/scratch/*"], "tag_filters": [{"key": "keep"}]},
        "window_rule": {"unit": "hour", "time_zone": "Europe/Berlin", "lookback_days": 3},
    }

    request = plan_request(Config.model_validate(document), "shop", dry_run=False)

    data = json.loads(emit(request))["data"]
    assert data == {
        "source": {
            "profile": "shop",
            "account_id": "444455556666",
            "region": "eu-west-1",
            "role_arn": "arn:aws:iam::444455556666:role/logferry-source",
            "external_id": "between-us",
        },
        "bucket": "logferry-archive-111122223333-eu-west-1",
        "window_rule": {"unit": "hour", "time_zone": "Europe/Berlin", "lookback_days": 3},
        "selection": {"exclude": ["/scratch/*"], "tag_filters": [{"key": "keep"}]},
    }


def test_dates_and_a_dry_run_are_asked_for(config: Config) -> None:
    request = plan_request(config, "shop", first="2026-11-01", last="2026-11-07", dry_run=True)

    data = parse(PlanRequest, emit(request)).data
    assert (data.collect_from, data.collect_to, data.dry_run) == ("2026-11-01", "2026-11-07", True)


def test_some_log_groups_are_asked_for_by_themselves(
    path: str, deployed: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    of = ("--log-group", "/ecs/*", "--log-group", "/app/a")
    assert run("plan", path, "--profile", "shop", "--from", "2026-11-01", *of) == DONE

    data = deployed.asked[0]["data"]
    assert (data["only"], data["collect_from"]) == (["/ecs/*", "/app/a"], "2026-11-01")
    assert "no log group matches" not in capsys.readouterr().err


@pytest.mark.parametrize("options", [("--from",), ("--from", "2026-11-01", "--to")])
def test_a_date_that_is_not_over_is_waited_for_and_leaves_no_dead_letter(
    path: str, deployed: Aws, options: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    today = datetime.now(ZoneInfo("Asia/Seoul")).date()
    assert run("plan", path, "--profile", "shop", *options, str(today)) == BAD_INPUT
    assert deployed.asked == []
    told = f"{options[-1]} {today}: Wait until it is over in Asia/Seoul: it is planned by itself"
    assert told in " ".join(capsys.readouterr().err.split())


def test_no_other_hub_is_asked(
    path: str, deployed: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed.account_id = "999999999999"
    assert run("plan", path, "--profile", "shop") == FAILED
    assert deployed.asked == []
    told = "the credentials are of account 999999999999, not of 111122223333"
    assert told in capsys.readouterr().err


def test_a_pattern_that_no_log_group_matches_is_said(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"only": ["/esc/*"], "found": 0, "requested": 0, "skipped": {}}
    answer = DRY_RUN | {"data": DRY_RUN["data"] | nothing | {"already_in_ledger": 0}}
    aws = Aws(answer)
    monkeypatch.setattr(boto3, "Session", lambda: aws)

    assert run("plan", path, "--profile", "shop", "--log-group", "/esc/*") == DONE

    assert "shop: no log group matches /esc/*" in capsys.readouterr().err


def test_a_time_of_which_nothing_is_due_is_said(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = {"windows": [], "found": 0, "requested": 0, "skipped": {}, "already_in_ledger": 0}
    aws = Aws(DRY_RUN | {"data": DRY_RUN["data"] | nothing})
    monkeypatch.setattr(boto3, "Session", lambda: aws)

    assert run("plan", path, "--profile", "shop", "--from", "2026-11-22") == DONE

    told = " ".join(capsys.readouterr().err.split())
    assert "shop: no window of that time is due yet, so nothing was planned" in told


def test_a_date_that_is_none_is_bad_input(path: str, deployed: Aws, capsys: Any) -> None:
    assert run("plan", path, "--profile", "shop", "--from", "2026-02-30") == BAD_INPUT
    assert "--from 2026-02-30: " in capsys.readouterr().err
    assert deployed.asked == []


@pytest.mark.parametrize(
    ("dates", "told"),
    [
        (("--from", "2026-11-07", "--to", "2026-11-01"), "--to 2026-11-01 is before --from"),
        (("--to", "2026-11-01"), "--to 2026-11-01: --from is missing"),
    ],
)
def test_dates_that_are_reversed_or_half_said_are_bad_input(
    path: str, deployed: Aws, capsys: Any, dates: tuple[str, ...], told: str
) -> None:
    assert run("plan", path, "--profile", "shop", *dates) == BAD_INPUT
    assert told in capsys.readouterr().err
    assert deployed.asked == []


def test_an_unknown_source_is_bad_input(config: Config) -> None:
    with pytest.raises(ConfigError, match="shopp: none of shop, Pay_ments"):
        plan_request(config, "shopp", dry_run=True)


def test_a_dry_run_shows_every_export_and_the_counts(
    path: str, deployed: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", path, "--profile", "shop", "--dry-run") == DONE

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert any("/aws/lambda/checkout requested slot 10,485,760" in line for line in lines)
    assert any("/aws/lambda/idle skipped: empty" in line for line in lines)
    assert {"requested 1", "already in the ledger 1", "skipped: empty 1"} <= set(lines)
    assert deployed.asked[0]["function"] == "logferry-planner"
    assert deployed.asked[0]["data"]["dry_run"] is True


def test_several_sources_are_planned_one_after_the_other(
    path: str, deployed: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", path, "--profile", "sh*", "--profile", "Pay_ments") == DONE

    asked = [each["data"]["source"]["profile"] for each in deployed.asked]
    assert asked == ["shop", "Pay_ments"]
    heads = [line for line in capsys.readouterr().out.splitlines() if line.endswith(":")]
    assert heads == ["shop:", "Pay_ments:"]


@pytest.mark.parametrize("dry_run", [False, True])
def test_after_ctrl_c_it_says_what_goes_on_and_how_that_is_stopped(
    path: str,
    deployed: Aws,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    dry_run: bool,
) -> None:
    original = deployed.invoke

    def invoke(**request: Any) -> dict[str, Any]:
        answer = original(**request)
        if len(deployed.asked) > 1:
            raise KeyboardInterrupt
        return answer

    monkeypatch.setattr(deployed, "invoke", invoke)
    options = ["--dry-run"] if dry_run else []

    assert run("plan", path, "--profile", "shop", "--profile", "Pay_ments", *options) == FAILED

    told = capsys.readouterr().err
    assert "interrupted" in told
    goes_on = "The planner goes on with Pay_ments" in told
    assert goes_on == (not dry_run)
    if not dry_run:
        assert "planned before: shop" in told
        for queue in ("log-sqs-pay_ments-collect.fifo", "log-sqs-pay_ments-direct.fifo"):
            assert f"--queue-name {queue} " in told


def test_json_is_what_the_planner_answered(
    path: str, deployed: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("plan", path, "--profile", "shop", "--dry-run", "--json") == DONE
    assert json.loads(capsys.readouterr().out) == [DRY_RUN["data"]]


def test_a_list_that_is_elsewhere_is_fetched(config: Config) -> None:
    aws: Any = Aws(ELSEWHERE, listed=DRY_RUN["data"]["planned"])

    completed = plan(aws, config, plan_request(config, "shop", dry_run=True))

    assert completed is not None
    assert completed.planned == parse(PlanCompleted, json.dumps(DRY_RUN)).data.planned


def test_a_plan_that_goes_on_by_itself_is_no_failure(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(boto3, "Session", lambda: Aws({"status": "continued", "part": 2}))

    assert run("plan", path, "--profile", "shop") == DONE
    assert capsys.readouterr().out == "continued  PlanCompleted will say how it ended\n"


def test_a_refusal_is_a_failure_that_says_why(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    detail = "role_arn arn:aws:iam::444455556666:role/x cannot be assumed"
    answer = {"status": "dead_lettered", "reason": "refused_role_arn", "detail": detail}
    monkeypatch.setattr(boto3, "Session", lambda: Aws(answer))

    assert run("plan", path, "--profile", "shop") == FAILED
    assert f"dead_lettered: {detail}" in capsys.readouterr().err


def test_a_planner_that_fails_is_named_with_its_error(config: Config) -> None:
    aws: Any = Aws({"errorMessage": "SQS is away", "errorType": "X"}, error="Unhandled")

    with pytest.raises(PlanError, match="logferry-planner: SQS is away"):
        plan(aws, config, plan_request(config, "shop", dry_run=False))


def test_a_planner_that_is_not_there_is_named(config: Config) -> None:
    client = boto3.client(
        "lambda", region_name="eu-west-1", aws_access_key_id="1", aws_secret_access_key="1"
    )
    session: Any = type("Session", (), {"client": lambda *_, **__: client})()
    with Stubber(client) as stub:
        stub.add_client_error("invoke", "ResourceNotFoundException", "Function not found")
        with pytest.raises(PlanError, match=r"logferry-planner: .*Function not found"):
            plan(session, config, plan_request(config, "shop", dry_run=False))


@pytest.mark.parametrize(
    ("reader", "seconds", "size", "is_waited_for"),
    [
        ("direct", 20, 0, True),
        ("slot", 119, 0, True),
        ("direct", 121, 0, False),
        ("direct", 20, 4, False),
        ("planner", 20, 0, False),
    ],
)
def test_it_says_for_whom_the_planner_waits_and_for_how_long(
    deployed: Aws,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    reader: str,
    seconds: int,
    size: int,
    *,
    is_waited_for: bool,
) -> None:
    at = datetime.now(UTC) - timedelta(seconds=seconds)
    key = f"reading/444455556666/eu-west-1/{reader}"
    deployed.notes = [{"Key": key, "LastModified": at, "Size": size}]
    shown: list[str] = []

    def status(text: str) -> AbstractContextManager[None]:
        shown.append(text)
        return nullcontext()

    monkeypatch.setattr(operation.messages, "status", status)

    assert run("plan", path, "--profile", "shop", "--dry-run") == DONE

    [text] = shown
    assert text.startswith("The planner plans shop")
    assert ("waits for up to 40 s first" in text and text.endswith(reader)) == is_waited_for
