"""Which log groups of a source are archived."""

from fnmatch import fnmatchcase

from logferry_contracts.plan_request import Selection

OWN_LOG_GROUPS = (
    "/aws/lambda/logferry-planner",
    "/aws/lambda/logferry-sse-enforcer",
    "/aws/lambda/log-sqs-*-collect-fifoSQSConsumer",
)
"""The log groups of logferry's own functions: to export them makes more of them."""


def is_selected(log_group_name: str, selection: Selection | None, *, is_own_account: bool) -> bool:
    """Return whether to archive a log group.

    Args:
        log_group_name: The whole name; globs match it case-sensitively from end to end.
        selection: None takes every group.
        is_own_account: Whether the groups are in the account that logferry's functions run in.
            Anywhere else a group of the same name is somebody else's.
    """
    if is_own_account and _matches(log_group_name, OWN_LOG_GROUPS):
        return False
    if selection is None:
        return True
    if selection.include is not None and not _matches(log_group_name, selection.include):
        return False
    return not _matches(log_group_name, selection.exclude or ())


def _matches(log_group_name: str, globs: tuple[str, ...] | list[str]) -> bool:
    return any(fnmatchcase(log_group_name, glob) for glob in globs)
