"""What a run makes: the source's role, the suite, and what the probes ask."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from logferry.acceptance.bench import Bench
from logferry.acceptance.run import Run
from logferry.errors import AcceptanceError
from logferry.hub import Options, deploy_hub, deploy_source_account
from logferry.hub_stacks import hub_stacks
from logferry.package import Zip
from logferry.stack import Stack, Watch, deploy_stack

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

TEMPLATE = Path(__file__).parent / "probes.yaml"
WITHOUT = "observability"
"""The suite's stack that nothing here is asked of: dashboards cost more than all of the rest."""


def probes_stack(run: Run) -> Stack:
    """Return the stack that the probes ask their questions of."""
    return Stack(
        name=f"{run.name}-probes",
        template=str(TEMPLATE),
        parameters={"Name": run.name},
        tags=run.tags,
    )


def stack_names(run: Run, zips: Sequence[Zip]) -> list[str]:
    """Return the names of the stacks that a run deploys, in the order in which it does."""
    steps = hub_stacks(run.config, {built.service: built for built in zips})
    suite = [stack.name for step in steps for stack in step]
    kept = [name for name in suite if name != f"{run.name}-{WITHOUT}"]
    return [f"{run.name}-source", *kept, f"{run.name}-probes"]


def check_alone(bench: Bench) -> None:
    """Make sure that no other suite is in this account and Region: some names are of all suites.

    Raises:
        AcceptanceError: There is one.
    """
    sns: SNSClient = bench.client("sns")
    arn = bench.run.config.topic_arn
    pages = sns.get_paginator("list_topics").paginate()
    if any(topic["TopicArn"] == arn for page in pages for topic in page["Topics"]):
        raise AcceptanceError(
            f"a logferry is deployed in account {bench.run.account_id}, {bench.run.region}: its "
            "topic log-export-events and the parameter of its key can be there once. Take another "
            "account or Region, or remove an earlier run with --clean"
        )


def make(bench: Bench, zips: Sequence[Zip], watch: Watch) -> None:
    """Deploy everything, or go on where an earlier try has ended.

    Raises:
        DeployError: A stack failed; names each resource that failed, and why.
    """
    run = bench.run
    deploy_source_account(bench.source.session, run.config, run.profile, watch)
    suffixes = [name.removeprefix(f"{run.name}-") for name in stack_names(run, zips)[1:-1]]
    deploy_hub(bench.session, run.config, zips, watch, Options(only=suffixes))
    deploy_stack(bench.session, probes_stack(run), region=run.region, watch=watch)


def load(bench: Bench) -> None:
    """Make the flow's log groups, and put their events into them, with yesterday's time."""
    for group in bench.run.loaded():
        bench.source.make_group(group.name, group.log_group_class)
        for stream, events in group.streams.items():
            bench.source.put_events(group.name, stream, events)
