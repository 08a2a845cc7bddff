"""An answer that breaks off is a failed call like any other, whoever has made the call."""

import ast
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.parsers import ResponseParserError

import exporter.aws.calls
import exporter.errors
import logferry_deliveries.calls
import logferry_deliveries.errors
import planner.aws.calls
import planner.errors
from logferry.aws_errors import AWS_ERRORS
from logferry.commands.console import told_errors
from logferry.errors import DeployError
from logferry.stack import told_about
from logferry_contracts.log_group import LogGroup
from logferry_contracts.source import Source
from logferry_contracts.window import Window
from planner.aws.source_account import SourceAccount

SOURCE = Source(
    profile="dev",
    account_id="111111111111",
    region="eu-west-1",
    role_arn="arn:aws:iam::111111111111:role/logs",
)
LOG_GROUP = LogGroup(
    name="/a",
    arn="arn:aws:logs:eu-west-1:111111111111:log-group:/a",
    log_group_class="STANDARD",
    created_ms=0,
)
SOURCES = [
    *Path(__file__).parents[1].glob("services/*/src"),
    Path(__file__).parents[1] / "deliveries/src",
    Path(__file__).parents[1] / "ledger/src",
    Path(__file__).parents[1] / "cli/src",
]
IDIOMS: dict[str, tuple[Callable[[], AbstractContextManager[None]], type[Exception]]] = {
    "planner": (
        lambda: planner.aws.calls.calling("Publish", "arn:topic"),
        planner.errors.AwsError,
    ),
    "exporter": (
        lambda: exporter.aws.calls.calling("Publish", "arn:topic"),
        exporter.errors.TransientError,
    ),
    "the sse-enforcer and the sealer": (
        lambda: logferry_deliveries.calls.calling("Publish", "arn:topic"),
        logferry_deliveries.errors.AwsError,
    ),
    "the command": (lambda: told_about("arn:topic"), DeployError),
}
KNOWN_WHOLE = {
    "planner/aws/calls.py",
    "logferry_deliveries/calls.py",
    "logferry/aws_errors.py",
}
"""Where it is said what a call may raise. The exporter names what passes, class by class."""


def client(service: str) -> Any:
    """Return a client whose answers break off, and that needs no network."""

    def answer(request: Any, **_: Any) -> AWSResponse:
        body = AWSResponse(request.url, 200, {}, None)  # type: ignore[arg-type]
        body._content = b"<PublishResponse><PublishRes"  # type: ignore[attr-defined]
        return body

    made = boto3.client(  # type: ignore[call-overload]
        service, region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="a"
    )
    made.meta.events.register("before-send", answer)
    return made


def publish() -> None:
    client("sns").publish(TopicArn="arn:aws:sns:eu-west-1:999999999999:events", Message="{}")


def imported() -> Iterator[tuple[str, list[str]]]:
    """Yield the names that each module of ours imports of botocore's errors."""
    for source in SOURCES:
        for path in source.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and node.module == "botocore.exceptions":
                    yield str(path.relative_to(source)), [each.name for each in node.names]


def test_what_breaks_off_is_none_of_botocores_own_errors() -> None:
    with pytest.raises(ResponseParserError):
        publish()


@pytest.mark.parametrize("who", IDIOMS)
def test_an_answer_that_breaks_off_is_our_error_and_names_what_it_was_about(who: str) -> None:
    calling, error = IDIOMS[who]
    with pytest.raises(error, match=r"arn:topic: .*XML"), calling():
        publish()


class Session:
    """A session of a source's account, each of whose answers breaks off."""

    def client(self, *_: Any, **__: Any) -> Any:
        def pages(**_: Any) -> Iterator[Any]:
            publish()
            yield

        return SimpleNamespace(
            filter_log_events=lambda **_: publish(),
            describe_account_policies=lambda **_: publish(),
            get_paginator=lambda _: SimpleNamespace(paginate=pages),
        )


def test_what_a_source_has_answered_brokenly_is_exported_when_in_doubt() -> None:
    session: Any = Session()
    account = SourceAccount(session, SOURCE)
    window = Window(from_ms=0, to_ms=1)

    assert account.has_events(LOG_GROUP, window)
    assert account.retention_policies() == ()
    assert account.incoming_log_events(["/a"], window.start, window.start + timedelta(1)) == {}


def test_the_command_tells_of_it_instead_of_a_traceback() -> None:
    assert issubclass(ResponseParserError, told_errors())
    assert issubclass(ResponseParserError, AWS_ERRORS)


def test_nobody_else_says_what_a_call_may_raise() -> None:
    assert {path for path, names in imported() if "BotoCoreError" in names} == KNOWN_WHOLE
