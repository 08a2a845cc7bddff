"""The exporter's process is killed with SIGKILL; the message comes back, and another goes on.

The kill comes after a call has taken effect and before its answer arrives, which is the worst
moment: the exporter does not know what it has done.
"""

import itertools

import pytest
from tests.deployed import PROFILES_APART

pytestmark = pytest.mark.localstack

FEWEST_CALLS = 8
"""AssumeRole, the ledger read and written, the task created and looked at, its objects listed, the
event published, the publication recorded."""


@pytest.fixture
def suite(suite_apart):
    return suite_apart


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.deep)])
def test_a_kill_after_any_call_of_an_export_changes_nothing(
    suite, step, tap, name, plan, records, some_logs, lines
):
    # Both sources at once: most of the time is waited for messages to come back.
    for calls in itertools.batched(itertools.count(1, step), len(PROFILES_APART)):
        killed = {
            profile: (call, f"{name}/{call}")
            for profile, call in zip(PROFILES_APART, calls, strict=True)
        }
        suite.spare_exporters()
        for profile, (call, log_group_name) in killed.items():
            some_logs(profile, log_group_name)
            suite.kill_exporter(profile, after_call=call)
            plan(profile, log_group_name)
        for _, log_group_name in killed.values():
            tap.until(lambda n=log_group_name: [r.state for r in records(n)] == ["secured"])
        tap.until(tap.idle)

        for profile, (call, log_group_name) in killed.items():
            told = {
                event["manifest"]["total_bytes"]
                for event in tap.of("export.completed", log_group_name)
            }
            [record] = records(log_group_name)
            tasks = suite.export_tasks(profile, name=record.export_id)
            assert len(tasks) == 1, f"{len(tasks)} export tasks after a kill after call {call}"
            assert len(told) == 1, f"told {told} after a kill after call {call}"
            assert len(lines(record.completed.manifest.model_dump())) == 20
            if suite.kills(profile) == 0:
                assert call > FEWEST_CALLS
                return
