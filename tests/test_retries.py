"""How often AWS is asked again: botocore's own code, with each client's configuration."""

import ast
import functools
import random
from pathlib import Path
from types import SimpleNamespace

import botocore.endpoint
import botocore.session
import pytest
from benchmarks.simulation.outages import PLAIN_CALLS, answer
from botocore.config import Config
from botocore.exceptions import ClientError

import exporter.aws.clients
import logferry.plan
import logferry.stack
import logferry.sweep
import logferry_deliveries.calls
import logferry_ledger.ledger
import planner.aws.calls
import planner.aws.source_account
import recounter.aws.source_account
import sealer.aws.calls

ROOT = Path(__file__).parents[1]
SOURCES = sorted(
    path
    for folder in (
        "services/*/src",
        "deliveries/src",
        "ledger/src",
        "cli/src",
        "examples/subscriber",
        "examples/witness",
    )
    for path in ROOT.glob(f"{folder}/**/*.py")
    if path.parent.name != "tests" and path.name not in {"deploy.py", "vkey.py"}
)
PATIENT = {
    "planner": planner.aws.calls.CLIENT_CONFIG,
    "planner, in a source's account": planner.aws.source_account.SOURCE_CONFIG,
    "exporter": exporter.aws.clients.CLIENT_CONFIG,
    "sse-enforcer": logferry_deliveries.calls.CLIENT_CONFIG,
    "sealer": sealer.aws.calls.CLIENT_CONFIG,
    "the ledger": logferry_ledger.ledger.CLIENT_CONFIG,
    "logferry, stacks": logferry.stack.CLIENT_CONFIG,
}
LONGEST_S = {"planner, in a source's account": 127, "logferry, stacks": 127}
"""What all waits of a call come to at most, where it is not 31 s."""
ONCE = {
    "CreateExportTask": exporter.aws.clients.CREATE_CONFIG,
    "StartQuery": recounter.aws.source_account.START_CONFIG,
    "logferry plan": logferry.plan.CLIENT_CONFIG,
    "logferry sweep": logferry.sweep.CLIENT_CONFIG,
}
SERVICE = "s3"
METHOD, BODY = PLAIN_CALLS[SERVICE]


def class_of(node, classes):
    """Return the name of the class that something is of, as far as annotations say it."""
    match node:
        case ast.Name(name):
            return classes.get(name)
        case ast.Attribute(value, name):
            return fields().get((class_of(value, classes), name))
        case ast.Call(ast.Name(name)):
            return name
    return None


def calls_of_client(node, classes):
    """Yield each call of a method ``client``, and the class whose it is, as far as that is said."""
    if isinstance(node, ast.ClassDef):
        classes = {**classes, "self": node.name}
    if isinstance(node, ast.FunctionDef):
        taken = [*node.args.args, *node.args.kwonlyargs]
        said = {each.arg: ast.unparse(each.annotation) for each in taken if each.annotation}
        classes = {**classes, **said}
    if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "client":
        yield node, class_of(node.func.value, classes)  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        yield from calls_of_client(child, classes)


@functools.cache
def trees():
    """Read all modules, by their paths: when the first test needs them, not in each process."""
    return {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in SOURCES}


@functools.cache
def own_classes():
    return [
        node
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]


@functools.cache
def fields():
    """Return which class a field is of, by its own class and its name."""
    return {
        (each.name, getattr(it.target, "attr", getattr(it.target, "id", None))): ast.unparse(
            it.annotation
        )
        for each in own_classes()
        for it in ast.walk(each)
        if isinstance(it, ast.AnnAssign)
    }


@functools.cache
def with_clients():
    """Name our own classes that make a client by a method of this name: it is looked for there."""
    return {
        each.name
        for each in own_classes()
        if any(isinstance(it, ast.FunctionDef) and it.name == "client" for it in each.body)
    }


class Aws:
    """Answers with an error until a time, which goes on with botocore's waits alone."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, config: Config, service: str = SERVICE):
        self.now_s, self.asked, self.well_at_s = 0.0, 0, 0.0
        self.status, self.error = 503, b""
        monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=self.wait))
        monkeypatch.setattr(random, "random", lambda: 0.5)
        self._service = service
        self._client = botocore.session.get_session().create_client(
            service,
            region_name="eu-west-1",
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=config,
        )
        self._client.meta.events.register("before-send", self.answer)

    def wait(self, seconds):
        self.now_s += seconds

    def answer(self, request, **_):
        self.asked += 1
        if self.now_s < self.well_at_s:
            return answer(request.url, self.status, self.error)
        return answer(request.url, 200, PLAIN_CALLS[self._service][1])

    def call(self, *, out_for_s):
        self.well_at_s = self.now_s + out_for_s
        getattr(self._client, PLAIN_CALLS[self._service][0])()


@pytest.mark.parametrize("config", PATIENT.values(), ids=PATIENT)
def test_a_service_that_is_out_for_a_second_is_asked_until_it_answers(monkeypatch, config):
    Aws(monkeypatch, config).call(out_for_s=1.0)


@pytest.mark.parametrize("config", PATIENT.values(), ids=PATIENT)
def test_no_budget_ends_after_many_such_calls(monkeypatch, config):
    aws = Aws(monkeypatch, config)
    for _ in range(40):
        aws.call(out_for_s=1.0)


@pytest.mark.parametrize(("who", "config"), PATIENT.items(), ids=PATIENT)
def test_a_service_that_stays_out_is_given_up_in_the_time_that_was_decided(
    monkeypatch, who, config
):
    aws = Aws(monkeypatch, config)
    monkeypatch.setattr(random, "random", lambda: 1.0)
    with pytest.raises(ClientError):
        aws.call(out_for_s=1e6)
    assert aws.now_s == LONGEST_S.get(who, 31)


@pytest.mark.parametrize("config", ONCE.values(), ids=ONCE)
def test_what_must_not_come_twice_is_asked_once(monkeypatch, config):
    aws = Aws(monkeypatch, config)
    with pytest.raises(ClientError):
        aws.call(out_for_s=1.0)
    assert aws.asked == 1


@pytest.mark.parametrize(
    ("service", "status", "error"),
    [
        ("s3", 503, b"<Error><Code>SlowDown</Code></Error>"),
        ("s3", 500, b"<Error><Code>InternalError</Code></Error>"),
        ("s3", 400, b"<Error><Code>RequestTimeout</Code></Error>"),
        ("logs", 400, b'{"__type": "ThrottlingException"}'),
        ("logs", 503, b'{"__type": "ServiceUnavailableException"}'),
        ("sqs", 403, b'{"__type": "com.amazonaws.sqs#RequestThrottled"}'),
        ("sqs", 400, b'{"__type": "ThrottlingException"}'),
        ("sns", 400, b"<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>"),
        ("logs", 429, b""),
    ],
)
def test_whatever_a_service_calls_too_many_or_not_now_is_tried_again(
    monkeypatch, service, status, error
):
    aws = Aws(monkeypatch, exporter.aws.clients.CLIENT_CONFIG, service)
    aws.status, aws.error = status, error
    aws.call(out_for_s=1.0)


def test_retries_are_written_in_one_way():
    retries = [
        (where, set(ast.literal_eval(keyword.value).items()))
        for where, tree in trees().items()
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg == "retries"
    ]
    assert len(retries) > len(PATIENT)
    assert [
        (where, each)
        for where, each in retries
        if ("mode", "legacy") not in each
        or {name for name, _ in each} != {"mode", "total_max_attempts"}
    ] == []


def test_no_client_goes_without():
    calls = [
        (f"{where}:{call.lineno}", of, {keyword.arg for keyword in call.keywords})
        for where, tree in trees().items()
        for call, of in calls_of_client(tree, {})
    ]
    assert len(calls) > len(PATIENT)
    assert [
        where
        for where, of, given in calls
        if of not in with_clients() and not {"config", None} & given
    ] == []
