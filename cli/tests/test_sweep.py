"""A sweep that is asked of the deployed function."""

import io
import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from rich.prompt import Confirm

from logferry.command import main
from logferry.commands import console
from logferry.commands.console import BAD_INPUT, DONE, FAILED
from logferry.config import Config
from logferry.errors import SweepError
from logferry.sweep import BUSY_LIMIT_S, BUSY_PAUSE_S, SLICE_S, SweepReport, sweep

KEY = "shop/aws/lambda/orders/2026/11/21/00/direct/2026-11-21-[$LATEST]0c8f/000000.gz"


def answer(phase: str = "done", *, dry_run: bool = True, **found: dict[str, int]) -> dict[str, Any]:
    """A report as the function gives it, with an example of each finding."""
    examples = [
        {
            "finding": finding,
            "action": action,
            "bucket": "logferry-archive",
            "key": KEY,
            "version_id": "v1",
            "detail": "update in place",
        }
        for finding, actions in found.items()
        for action in actions
    ]
    still = ("would_mend", "refused", "failed")
    return {
        "about": {"started_at": "2026-11-23T06:00:00Z", "dry_run": dry_run, "since": None},
        "report_key": f"sweeps/{'dry' if dry_run else 'wet'}.json",
        "is_complete": phase == "done",
        "place": {"phase": phase},
        "listed_versions": 1200,
        "looked_at": 1100,
        "records_read": 3,
        "found": found,
        "examples": examples,
        "open_count": sum(n for each in found.values() for a, n in each.items() if a in still),
    }


def test_what_was_too_young_is_told_and_an_older_function_does_not_say() -> None:
    told = SweepReport.model_validate(answer() | {"too_young": 1234})
    assert "1,100 looked at, 1,234 too young to look at, 3 ledger" in told.progress
    assert "too young" not in SweepReport.model_validate(answer()).progress


class Busy(Exception):  # noqa: N818  (boto3's has a name of its own)
    pass


class Missing(Exception):  # noqa: N818
    pass


class Aws:
    """A session whose one function gives these answers, one after the other."""

    def __init__(self, *answers: Any, error: str = "") -> None:
        self._answers = list(answers)
        self._error = {"FunctionError": error} if error else {}
        self.asked: list[dict[str, Any]] = []
        self.exceptions = type(
            "Exceptions",
            (),
            {"TooManyRequestsException": Busy, "ResourceNotFoundException": Missing},
        )

    def client(self, service: str, *, region_name: str, config: Any) -> Any:
        assert (service, region_name) in {("lambda", "eu-west-1"), ("sts", "eu-west-1")}
        return self

    def get_caller_identity(self) -> dict[str, str]:
        return {"Account": "111122223333", "Arn": "arn:aws:iam::111122223333:user/x"}

    def invoke(self, *, FunctionName: str, Payload: str) -> dict[str, Any]:  # noqa: N803
        assert FunctionName == "logferry-sse-enforcer-sweep"
        self.asked.append(json.loads(Payload))
        given = self._answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return {**self._error, "Payload": io.BytesIO(json.dumps(given).encode())}


def deployed(monkeypatch: pytest.MonkeyPatch, *answers: Any, **options: Any) -> Aws:
    aws = Aws(*answers, **options)
    monkeypatch.setattr(boto3, "Session", lambda: aws)
    return aws


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, *, says: bool) -> list[str]:
    """Somebody is there to be asked; what they are asked is returned."""
    asked: list[str] = []

    def ask(question: str, **_: Any) -> bool:
        asked.append(question)
        return says

    monkeypatch.setattr(console.messages, "_force_terminal", True)
    monkeypatch.setattr(Confirm, "ask", ask)
    return asked


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_sweep_is_a_dry_run_that_is_followed_to_its_end(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = deployed(monkeypatch, answer("versions"), answer("ledger"), answer())

    assert run("sweep", path) == DONE

    first = {"run": "now", "dry_run": True, "full": False, "limit_s": SLICE_S}
    assert aws.asked == [first, *[first | {"report_key": "sweeps/dry.json"}] * 2]
    assert "1,200 versions listed" in capsys.readouterr().out


def test_findings_are_shown_and_are_exit_code_1(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deployed(monkeypatch, answer(wrong_key={"would_mend": 2}, write_test={"refused": 1}))

    assert run("sweep", path, "--full") == FAILED

    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "wrong_key would_mend 2" in lines
    assert f"wrong_key would_mend {KEY} v1 update in place" in lines


def test_what_is_left_alone_is_no_finding_to_mend(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(monkeypatch, answer(unknown_key={"left_alone": 5}, wrong_key={"kept": 1}))

    assert run("sweep", path) == DONE


def test_before_anything_is_mended_it_is_shown_and_asked_for(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dry = answer(wrong_key={"would_mend": 2})
    aws = deployed(monkeypatch, dry, answer(dry_run=False, wrong_key={"mended": 2}))
    asked = on_a_terminal(monkeypatch, says=True)

    assert run("sweep", path, "--apply", "--full") == DONE

    assert asked == ["Mend these 2 findings?"]
    assert [each["dry_run"] for each in aws.asked] == [True, False]
    assert all(each["full"] for each in aws.asked)
    captured = capsys.readouterr()
    assert "would_mend" in captured.err
    assert "mended" in captured.out


def test_a_no_mends_nothing_and_leaves_the_findings(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = deployed(monkeypatch, answer(wrong_key={"would_mend": 2}))
    on_a_terminal(monkeypatch, says=False)

    assert run("sweep", path, "--apply") == FAILED
    assert [each["dry_run"] for each in aws.asked] == [True]


def test_nobody_is_asked_when_there_is_nothing_to_mend(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws = deployed(monkeypatch, answer(wrong_key={"refused": 1}))
    asked = on_a_terminal(monkeypatch, says=True)

    assert run("sweep", path, "--apply") == FAILED
    assert (asked, len(aws.asked)) == ([], 1)


def test_without_a_terminal_nothing_is_mended_unless_told_so(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    aws = deployed(monkeypatch, answer(wrong_key={"would_mend": 2}), answer(dry_run=False))

    assert run("sweep", path, "--apply") == BAD_INPUT
    assert "add --yes" in capsys.readouterr().err
    assert [each["dry_run"] for each in aws.asked] == [True]
    assert run("sweep", path, "--apply", "--yes") == DONE
    assert [each["dry_run"] for each in aws.asked] == [True, False]


def test_yes_alone_mends_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    aws = deployed(monkeypatch, answer())

    assert run("sweep", path, "--yes") == DONE
    assert aws.asked[0]["dry_run"] is True


def test_json_is_the_whole_report(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = answer(wrong_key={"would_mend": 1}) | {"done": {"ObjectsUpdated": 0}}
    deployed(monkeypatch, report)

    assert run("sweep", path, "--json") == FAILED
    assert json.loads(capsys.readouterr().out) == report


def test_a_sweep_that_is_under_way_is_waited_for(config: Config) -> None:
    aws: Any = Aws(Busy(), Busy(), answer())
    paused: list[float] = []
    told: list[str] = []

    sweep(aws, config, dry_run=True, full=False, watch=told.append, pause=paused.append)

    assert paused == [BUSY_PAUSE_S] * 2
    assert told[0] == "another sweep is at work; waiting for it to pause"


def test_it_is_not_waited_for_without_end(config: Config) -> None:
    aws: Any = Aws(*[Busy() for _ in range(1000)])
    paused: list[float] = []

    with pytest.raises(SweepError, match="busy for 1200 s"):
        sweep(aws, config, dry_run=True, full=False, pause=paused.append)
    assert sum(paused) == BUSY_LIMIT_S


DENIED = ClientError({"Error": {"Code": "AccessDeniedException", "Message": "not you"}}, "Invoke")


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        (Missing(), "", "is not deployed: logferry deploy"),
        (DENIED, "", "not you"),
        (ReadTimeoutError(endpoint_url="x"), "", "timeout"),
        ({"errorMessage": "SSM parameter /x is missing"}, "Unhandled", "/x is missing"),
        ({"is_due": False}, "", "is no report"),
    ],
)
def test_what_went_wrong_is_told_and_is_exit_code_2(
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: Any,
    error: str,
    said: str,
) -> None:
    deployed(monkeypatch, given, error=error)

    assert run("sweep", path, "--json") == BAD_INPUT

    captured = capsys.readouterr()
    assert said in captured.err
    assert said in json.loads(captured.out)["error"]


def test_a_configuration_that_is_wrong_is_exit_code_2(tmp_path: Any) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("region: [Ireland]")
    assert run("sweep", str(path)) == BAD_INPUT
