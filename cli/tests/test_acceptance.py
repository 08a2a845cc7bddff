"""The acceptance kit by itself: what a run is, what it says, and the command."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from logferry.acceptance import report, steps
from logferry.acceptance.answer import Answer, NotYet, Question, Unanswerable
from logferry.acceptance.bench import Bench
from logferry.acceptance.cost import AT_MOST
from logferry.acceptance.making import TEMPLATE, check_alone, stack_names
from logferry.acceptance.probe import Probe, Seen
from logferry.acceptance.probes import PROBES
from logferry.acceptance.run import Run
from logferry.acceptance.state import State
from logferry.acceptance.things import Thing
from logferry.checkout import ROOT
from logferry.command import main
from logferry.commands import acceptance as command
from logferry.errors import AcceptanceError, ConfigError, DeployError
from logferry.package import Zip
from logferry.template import load_template

ACCOUNT = "111122223333"
QUESTION = Question(
    name="grass", question="What colour?", expected="green", relies="README.md", means="Mow it."
)
RUN = Run(id="1a2b3c", account_id=ACCOUNT, region="eu-west-1", day=date(2026, 11, 27))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "lf-acceptance-1a2b3c.json", RUN)


def bench(run: Run = RUN) -> Bench:
    return Bench(None, run, sleep=lambda _: None, patience_s=0)  # type: ignore[arg-type]


def test_a_run_collects_the_day_that_has_ended() -> None:
    run = Run.begun(ACCOUNT, "eu-west-1", "arm64", datetime(2026, 12, 1, 0, 0, 5, tzinfo=UTC))
    assert run.day == date(2026, 11, 30)
    assert run.window.start.isoformat() == "2026-11-30T00:00:00+00:00"


def test_a_runs_suite_has_its_name_and_no_schedule_and_retains_nothing() -> None:
    config = RUN.config
    assert config.name == "lf-acceptance-1a2b3c"
    assert [source.state for source in config.sources] == ["DISABLED"]
    assert config.sse_enforcer.sweep.state == "DISABLED"
    assert config.archive.default_retention is None
    longest = replace(RUN, region="ap-southeast-7").config
    assert len(f"{longest.name}-artifacts-{ACCOUNT}-{longest.region}") <= 63


def test_a_runs_events_are_of_its_day_and_in_order() -> None:
    for group in RUN.loaded():
        for events in group.streams.values():
            times = [at_ms for at_ms, _ in events]
            assert times == sorted(times)
            assert RUN.window.from_ms == times[0]
            assert times[-1] < RUN.window.to_ms


def test_the_stacks_are_the_sources_the_suites_and_the_probes(some_zips: list[Zip]) -> None:
    names = [name.removeprefix("lf-acceptance-1a2b3c-") for name in stack_names(RUN, some_zips)]
    assert names == [
        "source",
        "artifacts",
        "archive",
        "sealer",
        "sse-enforcer",
        "exporter-acceptance-1a2b3c",
        "planner",
        "probes",
    ]


def test_everything_in_the_probes_stack_that_takes_tags_has_the_runs() -> None:
    takes_none = {"AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::Events::Rule"}
    for resource in load_template(TEMPLATE.read_text())["Resources"].values():
        if resource["Type"] not in takes_none:
            tags = resource["Properties"]["Tags"]
            assert tags == [{"Key": "application", "Value": {"Ref": "Name"}}]


def test_a_run_costs_less_than_half_a_dollar() -> None:
    assert 0.1 < AT_MOST < 0.5


def test_every_question_has_a_name_of_its_own_and_a_file_that_is_there() -> None:
    questions = [probe.question for probe in PROBES]
    assert len({question.name for question in questions}) == len(questions)
    for question in questions:
        assert (ROOT / question.relies).is_file(), question.relies


def raising(error: Exception) -> Callable[[Bench], Seen]:
    def ask(_: Bench) -> Seen:
        raise error

    return ask


def refused(status: int) -> ClientError:
    answer: Any = {
        "Error": {"Code": "InternalFailure", "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "PutGrass")


@pytest.mark.parametrize(
    ("ask", "verdict"),
    [
        (lambda _: ("green", {}), "as expected"),
        (lambda _: ("brown", {}), "differs"),
        (raising(Unanswerable("it is dark")), "cannot be answered here"),
        (raising(NotYet("tomorrow")), "not answered"),
        (raising(refused(501)), "cannot be answered here"),
        (raising(refused(500)), "failed"),
    ],
    ids=["same", "other", "unanswerable", "not yet", "not implemented", "refused"],
)
def test_whatever_a_probe_meets_is_an_answer(ask: Callable[[Bench], Seen], verdict: str) -> None:
    answer = Probe(QUESTION, ask).answer(bench())
    assert answer.verdict == verdict
    assert answer.as_json()["means"] == ("Mow it." if verdict in {"differs", "failed"} else "")


def test_what_has_no_end_is_given_up_and_said_so() -> None:
    with pytest.raises(NotYet, match="the grass: not after"):
        bench().until("the grass", lambda: None)


def test_a_state_is_what_was_saved(state: State) -> None:
    state.finish("make")
    state.add(Answer.of(QUESTION, "brown", {"why": "summer"}))
    assert State.load(state.path) == state
    assert state.has_answered(QUESTION)


def test_what_had_no_answer_is_asked_again(state: State) -> None:
    state.add(Answer(question=QUESTION, verdict="not answered", seen="tomorrow"))
    assert not State.load(state.path).has_answered(QUESTION)


@pytest.mark.parametrize("text", ["", "[]", '{"format": 2}', '{"format": 1, "run": {}}'])
def test_a_file_that_is_no_state_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"state\.json"):
        State.load(path)


def test_what_is_to_be_sent_names_nobody() -> None:
    details = {
        "message": f"arn:aws-cn:kms:cn-north-1:{ACCOUNT}:key/1, of {RUN.name}, is disabled",
        "bucket": f"{RUN.name}-probes-{ACCOUNT}-eu-west-1",
        "other": "account 444455556666, task 0a1b2c3d-1111-2222-3333-444455556666",
        "queue": "https://sqs.eu-west-1.amazonaws.com/1/acceptance-1a2b3c",
        "state": "green",
    }
    document = report.shareable(RUN, [Answer.of(QUESTION, "brown", details).as_json()])
    text = json.dumps(document)
    assert not re.search(r"arn:|[0-9]{12}|1a2b3c|0a1b2c3d|https", text)
    assert '"state": "green"' in text
    assert '"seen": "brown"' in text


def test_no_second_suite_is_deployed_beside_one() -> None:
    class Topics:
        def get_paginator(self, _: str) -> "Topics":
            return self

        def paginate(self) -> list[dict[str, Any]]:
            arn = f"arn:aws:sns:eu-west-1:{ACCOUNT}:log-export-events"
            return [{"Topics": [{"TopicArn": arn}]}]

    tried = bench()
    tried.client = lambda _: Topics()
    with pytest.raises(AcceptanceError, match="a logferry is deployed in account 111122223333"):
        check_alone(tried)


class NothingLeft:
    """A removal that removes everything."""

    def __init__(self, left: list[Thing]) -> None:
        self.removed = False
        self._left = left

    def left(self) -> list[Thing]:
        return self._left

    def remove(self) -> list[str]:
        self.removed = True
        return ["no bucket could be listed"] if self._left else []

    def scheduled(self) -> list[str]:
        return ["a key"]


@pytest.fixture
def removal(monkeypatch: pytest.MonkeyPatch) -> NothingLeft:
    made = NothingLeft([])
    monkeypatch.setattr(steps, "Removal", lambda *_: made)
    monkeypatch.setattr(steps, "make", lambda *_: None)
    monkeypatch.setattr(steps, "load", lambda _: None)
    monkeypatch.setattr(steps, "_FLOW", ())
    return made


GREEN = Probe(QUESTION, lambda _: ("green", {}))


def test_a_run_asks_and_removes(state: State, removal: NothingLeft) -> None:
    told: list[str] = []
    outcome = steps.carry_out(bench(), state, [], keep=False, probes=[GREEN], tell=told.append)
    kms = "left: keys that KMS deletes in 7 days: 1"
    assert told == ["make", "load", "grass", "remove", kms]
    assert [answer["verdict"] for answer in outcome.answers] == ["as expected"]
    assert removal.removed


def test_a_run_that_is_kept_is_gone_on_with(state: State, removal: NothingLeft) -> None:
    late = Probe(QUESTION, raising(NotYet("tomorrow")))
    steps.carry_out(bench(), state, [], keep=True, probes=[late])
    assert not removal.removed

    told: list[str] = []
    again = State.load(state.path)
    outcome = steps.carry_out(bench(), again, [], keep=False, probes=[GREEN], tell=told.append)

    assert told[:2] == ["grass", "remove"]
    assert [answer["verdict"] for answer in outcome.answers] == ["as expected"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, DeployError, ZeroDivisionError])
def test_whatever_ends_a_run_it_is_removed(
    error: type[BaseException], state: State, removal: NothingLeft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(*_: object) -> None:
        raise error

    monkeypatch.setattr(steps, "make", make)
    with pytest.raises(error):
        steps.carry_out(bench(), state, [], keep=False, probes=[GREEN])
    assert removal.removed


def test_a_flow_that_ends_early_keeps_no_question_from_being_asked(
    state: State, removal: NothingLeft, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(_: Bench) -> Answer:
        raise DeployError("no planner")

    question = replace(QUESTION, name="flow")
    monkeypatch.setattr(steps, "_FLOW", (("plan", question, plan), ("secure", question, plan)))
    outcome = steps.carry_out(bench(), state, [], keep=False, probes=[GREEN])
    assert [(each["name"], each["verdict"]) for each in outcome.answers] == [
        ("flow", "failed"),
        ("grass", "as expected"),
    ]


def test_what_is_listed_after_the_removal_is_left(state: State, removal: NothingLeft) -> None:
    removal._left.append(Thing("bucket", "b", RUN.name))
    outcome = steps.carry_out(bench(), state, [], keep=False, probes=[])
    assert outcome.left == ["bucket b", "no bucket could be listed"]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["acceptance", *arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch, some_zips: list[Zip], tmp_path: Path) -> list[Answer]:
    """The answers of the next run; nobody is asked."""
    answers: list[Answer] = []

    def carry_out(_bench: Bench, state: State, *_: object, **__: object) -> steps.Outcome:
        for answer in answers:
            state.add(answer)
        return steps.Outcome(answers=list(state.answers.values()))

    monkeypatch.setattr(command, "check_account", lambda *_: None)
    monkeypatch.setattr(command, "check_alone", lambda _: None)
    monkeypatch.setattr(command, "build_zips", lambda *_, **__: some_zips)
    monkeypatch.setattr(command, "carry_out", carry_out)
    monkeypatch.setattr(command, "_FOLDER", tmp_path / "runs")
    return answers


HERE = ("--account", ACCOUNT, "--region", "eu-west-1")


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        (["as expected"], 0),
        (["as expected", "cannot be answered here"], 3),
        (["as expected", "not answered"], 3),
        (["cannot be answered here", "differs"], 1),
        (["failed"], 1),
    ],
)
def test_the_exit_code_says_the_worst(
    verdicts: list[Any], code: int, sandbox: list[Answer], capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox += [
        Answer(question=replace(QUESTION, name=f"q{n}"), verdict=verdict, seen="x")
        for n, verdict in enumerate(verdicts)
    ]
    assert run(*HERE, "--yes", "--json") == code
    document = json.loads(capsys.readouterr().out)
    assert [answer["verdict"] for answer in document["answers"]] == verdicts


def test_a_difference_is_shown_with_what_it_means_and_the_file(
    sandbox: list[Answer], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    sandbox.append(Answer.of(QUESTION, "brown", {"code": "Drought"}))
    assert run(*HERE, "--yes") == 1
    shown = capsys.readouterr().out
    assert "Mow it. (README.md)" in shown
    assert "code: Drought" in shown
    (shared,) = tmp_path.glob("runs/*.share.json")
    assert json.loads(shared.read_text())["answers"][0]["seen"] == "brown"


def test_a_dry_run_says_what_would_be_made_and_what_it_costs(
    sandbox: list[Answer], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(*HERE, "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert len(plan["stacks"]) == 8
    assert plan["tag"] == {"application": plan["run"]}
    assert len(plan["questions"]) == len(PROBES)
    assert plan["at_most_dollars"] == round(AT_MOST, 2)
    assert not (tmp_path / "runs").exists()


def test_without_a_terminal_nothing_is_made(
    sandbox: list[Answer], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(*HERE) == 1
    assert "add --yes or --dry-run" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_what_is_wrong_with_the_options_is_all_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--account", "1", "--region", "mars-1") == 2
    said = capsys.readouterr().err
    assert "--account 1" in said
    assert "--region mars-1" in said
