"""What parliament and checkov find, as JSON; run by the Python of .venv-policies.

    python linters.py < {"policies": {name: document, ...}, "folders": {framework: folder, ...}}

Prints ``{"parliament": [[name, Sid, finding, detail], ...], "checkov": [[file, resource, check,
title], ...], "seen": {"policies": n, "checks": n}}``. Whatever tries to reach the network fails.
"""

import json
import logging
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

# parliament's own regular expressions, and its use of setuptools.
warnings.simplefilter("ignore")

import parliament  # noqa: E402
from checkov.cloudformation.runner import Runner as TemplateRunner  # noqa: E402
from checkov.runner_filter import RunnerFilter  # noqa: E402
from checkov.terraform.runner import Runner as ModuleRunner  # noqa: E402


class NetworkUsedError(Exception):
    """Something here wanted the network, of which nothing it says may depend."""


def refuse(*_: object) -> NoReturn:
    """Stand in for connecting a socket."""
    raise NetworkUsedError("linters look at files only")


def parliament_findings(policies: dict[str, Any]) -> Iterator[list[str]]:
    """Yield what parliament says of each policy document, for every statement that it is about."""
    for name, document in policies.items():
        for statement in document["Statement"]:
            alone = json.dumps({**document, "Statement": [statement]})
            for finding in parliament.analyze_policy_string(alone).findings:
                yield [name, statement.get("Sid", ""), finding.issue, str(finding.detail)]


def checkov_reports(folders: dict[str, str]) -> Iterator[Any]:
    """Yield checkov's report on each folder, by the framework that is in it."""
    runners = {"cloudformation": TemplateRunner, "terraform": ModuleRunner}
    for framework, folder in folders.items():
        report = runners[framework]().run(
            root_folder=folder, runner_filter=RunnerFilter(framework=[framework])
        )
        if report.parsing_errors:
            raise SystemExit(f"checkov cannot read {report.parsing_errors}")
        yield report


def main() -> None:
    """Read what to look at from stdin, and print what was found."""
    logging.disable(logging.CRITICAL)
    socket.socket.connect = refuse  # type: ignore[method-assign]
    asked = json.load(sys.stdin)
    reports = list(checkov_reports(asked["folders"]))
    found = {
        "parliament": list(parliament_findings(asked["policies"])),
        "checkov": [
            [Path(check.file_path).name, check.resource, check.check_id, check.check_name]
            for report in reports
            for check in report.failed_checks
        ],
        "seen": {
            "policies": len(asked["policies"]),
            "checks": sum(len(r.passed_checks) + len(r.failed_checks) for r in reports),
        },
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
