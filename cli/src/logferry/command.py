"""The command ``logferry``: exit code 0 when done, 1 when something failed, 2 for bad input.

A command's module is imported when it is run, and nothing is to list them: AWS's SDK alone takes
longer to import than some of them to run.
"""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from typing import TYPE_CHECKING, Literal

from logferry import __version__

if TYPE_CHECKING:
    from cyclopts import App

COMMANDS = {
    "deployment:package": "Build the services' Lambda zips: the same bytes from the same checkout.",
    "deployment:deploy": "Deploy the hub: artifacts, archive, planner, sealer, sse-enforcer, and "
    "exporters.",
    "deployment:diff": "Show how what is deployed differs from the configuration, the templates "
    "and the zips.",
    "deployment:deploy_source_account": "Make the role in a source's account by which the hub "
    "reaches its logs.",
    "deployment:deploy_source_accounts": "Make that role in every source's account of an "
    "organisation, and in those that join later.",
    "deployment:destroy": "Delete the hub's stacks; the buckets, the key and all that is in them "
    "stay.",
    "operation:plan": "Let the planner plan a source now, such as days that were missed or have "
    "failed.",
    "backfill:backfill": "Archive a long time of many sources, below their daily work, and say how "
    "long it takes.",
    "status:status": "Show how far the archive is, and what needs a person: until it is mended or "
    "waived.",
    "coverage:coverage": "Write what there is of each source and date as a page: archived, sealed, "
    "failed, missing.",
    "explain:explain": "Tell the whole story of a log group's date: each try, what became of it, "
    "and what to do.",
    "retry:retry": "Ask again for what has failed or has been under way for too long, of any age.",
    "doctor:doctor": "Look whether the hub and its sources are as they should be, and say what "
    "mends what is not.",
    "operation:waive": "Answer for it that a log group's date is not in the archive, and will not "
    "be.",
    "operation:sweep": "Look through the archive for what is not encrypted, held or secured as it "
    "has to be.",
    "retention:retention": "Say which log groups CloudWatch could keep for less long, and what "
    "that would save.",
    "proof:dispose": "Answer for it that log groups' archived dates are removed, lawfully, from "
    "the archive.",
    "proof:seal": "Ask the sealer to seal a source's dates now, such as those before there were "
    "seals.",
    "verification:verify": "Check whether the archive is what was sealed: nothing changed, gone, "
    "hidden or added since.",
    "handover:prove": "Write a proof of what became of one log group on one date, to be handed "
    "over.",
    "search:search": "Search the archive for what log groups logged, by the bytes that were "
    "sealed.",
    "fetch:fetch": "Get back what log groups logged in a time, merged in the order of time.",
    "thawing:thaw": "Have back, for some days, what S3 keeps in GLACIER or DEEP_ARCHIVE of a time.",
    "acceptance:acceptance": "Ask AWS, in an account for trials, what our code takes for granted; "
    "leave nothing behind.",
}
"""Module and function of each, and the first sentence of its help."""
EVENTS = {
    "operation:replay": "Publish ExportCompleted again for what the ledger has of some dates.",
}
LEDGER = {
    "proof:rebuild": "Make the ledger again from the statements in the archive, after the control "
    "bucket is lost.",
}
INDEX = {
    "index:rebuild": "Read the whole ledger once: note which exports are open, of any age, and "
    "count its windows.",
    "index:tokens": "Read archived objects once, and write which long ids each may have, for "
    "search --id.",
}
_NAMES = frozenset(
    place.partition(":")[2].replace("_", "-") for place in (*COMMANDS, *EVENTS, *LEDGER, *INDEX)
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, and end the process with its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    for stream in (sys.stdout, sys.stderr):
        # Names and reasons are in any language, which a file's encoding, as of Windows, may not be.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # It would look through all that is installed: a twentieth of the start of a command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # What is imported is no garbage, and to look through it takes a fifth of the start. A process
    # that is not the command's own may have some, which a freeze would keep.
    gc.disable()
    try:
        code = _run(words, collects=gc.enable if arguments is not None else _collect_the_rest)
    finally:
        gc.enable()
    sys.exit(code)


def _collect_the_rest() -> None:
    """Look for garbage from now on, in what comes from now on."""
    gc.freeze()
    gc.enable()


def _run(words: Sequence[str], collects: Callable[[], None]) -> int:
    """Run the command and return its exit code."""
    from cyclopts import CycloptsError  # noqa: PLC0415  (without a look for garbage, see above)

    from logferry.commands.console import BAD_INPUT, DONE, STOPPED  # noqa: PLC0415

    try:
        app = _app(are_listed=_NAMES.isdisjoint(words))
        command, bound, _ = app.parse_args(words, exit_on_error=False)
        collects()
        return command(*bound.args, **bound.kwargs) or DONE
    except CycloptsError:
        return BAD_INPUT  # it has been printed
    except KeyboardInterrupt:
        return STOPPED  # while a command was imported, which has begun with nothing


def _app(*, are_listed: bool) -> "App":
    """Return the commands, to run one of them or to list them.

    What cyclopts is told to list a command by takes the place of all the help that this has itself.
    """
    from cyclopts import App  # noqa: PLC0415  (as above)

    from logferry.commands.console import Output  # noqa: PLC0415

    def with_commands(name: str, told: str, commands: Mapping[str, str]) -> App:
        # A list has no markup, which takes as long to import as all the rest.
        as_format: Literal["plaintext", "markdown"] = "plaintext" if are_listed else "markdown"
        app = App(
            name=name, help=told, help_format=as_format, version=__version__, console=Output()
        )
        for place, each in commands.items():
            app.command(f"logferry.commands.{place}", help=each if are_listed else None)
        return app

    about = "Ferry the CloudWatch Logs of many AWS accounts into one encrypted, locked archive."
    app = with_commands("logferry", about, COMMANDS)
    if are_listed:  # or it is the one that is run
        app.register_install_completion_command(
            help="Let bash, zsh or fish complete commands and options."
        )
    app.command(with_commands("events", "The events that teams build on.", EVENTS))
    app.command(with_commands("ledger", "What is known of every export.", LEDGER))
    app.command(
        with_commands(
            "index",
            "What is open without reading the ledger, and where ids are without opening objects.",
            INDEX,
        )
    )
    return app
