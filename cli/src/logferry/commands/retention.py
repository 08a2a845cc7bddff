"""The command that says what keeping logs in CloudWatch for less long would save, and does it."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import boto3
from cyclopts import Parameter

from logferry import retention as keeping
from logferry import source_logs
from logferry.commands.console import (
    DONE,
    FAILED,
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
from logferry.config import Config, SourceConfig, load
from logferry.errors import ConfigError, RetentionError
from logferry.log_retention import Outcome
from logferry.retention import Looked, Looking
from logferry.shortened import Notes, Shortened
from logferry.shortening import Shortening
from logferry.trusted import trusted_keys
from logferry.workers import READERS, Threads
from logferry_contracts.signatures import TrustedKey
from logferry_contracts.verification.store import Mapped, Unreadable
from logferry_ledger.ledger import CLIENT_CONFIG, Ledger

COUNTED_AT_ONCE = 4
"""Of the 30 queries that an account may run, dashboards and the recounter included."""


def retention(  # noqa: PLR0913  (an option each)
    config: Path,
    /,
    *,
    profile: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    log_group: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    key: Annotated[tuple[Path, ...], Parameter(negative="", show_default=False)] = (),
    apply: Flag = False,
    undo: Flag = False,
    yes: Flag = False,
    as_json: Json = False,
) -> int:
    """Say which log groups CloudWatch could keep for less long, and what that would save.

    `logferry retention organization.yaml --key seals.pem`

    `logferry retention organization.yaml --key seals.pem --profile shop --apply`

    Nothing is changed without `--apply` or `--undo`. Of each log group that is kept for longer than
    `log_retention.min_days`, the seals are asked for all of the time that CloudWatch still has: it
    could be kept for less long where every window of it is archived, or had no event.

    With `--apply` what is found so is counted in CloudWatch, window by window, its objects are
    looked for, and where all is as it was sealed, and held, its retention is set. CloudWatch then
    deletes what is older, for good. What was set is noted with what it was before, and `--undo`
    puts that back; what was deleted meanwhile it does not bring back. Both need the role of
    deploy/retention.yaml in each account. See docs/costs.md.

    Exit code 1 where something could not be found out, such as when seals are not in order, or
    was not set although somebody had agreed to it.

    Args:
        config: What is deployed; see deploy/examples.
        profile: Only this source, or those that match, such as `shop-*`; may be given again.
        log_group: Only this log group, or those that match; may be given again.
        key: A public key in PEM by which seals have to be signed; may be given again.
        apply: Set the retentions, after showing them; needs `--key`.
        undo: Put back what was set, after showing it.
        yes: Do not ask.
        as_json: Print a JSON array of the sources.
    """
    asked = _Asked(log_group, yes=yes, as_json=as_json)
    try:
        if apply and undo:
            raise ConfigError("--apply and --undo", ["one of them"])
        chosen = load(config).chosen(profile)
        if undo:
            return _undo(chosen, asked)
        keys = trusted_keys(key)
        if apply:
            _check(chosen, are_signed=bool(keys))
        found = _looked(chosen, keys)
    except Unreadable as error:
        return told(error, FAILED, as_json=as_json)
    except told_errors() as error:
        return told(error, code_of(error), as_json=as_json)
    if as_json and not apply:
        show_json([each.as_json() for each in found])
    elif not as_json:
        _show(found, are_signed=bool(keys), is_all=not apply)
    failed = any(each.is_failed for each in found)
    if apply:
        failed |= _apply(chosen, found, keys, asked) != DONE
    return FAILED if failed else DONE


def _looked(
    chosen: Sequence[tuple[Config, list[SourceConfig]]], keys: Sequence[TrustedKey]
) -> list[Looked]:
    session, now = boto3.Session(), datetime.now(UTC)
    found = []
    with Threads(READERS) as threads:
        for hub, sources in chosen:
            looking = Looking(session, hub, keys)
            for source in sources:
                with messages.status(f"Reading the seals of {source.profile}"):
                    found.append(looking.at(source, now, mapped=threads.mapped))
    return found


def _show(found: Sequence[Looked], *, are_signed: bool, is_all: bool) -> None:
    if any(each.log_groups for each in found):
        tables.print(keeping.table(found))
    for each in found:
        if each.problem is not None:
            messages.print(f"{each.profile}: {each.problem}", style="red")
        for finding in each.findings:
            messages.print(f"{each.profile}: {finding}", style="red")
        if each.small:
            small = f"{each.small:,} more can save too little to be looked at (log_retention)"
            results.print(f"{each.profile}: {small}")
    saves = sum(each.saves_dollars for each in found)
    changed = " Nothing was changed." if is_all else ""
    results.print(f"At most ${saves:,.2f} a month.{changed}")
    if not are_signed:
        messages.print("Whether a key that you trust has signed the seals was not checked: --key.")


@dataclass(frozen=True)
class _Asked:
    """What is to be set, or put back."""

    log_groups: Sequence[str]
    yes: bool
    as_json: bool

    def has(self, name: str) -> bool:
        return not self.log_groups or any(fnmatchcase(name, glob) for glob in self.log_groups)

    def agree(self, question: str) -> None:
        if not self.yes:
            agree(question, refused=RetentionError, otherwise="nothing was changed")


@dataclass(frozen=True)
class _Done:
    """What became of a source's log groups; of none, with a problem."""

    profile: str
    outcomes: Sequence[Outcome]
    problem: str | None = None

    @classmethod
    def of_unknown(cls, looked: Looked) -> Self:
        return cls(looked.profile, (), looked.problem or looked.findings[0])

    def as_json(self) -> dict[str, Any]:
        outcomes = [each.as_json() for each in self.outcomes]
        return {"profile": self.profile, "log_groups": outcomes, "problem": self.problem}


def _check(chosen: Sequence[tuple[Config, list[SourceConfig]]], *, are_signed: bool) -> None:
    if not are_signed:
        raise ConfigError("--apply", ["needs the key by which seals have to be signed: --key"])
    for hub, _ in chosen:
        if hub.recount.state == "DISABLED":
            told = "nobody counts in CloudWatch what it will delete in its turn: state: ENABLED"
            raise ConfigError("--apply", [f"recount: {told}"])


def _apply(
    chosen: Sequence[tuple[Config, list[SourceConfig]]],
    found: Sequence[Looked],
    keys: Sequence[TrustedKey],
    asked: _Asked,
) -> int:
    """Set the retentions that were found to be safe, and print what became of them."""
    # People have been shown why nothing was found of a source.
    unknown = [_Done.of_unknown(each) for each in found if each.is_failed and asked.as_json]
    of_sources = [(hub, source) for hub, sources in chosen for source in sources]
    wanted = [
        {each.log_group for each in looked.log_groups if each.could_be_days is not None}
        for looked in found
    ]
    wanted = [{each for each in names if asked.has(each)} for names in wanted]
    count = sum(map(len, wanted))
    if not count:
        return _tell(unknown, "nothing is safe to be kept for less long", asked)
    most = sum(
        hub.log_retention.count_dollars
        for (hub, _), names in zip(of_sources, wanted, strict=True)
        if names
    )
    question = (
        f"Count {count:,} log groups in CloudWatch, for at most about ${most:,.2f}, and have it "
        "delete for good what is older?"
    )
    try:
        asked.agree(question)
        session = boto3.Session()
        with Threads(COUNTED_AT_ONCE) as threads:
            done = [
                _of_source(session, hub, source, partial(_shorten, keys, names, threads.mapped))
                for (hub, source), names in zip(of_sources, wanted, strict=True)
                if names
            ]
    except told_errors() as error:
        return told(error, code_of(error), as_json=asked.as_json)
    return _tell([*unknown, *done], "", asked)


def _undo(chosen: Sequence[tuple[Config, list[SourceConfig]]], asked: _Asked) -> int:
    """Put back what was set, and print what became of it."""
    session = boto3.Session()
    noted: list[tuple[Config, SourceConfig, list[Shortened]]] = []
    unread: list[_Done] = []
    for hub, sources in chosen:
        for source in sources:
            there, problems = _notes(session, hub, source).all()
            some = [each for each in there if each.state != "undone" and asked.has(each.log_group)]
            noted.append((hub, source, some))
            unread += [_Done(source.profile, (), each) for each in problems]
    count = sum(len(some) for *_, some in noted)
    if not count:
        return _tell(unread, "nothing was set that could be put back", asked)
    asked.agree(f"Have CloudWatch keep {count:,} log groups for as long as before?")
    done = [
        _of_source(session, hub, source, partial(_put_back, some))
        for hub, source, some in noted
        if some
    ]
    return _tell([*unread, *done], "", asked)


def _of_source(
    session: boto3.Session,
    hub: Config,
    source: SourceConfig,
    work: Callable[[Shortening], Iterable[Outcome]],
) -> _Done:
    """Do something with a source's log groups; what fails there holds up no other source."""
    outcomes: list[Outcome] = []
    try:
        sts = session.client("sts", region_name=hub.region, config=CLIENT_CONFIG)
        shortening = Shortening(
            hub=hub,
            source=source,
            logs=source_logs.reach(session, hub, source),
            notes=_notes(session, hub, source),
            by=sts.get_caller_identity()["Arn"],
            now=datetime.now(UTC),
        )
        with messages.status(f"Looking at {source.profile}"):
            outcomes.extend(work(shortening))
    except Unreadable as error:
        return _Done(source.profile, outcomes, f"{error}")
    except told_errors() as error:
        return _Done(source.profile, outcomes, f"{error}")
    return _Done(source.profile, outcomes)


def _shorten(
    keys: Sequence[TrustedKey], names: Container[str], mapped: Mapped, of: Shortening
) -> Iterator[Outcome]:
    session = boto3.Session()
    looking = Looking(session, of.hub, keys)
    s3 = session.client("s3", region_name=of.hub.region, config=CLIENT_CONFIG)
    wanted = [each for each in looking.listed(of.source, of.now) if each.name in names]
    return of.shorten(wanted, looking, Ledger(s3, of.hub.control_bucket), mapped)


def _put_back(some: Sequence[Shortened], of: Shortening) -> Iterator[Outcome]:
    return map(of.undo, some)


def _notes(session: boto3.Session, hub: Config, source: SourceConfig) -> Notes:
    s3 = session.client("s3", region_name=hub.region, config=CLIENT_CONFIG)
    return Notes(s3, hub.control_bucket, hub.source_name(source))


def _tell(done: Sequence[_Done], nothing: str, asked: _Asked) -> int:
    """Print what became of log groups, and return the exit code."""
    if asked.as_json:
        show_json([each.as_json() for each in done])
    elif nothing:
        results.print(nothing)
    else:
        tables.print(keeping.outcomes_table([(each.profile, each.outcomes) for each in done]))
    for each in done:
        if each.problem is not None:
            messages.print(f"{each.profile}: {each.problem}", style="red")
    is_all_set = all(
        each.problem is None and all(one.outcome == "set" for one in each.outcomes) for each in done
    )
    return DONE if is_all_set else FAILED
