"""The direct lane as it is deployed, beside the slot of the same source."""

import pytest

from devstack import organisation
from devstack.suite import Suite, yesterday
from logferry_contracts.export import Lane

pytestmark = pytest.mark.localstack


def request(suite: Suite, profile: str, name: str, *, lane: Lane) -> None:
    """Ask a source's exporter for the previous day of a log group, as the planner does."""
    asked = suite.export_request(profile, name, lane=lane, log_group_class="STANDARD")
    enough_for_slices = {"estimated_bytes": 20_000_000}
    suite.send_request(asked.model_copy(update=enough_for_slices))


def test_a_small_log_group_does_not_wait_for_the_slot(suite, tap, name, records, some_logs, lines):
    by_task_name = f"{name}/by-task"
    some_logs("beta", name, lane="direct")
    some_logs("beta", by_task_name)
    with suite.busy_slot("beta"):
        looks = suite.calls("beta").count("logs.DescribeExportTasks")
        request(suite, "beta", by_task_name, lane="slot")
        tap.until(lambda: suite.calls("beta").count("logs.DescribeExportTasks") > looks)
        request(suite, "beta", name, lane="direct")
        tap.until(lambda: [r.state for r in records(name)] == ["secured"])
        assert [r.state for r in records(by_task_name)] == ["requested"]
    tap.until(lambda: [r.state for r in records(by_task_name)] == ["secured"] and tap.idle())

    [directly] = tap.of("export.completed", name)
    [by_task] = tap.of("export.completed", by_task_name)
    assert (directly["lane"], by_task["lane"]) == ("direct", "slot")
    assert sorted(lines(directly["manifest"])) == sorted(lines(by_task["manifest"]))
    prefix = directly["destination"]["prefix"]
    versions = suite.client("s3").list_object_versions(
        Bucket=suite.archive_bucket, Prefix=f"{prefix}/"
    )["Versions"]
    announced = {found["version_id"] for found in directly["manifest"]["objects"]}
    assert {version["VersionId"] for version in versions} == announced


def test_what_cannot_be_read_directly_is_exported_by_a_task(suite, tap, name, records, lines):
    window = yesterday()
    stream = organisation.LogStream("web", [(window.from_ms, "cold")])
    group = organisation.LogGroup(
        name, window.from_ms - 1, [stream], log_group_class="INFREQUENT_ACCESS"
    )
    suite.put_logs(suite.source("alpha").account_id, [group])
    request(suite, "alpha", name, lane="direct")
    tap.until(lambda: [r.state for r in records(name)] == ["secured"] and tap.idle())

    [completed] = tap.of("export.completed", name)
    assert completed["lane"] == "slot"
    assert [line.partition(" ")[2] for line in lines(completed["manifest"])] == ["cold"]
