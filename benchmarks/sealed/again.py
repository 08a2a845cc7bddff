"""Commands run one after the other in one process, which has imported all that they need before.

Run as ``python -m benchmarks.sealed.again`` it reads a JSON array of commands, each an array of
words, and prints, as JSON, the seconds that each of them took.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path

from logferry.command import main


def seconds(commands: Sequence[Sequence[str]]) -> list[float]:
    """Run commands of logferry in a process of their own, and return what each took of time.

    The first one is run twice, and told of the second time.

    Raises:
        subprocess.CalledProcessError: One failed.
    """
    process = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps([commands[0], *commands]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return list(map(float, json.loads(process.stdout)[1:]))


def _each(commands: Sequence[Sequence[str]]) -> Iterator[float]:
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        for words in commands:
            began = time.perf_counter()
            try:
                main(words)
            except SystemExit as ended:
                if ended.code:
                    raise
            yield time.perf_counter() - began


if __name__ == "__main__":
    json.dump(list(_each(json.load(sys.stdin))), sys.stdout)
