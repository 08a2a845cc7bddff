"""The package as others get it: a wheel in an environment that has nothing else of ours."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from contracts.tests.documents import CONTRACTS, EXAMPLES, SCHEMAS

from logferry.checkout import LOCK, uv

PYDANTIC_ALONE = """
import importlib.metadata, json, sys
import logferry_contracts.archive
from logferry_contracts.documents import EXAMPLES, examples
from logferry_contracts.events import parse_event

assert str(EXAMPLES).startswith(sys.prefix), EXAMPLES
event = parse_event(examples("accept", "export-completed")[0].text)
print(json.dumps(sorted({each.name for each in importlib.metadata.distributions()})), event.id)
"""


def run(*command: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(
        *(str(uv()), "build", "--quiet", "--wheel", "--python", sys.executable),
        *("--out-dir", str(out), str(CONTRACTS)),
    )
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path) -> str:
    """The Python of an environment with the wheel and what it needs, in the lock's versions."""
    environment = wheel.parent / "venv"
    python = str(environment / "bin" / "python")
    run(str(uv()), "venv", "--quiet", "--python", sys.executable, str(environment))
    run(
        *(str(uv()), "pip", "install", "--quiet", "--python", python),
        *("--constraint", str(LOCK), str(wheel)),
    )
    return python


def test_a_wheel_has_every_schema_every_example_and_its_types(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name.removeprefix("logferry_contracts/") for name in archive.namelist()}

    for folder in (SCHEMAS, EXAMPLES):
        files = {path.relative_to(folder.parent) for path in folder.rglob("*") if path.is_file()}
        assert {file.as_posix() for file in files} <= names
    assert "py.typed" in names
    assert not [name for name in names if "test" in name.split("/")[0]]


def test_it_needs_pydantic_and_what_that_needs_and_nothing_else(python: str) -> None:
    assert run(python, "-I", "-c", PYDANTIC_ALONE).split("] ")[0] + "]" == (
        '["annotated-types", "logferry-contracts", "pydantic", "pydantic_core", '
        '"typing-inspection", "typing_extensions"]'
    )


def test_what_checks_archives_and_proofs_needs_one_extra(wheel: Path, tmp_path: Path) -> None:
    python = str(tmp_path / "venv" / "bin" / "python")
    run(str(uv()), "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv"))
    run(
        *(str(uv()), "pip", "install", "--quiet", "--python", python),
        *("--constraint", str(LOCK), f"{wheel}[verify]"),
    )
    below = CONTRACTS / "src" / "logferry_contracts"
    modules = [
        path.relative_to(below.parent).with_suffix("").as_posix().replace("/", ".")
        for folder in ("verification", "retrieval", "")
        for path in sorted((below / folder).glob("*.py"))
        if path.name not in {"__main__.py", "exact.py"}
    ]
    assert "logferry_contracts.verification.verifier" in modules
    run(python, "-I", "-c", "\n".join(f"import {each}" for each in modules))


def test_its_command_runs_there(python: str) -> None:
    shown = run(python, "-I", "-m", "logferry_contracts", "show", "export-failed", "1.0")

    assert shown == (SCHEMAS / "export-failed" / "1.0.json").read_text("utf-8")
