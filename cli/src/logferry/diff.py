"""What a deployment would change in the hub, stack by stack; nothing is changed to find it out."""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from logferry.at_once import at_once
from logferry.checkout import TEMPLATES
from logferry.config import Config
from logferry.display import change_lines
from logferry.hub import Options, deploy_hub, stacks_of
from logferry.hub_stacks import hub_stacks
from logferry.package import Zip
from logferry.stack import Proposal, Watch

if TYPE_CHECKING:
    import boto3

type State = Literal["same", "differs", "new", "needs_a_new_stack", "left_over"]


@dataclass(frozen=True)
class StackDiff:
    """How a stack differs from the configuration and its template.

    Attributes:
        state: ``new`` for one that is not there yet; ``needs_a_new_stack`` for one that is there,
            and cannot be looked at before a new one has been deployed; ``left_over`` for the
            exporter of a source that is not in the configuration any more.
        proposal: What would change; None where nothing would, or it could not be looked at.
        template: How the text of its template differs, as a unified diff; empty if it does not,
            or was not to be looked at.
        delete: For one that is left over: the command that deletes it.
    """

    stack_name: str
    state: State
    proposal: Proposal | None = None
    template: str = ""
    delete: str = ""

    @property
    def code_differs(self) -> bool:
        """Whether a zip of other content would be deployed."""
        if self.proposal is None:
            return False
        if self.proposal.is_new:
            return "CodeKey" in self.proposal.stack.parameters
        return any(each.name == "CodeKey" for each in self.proposal.parameters)

    def as_json(self) -> dict[str, Any]:
        """Return it as the command prints it."""
        found = self.proposal
        document = {
            "stack_name": self.stack_name,
            "state": self.state,
            "code_differs": self.code_differs,
            "parameters": [asdict(each) for each in found.parameters] if found else [],
            "resources": [asdict(each) for each in found.changes] if found else [],
            "drift": [asdict(each) for each in found.drift] if found else [],
        }
        said = {"template": self.template, "delete": self.delete}
        return document | {name: value for name, value in said.items() if value}

    def as_text(self) -> str:
        """Return it for people."""
        heading = {
            "same": "the same",
            "differs": "differs" + (", its zip too" if self.code_differs else ""),
            "new": "not there yet",
            "needs_a_new_stack": "needs a stack that is not there yet: not looked at",
            "left_over": "left over by a source that is not in the configuration any more: "
            f"its schedule goes on\n  {self.delete}",
        }[self.state]
        lines = [f"{self.stack_name}  {heading}"]
        lines += change_lines(self.proposal) if self.proposal else []
        lines += [self.template] if self.template else []
        return "\n".join(lines)


def diff(  # noqa: PLR0913  (each is something else to look at)
    session: "boto3.Session",
    config: Config,
    zips: Sequence[Zip],
    *,
    watch: Watch = lambda _: None,
    only: Sequence[str] = (),
    templates: bool = False,
) -> list[StackDiff]:
    """Compare the hub's stacks with the templates, the configuration and the zips.

    Args:
        session: With credentials of the hub's account.
        config: What would be deployed.
        zips: Of all services.
        watch: Told what happens, by several threads.
        only: As in `Options`.
        templates: Whether to compare the texts of the templates as well.

    Raises:
        ConfigError: A pattern of ``only`` fits no stack.
        DeployError: The credentials are another account's, or CloudFormation does not say.
    """
    proposals: dict[str, Proposal] = {}

    def collect(proposed: Sequence[Proposal]) -> bool:
        proposals.update((proposal.stack.name, proposal) for proposal in proposed)
        return True

    options = Options(confirm=collect, only=only, dry_run=True)
    outcomes = deploy_hub(session, config, zips, watch, options)
    stacks = stacks_of(session, config)
    there = set(stacks.names())
    texts: dict[str, str] = {}
    if templates:
        by_service = {built.service: built for built in zips}
        files = {s.name: s.template for step in hub_stacks(config, by_service) for s in step}

        def compare(name: str) -> None:
            texts[name] = _unified(files[name], stacks.template(name))

        names = (outcome.stack_name for outcome in outcomes)
        at_once(compare, [name for name in names if name in there and name in files])
    return [
        left_over(config, outcome.stack_name)
        if outcome.status == "left_over"
        else StackDiff(
            outcome.stack_name,
            _state(outcome.status, is_there=outcome.stack_name in there),
            proposals.get(outcome.stack_name),
            texts.get(outcome.stack_name, ""),
        )
        for outcome in outcomes
    ]


def left_over(config: Config, stack_name: str) -> StackDiff:
    """Return what there is to say of a stack that the configuration does not have any more."""
    delete = f"aws cloudformation delete-stack --region {config.region} --stack-name {stack_name}"
    return StackDiff(stack_name, "left_over", delete=delete)


def _state(status: str, *, is_there: bool) -> State:
    """Return the state of a stack by what a dry run has made of it."""
    match status:
        case "unchanged":
            return "same"
        case _ if not is_there:
            return "new"
        case "not_looked_at":
            return "needs_a_new_stack"
        case _:
            return "differs"


def _unified(file: str, deployed: str) -> str:
    """Return how a template's file differs from the text that was deployed."""
    lines = difflib.unified_diff(
        deployed.splitlines(),
        (TEMPLATES / file).read_text(encoding="utf-8").splitlines(),
        fromfile="deployed",
        tofile=f"deploy/{file}",
        lineterm="",
    )
    return "\n".join(lines)
