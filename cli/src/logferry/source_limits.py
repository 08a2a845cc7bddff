"""What an account's own limits leave of CloudWatch Logs to a source's exporter."""

import re
from typing import Any

_OWN_TASK = re.compile(r"[0-9a-f]{32}")
"""Names of our export tasks: the id of the export. The slot has one task, whoever asked for it.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""
_UNDER_WAY = ("PENDING", "RUNNING")


def reads_per_second(quotas: Any) -> float | None:
    """Return how often FilterLogEvents may be called; None where AWS names no such quota.

    It is called "FilterLogEvents throttle limit in transactions per second":
    https://docs.aws.amazon.com/general/latest/gr/cwl_region.html

    Args:
        quotas: A client of Service Quotas with credentials of the account.
    """
    for page in quotas.get_paginator("list_service_quotas").paginate(ServiceCode="logs"):
        for each in page["Quotas"]:
            if each["QuotaName"].startswith("FilterLogEvents "):
                return float(each["Value"])
    return None


def tasks_of_others(logs: Any) -> list[str]:
    """Return the names of the export tasks under way that nobody here asked for.

    Args:
        logs: A client of CloudWatch Logs with credentials of the account.
    """
    return [
        task.get("taskName") or task["taskId"]
        for status in _UNDER_WAY
        for page in logs.get_paginator("describe_export_tasks").paginate(statusCode=status)
        for task in page["exportTasks"]
        if not _OWN_TASK.fullmatch(task.get("taskName", ""))
    ]
