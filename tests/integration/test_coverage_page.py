"""The coverage page of each night, from its schedule to the control bucket."""

import json
import time
from datetime import date

import pytest

from devstack.suite import date_of, yesterday
from planner.coverage import KEY

pytestmark = pytest.mark.localstack

PROFILE = "alpha"
PATIENCE_S = 90
NOT_THERE = ".gn"
"""Letters of dates from before the first plan, without a plan, and not yet due."""


def test_the_nightly_page_arrives_and_has_the_day(suite, name, plan, records, some_logs, tap):
    some_logs(PROFILE, f"{name}/a", lane="direct")
    plan(PROFILE, f"{name}/*")
    tap.until(lambda: [record.state for record in records(f"{name}/a")] == ["secured"])

    suite.fire_schedule("planner-coverage")

    data = _page(suite)
    rows = {row["profile"]: row for row in data["rows"]}
    assert set(rows) == {source.profile for source in suite.config.sources}
    on = (date_of(yesterday()) - date.fromisoformat(data["first"])).days
    assert rows[PROFILE]["cells"][on] not in NOT_THERE
    archived = rows[PROFILE]["counts"].split(",")[on].split(".")[0]
    assert int(archived) >= 1


def _page(suite):
    """Wait for the page, and return what its script draws."""
    s3, bucket = suite.client("s3"), suite.config.control_bucket
    deadline = time.monotonic() + PATIENCE_S
    while True:
        found = s3.list_objects_v2(Bucket=suite.config.control_bucket, Prefix=KEY).get(
            "Contents", []
        )
        if found:
            break
        assert time.monotonic() < deadline
        time.sleep(0.5)
    text = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read().decode()
    data = text.partition('<script type="application/json" id="data">')[2]
    return json.loads(data.partition("</script>")[0])
