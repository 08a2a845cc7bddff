"""The environment variables that this service reads, checked once at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from exporter.errors import SettingsError

DEFAULT_WAIT_IN_INVOCATION_SECONDS = 20
DEFAULT_MAX_GENERATIONS = 3

_MAX_WAIT_S = 840
"""A minute less than the longest a function may run.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
_MAX_GENERATIONS = 1000
"""The contracts' greatest generation."""

_QUEUE_URL = (r"https?://\S+\.fifo", "the URL of a FIFO queue")
_REQUIRED = {
    "CONTROL_BUCKET": (r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket name"),
    "TOPIC_ARN": (
        r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+",
        "the ARN of a standard SNS topic",
    ),
    "QUEUE_URL": _QUEUE_URL,
    "DEAD_LETTER_QUEUE_URL": _QUEUE_URL,
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Checked settings.

    Attributes:
        control_bucket: ``CONTROL_BUCKET``, where the ledger is.
        topic_arn: ``TOPIC_ARN``, where ExportCompleted and ExportFailed are published.
        queue_url: ``QUEUE_URL``, the FIFO queue that this function consumes.
        dead_letter_queue_url: ``DEAD_LETTER_QUEUE_URL``, its FIFO dead-letter queue.
        wait_in_invocation_s: ``WAIT_IN_INVOCATION_SECONDS``, how long one invocation waits for
            export tasks before it gives the message back.
        max_generations: ``MAX_GENERATIONS``, how many tries a window has when tasks fail.
    """

    control_bucket: str
    topic_arn: str
    queue_url: str
    dead_letter_queue_url: str
    wait_in_invocation_s: int
    max_generations: int

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as an absent one.

        Raises:
            SettingsError: Variables are missing or malformed; names all of them.
        """
        problems = [
            f"{name} is not {what}: {env.get(name, '')!r}"
            for name, (pattern, what) in _REQUIRED.items()
            if not re.fullmatch(pattern, env.get(name, ""))
        ]
        wait_s = env.get("WAIT_IN_INVOCATION_SECONDS") or str(DEFAULT_WAIT_IN_INVOCATION_SECONDS)
        generations = env.get("MAX_GENERATIONS") or str(DEFAULT_MAX_GENERATIONS)
        problems += _out_of_range("WAIT_IN_INVOCATION_SECONDS", wait_s, 0, _MAX_WAIT_S)
        problems += _out_of_range("MAX_GENERATIONS", generations, 1, _MAX_GENERATIONS)
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            control_bucket=env["CONTROL_BUCKET"],
            topic_arn=env["TOPIC_ARN"],
            queue_url=env["QUEUE_URL"],
            dead_letter_queue_url=env["DEAD_LETTER_QUEUE_URL"],
            wait_in_invocation_s=int(wait_s),
            max_generations=int(generations),
        )


def _out_of_range(name: str, text: str, least: int, most: int) -> list[str]:
    if re.fullmatch(r"[0-9]{1,4}", text) and least <= int(text) <= most:
        return []
    return [f"{name} is not a number from {least} to {most}: {text!r}"]
