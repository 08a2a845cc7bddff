"""The command that asks AWS what no emulator can say, in an account for trials."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import boto3
from cyclopts import Parameter
from pydantic import TypeAdapter, ValidationError

from logferry.acceptance import report
from logferry.acceptance.bench import Bench
from logferry.acceptance.cost import AT_MOST, ITEMS
from logferry.acceptance.making import check_alone, stack_names
from logferry.acceptance.probes import PROBES
from logferry.acceptance.removal import KEY_DAYS, Removal
from logferry.acceptance.run import Run
from logferry.acceptance.state import State
from logferry.acceptance.steps import Outcome, carry_out, remove, what_is_left
from logferry.checkout import BUILD
from logferry.commands.console import (
    DONE,
    FAILED,
    Flag,
    Json,
    agree,
    code_of,
    messages,
    results,
    tables,
    told,
    told_errors,
)
from logferry.credentials import check_account
from logferry.display import Display
from logferry.errors import AcceptanceError, ConfigError
from logferry.fields import Architecture, HubRegion
from logferry.package import Target, Zip, build_zips
from logferry_contracts.source import AccountId

NOT_WHOLE = 3
"""Nothing differs from what is expected, but not everything has an answer."""
_FOLDER = BUILD / "acceptance"


def acceptance(  # noqa: PLR0913  (an option each)
    *,
    account: Annotated[str | None, Parameter(show_default=False)] = None,
    region: Annotated[str | None, Parameter(show_default=False)] = None,
    arch: Architecture | Literal["host"] = "arm64",
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

    `logferry acceptance --resume build/acceptance/lf-acceptance-1a2b3c.json`

    `logferry acceptance --account 111122223333 --region eu-west-1 --clean`

    It deploys a small suite under a name of its own, archives and seals a day of it, compares event
    by event, asks questions of AWS one by one, and removes everything, also after Ctrl-C. Exit code
    0 when everything is as expected; 1 when something differs, has failed or is left; 2 for bad
    input; 3 when not everything has an answer. See docs/acceptance.md.

    Args:
        account: The account for trials, which the credentials have to be of.
        region: Where; no logferry may be deployed there.
        arch: What functions run on; `host` for LocalStack on this machine.
        dry_run: Say what would be made and what it can cost, and make nothing.
        keep: Leave everything there, so that `--resume` can ask later what had no answer.
        resume: The file of a run that was kept: go on with it.
        clean: Remove what runs have left behind, by its tag, and ask nothing.
        yes: Do not ask before.
        as_json: Print a JSON document.
    """
    try:
        if clean:
            return _clean(_begun(account, region, arch), yes=yes, as_json=as_json)
        state = _state(account, region, arch, resume)
        bench = Bench(boto3.Session(), state.run)
        check_account(bench.session, state.run.config, state.run.account_id)
        if not state.done:
            check_alone(bench)
        with messages.status("Building the Lambda zips"):
            zips = build_zips(BUILD / "zips", architecture=state.run.architecture)
        plan = _plan(state.run, zips)
        if dry_run:
            return _print_plan(plan, as_json=as_json)
        messages.print("\n".join(_plan_lines(plan)), markup=False)
        if not yes:
            _agree("Make all this, and remove it again?")
        outcome = _carry_out(bench, state, zips, keep=keep)
    except KeyboardInterrupt:
        messages.print("stopped")
        return FAILED
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    return _reported(state, outcome, as_json=as_json)


def _begun(account: str | None, region: str | None, arch: Architecture | Literal["host"]) -> Run:
    """Return a new run.

    Raises:
        ConfigError: The account or the Region is none, or is not said.
    """
    problems: list[str] = []
    for option, value, kind in (("--account", account, AccountId), ("--region", region, HubRegion)):
        try:
            TypeAdapter[str](kind).validate_python(value)
        except ValidationError as error:
            problems.append(f"{option} {value}: {error.errors()[0]['msg']}")
    if problems or account is None or region is None:
        raise ConfigError("the options", problems)
    architecture = Target.of("host").architecture if arch == "host" else arch
    return Run.begun(account, region, architecture, datetime.now(UTC))


def _state(
    account: str | None,
    region: str | None,
    arch: Architecture | Literal["host"],
    resume: Path | None,
) -> State:
    if resume is not None:
        return State.load(resume)
    run = _begun(account, region, arch)
    return State(_FOLDER / f"{run.name}.json", run)


def _plan(run: Run, zips: list[Zip]) -> dict[str, Any]:
    """Return what a run makes, asks and costs."""
    return {
        "run": run.name,
        "account_id": run.account_id,
        "region": run.region,
        "tag": run.tags,
        "stacks": stack_names(run, zips),
        "log_groups": [group.name for group in run.loaded()],
        "questions": [probe.question.question for probe in PROBES],
        "costs": {item.what: round(item.dollars, 3) for item in ITEMS},
        "at_most_dollars": round(AT_MOST, 2),
    }


def _plan_lines(plan: dict[str, Any]) -> list[str]:
    (tag,) = plan["tag"].items()
    return [
        f"In account {plan['account_id']}, {plan['region']}, everything tagged {tag[0]}={tag[1]}:",
        *(f"  + stack {name}" for name in plan["stacks"]),
        *(f"  + log group {name}" for name in plan["log_groups"]),
        f"  + {len(plan['questions'])} questions, with log groups and functions of their own",
        "It costs at most, in two hours:",
        *(f"  ${dollars:.3f}  {what}" for what, dollars in plan["costs"].items()),
        f"  ${plan['at_most_dollars']:.2f}  together",
        f"Everything is removed at the end; KMS deletes the keys {KEY_DAYS} days later.",
    ]


def _print_plan(plan: dict[str, Any], *, as_json: bool) -> int:
    if as_json:
        results.print_json(json.dumps(plan))
    else:
        results.print("\n".join(_plan_lines(plan)), markup=False)
        results.print("Questions:\n" + "\n".join(f"  {each}" for each in plan["questions"]))
    return DONE


def _agree(question: str) -> None:
    agree(question, refused=AcceptanceError, otherwise="nothing was done")


def _carry_out(bench: Bench, state: State, zips: list[Zip], *, keep: bool) -> Outcome:
    messages.print(f"{state.run.name}: its state is in {state.path}", markup=False)
    with Display(messages) as display:
        return carry_out(
            bench,
            state,
            zips,
            keep=keep,
            tell=lambda step: messages.print(f"- {step}", markup=False),
            watch=display.watch,
        )


def _reported(state: State, outcome: Outcome, *, as_json: bool) -> int:
    """Print what was found, and return the exit code."""
    run, answers = state.run, outcome.answers
    shared = state.path.with_suffix(".share.json")
    shared.write_text(
        json.dumps(report.shareable(run, answers), indent=2, ensure_ascii=False) + "\n"
    )
    if as_json:
        results.print_json(json.dumps(report.document(run, answers, outcome.left)))
    else:
        tables.print(report.table(answers))
        for verdict, count in report.counts(answers).items():
            results.print(f"{verdict}  {count}")
    messages.print(f"without account ids, names and ARNs: {shared}", markup=False)
    verdicts = report.counts(answers).keys()
    if outcome.left or verdicts & {"differs", "failed"}:
        return FAILED
    return NOT_WHOLE if verdicts - {"as expected"} else DONE


def _clean(run: Run, *, yes: bool, as_json: bool) -> int:
    """Remove what runs have left in an account and Region, and return the exit code."""
    bench = Bench(boto3.Session(), run)
    check_account(bench.session, run.config, run.account_id)
    with Display(messages) as display:
        removal = Removal(bench.client, display.watch)
        found = removal.left()
        if found:
            messages.print("\n".join(f"  - {each.kind} {each.id}" for each in found), markup=False)
            if not yes:
                _agree("Remove all this, with what is in it?")
        left = remove(removal) if found else []
    if as_json:
        removed = [f"{each.kind} {each.id}" for each in found]
        results.print_json(json.dumps({"found": removed, "left": left}))
    else:
        results.print(f"found  {len(found)}\nleft  {len(left)}")
    messages.print("\n".join(what_is_left(left, removal.scheduled())), markup=False)
    return FAILED if left else DONE
