"""Test backends for every folder (devstack/src/devstack/pytest_*.py), and what goes together."""

from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

pytest_plugins = ["devstack.pytest_backends", "devstack.pytest_localstack"]

SHARE_SOURCES = "tests/integration/"


class _FilesAndSources(LoadFileScheduling):  # type: ignore[misc]  # the same
    """A file's tests run in one process; so do all that share a suite's sources."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return SHARE_SOURCES if file.startswith(SHARE_SOURCES) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """Say which tests a process takes together."""
    return _FilesAndSources(config, log)
