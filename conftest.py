"""Test backends for every folder (devstack/src/devstack/pytest_*.py), and what goes together."""

import gc
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

pytest_plugins = ["devstack.pytest_backends", "devstack.pytest_localstack"]

# How fast a machine is fails no test; under CI=true Hypothesis has this by itself.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
if settings.get_current_profile_name() == "default":
    settings.load_profile("any machine")

SHARE_A_SUITE = {
    "tests/integration/": "suite",
    "tests/faults/": "suite_apart",
    "tests/iam/test_seals_access.py": "suite_apart",
}
"""Which of the deployed suites a file's tests use, by how its path begins."""


class _FilesAndSuites(LoadFileScheduling):  # type: ignore[misc]  # the same
    """A file's tests run in one process; so do all that share a suite, deployed once."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        shared = (suite for begin, suite in SHARE_A_SUITE.items() if file.startswith(begin))
        return next(shared, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Say which tests a process takes together."""
    return _FilesAndSuites(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the garbage collector pass over the thousands of tests: they stay to the end."""
    gc.collect()
    gc.freeze()
