"""A run from its beginning to its end, which is that nothing is left of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from logferry.acceptance import flow
from logferry.acceptance.answer import Answer, NotYet, Question
from logferry.acceptance.bench import Bench
from logferry.acceptance.making import load, make
from logferry.acceptance.probe import Probe
from logferry.acceptance.probes import PROBES
from logferry.acceptance.removal import KEY_DAYS, Removal
from logferry.acceptance.state import State
from logferry.aws_errors import AWS_ERRORS
from logferry.package import Zip
from logferry.stack import Watch
from logferry_ledger.errors import LogferryError

type Tell = Callable[[str], None]
"""Told what begins, in a few words."""


@dataclass(frozen=True)
class Step:
    """What a run does, one after the other.

    Attributes:
        commands: Of ``logferry``, by which a person does the same: the quick start's.
    """

    name: str
    does: str
    commands: tuple[str, ...] = ()


STEPS = (
    Step(
        "make",
        "the source's role, the suite without its dashboard, and a stack for the probes",
        ("deploy-source-account", "deploy"),
    ),
    Step("load", "two log groups, one for each lane, with yesterday's events"),
    Step("plan", "the day is planned", ("plan",)),
    Step("secure", "every export ends, under the archive's key and on hold", ("status",)),
    Step("seal", "the day's seal", ("seal",)),
    Step("verify", "it is checked to the event, with the public key", ("verify",)),
    Step("search", "events of the day are found by what its seal says", ("search",)),
    Step("compare", "the archive against what was put in, event by event"),
    Step("probes", "the questions, each on its own"),
    Step(
        "remove",
        "everything, also after Ctrl-C or an error; keys wait 7 days for their deletion, which is "
        "AWS's shortest time",
        ("destroy",),
    ),
)
_FLOW: tuple[tuple[str, Question, Callable[[Bench], Answer | None]], ...] = (
    ("plan", flow.PLANNED, flow.plan),
    ("secure", flow.SECURED, flow.secure),
    ("seal", flow.SEALED, flow.seal),
    ("verify", flow.SEALED, flow.verify),
    ("search", flow.SEARCHED, flow.search),
    ("compare", flow.COMPARED, flow.compare),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a run.

    Attributes:
        left: What is still there although it should be removed, in words.
    """

    answers: list[dict[str, Any]]
    left: list[str] = field(default_factory=list)


def carry_out(  # noqa: PLR0913  (what it works with)
    bench: Bench,
    state: State,
    zips: Sequence[Zip],
    *,
    keep: bool,
    tell: Tell = lambda _: None,
    watch: Watch = lambda _: None,
    probes: Sequence[Probe] = PROBES,
) -> Outcome:
    """Do what has not been done, and remove everything, whatever happens.

    Args:
        bench: Where.
        state: How far it is.
        zips: Of all services.
        keep: Leave everything there, for a later one to go on with.
        tell: Told which step begins.
        watch: Told of stacks.
        probes: Which questions to ask.

    Raises:
        LogferryError: Nothing could be made; everything is removed all the same.
    """
    state.save()
    removals = [Removal(each.client, watch, bench.run.name) for each in bench.accounts]
    left: list[str] = []
    try:
        _do(bench, state, zips, tell, watch, probes)
    finally:
        # Ctrl-C too; a second one leaves what --clean finds.
        if not keep:
            tell("remove")
            left = remove(removals)
            for line in what_is_left(left, scheduled(removals)):
                tell(line)
    return Outcome(answers=list(state.answers.values()), left=left)


def remove(removals: Sequence[Removal]) -> list[str]:
    """Remove everything, and return what is still there, in words: proved by listing it."""
    problems = [each for removal in removals for each in removal.remove()]
    there = [f"{thing.kind} {thing.id}" for removal in removals for thing in removal.left()]
    return [*there, *problems] if there else []


def scheduled(removals: Sequence[Removal]) -> list[str]:
    """Return the ids of the keys that KMS deletes later."""
    return [key_id for removal in removals for key_id in removal.scheduled()]


def what_is_left(left: Sequence[str], scheduled: Sequence[str]) -> list[str]:
    """Return in words what is still there, and which keys KMS deletes later."""
    keys = f"keys that KMS deletes in {KEY_DAYS} days: {len(scheduled)}" if scheduled else "nothing"
    return [f"left: {each}" for each in [*left, keys]]


def _do(  # noqa: PLR0913, PLR0917  (as above)
    bench: Bench,
    state: State,
    zips: Sequence[Zip],
    tell: Tell,
    watch: Watch,
    probes: Sequence[Probe],
) -> None:
    makers: tuple[tuple[str, Callable[[], None]], ...] = (
        ("make", lambda: make(bench, zips, watch)),
        ("load", lambda: load(bench)),
    )
    for step, do in makers:
        if step not in state.done:
            tell(step)
            do()
            state.finish(step)
    _follow(bench, state, tell)
    for probe in probes:
        if not state.has_answered(probe.question):
            tell(probe.question.name)
            state.add(probe.answer(bench))


def _follow(bench: Bench, state: State, tell: Tell) -> None:
    """Take the flow's steps as far as they go; the probes are asked all the same."""
    for step, question, take in _FLOW:
        if step in state.done:
            continue
        tell(step)
        try:
            answer = take(bench)
        except NotYet as why:
            state.add(Answer(question=question, verdict="not answered", seen=str(why)))
            return
        except (LogferryError, *AWS_ERRORS) as error:
            state.add(Answer(question=question, verdict="failed", seen=str(error)))
            return
        if answer is not None:
            state.add(answer)
        state.finish(step)
