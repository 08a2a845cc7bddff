"""The environment variables that this service reads, checked once at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from exporter.errors import SettingsError
from logferry_contracts.source import Source, SourceName

DEFAULT_WAIT_IN_INVOCATION_SECONDS = 2
DEFAULT_MAX_GENERATIONS = 3
DEFAULT_RETRY_BACKOFF_SECONDS = 60
DEFAULT_SPLIT_AFTER_HOURS = 22
DEFAULT_DIRECT_LANE_MAX_BYTES = 1_000_000_000
DEFAULT_DIRECT_LANE_CALLS_PER_SECOND = 5
"""FilterLogEvents' lowest quota of any Region.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

_MAX_WAIT_S = 840
"""A minute less than the longest a function may run.

https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
_MAX_GENERATIONS = 1000
"""The contracts' greatest generation."""

_MAX_RETRY_BACKOFF_S = 900
"""A next generation that is the first of its slot keeps the slot idle while it waits."""
_MAX_SPLIT_AFTER_HOURS = 23
"""AWS ends a task after 24.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/S3Export.html
"""
_MAX_DIRECT_LANE_BYTES = 1_000_000_000
"""At 5 pages a second about 6 of the 15 minutes that a function may run, and twice this, for a
stream's lines and their gzip file, fits in a /tmp of 2 GiB.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-ephemeral-storage.html
"""
_MAX_CALLS_PER_SECOND = 1000
"""More than AWS allows anywhere."""

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
        retry_backoff: ``RETRY_BACKOFF_SECONDS``, the pause before the second try; it doubles.
        split_after: ``SPLIT_AFTER_HOURS``, the age at which a task is given up.
        direct_lane_max_bytes: ``DIRECT_LANE_MAX_BYTES``, how much of a window's events, as lines,
            uncompressed, is read in the direct lane; what has more goes to the slot.
        direct_lane_calls_per_second: ``DIRECT_LANE_CALLS_PER_SECOND``, of FilterLogEvents.
        profile: ``PROFILE``, the only one whose messages are worked on; None for any.
        slot: ``SLOT``, its account and Region, such as ``111122223333.eu-west-1``; None for any.
        role_arn: ``SOURCE_ROLE_ARN``, its role; None for any.
        artifact: ``ARTIFACT``, the key of the zip that this function runs, in short, such as
            ``0.2.0-1a2b3c4d5e6f``; None when not given.
    """

    control_bucket: str
    topic_arn: str
    queue_url: str
    dead_letter_queue_url: str
    wait_in_invocation_s: int
    max_generations: int
    retry_backoff: timedelta
    split_after: timedelta
    direct_lane_max_bytes: int
    direct_lane_calls_per_second: int
    profile: str | None
    slot: str | None
    role_arn: str | None
    artifact: str | None

    def objection(self, source: SourceName) -> str | None:
        """Return why this exporter is not the one for a source, or None when it is.

        What the deployment does not say cannot be compared.
        """
        role_arn = source.role_arn if isinstance(source, Source) else None
        told = {"profile": source.profile, "slot": source.slot, "role": role_arn}
        known = {"profile": self.profile, "slot": self.slot, "role": self.role_arn}
        problems = [
            f"{name} {told[name]}, not {value}"
            for name, value in known.items()
            if value is not None and told[name] not in {value, None}
        ]
        return "; ".join(problems) or None

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
        backoff_s = env.get("RETRY_BACKOFF_SECONDS") or str(DEFAULT_RETRY_BACKOFF_SECONDS)
        problems += _out_of_range("RETRY_BACKOFF_SECONDS", backoff_s, 0, _MAX_RETRY_BACKOFF_S)
        split_hours = env.get("SPLIT_AFTER_HOURS") or str(DEFAULT_SPLIT_AFTER_HOURS)
        problems += _out_of_range("SPLIT_AFTER_HOURS", split_hours, 1, _MAX_SPLIT_AFTER_HOURS)
        max_bytes = env.get("DIRECT_LANE_MAX_BYTES") or str(DEFAULT_DIRECT_LANE_MAX_BYTES)
        calls = env.get("DIRECT_LANE_CALLS_PER_SECOND") or str(DEFAULT_DIRECT_LANE_CALLS_PER_SECOND)
        problems += _out_of_range("DIRECT_LANE_MAX_BYTES", max_bytes, 1, _MAX_DIRECT_LANE_BYTES)
        problems += _out_of_range("DIRECT_LANE_CALLS_PER_SECOND", calls, 1, _MAX_CALLS_PER_SECOND)
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            control_bucket=env["CONTROL_BUCKET"],
            topic_arn=env["TOPIC_ARN"],
            queue_url=env["QUEUE_URL"],
            dead_letter_queue_url=env["DEAD_LETTER_QUEUE_URL"],
            wait_in_invocation_s=int(wait_s),
            max_generations=int(generations),
            retry_backoff=timedelta(seconds=int(backoff_s)),
            split_after=timedelta(hours=int(split_hours)),
            direct_lane_max_bytes=int(max_bytes),
            direct_lane_calls_per_second=int(calls),
            profile=env.get("PROFILE") or None,
            slot=env.get("SLOT") or None,
            role_arn=env.get("SOURCE_ROLE_ARN") or None,
            artifact=_artifact(env.get("ARTIFACT", "")),
        )


def _out_of_range(name: str, text: str, least: int, most: int) -> list[str]:
    if re.fullmatch(r"[0-9]{1,10}", text) and least <= int(text) <= most:
        return []
    return [f"{name} is not a number from {least} to {most}: {text!r}"]


def _artifact(code_key: str) -> str | None:
    """Return a zip's version and the beginning of its hash; of another key, the key itself."""
    key = re.fullmatch(r"[^/]+/([^/]+-[0-9a-f]{12})[0-9a-f]{52}\.zip", code_key)
    return key[1] if key else code_key or None
