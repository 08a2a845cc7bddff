"""When CloudWatch Logs deletes events, and what an account-level policy will change about it.

DescribeLogGroups tells the retention that is in effect, whether it is a log group's own or that of
an account-level policy, which replaces the own one even where that is longer. A policy takes effect
a day after it was made or changed; until then only DescribeAccountPolicies tells of it.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutAccountPolicy.html
"""

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from logferry_contracts.log_group import LogGroup
from logferry_contracts.message import epoch_ms
from logferry_contracts.window import Window

DAY_MS = 86_400_000
EFFECTIVE_AFTER_MS = DAY_MS
DELETION_LAG = timedelta(hours=72)
"""AWS: after an event's retention "it typically takes up to 72 hours" until it is deleted.

Until then an export may still save it: a group that keeps events for a day would otherwise never
be exported with a settle time of a day.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
"""
FAR_MS = 253_402_300_799_999
"""The deadline of what has none: the end of the year 9999."""

_NEVER = "NEVER_EXPIRE"
_MODES = {"RETROACTIVE": False, "NEW_ONLY": True}
_CRITERIA = re.compile(r"\s*LogGroupNamePrefix\s+IN\s*(\[.*\])\s*", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class RetentionPolicy:
    """An account-level retention policy.

    Attributes:
        days: Infinite when it keeps events for ever.
        prefixes: Of the names of the log groups that it is for; None when it is for all.
        is_for_new: Whether only for log groups that were created after it. When it was made is
            told of none; it is taken to have been when it was changed last.
        updated_ms: When it was made, or changed last.
    """

    days: float
    prefixes: tuple[str, ...] | None
    is_for_new: bool
    updated_ms: int

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """Return one of DescribeAccountPolicies' ``accountPolicies``.

        Raises:
            ValueError: It says something that is not known.
        """
        try:
            document = json.loads(described["policyDocument"])
            days = document["retentionInDays"]
            return cls(
                days=math.inf if days == _NEVER else int(days),
                prefixes=_prefixes(described.get("selectionCriteria")),
                is_for_new=_MODES[document["enforcementMode"]],
                updated_ms=described["lastUpdatedTime"],
            )
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from error

    @property
    def effective_ms(self) -> int:
        """From when on it holds."""
        return self.updated_ms + EFFECTIVE_AFTER_MS

    def is_for(self, log_group: LogGroup) -> bool:
        """Return whether it is for a log group."""
        if self.is_for_new and log_group.created_ms < self.updated_ms:
            return False
        return self.prefixes is None or log_group.name.startswith(self.prefixes)


@dataclass(frozen=True)
class Shortening:
    """A retention that becomes shorter.

    Attributes:
        at_ms: When.
        days: What it is from then on.
    """

    at_ms: int
    days: int


def shortening(
    log_group: LogGroup, policies: Iterable[RetentionPolicy], *, now: datetime
) -> Shortening | None:
    """Return the next one of a log group that is known; None when none is.

    Of several policies the longest holds. What one that was changed had said before is not told,
    so that a shortening may be seen that another policy prevents.
    """
    ours = [policy for policy in policies if policy.is_for(log_group)]
    current = math.inf if log_group.retention_days is None else log_group.retention_days
    now_ms = epoch_ms(now)
    for at_ms in sorted({each.effective_ms for each in ours if each.effective_ms > now_ms}):
        days = max(each.days for each in ours if each.effective_ms <= at_ms)
        if days < current:
            return Shortening(at_ms, int(days))
    return None


def deadline_ms(
    log_group: LogGroup, window: Window, policies: Iterable[RetentionPolicy], *, now: datetime
) -> int:
    """Return when the first events of a window expire, `FAR_MS` when they never do."""
    days = log_group.retention_days
    deadline = FAR_MS if days is None else window.from_ms + days * DAY_MS
    shorter = shortening(log_group, policies, now=now)
    if shorter is None:
        return deadline
    return min(deadline, max(shorter.at_ms, window.from_ms + shorter.days * DAY_MS))


def has_passed(
    log_group: LogGroup, window: Window, policies: Iterable[RetentionPolicy], *, now: datetime
) -> bool:
    """Return whether all events of a window must have been deleted.

    What a policy has let expire at once, CloudWatch Logs takes as long to delete.
    """
    if log_group.retention_days is None:
        return False
    deleted_ms = epoch_ms(now - DELETION_LAG)
    now_ms = epoch_ms(now)
    effective = (each.effective_ms for each in policies if each.is_for(log_group))
    if any(deleted_ms < each <= now_ms for each in effective):
        return False
    return window.to_ms + log_group.retention_days * DAY_MS <= deleted_ms


def _prefixes(criteria: str | None) -> tuple[str, ...] | None:
    if not criteria:
        return None
    found = _CRITERIA.fullmatch(criteria)
    if found is None:
        raise ValueError(f"selectionCriteria {criteria!r}")
    return tuple(str(prefix) for prefix in json.loads(found[1]))
