"""Seals that are asked of the sealer, on moto."""

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from logferry.command import main
from logferry.config import Config
from logferry_contracts.chain import ChainName
from logferry_contracts.seal_request import SealRequest
from logferry_contracts.wire import parse

SHOP = ChainName(account_id="444455556666", region="eu-west-1")


@pytest.fixture
def sqs(config: Config, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The hub's account without a sealer."""
    session = boto3.Session("any", "any", region_name=config.region)
    monkeypatch.setenv("MOTO_ACCOUNT_ID", config.hub_account_id)
    monkeypatch.setattr(boto3, "Session", lambda: session)
    with mock_aws():
        yield session.client("sqs")


@pytest.fixture
def queue(sqs: Any) -> str:
    url: str = sqs.create_queue(QueueName="logferry-sealer")["QueueUrl"]
    return url


def run(path: str, *options: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["seal", path, "--profile", "shop", *options])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def sent(sqs: Any, queue: str) -> list[SealRequest]:
    found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
    return [parse(SealRequest, each["Body"]) for each in found]


@pytest.mark.parametrize(
    ("options", "dates"),
    [
        ((), (None, None)),
        (("--from", "2026-01-01"), ("2026-01-01", None)),
        (("--from", "2026-01-01", "--to", "2026-06-30"), ("2026-01-01", "2026-06-30")),
    ],
)
def test_the_sealer_is_asked_for_one_chain(
    sqs: Any, queue: str, path: str, options: tuple[str, ...], dates: tuple[str | None, str | None]
) -> None:
    assert run(path, *options) == 0
    [request] = sent(sqs, queue)
    assert request.data.chain == SHOP
    assert (request.data.seal_from, request.data.seal_to) == dates


def test_a_dry_run_shows_it_and_asks_nothing(
    sqs: Any, queue: str, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(path, "--from", "2026-01-01", "--dry-run", "--json") == 0
    [asked] = json.loads(capsys.readouterr().out)
    assert (asked["queue"], asked["chain"], asked["seal_from"], asked["seal_to"]) == (
        "logferry-sealer",
        str(SHOP),
        "2026-01-01",
        None,
    )
    assert sent(sqs, queue) == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "what is due"),
        (("--from", "2026-01-01"), "2026-01-01 up to its first seal"),
        (("--from", "2026-01-01", "--to", "2026-06-30"), "2026-01-01 to 2026-06-30"),
    ],
)
def test_people_are_told_in_a_sentence(
    sqs: Any,
    queue: str,
    path: str,
    options: tuple[str, ...],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(path, *options, "--dry-run") == 0
    assert capsys.readouterr().out == f"logferry-sealer would be asked to seal {told} of {SHOP}\n"
    assert sent(sqs, queue) == []
    assert run(path, *options) == 0
    assert capsys.readouterr().out == f"logferry-sealer was asked to seal {told} of {SHOP}\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--from", "yesterday"), "--from yesterday: "),
        (("--from", "2026-02-30"), "--from 2026-02-30: "),
        (("--to", "2026-06-30"), "--to 2026-06-30: --from is missing"),
        (("--from", "2026-06-30", "--to", "2026-01-01"), "is before --from 2026-06-30"),
    ],
)
def test_bad_dates_are_named(
    sqs: Any,
    queue: str,
    path: str,
    options: tuple[str, ...],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(path, *options) == 2
    assert told in capsys.readouterr().err
    assert sent(sqs, queue) == []


def test_a_hub_without_a_sealer_is_told(
    sqs: Any, path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(path) == 1
    assert "logferry-sealer: " in capsys.readouterr().err
