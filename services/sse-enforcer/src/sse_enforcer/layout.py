"""Which keys of the archive bucket are ours to touch."""

import re
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from logferry_contracts.log_group import WITHOUT_SLASH, log_group_of_folder

_HOUR = (
    r"(?P<profile>[A-Za-z0-9_-]{1,32})/"
    r"(?P<folder>(?:!/)?[.\-_/#A-Za-z0-9]*)/"  # see logferry_contracts.log_group.log_group_folder
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


class Hour(NamedTuple):
    """Where a log file's export lies, by its key.

    Attributes:
        prefix: Of its destination.
        profile: Of its source.
        log_groups: Whose it may be: up to 0.2.0 two names could share a folder.
        starts_at: Its window's start, as the source's own clocks show it, and not in UTC.
    """

    prefix: str
    profile: str
    log_groups: tuple[str, ...]
    starts_at: datetime


def hour_of(key: str) -> Hour | None:
    """Return where a log file's export lies; None for any other key."""
    found = _LOG_FILE.fullmatch(key)
    starts_at = None if found is None else _hour(found["hour"])
    if found is None or starts_at is None:
        return None
    folder = found["folder"]
    names = [log_group_of_folder(folder)]
    if not folder.startswith(WITHOUT_SLASH):
        names.append(folder)
    return Hour(key[: found.end("hour")], found["profile"], tuple(names), starts_at)


def _is_an_hour(text: str) -> bool:
    return _hour(text) is not None


def _hour(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y/%m/%d/%H").replace(tzinfo=UTC)
    except ValueError:
        return None
