"""Test backends for every folder (devstack/src/devstack/pytest_*.py), and what goes together."""

import gc
import multiprocessing
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from _pytest.assertion import rewrite
from hypothesis import HealthCheck, is_hypothesis_test, settings
from hypothesis.configuration import storage_directory
from hypothesis.internal.constants_ast import constants_from_module
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

pytest_plugins = [
    "devstack.pytest_backends",
    "devstack.pytest_localstack",
    "devstack.pytest_told",
]

# How fast a machine is fails no test, and what passes once passes again: its examples are the same
# each time. What is drawn anew each time, with its seed said, is `make chaos`.
settings.register_profile(
    "the same everywhere",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("the same everywhere")
SHARE = 4
"""Where the deep tests are left out, one of so many examples is looked at."""

SHARE_A_SUITE = {
    # As long as the others together, which it would only come after.
    "tests/integration/test_suite.py": "suite_apart",
    "tests/integration/test_backfill.py": "suite_apart",
    "tests/integration/": "suite",
    "tests/faults/": "suite_apart",
    "tests/iam/test_retention.py": "suite",
    "tests/iam/test_seals_access.py": "suite_apart",
}
"""Which of the deployed suites a file's tests use, by how its path begins: the first that fits."""

LONGEST = (
    # A suite that has exported much has much to count.
    "tests/integration/test_recount.py",
    "tests/integration/",
    "tests/faults/",
    # Minutes, of one deep test.
    "services/sealer/tests/test_memory_of_dates.py",
    "cli/tests/test_deploy_on_localstack.py",
)
"""What takes the longest, mostly by waiting, by how its path begins: the rest is done meanwhile."""


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
def pytest_sessionstart(session: pytest.Session) -> None:
    """Do once what processes would each do at a clone's first start, and take most of it for.

    After Hypothesis has begun, and before processes are started. They find what pytest and
    Hypothesis themselves would have left there, or do it themselves:
    assertions rewritten, and the numbers and words in what is tested, which are tried as examples.
    """
    config = session.config
    count = config.getoption("numprocesses", None)  # a process that runs tests has none
    if not count or sys.dont_write_bytecode or config.args != config.getini("testpaths"):
        return
    files = {
        path
        for folder in config.args
        for path in (config.rootpath / folder).rglob("*.py")
        if path.name.startswith("test_") or path.name == "conftest.py"
    }
    new = [path for path in sorted(files) if not _rewritten(path).exists()]
    fork = multiprocessing.get_context("fork")
    sources: list[Path] = []
    if not storage_directory("constants").path.exists():
        sources = sorted(config.rootpath.glob("*/src/*/**/*.py"))
        sources += sorted(config.rootpath.glob("*/*/src/*/**/*.py"))
    writers = [
        fork.Process(target=_prepare, args=(config, new[n::count], sources[n::count]))
        for n in range(count)
    ]
    for each in writers:
        each.start()
    for each in writers:
        each.join()


def _rewritten(path: Path) -> Path:
    return rewrite.get_cache_dir(path) / f"{path.stem}{rewrite.PYC_TAIL}"


def _prepare(config: pytest.Config, tests: Sequence[Path], sources: Sequence[Path]) -> None:
    _rewrite(config, tests)
    for path in sources:
        module = ModuleType(path.stem)
        module.__file__ = str(path)
        constants_from_module(module)


def _rewrite(config: pytest.Config, paths: Sequence[Path]) -> None:
    state = config.stash[rewrite.assertstate_key]
    for path in paths:
        source, code = rewrite._rewrite_test(path, config)  # noqa: SLF001  no public one
        _rewritten(path).parent.mkdir(exist_ok=True)
        rewrite._write_pyc(state, code, source, _rewritten(path))  # noqa: SLF001  the same


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """Look for no garbage among what is collected: thousands of tests, which stay to the end."""
    gc.disable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes the longest first, so that all processes end together."""
    if config.option.markexpr == "not deep":
        _look_at_a_share(items)
    for item in items:
        if item.get_closest_marker("deep"):
            # It runs what a share of it has run, and by half as long again where lines are noted.
            item.add_marker("no_cover")
    begins = [*LONGEST, ""]
    items.sort(
        key=lambda item: next(n for n, each in enumerate(begins) if item.nodeid.startswith(each))
    )


def _look_at_a_share(items: list[pytest.Item]) -> None:
    functions: list[Any] = [getattr(item, "obj", None) for item in items]
    for test in {each for each in functions if is_hypothesis_test(each)}:
        whole = test._hypothesis_internal_use_settings  # noqa: SLF001  there is no public one
        share = settings(whole, max_examples=max(1, whole.max_examples // SHARE))
        test._hypothesis_internal_use_settings = share  # noqa: SLF001  the same


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """From now on look for it, as often as is usual, and pass over what has been collected.

    To look more seldom saves a twentieth of the time, and peaks of memory are not what they are.
    """
    gc.freeze()
    gc.enable()
