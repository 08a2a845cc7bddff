"""The acceptance kit by itself: what a run is, what it says, and the command."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from logferry.acceptance import report, steps
from logferry.acceptance.answer import Answer, NotAsked, NotYet, Question, Unanswerable
from logferry.acceptance.bench import Bench
from logferry.acceptance.cost import at_most
from logferry.acceptance.making import TEMPLATE, check_alone, stack_names
from logferry.acceptance.probe import Probe, Seen
from logferry.acceptance.probes import PROBES, parts, permissions
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
TWO_ACCOUNTS = replace(RUN, other_account_id="444455556666")


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
    assert 0.1 < at_most() < 0.5


def test_what_is_put_in_to_see_how_a_stream_is_cut_is_paid_for() -> None:
    assert at_most(parts_mb=300) == pytest.approx(at_most() + 0.18)


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
        (raising(NotAsked("needs --light")), "not asked"),
        (raising(refused(501)), "cannot be answered here"),
        (raising(refused(500)), "failed"),
    ],
    ids=["same", "other", "unanswerable", "not yet", "not asked", "not implemented", "refused"],
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


@pytest.mark.parametrize(
    "said",
    [
        "User: arn:aws:sts::444455556666:assumed-role/Admin,team=a/jane,doe@corp.example is not",
        "Could not connect to proxy http://jane:secret@proxy.corp.example:3128/",
        "user jane.doe@corp.example of 4444-5555-6666",
        "host logs.eu-west-1.amazonaws.com, ip-10-0-3-1.eu-west-1.compute.internal, 10.20.30.40",
        "no file /home/jane/.aws/config, nor ~/.aws/credentials",
        "key mrk-0123456789abcdef0123456789abcdef of AKIAIOSFODNN7EXAMPLE",
        "denied by p-1a2b3c4d5e in o-exampleorgid under ou-ab12-cd34ef56",
        "The config profile (corp-prod) could not be found",
        "the session of janedoe has expired",
    ],
)
def test_no_message_of_awss_names_anybody(said: str) -> None:
    answer = Answer.of(QUESTION, "brown", {"message": said}).as_json()
    names = {"corp-prod"} | report.names_in(f"arn:aws:sts::{ACCOUNT}:assumed-role/Own/janedoe")

    shared = report.shareable(RUN, [answer], names)

    text = shared["answers"][0]["details"]["message"]
    for hidden in ("jane", "doe", "corp", "4444", "6666", "secret", "10.", "amazonaws", "internal"):
        assert hidden not in text
    for hidden in ("mrk-", "AKIA", "p-1a", "o-ex", "ou-ab", "Admin", ".aws"):
        assert hidden not in text


def test_what_is_to_be_sent_keeps_what_answers() -> None:
    details = {"without s3:PutObject": "AccessDenied: PutObject call failed, 2 of 20 (400)"}
    answer = Answer.of(QUESTION, "HeadObject 400, GetObject KMS.DisabledException", details)
    shared = report.shareable(
        RUN, [answer.as_json()], report.names_in(f"arn:aws:iam::{ACCOUNT}:root")
    )
    assert shared["answers"] == [answer.as_json()]


def test_a_name_hides_no_part_of_another_word() -> None:
    answer = Answer.of(QUESTION, "after 60 seconds", {"by": "profile second"}).as_json()
    (shared,) = report.shareable(RUN, [answer], {"second"})["answers"]
    assert shared["seen"] == "after 60 seconds"
    assert shared["details"] == {"by": "profile <name>"}


def test_no_second_suite_is_deployed_beside_one() -> None:
    class Topics:
        def get_paginator(self, _: str) -> "Topics":
            return self

        def paginate(self) -> list[dict[str, Any]]:
            arn = f"arn:aws:sns:eu-west-1:{ACCOUNT}:log-export-events"
            return [{"Topics": [{"TopicArn": arn}]}]

    tried = bench()
    tried.client = lambda _: Topics()  # type: ignore[assignment, method-assign]
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


def test_both_accounts_are_cleared(
    state: State, removal: NothingLeft, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_the_source = NothingLeft([Thing("stack", "lf-acceptance-1a2b3c-source", RUN.name)])
    both = iter((removal, of_the_source))
    monkeypatch.setattr(steps, "Removal", lambda *_: next(both))
    session: Any = object()
    two = Bench(session, TWO_ACCOUNTS, source_session=session, sleep=lambda _: None)

    outcome = steps.carry_out(two, state, [], keep=False, probes=[GREEN])

    assert removal.removed
    assert of_the_source.removed
    assert outcome.left == ["stack lf-acceptance-1a2b3c-source", "no bucket could be listed"]


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
    monkeypatch.setattr(command, "_names_of_callers", lambda _: {"jane"})
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
        (["as expected", "not asked"], 3),
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
    assert plan["at_most_dollars"] == round(at_most(), 2)
    assert not (tmp_path / "runs").exists()


def test_without_a_terminal_nothing_is_made(
    sandbox: list[Answer], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(*HERE) == 1
    assert "add --yes or --dry-run" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_a_configuration_says_account_region_and_architecture(
    sandbox: list[Answer], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "my.yaml").write_text(
        f"""{{region: eu-north-1, hub_account_id: "{ACCOUNT}", time_zone: UTC, sources: [
        {{profile: a, account_id: "{ACCOUNT}", schedule: "cron(10 3 * * ? *)"}}]}}"""
    )
    assert run(str(tmp_path / "my.yaml"), "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["account_id"], plan["region"]) == (ACCOUNT, "eu-north-1")


@pytest.fixture
def profiles(sandbox: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two profiles of AWS: one of the account itself, one of a second one."""
    config = tmp_path / "config"
    config.write_text("[profile same]\nregion=eu-west-1\n[profile second]\nregion=eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setattr(
        command,
        "account_of",
        lambda session, _: {"same": ACCOUNT, "second": "444455556666"}[session.profile_name],
    )


@pytest.mark.usefixtures("profiles")
def test_a_second_account_is_the_sources(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*HERE, "--source-profile", "second", "--dry-run", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["account_id"], plan["source_account_id"]) == (ACCOUNT, "444455556666")


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(
    ("profile", "problem"),
    [("none", "there is none"), ("same", "of account 111122223333, not of another one than")],
)
def test_a_source_profile_is_of_another_account(
    profile: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*HERE, "--source-profile", profile, "--dry-run") == 2
    assert f"--source-profile {profile}: {problem}" in capsys.readouterr().err


@pytest.mark.usefixtures("profiles")
def test_a_run_with_a_second_account_is_gone_on_with_there(
    state: State, capsys: pytest.CaptureFixture[str]
) -> None:
    state.run = replace(RUN, other_account_id="777788889999")
    state.save()
    assert run("--resume", str(state.path), "--yes") == 2
    assert "--source-profile: of 777788889999" in capsys.readouterr().err
    assert run("--resume", str(state.path), "--source-profile", "second", "--yes") == 2
    assert "of account 444455556666, not of 777788889999" in capsys.readouterr().err


def test_a_run_that_is_stopped_amid_a_deploy_tells_nobody_to_deploy_again(
    sandbox: list[Answer], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(*_: object, **__: object) -> steps.Outcome:
        raise DeployError("interrupted; deploy again to go on") from KeyboardInterrupt()

    monkeypatch.setattr(command, "carry_out", stopped)
    assert run(*HERE, "--yes") == 1
    said = capsys.readouterr().err
    assert said.endswith("stopped\n")
    assert "deploy again" not in said


def test_what_is_wrong_with_the_options_is_all_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--account", "1", "--region", "mars-1") == 2
    said = capsys.readouterr().err
    assert "--account 1" in said
    assert "--region mars-1" in said


SOURCES_ROLE = [
    {"Sid": "Export", "Action": "logs:CreateExportTask"},
    {"Sid": "EncryptInTheArchive", "Action": ["kms:GenerateDataKey", "kms:Decrypt"]},
]
POLICIES = {"bucket": ("LogsExport",), "key": ("SourceRoles",)}


class Asked:
    """An AWS that takes an export with all that the templates give, and without what is spared.

    Attributes:
        policies: The archive's, as JSON, by what has them.
        asked: With which actions exports were asked for, and which statements there were.
    """

    def __init__(self, spared: set[str] | None) -> None:
        self.spared = spared
        self.policies = {
            holder: json.dumps({"Statement": [{"Sid": sid} for sid in (*sids, "Other")]})
            for holder, sids in POLICIES.items()
        }
        self.asked: list[set[str]] = []

    def create(self, _bench: Bench, _group: str, statements: Any) -> str:
        given = set(permissions._actions(statements))
        for text in self.policies.values():
            given |= {each["Sid"] for each in json.loads(text)["Statement"]}
        self.asked.append(given)
        missing = {*permissions._actions(SOURCES_ROLE), *chain(*POLICIES.values())} - given  # type: ignore[arg-type]
        is_enough = self.spared is not None and missing <= self.spared
        return "accepted" if statements and is_enough else "AccessDeniedException: no"

    def of_the_archive(self, _bench: Bench) -> list[permissions.Policy]:
        return [
            permissions.Policy(
                holder,
                sids,
                partial(self.policies.get, holder),  # type: ignore[arg-type]
                partial(self.write, holder),
            )
            for holder, sids in POLICIES.items()
        ]

    def write(self, holder: str, text: str) -> None:
        self.policies[holder] = text


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[str] | None], Asked]:
    def made(spared: set[str] | None) -> Asked:
        asked = Asked(spared)
        monkeypatch.setattr(permissions, "_create", asked.create)
        monkeypatch.setattr(permissions, "_policies", asked.of_the_archive)
        monkeypatch.setattr(permissions, "_original", lambda _, policy: policy.read())
        monkeypatch.setattr(permissions, "_be_trusted", lambda _: None)
        monkeypatch.setattr(permissions, "_statements", lambda _: SOURCES_ROLE)
        monkeypatch.setattr(Bench, "make_group", lambda *_: "group")
        return asked

    return made


@pytest.mark.parametrize(
    ("spared", "seen"),
    [
        (set(), "accepted with all alone"),
        ({"kms:Decrypt"}, "accepted: all, without kms:Decrypt"),
        ({"SourceRoles"}, "accepted: all, without the key's SourceRoles"),
    ],
)
def test_each_permission_of_the_role_and_each_statement_is_missing_once(
    spared: set[str], seen: str, asked: Callable[[set[str] | None], Asked]
) -> None:
    aws = asked(spared)
    before = dict(aws.policies)

    answered, details = permissions._needed(bench(TWO_ACCOUNTS))

    assert answered == seen
    assert list(details) == [
        "all",
        "without logs:CreateExportTask",
        "without kms:GenerateDataKey",
        "without kms:Decrypt",
        "without the bucket's LogsExport",
        "without the key's SourceRoles",
    ]
    every = {*permissions._actions(SOURCES_ROLE), *chain(*POLICIES.values())}  # type: ignore[arg-type]
    missing = [every - given for given in aws.asked]
    assert all({name} in missing for name in every)
    assert aws.policies == before


def test_with_all_permissions_an_export_may_be_refused(
    asked: Callable[[set[str] | None], Asked],
) -> None:
    asked(None)
    answered, details = permissions._needed(bench(TWO_ACCOUNTS))
    assert answered == "refused"
    assert details == {"all": "AccessDeniedException: no"}


def test_within_one_account_nothing_is_said_of_exports_across_accounts(
    asked: Callable[[set[str] | None], Asked],
) -> None:
    asked(set())
    with pytest.raises(NotAsked, match="needs --source-profile") as raised:
        permissions._needed(bench())
    assert "without kms:Decrypt" in raised.value.details


def test_a_permission_that_is_not_needed_is_said_within_one_account_too(
    asked: Callable[[set[str] | None], Asked],
) -> None:
    asked({"kms:Decrypt"})
    assert permissions._needed(bench())[0] == "accepted: all, without kms:Decrypt"


def test_where_nobody_is_refused_no_permission_can_be_asked_for(
    asked: Callable[[set[str] | None], Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked(set())
    monkeypatch.setattr(permissions, "_create", lambda *_: "accepted")
    with pytest.raises(Unanswerable, match="they have no effect here"):
        permissions._needed(bench(TWO_ACCOUNTS))


def test_without_its_option_a_large_stream_is_not_asked_for() -> None:
    with pytest.raises(NotAsked, match="--parts-mb"):
        parts._parts(bench())
