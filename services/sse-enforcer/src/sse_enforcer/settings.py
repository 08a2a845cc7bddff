"""The environment variables that this service reads, checked once at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Self

from sse_enforcer.errors import SettingsError

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_REQUIRED = {
    "ARCHIVE_BUCKET": (_BUCKET, "a bucket name"),
    "CONTROL_BUCKET": (_BUCKET, "a bucket name"),
    "TOPIC_ARN": (
        r"arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+",
        "the ARN of a standard SNS topic",
    ),
    "DEAD_LETTER_QUEUE_URL": (r"https?://\S+(?<!\.fifo)", "the URL of a standard SQS queue"),
}
_OPTIONAL = {
    "KMS_KEY_PARAMETER": (
        "/app/cloudwatch/log/export/s3/kms/arn",
        r"[A-Za-z0-9_.:/-]{1,2048}",
        "the name of an SSM parameter",
    ),
    "KMS_KEY_TTL_SECONDS": ("300", r"[0-9]{1,5}", "a number of seconds from 0 to 99999"),
    "HOLD": (
        "on_completion",
        "on_completion|on_creation|off",
        "on_completion, on_creation or off",
    ),
}


class Hold(Enum):
    """When an object version gets its legal hold."""

    ON_COMPLETION = "on_completion"
    """Once its export is completed: what a failed export leaves behind stays removable."""
    ON_CREATION = "on_creation"
    OFF = "off"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Checked settings.

    Attributes:
        archive_bucket: ``ARCHIVE_BUCKET``, the only bucket whose objects are touched.
        control_bucket: ``CONTROL_BUCKET``, with the ledger, manifests and replacements.
        topic_arn: ``TOPIC_ARN``, where ObjectSecured is published.
        dead_letter_queue_url: ``DEAD_LETTER_QUEUE_URL``.
        kms_key_parameter: ``KMS_KEY_PARAMETER``, which holds the key's ARN.
        kms_key_ttl_seconds: ``KMS_KEY_TTL_SECONDS``, how long that ARN is believed.
        hold: ``HOLD``.
    """

    archive_bucket: str
    control_bucket: str
    topic_arn: str
    dead_letter_queue_url: str
    kms_key_parameter: str
    kms_key_ttl_seconds: int
    hold: Hold

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as an absent one.

        Raises:
            SettingsError: Variables are missing or malformed; names all of them.
        """
        values = {name: env.get(name, "") for name in _REQUIRED} | {
            name: env.get(name) or default for name, (default, _, _) in _OPTIONAL.items()
        }
        rules = _REQUIRED | {name: (rule, what) for name, (_, rule, what) in _OPTIONAL.items()}
        problems = [
            f"{name} is not {what}: {values[name]!r}"
            for name, (rule, what) in rules.items()
            if not re.fullmatch(rule, values[name])
        ]
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            archive_bucket=values["ARCHIVE_BUCKET"],
            control_bucket=values["CONTROL_BUCKET"],
            topic_arn=values["TOPIC_ARN"],
            dead_letter_queue_url=values["DEAD_LETTER_QUEUE_URL"],
            kms_key_parameter=values["KMS_KEY_PARAMETER"],
            kms_key_ttl_seconds=int(values["KMS_KEY_TTL_SECONDS"]),
            hold=Hold(values["HOLD"]),
        )
