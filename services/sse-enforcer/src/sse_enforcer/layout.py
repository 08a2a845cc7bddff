"""Which keys of the archive bucket are ours to touch."""

import re
from datetime import datetime
from enum import Enum

_HOUR = (
    r"[A-Za-z0-9_-]{1,32}/"
    r"(?:!/)?[.\-_/#A-Za-z0-9]*/"  # see logferry_contracts.log_group.log_group_folder
    r"(?P<hour>[0-9]{4}/[0-9]{2}/[0-9]{2}/[0-9]{2})/"
)
_TASK = r"(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|direct)"
"""An export task's id, or what stands there for logs that were read without a task."""

_SEALS = "!seals/"
"""What the keys of seals and all that belongs to them begin with: no profile has the character."""

_LOG_FILE = re.compile(_HOUR + _TASK + r"/[^/]+/[0-9]{6}\.gz")
_WRITE_TEST = re.compile(_HOUR + r"aws-logs-write-test")


class Kind(Enum):
    """What a key of the archive bucket stands for."""

    LOG_FILE = "log file"
    """``<profile>/<log group>/<yyyy>/<mm>/<dd>/<hh>/<task id>/<stream>/<nnnnnn>.gz``"""
    WRITE_TEST = "write test"
    """``<profile>/<log group>/<yyyy>/<mm>/<dd>/<hh>/aws-logs-write-test``, which CloudWatch Logs
    puts there to see whether it may."""
    SEAL = "seal"
    """``!seals/...``: the sealer alone writes there, with the hold where one is due."""
    UNKNOWN = "unknown"
    """Anything else: nothing that we made, so nothing that we touch."""


OURS = frozenset({Kind.LOG_FILE, Kind.WRITE_TEST})
"""What is looked at, and mended."""


def kind(key: str) -> Kind:
    """Say what a key stands for; in doubt, ``UNKNOWN``."""
    for pattern, what in ((_LOG_FILE, Kind.LOG_FILE), (_WRITE_TEST, Kind.WRITE_TEST)):
        found = pattern.fullmatch(key)
        if found is not None and _is_an_hour(found["hour"]):
            return what
    if key.startswith(_SEALS):
        return Kind.SEAL
    return Kind.UNKNOWN


def _is_an_hour(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y/%m/%d/%H")  # noqa: DTZ007  (in the source's own time zone)
    except ValueError:
        return False
    return True
