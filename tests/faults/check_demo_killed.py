"""The demo as a whole, while the exporters are killed again and again."""

import pytest
from rich.console import Console

from devstack.demo import Options, run

pytestmark = pytest.mark.localstack

SOME_AT_ANY_HOUR = 5


def test_killing_the_exporters_during_the_demo_changes_nothing_in_its_figures(tmp_path):
    options = Options(tmp_path, events_per_stream=8, kill_exporter_every=25)
    found = run(options, Console(quiet=True))
    assert found.exporter_kills >= 10
    assert found.problems == []
    assert found.exports_completed == 31
    # A window is guessed smaller the longer ago it ended: later in the day more is read directly.
    assert min(found.exports_by_lane.values()) >= SOME_AT_ANY_HOUR
