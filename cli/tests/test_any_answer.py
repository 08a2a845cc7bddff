"""Whatever AWS answers to one of a command's calls, it is told: nothing is silently less."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, EndpointConnectionError
from botocore.parsers import ResponseParserError
from cli.tests.in_s3 import SHOP, recorded
from cli.tests.ledgers import hub_on_moto, record_like
from contracts.tests.retrieving import archived, lines
from contracts.tests.sealed_archive import Archive
from tests.attacks.places import S3Bucket

from logferry.command import main
from logferry.commands.console import BAD_INPUT
from logferry.config import Config
from logferry_contracts.wire import emit

# A command that ends with an error leaves what it was reading, which moto wants to be closed.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SEOUL_MS = int(datetime(2026, 11, 20, 15, tzinfo=UTC).timestamp() * 1000)
FROM, TO = "2026-11-21", "2026-11-22"
OF_SHOP = ("--profile", "shop")
OF_A = (*OF_SHOP, "--log-group", "/app/a")
OF_GONE = (*OF_SHOP, "--log-group", "/gone")
DATES = ("--from", FROM, "--to", TO)
COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status", "{config}"),
    "status of dates": ("status", "{config}", *DATES),
    "explain": ("explain", "{config}", *OF_A, "--date", FROM),
    "backfill": ("backfill", "{config}", "--status"),
    "coverage": ("coverage", "{config}", "-o", "{out}"),
    "retry": ("retry", "{config}", "--dry-run"),
    "retry of dead letters": ("retry", "{config}", "--dead-letters", "--dry-run"),
    "waive": ("waive", "{config}", *OF_GONE, "--date", FROM, "--reason", "Deleted.", "--yes"),
    "retention": ("retention", "{config}", "--key", "{key}"),
    "dispose": ("dispose", "{config}", *OF_A, "--date", FROM, "--reason", "Erasure.", "--yes"),
    "seal": ("seal", "{config}", *OF_SHOP, *DATES),
    "verify": ("verify", "{config}", *OF_SHOP, "--key", "{key}", "--level", "events"),
    "prove": ("prove", "{config}", *OF_A, "--date", FROM, "-o", "{out}"),
    "search": ("search", "hello", "{config}", *OF_A, *DATES),
    "fetch": ("fetch", "{config}", *OF_A, *DATES, "-o", "{out}"),
    "thaw": ("thaw", "{config}", *OF_A, *DATES, "--yes"),
    "events replay": ("events", "replay", "{config}", *DATES, "--yes"),
    "ledger rebuild": ("ledger", "rebuild", "{config}", "--key", "{key}", "--yes"),
    "index rebuild": ("index", "rebuild", "{config}"),
    "index tokens": ("index", "tokens", "{config}", *OF_A, *DATES, "--index", "{out}"),
}


def unknown(operation: str) -> Exception:
    error: Any = {"Error": {"Code": "AnErrorOfTomorrow", "Message": "What AWS says."}}
    return ClientError(error, operation)


def denied(operation: str) -> Exception:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "What AWS says."}}, operation)


def away(_operation: str) -> Exception:
    return EndpointConnectionError(endpoint_url="https://aws")


def torn(_operation: str) -> Exception:
    return ResponseParserError("The answer breaks off.")


ANSWERS = {unknown: "AnErrorOfTomorrow", denied: "AccessDenied", away: "aws", torn: "breaks off"}


_numbers = count()


class Call(NamedTuple):
    """A call, as it is known again in another run; digests differ between them."""

    operation: str
    subject: str

    @classmethod
    def of(cls, operation: str, asked: dict[str, Any]) -> "Call":
        names = ("Bucket", "Key", "Prefix", "QueueUrl", "TopicArn")
        subject = " ".join(str(asked[name]) for name in names if name in asked)
        return cls(operation, re.sub("[0-9a-f]{64}", "*", subject))


def not_needed(call: Call, told: str) -> bool:
    """Whether a command does without what whoever runs it may not do."""
    is_cache = call.operation == "PutObject" and " counts/" in call.subject
    is_of_source = call.operation in {"AssumeRole", "DescribeExportTasks", "GetCallerIdentity"}
    if is_cache or (is_of_source and "now: not checked: " in told):
        return True
    return "/seals/" in call.subject and "you may not read the seals" in told


class Hub:
    """Two dates of two log groups, sealed and in the ledger, which has a failed one as well."""

    def __init__(self, root: Path, config: Config, session: boto3.Session) -> None:
        self.root = root
        s3 = session.client("s3")
        bucket = S3Bucket(s3, config.archive_bucket, config.region)
        archive = Archive(bucket, source=SHOP)
        archive.reached_ms = SEOUL_MS
        for _ in range(2):
            day = archive.window()
            bodies = {"web/0": lines((day.from_ms + 5, "hello"))}
            statements = [archived(archive, day, bodies, name) for name in ("/app/a", "/app/b")]
            archive.day(statements, day, time_zone="Asia/Seoul")
            records = [recorded(one, config).as_secured(at=day.end) for one in statements]
            records.append(record_like("failed-before-a-task", SHOP, "/gone", day))
            for record in records:
                s3.put_object(
                    Bucket=config.control_bucket, Key=record.key, Body=emit(record).encode()
                )
        session.client("sqs").create_queue(QueueName="logferry-sealer")
        session.client("sns").create_topic(Name="log-export-events")
        (root / "seals.pem").write_text(archive.key.pem)

    def run(self, name: str, out: Path | None = None) -> int:
        """Run a command, which may write to a place, and return its exit code."""
        # Another place each time: a fetch goes on where the one before was stopped.
        out = out or self.root / f"out-{next(_numbers)}"
        values = {"config": self.root / "organization.yaml", "key": self.root / "seals.pem"}
        with pytest.raises(SystemExit) as ended:
            main([each.format(**values, out=out) for each in COMMANDS[name]])
        assert isinstance(ended.value.code, int)
        return ended.value.code


type Hubs = Callable[[], AbstractContextManager[Hub]]


@pytest.fixture
def hubs(tmp_path: Path, path: str, config: Config, monkeypatch: pytest.MonkeyPatch) -> Hubs:
    """Makes the same hub again."""

    @contextmanager
    def make() -> Iterator[Hub]:
        with hub_on_moto(config, monkeypatch) as session:
            yield Hub(tmp_path, config, session)

    return make


class Aws:
    """What the commands' calls go through, one command after the other.

    Attributes:
        meets: What a call meets; None for what moto says.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.meets: Callable[[Call], Exception | None] = lambda _call: None
        self._former = set[threading.Thread]()
        self._under_way = 0
        self._ended = threading.Condition()
        real = BaseClient._make_api_call  # type: ignore[attr-defined]

        def call(client: BaseClient, operation: str, asked: dict[str, Any]) -> Any:
            if threading.current_thread() in self._former:
                raise away(operation)
            with self._ended:
                self._under_way += 1
            try:
                if (error := self.meets(Call.of(operation, asked))) is not None:
                    raise error
                return real(client, operation, asked)
            finally:
                with self._ended:
                    self._under_way -= 1
                    self._ended.notify_all()

        monkeypatch.setattr(BaseClient, "_make_api_call", call)

    def settle(self) -> None:
        """Let threads that a command has left behind make no call any more."""
        self._former |= {*threading.enumerate()} - {threading.current_thread()}
        with self._ended:
            self._ended.wait_for(lambda: self._under_way == 0)
        self.meets = lambda _call: None


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Aws:
    return Aws(monkeypatch)


def calls_of(hubs: Hubs, aws: Aws, name: str) -> list[Call]:
    """Return the calls that a command makes when all is well."""
    calls: dict[Call, None] = {}
    with hubs() as hub:
        aws.meets = calls.setdefault
        hub.run(name)
        aws.settle()
    return list(calls)


SHARE = 3
"""Every third operation of a command meets an error in the quick test."""


type Told = Callable[[str, Call, Callable[[str], Exception]], str]


@pytest.fixture
def told(hubs: Hubs, capsys: pytest.CaptureFixture[str], aws: Aws) -> Told:
    """Runs a command one of whose calls meets an error; returns its exit code and what it said."""

    def run(name: str, failing: Call, answer: Callable[[str], Exception]) -> str:
        capsys.readouterr()
        with hubs() as hub:
            aws.meets = lambda call: answer(call.operation) if call == failing else None
            code = hub.run(name)
            aws.settle()
        said = capsys.readouterr()
        text = re.sub(r"\s+", " ", said.out + said.err)
        return f"exit code {code}: {text}"

    return run


def assert_told(text: str, call: Call, answer: Callable[[str], Exception]) -> None:
    if answer is denied and not_needed(call, text):
        return
    assert re.match("exit code [123]: ", text), (call, text)
    assert ANSWERS[answer] in text, (call, text)


@pytest.mark.parametrize("name", COMMANDS)
def test_what_an_operation_meets_is_told(hubs: Hubs, aws: Aws, told: Told, name: str) -> None:
    first = {call.operation: call for call in reversed(calls_of(hubs, aws, name))}
    assert first
    # What one command leaves out, another meets; all that each meets is in the deep test.
    begin = list(COMMANDS).index(name) % min(SHARE, len(first))
    for call in list(first.values())[begin::SHARE]:
        assert_told(told(name, call, unknown), call, unknown)


@pytest.mark.deep
@pytest.mark.parametrize("name", COMMANDS)
def test_what_any_call_meets_is_told(hubs: Hubs, aws: Aws, told: Told, name: str) -> None:
    """A command's first call of each operation meets all answers, each other call one of them."""
    seen, answers = set[str](), cycle(ANSWERS)
    for call in calls_of(hubs, aws, name):
        is_first = call.operation not in seen
        seen.add(call.operation)
        for answer in ANSWERS if is_first else [next(answers)]:
            assert_told(told(name, call, answer), call, answer)


@pytest.mark.parametrize("name", [name for name in COMMANDS if "{out}" in COMMANDS[name]])
def test_where_nothing_can_be_written_is_named_and_is_bad_input(
    hubs: Hubs, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    with hubs() as hub:
        (hub.root / "a-file").touch()
        assert hub.run(name, hub.root / "a-file" / "out") == BAD_INPUT
    assert f"{hub.root / 'a-file'}" in "".join(capsys.readouterr().err.splitlines())
