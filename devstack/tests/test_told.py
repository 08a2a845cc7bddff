"""What is left out of what a process tells of its tests is what passes and is not shown."""

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from devstack import pytest_told

TESTS = """
import pytest

pytestmark = pytest.mark.filterwarnings("default")

@pytest.fixture
def broken_before():
    print("said before")
    raise ValueError("before")

@pytest.fixture
def broken_after():
    yield
    raise ValueError("after")

def test_passes(): ...
def test_fails(): print("said in it"); assert 1 == 2
def test_breaks_before(broken_before): ...
def test_breaks_after(broken_after): ...
def test_is_skipped(): pytest.skip("not here")
@pytest.mark.xfail
def test_passes_against_expectation(): ...
def test_warns():
    import warnings
    warnings.warn("mind this")
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("told")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_it.py").write_text(TESTS)
    plugins = ("-p", "devstack.pytest_told", "-p", "no:cacheprovider")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-ra", "-n", "1", *plugins],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    return done.stdout


def test_each_test_is_counted_as_what_became_of_it(shown: str) -> None:
    assert "1 failed, 3 passed, 1 skipped, 1 xpassed, 1 warning, 2 errors" in shown


def test_what_does_not_just_pass_is_shown_with_all_that_it_said(shown: str) -> None:
    words = [
        "assert 1 == 2",
        "said in it",
        "said before",
        "ERROR at setup of test_breaks_before",
        "ERROR at teardown of test_breaks_after",
        "not here",
        "XPASS test_it.py::test_passes_against_expectation",
        "mind this",
    ]

    assert [each for each in words if each not in shown] == []


@pytest.mark.parametrize(
    ("option", "is_less"),
    [({}, True), ({"verbose": 1}, False), ({"durations": 0}, False), ({"xmlpath": "x"}, False)],
)
def test_who_asks_for_more_is_told_everything(option: dict[str, Any], *, is_less: bool) -> None:
    told: list[str] = []

    class WorkerInteractor:
        sendevent = staticmethod(lambda name, **_: told.append(name))

    worker = WorkerInteractor()
    options = SimpleNamespace(**{"verbose": -1, "durations": None, "xmlpath": None, **option})
    plugins = SimpleNamespace(get_plugins=lambda: {worker})

    pytest_told.pytest_configure(SimpleNamespace(option=options, pluginmanager=plugins))  # type: ignore[arg-type]
    worker.sendevent("logstart")

    assert told == ([] if is_less else ["logstart"])
