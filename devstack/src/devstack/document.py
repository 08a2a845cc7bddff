"""What documents tell their readers to type, run as it stands against LocalStack."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from devstack.localstack import PYTHON
from logferry.checkout import uv

_AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
"""AWS CLI 1.44 asks AWS for `aws sqs`, whatever AWS_ENDPOINT_URL says."""


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language in a document, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Shell:
    """Where a reader types.

    Attributes:
        endpoint: LocalStack's URL.
        folder: The working directory.
        environment: Variables beside this process's own.
    """

    endpoint: str
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, commands: str, account_id: str) -> str:
        """Run commands with an account's credentials, and return what they print.

        The AWS CLI is LocalStack's.

        Raises:
            RuntimeError: One of them fails; says what they have printed.
        """
        inherited = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        paths = (str(Path(sys.executable).parent), str(uv().parent), os.environ["PATH"])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", _AWS + commands],
            cwd=self.folder,
            env={
                **inherited,
                "PATH": os.pathsep.join((*paths, str(PYTHON.parent))),
                "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_ACCESS_KEY_ID": account_id,  # LocalStack: the key is the account
                "AWS_SECRET_ACCESS_KEY": "any",
                **self.environment,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return done.stdout
