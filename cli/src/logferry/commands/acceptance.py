"""The command that asks AWS what no emulator can say, in an account for trials."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import boto3
from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from logferry.acceptance import report
from logferry.acceptance.bench import Bench
from logferry.acceptance.cost import at_most, items
from logferry.acceptance.making import check_alone, stack_names
from logferry.acceptance.probes import PROBES
from logferry.acceptance.removal import KEY_DAYS, Removal
from logferry.acceptance.run import Run
from logferry.acceptance.state import State
from logferry.acceptance.steps import STEPS, Outcome, carry_out, remove, scheduled, what_is_left
from logferry.checkout import BUILD
from logferry.commands.console import (
    DONE,
    FAILED,
    NOT_WHOLE,
    Flag,
    Json,
    agree,
    code_of,
    messages,
    results,
    show_json,
    tables,
    told,
    told_errors,
)
from logferry.commands.whole import whole
from logferry.config import load
from logferry.credentials import account_of, check_account
from logferry.display import Display
from logferry.errors import AcceptanceError, ConfigError
from logferry.fields import Architecture, HubRegion
from logferry.package import Target, Zip, build_zips
from logferry_contracts.source import AccountId

_FOLDER = BUILD / "acceptance"


def acceptance(  # noqa: PLR0913  (an option each)
    config: Annotated[Path | None, Parameter(show_default=False)] = None,
    /,
    *,
    account: Annotated[str | None, Parameter(show_default=False)] = None,
    region: Annotated[str | None, Parameter(show_default=False)] = None,
    source_profile: Annotated[str | None, Parameter(show_default=False)] = None,
    parts_mb: Annotated[int, whole(0), Parameter(show_default=False)] = 0,
    arch: Annotated[Architecture | Literal["host"] | None, Parameter(show_default=False)] = None,
    dry_run: Flag = False,
    keep: Flag = False,
    resume: Annotated[Path | None, Parameter(show_default=False)] = None,
    clean: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Ask AWS, in an account for trials, what our code takes for granted; leave nothing behind.

    `logferry acceptance --account 111122223333 --region eu-west-1 --dry-run`

    `logferry acceptance --account 111122223333 --region eu-west-1`

    `logferry acceptance my.yaml`

    `logferry acceptance --resume build/acceptance/lf-acceptance-1a2b3c.json`

    `logferry acceptance --account 111122223333 --region eu-west-1 --clean`

    It deploys a small suite under a name of its own, archives and seals a day of it, compares event
    by event, asks questions of AWS one by one, and removes everything, also after Ctrl-C. Exit code
    0 when everything is as expected; 1 when something differs, has failed or is left; 2 for bad
    input; 3 when not everything has an answer. See docs/acceptance.md.

    Args:
        config: A configuration whose hub's account is for trials: says account, Region and
            architecture where the options do not, and nothing else.
        account: The account for trials, which the credentials have to be of.
        region: Where; no logferry may be deployed there.
        source_profile: A profile of ~/.aws/config with credentials of a second account for trials:
            the logs are that one's, and exports go from account to account.
        parts_mb: Ask also how a stream of so many MB is cut into objects; 300 cost $0.18.
        arch: What functions run on, arm64 unless said; `host` for LocalStack on this machine.
        dry_run: Say what would be made and what it can cost, and make nothing.
        keep: Leave everything there, so that `--resume` can ask later what had no answer.
        resume: The file of a run that was kept: go on with it.
        clean: Remove what runs have left behind, by its tag, and ask nothing.
        yes: Do not ask before.
        as_json: Print a JSON document.
    """
    try:
        if resume is None:
            run = replace(_begun(config, account, region, arch), parts_mb=parts_mb)
            state = State(_FOLDER / f"{run.name}.json", run)
        else:
            state = State.load(resume)
            state.run = replace(state.run, parts_mb=parts_mb or state.run.parts_mb)
        bench = _bench(state.run, source_profile, is_new=resume is None)
        state.run = bench.run
        if clean:
            return _clean(bench, yes=yes, as_json=as_json)
        hidden = _names_of_callers(bench)
        if not state.done:
            check_alone(bench)
        with messages.status("Building the Lambda zips"):
            zips = build_zips(BUILD / "zips", architecture=state.run.architecture)
        plan = _plan(state.run, zips)
        if dry_run:
            return _print_plan(plan, as_json=as_json)
        messages.print("\n".join(_plan_lines(plan)))
        if not yes:
            _agree("Make all this, and remove it again?")
        outcome = _carry_out(bench, state, zips, keep=keep)
    except KeyboardInterrupt:
        return _stopped()
    except told_errors() as error:
        # What a deploy says where it is stopped, to deploy again, is not so here.
        if isinstance(error.__cause__, KeyboardInterrupt):
            return _stopped()
        return told(error, code_of(error), as_json=as_json)
    return _reported(state, outcome, hidden, as_json=as_json)


def _stopped() -> int:
    messages.print("stopped")
    return FAILED


def _begun(
    config: Path | None,
    account: str | None,
    region: str | None,
    arch: Architecture | Literal["host"] | None,
) -> Run:
    """Return a new run.

    Raises:
        ConfigError: The account or the Region is none, or is not said.
    """
    problems: list[str] = []
    if config is not None:
        said = load(config)
        account, region = account or said.hub_account_id, region or said.region
        arch = arch or said.architecture
    for option, value, kind in (("--account", account, AccountId), ("--region", region, HubRegion)):
        try:
            TypeAdapter[str](kind).validate_python(value)
        except ValidationError as error:
            problems.append(f"{option} {value}: {error.errors()[0]['msg']}")
    if problems or account is None or region is None:
        raise ConfigError("the options", problems)
    architecture = Target.of("host").architecture if arch == "host" else arch or "arm64"
    return Run.begun(account, region, architecture, datetime.now(UTC))


def _bench(run: Run, source_profile: str | None, *, is_new: bool) -> Bench:
    """Return where a run works.

    Raises:
        ConfigError: There is no such profile, or it is not of a second account, or of another one.
        DeployError: The credentials are not of the run's account.
    """
    session = boto3.Session()
    check_account(session, run.config, run.account_id)
    if source_profile is None:
        if run.other_account_id:
            raise ConfigError("the options", [f"--source-profile: of {run.other_account_id}"])
        return Bench(session, run)
    if source_profile not in session.available_profiles:
        raise ConfigError("the options", [f"--source-profile {source_profile}: there is none"])
    source = boto3.Session(profile_name=source_profile)
    account = account_of(source, run.config)
    if account == run.account_id or (not is_new and account != run.other_account_id):
        other = run.other_account_id or f"another one than {run.account_id}"
        problem = f"--source-profile {source_profile}: of account {account}, not of {other}"
        raise ConfigError("the options", [problem])
    return Bench(session, replace(run, other_account_id=account), source_session=source)


def _arn_of_caller(bench: Bench) -> str:
    arn: str = bench.client("sts").get_caller_identity()["Arn"]
    return arn


def _names_of_callers(bench: Bench) -> set[str]:
    """Return what names those whose credentials are used, as AWS's messages may do."""
    arns = map(_arn_of_caller, bench.accounts)
    profiles = {each.session.profile_name for each in bench.accounts} - {"default"}
    return profiles.union(*map(report.names_in, arns))


def _plan(run: Run, zips: list[Zip]) -> dict[str, Any]:
    """Return what a run makes, asks and costs."""
    return {
        "run": run.name,
        "account_id": run.account_id,
        "source_account_id": run.source_account_id,
        "region": run.region,
        "tag": run.tags,
        "stacks": stack_names(run, zips),
        "steps": {step.name: list(step.commands) for step in STEPS},
        "log_groups": [group.name for group in run.loaded()],
        "questions": [probe.question.question for probe in PROBES],
        "costs": {item.what: round(item.dollars, 3) for item in items(run.parts_mb)},
        "at_most_dollars": round(at_most(run.parts_mb), 2),
    }


def _plan_lines(plan: dict[str, Any]) -> list[str]:
    (tag,) = plan["tag"].items()
    return [
        f"In account {plan['account_id']}, {plan['region']}, everything tagged {tag[0]}={tag[1]}:",
        *(f"  + stack {name}" for name in plan["stacks"][1:]),
        f"In account {plan['source_account_id']}, the source:",
        f"  + stack {plan['stacks'][0]}",
        *(f"  + log group {name}" for name in plan["log_groups"]),
        f"  + {len(plan['questions'])} questions, with log groups and functions of their own",
        "Its steps, and what you would type instead:",
        *(
            f"  {name}  {'logferry ' if typed else ''}{', '.join(typed)}".rstrip()
            for name, typed in plan["steps"].items()
        ),
        "It costs at most, in two hours:",
        *(f"  ${dollars:.3f}  {what}" for what, dollars in plan["costs"].items()),
        f"  ${plan['at_most_dollars']:.2f}  together",
        f"Everything is removed at the end; KMS deletes the keys {KEY_DAYS} days later.",
    ]


def _print_plan(plan: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        show_json(plan)
    else:
        results.print("\n".join(_plan_lines(plan)))
        results.print("Questions:\n" + "\n".join(f"  {each}" for each in plan["questions"]))
    return DONE


def _agree(question: str) -> None:
    agree(question, refused=AcceptanceError, otherwise="nothing was done")


def _carry_out(bench: Bench, state: State, zips: list[Zip], *, keep: bool) -> Outcome:
    messages.print(f"{state.run.name}: its state is in {state.path}")
    with Display(messages) as display:
        return carry_out(
            bench,
            state,
            zips,
            keep=keep,
            tell=lambda step: messages.print(f"- {step}"),
            watch=display.watch,
        )


def _reported(state: State, outcome: Outcome, hidden: set[str], *, as_json: bool) -> int:
    """Print what was found, and return the exit code."""
    run, answers = state.run, outcome.answers
    shared = state.path.with_suffix(".share.json")
    text = json.dumps(report.shareable(run, answers, hidden), indent=2, ensure_ascii=False)
    shared.write_text(f"{text}\n", encoding="utf-8")
    if as_json:
        show_json(report.document(run, answers, outcome.left))
    else:
        tables.print(report.table(answers))
        for verdict, count in report.counts(answers).items():
            results.print(f"{verdict}  {count}")
    messages.print(f"without account ids, names and ARNs: {shared}")
    verdicts = report.counts(answers).keys()
    if outcome.left or verdicts & {"differs", "failed"}:
        return FAILED
    return NOT_WHOLE if verdicts - {"as expected"} else DONE


def _clean(bench: Bench, *, yes: bool, as_json: bool) -> int:
    """Remove what runs have left in an account and Region, and return the exit code."""
    with Display(messages) as display:
        removals = [Removal(each.client, display.watch) for each in bench.accounts]
        found = [thing for removal in removals for thing in removal.left()]
        if found:
            messages.print("\n".join(f"  - {each.kind} {each.id}" for each in found))
            if not yes:
                _agree("Remove all this, with what is in it?")
        left = remove(removals) if found else []
    if as_json:
        removed = [f"{each.kind} {each.id}" for each in found]
        show_json({"found": removed, "left": left})
    else:
        results.print(f"found  {len(found)}\nleft  {len(left)}")
    messages.print("\n".join(what_is_left(left, scheduled(removals))))
    return FAILED if left else DONE
