"""Which log groups of a source are archived."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from logferry_contracts.log_group import LogGroup
from logferry_contracts.plan_request import Selection

OWN_LOG_GROUPS = (
    "/aws/lambda/logferry-planner",
    "/aws/lambda/logferry-sse-enforcer",
    "/aws/lambda/log-sqs-*-collect-fifoSQSConsumer",
    "/aws/lambda/log-sqs-*-direct-fifoSQSConsumer",
)
"""The log groups of logferry's own functions: to export them makes more of them."""


def is_selected(
    log_group: LogGroup,
    selection: Selection | None,
    tagged: frozenset[str],
    *,
    is_own_account: bool,
) -> bool:
    """Return whether to archive a log group.

    Args:
        log_group: Globs match its whole name case-sensitively, from end to end.
        selection: None takes every group.
        tagged: The ARNs of the groups that match the selection's tag filters.
        is_own_account: Whether the groups are in the account that logferry's functions run in.
            Anywhere else a group of the same name is somebody else's.
    """
    if is_own_account and matches(log_group.name, OWN_LOG_GROUPS):
        return False
    if selection is None:
        return True
    if selection.include is not None and not matches(log_group.name, selection.include):
        return False
    if matches(log_group.name, selection.exclude or ()):
        return False
    classes = selection.log_group_classes
    if classes is not None and log_group.log_group_class not in classes:
        return False
    return selection.tag_filters is None or log_group.arn in tagged


def matches(log_group_name: str, globs: Iterable[str]) -> bool:
    """Return whether one of some globs matches a name as a whole, case-sensitively."""
    return any(fnmatchcase(log_group_name, glob) for glob in globs)
