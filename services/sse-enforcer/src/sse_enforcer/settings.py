"""The environment variables that this service reads, checked once at cold start."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Self

from sse_enforcer.errors import SettingsError
from sse_enforcer.parts import MAX_PART_BYTES, MIN_PART_BYTES
from sse_enforcer.verdict import COPY_LIMIT_BYTES

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
    "QUEUE_URL": ("", r"|https?://\S+(?<!\.fifo)", "the URL of a standard SQS queue"),
    "KMS_KEY_PARAMETER": (
        "/app/cloudwatch/log/export/s3/kms/arn",
        r"(/[A-Za-z0-9_.-]+)+",
        "the name of an SSM parameter, from its first slash",
    ),
    "KMS_KEY_TTL_SECONDS": ("300", r"[0-9]{1,5}", "a number of seconds from 0 to 99999"),
    "COPY_LIMIT_BYTES": (
        str(COPY_LIMIT_BYTES),
        r"[0-9]+",
        "a number of bytes",
    ),
    "COPY_PART_BYTES": (
        str(256 * 1024**2),
        r"[0-9]+",
        "a number of bytes",
    ),
    "HOLD": (
        "on_completion",
        "on_completion|on_creation|off",
        "on_completion, on_creation or off",
    ),
    "SWEEP_EVERY_HOURS": ("24", r"[0-9]{1,4}", "a number of hours from 0 to 9999"),
    "SWEEP_FULL_EVERY_DAYS": ("90", r"[0-9]{1,4}", "a number of days from 0 to 9999"),
    "SWEEP_OBJECTS_PER_SECOND": ("100", r"[1-9][0-9]{0,3}", "a number from 1 to 9999"),
    "SWEEP_GRACE_MINUTES": ("60", r"[0-9]{1,4}", "a number of minutes from 0 to 9999"),
    # An export task, and whatever it uploads, may take 24 hours.
    "SWEEP_UPLOAD_HOURS": (
        "48",
        r"2[4-9]|[3-9][0-9]|[1-9][0-9]{2,3}",
        "a number of hours from 24 to 9999",
    ),
}

_BYTES = (
    ("COPY_LIMIT_BYTES", 0, COPY_LIMIT_BYTES),
    ("COPY_PART_BYTES", MIN_PART_BYTES, MAX_PART_BYTES),
)


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
        queue_url: ``QUEUE_URL``, the queue that this function consumes; None when not given.
        kms_key_parameter: ``KMS_KEY_PARAMETER``, which holds the key's ARN.
        kms_key_ttl_seconds: ``KMS_KEY_TTL_SECONDS``, how long keys and their ARNs are believed.
        copy_limit_bytes: ``COPY_LIMIT_BYTES``; larger objects are copied in parts.
        copy_part_bytes: ``COPY_PART_BYTES``, the size of such a part.
        hold: ``HOLD``.
        sweep_every: ``SWEEP_EVERY_HOURS``, from the start of one scheduled pass to the next.
        sweep_full_every: ``SWEEP_FULL_EVERY_DAYS``, after which a pass looks at everything again.
        sweep_objects_per_second: ``SWEEP_OBJECTS_PER_SECOND``, a pass's pace at most.
        sweep_grace: ``SWEEP_GRACE_MINUTES``; what is younger is left to the messages about it.
        sweep_upload_age: ``SWEEP_UPLOAD_HOURS``, after which a multipart upload is abandoned.
        artifact: ``ARTIFACT``, the key of the zip that this function runs, in short, such as
            ``0.2.0-1a2b3c4d5e6f``; None when not given.
    """

    archive_bucket: str
    control_bucket: str
    topic_arn: str
    dead_letter_queue_url: str
    kms_key_parameter: str
    queue_url: str | None
    kms_key_ttl_seconds: int
    copy_limit_bytes: int
    copy_part_bytes: int
    hold: Hold
    sweep_every: timedelta
    sweep_full_every: timedelta
    sweep_objects_per_second: int
    sweep_grace: timedelta
    sweep_upload_age: timedelta
    artifact: str | None

    @property
    def account_id(self) -> str:
        """The account of the topic, which is the archive's and its keys' too."""
        return self.topic_arn.split(":")[4]

    @property
    def region(self) -> str:
        """The Region of the topic, which is the archive's and its keys' too."""
        return self.topic_arn.split(":")[3]

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
        for name, least, most in _BYTES:
            if values[name].isdecimal() and not least <= int(values[name]) <= most:
                problems.append(f"{name} is not between {least} and {most}: {values[name]!r}")
        if problems:
            raise SettingsError("; ".join(problems))
        return cls(
            archive_bucket=values["ARCHIVE_BUCKET"],
            control_bucket=values["CONTROL_BUCKET"],
            topic_arn=values["TOPIC_ARN"],
            dead_letter_queue_url=values["DEAD_LETTER_QUEUE_URL"],
            kms_key_parameter=values["KMS_KEY_PARAMETER"],
            queue_url=values["QUEUE_URL"] or None,
            copy_limit_bytes=int(values["COPY_LIMIT_BYTES"]),
            copy_part_bytes=int(values["COPY_PART_BYTES"]),
            kms_key_ttl_seconds=int(values["KMS_KEY_TTL_SECONDS"]),
            hold=Hold(values["HOLD"]),
            sweep_every=timedelta(hours=int(values["SWEEP_EVERY_HOURS"])),
            sweep_full_every=timedelta(days=int(values["SWEEP_FULL_EVERY_DAYS"])),
            sweep_objects_per_second=int(values["SWEEP_OBJECTS_PER_SECOND"]),
            sweep_grace=timedelta(minutes=int(values["SWEEP_GRACE_MINUTES"])),
            sweep_upload_age=timedelta(hours=int(values["SWEEP_UPLOAD_HOURS"])),
            artifact=_artifact(env.get("ARTIFACT", "")),
        )


def _artifact(code_key: str) -> str | None:
    """Return a zip's version and the beginning of its hash; of another key, the key itself."""
    key = re.fullmatch(r"[^/]+/([^/]+-[0-9a-f]{12})[0-9a-f]{52}\.zip", code_key)
    return key[1] if key else code_key or None
