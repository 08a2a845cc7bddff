"""The command ``logferry``: exit code 0 when done, 1 when something failed, 2 for bad input."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from logferry.commands import deployment, handover, operation, proof
from logferry.commands.acceptance import acceptance
from logferry.commands.console import BAD_INPUT, DONE, Output

app = App(
    name="logferry",
    help="Ferry the CloudWatch Logs of many AWS accounts into one encrypted, locked archive.",
    help_format="markdown",
    console=Output(),
)
for command in (
    deployment.package,
    deployment.deploy,
    deployment.diff,
    deployment.deploy_source_account,
    deployment.deploy_source_accounts,
    deployment.destroy,
    operation.plan,
    operation.status,
    operation.waive,
    operation.sweep,
    proof.dispose,
    proof.seal,
    proof.verify,
    handover.prove,
    acceptance,
):
    app.command(command)

events = App(name="events", help="The events that teams build on.", help_format="markdown")
events.command(operation.replay)
app.command(events)
ledger = App(name="ledger", help="What is known of every export.", help_format="markdown")
ledger.command(proof.rebuild)
app.command(ledger)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with its exit code."""
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        code = BAD_INPUT  # it has been printed
    sys.exit(code or DONE)
